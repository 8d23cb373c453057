//! The measure: how many counted addresses reach a guarded port, port by port.

use std::collections::{BTreeMap, BTreeSet};

use super::{Exposure, JudgedRule, Judgement};
use crate::net::{AddressSet, Coverage, Family};
use crate::policy::{Policy, ProtectedPort};
use crate::rule::{PortRange, Reach};

/// All exposures through the rules that count for a guard, and the ports that are open to at least half as many
/// addresses. Both are in the policy's order of guards, then by port and family.
pub(super) fn exposures(
    judgement: &Judgement,
    policy: &Policy,
    counts: impl Fn(usize, &str) -> bool,
) -> (Vec<Exposure>, Vec<Exposure>) {
    let mut all = Vec::new();
    for guard in policy.guards() {
        let admits = |family| {
            let counts = &counts;
            move |(n, rule): &(usize, &JudgedRule)| !rule.counted.get(family).is_empty() && counts(*n, &guard.name)
        };
        let both = Family::BOTH.into_iter().flat_map(|family| expose(judgement, guard, family, admits(family)));
        let mut found: Vec<Exposure> = both.collect();
        found.sort_by_key(|exposure| (exposure.ports.from(), exposure.family));
        all.extend(found);
    }
    all.into_iter().partition(|exposure| exposure.addresses >= *judgement.limit.get(exposure.family))
}

/// The index of a rule that admits some port of a guard, the rule, and the ports that it admits.
type Admitting<'a> = (usize, &'a JudgedRule, PortRange);

/// The ports of one guard that are open in one family to at least half of the limit, with one exposure for each run of
/// ports that the same rules admit.
fn expose(
    judgement: &Judgement,
    guard: &ProtectedPort,
    family: Family,
    counts: impl Fn(&(usize, &JudgedRule)) -> bool,
) -> Vec<Exposure> {
    let admitting: Vec<Admitting<'_>> = judgement
        .rules
        .iter()
        .enumerate()
        .filter(counts)
        .filter_map(|(n, judged)| match judged.rule.permission.traffic.reach(guard.transport) {
            Reach::Ports(ports) if ports.overlaps(guard.ports) => Some((n, judged, ports)),
            Reach::Ports(_) | Reach::Nothing | Reach::Unknown => None,
        })
        .collect();
    let half = judgement.limit.get(family).div_ceil(2);
    let all: Vec<usize> = admitting.iter().map(|(n, ..)| *n).collect();
    let addresses = judgement.width(all.iter().copied(), family);
    if addresses < half {
        return Vec::new();
    }
    let exposure = |ports, rules, addresses, standing| Exposure {
        guard: guard.name.clone(),
        transport: guard.transport,
        ports,
        family,
        rules,
        addresses,
        standing,
    };
    // Nearly always every rule admits all of the guard's ports, and the count is complete.
    let whole = |(_, _, ports): &Admitting<'_>| ports.contains(guard.ports.from()) && ports.contains(guard.ports.to());
    if admitting.iter().all(whole) {
        let standing = judgement.stands(&all, family);
        return vec![exposure(guard.ports, all, addresses, standing)];
    }
    // The walk goes from the lowest port to the highest. Rules begin and end on the way, and the counts follow.
    let mut cuts: BTreeMap<u16, Vec<(usize, &JudgedRule, Step)>> = BTreeMap::new();
    for (n, judged, ports) in &admitting {
        cuts.entry(ports.from().max(guard.ports.from())).or_default().push((*n, judged, Step::Comes));
        if let Some(after) = ports.to().checked_add(1).filter(|cut| guard.ports.contains(*cut)) {
            cuts.entry(after).or_default().push((*n, judged, Step::Goes));
        }
    }
    let mut measures = Measures::of(&admitting, judgement, family);
    let mut rules: BTreeSet<usize> = BTreeSet::new();
    let mut exposures = Vec::new();
    let mut cuts = cuts.into_iter().peekable();
    while let Some((from, steps)) = cuts.next() {
        for (n, judged, step) in steps {
            measures.take(judged, step);
            match step {
                Step::Comes => _ = rules.insert(n),
                Step::Goes => _ = rules.remove(&n),
            }
        }
        let to = cuts.peek().map_or(guard.ports.to(), |(next, _)| next.saturating_sub(1));
        let Some(ports) = PortRange::new(from, to).filter(|_| measures.all.count() >= half) else { continue };
        exposures.push(exposure(ports, rules.iter().copied().collect(), measures.all.count(), measures.stands()));
    }
    exposures
}

/// Whether a rule begins or ends at a port, on the walk from the lowest to the highest.
#[derive(Clone, Copy)]
enum Step {
    Comes,
    Goes,
}

/// The counts of [`Judgement::stands`], kept up to date as rules begin and end.
struct Measures {
    family: Family,
    limit: u128,
    slack: u128,
    all: Coverage,
    /// The addresses without the changes.
    others: Coverage,
    /// The same, without the rules that admit next to nothing.
    wide_others: Coverage,
}

impl Measures {
    fn of(admitting: &[Admitting<'_>], judgement: &Judgement, family: Family) -> Self {
        let (limit, slack) = (*judgement.limit.get(family), judgement.slack(family));
        let without = || admitting.iter().map(move |(_, judged, _)| judged.without.get(family));
        Self {
            family,
            limit,
            slack,
            all: Coverage::of(admitting.iter().map(|(_, judged, _)| judged.counted.get(family))),
            others: Coverage::of(without()),
            wide_others: Coverage::of(without().filter(|set| set.count() > slack)),
        }
    }

    fn take(&mut self, judged: &JudgedRule, step: Step) {
        let change = |coverage: &mut Coverage, set: &AddressSet| match step {
            Step::Comes => coverage.add(set),
            Step::Goes => coverage.remove(set),
        };
        let without = judged.without.get(self.family);
        change(&mut self.all, judged.counted.get(self.family));
        change(&mut self.others, without);
        if without.count() > self.slack {
            change(&mut self.wide_others, without);
        }
    }

    fn stands(&self) -> bool {
        self.wide_others.count() >= self.limit || self.all.count().saturating_sub(self.others.count()) <= self.slack
    }
}
