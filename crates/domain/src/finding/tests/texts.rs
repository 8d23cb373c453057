//! The texts of a finding.

use super::super::words::few_digits;
use super::*;

#[test]
fn a_run_of_ports_is_told_from_first_to_last() {
    let case = Case::under("guard: [{name: app, protocol: udp, ports: [20-29]}]", &["a udp 22-25 ::/0"]);
    let found = finding(&case, 0, "sgr-1 would_revoke", Mode::Alert);
    assert!(found.reason.starts_with("udp 22-25 (app) is open to "), "{}", found.reason);
    let exposure = &found.exposures[0];
    assert_eq!((exposure.port, exposure.to_port, exposure.protocol.as_str()), (22, Some(25), "udp"));
}

#[test]
fn a_count_too_long_to_read_is_rounded_in_the_reason_and_exact_beside_it() {
    let found = finding(&Case::of(&["a tcp 22 2600::/32"]), 0, "", Mode::Alert);
    assert_eq!(found.reason, "tcp 22 (ssh) is open to 7.9e28 public addresses");
    assert_eq!(found.exposures[0].public_addresses, "79228162514264337593543950336");
    assert_eq!(few_digits("999999999999999"), "999999999999999");
    assert_eq!(few_digits("1000000000000000"), "1.0e15");
}

#[test]
fn each_source_and_each_exemption_is_told_once() {
    let lines = ["a tcp 22-23 0.0.0.0/0", "a tcp 22 8.0.0.0/8", "old tcp 20-25 8.0.0.0/8"];
    let found = finding(&Case::of(&lines), 0, "", Mode::Enforce);
    assert_eq!(found.exposures[0].sources, ["0.0.0.0/0", "8.0.0.0/8"]);
    let policy = "exempt: [{reason: B, until: never, guard: [ssh]}, {reason: A, until: never, guard: [mysql]}]";
    let lines = ["a tcp 22 0.0.0.0/0", "a tcp 3306 0.0.0.0/0", "a tcp 22 ::/0", "old tcp 22 8.0.0.0/8"];
    assert_eq!(finding(&Case::under(policy, &lines), 0, "", Mode::Enforce).reason, "exempt: A; B");
}

#[test]
fn what_a_principal_is_exempt_for_is_news_and_other_exemptions_are_not() {
    let line = ["a tcp 22 0.0.0.0/0"];
    let mut case = Case::under("", &line);
    case.changes[0].event.actor = Some("arn:aws:iam::111122223333:role/BreakGlass".to_owned());
    for (keys, exempt_by) in [
        ("principals: ['arn:aws:iam::111122223333:role/BreakGlass']", Some(ExemptBy::Principal)),
        ("guard: [ssh]", None),
    ] {
        let policy = format!("version: 1\nexempt: [{{reason: SEC-1, until: never, {keys}}}]");
        case.policy = crate::policy::Policy::parse(&policy).unwrap();
        let found = finding(&case, 0, "", Mode::Enforce);
        assert_eq!(
            (found.verdict, found.exempt_by, found.is_news()),
            (Verdict::Exempt, exempt_by, exempt_by.is_some())
        );
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json.get("exempt_by").and_then(|by| by.as_str()), exempt_by.map(ExemptBy::as_str));
    }
    // A rule that is narrow needs no exemption.
    let policy = "exempt: [{reason: SEC-1, until: never, principals: ['arn:aws:iam::111122223333:role/BreakGlass']}]";
    let mut narrow = Case::under(policy, &["a tcp 22 8.8.8.8/32"]);
    narrow.changes[0].event.actor = case.changes[0].event.actor.clone();
    assert_eq!(finding(&narrow, 0, "", Mode::Enforce).exempt_by, None);
}
