//! A second definition of what is exposed and which rules go, written only from the words of docs/SEMANTICS.md and
//! naive on purpose. Its world has sixteen blocks in each family, which are the bits of a word and are checked one by
//! one, as ports are. Production must equal it on random worlds ([`random`]) and on every small one ([`small`]).

mod invariants;
mod random;
mod small;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::change::{Call, ChangedRules};
use crate::former::{self, Former};
use crate::ids::{PrefixListId, RuleId, VpcId};
use crate::judge::Attribution;
use crate::judge::tests::{Case, change};
use crate::net::Family;
use crate::plan::going;
use crate::rule::{Permission, Protocol, Rule, Source, Traffic, Transport};

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

impl World {
    /// The blocks that a source admits, public or not; `None` where they are not known.
    fn blocks(&self, from: From, family: usize) -> Option<Mask> {
        match from {
            From::Cidr { family: own, block, bits, .. } if own == family => {
                let same = |n: &u8| u32::from(*n) >> bits.min(8) == u32::from(block) >> bits.min(8);
                Some((0..16u8).filter(same).fold(0, |mask, n| mask | 1 << n))
            }
            From::Cidr { .. } | From::Group => Some(0),
            From::List(n) => match self.lists[n] {
                SmallList::Entries(masks) => Some(masks[family]),
                SmallList::Unreadable | SmallList::Absent => None,
            },
            From::Unknown => None,
        }
    }

    /// What a rule was before it was modified.
    fn former(&self, rule: usize) -> SmallRule {
        match self.was.get(rule).or(self.was.last()) {
            Some(SmallFormer::Other(other)) => *other,
            Some(SmallFormer::Same) | None => self.rules[rule],
        }
    }

    /// "Public and not trusted."
    fn counting(&self, family: usize) -> Mask {
        !SPECIAL[family] & !self.trusted[family]
    }

    /// "Take away what is not public and what the policy calls `trusted`."
    fn counted(&self, rule: usize, family: usize) -> Mask {
        self.counted_of(&self.rules[rule], family)
    }

    fn counted_of(&self, rule: &SmallRule, family: usize) -> Mask {
        self.blocks(rule.from, family).unwrap_or(0) & self.counting(family)
    }

    /// "As many addresses as one `internet` block", "or everything that counts where that is less".
    fn is_over(&self, blocks: Mask, family: usize) -> bool {
        let block = 1 << self.limits[family];
        let limit = if self.closed { self.counting(family).count_ones().min(block) } else { block };
        blocks.count_ones() >= limit
    }

    fn places(&self) -> impl Iterator<Item = Place> + use<'_> {
        self.guards.iter().flat_map(|(guard, transport, (from, to))| {
            (*from..=*to).flat_map(|port| FAMILIES.map(|family| (*guard, *transport, port, family)))
        })
    }

    /// For each change: its rules, its rules that are altered now, and whether something of it is missing.
    fn attributions(&self) -> Vec<Attribution> {
        let among = |mask: u16| (0..self.rules.len()).filter(move |n| mask >> n & 1 == 1);
        let each = |change: &SmallChange| match change.changed_rules {
            SmallChangedRules::Rules { of, recorded_otherwise, missing, .. } => {
                // "A rule that is something else now and exposes a port by itself stays the change's."
                let otherwise = |n: &usize| {
                    recorded_otherwise >> n & 1 == 1 && self.rules[*n].is_known() && !self.is_unlawful_by_itself(*n)
                };
                let rules = among(of).filter(|n| !otherwise(n)).collect();
                let replaced = among(of).filter(otherwise).map(rule_id).collect();
                Attribution { rules, missing: missing.then(|| Some(rule_id(98))).into_iter().collect(), replaced }
            }
            SmallChangedRules::Asked { of, missing } => {
                let missing = missing.then_some(None).into_iter().collect();
                Attribution { rules: among(of).collect(), missing, replaced: vec![] }
            }
            SmallChangedRules::Any => {
                let rules = among(u16::MAX).filter(|n| !self.may_be_anothers(*n, change.maker)).collect();
                Attribution { rules, ..Attribution::default() }
            }
            SmallChangedRules::List { list, added } => {
                let there = match (self.lists[list], added) {
                    (SmallList::Entries(entries), Some(added)) => (0..2).all(|n| added[n] & !entries[n] == 0),
                    (SmallList::Entries(_), None) => false,
                    (SmallList::Unreadable | SmallList::Absent, _) => true,
                };
                let rules = (0..self.rules.len()).filter(|n| self.rules[*n].from == From::List(list)).collect();
                Attribution { rules, missing: if there { vec![] } else { vec![None] }, replaced: vec![] }
            }
        };
        self.changes.iter().map(each).collect()
    }

    /// Whether an exemption covers the rule for a guard, whoever made the rule: any exemption, or only those by
    /// principal.
    fn may_be_exempt(&self, rule: usize, guard: &str, by_principal: bool) -> bool {
        self.exemptions.iter().any(|exemption| {
            let from = self.rules[rule].from;
            let within = |masks: [Mask; 2]| {
                let wider = matches!(from, From::Cidr { bits, .. } if bits > 4);
                (0..2).all(|n| self.blocks(from, n).is_some_and(|blocks| !wider && blocks & !masks[n] == 0))
            };
            !exemption.elapsed
                && exemption.place.1
                && (exemption.place != VPC || self.vpc)
                && exemption.guard.is_none_or(|name| name == guard)
                && exemption.sources.is_none_or(within)
                && (exemption.principal || !by_principal)
        })
    }

    /// "It exposes a port by itself, and no exemption covers it, or would if the right caller had made it."
    fn is_unlawful_by_itself(&self, rule: usize) -> bool {
        self.places().any(|(guard, transport, port, family)| {
            self.rules[rule].reaches(transport, port) == Reaches::Yes
                && (0..2).any(|family| self.is_over(self.counted(rule, family), family))
                && family == Family::V4
                && !self.may_be_exempt(rule, guard, false)
        })
    }

    /// "Not one that an exemption by principal could cover, if the caller is not exempt."
    fn may_be_anothers(&self, rule: usize, maker: Maker) -> bool {
        let from = self.rules[rule].from;
        let counts = (0..2).any(|family| self.blocks(from, family).is_none() || self.counted(rule, family) != 0);
        let is_a = matches!(maker, Maker::A | Maker::SessionOfA);
        let is_others = |(guard, transport, port, _): Place| {
            let covers_caller = self.may_be_exempt(rule, guard, true) && is_a || self.is_exempt_for_all(rule, guard);
            let reaches = self.rules[rule].reaches(transport, port) != Reaches::No;
            counts && reaches && self.may_be_exempt(rule, guard, true) && !covers_caller
        };
        self.places().any(is_others)
    }

    /// Whether an exemption that names no principal covers the rule.
    fn is_exempt_for_all(&self, rule: usize, guard: &str) -> bool {
        let others = self.exemptions.iter().filter(|exemption| !exemption.principal).copied().collect();
        Self { exemptions: others, ..self.clone() }.may_be_exempt(rule, guard, false)
    }

    /// "It appeared between two looks, and no exemption by principal would cover it, whoever had made it."
    fn is_new(&self, rule: usize) -> bool {
        let from = self.rules[rule].from;
        let counts = (0..2).any(|family| self.blocks(from, family).is_none() || self.counted(rule, family) != 0);
        let may_be_lawful = |(guard, transport, port, _): Place| {
            counts && self.rules[rule].reaches(transport, port) != Reaches::No && self.may_be_exempt(rule, guard, true)
        };
        self.appeared >> rule & 1 == 1 && !self.places().any(may_be_lawful)
    }

    fn answer(&self) -> Answer<'_> {
        let attributions = self.attributions();
        let of = |n: usize| {
            self.changes.iter().zip(&attributions).filter(move |(_, changed_rules)| changed_rules.rules.contains(&n))
        };
        let makers = (0..self.rules.len()).map(|n| of(n).map(|(change, _)| *change).collect()).collect();
        Answer { world: self, attributions, makers }
    }

    /// The policy as a text.
    fn policy(&self) -> String {
        let quoted = |cidrs: Vec<String>| cidrs.iter().map(|cidr| format!("'{cidr}'")).collect::<Vec<_>>().join(",");
        let list = |masks| quoted(cidrs(masks));
        let guard = |(name, transport, (from, to)): &(&str, Transport, (u16, u16))| {
            format!("{{name: {name}, protocol: {transport}, ports: [{from}-{to}]}}")
        };
        let mut guards: Vec<String> = Vec::new();
        for (n, entry) in self.guards.iter().enumerate() {
            match guards.last_mut() {
                // One entry holds all port ranges of a guard.
                Some(last) if self.guards[n - 1].0 == entry.0 => {
                    let (from, to) = entry.2;
                    *last = last.replace("]}", &format!(", {from}-{to}]}}"));
                }
                _ => guards.push(guard(entry)),
            }
        }
        let mut trusted = cidrs(self.trusted);
        if self.closed {
            trusted.extend(["16.0.0.0/4", "32.0.0.0/3", "64.0.0.0/2", "128.0.0.0/1"].map(str::to_owned));
            let sibling = |bits: u32| (0x2001_0db0u128 << 96 ^ 1 << bits) >> bits << bits;
            trusted.extend((100..128).map(|bits| format!("{}/{}", Ipv6Addr::from(sibling(bits)), 128 - bits)));
        }
        let mut policy = format!(
            "guard: [{}]\ninternet: {{ipv4: /{}, ipv6: /{}}}\ntrusted: [{}]\n",
            guards.join(", "),
            8 - self.limits[0],
            32 - self.limits[1],
            quoted(trusted)
        );
        for (n, exemption) in self.exemptions.iter().enumerate() {
            let SmallExemption { place, elapsed, guard, sources, principal } = exemption;
            let until = if *elapsed { "2026-11-21T10:00:00Z" } else { "2026-11-21T10:00:01Z" };
            policy += if n == 0 { "exempt:\n" } else { "" };
            policy += &format!("- {{reason: x, until: {until}, {}", place.0);
            policy += &guard.map_or_else(String::new, |guard| format!(", guard: [{guard}]"));
            policy += &sources.map_or_else(String::new, |masks| format!(", sources: [{}]", list(masks)));
            policy += if *principal { ", principals: ['arn:aws:iam::*:role/A']}\n" } else { "}\n" };
        }
        policy
    }

    /// The same world for production.
    fn case(&self, form: Form) -> Case {
        let mut case = Case::under(&self.policy(), &[]);
        self.fill(&mut case, form);
        case
    }

    /// Everything but the policy.
    fn fill(&self, case: &mut Case, form: Form) {
        let rule = |(n, rule): (usize, &SmallRule)| Rule::new(rule_id(n), rule.permission(form));
        case.facts.rules = self.rules.iter().enumerate().map(rule).collect();
        case.facts.appeared = (0..self.rules.len()).filter(|n| self.appeared >> n & 1 == 1).map(rule_id).collect();
        case.facts.egress = BTreeSet::from([rule_id(97)]);
        case.facts.location.vpc = self.vpc.then(|| VpcId::parse("vpc-1").unwrap());
        case.lists().clear();
        let parsed = |masks| cidrs(masks).iter().map(|cidr| cidr.parse().unwrap()).collect();
        for (n, list) in self.lists.iter().enumerate() {
            let entries = match list {
                SmallList::Entries(masks) => Ok(parsed(*masks)),
                SmallList::Unreadable => Err("AccessDenied".to_owned()),
                SmallList::Absent => continue,
            };
            case.lists().insert(list_id(n), entries);
        }
        case.changes.clear();
        for (at, SmallChange { maker, changed_rules: small }) in self.changes.iter().enumerate() {
            let among = |mask: u16| (0..self.rules.len()).filter(move |n| mask >> n & 1 == 1);
            // A rule that no world contains.
            let other = || SmallRule { protocol: "tcp", ports: Some((1, 1)), from: From::Group }.permission(form);
            let mut recorded_rules = None;
            let changed_rules = match *small {
                SmallChangedRules::Rules { of, recorded_otherwise, missing, egress, .. } => {
                    let said = |n| {
                        let otherwise = recorded_otherwise >> n & 1 == 1;
                        (Some(rule_id(n)), if otherwise { other() } else { self.rules[n].permission(form) })
                    };
                    recorded_rules = Some(among(of).map(said).collect());
                    let egress = egress.then(|| rule_id(97));
                    ChangedRules::Rules(
                        among(of).map(rule_id).chain(egress).chain(missing.then(|| rule_id(98))).collect(),
                    )
                }
                SmallChangedRules::Asked { of, missing } => {
                    let asked = among(of).map(|n| self.rules[n].permission(form));
                    ChangedRules::Permissions(asked.chain(missing.then(other)).collect())
                }
                SmallChangedRules::List { list, added } => ChangedRules::PrefixList {
                    list: list_id(list),
                    restored: None,
                    version: None,
                    added: added.map(parsed),
                },
                SmallChangedRules::Any => ChangedRules::Any,
            };
            let mut made = change(changed_rules);
            made.recorded_rules = recorded_rules;
            made.event.time = jiff::Timestamp::from_second(i64::try_from(at).unwrap()).ok();
            if let SmallChangedRules::Rules { of, knows: Some(knows), .. } = small {
                made.call = Call::Modify;
                let was = |n| (rule_id(n), self.was_in_production(n, form));
                made.former = among(of & knows).map(was).collect();
            }
            let (actor, issuer) = match maker {
                Maker::A => (Some("arn:aws:iam::111122223333:role/A"), None),
                Maker::SessionOfA => {
                    let session = "arn:aws:sts::111122223333:assumed-role/A/jo";
                    (Some(session), Some("arn:aws:iam::111122223333:role/A"))
                }
                Maker::B => (Some("arn:aws:iam::111122223333:role/B"), None),
                Maker::Unnamed => (None, None),
            };
            (made.event.actor, made.event.issuer) = (actor.map(str::to_owned), issuer.map(str::to_owned));
            case.changes.push(made);
        }
    }
}

/// The naive definition's answer for a world.
struct Answer<'a> {
    world: &'a World,
    attributions: Vec<Attribution>,
    /// For each rule, the changes that made it.
    makers: Vec<Vec<SmallChange>>,
}

impl World {
    fn was_in_production(&self, rule: usize, form: Form) -> Former {
        Former::Was(former::Was {
            permission: self.former(rule).permission(form),
            description: None,
            from: former::Source::Sweep,
            as_of: jiff::Timestamp::UNIX_EPOCH,
            exposes: false,
            doubt: None,
            before: None,
        })
    }
}

impl Answer<'_> {
    fn is_attributed(&self, rule: usize) -> bool {
        !self.makers[rule].is_empty() || self.world.is_new(rule)
    }

    /// The blocks that a rule would admit without the changes: all, or none where one of them made it. A change to its
    /// prefix list that lists the added entries made only those; if the rest was exempt, the change made everything
    /// that counts.
    fn without(&self, rule: usize, family: usize) -> Mask {
        let no_more = |(guard, transport, (from, to)): &(&str, Transport, (u16, u16))| {
            let reaches = |port| self.world.rules[rule].reaches(*transport, port) != Reaches::No;
            (*from..=*to).any(reaches) && !self.exempt(rule, guard) && self.was_exempt(rule, guard)
        };
        if let Some(kept) = self.kept(rule) {
            return kept[family];
        }
        let is_new = self.makers[rule].is_empty() && self.world.is_new(rule);
        if is_new || self.world.guards.iter().any(no_more) {
            return 0;
        }
        self.before(rule, family, self.world.counted(rule, family))
    }

    /// "What of a modified rule its former value admitted, if that is known for every change that names the rule, if the rule
    /// reaches no guarded port that it did not reach then, admits no address that counts and did not count then, and was not
    /// exempt."
    fn kept(&self, rule: usize) -> Option<[Mask; 2]> {
        let world = self.world;
        let naming: Vec<&SmallChange> = world.changes.iter().filter(|change| names(change, rule)).collect();
        let knows = |change: &&SmallChange| matches!(change.changed_rules, SmallChangedRules::Rules { knows: Some(knows), .. } if knows >> rule & 1 == 1);
        let all = naming.iter().all(knows) && self.makers[rule].iter().all(|change| knows(&change));
        if self.makers[rule].is_empty() || !all {
            return None;
        }
        let (now, was) = (&world.rules[rule], world.former(rule));
        let no_more = |(_, transport, port, _): Place| match now.reaches(transport, port) {
            Reaches::No => true,
            Reaches::Yes => was.reaches(transport, port) == Reaches::Yes,
            Reaches::NobodyKnows => false,
        };
        world.blocks(was.from, 0)?;
        if !world.places().all(no_more) {
            return None;
        }
        let mut before = world.clone();
        before.rules[rule] = was;
        let was_exempt = world.places().any(|(guard, transport, port, _)| {
            let by_whoever = |it: &SmallExemption| !it.principal;
            before.exemptions.retain(by_whoever);
            was.reaches(transport, port) != Reaches::No && before.may_be_exempt(rule, guard, false)
        });
        let adds = (0..2).any(|family| world.counted(rule, family) & !world.counted_of(&was, family) != 0);
        let same = |family| world.counted(rule, family) & world.counted_of(&was, family);
        Some(if was_exempt || adds { [0, 0] } else { [same(0), same(1)] })
    }

    /// Which of these blocks of a rule the changes did not add.
    fn before(&self, rule: usize, family: usize, blocks: Mask) -> Mask {
        let left = |mask: Mask, change: &SmallChange| match change.changed_rules {
            SmallChangedRules::List { added: Some(added), .. } => mask & !added[family],
            SmallChangedRules::List { added: None, .. }
            | SmallChangedRules::Rules { .. }
            | SmallChangedRules::Asked { .. }
            | SmallChangedRules::Any => 0,
        };
        self.makers[rule].iter().fold(blocks, left)
    }

    fn union(&self, rules: &[usize], family: usize) -> Mask {
        rules.iter().fold(0, |mask, n| mask | self.world.counted(*n, family))
    }

    fn union_without(&self, rules: &[usize], family: usize) -> Mask {
        rules.iter().fold(0, |mask, n| mask | self.without(*n, family))
    }

    /// Whether an exemption covered the rule before the changes added addresses that count, whoever made those
    /// additions.
    fn was_exempt(&self, rule: usize, guard: &str) -> bool {
        let blocks = |family| self.world.blocks(self.world.rules[rule].from, family);
        let within = |masks: [Mask; 2]| {
            (0..2).all(|n| blocks(n).is_some_and(|blocks| self.before(rule, n, blocks) & !masks[n] == 0))
        };
        let adds =
            |family| self.before(rule, family, self.world.counted(rule, family)) != self.world.counted(rule, family);
        (0..2).any(adds)
            && self.world.exemptions.iter().any(|exemption| {
                !exemption.elapsed
                    && exemption.place.1
                    && (exemption.place != VPC || self.world.vpc)
                    && exemption.guard.is_none_or(|name| name == guard)
                    && exemption.sources.is_none_or(within)
                    && !exemption.principal
            })
    }

    fn exempt(&self, rule: usize, guard: &str) -> bool {
        let from = self.world.rules[rule].from;
        self.world.exemptions.iter().any(|exemption| {
            // All of the rule's source must lie within the exemption's sources, public or not. An unknown source lies
            // within none. A source of more than the sixteen blocks lies within none either.
            let within = |masks: [Mask; 2]| {
                let wider = matches!(from, From::Cidr { bits, .. } if bits > 4);
                (0..2).all(|n| self.world.blocks(from, n).is_some_and(|blocks| !wider && blocks & !masks[n] == 0))
            };
            let made_by_a = |change: &SmallChange| matches!(change.maker, Maker::A | Maker::SessionOfA);
            !exemption.elapsed
                && exemption.place.1
                && (exemption.place != VPC || self.world.vpc)
                && exemption.guard.is_none_or(|name| name == guard)
                && exemption.sources.is_none_or(within)
                && (!exemption.principal || !self.makers[rule].is_empty() && self.makers[rule].iter().all(made_by_a))
        })
    }

    /// "All ingress rules that admit the port", less those that admit no address that counts and those that are exempt.
    fn admitting(&self, (guard, transport, port, family): Place, exemptions: bool) -> Vec<usize> {
        let admits = |n: &usize| {
            self.world.rules[*n].reaches(transport, port) == Reaches::Yes
                && self.world.counted(*n, family as usize) != 0
                && !(exemptions && self.exempt(*n, guard))
        };
        (0..self.world.rules.len()).filter(admits).collect()
    }

    fn exposures(&self, exemptions: bool) -> Exposures<'static> {
        let mut exposures = Exposures::new();
        for place in self.world.places() {
            let family = place.3 as usize;
            let rules = self.admitting(place, exemptions);
            let all = self.union(&rules, family);
            if self.world.is_over(all, family) {
                let standing = self.world.is_over(self.union_without(&rules, family), family);
                exposures.insert(place, (rules, u128::from(all.count_ones()) * BLOCK[family], standing));
            }
        }
        exposures
    }

    /// For each guarded port, the rules that reach it or may reach it and cannot be decided, unless they are exempt.
    fn undecided(&self) -> BTreeSet<(RuleId, &'static str)> {
        let mut undecided = BTreeSet::new();
        for (guard, transport, port, family) in self.world.places() {
            for (n, rule) in self.world.rules.iter().enumerate() {
                let reaches = rule.reaches(transport, port);
                if reaches == Reaches::No || self.exempt(n, guard) {
                    continue;
                }
                if self.world.blocks(rule.from, 0).is_none() {
                    undecided.insert((rule_id(n), "source"));
                } else if reaches == Reaches::NobodyKnows && self.world.counted(n, family as usize) != 0 {
                    undecided.insert((rule_id(n), "traffic"));
                }
            }
        }
        undecided
    }

    /// The rules that an exemption covers for a guard that they reach, where an exposure would go through them.
    fn reported_exempt(&self) -> BTreeSet<usize> {
        let exposing: BTreeSet<usize> = self.exposures(false).into_values().flat_map(|(rules, ..)| rules).collect();
        let covered = |n: &usize| {
            self.world.places().any(|(guard, transport, port, _)| {
                self.world.rules[*n].reaches(transport, port) == Reaches::Yes && self.exempt(*n, guard)
            })
        };
        exposing.into_iter().filter(covered).collect()
    }

    fn planned(&self) -> BTreeSet<usize> {
        let mut gone = BTreeSet::new();
        // "Every rule of the change that reaches the limit by itself is revoked."
        for place in self.world.places() {
            let family = place.3 as usize;
            let alone = |n: &usize| {
                self.world.is_over(self.world.counted(*n, family), family)
                    && !self.world.is_over(self.without(*n, family), family)
            };
            gone.extend(self.admitting(place, true).into_iter().filter(alone));
        }
        // "If the port is still exposed, and would not be without the rules of this change, further rules of the change
        // go, widest public source first, until it is not." Again, until it holds everywhere.
        let by_itself = gone.clone();
        loop {
            let before = gone.len();
            for place in self.world.places() {
                self.bring_under(place, &mut gone);
            }
            if gone.len() == before {
                break;
            }
        }
        // "No rule goes that could stay when all others that go are gone": narrowest first, by id from the last.
        let width = |n: &usize| -> u128 {
            (0..2).map(|family| u128::from(self.world.counted(*n, family).count_ones()) * BLOCK[family]).sum()
        };
        let mut candidates: Vec<usize> = gone.difference(&by_itself).copied().collect();
        candidates.sort_by_key(|n| (width(n), Reverse(rule_id(*n))));
        for n in candidates {
            let without_it: BTreeSet<usize> = gone.iter().copied().filter(|other| *other != n).collect();
            let needs_more = |place: &Place| {
                let mut more = without_it.clone();
                self.bring_under(*place, &mut more);
                self.admitting(*place, true).contains(&n) && more != without_it
            };
            if !self.world.places().any(|place| needs_more(&place)) {
                gone = without_it;
            }
        }
        gone
    }

    fn bring_under(&self, place: Place, gone: &mut BTreeSet<usize>) {
        let family = place.3 as usize;
        let left = |gone: &BTreeSet<usize>| -> Vec<usize> {
            self.admitting(place, true).into_iter().filter(|n| !gone.contains(n)).collect()
        };
        // "A rule whose addresses the rest of the group admits anyway is left."
        let others = self.union_without(&left(gone), family);
        if self.world.is_over(others, family) {
            return;
        }
        while self.world.is_over(self.union(&left(gone), family), family) {
            let adds = |n: &usize| self.is_attributed(*n) && self.world.counted(*n, family) & !others != 0;
            let rank = |n: &usize| (self.world.counted(*n, family).count_ones(), Reverse(rule_id(*n)));
            let widest = left(gone).into_iter().filter(adds).max_by_key(rank);
            gone.insert(widest.expect("something of the change is left that can go"));
        }
    }
}

/// Whether a change names the rule by its id, as it is now or as it was.
fn names(change: &SmallChange, rule: usize) -> bool {
    matches!(change.changed_rules, SmallChangedRules::Rules { of, .. } if of >> rule & 1 == 1)
}

/// Production's answer and the naive answer in the same words. The two are equal where the definitions agree.
fn both<'a>(world: &World, case: &'a Case) -> [Compared<'a>; 2] {
    let judgement = case.judge();
    let mut exposures = Exposures::new();
    for exposure in &judgement.exposures {
        let guard = case.policy.guards().iter().find(|guard| guard.name == exposure.guard).unwrap();
        for port in exposure.ports.from()..=exposure.ports.to() {
            let place = (guard.name.as_str(), exposure.transport, port, exposure.family);
            let twice = exposures.insert(place, (exposure.rules.clone(), exposure.addresses, exposure.standing));
            assert_eq!(twice, None);
        }
    }
    let doubt = |text: &String| {
        let (id, what) = text.split_once(": ").unwrap();
        (RuleId::parse(id).unwrap(), if what.starts_with("protocol") { "traffic" } else { "source" })
    };
    let exempt = (0..judgement.rules.len()).filter(|n| judgement.rules[*n].exempt.is_some()).collect();
    let undecided: BTreeSet<_> = judgement.undecided.iter().map(doubt).collect();
    assert_eq!(undecided.len(), judgement.undecided.len(), "one for each rule");
    let planned = going(&judgement);
    let naive = world.answer();
    [
        Compared { exposures, undecided, exempt, planned, attributions: judgement.attributions },
        Compared {
            exposures: naive.exposures(true),
            undecided: naive.undecided(),
            exempt: if world.exemptions.is_empty() { BTreeSet::new() } else { naive.reported_exempt() },
            planned: naive.planned(),
            attributions: naive.attributions,
        },
    ]
}

#[derive(Debug, PartialEq)]
struct Compared<'a> {
    attributions: Vec<Attribution>,
    undecided: BTreeSet<(RuleId, &'static str)>,
    exempt: BTreeSet<usize>,
    exposures: Exposures<'a>,
    planned: BTreeSet<usize>,
}
