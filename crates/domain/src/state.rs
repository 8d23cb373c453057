//! The state of one remediation: what the looks at a group showed, what was done about it, and what is left to do.
//!
//! Pure. The shell brings looks ([`crate::facts::Facts`]), plans and EC2's answers, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::facts::{Facts, PrefixLists};
use crate::finding::{Action, Done};
use crate::ids::RuleId;
use crate::judge::Judgement;
use crate::plan::Plan;
use crate::policy::Mode;
use crate::rule::Rule;

/// What is known of a call's effect after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing was done, and asking again will not help.
    Refused,
    /// Nothing was done; ask again later.
    NotYet,
    /// It may have been done: the answer was lost.
    Unknown,
    /// What it was about is not there.
    NotFound,
}

/// EC2's answer to a revoke of all rules that are pending.
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

/// What came of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remediation {
    /// The group as it is reported, judged.
    pub judgement: Judgement,
    /// What became of each planned rule.
    pub done: Done,
    /// The mode that held for the group.
    pub mode: Mode,
    /// When the last of it was done, or when it was clear that there was nothing to do.
    pub done_at: Option<Timestamp>,
}

/// What is known of a group over all looks of one remediation, and what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemediationState {
    mode: Mode,
    /// Every rule that any look showed, as it was last.
    seen: BTreeMap<RuleId, Rule>,
    /// What is known of prefix lists, as it was last.
    prefix_lists: PrefixLists,
    done: Done,
    /// Planned and not done.
    pending: BTreeSet<RuleId>,
    /// True once a revoke's answer was lost or did not list every rule. A rule that disappears later is then counted as
    /// revoked by us.
    unheard: bool,
    /// Why what is pending was not done.
    error: String,
}

impl RemediationState {
    /// Nothing has been seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            mode: Mode::Enforce,
            seen: BTreeMap::new(),
            prefix_lists: PrefixLists::new(),
            done: Done::new(),
            pending: BTreeSet::new(),
            unheard: false,
            error: String::new(),
        }
    }

    /// Takes in a look: what is pending and not shown any more is gone.
    pub fn observe(&mut self, facts: &Facts) {
        self.seen.extend(facts.rules.iter().map(|rule| (rule.id.clone(), rule.clone())));
        self.prefix_lists.extend(facts.prefix_lists.iter().map(|(list, entries)| (list.clone(), entries.clone())));
        let shown: BTreeSet<&RuleId> = facts.rules.iter().map(|rule| &rule.id).collect();
        let gone = if self.unheard { Action::Revoked } else { Action::AlreadyGone };
        let (left, vanished) = std::mem::take(&mut self.pending).into_iter().partition(|id| shown.contains(id));
        self.pending = left;
        self.done.extend(BTreeSet::into_iter(vanished).map(|id| (id, gone.clone())));
    }

    /// Takes in the plan for the last look. What was pending and is not planned any more was closed by a change of the
    /// rule itself; after a look that left something undecided nobody can say that. A plan in alert mode leaves the
    /// remediation in alert mode.
    pub fn adopt(&mut self, plan: &Plan, is_decided: bool) {
        let planned = plan.rules();
        let action = if is_decided { Action::AlreadyGone } else { Action::Failed { error: self.error.clone() } };
        let closed = self.pending.difference(&planned).map(|id| (id.clone(), action.clone()));
        self.done.extend(closed.collect::<Vec<_>>());
        self.pending = planned;
        self.mode = self.mode.min(plan.mode);
    }

    /// Takes in EC2's answer to a revoke of all that is pending. Whether another turn may help.
    pub fn answer(&mut self, answer: Answer) -> bool {
        match answer {
            Answer::Revoked(listed) => {
                let (revoked, silent) =
                    std::mem::take(&mut self.pending).into_iter().partition(|id| listed.contains(id));
                self.pending = silent;
                self.done.extend(BTreeSet::into_iter(revoked).map(|id| (id, Action::Revoked)));
                (self.unheard, self.error) = (true, "NotListed".to_owned());
                true
            }
            Answer::Failed { code, effect } => {
                self.unheard |= effect == Effect::Unknown;
                self.error = code;
                effect != Effect::Refused
            }
        }
    }

    /// Keeps why nothing more could be done.
    pub fn give_up(&mut self, code: &str) {
        code.clone_into(&mut self.error);
    }

    /// The mode that holds for the group.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The rules that are planned to go and have not gone.
    #[must_use]
    pub const fn pending(&self) -> &BTreeSet<RuleId> {
        &self.pending
    }

    /// What is left of the group: without the rules that were revoked, which EC2 may still show.
    #[must_use]
    pub fn left(&self, facts: &Facts) -> Facts {
        let is_left = |rule: &&Rule| !matches!(self.done.get(&rule.id), Some(Action::Revoked));
        self.with(facts, facts.rules.iter().filter(is_left).cloned().collect())
    }

    /// The group with everything in it that any look showed.
    #[must_use]
    pub fn whole(&self, facts: &Facts) -> Facts {
        self.with(facts, self.seen.values().cloned().collect())
    }

    /// The group as it is reported: with what had to go and the changes' own rules, whatever has become of them, but
    /// without what others made and took back meanwhile.
    #[must_use]
    pub fn reported(&self, facts: &Facts, attributed: &BTreeSet<RuleId>) -> Facts {
        let shown: BTreeSet<&RuleId> = facts.rules.iter().map(|rule| &rule.id).collect();
        let concerns = |id: &RuleId| {
            shown.contains(id) || attributed.contains(id) || self.done.contains_key(id) || self.pending.contains(id)
        };
        let rules = self.seen.iter().filter(|(id, _)| concerns(id)).map(|(_, rule)| rule.clone());
        self.with(facts, rules.collect())
    }

    /// What became of each planned rule. What is still pending would be revoked in alert mode, and failed in enforce
    /// mode.
    #[must_use]
    pub fn finish(self) -> Done {
        let rest = match self.mode {
            Mode::Alert => Action::WouldRevoke,
            Mode::Enforce => Action::Failed { error: self.error },
        };
        let mut done = self.done;
        done.extend(self.pending.into_iter().map(|id| (id, rest.clone())));
        done
    }

    fn with(&self, facts: &Facts, rules: Vec<Rule>) -> Facts {
        Facts { prefix_lists: Arc::new(self.prefix_lists.clone()), ..facts.with_rules(rules) }
    }
}

impl Default for RemediationState {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
