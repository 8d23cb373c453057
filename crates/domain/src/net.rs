//! Addresses, ports and protocols as EC2 means them.
//!
//! Everything is canonical from construction on: `1.2.3.4/0` *is* `0.0.0.0/0`, protocol `6` *is* `tcp`. Sources are
//! compared as sets of addresses, never as text.

mod coverage;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::LazyLock;

use ipnet::IpNet;

pub(crate) use coverage::Coverage;

use crate::ids::{PrefixListId, escaped};

/// An address family. Exposure is counted for each apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, in the order in which findings list them.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The longest prefix: 32 or 128 bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// One value for each address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerFamily<T> {
    /// IPv4's.
    pub v4: T,
    /// IPv6's.
    pub v6: T,
}

impl<T> PerFamily<T> {
    /// The value for one family.
    pub const fn get(&self, family: Family) -> &T {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// Makes both values.
    pub fn each(mut make: impl FnMut(Family) -> T) -> Self {
        Self { v4: make(Family::V4), v6: make(Family::V6) }
    }
}

/// A CIDR block in canonical form, host bits cleared as EC2 stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr(IpNet);

/// Why a text is no CIDR block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no CIDR block: expected an address and a prefix length, such as 203.0.113.0/24 or 2001:db8::/32")]
pub struct CidrError(String);

impl Cidr {
    /// The family. An IPv4-mapped IPv6 block (`::ffff:0:0/96`) is IPv6, as it is to EC2.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self.0 {
            IpNet::V4(_) => Family::V4,
            IpNet::V6(_) => Family::V6,
        }
    }

    /// First and last address of the block, as numbers.
    #[must_use]
    pub fn range(&self) -> (u128, u128) {
        match self.0 {
            IpNet::V4(net) => (u32::from(net.network()).into(), u32::from(net.broadcast()).into()),
            IpNet::V6(net) => (net.network().into(), net.broadcast().into()),
        }
    }

    /// Whether every address of `self` is in `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        other.0.contains(&self.0)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;
    fn from_str(text: &str) -> Result<Self, CidrError> {
        // std's address parser, not ipnet's: `010.0.0.0` is 10.0.0.0 to some and 8.0.0.0 to others, so it is refused.
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let digits = prefix.bytes().all(|b| b.is_ascii_digit());
            let prefix: u8 = prefix.parse().ok().filter(|_| digits)?;
            IpNet::new(address, prefix).ok()
        };
        parse().map(|net| Self(net.trunc())).ok_or_else(|| CidrError(escaped(text)))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> serde::Deserialize<'de> for Cidr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A set of addresses of one family: sorted, disjoint, inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressSet(Vec<(u128, u128)>);

impl AddressSet {
    /// The union of ranges in any order, overlapping or not.
    #[must_use]
    pub fn from_ranges(mut ranges: Vec<(u128, u128)>) -> Self {
        ranges.sort_unstable();
        ranges.dedup_by(|(first, last), open| {
            let touches = *first <= open.1.saturating_add(1);
            if touches {
                open.1 = open.1.max(*last);
            }
            touches
        });
        Self(ranges)
    }

    /// The blocks' addresses; blocks of the other family are passed over.
    pub fn from_cidrs<'a>(family: Family, cidrs: impl IntoIterator<Item = &'a Cidr>) -> Self {
        Self::from_ranges(cidrs.into_iter().filter(|c| c.family() == family).map(Cidr::range).collect())
    }

    /// All addresses of any of the sets.
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        Self::from_ranges(sets.into_iter().flat_map(|set| set.0.iter().copied()).collect())
    }

    /// The addresses in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut left, mut right) = (self.0.iter().peekable(), other.ranges_from(self).peekable());
        while let (Some(&&(a, b)), Some(&&(c, d))) = (left.peek(), right.peek()) {
            if a.max(c) <= b.min(d) {
                both.push((a.max(c), b.min(d)));
            }
            if b <= d {
                left.next()
            } else {
                right.next()
            };
        }
        Self(both)
    }

    /// The addresses of `self` that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut cuts = other.ranges_from(self).peekable();
        for &(first, last) in &self.0 {
            let mut from = Some(first);
            while let (Some(start), Some(&&(cut_first, cut_last))) = (from, cuts.peek()) {
                if cut_first > last {
                    break;
                }
                if cut_first > start {
                    left.push((start, cut_first.saturating_sub(1)));
                }
                if cut_last >= start {
                    // Nothing is left of the range when the cut reaches the last address there is.
                    from = cut_last.checked_add(1).filter(|next| *next <= last);
                }
                // A cut that goes on beyond the range cuts the next one too.
                if cut_last <= last {
                    cuts.next();
                }
            }
            if let Some(start) = from {
                left.push((start, last));
            }
        }
        Self(left)
    }

    /// Whether every address of `self` is in `other`; in the time that it takes to find each range there.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|(first, last)| {
            // Ranges that touch are joined, so one range must hold all of it.
            let at = other.0.partition_point(|range| range.1 < *first);
            other.0.get(at).is_some_and(|range| range.0 <= *first && *last <= range.1)
        })
    }

    /// The ranges from the first on that is not wholly below `other`.
    fn ranges_from(&self, other: &Self) -> std::slice::Iter<'_, (u128, u128)> {
        let lowest = other.0.first().map_or(u128::MAX, |range| range.0);
        let at = self.0.partition_point(|range| range.1 < lowest);
        self.0.get(at..).unwrap_or_default().iter()
    }

    /// Its addresses as ranges from first to last address: sorted, and none touches another.
    #[must_use]
    pub fn ranges(&self) -> &[(u128, u128)] {
        &self.0
    }

    /// How many addresses; the whole of IPv6 is counted as one less than it is.
    #[must_use]
    pub fn count(&self) -> u128 {
        let sizes = self.0.iter().map(|(first, last)| last.saturating_sub(*first).saturating_add(1));
        sizes.fold(0, u128::saturating_add)
    }

    /// Whether there is no address in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Blocks that the internet cannot be behind: IANA's IPv4 and IPv6 Special-Purpose Address Registries, the blocks that
/// are not globally reachable, and multicast, which is no source. 192.0.0.0/24 goes whole (its two reachable addresses
/// are anycast services) and so does 192.88.99.0/24 (deprecated relay anycast). Kept as public, because hosts anywhere
/// send from them: 6to4 `2002::/16`, Teredo `2001::/32`, NAT64 `64:ff9b::/96`.
const SPECIAL_V4: &[&str] = &[
    "0.0.0.0/8",       // this network, RFC 791
    "10.0.0.0/8",      // private use, RFC 1918
    "100.64.0.0/10",   // shared address space, RFC 6598
    "127.0.0.0/8",     // loopback, RFC 1122
    "169.254.0.0/16",  // link local, RFC 3927
    "172.16.0.0/12",   // private use, RFC 1918
    "192.0.0.0/24",    // IETF protocol assignments, RFC 6890
    "192.0.2.0/24",    // documentation, RFC 5737
    "192.88.99.0/24",  // deprecated 6to4 relay anycast, RFC 7526
    "192.168.0.0/16",  // private use, RFC 1918
    "198.18.0.0/15",   // benchmarking, RFC 2544
    "198.51.100.0/24", // documentation, RFC 5737
    "203.0.113.0/24",  // documentation, RFC 5737
    "224.0.0.0/4",     // multicast, RFC 5771
    "240.0.0.0/4",     // reserved and limited broadcast, RFC 1112, RFC 8190
];
const SPECIAL_V6: &[&str] = &[
    "::/128",         // unspecified, RFC 4291
    "::1/128",        // loopback, RFC 4291
    "::ffff:0:0/96",  // IPv4-mapped, RFC 4291
    "64:ff9b:1::/48", // local-use translation, RFC 8215
    "100::/64",       // discard only, RFC 6666
    "100:0:0:1::/64", // dummy prefix, RFC 9780
    "2001:2::/48",    // benchmarking, RFC 5180
    "2001:10::/28",   // deprecated ORCHID, RFC 4843
    "2001:db8::/32",  // documentation, RFC 3849
    "3fff::/20",      // documentation, RFC 9637
    "5f00::/16",      // segment routing SIDs, RFC 9602
    "fc00::/7",       // unique local, RFC 4193
    "fe80::/10",      // link local, RFC 4291
    "ff00::/8",       // multicast, RFC 4291
];

static PUBLIC: LazyLock<PerFamily<AddressSet>> = LazyLock::new(|| {
    PerFamily::each(|family| {
        let (everything, special) = match family {
            Family::V4 => ((0, u128::from(u32::MAX)), SPECIAL_V4),
            Family::V6 => ((0, u128::MAX), SPECIAL_V6),
        };
        // A block that did not parse would count as public; the tests below pin every one.
        let blocks: Vec<Cidr> = special.iter().filter_map(|block| block.parse().ok()).collect();
        AddressSet(vec![everything]).difference(&AddressSet::from_cidrs(family, &blocks))
    })
});

/// All public addresses of a family.
#[must_use]
pub fn public_addresses(family: Family) -> &'static AddressSet {
    PUBLIC.get(family)
}

/// A transport that has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
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

/// Ports `from` to `to`, both included; never reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    from: u16,
    to: u16,
}

impl PortRange {
    /// Every port.
    pub const ALL: Self = Self { from: 0, to: u16::MAX };

    /// A range, or nothing when it is reversed.
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// `-1`: every protocol and every port.
    All,
    /// TCP or UDP, by word or number.
    Transport(Transport),
    /// `icmp`, 1. Its "ports" are a type and a code.
    Icmp,
    /// `icmpv6`, 58. Likewise.
    Icmpv6,
    /// Any other protocol by number: no ports.
    Number(u8),
    /// A word that EC2 is not known to use. Nothing can be said of it.
    Unknown(String),
}

impl From<&str> for Protocol {
    fn from(text: &str) -> Self {
        match text.trim().to_ascii_lowercase().as_str() {
            "-1" | "all" => Self::All,
            "tcp" | "6" => Self::Transport(Transport::Tcp),
            "udp" | "17" => Self::Transport(Transport::Udp),
            "icmp" | "1" => Self::Icmp,
            "icmpv6" | "58" => Self::Icmpv6,
            other => match other.parse() {
                // `006` and `+6` parse as well; only what the table above has not caught may be a plain number.
                Ok(6) => Self::Transport(Transport::Tcp),
                Ok(17) => Self::Transport(Transport::Udp),
                Ok(1) => Self::Icmp,
                Ok(58) => Self::Icmpv6,
                Ok(number) => Self::Number(number),
                Err(_) => Self::Unknown(escaped(text)),
            },
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
    /// Cannot be told: an unknown protocol word, or ports that are none.
    Unknown,
}

/// What a rule admits: a protocol with its ports (or ICMP type and code), as EC2 shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Traffic {
    protocol: Protocol,
    from: Option<i64>,
    to: Option<i64>,
}

impl Traffic {
    /// From EC2's three fields. `-1` has no ports, whatever the client sent; tcp or udp without ports, or with -1/-1,
    /// is every port, the widest reading there is.
    #[must_use]
    pub fn new(protocol: Protocol, from: Option<i64>, to: Option<i64>) -> Self {
        let (from, to) = match (&protocol, from, to) {
            (Protocol::All, _, _) => (None, None),
            (Protocol::Transport(_), None | Some(-1), None | Some(-1)) => (Some(0), Some(65535)),
            (Protocol::Transport(_) | Protocol::Icmp | Protocol::Icmpv6 | Protocol::Unknown(_), from, to) => (from, to),
            // EC2: a protocol other than tcp, udp and icmp opens all ports, whatever was given.
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A block of addresses.
    Cidr(Cidr),
    /// The entries of a managed prefix list.
    PrefixList(PrefixListId),
    /// The members of a security group: no public address.
    Group(String),
    /// Something this version does not know. Nothing can be said of it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn count(family: Family, blocks: &[&str]) -> u128 {
        let cidrs: Vec<Cidr> = blocks.iter().map(|block| cidr(block)).collect();
        AddressSet::from_cidrs(family, &cidrs).intersection(public_addresses(family)).count()
    }

    /// Every pair of sets of the six lowest, and of the six highest addresses that there are, as bits.
    #[test]
    fn sets_of_addresses_are_what_bits_say() {
        for base in [0, u128::MAX - 5] {
            let one = |n: u128| (base + n, base + n);
            let set = |word: u8| AddressSet::from_ranges((0..6).filter(|n| word >> n & 1 == 1).map(one).collect());
            for (a, b) in (0..64).flat_map(|a| (0..64).map(move |b| (a, b))) {
                let (left, right) = (set(a), set(b));
                assert_eq!(AddressSet::union([&left, &right]), set(a | b), "{a:b} {b:b}");
                assert_eq!(left.intersection(&right), set(a & b), "{a:b} {b:b}");
                assert_eq!(left.difference(&right), set(a & !b), "{a:b} {b:b}");
                assert_eq!(left.is_within(&right), a & !b == 0, "{a:b} {b:b}");
                assert_eq!((left.count(), left.is_empty()), (u128::from(a.count_ones()), a == 0));
            }
        }
        let set = AddressSet::from_ranges(vec![(7, 9), (1, 2), (3, 4), (12, 12)]);
        assert_eq!(set.ranges(), [(1, 4), (7, 9), (12, 12)]);
    }

    #[test]
    fn a_block_is_within_itself_and_wider_ones_of_its_family() {
        for (inner, outer, is_within) in [
            ("10.1.0.0/16", "10.0.0.0/8", true),
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.0.0.0/8", "10.1.0.0/16", false),
            ("11.0.0.0/16", "10.0.0.0/8", false),
            ("2001:db8::/48", "2001:db8::/32", true),
            ("10.0.0.0/8", "::/0", false),
        ] {
            assert_eq!(cidr(inner).is_within(&cidr(outer)), is_within, "{inner} {outer}");
        }
    }

    #[test]
    fn a_cidr_is_canonical_whatever_its_host_bits_and_spelling() {
        for (text, canonical) in [
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("208.236.235.254/0", "0.0.0.0/0"),
            ("100.68.0.18/18", "100.68.0.0/18"),
            ("2001:DB8:0::1/0", "::/0"),
            ("0:0:0:0:0:0:0:0/0", "::/0"),
        ] {
            assert_eq!(cidr(text).to_string(), canonical);
        }
    }

    #[test]
    fn what_is_no_cidr_is_refused_by_name() {
        for bad in [
            "",
            "0.0.0.0",
            "0.0.0.0/33",
            "::/129",
            "1.2.3/8",
            "0.0.0.0/-1",
            "all",
            "010.0.0.0/8",
            "1.2.3.4/0 ",
            "1.2.3.4/+0",
        ] {
            let error = bad.parse::<Cidr>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{bad}` is no CIDR block: expected")), "{error}");
        }
    }

    #[test]
    fn the_public_addresses_are_those_outside_ianas_special_blocks() {
        // Reckoned by hand from the registry: 2^32 less fourteen special blocks and multicast.
        assert_eq!(public_addresses(Family::V4).count(), 3_702_258_432);
        assert_eq!(count(Family::V4, &["0.0.0.0/1", "128.0.0.0/1"]), 3_702_258_432);
        for special in SPECIAL_V4 {
            assert_eq!(count(Family::V4, &[special]), 0, "{special}");
        }
        for special in SPECIAL_V6 {
            assert_eq!(count(Family::V6, &[special]), 0, "{special}");
        }
        assert_eq!(count(Family::V4, &["8.0.0.0/8"]), 1 << 24);
        // 2^125 less 3fff::/20, 2001:db8::/32, 2001:10::/28 and 2001:2::/48.
        let documented = (1 << 108) + (1 << 96) + (1 << 100) + (1 << 80);
        assert_eq!(count(Family::V6, &["2000::/3"]), (1 << 125) - documented);
        assert_eq!(count(Family::V6, &["2002::/16"]), 1 << 112);
        assert_eq!(count(Family::V6, &["2001::/32"]), 1 << 96);
        assert_eq!(count(Family::V6, &["64:ff9b::/96"]), 1 << 32);
    }

    #[test]
    fn the_whole_of_ipv6_can_be_counted_and_cut() {
        let all = AddressSet::from_cidrs(Family::V6, &[cidr("::/0")]);
        assert_eq!(all.count(), u128::MAX);
        assert!(all.difference(&all).is_empty());
        let upper = AddressSet::from_cidrs(Family::V6, &[cidr("8000::/1")]);
        assert_eq!(all.difference(&upper), AddressSet::from_cidrs(Family::V6, &[cidr("::/1")]));
    }

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

    /// A small world of 64 addresses, in which a set can be kept as the bits of a word.
    fn small_ranges() -> impl Strategy<Value = Vec<(u128, u128)>> {
        proptest::collection::vec((0u128..64, 0u128..64).prop_map(|(a, b)| (a.min(b), a.max(b))), 0..8)
    }

    fn bits(set: &AddressSet) -> u64 {
        (0..64u32).filter(|n| set.0.iter().any(|(a, b)| (*a..=*b).contains(&u128::from(*n)))).fold(0, |w, n| w | 1 << n)
    }

    proptest! {
        #[test]
        fn set_operations_equal_those_on_bits(a in small_ranges(), b in small_ranges()) {
            let naive = |ranges: &[(u128, u128)]| bits(&AddressSet(ranges.to_vec()));
            let (word_a, word_b) = (naive(&a), naive(&b));
            let (a, b) = (AddressSet::from_ranges(a), AddressSet::from_ranges(b));
            prop_assert_eq!(bits(&a), word_a);
            prop_assert_eq!(a.count(), u128::from(word_a.count_ones()));
            for (set, word) in [
                (AddressSet::union([&a, &b]), word_a | word_b),
                (a.intersection(&b), word_a & word_b),
                (a.difference(&b), word_a & !word_b),
            ] {
                prop_assert_eq!(bits(&set), word);
                prop_assert_eq!(&AddressSet::from_ranges(set.0.clone()), &set, "canonical");
            }
        }
    }
}
