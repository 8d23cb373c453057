use super::*;
use crate::judge::tests::{Case, NOW};

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// What forbids that the first rule of a case is put back by somebody.
fn why(case: &Case, by: &str) -> Vec<String> {
    let mut facts = case.facts.clone();
    let rule = facts.rules.remove(0);
    let rules = [rule];
    let change = change(&rules, &facts, by, now());
    forbidden((&facts, &rules), &change, &case.policy, now())
}

const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

#[test]
fn what_would_open_a_port_is_forbidden_and_what_would_not_is_none() {
    for (lines, expected) in [
        (&["a tcp 22 0.0.0.0/0"][..], "tcp 22 (ssh) would be open to 3702258432 public addresses, from 0.0.0.0/0"),
        (&["a tcp 443 0.0.0.0/0"][..], ""),
        (&["a tcp 22 10.0.0.0/8"][..], ""),
        // The other half stands already.
        (&["a tcp 22 8.0.0.0/9", "old tcp 22 8.128.0.0/9"][..], "tcp 22 (ssh) would be open to 16777216 public"),
        // The port is open without it, which is no reason to open it wider.
        (&["a tcp 22 9.9.9.9/32", "old tcp 22 0.0.0.0/0"][..], "tcp 22 (ssh) would be open"),
        // Another port's exposure is not its doing.
        (&["a tcp 443 9.9.9.9/32", "old tcp 22 0.0.0.0/0"][..], ""),
    ] {
        let why = why(&Case::of(lines), ALICE).join("; ");
        assert!(if expected.is_empty() { why.is_empty() } else { why.starts_with(expected) }, "{lines:?}: {why}");
    }
}

#[test]
fn an_exemption_lets_it_be_and_what_cannot_be_decided_does_not() {
    let by_alice = "exempt: [{reason: SEC-1, until: never, principals: ['arn:aws:iam::*:user/alice']}]";
    assert_eq!(why(&Case::under(by_alice, &["a tcp 22 0.0.0.0/0"]), ALICE), [""; 0]);
    assert_eq!(why(&Case::under(by_alice, &["a tcp 22 0.0.0.0/0"]), "arn:aws:iam::111122223333:user/bob").len(), 1);
    let case = Case::of(&["a tcp 22 pl-1"]).list("pl-1", Err("AccessDenied"));
    assert!(why(&case, ALICE)[0].starts_with("it cannot be decided"), "{:?}", why(&case, ALICE));
}

#[test]
fn what_is_there_already_is_not_put_back_and_awss_own_tags_are_left_out() {
    let mut case = Case::of(&["a tcp 22 9.9.9.0/24", "a tcp 443 0.0.0.0/0", "old tcp 22 9.9.9.0/24"]);
    case.facts.rules[1].tags = [("aws:cloudformation:stack-name", "s"), ("team", "web")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let there = case.facts.rules.pop().unwrap();
    let taken = std::mem::replace(&mut case.facts.rules, vec![there.clone()]);
    let missing = missing(&taken, &case.facts);
    assert_eq!(missing.there, BTreeMap::from([(taken[0].id.clone(), there.id)]));
    assert_eq!(missing.rules.len(), 1);
    assert_eq!(missing.rules[0].tags, BTreeMap::from([("team".to_owned(), "web".to_owned())]));
    assert_eq!(missing.tags_left_out[&taken[1].id], BTreeSet::from(["aws:cloudformation:stack-name".to_owned()]));
}

#[test]
fn there_is_one_call_for_each_set_of_tags() {
    let mut rules = Case::of(&["a tcp 1 9.9.9.0/24", "a tcp 2 9.9.9.0/24", "a tcp 3 9.9.9.0/24"]).facts.rules;
    rules[1].tags.insert("team".to_owned(), "web".to_owned());
    let calls = calls(&rules);
    assert_eq!(calls.iter().map(|call| (call.tags.len(), call.rules.len())).collect::<Vec<_>>(), [(0, 2), (1, 1)]);
}
