mod json;
mod sweep;
mod texts;

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
    let remediation = Remediation {
        judgement: case.judge(),
        own: usize::MAX,
        done: done(became),
        mode,
        done_at: None,
        past: vec![],
        open: vec![],
    };
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

/// Rule 2 appeared while the function looked, and was revoked. Then rule 1 was changed by whoever made it: at the end
/// nothing is open, and nothing of what was open is there as it was.
#[test]
fn a_rule_that_was_revoked_is_listed_though_its_port_is_closed_for_another_reason_by_then() {
    let open = Case::of(&["a tcp 22 8.0.0.0/9", "a tcp 22 8.128.0.0/9"]);
    let past = crate::state::PastExposure::of_look(&open.judge());
    assert_eq!(past.len(), 1);
    let closed = Case::of(&["a tcp 443 0.0.0.0/0", "old tcp 22 8.128.0.0/9"]);
    let (judgement, mode) = (closed.judge(), Mode::Enforce);
    let remediation =
        Remediation { judgement, own: 1, done: done("sgr-2 revoked"), mode, done_at: None, past, open: vec![] };
    let finding = Finding::judged(&closed.changes[0], 0, &remediation);
    let expected = ("exposed reverted".to_owned(), "sgr-1 kept, sgr-2 revoked".to_owned());
    assert_eq!(summary(&finding), expected, "{finding:#?}");
}

/// The second change is another delivery's, which was told that its port was open anyway. By now it is not, and this delivery
/// revokes both.
#[test]
fn what_another_delivery_made_and_this_one_revoked_is_told_by_this_one() {
    let case = Case::of(&["a tcp 3389 0.0.0.0/0", "b tcp 22 0.0.0.0/0"]);
    assert_eq!(case.changes.len(), 2);
    let done = done("sgr-1 revoked, sgr-2 revoked");
    let of = |own| {
        let remediation = Remediation {
            judgement: case.judge(),
            own,
            done: done.clone(),
            mode: Mode::Enforce,
            done_at: None,
            past: vec![],
            open: vec![],
        };
        let finding = Finding::judged(&case.changes[0], 0, &remediation);
        let guards: Vec<String> = finding.exposures.iter().map(|exposure| exposure.guard.clone()).collect();
        (summary(&finding).1, guards.join(" "))
    };
    assert_eq!(of(2), ("sgr-1 revoked".to_owned(), "rdp".to_owned()), "the other has a finding of its own");
    assert_eq!(of(1), ("sgr-1 revoked, sgr-2 revoked".to_owned(), "ssh rdp".to_owned()));
}

/// The rule was changed again before the first look, to another form that is open. Another delivery, which answers for that
/// form, takes it back. This change's rule was open all the same.
#[test]
fn a_rule_that_was_altered_and_that_another_delivery_took_back_was_open() {
    // Somebody who is exempt may have altered it, so it is not this change's any more.
    let policy = "exempt: [{reason: SEC-1, until: never, principals: ['arn:aws:iam::111122223333:role/BreakGlass']}]";
    let mut case = Case::under(policy, &["a tcp 443 0.0.0.0/0", "b tcp 22 0.0.0.0/0"]);
    let made = case.facts.rules[0].permission.clone();
    case.changes[0].changed_rules = ChangedRules::Rules(vec![rule("sgr-2")]);
    case.changes[0].recorded_rules = Some(vec![(Some(rule("sgr-2")), made)]);
    let of = |own| {
        let remediation = Remediation {
            judgement: case.judge(),
            own,
            done: done("sgr-2 already_gone"),
            mode: Mode::Enforce,
            done_at: None,
            past: vec![],
            open: vec![],
        };
        summary(&Finding::judged(&case.changes[0], 0, &remediation))
    };
    assert_eq!(case.judge().attributions[0].replaced, [rule("sgr-2")]);
    assert_eq!(of(1), ("exposed already_gone".to_owned(), "sgr-2 already_gone".to_owned()));
    // Where both changes came together, the finding of the other one tells it.
    assert_eq!(of(2).0, "safe already_gone");
}
