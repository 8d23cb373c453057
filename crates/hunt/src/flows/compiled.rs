//! What is known, in the form in which millions of records are held against it.

use std::net::IpAddr;

use datafusion::common::HashMap;
use portcullis_domain::ids::PrefixListId;
use portcullis_domain::net::{Cidr, Family};
use portcullis_domain::rule::{Protocol, Source, Transport};

use crate::know::{Direction, Interface, Knowledge, RuleLife};

/// An address as a number that is the same for an IPv4 address and its IPv4-mapped IPv6 address.
#[must_use]
pub(super) fn key(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// The key as 32 hexadecimal digits, which sort like the numbers.
#[must_use]
pub(super) fn hex(key: u128) -> String {
    format!("{key:032x}")
}

/// The first and last key of a source's addresses.
#[must_use]
pub(super) fn range(source: &Source) -> Option<(u128, u128)> {
    let Source::Cidr(cidr) = source else { return None };
    Some(of_block(cidr))
}

fn of_block(block: &Cidr) -> (u128, u128) {
    let (low, high) = block.range();
    let mapped =
        |address: u128| u32::try_from(address).map_or(address, |v4| key(IpAddr::from(std::net::Ipv4Addr::from(v4))));
    match block.family() {
        Family::V4 => (mapped(low), mapped(high)),
        Family::V6 => (low, high),
    }
}

fn list(knowledge: &Knowledge, id: &PrefixListId) -> Sources {
    let Some(list) = knowledge.lists.get(id) else { return Sources::Unknown };
    let covered = knowledge.list_span(list);
    let contents = list.contents.iter().map(|one| {
        let ranges = one.entries.iter().map(of_block).collect();
        (Span::new(one.from, one.to, covered), ranges)
    });
    Sources::List(contents.collect())
}

/// A time from one second to another, with what is certain of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// At the earliest.
    pub(super) from: i64,
    /// At the latest.
    pub(super) to: i64,
    /// From here on for certain.
    pub(super) sure_from: i64,
    /// Up to here for certain.
    pub(super) sure_to: i64,
}

/// The times in a flow log may be off by this many seconds (Amazon VPC User Guide, "Flow log records", `start`).
pub(super) const OFF: i64 = 60;

impl Span {
    fn new(from: Option<i64>, to: Option<i64>, covered: Option<(i64, i64)>) -> Self {
        // Nothing is certain where no record reaches.
        let (first, last) = covered.unwrap_or((i64::MAX, i64::MIN));
        Self {
            from: from.map_or(i64::MIN, |from| from.saturating_sub(OFF)),
            to: to.map_or(i64::MAX, |to| to.saturating_add(OFF)),
            sure_from: from.unwrap_or(first),
            sure_to: to.unwrap_or(last),
        }
    }

    pub(super) const fn may_touch(&self, start: i64, end: i64) -> bool {
        start <= self.to && end >= self.from
    }

    /// Whether it is certain for all of a time.
    pub(super) const fn holds(&self, start: i64, end: i64) -> bool {
        start >= self.sure_from && end <= self.sure_to
    }

    pub(super) const fn touches(&self, start: i64, end: i64) -> bool {
        start <= self.sure_to && end >= self.sure_from
    }
}

#[derive(Debug)]
pub(super) enum Sources {
    Range(u128, u128),
    Group(usize),
    /// What a prefix list held, and when.
    List(Vec<(Span, Vec<(u128, u128)>)>),
    /// What this version does not know.
    Unknown,
}

#[derive(Debug)]
pub(super) enum Ports {
    All,
    Range(u16, u16),
    /// ICMP's types, or ports that cannot be read: a record does not say enough.
    Unknown,
}

#[derive(Debug)]
pub(super) struct CompiledRule {
    pub(super) life: usize,
    pub(super) span: Span,
    pub(super) closed: Option<i64>,
    /// IANA's number. `None`: every protocol.
    pub(super) protocol: Option<u8>,
    pub(super) protocol_is_known: bool,
    pub(super) ports: Ports,
    pub(super) sources: Sources,
    /// Whether it is an ingress rule for certain.
    pub(super) is_ingress: bool,
}

#[derive(Debug, Default)]
pub(super) struct CompiledGroup {
    pub(super) rules: Vec<CompiledRule>,
    /// Its rules are all known from here on. `i64::MAX`: never.
    pub(super) known_from: i64,
}

#[derive(Debug)]
pub(super) struct CompiledInterface {
    pub(super) addresses: Vec<IpAddr>,
    /// Its groups by number, in order.
    pub(super) memberships: Vec<(Span, Vec<usize>)>,
    pub(super) instances: Vec<AtInstance>,
}

/// An instance that an interface was at.
#[derive(Debug)]
pub(super) struct AtInstance {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
}

#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) groups: Vec<CompiledGroup>,
    pub(super) interfaces: HashMap<String, CompiledInterface>,
    pub(super) by_address: HashMap<IpAddr, Vec<String>>,
}

pub(super) fn compile(knowledge: &Knowledge) -> Compiled {
    let mut compiled = Compiled::default();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let names = knowledge.groups.keys().chain(knowledge.rules.iter().map(|life| &life.group));
    let members = knowledge.interfaces.values().flat_map(|one| &one.groups).flat_map(|one| &one.groups);
    let referred = knowledge.rules.iter().filter_map(|life| match &life.permission.source {
        Source::Group(group) => Some(group),
        Source::Cidr(_) | Source::PrefixList(_) | Source::Unknown(_) => None,
    });
    for name in names.chain(members).chain(referred) {
        let next = numbers.len();
        numbers.entry(name).or_insert(next);
    }
    for (name, n) in &numbers {
        let known_from = match knowledge.groups.get(*name) {
            Some(group) if group.created.is_some() || group.in_snapshot => group.unknown_before.unwrap_or(i64::MIN),
            _ => i64::MAX,
        };
        let group = CompiledGroup { rules: Vec::new(), known_from };
        if compiled.groups.len() <= *n {
            compiled.groups.resize_with(n + 1, CompiledGroup::default);
        }
        if let Some(place) = compiled.groups.get_mut(*n) {
            *place = group;
        }
    }
    for (n, life) in knowledge.rules.iter().enumerate() {
        let group = numbers.get(life.group.as_str()).and_then(|n| compiled.groups.get_mut(*n));
        if let (Some(group), true) = (group, life.direction != Some(Direction::Egress)) {
            let covered = knowledge.span(life.account.as_deref(), life.region.as_deref());
            group.rules.push(rule(n, life, covered, (&numbers, knowledge)));
        }
    }
    for (id, interface) in &knowledge.interfaces {
        for address in &interface.addresses {
            compiled.by_address.entry(*address).or_default().push(id.clone());
        }
        compiled.interfaces.insert(id.clone(), compiled_interface(knowledge, interface, &numbers));
    }
    compiled
}

fn compiled_interface(
    knowledge: &Knowledge,
    interface: &Interface,
    numbers: &HashMap<&str, usize>,
) -> CompiledInterface {
    let covered = knowledge.span(interface.account.as_deref(), interface.region.as_deref());
    let memberships = interface.groups.iter().map(|one| {
        let groups = one.groups.iter().filter_map(|group| numbers.get(group.as_str()).copied());
        let mut groups: Vec<usize> = groups.collect();
        groups.sort_unstable();
        (Span::new(one.from, one.to, covered), groups)
    });
    let instances = interface.attachments.iter().map(|one| {
        let name = knowledge.instances.get(&one.instance).and_then(|instance| instance.name.clone());
        AtInstance { id: one.instance.clone(), name, from: one.from, to: one.to }
    });
    CompiledInterface {
        addresses: interface.addresses.iter().copied().collect(),
        memberships: memberships.collect(),
        instances: instances.collect(),
    }
}

fn rule(
    n: usize,
    life: &RuleLife,
    covered: Option<(i64, i64)>,
    (numbers, knowledge): (&HashMap<&str, usize>, &Knowledge),
) -> CompiledRule {
    let traffic = &life.permission.traffic;
    let port = |port: Option<i64>| port.and_then(|port| u16::try_from(port).ok());
    let (protocol, protocol_is_known, ports) = match traffic.protocol() {
        Protocol::All => (None, true, Ports::All),
        Protocol::Transport(transport) => {
            let number = if *transport == Transport::Tcp { 6 } else { 17 };
            let ports = match (port(traffic.from_port()), port(traffic.to_port())) {
                (Some(from), Some(to)) => Ports::Range(from, to),
                _ => Ports::Unknown,
            };
            (Some(number), true, ports)
        }
        Protocol::Icmp => (Some(1), true, Ports::Unknown),
        Protocol::Icmpv6 => (Some(58), true, Ports::Unknown),
        Protocol::Number(number) => (Some(*number), true, Ports::All),
        Protocol::Unknown(_) => (None, false, Ports::Unknown),
    };
    let sources = match &life.permission.source {
        source @ Source::Cidr(_) => range(source).map_or(Sources::Unknown, |(low, high)| Sources::Range(low, high)),
        Source::Group(group) => numbers.get(group.as_str()).map_or(Sources::Unknown, |n| Sources::Group(*n)),
        Source::PrefixList(id) => list(knowledge, id),
        Source::Unknown(_) => Sources::Unknown,
    };
    CompiledRule {
        life: n,
        span: Span::new(life.from, life.to, covered),
        closed: life.to,
        protocol,
        protocol_is_known,
        ports,
        sources,
        is_ingress: life.direction == Some(Direction::Ingress),
    }
}
