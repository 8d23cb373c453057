//! The deliveries under way: sent as reliably as a world allows, and again where they failed.

use portcullis::pipeline::Answer;
use serde_json::Value;

use super::run::{Run, lock};

/// A delivery under way.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Post {
    /// EventBridge invokes the function with one event, and twice again if that fails.
    Bus { event: Value, attempt: u32 },
    /// A queue delivers messages, each up to `maxReceiveCount` times.
    Queue { messages: Vec<(String, Value, u32)> },
}

/// `maxReceiveCount` of the queue.
const MOST_RECEIVED: u32 = 4;

impl Run {
    pub(super) fn post(&mut self, after: u64, post: Post) {
        self.sent += 1;
        self.posts.insert((self.now() + after, self.sent), post);
    }

    /// Sends the events in the outbox, as reliably as this run allows.
    pub(super) fn send(&mut self) {
        let mut watcher = lock(&self.watcher);
        let events = std::mem::take(&mut watcher.scene.outbox);
        let rates = watcher.rates.clone();
        let mut sent: Vec<(u64, Value, bool)> = Vec::new();
        for event in events {
            if watcher.scene.chance(rates.lost) {
                watcher.scene.count("events lost");
                continue;
            }
            let copies = if watcher.scene.chance(rates.twice) { 2 } else { 1 };
            if copies == 2 {
                watcher.scene.count("events doubled");
            }
            for _ in 0..copies {
                let late = watcher.scene.chance(rates.late);
                if late {
                    watcher.scene.count("events delayed");
                }
                let delay =
                    if late { watcher.scene.rng.u64(5_000..300_000) } else { watcher.scene.rng.u64(300..2_000) };
                sent.push((delay, event.clone(), watcher.scene.rng.bool()));
            }
        }
        drop(watcher);
        for (delay, event, queued) in sent {
            if !queued {
                self.post(delay, Post::Bus { event, attempt: 0 });
                continue;
            }
            self.sent += 1;
            let message = (format!("m{}", self.sent), event, 0);
            let due = self.now() + delay;
            // A poller takes every message that has arrived.
            let batch = self.posts.iter_mut().find_map(|((at, _), post)| match post {
                Post::Queue { messages } if due <= *at && *at < due + 20_000 && messages.len() < 10 => Some(messages),
                Post::Queue { .. } | Post::Bus { .. } => None,
            });
            match batch {
                Some(messages) => messages.push(message),
                None => _ = self.posts.insert((due, self.sent), Post::Queue { messages: vec![message] }),
            }
        }
    }

    /// Delivers again what failed, as AWS does.
    pub(super) fn again(&mut self, post: Post, answer: &Answer) {
        match post {
            Post::Bus { event, attempt } if !answer.failed.is_empty() => match attempt {
                0 | 1 => self.post(60_000 * u64::from(attempt + 1), Post::Bus { event, attempt: attempt + 1 }),
                _ => lock(&self.watcher).scene.count("dead letters"),
            },
            Post::Bus { .. } => {}
            Post::Queue { messages } => {
                let failed = messages.into_iter().filter(|(id, ..)| answer.failed.contains(id));
                let (left, dead): (Vec<_>, Vec<_>) =
                    failed.map(|(id, event, received)| (id, event, received + 1)).partition(|m| m.2 < MOST_RECEIVED);
                for _ in dead {
                    lock(&self.watcher).scene.count("dead letters");
                }
                if !left.is_empty() {
                    self.post(30_000, Post::Queue { messages: left });
                }
            }
        }
    }
}
