//! Where no memory answers, two calls can hide behind each other: each delivery sees the other's rules and takes them for an
//! exposure that was there before. So a change that was left beside such an exposure comes again, in messages that the queue
//! keeps back. An instance that has seen both judges them together.
//!
//! Nothing else knows of both, so this is likely and not certain: docs/EVASIONS.md, "Time and order". What is still open
//! after the last look was told the first time.
//!
//! All messages are sent at once. A later look sends none: Lambda stops a function that calls itself over a queue, after
//! about sixteen times (Lambda Developer Guide, "Use Lambda recursive loop detection to prevent infinite loops").

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use jiff::SignedDuration;
use portcullis_domain::change::Change;
use portcullis_domain::finding::{Finding, MemoryState, Outcome, Verdict};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::context::Context;
use super::intake::{Tracked, outdated_at};

/// A change is looked at again after so many seconds each, and up to a fifth more, so that the messages of two changes do not
/// always come at the same time: two at a time go to two instances. An instance remembers a change for longer than the last
/// takes. One call to SQS sends ten messages.
const AFTER: [u16; 10] = [6, 14, 24, 36, 50, 90, 180, 300, 480, 720];

/// The messages of so many changes are sent at a time.
const MOST_SENT_AT_ONCE: usize = 8;

/// A change that is to be judged again.
pub(super) struct LookAgain {
    /// The item that is delivered again if the messages are lost.
    item: String,
    /// The event, as EventBridge would deliver it.
    event: Value,
    /// For how many seconds the queue keeps each message back.
    after: Vec<u16>,
}

/// The changes of a group that come again, where its findings say that they were left beside an exposure that stands without
/// them. A change that does not come again fails where there is a memory, and did not answer: it may answer the next time.
pub(super) fn of(context: &Context, changes: &[Tracked<Change>], findings: &mut [Tracked<Finding>]) -> Vec<LookAgain> {
    let mut again = Vec::new();
    for (change, finding) in changes.iter().zip(findings) {
        let finding = &mut finding.value;
        if let Some(look) = LookAgain::of(context, change) {
            finding.reason.push_str("; it is looked at again, for another call may have opened the rest");
            again.push(look);
        } else if change.origin.again.is_none_or(|again| again.last) && finding.memory == Some(MemoryState::Unavailable)
        {
            finding.doubtful = true;
            finding.reason.push_str("; the memory did not answer: whether another call opened the rest is not known");
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
    /// Nothing where the change has come again already, where there is no queue, and where the record is not kept.
    fn of(context: &Context, change: &Tracked<Change>) -> Option<Self> {
        let Tracked { origin, value: change } = change;
        if origin.again.is_some() || context.settings.queue.is_none() {
            return None;
        }
        let is_believed = |after: &u16| {
            let then = context.now().checked_add(SignedDuration::from_secs(i64::from(*after)));
            then.is_ok_and(|then| outdated_at(then, change).is_none())
        };
        let after = AFTER.map(|after| after + fastrand::u16(0..=after / 5));
        let after: Vec<u16> = after.into_iter().filter(is_believed).collect();
        let event = json!({
            "source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail",
            "account": change.account, "region": change.region, "detail": Arc::as_ref(origin.record.as_ref()?),
        });
        (!after.is_empty()).then(|| Self { item: origin.item.clone(), event, after })
    }

    /// The messages, each with the seconds that it is kept back.
    fn messages(self, is_told: bool) -> Vec<(String, u16)> {
        let Self { mut event, after, .. } = self;
        let last = after.last().copied();
        let message = |after: u16| {
            event["again"] = json!({"last": Some(after) == last, "told": is_told});
            (event.to_string(), after)
        };
        after.into_iter().map(message).collect()
    }
}

/// Sends the messages. Returns the items of which the queue did not take them all: they are to be delivered again.
pub(super) async fn send(context: &Context, again: Vec<LookAgain>, is_told: bool, until: Instant) -> Vec<String> {
    let Some(queue) = &context.settings.queue else { return Vec::new() };
    let sent = again.into_iter().map(|look| async move {
        let item = look.item.clone();
        let messages = look.messages(is_told);
        let code = match timeout_at(until, Box::pin(context.aws.enqueue_later(queue, &messages))).await {
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

    /// SQS API Reference, SendMessage, `DelaySeconds`: "Valid values: 0 to 900."
    #[test]
    fn an_instance_remembers_a_change_until_it_was_looked_at_for_the_last_time() {
        assert!(AFTER.iter().all(|after| u64::from(after + after / 5) < REMEMBERED.as_secs().min(900)));
        assert!(AFTER.is_sorted_by(|one, next| one + one / 5 < *next), "the last in the list is the last to come");
        assert!(AFTER[4] + AFTER[4] / 5 <= 60, "five looks in a minute");
    }
}
