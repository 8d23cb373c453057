//! From what came of a group to a finding for each of its changes.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_domain::change::{Change, Resource};
use portcullis_domain::facts::{Facts, GroupLocation};
use portcullis_domain::finding::{Action, Finding, MemoryState, Verdict};
use portcullis_domain::ids::RuleId;
use portcullis_domain::judge::Judgement;
use portcullis_domain::memory::{Entries, Memory, WaiverKind, item_of, opened_name, written};
use portcullis_domain::policy::{Mode, Policy};

use super::budget::{self, Budget};
use super::context::Context;
use super::evidence;
use super::former::{self, Found};
use super::intake::{Tracked, outdated};
use super::later_look;
use super::recall::{Recall, Settlement};
use super::region::Aftermath;
use super::remediate::{Remediated, remediate};
use super::stand::wait_for_the_holder;
use super::task::{GroupTask, Snapshot};
use super::telling::{self, Gate};
use crate::aws::Permit;
use crate::live_policy::Refreshed;

/// What came of one group.
#[derive(Default)]
pub(super) struct GroupResult {
    pub(super) findings: Vec<Finding>,
    /// How many rules were revoked or restored.
    pub(super) revoked: usize,
    /// What is written to the memory when the findings were told.
    pub(super) settlement: Option<Settlement>,
    /// The policy cannot be read any more, and the one of before held.
    pub(super) is_policy_stale: bool,
    /// The changes that may hide behind another call, by their place in the task: rules of theirs stay in an exposure that is
    /// there without them, and no memory tells what other deliveries know.
    pub(super) may_hide: BTreeSet<usize>,
}

/// What is known when something is about to be done.
#[derive(Default)]
struct Known {
    recall: Option<Recall>,
    /// The memory was asked and did not answer.
    is_lost: bool,
    is_policy_stale: bool,
    /// What is known of the modified rules.
    former: Found,
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
    let is_event = task.is_of_events();
    let first = task.judge(context, &snapshot.facts);
    let concerns = first.concerns_the_changes();
    // A rule that EC2 does not show is still to come, or another delivery has closed it.
    let is_missing = first.attributions.iter().any(|own| !own.missing.is_empty());
    // An earlier attempt may have given it back what it was, and have come no further.
    let is_replaced = context.settings.restores && first.attributions.iter().any(|own| !own.replaced.is_empty());
    let is_unsettled = is_event && is_missing && task.is_young(context, snapshot.observed_at);
    // What other deliveries left is revoked only with what the memory knows of it: a waiver may cover it by now.
    let left = if is_event { left_by_others(context, task, &first) } else { Vec::new() };
    let asks = concerns || (is_unsettled || !left.is_empty()) && context.settings.memory.is_some();
    let known = if asks {
        Box::pin(before_acting(context, task, (&snapshot.facts, &first))).await
    } else if is_event && (is_missing || is_replaced || task.may_be_any()) && context.settings.memory.is_some() {
        Box::pin(after_an_attempt(context, task, &location)).await
    } else {
        Known::default()
    };
    let Known { mut recall, is_lost, is_policy_stale, former } = known;
    let plain_policy = context.policy.now();
    let waived = recall.as_ref().and_then(|recall| recall.waived(context.now(), &location, &plain_policy));
    let policy = waived.as_ref().unwrap_or(&plain_policy);
    let mode = policy.mode(&location, task.mode);
    let others = match &recall {
        Some(recall) if is_event => recall.co_defendants(context, mode),
        None => left,
        Some(_) => Vec::new(),
    };
    let former = Box::pin(with_former(context, task, (former, recall.as_ref()), &others)).await;
    let fill = |change: &Change| former.fill(change, &snapshot.facts, (policy, context.now()));
    let all: Vec<Change> = task.changes.iter().copied().chain(&others).map(fill).collect();
    let changes: Vec<&Change> = all.iter().collect();
    let mut with_others = GroupTask { changes: &changes, policy, ..*task };
    let budget = match is_event {
        true => Box::pin(budget::count(context, &with_others, &first, mode)).await,
        false => Budget::Free,
    };
    if let Budget::Past(why) = budget {
        with_others = with_others.held_back(why);
    } else if task.is_later_look && first.exposures.iter().any(|exposure| !exposure.standing) {
        // The first look found it open without the change. What opened it since, other records tell.
        with_others = with_others.held_back(SINCE);
    }
    let mut permit = permit;
    let is_held = |recall: &Recall| recall.is_held_by_another(context.now());
    let waits = is_event && concerns && mode == Mode::Enforce;
    if let Some(recall) = recall.as_mut().filter(|recall| waits && is_held(recall)) {
        // Whoever holds the lease closes what this look shows. If not, it is closed here, after a look of now.
        permit = None;
        if !wait_for_the_holder(context, &with_others, recall, &snapshot.facts).await {
            with_others.is_fight = !is_held(recall);
        }
    } else {
        // The memory knows more than the instance.
        let is_fight = match &recall {
            Some(recall) => recall.is_fight(context.now()),
            None => context.recent.is_fight(&location),
        };
        with_others.is_fight = is_event && is_fight;
    }
    task.open_through_lists.note(context, &with_others, &snapshot.facts);
    let remediated = Box::pin(remediate(context, &with_others, &mut recall, (snapshot, permit), most)).await;
    let remediation = &remediated.remediation;
    let goes = |rule: &RuleId| remediation.done.contains_key(rule);
    let stands = remediation.judgement.keeps_an_own_rule(goes);
    if is_event && stands {
        context.recent.keep(&location, task.changes);
    }
    let is_taken = |action: &&Action| matches!(action, Action::Revoked | Action::Restored);
    let revoked = remediation.done.values().filter(is_taken).count();
    if let Budget::Counted(count) = &budget {
        Box::pin(count.give_back(context, revoked, task.session.until())).await;
    }
    if is_event && revoked > 0 {
        context.recent.note_closed(&location);
    }
    let mut findings = findings_of(with_others.own_changes(), &remediated, policy);
    let refused = recall.as_ref().map(|recall| recall.refused(context.now(), &location, &plain_policy));
    for finding in &mut findings {
        finding.memory = is_lost.then_some(MemoryState::Unavailable);
        if finding.verdict == Verdict::Exposed {
            refused.iter().flatten().for_each(|why| finding.reason.push_str(&format!("; {why}")));
        }
    }
    if context.shelf.is_there() {
        let memory = evidence::memory_in_a_word(recall.is_some(), is_lost);
        evidence::add(context, &with_others, (&remediated, memory), &mut findings);
    }
    if let Some(recall) = &recall {
        // What this delivery saw is its own to tell.
        let seen = remediated.last.with_rules(remediated.observed.values().cloned().collect());
        evidence::add_left(context, (&with_others, &plain_policy), (recall, &seen), &mut findings);
    }
    if task.is_told {
        let same = findings.iter_mut().filter(|finding| later_look::has_nothing_to_tell(finding));
        same.for_each(|finding| finding.is_told = true);
    }
    let settlement = match &recall {
        Some(recall) => settlement_of(context, task, (&remediated, stands), recall, &mut findings),
        None => is_lost.then(|| told_here(context, task, &remediated, &mut findings)),
    };
    let is_enforced = mode == Mode::Enforce && with_others.held_back.is_none();
    let is_alone = is_event && is_enforced && recall.is_none();
    let may_hide = |n: &usize| is_alone && remediation.judgement.may_hide(*n, goes);
    let may_hide = (0..task.own).filter(may_hide).collect();
    GroupResult { findings, revoked, settlement, is_policy_stale, may_hide }
}

/// Why a later look takes nothing of a change that a port is open through by now.
const SINCE: &str = "rules have changed since the first look: whether this change opened the port cannot be told";

/// A finding for each change of the task.
fn findings_of(changes: &[&Change], remediated: &Remediated, policy: &Policy) -> Vec<Finding> {
    let finding = |(n, change): (usize, &&Change)| {
        let mut finding = Finding::judged(change, n, &remediated.remediation);
        finding.policy = Some(policy.hash().to_owned());
        finding.note_closed_by_another(&remediated.closed_by_others);
        finding
    };
    changes.iter().enumerate().map(finding).collect()
}

/// What the memory is to keep when the findings were told. Those that were told before are marked.
fn settlement_of(
    context: &Context,
    task: &GroupTask<'_>,
    (remediated, stands): (&Remediated, bool),
    recall: &Recall,
    findings: &mut [Finding],
) -> Option<Settlement> {
    let Remediated { remediation, is_holder, gone, .. } = remediated;
    let now = context.now();
    let gate = match is_holder {
        true => Gate::Held,
        false if recall.is_held_by_another(now) => Gate::HeldByAnother,
        false => Gate::Free,
    };
    let mut told = telling::tell(findings, (task.changes, remediation), (&recall.memory, gate), now);
    if task.is_of_events() {
        told.happened.extend(opened_under(&remediation.judgement, &recall.memory, now));
    }
    let settlement = recall.settlement(now, (gone, stands), told)?;
    Some(if *is_holder { recall.release(settlement) } else { settlement })
}

/// The memory does not answer. What this instance has told of the group itself, it marks and remembers.
fn told_here(context: &Context, task: &GroupTask<'_>, remediated: &Remediated, findings: &mut [Finding]) -> Settlement {
    let Remediated { remediation, last, .. } = remediated;
    let GroupLocation { account, region, group, .. } = &last.location;
    let key = item_of(account, region, group);
    let memory = Memory::read(&context.told_here.of(&key));
    let told = telling::tell(findings, (task.changes, remediation), (&memory, Gate::Free), context.now());
    Settlement::for_here(key, told)
}

/// The rules of the changes that an opening's waiver covers, for its end to take them. Sweeps know them by that too.
fn opened_under(judgement: &Judgement, memory: &Memory, now: Timestamp) -> Entries {
    let own = judgement.attributions.iter().flat_map(|own| own.rules.iter());
    let note = |n: &usize| {
        let judged = judgement.rules.get(*n)?;
        let id = judged.exempt.as_ref()?.waiver.as_ref()?;
        let waiver = memory.waivers.get(id).filter(|waiver| waiver.kind == WaiverKind::Open)?;
        let is_known = waiver.rules.contains(&judged.rule.id);
        (!is_known).then(|| Some((opened_name(id, &judged.rule.id), written(&now)?)))?
    };
    own.filter_map(note).collect()
}

/// What must be known before anything is done: the claim is made, and meanwhile the policy is asked for again, unless it is
/// young.
async fn before_acting(context: &Context, task: &GroupTask<'_>, look: (&Facts, &Judgement)) -> Known {
    let claim = async {
        if !context.settings.memory.is_some() {
            return None;
        }
        Some(Recall::claim(context, task, look).await)
    };
    let rules = former::named(task.own_changes().iter().copied());
    let former = Box::pin(former::look_up(context, task.target, rules, task.session.until()));
    let (claim, refreshed, former) = tokio::join!(claim, context.policy.refresh(&context.aws), former);
    let is_policy_stale = refreshed == Refreshed::Stale;
    match claim {
        Some(Ok(recall)) => Known { recall: Some(recall), is_lost: false, is_policy_stale, former },
        Some(Err(error)) => {
            tracing::warn!(group = %look.0.location.group, code = error.code(), %error, "the memory did not answer");
            Known { recall: None, is_lost: true, is_policy_stale, former }
        }
        None => Known { is_policy_stale, former, ..Known::default() },
    }
}

/// What is known of the modified rules, those of other deliveries' changes included: they are judged together.
async fn with_former(
    context: &Context,
    task: &GroupTask<'_>,
    (mut former, recall): (Found, Option<&Recall>),
    others: &[Change],
) -> Found {
    let missing = former.missing(others);
    if !missing.is_empty() {
        former.extend(Box::pin(former::look_up(context, task.target, missing, task.session.until())).await);
    }
    former.add_claims(recall.into_iter().flat_map(|recall| recall.memory.claims.values()));
    former
}

/// Rules of the changes are gone, and nothing is to be done about it: an earlier attempt may have revoked them and have come
/// no further. Then its claim is there still.
async fn after_an_attempt(context: &Context, task: &GroupTask<'_>, location: &GroupLocation) -> Known {
    match Recall::of_earlier_attempt(context, task, location).await {
        // What it may have given back is known by what the rules were.
        Ok(Some(recall)) if context.settings.restores => {
            let rules = former::named(task.own_changes().iter().copied());
            let former = Box::pin(former::look_up(context, task.target, rules, task.session.until())).await;
            Known { recall: Some(recall), former, ..Known::default() }
        }
        Ok(recall) => Known { recall, ..Known::default() },
        Err(error) => {
            tracing::warn!(group = %location.group, code = error.code(), %error, "the memory did not answer");
            Known { is_lost: true, ..Known::default() }
        }
    }
}

/// A group that is no longer there. An earlier attempt may have revoked rules of it and have come no further.
pub(super) async fn gone(
    context: &Context,
    task: &GroupTask<'_>,
    resource: &Resource,
    mut findings: Vec<Finding>,
    aftermath: &mut Aftermath,
) -> Vec<Finding> {
    let Resource::Group(group) = resource else { return findings };
    if !context.settings.memory.is_some() {
        return findings;
    }
    let (account, region) = (task.target.account.clone(), task.target.region.clone());
    let location = GroupLocation { account, region, group: group.clone(), vpc: None };
    let Known { recall, is_lost, .. } = after_an_attempt(context, task, &location).await;
    if let Some(recall) = recall {
        let (policy, now) = (context.policy.now(), context.now());
        let last = Facts::of_rules(location, Vec::new(), now);
        evidence::add_left(context, (task, &policy), (&recall, &last), &mut findings);
        aftermath.add(recall.told_what_was_left(now), false);
    }
    findings.iter_mut().for_each(|finding| finding.memory = is_lost.then_some(MemoryState::Unavailable));
    findings
}

/// What other deliveries left unsettled, as far as this instance knows, where it matters: a port is open without the
/// delivery's own changes. A record that is believed for minutes only is not believed for longer here.
fn left_by_others(context: &Context, task: &GroupTask<'_>, first: &Judgement) -> Vec<Change> {
    if !first.exposures.iter().any(|exposure| exposure.standing) {
        return Vec::new();
    }
    let others = context.recent.of(&first.location, task.changes).into_iter();
    others.filter(|change| outdated(context, change).is_none()).collect()
}

/// The findings, each with the payload that its change came from.
pub(super) fn tracked(changes: &[Tracked<Change>], mut findings: Vec<Finding>) -> Vec<Tracked<Finding>> {
    evidence::add_records(changes, &mut findings);
    changes.iter().zip(findings).map(|(change, finding)| change.with(finding)).collect()
}
