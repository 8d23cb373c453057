//! One resource with all its changes: EC2 is asked once, then each group is handled.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use portcullis_domain::change::{Call, Change, Resource};
use portcullis_domain::finding::{Finding, Outcome, Verdict};
use portcullis_domain::policy::Mode;

use super::context::{Context, InvocationScope};
use super::intake::{Tracked, group_name};
use super::task::{GroupTask, Snapshot};
use super::{describe, group, permission, prefix_list, region};
use crate::aws::{AccountRegion, AwsError, Description, Permit, Session};

/// This many groups that share a prefix list are handled at a time.
const MOST_GROUPS_AT_ONCE: usize = 8;

/// What came of a resource.
#[derive(Default)]
pub(super) struct ResourceResult {
    pub(super) findings: Vec<Tracked<Finding>>,
    /// How many groups EC2 showed.
    pub(super) groups: usize,
    /// The sweeps that the resource was described for, by the index of their payload.
    pub(super) sweeps: BTreeSet<usize>,
}

/// Handles a resource: all its changes together.
pub(super) async fn handle(
    context: &Context,
    scope: &InvocationScope<'_>,
    (target, resource, held_back): (&AccountRegion, &Resource, Option<&'static str>),
    mut changes: Vec<Tracked<Change>>,
) -> ResourceResult {
    let sweeps = sweeps_of(&changes);
    let session = match permitted(context, scope, target) {
        Ok(session) => session,
        Err(why) => {
            let same = Same { context, resource, changes: &changes };
            return ResourceResult {
                findings: same.finding(Verdict::Undecided, Outcome::None, &why),
                groups: 0,
                sweeps,
            };
        }
    };
    let mut findings = prefix_list::resolve_versions(context, session, target, &mut changes).await;
    if changes.is_empty() {
        return ResourceResult { findings, groups: 0, sweeps };
    }
    let of_task: Vec<&Change> = changes.iter().map(|change| &change.value).collect();
    let task = GroupTask {
        target,
        session,
        changes: &of_task,
        own: of_task.len(),
        mode: if held_back.is_some() { Mode::Alert } else { context.settings.mode },
        recheck_until: scope.recheck_until,
        known_lists: &scope.known_lists,
        is_fight: false,
        held_back,
    };
    let same = Same { context, resource, changes: &changes };
    let (groups, more) = match describe_with_permit(context, &task, resource).await {
        Ok((description, permit)) => (description.groups.len(), handle_groups(&task, &same, description, permit).await),
        Err(why) => (0, same.finding(Verdict::Undecided, Outcome::Failed, &why)),
    };
    findings.extend(more);
    ResourceResult { findings, groups, sweeps }
}

/// The sweeps that the changes belong to, by the index of their payload.
fn sweeps_of(changes: &[Tracked<Change>]) -> BTreeSet<usize> {
    let sweeps = changes.iter().filter(|change| change.value.call == Call::Sweep);
    sweeps.map(|change| change.origin.index).collect()
}

/// The session, where the function may act in the resource's account.
fn permitted<'a>(
    context: &Context,
    scope: &InvocationScope<'a>,
    target: &AccountRegion,
) -> Result<Session<'a>, String> {
    let session = permission::known(scope.session)?;
    permission::check(context, session.identity(), &target.account)?;
    Ok(session)
}

/// Describes the resource. One group that may be written to is described when a revoke can follow at once: the permit for
/// the revoke is waited for first.
async fn describe_with_permit<'a>(
    context: &Context,
    task: &GroupTask<'a>,
    resource: &Resource,
) -> Result<(Description, Option<Permit<'a>>), String> {
    let is_one_group = matches!(resource, Resource::Group(_) | Resource::GroupName(_));
    let mut permit = None;
    if is_one_group && task.mode == Mode::Enforce {
        permit = task.session.permit(task.target).await;
        if permit.is_none() {
            return Err(format!("not looked at: {}", AwsError::out_of_time("RevokeSecurityGroupIngress").message));
        }
    }
    let description = describe::first(context, task, resource).await.map_err(|error| error.to_string())?;
    Ok((description, permit))
}

/// Handles the groups that EC2 showed of the resource.
async fn handle_groups(
    task: &GroupTask<'_>,
    same: &Same<'_>,
    description: Description,
    permit: Option<Permit<'_>>,
) -> Vec<Tracked<Finding>> {
    let Same { context, resource, changes } = *same;
    let count = description.groups.len();
    let mut snapshots = Snapshot::each(description);
    match resource {
        Resource::Group(_) | Resource::GroupName(_) => {
            let (mut findings, mut permit) = (Vec::new(), permit);
            for snapshot in snapshots {
                let result = group::handle(context, task, snapshot, permit.take(), usize::MAX).await;
                findings.extend(group::tracked(changes, result.findings));
            }
            match count {
                0 => same.finding(Verdict::Safe, Outcome::AlreadyGone, "the group is no longer there"),
                _ => findings,
            }
        }
        Resource::PrefixList(_) => {
            let snapshots: Vec<Snapshot> = snapshots.collect();
            let work = prefix_list::within_cap(context, task, snapshots).into_iter();
            let work = work
                .map(|(task, snapshot)| async move { group::handle(context, &task, snapshot, None, usize::MAX).await });
            let done: Vec<_> = stream::iter(work).buffered(MOST_GROUPS_AT_ONCE).collect().await;
            let all = done.into_iter().flat_map(|result| group::tracked(changes, result.findings)).collect();
            let safe = "no guarded port is open to the internet through the prefix list in this account and Region";
            not_safe(all).unwrap_or_else(|| same.finding(Verdict::Safe, Outcome::None, safe))
        }
        Resource::Region => {
            let all = region::handle(context, task, changes, snapshots.by_ref()).await;
            let safe = format!("no guarded port is open to the internet in the Region: {count} groups looked at");
            let mut findings = not_safe(all).unwrap_or_else(|| same.finding(Verdict::Safe, Outcome::None, &safe));
            // A sweep reports what it found safe in its summary.
            let sweeps = sweeps_of(changes);
            findings.retain(|it| it.value.verdict != Verdict::Safe || !sweeps.contains(&it.origin.index));
            findings
        }
    }
}

/// Of many groups only those are reported that are not safe. Nothing, if all are.
fn not_safe(mut findings: Vec<Tracked<Finding>>) -> Option<Vec<Tracked<Finding>>> {
    findings.retain(|finding| finding.value.verdict != Verdict::Safe);
    (!findings.is_empty()).then_some(findings)
}

/// Makes the same finding for every change of a resource.
struct Same<'a> {
    context: &'a Context,
    resource: &'a Resource,
    changes: &'a [Tracked<Change>],
}

impl Same<'_> {
    fn finding(&self, verdict: Verdict, outcome: Outcome, why: &str) -> Vec<Tracked<Finding>> {
        let finding = |change: &Tracked<Change>| {
            let mode = self.context.settings.mode;
            let plain = Finding::plain(&change.value.event, verdict, outcome, mode, why.to_owned());
            change.with(Finding { group: group_name(self.resource), ..plain })
        };
        self.changes.iter().map(finding).collect()
    }
}
