//! Attribution: which rules of the group each change made.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::change::{Change, ChangedRules, Resource};
use crate::facts::Facts;
use crate::ids::RuleId;
use crate::net::{AddressSet, Cidr, PerFamily};
use crate::rule::{Permission, Protocol, Rule, Source};

/// The rules that one change made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attribution {
    /// Indexes into [`Judgement::rules`].
    pub rules: BTreeSet<usize>,
    /// Rules of the change that EC2 does not show, or no longer shows. Each has its id if the record lists it. An entry
    /// without id also stands for added prefix-list entries that the list does not show.
    pub missing: Vec<Option<RuleId>>,
    /// Rules that the change made, that are altered now, and that expose nothing by themselves. Another change made
    /// them what they are. An altered rule that exposes a port by itself stays this change's, in `rules`.
    pub replaced: Vec<RuleId>,
}

impl Attribution {
    /// Moves an altered rule that exposes a port by itself from `replaced` back to `rules`.
    pub(super) fn take_altered(&mut self, n: usize, id: &RuleId) {
        let before = self.replaced.len();
        self.replaced.retain(|replaced| replaced != id);
        if self.replaced.len() < before {
            self.rules.insert(n);
        }
    }
}

/// Who made a rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Makers<'a> {
    /// The changes that made the rule as it is now.
    pub(super) made_by: Vec<&'a Change>,
    /// The changes that made the rule, but not as it is now.
    pub(super) altered_by: Vec<&'a Change>,
    /// Whether the rule appeared between two looks.
    pub(super) appeared: bool,
    /// The entries of its prefix list that appeared between two looks.
    pub(super) appeared_entries: Option<&'a BTreeSet<Cidr>>,
}

/// For each rule of the group, who made it.
pub(super) fn makers<'a>(changes: &[&'a Change], attributions: &[Attribution], facts: &'a Facts) -> Vec<Makers<'a>> {
    let mut makers: Vec<Makers<'a>> = vec![Makers::default(); facts.rules.len()];
    let is_replaced = attributions.iter().any(|attribution| !attribution.replaced.is_empty());
    if is_replaced || !facts.appeared.is_empty() || !facts.appeared_entries.is_empty() {
        for (maker, rule) in makers.iter_mut().zip(&facts.rules) {
            let altered = changes.iter().zip(attributions).filter(|(_, own)| own.replaced.contains(&rule.id));
            maker.altered_by = altered.map(|(change, _)| *change).collect();
            maker.appeared = facts.appeared.contains(&rule.id);
            if let Source::PrefixList(list) = &rule.permission.source {
                maker.appeared_entries = facts.appeared_entries.get(list);
            }
        }
    }
    for (change, attribution) in changes.iter().zip(attributions) {
        for n in &attribution.rules {
            makers.get_mut(*n).into_iter().for_each(|maker| maker.made_by.push(change));
        }
    }
    makers
}

/// A group's rules by id and by permission. Built once for all changes, and only if a change needs it.
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

/// Which rules of the group each change made, in the order in which the changes are given.
#[must_use]
pub fn attributions(changes: &[&Change], facts: &Facts) -> Vec<Attribution> {
    let index = Index::of(&facts.rules);
    changes.iter().map(|change| attribution(change, facts, &index)).collect()
}

fn attribution(change: &Change, facts: &Facts, index: &Index<'_>) -> Attribution {
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
                // EC2 keeps no two rules with the same permission in a group, so one match is enough.
                match index.by_permission().get(permission).and_then(|n| Some((n, rules.get(*n)?))) {
                    // The record has only the group's name. Another group may have that name by now, with an equal
                    // rule. Only a rule that nobody can have made lawfully is attributed all the same.
                    Some((_, rule)) if matches!(change.resource, Resource::GroupName(_)) => {
                        attributed.replaced.push(rule.id.clone());
                    }
                    Some((n, _)) => _ = attributed.rules.insert(*n),
                    None => attributed.missing.push(None),
                }
            }
        }
        ChangedRules::PrefixList { list, added, .. } => {
            let refers = |rule: &Rule| matches!(&rule.permission.source, Source::PrefixList(id) if id == list);
            attributed.rules.extend(rules.iter().enumerate().filter(|(_, rule)| refers(rule)).map(|(n, _)| n));
            // A list takes a while to change. Only a record that lists the added entries can tell whether it has.
            let shows = match facts.prefix_lists.get(list) {
                Some(Ok(entries)) => {
                    let entries: BTreeSet<&Cidr> = entries.iter().collect();
                    added.as_ref().is_some_and(|added| added.iter().all(|cidr| entries.contains(cidr)))
                }
                // No rule that matters refers to the list, or the list cannot be read, which makes the group undecided
                // anyway.
                None | Some(Err(_)) => true,
            };
            attributed.missing.extend((!shows).then_some(None));
        }
    }
    attributed
}

/// The addresses that a rule would admit without the changes that made it.
pub(super) fn without(counted: &PerFamily<AddressSet>, made_by: &[&Change]) -> PerFamily<AddressSet> {
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

/// Whether a rule is not as a change made it. Unknown parts on either side never differ.
fn differs(made: &Permission, shown: &Permission) -> bool {
    let known = |permission: &Permission| {
        !matches!(permission.source, Source::Unknown(_))
            && !matches!(permission.traffic.protocol(), Protocol::Unknown(_))
    };
    known(made) && known(shown) && made != shown
}
