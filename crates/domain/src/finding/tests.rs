use super::words::few_digits;
use super::*;
use crate::change::ChangedRules;
use crate::judge::tests::Case;
use crate::state::Remediation;

fn rule(id: &str) -> RuleId {
    RuleId::parse(id).unwrap()
}

/// The result for each rule: `sgr-1 revoked`, `sgr-2 failed:UnauthorizedOperation`.
fn done(became: &str) -> Done {
    let action = |word: &str| match word.split_once(':') {
        Some(("failed", code)) => Action::Failed { error: code.to_owned() },
        _ => match word {
            "revoked" => Action::Revoked,
            "would_revoke" => Action::WouldRevoke,
            "already_gone" => Action::AlreadyGone,
            other => panic!("{other}"),
        },
    };
    let became = became.split(", ").filter(|one| !one.is_empty());
    became.map(|one| one.split_once(' ').unwrap()).map(|(id, word)| (rule(id), action(word))).collect()
}

fn finding(case: &Case, n: usize, became: &str, mode: Mode) -> Finding {
    let remediation =
        Remediation { judgement: case.judge(), done: done(became), mode, done_at: None, past: vec![], open: vec![] };
    Finding::judged(&case.changes[n], n, &remediation)
}

/// Verdict and outcome, and each rule with its action.
fn summary(finding: &Finding) -> (String, String) {
    let (verdict, outcome) = (finding.verdict.as_str(), finding.outcome.as_str());
    let rule = |rule: &RuleFinding| format!("{} {}", rule.id, rule.action.as_str());
    (format!("{verdict} {outcome}"), finding.rules.iter().map(rule).collect::<Vec<_>>().join(", "))
}

/// The group's rules; the results for the planned rules; then of the first change's finding: verdict and outcome,
/// rules, reason.
#[track_caller]
fn check(lines: &[&str], became: &str, expected: [&str; 3]) {
    let mode = if became.contains("would_revoke") { Mode::Alert } else { Mode::Enforce };
    let policy = "exempt: [{reason: SEC-1, until: never, sources: [9.0.0.0/8]}]";
    let case = Case::under(policy, lines).list("pl-1", Err("AccessDenied"));
    let finding = finding(&case, 0, became, mode);
    let (decided, rules) = summary(&finding);
    assert_eq!([&*decided, &*rules, &*finding.reason], expected, "{lines:?} {became}");
}

/// Adds rules that EC2 does not show to the first change.
fn with_missing(mut case: Case, ids: &[&str]) -> Case {
    let ChangedRules::Rules(attributed) = &mut case.changes[0].changed_rules else { panic!() };
    attributed.extend(ids.iter().map(|id| rule(id)));
    case
}

// The table of verdicts and outcomes.

#[test]
fn what_was_exposed_and_taken_back_is_reverted() {
    let reason = "tcp 22 (ssh) was open to 3702258432 public addresses";
    check(&["a tcp 22 0.0.0.0/0"], "sgr-1 revoked", ["exposed reverted", "sgr-1 revoked", reason]);
    check(
        &["a tcp 22 0.0.0.0/0", "a tcp 22 10.0.0.0/8", "old tcp 443 0.0.0.0/0"],
        "sgr-1 revoked",
        ["exposed reverted", "sgr-1 revoked, sgr-2 kept", reason],
    );
    check(
        &["a tcp 22 0.0.0.0/1", "a tcp 22 128.0.0.0/1"],
        "sgr-1 revoked, sgr-2 already_gone",
        ["exposed reverted", "sgr-1 revoked, sgr-2 already_gone", reason],
    );
}

#[test]
fn in_alert_mode_it_would_be_reverted() {
    let reason = "tcp 22 (ssh) is open to 3702258432 public addresses";
    check(&["a tcp 22 0.0.0.0/0"], "sgr-1 would_revoke", ["exposed would_revert", "sgr-1 would_revoke", reason]);
}

#[test]
fn what_is_past_the_cap_is_not_reverted_by_what_went_before() {
    let case = Case::of(&["a tcp 22 0.0.0.0/0", "a tcp 22 ::/0"]);
    let finding = finding(&case, 0, "sgr-1 revoked, sgr-2 would_revoke", Mode::Alert);
    let (decided, rules) = summary(&finding);
    assert_eq!([&*decided, &*rules], ["exposed would_revert", "sgr-1 revoked, sgr-2 would_revoke"]);
    assert!(finding.reason.contains("is open") && !finding.reason.contains("was open"), "{}", finding.reason);
}

#[test]
fn what_someone_else_took_back_first_is_already_gone() {
    let reason = "tcp 22 (ssh) was open to 3702258432 public addresses";
    check(&["a tcp 22 0.0.0.0/0"], "sgr-1 already_gone", ["exposed already_gone", "sgr-1 already_gone", reason]);
    check(
        &["a tcp 22 0.0.0.0/0", "a tcp 22 10.0.0.0/8"],
        "sgr-1 already_gone",
        ["exposed already_gone", "sgr-1 already_gone, sgr-2 kept", reason],
    );
}

#[test]
fn one_failure_among_several_is_a_failure() {
    check(
        &["a tcp 22 0.0.0.0/0", "a tcp 22 8.0.0.0/8", "a tcp 22 11.0.0.0/8"],
        "sgr-1 revoked, sgr-2 failed:UnauthorizedOperation, sgr-3 already_gone",
        [
            "exposed failed",
            "sgr-1 revoked, sgr-2 failed, sgr-3 already_gone",
            "tcp 22 (ssh) is open to 3702258432 public addresses; not taken back: UnauthorizedOperation",
        ],
    );
    check(
        &["a tcp 22 0.0.0.0/0", "a tcp 22 8.0.0.0/8"],
        "sgr-1 failed:RequestLimitExceeded, sgr-2 failed:RequestLimitExceeded",
        [
            "exposed failed",
            "sgr-1 failed, sgr-2 failed",
            "tcp 22 (ssh) is open to 3702258432 public addresses; not taken back: RequestLimitExceeded",
        ],
    );
}

#[test]
fn what_exposes_nothing_is_safe_and_kept() {
    check(
        &["a tcp 22 8.8.8.8/32", "a tcp 443 0.0.0.0/0"],
        "",
        ["safe none", "sgr-1 kept, sgr-2 kept", "no guarded port is open to the internet"],
    );
}

#[test]
fn what_only_an_exemption_allows_is_exempt() {
    check(
        &["a tcp 22 9.0.0.0/8", "a tcp 22 8.8.8.8/32"],
        "",
        ["exempt none", "sgr-1 kept, sgr-2 kept", "exempt: SEC-1"],
    );
    let other = ["old tcp 22 9.0.0.0/8", "a tcp 22 8.8.8.8/32"];
    check(&other, "", ["safe none", "sgr-2 kept", "no guarded port is open to the internet"]);
}

#[test]
fn what_cannot_be_decided_is_undecided_and_says_why() {
    check(
        &["a tcp 22 pl-1", "a tcp 22 9.0.0.0/8"],
        "",
        [
            "undecided none",
            "sgr-1 kept, sgr-2 kept",
            "cannot be decided: sgr-1: the entries of pl-1 could not be read: AccessDenied",
        ],
    );
}

#[test]
fn an_exposure_with_a_doubt_beside_it_tells_both() {
    check(
        &["a tcp 22 8.0.0.0/8", "a tcp 22 pl-1"],
        "sgr-1 revoked",
        [
            "exposed reverted",
            "sgr-1 revoked, sgr-2 kept",
            "tcp 22 (ssh) was open to 16777216 public addresses; \
             cannot be decided: sgr-2: the entries of pl-1 could not be read: AccessDenied",
        ],
    );
}

#[test]
fn a_doubt_beside_an_exposure_is_delivered_again_whatever_was_taken_back() {
    let case = |lines: &[&str]| Case::of(lines).list("pl-1", Err("AccessDenied"));
    let doubted = finding(&case(&["a tcp 22 0.0.0.0/0", "a tcp 22 pl-1"]), 0, "sgr-1 revoked", Mode::Enforce);
    assert_eq!((doubted.verdict, doubted.outcome), (Verdict::Exposed, Outcome::Reverted));
    assert!(doubted.doubtful && doubted.needs_retry());
    let clear = finding(&case(&["a tcp 22 0.0.0.0/0"]), 0, "sgr-1 revoked", Mode::Enforce);
    assert!(!clear.doubtful && !clear.needs_retry());
}

#[test]
fn a_standing_exposure_is_told_and_left() {
    let left = "even without this change: left as it is";
    check(
        &["old tcp 22 8.0.0.0/8", "a tcp 22 8.8.8.8/32"],
        "",
        ["exposed none", "sgr-2 kept", &format!("tcp 22 (ssh) is open to 16777216 public addresses {left}")],
    );
    let both = ["old tcp 22 8.0.0.0/8", "a tcp 22 0.0.0.0/0", "a tcp 3306 8.0.0.0/8"];
    let reason = format!(
        "tcp 22 (ssh) is open to 3702258432 public addresses {left}; tcp 3306 (mysql) was open to 16777216 public addresses"
    );
    let rules = "sgr-2 revoked, sgr-3 revoked";
    check(&both, "sgr-2 revoked, sgr-3 revoked", ["exposed reverted", rules, &reason]);
}

#[test]
fn rules_of_the_change_that_are_no_longer_there_need_nothing() {
    let gone = with_missing(Case::of(&[]), &["sgr-8", "sgr-9"]);
    let found = finding(&gone, 0, "", Mode::Enforce);
    assert_eq!(summary(&found), ("safe already_gone".to_owned(), "sgr-8 already_gone, sgr-9 already_gone".to_owned()));
    assert_eq!(found.reason, "the rules of this change are no longer there, or no longer what it made them");
    assert!(!found.needs_retry() && !found.is_news());

    let some_left = with_missing(Case::of(&["a tcp 22 8.8.8.8/32"]), &["sgr-9"]);
    let found = finding(&some_left, 0, "", Mode::Enforce);
    assert_eq!(summary(&found), ("safe none".to_owned(), "sgr-1 kept, sgr-9 already_gone".to_owned()));

    let mut unlisted = Case::of(&[]);
    unlisted.changes[0].changed_rules =
        ChangedRules::Permissions(vec![crate::judge::tests::permission("tcp 22 0.0.0.0/0")]);
    let found = finding(&unlisted, 0, "", Mode::Enforce);
    assert_eq!(summary(&found), ("safe already_gone".to_owned(), String::new()));
}

#[test]
fn a_change_that_names_no_rule_of_a_group_without_rules_leaves_nothing_to_do() {
    let mut any = Case::of(&[]);
    any.changes[0].changed_rules = ChangedRules::Any;
    let found = finding(&any, 0, "", Mode::Enforce);
    assert_eq!(summary(&found), ("safe none".to_owned(), String::new()));
}

// Batches.

#[test]
fn two_changes_that_expose_together_are_both_told_of_all_that_went() {
    let case = Case::of(&["a tcp 22 8.0.0.0/9", "b tcp 22 8.128.0.0/9", "b tcp 22 8.8.8.8/32"]);
    for (n, rules) in [(0, "sgr-1 revoked"), (1, "sgr-1 revoked, sgr-2 kept, sgr-3 kept")] {
        let found = finding(&case, n, "sgr-1 revoked", Mode::Enforce);
        assert_eq!(summary(&found), ("exposed reverted".to_owned(), rules.to_owned()));
        assert_eq!(found.exposures[0].rules, [rule("sgr-1"), rule("sgr-2"), rule("sgr-3")]);
    }
}

#[test]
fn a_change_beside_one_that_exposes_has_no_part_in_it() {
    let case = Case::of(&["a tcp 22 0.0.0.0/0", "b tcp 3306 8.8.8.8/32"]);
    let became = "sgr-1 revoked";
    assert_eq!(summary(&finding(&case, 0, became, Mode::Enforce)).0, "exposed reverted");
    let beside = finding(&case, 1, became, Mode::Enforce);
    assert_eq!(summary(&beside), ("safe none".to_owned(), "sgr-2 kept".to_owned()));
    assert_eq!((beside.exposures, beside.reason.as_str()), (vec![], "no guarded port is open to the internet"));
}

#[test]
fn a_failure_of_one_change_is_no_failure_of_the_other() {
    let case = Case::of(&["a tcp 22 0.0.0.0/0", "b tcp 3306 0.0.0.0/0"]);
    let became = "sgr-1 failed:UnauthorizedOperation, sgr-2 revoked";
    assert_eq!(summary(&finding(&case, 0, became, Mode::Enforce)).0, "exposed failed");
    assert_eq!(summary(&finding(&case, 1, became, Mode::Enforce)).0, "exposed reverted");
}

// The texts of a finding.

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

/// The first change's record, filled in.
fn recorded(mut case: Case) -> Case {
    let text = |text: &str| Some(text.to_owned());
    case.changes[0].event = EventMetadata {
        id: text("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"),
        time: Some("2026-11-21T10:00:00Z".parse().unwrap()),
        account: text("111122223333"),
        region: text("eu-west-1"),
        call: text("AuthorizeSecurityGroupIngress"),
        actor: text("arn:aws:iam::111122223333:user/jo"),
        issuer: None,
        source_ip: text("198.51.100.7"),
        user_agent: text("aws-cli/2.31"),
    };
    case
}

#[test]
fn the_json_of_a_finding_is_the_documented_one() {
    let case = recorded(Case::of(&["a tcp 22 0.0.0.0/0"]));
    let found = finding(&case, 0, "sgr-1 revoked", Mode::Enforce);
    let golden = concat!(
        r#"{"schema":1,"id":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","time":"2026-11-21T10:00:00Z","#,
        r#""account":"111122223333","region":"eu-west-1","group":"sg-0123456789abcdef0","#,
        r#""call":"AuthorizeSecurityGroupIngress","actor":"arn:aws:iam::111122223333:user/jo","#,
        r#""source_ip":"198.51.100.7","user_agent":"aws-cli/2.31","#,
        r#""verdict":"exposed","outcome":"reverted","mode":"enforce","#,
        r#""exposures":[{"guard":"ssh","protocol":"tcp","port":22,"rules":["sgr-1"],"sources":["0.0.0.0/0"],"#,
        r#""public_addresses":"3702258432"}],"#,
        r#""rules":[{"id":"sgr-1","protocol":"tcp","from_port":22,"to_port":22,"source":"0.0.0.0/0","#,
        r#""action":"revoked"}],"#,
        r#""reason":"tcp 22 (ssh) was open to 3702258432 public addresses"}"#,
    );
    assert_eq!(serde_json::to_string(&found).unwrap(), golden);
}

#[test]
fn keys_that_say_nothing_are_left_out_and_those_that_say_something_are_there() {
    let lines = ["old tcp 22-25 8.0.0.0/8", "a -1 - 9.0.0.0/9", "a tcp 20-30 0.0.0.0/0"];
    let case = with_missing(Case::under("guard: [{name: app, protocol: tcp, ports: [22-25]}]", &lines), &["sgr-9"]);
    let found = finding(&case, 0, "sgr-3 failed:UnauthorizedOperation", Mode::Enforce);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(
        json["exposures"],
        serde_json::json!([{"guard": "app", "protocol": "tcp", "port": 22, "to_port": 25, "standing": true,
            "rules": ["sgr-1", "sgr-2", "sgr-3"], "sources": ["0.0.0.0/0", "8.0.0.0/8", "9.0.0.0/9"],
            "public_addresses": "3702258432"}])
    );
    assert_eq!(
        json["rules"],
        serde_json::json!([
            {"id": "sgr-2", "protocol": "-1", "from_port": null, "to_port": null, "source": "9.0.0.0/9",
                "action": "kept"},
            {"id": "sgr-3", "protocol": "tcp", "from_port": 20, "to_port": 30, "source": "0.0.0.0/0",
                "action": "failed", "error": "UnauthorizedOperation"},
            {"id": "sgr-9", "protocol": null, "from_port": null, "to_port": null, "source": null,
                "action": "already_gone"},
        ])
    );
    assert_eq!(json["id"], serde_json::Value::Null, "what the record does not say is null, not missing");
}

#[test]
fn a_plain_finding_rests_on_the_record_alone() {
    let event = recorded(Case::of(&[])).changes[0].event.clone();
    let found = Finding::plain(&event, Verdict::Irrelevant, Outcome::None, Mode::Alert, "why".to_owned());
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["verdict"], "irrelevant");
    assert_eq!(
        (&json["group"], &json["mode"], &json["reason"]),
        (&serde_json::Value::Null, &"alert".into(), &"why".into())
    );
    assert_eq!((&json["exposures"], &json["rules"]), (&serde_json::json!([]), &serde_json::json!([])));
}

#[test]
fn what_failed_or_cannot_be_decided_is_tried_again_and_what_was_exposed_is_news() {
    use Outcome::{AlreadyGone, Failed, Reverted, WouldRevert};
    use Verdict::{Exempt, Exposed, Irrelevant, Safe, Undecided};
    for (verdict, outcome, needs_retry, is_news) in [
        (Exposed, Reverted, false, true),
        (Exposed, WouldRevert, false, true),
        (Exposed, AlreadyGone, false, true),
        (Exposed, Outcome::None, false, true),
        (Exposed, Failed, true, true),
        (Undecided, Outcome::None, true, true),
        (Undecided, Failed, true, true),
        (Undecided, AlreadyGone, true, true),
        (Exempt, Outcome::None, false, false),
        (Safe, Outcome::None, false, false),
        (Safe, AlreadyGone, false, false),
        (Irrelevant, Outcome::None, false, false),
    ] {
        let found = Finding::plain(&EventMetadata::default(), verdict, outcome, Mode::Enforce, String::new());
        assert_eq!((found.needs_retry(), found.is_news()), (needs_retry, is_news), "{verdict:?} {outcome:?}");
    }
}

#[test]
fn a_sweeps_summary_counts_what_it_is_told_and_is_never_safe_of_what_was_not_seen() {
    let plain = |verdict, outcome, group: Option<&str>| {
        let event = EventMetadata { account: Some("1".into()), region: Some("r".into()), ..EventMetadata::default() };
        let plain = Finding::plain(&event, verdict, outcome, Mode::Enforce, "why".to_owned());
        Finding { group: group.map(str::to_owned), ..plain }
    };
    let sum = |findings: &[Finding]| {
        let mut summary = SweepFinding { accounts: 1, places: 2, groups: 9, ..SweepFinding::default() };
        findings.iter().for_each(|finding| summary.note(finding));
        let finding = Finding::swept(crate::judge::tests::NOW.parse().unwrap(), summary.clone(), Mode::Enforce);
        (summary, finding)
    };
    use {Outcome as O, Verdict as V};
    let reverted = plain(V::Exposed, O::Reverted, Some("sg-1"));
    let open = plain(V::Exposed, O::WouldRevert, Some("sg-2"));
    let failed = plain(V::Exposed, O::Failed, Some("sg-3"));
    let undecided = plain(V::Undecided, O::None, Some("sg-4"));
    let unseen = plain(V::Undecided, O::Failed, None);
    let safe = plain(V::Safe, O::None, Some("sg-5"));
    let (summary, finding) = sum(&[
        reverted.clone(),
        reverted.clone(),
        open.clone(),
        failed.clone(),
        undecided.clone(),
        unseen.clone(),
        safe.clone(),
    ]);
    assert_eq!((summary.exposed, summary.reverted, summary.failed, summary.undecided), (4, 2, 1, 1));
    assert_eq!(summary.open, ["1 r sg-2", "1 r sg-3"]);
    assert_eq!(summary.undecided_groups, ["1 r sg-4: why"]);
    assert_eq!(summary.unreachable, ["1 r: why"]);
    assert_eq!(finding.time, Some(crate::judge::tests::NOW.parse().unwrap()));
    assert_eq!((finding.call.as_deref(), finding.sweep.as_ref()), (Some("Sweep"), Some(&summary)));
    assert_eq!((finding.verdict, finding.outcome, finding.doubtful), (V::Exposed, O::Failed, true));
    assert_eq!(
        finding.reason,
        "sweep of 2 Regions of 1 account: 9 groups looked at, 4 exposed, 2 reverted, 1 failed, 1 undecided; open: 1 r sg-2, 1 r sg-3; cannot be decided: 1 r sg-4: why; not looked at: 1 r: why"
    );
    let gone = plain(V::Exposed, O::AlreadyGone, Some("sg-6"));
    let standing = ExposureFinding {
        guard: "ssh".to_owned(),
        protocol: "tcp".to_owned(),
        port: 22,
        to_port: None,
        rules: vec![],
        sources: vec![],
        public_addresses: "1".to_owned(),
        standing: true,
    };
    let still_open = Finding { exposures: vec![standing], ..reverted.clone() };
    assert_eq!([&gone, &still_open, &open, &safe].map(Finding::is_open), [false, true, true, false]);
    assert_eq!(sum(&[gone.clone(), still_open]).0.open, ["1 r sg-1: tcp 22 (ssh)"], "others keep it open");
    for (findings, verdict, outcome, doubtful) in [
        (vec![gone], V::Exposed, O::AlreadyGone, false),
        (vec![], V::Safe, O::None, false),
        (vec![safe], V::Safe, O::None, false),
        (vec![open.clone()], V::Exposed, O::WouldRevert, false),
        (vec![open, reverted.clone()], V::Exposed, O::Reverted, false),
        (vec![reverted, failed], V::Exposed, O::Failed, false),
        (vec![undecided], V::Undecided, O::None, false),
        (vec![unseen], V::Undecided, O::Failed, true),
    ] {
        let (_, finding) = sum(&findings);
        assert_eq!((finding.verdict, finding.outcome, finding.doubtful), (verdict, outcome, doubtful), "{findings:#?}");
        assert_eq!(finding.needs_retry(), outcome == O::Failed);
        assert_eq!(finding.is_news(), verdict != V::Safe);
    }
}

#[test]
fn a_sweeps_summary_names_the_first_fifty_open_groups_and_counts_them_all() {
    let open = |n: usize| Finding {
        group: Some(format!("sg-{n}")),
        ..Finding::plain(&EventMetadata::default(), Verdict::Exposed, Outcome::WouldRevert, Mode::Alert, String::new())
    };
    let mut summary = SweepFinding::default();
    (1..=51).for_each(|n| summary.note(&open(n)));
    assert_eq!((summary.exposed, summary.open.len(), summary.open.last().unwrap().as_str()), (51, 50, "sg-50"));
}

#[test]
fn a_group_that_a_sweep_cannot_decide_is_not_tried_again_and_is_told() {
    let found = |call: &str, group: Option<&str>, outcome| {
        let event = EventMetadata { call: Some(call.to_owned()), ..EventMetadata::default() };
        let plain = Finding::plain(&event, Verdict::Undecided, outcome, Mode::Enforce, String::new());
        Finding { group: group.map(str::to_owned), ..plain }
    };
    for (call, group, outcome, needs_retry) in [
        ("Sweep", Some("sg-1"), Outcome::None, false),
        ("Sweep", Some("sg-1"), Outcome::Failed, true),
        ("Sweep", None, Outcome::None, true),
        ("AuthorizeSecurityGroupIngress", Some("sg-1"), Outcome::None, true),
    ] {
        let found = found(call, group, outcome);
        assert_eq!((found.needs_retry(), found.is_news()), (needs_retry, true), "{call} {group:?} {outcome:?}");
    }
}

#[test]
fn a_sweeps_summary_names_what_is_nearly_open_and_why_a_group_is_undecided_at_most_fifty_each() {
    let case = Case::of(&["a tcp 22 8.0.0.0/9"]);
    let mut found = finding(&case, 0, "", Mode::Alert);
    (found.account, found.region) = (Some("1".to_owned()), Some("r".to_owned()));
    let nearly: Vec<String> = found.nearly_open().collect();
    assert_eq!(nearly, ["1 r sg-0123456789abcdef0: tcp 22 (ssh) at 50 % of the limit"]);
    (found.doubtful, found.reason) = (true, "x".repeat(1000));
    let mut summary = SweepFinding::default();
    (0..60).for_each(|_| {
        summary.note(&found);
        summary.note_nearly_open(&nearly);
    });
    assert_eq!((summary.nearly_open.len(), summary.undecided_groups.len(), summary.undecided), (50, 50, 60));
    assert!(summary.undecided_groups[0].len() < 250);
    let told = Finding::swept(crate::judge::tests::NOW.parse().unwrap(), summary, Mode::Alert).reason;
    assert!(told.contains("; nearly open: 1 r sg-0123456789abcdef0: tcp 22 (ssh) at 50 % of the limit, "), "{told}");
}

#[test]
fn a_finding_can_be_read_back() {
    let case = Case::of(&["a tcp 22 0.0.0.0/0", "old -1 - 10.0.0.0/8", "a tcp 443 pl-1", "a icmp 3-22 sg-1"]);
    for became in ["sgr-1 revoked", "sgr-1 failed:UnauthorizedOperation", "sgr-1 would_revoke", ""] {
        let mut case = with_missing(case.clone(), &["sgr-9"]);
        case.facts.rules[0].description = Some("vpn".to_owned());
        case.facts.rules[0].tags.insert("team".to_owned(), "web".to_owned());
        let written = finding(&case, 0, became, Mode::Enforce);
        let text = serde_json::to_string(&written).unwrap();
        let read: Finding = serde_json::from_str(&text).unwrap();
        assert_eq!(read, written, "{text}");
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(text.contains(r#""description":"vpn","tags":{"team":"web"}"#), "{text}");
    }
    let summary = SweepFinding { groups: 3, exposed: 1, open: vec!["x".to_owned()], ..SweepFinding::default() };
    let written = Finding::swept("2026-11-21T10:00:00Z".parse().unwrap(), summary, Mode::Alert);
    assert_eq!(serde_json::from_str::<Finding>(&serde_json::to_string(&written).unwrap()).unwrap(), written);
}
