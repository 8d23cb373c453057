//! From the verdict to what is done: a document, complete and printable. Whoever executes it makes no choice.

mod put_back;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::facts::GroupLocation;
use crate::ids::RuleId;
use crate::judge::{Exposure, JudgedRule, Judgement};
use crate::net::{Coverage, PerFamily};
use crate::policy::Mode;
use crate::rule::Permission;

/// What is done about one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Where the group is.
    pub location: GroupLocation,
    /// `enforce`: the steps are carried out. `alert`: they are only reported.
    pub mode: Mode,
    /// The most steps that may be carried out. A plan with more of them is in alert mode.
    pub cap: usize,
    /// What is done, in the order of the rules' ids.
    pub steps: Vec<Step>,
}

/// What is done about one rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The rule is revoked.
    Revoke(RuleId),
    /// The rule is given back what it was before the change. Nothing plans this yet.
    Restore {
        /// The rule.
        rule: RuleId,
        /// What it was.
        former: Permission,
    },
}

impl Step {
    /// The rule that it is about.
    #[must_use]
    pub const fn rule(&self) -> &RuleId {
        match self {
            Self::Revoke(rule) | Self::Restore { rule, .. } => rule,
        }
    }
}

impl Plan {
    /// The rules that the steps are about.
    #[must_use]
    pub fn rules(&self) -> BTreeSet<RuleId> {
        self.steps.iter().map(|step| step.rule().clone()).collect()
    }
}

/// What is to be done about a group: in this mode, and at most `cap` steps.
#[must_use]
pub fn plan(judgement: &Judgement, mode: Mode, cap: usize) -> Plan {
    let revoke = |n: usize| Some(Step::Revoke(judgement.rules.get(n)?.rule.id.clone()));
    let mut steps: Vec<Step> = going(judgement).into_iter().filter_map(revoke).collect();
    steps.sort_unstable();
    let mode = if steps.len() > cap { Mode::Alert } else { mode };
    Plan { location: judgement.location.clone(), mode, cap, steps }
}

/// Which rules go: indexes into [`Judgement::rules`].
///
/// 1. Every rule of the changes that reaches the limit by itself.
/// 2. Where a port is still over the limit and would not be without the changes, further rules of theirs, widest public
///    source first, until it is under. A rule whose addresses the rest of the group admits anyway is left alone, and so
///    are rules that together add next to nothing to what is nearly an exposure.
/// 3. A port over the limit even without the changes keeps a standing exposure.
/// 4. No rule goes that could stay when all others that go are gone: what went by 2 is put back, narrowest first, where
///    no port needs it gone.
///
/// Nothing that is not attributed, and nothing that an exemption covers, is ever in it.
#[must_use]
pub fn going(judgement: &Judgement) -> BTreeSet<usize> {
    let by_itself = by_itself(judgement);
    let mut gone = by_itself.clone();
    // A rule that goes takes with it its old prefix-list entries, so a port that was exposed before may now be closable.
    // Repeat until stable; nearly always the second round finds nothing.
    loop {
        let before = gone.len();
        for exposure in &judgement.exposures {
            let further = further(judgement, exposure, &gone);
            gone.extend(further);
        }
        if gone.len() == before {
            break;
        }
    }
    if gone.len() > by_itself.len() {
        put_back::put_back(judgement, &by_itself, &mut gone);
    }
    gone
}

/// The rules of the changes that are over the limit by themselves, and would not be without the changes.
fn by_itself(judgement: &Judgement) -> BTreeSet<usize> {
    let alone = PerFamily::each(|family| {
        let limit = *judgement.limit.get(family);
        let over = |judged: &JudgedRule| {
            judged.attributed && judged.width(family) >= limit && judged.without.get(family).count() < limit
        };
        judgement.rules.iter().map(over).collect::<Vec<bool>>()
    });
    let mut gone = BTreeSet::new();
    for exposure in &judgement.exposures {
        let alone = alone.get(exposure.family);
        gone.extend(exposure.rules.iter().copied().filter(|n| alone.get(*n).is_some_and(|alone| *alone)));
    }
    gone
}

/// Further rules of the changes that must go for one port, when these have gone.
fn further(judgement: &Judgement, exposure: &Exposure, gone: &BTreeSet<usize>) -> Vec<usize> {
    let (family, limit) = (exposure.family, *judgement.limit.get(exposure.family));
    let left: Vec<usize> = exposure.rules.iter().copied().filter(|n| !gone.contains(n)).collect();
    if judgement.width(left.iter().copied(), family) < limit || judgement.stands(&left, family) {
        return Vec::new();
    }
    let others = judgement.union_without(left.iter().copied(), family);
    // What adds next to nothing to the others may stay, although the port is over the limit by it.
    let enough = limit.max(others.count().saturating_add(judgement.slack(family)).saturating_add(1));
    let rules = left.iter().filter_map(|n| Some((*n, judgement.rules.get(*n)?)));
    let adds = |judged: &JudgedRule| judged.attributed && !judged.counted.get(family).is_within(&others);
    let (mut candidates, rest): (Vec<(usize, &JudgedRule)>, Vec<_>) = rules.partition(|(_, judged)| adds(judged));
    // Widest first, by id among equals.
    candidates.sort_by_cached_key(|(_, judged)| (Reverse(judged.width(family)), &judged.rule.id));
    // What does not go is put back, narrowest first, for as long as it stays under the limit.
    let mut kept = Coverage::of(rest.iter().chain(&candidates).map(|(_, judged)| judged.counted.get(family)));
    rest.iter().for_each(|(_, judged)| kept.add(judged.counted.get(family)));
    while let Some((_, narrowest)) = candidates.last() {
        kept.add(narrowest.counted.get(family));
        if kept.count() >= enough {
            break;
        }
        candidates.pop();
    }
    candidates.into_iter().map(|(n, _)| n).collect()
}

#[cfg(test)]
mod tests;
