//! A second definition of what is exposed and what goes, written from the words of docs/SEMANTICS.md alone: a world of
//! sixteen blocks in each family, kept as the bits of a word, and ports walked one by one. Production must equal it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;

use crate::exposure::tests::{Case, change};
use crate::exposure::{Judgement, Rule, harmless, needs_prefix_list};
use crate::ids::RuleId;
use crate::net::Family;
use crate::plan::plan;
use crate::trail::{Change, Claim};

/// Bit n of a mask is the nth block: `n.0.0.0/8`, or `2001:dbn::/32`.
type Mask = u16;

/// IANA's special blocks among them: 0.0.0.0/8 and 10.0.0.0/8; 2001:db8::/32.
const SPECIAL: [Mask; 2] = [1 << 0 | 1 << 10, 1 << 8];
const BLOCK: [u128; 2] = [1 << 24, 1 << 96];
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// Where a rule admits from.
#[derive(Debug, Clone, PartialEq)]
enum From {
    /// `2^bits` aligned blocks of a family, `block` one of them, written with these host bits.
    Cidr {
        family: usize,
        block: u8,
        bits: u8,
        host: u64,
    },
    /// Any blocks of both families.
    List([Mask; 2]),
    Group,
}

impl From {
    fn blocks(&self, family: usize) -> Mask {
        match self {
            Self::Cidr { family: own, block, bits, .. } if *own == family => {
                (0..16u8).filter(|n| n >> bits == block >> bits).fold(0, |mask, n| mask | 1 << n)
            }
            Self::List(masks) => masks[family],
            Self::Cidr { .. } | Self::Group => 0,
        }
    }

    /// As a text for the `n`th rule; without host bits it is the canonical one.
    fn text(&self, n: usize, host_bits: bool) -> String {
        let Self::Cidr { family, block, bits, host } = self else {
            return if matches!(self, Self::Group) { "sg-1".to_owned() } else { format!("pl-{n}") };
        };
        let (block, host) = if host_bits { (*block, *host) } else { (block >> bits << bits, 0) };
        match family {
            0 => format!("{block}.{}.{}.{}/{}", host & 255, host >> 8 & 255, host >> 16 & 255, 8 - bits),
            _ => format!("2001:DB{block:X}:{:x}::{:x}/{}", host >> 48, host & 0xffff, 32 - bits),
        }
    }
}

fn cidrs(masks: [Mask; 2]) -> Vec<String> {
    let v4 = (0..16).filter(|n| masks[0] >> n & 1 == 1).map(|n| format!("{n}.0.0.0/8"));
    let v6 = (0..16).filter(|n| masks[1] >> n & 1 == 1).map(|n| format!("2001:db{n:x}::/32"));
    v4.chain(v6).collect()
}

#[derive(Debug, Clone)]
struct SmallRule {
    owner: &'static str,
    protocol: &'static str,
    ports: (u16, u16),
    from: From,
}

impl SmallRule {
    fn claimed(&self) -> bool {
        self.owner != "old"
    }

    /// "The protocol or `-1`; the port inside the range."
    fn admits(&self, transport: &str, port: u16) -> bool {
        let inside = self.ports.0 <= port && port <= self.ports.1;
        match self.protocol {
            "-1" => true,
            "tcp" | "6" => transport == "tcp" && inside,
            "udp" | "17" => transport == "udp" && inside,
            _ => false,
        }
    }
}

#[derive(Debug, Clone)]
struct SmallExemption {
    elapsed: bool,
    guard: Option<&'static str>,
    sources: Option<[Mask; 2]>,
    /// Only what the first change's caller made.
    principal: bool,
}

/// A guarded port in one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    guard: &'static str,
    transport: &'static str,
    port: u16,
    family: usize,
}

const POLICY: &str = "\
guard: [{name: app, protocol: tcp, ports: [20-24, 26]}, ssh, {name: game, protocol: udp, ports: [21-23]}]
";

/// The same guards in the same order, port by port.
fn places() -> Vec<Place> {
    let tcp = [20, 21, 22, 23, 24, 26].map(|port| ("app", "tcp", port)).into_iter();
    let ports = tcp.chain([("ssh", "tcp", 22)]).chain([21, 22, 23].map(|port| ("game", "udp", port)));
    let place = |family, (guard, transport, port)| Place { guard, transport, port, family };
    ports.flat_map(|port| [place(0, port), place(1, port)]).collect()
}

#[derive(Debug, Clone)]
struct World {
    rules: Vec<SmallRule>,
    /// One `internet` block is 2^n of the sixteen.
    limits: [u8; 2],
    trusted: [Mask; 2],
    exemptions: Vec<SmallExemption>,
}

/// What is exposed: by which rules, to how many addresses, and whether without the changes too.
type Exposures = BTreeMap<(String, String, u16, Family), (Vec<usize>, u128, bool)>;

impl World {
    /// "Take away what is not public address space and what is `trusted`."
    fn counted(&self, rule: usize, family: usize) -> Mask {
        self.rules[rule].from.blocks(family) & !SPECIAL[family] & !self.trusted[family]
    }

    fn union(&self, rules: impl IntoIterator<Item = usize>, family: usize) -> Mask {
        rules.into_iter().fold(0, |mask, n| mask | self.counted(n, family))
    }

    /// "At least as many as one `internet` block is an exposure."
    fn is_over(&self, blocks: Mask, family: usize) -> bool {
        blocks.count_ones() >= 1 << self.limits[family]
    }

    fn exempt(&self, rule: usize, guard: &str) -> bool {
        let rule = &self.rules[rule];
        self.exemptions.iter().any(|exemption| {
            let within = |masks: [Mask; 2]| (0..2).all(|family| rule.from.blocks(family) & !masks[family] == 0);
            !exemption.elapsed
                && exemption.guard.is_none_or(|name| name == guard)
                && exemption.sources.is_none_or(within)
                && (!exemption.principal || rule.owner == "a")
        })
    }

    /// "All ingress rules that admit the port", less what is exempt or admits no address that counts.
    fn admitting(&self, place: Place) -> Vec<usize> {
        let admits = |n: &usize| {
            self.rules[*n].admits(place.transport, place.port)
                && !self.exempt(*n, place.guard)
                && self.counted(*n, place.family) != 0
        };
        (0..self.rules.len()).filter(admits).collect()
    }

    fn exposures(&self) -> Exposures {
        let mut exposures = Exposures::new();
        for place in places() {
            let rules = self.admitting(place);
            let all = self.union(rules.iter().copied(), place.family);
            if self.is_over(all, place.family) {
                let old = rules.iter().copied().filter(|n| !self.rules[*n].claimed());
                let standing = self.is_over(self.union(old, place.family), place.family);
                let key = (place.guard.to_owned(), place.transport.to_owned(), place.port, FAMILIES[place.family]);
                exposures.insert(key, (rules, u128::from(all.count_ones()) * BLOCK[place.family], standing));
            }
        }
        exposures
    }

    fn planned(&self) -> BTreeSet<usize> {
        let mut gone = BTreeSet::new();
        // "Every rule of the change that reaches the limit by itself is revoked."
        for place in places() {
            let alone =
                |n: &usize| self.rules[*n].claimed() && self.is_over(self.counted(*n, place.family), place.family);
            gone.extend(self.admitting(place).into_iter().filter(alone));
        }
        // "If the group is still over the limit and would not be without the rules of this change, further rules of the
        // change go, widest public source first, until it is under." Of those that add something, by id among equals.
        for place in places() {
            let family = place.family;
            let (ours, others): (Vec<usize>, Vec<usize>) =
                self.admitting(place).into_iter().partition(|n| self.rules[*n].claimed());
            let others = self.union(others, family);
            if self.is_over(others, family) {
                continue;
            }
            loop {
                let left: Vec<usize> = ours.iter().copied().filter(|n| !gone.contains(n)).collect();
                if !self.is_over(others | self.union(left.iter().copied(), family), family) {
                    break;
                }
                let adding = left.into_iter().filter(|n| self.counted(*n, family) & !others != 0);
                let rank = |n: &usize| (self.counted(*n, family).count_ones(), Reverse(format!("sgr-{}", n + 1)));
                gone.insert(adding.max_by_key(rank).expect("something of the change is left that can go"));
            }
        }
        gone
    }

    /// The same world for production.
    fn case(&self, host_bits: bool) -> Case {
        let list = |masks| cidrs(masks).iter().map(|cidr| format!("'{cidr}'")).collect::<Vec<_>>().join(",");
        let mut policy = format!(
            "{POLICY}internet: {{ipv4: /{}, ipv6: /{}}}\ntrusted: [{}]\n",
            8 - self.limits[0],
            32 - self.limits[1],
            list(self.trusted)
        );
        for (n, SmallExemption { elapsed, guard, sources, principal }) in self.exemptions.iter().enumerate() {
            let until = if *elapsed { "2026-11-21T10:00:00Z" } else { "2026-11-21T10:00:01Z" };
            policy += if n == 0 { "exempt:\n" } else { "" };
            policy += &format!("- {{reason: x, until: {until}, groups: [sg-0123456789abcdef0]");
            policy += &guard.map_or_else(String::new, |guard| format!(", guard: [{guard}]"));
            policy += &sources.map_or_else(String::new, |masks| format!(", sources: [{}]", list(masks)));
            policy += if *principal { ", principals: ['arn:aws:iam::*:role/A']}\n" } else { "}\n" };
        }
        let line = |(n, rule): (usize, &SmallRule)| {
            let SmallRule { owner, protocol, ports: (from, to), from: source } = rule;
            format!("{owner} {protocol} {from}-{to} {}", source.text(n, host_bits))
        };
        let lines: Vec<String> = self.rules.iter().enumerate().map(line).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut case = Case::under(&policy, &lines).by("arn:aws:iam::111122223333:role/A");
        for (n, rule) in self.rules.iter().enumerate() {
            if let From::List(masks) = rule.from {
                let entries = cidrs(masks);
                case = case.list(&format!("pl-{n}"), Ok(&entries.iter().map(String::as_str).collect::<Vec<_>>()));
            }
        }
        case
    }
}

/// Production's exposures, each run spread over its ports.
fn spread(judgement: &Judgement) -> Exposures {
    let mut spread = Exposures::new();
    for exposure in &judgement.exposures {
        for port in exposure.ports.from()..=exposure.ports.to() {
            let key = (exposure.guard.clone(), exposure.transport.to_string(), port, exposure.family);
            let twice = spread.insert(key, (exposure.rules.clone(), exposure.addresses, exposure.standing));
            assert_eq!(twice, None);
        }
    }
    spread
}

/// The ids of the rules that go.
fn planned(case: &Case) -> BTreeSet<RuleId> {
    let judgement = case.judge();
    plan(&judgement).into_iter().map(|n| judgement.rules[n].rule.id.clone()).collect()
}

fn masks() -> impl Strategy<Value = [Mask; 2]> {
    [any::<Mask>(), any::<Mask>()]
}

/// A few blocks only.
fn few() -> impl Strategy<Value = [Mask; 2]> {
    (masks(), masks(), masks()).prop_map(|(a, b, c)| [a[0] & b[0] & c[0], a[1] & b[1] & c[1]])
}

fn small_rule() -> impl Strategy<Value = SmallRule> {
    let cidr = (0..2usize, 0..16u8, prop_oneof![4 => 0..2u8, 1 => 2..5u8], any::<u64>())
        .prop_map(|(family, block, bits, host)| From::Cidr { family, block, bits, host });
    let from = prop_oneof![
        8 => cidr,
        2 => few().prop_map(From::List),
        1 => masks().prop_map(From::List),
        1 => Just(From::Group),
    ];
    let ports = prop_oneof![
        2 => Just((22, 22)),
        2 => (18..28u16, 0..6u16).prop_map(|(from, more)| (from, from + more)),
        1 => Just((0, 65535)),
    ];
    let protocol = select(vec!["tcp", "tcp", "tcp", "6", "udp", "17", "-1", "icmp", "47"]);
    (select(vec!["old", "old", "a", "a", "a", "b", "ab"]), protocol, ports, from)
        .prop_map(|(owner, protocol, ports, from)| SmallRule { owner, protocol, ports, from })
}

fn small_exemption() -> impl Strategy<Value = SmallExemption> {
    let guard = proptest::option::of(select(vec!["app", "ssh", "game"]));
    let sources = proptest::option::weighted(0.8, masks().prop_filter("not empty", |masks| *masks != [0, 0]));
    (any::<bool>(), guard, sources, any::<bool>()).prop_map(|(elapsed, guard, sources, principal)| SmallExemption {
        elapsed,
        guard,
        sources,
        principal,
    })
}

fn world() -> impl Strategy<Value = World> {
    let exemptions = prop_oneof![2 => Just(vec![]), 1 => proptest::collection::vec(small_exemption(), 1..3)];
    let trusted = prop_oneof![Just([0, 0]), few()];
    let limit = || prop_oneof![1 => 0..1u8, 5 => 1..4u8];
    (proptest::collection::vec(small_rule(), 0..12), [limit(), limit()], trusted, exemptions)
        .prop_map(|(rules, limits, trusted, exemptions)| World { rules, limits, trusted, exemptions })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn production_equals_the_naive_definition(world in world()) {
        let judgement = world.case(true).judge();
        prop_assert_eq!(spread(&judgement), world.exposures());
        prop_assert_eq!(plan(&judgement), world.planned());
    }
}

// What must hold whatever the definition.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_is_a_changes_own_reaches_a_guard_admits_what_counts_and_is_not_exempt(world in world()) {
        for n in plan(&world.case(true).judge()) {
            let rule = &world.rules[n];
            prop_assert!(rule.claimed());
            let mut open = places().into_iter().filter(|place| {
                rule.admits(place.transport, place.port)
                    && world.counted(n, place.family) != 0
                    && !world.exempt(n, place.guard)
            });
            prop_assert!(open.next().is_some());
        }
    }

    #[test]
    fn after_the_plan_only_what_stood_already_is_exposed_and_nothing_more_goes(world in world()) {
        let mut case = world.case(true);
        let (gone, before) = (planned(&case), spread(&case.judge()));
        case.facts.rules.retain(|rule| !gone.contains(&rule.id));
        for (place, (_, _, standing)) in spread(&case.judge()) {
            prop_assert!(standing && before[&place].2, "{:?}", place);
        }
        prop_assert_eq!(planned(&case), BTreeSet::new());
    }

    #[test]
    fn one_more_rule_lowers_no_measure(world in world(), more in small_rule()) {
        let wider = World { rules: world.rules.iter().cloned().chain([more]).collect(), ..world.clone() };
        let after = spread(&wider.case(true).judge());
        for (place, (_, addresses, standing)) in spread(&world.case(true).judge()) {
            prop_assert!(after[&place].1 >= addresses && after[&place].2 >= standing, "{:?}", place);
        }
    }

    #[test]
    fn the_order_of_rules_and_of_changes_does_not_matter(
        (world, order) in world().prop_flat_map(|world| {
            let order: Vec<usize> = (0..world.rules.len()).collect();
            (Just(world), Just(order).prop_shuffle())
        }),
    ) {
        let case = world.case(true);
        let mut shuffled = case.clone();
        shuffled.facts.rules = order.iter().map(|n| case.facts.rules[*n].clone()).collect();
        shuffled.changes.reverse();
        prop_assert_eq!(planned(&shuffled), planned(&case));
    }

    #[test]
    fn the_way_a_cidr_is_written_does_not_matter(world in world()) {
        prop_assert_eq!(world.case(true).judge(), world.case(false).judge());
    }

    #[test]
    fn what_is_harmless_by_its_record_is_never_rolled_back(world in world()) {
        let mut case = world.case(true);
        let claimed = |(rule, _): &(&Rule, &SmallRule)| (Some(rule.id.clone()), rule.permission.clone());
        let ours = case.facts.rules.iter().zip(&world.rules).filter(|(_, small)| small.claimed());
        let says: Vec<_> = ours.map(|pair| claimed(&pair)).collect();
        let claim = Claim::Rules(says.iter().filter_map(|(id, _)| id.clone()).collect());
        let change = Change { says: Some(says), ..change(claim) };
        let harmless = harmless(&change, &case.policy).is_some();
        case.changes = vec![change];
        prop_assert!(!harmless || planned(&case).is_empty());
    }

    #[test]
    fn a_prefix_list_that_is_not_needed_changes_nothing(world in world()) {
        let case = world.case(true);
        let mut bare = case.clone();
        let needed = |rule: &&Rule| needs_prefix_list(&rule.permission, &case.policy);
        let needed: BTreeSet<String> =
            case.facts.rules.iter().filter(needed).map(|rule| rule.permission.source.to_string()).collect();
        bare.lists.retain(|id, _| needed.contains(id.as_str()));
        let (with, without) = (case.judge(), bare.judge());
        prop_assert_eq!((with.exposures, with.doubts), (without.exposures, without.doubts));
    }
}
