//! What only EC2 knows of a changed prefix list: the entries of a restored version, and how far the change is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use portcullis_domain::change::{Change, ChangedRules};
use portcullis_domain::facts::Facts;
use portcullis_domain::finding::{Done, Finding, Outcome, Verdict};
use portcullis_domain::ids::{GroupId, PrefixListId};
use portcullis_domain::judge::{Judgement, harmless};
use portcullis_domain::rule::Source;
use portcullis_domain::state::{PastExposure, Remediation};

use super::context::Context;
use super::describe::shows_added;
use super::intake::Tracked;
use super::task::{GroupTask, Snapshot};
use crate::aws::{AccountRegion, AwsError, PrefixListState, Session};

/// The groups that this invocation saw open through a prefix list, as it saw them. The record of the group's own change and
/// the record of the list's change may be in one delivery: what was closed for the one must not be called safe for the other.
#[derive(Default)]
pub(super) struct OpenThroughLists(Mutex<Vec<Facts>>);

/// At most this many groups are remembered.
const MOST_OPEN: usize = 100;

impl OpenThroughLists {
    /// Remembers a group that a look shows open through a prefix list.
    pub(super) fn note(&self, context: &Context, task: &GroupTask<'_>, facts: &Facts) {
        if facts.prefix_lists.is_empty() || !rests_on_a_list(&task.judge(context, facts)) {
            return;
        }
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() < MOST_OPEN {
            open.push(facts.clone());
        }
    }

    /// The groups that refer to a list that the changes are of.
    pub(super) fn of(&self, changes: &[&Change]) -> Vec<Facts> {
        let lists = changes.iter().filter_map(|change| match &change.changed_rules {
            ChangedRules::PrefixList { list, .. } => Some(list),
            ChangedRules::Rules(_) | ChangedRules::Permissions(_) | ChangedRules::Any => None,
        });
        let lists: BTreeSet<&PrefixListId> = lists.collect();
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refers = |facts: &&Facts| facts.prefix_lists.keys().any(|list| lists.contains(list));
        open.iter().filter(refers).cloned().collect()
    }
}

/// Whether what is open is open through a prefix list.
pub(super) fn rests_on_a_list(judgement: &Judgement) -> bool {
    let is_list = |n: &usize| {
        let source = judgement.rules.get(*n).map(|judged| &judged.rule.permission.source);
        matches!(source, Some(Source::PrefixList(_)))
    };
    judgement.exposures.iter().any(|exposure| exposure.rules.iter().any(is_list))
}

/// What an earlier look showed open and no later finding tells of: somebody else closed it meanwhile. Of such a group nobody
/// may say that it was safe.
pub(super) fn gone_since(
    context: &Context,
    task: &GroupTask<'_>,
    changes: &[Tracked<Change>],
    open_before: Vec<Facts>,
    told: &[Tracked<Finding>],
) -> Vec<Tracked<Finding>> {
    let mut named: BTreeSet<GroupId> = BTreeSet::new();
    let is_told = |group: &GroupId| told.iter().any(|it| it.value.group.as_deref() == Some(group.as_str()));
    let mut gone = Vec::new();
    for facts in open_before {
        let group = facts.location.group.clone();
        if is_told(&group) || !named.insert(group) {
            continue;
        }
        let remediation = Remediation {
            judgement: task.judge(context, &facts.with_rules(Vec::new())),
            own: task.own,
            past: PastExposure::of_look(&task.judge(context, &facts)),
            open: Vec::new(),
            done: Done::new(),
            mode: task.policy.mode(&facts.location, task.mode),
            done_at: Some(context.now()),
        };
        gone.extend(changes.iter().enumerate().map(|(n, change)| {
            let finding = Finding::judged(&change.value, n, &remediation);
            change.with(Finding { outcome: Outcome::AlreadyGone, ..finding })
        }));
    }
    gone
}

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
            && let Some(why) = harmless(&change.value, &context.policy.now())
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
    let mut left = usize::try_from(task.policy.sweep().max_revocations).unwrap_or(usize::MAX);
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

/// The changes, by index, of which EC2 does not show in the list what they added.
pub(super) fn unshown(task: &GroupTask<'_>, groups: &[Facts]) -> Vec<usize> {
    let changes = task.changes.iter().enumerate();
    changes.filter(|(_, change)| !shows_added(change, groups)).map(|(n, _)| n).collect()
}

/// Which of these changes may be still to come, however old their records are, and why. A list takes a while to change, and
/// nobody says how long. All changes are of one list, so one call tells.
pub(super) async fn still_to_come(task: &GroupTask<'_>, unshown: &[usize]) -> BTreeMap<usize, String> {
    let changes = unshown.iter().filter_map(|n| match &task.changes.get(*n)?.changed_rules {
        ChangedRules::PrefixList { list, version, .. } => Some((*n, list, *version)),
        ChangedRules::Rules(_) | ChangedRules::Permissions(_) | ChangedRules::Any => None,
    });
    let changes: Vec<_> = changes.collect();
    let Some((_, list, _)) = changes.first() else { return BTreeMap::new() };
    let state = task.session.prefix_list_state(task.target, list).await;
    if let Err(error) = &state {
        tracing::warn!(%list, %error, "whether the prefix list is still changing is not known");
    }
    let why = |(n, list, version)| Some((n, format!("prefix list {list}: {}", why_not_done(&state, version)?)));
    changes.into_iter().filter_map(why).collect()
}

/// Why a change that leads to this version is not done, or may not be.
fn why_not_done(state: &Result<Option<PrefixListState>, AwsError>, leads_to: Option<i64>) -> Option<String> {
    let not_shown = "EC2 does not show yet what the change added";
    match state {
        Ok(Some(PrefixListState { state, .. })) if state.ends_with("-in-progress") => {
            Some(format!("{state}: {not_shown}"))
        }
        // What failed does not come any more.
        Ok(Some(PrefixListState { state, .. })) if state.ends_with("-failed") => None,
        Ok(Some(PrefixListState { version, .. })) => {
            let (version, leads_to) = ((*version)?, leads_to?);
            let why = || format!("its version is {version}, and the change leads to {leads_to}: {not_shown}");
            (version < leads_to).then(why)
        }
        Ok(None) => None,
        Err(error) => {
            let unknown = "EC2 does not show what the change added, and whether that is still to come is not known";
            leads_to.map(|_| format!("{unknown}: {error}"))
        }
    }
}

/// Whether the change restored a version; then its entries are read into the change. Where they cannot be read, any entry
/// of the list may be new.
async fn read_version(session: Session<'_>, target: &AccountRegion, change: &mut Change) -> bool {
    let ChangedRules::PrefixList { list, added: added @ None, restored: Some(version), .. } = &mut change.changed_rules
    else {
        return false;
    };
    match session.prefix_list_version(target, list, *version).await {
        Ok(entries) => *added = Some(entries),
        Err(error) => tracing::warn!(%list, version, %error, "the entries of the restored version were not read"),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_done_when_the_list_is_complete_and_has_the_version() {
        let shown = |state: &str, version| Ok(Some(PrefixListState { state: state.to_owned(), version }));
        for (state, leads_to, why) in [
            (shown("modify-in-progress", Some(1)), None, Some("modify-in-progress: EC2 does not show")),
            (shown("restore-in-progress", Some(9)), Some(2), Some("restore-in-progress: EC2 does not show")),
            (shown("modify-complete", Some(1)), Some(2), Some("its version is 1, and the change leads to 2: EC2")),
            (shown("modify-complete", Some(2)), Some(2), None),
            (shown("restore-complete", Some(3)), Some(2), None),
            (shown("modify-complete", Some(1)), None, None),
            (shown("create-complete", None), Some(2), None),
            // What failed makes no version, and a list that is gone has none.
            (shown("modify-failed", Some(1)), Some(2), None),
            (Ok(None), Some(2), None),
            (Err(AwsError::out_of_time("DescribeManagedPrefixLists")), Some(2), Some("is not known: Describe")),
            (Err(AwsError::out_of_time("DescribeManagedPrefixLists")), None, None),
        ] {
            let said = why_not_done(&state, leads_to);
            let as_expected = match why {
                Some(why) => said.as_ref().is_some_and(|said| said.contains(why)),
                None => said.is_none(),
            };
            assert!(as_expected, "{state:?} {leads_to:?}: {said:?}");
        }
    }
}
