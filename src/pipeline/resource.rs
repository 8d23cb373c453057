//! One resource with all its changes: EC2 is asked once, then each group is handled.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use portcullis_domain::change::{Call, Change, Resource};
use portcullis_domain::finding::{Finding, Outcome, Verdict};
use portcullis_domain::ids::GroupId;
use portcullis_domain::policy::Mode;
use tokio::time::Instant;

use super::context::{Context, InvocationScope};
use super::describe::FirstLooks;
use super::intake::{Tracked, group_name};
use super::journal::Journal;
use super::later_look::{self, LaterLooks};
use super::overdue::Due;
use super::region::{self, Aftermath, RegionResult};
use super::task::{GroupTask, Snapshot};
use super::{describe, former, group, overdue, permission, prefix_list};
use crate::aws::{AccountRegion, AwsError, Permit, Session};

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
    /// Whether a sweep has looked at the resource in full.
    pub(super) is_swept: bool,
    /// What is nearly open, for the summaries of the sweeps.
    pub(super) nearly_open: Vec<String>,
    /// What is left to do when everything was told.
    pub(super) aftermath: Aftermath,
    /// The changes that come for later looks.
    pub(super) later_looks: Vec<LaterLooks>,
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
            let findings = same.refused(scope, target, &why);
            return ResourceResult { findings, sweeps, ..ResourceResult::default() };
        }
    };
    let mut findings = prefix_list::resolve_versions(context, session, target, &mut changes).await;
    if changes.is_empty() {
        return ResourceResult { findings, sweeps, ..ResourceResult::default() };
    }
    let of_task: Vec<&Change> = changes.iter().map(|change| &change.value).collect();
    if matches!(resource, Resource::Region) {
        Box::pin(context.policy.refresh(&context.aws)).await;
    }
    let policy = context.policy.now();
    let is_told = |change: &Tracked<Change>| change.origin.later_look.is_some_and(|look| look.told);
    let is_later_look = changes.iter().all(|change| change.origin.later_look.is_some());
    let task = GroupTask {
        policy: &policy,
        target,
        session,
        changes: &of_task,
        own: of_task.len(),
        mode: if held_back.is_some() { Mode::Alert } else { context.settings.mode },
        // By then others have closed what was theirs.
        recheck_until: if is_later_look { Instant::now() } else { scope.recheck_until },
        known_lists: &scope.known_lists,
        open_through_lists: &scope.open_through_lists,
        is_fight: false,
        is_later_look,
        is_told: held_back.is_none() && changes.iter().all(is_told),
        held_back,
    };
    let same = Same { context, resource, changes: &changes };
    let (looks, permit) = match describe_with_permit(context, &task, resource).await {
        Ok(described) => described,
        Err(why) => {
            findings.extend(same.finding(Verdict::Undecided, Outcome::Failed, &why));
            return ResourceResult { findings, sweeps, ..ResourceResult::default() };
        }
    };
    let groups = looks.description.groups.len();
    let due = match sweeps.is_empty() {
        true => Ok(Due::default()),
        false => overdue::due(context, &task, &looks.description.groups).await,
    };
    let (due, unread) = due.map_or_else(|unread| (Due::default(), Some(unread)), |due| (due, None));
    // What a sweep sees is what modified rules were before.
    let is_kept = !sweeps.is_empty() && matches!(resource, Resource::Region) && context.shelf.is_there();
    let seen = looks.description.groups.first().map(|facts| facts.observed_at).filter(|_| is_kept);
    let seen = seen.and_then(|at| former::Snapshot::of(target, &looks.description.groups, at));
    let RegionResult { findings: more, nearly_open, mut aftermath, mut ends, later_looks } =
        handle_groups(&task, &same, looks, (permit, due)).await;
    findings.extend(more);
    if let Some(unread) = unread {
        ends.extend(overdue::overdue_after_all(context, &task, unread).await);
    }
    if context.names_groups {
        name_groups(session, target, &mut findings).await;
    }
    for end in ends {
        end.settlements.into_iter().for_each(|settlement| aftermath.add(Some(settlement), false));
        findings.extend(changes.first().map(|change| change.with(end.finding)));
    }
    if let Some(seen) = seen {
        Box::pin(seen.keep(context, session.until())).await;
    }
    let is_swept = !sweeps.is_empty();
    ResourceResult { findings, groups, sweeps, is_swept, nearly_open, aftermath, later_looks }
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
) -> Result<(FirstLooks, Option<Permit<'a>>), String> {
    let is_one_group = matches!(resource, Resource::Group(_) | Resource::GroupName(_));
    let mut permit = None;
    if is_one_group && task.mode == Mode::Enforce {
        permit = task.session.permit(task.target).await;
        if permit.is_none() {
            return Err(format!("not looked at: {}", AwsError::out_of_time("RevokeSecurityGroupIngress").message));
        }
    }
    let looks = describe::first(context, task, resource).await.map_err(|error| error.to_string())?;
    Ok((looks, permit))
}

/// Handles the groups that EC2 showed of the resource.
async fn handle_groups(
    task: &GroupTask<'_>,
    same: &Same<'_>,
    looks: FirstLooks,
    (permit, due): (Option<Permit<'_>>, Due),
) -> RegionResult {
    let Same { context, resource, changes } = *same;
    let description = looks.description;
    let count = description.groups.len();
    let (mut aftermath, mut later_looks): (_, Vec<LaterLooks>) = (Aftermath::default(), Vec::new());
    let findings = match resource {
        Resource::Group(_) | Resource::GroupName(_) => {
            let (mut findings, mut permit) = (Vec::new(), permit);
            for snapshot in Snapshot::each(description) {
                let result = group::handle(context, task, snapshot, permit.take(), usize::MAX).await;
                aftermath.add(result.settlement, result.is_policy_stale);
                let mut own = group::tracked(changes, result.findings);
                let more = later_look::of(context, changes, (&result.may_hide, &mut own)).into_iter();
                // Several groups may have one name.
                let is_new = |looks: &LaterLooks| later_looks.iter().all(|known| known.payload != looks.payload);
                let more: Vec<LaterLooks> = more.filter(is_new).collect();
                later_looks.extend(more);
                findings.extend(own);
            }
            let mut findings = match count {
                0 => {
                    let gone = same.finding(Verdict::Safe, Outcome::AlreadyGone, "the group is no longer there");
                    let gone = gone.into_iter().map(|finding| finding.value).collect();
                    let gone = Box::pin(group::gone(context, task, resource, gone, &mut aftermath)).await;
                    group::tracked(changes, gone)
                }
                _ => findings,
            };
            findings.retain(|finding| !task.is_told || !later_look::has_nothing_to_tell(&finding.value));
            findings
        }
        Resource::PrefixList(_) => handle_list(task, same, FirstLooks { description, ..looks }, &mut aftermath).await,
        Resource::Region => {
            let journal = Box::pin(Journal::open(context, task, resource, &description.groups)).await;
            let mut all = Box::pin(region::handle(context, task, changes, (Snapshot::each(description), due))).await;
            let left = Box::pin(journal.close(context, task, changes, &mut all.aftermath)).await;
            all.findings.extend(left);
            if all.findings.is_empty() {
                let safe = format!("no guarded port is open to the internet in the Region: {count} groups looked at");
                all.findings = same.finding(Verdict::Safe, Outcome::None, &safe);
            }
            let safe = format!("this change opens no guarded port in the Region: {count} groups looked at");
            same.add_safe(&mut all.findings, &safe);
            // A sweep reports what it found safe in its summary.
            let sweeps = sweeps_of(changes);
            all.findings.retain(|it| it.value.verdict != Verdict::Safe || !sweeps.contains(&it.origin.index));
            return all;
        }
    };
    RegionResult { findings, aftermath, later_looks, ..RegionResult::default() }
}

/// Handles the groups that refer to a prefix list. Where EC2 does not show what was added to it, how far the list is counts:
/// what is still to come is undecided, and delivered again.
async fn handle_list(
    task: &GroupTask<'_>,
    same: &Same<'_>,
    looks: FirstLooks,
    aftermath: &mut Aftermath,
) -> Vec<Tracked<Finding>> {
    let Same { context, resource, changes } = *same;
    let FirstLooks { mut description, mut open_before } = looks;
    let mut unshown = prefix_list::unshown(task, &description.groups);
    let mut to_come = BTreeMap::new();
    if !unshown.is_empty() && !describe::has_steps(context, task, &description.groups) {
        to_come = prefix_list::still_to_come(task, &unshown).await;
        if to_come.is_empty() {
            // The list may have changed between the look and the answer.
            let earlier = description.groups.clone();
            open_before.extend(earlier.into_iter().filter(|facts| describe::is_open(context, task, facts)));
            description = match describe::first(context, task, resource).await {
                Ok(looks) => {
                    open_before.extend(looks.open_before);
                    looks.description
                }
                Err(error) => return same.finding(Verdict::Undecided, Outcome::Failed, &error.to_string()),
            };
        }
        unshown.clear();
    }
    open_before.extend(task.open_through_lists.of(task.changes));
    let journal = Box::pin(Journal::open(context, task, resource, &description.groups)).await;
    let snapshots: Vec<Snapshot> = Snapshot::each(description).collect();
    let work = prefix_list::within_cap(context, task, snapshots).into_iter();
    let work =
        work.map(|(task, snapshot)| async move { group::handle(context, &task, snapshot, None, usize::MAX).await });
    let done: Vec<_> = stream::iter(work).buffered(MOST_GROUPS_AT_ONCE).collect().await;
    // What EC2 shows is revoked before anything is asked.
    to_come.extend(prefix_list::still_to_come(task, &unshown).await);
    let all = done.into_iter().flat_map(|result| {
        aftermath.add(result.settlement, result.is_policy_stale);
        group::tracked(changes, result.findings)
    });
    // Of many groups only those are reported that are not safe.
    let mut findings: Vec<_> = all.filter(|finding| finding.value.verdict != Verdict::Safe).collect();
    findings.extend(Box::pin(journal.close(context, task, changes, aftermath)).await);
    findings.extend(to_come.iter().filter_map(|(n, why)| {
        let change = changes.get(*n)?;
        Some(change.with(same.plain(change, (Verdict::Undecided, Outcome::Failed), why)))
    }));
    findings.extend(prefix_list::gone_since(context, task, changes, open_before, &findings));
    let safe = "no guarded port is open to the internet through the prefix list in this account and Region";
    if findings.is_empty() {
        return same.finding(Verdict::Safe, Outcome::None, safe);
    }
    same.add_safe(
        &mut findings,
        "this change opens no guarded port through the prefix list in this account and Region",
    );
    findings
}

/// Gives groups that are or were open their names, after all that was to be revoked is. Without an answer they have none.
async fn name_groups(session: Session<'_>, target: &AccountRegion, findings: &mut [Tracked<Finding>]) {
    let id = |finding: &Finding| GroupId::parse(finding.group.as_deref()?).ok();
    let open = findings.iter().filter(|finding| finding.value.verdict == Verdict::Exposed);
    let wanted: BTreeSet<GroupId> = open.filter_map(|finding| id(&finding.value)).collect();
    if wanted.is_empty() {
        return;
    }
    let wanted: Vec<GroupId> = wanted.into_iter().collect();
    match session.group_names(target, &wanted).await {
        Ok(names) => findings.iter_mut().for_each(|finding| {
            finding.value.group_name = id(&finding.value).and_then(|id| names.get(&id).cloned());
        }),
        Err(error) => tracing::warn!(code = %error.code, message = error.message, "groups have no names in findings"),
    }
}

/// Makes the same finding for every change of a resource.
struct Same<'a> {
    context: &'a Context,
    resource: &'a Resource,
    changes: &'a [Tracked<Change>],
}

impl Same<'_> {
    fn finding(&self, verdict: Verdict, outcome: Outcome, why: &str) -> Vec<Tracked<Finding>> {
        let finding = |change: &Tracked<Change>| change.with(self.plain(change, (verdict, outcome), why));
        self.changes.iter().map(finding).collect()
    }

    /// Every delivery gets an answer: those of the changes that led to no finding are safe.
    fn add_safe(&self, findings: &mut Vec<Tracked<Finding>>, why: &str) {
        let told: BTreeSet<usize> = findings.iter().map(|finding| finding.origin.index).collect();
        let untold = self.changes.iter().filter(|change| !told.contains(&change.origin.index));
        findings.extend(untold.map(|change| change.with(self.plain(change, (Verdict::Safe, Outcome::None), why))));
    }

    /// The account is none of the function's, or that cannot be told. That an account is refused is news once an hour, and
    /// nothing would change if it was tried again.
    fn refused(&self, scope: &InvocationScope<'_>, target: &AccountRegion, why: &str) -> Vec<Tracked<Finding>> {
        let mut findings = self.finding(Verdict::Undecided, Outcome::None, why);
        if scope.session.is_some() {
            for finding in &mut findings {
                finding.value.doubtful = false;
                if !self.context.refused.is_news(&target.account, self.context.now()) {
                    finding.value.verdict = Verdict::Irrelevant;
                }
            }
        }
        findings
    }

    fn plain(&self, change: &Tracked<Change>, (verdict, outcome): (Verdict, Outcome), why: &str) -> Finding {
        let mode = self.context.settings.mode;
        let plain = Finding::plain(&change.value.event, verdict, outcome, mode, why.to_owned());
        Finding { group: group_name(self.resource), ..plain }
    }
}
