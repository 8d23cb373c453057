//! Judges one security group: which guarded ports the internet reaches, through which rules, and whose they are.
//!
//! The measure (docs/SEMANTICS.md): for one guarded port and one address family, the sources of all ingress rules that
//! admit the port are joined as sets of addresses, less what is not public and what is trusted. As many addresses as one
//! `internet` block, and the port is exposed.

mod attribution;
mod measure;
mod prefilter;

use std::collections::BTreeSet;

use jiff::Timestamp;

pub use attribution::Attribution;
pub use prefilter::{harmless, needs_prefix_list};

use crate::change::Change;
use crate::facts::{GroupFacts, PrefixLists};
use crate::net::{AddressSet, Cidr, Family, PerFamily};
use crate::policy::{Candidate, GroupLocation, Policy};
use crate::rule::{PortRange, Reach, Rule, Source, Transport};
use attribution::{Index, attributed, without};
use measure::exposures;
use prefilter::may_reach;

/// A rule with what was worked out about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedRule {
    /// The rule.
    pub rule: Rule,
    /// Whether a change at hand made it.
    pub attributed: bool,
    /// The addresses it admits that count; nothing where they are not known.
    pub counted: PerFamily<AddressSet>,
    /// Those of them that it would admit without the changes at hand: all where no change made it, none where one did,
    /// and where one added to its prefix list, what was in the list besides.
    pub without: PerFamily<AddressSet>,
    /// The reason of the exemption that covers it for some guard.
    pub exempt: Option<String>,
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
    /// Whether it would be there without the changes at hand.
    pub standing: bool,
}

/// The verdict on one group, with all its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The group's ingress rules.
    pub rules: Vec<JudgedRule>,
    /// What is exposed; in the policy's order of guards, then by port, IPv4 before IPv6.
    pub exposures: Vec<Exposure>,
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

    /// Whether a change at hand made the rule.
    #[must_use]
    pub fn is_attributed(&self, rule: usize) -> bool {
        self.rules.get(rule).is_some_and(|rule| rule.attributed)
    }
}

/// Judges the group. The changes must be of its account and Region.
#[must_use]
pub fn judge<'a>(
    changes: &[&'a Change],
    facts: &GroupFacts,
    prefix_lists: &PrefixLists,
    policy: &Policy,
    at: GroupLocation<'_>,
    now: Timestamp,
) -> Judgement {
    let index = Index::of(&facts.rules);
    let attributions: Vec<Attribution> =
        changes.iter().map(|change| attributed(change, facts, &index, prefix_lists)).collect();
    let mut makers_of: Vec<Vec<&Change>> = vec![Vec::new(); facts.rules.len()];
    for (change, changed_rules) in changes.iter().zip(&attributions) {
        for n in &changed_rules.rules {
            makers_of.get_mut(*n).into_iter().for_each(|makers| makers.push(change));
        }
    }
    let mut judgement = Judgement {
        rules: Vec::with_capacity(facts.rules.len()),
        exposures: Vec::new(),
        undecided: Vec::new(),
        limit: PerFamily::each(|family| policy.limit(family)),
        attributions,
    };
    let mut exempt: BTreeSet<(usize, &str)> = BTreeSet::new();
    let arns = |change: &&'a Change| {
        change.event.actor.iter().chain(&change.event.issuer).map(String::as_str).collect::<Vec<&str>>()
    };
    for (n, (rule, made_by)) in facts.rules.iter().zip(makers_of).enumerate() {
        let makers: Vec<Vec<&str>> = made_by.iter().map(arns).collect();
        let sources = sources(&rule.permission.source, prefix_lists);
        let counted = sources.as_ref().map_or_else(
            |_| PerFamily::default(),
            |sources| PerFamily::each(|family| sources.get(family).intersection(policy.counted(family))),
        );
        let counted_before = without(&counted, &made_by);
        let mut judged = JudgedRule {
            rule: rule.clone(),
            attributed: !makers.is_empty(),
            counted,
            without: counted_before,
            exempt: None,
        };
        let mut doubt = None;
        for guard in policy.guards() {
            let admits = sources.is_err() || Family::BOTH.into_iter().any(|f| !judged.counted.get(f).is_empty());
            if !may_reach(&rule.permission, guard) || !admits {
                continue;
            }
            let candidate = Candidate { at, guard: &guard.name, sources: sources.as_ref().ok(), makers: &makers };
            if let Some(exemption) = policy.exemption(candidate, now) {
                exempt.insert((n, &guard.name));
                judged.exempt = Some(exemption.reason.clone());
                continue;
            }
            // Of what an exemption covered before the changes, nothing counted: it is what they added that makes it count.
            if judged.without != judged.counted {
                let all_before = sources.as_ref().ok().map(|sources| without(sources, &made_by));
                let before = Candidate { sources: all_before.as_ref(), makers: &[], ..candidate };
                if policy.exemption(before, now).is_some() {
                    judged.without = PerFamily::default();
                }
            }
            if let Err(why) = &sources {
                doubt = Some(format!("{}: {why}", rule.id));
            } else if rule.permission.traffic.reach(guard.transport) == Reach::Unknown {
                doubt = Some(format!("{}: {}", rule.id, unknown_traffic(rule)));
            }
        }
        judgement.undecided.extend(doubt);
        judgement.rules.push(judged);
    }
    judgement.exposures = exposures(&judgement, policy, |n, guard| !exempt.contains(&(n, guard)));
    if !exempt.is_empty() {
        // An exemption is told only where there would be an exposure without it.
        let without = exposures(&judgement, policy, |_, _| true);
        let exposing: BTreeSet<usize> = without.into_iter().flat_map(|exposure| exposure.rules).collect();
        for (_, rule) in judgement.rules.iter_mut().enumerate().filter(|(n, _)| !exposing.contains(n)) {
            rule.exempt = None;
        }
    }
    judgement
}

/// All addresses that a source admits, or why they are not known.
fn sources(source: &Source, prefix_lists: &PrefixLists) -> Result<PerFamily<AddressSet>, String> {
    let of = |cidrs: &[Cidr]| PerFamily::each(|family| AddressSet::from_cidrs(family, cidrs));
    match source {
        Source::Cidr(cidr) => Ok(of(std::slice::from_ref(cidr))),
        Source::Group(_) => Ok(PerFamily::default()),
        Source::PrefixList(id) => match prefix_lists.get(id) {
            Some(Ok(entries)) => Ok(of(entries)),
            Some(Err(why)) => Err(format!("the entries of {id} could not be read: {why}")),
            None => Err(format!("the entries of {id} are not known")),
        },
        Source::Unknown(what) => Err(format!("its source is not known: {what}")),
    }
}

fn unknown_traffic(rule: &Rule) -> String {
    let traffic = &rule.permission.traffic;
    let end = |port: Option<i64>| port.map_or_else(|| "none".to_owned(), |port| port.to_string());
    let ports = format!("ports {} to {}", end(traffic.from_port()), end(traffic.to_port()));
    format!("protocol `{}` with {ports} is nothing that EC2 documents", traffic.protocol())
}

#[cfg(test)]
pub(crate) mod tests;
