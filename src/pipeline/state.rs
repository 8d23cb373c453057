//! The state of one remediation: plans, answers and snapshots go in, what became of each rule comes out.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_domain::exposure::{GroupFacts, PrefixLists, Rule};
use portcullis_domain::finding::{Action, Done};
use portcullis_domain::ids::RuleId;

use crate::aws::{AwsError, Code, Effect};

/// What is known of a group over all snapshots, and what was done.
#[derive(Default)]
pub(super) struct RemediationState {
    /// Every rule that any snapshot showed, as it was shown last.
    rules: BTreeMap<RuleId, Rule>,
    pub(super) prefix_lists: PrefixLists,
    /// What became of each rule that was planned.
    pub(super) done: Done,
    /// The rules that are planned and not done.
    pub(super) pending: BTreeSet<RuleId>,
    /// True once a revoke's answer was lost or did not list every rule. A rule that disappears later is then counted as
    /// revoked by us.
    unheard: bool,
    /// The code of the last failure.
    pub(super) error: String,
}

impl RemediationState {
    /// Takes in a snapshot: a pending rule that is not shown any more is gone.
    pub(super) fn note(&mut self, facts: &GroupFacts, lists: &PrefixLists) {
        self.rules.extend(facts.rules.iter().map(|rule| (rule.id.clone(), rule.clone())));
        self.prefix_lists.extend(lists.clone());
        let shown: BTreeSet<&RuleId> = facts.rules.iter().map(|rule| &rule.id).collect();
        let gone = if self.unheard { Action::Revoked } else { Action::AlreadyGone };
        let (left, vanished) = std::mem::take(&mut self.pending).into_iter().partition(|id| shown.contains(id));
        self.pending = left;
        self.done.extend(BTreeSet::into_iter(vanished).map(|id| (id, gone.clone())));
    }

    /// Takes in a plan: a rule that was pending and is not planned any more was changed until it exposes nothing. That is
    /// not certain where the judgement could not decide everything.
    pub(super) fn plan(&mut self, planned: BTreeSet<RuleId>, decided: bool) {
        let action = if decided { Action::AlreadyGone } else { Action::Failed { error: self.error.clone() } };
        let closed = self.pending.difference(&planned).map(|id| (id.clone(), action.clone()));
        self.done.extend(closed.collect::<Vec<_>>());
        self.pending = planned;
    }

    /// Takes in the answer to a revoke of all pending rules. Returns whether another turn may help.
    pub(super) fn answer(&mut self, answer: Result<BTreeSet<RuleId>, AwsError>) -> bool {
        match answer {
            Ok(listed) => {
                let (revoked, silent) =
                    std::mem::take(&mut self.pending).into_iter().partition(|id| listed.contains(id));
                self.pending = silent;
                self.done.extend(BTreeSet::into_iter(revoked).map(|id| (id, Action::Revoked)));
                (self.unheard, self.error) = (true, Code::NotListed.to_string());
                true
            }
            Err(error) => {
                self.unheard |= error.effect == Effect::Unknown;
                let again = error.effect != Effect::Refused;
                self.error = error.code.to_string();
                again
            }
        }
    }

    /// The group as the snapshot shows it, without the revoked rules: EC2 may still show them.
    pub(super) fn left(&self, facts: &GroupFacts) -> GroupFacts {
        let gone = |rule: &&Rule| !matches!(self.done.get(&rule.id), Some(Action::Revoked));
        GroupFacts { rules: facts.rules.iter().filter(gone).cloned().collect(), ..facts.clone() }
    }

    /// The group with every rule that any snapshot showed.
    pub(super) fn whole(&self, facts: &GroupFacts) -> GroupFacts {
        GroupFacts { rules: self.rules.values().cloned().collect(), ..facts.clone() }
    }

    /// The group as it is reported: with the rules that had to go and the changes' own rules, whatever became of them, but
    /// without the rules that others made and took back in the meantime.
    pub(super) fn reported(&self, facts: &GroupFacts, attributed: &BTreeSet<&RuleId>) -> GroupFacts {
        let shown: BTreeSet<&RuleId> = facts.rules.iter().map(|rule| &rule.id).collect();
        let concerns = |id: &RuleId| {
            shown.contains(id) || attributed.contains(id) || self.done.contains_key(id) || self.pending.contains(id)
        };
        let rules = self.rules.iter().filter(|(id, _)| concerns(id)).map(|(_, rule)| rule.clone());
        GroupFacts { rules: rules.collect(), ..facts.clone() }
    }
}
