//! Security group rules as EC2 reads them: protocol `6` *is* `tcp`, and `-1` is every protocol and every port.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{PrefixListId, RuleId};
use crate::net::Cidr;
use crate::text::escaped;

/// A transport that has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP, protocol 6.
    Tcp,
    /// UDP, protocol 17.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// Ports `from` to `to`, both included. `from` is never above `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    from: u16,
    to: u16,
}

impl PortRange {
    /// Every port.
    pub const ALL: Self = Self { from: 0, to: u16::MAX };

    /// A range. `None` if it is reversed.
    #[must_use]
    pub const fn new(from: u16, to: u16) -> Option<Self> {
        if from <= to { Some(Self { from, to }) } else { None }
    }

    /// The lowest port.
    #[must_use]
    pub const fn from(self) -> u16 {
        self.from
    }

    /// The highest port.
    #[must_use]
    pub const fn to(self) -> u16 {
        self.to
    }

    /// Whether the two share a port.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }

    /// Whether the port is in the range.
    #[must_use]
    pub const fn contains(self, port: u16) -> bool {
        self.from <= port && port <= self.to
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to { write!(f, "{}", self.from) } else { write!(f, "{}-{}", self.from, self.to) }
    }
}

/// An IP protocol, as EC2's `IpProtocol` names it: a word, a number, or `-1` for all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(from = "String", into = "String")]
pub enum Protocol {
    /// `-1`: every protocol and every port.
    All,
    /// TCP or UDP, by word or number.
    Transport(Transport),
    /// `icmp`, 1. Its "ports" are a type and a code.
    Icmp,
    /// `icmpv6`, 58. Its "ports" are a type and a code.
    Icmpv6,
    /// Any other protocol by number: no ports.
    Number(u8),
    /// A word that EC2 does not document. It decides nothing.
    Unknown(String),
}

impl From<String> for Protocol {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Protocol> for String {
    fn from(protocol: Protocol) -> Self {
        protocol.to_string()
    }
}

impl From<&str> for Protocol {
    fn from(text: &str) -> Self {
        let word = text.trim();
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        // `006` and `+6` are numbers as well.
        match word.parse() {
            _ if is("tcp") => Self::Transport(Transport::Tcp),
            _ if is("udp") => Self::Transport(Transport::Udp),
            _ if is("-1") || is("all") => Self::All,
            _ if is("icmp") => Self::Icmp,
            _ if is("icmpv6") => Self::Icmpv6,
            Ok(6) => Self::Transport(Transport::Tcp),
            Ok(17) => Self::Transport(Transport::Udp),
            Ok(1) => Self::Icmp,
            Ok(58) => Self::Icmpv6,
            Ok(number) => Self::Number(number),
            Err(_) => Self::Unknown(escaped(text)),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("-1"),
            Self::Transport(transport) => transport.fmt(f),
            Self::Icmp => f.write_str("icmp"),
            Self::Icmpv6 => f.write_str("icmpv6"),
            Self::Number(number) => number.fmt(f),
            Self::Unknown(word) => f.write_str(word),
        }
    }
}

/// Which ports of one transport some traffic reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// None of them.
    Nothing,
    /// These.
    Ports(PortRange),
    /// Not known: an unknown protocol word, or ports outside 0 to 65535.
    Unknown,
}

/// What a rule admits: a protocol with its ports (or ICMP type and code), as EC2 shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Traffic {
    protocol: Protocol,
    #[serde(rename = "from_port")]
    from: Option<i64>,
    #[serde(rename = "to_port")]
    to: Option<i64>,
}

impl Traffic {
    /// The traffic of EC2's three fields. `-1` has no ports, whatever the client sent. tcp or udp without ports, or
    /// with -1 to -1, is every port, which is the widest reading.
    #[must_use]
    pub fn new(protocol: Protocol, from: Option<i64>, to: Option<i64>) -> Self {
        let (from, to) = match (&protocol, from, to) {
            (Protocol::All, _, _) => (None, None),
            (Protocol::Transport(_), None | Some(-1), None | Some(-1)) => (Some(0), Some(65535)),
            (Protocol::Transport(_) | Protocol::Icmp | Protocol::Icmpv6 | Protocol::Unknown(_), from, to) => (from, to),
            // EC2: a protocol other than tcp, udp and icmp opens all ports, whatever ports the client sent.
            (Protocol::Number(_), _, _) => (None, None),
        };
        Self { protocol, from, to }
    }

    /// The protocol.
    #[must_use]
    pub const fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// The first port, or the ICMP type.
    #[must_use]
    pub const fn from_port(&self) -> Option<i64> {
        self.from
    }

    /// The last port, or the ICMP code.
    #[must_use]
    pub const fn to_port(&self) -> Option<i64> {
        self.to
    }

    /// Which ports of `transport` it reaches.
    #[must_use]
    pub fn reach(&self, transport: Transport) -> Reach {
        match &self.protocol {
            Protocol::All => Reach::Ports(PortRange::ALL),
            Protocol::Transport(own) if *own == transport => {
                let port = |end: Option<i64>| end.and_then(|port| u16::try_from(port).ok());
                match (port(self.from), port(self.to)) {
                    (Some(from), Some(to)) => PortRange::new(from, to).map_or(Reach::Unknown, Reach::Ports),
                    _ => Reach::Unknown,
                }
            }
            Protocol::Transport(_) | Protocol::Icmp | Protocol::Icmpv6 | Protocol::Number(_) => Reach::Nothing,
            Protocol::Unknown(_) => Reach::Unknown,
        }
    }
}

/// Where a rule admits traffic from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A block of addresses.
    Cidr(Cidr),
    /// The entries of a managed prefix list.
    PrefixList(PrefixListId),
    /// The members of a security group, which admits no public address.
    Group(String),
    /// A source that this version does not know. It decides nothing.
    Unknown(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cidr(cidr) => cidr.fmt(f),
            Self::PrefixList(id) => id.fmt(f),
            Self::Group(text) | Self::Unknown(text) => f.write_str(text),
        }
    }
}

/// What one rule admits: this traffic from this source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Permission {
    /// Protocol and ports.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// The source.
    pub source: Source,
}

/// One ingress rule as EC2 shows it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "RuleAsItWas"))]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// Its traffic and its source.
    #[serde(flatten)]
    pub permission: Permission,
    /// Its description, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Rule {
    /// A rule without description and tags.
    #[must_use]
    pub fn new(id: RuleId, permission: Permission) -> Self {
        Self { id, permission, description: None, tags: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_the_same_by_word_number_and_case() {
        for (text, canonical) in [
            ("6", "tcp"),
            ("TCP", "tcp"),
            ("17", "udp"),
            ("006", "tcp"),
            ("1", "icmp"),
            ("58", "icmpv6"),
            ("47", "47"),
            ("-1", "-1"),
            ("ALL", "-1"),
            ("256", "256"),
            ("gre", "gre"),
        ] {
            assert_eq!(Protocol::from(text).to_string(), canonical);
        }
        assert_eq!(Protocol::from("256"), Protocol::Unknown("256".into()));
    }

    #[test]
    fn only_tcp_udp_and_all_have_ports() {
        let reach = |protocol: &str, from, to| Traffic::new(Protocol::from(protocol), from, to).reach(Transport::Tcp);
        let ports = |from, to| Reach::Ports(PortRange::new(from, to).unwrap());
        assert_eq!(reach("tcp", Some(20), Some(25)), ports(20, 25));
        assert_eq!(reach("-1", Some(0), Some(0)), ports(0, 65535), "-1 with ports still admits every port");
        assert_eq!(reach("tcp", None, None), ports(0, 65535));
        assert_eq!(reach("tcp", Some(-1), Some(-1)), ports(0, 65535));
        assert_eq!(reach("udp", Some(22), Some(22)), Reach::Nothing);
        assert_eq!(reach("icmp", Some(3), Some(22)), Reach::Nothing, "type and code are no ports");
        assert_eq!(reach("47", Some(22), Some(22)), Reach::Nothing, "GRE has no ports");
        assert_eq!(reach("sctp?", Some(22), Some(22)), Reach::Unknown);
        for (from, to) in [(Some(25), Some(20)), (Some(22), None), (Some(0), Some(65536)), (Some(-2), Some(1))] {
            assert_eq!(reach("tcp", from, to), Reach::Unknown, "{from:?}-{to:?}");
        }
    }

    #[test]
    fn a_rule_can_be_written_and_read_back() {
        for source in [
            Source::Cidr("0.0.0.0/0".parse().unwrap()),
            Source::PrefixList(PrefixListId::parse("pl-1").unwrap()),
            Source::Group("sg-1".to_owned()),
            Source::Unknown("a satellite".to_owned()),
        ] {
            for traffic in [Traffic::new("6".into(), Some(22), Some(22)), Traffic::new("-1".into(), None, None)] {
                let permission = Permission { traffic, source: source.clone() };
                let tags = BTreeMap::from([("team".to_owned(), "web".to_owned())]);
                let id = RuleId::parse("sgr-1").unwrap();
                let rule = Rule { id, permission, description: Some("vpn".to_owned()), tags };
                let text = serde_json::to_string(&rule).unwrap();
                assert_eq!(serde_json::from_str::<Rule>(&text).unwrap(), rule, "{text}");
            }
        }
    }
}
