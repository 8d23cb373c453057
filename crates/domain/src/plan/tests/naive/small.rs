//! Every small world: production equals the naive definition in each of them.
//!
//! Two bits of address are left in each family (the rest is trusted), and three ports are guarded. The worlds are every
//! group of up to three rules from an alphabet, with every subset of them as the rules of a change, every change to the
//! prefix list, and every limit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;

use super::*;

/// The blocks that count: 12.0.0.0/6 and 2001:dbc::/30.
const COUNTING: Mask = 0xf000;

/// The entries of the small worlds' prefix list, and the additions that a record may list: none, not listed, one entry,
/// all entries, and a block that is not in the list.
const ENTRIES: [Mask; 2] = [1 << 13 | 1 << 14, 1 << 13];
const ADDED: [Option<[Mask; 2]>; 5] =
    [None, Some([0, 0]), Some([1 << 13, 0]), Some(ENTRIES), Some([1 << 13 | 1 << 12, 0])];

/// How a rule of a group of up to two can have come to be.
const KINDS: u16 = 6;

struct Alphabet {
    rules: Vec<SmallRule>,
    /// One `internet` block is 2^n blocks; then the trusted blocks.
    limits: Vec<(u8, Mask)>,
}

impl Alphabet {
    fn of(traffic: &[(&'static str, i64, i64)], sources: &[From], limits: &[(u8, Mask)]) -> Self {
        let rule = |(protocol, from, to): &(&'static str, i64, i64), source: &From| SmallRule {
            protocol,
            ports: Some((*from, *to)),
            from: *source,
        };
        let rules = traffic.iter().flat_map(|traffic| sources.iter().map(|source| rule(traffic, source))).collect();
        Self { rules, limits: limits.to_vec() }
    }

    /// Everything that so small a world can contain.
    fn whole() -> Self {
        let ranges = [(20, 20), (20, 21), (20, 22), (21, 21), (21, 22), (22, 22)];
        let tcp = ranges.map(|(from, to)| ("tcp", from, to));
        let other = [("-1", 0, 0), ("17", 21, 21), ("icmp", 20, 22), ("sctp", 20, 22)];
        let cidr = |family, block, bits| From::Cidr { family, block, bits, host: 0 };
        let v4 = [cidr(0, 12, 2), cidr(0, 12, 1), cidr(0, 14, 1), cidr(0, 12, 0), cidr(0, 13, 0), cidr(0, 14, 0)];
        let v6 = [cidr(1, 12, 1), cidr(1, 13, 0)];
        let sources = [&v4[..], &[cidr(0, 15, 0)], &v6, &[From::List(0), From::Group]].concat();
        // One block, two, three (one of four is trusted), four.
        Self::of(&[&tcp[..], &other].concat(), &sources, &[(0, 0), (1, 0), (2, 1 << 15), (2, 0)])
    }

    /// A part of the worlds that `make test` has time for.
    fn reduced() -> Self {
        let cidr = |block, bits| From::Cidr { family: 0, block, bits, host: 0 };
        let sources = [cidr(12, 1), cidr(13, 0), cidr(14, 0), From::List(0)];
        Self::of(&[("tcp", 20, 21), ("-1", 0, 0)], &sources, &[(1, 0), (2, 1 << 15)])
    }

    fn empty_world((limit, trusted): (u8, Mask)) -> World {
        let rest = !COUNTING | trusted;
        World {
            guards: vec![("app", Transport::Tcp, (20, 22)), ("game", Transport::Udp, (21, 21))],
            rules: vec![],
            was: vec![],
            appeared: 0,
            lists: [SmallList::Entries(ENTRIES), SmallList::Absent],
            changes: vec![],
            limits: [limit; 2],
            trusted: [rest & !SPECIAL[0], rest & !SPECIAL[1]],
            closed: true,
            exemptions: vec![],
            vpc: false,
        }
    }

    /// All groups of up to three rules whose first rule is `first`. `None` gives the empty group.
    fn groups(&self, first: Option<usize>) -> impl Iterator<Item = Vec<SmallRule>> {
        let at = |n: usize| self.rules[n];
        let from = first.unwrap_or(self.rules.len());
        let one = first.map(|a| vec![at(a)]).into_iter().chain(first.is_none().then(Vec::new));
        let pairs = (from..self.rules.len()).skip(1).flat_map(move |b| {
            let threes = (b + 1..self.rules.len()).map(move |c| vec![at(from), at(b), at(c)]);
            std::iter::once(vec![at(from), at(b)]).chain(threes)
        });
        one.chain(pairs)
    }

    /// Checks that the two agree in all worlds. Returns how many worlds there are.
    fn agree(&self) -> u64 {
        let (worlds, next) = (AtomicU64::new(0), AtomicU64::new(0));
        let prove = || {
            let mut bases: Vec<(World, Case)> = Vec::new();
            for limit in &self.limits {
                let world = Self::empty_world(*limit);
                bases.push((world.clone(), world.case(Form::Canonical)));
            }
            loop {
                let n = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
                if n > self.rules.len() {
                    return;
                }
                let agreed: u64 = self
                    .groups(n.checked_sub(1))
                    .flat_map(|rules| bases.iter_mut().map(|base| agree(base, &rules)).collect::<Vec<u64>>())
                    .sum();
                worlds.fetch_add(agreed, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..available_parallelism().map_or(1, std::num::NonZero::get) {
                scope.spawn(prove);
            }
        });
        worlds.into_inner()
    }
}

/// Checks one group under one policy, with every change. Returns how many worlds there are.
fn agree((world, case): &mut (World, Case), rules: &[SmallRule]) -> u64 {
    world.rules = rules.to_vec();
    let made = |changed_rules| SmallChange { maker: Maker::A, changed_rules };
    let has_list = rules.iter().any(|rule| rule.from == From::List(0));
    let lists: Vec<SmallChange> =
        ADDED.into_iter().filter(|_| has_list).map(|added| made(SmallChangedRules::List { list: 0, added })).collect();
    let mut worlds = 0;
    for makers in makers(rules.len()) {
        let SmallMakers { of, recorded_otherwise, appeared, was_same, was_other } = makers;
        world.appeared = appeared;
        // What the other rule of the group is now.
        let other = |n: usize| rules.iter().enumerate().find(|(other, _)| *other != n).map(|(_, rule)| *rule);
        let was = |n: usize| match other(n).filter(|_| was_other >> n & 1 == 1) {
            Some(other) => SmallFormer::Other(other),
            None => SmallFormer::Same,
        };
        world.was = (0..rules.len()).map(was).collect();
        let known = was_same | was_other;
        let knows = (known != 0).then_some(known);
        let rules = made(SmallChangedRules::Rules { of, recorded_otherwise, missing: false, egress: false, knows });
        for list in std::iter::once(None).chain(lists.iter().copied().map(Some)) {
            world.changes = std::iter::once(rules).chain(list).collect();
            world.fill(case, Form::Canonical);
            let [production, naive] = both(world, case);
            assert_eq!(production, naive, "{world:?}");
            worlds += 1;
        }
    }
    worlds
}

/// Which change made each rule of a small group.
struct SmallMakers {
    of: u16,
    recorded_otherwise: u16,
    appeared: u16,
    was_same: u16,
    was_other: u16,
}

/// In a group of up to two rules, each rule is old, made by the change, made by the change and altered now, new between two
/// looks, or modified by the change: from what it is now, or from what the other rule is now. In a group of three, each is
/// old or made by the change.
fn makers(rules: usize) -> impl Iterator<Item = SmallMakers> {
    let kinds: u16 = if rules <= 2 { KINDS } else { 2 };
    (0..kinds.pow(rules as u32)).map(move |mut word| {
        let mut makers = SmallMakers { of: 0, recorded_otherwise: 0, appeared: 0, was_same: 0, was_other: 0 };
        for n in 0..rules {
            match word % kinds {
                1 => makers.of |= 1 << n,
                2 => (makers.of, makers.recorded_otherwise) = (makers.of | 1 << n, makers.recorded_otherwise | 1 << n),
                3 => makers.appeared |= 1 << n,
                4 => (makers.of, makers.was_same) = (makers.of | 1 << n, makers.was_same | 1 << n),
                5 => (makers.of, makers.was_other) = (makers.of | 1 << n, makers.was_other | 1 << n),
                _ => {}
            }
            word /= kinds;
        }
        makers
    })
}

#[test]
fn production_equals_the_naive_definition_in_every_small_world() {
    let alphabet = if is_whole() { Alphabet::whole() } else { Alphabet::reduced() };
    let worlds = alphabet.agree();
    println!(
        "proof: production equals the naive definition in all {worlds} small worlds (groups of up to 3 of {} rules, {} \
         limits)",
        alphabet.rules.len(),
        alphabet.limits.len()
    );
    assert_eq!(worlds, alphabet.worlds(), "counted by hand");
}

/// Whether `make proof` asks for all worlds.
#[expect(clippy::disallowed_methods, reason = "how long to test is for whoever tests to say")]
fn is_whole() -> bool {
    std::env::var("PORTCULLIS_PROOF_WHOLE").is_ok_and(|text| text == "1")
}

impl Alphabet {
    /// How many worlds there must be. For each choice of k of the n rules there are 6^k ways who made them, and 2^3 for
    /// three rules. Where a rule of the group refers to the list, each of these ways comes with every addition to the
    /// list.
    fn worlds(&self) -> u64 {
        let choose = |n: u64, k: u64| (0..k).fold(1, |product, i| product * n.saturating_sub(i) / (i + 1));
        let all = self.rules.len() as u64;
        let plain = self.rules.iter().filter(|rule| rule.from != From::List(0)).count() as u64;
        let groups = |k: u64| {
            let with_list = choose(all, k) - choose(plain, k);
            let ways = if k <= 2 { u64::from(KINDS).pow(k as u32) } else { 1 << k };
            (choose(plain, k) + with_list * (1 + ADDED.len() as u64)) * ways
        };
        (0..=3).map(groups).sum::<u64>() * self.limits.len() as u64
    }
}
