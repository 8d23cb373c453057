//! Where no memory answers, two calls can hide behind each other: each delivery sees the other's rules and takes them for an
//! exposure that was there before. So a change that was left beside such an exposure comes again, as a message that the
//! queue keeps back. An instance that has seen both judges them together.
//!
//! Nothing else knows of both, so this is likely and not certain: docs/EVASIONS.md, "Time and order". What is still open
//! after the last look was told the first time.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use jiff::SignedDuration;
use portcullis_domain::change::Change;
use portcullis_domain::finding::{Finding, MemoryState, Outcome, Verdict};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::context::Context;
use super::intake::{Tracked, outdated_at};
use crate::envelope::Again;

/// After so many seconds each, and up to half as many more, so that two messages do not come at the same time each time: two
/// at a time go to two instances. All of them together are less than an instance remembers a change.
const AFTER: [u16; 15] = [5, 5, 10, 10, 10, 10, 20, 20, 30, 30, 60, 60, 60, 120, 120];

/// So many messages are sent at a time.
const MOST_SENT_AT_ONCE: usize = 8;

/// A change that is to be judged again.
pub(super) struct LookAgain {
    /// The item that is delivered again if the message is lost.
    item: String,
    /// The event, as EventBridge would deliver it.
    event: Value,
    /// Which time it will be.
    time: u8,
    /// Whether its finding was published before.
    was_told: bool,
    /// How many seconds the queue keeps the message back.
    after: u16,
}

/// The changes of a group that come again, where its findings say that they were left beside an exposure that stands without
/// them. A change that does not come again fails where there is a memory, and did not answer: it may answer the next time.
pub(super) fn of(context: &Context, changes: &[Tracked<Change>], findings: &mut [Tracked<Finding>]) -> Vec<LookAgain> {
    let mut again = Vec::new();
    for (change, finding) in changes.iter().zip(findings) {
        let finding = &mut finding.value;
        match LookAgain::of(context, change) {
            Some(look) => {
                if look.time == 1 {
                    finding.reason.push_str("; it is looked at again, for another call may have opened the rest");
                }
                again.push(look);
            }
            None if finding.memory == Some(MemoryState::Unavailable) => {
                finding.doubtful = true;
                finding.is_told = false;
                finding
                    .reason
                    .push_str("; the memory did not answer: whether another call opened the rest is not known");
            }
            None => {}
        }
    }
    again
}

/// Marks what is told already: a change that comes again, and is left as it was.
pub(super) fn mark_told(findings: &mut [Tracked<Finding>]) {
    for finding in findings.iter_mut().filter(|finding| finding.origin.again.is_some_and(|again| again.told)) {
        let finding = &mut finding.value;
        finding.is_told |= finding.verdict == Verdict::Exposed && finding.outcome == Outcome::None;
    }
}

impl LookAgain {
    /// Nothing where there is no queue, where the record is not kept, after the last time, and where the record would not be
    /// believed any more by then.
    fn of(context: &Context, change: &Tracked<Change>) -> Option<Self> {
        let Tracked { origin, value: change } = change;
        let before = origin.again.unwrap_or(Again { time: 0, told: false });
        let pause = AFTER.get(usize::from(before.time)).filter(|_| context.settings.queue.is_some())?;
        let after = pause + fastrand::u16(0..=pause / 2);
        let then = context.now().checked_add(SignedDuration::from_secs(i64::from(after))).ok()?;
        if outdated_at(then, change).is_some() {
            return None;
        }
        let event = json!({
            "source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail",
            "account": change.account, "region": change.region, "detail": Arc::as_ref(origin.record.as_ref()?),
        });
        Some(Self { item: origin.item.clone(), event, time: before.time + 1, was_told: before.told, after })
    }

    fn message(mut self, is_told: bool) -> String {
        self.event["again"] = json!({"time": self.time, "told": self.was_told || is_told});
        self.event.to_string()
    }
}

/// Sends the messages. Returns the items whose message the queue did not take: they are to be delivered again.
pub(super) async fn send(context: &Context, again: Vec<LookAgain>, is_told: bool, until: Instant) -> Vec<String> {
    let Some(queue) = &context.settings.queue else { return Vec::new() };
    let sent = again.into_iter().map(|look| async move {
        let (item, after) = (look.item.clone(), look.after);
        let send = Box::pin(context.aws.enqueue_later(queue, look.message(is_told), after));
        let code = match timeout_at(until, send).await {
            Ok(Ok(())) => return None,
            Ok(Err(error)) => error.code.to_string(),
            Err(_) => "Timeout".to_owned(),
        };
        tracing::warn!(code, "a change that was to be looked at again was not sent");
        Some(item)
    });
    stream::iter(sent).buffer_unordered(MOST_SENT_AT_ONCE).filter_map(std::future::ready).collect().await
}

#[cfg(test)]
mod tests {
    use super::super::recent::REMEMBERED;
    use super::*;

    #[test]
    fn an_instance_remembers_a_change_until_it_was_looked_at_for_the_last_time() {
        let longest: u64 = AFTER.iter().map(|pause| u64::from(pause + pause / 2)).sum();
        assert!(longest < REMEMBERED.as_secs(), "{longest} s");
        let five: u16 = AFTER[..5].iter().map(|pause| pause + pause / 2).sum();
        assert!(five <= 60, "five looks take {five} s");
    }
}
