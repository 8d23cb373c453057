//! What an exemption covers.

use super::*;

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
