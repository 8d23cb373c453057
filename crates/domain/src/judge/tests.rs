mod attribution;
mod exemptions;
mod harmless;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::change::{Call, ChangedRules, EventMetadata, Resource};
use crate::facts::PrefixLists;
use crate::ids::{AccountId, GroupId, PrefixListId, Region, RuleId, VpcId};
use crate::plan::going;
use crate::rule::{Permission, Protocol, Source, Traffic};

pub(crate) const GROUP: &str = "sg-0123456789abcdef0";
pub(crate) const NOW: &str = "2026-11-21T10:00:00Z";
const ALL_V4: &str = "3702258432";

/// A group to judge, written one rule a line: `MAKER PROTOCOL PORTS SOURCE`. Maker: no change made an `old` rule, the
/// first change made `a`, the second `b`, both made `ab`. Ports: `22`, `20-25` or `-` for none. Source: a CIDR, `pl-…`,
/// `sg-…`, or `?` for an unknown source. The rules' ids are `sgr-1`, `sgr-2` and so on.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) policy: Policy,
    pub(crate) facts: Facts,
    pub(crate) changes: Vec<Change>,
    lines: Vec<String>,
}

impl Case {
    /// Under the built-in policy.
    pub(crate) fn of(lines: &[&str]) -> Self {
        Self::under("", lines)
    }

    /// Under a policy with these keys.
    pub(crate) fn under(policy: &str, lines: &[&str]) -> Self {
        let policy = Policy::parse(&format!("version: 1\n{policy}")).unwrap();
        let rule = |(n, line): (usize, &&str)| {
            let id = RuleId::parse(&format!("sgr-{}", n + 1)).unwrap();
            Rule::new(id, permission(line.split_once(' ').unwrap().1))
        };
        let rules: Vec<Rule> = lines.iter().enumerate().map(rule).collect();
        let changed_rules = |maker: char| {
            let own = |line: &&str| {
                line.split(' ').next().unwrap() != "old" && line.split(' ').next().unwrap().contains(maker)
            };
            let ids = lines.iter().zip(&rules).filter(|(line, _)| own(line)).map(|(_, rule)| rule.id.clone());
            change(ChangedRules::Rules(ids.collect()))
        };
        let location = GroupLocation {
            account: AccountId::parse("111122223333").unwrap(),
            region: Region::parse("eu-west-1").unwrap(),
            group: GroupId::parse(GROUP).unwrap(),
            vpc: None,
        };
        let facts = Facts {
            location,
            rules: rules.clone(),
            appeared: BTreeSet::new(),
            appeared_entries: BTreeMap::new(),
            egress: BTreeSet::new(),
            prefix_lists: Arc::default(),
            observed_at: NOW.parse().unwrap(),
        };
        let changes = vec![changed_rules('a'), changed_rules('b')];
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Self { policy, facts, changes, lines }
    }

    /// Adds a prefix list's entries, or the reason why they could not be read.
    pub(crate) fn list(mut self, id: &str, entries: Result<&[&str], &str>) -> Self {
        let entries = entries.map(|cidrs| cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect());
        self.lists().insert(PrefixListId::parse(id).unwrap(), entries.map_err(str::to_owned));
        self
    }

    /// Sets the caller of the first change.
    pub(crate) fn by(mut self, actor: &str) -> Self {
        self.changes[0].event.actor = Some(actor.to_owned());
        self
    }

    pub(crate) fn lists(&mut self) -> &mut PrefixLists {
        Arc::make_mut(&mut self.facts.prefix_lists)
    }

    pub(crate) fn judge(&self) -> Judgement {
        let changes: Vec<&Change> = self.changes.iter().collect();
        judge(&changes, &self.facts, &self.policy, NOW.parse().unwrap())
    }

    /// The exposures, each as `ssh tcp 22 IPv4: 16777216 by 1 2`, with `standing` at the end of a standing one.
    pub(crate) fn exposed(&self) -> Vec<String> {
        let show = |exposure: Exposure| {
            let Exposure { guard, transport, ports, family, rules, addresses, standing } = exposure;
            let rules: Vec<String> = rules.iter().map(|n| (n + 1).to_string()).collect();
            let standing = if standing { " standing" } else { "" };
            format!("{guard} {transport} {ports} {family}: {addresses} by {}{standing}", rules.join(" "))
        };
        self.judge().exposures.into_iter().map(show).collect()
    }

    /// The lines of the rules that go.
    pub(crate) fn planned(&self) -> Vec<&str> {
        going(&self.judge()).into_iter().map(|n| self.lines[n].as_str()).collect()
    }
}

/// Reads `PROTOCOL PORTS SOURCE`.
pub(crate) fn permission(text: &str) -> Permission {
    let [protocol, ports, source] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let (from, to) = match ports.split_once('-') {
        Some(("", "")) => (None, None),
        Some((from, to)) => (Some(from), Some(to)),
        None => (Some(ports), Some(ports)),
    };
    let port = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    let source = match source {
        "?" => Source::Unknown("a satellite".to_owned()),
        list if list.starts_with("pl-") => Source::PrefixList(PrefixListId::parse(list).unwrap()),
        group if group.starts_with("sg-") => Source::Group(group.to_owned()),
        cidr => Source::Cidr(cidr.parse().unwrap()),
    };
    Permission { traffic: Traffic::new(Protocol::from(protocol), port(from), port(to)), source }
}

pub(crate) fn change(changed_rules: ChangedRules) -> Change {
    Change {
        event: EventMetadata {
            actor: Some("arn:aws:iam::111122223333:user/jo".to_owned()),
            ..EventMetadata::default()
        },
        account: AccountId::parse("111122223333").unwrap(),
        region: Region::parse("eu-west-1").unwrap(),
        call: Call::Authorize,
        resource: Resource::Group(GroupId::parse(GROUP).unwrap()),
        changed_rules,
        recorded_rules: None,
        unread: None,
        former: Default::default(),
    }
}

#[track_caller]
fn check_exposed(policy: &str, lines: &[&str], exposed: &[&str]) {
    assert_eq!(Case::under(policy, lines).exposed(), exposed, "{lines:?}");
}

#[test]
fn a_guarded_port_that_everyone_reaches_is_exposed_however_it_is_written() {
    let ssh = format!("ssh tcp 22 IPv4: {ALL_V4} by 1");
    for line in [
        "a tcp 22 0.0.0.0/0",
        "a tcp 22 1.2.3.4/0",
        "a 6 22 0.0.0.0/0",
        "a tcp 20-25 0.0.0.0/0",
        "a tcp 0-22 0.0.0.0/0",
        "a tcp 22-65535 0.0.0.0/0",
    ] {
        check_exposed("guard: [ssh]", &[line], &[&ssh]);
    }
    let udp = format!("rdp udp 3389 IPv4: {ALL_V4} by 1");
    check_exposed("", &["a udp 0-65535 0.0.0.0/0"], &[&udp]);
}

#[test]
fn all_traffic_reaches_every_guard() {
    for line in ["a -1 - 0.0.0.0/0", "a -1 0 0.0.0.0/0"] {
        let exposed = ["ssh tcp 22", "rdp tcp 3389", "rdp udp 3389", "mysql tcp 3306", "mssql tcp 1433"];
        let exposed = exposed.map(|guard| format!("{guard} IPv4: {ALL_V4} by 1"));
        assert_eq!(Case::of(&[line]).exposed(), exposed);
    }
}

#[test]
fn what_has_no_ports_or_other_ports_exposes_nothing() {
    for line in [
        "a icmp 3-22 0.0.0.0/0",
        "a icmpv6 22 ::/0",
        "a 47 22 0.0.0.0/0",
        "a udp 22 0.0.0.0/0",
        "a tcp 21 0.0.0.0/0",
        "a tcp 23-1432 0.0.0.0/0",
        "a tcp 22 sg-1",
        "a -1 - 10.0.0.0/8",
        "a -1 - fc00::/7",
    ] {
        check_exposed("", &[line], &[]);
        assert_eq!(Case::of(&[line]).judge().undecided, [""; 0]);
    }
}

#[test]
fn ipv6_is_counted_apart_from_ipv4() {
    let public = (1u128 << 125) - (1 << 108) - (1 << 96) - (1 << 100) - (1 << 80);
    check_exposed("", &["a tcp 22 2000::/3"], &[&format!("ssh tcp 22 IPv6: {public} by 1")]);
    check_exposed("", &["a tcp 22 2600::/32"], &[&format!("ssh tcp 22 IPv6: {} by 1", 1u128 << 96)]);
    check_exposed("", &["a tcp 22 2600::/33", "a tcp 22 8.0.0.0/9"], &[]);
}

#[test]
fn the_limit_is_one_internet_block() {
    check_exposed("", &["a tcp 22 8.0.0.0/8"], &["ssh tcp 22 IPv4: 16777216 by 1"]);
    check_exposed("", &["a tcp 22 8.0.0.0/9"], &[]);
    check_exposed("internet: {ipv4: /32}", &["a tcp 22 8.8.8.8/32"], &["ssh tcp 22 IPv4: 1 by 1"]);
    let halves = ["a tcp 22 0.0.0.0/1", "a tcp 22 128.0.0.0/1"];
    check_exposed("internet: {ipv4: /0}", &halves, &[&format!("ssh tcp 22 IPv4: {ALL_V4} by 1 2")]);
    check_exposed("internet: {ipv4: /0}", &halves[..1], &[]);
}

#[test]
fn blocks_add_up_but_no_address_counts_twice() {
    let halves = ["old tcp 22 8.0.0.0/9", "a tcp 20-25 8.128.0.0/9"];
    check_exposed("", &halves, &["ssh tcp 22 IPv4: 16777216 by 1 2"]);
    check_exposed("", &["old tcp 22 8.0.0.0/9", "a tcp 22 8.0.0.0/9", "a tcp 22 8.1.0.0/16"], &[]);
    let sixteenths: Vec<String> = (0..256).map(|n| format!("a tcp 22 8.{n}.0.0/16")).collect();
    let sixteenths: Vec<&str> = sixteenths.iter().map(String::as_str).collect();
    assert_eq!(Case::of(&sixteenths).exposed().len(), 1);
    assert_eq!(Case::of(&sixteenths[1..]).exposed().len(), 0);
}

#[test]
fn trusted_and_special_addresses_are_taken_away() {
    check_exposed("trusted: [8.8.0.0/16]", &["a tcp 22 8.0.0.0/8"], &[]);
    let wider = format!("ssh tcp 22 IPv4: {} by 1", (1 << 25) - (1 << 16));
    check_exposed("trusted: [8.8.0.0/16]", &["a tcp 22 8.0.0.0/7"], &[&wider]);
    check_exposed("", &["a tcp 22 10.0.0.0/8", "a tcp 22 172.0.0.0/10", "a tcp 22 224.0.0.0/3"], &[]);
}

#[test]
fn a_range_of_guarded_ports_gives_one_exposure_for_each_run_that_the_same_rules_admit() {
    let guard = "guard: [{name: app, protocol: tcp, ports: [20-29, 40]}]";
    let lines =
        ["a tcp 18-24 0.0.0.0/1", "a tcp 23-40 128.0.0.0/1", "old tcp 24 9.0.0.0/9", "old udp 0-65535 0.0.0.0/0"];
    let (lower, upper) = (2_092_957_696u64, 3_702_258_432 - 2_092_957_696u64);
    check_exposed(
        guard,
        &lines,
        &[
            &format!("app tcp 20-22 IPv4: {lower} by 1"),
            &format!("app tcp 23 IPv4: {ALL_V4} by 1 2"),
            &format!("app tcp 24 IPv4: {ALL_V4} by 1 2 3"),
            &format!("app tcp 25-29 IPv4: {upper} by 2"),
            &format!("app tcp 40 IPv4: {upper} by 2"),
        ],
    );
    let gap = ["a tcp 20 0.0.0.0/0", "a tcp 29-30 0.0.0.0/0"];
    let ends = [format!("app tcp 20 IPv4: {ALL_V4} by 1"), format!("app tcp 29 IPv4: {ALL_V4} by 2")];
    assert_eq!(Case::under(guard, &gap).exposed(), ends);
    let last = "guard: [{name: last, protocol: tcp, ports: [65534-65535]}]";
    check_exposed(last, &["a tcp 65535 0.0.0.0/0"], &[&format!("last tcp 65535 IPv4: {ALL_V4} by 1")]);
}

#[test]
fn exposures_are_listed_by_guard_then_port_then_family() {
    let guard = "guard: [{name: app, protocol: tcp, ports: [20-29]}, ssh]";
    let case =
        Case::under(guard, &["a tcp 25 0.0.0.0/0", "a tcp 20 2600::/32", "a tcp 25 2600::/32", "a tcp 22 8.0.0.0/8"]);
    let places: Vec<String> = case.exposed().iter().map(|line| line.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(places, ["app tcp 20 IPv6", "app tcp 22 IPv4", "app tcp 25 IPv4", "app tcp 25 IPv6", "ssh tcp 22 IPv4"]);
}

#[test]
fn an_exposure_stands_when_the_rules_of_no_change_reach_the_limit() {
    let standing = format!("ssh tcp 22 IPv4: {ALL_V4} by 1 2 standing");
    check_exposed("guard: [ssh]", &["old tcp 0-65535 8.0.0.0/8", "a tcp 22 0.0.0.0/0"], &[&standing]);
    let not = format!("ssh tcp 22 IPv4: {ALL_V4} by 1 2");
    check_exposed("guard: [ssh]", &["old tcp 0-65535 8.0.0.0/9", "a tcp 22 0.0.0.0/0"], &[&not]);
    check_exposed("guard: [ssh]", &["a tcp 22 8.0.0.0/8", "b tcp 22 0.0.0.0/0"], &[&not]);
}

// Prefix lists and unknown sources.

#[test]
fn a_prefix_list_counts_by_its_entries() {
    let case = Case::of(&["a tcp 22 pl-1"]);
    let case = case.list("pl-1", Ok(&["8.0.0.0/9", "8.128.0.0/9", "10.0.0.0/8", "2600::/32"]));
    let both = ["ssh tcp 22 IPv4: 16777216 by 1".to_owned(), format!("ssh tcp 22 IPv6: {} by 1", 1u128 << 96)];
    assert_eq!(case.exposed(), both);
    assert_eq!(case.judge().rules[0].width(Family::V4), 1 << 24);
    let narrow = Case::of(&["a tcp 22 pl-1"]).list("pl-1", Ok(&["198.51.100.0/24"]));
    assert_eq!((narrow.exposed(), narrow.judge().undecided), (vec![], vec![]));
}

#[test]
fn what_cannot_be_known_of_a_rule_that_may_reach_a_guard_is_a_doubt() {
    for (line, undecided) in [
        ("a tcp 22 pl-1", &["sgr-1: the entries of pl-1 are not known"][..]),
        ("a tcp 22 pl-2", &["sgr-1: the entries of pl-2 could not be read: AccessDenied"]),
        ("old tcp 22 ?", &["sgr-1: its source is not known: a satellite"]),
        ("a sctp 22 0.0.0.0/0", &["sgr-1: protocol `sctp` with ports 22 to 22 is nothing that EC2 documents"]),
        ("a tcp 25-20 8.8.8.8/32", &["sgr-1: protocol `tcp` with ports 25 to 20 is nothing that EC2 documents"]),
        ("a sctp - 8.8.8.8/32", &["sgr-1: protocol `sctp` with ports none to none is nothing that EC2 documents"]),
        ("a tcp 443 pl-1", &[]),
        ("a tcp 443 ?", &[]),
        ("a sctp 22 10.0.0.0/8", &[]),
        ("a sctp 22 sg-1", &[]),
    ] {
        let case = Case::of(&[line]).list("pl-2", Err("AccessDenied"));
        assert_eq!(case.judge().undecided, undecided, "{line}");
        assert_eq!((case.exposed(), case.planned()), (vec![], vec![]), "{line}");
    }
}

#[test]
fn a_doubt_beside_an_exposure_hides_neither() {
    let case = Case::of(&["a tcp 22 0.0.0.0/0", "a tcp 22 pl-1"]);
    assert_eq!(case.judge().undecided.len(), 1);
    assert_eq!(case.exposed(), [format!("ssh tcp 22 IPv4: {ALL_V4} by 1")]);
    assert_eq!(case.planned(), ["a tcp 22 0.0.0.0/0"]);
}
