//! The tables of rules.

use portcullis_domain::rule::{Permission, Protocol, Source, Transport};

use super::Lives;
use crate::flows::keys;
use crate::know::{Direction, RuleLife};
use crate::rows::{Cell, Column, Kind, Rows, time};
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

/// `sg_rules`: each rule from one time to another. A modified rule has one row before and one after.
pub static SG_RULES: Lives = Lives { name: "sg_rules", columns: &RULES, fill: sg_rules };

const RULES: [Column; 27] = [
    ("life", Kind::Long),
    ("rule_id", Kind::Text),
    ("group_id", Kind::Text),
    ("group_name", Kind::Text),
    ("account_id", Kind::Text),
    ("region", Kind::Text),
    ("direction", Kind::Text),
    ("protocol", Kind::Int),
    ("from_port", Kind::Int),
    ("to_port", Kind::Int),
    ("icmp_type", Kind::Int),
    ("icmp_code", Kind::Int),
    ("source", Kind::Text),
    ("source_kind", Kind::Text),
    ("src_low", Kind::Text),
    ("src_high", Kind::Text),
    ("opened_at", Kind::Time),
    ("opened_by", Kind::Text),
    ("opened_from", Kind::Text),
    ("opened_how", Kind::Text),
    ("opened_event", Kind::Text),
    ("closed_at", Kind::Time),
    ("closed_by", Kind::Text),
    ("closed_how", Kind::Text),
    ("closed_event", Kind::Text),
    ("internet", Kind::Bool),
    ("guarded", Kind::Bool),
];

fn sg_rules(world: &World, rows: &mut Rows) {
    let (knowledge, judged) = (world.knowledge(), world.judged());
    for (n, life) in knowledge.rules.iter().enumerate() {
        let is_before = |one: Option<i64>, other: Option<i64>| one.zip(other).is_some_and(|(one, other)| one < other);
        if is_before(life.to, world.window.from) || is_before(world.window.to, life.from) {
            continue;
        }
        let ([from, to], [icmp_type, icmp_code]) = ports(&life.permission);
        let source = life.permission.source.to_string();
        let (low, high) = keys(&life.permission.source).unzip();
        let name = knowledge.groups.get(&life.group).and_then(|group| group.name.as_deref());
        rows.push(|column| match column {
            0 => i64::try_from(n).ok().into(),
            1 => life.id.as_str().into(),
            2 => life.group.as_str().into(),
            3 => name.into(),
            4 => (&life.account).into(),
            5 => (&life.region).into(),
            6 => life.direction.map(Direction::as_str).into(),
            7 => number(life.permission.traffic.protocol()).into(),
            8 => from.into(),
            9 => to.into(),
            10 => icmp_type.into(),
            11 => icmp_code.into(),
            12 => source.as_str().into(),
            13 => kind(&life.permission.source).into(),
            14 => (&low).into(),
            15 => (&high).into(),
            16 => time(life.from),
            17 => (&life.opened.actor).into(),
            18 => (&life.opened.source_ip).into(),
            19 => life.opened_how.into(),
            20 => (&life.opened.event).into(),
            21 => time(life.to),
            22 => (&life.closed.actor).into(),
            23 => life.closed_how.into(),
            24 => (&life.closed.event).into(),
            25 => judged.internet.contains(&n).into(),
            26 => judged.guarded.contains(&n).into(),
            _ => Cell::Null,
        });
    }
}

/// `rule_changes`: what was opened, modified and closed, with what a modified rule was before.
pub static RULE_CHANGES: Lives = Lives { name: "rule_changes", columns: &CHANGES, fill: rule_changes };

const CHANGES: [Column; 21] = [
    ("event_time", Kind::Time),
    ("event_id", Kind::Text),
    ("kind", Kind::Text),
    ("rule_id", Kind::Text),
    ("group_id", Kind::Text),
    ("group_name", Kind::Text),
    ("account_id", Kind::Text),
    ("region", Kind::Text),
    ("direction", Kind::Text),
    ("protocol", Kind::Int),
    ("from_port", Kind::Int),
    ("to_port", Kind::Int),
    ("source", Kind::Text),
    ("source_kind", Kind::Text),
    ("old_protocol", Kind::Int),
    ("old_from_port", Kind::Int),
    ("old_to_port", Kind::Int),
    ("old_source", Kind::Text),
    ("actor", Kind::Text),
    ("source_ip", Kind::Text),
    ("how", Kind::Text),
];

fn rule_changes(world: &World, rows: &mut Rows) {
    let knowledge = world.knowledge();
    for life in &knowledge.rules {
        let name = knowledge.groups.get(&life.group).and_then(|group| group.name.as_deref());
        let is_modified = life.opened_how == "modified";
        let before =
            |other: &&RuleLife| is_modified && other.id == life.id && other.to == life.from && other.from != life.from;
        let old = knowledge.rules.iter().find(before).map(|old| &old.permission);
        let begin =
            life.from.map(|at| (at, if is_modified { "modify" } else { "open" }, &life.opened, life.opened_how));
        let end = life.to.zip(life.closed_how).filter(|(_, how)| *how != "modified");
        let end = end.map(|(at, how)| (at, "close", &life.closed, how));
        let ([from, to], _) = ports(&life.permission);
        let source = life.permission.source.to_string();
        let old_ports = old.map(|old| ports(old).0);
        let old_source = old.map(|old| old.source.to_string());
        for (at, kind_of_change, by, how) in begin.into_iter().chain(end) {
            if !world.window.is_in_time(Some(at)) {
                continue;
            }
            let was = |cell| if kind_of_change == "modify" { cell } else { Cell::Null };
            rows.push(|column| match column {
                0 => Cell::Time(at),
                1 => (&by.event).into(),
                2 => kind_of_change.into(),
                3 => life.id.as_str().into(),
                4 => life.group.as_str().into(),
                5 => name.into(),
                6 => (&life.account).into(),
                7 => (&life.region).into(),
                8 => life.direction.map(Direction::as_str).into(),
                9 => number(life.permission.traffic.protocol()).into(),
                10 => from.into(),
                11 => to.into(),
                12 => source.as_str().into(),
                13 => kind(&life.permission.source).into(),
                14 => was(old.and_then(|old| number(old.traffic.protocol())).into()),
                15 => was(old_ports.and_then(|[from, _]| from).into()),
                16 => was(old_ports.and_then(|[_, to]| to).into()),
                17 => was((&old_source).into()),
                18 => (&by.actor).into(),
                19 => (&by.source_ip).into(),
                20 => how.into(),
                _ => Cell::Null,
            });
        }
    }
}

/// `dangerous_rules`: the guard's judgement of each rule when it was opened.
pub static DANGEROUS_RULES: Lives = Lives { name: "dangerous_rules", columns: &DANGERS, fill: dangerous_rules };

const DANGERS: [Column; 17] = [
    ("event_time", Kind::Time),
    ("event_id", Kind::Text),
    ("account_id", Kind::Text),
    ("region", Kind::Text),
    ("group_id", Kind::Text),
    ("rule_id", Kind::Text),
    ("verdict", Kind::Text),
    ("guard", Kind::Text),
    ("transport", Kind::Text),
    ("from_port", Kind::Int),
    ("to_port", Kind::Int),
    ("family", Kind::Text),
    ("source", Kind::Text),
    ("with_rules", Kind::Text),
    ("actor", Kind::Text),
    ("source_ip", Kind::Text),
    ("closed_at", Kind::Time),
];

fn dangerous_rules(world: &World, rows: &mut Rows) {
    let (knowledge, judged) = (world.knowledge(), world.judged());
    for danger in &judged.dangers {
        let Some(life) = knowledge.rules.get(danger.life) else { continue };
        if !world.window.is_in_time(life.from) {
            continue;
        }
        let source = life.permission.source.to_string();
        let others: Vec<&str> = danger.rules.iter().map(String::as_str).filter(|id| *id != life.id).collect();
        let others = (!others.is_empty()).then(|| others.join(" ")).or_else(|| danger.reason.clone());
        rows.push(|column| match column {
            0 => time(life.from),
            1 => (&life.opened.event).into(),
            2 => (&life.account).into(),
            3 => (&life.region).into(),
            4 => life.group.as_str().into(),
            5 => life.id.as_str().into(),
            6 => danger.verdict.into(),
            7 => (&danger.guard).into(),
            8 => (&danger.transport).into(),
            9 => danger.from_port.into(),
            10 => danger.to_port.into(),
            11 => (&danger.family).into(),
            12 => source.as_str().into(),
            13 => (&others).into(),
            14 => (&life.opened.actor).into(),
            15 => (&life.opened.source_ip).into(),
            16 => time(life.to),
            _ => Cell::Null,
        });
    }
}

/// `rule_use`: whether each ingress rule was used.
pub static RULE_USE: Lives = Lives { name: "rule_use", columns: &USES, fill: rule_use };

const USES: [Column; 9] = [
    ("life", Kind::Long),
    ("answer", Kind::Text),
    ("reason", Kind::Text),
    ("certain", Kind::Long),
    ("perhaps", Kind::Long),
    ("first_used", Kind::Time),
    ("last_used", Kind::Time),
    ("since", Kind::Time),
    ("until", Kind::Time),
];

fn rule_use(world: &World, rows: &mut Rows) {
    let count = |count: u64| i64::try_from(count).ok();
    for usage in world.usage() {
        rows.push(|column| match column {
            0 => i64::try_from(usage.life).ok().into(),
            1 => usage.answer.as_str().into(),
            2 => (&usage.reason).into(),
            3 => count(usage.count.certain).into(),
            4 => count(usage.count.perhaps).into(),
            5 => time(usage.count.span.map(|(first, _)| first)),
            6 => time(usage.count.span.map(|(_, last)| last)),
            7 => time(usage.since),
            8 => time(usage.until),
            _ => Cell::Null,
        });
    }
}
