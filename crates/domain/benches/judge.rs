//! How long it takes to judge: a typical record, and groups of every size in the layouts that are hardest to judge.
//!
//! `make bench` runs these benches, and so does `cargo bench -p portcullis-domain`. EC2 allows at most 1,000 rules in a
//! group. Groups of ten times as many show how the time grows: ten times the size takes little more than ten times the
//! time. Only the time of `staircase` grows with the square, because its answer does: every exposure lists its rules,
//! and each has all rules of the exposures before it.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark of the wrong thing had better stop")]

use std::hint::black_box;

use divan::Bencher;
use jiff::Timestamp;
use portcullis_domain::change::{Call, Change, ChangedRules, EventMetadata, Resource};
use portcullis_domain::cloudtrail::{EnvelopeOrigin, Reading, read};
use portcullis_domain::facts::{Facts, GroupLocation};
use portcullis_domain::ids::{AccountId, GroupId, Region, RuleId};
use portcullis_domain::json::{self, Json};
use portcullis_domain::judge::{harmless, judge};
use portcullis_domain::plan::plan;
use portcullis_domain::policy::{Mode, Policy};
use portcullis_domain::rule::{Permission, Protocol, Rule, Source, Traffic};
use serde_json::Value;

/// An EventBridge event of 4 KB, as delivered: AuthorizeSecurityGroupIngress with four rules, one of them for port 443.
const EVENT: &str = include_str!("event.json");

fn main() {
    divan::main();
}

fn read_event(payload: &[u8]) -> Change {
    let event = json::parse(payload).expect("it is JSON");
    let text = |key: &str| event.get(key).and_then(Json::as_str).map(str::to_owned);
    let envelope_origin = EnvelopeOrigin { account: text("account"), region: text("region") };
    match read(event.get("detail").expect("a record"), &envelope_origin) {
        Reading::Change(change) => *change,
        other @ (Reading::Irrelevant { .. } | Reading::Undecided { .. }) => panic!("{other:?}"),
    }
}

/// The time that reading the JSON takes, to the end of the bytes that are read.
#[divan::bench]
fn the_json_of_a_4_kb_record() {
    drop(black_box(json::parse(black_box(EVENT.as_bytes())).expect("it is JSON")));
}

/// The time of serde_json alone for the same bytes. The other times are reported as ratios to this one.
#[divan::bench]
fn serde_json_alone_of_a_4_kb_record() {
    drop(black_box(serde_json::from_slice::<Value>(black_box(EVENT.as_bytes())).expect("it is JSON")));
}

/// From the bytes of the payload to the verdict that no look at EC2 is needed.
#[divan::bench]
fn a_4_kb_record_that_is_harmless(bencher: Bencher) {
    let policy = Policy::built_in();
    assert!((3_900..4_300).contains(&EVENT.len()), "{}", EVENT.len());
    bencher.bench(|| harmless(&read_event(black_box(EVENT.as_bytes())), &policy).expect("it is harmless"));
}

/// From the bytes of the payload and the group as EC2 shows it to the rules that must go.
#[divan::bench]
fn a_4_kb_record_that_exposes_ssh(bencher: Bencher) {
    let event = EVENT.replace(":443,", ":22,");
    let mut group = Group::new("", (0..8).map(|n| rule(n, "tcp", (22, 22), &format!("8.{n}.0.0/16"))), &[]);
    let recorded_rules = read_event(event.as_bytes()).recorded_rules.expect("it says all");
    let made = recorded_rules.into_iter().filter_map(|(id, permission)| Some(Rule::new(id?, permission)));
    group.facts.rules.extend(made);
    bencher.bench(|| {
        let change = read_event(black_box(event.as_bytes()));
        assert_eq!(harmless(&change, &group.policy), None);
        assert_eq!(group.judged(&[&change]), 1);
    });
}

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const EVERY_PORT: &str = "{name: all, protocol: tcp, ports: [0-65535]}";
const GUARD_EVERY_PORT: &str = "guard: [{name: all, protocol: tcp, ports: [0-65535]}]";

/// A group and the changes to it.
struct Group {
    policy: Policy,
    facts: Facts,
    changes: Vec<Change>,
}

impl Group {
    fn new(policy: &str, rules: impl Iterator<Item = Rule>, attributions: &[ChangedRules]) -> Self {
        let location = GroupLocation {
            account: AccountId::parse("111122223333").expect("an id"),
            region: Region::parse("eu-west-1").expect("a Region"),
            group: GroupId::parse("sg-0123456789abcdef0").expect("an id"),
            vpc: None,
        };
        let facts = Facts::of_rules(location, rules.collect(), Timestamp::UNIX_EPOCH);
        let policy = Policy::parse(&format!("version: 1\n{policy}")).expect("a policy");
        let changes =
            attributions.iter().map(|changed_rules| change(&facts.location.group, changed_rules.clone())).collect();
        Self { policy, facts, changes }
    }

    /// One change made every fifth rule.
    fn with_a_fifth_changed(policy: &str, rules: Vec<Rule>) -> Self {
        let fifth = rules.iter().skip(4).step_by(5).map(|rule| rule.id.clone()).collect();
        Self::new(policy, rules.into_iter(), &[ChangedRules::Rules(fifth)])
    }

    /// Judges and plans. Returns how many rules go.
    fn judged(&self, changes: &[&Change]) -> usize {
        let judgement = judge(changes, &self.facts, &self.policy, Timestamp::UNIX_EPOCH);
        plan(&judgement, Mode::Enforce, usize::MAX).steps.len()
    }

    fn bench(&self, bencher: Bencher, planned: usize) {
        let changes: Vec<&Change> = self.changes.iter().collect();
        assert_eq!(self.judged(&changes), planned);
        bencher.bench(|| black_box(self).judged(&changes));
    }
}

fn change(group: &GroupId, changed_rules: ChangedRules) -> Change {
    Change {
        event: EventMetadata::default(),
        account: AccountId::parse("111122223333").expect("an id"),
        region: Region::parse("eu-west-1").expect("a Region"),
        call: Call::Authorize,
        resource: Resource::Group(group.clone()),
        changed_rules,
        recorded_rules: None,
        unread: None,
        former: Default::default(),
    }
}

fn rule(n: usize, protocol: &str, (from, to): (usize, usize), source: &str) -> Rule {
    let port = |port: usize| i64::try_from(port).ok();
    let traffic = Traffic::new(Protocol::from(protocol), port(from), port(to));
    let source = Source::Cidr(source.parse().expect("a CIDR"));
    Rule::new(RuleId::parse(&format!("sgr-{n:017x}")).expect("an id"), Permission { traffic, source })
}

/// `count` blocks of 256 addresses, under a policy whose limit only all of them together reach.
fn together(guard: &str, count: usize, ports: impl Fn(usize) -> (usize, usize)) -> (String, Vec<Rule>) {
    let block = |n: usize| (8 << 24) + n * 256;
    let address = |n: usize| std::net::Ipv4Addr::from(u32::try_from(n).expect("an address"));
    let mut trusted = Vec::new();
    for (mut from, to) in [(0, block(0)), (block(count), 1 << 32)] {
        while from < to {
            let aligned = if from == 0 { 31 } else { from.trailing_zeros() };
            let bits = aligned.min((to - from).ilog2());
            trusted.push(format!("{}/{}", address(from), 32 - bits));
            from += 1 << bits;
        }
    }
    let policy = format!("guard: [{guard}]\ninternet: {{ipv4: /0}}\ntrusted: [{}]", trusted.join(", "));
    (policy, (0..count).map(|n| rule(n, "tcp", ports(n), &format!("{}/24", address(block(n))))).collect())
}

/// One guarded port, and small blocks that only together reach the limit.
#[divan::bench(args = SIZES)]
fn small_blocks_that_add_up(bencher: Bencher, rules: usize) {
    let (policy, rules) = together("ssh", rules, |_| (22, 22));
    Group::with_a_fifth_changed(&policy, rules).bench(bencher, 1);
}

/// Every port is guarded. Each rule has ports of its own and is open to all, so there are as many exposures as rules.
#[divan::bench(args = SIZES)]
fn each_rule_its_own_exposure(bencher: Bencher, rules: usize) {
    let width = 65_536 / rules;
    let rules = (0..rules).map(|n| rule(n, "tcp", (n * width, (n + 1) * width - 1), "0.0.0.0/0"));
    let group = Group::with_a_fifth_changed(GUARD_EVERY_PORT, rules.collect());
    group.bench(bencher, group.facts.rules.len() / 5);
}

/// Every port is guarded. Each rule's port range lies inside the range of the rule before it, and only all of the small
/// blocks together reach the limit. Only the innermost ports are exposed, and only a check of every range shows it.
#[divan::bench(args = SIZES)]
fn every_port_guarded_and_nested_ranges(bencher: Bencher, rules: usize) {
    let (policy, rules) = together(EVERY_PORT, rules, |n| (n, 65_535 - n));
    Group::with_a_fifth_changed(&policy, rules).bench(bencher, 1);
}

/// One change for every fifth rule, matched by the permission that it asked for: a batch of old records.
#[divan::bench(args = SIZES)]
fn a_batch_of_changes(bencher: Bencher, rules: usize) {
    let (policy, rules) = together("ssh", rules, |_| (22, 22));
    let asked = rules.iter().skip(4).step_by(5).map(|rule| ChangedRules::Permissions(vec![rule.permission.clone()]));
    let attributions: Vec<ChangedRules> = asked.collect();
    Group::new(&policy, rules.into_iter(), &attributions).bench(bencher, 1);
}

/// As many trusted blocks as rules, and as many exempt.
#[divan::bench(args = SIZES)]
fn trusted_and_exempt_blocks(bencher: Bencher, rules: usize) {
    let list = |first: usize| {
        let block = |n: usize| format!("{first}.{}.{}.0/24", n % 256, n / 256);
        (0..rules).map(block).collect::<Vec<_>>().join(", ")
    };
    let exempt = format!("exempt: [{{reason: x, until: never, sources: [{}]}}]", list(11));
    let policy = format!("trusted: [{}]\n{exempt}", list(12));
    let rules = (0..rules).map(|n| rule(n, "tcp", (22, 22 + n % 1000), &format!("{}.0.0.0/6", 8 + n % 8)));
    let group = Group::with_a_fifth_changed(&policy, rules.collect());
    group.bench(bencher, group.facts.rules.len() / 5);
}

/// Every port is guarded. Each rule is open to all from a port of its own upwards, so every exposure lists all lower
/// rules.
#[divan::bench(args = [10, 100, 1_000])]
fn staircase(bencher: Bencher, rules: usize) {
    let rules = (0..rules).map(|n| rule(n, "tcp", (n, 65_535), "0.0.0.0/0"));
    let group = Group::with_a_fifth_changed(GUARD_EVERY_PORT, rules.collect());
    group.bench(bencher, group.facts.rules.len() / 5);
}
