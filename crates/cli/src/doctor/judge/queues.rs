//! The queues: dead letters, and whether the function reads those that it has to.

use std::collections::BTreeMap;

use super::super::inventory::{Queue, Resource};
use super::super::mend::word;
use super::{Lines, Scene};
use crate::words::count;

pub(super) fn judge(scene: &Scene<'_>, resources: &BTreeMap<String, Resource>, lines: &mut Lines) {
    let mut empty = 0;
    for (id, queue) in &scene.hub.queues {
        let Some(messages) = lines.seen("dead letters", &queue.messages) else { continue };
        match messages {
            None => lines.wrong("dead letters", Some(id), "the queue is not there", Some(scene.revert())),
            Some(0) => empty += 1,
            Some(messages) => {
                let messages = usize::try_from(*messages).unwrap_or(usize::MAX);
                let why = format!("{} in it: see docs/RUNBOOK.md, Dead letters", count(messages, "message"));
                lines.wrong("dead letters", Some(id), why, Some(look_at(scene, id, queue)));
            }
        }
    }
    if empty > 0 {
        lines.right("dead letters", format!("{empty} queues are empty"));
    }
    readers(scene, resources, lines);
}

/// SQS itself can move back what came from a queue. The others have to be read.
fn look_at(scene: &Scene<'_>, id: &str, queue: &Queue) -> String {
    let region = scene.region();
    match id {
        "SweepDeadLetters" | "LogDeadLetters" => {
            format!("aws sqs start-message-move-task --region {region} --source-arn {}", scene.queue_arn(&queue.url))
        }
        _ => {
            format!("aws sqs receive-message --region {region} --visibility-timeout 0 --queue-url {}", word(&queue.url))
        }
    }
}

/// The mappings through which the function reads its queues.
fn readers(scene: &Scene<'_>, resources: &BTreeMap<String, Resource>, lines: &mut Lines) {
    let Some(mappings) = lines.seen("queue reader", &scene.hub.function.mappings) else { return };
    let mut reading = Vec::new();
    for (queue, reader) in [("SweepQueue", "SweepQueueReader"), ("LogQueue", "LogQueueReader")] {
        let Some(url) = resources.get(queue).map(|resource| &resource.id) else { continue };
        match mappings.get(&scene.queue_arn(url)) {
            Some(true) => reading.push(queue),
            Some(false) => {
                let uuid = resources.get(reader).map_or("", |resource| resource.id.as_str());
                let region = scene.region();
                let mend =
                    format!("aws lambda update-event-source-mapping --region {region} --uuid {} --enabled", word(uuid));
                lines.wrong("queue reader", Some(reader), format!("it is disabled: {queue} is not read"), Some(mend));
            }
            None => {
                let why = format!("it is not there: {queue} is not read");
                lines.wrong("queue reader", Some(reader), why, Some(scene.revert()));
            }
        }
    }
    if !reading.is_empty() {
        lines.right("queue reader", format!("the function reads {}", reading.join(", ")));
    }
}
