//! Which of the rules that must go get their former value back instead.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Plan, Step};
use crate::facts::Facts;
use crate::former::Was;
use crate::ids::RuleId;
use crate::judge::{JudgedRule, Judgement, judge};
use crate::net::Family;
use crate::policy::Policy;
use crate::rule::{Rule, Source};

/// The same plan with former values given back, where they are known and lawful in the group as it will be. A value that has
/// a part in an exposure is never written, not even a former one, nor one that cannot be decided, nor one that another rule
/// has meanwhile. A rule that changed while Portcullis looked is revoked, and so is one of `given_up`: giving it back did not
/// work.
#[must_use]
pub fn restoring(
    plan: Plan,
    judgement: &Judgement,
    facts: &Facts,
    given_up: &BTreeSet<RuleId>,
    (policy, now): (&Policy, Timestamp),
) -> Plan {
    let planned = plan.rules();
    let candidate = |judged: &JudgedRule| {
        let (id, was) = (&judged.rule.id, judged.former.as_deref()?);
        let is_wanted =
            planned.contains(id) && !given_up.contains(id) && !judged.appeared && !facts.appeared.contains(id);
        let is_address = matches!(was.permission.source, Source::Cidr(_) | Source::PrefixList(_));
        let differs = was.permission != judged.rule.permission;
        (is_wanted && is_address && differs).then(|| (id.clone(), was.clone()))
    };
    let mut back: BTreeMap<RuleId, Was> = judgement.rules.iter().filter_map(candidate).collect();
    while !back.is_empty() {
        let unlawful = unlawful(&back, &planned, facts, (policy, now));
        if unlawful.is_empty() {
            break;
        }
        back.retain(|id, _| !unlawful.contains(id));
    }
    let step = |step: Step| match back.remove(step.rule()) {
        Some(was) => Step::Restore { rule: step.rule().clone(), former: was.permission, description: was.description },
        None => step,
    };
    let mut steps: Vec<Step> = plan.steps.into_iter().map(step).collect();
    steps.sort_unstable_by(|a, b| a.rule().cmp(b.rule()));
    Plan { steps, ..plan }
}

/// The rules of `back` that would not be lawful with their former values, when all other planned rules are gone.
fn unlawful(
    back: &BTreeMap<RuleId, Was>,
    planned: &BTreeSet<RuleId>,
    facts: &Facts,
    (policy, now): (&Policy, Timestamp),
) -> BTreeSet<RuleId> {
    let after = |rule: &Rule| match back.get(&rule.id) {
        Some(was) => {
            let (permission, description) = (was.permission.clone(), was.description.clone());
            Some(Rule { permission, description, ..rule.clone() })
        }
        None => (!planned.contains(&rule.id)).then(|| rule.clone()),
    };
    let after = facts.with_rules(facts.rules.iter().filter_map(after).collect());
    let judged = judge(&[], &after, policy, now);
    let has_a_part = |n: usize, rule: &JudgedRule| {
        let wide = |family: Family| rule.width(family) > judged.slack(family);
        judged.exposures.iter().any(|exposure| exposure.rules.contains(&n) && wide(exposure.family))
    };
    let is_twice = |rule: &Rule| after.rules.iter().any(|it| it.id != rule.id && it.permission == rule.permission);
    let is_unlawful = |(n, it): &(usize, &JudgedRule)| it.undecided || has_a_part(*n, it) || is_twice(&it.rule);
    let own = judged.rules.iter().enumerate().filter(|(_, it)| back.contains_key(&it.rule.id));
    own.filter(is_unlawful).map(|(_, it)| it.rule.id.clone()).collect()
}
