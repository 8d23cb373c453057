//! Judges one security group: which guarded ports the internet reaches, through which rules, and whose they are.
//!
//! The measure (docs/SEMANTICS.md): for one guarded port and one address family, the sources of all ingress rules that
//! admit the port are joined as sets of addresses, less what is not public and what is trusted. As many addresses as one
//! `internet` block, and the port is exposed.

mod attribution;
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
use crate::net::{AddressSet, Family, PerFamily};
use crate::policy::Policy;
use crate::rule::{PortRange, Rule, Transport};
use attribution::makers;
use measure::exposures;

/// A rule with what was worked out about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedRule {
    /// The rule.
    pub rule: Rule,
    /// Whether a change at hand made it, or it appeared between two looks.
    pub attributed: bool,
    /// Whether it appeared between two looks, and no change at hand made it.
    pub appeared: bool,
    /// The addresses it admits that count; nothing where they are not known.
    pub counted: PerFamily<AddressSet>,
    /// Those of them that it would admit without the changes at hand: all where no change made it, none where one did,
    /// and where one added to its prefix list, what was in the list besides.
    pub without: PerFamily<AddressSet>,
    /// The exemption that covers it for some guard.
    pub exempt: Option<AppliedExemption>,
}

/// What an exemption that covers a rule says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedExemption {
    /// Its reason.
    pub reason: String,
    /// Whether it, or that for another guard, holds because of who made the rule.
    pub is_by_principal: bool,
}

impl JudgedRule {
    /// How many counted addresses it admits by itself.
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
    /// Indexes into [`Judgement::rules`]: all that admit these ports to counted addresses.
    pub rules: Vec<usize>,
    /// How many counted addresses they admit together.
    pub addresses: u128,
    /// Whether it would be there without the changes at hand, or they add next to nothing to it.
    pub standing: bool,
}

/// The verdict on one group, with all its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Where the group is.
    pub location: GroupLocation,
    /// The group's ingress rules.
    pub rules: Vec<JudgedRule>,
    /// What is exposed; in the policy's order of guards, then by port, IPv4 before IPv6.
    pub exposures: Vec<Exposure>,
    /// What is open to at least half as many addresses as an exposure, and is none yet.
    pub nearly: Vec<Exposure>,
    /// For each change, in the order they were given.
    pub attributions: Vec<Attribution>,
    /// What could not be decided: each names the rule and why.
    pub undecided: Vec<String>,
    /// From how many addresses on a port is exposed.
    pub limit: PerFamily<u128>,
}

impl Judgement {
    /// How many counted addresses some of the rules admit together.
    pub fn width(&self, rules: impl IntoIterator<Item = usize>, family: Family) -> u128 {
        self.union(rules, family).count()
    }

    pub(crate) fn union(&self, rules: impl IntoIterator<Item = usize>, family: Family) -> AddressSet {
        AddressSet::union(rules.into_iter().filter_map(|n| Some(self.rules.get(n)?.counted.get(family))))
    }

    /// What some of the rules would admit together without the changes at hand.
    pub(crate) fn union_without(&self, rules: impl IntoIterator<Item = usize>, family: Family) -> AddressSet {
        AddressSet::union(rules.into_iter().filter_map(|n| Some(self.rules.get(n)?.without.get(family))))
    }

    /// What counts as next to nothing in a family: one part in 65,536 of an exposure, a /24 where the limit is a /8.
    #[must_use]
    pub fn slack(&self, family: Family) -> u128 {
        self.limit.get(family) >> 16
    }

    /// Whether an exposure through these rules is none of the changes' making: the rest of the group is one by itself, or
    /// the changes add next to nothing to what is nearly one. Rules that admit next to nothing each make no exposure
    /// stand: a group that someone filled up to the limit does not become free for all by one small rule more.
    pub(crate) fn stands(&self, rules: &[usize], family: Family) -> bool {
        let slack = self.slack(family);
        let wide = |n: &usize| self.rules.get(*n).is_some_and(|rule| rule.without.get(family).count() > slack);
        let others = self.union_without(rules.iter().copied(), family).count();
        let wide_others = self.union_without(rules.iter().copied().filter(wide), family).count();
        let all = self.width(rules.iter().copied(), family);
        wide_others >= *self.limit.get(family) || all.saturating_sub(others) <= slack
    }

    /// Whether a change at hand made the rule, or it appeared between two looks.
    #[must_use]
    pub fn is_attributed(&self, rule: usize) -> bool {
        self.rules.get(rule).is_some_and(|rule| rule.attributed)
    }
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
        if judged.is_altered {
            judgement.attributions.iter_mut().for_each(|attribution| attribution.take_altered(n, &rule.id));
        }
        judgement.rules.push(judged.rule);
    }
    let counts = |n, guard: &str| !exempt.contains(&(n, guard));
    (judgement.exposures, judgement.nearly) = exposures(&judgement, policy, counts);
    if !exempt.is_empty() {
        // An exemption is told only where there would be an exposure without it.
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
