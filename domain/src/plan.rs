//! From the verdict to what is done: which rules go. Data, complete and printable; whoever executes it makes no choice.

use std::collections::BTreeSet;

use crate::exposure::{Exposure, Judgement};
use crate::net::Family;

/// Which rules go: indexes into [`Judgement::rules`].
///
/// 1. Every rule of the changes that reaches the limit by itself.
/// 2. Where a port is still over the limit and would not be without the changes, further rules of theirs, widest public
///    source first, until it is under. A rule whose addresses the rest of the group admits anyway is left alone.
/// 3. A port over the limit even without the changes keeps a standing exposure.
///
/// Nothing that no change claims, and nothing that an exemption covers, is ever in it.
#[must_use]
pub fn plan(judgement: &Judgement) -> BTreeSet<usize> {
    let mut gone = BTreeSet::new();
    for exposure in &judgement.exposures {
        let limit = *judgement.limit.get(exposure.family);
        let made_so = |n: &usize| {
            let without = judgement.union_without([*n], exposure.family).count();
            width(judgement, *n, exposure.family) >= limit && without < limit
        };
        gone.extend(claimed(judgement, exposure).filter(made_so));
    }
    for exposure in judgement.exposures.iter().filter(|exposure| !exposure.standing) {
        let further = further(judgement, exposure, &gone);
        gone.extend(further);
    }
    gone
}

fn further(judgement: &Judgement, exposure: &Exposure, gone: &BTreeSet<usize>) -> Vec<usize> {
    let (family, limit) = (exposure.family, *judgement.limit.get(exposure.family));
    let left: Vec<usize> = exposure.rules.iter().copied().filter(|n| !gone.contains(n)).collect();
    let others = judgement.union_without(left.iter().copied(), family);
    let adds = |n: &usize| !judgement.union([*n], family).difference(&others).is_empty();
    let mut candidates: Vec<usize> = claimed(judgement, exposure).filter(|n| !gone.contains(n)).filter(adds).collect();
    let id = |n: usize| judgement.rules.get(n).map(|judged| &judged.rule.id);
    candidates.sort_by(|a, b| {
        let wider = width(judgement, *b, family).cmp(&width(judgement, *a, family));
        wider.then_with(|| id(*a).cmp(&id(*b)))
    });
    let over = |taken: usize| {
        let taken: BTreeSet<usize> = candidates.iter().copied().take(taken).collect();
        judgement.width(left.iter().copied().filter(|n| !taken.contains(n)), family) >= limit
    };
    // The more are taken, the less is left, so the smallest number that suffices is found by halving.
    let (mut low, mut high) = (0, candidates.len());
    while low < high {
        let middle = low.midpoint(high);
        if over(middle) { low = middle + 1 } else { high = middle }
    }
    candidates.truncate(low);
    candidates
}

fn claimed(judgement: &Judgement, exposure: &Exposure) -> impl Iterator<Item = usize> {
    exposure.rules.iter().copied().filter(|n| judgement.is_claimed(*n))
}

fn width(judgement: &Judgement, rule: usize, family: Family) -> u128 {
    judgement.rules.get(rule).map_or(0, |judged| judged.width(family))
}

#[cfg(test)]
mod tests;
