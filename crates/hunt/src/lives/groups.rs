//! The tables of groups, interfaces and instances, and of what flow logs cover.

use std::collections::BTreeSet;

use super::Lives;
use crate::rows::{Cell, Column, Kind, Rows, time};
use crate::world::World;

/// `security_groups`.
pub static SECURITY_GROUPS: Lives = Lives { name: "security_groups", columns: &GROUPS, fill: security_groups };

const GROUPS: [Column; 10] = [
    ("group_id", Kind::Text),
    ("group_name", Kind::Text),
    ("vpc_id", Kind::Text),
    ("account_id", Kind::Text),
    ("region", Kind::Text),
    ("created_at", Kind::Time),
    ("created_by", Kind::Text),
    ("deleted_at", Kind::Time),
    ("members_known", Kind::Bool),
    ("rules_known", Kind::Bool),
];

fn security_groups(world: &World, rows: &mut Rows) {
    let knowledge = world.knowledge();
    for (id, group) in &knowledge.groups {
        let shown = &knowledge.interface_snapshots;
        let is_shown = shown.contains("") || group.account.as_ref().is_some_and(|account| shown.contains(account));
        rows.push(|column| match column {
            0 => id.as_str().into(),
            1 => (&group.name).into(),
            2 => (&group.vpc).into(),
            3 => (&group.account).into(),
            4 => (&group.region).into(),
            5 => time(group.created),
            6 => (&group.created_by.actor).into(),
            7 => time(group.deleted),
            8 => (group.created.is_some() || is_shown).into(),
            9 => group.rules_are_known_at(i64::MAX - 1).into(),
            _ => Cell::Null,
        });
    }
}

/// `interface_groups`: which interface had which group, from when to when.
pub static INTERFACE_GROUPS: Lives = Lives { name: "interface_groups", columns: &MEMBERS, fill: interface_groups };

const MEMBERS: [Column; 5] = [
    ("interface_id", Kind::Text),
    ("group_id", Kind::Text),
    ("attached_at", Kind::Time),
    ("detached_at", Kind::Time),
    ("attached_by", Kind::Text),
];

fn interface_groups(world: &World, rows: &mut Rows) {
    for (id, interface) in &world.knowledge().interfaces {
        for one in &interface.groups {
            for group in &one.groups {
                rows.push(|column| match column {
                    0 => id.as_str().into(),
                    1 => group.as_str().into(),
                    2 => time(one.from),
                    // A deleted interface has no group any more.
                    3 => time(one.to.or(interface.deleted)),
                    4 => (&one.by.actor).into(),
                    _ => Cell::Null,
                });
            }
        }
    }
}

/// `group_changes`: who attached a group to an interface, or took it away.
pub static GROUP_CHANGES: Lives = Lives { name: "group_changes", columns: &MEMBER_CHANGES, fill: group_changes };

const MEMBER_CHANGES: [Column; 8] = [
    ("event_time", Kind::Time),
    ("event_id", Kind::Text),
    ("interface_id", Kind::Text),
    ("group_id", Kind::Text),
    ("change", Kind::Text),
    ("actor", Kind::Text),
    ("source_ip", Kind::Text),
    ("how", Kind::Text),
];

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
            for (group, change) in changes.chain(gone) {
                if one.from.is_none() || !world.window.is_in_time(one.from) {
                    continue;
                }
                rows.push(|column| match column {
                    0 => time(one.from),
                    1 => (&one.by.event).into(),
                    2 => id.as_str().into(),
                    3 => group.as_str().into(),
                    4 => change.into(),
                    5 => (&one.by.actor).into(),
                    6 => (&one.by.source_ip).into(),
                    7 => if is_creation { "created with it" } else { "modified" }.into(),
                    _ => Cell::Null,
                });
            }
            before = Some(&one.groups);
        }
    }
}

/// `interfaces`.
pub static INTERFACES: Lives = Lives { name: "interfaces", columns: &INTERFACE, fill: interfaces };

const INTERFACE: [Column; 10] = [
    ("interface_id", Kind::Text),
    ("account_id", Kind::Text),
    ("region", Kind::Text),
    ("vpc_id", Kind::Text),
    ("subnet_id", Kind::Text),
    ("description", Kind::Text),
    ("requester", Kind::Text),
    ("addresses", Kind::Text),
    ("created_at", Kind::Time),
    ("deleted_at", Kind::Time),
];

fn interfaces(world: &World, rows: &mut Rows) {
    for (id, interface) in &world.knowledge().interfaces {
        let addresses: Vec<String> = interface.addresses.iter().map(ToString::to_string).collect();
        let addresses = (!addresses.is_empty()).then(|| addresses.join(" "));
        rows.push(|column| match column {
            0 => id.as_str().into(),
            1 => (&interface.account).into(),
            2 => (&interface.region).into(),
            3 => (&interface.vpc).into(),
            4 => (&interface.subnet).into(),
            5 => (&interface.description).into(),
            6 => (&interface.requester).into(),
            7 => (&addresses).into(),
            8 => time(interface.created),
            9 => time(interface.deleted),
            _ => Cell::Null,
        });
    }
}

/// `instances`.
pub static INSTANCES: Lives = Lives { name: "instances", columns: &INSTANCE, fill: instances };

const INSTANCE: [Column; 8] = [
    ("instance_id", Kind::Text),
    ("name", Kind::Text),
    ("account_id", Kind::Text),
    ("region", Kind::Text),
    ("launched_at", Kind::Time),
    ("terminated_at", Kind::Time),
    ("asg", Kind::Text),
    ("image_id", Kind::Text),
];

fn instances(world: &World, rows: &mut Rows) {
    for (id, instance) in &world.knowledge().instances {
        rows.push(|column| match column {
            0 => id.as_str().into(),
            1 => (&instance.name).into(),
            2 => (&instance.account).into(),
            3 => (&instance.region).into(),
            4 => time(instance.launched),
            5 => time(instance.terminated),
            6 => (&instance.asg).into(),
            7 => (&instance.image).into(),
            _ => Cell::Null,
        });
    }
}

/// `instance_interfaces`: which instance had which interface, from when to when.
pub static INSTANCE_INTERFACES: Lives =
    Lives { name: "instance_interfaces", columns: &ATTACHMENTS, fill: instance_interfaces };

const ATTACHMENTS: [Column; 5] = [
    ("instance_id", Kind::Text),
    ("name", Kind::Text),
    ("interface_id", Kind::Text),
    ("attached_at", Kind::Time),
    ("detached_at", Kind::Time),
];

fn instance_interfaces(world: &World, rows: &mut Rows) {
    let knowledge = world.knowledge();
    for (id, interface) in &knowledge.interfaces {
        for one in &interface.attachments {
            let name = knowledge.instances.get(&one.instance).and_then(|instance| instance.name.as_deref());
            rows.push(|column| match column {
                0 => one.instance.as_str().into(),
                1 => name.into(),
                2 => id.as_str().into(),
                3 => time(one.from),
                4 => time(one.to),
                _ => Cell::Null,
            });
        }
    }
}

/// `coverage`: which times of which interface the flow logs cover.
pub static COVERAGE: Lives = Lives { name: "coverage", columns: &COVERED, fill: coverage };

const COVERED: [Column; 7] = [
    ("interface_id", Kind::Text),
    ("from_time", Kind::Time),
    ("to_time", Kind::Time),
    ("status", Kind::Text),
    ("records", Kind::Long),
    ("accepted", Kind::Long),
    ("groups_known", Kind::Bool),
];

fn coverage(world: &World, rows: &mut Rows) {
    let (knowledge, counted) = (world.knowledge(), world.counted());
    let mut row = |id: &str, span: Option<(i64, i64)>, status: &str, counts: (u64, u64)| {
        let known = knowledge.interfaces.get(id).is_some_and(|interface| !interface.groups.is_empty());
        let count = |count: u64| i64::try_from(count).ok();
        rows.push(|column| match column {
            0 => id.into(),
            1 => time(span.map(|(from, _)| from)),
            2 => time(span.map(|(_, to)| to)),
            3 => status.into(),
            4 => count(counts.0).into(),
            5 => count(counts.1).into(),
            6 => known.into(),
            _ => Cell::Null,
        });
    };
    for (id, covered) in &counted.coverage.0 {
        let counts = (covered.records, covered.accepted);
        covered.times.iter().for_each(|span| row(id, Some(span), "ok", counts));
        covered.skipped.iter().for_each(|span| row(id, Some(span), "skipdata", counts));
    }
    for id in knowledge.interfaces.keys().filter(|id| !counted.coverage.0.contains_key(*id)) {
        row(id, None, "none", (0, 0));
    }
}
