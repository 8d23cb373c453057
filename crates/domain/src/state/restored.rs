//! What became of rules that are given their former value back.
//!
//! EC2 answers a ModifySecurityGroupRules with `true` only, so a rule counts as restored when a look shows the value. A look
//! that still shows the old one may be older than the call: it is looked at again, and after some looks the rule is revoked.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effect, RemediationState};
use crate::finding::Action;
use crate::ids::RuleId;
use crate::plan::{Plan, Step};
use crate::rule::{Permission, Rule};

/// So many looks may show the value of before, until the rule is revoked.
pub(super) const MOST_STALE_LOOKS: usize = 5;

/// So many calls may fail for now, until the rule is revoked.
const MOST_ATTEMPTS: usize = 2;

/// The value that a rule is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its traffic and its source.
    pub permission: Permission,
    /// Its description, where it had one.
    pub description: Option<String>,
}

/// The rules that are given back, on their way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Restores {
    /// What the last plan gives back.
    planned: BTreeMap<RuleId, Given>,
    /// What was sent, and how many looks have not shown it since.
    sent: BTreeMap<RuleId, (Permission, usize)>,
    /// What a look has shown after that.
    confirmed: BTreeMap<RuleId, Permission>,
    /// How often the call failed for now.
    attempts: usize,
    /// What is revoked instead.
    given_up: BTreeSet<RuleId>,
}

impl Restores {
    /// Whether a look shows the value that the rule was given.
    pub(super) fn shows(&self, rule: &Rule) -> bool {
        let sent = self.sent.get(&rule.id).map(|(permission, _)| permission);
        sent.or_else(|| self.confirmed.get(&rule.id)).is_some_and(|permission| *permission == rule.permission)
    }

    /// Whether the rule was restored, and a look shows something else: whoever made it so did it since.
    pub(super) fn is_reopened(&self, rule: &Rule) -> bool {
        self.confirmed.get(&rule.id).is_some_and(|permission| *permission != rule.permission)
    }
}

impl RemediationState {
    /// Takes in what a look shows of the rules that were given their former value.
    pub(super) fn confirm(&mut self, shown: &[Rule]) {
        for rule in shown {
            match self.restores.sent.get_mut(&rule.id) {
                Some((permission, _)) if *permission == rule.permission => {
                    let permission = permission.clone();
                    self.restores.sent.remove(&rule.id);
                    self.restores.confirmed.insert(rule.id.clone(), permission);
                    self.pending.remove(&rule.id);
                    self.done.insert(rule.id.clone(), Action::Restored);
                }
                Some((_, looks)) => {
                    *looks += 1;
                    if *looks >= MOST_STALE_LOOKS {
                        self.restores.sent.remove(&rule.id);
                        self.restores.given_up.insert(rule.id.clone());
                    }
                }
                None => {}
            }
        }
    }

    pub(super) fn adopt_restores(&mut self, plan: &Plan) {
        let given = |step: &Step| match step {
            Step::Restore { rule, former, description } => {
                let (permission, description) = (former.clone(), description.clone());
                Some((rule.clone(), Given { permission, description }))
            }
            Step::Revoke(_) => None,
        };
        self.restores.planned = plan.steps.iter().filter_map(given).collect();
    }

    /// Whether the last plan gives the rule its former value back.
    pub(super) fn is_restored_by_plan(&self, rule: &RuleId) -> bool {
        self.restores.planned.contains_key(rule)
    }

    /// The rules to give their former value back in one call: those that are planned and were not just sent.
    #[must_use]
    pub fn to_restore(&self) -> BTreeMap<RuleId, Given> {
        let is_due = |rule: &RuleId| self.pending.contains(rule) && !self.restores.sent.contains_key(rule);
        self.restores.planned.iter().filter(|(rule, _)| is_due(rule)).map(|(id, it)| (id.clone(), it.clone())).collect()
    }

    /// The rules that are revoked because giving them back did not work.
    #[must_use]
    pub const fn given_up(&self) -> &BTreeSet<RuleId> {
        &self.restores.given_up
    }

    /// Takes in that EC2 took the call for these rules.
    pub fn accepted(&mut self, rules: BTreeMap<RuleId, Given>) {
        let sent = rules.into_iter().map(|(rule, given)| (rule, (given.permission, 0)));
        self.restores.sent.extend(sent);
        "NotShown".clone_into(&mut self.error);
    }

    /// Takes in that the call failed. What is refused is revoked instead: closing does not wait for it. Returns whether
    /// another attempt may help, which is always so.
    pub fn not_accepted(&mut self, rules: BTreeMap<RuleId, Given>, code: &str, effect: Effect) -> bool {
        code.clone_into(&mut self.error);
        self.restores.attempts += 1;
        match effect {
            // It may have been done: the next look tells.
            Effect::Unknown => {
                self.restores.sent.extend(rules.into_iter().map(|(rule, given)| (rule, (given.permission, 0))));
            }
            // Some rule is gone. The next look shows the others.
            Effect::NotFound => self.is_fleeting = true,
            Effect::Refused => self.restores.given_up.extend(rules.into_keys()),
            Effect::NotYet if self.restores.attempts >= MOST_ATTEMPTS => {
                self.restores.given_up.extend(rules.into_keys());
            }
            Effect::NotYet => {}
        }
        true
    }
}
