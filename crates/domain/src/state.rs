//! The state of one remediation: what the looks at a group showed, what was done about the group, and what is still to
//! do.
//!
//! The state is pure. The shell passes in looks ([`crate::facts::Facts`]), plans and EC2's answers, one after the
//! other.

mod left_open;
mod past;
mod restored;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

pub use past::PastExposure;
pub use restored::Given;

use crate::facts::{Facts, PrefixLists};
use crate::finding::{Action, Done, ExposureFinding};
use crate::ids::{PrefixListId, RuleId};
use crate::judge::Judgement;
use crate::net::Cidr;
use crate::plan::Plan;
use crate::policy::Mode;
use crate::rule::Rule;
use past::PortKey;
use restored::Restores;

/// Why a rule was not revoked that had to go, until a look left open whether it has to.
const UNDECIDED: &str = "Undecided";

/// What is known of a call's effect after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing was done, and asking again will not help.
    Refused,
    /// Nothing was done; ask again later.
    NotYet,
    /// It may have been done: the answer was lost.
    Unknown,
    /// The call's target does not exist.
    NotFound,
}

/// EC2's answer to a call that revokes pending rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The rules that EC2 listed as revoked.
    Revoked(BTreeSet<RuleId>),
    /// The call failed.
    Failed {
        /// AWS's error code, or what happened instead of an answer.
        code: String,
        /// What is known of its effect.
        effect: Effect,
    },
}

/// The result for one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remediation {
    /// The judgement of the group as it is reported.
    pub judgement: Judgement,
    /// How many of the changes that were judged are the delivery's own. Nobody else tells what it did about the others'.
    pub own: usize,
    /// What earlier looks showed open: for each port, its first exposure, with the rules that later looks added.
    pub past: Vec<PastExposure>,
    /// For each change, what is still open at the end although the change's own rules are gone or altered. The delivery
    /// did not close it.
    pub open: Vec<Vec<ExposureFinding>>,
    /// The result for each planned rule.
    pub done: Done,
    /// The mode that held for the group.
    pub mode: Mode,
    /// When the last step was done, or when it was clear that there was nothing to do.
    pub done_at: Option<Timestamp>,
}

/// What all looks of one remediation showed, and what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemediationState {
    mode: Mode,
    looks: usize,
    appeared: BTreeSet<RuleId>,
    appeared_entries: BTreeMap<PrefixListId, BTreeSet<Cidr>>,
    past: BTreeMap<PortKey, PastExposure>,
    /// Rules that two looks in a row showed unchanged.
    steady: BTreeSet<RuleId>,
    /// Whether a revoke failed because one of its rules was gone.
    is_fleeting: bool,
    /// Every rule that any look showed, as the latest look showed it.
    observed: BTreeMap<RuleId, Rule>,
    /// The entries of prefix lists, as the latest look showed them.
    prefix_lists: PrefixLists,
    done: Done,
    /// The rules that are planned to be revoked or restored and are not yet done.
    pending: BTreeSet<RuleId>,
    /// Those of them that are given their former value back.
    restores: Restores,
    /// Rules that a revoke named whose answer was lost or did not list them. One that disappears later is counted as
    /// revoked by us; one that no such call named was taken back by somebody else.
    unheard: BTreeSet<RuleId>,
    /// Rules that another delivery revoked, by its word.
    closed: BTreeSet<RuleId>,
    /// Why the pending rules were not revoked.
    error: String,
}

impl RemediationState {
    /// The state before the first look.
    #[must_use]
    pub fn new() -> Self {
        Self {
            mode: Mode::Enforce,
            looks: 0,
            appeared: BTreeSet::new(),
            appeared_entries: BTreeMap::new(),
            past: BTreeMap::new(),
            steady: BTreeSet::new(),
            is_fleeting: false,
            observed: BTreeMap::new(),
            prefix_lists: PrefixLists::new(),
            done: Done::new(),
            pending: BTreeSet::new(),
            restores: Restores::default(),
            unheard: BTreeSet::new(),
            closed: BTreeSet::new(),
            error: String::new(),
        }
    }

    /// Takes in that another delivery revoked these rules. EC2 gives no id twice, so a look that shows such a rule is older
    /// than the revoke. A rule of them that some look shows has gone before it could be revoked here.
    pub fn close<'a>(&mut self, rules: impl IntoIterator<Item = &'a RuleId>) {
        self.closed.extend(rules.into_iter().cloned());
        self.note_closed();
    }

    /// The rules that some look showed and another delivery revoked.
    #[must_use]
    pub fn closed_by_others(&self) -> BTreeSet<RuleId> {
        self.observed.keys().filter(|id| self.closed.contains(*id)).cloned().collect()
    }

    fn note_closed(&mut self) {
        let shown: Vec<RuleId> = self.closed.iter().filter(|id| self.observed.contains_key(*id)).cloned().collect();
        for id in shown {
            self.pending.remove(&id);
            self.done.entry(id).or_insert(Action::AlreadyGone);
        }
    }

    /// Takes in a look. A pending rule that the look does not show is gone. A rule that an earlier look did not show,
    /// or showed differently, is new, whoever made it. Returns whether something is new since the look before.
    pub fn observe(&mut self, facts: &Facts) -> bool {
        let is_as_before = |rule: &&Rule| {
            let is_seen = self.observed.get(&rule.id).is_some_and(|earlier| earlier.permission == rule.permission);
            self.restores.shows(rule) || is_seen && !self.restores.is_reopened(rule)
        };
        let (steady, new): (Vec<&Rule>, Vec<&Rule>) = facts.rules.iter().partition(is_as_before);
        self.steady = steady.into_iter().map(|rule| rule.id.clone()).collect();
        let is_new = self.looks > 0 && !new.is_empty();
        if is_new {
            self.appeared.extend(new.into_iter().map(|rule| rule.id.clone()));
        }
        self.appeared.extend(facts.appeared.iter().cloned());
        self.note_entries(facts);
        self.looks += 1;
        // A rule that was given its former value is remembered as it was when it had to go.
        let others = facts.rules.iter().filter(|rule| !self.restores.shows(rule));
        self.observed.extend(others.map(|rule| (rule.id.clone(), rule.clone())));
        self.confirm(&facts.rules);
        self.prefix_lists.extend(facts.prefix_lists.iter().map(|(list, entries)| (list.clone(), entries.clone())));
        let shown: BTreeSet<&RuleId> = facts.rules.iter().map(|rule| &rule.id).collect();
        let (left, vanished) = std::mem::take(&mut self.pending).into_iter().partition(|id| shown.contains(id));
        self.pending = left;
        let gone = |id: &RuleId| if self.unheard.contains(id) { Action::Revoked } else { Action::AlreadyGone };
        self.done.extend(BTreeSet::into_iter(vanished).map(|id| (id.clone(), gone(&id))));
        self.note_closed();
        is_new
    }

    /// An entry of a prefix list is new if an earlier look at that list did not show it.
    fn note_entries(&mut self, facts: &Facts) {
        for (list, entries) in &facts.appeared_entries {
            self.appeared_entries.entry(list.clone()).or_default().extend(entries.iter().copied());
        }
        for (list, entries) in facts.prefix_lists.iter() {
            if let (Some(Ok(before)), Ok(entries)) = (self.prefix_lists.get(list), entries) {
                let before: BTreeSet<&Cidr> = before.iter().collect();
                let new: Vec<Cidr> = entries.iter().filter(|cidr| !before.contains(cidr)).copied().collect();
                if !new.is_empty() {
                    self.appeared_entries.entry(list.clone()).or_default().extend(new);
                }
            }
        }
    }

    /// Takes in the plan for the last look. What was pending and is not planned any more was closed by a change of the
    /// rule itself; after a look that left something undecided nobody can say that. A rule that still exposes a port, and
    /// is not to go because the port is open without it, is kept; so is one that a waiver has covered since. A plan in alert
    /// mode leaves the remediation in alert mode.
    pub fn adopt(&mut self, plan: &Plan, judgement: &Judgement) {
        let planned = plan.rules();
        let is_decided = judgement.undecided.is_empty();
        // What a call failed with says more.
        let error = if self.error.is_empty() { UNDECIDED.to_owned() } else { self.error.clone() };
        let action = if is_decided { Action::AlreadyGone } else { Action::Failed { error } };
        let exposing: BTreeSet<&RuleId> = judgement
            .exposures
            .iter()
            .flat_map(|exposure| exposure.rules.iter().filter_map(|n| Some(&judgement.rules.get(*n)?.rule.id)))
            .collect();
        let is_exempt = |id: &RuleId| judgement.rules.iter().any(|it| it.rule.id == *id && it.exempt.is_some());
        let is_kept = |id: &RuleId| exposing.contains(id) || is_exempt(id);
        let dropped = self.pending.difference(&planned).filter(|id| !is_decided || !is_kept(id));
        let closed = dropped.map(|id| (id.clone(), action.clone()));
        self.done.extend(closed.collect::<Vec<_>>());
        self.pending = planned;
        self.adopt_restores(plan);
        self.mode = self.mode.min(plan.mode);
    }

    /// Takes in EC2's answer to a revoke of [`Self::to_revoke`]. Returns whether another attempt may help.
    pub fn answer(&mut self, answer: Answer) -> bool {
        let sent = self.to_revoke();
        match answer {
            Answer::Revoked(listed) => {
                self.unheard.extend(sent.difference(&listed).cloned());
                let (revoked, silent) =
                    std::mem::take(&mut self.pending).into_iter().partition(|id| listed.contains(id));
                self.pending = silent;
                self.done.extend(BTreeSet::into_iter(revoked).map(|id| (id, Action::Revoked)));
                "NotListed".clone_into(&mut self.error);
                true
            }
            Answer::Failed { code, effect } => {
                if effect == Effect::Unknown {
                    self.unheard.extend(sent);
                }
                self.is_fleeting |= effect == Effect::NotFound;
                self.error = code;
                effect != Effect::Refused
            }
        }
    }

    /// Keeps the reason why nothing more could be done.
    pub fn give_up(&mut self, code: &str) {
        code.clone_into(&mut self.error);
    }

    /// Keeps this as the reason where nothing has given another: what failed says why.
    pub fn give_up_unless_known(&mut self, code: &str) {
        if self.error.is_empty() {
            self.give_up(code);
        }
    }

    /// The mode that holds for the group.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The rules that are planned to be revoked or restored and are not yet done.
    #[must_use]
    pub const fn pending(&self) -> &BTreeSet<RuleId> {
        &self.pending
    }

    /// Every rule that any look showed, as the latest look showed it.
    #[must_use]
    pub const fn observed(&self) -> &BTreeMap<RuleId, Rule> {
        &self.observed
    }

    /// Whether the rule already has a result.
    #[must_use]
    pub fn is_done(&self, rule: &RuleId) -> bool {
        self.done.contains_key(rule)
    }

    /// The rules that were revoked here.
    pub fn revoked(&self) -> impl Iterator<Item = &RuleId> {
        self.done.iter().filter(|(_, action)| **action == Action::Revoked).map(|(rule, _)| rule)
    }

    /// The rules that are gone for good after this last look: those that were revoked, here or by another delivery, and
    /// those that EC2 did not find and does not show any more. What a look alone does not show may only be hidden.
    #[must_use]
    pub fn gone(&self, last: &Facts) -> BTreeSet<RuleId> {
        let is_shown = |id: &RuleId| last.rules.iter().any(|rule| rule.id == *id);
        let not_found = self
            .done
            .iter()
            .filter(|(id, action)| self.is_fleeting && matches!(action, Action::AlreadyGone) && !is_shown(id));
        let closed = self.closed.iter().filter(|id| self.observed.contains_key(*id));
        self.revoked().chain(not_found.map(|(id, _)| id)).chain(closed).cloned().collect()
    }

    /// Whether another delivery revoked the rule, by its word.
    #[must_use]
    pub fn is_closed(&self, rule: &RuleId) -> bool {
        self.closed.contains(rule)
    }

    /// How many rules were revoked or restored.
    #[must_use]
    pub fn count_taken(&self) -> usize {
        self.done.values().filter(|action| matches!(action, Action::Revoked | Action::Restored)).count()
    }

    /// The rules to revoke in one call. One rule that is gone makes the whole call fail. So after the first such
    /// failure, rules that two looks showed unchanged get a call of their own.
    #[must_use]
    pub fn to_revoke(&self) -> BTreeSet<RuleId> {
        let is_revoked = |id: &&RuleId| !self.is_restored_by_plan(id);
        let pending: BTreeSet<RuleId> = self.pending.iter().filter(is_revoked).cloned().collect();
        let steady: BTreeSet<RuleId> = pending.intersection(&self.steady).cloned().collect();
        if self.is_fleeting && !steady.is_empty() { steady } else { pending }
    }

    /// The group without the rules that were revoked, here or by another delivery, which EC2 may still show.
    #[must_use]
    pub fn left(&self, facts: &Facts) -> Facts {
        let is_revoked = |id: &RuleId| matches!(self.done.get(id), Some(Action::Revoked)) || self.closed.contains(id);
        let is_left = |rule: &&Rule| !is_revoked(&rule.id);
        self.with(facts, facts.rules.iter().filter(is_left).cloned().collect())
    }

    /// The group with every rule that any look showed.
    #[must_use]
    pub fn whole(&self, facts: &Facts) -> Facts {
        self.with(facts, self.observed.values().cloned().collect())
    }

    /// The group as it is reported: with the planned rules and the changes' own rules, whatever became of them, but
    /// without rules that others made and removed meanwhile.
    #[must_use]
    pub fn reported(&self, facts: &Facts, attributed: &BTreeSet<RuleId>) -> Facts {
        let shown: BTreeSet<&RuleId> = facts.rules.iter().map(|rule| &rule.id).collect();
        let concerns = |id: &RuleId| {
            shown.contains(id) || attributed.contains(id) || self.done.contains_key(id) || self.pending.contains(id)
        };
        let rules = self.observed.iter().filter(|(id, _)| concerns(id)).map(|(_, rule)| rule.clone());
        self.with(facts, rules.collect())
    }

    /// The result for each planned rule. A rule that is still pending would be revoked or restored in alert mode, and has
    /// failed in enforce mode.
    #[must_use]
    pub fn finish(mut self) -> Done {
        let mut done = std::mem::take(&mut self.done);
        let rest = |id: &RuleId| match self.mode {
            Mode::Alert if self.is_restored_by_plan(id) => Action::WouldRestore,
            Mode::Alert => Action::WouldRevoke,
            Mode::Enforce => Action::Failed { error: self.error.clone() },
        };
        done.extend(self.pending.iter().map(|id| (id.clone(), rest(id))));
        done
    }

    fn with(&self, facts: &Facts, rules: Vec<Rule>) -> Facts {
        Facts {
            prefix_lists: Arc::new(self.prefix_lists.clone()),
            appeared: self.appeared.clone(),
            appeared_entries: self.appeared_entries.clone(),
            ..facts.with_rules(rules)
        }
    }
}

impl Default for RemediationState {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod undecided;
