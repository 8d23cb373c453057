//! From a verdict to a plan: a document, complete and printable. The code that executes it makes no choice.

mod put_back;
mod restore;

use std::cmp::Reverse;
use std::collections::BTreeSet;

pub use restore::restoring;
use serde::{Deserialize, Serialize};

use crate::facts::GroupLocation;
use crate::ids::RuleId;
use crate::judge::{Exposure, JudgedRule, Judgement};
use crate::net::{Coverage, PerFamily};
use crate::policy::Mode;
use crate::rule::Permission;

/// What is done about one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The rule is revoked.
    Revoke(RuleId),
    /// The rule gets back what it was before the change.
    Restore {
        /// The rule.
        rule: RuleId,
        /// The permission that it had.
        former: Permission,
        /// The description that it had.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
}

impl Step {
    /// The rule of this step.
    #[must_use]
    pub const fn rule(&self) -> &RuleId {
        match self {
            Self::Revoke(rule) | Self::Restore { rule, .. } => rule,
        }
    }
}

impl Plan {
    /// The rules of all steps.
    #[must_use]
    pub fn rules(&self) -> BTreeSet<RuleId> {
        self.steps.iter().map(|step| step.rule().clone()).collect()
    }
}

/// The plan for a group, in this mode and with at most `cap` steps.
#[must_use]
pub fn plan(judgement: &Judgement, mode: Mode, cap: usize) -> Plan {
    let revoke = |n: usize| Some(Step::Revoke(judgement.rules.get(n)?.rule.id.clone()));
    let mut steps: Vec<Step> = going(judgement).into_iter().filter_map(revoke).collect();
    steps.sort_unstable();
    let mode = if steps.len() > cap { Mode::Alert } else { mode };
    Plan { location: judgement.location.clone(), mode, cap, steps }
}

/// Which rules must go, as indexes into [`Judgement::rules`].
///
/// 1. Every rule of the changes that reaches the limit by itself goes.
/// 2. A port may still be over the limit, although it would not be without the changes. Then further rules of the
///    changes go, widest public source first, until the port is under the limit. A rule stays if the rest of the group
///    admits its addresses anyway. Rules also stay if together they add next to nothing to what is nearly an exposure.
/// 3. A port that is over the limit even without the changes keeps a standing exposure.
/// 4. No rule goes that could stay when all others that go are gone. So rules that went in step 2 are put back,
///    narrowest first, where no port needs them gone.
///
/// A rule that is not attributed never goes, and neither does a rule that an exemption covers.
#[must_use]
pub fn going(judgement: &Judgement) -> BTreeSet<usize> {
    let by_itself = by_itself(judgement);
    let mut gone = by_itself.clone();
    // A rule that goes takes its old prefix-list entries with it, so a port that was exposed before may now be
    // closable. Repeat until stable; the second round nearly always finds nothing.
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

/// The rules of the changes that are over the limit by themselves, and were not before the changes.
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

/// Further rules of the changes that must go to close one port, after the rules in `gone`.
fn further(judgement: &Judgement, exposure: &Exposure, gone: &BTreeSet<usize>) -> Vec<usize> {
    let (family, limit) = (exposure.family, *judgement.limit.get(exposure.family));
    let left: Vec<usize> = exposure.rules.iter().copied().filter(|n| !gone.contains(n)).collect();
    if judgement.width(left.iter().copied(), family) < limit || judgement.stands(&left, family) {
        return Vec::new();
    }
    let others = judgement.union_without(left.iter().copied(), family);
    // Rules that add next to nothing to the others may stay, although they bring the port over the limit.
    let enough = limit.max(others.count().saturating_add(judgement.slack(family)).saturating_add(1));
    let rules = left.iter().filter_map(|n| Some((*n, judgement.rules.get(*n)?)));
    let adds = |judged: &JudgedRule| judged.attributed && !judged.counted.get(family).is_within(&others);
    let (mut candidates, rest): (Vec<(usize, &JudgedRule)>, Vec<_>) = rules.partition(|(_, judged)| adds(judged));
    // Widest first, and by id among equals.
    candidates.sort_by_cached_key(|(_, judged)| (Reverse(judged.width(family)), &judged.rule.id));
    // Candidates are put back, narrowest first, as long as the port stays under the limit.
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
