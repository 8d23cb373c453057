//! From what came of a group to a finding for each of its changes.

use portcullis_domain::change::Change;
use portcullis_domain::finding::{Action, Finding};

use super::context::Context;
use super::intake::Tracked;
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
    let remediation = remediate(context, task, snapshot, permit, most).await;
    let findings = task.changes.iter().enumerate().map(|(n, change)| Finding::judged(change, n, &remediation));
    let revoked = remediation.done.values().filter(|action| **action == Action::Revoked).count();
    GroupResult { findings: findings.collect(), revoked }
}

/// The findings, each with the payload that its change came from.
pub(super) fn tracked(changes: &[Tracked<Change>], findings: Vec<Finding>) -> Vec<Tracked<Finding>> {
    changes.iter().zip(findings).map(|(change, finding)| change.with(finding)).collect()
}
