//! One resource to work on, and its groups as EC2 shows them.

use std::time::Duration;

use portcullis_domain::exposure::{GroupFacts, Judgement, PrefixLists, judge};
use portcullis_domain::plan::plan;
use portcullis_domain::policy::{GroupLocation, Mode};
use portcullis_domain::trail::{Call, Change};
use tokio::time::Instant;

use super::context::Context;
use crate::aws::{AccountRegion, KnownLists, Session};

/// What is to be done about the changes of one resource, and until when.
#[derive(Clone, Copy)]
pub(super) struct GroupTask<'a> {
    pub(super) target: &'a AccountRegion,
    pub(super) session: Session<'a>,
    pub(super) changes: &'a [&'a Change],
    /// The most that may be done: the function's mode, or the sweep's where the resource is a whole Region.
    pub(super) mode: Mode,
    /// When pre-existing exposures are no longer re-checked.
    pub(super) recheck_until: Instant,
    /// The prefix lists that the invocation has read.
    pub(super) known_lists: &'a KnownLists,
}

/// A group as EC2 showed it.
pub(super) struct Snapshot {
    pub(super) group: GroupFacts,
    pub(super) prefix_lists: PrefixLists,
    /// When EC2 was asked.
    pub(super) observed_at: Instant,
}

/// EC2 is eventually consistent: only when a change is this old does a rule that EC2 does not show count as gone.
const SETTLING: Duration = Duration::from_secs(20);

impl GroupTask<'_> {
    pub(super) fn judge(&self, context: &Context, facts: &GroupFacts, lists: &PrefixLists) -> Judgement {
        judge(self.changes, facts, lists, &context.policy, self.location(facts), context.now())
    }

    /// Whether some rule of the group would have to go as EC2 shows it.
    pub(super) fn calls_for_action(&self, context: &Context, facts: &GroupFacts, lists: &PrefixLists) -> bool {
        !plan(&self.judge(context, facts, lists)).is_empty()
    }

    pub(super) fn location<'a>(&'a self, facts: &'a GroupFacts) -> GroupLocation<'a> {
        let AccountRegion { account, region } = self.target;
        GroupLocation { account, region, group: &facts.group, vpc: facts.vpc.as_ref() }
    }

    /// Whether a change was so young when EC2 was asked that EC2 may not have shown it. A change without a time counts as
    /// young. The time of the request counts, for the answer may have taken long.
    pub(super) fn is_young(&self, context: &Context, observed_at: Instant) -> bool {
        let then = context.now() - observed_at.elapsed();
        let age = |change: &&Change| change.event.time.map(|time| then.duration_since(time).unsigned_abs());
        let calls = self.changes.iter().filter(|change| change.call != Call::Sweep);
        calls.map(age).any(|age| age.is_none_or(|age| age < SETTLING))
    }
}

/// Pauses that double from 200 ms to at most 4 s. Half of each is random, so that throttled invocations do not keep in
/// step.
#[derive(Default)]
pub(super) struct Backoff {
    turn: u32,
    /// The next pause is at most this long.
    at_most: Option<Duration>,
}

impl Backoff {
    /// Makes the next pause at most this long.
    pub(super) fn limit_next(&mut self, at_most: Duration) {
        self.at_most = Some(at_most);
    }

    pub(super) fn next(&mut self) -> Duration {
        let at_most = self.at_most.take().unwrap_or(Duration::MAX);
        // No pause at all is no turn.
        if at_most.is_zero() {
            return at_most;
        }
        self.turn = self.turn.saturating_add(1);
        let doubled = Duration::from_millis(100).saturating_mul(2u32.saturating_pow(self.turn));
        doubled.min(Duration::from_secs(4)).mul_f64(0.5 + fastrand::f64() / 2.0).min(at_most)
    }
}
