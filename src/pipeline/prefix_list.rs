//! The restored version of a prefix list: the record names it, and only EC2 knows its entries.

use portcullis_domain::change::{Change, ChangedRules};
use portcullis_domain::finding::{Finding, Outcome, Verdict};
use portcullis_domain::judge::harmless;

use super::context::Context;
use super::intake::Tracked;
use super::task::{GroupTask, Snapshot};
use crate::aws::{AccountRegion, Session};

/// Reads the entries of restored versions into the changes. A change that turns out to be harmless leaves `changes` and
/// becomes a finding.
pub(super) async fn resolve_versions(
    context: &Context,
    session: Session<'_>,
    target: &AccountRegion,
    changes: &mut Vec<Tracked<Change>>,
) -> Vec<Tracked<Finding>> {
    let mut findings = Vec::new();
    for mut change in std::mem::take(changes) {
        if read_version(session, target, &mut change.value).await
            && let Some(why) = harmless(&change.value, &context.policy)
        {
            let (event, mode) = (&change.value.event, context.settings.mode);
            let finding = Finding::plain(event, Verdict::Safe, Outcome::None, mode, why.to_owned());
            findings.push(change.with(finding));
            continue;
        }
        changes.push(change);
    }
    findings
}

/// The groups whose rules may be revoked, and those that are held back. One call changes a list and with it any number of
/// groups, so what it may cost is bounded as in a sweep: whoever may change a central list must not be able to cut off a
/// Region.
pub(super) fn within_cap<'a>(
    context: &Context,
    task: &GroupTask<'a>,
    snapshots: Vec<Snapshot>,
) -> Vec<(GroupTask<'a>, Snapshot)> {
    let mut left = usize::try_from(context.policy.sweep().max_revocations).unwrap_or(usize::MAX);
    let each = |snapshot: Snapshot| {
        let steps = task.count_steps(context, &snapshot.facts);
        if steps > left {
            return (task.held_back(PAST_THE_CAP), snapshot);
        }
        left -= steps;
        (*task, snapshot)
    };
    snapshots.into_iter().map(each).collect()
}

const PAST_THE_CAP: &str = "more rules would have to go than the policy's `sweep.max_revocations` allows one change of a \
                            prefix list: not touched";

/// Whether the change restored a version; then its entries are read into the change. Where they cannot be read, any entry
/// of the list may be new.
async fn read_version(session: Session<'_>, target: &AccountRegion, change: &mut Change) -> bool {
    let ChangedRules::PrefixList { list, added: added @ None, restored: Some(version) } = &mut change.changed_rules
    else {
        return false;
    };
    match session.prefix_list_version(target, list, *version).await {
        Ok(entries) => *added = Some(entries),
        Err(error) => tracing::warn!(%list, version, %error, "the entries of the restored version were not read"),
    }
    true
}
