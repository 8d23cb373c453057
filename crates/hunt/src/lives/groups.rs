//! The tables of groups, interfaces and instances, and of what flow logs cover.

use std::collections::BTreeSet;

use super::Lives;
use crate::know::{Attachment, Group, Instance, Interface, Membership};
use crate::rows::{Kind, Rows, time};
use crate::world::World;

table! {
    /// `security_groups`.
    SECURITY_GROUPS = "security_groups", of security_groups;
    group_row(id: &str, group: &Group, is_shown: bool) {
        "group_id" Text = id.into(),
        "group_name" Text = (&group.name).into(),
        "vpc_id" Text = (&group.vpc).into(),
        "account_id" Text = (&group.account).into(),
        "region" Text = (&group.region).into(),
        "created_at" Time = time(group.created),
        "created_by" Text = (&group.created_by.actor).into(),
        "deleted_at" Time = time(group.deleted),
        "members_known" Bool = (group.created.is_some() || is_shown).into(),
        "rules_known" Bool = group.rules_are_known_at(i64::MAX - 1).into(),
    }
}

fn security_groups(world: &World, rows: &mut Rows) {
    let knowledge = world.knowledge();
    for (id, group) in &knowledge.groups {
        let shown = &knowledge.interface_snapshots;
        let is_shown = shown.contains("") || group.account.as_ref().is_some_and(|account| shown.contains(account));
        group_row(rows, id, group, is_shown);
    }
}

table! {
    /// `interface_groups`: which interface had which group, from when to when.
    INTERFACE_GROUPS = "interface_groups", of interface_groups;
    member_row(id: &str, interface: &Interface, one: &Membership, group: &str) {
        "interface_id" Text = id.into(),
        "group_id" Text = group.into(),
        "attached_at" Time = time(one.from),
        // A deleted interface has no group any more.
        "detached_at" Time = time(one.to.or(interface.deleted)),
        "attached_by" Text = (&one.by.actor).into(),
    }
}

fn interface_groups(world: &World, rows: &mut Rows) {
    for (id, interface) in &world.knowledge().interfaces {
        for one in &interface.groups {
            one.groups.iter().for_each(|group| member_row(rows, id, interface, one, group));
        }
    }
}

/// A group that an interface got or lost.
struct Change<'a> {
    group: &'a str,
    word: &'a str,
    how: &'a str,
}

table! {
    /// `group_changes`: who attached a group to an interface, or took it away.
    GROUP_CHANGES = "group_changes", of group_changes;
    change_row(id: &str, one: &Membership, change: &Change<'_>) {
        "event_time" Time = time(one.from),
        "event_id" Text = (&one.by.event).into(),
        "interface_id" Text = id.into(),
        "group_id" Text = change.group.into(),
        "change" Text = change.word.into(),
        "actor" Text = (&one.by.actor).into(),
        "source_ip" Text = (&one.by.source_ip).into(),
        "how" Text = change.how.into(),
    }
}

/// A call carries the whole new set, so what is new is the difference from the set before. Where that is not known, a group
/// may have been there already.
fn group_changes(world: &World, rows: &mut Rows) {
    let nothing = BTreeSet::new();
    for (id, interface) in &world.knowledge().interfaces {
        let mut before: Option<&BTreeSet<String>> = None;
        for one in &interface.groups {
            let is_creation = interface.created == one.from && interface.created.is_some();
            let known = before.or(if is_creation { Some(&nothing) } else { None });
            let attached = one.groups.iter().filter(|group| known.is_none_or(|known| !known.contains(*group)));
            let word = if known.is_some() { "attached" } else { "attached, or there before" };
            let changes = attached.map(|group| (group, word));
            let gone = known.unwrap_or(&nothing).difference(&one.groups).map(|group| (group, "detached"));
            let how = if is_creation { "created with it" } else { "modified" };
            if one.from.is_some() && world.window.is_in_time(one.from) {
                changes.chain(gone).for_each(|(group, word)| change_row(rows, id, one, &Change { group, word, how }));
            }
            before = Some(&one.groups);
        }
    }
}

table! {
    /// `interfaces`.
    INTERFACES = "interfaces", of interfaces;
    interface_row(id: &str, interface: &Interface, addresses: Option<&str>) {
        "interface_id" Text = id.into(),
        "account_id" Text = (&interface.account).into(),
        "region" Text = (&interface.region).into(),
        "vpc_id" Text = (&interface.vpc).into(),
        "subnet_id" Text = (&interface.subnet).into(),
        "description" Text = (&interface.description).into(),
        "requester" Text = (&interface.requester).into(),
        "addresses" Text = addresses.into(),
        "created_at" Time = time(interface.created),
        "deleted_at" Time = time(interface.deleted),
    }
}

fn interfaces(world: &World, rows: &mut Rows) {
    for (id, interface) in &world.knowledge().interfaces {
        let addresses: Vec<String> = interface.addresses.iter().map(ToString::to_string).collect();
        let addresses = (!addresses.is_empty()).then(|| addresses.join(" "));
        interface_row(rows, id, interface, addresses.as_deref());
    }
}

table! {
    /// `instances`.
    INSTANCES = "instances", of instances;
    instance_row(id: &str, instance: &Instance) {
        "instance_id" Text = id.into(),
        "name" Text = (&instance.name).into(),
        "account_id" Text = (&instance.account).into(),
        "region" Text = (&instance.region).into(),
        "launched_at" Time = time(instance.launched),
        "terminated_at" Time = time(instance.terminated),
        "asg" Text = (&instance.asg).into(),
        "image_id" Text = (&instance.image).into(),
    }
}

fn instances(world: &World, rows: &mut Rows) {
    world.knowledge().instances.iter().for_each(|(id, instance)| instance_row(rows, id, instance));
}

table! {
    /// `instance_interfaces`: which instance had which interface, from when to when.
    INSTANCE_INTERFACES = "instance_interfaces", of instance_interfaces;
    attachment_row(id: &str, one: &Attachment, name: Option<&str>) {
        "instance_id" Text = (&one.instance).into(),
        "name" Text = name.into(),
        "interface_id" Text = id.into(),
        "attached_at" Time = time(one.from),
        "detached_at" Time = time(one.to),
    }
}

fn instance_interfaces(world: &World, rows: &mut Rows) {
    let knowledge = world.knowledge();
    for (id, interface) in &knowledge.interfaces {
        for one in &interface.attachments {
            let name = knowledge.instances.get(&one.instance).and_then(|instance| instance.name.as_deref());
            attachment_row(rows, id, one, name);
        }
    }
}

/// A time of an interface that is covered, or not.
struct Time {
    span: Option<(i64, i64)>,
    status: &'static str,
    records: u64,
    accepted: u64,
}

table! {
    /// `coverage`: which times of which interface the flow logs cover.
    COVERAGE = "coverage", of coverage;
    coverage_row(id: &str, one: &Time, groups_are_known: bool) {
        "interface_id" Text = id.into(),
        "from_time" Time = time(one.span.map(|(from, _)| from)),
        "to_time" Time = time(one.span.map(|(_, to)| to)),
        "status" Text = one.status.into(),
        "records" Long = one.records.into(),
        "accepted" Long = one.accepted.into(),
        "groups_known" Bool = groups_are_known.into(),
    }
}

fn coverage(world: &World, rows: &mut Rows) {
    let (knowledge, counted) = (world.knowledge(), world.counted());
    let mut row = |id: &str, time: &Time| {
        let is_known = knowledge.interfaces.get(id).is_some_and(|interface| !interface.groups.is_empty());
        coverage_row(rows, id, time, is_known);
    };
    for (id, covered) in &counted.coverage.0 {
        let time =
            |span, status| Time { span: Some(span), status, records: covered.records, accepted: covered.accepted };
        covered.times.iter().for_each(|span| row(id, &time(span, "ok")));
        covered.skipped.iter().for_each(|span| row(id, &time(span, "skipdata")));
    }
    for id in knowledge.interfaces.keys().filter(|id| !counted.coverage.0.contains_key(*id)) {
        row(id, &Time { span: None, status: "none", records: 0, accepted: 0 });
    }
}
