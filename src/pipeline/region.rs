//! Every group of a Region, within the cap on revocations.

use portcullis_domain::change::{Call, Change};
use portcullis_domain::facts::Facts;
use portcullis_domain::finding::{Finding, MOST_NAMED, Verdict};
use portcullis_domain::judge::is_unlawful_by_itself;

use super::context::Context;
use super::end::End;
use super::evidence;
use super::group::{self, GroupResult};
use super::intake::Tracked;
use super::later_look::LaterLooks;
use super::overdue::{self, Due};
use super::recall::Settlement;
use super::task::{GroupTask, Snapshot};

/// What came of a Region's groups.
#[derive(Default)]
pub(super) struct RegionResult {
    /// The findings that are not safe.
    pub(super) findings: Vec<Tracked<Finding>>,
    /// What is nearly open, for a sweep's summary.
    pub(super) nearly_open: Vec<String>,
    /// What the memory is to keep, and whether the policy cannot be read any more.
    pub(super) aftermath: Aftermath,
    /// The openings that a sweep ended.
    pub(super) ends: Vec<End>,
    /// The changes that come for later looks.
    pub(super) later_looks: Vec<LaterLooks>,
}

/// What is left to do when everything was told.
#[derive(Default)]
pub(super) struct Aftermath {
    /// What is written to the memory.
    pub(super) settlements: Vec<Settlement>,
    /// Whether the policy cannot be read any more.
    pub(super) is_policy_stale: bool,
}

impl Aftermath {
    /// Takes in a group's.
    pub(super) fn add(&mut self, settlement: Option<Settlement>, is_policy_stale: bool) {
        self.settlements.extend(settlement);
        self.is_policy_stale |= is_policy_stale;
    }
}

impl RegionResult {
    /// Takes in a group. Of a Region with thousands of groups only what somebody reads is kept.
    fn add(&mut self, changes: &[Tracked<Change>], result: GroupResult) {
        let GroupResult { findings, settlement, is_policy_stale, .. } = result;
        self.aftermath.add(settlement, is_policy_stale);
        // Every finding of a group says the same of what is nearly open.
        let room = MOST_NAMED.saturating_sub(self.nearly_open.len());
        self.nearly_open.extend(findings.first().into_iter().flat_map(Finding::nearly_open).take(room));
        let findings = group::tracked(changes, findings).into_iter();
        self.findings.extend(findings.filter(|finding| finding.value.verdict != Verdict::Safe));
    }
}

/// Handles one group after the other: the cap on revocations is one for all of them. The groups in which an opening is to be
/// ended come last, when it was ended.
pub(super) async fn handle(
    context: &Context,
    task: &GroupTask<'_>,
    changes: &[Tracked<Change>],
    (snapshots, due): (impl Iterator<Item = Snapshot>, Due),
) -> RegionResult {
    let (mut round, mut to_end) = (Round::new(context, task, changes), Vec::new());
    for snapshot in snapshots {
        match due.has(&snapshot.facts.location.group) {
            true => to_end.push(snapshot),
            false => round.take(snapshot).await,
        }
    }
    round.keep_evidence().await;
    let ends = overdue::ended(context, task, due, &mut to_end).await;
    for snapshot in to_end {
        round.take(snapshot).await;
    }
    round.keep_evidence().await;
    let Round { mut all, last, .. } = round;
    all.add(changes, last);
    RegionResult { ends, ..all }
}

/// A round through the groups of a Region.
struct Round<'a> {
    context: &'a Context,
    task: &'a GroupTask<'a>,
    /// The same task, with no more done than a sweep may do.
    sweep_task: GroupTask<'a>,
    changes: &'a [Tracked<Change>],
    is_event: bool,
    /// How many rules may still be revoked, as in a sweep.
    left: usize,
    /// And for a record that does not name its group.
    left_for_event: usize,
    all: RegionResult,
    /// The last group, whose evidence is not written yet.
    last: GroupResult,
}

impl<'a> Round<'a> {
    fn new(context: &'a Context, task: &'a GroupTask<'a>, changes: &'a [Tracked<Change>]) -> Self {
        let sweep = task.policy.sweep();
        let cap = usize::try_from(sweep.max_revocations).unwrap_or(usize::MAX);
        // A record that does not name the group makes every group a candidate, as in a sweep, and the sweep's mode holds. It
        // does not hold for a group that can be the record's own: there it is an event like any other, within the same cap.
        let is_event = task.changes.iter().any(|change| change.call != Call::Sweep);
        let sweep_task = GroupTask { mode: task.mode.min(sweep.mode), ..*task };
        let (all, last) = (RegionResult::default(), GroupResult::default());
        Self { context, task, sweep_task, changes, is_event, left: cap, left_for_event: cap, all, last }
    }

    async fn take(&mut self, snapshot: Snapshot) {
        let Self { context, task, sweep_task, changes, is_event, left, left_for_event, all, last } = self;
        // The evidence of one group is written while the next is handled: the next group's close does not wait for it, and
        // no more than one group's evidence is held.
        let kept = evidence::keep_all(context, &mut last.findings, task.session.until());
        let handled = async {
            if *is_event && may_be_the_events(context, task, &snapshot.facts) {
                let fits = task.count_steps(context, &snapshot.facts) <= *left_for_event;
                let event_task = if fits { **task } else { task.held_back(PAST_THE_CAP) };
                let result = group::handle(context, &event_task, snapshot, None, *left_for_event).await;
                *left_for_event = left_for_event.saturating_sub(result.revoked);
                result
            } else {
                let result = group::handle(context, sweep_task, snapshot, None, *left).await;
                *left = left.saturating_sub(result.revoked);
                result
            }
        };
        // Boxed, for the two together would be large on the stack.
        let ((), mut result) = tokio::join!(kept, Box::pin(handled));
        evidence::add_records(changes, &mut result.findings);
        all.add(changes, std::mem::replace(last, result));
    }

    async fn keep_evidence(&mut self) {
        evidence::keep_all(self.context, &mut self.last.findings, self.task.session.until()).await;
    }
}

/// Whether the record can be about this group: a single rule of it exposes a guarded port, and nobody can have made that
/// lawfully. What else is in the group says nothing, for it may have been taken out since.
fn may_be_the_events(context: &Context, task: &GroupTask<'_>, facts: &Facts) -> bool {
    facts.rules.iter().any(|rule| is_unlawful_by_itself(rule, facts, task.policy, context.now()))
}

const PAST_THE_CAP: &str = "more rules would have to go than the policy's `sweep.max_revocations` allows a record that \
                            does not name its group: not touched";
