//! Judge, plan, revoke, describe again, until nothing is left to do. Each revoke rests on a snapshot of the same turn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_domain::change::{Change, ChangedRules};
use portcullis_domain::evidence::{Call, Reply};
use portcullis_domain::facts::Facts;
use portcullis_domain::finding::ExposureFinding;
use portcullis_domain::ids::RuleId;
use portcullis_domain::judge::{Attribution, Judgement, attributions};
use portcullis_domain::plan::{plan, restoring};
use portcullis_domain::policy::Mode;
use portcullis_domain::rule::Rule;
use portcullis_domain::state::{Answer, Effect, Remediation, RemediationState};
use tokio::time::Instant;

use super::context::Context;
use super::evidence::Looks;
use super::gate::Gate;
use super::intake::outdated;
use super::prefix_list::rests_on_a_list;
use super::recall::Recall;
use super::stand::Stand;
use super::task::{GroupTask, Snapshot};
use super::waived::Waived;
use crate::aws::{Code, Permit, REVOKE};

/// A revoke rests on a snapshot that is no older than this, prefix lists included, or on a look that it followed at once.
/// The snapshot of a whole Region may be older when its last group is dealt with.
const FRESH: Duration = Duration::from_secs(1);

/// A pre-existing exposure is re-checked for this long: another delivery may be removing it, and a remediation takes less.
const RECHECK: Duration = Duration::from_secs(3);

/// Does what the plan says about a group, with at most `cap` revocations. It describes the group again until nothing is
/// left to do and EC2 shows the rules that the records name; where rules change meanwhile, it stays for some looks more.
pub(super) async fn remediate(
    context: &Context,
    task: &GroupTask<'_>,
    recall: &mut Option<Recall>,
    (snapshot, permit): (Snapshot, Option<Permit<'_>>),
    cap: usize,
) -> Remediated {
    let mode = task.policy.mode(&snapshot.facts.location, task.mode);
    let recheck_until = task.recheck_until.min(snapshot.observed_at + RECHECK);
    let waived = Waived::new(task, recall.as_ref(), &snapshot);
    let mut work = Work {
        context,
        task,
        state: RemediationState::new(),
        gate: Gate::default(),
        looks: Looks::new(context.shelf.is_there(), waived.waivers.clone()),
        revoked_at: None,
        closed_at: None,
        stand: Stand::new(recall),
        waived,
    };
    let (mut snapshot, mut permit) = (snapshot, permit);
    let is_unsettled = loop {
        let is_new = work.state.observe(&snapshot.facts);
        work.learn_of_waivers(&snapshot).await;
        let judgement = work.judge((&snapshot, is_new), mode, cap);
        let turn = Turn {
            is_unsettled: work.is_unsettled(&snapshot),
            recheck: mode == Mode::Enforce && Instant::now() < recheck_until && work.may_go_away(&judgement),
            is_contested: mode == Mode::Enforce
                && work.is_contested(&judgement)
                && (task.is_fight && !work.stand.is_holder || !work.gate.is_quiet()),
            is_behind: work.is_behind(&snapshot) && !(work.stand.has_rested && work.is_held_by_another()),
        };
        if turn.recheck {
            work.gate.limit_next(RECHECK / 3);
        }
        // What was given back is looked at again until it shows.
        let is_given_back =
            !work.has_a_call() && work.state.mode() == Mode::Enforce && !work.state.pending().is_empty();
        let mut again = turn.calls_for_another() || is_given_back;
        let is_enforced = work.state.mode() == Mode::Enforce;
        let has_waited_for_the_holder = is_enforced && work.has_a_call() && work.leave_to_the_holder(&snapshot).await;
        // What the holder has not closed in its time is closed here, after a look of now.
        let mut is_of_before = has_waited_for_the_holder && work.has_a_call();
        if is_enforced && work.has_a_call() && !is_of_before {
            // With the permit at hand before the look, no later look can be younger: where EC2 takes longer to answer than
            // a snapshot may be old, a revoke would otherwise never follow.
            let has_waited = permit.is_none() && !work.insists();
            let Some(ready) = work.at_hand(permit.take()).await else {
                work.state.give_up(Code::Timeout.as_str());
                break turn.is_unsettled;
            };
            is_of_before = snapshot.is_older_than(FRESH, rests_on_a_list(&judgement), has_waited);
            if is_of_before {
                permit = Some(ready);
            } else {
                again = work.act(ready, (&snapshot, &judgement)).await
                    && (turn.calls_for_another() || !work.state.pending().is_empty() || work.is_left_open(&judgement));
            }
        }
        // Nobody leaves, to the holder or for want of looks, before what is to go was called for once.
        if is_of_before {
            work.gate.limit_next(Duration::ZERO);
            match work.look_again(&snapshot).await {
                Some(next) => snapshot = next,
                None => break turn.is_unsettled,
            }
            continue;
        }
        // Who stays at the gate leaves when the looks are used up: others come with every event.
        if !again || (turn.is_contested && !is_given_back && work.gate.is_spent()) {
            break false;
        }
        if turn.is_contested && !work.stay(&snapshot).await {
            break false;
        }
        if turn.is_contested || work.revoked_at.is_some() && work.is_left_open(&judgement) {
            work.gate.use_look();
        }
        // Whoever holds the lease looks on. A look in between would only take EC2's tokens.
        if turn.is_waiting() && work.is_held_by_another() && work.rest_beside_the_holder(&snapshot).await {
            break false;
        }
        match work.look_again(&snapshot).await {
            Some(next) => snapshot = next,
            // Without another look the last snapshot counts.
            None => break turn.is_unsettled,
        }
    };
    work.finish(&snapshot, is_unsettled)
}

/// What came of a group, and what its evidence needs.
pub(super) struct Remediated {
    pub(super) remediation: Remediation,
    pub(super) looks: Looks,
    /// Every rule that any look showed, as the latest look showed it.
    pub(super) observed: BTreeMap<RuleId, Rule>,
    /// What the last look showed.
    pub(super) last: Facts,
    /// Whether the invocation holds the lease, which it must give back.
    pub(super) is_holder: bool,
    /// The rules that a look showed and another delivery revoked.
    pub(super) closed_by_others: BTreeSet<RuleId>,
    /// The rules that are gone for good.
    pub(super) gone: BTreeSet<RuleId>,
}

/// What a turn leaves to wait for.
struct Turn {
    /// EC2 does not show yet what the records name.
    is_unsettled: bool,
    /// A pre-existing exposure may be about to go away.
    recheck: bool,
    /// Rules change while Portcullis looks.
    is_contested: bool,
    /// Another delivery knows of rules that the look lacks.
    is_behind: bool,
}

impl Turn {
    const fn calls_for_another(&self) -> bool {
        self.is_unsettled || self.recheck || self.is_contested || self.is_behind
    }

    /// Whether rules that are still to come are all that is waited for. What is re-checked, or contested, needs a look.
    const fn is_waiting(&self) -> bool {
        (self.is_unsettled || self.is_behind) && !self.is_contested && !self.recheck
    }
}

/// One remediation under way.
pub(super) struct Work<'a> {
    pub(super) context: &'a Context,
    pub(super) task: &'a GroupTask<'a>,
    pub(super) state: RemediationState,
    pub(super) gate: Gate,
    pub(super) looks: Looks,
    /// When EC2 last listed rules as revoked, or took a call that gives rules back.
    pub(super) revoked_at: Option<Timestamp>,
    /// When a look first showed nothing open after one that did.
    closed_at: Option<Timestamp>,
    pub(super) stand: Stand<'a>,
    pub(super) waived: Waived<'a>,
}

impl Work<'_> {
    /// Takes in what is planned about a snapshot, which may show a new rule.
    fn judge(&mut self, (snapshot, is_new): (&Snapshot, bool), mode: Mode, cap: usize) -> Judgement {
        if let Some(recall) = self.stand.recall.as_ref().filter(|_| self.task.is_of_events()) {
            self.state.close(recall.memory.closed_lately(self.context.now()));
        }
        let (left, now) = (self.state.left(&snapshot.facts), self.context.now());
        let judgement = self.task().judge_at(&left, now);
        self.state.remember(&judgement);
        // The cap is one for all looks.
        let cap = cap.saturating_sub(self.state.count_taken());
        let mut plan = plan(&judgement, mode, cap);
        if self.context.settings.restores {
            plan = restoring(plan, &judgement, &left, self.state.given_up(), (&self.waived.policy, now));
        }
        self.state.adopt(&plan, &judgement);
        self.looks.note((&left, &self.waived.waivers), (now, self.state.given_up()), plan);
        let is_closed = judgement.exposures.is_empty();
        self.gate.note(is_closed, is_new);
        self.closed_at = if is_closed { self.closed_at.or(Some(snapshot.facts.observed_at)) } else { None };
        judgement
    }

    /// Whether something of what is pending can be called now.
    fn has_a_call(&self) -> bool {
        !self.state.to_revoke().is_empty() || !self.state.to_restore().is_empty()
    }

    /// Makes one call, and returns whether another turn may help: what goes for good goes first.
    async fn act(&mut self, permit: Permit<'_>, look: (&Snapshot, &Judgement)) -> bool {
        match self.state.to_revoke().is_empty() {
            true => Box::pin(self.give_back(permit, look.0)).await,
            false => Box::pin(self.revoke(permit, look)).await,
        }
    }

    /// Revokes what is pending, and returns whether another turn may help.
    async fn revoke(&mut self, permit: Permit<'_>, (snapshot, judgement): (&Snapshot, &Judgement)) -> bool {
        if let Some(recall) = self.stand.recall.as_mut() {
            Box::pin(recall.see(self.context, self.task, (&snapshot.facts, judgement))).await;
        }
        let rules = self.state.to_revoke();
        let mut request = None;
        let answer = match self.send(permit, snapshot, &rules).await {
            Ok(revoked) => {
                self.revoked_at = Some(self.context.now());
                request = revoked.request;
                Answer::Revoked(revoked.rules)
            }
            Err(error) => {
                // Whoever was faster has just made another rule: it is young now, so the next look comes at once.
                if error.effect == Effect::NotFound {
                    self.gate.hurry();
                }
                Answer::Failed { code: error.code.to_string(), effect: error.effect }
            }
        };
        let reply = match &answer {
            Answer::Revoked(listed) => Reply::Revoked(listed.clone()),
            Answer::Failed { code, .. } => Reply::Failed(code.clone()),
        };
        self.looks.called(Call { name: REVOKE.to_owned(), request, at: self.context.now(), rules, reply });
        self.state.answer(answer)
    }

    /// Whether somebody else stands at the gate and nothing is to be done here.
    fn is_held_by_another(&self) -> bool {
        let recall = self.stand.recall.as_ref();
        self.state.pending().is_empty() && recall.is_some_and(|recall| recall.is_held_by_another(self.context.now()))
    }

    /// Whether another delivery has claimed rules that the look lacks.
    pub(super) fn is_behind(&self, snapshot: &Snapshot) -> bool {
        let is_known = |rule: &RuleId| self.state.is_done(rule);
        let recall = self.stand.recall.as_ref();
        recall.is_some_and(|recall| recall.is_ahead_of(self.context, snapshot, is_known))
    }

    /// Whether a change is young, and EC2 has not shown every rule that it names, as it made it or as another change at
    /// hand left it. The new entries of a prefix list were waited for before.
    pub(super) fn is_unsettled(&self, snapshot: &Snapshot) -> bool {
        if self.task.is_later_look || !self.task.is_young(self.context, snapshot.observed_at) {
            return false;
        }
        let whole = self.state.whole(&snapshot.facts);
        let all = attributions(self.task.changes, &whole);
        let made = |id| all.iter().any(|own| own.rules.iter().any(|n| whole.rules.get(*n).is_some_and(|r| r.id == id)));
        let is_of_rules = |change: &Change| !matches!(change.changed_rules, ChangedRules::PrefixList { .. });
        let by_id = |change: &Change| matches!(change.changed_rules, ChangedRules::Rules(_));
        let is_shown = |own: &Attribution, change: &Change| {
            let is_known = |id: &RuleId| made(id.clone()) || self.state.is_done(id);
            let is_closed = |id: &Option<RuleId>| id.as_ref().is_some_and(|id| self.state.is_closed(id));
            own.missing.iter().all(is_closed) && (!by_id(change) || own.replaced.iter().all(is_known))
        };
        let own = all.iter().zip(self.task.own_changes()).filter(|(_, change)| is_of_rules(change));
        own.into_iter().any(|(own, change)| !is_shown(own, change))
    }

    /// True if a pre-existing exposure contains a rule of this change that the plan keeps. Another delivery may be removing
    /// the other rules.
    fn may_go_away(&self, judgement: &Judgement) -> bool {
        judgement.keeps_an_own_rule(|rule| self.state.pending().contains(rule))
    }

    /// Whether rules change while Portcullis looks: something appeared between two looks, or a port is open although the
    /// rules of a change are gone. Where a port stays open through others after rules were revoked, a few looks tell.
    fn is_contested(&self, judgement: &Judgement) -> bool {
        // What is about to be given back is nobody else's doing.
        let is_own = !self.state.to_restore().is_empty();
        let is_left = self.revoked_at.is_some() && !judgement.exposures.is_empty() && self.gate.is_curious() && !is_own;
        let is_fight = self.revoked_at.is_some() && self.task.is_fight;
        is_fight
            || self.stand.is_holder
            || is_left
            || self.state.is_contested()
            || self.left_open(judgement).iter().any(|open| !open.is_empty())
    }

    /// Whether a port stays open through rules that are not to go, or rules have appeared.
    fn is_left_open(&self, judgement: &Judgement) -> bool {
        self.task.is_fight || self.state.is_contested() || judgement.exposures.iter().any(|exposure| exposure.standing)
    }

    /// For each change, what is open although its own rules are gone.
    fn left_open(&self, judgement: &Judgement) -> Vec<Vec<ExposureFinding>> {
        let changes = self.task.own_changes().iter().enumerate();
        if self.task.is_later_look {
            return changes.map(|_| Vec::new()).collect();
        }
        changes.map(|(n, change)| self.state.left_open(change, n, judgement, &self.waived.policy)).collect()
    }

    /// Whether a port is open that a record may have opened which is no longer believed. Such a record has nothing revoked,
    /// but it fails as a young one does, where the function would revoke.
    fn is_left_open_by_an_outdated(&self, open: &[Vec<ExposureFinding>], snapshot: &Snapshot) -> bool {
        let (context, task) = (self.context, self.task);
        let is_enforced = task.policy.mode(&snapshot.facts.location, context.settings.mode) == Mode::Enforce;
        let mut changes = task.own_changes().iter().zip(open);
        is_enforced && changes.any(|(change, open)| !open.is_empty() && outdated(context, change).is_some())
    }

    /// What is reported, over everything that any snapshot showed of what matters.
    fn finish(mut self, snapshot: &Snapshot, is_unsettled: bool) -> Remediated {
        self.state.give_up_unless_known(Code::Timeout.as_str());
        let shown = self.state.left(&snapshot.facts);
        let last = self.task().judge(self.context, &shown);
        let open = self.left_open(&last);
        let whole = self.state.whole(&snapshot.facts);
        let own = attributions(self.task.changes, &whole);
        let ids = own.iter().flat_map(|own| own.rules.iter().filter_map(|n| Some(whole.rules.get(*n)?.id.clone())));
        let replaced = own.iter().flat_map(|own| own.replaced.iter().cloned());
        let reported = self.state.reported(&snapshot.facts, &ids.chain(replaced).collect());
        let mut judgement = self.task().judge(self.context, &reported);
        if is_unsettled {
            judgement.undecided.push("EC2 does not show yet what the record says".to_owned());
        }
        let is_held_back = !self.state.pending().is_empty() || self.is_left_open_by_an_outdated(&open, snapshot);
        if let Some(why) = self.task.held_back.filter(|_| is_held_back) {
            judgement.undecided.push(why.to_owned());
        }
        let observed = self.state.observed().clone();
        let (is_holder, closed_by_others) = (self.stand.is_holder, self.state.closed_by_others());
        let mut gone = self.state.gone(&snapshot.facts);
        // A rule of its own that EC2 does not show when it would is gone, whoever took it.
        if !is_unsettled && !self.task.is_young(self.context, snapshot.observed_at) {
            let own = last.attributions.iter().take(self.task.own);
            gone.extend(own.flat_map(|own| own.missing.iter().flatten().cloned()));
        }
        let remediation = Remediation {
            judgement,
            own: self.task.own,
            past: self.state.past(),
            open,
            mode: self.state.mode(),
            done_at: self.revoked_at.or(self.closed_at).or_else(|| Some(self.context.now())),
            done: self.state.finish(),
        };
        Remediated { remediation, looks: self.looks, observed, last: shown, is_holder, closed_by_others, gone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_turn_that_waits_for_rules_to_come_and_for_nothing_else_needs_no_look() {
        for n in 0..16_u8 {
            let [is_unsettled, recheck, is_contested, is_behind] = [1, 2, 4, 8].map(|bit| n & bit != 0);
            let turn = Turn { is_unsettled, recheck, is_contested, is_behind };
            // Unsettled, behind, or both.
            assert_eq!(turn.is_waiting(), [1, 8, 9].contains(&n), "{n:04b}");
        }
    }
}
