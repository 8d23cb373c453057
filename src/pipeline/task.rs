//! One resource to work on, and its groups as EC2 shows them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::change::{Call, Change, ChangedRules, Resource};
use portcullis_domain::facts::Facts;
use portcullis_domain::judge::{Judgement, judge_with_others};
use portcullis_domain::plan::going;
use portcullis_domain::policy::{Mode, Policy};
use tokio::time::Instant;

use super::context::Context;
use super::prefix_list::OpenThroughLists;
use crate::aws::{AccountRegion, Description, KnownLists, Session};

/// What is to be done about the changes of one resource, and until when.
#[derive(Clone, Copy)]
pub(super) struct GroupTask<'a> {
    pub(super) target: &'a AccountRegion,
    pub(super) session: Session<'a>,
    /// The delivery's own changes, and after them what other deliveries left unsettled in the group.
    pub(super) changes: &'a [&'a Change],
    /// How many of the changes are the delivery's own.
    pub(super) own: usize,
    /// The most that may be done: the function's mode, or the sweep's where the resource is a whole Region.
    pub(super) mode: Mode,
    /// The policy that decides.
    pub(super) policy: &'a Policy,
    /// When pre-existing exposures are no longer re-checked.
    pub(super) recheck_until: Instant,
    /// The prefix lists that the invocation has read.
    pub(super) known_lists: &'a KnownLists,
    /// The groups that the invocation saw open through a prefix list.
    pub(super) open_through_lists: &'a OpenThroughLists,
    /// This instance closed the group a short time ago: somebody opens it again and again.
    pub(super) is_fight: bool,
    /// All changes come for a later look. What has become of their rules since was told by whoever did it.
    pub(super) is_later_look: bool,
    /// All of them were told before: what is the same is not told again.
    pub(super) is_told: bool,
    /// Why nothing is revoked that the plan says, where something holds it back. It is reported as undecided, so that the
    /// delivery fails and somebody looks.
    pub(super) held_back: Option<&'static str>,
}

/// A group as EC2 showed it.
pub(super) struct Snapshot {
    pub(super) facts: Facts,
    /// When EC2 was asked.
    pub(super) observed_at: Instant,
    /// When the oldest of its prefix lists was read.
    pub(super) lists_read_at: Instant,
}

impl Snapshot {
    /// Whether the rules are older than this, or the prefix lists where they matter. What was read in the look itself is
    /// as young as EC2 lets it be where nothing was waited for after the look, however long the answer took.
    pub(super) fn is_older_than(&self, age: Duration, with_lists: bool, has_waited: bool) -> bool {
        let is_of_before = self.lists_read_at < self.observed_at && self.lists_read_at.elapsed() > age;
        with_lists && is_of_before || has_waited && self.observed_at.elapsed() > age
    }

    /// One for each group that EC2 showed.
    pub(super) fn each(description: Description) -> impl Iterator<Item = Self> {
        let Description { groups, observed_at, lists_read_at } = description;
        groups.into_iter().map(move |facts| Self { facts, observed_at, lists_read_at })
    }
}

/// EC2 is eventually consistent: only when a change is this old does a rule that EC2 does not show count as gone.
pub(super) const SETTLING: SignedDuration = SignedDuration::from_secs(20);

impl<'a> GroupTask<'a> {
    pub(super) fn judge(&self, context: &Context, facts: &Facts) -> Judgement {
        self.judge_at(facts, context.now())
    }

    pub(super) fn judge_at(&self, facts: &Facts, now: Timestamp) -> Judgement {
        judge_with_others((self.changes, self.own), facts, self.policy, now)
    }

    /// How many rules of the group would have to go as EC2 shows it.
    pub(super) fn count_steps(&self, context: &Context, facts: &Facts) -> usize {
        going(&self.judge(context, facts)).len()
    }

    /// The same task with nothing revoked, and why.
    pub(super) fn held_back(&self, why: &'static str) -> Self {
        Self { mode: Mode::Alert, held_back: Some(why), ..*self }
    }

    /// The delivery's own changes.
    pub(super) fn own_changes(&self) -> &'a [&'a Change] {
        self.changes.get(..self.own).unwrap_or(self.changes)
    }

    /// Whether the changes are calls, and not a sweep, which has time to see what is there.
    pub(super) fn is_of_events(&self) -> bool {
        self.own_changes().iter().all(|change| change.call != Call::Sweep)
    }

    /// Whether the changes are of one group, and a record of them does not list its rules.
    pub(super) fn may_be_any(&self) -> bool {
        let is_any = |change: &&&Change| matches!(change.changed_rules, ChangedRules::Any);
        let is_of_group = |change: &Change| matches!(change.resource, Resource::Group(_) | Resource::GroupName(_));
        self.own_changes().iter().filter(is_any).any(|change| is_of_group(change))
    }

    /// How long it takes until what EC2 does not show of the youngest change counts as gone.
    pub(super) fn until_it_settles(&self, context: &Context) -> Duration {
        let age = |change: &&Change| context.now().duration_since(change.event.time.unwrap_or(context.now()));
        let youngest = self.own_changes().iter().map(age).min().and_then(|age| Duration::try_from(age).ok());
        SETTLING.unsigned_abs().saturating_sub(youngest.unwrap_or_default())
            + Duration::from_millis(fastrand::u64(50..500))
    }

    /// Whether a change was so young when EC2 was asked that EC2 may not have shown it. A change without a time counts as
    /// young. The time of the request counts, for the answer may have taken long.
    pub(super) fn is_young(&self, context: &Context, observed_at: Instant) -> bool {
        let then = context.now() - observed_at.elapsed();
        let age = |change: &&Change| change.event.time.map(|time| then.duration_since(time).unsigned_abs());
        let calls = self.own_changes().iter().filter(|change| change.call != Call::Sweep);
        calls.map(age).any(|age| age.is_none_or(|age| age < SETTLING.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_domain::facts::GroupLocation;

    use super::*;

    const AGE: Duration = Duration::from_secs(1);

    /// A snapshot that was asked for so many milliseconds ago, with lists that were read then.
    fn snapshot(asked: u64, lists: u64) -> Snapshot {
        let location = GroupLocation {
            account: "111122223333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            group: "sg-1".parse().unwrap(),
            vpc: None,
        };
        let ago = |millis| Instant::now() - Duration::from_millis(millis);
        let facts = Facts::of_rules(location, Vec::new(), Timestamp::UNIX_EPOCH);
        Snapshot { facts, observed_at: ago(asked), lists_read_at: ago(lists) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_is_too_old_where_something_was_waited_for_after_it_or_its_lists_are_of_before() {
        tokio::time::advance(Duration::from_secs(60)).await;
        for (asked, lists, with_lists, has_waited, is_too_old) in [
            // A revoke that follows a look at once rests on it, however long EC2 took to answer.
            (0, 0, false, false, false),
            (30_000, 30_000, false, false, false),
            (30_000, 30_000, true, false, false),
            // Where something was waited for after it, for a second.
            (1_000, 1_000, false, true, false),
            (1_001, 1_001, false, true, true),
            (1_001, 1_001, true, true, true),
            // Lists that were read before the look, for a second too, where they matter.
            (0, 1_000, true, false, false),
            (0, 1_001, true, false, true),
            (0, 1_001, false, false, false),
            (0, 1_001, false, true, false),
            // Lists that were read in the look are as old as it is.
            (5_000, 4_000, true, false, false),
        ] {
            let found = snapshot(asked, lists).is_older_than(AGE, with_lists, has_waited);
            assert_eq!(found, is_too_old, "asked {asked}, lists {lists}, with {with_lists}, waited {has_waited}");
        }
    }
}
