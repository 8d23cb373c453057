//! Random worlds: production equals the naive definition.

use std::thread::available_parallelism;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use super::*;

const SSH: (&str, Transport, (u16, u16)) = ("ssh", Transport::Tcp, (22, 22));

pub(super) fn masks() -> impl Strategy<Value = [Mask; 2]> {
    [any::<Mask>(), any::<Mask>()]
}

/// A mask of only a few blocks.
pub(super) fn few() -> impl Strategy<Value = [Mask; 2]> {
    [any::<[Mask; 3]>(), any::<[Mask; 3]>()].prop_map(|of| of.map(|[a, b, c]| a & b & c))
}

pub(super) fn small_rule() -> impl Strategy<Value = SmallRule> {
    let cidr = (0..2usize, 0..16u8, prop_oneof![8 => 0..2u8, 2 => 2..5u8, 1 => 5..9u8], any::<u64>())
        .prop_map(|(family, block, bits, host)| From::Cidr { family, block, bits, host });
    let from = prop_oneof![
        16 => cidr,
        6 => (0..2usize).prop_map(From::List),
        1 => Just(From::Group),
        1 => Just(From::Unknown),
    ];
    let ports = prop_oneof![
        6 => Just(Some((22, 22))),
        6 => (18..28i64, 0..6i64).prop_map(|(from, more)| Some((from, from + more))),
        3 => Just(Some((0, 65535))),
        1 => select(vec![None, Some((-1, -1)), Some((23, 22)), Some((-2, 22)), Some((22, 65536)), Some((8, 0))]),
    ];
    let protocol =
        select(vec!["tcp", "tcp", "tcp", "TCP", "6", "udp", "17", "-1", "icmp", "1", "icmpv6", "47", "sctp"]);
    (protocol, ports, from).prop_map(|(protocol, ports, from)| SmallRule { protocol, ports, from })
}

fn small_exemption() -> impl Strategy<Value = SmallExemption> {
    let place = prop_oneof![3 => Just(PLACES[0]), 2 => select(&PLACES[..])];
    let guard = proptest::option::of(select(vec!["app", "ssh", "game"]));
    let sources = proptest::option::weighted(0.8, masks().prop_filter("not empty", |masks| *masks != [0, 0]));
    (place, any::<bool>(), guard, sources, any::<bool>()).prop_map(|(place, elapsed, guard, sources, principal)| {
        SmallExemption { place, elapsed, guard, sources, principal }
    })
}

fn small_list() -> impl Strategy<Value = SmallList> {
    prop_oneof![
        6 => few().prop_map(SmallList::Entries),
        3 => masks().prop_map(SmallList::Entries),
        1 => Just(SmallList::Unreadable),
        1 => Just(SmallList::Absent),
    ]
}

fn small_change() -> impl Strategy<Value = SmallChange> {
    let maker = select(vec![Maker::A, Maker::A, Maker::SessionOfA, Maker::B, Maker::Unnamed]);
    let none_or_any = || prop_oneof![3 => Just(0), 1 => any::<u16>()];
    let changed_rules = prop_oneof![
        6 => (any::<u16>(), none_or_any(), any::<[bool; 2]>(), proptest::option::of(any::<[u16; 2]>())).prop_map(
            |(of, recorded_otherwise, [missing, egress], knows)| {
                let knows = knows.map(|[a, b]| a | b);
                SmallChangedRules::Rules { of, recorded_otherwise, missing, egress, knows }
            }
        ),
        3 => (any::<u16>(), any::<bool>()).prop_map(|(of, missing)| SmallChangedRules::Asked { of, missing }),
        3 => (0..2usize, proptest::option::weighted(0.8, few()))
            .prop_map(|(list, added)| SmallChangedRules::List { list, added }),
        1 => Just(SmallChangedRules::Any),
    ];
    (maker, changed_rules).prop_map(|(maker, changed_rules)| SmallChange { maker, changed_rules })
}

fn guards() -> impl Strategy<Value = Vec<(&'static str, Transport, (u16, u16))>> {
    let app = [("app", Transport::Tcp, (20, 24)), ("app", Transport::Tcp, (26, 26))];
    let game = ("game", Transport::Udp, (21, 23));
    let edge = [("app", Transport::Tcp, (0, 1)), SSH, ("game", Transport::Udp, (65534, 65535))];
    select(vec![vec![app[0], app[1], SSH, game], vec![SSH, game, app[0], app[1]], edge.to_vec()])
}

pub(super) fn world() -> impl Strategy<Value = World> {
    let rules = proptest::collection::vec(small_rule(), 0..12);
    let changes = prop_oneof![
        3 => proptest::collection::vec(small_change(), 1..2),
        1 => proptest::collection::vec(small_change(), 0..4),
    ];
    let limit = || prop_oneof![1 => 0..1u8, 8 => 1..4u8, 1 => 4..9u8];
    let trusted = prop_oneof![Just([0, 0]), few()];
    let exemptions = prop_oneof![
        2 => Just(vec![]),
        1 => proptest::collection::vec(small_exemption(), 1..3),
    ];
    let was = prop_oneof![1 => Just(SmallFormer::Same), 1 => small_rule().prop_map(SmallFormer::Other)];
    let rules = (rules, proptest::collection::vec(was, 1..12));
    let facts = (guards(), rules, [small_list(), small_list()], changes);
    let appeared = prop_oneof![2 => Just(0), 1 => any::<u16>()];
    let mode = (proptest::bool::weighted(0.2), any::<bool>(), appeared);
    (facts, [limit(), limit()], trusted, exemptions, mode).prop_map(
        |(
            (guards, (mut rules, mut was), lists, changes),
            mut limits,
            mut trusted,
            exemptions,
            (closed, vpc, appeared),
        )| {
            if !closed {
                // No limit is larger than the sixteen blocks.
                limits = limits.map(|bits| bits.min(4));
                let others = was.iter_mut().filter_map(|was| match was {
                    SmallFormer::Other(rule) => Some(rule),
                    SmallFormer::Same => None,
                });
                for rule in rules.iter_mut().chain(others) {
                    if let From::Cidr { bits, .. } = &mut rule.from {
                        *bits = (*bits).min(4);
                    }
                }
            } else if (0..2).any(|n| !SPECIAL[n] & !trusted[n] == 0) {
                // A policy that trusts everything is refused.
                trusted = [0, 0];
            }
            let mut world =
                World { guards, rules, was, appeared, lists, changes, limits, trusted, closed, exemptions, vpc };
            world.no_rule_twice();
            world
        },
    )
}

impl World {
    /// EC2 keeps no two rules with the same permission in a group.
    pub(super) fn no_rule_twice(&mut self) {
        let mut seen = BTreeSet::new();
        self.rules.retain(|rule| seen.insert(rule.permission(Form::Canonical)));
    }
}

/// On all cores, each with its own random numbers.
#[test]
fn production_equals_the_naive_definition_on_random_worlds() {
    let cores = u32::try_from(available_parallelism().map_or(1, std::num::NonZero::get)).unwrap();
    let cases = cases(2_000, 1);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases.div_ceil(cores)) };
    let prove = || {
        let mut exposed = 0u64;
        let mut planned = 0u64;
        let counts = std::cell::RefCell::new((&mut exposed, &mut planned));
        let proof = TestRunner::new(config.clone()).run(&world(), |world| {
            let case = world.case(Form::Odd);
            let [production, naive] = both(&world, &case);
            prop_assert_eq!(&production, &naive);
            let mut counts = counts.borrow_mut();
            *counts.0 += u64::from(!naive.exposures.is_empty());
            *counts.1 += u64::from(!naive.planned.is_empty());
            Ok(())
        });
        proof.unwrap_or_else(|error| panic!("{error}"));
        (exposed, planned)
    };
    let (exposed, planned) = std::thread::scope(|scope| {
        let cores: Vec<_> = (0..cores).map(|_| scope.spawn(prove)).collect();
        let each = cores.into_iter().map(|core| core.join().expect("production equals the naive definition"));
        each.fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    });
    let cases = u64::from(cases.div_ceil(cores) * cores);
    println!(
        "proof: production equals the naive definition on {cases} random worlds ({exposed} exposed, {planned} with rules \
         that go)"
    );
    // A proof needs worlds in which something is exposed and revoked.
    assert!(cases < 500 || (exposed > cases / 4 && planned > cases / 8), "{exposed} and {planned} of {cases}");
}
