//! The naive definition's answer for a world: what is exposed, and which rules go.

use std::cmp::Reverse;

use super::*;

/// The naive definition's answer for a world.
pub(super) struct Answer<'a> {
    world: &'a World,
    pub(super) attributions: Vec<Attribution>,
    /// For each rule, the changes that made it.
    pub(super) makers: Vec<Vec<SmallChange>>,
}

impl World {
    pub(super) fn answer(&self) -> Answer<'_> {
        let attributions = self.attributions();
        let of = |n: usize| {
            self.changes.iter().zip(&attributions).filter(move |(_, changed_rules)| changed_rules.rules.contains(&n))
        };
        let makers = (0..self.rules.len()).map(|n| of(n).map(|(change, _)| *change).collect()).collect();
        Answer { world: self, attributions, makers }
    }
}

impl Answer<'_> {
    pub(super) fn is_attributed(&self, rule: usize) -> bool {
        !self.makers[rule].is_empty() || self.world.is_new(rule)
    }

    /// The blocks that a rule would admit without the changes: all, or none where one of them made it. A change to its
    /// prefix list that lists the added entries made only those; if the rest was exempt, the change made everything
    /// that counts.
    fn without(&self, rule: usize, family: usize) -> Mask {
        let no_more = |(guard, transport, (from, to)): &(&str, Transport, (u16, u16))| {
            let reaches = |port| self.world.rules[rule].reaches(*transport, port) != Reaches::No;
            (*from..=*to).any(reaches) && !self.exempt(rule, guard) && self.was_exempt(rule, guard)
        };
        if let Some(kept) = self.kept(rule) {
            return kept[family];
        }
        let is_new = self.makers[rule].is_empty() && self.world.is_new(rule);
        if is_new || self.world.guards.iter().any(no_more) {
            return 0;
        }
        self.before(rule, family, self.world.counted(rule, family))
    }

    /// "What of a modified rule its former value admitted, if that is known for every change that names the rule, if the rule
    /// reaches no guarded port that it did not reach then, admits no address that counts and did not count then, and was not
    /// exempt."
    fn kept(&self, rule: usize) -> Option<[Mask; 2]> {
        let world = self.world;
        let naming: Vec<&SmallChange> = world.changes.iter().filter(|change| names(change, rule)).collect();
        let knows = |change: &&SmallChange| matches!(change.changed_rules, SmallChangedRules::Rules { knows: Some(knows), .. } if knows >> rule & 1 == 1);
        let all = naming.iter().all(knows) && self.makers[rule].iter().all(|change| knows(&change));
        if self.makers[rule].is_empty() || !all {
            return None;
        }
        let (now, was) = (&world.rules[rule], world.former(rule));
        let no_more = |(_, transport, port, _): Place| match now.reaches(transport, port) {
            Reaches::No => true,
            Reaches::Yes => was.reaches(transport, port) == Reaches::Yes,
            Reaches::NobodyKnows => false,
        };
        world.blocks(was.from, 0)?;
        if !world.places().all(no_more) {
            return None;
        }
        let mut before = world.clone();
        before.rules[rule] = was;
        let was_exempt = world.places().any(|(guard, transport, port, _)| {
            let by_whoever = |it: &SmallExemption| !it.principal;
            before.exemptions.retain(by_whoever);
            was.reaches(transport, port) != Reaches::No && before.may_be_exempt(rule, guard, false)
        });
        let adds = (0..2).any(|family| world.counted(rule, family) & !world.counted_of(&was, family) != 0);
        let same = |family| world.counted(rule, family) & world.counted_of(&was, family);
        Some(if was_exempt || adds { [0, 0] } else { [same(0), same(1)] })
    }

    /// Which of these blocks of a rule the changes did not add.
    fn before(&self, rule: usize, family: usize, blocks: Mask) -> Mask {
        let left = |mask: Mask, change: &SmallChange| match change.changed_rules {
            SmallChangedRules::List { added: Some(added), .. } => mask & !added[family],
            SmallChangedRules::List { added: None, .. }
            | SmallChangedRules::Rules { .. }
            | SmallChangedRules::Asked { .. }
            | SmallChangedRules::Any => 0,
        };
        self.makers[rule].iter().fold(blocks, left)
    }

    fn union(&self, rules: &[usize], family: usize) -> Mask {
        rules.iter().fold(0, |mask, n| mask | self.world.counted(*n, family))
    }

    fn union_without(&self, rules: &[usize], family: usize) -> Mask {
        rules.iter().fold(0, |mask, n| mask | self.without(*n, family))
    }

    /// Whether an exemption covered the rule before the changes added addresses that count, whoever made those
    /// additions.
    fn was_exempt(&self, rule: usize, guard: &str) -> bool {
        let blocks = |family| self.world.blocks(self.world.rules[rule].from, family);
        let within = |masks: [Mask; 2]| {
            (0..2).all(|n| blocks(n).is_some_and(|blocks| self.before(rule, n, blocks) & !masks[n] == 0))
        };
        let adds =
            |family| self.before(rule, family, self.world.counted(rule, family)) != self.world.counted(rule, family);
        (0..2).any(adds)
            && self.world.exemptions.iter().any(|exemption| {
                !exemption.elapsed
                    && exemption.place.1
                    && (exemption.place != VPC || self.world.vpc)
                    && exemption.guard.is_none_or(|name| name == guard)
                    && exemption.sources.is_none_or(within)
                    && !exemption.principal
            })
    }

    fn exempt(&self, rule: usize, guard: &str) -> bool {
        let from = self.world.rules[rule].from;
        self.world.exemptions.iter().any(|exemption| {
            // All of the rule's source must lie within the exemption's sources, public or not. An unknown source lies
            // within none. A source of more than the sixteen blocks lies within none either.
            let within = |masks: [Mask; 2]| {
                let wider = matches!(from, From::Cidr { bits, .. } if bits > 4);
                (0..2).all(|n| self.world.blocks(from, n).is_some_and(|blocks| !wider && blocks & !masks[n] == 0))
            };
            let made_by_a = |change: &SmallChange| matches!(change.maker, Maker::A | Maker::SessionOfA);
            !exemption.elapsed
                && exemption.place.1
                && (exemption.place != VPC || self.world.vpc)
                && exemption.guard.is_none_or(|name| name == guard)
                && exemption.sources.is_none_or(within)
                && (!exemption.principal || !self.makers[rule].is_empty() && self.makers[rule].iter().all(made_by_a))
        })
    }

    /// "All ingress rules that admit the port", less those that admit no address that counts and those that are exempt.
    pub(super) fn admitting(&self, (guard, transport, port, family): Place, exemptions: bool) -> Vec<usize> {
        let admits = |n: &usize| {
            self.world.rules[*n].reaches(transport, port) == Reaches::Yes
                && self.world.counted(*n, family as usize) != 0
                && !(exemptions && self.exempt(*n, guard))
        };
        (0..self.world.rules.len()).filter(admits).collect()
    }

    pub(super) fn exposures(&self, exemptions: bool) -> Exposures<'static> {
        let mut exposures = Exposures::new();
        for place in self.world.places() {
            let family = place.3 as usize;
            let rules = self.admitting(place, exemptions);
            let all = self.union(&rules, family);
            if self.world.is_over(all, family) {
                let standing = self.world.is_over(self.union_without(&rules, family), family);
                exposures.insert(place, (rules, u128::from(all.count_ones()) * BLOCK[family], standing));
            }
        }
        exposures
    }

    /// For each guarded port, the rules that reach it or may reach it and cannot be decided, unless they are exempt.
    pub(super) fn undecided(&self) -> BTreeSet<(RuleId, &'static str)> {
        let mut undecided = BTreeSet::new();
        for (guard, transport, port, family) in self.world.places() {
            for (n, rule) in self.world.rules.iter().enumerate() {
                let reaches = rule.reaches(transport, port);
                if reaches == Reaches::No || self.exempt(n, guard) {
                    continue;
                }
                if self.world.blocks(rule.from, 0).is_none() {
                    undecided.insert((rule_id(n), "source"));
                } else if reaches == Reaches::NobodyKnows && self.world.counted(n, family as usize) != 0 {
                    undecided.insert((rule_id(n), "traffic"));
                }
            }
        }
        undecided
    }

    /// The rules that an exemption covers for a guard that they reach, where an exposure would go through them.
    pub(super) fn reported_exempt(&self) -> BTreeSet<usize> {
        let exposing: BTreeSet<usize> = self.exposures(false).into_values().flat_map(|(rules, ..)| rules).collect();
        let covered = |n: &usize| {
            self.world.places().any(|(guard, transport, port, _)| {
                self.world.rules[*n].reaches(transport, port) == Reaches::Yes && self.exempt(*n, guard)
            })
        };
        exposing.into_iter().filter(covered).collect()
    }

    pub(super) fn planned(&self) -> BTreeSet<usize> {
        let mut gone = BTreeSet::new();
        // "Every rule of the change that reaches the limit by itself is revoked."
        for place in self.world.places() {
            let family = place.3 as usize;
            let alone = |n: &usize| {
                self.world.is_over(self.world.counted(*n, family), family)
                    && !self.world.is_over(self.without(*n, family), family)
            };
            gone.extend(self.admitting(place, true).into_iter().filter(alone));
        }
        // "If the port is still exposed, and would not be without the rules of this change, further rules of the change
        // go, widest public source first, until it is not." Again, until it holds everywhere.
        let by_itself = gone.clone();
        loop {
            let before = gone.len();
            for place in self.world.places() {
                self.bring_under(place, &mut gone);
            }
            if gone.len() == before {
                break;
            }
        }
        // "No rule goes that could stay when all others that go are gone": narrowest first, by id from the last.
        let width = |n: &usize| -> u128 {
            (0..2).map(|family| u128::from(self.world.counted(*n, family).count_ones()) * BLOCK[family]).sum()
        };
        let mut candidates: Vec<usize> = gone.difference(&by_itself).copied().collect();
        candidates.sort_by_key(|n| (width(n), Reverse(rule_id(*n))));
        for n in candidates {
            let without_it: BTreeSet<usize> = gone.iter().copied().filter(|other| *other != n).collect();
            let needs_more = |place: &Place| {
                let mut more = without_it.clone();
                self.bring_under(*place, &mut more);
                self.admitting(*place, true).contains(&n) && more != without_it
            };
            if !self.world.places().any(|place| needs_more(&place)) {
                gone = without_it;
            }
        }
        gone
    }

    fn bring_under(&self, place: Place, gone: &mut BTreeSet<usize>) {
        let family = place.3 as usize;
        let left = |gone: &BTreeSet<usize>| -> Vec<usize> {
            self.admitting(place, true).into_iter().filter(|n| !gone.contains(n)).collect()
        };
        // "A rule whose addresses the rest of the group admits anyway is left."
        let others = self.union_without(&left(gone), family);
        if self.world.is_over(others, family) {
            return;
        }
        while self.world.is_over(self.union(&left(gone), family), family) {
            let adds = |n: &usize| self.is_attributed(*n) && self.world.counted(*n, family) & !others != 0;
            let rank = |n: &usize| (self.world.counted(*n, family).count_ones(), Reverse(rule_id(*n)));
            let widest = left(gone).into_iter().filter(adds).max_by_key(rank);
            gone.insert(widest.expect("something of the change is left that can go"));
        }
    }
}

/// Whether a change names the rule by its id, as it is now or as it was.
fn names(change: &SmallChange, rule: usize) -> bool {
    matches!(change.changed_rules, SmallChangedRules::Rules { of, .. } if of >> rule & 1 == 1)
}
