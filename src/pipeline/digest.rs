//! One message about many places. A sweep that is handed out is done by an invocation for each account and Region, and each
//! has a summary of its own. What there is to tell of it is left in the memory, and told together: by the first place that
//! has news, and then no more often than every five minutes; by the last message of the sweep; and at the latest by the next
//! sweep.
//!
//! Nobody counts the places, so none can keep the others waiting. What cannot be left is told by the place itself.

use std::time::Duration;

use jiff::SignedDuration;
use portcullis_domain::finding::{Finding, SweepFinding};
use portcullis_domain::memory::{DIGEST, DigestOrder, Entries, LEASE_HOLDER, LEASE_UNTIL, Waiting, written};
use serde_json::json;
use tokio::time::Instant;

use super::context::Context;
use super::recall::{PATIENCE, Settlement};
use crate::store::{Condition, StoreError, Update};

/// After a message about news, what comes next is brought together for so long.
const TOGETHER: SignedDuration = SignedDuration::from_mins(5);

/// The last message of a sweep is kept back for so many seconds: a small sweep is done by then. In a longer one it comes
/// behind the places that are still to be swept.
const TELL_AFTER: u16 = 300;

/// An expression of DynamoDB has at most 4 KB. Each change is charged for the whole item, so that few are better than many.
const MOST_REMOVED: usize = 500;

/// What a sweep keeps in the memory is kept so long. What stands open has been written again each day since.
pub(super) const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The message, and what is written when it was published.
pub(super) struct Digest {
    pub(super) finding: Finding,
    pub(super) settlements: Vec<Settlement>,
}

/// What became of what a place had to tell.
pub(super) enum Left {
    /// It waits.
    Waits,
    /// It is told, with everything that waited.
    Told(Box<Digest>),
    /// It could not be left.
    Lost,
}

/// When something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Something has changed: as soon as it may be.
    Now,
    /// Nothing has changed: with the sweep's last message.
    AtTheEnd,
}

/// Leaves what there is to tell of a place. News is told at once, with everything that waits, unless some was told a short
/// time ago.
pub(super) async fn leave(context: &Context, place: &str, sweep: &SweepFinding, when: When) -> Left {
    let (store, now) = (&context.settings.memory, context.now());
    // Nothing that closes a port waits for this.
    let until = Instant::now() + PATIENCE;
    let lost = |error: StoreError| {
        tracing::warn!(place, code = error.code(), "what there is to tell could not be left to the digest");
        Left::Lost
    };
    let waiting = match store.read(&context.aws, DIGEST, until).await {
        Ok(entries) => Waiting::read(&entries),
        Err(error) => return lost(error),
    };
    let update = Update { set: waiting.part(place, sweep, now), ttl: now.checked_add(KEPT).ok(), ..Update::default() };
    if when == When::Now {
        let holder = format!("{:016x}", fastrand::u64(..));
        let condition = Condition::LeaseIsFree { holder: holder.clone(), now: now.as_millisecond() };
        let mut first = Update { condition: Some(condition), ..update.clone() };
        first.set.extend(lease(holder, context));
        match store.update(&context.aws, DIGEST, &first, Instant::now() + PATIENCE).await {
            Ok(entries) => {
                let told = told(context, &Waiting::read(&entries));
                return told.map_or(Left::Waits, |told| Left::Told(Box::new(told)));
            }
            Err(StoreError::NotMet(_)) => {}
            Err(error) => return lost(error),
        }
    }
    match store.update(&context.aws, DIGEST, &update, Instant::now() + PATIENCE).await {
        Ok(_) => Left::Waits,
        Err(error) => lost(error),
    }
}

/// The right to tell, for some minutes.
fn lease(holder: String, context: &Context) -> Entries {
    let until = context.now().saturating_add(TOGETHER).map(|until| until.as_millisecond()).ok();
    let entries = [(LEASE_HOLDER, written(&holder)), (LEASE_UNTIL, until.map(Into::into))];
    entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// What waits.
///
/// # Errors
/// [`StoreError::None`] where there is no memory.
pub(super) async fn waiting(context: &Context) -> Result<Waiting, StoreError> {
    let until = Instant::now() + Duration::from_secs(1);
    let read = context.settings.memory.read(&context.aws, DIGEST, until).await;
    let read = read.map(|entries| Waiting::read(&entries));
    read.inspect_err(|error| {
        if !matches!(error, StoreError::None) {
            tracing::warn!(code = error.code(), "what waits to be told was not read");
        }
    })
}

/// The message about everything that waits, where anything does.
pub(super) fn told(context: &Context, waiting: &Waiting) -> Option<Digest> {
    let (together, now) = (waiting.together()?, context.now());
    let mode = context.settings.mode.min(context.policy.now().sweep().mode);
    let part = |names: &[String]| {
        let update = Update { ttl: now.checked_add(KEPT).ok(), ..Update::default() };
        Settlement { waited: names.to_vec(), ..Settlement::new(DIGEST.to_owned(), update) }
    };
    let settlements = waiting.names().chunks(MOST_REMOVED).map(part).collect();
    Some(Digest { finding: Finding::swept(now, together, mode), settlements })
}

/// What the places of a sweep leave to the digest.
pub(super) fn order(context: &Context, waiting: &Waiting) -> DigestOrder {
    let now = context.now();
    if waiting.is_due(now) { DigestOrder::AllSince(now) } else { DigestOrder::News }
}

/// What is written when all messages of a sweep are sent. Where that is lost, everything is told again with the next sweep.
pub(super) fn handed_out(context: &Context, order: DigestOrder) -> Option<Settlement> {
    let DigestOrder::AllSince(since) = order else { return None };
    let ttl = context.now().checked_add(KEPT).ok();
    let update = Update { set: Waiting::asked_for_all(since), ttl, ..Update::default() };
    Some(Settlement::new(DIGEST.to_owned(), update))
}

/// Sends the last message of a sweep, which tells what its places have left. Where it is lost, the next sweep does it.
pub(super) async fn tell_later(context: &Context, queue: &str, until: Instant) {
    let message = json!({"sweep": {"digest": DigestOrder::Tell.to_string()}}).to_string();
    if let Err(error) = context.aws.enqueue_later(queue, &[(message, TELL_AFTER)], until).await {
        tracing::warn!(code = %error.code, "the sweep's last message was not sent: the next sweep tells what waits");
    }
}
