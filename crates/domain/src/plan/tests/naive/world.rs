//! What of a small world counts, who made which rule, and what an exemption covers.

use super::*;

impl World {
    /// The blocks that a source admits, public or not; `None` where they are not known.
    pub(super) fn blocks(&self, from: From, family: usize) -> Option<Mask> {
        match from {
            From::Cidr { family: own, block, bits, .. } if own == family => {
                let same = |n: &u8| u32::from(*n) >> bits.min(8) == u32::from(block) >> bits.min(8);
                Some((0..16u8).filter(same).fold(0, |mask, n| mask | 1 << n))
            }
            From::Cidr { .. } | From::Group => Some(0),
            From::List(n) => match self.lists[n] {
                SmallList::Entries(masks) => Some(masks[family]),
                SmallList::Unreadable | SmallList::Absent => None,
            },
            From::Unknown => None,
        }
    }

    /// What a rule was before it was modified.
    pub(super) fn former(&self, rule: usize) -> SmallRule {
        match self.was.get(rule).or(self.was.last()) {
            Some(SmallFormer::Other(other)) => *other,
            Some(SmallFormer::Same) | None => self.rules[rule],
        }
    }

    /// "Public and not trusted."
    pub(super) fn counting(&self, family: usize) -> Mask {
        !SPECIAL[family] & !self.trusted[family]
    }

    /// "Take away what is not public and what the policy calls `trusted`."
    pub(super) fn counted(&self, rule: usize, family: usize) -> Mask {
        self.counted_of(&self.rules[rule], family)
    }

    pub(super) fn counted_of(&self, rule: &SmallRule, family: usize) -> Mask {
        self.blocks(rule.from, family).unwrap_or(0) & self.counting(family)
    }

    /// "As many addresses as one `internet` block", "or everything that counts where that is less".
    pub(super) fn is_over(&self, blocks: Mask, family: usize) -> bool {
        let block = 1 << self.limits[family];
        let limit = if self.closed { self.counting(family).count_ones().min(block) } else { block };
        blocks.count_ones() >= limit
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> + use<'_> {
        self.guards.iter().flat_map(|(guard, transport, (from, to))| {
            (*from..=*to).flat_map(|port| FAMILIES.map(|family| (*guard, *transport, port, family)))
        })
    }

    /// For each change: its rules, its rules that are altered now, and whether something of it is missing.
    pub(super) fn attributions(&self) -> Vec<Attribution> {
        let among = |mask: u16| (0..self.rules.len()).filter(move |n| mask >> n & 1 == 1);
        let each = |change: &SmallChange| match change.changed_rules {
            SmallChangedRules::Rules { of, recorded_otherwise, missing, .. } => {
                // "A rule that is something else now and exposes a port by itself stays the change's."
                let otherwise = |n: &usize| {
                    recorded_otherwise >> n & 1 == 1 && self.rules[*n].is_known() && !self.is_unlawful_by_itself(*n)
                };
                let rules = among(of).filter(|n| !otherwise(n)).collect();
                let replaced = among(of).filter(otherwise).map(rule_id).collect();
                Attribution { rules, missing: missing.then(|| Some(rule_id(98))).into_iter().collect(), replaced }
            }
            SmallChangedRules::Asked { of, missing } => {
                let missing = missing.then_some(None).into_iter().collect();
                Attribution { rules: among(of).collect(), missing, replaced: vec![] }
            }
            SmallChangedRules::Any => {
                let rules = among(u16::MAX).filter(|n| !self.may_be_anothers(*n, change.maker)).collect();
                Attribution { rules, ..Attribution::default() }
            }
            SmallChangedRules::List { list, added } => {
                let there = match (self.lists[list], added) {
                    (SmallList::Entries(entries), Some(added)) => (0..2).all(|n| added[n] & !entries[n] == 0),
                    (SmallList::Entries(_), None) => false,
                    (SmallList::Unreadable | SmallList::Absent, _) => true,
                };
                let rules = (0..self.rules.len()).filter(|n| self.rules[*n].from == From::List(list)).collect();
                Attribution { rules, missing: if there { vec![] } else { vec![None] }, replaced: vec![] }
            }
        };
        self.changes.iter().map(each).collect()
    }

    /// Whether an exemption covers the rule for a guard, whoever made the rule: any exemption, or only those by
    /// principal.
    pub(super) fn may_be_exempt(&self, rule: usize, guard: &str, by_principal: bool) -> bool {
        self.exemptions.iter().any(|exemption| {
            let from = self.rules[rule].from;
            let within = |masks: [Mask; 2]| {
                let wider = matches!(from, From::Cidr { bits, .. } if bits > 4);
                (0..2).all(|n| self.blocks(from, n).is_some_and(|blocks| !wider && blocks & !masks[n] == 0))
            };
            !exemption.elapsed
                && exemption.place.1
                && (exemption.place != VPC || self.vpc)
                && exemption.guard.is_none_or(|name| name == guard)
                && exemption.sources.is_none_or(within)
                && (exemption.principal || !by_principal)
        })
    }

    /// "It exposes a port by itself, and no exemption covers it, or would if the right caller had made it."
    fn is_unlawful_by_itself(&self, rule: usize) -> bool {
        self.places().any(|(guard, transport, port, family)| {
            self.rules[rule].reaches(transport, port) == Reaches::Yes
                && (0..2).any(|family| self.is_over(self.counted(rule, family), family))
                && family == Family::V4
                && !self.may_be_exempt(rule, guard, false)
        })
    }

    /// "Not one that an exemption by principal could cover, if the caller is not exempt."
    fn may_be_anothers(&self, rule: usize, maker: Maker) -> bool {
        let from = self.rules[rule].from;
        let counts = (0..2).any(|family| self.blocks(from, family).is_none() || self.counted(rule, family) != 0);
        let is_a = matches!(maker, Maker::A | Maker::SessionOfA);
        let is_others = |(guard, transport, port, _): Place| {
            let covers_caller = self.may_be_exempt(rule, guard, true) && is_a || self.is_exempt_for_all(rule, guard);
            let reaches = self.rules[rule].reaches(transport, port) != Reaches::No;
            counts && reaches && self.may_be_exempt(rule, guard, true) && !covers_caller
        };
        self.places().any(is_others)
    }

    /// Whether an exemption that names no principal covers the rule.
    fn is_exempt_for_all(&self, rule: usize, guard: &str) -> bool {
        let others = self.exemptions.iter().filter(|exemption| !exemption.principal).copied().collect();
        Self { exemptions: others, ..self.clone() }.may_be_exempt(rule, guard, false)
    }

    /// "It appeared between two looks, and no exemption by principal would cover it, whoever had made it."
    pub(super) fn is_new(&self, rule: usize) -> bool {
        let from = self.rules[rule].from;
        let counts = (0..2).any(|family| self.blocks(from, family).is_none() || self.counted(rule, family) != 0);
        let may_be_lawful = |(guard, transport, port, _): Place| {
            counts && self.rules[rule].reaches(transport, port) != Reaches::No && self.may_be_exempt(rule, guard, true)
        };
        self.appeared >> rule & 1 == 1 && !self.places().any(may_be_lawful)
    }
}
