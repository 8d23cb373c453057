use super::*;
use crate::net::{AddressSet, Cidr, PerFamily};
use crate::policy::Candidate;

const BY: &str = "arn:aws:iam::111122223333:role/oncall";

pub(super) fn waiver() -> Waiver {
    Waiver {
        kind: WaiverKind::Undo,
        by: BY.to_owned(),
        reason: "INC-123".to_owned(),
        from: now(),
        until: after(120),
        guards: vec!["ssh".to_owned()],
        sources: vec!["203.0.113.0/24".parse().unwrap()],
        rules: Vec::new(),
    }
}

fn policy(waivers: &str) -> Policy {
    Policy::parse(&format!("version: 1\nwaivers: {waivers}\n")).unwrap()
}

/// Whether the waiver covers this rule of the group.
fn covers(waiver: &Waiver, (guard, source, maker): (&str, &str, Option<&str>), at: Timestamp) -> bool {
    let Ok(exemptions) = waiver.exemptions("w-1", &location(), &policy("{}"), now().max(at.min(after(119)))) else {
        return false;
    };
    let policy = policy("{}").with_waivers(exemptions);
    let blocks: [Cidr; 1] = [source.parse().unwrap()];
    let sources = PerFamily::each(|family| AddressSet::from_cidrs(family, &blocks));
    let makers: Vec<Vec<String>> = maker.into_iter().map(|maker| vec![maker.to_owned()]).collect();
    let (group, rule) = (location(), rule(9));
    let candidate =
        Candidate { at: &group, rule: &rule, waiver: None, guard, sources: Some(&sources), makers: &makers };
    policy.exemption(candidate, at).is_some()
}

#[test]
fn a_waiver_covers_what_its_principal_made_within_its_sources_on_its_guards_until_its_end() {
    let waiver = waiver();
    let right = ("ssh", "203.0.113.7/32", Some(BY));
    assert!(covers(&waiver, right, now()));
    assert!(covers(&waiver, right, after(120) - SignedDuration::from_secs(1)));
    assert!(!covers(&waiver, right, after(120)), "expired");
    assert!(!covers(&waiver, ("rdp", right.1, right.2), now()), "another guard");
    assert!(!covers(&waiver, (right.0, "203.0.112.0/23", right.2), now()), "a wider source");
    assert!(!covers(&waiver, (right.0, right.1, Some("arn:aws:iam::111122223333:role/dev")), now()), "another maker");
    assert!(!covers(&waiver, (right.0, right.1, None), now()), "a rule whose maker is not known");
}

/// CloudTrail names a role with its path, as of IAM Identity Center; the ARN of a session has none.
#[test]
fn a_waiver_of_a_role_covers_the_role_with_its_path_and_no_other() {
    let right = |maker| covers(&waiver(), ("ssh", "203.0.113.7/32", Some(maker)), now());
    assert!(right("arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/oncall"));
    assert!(!right("arn:aws:iam::111122223333:role/aws-reserved/not-oncall"));
    assert!(!right("arn:aws:iam::111122223333:role/oncall/other"));
    assert!(!right("arn:aws:iam::444455556666:role/x/oncall"));
    assert!(!right("arn:aws:iam::111122223333:user/oncall"));
}

#[test]
fn a_rule_that_was_made_under_a_waiver_is_covered_for_who_does_not_know_its_maker() {
    let listed = Waiver { rules: vec![rule(9)], ..waiver() };
    assert!(covers(&listed, ("ssh", "203.0.113.7/32", None), now()));
    assert!(!covers(&listed, ("ssh", "203.0.112.0/23", None), now()), "widened since");
    let another = Waiver { rules: vec![rule(8)], ..waiver() };
    assert!(!covers(&another, ("ssh", "203.0.113.7/32", None), now()));
}

#[test]
fn a_waiver_that_the_policy_does_not_allow_covers_nothing_and_says_why() {
    let why = |waiver: &Waiver, waivers: &str| {
        let refused = waiver.exemptions("w-1", &location(), &policy(waivers), now());
        refused.err().map(|refused| refused.to_string())
    };
    assert_eq!(why(&waiver(), "{}"), None);
    assert_eq!(why(&waiver(), "{most: 2h}"), None);
    let too_long = "it lasts 2h, and the policy's `waivers.most` is 119m";
    assert_eq!(why(&waiver(), "{most: 119m}").as_deref(), Some(too_long));
    assert_eq!(why(&waiver(), "{most: 0}").as_deref(), Some("it lasts 2h, and the policy's `waivers.most` is 0"));
    assert_eq!(why(&waiver(), "{by: ['arn:aws:iam::*:role/oncall']}"), None);
    let others = "{by: ['arn:aws:iam::111122223333:role/admin']}";
    assert_eq!(why(&waiver(), others).unwrap(), format!("`{BY}` is not among the policy's `waivers.by`"));
    let is_refused = |change: fn(&mut Waiver)| {
        let mut waiver = waiver();
        change(&mut waiver);
        why(&waiver, "{}").is_some()
    };
    assert!(is_refused(|waiver| waiver.reason = " ".to_owned()));
    assert!(is_refused(|waiver| waiver.guards.clear()));
    assert!(is_refused(|waiver| waiver.sources.clear()));
    assert!(is_refused(|waiver| waiver.by = "arn:aws:iam::111122223333:role/*".to_owned()));
    assert!(is_refused(|waiver| waiver.by = "oncall".to_owned()));
    assert!(is_refused(|waiver| waiver.from = after(1)));
    assert!(is_refused(|waiver| waiver.until = waiver.from));
}

/// An opening's rule ends with its own opening, and a rule that several waivers cover is lawful until the last one ends.
#[test]
fn a_rule_is_exempt_by_the_waiver_that_its_description_names_or_else_by_the_one_that_holds_for_longest() {
    let opening = |minutes| Waiver { kind: WaiverKind::Open, until: after(minutes), ..waiver() };
    let waivers = [("w-aaaa", 30), ("w-bbbb", 90), ("w-cccc", 60)].map(|(id, until)| (id.to_owned(), opening(until)));
    let exemptions = exemptions(&waivers.into(), (&location(), &policy("{}"), now()));
    let policy = policy("{}").with_waivers(exemptions);
    let sources = PerFamily::each(|family| AddressSet::from_cidrs(family, &["203.0.113.7/32".parse().unwrap()]));
    let (at, rule, makers) = (location(), rule(9), [vec![BY.to_owned()]]);
    let by = |waiver, guard| {
        let candidate = Candidate { at: &at, rule: &rule, waiver, guard, sources: Some(&sources), makers: &makers };
        policy.exemption(candidate, now()).and_then(|exemption| exemption.waiver.clone())
    };
    assert_eq!(by(Some("w-cccc"), "ssh").as_deref(), Some("w-cccc"));
    assert_eq!(by(Some("w-0000"), "ssh").as_deref(), Some("w-bbbb"), "nobody knows that one");
    assert_eq!(by(None, "ssh").as_deref(), Some("w-bbbb"));
    assert_eq!(by(Some("w-cccc"), "rdp"), None, "a name makes nothing lawful");
}

#[test]
fn the_waivers_that_a_policy_had_give_way_to_those_that_are_known_now() {
    let of = |id: &str| waiver().exemptions(id, &location(), &policy("{}"), now()).unwrap();
    let ids = |policy: &Policy| policy.exemptions().iter().filter_map(|it| it.waiver.clone()).collect::<Vec<_>>();
    let own = "version: 1\nexempt: [{reason: x, until: never, sources: [9.0.0.0/8]}]";
    let before = Policy::parse(own).unwrap().with_waivers(of("w-1111"));
    let after = before.with_waivers(of("w-2222"));
    assert_eq!((ids(&before), ids(&after)), (vec!["w-1111".to_owned()], vec!["w-2222".to_owned()]));
    assert_eq!(after.exemptions().len(), 2, "the policy's own stay");
}
