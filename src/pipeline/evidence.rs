//! The evidence of what was done: collected while a group is handled, written before anything is reported.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use portcullis_domain::change::Change;
use portcullis_domain::evidence::{Account, Call, Evidence, Guard, LeftAct, Look, absent};
use portcullis_domain::facts::Facts;
use portcullis_domain::finding::{Finding, Outcome, RuleFinding};
use portcullis_domain::ids::RuleId;
use portcullis_domain::memory::Waiver;
use portcullis_domain::plan::Plan;
use portcullis_domain::policy::{Mode, Policy};
use tokio::time::Instant;

use super::context::Context;
use super::intake::Tracked;
use super::recall::Recall;
use super::remediate::Remediated;
use super::task::GroupTask;
use crate::shelf;

/// The evidence of one act has at most this many looks. In a fight there may be more: the first ones and the last are kept.
const MOST_LOOKS: usize = 16;

/// A delivery that brings more changes of one group than this leads to one act.
const MOST_ACTS: usize = 16;

/// This many documents are written at a time.
const MOST_WRITTEN_AT_ONCE: usize = 8;

/// The looks that led to a plan with steps.
#[derive(Debug)]
pub(super) struct Looks {
    /// Without a shelf nothing is kept.
    is_kept: bool,
    looks: Vec<Look>,
    left_out: usize,
    /// The group's waivers that were known before the first look.
    waivers: BTreeMap<String, Waiver>,
    /// Whether the last look of all is the last of `looks`.
    is_current: bool,
}

impl Looks {
    pub(super) const fn new(is_kept: bool, waivers: BTreeMap<String, Waiver>) -> Self {
        Self { is_kept, looks: Vec::new(), left_out: 0, waivers, is_current: false }
    }

    /// Notes what was judged, with which waivers, and the plan that it led to.
    pub(super) fn note(
        &mut self,
        (facts, waivers): (&Facts, &BTreeMap<String, Waiver>),
        (judged_at, given_up): (Timestamp, &BTreeSet<RuleId>),
        plan: Plan,
    ) {
        self.is_current = self.is_kept && !plan.steps.is_empty();
        if !self.is_current {
            return;
        }
        if self.looks.len() == MOST_LOOKS {
            self.looks.pop();
            self.left_out += 1;
        }
        let news = (Look::waivers_after(&self.looks, &self.waivers) != waivers).then(|| waivers.clone());
        self.looks.push(Look::new(facts, judged_at, plan).with_given_up(given_up.clone()).with_waivers(news));
    }

    /// Notes what was called after the last look.
    pub(super) fn called(&mut self, call: Call) {
        if let Some(look) = self.looks.last_mut().filter(|_| self.is_current) {
            look.call = Some(call);
        }
    }
}

/// What evidence says of the memory: `none`, `ok` or `unavailable`.
pub(super) const fn memory_in_a_word(is_read: bool, is_lost: bool) -> &'static str {
    match (is_read, is_lost) {
        (true, _) => "ok",
        (false, true) => "unavailable",
        (false, false) => "none",
    }
}

/// Adds the evidence to the findings of a group: one for each change of the task that led to something.
pub(super) fn add(
    context: &Context,
    task: &GroupTask<'_>,
    (done, memory): (&Remediated, &str),
    findings: &mut [Finding],
) {
    let account = Account {
        guard: guard(context, task, task.mode),
        location: &done.remediation.judgement.location,
        changes: task.changes,
        own: task.own,
        memory: memory.to_owned(),
        waivers: done.looks.waivers.clone(),
        looks: &done.looks.looks,
        looks_left_out: done.looks.left_out,
        observed: &done.observed,
    };
    if task.own > MOST_ACTS {
        return add_one_for_all(&account, findings);
    }
    for (n, (finding, change)) in findings.iter_mut().zip(task.changes).enumerate() {
        // Where only some of the change's rules are gone, the finding is about those that are there.
        let is_gone = matches!(finding.outcome, Outcome::AlreadyGone | Outcome::None) && finding.mode == Mode::Enforce;
        let evidence = match is_gone && account.looks.is_empty() {
            true => of_absent(context, (task, &account), (*change, &done.last), finding),
            false => account.of(finding, n, None),
        };
        finding.evidence.extend(evidence);
    }
}

fn guard(context: &Context, task: &GroupTask<'_>, mode: Mode) -> Guard {
    let identity = task.session.identity();
    Guard {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        account: Some(identity.account.clone()),
        region: Some(identity.region.clone()),
        mode,
        policy: task.policy.hash().to_owned(),
        restores: context.settings.restores,
    }
}

/// Takes in what earlier attempts of the same deliveries left without an end: the findings tell it, and its evidence comes
/// from what they claimed.
pub(super) fn add_left(
    context: &Context,
    (task, policy): (&GroupTask<'_>, &Policy),
    (recall, seen): (&Recall, &Facts),
    findings: &mut [Finding],
) {
    let location = &seen.location;
    let mode = context.settings.mode;
    for (finding, change) in findings.iter_mut().zip(task.own_changes()) {
        for claim in recall.left(change, &location.group).collect::<Vec<_>>() {
            let others = recall.judged_with(claim);
            // A waiver that held then held then, whatever has become of it.
            let waived = recall.waived(claim.at, location, policy);
            let policy = waived.as_ref().unwrap_or(policy);
            // What the rules were before the call may be known better by now, or not any more.
            let filled = Change { former: change.former.clone(), ..claim.change.clone() };
            let back = || LeftAct::given_back((claim, &filled), &others, seen, (policy, mode));
            let back = context.settings.restores.then(back).flatten();
            let Some(left) = back.or_else(|| LeftAct::of(claim, &others, seen, (policy, mode))) else { continue };
            left.note(finding);
            if !context.shelf.is_there() {
                continue;
            }
            let changes: Vec<&Change> = std::iter::once(&left.change).chain(others).collect();
            let account = Account {
                guard: Guard { restores: !left.back.is_empty(), ..guard(context, task, mode) },
                location,
                changes: &changes,
                own: 1,
                memory: "ok".to_owned(),
                waivers: recall.memory.waivers.clone(),
                looks: std::slice::from_ref(&left.look),
                looks_left_out: 0,
                observed: &left.gone,
            };
            let Some(evidence) = account.of(&left.finding(mode), 0, None) else { continue };
            // It comes first, under the id of the attempt. What was done now has an id of its own then.
            finding.evidence.retain(|own| own.is_done() || own.id != evidence.id);
            finding.evidence.insert(0, evidence);
        }
    }
}

/// One act for all changes of a delivery that brings many of one group: the evidence of each would contain all of them.
fn add_one_for_all(account: &Account<'_>, findings: &mut [Finding]) {
    let acted = |finding: &Finding| finding.outcome != Outcome::None;
    let Some(first) = findings.iter().position(acted) else { return };
    let mut rules: BTreeMap<RuleId, RuleFinding> = BTreeMap::new();
    for rule in findings.iter().flat_map(|finding| &finding.rules) {
        rules.entry(rule.id.clone()).or_insert_with(|| rule.clone());
    }
    let of_all = findings.get(first).map(|finding| Finding { rules: rules.into_values().collect(), ..finding.clone() });
    let Some(evidence) = of_all.and_then(|finding| account.of(&finding, first, None)) else { return };
    let id = evidence.id.clone();
    for finding in findings.iter_mut().filter(|finding| acted(finding)) {
        finding.act = Some(id.clone());
    }
    findings.get_mut(first).into_iter().for_each(|finding| finding.evidence.push(evidence.clone()));
}

/// The evidence of a change whose rules the group does not show: they may have been revoked by an attempt that came no
/// further than that. What the record says of them is the evidence then.
fn of_absent(
    context: &Context,
    (task, account): (&GroupTask<'_>, &Account<'_>),
    (change, last): (&Change, &Facts),
    finding: &Finding,
) -> Option<Evidence> {
    let look = absent(change, last, task.policy, (account.guard.mode, context.now()))?;
    let observed = look.rules.iter().map(|rule| (rule.id.clone(), rule.clone())).collect();
    let guard = Guard { restores: false, ..account.guard.clone() };
    let account = Account { guard, changes: &[change], own: 1, looks: &[look], observed: &observed, ..account.clone() };
    let finding = Finding { outcome: Outcome::AlreadyGone, ..finding.clone() };
    account.of(&finding, 0, None)
}

/// Adds the records that the changes were read from, where findings have evidence.
pub(super) fn add_records(changes: &[Tracked<Change>], findings: &mut [Finding]) {
    for (change, finding) in changes.iter().zip(findings) {
        for evidence in &mut finding.evidence {
            evidence.record = change.origin.record.as_deref().cloned();
        }
    }
}

/// Writes the evidence of findings, and gives each finding the id of its own. What cannot be written goes to the log as it
/// is, and the finding says why.
pub(super) async fn keep_all(context: &Context, findings: impl IntoIterator<Item = &mut Finding>, until: Instant) {
    let with_evidence = findings.into_iter().filter(|finding| !finding.evidence.is_empty());
    stream::iter(with_evidence)
        .for_each_concurrent(MOST_WRITTEN_AT_ONCE, |finding| keep(context, finding, until))
        .await;
}

/// Writes what earlier deliveries could not write.
pub(super) async fn flush(context: &Context, until: Instant) {
    let at = (context.now(), until);
    let flushed = Box::pin(shelf::flush(&context.shelf, &context.unwritten, at));
    if let Err(error) = flushed.await {
        tracing::error!(%error, "evidence of earlier deliveries is still not written");
    }
}

async fn keep(context: &Context, finding: &mut Finding, until: Instant) {
    for evidence in std::mem::take(&mut finding.evidence) {
        let at = (context.now(), until);
        let policy = context.policy.of_hash(&evidence.guard.policy);
        // Boxed: a call of S3 is large on the stack.
        let kept = Box::pin(shelf::keep(&context.shelf, &context.unwritten, &evidence, &policy, at));
        match kept.await {
            Ok(id) => finding.act = Some(id),
            Err(failure) => {
                tracing::error!(act = %evidence.id, error = %failure.error, "the evidence was not written");
                (context.out)(failure.document.trim_end());
                finding.is_without_evidence = true;
                finding.reason = format!("{}; its evidence was not written: {}", finding.reason, failure.error);
            }
        }
    }
}
