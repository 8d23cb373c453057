//! From what came of a group to a finding for each of its changes.

use portcullis_domain::change::{Call, Change};
use portcullis_domain::finding::{Action, Finding};

use super::context::Context;
use super::evidence;
use super::intake::{Tracked, outdated};
use super::remediate::remediate;
use super::task::{GroupTask, Snapshot};
use crate::aws::Permit;

/// What came of one group.
pub(super) struct GroupResult {
    pub(super) findings: Vec<Finding>,
    /// How many rules were revoked.
    pub(super) revoked: usize,
}

/// Remediates a group, with at most `most` revocations. There is one finding for each change of the task, in their order.
pub(super) async fn handle(
    context: &Context,
    task: &GroupTask<'_>,
    snapshot: Snapshot,
    permit: Option<Permit<'_>>,
    most: usize,
) -> GroupResult {
    let location = snapshot.facts.location.clone();
    let is_event = task.changes.iter().all(|change| change.call != Call::Sweep);
    let others = if is_event { left_by_others(context, task, &snapshot) } else { Vec::new() };
    let changes: Vec<&Change> = task.changes.iter().copied().chain(&others).collect();
    let is_fight = is_event && context.recent.is_fight(&location);
    let with_others = GroupTask { changes: &changes, is_fight, ..*task };
    task.open_through_lists.note(context, &with_others, &snapshot.facts);
    let remediated = remediate(context, &with_others, snapshot, permit, most).await;
    let remediation = &remediated.remediation;
    if is_event && remediation.judgement.keeps_an_own_rule(|rule| remediation.done.contains_key(rule)) {
        context.recent.keep(&location, task.changes);
    }
    let revoked = remediation.done.values().filter(|action| **action == Action::Revoked).count();
    if is_event && revoked > 0 {
        context.recent.note_closed(&location);
    }
    let findings = task.changes.iter().enumerate().map(|(n, change)| Finding::judged(change, n, remediation));
    let mut findings: Vec<Finding> = findings.collect();
    if context.shelf.is_there() {
        evidence::add(context, &with_others, &remediated, &mut findings);
    }
    GroupResult { findings, revoked }
}

/// What other deliveries left unsettled, where it matters: a port is open without the delivery's own changes. Where none
/// is, whatever was left has become lawful, and it is these changes alone that expose a port. A record that is believed
/// for minutes only is not believed for longer here.
fn left_by_others(context: &Context, task: &GroupTask<'_>, snapshot: &Snapshot) -> Vec<Change> {
    let mut others = context.recent.of(&snapshot.facts.location, task.changes);
    others.retain(|change| outdated(context, change).is_none());
    let stands = || task.judge(context, &snapshot.facts).exposures.iter().any(|exposure| exposure.standing);
    if others.is_empty() || !stands() { Vec::new() } else { others }
}

/// The findings, each with the payload that its change came from.
pub(super) fn tracked(changes: &[Tracked<Change>], mut findings: Vec<Finding>) -> Vec<Tracked<Finding>> {
    evidence::add_records(changes, &mut findings);
    changes.iter().zip(findings).map(|(change, finding)| change.with(finding)).collect()
}
