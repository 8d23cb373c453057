//! Asks EC2 what it shows now.

use portcullis_domain::exposure::needs_prefix_list;
use portcullis_domain::ids::GroupId;
use portcullis_domain::trail::{Change, ChangedRules, Permission, Resource};
use tokio::time::Instant;

use super::context::Context;
use super::task::{Backoff, GroupTask, Snapshot};
use crate::aws::{AwsError, Effect, Facts, KnownLists, Wanted};

/// Describes a resource until EC2 shows what was changed (the group, or the new entries of the prefix list), unless the
/// change is old enough for it to be gone. A prefix list is not waited for where it already shows something to revoke.
pub(super) async fn first(context: &Context, task: &GroupTask<'_>, resource: &Resource) -> Result<Facts, AwsError> {
    let mut backoff = Backoff::default();
    // A list that was changed is not the one that was read before.
    let mut known = (!matches!(resource, Resource::PrefixList(_))).then_some(task.known_lists);
    loop {
        let facts = once(context, task, resource, known.take()).await?;
        let is_shown = match resource {
            Resource::PrefixList(_) => {
                task.changes.iter().all(|change| shows_added(change, &facts))
                    || facts.groups.iter().any(|group| task.calls_for_action(context, group, &facts.prefix_lists))
            }
            Resource::Group(_) | Resource::GroupName(_) | Resource::Region => !facts.groups.is_empty(),
        };
        if is_shown || !task.is_young(context, facts.observed_at) {
            return Ok(facts);
        }
        let pause = backoff.next();
        if task.session.until().duration_since(Instant::now()) <= pause {
            return Err(AwsError::out_of_time("DescribeSecurityGroups"));
        }
        tokio::time::sleep(pause).await;
    }
}

/// Describes a group again after a pause, until that succeeds. Nothing when time runs out or EC2 refuses; `error` is the
/// code of the last failure.
pub(super) async fn again(
    context: &Context,
    task: &GroupTask<'_>,
    group: &GroupId,
    backoff: &mut Backoff,
    error: &mut String,
) -> Option<Snapshot> {
    loop {
        let pause = backoff.next();
        if task.session.until().duration_since(Instant::now()) <= pause {
            return None;
        }
        tokio::time::sleep(pause).await;
        match once(context, task, &Resource::Group(group.clone()), None).await {
            Ok(Facts { mut groups, prefix_lists, observed_at }) => {
                return groups.pop().map(|group| Snapshot { group, prefix_lists, observed_at });
            }
            Err(failure) => {
                let AwsError { code, message, effect, .. } = failure;
                tracing::warn!(%group, %code, message, "the group could not be described again");
                *error = code.to_string();
                if effect == Effect::Refused {
                    return None;
                }
            }
        }
    }
}

/// Describes a resource once. Prefix lists that are known are not read again.
async fn once(
    context: &Context,
    task: &GroupTask<'_>,
    resource: &Resource,
    known: Option<&KnownLists>,
) -> Result<Facts, AwsError> {
    let prefix_list_of = |permission: &Permission| needs_prefix_list(permission, &context.policy);
    let wanted = Wanted { vpc: context.policy.needs_vpc(), prefix_list_of: &prefix_list_of, known };
    task.session.describe(task.target, resource, wanted).await
}

/// Whether the prefix list contains what the change added, where some rule makes that matter.
fn shows_added(change: &Change, facts: &Facts) -> bool {
    let ChangedRules::PrefixList { list, added, .. } = &change.changed_rules else { return true };
    match facts.prefix_lists.get(list) {
        Some(Ok(entries)) => added.as_ref().is_some_and(|added| added.iter().all(|cidr| entries.contains(cidr))),
        None | Some(Err(_)) => true,
    }
}
