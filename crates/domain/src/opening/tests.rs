use std::collections::BTreeMap;

use super::*;
use crate::facts::GroupLocation;
use crate::ids::{AccountId, GroupId, Region};
use crate::rule::{Permission, Source, Traffic};

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn rule(id: &str, description: Option<&str>) -> Rule {
    let traffic = Traffic::new("tcp".into(), Some(22), Some(22));
    let permission = Permission { traffic, source: Source::Cidr("203.0.113.7/32".parse().unwrap()) };
    Rule { description: description.map(str::to_owned), ..Rule::new(RuleId::parse(id).unwrap(), permission) }
}

fn facts(rules: Vec<Rule>) -> Facts {
    let location = GroupLocation {
        account: AccountId::parse("111122223333").unwrap(),
        region: Region::parse("eu-west-1").unwrap(),
        group: GroupId::parse("sg-1").unwrap(),
        vpc: None,
    };
    Facts::of_rules(location, rules, at("2026-11-26T18:00:00Z"))
}

fn waiver(rules: &[&str]) -> Waiver {
    Waiver {
        kind: WaiverKind::Open,
        by: "arn:aws:iam::111122223333:role/oncall".to_owned(),
        reason: "INC-123".to_owned(),
        from: at("2026-11-26T18:00:00Z"),
        until: at("2026-11-26T20:00:00Z"),
        guards: vec!["ssh".to_owned()],
        sources: vec!["203.0.113.7/32".parse().unwrap()],
        rules: rules.iter().map(|id| RuleId::parse(id).unwrap()).collect(),
    }
}

fn ids(ids: &[&str]) -> BTreeSet<RuleId> {
    ids.iter().map(|id| RuleId::parse(id).unwrap()).collect()
}

#[test]
fn a_description_says_which_opening_and_until_when_and_holds_what_ec2_takes() {
    let until = at("2026-11-26T20:00:00Z");
    let text = description("w-7q2m", until, "INC-123 \"für\n Jo\"?");
    assert_eq!(text, "portcullis w-7q2m until 2026-11-26T20:00:00Z INC-123 -f-r- Jo--");
    assert_eq!(marker(&text), Some(Marker { waiver: "w-7q2m", until }));
    assert_eq!(marker("portcullis w-7q2m until 2026-11-26T20:00:00Z"), Some(Marker { waiver: "w-7q2m", until }));
    assert_eq!(description("w-7q2m", until, &"x".repeat(500)).len(), 255);
    for other in [
        "",
        "portcullis",
        "portcullis w-7q2m",
        "portcullis w-7q2m until soon",
        "portcullis w-7Q2M until 2026-11-26T20:00:00Z",
        "portcullis w-1 until 2026-11-26T20:00:00Z",
        "my portcullis w-7q2m until 2026-11-26T20:00:00Z",
    ] {
        assert_eq!(marker(other), None, "{other}");
    }
}

#[test]
fn an_end_takes_what_was_made_under_the_waiver_and_what_says_that_it_is_part_of_it() {
    let marked = "portcullis w-7q2m until 2026-11-26T20:00:00Z INC-123";
    let facts = facts(vec![
        rule("sgr-1", Some(marked)),
        rule("sgr-2", Some("reworded")),
        rule("sgr-3", Some("portcullis w-0000 until 2026-11-26T20:00:00Z other")),
        rule("sgr-4", None),
    ]);
    let now = at("2026-11-26T20:00:00Z");
    assert_eq!(ending("w-7q2m", Some(&waiver(&["sgr-2"])), &facts, now), ids(&["sgr-1", "sgr-2"]));
    assert_eq!(ending("w-7q2m", Some(&waiver(&[])), &facts, now), ids(&["sgr-1"]));
    assert_eq!(ending("w-7q2m", None, &facts, now), ids(&["sgr-1"]), "the memory is lost: its own words count");
    let before = now - SignedDuration::from_secs(1);
    assert_eq!(ending("w-7q2m", None, &facts, before), ids(&[]), "and its own time");
    let early = ending("w-7q2m", Some(&waiver(&["sgr-2"])), &facts, before);
    assert_eq!(early, ids(&["sgr-1", "sgr-2"]), "whoever closes it before its end takes the same");
    assert_eq!(overdue(&facts, before), BTreeSet::new());
    assert_eq!(overdue(&facts, now), ["w-0000", "w-7q2m"].map(str::to_owned).into());
}

#[test]
fn an_end_has_come_at_its_second_and_the_waiver_of_an_undo_has_none() {
    let memory = |kind| Memory {
        waivers: BTreeMap::from([("w-7q2m".to_owned(), Waiver { kind, ..waiver(&[]) })]),
        ended: BTreeMap::from([("w-0000".to_owned(), at("2026-11-26T19:00:00Z"))]),
        ..Memory::default()
    };
    let (open, undo) = (memory(WaiverKind::Open), memory(WaiverKind::Undo));
    let is = |memory: &Memory, id: &str, time: &str| match standing(memory, id, at(time)) {
        Standing::Over(_) => "over",
        Standing::Holds(_) => "holds",
        Standing::OfUndo(_) => "of an undo",
        Standing::Ended(_) => "ended",
        Standing::Unknown => "unknown",
    };
    assert_eq!(is(&open, "w-7q2m", "2026-11-26T20:00:00Z"), "over");
    assert_eq!(is(&open, "w-7q2m", "2026-11-26T19:59:55Z"), "over", "two clocks of AWS's");
    assert_eq!(is(&open, "w-7q2m", "2026-11-26T19:59:54Z"), "holds");
    assert_eq!(is(&undo, "w-7q2m", "2026-11-26T20:00:00Z"), "of an undo");
    assert_eq!(is(&open, "w-0000", "2026-11-26T20:00:00Z"), "ended");
    assert_eq!(is(&open, "w-1111", "2026-11-26T20:00:00Z"), "unknown");
}
