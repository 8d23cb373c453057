//! Judges one security group: which guarded ports the internet reaches, through which rules, and which change made
//! them.
//!
//! The measure (docs/SEMANTICS.md) is taken for one guarded port and one address family. The sources of all ingress
//! rules that admit the port are joined as sets of addresses, without addresses that are not public or are trusted. The
//! port is exposed if at least as many addresses remain as one `internet` block has.

mod attribution;
mod before;
mod measure;
mod prefilter;
mod rule;

use std::collections::BTreeSet;

use jiff::Timestamp;

pub use attribution::{Attribution, attributions};
pub use prefilter::{harmless, needs_prefix_list};
pub use rule::is_unlawful_by_itself;

use crate::change::Change;
use crate::facts::{Facts, GroupLocation};
use crate::former::Was;
use crate::ids::RuleId;
use crate::net::{AddressSet, Family, PerFamily};
use crate::policy::Policy;
use crate::rule::{PortRange, Rule, Transport};
use attribution::makers;
use measure::exposures;

/// A rule and the verdict on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedRule {
    /// The rule.
    pub rule: Rule,
    /// Whether a change at hand made it, or it appeared between two looks.
    pub attributed: bool,
    /// Whether it appeared between two looks, and no change at hand made it.
    pub appeared: bool,
    /// The addresses that it admits and that count. Empty where they are not known.
    pub counted: PerFamily<AddressSet>,
    /// The part of `counted` that the rule admitted before the changes: all of it for an old rule, none for a new one,
    /// and the old entries for a prefix list that grew. For a modified rule it is what its former value admitted; none
    /// where that is not known, or where the change added more than next to nothing.
    pub without: PerFamily<AddressSet>,
    /// Whether a change at hand named the rule, and it admits nothing that it did not admit before.
    pub unchanged: bool,
    /// What it was before the last change, and may be given back.
    pub former: Option<Box<Was>>,
    /// Whether it cannot be decided.
    pub undecided: bool,
    /// The exemption that covers the rule for some guard.
    pub exempt: Option<AppliedExemption>,
}

/// What an exemption that covers a rule says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedExemption {
    /// Its reason.
    pub reason: String,
    /// Whether it, or that for another guard, holds because of who made the rule.
    pub is_by_principal: bool,
    /// The id of the waiver that it is, if it is one.
    pub waiver: Option<String>,
}

impl JudgedRule {
    /// How many counted addresses the rule admits by itself.
    #[must_use]
    pub fn width(&self, family: Family) -> u128 {
        self.counted.get(family).count()
    }
}

/// A guarded port (or run of ports that the same rules admit) that the internet reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// The guard's name.
    pub guard: String,
    /// TCP or UDP.
    pub transport: Transport,
    /// The ports.
    pub ports: PortRange,
    /// The address family.
    pub family: Family,
    /// Indexes into [`Judgement::rules`]: all rules that admit these ports to counted addresses.
    pub rules: Vec<usize>,
    /// How many counted addresses these rules admit together.
    pub addresses: u128,
    /// Whether the exposure would exist without the changes, or the changes add next to nothing to it.
    pub standing: bool,
}

/// The verdict on one group, with all its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Where the group is.
    pub location: GroupLocation,
    /// The group's ingress rules.
    pub rules: Vec<JudgedRule>,
    /// The exposures, in the policy's order of guards, then by port, IPv4 before IPv6.
    pub exposures: Vec<Exposure>,
    /// Ports that are not exposed, but are open to at least half as many addresses.
    pub nearly: Vec<Exposure>,
    /// Which rules each change made, in the order in which the changes were given.
    pub attributions: Vec<Attribution>,
    /// What could not be decided. Each text names the rule and the reason.
    pub undecided: Vec<String>,
    /// A port is exposed from this many addresses on.
    pub limit: PerFamily<u128>,
}

impl Judgement {
    /// How many counted addresses these rules admit together.
    pub fn width(&self, rules: impl IntoIterator<Item = usize>, family: Family) -> u128 {
        self.union(rules, family).count()
    }

    pub(crate) fn union(&self, rules: impl IntoIterator<Item = usize>, family: Family) -> AddressSet {
        AddressSet::union(rules.into_iter().filter_map(|n| Some(self.rules.get(n)?.counted.get(family))))
    }

    /// The addresses that these rules would admit together without the changes.
    pub(crate) fn union_without(&self, rules: impl IntoIterator<Item = usize>, family: Family) -> AddressSet {
        AddressSet::union(rules.into_iter().filter_map(|n| Some(self.rules.get(n)?.without.get(family))))
    }

    /// How many addresses count as next to nothing: one part in 65,536 of an exposure, so a /24 where the limit is a
    /// /8.
    #[must_use]
    pub fn slack(&self, family: Family) -> u128 {
        self.limit.get(family) >> 16
    }

    /// Whether the changes did not make this exposure: the rest of the group is an exposure by itself, or was nearly
    /// one and the changes add next to nothing. Rules that each admit next to nothing never make an exposure standing.
    /// Otherwise anyone could fill a group up to the limit, and one more small rule would then be free for all.
    pub(crate) fn stands(&self, rules: &[usize], family: Family) -> bool {
        let slack = self.slack(family);
        let wide = |n: &usize| self.rules.get(*n).is_some_and(|rule| rule.without.get(family).count() > slack);
        let others = self.union_without(rules.iter().copied(), family).count();
        let wide_others = self.union_without(rules.iter().copied().filter(wide), family).count();
        let all = self.width(rules.iter().copied(), family);
        wide_others >= *self.limit.get(family) || all.saturating_sub(others) <= slack
    }

    /// Whether a rule of a change stays in an exposure that is there without it. `goes` says which rules do not stay. A
    /// rule that a change left as open as it was has no part in that.
    #[must_use]
    pub fn keeps_an_own_rule(&self, goes: impl Fn(&RuleId) -> bool) -> bool {
        let stays = |n: &usize| self.stays(*n, &goes);
        self.exposures.iter().any(|exposure| exposure.standing && exposure.rules.iter().any(stays))
    }

    /// Whether a change made the rule, and it stays as the change left it.
    fn stays(&self, rule: usize, goes: impl Fn(&RuleId) -> bool) -> bool {
        let is_own = |judged: &JudgedRule| judged.attributed && !judged.unchanged && !goes(&judged.rule.id);
        self.rules.get(rule).is_some_and(is_own)
    }

    /// Whether more than next to nothing of a change stays in an exposure that is there without the changes. `goes` says which
    /// rules do not stay.
    #[must_use]
    pub fn may_hide(&self, change: usize, goes: impl Fn(&RuleId) -> bool) -> bool {
        let Some(own) = self.attributions.get(change) else { return false };
        let stays = |n: &usize| own.rules.contains(n) && self.stays(*n, &goes);
        let mut standing = self.exposures.iter().filter(|exposure| exposure.standing);
        standing.any(|exposure| {
            let left = exposure.rules.iter().copied().filter(stays);
            self.width(left, exposure.family) > self.slack(exposure.family)
        })
    }

    /// Whether a port is exposed and the changes at hand have a part in it: through a rule of theirs, or because rules of
    /// theirs are altered or gone while the port is open.
    #[must_use]
    pub fn concerns_the_changes(&self) -> bool {
        let has_part = |exposure: &Exposure| exposure.rules.iter().any(|n| self.is_attributed(*n));
        let has_lost = |own: &Attribution| !own.missing.is_empty() || !own.replaced.is_empty();
        self.exposures.iter().any(has_part) || !self.exposures.is_empty() && self.attributions.iter().any(has_lost)
    }

    /// Whether a change at hand made the rule, or it appeared between two looks.
    #[must_use]
    pub fn is_attributed(&self, rule: usize) -> bool {
        self.rules.get(rule).is_some_and(|rule| rule.attributed)
    }
}

/// Judges the group by the first `own` changes, and together with the others where a port is open without those. What others
/// claimed matters only there: where nothing is open without the own changes, it is these alone that expose a port, and
/// whatever others made has become lawful.
#[must_use]
pub fn judge_with_others(
    (changes, own): (&[&Change], usize),
    facts: &Facts,
    policy: &Policy,
    now: Timestamp,
) -> Judgement {
    let by_own = judge(changes.get(..own).unwrap_or(changes), facts, policy, now);
    let stands = by_own.exposures.iter().any(|exposure| exposure.standing);
    if changes.len() > own && stands { judge(changes, facts, policy, now) } else { by_own }
}

/// Whether a rule that is so has a part in an exposure of the group as EC2 shows it, and more than next to nothing.
#[must_use]
pub fn opens(rule: &Rule, facts: &Facts, policy: &Policy, now: Timestamp) -> bool {
    let others = facts.rules.iter().filter(|other| other.id != rule.id);
    let whole = facts.with_rules(std::iter::once(rule).chain(others).cloned().collect());
    let judgement = judge(&[], &whole, policy, now);
    let wide = |family| judgement.rules.first().is_some_and(|judged| judged.width(family) > judgement.slack(family));
    judgement.exposures.iter().any(|exposure| exposure.rules.contains(&0) && wide(exposure.family))
}

/// Judges the group. The changes must be of its account and Region.
#[must_use]
pub fn judge(changes: &[&Change], facts: &Facts, policy: &Policy, now: Timestamp) -> Judgement {
    let attributions = attributions(changes, facts);
    let mut judgement = Judgement {
        location: facts.location.clone(),
        rules: Vec::with_capacity(facts.rules.len()),
        exposures: Vec::new(),
        nearly: Vec::new(),
        undecided: Vec::new(),
        limit: PerFamily::each(|family| policy.limit(family)),
        attributions: Vec::new(),
    };
    let mut exempt: BTreeSet<(usize, &str)> = BTreeSet::new();
    let makers = makers(changes, &attributions, facts);
    judgement.attributions = attributions;
    for (n, (rule, makers)) in facts.rules.iter().zip(makers).enumerate() {
        let judged = rule::judge(rule, &makers, facts, policy, now);
        exempt.extend(judged.exempt_from.into_iter().map(|guard| (n, guard)));
        judgement.undecided.extend(judged.undecided);
        if judged.is_left_to_others {
            let all = changes.iter().zip(&mut judgement.attributions);
            let of_others = all.filter(|(change, _)| rule::is_left_to_others(rule, change, facts, policy, now));
            of_others.for_each(|(_, attribution)| _ = attribution.rules.remove(&n));
        }
        if judged.is_altered {
            judgement.attributions.iter_mut().for_each(|attribution| attribution.take_altered(n, &rule.id));
        }
        judgement.rules.push(judged.rule);
    }
    let counts = |n, guard: &str| !exempt.contains(&(n, guard));
    (judgement.exposures, judgement.nearly) = exposures(&judgement, policy, counts);
    if !exempt.is_empty() {
        // An exemption is reported only where the rule would be part of an exposure without it.
        let (without, _) = exposures(&judgement, policy, |_, _| true);
        let exposing: BTreeSet<usize> = without.into_iter().flat_map(|exposure| exposure.rules).collect();
        for (_, rule) in judgement.rules.iter_mut().enumerate().filter(|(n, _)| !exposing.contains(n)) {
            rule.exempt = None;
        }
    }
    judgement
}

#[cfg(test)]
pub(crate) mod tests;
