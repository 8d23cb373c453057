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

/// A change whose record says that it opened this and nothing else.
fn saying(permissions: &[&str]) -> Change {
    let recorded_rules = permissions.iter().map(|text| (None, permission(text))).collect();
    Change { recorded_rules: Some(recorded_rules), ..change(ChangedRules::Any) }
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

// Exemptions.

#[test]
fn what_an_exemption_covers_is_left_out_of_the_count() {
    for (keys, covers) in [
        ("guard: [ssh]", true),
        ("guard: [rdp]", false),
        ("sources: [0.0.0.0/0]", true),
        ("sources: [0.0.0.0/1]", false),
        ("groups: [sg-0123456789abcdef0]", true),
        ("groups: [sg-1]", false),
        ("vpcs: [vpc-1]", false),
        ("regions: [eu-west-1], accounts: ['111122223333']", true),
        ("principals: ['arn:aws:iam::*:user/jo']", true),
        ("principals: ['arn:aws:iam::*:user/ann']", false),
    ] {
        for (until, lasts) in [("never", true), ("2026-11-21T10:00:01Z", true), ("2026-11-21T10:00:00Z", false)] {
            let policy = format!("exempt: [{{reason: SEC-1, until: {until}, {keys}}}]");
            let case = Case::under(&policy, &["a tcp 22 0.0.0.0/0"]);
            let exempt = covers && lasts;
            assert_eq!(case.exposed().is_empty(), exempt, "{policy}");
            assert_eq!(case.planned().is_empty(), exempt, "{policy}");
            assert_eq!(
                case.judge().rules[0].exempt.as_ref().map(|by| by.reason.as_str()),
                exempt.then_some("SEC-1"),
                "{policy}"
            );
        }
    }
    let mut case = Case::under("exempt: [{reason: x, until: never, vpcs: [vpc-1]}]", &["a tcp 22 0.0.0.0/0"]);
    case.facts.location.vpc = Some(VpcId::parse("vpc-1").unwrap());
    assert_eq!(case.exposed(), [""; 0]);
}

#[test]
fn an_exempt_half_leaves_the_other_half_under_the_limit() {
    let policy = "internet: {ipv4: /0}\nexempt: [{reason: x, until: never, sources: [0.0.0.0/1]}]";
    check_exposed(policy, &["a tcp 22 0.0.0.0/1", "a tcp 22 128.0.0.0/1"], &[]);
}

#[test]
fn an_exemption_for_one_guard_leaves_the_others() {
    let policy = "exempt: [{reason: SEC-1, until: never, guard: [ssh, mysql, mssql]}]";
    let case = Case::under(policy, &["a tcp 0-65535 0.0.0.0/0"]);
    assert_eq!(case.exposed(), [format!("rdp tcp 3389 IPv4: {ALL_V4} by 1")]);
    assert_eq!(case.planned(), ["a tcp 0-65535 0.0.0.0/0"]);
}

#[test]
fn an_exemption_by_principal_covers_only_what_that_principal_made() {
    let policy = "exempt: [{reason: x, until: never, principals: ['arn:aws:iam::*:role/BreakGlass']}]";
    let made = |line: &str| Case::under(policy, &[line]).by("arn:aws:iam::111122223333:role/BreakGlass");
    assert!(made("a tcp 22 0.0.0.0/0").exposed().is_empty());
    for other in ["old tcp 22 0.0.0.0/0", "b tcp 22 0.0.0.0/0", "ab tcp 22 0.0.0.0/0"] {
        assert_eq!(made(other).exposed().len(), 1, "{other}");
    }
    let mut session =
        Case::under(policy, &["a tcp 22 0.0.0.0/0"]).by("arn:aws:sts::111122223333:assumed-role/BreakGlass/jo");
    assert_eq!(session.exposed().len(), 1);
    session.changes[0].event.issuer = Some("arn:aws:iam::111122223333:role/BreakGlass".to_owned());
    assert!(session.exposed().is_empty(), "the role behind the session is its principal too");
    session.changes[0].event = EventMetadata::default();
    assert_eq!(session.exposed().len(), 1, "a caller that the record does not name is no principal");
}

/// An exemption by principal cannot have covered the old entries of a list: the caller of the change did not add them.
#[test]
fn an_exemption_by_principal_and_sources_does_not_cover_what_a_list_held_before() {
    let policy = "exempt: [{reason: x, until: never, principals: ['arn:aws:iam::*:user/jo'], sources: [9.0.0.0/8]}]";
    let mut case = Case::under(policy, &["a tcp 22 pl-1"]).by("arn:aws:iam::111122223333:user/jo");
    case = case.list("pl-1", Ok(&["9.0.0.0/8", "11.0.0.0/8"]));
    let added = Some(vec!["11.0.0.0/8".parse().unwrap()]);
    let list = PrefixListId::parse("pl-1").unwrap();
    case.changes[0].changed_rules = ChangedRules::PrefixList { list, added, restored: None, version: None };
    assert_eq!(case.exposed(), ["ssh tcp 22 IPv4: 33554432 by 1 standing"]);
    assert!(case.planned().is_empty());
}

#[test]
fn an_exemption_settles_a_doubt_only_if_it_does_not_rest_on_what_is_unknown() {
    let by_group = "exempt: [{reason: x, until: never, groups: [sg-0123456789abcdef0]}]";
    let by_source = "exempt: [{reason: x, until: never, sources: [0.0.0.0/0, '::/0']}]";
    assert_eq!(Case::under(by_group, &["a tcp 22 pl-1"]).judge().undecided.len(), 0);
    assert_eq!(Case::under(by_source, &["a tcp 22 pl-1"]).judge().undecided.len(), 1);
    assert_eq!(Case::under(by_source, &["a sctp 22 8.8.8.8/32"]).judge().undecided.len(), 0);
}

#[test]
fn a_rule_that_exposes_nothing_anyway_needs_no_exemption() {
    let policy = "exempt: [{reason: x, until: never, groups: [sg-0123456789abcdef0]}]";
    for line in ["a tcp 443 0.0.0.0/0", "a tcp 22 10.0.0.0/8", "a tcp 22 sg-1", "a icmp 8-0 0.0.0.0/0"] {
        assert_eq!(Case::under(policy, &[line]).judge().rules[0].exempt, None, "{line}");
    }
}

// Which change made a rule.

#[test]
fn what_somebody_exempt_may_have_made_is_not_that_of_a_record_that_lists_no_rules() {
    let policy = "exempt: [{reason: x, until: never, guard: [ssh], principals: ['arn:aws:iam::*:role/BreakGlass']}]";
    let lines = ["old tcp 22 0.0.0.0/0", "old tcp 3389 0.0.0.0/0"];
    let made = |by: &str, call: Call| {
        let mut any = Change { call, ..change(ChangedRules::Any) };
        any.event.actor = Some(by.to_owned());
        Case { changes: vec![any], ..Case::under(policy, &lines) }
    };
    let by_anyone = made("arn:aws:iam::111122223333:role/dev", Call::Authorize);
    assert_eq!(by_anyone.planned(), [lines[1]]);
    assert!(by_anyone.judge().exposures.iter().any(|exposure| exposure.standing), "it is told all the same");
    assert_eq!(by_anyone.judge().attributions[0].rules, [1].into());
    // Whoever is exempt may have made both, and the one on 22 lawfully. A sweep asks for no maker.
    assert_eq!(made("arn:aws:iam::111122223333:role/BreakGlass", Call::Authorize).planned(), [lines[1]]);
    assert_eq!(made("arn:aws:iam::111122223333:role/dev", Call::Sweep).planned(), lines);
    // Of two such records each has what its own caller may have made.
    let mut both = made("arn:aws:iam::111122223333:role/BreakGlass", Call::Authorize);
    both.changes.extend(by_anyone.changes);
    let own: Vec<_> = both.judge().attributions.into_iter().map(|own| own.rules).collect();
    assert_eq!(own, [[0, 1].into(), [1].into()]);
}

#[test]
fn a_change_claims_rules_by_id_by_permission_or_all_of_them() {
    let lines = ["old tcp 22 0.0.0.0/0", "old tcp 22 10.0.0.0/8", "old tcp 22 sg-1"];
    let id = |text: &str| RuleId::parse(text).unwrap();
    for (changed_rules, rules, missing) in [
        (ChangedRules::Any, vec![0, 1, 2], vec![]),
        (ChangedRules::Rules(vec![id("sgr-3"), id("sgr-9")]), vec![2], vec![Some(id("sgr-9"))]),
        (
            ChangedRules::Permissions(vec![permission("6 22 1.2.3.4/0"), permission("udp 22 0.0.0.0/0")]),
            vec![0],
            vec![None],
        ),
        (ChangedRules::Permissions(vec![permission("tcp 22 sg-1")]), vec![2], vec![]),
    ] {
        let case =
            Case { changes: vec![change(ChangedRules::Rules(vec![])), change(changed_rules)], ..Case::of(&lines) };
        let judgement = case.judge();
        assert_eq!(judgement.attributions[0], Attribution::default());
        assert_eq!(
            judgement.attributions[1],
            Attribution { rules: rules.iter().copied().collect(), missing, replaced: Vec::new() }
        );
        let attributed: Vec<usize> = (0..3).filter(|n| judgement.is_attributed(*n)).collect();
        assert_eq!(attributed, rules);
    }
    assert!(!Case::of(&lines).judge().is_attributed(3));
}

#[test]
fn without_changes_everything_stands() {
    let case = Case { changes: vec![], ..Case::of(&["old tcp 22 0.0.0.0/0"]) };
    assert_eq!(case.exposed(), [format!("ssh tcp 22 IPv4: {ALL_V4} by 1 standing")]);
    assert_eq!(case.judge().attributions, []);
}

// Changes that need no look.

#[test]
fn a_change_that_reaches_no_guarded_port_is_harmless() {
    for text in [
        "tcp 443 0.0.0.0/0",
        "icmp 3-22 0.0.0.0/0",
        "47 - 0.0.0.0/0",
        "udp 22 ::/0",
        "tcp 443 pl-1",
        "tcp 443 ?",
        "icmp 8-0 sg-1",
    ] {
        assert_eq!(harmless(&saying(&[text]), &Policy::built_in()), Some("reaches no guarded port"), "{text}");
    }
}

#[test]
fn a_change_that_admits_no_address_that_counts_is_harmless() {
    let policy = Policy::parse("version: 1\ntrusted: [8.8.8.0/24]").unwrap();
    for text in ["tcp 22 10.0.0.0/8", "-1 - fc00::/7", "tcp 22 sg-1", "tcp 22 8.8.8.8/32", "sctp 22 10.0.0.0/8"] {
        let found = harmless(&saying(&["tcp 443 0.0.0.0/0", text, "tcp 443 ::/0"]), &policy);
        assert_eq!(found, Some("admits no public address to a guarded port"), "{text}");
    }
}

#[test]
fn what_may_expose_is_looked_at() {
    for text in ["tcp 22 8.8.8.8/32", "-1 - ::/0", "tcp 20-25 pl-1", "tcp 22 ?", "sctp 1 8.8.8.8/32", "tcp 25-20 ::/0"]
    {
        let change = saying(&["tcp 443 0.0.0.0/0", text, "tcp 22 10.0.0.0/8"]);
        assert_eq!(harmless(&change, &Policy::built_in()), None, "{text}");
    }
    assert_eq!(harmless(&change(ChangedRules::Any), &Policy::built_in()), None, "a record that does not say all");
}

#[test]
fn a_prefix_list_matters_where_its_rule_may_reach_a_guard() {
    for (text, matters) in [
        ("tcp 22 pl-1", true),
        ("-1 - pl-1", true),
        ("sctp 1 pl-1", true),
        ("tcp 443 pl-1", false),
        ("udp 22 pl-1", false),
        ("icmp 8-0 pl-1", false),
    ] {
        assert_eq!(needs_prefix_list(&permission(text), &Policy::built_in()), matters, "{text}");
    }
}
