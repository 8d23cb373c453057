//! What an act in alert mode would have taken is there still. What a ModifySecurityGroupRules made of a rule can be set back to
//! what it was, on the rule itself, as long as nobody has changed it since.

use std::collections::BTreeMap;

use super::former_of;
use crate::evidence::Evidence;
use crate::facts::Facts;
use crate::finding::Action;
use crate::ids::RuleId;
use crate::rule::Rule;

/// What can be set back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetBack {
    /// The rules, by the ids that they have, as they were before.
    pub rules: Vec<Rule>,
    /// The rules that are again what they were.
    pub there: BTreeMap<RuleId, RuleId>,
    /// The rules that are left alone, and why.
    pub left_out: BTreeMap<RuleId, String>,
}

/// The rules that an act would have taken, as it saw them.
#[must_use]
pub fn would_take(evidence: &Evidence) -> Vec<Rule> {
    let would = |action: &Action| matches!(action, Action::WouldRevoke | Action::WouldRestore);
    evidence.rules.iter().filter(|taken| would(&taken.action)).map(|taken| taken.rule.clone()).collect()
}

/// What can be set back of an act that took nothing away, in the group as it is now.
#[must_use]
pub fn set_back(evidence: &Evidence, facts: &Facts) -> SetBack {
    let saw = would_take(evidence);
    let (former, unknown) = former_of(evidence, saw.clone());
    let why = unknown.into_iter().map(|(rule, why)| (rule, format!("what it was before is not known: {why}")));
    let mut set_back = SetBack { left_out: why.collect(), ..SetBack::default() };
    for was in former {
        let id = was.id.clone();
        let now = facts.rules.iter().find(|rule| rule.id == id);
        let same = facts.rules.iter().find(|rule| rule.permission == was.permission);
        let is_as_seen = |now: &Rule| saw.iter().any(|rule| rule.id == id && rule.permission == now.permission);
        let why = match (now, same) {
            (None, _) => "it is no longer there".to_owned(),
            (Some(_), Some(same)) if same.id == id => {
                set_back.there.insert(id.clone(), id);
                continue;
            }
            (Some(_), Some(same)) => format!("{} is like that already, and a group has no two rules alike", same.id),
            (Some(now), None) if is_as_seen(now) => {
                set_back.rules.push(was);
                continue;
            }
            (Some(_), None) => "somebody has changed it since the act".to_owned(),
        };
        set_back.left_out.insert(id, why);
    }
    set_back
}
