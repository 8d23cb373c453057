//! Later looks. Where no memory answers, two calls can hide behind each other: each delivery sees the other's rules and takes
//! them for an exposure that was there before. So a change that was left beside such an exposure comes again, in messages
//! that the queue keeps back. An instance that has seen both calls judges them together.
//!
//! Nothing else knows of both, so this is likely and not certain: docs/EVASIONS.md, "Time and order". What is still open
//! after the last look was told the first time.
//!
//! All messages are sent at once. A later look sends none: Lambda stops a function that calls itself over a queue, after
//! about sixteen times (Lambda Developer Guide, "Use Lambda recursive loop detection to prevent infinite loops").

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use jiff::SignedDuration;
use portcullis_domain::change::{Change, ChangedRules};
use portcullis_domain::finding::{Finding, MemoryState, Outcome, Verdict};
use portcullis_domain::policy::Mode;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::context::Context;
use super::intake::{Tracked, group_name, outdated_at};
use crate::sinks::log::printing;

/// The pause before each look, in seconds. Each is up to a fifth longer, by chance: messages that come at the same time go to
/// two instances. An instance remembers a change for longer than the last pause. One call to SQS sends ten messages.
const AFTER: [u16; 10] = [6, 14, 24, 36, 50, 90, 180, 300, 480, 720];

/// A message may be sent and received so much later. Its record must be believed then.
const LATE: SignedDuration = SignedDuration::from_secs(30);

/// What was not published the first time is published by this look, when EC2 shows what there is, and if need be by the last.
const TELLS: usize = 2;

/// The messages of so many changes are sent at a time.
const MOST_CHANGES_AT_ONCE: usize = 8;

/// The messages for the later looks at a change.
pub(super) struct LaterLooks {
    /// The index of the payload that the change came from.
    pub(super) payload: usize,
    /// The event, as EventBridge would deliver it.
    event: Map<String, Value>,
    /// For how many seconds the queue keeps each message back.
    after: Vec<u16>,
    /// What the log says of it if the messages are lost: the account, the group and the record's id.
    name: String,
}

/// Whether a record may come for later looks.
pub(super) fn may_be_needed(context: &Context) -> bool {
    context.settings.queue.is_some() && context.settings.mode == Mode::Enforce
}

/// The later looks at the changes of a group that may hide behind another call. A finding says that its change comes again. A
/// change that should and does not fails, where the next attempt may do better. What fails anyway comes again for that.
pub(super) fn of(
    context: &Context,
    changes: &[Tracked<Change>],
    (may_hide, findings): (&BTreeSet<usize>, &mut [Tracked<Finding>]),
) -> Vec<LaterLooks> {
    let mut all = Vec::new();
    let pairs = changes.iter().zip(findings).enumerate().filter(|(n, _)| may_hide.contains(n));
    for (_, (change, Tracked { value: finding, .. })) in pairs {
        if finding.needs_retry() {
            continue;
        }
        if let Some(looks) = LaterLooks::of(context, change) {
            finding.reason.push_str("; it may hide behind another call, so it is to come again over the queue");
            all.push(looks);
        } else if let Some(why) = why_it_fails(context, change, finding) {
            finding.doubtful = true;
            finding.is_told = false;
            finding.reason.push_str(&format!("; whether it hides behind another call is not known: {why}"));
        }
    }
    all
}

/// Why a change fails that may hide behind another call, and does not come again.
fn why_it_fails(context: &Context, change: &Tracked<Change>, finding: &Finding) -> Option<&'static str> {
    let is_last = change.origin.later_look.is_none_or(|look| look.last);
    let is_too_long = may_be_needed(context) && change.origin.record.is_none();
    match finding.memory {
        Some(MemoryState::Unavailable) if is_last => Some("the memory did not answer"),
        _ if is_too_long => Some("its record is too long to come again"),
        _ => None,
    }
}

/// Whether a later look has nothing to tell: nothing was done, nothing failed, and the first look told all of it. What an
/// exemption or a waiver covers is another verdict than the first one, and what an attempt left that stopped is told by nobody
/// else.
pub(super) fn has_nothing_to_tell(finding: &Finding) -> bool {
    let is_the_same = matches!(finding.verdict, Verdict::Exposed | Verdict::Safe)
        && matches!(finding.outcome, Outcome::None | Outcome::AlreadyGone);
    let is_excused = finding.waiver.is_some() || finding.exempt_by.is_some();
    is_the_same && !is_excused && !finding.is_by_nobody_known && !finding.needs_retry()
}

impl LaterLooks {
    /// Nothing where this is a later look, where there is no queue, where the record was not kept, and where the record says
    /// of every rule that it may be the change's.
    fn of(context: &Context, change: &Tracked<Change>) -> Option<Self> {
        let Tracked { origin, value: change } = change;
        if origin.later_look.is_some() || matches!(change.changed_rules, ChangedRules::Any) || !may_be_needed(context) {
            return None;
        }
        let is_believed = |after: &u16| {
            let then = context.now().checked_add(SignedDuration::from_secs(i64::from(*after)) + LATE);
            then.is_ok_and(|then| outdated_at(then, change).is_none())
        };
        let after = AFTER.map(|after| after + fastrand::u16(0..=after / 5));
        let after: Vec<u16> = after.into_iter().filter(is_believed).collect();
        let event = [
            ("source", json!("aws.ec2")),
            ("detail-type", json!("AWS API Call via CloudTrail")),
            ("account", json!(change.account)),
            ("region", json!(change.region)),
            ("detail", Value::clone(origin.record.as_ref()?)),
        ];
        let event = event.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let (group, id) = (group_name(&change.resource).unwrap_or_default(), change.event.id.as_deref());
        let name = format!("{} {} {group} {}", change.account, change.region, id.unwrap_or("no id"));
        (!after.is_empty()).then_some(Self { payload: origin.index, event, after, name })
    }

    /// The messages, each with the seconds that it is kept back.
    fn messages(&self, is_told: bool) -> Vec<(String, u16)> {
        let message = |(n, after): (usize, &u16)| {
            let is_last = n + 1 == self.after.len();
            let told = is_told || n != TELLS && !is_last;
            let mut event = self.event.clone();
            event.insert("later_look".to_owned(), json!({"last": is_last, "told": told}));
            // SQS takes no character that XML does not know.
            (printing(Value::Object(event).to_string()), *after)
        };
        self.after.iter().enumerate().map(message).collect()
    }
}

/// Sends the messages. Returns the payloads whose messages the queue did not take.
pub(super) async fn send(context: &Context, looks: Vec<LaterLooks>, is_told: bool, until: Instant) -> BTreeSet<usize> {
    let Some(queue) = &context.settings.queue else { return BTreeSet::new() };
    let sent = looks.into_iter().map(|looks| async move {
        let error = context.aws.enqueue_later(queue, &looks.messages(is_told), until).await.err()?;
        let (code, change) = (error.code.to_string(), looks.name);
        tracing::warn!(code, change, "the queue did not take a change for later looks: it is delivered again");
        Some(looks.payload)
    });
    stream::iter(sent).buffer_unordered(MOST_CHANGES_AT_ONCE).filter_map(std::future::ready).collect().await
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
