//! What the function makes of its memory: a table of the model, or a folder. Every delivery goes to an instance of its
//! own, so that nothing is known but what the memory holds.

mod beside;
mod budget;
mod calls;
mod crashes;
mod digest;
mod holder;
pub(crate) mod lost;
mod news;
mod one_gap;
mod policy;
mod sweeps;
mod told_here;
mod unnamed;
mod waiting;
mod waivers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ec2_model::{Permission, Reply, Vpc};
use portcullis::domain::finding::{Finding, Outcome, Verdict};
use portcullis::domain::memory::{Entries, Memory};
use portcullis::domain::policy::Mode;
use portcullis::store::Store;
use serde_json::Value;
use tokio::sync::Notify;

use crate::harness::{ACCOUNT, Between, REGION, Setup, TABLE, Watch, remembering};

const EVERYONE: &str = "0.0.0.0/0";

fn judged(finding: &Finding) -> (Verdict, Outcome) {
    (finding.verdict, finding.outcome)
}

/// Delivers to an instance of its own.
async fn alone(watch: &mut Watch, event: &Value) -> Finding {
    watch.start_anew(remembering()).await;
    watch.finding(event).await
}

/// A layer that lets `calls` calls pass. The next one hangs, after it had its effect or before. The model's clock goes on
/// while calls are made, or stands.
fn cut(watch: &Watch, clock_goes: bool, (calls, has_effect): (usize, bool)) -> (Between, Arc<Notify>) {
    let (world, made, stopped) = (watch.world.clone(), AtomicUsize::new(0), Arc::new(Notify::new()));
    let stops = Arc::clone(&stopped);
    let (start, begun) = (world.now(), tokio::time::Instant::now());
    let between: Between = Arc::new(move |request| {
        if clock_goes {
            world.set_now(start + i64::try_from(begun.elapsed().as_millis()).unwrap());
        }
        let n = made.fetch_add(1, Ordering::Relaxed);
        if n < calls {
            return (Duration::ZERO, world.handle(request));
        }
        if n == calls && has_effect {
            world.handle(request);
        }
        stops.notify_one();
        (Duration::from_secs(86_400), Reply::Lost)
    });
    (between, stopped)
}

/// Moves the clock.
fn later(watch: &Watch, by: Duration) {
    watch.world.set_now(watch.world.now() + i64::try_from(by.as_millis()).unwrap());
}

/// What the table holds of the group.
fn memory(watch: &Watch) -> Memory {
    let item = watch.world.items(ACCOUNT, REGION, TABLE).remove(&format!("{ACCOUNT}/{REGION}/{}", watch.group));
    let entry = |(name, text): (String, String)| {
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (name, value)
    };
    let entries = item.unwrap_or_default().into_iter().filter(|(name, _)| name != "pk" && name != "ttl");
    let entries: Entries = entries.map(entry).collect();
    Memory::read(&entries)
}

/// `count` blocks of /9 from `first` on, each under the limit by itself.
fn blocks(first: u32, count: u32) -> Vec<Permission> {
    (first..first + count).map(|n| Permission::tcp(22, &format!("{n}.0.0.0/9"))).collect()
}
