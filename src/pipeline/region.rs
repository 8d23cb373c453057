//! Every group of a Region, within the cap on revocations.

use portcullis_domain::finding::Finding;
use portcullis_domain::trail::{Call, Change};

use super::context::Context;
use super::group;
use super::intake::Tracked;
use super::task::{GroupTask, Snapshot};

/// A call whose parameters CloudTrail leaves out has more than 100 KB of them. A rule takes no more than 1 KB there (its
/// description has at most 255 characters), so a group that such a call was made for has at least this many rules.
const OVERSIZED_CALL: usize = 60;

/// Handles one group after the other: the cap on revocations is one for all of them.
pub(super) async fn handle(
    context: &Context,
    task: &GroupTask<'_>,
    changes: &[Tracked<Change>],
    snapshots: impl Iterator<Item = Snapshot>,
) -> Vec<Tracked<Finding>> {
    let sweep = context.policy.sweep();
    let mut most = usize::try_from(sweep.max_revocations).unwrap_or(usize::MAX);
    // A record that does not name the group makes every group a candidate, as in a sweep, and the sweep's mode and cap
    // hold. They do not hold for a group that can be the record's own: there it is an event like any other.
    let is_event = task.changes.iter().any(|change| change.call != Call::Sweep);
    let sweep_task = GroupTask { mode: task.mode.min(sweep.mode), ..*task };
    let mut findings = Vec::new();
    for snapshot in snapshots {
        let is_candidate = is_event && snapshot.group.rules.len() >= OVERSIZED_CALL;
        let (task, cap) = if is_candidate { (task, usize::MAX) } else { (&sweep_task, most) };
        let result = group::handle(context, task, snapshot, None, cap).await;
        if !is_candidate {
            most = most.saturating_sub(result.revoked);
        }
        findings.extend(group::tracked(changes, result.findings));
    }
    findings
}
