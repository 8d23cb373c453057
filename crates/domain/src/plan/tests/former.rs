//! What a rule was before decides what is done about it: TRUST's table, a row a test.

use std::collections::BTreeSet;

use crate::change::{Call, Change};
use crate::former::{Former, Source as Origin, Was};
use crate::ids::RuleId;
use crate::judge::tests::{Case, permission};
use crate::judge::{judge_with_others, opens};
use crate::plan::{Step, plan, restoring};
use crate::policy::Mode;
use crate::rule::{Permission, Rule};

/// The value that a rule had, as a sweep saw it an hour ago.
fn was(value: &str) -> Was {
    Was {
        permission: permission(value),
        description: Some("as it was".to_owned()),
        from: Origin::Sweep,
        as_of: "2026-11-21T09:00:00Z".parse().unwrap(),
        exposes: false,
        doubt: None,
        before: None,
    }
}

/// A Modify of the first change's rules; `former` is what the first rule was before.
fn modified(mut case: Case, former: Former) -> Case {
    case.changes[0].call = Call::Modify;
    case.changes[0].event.time = Some("2026-11-21T09:59:58Z".parse().unwrap());
    case.changes[0].former.insert("sgr-1".parse().unwrap(), former);
    case
}

/// What is done, a word a step: `revoke sgr-1`, `restore sgr-1 to tcp 443 from 0.0.0.0/0`.
fn steps(case: &Case) -> Vec<String> {
    let judgement = case.judge();
    let now = crate::judge::tests::NOW.parse().unwrap();
    let plan = plan(&judgement, Mode::Enforce, usize::MAX);
    let plan = restoring(plan, &judgement, &case.facts, &BTreeSet::new(), (&case.policy, now));
    let word = |step: &Step| match step {
        Step::Revoke(rule) => format!("revoke {rule}"),
        Step::Restore { rule, former: Permission { traffic, source }, description } => {
            assert_eq!(description.as_deref(), Some("as it was"));
            format!("restore {rule} to {} {}", traffic.from_port().unwrap_or(-1), source)
        }
    };
    plan.steps.iter().map(word).collect()
}

fn of(line: &str, former: &str) -> Case {
    modified(Case::of(&[line]), Former::Was(was(former)))
}

#[test]
fn a_rule_that_opened_nothing_before_is_given_back_what_it_was() {
    for (now, before) in [
        ("a tcp 22 0.0.0.0/0", "tcp 443 0.0.0.0/0"),
        ("a tcp 22 0.0.0.0/0", "tcp 22 203.0.113.7/32"),
        ("a tcp 0-65535 0.0.0.0/0", "tcp 80-443 0.0.0.0/0"),
        ("a -1 - 0.0.0.0/0", "-1 - 10.0.0.0/8"),
        ("a tcp 22 ::/0", "tcp 22 2001:db8::/64"),
    ] {
        let case = of(now, before);
        let source = before.split(' ').next_back().unwrap();
        let port = permission(before).traffic.from_port().unwrap_or(-1);
        assert_eq!(steps(&case), [format!("restore sgr-1 to {port} {source}")], "{now}");
        assert!(case.judge().exposures.iter().all(|exposure| !exposure.standing));
    }
}

/// Without the opt-in the plan is the one of before.
#[test]
fn a_plan_revokes_unless_it_is_told_to_give_back() {
    let case = of("a tcp 22 0.0.0.0/0", "tcp 443 0.0.0.0/0");
    let plan = plan(&case.judge(), Mode::Enforce, usize::MAX);
    assert_eq!(plan.steps, [Step::Revoke("sgr-1".parse().unwrap())]);
}

#[test]
fn a_new_description_or_a_narrowing_of_what_was_open_before_leaves_it_standing() {
    for (now, before) in [
        ("a tcp 22 0.0.0.0/0", "tcp 22 0.0.0.0/0"),
        ("a tcp 22 0.0.0.0/1", "tcp 22 0.0.0.0/0"),
        ("a tcp 22 0.0.0.0/0", "tcp 20-25 0.0.0.0/0"),
        ("a tcp 22 0.0.0.0/0", "-1 - 0.0.0.0/0"),
        // No guarded port more than before.
        ("a tcp 20-22 0.0.0.0/0", "tcp 22 0.0.0.0/0"),
    ] {
        let case = of(now, before);
        assert_eq!(steps(&case), Vec::<String>::new(), "{now}");
        let judgement = case.judge();
        assert!(judgement.exposures.iter().all(|exposure| exposure.standing), "{now}");
        assert!(judgement.rules[0].unchanged && !judgement.keeps_an_own_rule(|_| false), "it has no part in it");
    }
}

#[test]
fn a_rule_that_was_open_and_opens_more_is_revoked_and_never_given_back() {
    for (now, before) in [
        ("a tcp 22 0.0.0.0/0", "tcp 22 0.0.0.0/1"),
        ("a tcp 22 0.0.0.0/1", "tcp 22 128.0.0.0/1"),
        ("a tcp 22-3389 0.0.0.0/0", "tcp 22 0.0.0.0/0"),
        ("a -1 - 0.0.0.0/0", "tcp 22 0.0.0.0/0"),
        ("a tcp 22 0.0.0.0/0", "udp 3389 0.0.0.0/0"),
    ] {
        let case = of(now, before);
        assert_eq!(steps(&case), ["revoke sgr-1"], "{now} was {before}");
        assert!(case.judge().exposures.iter().all(|exposure| !exposure.standing), "{now}: it goes as a whole");
    }
}

#[test]
fn a_rule_of_which_nothing_is_known_is_revoked() {
    let unknown = modified(Case::of(&["a tcp 22 0.0.0.0/0"]), Former::Unknown("no sweep".to_owned()));
    let mut unasked = unknown.clone();
    unasked.changes[0].former.clear();
    let doubtful = Was { doubt: Some("no memory".to_owned()), ..was("tcp 443 0.0.0.0/0") };
    let open_and_doubtful = Was { permission: permission("tcp 22 0.0.0.0/0"), ..doubtful.clone() };
    for case in [
        unknown,
        unasked,
        modified(Case::of(&["a tcp 22 0.0.0.0/0"]), Former::Was(doubtful)),
        modified(Case::of(&["a tcp 22 0.0.0.0/0"]), Former::Was(open_and_doubtful)),
    ] {
        assert_eq!(steps(&case), ["revoke sgr-1"]);
    }
}

#[test]
fn a_rule_that_an_authorize_made_was_nothing_before() {
    let mut case = of("a tcp 22 0.0.0.0/0", "tcp 22 0.0.0.0/0");
    case.changes[0].call = Call::Authorize;
    assert_eq!(steps(&case), ["revoke sgr-1"]);
}

/// One call opens, the next one rewords before the look. Each would otherwise have the other as its excuse.
#[test]
fn a_run_of_open_values_that_a_call_began_leads_back_to_the_last_lawful_one() {
    let opened = |before: Former| Former::Was(Was { before: Some(Box::new(before)), ..was("tcp 22 0.0.0.0/0") });
    let lawful = opened(Former::Was(was("tcp 443 0.0.0.0/0")));
    let unknown = opened(Former::Unknown("it was made so".to_owned()));
    for now in ["a tcp 22 0.0.0.0/0", "a tcp 20-25 0.0.0.0/0"] {
        assert_eq!(steps(&modified(Case::of(&[now]), lawful.clone())), ["restore sgr-1 to 443 0.0.0.0/0"]);
        assert_eq!(steps(&modified(Case::of(&[now]), unknown.clone())), ["revoke sgr-1"]);
    }
}

/// The first call's own value before it decides whether the port was open without the two, whoever came last.
#[test]
fn a_call_that_rewords_is_judged_with_the_claimed_call_that_opened() {
    let mut case = Case::of(&["ab tcp 22 0.0.0.0/0"]);
    let id: RuleId = "sgr-1".parse().unwrap();
    for (change, time) in case.changes.iter_mut().zip(["2026-11-21T09:59:58Z", "2026-11-21T09:59:50Z"]) {
        change.call = Call::Modify;
        change.event.time = Some(time.parse().unwrap());
    }
    let open = || Former::Was(was("tcp 22 0.0.0.0/0"));
    let lawful = || Former::Was(was("tcp 443 0.0.0.0/0"));
    let judged = |case: &Case| {
        let changes: Vec<&Change> = case.changes.iter().collect();
        let judgement =
            judge_with_others((&changes, 1), &case.facts, &case.policy, crate::judge::tests::NOW.parse().unwrap());
        plan(&judgement, Mode::Enforce, usize::MAX).steps.len()
    };
    // The claim does not know what the rule was before: then it counts as the claimant's own.
    case.changes[0].former.insert(id.clone(), open());
    assert_eq!(judged(&case), 1);
    case.changes[1].former.insert(id.clone(), lawful());
    assert_eq!(judged(&case), 1);
    // Both left it as it was.
    case.changes[1].former.insert(id, open());
    assert_eq!(judged(&case), 0);
}

#[test]
fn a_value_that_would_open_a_port_together_with_others_is_never_written() {
    let policy = "internet: {ipv4: /8}\n";
    let half = ["a tcp 22 0.0.0.0/0", "old tcp 22 8.0.0.0/9"];
    let with = |before: &str| modified(Case::under(policy, &half), Former::Was(was(before)));
    assert_eq!(steps(&with("tcp 22 8.128.0.0/9")), ["revoke sgr-1"], "the other half is there by now");
    assert_eq!(steps(&with("tcp 22 9.0.0.0/10")), ["restore sgr-1 to 22 9.0.0.0/10"]);
    // In a group that is open anyway, next to nothing may be given back.
    let open = ["a tcp 22 0.0.0.0/0", "old tcp 22 0.0.0.0/1"];
    let with = |before: &str| modified(Case::under(policy, &open), Former::Was(was(before)));
    assert_eq!(steps(&with("tcp 22 203.0.113.7/32")), ["restore sgr-1 to 22 203.0.113.7/32"]);
    assert_eq!(steps(&with("tcp 22 9.0.0.0/10")), ["revoke sgr-1"]);
}

/// Two rules of a call, each lawful before by itself, and open together.
#[test]
fn values_that_open_a_port_only_together_are_not_given_back() {
    let mut case = of("a tcp 22 0.0.0.0/0", "tcp 22 8.0.0.0/9");
    let mut two = Case::under("internet: {ipv4: /8}\n", &["a tcp 22 0.0.0.0/0", "a tcp 22 ::/0"]);
    two.changes[0] = Change { changed_rules: two.changes[0].changed_rules.clone(), ..case.changes.remove(0) };
    two.changes[0].former.insert("sgr-2".parse().unwrap(), Former::Was(was("tcp 22 8.128.0.0/9")));
    assert_eq!(steps(&two), ["revoke sgr-1", "revoke sgr-2"]);
    two.changes[0].former.insert("sgr-2".parse().unwrap(), Former::Was(was("tcp 22 9.0.0.0/10")));
    assert_eq!(steps(&two), ["restore sgr-1 to 22 8.0.0.0/9", "restore sgr-2 to 22 9.0.0.0/10"]);
}

#[test]
fn a_value_that_cannot_be_decided_or_is_anothers_by_now_is_not_given_back() {
    let gone = of("a tcp 22 0.0.0.0/0", "tcp 22 pl-1");
    assert_eq!(steps(&gone), ["revoke sgr-1"], "the prefix list is gone, or nobody read it");
    assert_eq!(steps(&gone.clone().list("pl-1", Err("gone"))), ["revoke sgr-1"]);
    assert_eq!(steps(&gone.list("pl-1", Ok(&["203.0.113.0/24"]))), ["restore sgr-1 to 22 pl-1"]);
    let twice = Case::of(&["a tcp 22 0.0.0.0/0", "old tcp 443 0.0.0.0/0"]);
    assert_eq!(steps(&modified(twice, Former::Was(was("tcp 443 0.0.0.0/0")))), ["revoke sgr-1"], "EC2 keeps no two");
    assert_eq!(
        steps(&of("a tcp 22 0.0.0.0/0", "tcp 22 sg-1")),
        ["revoke sgr-1"],
        "no Modify makes a group's rule a block's"
    );
}

#[test]
fn what_changed_while_portcullis_looked_or_could_not_be_given_back_is_revoked() {
    let mut case = of("a tcp 22 0.0.0.0/0", "tcp 443 0.0.0.0/0");
    let judgement = case.judge();
    let plan = plan(&judgement, Mode::Enforce, usize::MAX);
    let given_up = BTreeSet::from(["sgr-1".parse().unwrap()]);
    let now = crate::judge::tests::NOW.parse().unwrap();
    let again = restoring(plan.clone(), &judgement, &case.facts, &given_up, (&case.policy, now));
    assert_eq!(again, plan);
    case.facts.appeared.insert("sgr-1".parse().unwrap());
    assert_eq!(steps(&case), ["revoke sgr-1"]);
}

/// An exemption holds for what the rule was, not for what it is. What was exempt does not make it stand.
#[test]
fn a_value_that_was_exempt_is_given_back_and_does_not_excuse_what_came_after() {
    let policy = "exempt: [{reason: vpn, until: never, sources: [0.0.0.0/1], guard: [ssh]}]\n";
    let case = modified(Case::under(policy, &["a tcp 22 0.0.0.0/0"]), Former::Was(was("tcp 22 0.0.0.0/1")));
    assert_eq!(steps(&case), ["restore sgr-1 to 22 0.0.0.0/1"]);
    let narrowed = modified(Case::under(policy, &["a tcp 22 128.0.0.0/1"]), Former::Was(was("tcp 22 0.0.0.0/1")));
    assert_eq!(steps(&narrowed), ["restore sgr-1 to 22 0.0.0.0/1"]);
    // Who may open it is nobody known any more.
    let by = "exempt: [{reason: vpn, until: never, principals: ['arn:aws:iam::*:role/A']}]\n";
    let case = modified(Case::under(by, &["a tcp 22 0.0.0.0/0"]), Former::Was(was("tcp 22 0.0.0.0/1")));
    assert_eq!(steps(&case), ["revoke sgr-1"]);
}

/// The rule keeps its id and its tags; a group may have rules that nobody touched.
#[test]
fn others_rules_stay_as_they_are() {
    let lines = ["a tcp 22 0.0.0.0/0", "old tcp 3389 0.0.0.0/0", "b tcp 22 ::/0"];
    let case = modified(Case::of(&lines), Former::Was(was("tcp 443 0.0.0.0/0")));
    assert_eq!(steps(&case), ["restore sgr-1 to 443 0.0.0.0/0", "revoke sgr-3"]);
}

#[test]
fn a_value_opens_a_port_by_itself_or_together_with_others() {
    let case = Case::under(
        "internet: {ipv4: /8}\n",
        &["a tcp 22 0.0.0.0/0", "old tcp 22 8.0.0.0/9", "old tcp 3389 0.0.0.0/0"],
    );
    let now = crate::judge::tests::NOW.parse().unwrap();
    for (value, is_open) in [
        ("tcp 22 9.0.0.0/8", true),
        ("tcp 22 8.128.0.0/9", true),
        ("tcp 22 9.0.0.0/10", false),
        ("tcp 3389 203.0.113.7/32", false),
        ("tcp 443 0.0.0.0/0", false),
    ] {
        let rule = Rule::new("sgr-1".parse().unwrap(), permission(value));
        assert_eq!(opens(&rule, &case.facts, &case.policy, now), is_open, "{value}");
    }
}

/// The value before the last call is the newest that is known: what the first call found is older.
#[test]
fn of_two_calls_that_changed_a_rule_the_last_one_says_what_it_gets_back() {
    let mut case = Case::of(&["ab tcp 22 0.0.0.0/0"]);
    let times = ["2026-11-21T09:59:50Z", "2026-11-21T09:59:58Z"];
    for (change, (time, value)) in case.changes.iter_mut().zip(times.into_iter().zip([443, 8443])) {
        change.call = Call::Modify;
        change.event.time = Some(time.parse().unwrap());
        let former = Former::Was(was(&format!("tcp {value} 0.0.0.0/0")));
        change.former.insert("sgr-1".parse().unwrap(), former);
    }
    assert_eq!(steps(&case), ["restore sgr-1 to 8443 0.0.0.0/0"]);
    case.changes.reverse();
    assert_eq!(steps(&case), ["restore sgr-1 to 8443 0.0.0.0/0"], "in whatever order they come");
}
