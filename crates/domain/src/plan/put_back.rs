//! The last pass of a plan: rules that may stay are put back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::further;
use crate::judge::{Exposure, JudgedRule, Judgement};
use crate::net::{Coverage, Family};

/// Takes rules out of `gone` that no port needs gone: the narrowest first, and among equals the highest id first. A
/// rule that reaches the limit by itself is never put back.
pub(super) fn put_back(judgement: &Judgement, by_itself: &BTreeSet<usize>, gone: &mut BTreeSet<usize>) {
    let mut candidates: Vec<(usize, &JudgedRule)> =
        gone.difference(by_itself).filter_map(|n| Some((*n, judgement.rules.get(*n)?))).collect();
    let width = |judged: &JudgedRule| judged.width(Family::V4).saturating_add(judged.width(Family::V6));
    candidates.sort_by_cached_key(|(_, judged)| (width(judged), Reverse(&judged.rule.id)));
    let mut ports: Vec<Port<'_>> =
        judgement.exposures.iter().filter_map(|exposure| Port::of(judgement, exposure, gone)).collect();
    let mut ports_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, port) in ports.iter().enumerate() {
        for n in port.exposure.rules.iter().filter(|n| gone.contains(n)) {
            ports_of.entry(*n).or_default().push(at);
        }
    }
    for (n, judged) in candidates {
        let own = ports_of.get(&n).map(Vec::as_slice).unwrap_or_default();
        gone.remove(&n);
        let takes = |ports: &mut Vec<Port<'_>>, at: &usize| {
            ports.get_mut(*at).is_none_or(|port| port.takes_back(judgement, judged, gone))
        };
        // If one port cannot take the rule back, every port that has taken it back must drop it again.
        let mut taken = 0;
        let fits = own.iter().all(|at| {
            taken += 1;
            takes(&mut ports, at)
        });
        if !fits {
            gone.insert(n);
        }
        for (order, at) in own.iter().enumerate() {
            match ports.get_mut(*at) {
                Some(port) if !fits && order < taken => port.all.remove(judged.counted.get(port.exposure.family)),
                Some(port) if fits => port.note_others(judgement, judged, gone),
                _ => {}
            }
        }
    }
}

/// A port for which some rules go, and the rules that stay.
struct Port<'a> {
    exposure: &'a Exposure,
    /// The addresses that the remaining rules admit.
    all: Coverage,
    /// How many of these addresses would be admitted without the changes.
    others: u128,
    /// Whether the remaining rules are an exposure even without the changes.
    stands: bool,
}

impl<'a> Port<'a> {
    /// `None` where no rule goes for this port.
    fn of(judgement: &Judgement, exposure: &'a Exposure, gone: &BTreeSet<usize>) -> Option<Self> {
        let (going, left): (Vec<usize>, Vec<usize>) = exposure.rules.iter().partition(|n| gone.contains(n));
        if going.is_empty() {
            return None;
        }
        let family = exposure.family;
        let set = |n: &usize| Some(judgement.rules.get(*n)?.counted.get(family));
        let mut all = Coverage::of(exposure.rules.iter().filter_map(set));
        left.iter().filter_map(set).for_each(|set| all.add(set));
        let mut port = Self { exposure, all, others: 0, stands: false };
        port.count_others(judgement, &left);
        Some(port)
    }

    fn count_others(&mut self, judgement: &Judgement, left: &[usize]) {
        let family = self.exposure.family;
        self.others = judgement.union_without(left.iter().copied(), family).count();
        self.stands = self.others >= *judgement.limit.get(family) && judgement.stands(left, family);
    }

    /// A rule that is put back also brings back the entries that its prefix list had before the changes.
    fn note_others(&mut self, judgement: &Judgement, judged: &JudgedRule, gone: &BTreeSet<usize>) {
        if !judged.without.get(self.exposure.family).is_empty() {
            let left: Vec<usize> = self.exposure.rules.iter().copied().filter(|n| !gone.contains(n)).collect();
            self.count_others(judgement, &left);
        }
    }

    /// Adds the rule. Returns whether the port is still closed with it. `gone` does not contain the rule.
    fn takes_back(&mut self, judgement: &Judgement, judged: &JudgedRule, gone: &BTreeSet<usize>) -> bool {
        let family = self.exposure.family;
        self.all.add(judged.counted.get(family));
        let all = self.all.count();
        if all < *judgement.limit.get(family) {
            return true;
        }
        // The count of the others changes only by the old entries of the rule's prefix list, or once the others are an
        // exposure by themselves. In these cases the full definition decides.
        if self.stands || !judged.without.get(family).is_empty() {
            return further(judgement, self.exposure, gone).is_empty();
        }
        all.saturating_sub(self.others) <= judgement.slack(family)
    }
}
