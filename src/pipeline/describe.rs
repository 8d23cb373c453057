//! Asks EC2 what it shows now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_domain::change::{Change, ChangedRules, Resource};
use portcullis_domain::facts::Facts;
use portcullis_domain::ids::{GroupId, PrefixListId};
use portcullis_domain::judge::needs_prefix_list;
use portcullis_domain::net::Cidr;
use portcullis_domain::rule::Permission;
use portcullis_domain::state::RemediationState;
use tokio::time::Instant;

use super::context::Context;
use super::gate::Gate;
use super::task::{GroupTask, Snapshot};
use crate::aws::{AwsError, Description, Effect, ListAge, Wanted};

/// What the looks at a resource showed.
pub(super) struct FirstLooks {
    /// The last one.
    pub(super) description: Description,
    /// The groups that an earlier one showed open, as it showed them. For prefix lists only: the looks at a group are
    /// remembered by its remediation.
    pub(super) open_before: Vec<Facts>,
}

/// Describes a resource until EC2 shows what was changed (the group, or the new entries of the prefix list), unless the
/// change is old enough for it to be gone. A prefix list is not waited for where it already shows something to revoke.
pub(super) async fn first(
    context: &Context,
    task: &GroupTask<'_>,
    resource: &Resource,
) -> Result<FirstLooks, AwsError> {
    let mut gate = Gate::default();
    let mut open_before = Vec::new();
    let mut before: Option<PrefixListSets> = None;
    // A list that was changed is not the one that was read before.
    let is_list = matches!(resource, Resource::PrefixList(_));
    let mut age = if is_list { ListAge::Now } else { ListAge::Known };
    loop {
        let mut description = once(context, task, resource, std::mem::replace(&mut age, ListAge::Now)).await?;
        note_new_entries(&mut description, &mut before);
        let groups = &description.groups;
        let is_shown = match resource {
            Resource::PrefixList(_) => {
                task.changes.iter().all(|change| shows_added(change, groups)) || has_steps(context, task, groups)
            }
            Resource::Group(_) | Resource::GroupName(_) | Resource::Region => !groups.is_empty(),
        };
        if is_shown || !task.is_young(context, description.observed_at) {
            return Ok(FirstLooks { description, open_before });
        }
        if is_list {
            open_before.extend(description.groups.into_iter().filter(|facts| is_open(context, task, facts)));
        }
        let pause = gate.pause();
        if task.session.until().duration_since(Instant::now()) <= pause {
            return Err(AwsError::out_of_time("DescribeSecurityGroups"));
        }
        tokio::time::sleep(pause).await;
    }
}

/// Describes a group again after a pause, until that succeeds. Nothing when time runs out or EC2 refuses; the
/// state keeps the code of the last failure.
pub(super) async fn again(
    context: &Context,
    task: &GroupTask<'_>,
    group: &GroupId,
    gate: &mut Gate,
    state: &mut RemediationState,
) -> Option<Snapshot> {
    loop {
        let pause = gate.pause();
        if task.session.until().duration_since(Instant::now()) <= pause {
            return None;
        }
        tokio::time::sleep(pause).await;
        match once(context, task, &Resource::Group(group.clone()), ListAge::Now).await {
            Ok(description) => {
                gate.answered();
                return Snapshot::each(description).next();
            }
            Err(failure) => {
                let AwsError { code, message, effect, .. } = failure;
                tracing::warn!(%group, %code, message, "the group could not be described again");
                state.give_up(code.as_str());
                match effect {
                    Effect::Refused => return None,
                    Effect::NotYet => gate.throttled(),
                    Effect::Unknown | Effect::NotFound => {}
                }
            }
        }
    }
}

/// Describes a resource once.
async fn once(
    context: &Context,
    task: &GroupTask<'_>,
    resource: &Resource,
    age: ListAge,
) -> Result<Description, AwsError> {
    let prefix_list_of = |permission: &Permission| needs_prefix_list(permission, task.policy);
    let lists = (task.known_lists, age);
    let wanted = Wanted { vpc: task.policy.needs_vpc(), prefix_list_of: &prefix_list_of, lists, now: context.now() };
    task.session.describe(task.target, resource, wanted).await
}

/// Whether a port of the group is open through a rule that a change of the task made or altered.
pub(super) fn is_open(context: &Context, task: &GroupTask<'_>, facts: &Facts) -> bool {
    let judgement = task.judge(context, facts);
    let own: BTreeSet<usize> = judgement.attributions.iter().flat_map(|own| own.rules.iter().copied()).collect();
    judgement.exposures.iter().any(|exposure| exposure.rules.iter().any(|n| own.contains(n)))
}

/// Whether something is to be revoked in the groups as EC2 shows them.
pub(super) fn has_steps(context: &Context, task: &GroupTask<'_>, groups: &[Facts]) -> bool {
    groups.iter().any(|facts| task.count_steps(context, facts) > 0)
}

/// Whether the prefix list contains what the change added, where some rule makes that matter.
pub(super) fn shows_added(change: &Change, groups: &[Facts]) -> bool {
    let ChangedRules::PrefixList { list, added, .. } = &change.changed_rules else { return true };
    match groups.first().and_then(|facts| facts.prefix_lists.get(list)) {
        Some(Ok(entries)) => added.as_ref().is_some_and(|added| added.iter().all(|cidr| entries.contains(cidr))),
        None | Some(Err(_)) => true,
    }
}

/// The entries of the prefix lists that a look showed.
type PrefixListSets = BTreeMap<PrefixListId, BTreeSet<Cidr>>;

/// Marks the entries of prefix lists that an earlier look did not show.
fn note_new_entries(description: &mut Description, before: &mut Option<PrefixListSets>) {
    let Some(lists) = description.groups.first().map(|facts| Arc::clone(&facts.prefix_lists)) else { return };
    let readable = lists.iter().filter_map(|(list, entries)| Some((list, entries.as_ref().ok()?)));
    let mut seen = before.take().unwrap_or_default();
    for (list, entries) in readable {
        let entries: BTreeSet<Cidr> = entries.iter().copied().collect();
        if let Some(known) = seen.get(list) {
            let new: BTreeSet<Cidr> = entries.difference(known).copied().collect();
            for facts in description.groups.iter_mut().filter(|_| !new.is_empty()) {
                facts.appeared_entries.insert(list.clone(), new.clone());
            }
        }
        seen.entry(list.clone()).or_default().extend(entries);
    }
    *before = Some(seen);
}
