//! Judge, plan, revoke, describe again, until nothing is left to do. Each revoke rests on a snapshot of the same turn.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_domain::exposure::{Attribution, GroupFacts, Judgement};
use portcullis_domain::finding::{Action, Done};
use portcullis_domain::ids::RuleId;
use portcullis_domain::plan::plan;
use portcullis_domain::policy::Mode;
use portcullis_domain::trail::{Change, ChangedRules};
use tokio::time::Instant;

use super::context::Context;
use super::describe;
use super::state::RemediationState;
use super::task::{Backoff, GroupTask, Snapshot};
use crate::aws::{Code, Permit};

/// A revoke rests on a snapshot that is no older than this. The snapshot of one group is always younger; that of a whole
/// Region may be older when its last group is dealt with.
const FRESH: Duration = Duration::from_secs(1);

/// A pre-existing exposure is re-checked for this long: another delivery may be removing it, and a remediation takes less.
const RECHECK: Duration = Duration::from_secs(3);

/// What came of a group.
pub(super) struct Remediation {
    pub(super) judgement: Judgement,
    pub(super) done: Done,
    /// When the last rule was revoked, or when it was clear that there was nothing to do.
    pub(super) done_at: Timestamp,
    /// The mode that held for the group.
    pub(super) mode: Mode,
}

/// Does what the plan says about a group, with at most `most` revocations. It describes the group again until nothing is
/// left to do and EC2 shows the rules that the records name.
pub(super) async fn remediate(
    context: &Context,
    task: &GroupTask<'_>,
    snapshot: Snapshot,
    mut permit: Option<Permit<'_>>,
    most: usize,
) -> Remediation {
    let (mut state, mut backoff) = (RemediationState::default(), Backoff::default());
    let recheck_until = task.recheck_until.min(snapshot.observed_at + RECHECK);
    let (mut snapshot, mut done_at) = (snapshot, None);
    let mut mode = context.policy.mode(task.location(&snapshot.group), task.mode);
    let is_unsettled = loop {
        let facts = &snapshot.group;
        state.note(facts, &snapshot.prefix_lists);
        let left = task.judge(context, &state.left(facts), &state.prefix_lists);
        let plan = plan(&left);
        let may_go_away = is_recheckable(&left, &plan);
        state.plan(ids(&left, plan), left.undecided.is_empty());
        if state.pending.len() > most {
            mode = Mode::Alert;
        }
        let is_unsettled = task.is_young(context, snapshot.observed_at) && !is_settled(context, task, &state, facts);
        let recheck = may_go_away && Instant::now() < recheck_until && mode == Mode::Enforce;
        let mut again = is_unsettled || recheck;
        if recheck {
            backoff.limit_next(RECHECK / 3);
        }
        if mode == Mode::Enforce && !state.pending.is_empty() {
            let Some(ready) = at_hand(task, permit.take()).await else {
                Code::Timeout.as_str().clone_into(&mut state.error);
                break is_unsettled;
            };
            if snapshot.observed_at.elapsed() > FRESH {
                permit = Some(ready);
                again = true;
                backoff.limit_next(Duration::ZERO);
            } else {
                let answer = task.session.revoke(ready, &facts.group, &state.pending).await;
                done_at = answer.is_ok().then(|| context.now()).or(done_at);
                again = state.answer(answer) && (is_unsettled || recheck || !state.pending.is_empty());
            }
        }
        if !again {
            break false;
        }
        match describe::again(context, task, &facts.group, &mut backoff, &mut state.error).await {
            Some(next) => snapshot = next,
            // Without the time for a re-check the last snapshot counts.
            None => break is_unsettled,
        }
    };
    let judgement = final_judgement(context, task, &state, (&snapshot.group, is_unsettled));
    let done = outcome_of_each(state, mode);
    Remediation { judgement, done, done_at: done_at.unwrap_or_else(|| context.now()), mode }
}

/// The permit at hand, or else a new one; nothing when time runs out first.
async fn at_hand<'a>(task: &GroupTask<'a>, permit: Option<Permit<'a>>) -> Option<Permit<'a>> {
    match permit {
        Some(permit) => Some(permit),
        None => task.session.permit(task.target).await,
    }
}

/// The judgement that is reported, over everything that any snapshot showed of what matters.
fn final_judgement(
    context: &Context,
    task: &GroupTask<'_>,
    state: &RemediationState,
    (facts, is_unsettled): (&GroupFacts, bool),
) -> Judgement {
    let mut judgement = task.judge(context, &state.whole(facts), &state.prefix_lists);
    let reported = state.reported(facts, &attributed(&judgement));
    if reported.rules.len() < judgement.rules.len() {
        judgement = task.judge(context, &reported, &state.prefix_lists);
    }
    if is_unsettled {
        judgement.undecided.push("EC2 does not show yet what the record says".to_owned());
    }
    judgement
}

/// What became of each planned rule, those included that are still pending.
fn outcome_of_each(state: RemediationState, mode: Mode) -> Done {
    let pending = match mode {
        Mode::Alert => Action::WouldRevoke,
        Mode::Enforce => Action::Failed { error: state.error },
    };
    let mut done = state.done;
    done.extend(state.pending.into_iter().map(|id| (id, pending.clone())));
    done
}

/// Whether EC2 has shown every rule that the changes name, as they made it or as another change at hand left it. The new
/// entries of a prefix list were waited for before.
fn is_settled(context: &Context, task: &GroupTask<'_>, state: &RemediationState, facts: &GroupFacts) -> bool {
    let judgement = task.judge(context, &state.whole(facts), &state.prefix_lists);
    let attributed = attributed(&judgement);
    let is_shown = |attribution: &Attribution| {
        attribution.missing.is_empty() && attribution.replaced.iter().all(|id| attributed.contains(id))
    };
    let is_of_rules = |change: &Change| !matches!(change.changed_rules, ChangedRules::PrefixList { .. });
    let attributions = judgement.attributions.iter().zip(task.changes);
    attributions.filter(|(_, change)| is_of_rules(change)).all(|(attribution, _)| is_shown(attribution))
}

/// The ids of rules that are given by index.
fn ids(judgement: &Judgement, rules: BTreeSet<usize>) -> BTreeSet<RuleId> {
    rules.into_iter().filter_map(|n| Some(judgement.rules.get(n)?.rule.id.clone())).collect()
}

/// The rules that the changes at hand made.
fn attributed(judgement: &Judgement) -> BTreeSet<&RuleId> {
    judgement.rules.iter().filter(|judged| judged.attributed).map(|judged| &judged.rule.id).collect()
}

/// True if a pre-existing exposure contains a rule of this change that the plan keeps. Another delivery may be removing
/// the other rules.
fn is_recheckable(judgement: &Judgement, plan: &BTreeSet<usize>) -> bool {
    let is_kept = |rule: &usize| judgement.is_attributed(*rule) && !plan.contains(rule);
    judgement.exposures.iter().any(|exposure| exposure.standing && exposure.rules.iter().any(is_kept))
}
