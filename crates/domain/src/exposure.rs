//! Judges one security group: which guarded ports the internet reaches, through which rules, and whose they are.
//!
//! The measure (docs/SEMANTICS.md): for one guarded port and one address family, the sources of all ingress rules that
//! admit the port are joined as sets of addresses, less what is not public and what is trusted. As many addresses as one
//! `internet` block, and the port is exposed.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ids::{GroupId, PrefixListId, RuleId, VpcId};
use crate::net::{AddressSet, Cidr, Coverage, Family, PerFamily, PortRange, Reach, Source, Transport};
use crate::policy::{Candidate, GroupLocation, Policy, ProtectedPort};
use crate::trail::{Change, ChangedRules, Permission};

/// One ingress rule as EC2 shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// What it admits, and from where.
    pub permission: Permission,
}

/// One security group as EC2 shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFacts {
    /// Its id.
    pub group: GroupId,
    /// Its VPC, if it was looked up.
    pub vpc: Option<VpcId>,
    /// All of its ingress rules.
    pub rules: Vec<Rule>,
    /// The ids of its egress rules: a Modify may name them, and they open nothing.
    pub egress: BTreeSet<RuleId>,
}

/// The entries of the prefix lists that rules refer to, or why they could not be read.
pub type PrefixLists = BTreeMap<PrefixListId, Result<Vec<Cidr>, String>>;

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

/// What one change laid claim to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attribution {
    /// Indexes into [`Judgement::rules`].
    pub rules: BTreeSet<usize>,
    /// Rules that it claims and that EC2 does not show (any more): their ids, where the record lists them. Without an id
    /// also what a prefix list should have in it and has not.
    pub missing: Vec<Option<RuleId>>,
    /// Rules that it made and that are something else now: what they are is another change's doing.
    pub replaced: Vec<RuleId>,
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

/// All exposures through the rules that count for a guard: in the policy's order of guards, then by port and family.
fn exposures(judgement: &Judgement, policy: &Policy, counts: impl Fn(usize, &str) -> bool) -> Vec<Exposure> {
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

/// Why a change needs no look at EC2: whatever EC2 shows, what the record says cannot expose a guarded port. `None`:
/// look.
#[must_use]
pub fn harmless(change: &Change, policy: &Policy) -> Option<&'static str> {
    if let ChangedRules::PrefixList { added: Some(added), .. } = &change.changed_rules {
        let counts = |family| !AddressSet::from_cidrs(family, added).intersection(policy.counted(family)).is_empty();
        return (!Family::BOTH.into_iter().any(counts)).then_some("adds no public address to the prefix list");
    }
    let mut reason = "reaches no guarded port";
    for (_, permission) in change.recorded_rules.as_ref()? {
        for guard in policy.guards() {
            if !may_reach(permission, guard) {
                continue;
            }
            let admits_none = match &permission.source {
                Source::Group(_) => true,
                Source::Cidr(cidr) => {
                    let family = cidr.family();
                    let block = AddressSet::from_cidrs(family, [cidr]);
                    block.intersection(policy.counted(family)).is_empty()
                }
                Source::PrefixList(_) | Source::Unknown(_) => false,
            };
            if !admits_none {
                return None;
            }
            reason = "admits no public address to a guarded port";
        }
    }
    Some(reason)
}

/// Whether the entries of a rule's prefix list matter: it reaches a guarded port.
#[must_use]
pub fn needs_prefix_list(permission: &Permission, policy: &Policy) -> bool {
    policy.guards().iter().any(|guard| may_reach(permission, guard))
}

fn may_reach(permission: &Permission, guard: &ProtectedPort) -> bool {
    match permission.traffic.reach(guard.transport) {
        Reach::Nothing => false,
        Reach::Ports(ports) => ports.overlaps(guard.ports),
        Reach::Unknown => true,
    }
}

/// A group's rules by what changes call them; made once for all changes, and only where one asks.
struct Index<'a> {
    rules: &'a [Rule],
    by_id: OnceCell<BTreeMap<&'a RuleId, usize>>,
    by_permission: OnceCell<BTreeMap<&'a Permission, usize>>,
}

impl<'a> Index<'a> {
    fn of(rules: &'a [Rule]) -> Self {
        Self { rules, by_id: OnceCell::new(), by_permission: OnceCell::new() }
    }

    fn by_id(&self) -> &BTreeMap<&'a RuleId, usize> {
        self.by_id.get_or_init(|| self.rules.iter().enumerate().map(|(n, rule)| (&rule.id, n)).collect())
    }

    fn by_permission(&self) -> &BTreeMap<&'a Permission, usize> {
        self.by_permission
            .get_or_init(|| self.rules.iter().enumerate().map(|(n, rule)| (&rule.permission, n)).collect())
    }
}

fn attributed(change: &Change, facts: &GroupFacts, index: &Index<'_>, prefix_lists: &PrefixLists) -> Attribution {
    let rules = &facts.rules;
    let mut attributed = Attribution::default();
    match &change.changed_rules {
        ChangedRules::Any => attributed.rules.extend(0..rules.len()),
        ChangedRules::Rules(ids) => {
            let said = change.recorded_rules.iter().flatten().filter_map(|(id, made)| Some((id.as_ref()?, made)));
            let recorded_rules: BTreeMap<&RuleId, &Permission> = said.collect();
            for id in ids {
                match index.by_id().get(id).and_then(|n| Some((n, rules.get(*n)?))) {
                    None if facts.egress.contains(id) => {}
                    None => attributed.missing.push(Some(id.clone())),
                    Some((_, rule)) if recorded_rules.get(id).is_some_and(|made| differs(made, &rule.permission)) => {
                        attributed.replaced.push(id.clone());
                    }
                    Some((n, _)) => _ = attributed.rules.insert(*n),
                }
            }
        }
        ChangedRules::Permissions(permissions) => {
            for permission in permissions {
                // EC2 keeps no two rules with the same permission in a group, so one match is all there is.
                match index.by_permission().get(permission) {
                    Some(n) => _ = attributed.rules.insert(*n),
                    None => attributed.missing.push(None),
                }
            }
        }
        ChangedRules::PrefixList { list, added, .. } => {
            let refers = |rule: &Rule| matches!(&rule.permission.source, Source::PrefixList(id) if id == list);
            attributed.rules.extend(rules.iter().enumerate().filter(|(_, rule)| refers(rule)).map(|(n, _)| n));
            // A list takes a while to change. Whether it has can be told only where the record says what was added.
            let shows = match prefix_lists.get(list) {
                Some(Ok(entries)) => {
                    let entries: BTreeSet<&Cidr> = entries.iter().collect();
                    added.as_ref().is_some_and(|added| added.iter().all(|cidr| entries.contains(cidr)))
                }
                // No rule that matters refers to it, or it cannot be read, which is a doubt of its own.
                None | Some(Err(_)) => true,
            };
            attributed.missing.extend((!shows).then_some(None));
        }
    }
    attributed
}

/// What a rule would admit without the changes that made it what it is.
fn without(counted: &PerFamily<AddressSet>, made_by: &[&Change]) -> PerFamily<AddressSet> {
    let mut added: Vec<Cidr> = Vec::new();
    for change in made_by {
        match &change.changed_rules {
            ChangedRules::PrefixList { added: Some(blocks), .. } => added.extend(blocks),
            ChangedRules::PrefixList { added: None, .. }
            | ChangedRules::Rules(_)
            | ChangedRules::Permissions(_)
            | ChangedRules::Any => {
                return PerFamily::default();
            }
        }
    }
    PerFamily::each(|family| counted.get(family).difference(&AddressSet::from_cidrs(family, &added)))
}

/// Whether a rule is not what a change made it. What either of them does not know cannot tell them apart.
fn differs(made: &Permission, shown: &Permission) -> bool {
    let known = |permission: &Permission| {
        !matches!(permission.source, Source::Unknown(_))
            && !matches!(permission.traffic.protocol(), crate::net::Protocol::Unknown(_))
    };
    known(made) && known(shown) && made != shown
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
