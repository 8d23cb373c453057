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

/// The rules come back as they were before they were opened, with the tags that they had; before a run counts as before.
#[test]
fn what_a_rule_was_before_it_was_opened_is_put_back_where_it_is_known() {
    use crate::evidence::tests::evidence;
    use crate::former::Source as Origin;
    use crate::judge::tests::permission;
    use crate::policy::Mode;

    let was = |value: &str, before: Option<Former>| {
        Former::Was(Was {
            permission: permission(value),
            description: Some("web".to_owned()),
            from: Origin::Event,
            as_of: now(),
            exposes: false,
            doubt: None,
            before: before.map(Box::new),
        })
    };
    let lines = ["a tcp 22 0.0.0.0/0", "a tcp 22 ::/0", "a tcp 3389 0.0.0.0/0", "a tcp 3306 0.0.0.0/0"];
    let mut made = evidence(&Case::of(&lines), Mode::Enforce);
    made.rules[0].rule.tags = [("team".to_owned(), "web".to_owned())].into();
    let lawful = || was("tcp 443 0.0.0.0/0", None);
    made.knew.changes[0].former = [
        ("sgr-1", lawful()),
        ("sgr-2", was("tcp 22 ::/0", Some(was("tcp 443 ::/0", None)))),
        ("sgr-3", Former::Unknown("no sweep".to_owned())),
    ]
    .map(|(id, former)| (id.parse().unwrap(), former))
    .into();
    let (rules, unknown) = former(&made);
    let expected = [("sgr-1", "tcp 443 0.0.0.0/0"), ("sgr-2", "tcp 443 ::/0")];
    let found: Vec<_> = rules.iter().map(|rule| (rule.id.as_str(), rule.permission.clone())).collect();
    assert_eq!(found, expected.map(|(id, value)| (id, permission(value))));
    assert_eq!((rules[0].description.as_deref(), rules[0].tags.len()), (Some("web"), 1));
    let why: Vec<&str> = unknown.values().map(String::as_str).collect();
    assert_eq!(why, ["no sweep", "no ModifySecurityGroupRules opened it"]);
}

/// What alert mode would have taken is there still: it is set back on the rule itself, and only while it is as the act saw it.
#[test]
fn what_an_act_in_alert_mode_would_have_taken_is_set_back_only_while_nobody_has_changed_it() {
    use crate::evidence::tests::evidence;
    use crate::former::Source as Origin;
    use crate::judge::tests::permission;
    use crate::policy::Mode;

    let was = |value: &str| {
        let (permission, from, as_of) = (permission(value), Origin::Sweep, now());
        Former::Was(Was { permission, description: None, from, as_of, exposes: false, doubt: None, before: None })
    };
    let lines =
        ["a tcp 22 0.0.0.0/0", "a tcp 22 ::/0", "a tcp 3389 0.0.0.0/0", "a tcp 3306 0.0.0.0/0", "a tcp 1433 ::/0"];
    let case = Case::of(&lines);
    let mut made = evidence(&case, Mode::Alert);
    assert!(taken(&made).is_empty() && would_take(&made).len() == 5);
    made.knew.changes[0].former = [
        ("sgr-1", was("tcp 443 0.0.0.0/0")),
        ("sgr-2", was("tcp 443 ::/0")),
        ("sgr-3", was("tcp 8443 0.0.0.0/0")),
        ("sgr-4", was("tcp 8080 0.0.0.0/0")),
    ]
    .map(|(id, former)| (id.parse().unwrap(), former))
    .into();
    let mut facts = case.facts.clone();
    // The second is what it was again, the third was changed since, the fourth is gone.
    facts.rules[1].permission = permission("tcp 443 ::/0");
    facts.rules[2].permission = permission("tcp 3389 9.0.0.0/8");
    facts.rules.remove(3);
    let found = set_back(&made, &facts);
    let rules: Vec<_> = found.rules.iter().map(|rule| (rule.id.as_str(), rule.permission.clone())).collect();
    assert_eq!(rules, [("sgr-1", permission("tcp 443 0.0.0.0/0"))]);
    assert_eq!(found.there.keys().map(RuleId::as_str).collect::<Vec<_>>(), ["sgr-2"]);
    let why: Vec<(&str, &str)> = found.left_out.iter().map(|(id, why)| (id.as_str(), why.as_str())).collect();
    let expected = [
        ("sgr-3", "somebody has changed it since the act"),
        ("sgr-4", "it is no longer there"),
        ("sgr-5", "what it was before is not known: no ModifySecurityGroupRules opened it"),
    ];
    assert_eq!(why, expected);
    // EC2 refuses two rules that are alike.
    facts.rules[1].permission = permission("tcp 443 0.0.0.0/0");
    let found = set_back(&made, &facts);
    assert!(found.rules.is_empty() && found.left_out.values().any(|why| why.starts_with("sgr-2 is like that already")));
}

/// What the rule is until then is not waived.
#[test]
fn the_waiver_of_a_rule_that_is_set_back_names_what_it_becomes_and_not_what_it_is() {
    let case = Case::of(&["a tcp 22 0.0.0.0/0"]);
    let rules = Case::of(&["a tcp 3389 0.0.0.0/0"]).facts.rules;
    let change = change(&rules, &case.facts, ALICE, now());
    let (guards, sources) = waived((&case.facts, &rules), &change, &case.policy, now());
    assert_eq!((guards, sources.len()), (vec!["rdp".to_owned()], 1));
}
