//! The measure: how many counted addresses reach a guarded port, port by port.

use std::collections::{BTreeMap, BTreeSet};

use super::{Exposure, JudgedRule, Judgement};
use crate::net::{Coverage, Family};
use crate::policy::{Policy, ProtectedPort};
use crate::rule::{PortRange, Reach};

/// All exposures through the rules that count for a guard: in the policy's order of guards, then by port and family.
pub(super) fn exposures(judgement: &Judgement, policy: &Policy, counts: impl Fn(usize, &str) -> bool) -> Vec<Exposure> {
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
    all
}

/// The exposures of one guard in one family, one for each run of ports that the same rules admit.
fn expose(
    judgement: &Judgement,
    guard: &ProtectedPort,
    family: Family,
    counts: impl Fn(&(usize, &JudgedRule)) -> bool,
) -> Vec<Exposure> {
    let admitting: Vec<(usize, &JudgedRule, PortRange)> = judgement
        .rules
        .iter()
        .enumerate()
        .filter(counts)
        .filter_map(|(n, judged)| match judged.rule.permission.traffic.reach(guard.transport) {
            Reach::Ports(ports) if ports.overlaps(guard.ports) => Some((n, judged, ports)),
            Reach::Ports(_) | Reach::Nothing | Reach::Unknown => None,
        })
        .collect();
    let limit = *judgement.limit.get(family);
    let all: Vec<usize> = admitting.iter().map(|(n, ..)| *n).collect();
    let addresses = judgement.width(all.iter().copied(), family);
    if addresses < limit {
        return Vec::new();
    }
    let exposure = |ports, rules, addresses, without| Exposure {
        guard: guard.name.clone(),
        transport: guard.transport,
        ports,
        family,
        rules,
        addresses,
        standing: without >= limit,
    };
    // Nearly always every rule admits all of the guard's ports, and that was the count.
    let whole = |(_, _, ports): &(usize, &JudgedRule, PortRange)| {
        ports.contains(guard.ports.from()) && ports.contains(guard.ports.to())
    };
    if admitting.iter().all(whole) {
        let without = judgement.union_without(all.iter().copied(), family).count();
        return vec![exposure(guard.ports, all, addresses, without)];
    }
    // From the lowest port to the highest, rules come and go; both counts are kept while they do.
    let mut cuts: BTreeMap<u16, Vec<(usize, &JudgedRule, Step)>> = BTreeMap::new();
    for (n, judged, ports) in &admitting {
        cuts.entry(ports.from().max(guard.ports.from())).or_default().push((*n, judged, Step::Comes));
        if let Some(after) = ports.to().checked_add(1).filter(|cut| guard.ports.contains(*cut)) {
            cuts.entry(after).or_default().push((*n, judged, Step::Goes));
        }
    }
    let mut now = Coverage::of(admitting.iter().map(|(_, judged, _)| judged.counted.get(family)));
    let mut without = Coverage::of(admitting.iter().map(|(_, judged, _)| judged.without.get(family)));
    let mut rules: BTreeSet<usize> = BTreeSet::new();
    let mut exposures = Vec::new();
    let mut cuts = cuts.into_iter().peekable();
    while let Some((from, steps)) = cuts.next() {
        for (n, judged, step) in steps {
            let (its_now, its_without) = (judged.counted.get(family), judged.without.get(family));
            match step {
                Step::Comes => {
                    rules.insert(n);
                    now.add(its_now);
                    without.add(its_without);
                }
                Step::Goes => {
                    rules.remove(&n);
                    now.remove(its_now);
                    without.remove(its_without);
                }
            }
        }
        let to = cuts.peek().map_or(guard.ports.to(), |(next, _)| next.saturating_sub(1));
        let Some(ports) = PortRange::new(from, to).filter(|_| now.count() >= limit) else { continue };
        exposures.push(exposure(ports, rules.iter().copied().collect(), now.count(), without.count()));
    }
    exposures
}

/// What a rule does at a port, on the way from the lowest to the highest.
enum Step {
    Comes,
    Goes,
}
