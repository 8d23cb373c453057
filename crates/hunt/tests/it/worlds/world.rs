//! One world.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::made::{
    Line, MIDNIGHT, Version, call, close, create_group, create_interface, groups, nodata, open, set_groups,
};

/// What is true of a rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Truth {
    /// Connections from outside that it admitted when they began.
    pub(super) admitted: u64,
    /// Those that no other rule admitted.
    pub(super) alone: u64,
    /// Accepted records that look as if it could have admitted them: of connections that others let in.
    pub(super) like: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) group: String,
    pub(super) ports: (u16, u16),
    pub(super) source: String,
    pub(super) from: i64,
    pub(super) to: i64,
}

pub(super) struct Made {
    pub(super) version: Version,
    pub(super) records: Vec<Value>,
    pub(super) lines: Vec<String>,
    pub(super) truth: BTreeMap<String, Truth>,
    pub(super) rules: Vec<Rule>,
    /// Interface, address, and its groups from one time to another.
    pub(super) members: Vec<(String, i64, i64, Vec<String>)>,
    /// Whether the records and logs lack nothing, and no two things happen close to each other.
    pub(super) is_complete: bool,
}

const BLOCKS: [&str; 5] = ["0.0.0.0/0", "198.51.100.0/24", "203.0.113.0/24", "198.51.100.128/25", "203.0.113.7/32"];
const SOURCES: [&str; 5] = ["198.51.100.5", "198.51.100.200", "203.0.113.7", "203.0.113.99", "192.0.2.1"];
const PORTS: [(u16, u16); 5] = [(22, 22), (20, 30), (443, 443), (0, 65535), (3389, 3389)];
const TRIED: [u16; 4] = [22, 25, 443, 3389];
const HOURS: i64 = 4;
const END: i64 = MIDNIGHT + HOURS * 3600;
/// Things happen this far apart where nothing is to be close.
const SLOT: i64 = 600;

fn slot(random: &mut Rng, is_complete: bool) -> i64 {
    if is_complete { random.i64(2..HOURS * 6 - 3) * SLOT } else { random.i64(600..HOURS * 3600 - 1800) }
}

pub(super) fn make(seed: u64) -> Made {
    let mut random = Rng::with_seed(seed);
    let version = [Version::Two, Version::Three, Version::Five][random.usize(0..3)];
    let is_complete = random.u8(0..10) < 6;
    let mut made = Made {
        version,
        records: Vec::new(),
        lines: Vec::new(),
        truth: BTreeMap::new(),
        rules: Vec::new(),
        members: Vec::new(),
        is_complete,
    };
    let names: Vec<String> = (0..random.usize(1..4)).map(|n| format!("sg-{n}")).collect();
    let mut created = Vec::new();
    for (name, n) in names.iter().zip(0..) {
        // A group without a record of its creation is older than the records.
        if is_complete || random.bool() {
            made.records.push(create_group(MIDNIGHT + n, name));
            created.push(name.clone());
        }
    }
    let of = |random: &mut Rng| {
        let mut some: Vec<&str> = names.iter().filter(|_| random.bool()).map(String::as_str).collect();
        if some.is_empty() {
            some.push(&names[0]);
        }
        some
    };
    let interfaces = random.usize(1..3);
    for n in 0..interfaces {
        let (id, address, created) = (format!("eni-{n}"), format!("10.0.0.{}", n + 1), MIDNIGHT + 10 + n as i64);
        let first = of(&mut random);
        if is_complete || random.u8(0..4) > 0 {
            made.records.push(create_interface(created, &id, &address, &first));
        }
        let owned = |groups: &[&str]| groups.iter().map(|group| (*group).to_owned()).collect::<Vec<_>>();
        if random.bool() {
            let (changed, second) = (MIDNIGHT + slot(&mut random, is_complete), of(&mut random));
            made.records.push(set_groups(changed, &id, &second));
            let _ = groups(&second);
            made.members.push((id.clone(), created, changed, owned(&first)));
            made.members.push((id, changed, END, owned(&second)));
        } else {
            made.members.push((id, created, END, owned(&first)));
        }
    }
    for n in 0..random.usize(1..6) {
        let group = &names[random.usize(0..names.len())];
        let (id, ports, source) = (format!("sgr-{n}"), PORTS[random.usize(0..5)], BLOCKS[random.usize(0..5)]);
        let from = MIDNIGHT + if random.bool() { 30 + n as i64 } else { slot(&mut random, is_complete) + n as i64 };
        let to = from + random.i64(2..8) * SLOT;
        // What is not recorded is older than the records. Records that are missing in between nobody can see.
        let is_recorded = is_complete || random.u8(0..4) > 0 || created.contains(group);
        if is_recorded {
            made.records.push(open(from, group, &id, ports, source));
            made.truth.insert(id.clone(), Truth::default());
        }
        let ends = to < END - 1200 && random.bool();
        if ends && is_recorded {
            made.records.push(close(to, group, &id));
        }
        let to = if ends { to } else { END };
        made.rules.push(Rule { id, group: group.clone(), ports, source: source.to_owned(), from, to });
    }
    made.records.push(call(END, "DescribeInstances", json!({}), json!(null)));
    let has_gap = !is_complete && random.bool();
    for n in 0..interfaces {
        let (id, first) = (format!("eni-{n}"), random.i64(10..HOURS * 60 - 40));
        for minute in 0..HOURS * 60 {
            let start = MIDNIGHT + minute * 60;
            if has_gap && (first..first + 30).contains(&minute) {
                continue;
            }
            // The first packet's and the last one's times lie within the window.
            made.lines.push(nodata(version, &id, start, start + 60, "NODATA"));
        }
        // A log without any accepted traffic may be one for rejected traffic only.
        let own = Line {
            ingress: false,
            ..Line::new(&id, (&format!("10.0.0.{}", n + 1), 50000), ("192.0.2.9", 80), MIDNIGHT + 60)
        };
        made.lines.push(own.text(version));
    }
    for n in 0..random.u16(5..40) {
        connect(&mut made, &mut random, n);
    }
    random.shuffle(&mut made.lines);
    made
}

fn connect(made: &mut Made, random: &mut Rng, n: u16) {
    let interface = random.usize(0..made.members.len());
    let id = made.members[interface].0.clone();
    let address = format!("10.0.0.{}", id[4..].parse::<usize>().unwrap() + 1);
    let (src, port) = (SOURCES[random.usize(0..5)], TRIED[random.usize(0..4)]);
    let start = MIDNIGHT + slot(random, made.is_complete) + if made.is_complete { 300 } else { 0 };
    let version = made.version;
    if random.u8(0..5) == 0 {
        // The instance itself calls a service; the answers are accepted without any rule.
        let remote = (src.to_owned(), 443);
        let line = Line { flags: 2, ingress: false, ..Line::new(&id, (&address, 45000 + n), (&remote.0, 443), start) };
        let answer = Line { flags: 18, ..Line::new(&id, (&remote.0, 443), (&address, 45000 + n), start) };
        made.lines.extend([line.text(version), answer.text(version)]);
        like(made, &answer);
        return;
    }
    let first = Line::new(&id, (src, 40000 + n), (&address, port), start);
    let admits: Vec<String> = made
        .rules
        .iter()
        .filter(|rule| {
            let has = made.members.iter().any(|(interface, from, to, groups)| {
                *interface == id && *from <= start && start < *to && groups.contains(&rule.group)
            });
            has && rule.from <= start
                && start < rule.to
                && (rule.ports.0..=rule.ports.1).contains(&port)
                && contains(&rule.source, src)
        })
        .map(|rule| rule.id.clone())
        .collect();
    if admits.is_empty() {
        made.lines.push(Line { accepted: false, ..first }.text(version));
        return;
    }
    for id in &admits {
        if let Some(truth) = made.truth.get_mut(id) {
            truth.admitted += 1;
            truth.alone += u64::from(admits.len() == 1);
        }
    }
    // Some connections go on for long, also when the rule is gone.
    let minutes = if random.u8(0..4) == 0 { random.i64(2..40) } else { 1 };
    for minute in 0..minutes {
        let start = start + minute * 60;
        if start > END - 120 {
            break;
        }
        let flags = if minute == 0 { 2 } else { 0 };
        let line = Line { flags, start, end: start + 50, ..first.clone() };
        made.lines.push(line.text(version));
        like(made, &line);
        let back = Line {
            flags: if minute == 0 { 18 } else { 0 },
            ingress: false,
            start,
            end: start + 50,
            ..Line::new(&first.interface, (&address, port), (src, 40000 + n), start)
        };
        made.lines.push(back.text(version));
    }
}

/// Counts an accepted record for every rule that it looks like, the times widened by a minute.
fn like(made: &mut Made, line: &Line) {
    let is_answer = line.flags == 18 && made.version != Version::Two;
    if is_answer {
        return;
    }
    for id in super::naive::alike(made, line) {
        if let Some(truth) = made.truth.get_mut(&id) {
            truth.like += 1;
        }
    }
}

pub(super) fn contains(block: &str, address: &str) -> bool {
    let block: ipnet::IpNet = block.parse().unwrap();
    block.contains(&address.parse::<std::net::IpAddr>().unwrap())
}
