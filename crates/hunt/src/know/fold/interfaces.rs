//! The lives of interfaces and instances.

use std::collections::BTreeSet;

use super::Fold;
use crate::know::facts::{Fact, InstanceSeen, InterfaceSeen};
use crate::know::{Attachment, Membership};

impl Fold {
    /// What is shown of an interface, apart from its groups and its instance.
    fn shown(&mut self, seen: &InterfaceSeen, fact: &Fact) {
        let known = self.interface(&seen.id, fact);
        let newer = |new: &Option<String>, old: &mut Option<String>| {
            if new.is_some() {
                old.clone_from(new);
            }
        };
        newer(&seen.vpc, &mut known.vpc);
        newer(&seen.subnet, &mut known.subnet);
        newer(&seen.description, &mut known.description);
        newer(&seen.requester, &mut known.requester);
        known.addresses.extend(seen.addresses.iter().copied());
    }

    pub(super) fn interface_created(&mut self, seen: &InterfaceSeen, fact: &Fact) {
        self.shown(seen, fact);
        self.interface(&seen.id, fact).created = Some(fact.time);
        if let Some(groups) = &seen.groups {
            self.has_groups(&seen.id, groups, fact);
        }
    }

    /// From now on the interface has these groups, and no others.
    pub(super) fn has_groups(&mut self, interface: &str, groups: &BTreeSet<String>, fact: &Fact) {
        let known = &mut self.interface(interface, fact).groups;
        if let Some(last) = known.last_mut().filter(|last| last.to.is_none()) {
            if last.groups == *groups {
                return;
            }
            last.to = Some(fact.time);
        }
        known.push(Membership { from: Some(fact.time), to: None, groups: groups.clone(), by: fact.by.clone() });
    }

    pub(super) fn interface_seen(&mut self, seen: &InterfaceSeen, fact: &Fact) {
        self.shown(seen, fact);
        let known = self.interface(&seen.id, fact);
        if let (Some(groups), true) = (&seen.groups, known.groups.is_empty()) {
            // No record changed them, so they were so before.
            let from = known.created;
            known.groups.push(Membership { from, to: None, groups: groups.clone(), by: fact.by.clone() });
        } else if let Some(groups) = &seen.groups {
            self.has_groups(&seen.id, groups, fact);
        }
        let known = self.interface(&seen.id, fact);
        if let (Some(instance), false) = (&seen.instance, known.attachments.iter().any(|a| a.to.is_none())) {
            known.attachments.push(Attachment {
                instance: instance.clone(),
                from: None,
                to: None,
                id: seen.attachment.clone(),
                device: seen.device,
            });
        }
    }

    pub(super) fn launched(&mut self, seen: &InstanceSeen, fact: &Fact) {
        self.instance_shown(seen, fact);
        self.instance(&seen.id, fact).launched = Some(fact.time);
        for own in &seen.interfaces {
            let is_new = !self.knowledge.interfaces.contains_key(&own.id);
            self.shown(own, fact);
            if is_new {
                self.interface(&own.id, fact).created = Some(fact.time);
                self.with_instance.insert(own.id.clone());
            }
            if let Some(groups) = &own.groups {
                self.has_groups(&own.id, groups, fact);
            }
            self.attached(&own.id, &seen.id, (own.attachment.clone(), own.device), fact);
        }
    }

    fn instance_shown(&mut self, seen: &InstanceSeen, fact: &Fact) {
        let known = self.instance(&seen.id, fact);
        known.name = seen.name.clone().or(known.name.take());
        known.asg = seen.asg.clone().or(known.asg.take());
        known.image = seen.image.clone().or(known.image.take());
    }

    pub(super) fn instance_seen(&mut self, seen: &InstanceSeen, fact: &Fact) {
        self.instance_shown(seen, fact);
        let known = self.instance(&seen.id, fact);
        known.launched = known.launched.or(seen.launched);
        seen.interfaces.iter().for_each(|own| self.interface_seen(own, fact));
    }

    pub(super) fn attached(&mut self, interface: &str, instance: &str, to: (Option<String>, Option<i64>), fact: &Fact) {
        let (id, device) = to;
        let known = &mut self.interface(interface, fact).attachments;
        known.iter_mut().filter(|one| one.to.is_none()).for_each(|one| one.to = Some(fact.time));
        known.push(Attachment { instance: instance.to_owned(), from: Some(fact.time), to: None, id, device });
    }

    pub(super) fn detached(&mut self, id: &str, fact: &Fact) {
        let all = self.knowledge.interfaces.values_mut().flat_map(|interface| &mut interface.attachments);
        let of_id = all.filter(|one| one.id.as_deref() == Some(id) && one.to.is_none());
        of_id.for_each(|one| one.to = Some(fact.time));
    }

    /// A call that changes the groups of an instance is allowed only where it has one interface.
    pub(super) fn first_interface(&self, instance: &str) -> Option<String> {
        let mut of_instance: Vec<(Option<i64>, &String)> = Vec::new();
        for (id, interface) in &self.knowledge.interfaces {
            let now = interface.attachments.iter().find(|one| one.to.is_none() && one.instance == instance);
            of_instance.extend(now.map(|one| (one.device, id)));
        }
        of_instance.sort();
        of_instance.first().map(|(_, id)| (*id).clone())
    }

    /// The call is the beginning of the end: traffic may go on for a while, so the groups stay.
    pub(super) fn terminated(&mut self, instance: &str, fact: &Fact) {
        let known = self.instance(instance, fact);
        known.terminated = known.terminated.or(Some(fact.time));
        for (id, interface) in &mut self.knowledge.interfaces {
            for one in interface.attachments.iter_mut().filter(|one| one.instance == instance && one.to.is_none()) {
                one.to = Some(fact.time);
                if self.with_instance.contains(id) {
                    interface.deleted = Some(fact.time);
                }
            }
        }
    }

    pub(super) fn interface_deleted(&mut self, interface: &str, fact: &Fact) {
        let known = self.interface(interface, fact);
        known.deleted = Some(fact.time);
        known.groups.iter_mut().filter(|one| one.to.is_none()).for_each(|one| one.to = Some(fact.time));
        known.attachments.iter_mut().filter(|one| one.to.is_none()).for_each(|one| one.to = Some(fact.time));
    }
}
