//! The rules that were gone when an act came to revoke them. Somebody may have closed the port, or given a modified rule its
//! former value back; an earlier attempt of the same act may have done it too. The evidence does not show whose doing it was.
//! So an undo gives nothing of it back: that would open a port again that somebody else has closed.

use super::with_action;
use crate::evidence::Evidence;
use crate::facts::Facts;
use crate::finding::Action;
use crate::ids::RuleId;
use crate::rule::Rule;

/// The rules of an act that were gone, or something else, before the act could revoke them, as they were when they had to go.
#[must_use]
pub fn already_gone(evidence: &Evidence) -> Vec<Rule> {
    with_action(evidence, &Action::AlreadyGone)
}

/// What a group has now of such a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Now {
    /// A rule that admits the same, by its id.
    Same(RuleId),
    /// The rule itself, with another value.
    Changed(Box<Rule>),
    /// Neither.
    Nothing,
}

/// What a group has now of a rule.
#[must_use]
pub fn now(rule: &Rule, facts: &Facts) -> Now {
    let same = facts.rules.iter().find(|shown| shown.permission == rule.permission);
    let itself = facts.rules.iter().find(|shown| shown.id == rule.id);
    match (same, itself) {
        (Some(same), _) => Now::Same(same.id.clone()),
        (None, Some(itself)) => Now::Changed(Box::new(itself.clone())),
        (None, None) => Now::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{former, set_back, taken};
    use super::*;
    use crate::evidence::tests::evidence;
    use crate::judge::tests::{Case, permission};
    use crate::policy::Mode;

    /// Whoever closed it may have had a reason to: an undo would open it again.
    #[test]
    fn what_was_gone_before_the_act_could_take_it_is_not_given_back() {
        let case = Case::of(&["a tcp 22 0.0.0.0/0", "a tcp 22 ::/0"]);
        let ids = |rules: Vec<Rule>| rules.into_iter().map(|rule| rule.id.to_string()).collect::<Vec<_>>();
        let mut made = evidence(&case, Mode::Enforce);
        made.rules[1].action = Action::AlreadyGone;
        assert_eq!((ids(taken(&made)), ids(already_gone(&made))), (vec!["sgr-1".into()], vec!["sgr-2".into()]));
        let (rules, unknown) = former(&made);
        assert!(rules.is_empty() && unknown.keys().map(RuleId::as_str).eq(["sgr-1"]), "{unknown:?}");
        // Alert mode takes nothing, and what vanished while it looked is not set back either.
        let mut would = evidence(&case, Mode::Alert);
        would.rules[1].action = Action::AlreadyGone;
        assert!(taken(&would).is_empty());
        let found = set_back(&would, &case.facts);
        assert!(found.left_out.keys().map(RuleId::as_str).eq(["sgr-1"]) && found.rules.is_empty(), "{found:?}");
    }

    #[test]
    fn what_the_group_has_now_of_a_rule_is_the_rule_with_another_value_one_like_it_or_nothing() {
        let case = Case::of(&["a tcp 22 0.0.0.0/0", "old tcp 443 0.0.0.0/0"]);
        let (rule, mut facts) = (case.facts.rules[0].clone(), case.facts.clone());
        facts.rules[0].permission = permission("tcp 443 9.0.0.0/8");
        assert_eq!(now(&rule, &facts), Now::Changed(Box::new(facts.rules[0].clone())));
        facts.rules[1].permission = rule.permission.clone();
        assert_eq!(now(&rule, &facts), Now::Same(facts.rules[1].id.clone()));
        assert_eq!(now(&rule, &facts.with_rules(Vec::new())), Now::Nothing);
    }
}
