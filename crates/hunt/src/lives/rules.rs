//! The tables of rules.

use std::collections::HashMap;

use portcullis_domain::rule::{Permission, Protocol, Source, Transport};

use super::Lives;
use crate::flows::{Usage, keys};
use crate::know::judge::{Danger, Judged};
use crate::know::{By, Direction, RuleLife};
use crate::rows::{Cell, Kind, Rows, time};
use crate::world::World;

/// IANA's number; -1 is every protocol. `None`: a word that EC2 does not document.
fn number(protocol: &Protocol) -> Option<i64> {
    Some(match protocol {
        Protocol::All => -1,
        Protocol::Transport(Transport::Tcp) => 6,
        Protocol::Transport(Transport::Udp) => 17,
        Protocol::Icmp => 1,
        Protocol::Icmpv6 => 58,
        Protocol::Number(number) => i64::from(*number),
        Protocol::Unknown(_) => return None,
    })
}

/// Ports, and apart from them ICMP's type and code.
fn ports(permission: &Permission) -> ([Option<i64>; 2], [Option<i64>; 2]) {
    let both = [permission.traffic.from_port(), permission.traffic.to_port()];
    match permission.traffic.protocol() {
        Protocol::Icmp | Protocol::Icmpv6 => ([None; 2], both),
        Protocol::All | Protocol::Transport(_) | Protocol::Number(_) | Protocol::Unknown(_) => (both, [None; 2]),
    }
}

const fn kind(source: &Source) -> Option<&'static str> {
    match source {
        Source::Cidr(cidr) => Some(match cidr.family() {
            portcullis_domain::net::Family::V4 => "cidr4",
            portcullis_domain::net::Family::V6 => "cidr6",
        }),
        Source::PrefixList(_) => Some("prefix_list"),
        Source::Group(_) => Some("group"),
        Source::Unknown(_) => None,
    }
}

/// A table of rules: what is said of each rule stands between columns of its own.
macro_rules! table_of_rules {
    (
        $(#[$doc:meta])*
        $table:ident = $name:literal, of $fill:ident;
        $row:ident($life:ident, $group_name:ident, $($given:ident: $of:ty),+) {
            $($first:literal $first_kind:ident = $first_cell:expr,)+
            ..,
            $($last:literal $last_kind:ident = $last_cell:expr,)+
        }
    ) => {
        table! {
            $(#[$doc])*
            $table = $name, of $fill;
            $row($life: &RuleLife, $group_name: Option<&str>, $($given: $of),+) {
                $($first $first_kind = $first_cell,)+
                "rule_id" Text = (&$life.id).into(),
                "group_id" Text = (&$life.group).into(),
                "group_name" Text = $group_name.into(),
                "account_id" Text = (&$life.account).into(),
                "region" Text = (&$life.region).into(),
                "direction" Text = $life.direction.map(Direction::as_str).into(),
                "protocol" Int = number($life.permission.traffic.protocol()).into(),
                "from_port" Int = ports(&$life.permission).0[0].into(),
                "to_port" Int = ports(&$life.permission).0[1].into(),
                "icmp_type" Int = ports(&$life.permission).1[0].into(),
                "icmp_code" Int = ports(&$life.permission).1[1].into(),
                "source" Text = (&$life.permission.source.to_string()).into(),
                "source_kind" Text = kind(&$life.permission.source).into(),
                $($last $last_kind = $last_cell,)+
            }
        }
    };
}

table_of_rules! {
    /// `sg_rules`: each rule from one time to another. A modified rule has one row before and one after.
    SG_RULES = "sg_rules", of sg_rules;
    rule_row(life, group_name, n: usize, judged: Option<&Judged>) {
        "life" Long = n.into(),
        ..,
        "src_low" Text = (&keys(&life.permission.source).map(|(low, _)| low)).into(),
        "src_high" Text = (&keys(&life.permission.source).map(|(_, high)| high)).into(),
        "opened_at" Time = time(life.from),
        "opened_by" Text = (&life.opened.actor).into(),
        "opened_from" Text = (&life.opened.source_ip).into(),
        "opened_how" Text = life.opened_how.into(),
        "opened_event" Text = (&life.opened.event).into(),
        "closed_at" Time = time(life.to),
        "closed_by" Text = (&life.closed.actor).into(),
        "closed_how" Text = life.closed_how.into(),
        "closed_event" Text = (&life.closed.event).into(),
        "internet" Bool = judged.map_or(Cell::Null, |judged| judged.internet.contains(&n).into()),
        "guarded" Bool = judged.map_or(Cell::Null, |judged| judged.guarded.contains(&n).into()),
    }
}

fn sg_rules(world: &World, rows: &mut Rows) {
    let knowledge = world.knowledge();
    // To judge every group takes longer than all the rest.
    let is_judged = SG_RULES
        .columns
        .iter()
        .position(|(name, _)| *name == "internet")
        .is_some_and(|n| rows.wants(n) || rows.wants(n + 1));
    let judged = is_judged.then(|| world.judged());
    for (n, life) in knowledge.rules.iter().enumerate() {
        let is_before = |one: Option<i64>, other: Option<i64>| one.zip(other).is_some_and(|(one, other)| one < other);
        if is_before(life.to, world.window.from) || is_before(world.window.to, life.from) {
            continue;
        }
        let name = knowledge.groups.get(&life.group).and_then(|group| group.name.as_deref());
        rule_row(rows, life, name, n, judged.as_deref());
    }
}

/// One change of a rule.
struct Change<'a> {
    at: i64,
    kind: &'static str,
    by: &'a By,
    how: &'static str,
    /// What a modified rule was before.
    old: Option<&'a Permission>,
}

table_of_rules! {
    /// `rule_changes`: what was opened, modified and closed, with what a modified rule was before.
    RULE_CHANGES = "rule_changes", of rule_changes;
    change_row(life, group_name, change: &Change<'_>) {
        "event_time" Time = time(Some(change.at)),
        "event_id" Text = (&change.by.event).into(),
        "kind" Text = change.kind.into(),
        ..,
        "old_protocol" Int = change.old.and_then(|old| number(old.traffic.protocol())).into(),
        "old_from_port" Int = change.old.and_then(|old| ports(old).0[0]).into(),
        "old_to_port" Int = change.old.and_then(|old| ports(old).0[1]).into(),
        "old_source" Text = (&change.old.map(|old| old.source.to_string())).into(),
        "actor" Text = (&change.by.actor).into(),
        "source_ip" Text = (&change.by.source_ip).into(),
        "how" Text = change.how.into(),
    }
}

fn rule_changes(world: &World, rows: &mut Rows) {
    let knowledge = world.knowledge();
    // The lives of a rule are in order, also those of one second.
    let mut last_of: HashMap<&str, &RuleLife> = HashMap::new();
    for life in &knowledge.rules {
        let name = knowledge.groups.get(&life.group).and_then(|group| group.name.as_deref());
        let is_modified = life.opened_how == "modified";
        let before = last_of.insert(&life.id, life).filter(|before| is_modified && before.to == life.from);
        let old = before.map(|before| &before.permission);
        let begin = life.from.map(|at| Change {
            at,
            kind: if is_modified { "modify" } else { "open" },
            by: &life.opened,
            how: life.opened_how,
            old,
        });
        let end = life.to.zip(life.closed_how).filter(|(_, how)| *how != "modified");
        let end = end.map(|(at, how)| Change { at, kind: "close", by: &life.closed, how, old: None });
        for change in begin.into_iter().chain(end).filter(|change| world.window.is_in_time(Some(change.at))) {
            change_row(rows, life, name, &change);
        }
    }
}

table! {
    /// `dangerous_rules`: the guard's judgement of each rule when it was opened.
    DANGEROUS_RULES = "dangerous_rules", of dangerous_rules;
    danger_row(life: &RuleLife, danger: &Danger, with_rules: Option<&str>) {
        "event_time" Time = time(life.from),
        "event_id" Text = (&life.opened.event).into(),
        "account_id" Text = (&life.account).into(),
        "region" Text = (&life.region).into(),
        "group_id" Text = (&life.group).into(),
        "rule_id" Text = (&life.id).into(),
        "verdict" Text = danger.verdict.into(),
        "guard" Text = (&danger.guard).into(),
        "transport" Text = (&danger.transport).into(),
        "from_port" Int = danger.from_port.into(),
        "to_port" Int = danger.to_port.into(),
        "family" Text = (&danger.family).into(),
        "source" Text = (&life.permission.source.to_string()).into(),
        "with_rules" Text = with_rules.into(),
        "actor" Text = (&life.opened.actor).into(),
        "source_ip" Text = (&life.opened.source_ip).into(),
        "closed_at" Time = time(life.to),
    }
}

fn dangerous_rules(world: &World, rows: &mut Rows) {
    let (knowledge, judged) = (world.knowledge(), world.judged());
    for danger in &judged.dangers {
        let Some(life) = knowledge.rules.get(danger.life) else { continue };
        if !world.window.is_in_time(life.from) {
            continue;
        }
        let others: Vec<&str> = danger.rules.iter().map(String::as_str).filter(|id| *id != life.id).collect();
        let others = (!others.is_empty()).then(|| others.join(" ")).or_else(|| danger.reason.clone());
        danger_row(rows, life, danger, others.as_deref());
    }
}

table! {
    /// `rule_use`: whether each ingress rule was used.
    RULE_USE = "rule_use", of rule_use;
    use_row(usage: &Usage) {
        "life" Long = usage.life.into(),
        "answer" Text = usage.answer.as_str().into(),
        "reason" Text = (&usage.reason).into(),
        "certain" Long = usage.count.certain.into(),
        "perhaps" Long = usage.count.perhaps.into(),
        "first_used" Time = time(usage.count.span.map(|(first, _)| first)),
        "last_used" Time = time(usage.count.span.map(|(_, last)| last)),
        "since" Time = time(usage.since),
        "until" Time = time(usage.until),
    }
}

fn rule_use(world: &World, rows: &mut Rows) {
    world.usage().iter().for_each(|usage| use_row(rows, usage));
}
