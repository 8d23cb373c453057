//! Which rules may have let a record's traffic pass.
//!
//! A security group remembers connections: an answer passes without any rule, and a connection that a rule let in goes on
//! when the rule is gone. So only a record that shows the beginning of a connection from outside can be told to a rule for
//! certain, and only if exactly one rule can have admitted it. Everything else is "perhaps".

use std::collections::BTreeSet;
use std::net::IpAddr;

use portcullis_delivery::flowlog::{Field, Flow, Row};

use super::compiled::{Compiled, CompiledInterface, CompiledRule, OFF, Ports, Sources, compile, key};
use crate::know::Knowledge;

/// Which way a record's traffic went, as seen from the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the interface.
    Ingress,
    /// From it.
    Egress,
    /// The record does not say, and the interface's addresses are not known.
    Unknown,
}

/// Who began the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initiator {
    /// The other side.
    Remote,
    /// The interface's side.
    Local,
    /// The record does not show the beginning, or has no TCP flags.
    Unknown,
}

impl Way {
    /// The word for it. Not known is no word.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Ingress => Some("ingress"),
            Self::Egress => Some("egress"),
            Self::Unknown => None,
        }
    }
}

impl Initiator {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Local => "local",
            Self::Unknown => "unknown",
        }
    }
}

/// What a record may be due to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// Which way.
    pub way: Way,
    /// Who began.
    pub initiator: Initiator,
    /// The lives of the rules that can have admitted it, by index.
    pub candidates: Vec<usize>,
    /// The lives of rules that would have admitted it, and were closed before.
    pub closed: Vec<usize>,
    /// Why it is not certain that the only candidate admitted it. `None`: it is certain.
    pub doubt: Option<&'static str>,
    /// Whether the interface's groups are known at the time.
    pub groups_are_known: bool,
}

impl Default for Attribution {
    fn default() -> Self {
        Self {
            way: Way::Unknown,
            initiator: Initiator::Unknown,
            candidates: Vec::new(),
            closed: Vec::new(),
            doubt: None,
            groups_are_known: false,
        }
    }
}

impl Attribution {
    fn begin(&mut self, way: Way, initiator: Initiator) {
        self.candidates.clear();
        self.closed.clear();
        (self.way, self.initiator, self.doubt, self.groups_are_known) = (way, initiator, None, false);
    }

    /// The first doubt stays.
    fn doubt_unless(&mut self, is_sure: bool, why: &'static str) {
        if !is_sure {
            self.doubt = self.doubt.or(Some(why));
        }
    }
}

const UNSURE_GROUPS: &str = "the groups of the interface are not known for certain at that time";

/// Which way a record itself says that its traffic went.
fn said(flow: &Flow<'_>) -> Option<Way> {
    match flow.raw(Field::FlowDirection) {
        b"ingress" => Some(Way::Ingress),
        b"egress" => Some(Way::Egress),
        _ => None,
    }
}

/// Which way a record's traffic went, by the addresses of its interface.
fn seen_from(interface: Option<&CompiledInterface>, flow: &Flow<'_>) -> Way {
    let is_own = |address: Option<IpAddr>| {
        address.is_some_and(|address| interface.is_some_and(|own| own.addresses.contains(&address)))
    };
    match (is_own(flow.src), is_own(flow.dst)) {
        (false, true) => Way::Ingress,
        (true, false) => Way::Egress,
        _ => Way::Unknown,
    }
}

/// A record, and from where its traffic came, each address with its key.
struct Sides<'f, 'a> {
    flow: &'f Flow<'a>,
    /// The packet's own source: a load balancer or a NAT gateway can stand between.
    packet: Option<(IpAddr, u128)>,
    record: Option<(IpAddr, u128)>,
    is_one: bool,
}

impl<'f, 'a> Sides<'f, 'a> {
    fn of(flow: &'f Flow<'a>) -> Self {
        let with_key = |address: IpAddr| (address, key(address));
        let record = flow.src.map(with_key);
        let packet = flow.text(Field::PktSrcAddr).and_then(|text| text.parse().ok()).map(with_key);
        Self { flow, packet: packet.or(record), record, is_one: packet.is_none_or(|packet| record == Some(packet)) }
    }
}

/// Holds records against what is known.
#[derive(Debug)]
pub struct Attributor {
    compiled: Compiled,
}

impl Attributor {
    /// With what is known.
    #[must_use]
    pub fn new(knowledge: &Knowledge) -> Self {
        Self { compiled: compile(knowledge) }
    }

    fn interface(&self, flow: &Flow<'_>) -> Option<&CompiledInterface> {
        self.named(flow.text(Field::InterfaceId)?)
    }

    /// What is known of an interface.
    pub(super) fn named(&self, interface: &str) -> Option<&CompiledInterface> {
        self.compiled.interfaces.get(interface)
    }

    /// Which way a record's traffic went.
    #[must_use]
    pub fn way(&self, flow: &Flow<'_>) -> Way {
        said(flow).unwrap_or_else(|| seen_from(self.interface(flow), flow))
    }

    /// Who began the connection of a TCP record (User Guide, "Flow log records", `tcp-flags`): a SYN alone is the first
    /// packet of it, a SYN-ACK the first answer. A record of the middle has neither.
    #[must_use]
    pub fn initiator(way: Way, flow: &Flow<'_>) -> Initiator {
        const SYN: u16 = 2;
        const SYN_ACK: u16 = 18;
        let Some(flags) = flow.tcp_flags.filter(|_| flow.protocol == Some(6)) else { return Initiator::Unknown };
        let (begins, answers) = (flags & SYN_ACK == SYN, flags & SYN_ACK == SYN_ACK);
        match way {
            Way::Ingress if begins => Initiator::Remote,
            Way::Ingress if answers => Initiator::Local,
            Way::Egress if begins => Initiator::Local,
            Way::Egress if answers => Initiator::Remote,
            _ => Initiator::Unknown,
        }
    }

    /// The instance that the interface was at, and its name.
    #[must_use]
    pub fn instance(&self, flow: &Flow<'_>) -> Option<(&str, Option<&str>)> {
        let interface = self.interface(flow)?;
        let at = |from: Option<i64>, to: Option<i64>| {
            from.is_none_or(|from| flow.end >= from - OFF) && to.is_none_or(|to| flow.start <= to + OFF)
        };
        let found = interface.instances.iter().find(|one| at(one.from, one.to))?;
        Some((&found.id, found.name.as_deref()))
    }

    /// What a record that was accepted may be due to. `None`: it is no accepted traffic, or it went out.
    #[must_use]
    pub fn attribute(&self, flow: &Flow<'_>) -> Option<Attribution> {
        let mut due = Attribution::default();
        self.attribute_to(flow, self.interface(flow), &mut due).then_some(due)
    }

    /// The same with what is known of the record's interface, into a place that is used again for the next record. `false`: there
    /// is nothing in it.
    pub(super) fn attribute_to(
        &self,
        flow: &Flow<'_>,
        interface: Option<&CompiledInterface>,
        due: &mut Attribution,
    ) -> bool {
        if flow.row != Row::Traffic || flow.accepted() != Some(true) {
            return false;
        }
        let way = said(flow).unwrap_or_else(|| seen_from(interface, flow));
        let initiator = Self::initiator(way, flow);
        if way == Way::Egress || initiator == Initiator::Local {
            return false;
        }
        due.begin(way, initiator);
        due.doubt = match (way, initiator) {
            (Way::Unknown, _) => Some("the direction is not known"),
            (_, Initiator::Unknown) if flow.protocol != Some(6) => Some("only TCP shows who began"),
            (_, Initiator::Unknown) if flow.tcp_flags.is_none() => Some("the format has no tcp-flags"),
            (_, Initiator::Unknown) => Some("the record does not show the beginning of the connection"),
            _ => None,
        };
        let memberships = interface.map(|interface| interface.memberships.as_slice()).unwrap_or_default();
        let mut at = memberships.iter().filter(|(span, _)| span.may_touch(flow.start, flow.end));
        let (first, second) = (at.next(), at.next());
        let sides = Sides::of(flow);
        match (first, second) {
            (Some((span, groups)), None) => {
                due.groups_are_known = true;
                due.doubt_unless(span.touches(flow.start, flow.end), UNSURE_GROUPS);
                groups.iter().for_each(|group| self.look_at(*group, &sides, due));
            }
            (Some(one), Some(other)) => {
                due.groups_are_known = true;
                let all = || [one, other].into_iter().chain(at.clone());
                let is_sure = all().any(|(span, _)| span.touches(flow.start, flow.end));
                due.doubt_unless(is_sure, UNSURE_GROUPS);
                due.doubt_unless(false, "the groups of the interface changed at that time");
                let groups: BTreeSet<usize> = all().flat_map(|(_, groups)| groups.iter().copied()).collect();
                groups.iter().for_each(|group| self.look_at(*group, &sides, due));
            }
            (None, _) => due.doubt_unless(false, UNSURE_GROUPS),
        }
        due.doubt_unless(due.candidates.len() < 2, "several rules admit it");
        true
    }

    /// Adds those rules of a group that admit the record.
    fn look_at(&self, group: usize, sides: &Sides<'_, '_>, due: &mut Attribution) {
        let Some(group) = self.compiled.groups.get(group) else { return };
        let (start, end) = (sides.flow.start, sides.flow.end);
        due.doubt_unless(start >= group.known_from, "not all rules of the interface's groups are known at that time");
        for rule in &group.rules {
            let Some(is_sure) = self.admits(rule, sides) else { continue };
            if rule.span.may_touch(start, end) {
                due.candidates.push(rule.life);
                due.doubt_unless(
                    is_sure && rule.is_ingress && rule.span.touches(start, end),
                    "it is not known for certain that the rule admitted it at that time",
                );
            } else if rule.closed.is_some_and(|closed| start > closed) {
                due.closed.push(rule.life);
            }
        }
    }

    /// Whether a rule admits a record's protocol, port and source. `Some(false)`: perhaps, the record does not say.
    fn admits(&self, rule: &CompiledRule, sides: &Sides<'_, '_>) -> Option<bool> {
        let mut sure = rule.protocol_is_known;
        match (rule.protocol, sides.flow.protocol) {
            (Some(wanted), Some(own)) if wanted != own => return None,
            (Some(_), None) => sure = false,
            _ => {}
        }
        match (&rule.ports, sides.flow.dst_port) {
            (Ports::All, _) => {}
            (Ports::Range(from, to), Some(port)) if (from..=to).contains(&&port) => {}
            (Ports::Range(..), Some(_)) => return None,
            (Ports::Range(..), None) | (Ports::Unknown, _) => sure = false,
        }
        let of_packet = self.is_source(&rule.sources, sides.packet, sides.flow);
        let of_record = match sides.is_one {
            true => of_packet,
            false => self.is_source(&rule.sources, sides.record, sides.flow),
        };
        match (of_packet, of_record) {
            (Some(one), Some(other)) => Some(sure && one && other),
            (Some(_), None) | (None, Some(_)) => Some(false),
            (None, None) => None,
        }
    }

    fn is_source(&self, sources: &Sources, address: Option<(IpAddr, u128)>, flow: &Flow<'_>) -> Option<bool> {
        let Some((address, key)) = address else { return Some(false) };
        match sources {
            Sources::Range(low, high) => (*low..=*high).contains(&key).then_some(true),
            Sources::Unknown => Some(false),
            Sources::List(contents) => match contents.iter().find(|(span, _)| span.holds(flow.start, flow.end)) {
                Some((_, ranges)) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&key)).then_some(true),
                // At another time it may have held any address.
                None => Some(false),
            },
            Sources::Group(group) => {
                let interfaces = self.compiled.by_address.get(&address).map(Vec::as_slice).unwrap_or_default();
                let known = interfaces.iter().filter_map(|id| self.compiled.interfaces.get(id));
                let mut any = false;
                for (span, groups) in known.flat_map(|interface| &interface.memberships) {
                    if span.may_touch(flow.start, flow.end) {
                        any = true;
                        if groups.contains(group) {
                            return Some(span.touches(flow.start, flow.end));
                        }
                    }
                }
                // A rule for a group admits private addresses. Whose an unknown one is, nobody knows.
                let is_private = match address {
                    IpAddr::V4(v4) => v4.is_private() || v4.octets().starts_with(&[100]),
                    IpAddr::V6(_) => true,
                };
                (!any && is_private).then_some(false)
            }
        }
    }
}
