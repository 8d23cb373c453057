//! A second definition of what is exposed and which rules go, written only from the words of docs/SEMANTICS.md and
//! naive on purpose. Its world has sixteen blocks in each family, which are the bits of a word and are checked one by
//! one, as ports are. Production must equal it on random worlds ([`random`]) and on every small one ([`small`]).

mod answer;
mod invariants;
mod production;
mod random;
mod small;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::change::ChangedRules;
use crate::ids::{PrefixListId, RuleId};
use crate::judge::Attribution;
use crate::judge::tests::{Case, change};
use crate::net::Family;
use crate::plan::going;
use crate::rule::{Permission, Protocol, Rule, Source, Traffic, Transport};
use production::both;

/// Bit n of a mask is the nth block: `n.0.0.0/8`, or `2001:dbn::/32`.
type Mask = u16;

/// The special blocks of IANA among the sixteen: 0.0.0.0/8 and 10.0.0.0/8; 2001:db8::/32.
const SPECIAL: [Mask; 2] = [1 << 0 | 1 << 10, 1 << 8];
const BLOCK: [u128; 2] = [1 << 24, 1 << 96];
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// How many cases a proof takes: `usual` or the number in `PORTCULLIS_PROOF_CASES`, divided by `share`.
#[expect(clippy::disallowed_methods, reason = "how long to test is for whoever tests to say")]
fn cases(usual: u32, share: u32) -> u32 {
    std::env::var("PORTCULLIS_PROOF_CASES")
        .map_or(usual, |text| (text.parse::<u32>().expect("PORTCULLIS_PROOF_CASES is a number") / share).max(1))
}

/// Where a rule admits from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum From {
    /// An aligned run of `2^bits` blocks of a family that contains `block`, written with these host bits.
    Cidr { family: usize, block: u8, bits: u8, host: u64 },
    /// A prefix list of the world.
    List(usize),
    /// A security group.
    Group,
    /// Something that this version does not know.
    Unknown,
}

/// How an address is written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    /// As EC2 stores it.
    Canonical,
    /// With host bits; IPv6 in capitals and without `::`.
    Odd,
}

impl From {
    /// The text of a CIDR block.
    fn text(family: usize, block: u8, bits: u8, host: u64, form: Form) -> String {
        let (length, host_bits, network) = match family {
            0 => (8, 24, u128::from(block)),
            _ => (32, 96, 0x2001_0db0 | u128::from(block)),
        };
        let mask = u128::MAX.checked_shl(host_bits + u32::from(bits)).unwrap_or(0);
        let address = network << host_bits | u128::from(host) & ((1 << host_bits) - 1);
        let address = if form == Form::Canonical { address & mask } else { address };
        let length = length - bits;
        match (family, form) {
            (0, _) => format!("{}/{length}", Ipv4Addr::from(u32::try_from(address).unwrap())),
            (_, Form::Canonical) => format!("{}/{length}", Ipv6Addr::from(address)),
            (_, Form::Odd) => {
                let groups = Ipv6Addr::from(address).segments().map(|group| format!("{group:X}"));
                format!("{}/{length}", groups.join(":"))
            }
        }
    }

    fn source(self, form: Form) -> Source {
        match self {
            Self::Cidr { family, block, bits, host } => {
                Source::Cidr(Self::text(family, block, bits, host, form).parse().unwrap())
            }
            Self::List(n) => Source::PrefixList(list_id(n)),
            Self::Group => Source::Group("sg-1".to_owned()),
            Self::Unknown => Source::Unknown("a satellite".to_owned()),
        }
    }
}

fn list_id(n: usize) -> PrefixListId {
    PrefixListId::parse(&format!("pl-{n}")).unwrap()
}

fn rule_id(n: usize) -> RuleId {
    RuleId::parse(&format!("sgr-{}", n + 1)).unwrap()
}

fn cidrs(masks: [Mask; 2]) -> Vec<String> {
    let of = |family: usize| {
        let blocks = (0..16u8).filter(move |n| masks[family] >> n & 1 == 1);
        blocks.map(move |n| From::text(family, n, 0, 0, Form::Canonical))
    };
    of(0).chain(of(1)).collect()
}

/// Whether some traffic reaches a port.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reaches {
    Yes,
    No,
    NobodyKnows,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct SmallRule {
    protocol: &'static str,
    /// `None`: the record or EC2 gives no ports.
    ports: Option<(i64, i64)>,
    from: From,
}

impl SmallRule {
    /// "The protocol is the guard's or `-1`, and the port is inside the range. […] tcp or udp without ports, or with -1
    /// to -1, is every port." An unknown protocol and ports outside 0 to 65535 decide nothing.
    fn reaches(&self, transport: Transport, port: u16) -> Reaches {
        let own = match self.protocol {
            "-1" => return Reaches::Yes,
            "tcp" | "TCP" | "6" => Transport::Tcp,
            "udp" | "17" => Transport::Udp,
            "icmp" | "1" | "icmpv6" | "47" => return Reaches::No,
            _ => return Reaches::NobodyKnows,
        };
        match self.ports {
            _ if own != transport => Reaches::No,
            None | Some((-1, -1)) => Reaches::Yes,
            Some((from, to)) if from < 0 || to > 65535 || from > to => Reaches::NobodyKnows,
            Some((from, to)) if from <= i64::from(port) && i64::from(port) <= to => Reaches::Yes,
            Some(_) => Reaches::No,
        }
    }

    /// Whether this description is complete enough to differ from another. An unknown description equals anything.
    fn is_known(&self) -> bool {
        self.from != From::Unknown && self.protocol != "sctp"
    }

    fn permission(&self, form: Form) -> Permission {
        let (from, to) = self.ports.unzip();
        Permission { traffic: Traffic::new(Protocol::from(self.protocol), from, to), source: self.from.source(form) }
    }
}

/// What is known of a prefix list.
#[derive(Debug, Clone, Copy, PartialEq)]
enum SmallList {
    Entries([Mask; 2]),
    Unreadable,
    /// The entries were not looked up.
    Absent,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Maker {
    /// The role itself.
    A,
    /// A session of that role.
    SessionOfA,
    B,
    Unnamed,
}

/// Which rules a change made. Sets of rules are bits of a word, too.
#[derive(Debug, Clone, Copy, PartialEq)]
enum SmallChangedRules {
    /// `knows`: it is a Modify, and these of the rules are known as they were before ([`World::was`]).
    Rules {
        of: u16,
        recorded_otherwise: u16,
        missing: bool,
        egress: bool,
        knows: Option<u16>,
    },
    Asked {
        of: u16,
        missing: bool,
    },
    List {
        list: usize,
        added: Option<[Mask; 2]>,
    },
    Any,
}

/// What a rule was before it was modified.
#[derive(Debug, Clone, Copy, PartialEq)]
enum SmallFormer {
    /// What it is now: the call changed its description.
    Same,
    Other(SmallRule),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct SmallChange {
    maker: Maker,
    changed_rules: SmallChangedRules,
}

/// Exemption keys about the group's location, and whether they match the group.
const PLACES: [(&str, bool); 6] = [
    ("groups: [sg-0123456789abcdef0]", true),
    ("accounts: ['111122223333'], regions: [us-east-1, eu-west-1]", true),
    ("regions: [eu-west-1], groups: [sg-1]", false),
    ("accounts: ['222222222222']", false),
    ("vpcs: [vpc-2]", false),
    VPC,
];
/// Matches where the VPC is known.
const VPC: (&str, bool) = ("vpcs: [vpc-1]", true);

#[derive(Debug, Clone, Copy, PartialEq)]
struct SmallExemption {
    place: (&'static str, bool),
    elapsed: bool,
    guard: Option<&'static str>,
    sources: Option<[Mask; 2]>,
    /// Covers only rules that role A made.
    principal: bool,
}

/// A guarded port in one family.
type Place = (&'static str, Transport, u16, Family);

/// The exposures: through which rules, to how many addresses, and whether without the changes too.
type Exposures<'a> = BTreeMap<(&'a str, Transport, u16, Family), (Vec<usize>, u128, bool)>;

#[derive(Debug, Clone)]
struct World {
    /// The guarded ports in the policy's order, with the ports as the policy writes them.
    guards: Vec<(&'static str, Transport, (u16, u16))>,
    rules: Vec<SmallRule>,
    /// What the rules were before, for those changes that know it. Where there are fewer than rules, the last one's holds for
    /// the rest.
    was: Vec<SmallFormer>,
    /// The rules that appeared between two looks.
    appeared: u16,
    lists: [SmallList; 2],
    changes: Vec<SmallChange>,
    /// One `internet` block is 2^n of the sixteen blocks.
    limits: [u8; 2],
    trusted: [Mask; 2],
    /// Everything outside the sixteen is trusted too.
    closed: bool,
    exemptions: Vec<SmallExemption>,
    vpc: bool,
}
