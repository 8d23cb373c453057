//! Follows the facts in order, from what was made to what became of it.

mod interfaces;
mod rules;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use portcullis_domain::ids::PrefixListId;

use super::facts::{Fact, What};
use super::lists::PrefixList;
use super::{Instance, Interface, Knowledge};

/// What is being followed.
#[derive(Debug, Default)]
pub(super) struct Fold {
    knowledge: Knowledge,
    /// The lives that go on, by the rule's id.
    alive: HashMap<String, usize>,
    /// Interfaces that were made with their instance, and go with it.
    with_instance: BTreeSet<String>,
}

/// Follows facts, which are in order.
#[must_use]
pub fn follow(facts: Vec<Fact>, spans: BTreeMap<(String, String), (i64, i64)>) -> Knowledge {
    let mut fold = Fold { knowledge: Knowledge { spans, ..Knowledge::default() }, ..Fold::default() };
    for fact in &facts {
        fold.take(fact);
    }
    fold.knowledge.facts = facts;
    fold.knowledge
}

impl Fold {
    fn take(&mut self, fact: &Fact) {
        match &fact.what {
            What::GroupCreated { group, name, vpc } => {
                let (name, vpc) = (name.clone(), vpc.clone());
                let known = self.group(group, fact);
                (known.name, known.vpc, known.created) = (name, vpc, Some(fact.time));
                known.created_by = fact.by.clone();
            }
            What::GroupDeleted { group } => self.group_deleted(group, fact),
            What::Opened { group, rules } => {
                self.group(group, fact);
                rules.iter().for_each(|rule| self.opened(group, rule, fact));
            }
            What::Modified { group, rules } => {
                rules.iter().for_each(|rule| self.modified(group.as_deref(), rule, fact));
            }
            What::Closed { group, rules, ids } => self.closed(group.as_deref(), rules, ids, fact),
            What::RulesSeen { rules } => {
                rules.iter().for_each(|(group, rule)| self.rule_seen(group, rule, fact));
                self.seen_until(fact);
            }
            What::GroupsSeen { groups } => {
                for (group, name, vpc) in groups {
                    let known = self.group(group, fact);
                    known.name = name.clone().or(known.name.take());
                    known.vpc = vpc.clone().or(known.vpc.take());
                }
            }
            What::Omitted { group, call } => self.omitted(group.as_deref(), call, fact),
            What::Launched(instances) => instances.iter().for_each(|instance| self.launched(instance, fact)),
            What::InstancesSeen(instances) => instances.iter().for_each(|instance| self.instance_seen(instance, fact)),
            What::Named { resource, name } => {
                for id in resource.split(' ') {
                    self.instance(id, fact).name.clone_from(name);
                }
            }
            What::Terminated { instances } => instances.iter().for_each(|id| self.terminated(id, fact)),
            What::InterfaceCreated(seen) => self.interface_created(seen, fact),
            What::InterfaceGroups { interface, groups } => self.has_groups(interface, groups, fact),
            What::InstanceGroups { instance, groups } => {
                if let Some(interface) = self.first_interface(instance) {
                    self.has_groups(&interface, groups, fact);
                }
            }
            What::Attached { interface, instance, id, device } => {
                self.attached(interface, instance, (id.clone(), *device), fact);
            }
            What::Detached { id } => self.detached(id, fact),
            What::ListChanged { list } => self.list(list, fact).change(fact.time),
            What::ListOwned { list, owner } => self.list(list, fact).owner = Some(owner.clone()),
            What::ListSeen { list, entries } => self.list(list, fact).see(entries, fact.time),
            What::InterfaceDeleted { interface } => self.interface_deleted(interface, fact),
            What::InterfacesSeen(interfaces) => {
                self.knowledge.interface_snapshots.insert(fact.account.clone().unwrap_or_default());
                interfaces.iter().for_each(|seen| self.interface_seen(seen, fact));
                self.seen_until(fact);
            }
        }
    }

    /// A snapshot tells what is as well as a record would: what is known of its account reaches to its time. A file that was
    /// copied says another time than that of the snapshot, so that alone does not count.
    fn seen_until(&mut self, fact: &Fact) {
        let Some(account) = fact.account.as_ref().filter(|_| fact.is_dated) else { return };
        for ((known, region), span) in &mut self.knowledge.spans {
            if known == account && fact.region.as_ref().is_none_or(|own| own == region) {
                span.1 = span.1.max(fact.time);
            }
        }
    }

    fn list(&mut self, id: &PrefixListId, fact: &Fact) -> &mut PrefixList {
        let known = self.knowledge.lists.entry(id.clone()).or_default();
        known.region = known.region.take().or_else(|| fact.region.clone());
        known
    }

    fn instance(&mut self, id: &str, fact: &Fact) -> &mut Instance {
        let known = self.knowledge.instances.entry(id.to_owned()).or_default();
        known.account = known.account.take().or_else(|| fact.account.clone());
        known.region = known.region.take().or_else(|| fact.region.clone());
        known
    }

    fn interface(&mut self, id: &str, fact: &Fact) -> &mut Interface {
        let known = self.knowledge.interfaces.entry(id.to_owned()).or_default();
        known.account = known.account.take().or_else(|| fact.account.clone());
        known.region = known.region.take().or_else(|| fact.region.clone());
        known
    }
}
