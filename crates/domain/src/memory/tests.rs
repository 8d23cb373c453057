use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::change::{Call, Change, ChangedRules, EventMetadata, Resource};
use crate::facts::GroupLocation;
use crate::ids::{AccountId, Region};
use crate::net::Family;
use crate::policy::{Mode, Policy};
use crate::rule::{Permission, Rule, Source, Traffic};

mod digest;
mod fights;
mod interleavings;
mod waivers;

fn now() -> Timestamp {
    "2026-11-25T18:00:00Z".parse().unwrap()
}

fn after(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

fn location() -> GroupLocation {
    GroupLocation {
        account: AccountId::parse("111122223333").unwrap(),
        region: Region::parse("eu-west-1").unwrap(),
        group: GroupId::parse("sg-0a1b2c3d4e5f60718").unwrap(),
        vpc: None,
    }
}

fn rule(n: usize) -> RuleId {
    RuleId::parse(&format!("sgr-{n:017x}")).unwrap()
}

fn permission() -> Permission {
    let source = Source::Cidr("0.0.0.0/0".parse().unwrap());
    Permission { traffic: Traffic::new("tcp".into(), Some(22), Some(22)), source }
}

/// A change of every kind that a claim may be about.
fn change(event: &str, changed_rules: ChangedRules) -> Change {
    let GroupLocation { account, region, group, .. } = location();
    Change {
        event: EventMetadata {
            id: Some(event.to_owned()),
            time: Some(now()),
            actor: Some("arn:aws:sts::111122223333:assumed-role/dev/alice".to_owned()),
            issuer: Some("arn:aws:iam::111122223333:role/dev".to_owned()),
            ..EventMetadata::default()
        },
        account,
        region,
        call: Call::Authorize,
        resource: Resource::Group(group),
        changed_rules,
        recorded_rules: Some(vec![(Some(rule(1)), permission())]),
        unread: None,
        former: Default::default(),
    }
}

fn kinds() -> Vec<ChangedRules> {
    vec![
        ChangedRules::Rules(vec![rule(1), rule(2)]),
        ChangedRules::Permissions(vec![permission()]),
        ChangedRules::PrefixList {
            list: crate::ids::PrefixListId::parse("pl-1").unwrap(),
            added: Some(vec!["0.0.0.0/1".parse().unwrap()]),
            restored: None,
            version: Some(7),
        },
        ChangedRules::Any,
    ]
}

fn claim(event: &str, mode: Mode) -> (ClaimId, Claim) {
    let change = change(event, ChangedRules::Rules(vec![rule(1)]));
    (ClaimId::of(&change, &location().group), Claim::new(&change, mode, now()).unwrap())
}

#[test]
fn what_is_remembered_is_read_back_as_it_was() {
    let mut memory = Memory::default();
    for (n, kind) in kinds().into_iter().enumerate() {
        let change = change(&n.to_string(), kind);
        let saw = vec![Rule::new(rule(n), permission())];
        let claim = Claim::new(&change, Mode::Enforce, now()).unwrap().with_saw((saw, BTreeMap::new()));
        memory.claims.insert(ClaimId::of(&change, &location().group), claim);
    }
    let mut fight = Fight::default();
    let user_agent = Some("APN/1.0 HashiCorp/1.0 Terraform/1.1.2");
    fight.note(Close { at: now(), actor: Some("arn:aws:iam::111122223333:role/dev"), user_agent });
    fight.note_told(now());
    // A guard's name may hold what separates the parts of a key.
    for guard in ["ssh", "a/b#c"] {
        for family in [Family::V4, Family::V6] {
            let key = FightKey { guard: guard.to_owned(), family };
            memory.fights.insert(key.clone(), fight.clone());
            memory.told.insert(key, now());
        }
    }
    memory.waivers.insert("w-7q2m".to_owned(), Waiver { rules: vec![rule(5), rule(6)], ..waivers::waiver() });
    memory.opened.insert("w-7q2m".to_owned(), [rule(6)].into());
    memory.ending.insert("w-7q2m".to_owned(), vec![Rule::new(rule(6), permission())]);
    memory.ended.insert("w-0000".to_owned(), now());
    memory.closed.insert(rule(3), now());
    memory.acts.insert("20261125T180002Z-1".to_owned(), "evidence/v1/x.json".to_owned());
    memory.lease = Some(Lease { holder: "1".to_owned(), until: after(1) });

    let entries = memory.entries();
    assert_eq!(entries.len(), 4 + 8 + 1 + 3 + 1 + 1 + 2);
    // As text, for a store keeps text.
    let text = serde_json::to_string(&entries).unwrap();
    assert_eq!(Memory::read(&serde_json::from_str(&text).unwrap()), memory, "{text}");
}

#[test]
fn an_entry_that_cannot_be_read_takes_nothing_else_with_it() {
    let (id, claim) = claim("1", Mode::Enforce);
    let mut entries = Entries::from([(claim_name(&id), written(&claim).unwrap())]);
    let odd = [
        ("claim#", json!({})),
        ("claim#000000000000000000000000", json!({"change": 1})),
        ("fight#ssh", json!({})),
        ("told#ssh/ipv5", json!("2026-11-25T18:00:00Z")),
        ("closed#sg-1", json!("2026-11-25T18:00:00Z")),
        ("waiver#w-1", json!({"by": "x"})),
        ("opened#w-1/sg-1", json!("2026-11-25T18:00:00Z")),
        ("opened#w-1", json!("2026-11-25T18:00:00Z")),
        ("ending#w-1", json!({})),
        ("ended#w-1", json!(7)),
        ("lease", json!(null)),
        ("something", json!({"of": "a later version"})),
    ];
    let names: Vec<String> = odd.iter().map(|(name, _)| (*name).to_owned()).collect();
    entries.extend(odd.map(|(name, value)| (name.to_owned(), value)));
    let memory = Memory::read(&entries);
    assert_eq!(memory.claims, BTreeMap::from([(id, claim)]));
    assert_eq!(memory.unreadable.len(), names.len(), "{:?}", memory.unreadable);
}

#[test]
fn two_deliveries_of_a_record_have_one_claim_and_two_records_two() {
    let group = location().group;
    let [first, second] = ["1", "2"].map(|event| change(event, ChangedRules::Any));
    assert_eq!(ClaimId::of(&first, &group), ClaimId::of(&first.clone(), &group));
    assert_ne!(ClaimId::of(&first, &group), ClaimId::of(&second, &group));
    let other = GroupId::parse("sg-1").unwrap();
    assert_ne!(ClaimId::of(&first, &group), ClaimId::of(&first, &other), "a list's change is one claim in each group");
    let forged = Change { recorded_rules: Some(Vec::new()), ..first.clone() };
    assert_ne!(ClaimId::of(&first, &group), ClaimId::of(&forged, &group), "another record under the same id");
}

#[test]
fn a_claim_counts_for_others_until_it_ends_and_one_of_alert_mode_for_alert_mode_only() {
    let (own, enforced, reported) = (claim("1", Mode::Enforce), claim("2", Mode::Enforce), claim("3", Mode::Alert));
    let ids = [own.0.clone()];
    let memory = Memory { claims: BTreeMap::from([own, enforced.clone(), reported.clone()]), ..Memory::default() };
    assert_eq!(memory.co_defendants(&ids, Mode::Enforce, now()), [&enforced.1]);
    let mut both = memory.co_defendants(&ids, Mode::Alert, now());
    both.sort_by_key(|claim| claim.mode);
    assert_eq!(both, [&reported.1, &enforced.1]);
    let any = change("4", ChangedRules::Any);
    let claims = [(ClaimId::of(&any, &location().group), Claim::new(&any, Mode::Enforce, now()).unwrap())];
    let of_any = Memory { claims: BTreeMap::from(claims), ..Memory::default() };
    assert!(of_any.co_defendants(&[], Mode::Enforce, now()).is_empty());
    assert!(memory.co_defendants(&ids, Mode::Enforce, after(24 * 60)).is_empty());
    assert_eq!(memory.co_defendants(&ids, Mode::Enforce, after(24 * 60 - 1)), [&enforced.1]);
}

#[test]
fn a_group_with_many_claims_is_judged_with_some_of_them() {
    let claims = (0..100).map(|n| claim(&n.to_string(), Mode::Enforce));
    let memory = Memory { claims: claims.collect(), ..Memory::default() };
    assert_eq!(memory.co_defendants(&[], Mode::Enforce, now()).len(), MOST_CLAIMS);
}

#[test]
fn a_claim_keeps_no_more_than_it_has_room_for() {
    let rules = |count: usize| {
        let mut described = Rule::new(rule(1), permission());
        described.description = Some("x".repeat(255));
        vec![described; count]
    };
    let (_, few) = claim("1", Mode::Enforce);
    let with = |count: usize| few.clone().with_saw((rules(count), BTreeMap::new()));
    let (whole, bare, none) = (with(30), with(60), with(400));
    assert_eq!((whole.saw.as_slice(), &whole.left_out), (rules(30).as_slice(), &None));
    assert_eq!(bare.saw, vec![Rule::new(rule(1), permission()); 60]);
    assert_eq!(bare.left_out.as_deref(), Some("the descriptions and tags of the rules: more than 16384 bytes"));
    assert_eq!(none.saw, []);
    assert_eq!(none.left_out.as_deref(), Some("the rules: more than 16384 bytes"));
    let many = (0..1000).map(|n| (Some(rule(n)), permission())).collect();
    let large = Change { recorded_rules: Some(many), ..change("1", ChangedRules::Any) };
    assert_eq!(Claim::new(&large, Mode::Enforce, now()), None);
}

#[test]
fn what_is_over_is_named_and_what_holds_is_not() {
    let (id, claim) = claim("1", Mode::Enforce);
    let key = FightKey { guard: "ssh".to_owned(), family: Family::V4 };
    let mut fight = Fight::default();
    fight.note(Close { at: now(), actor: None, user_agent: None });
    let memory = Memory {
        claims: BTreeMap::from([(id.clone(), claim)]),
        fights: BTreeMap::from([(key.clone(), fight)]),
        told: BTreeMap::from([(key.clone(), now())]),
        closed: BTreeMap::from([(rule(1), now())]),
        waivers: BTreeMap::from([("w-1".to_owned(), waivers::waiver())]),
        ..Memory::default()
    };
    assert_eq!(memory.over(after(15)), Vec::<String>::new());
    assert_eq!(memory.closed_lately(after(15)), [&rule(1)]);
    assert_eq!(memory.over(after(16)), [closed_name(&rule(1))]);
    assert!(memory.closed_lately(after(16)).is_empty());
    assert!(memory.was_told(&key, after(24 * 60)) && !memory.was_told(&key, after(24 * 60 + 1)));
    let day: Vec<String> = vec![claim_name(&id), told_name(&key), closed_name(&rule(1))];
    assert_eq!(memory.over(after(24 * 60 + 1)), day);
    assert_eq!(memory.over(after(8 * 24 * 60)).len(), 5);
}

#[test]
fn the_oldest_make_room() {
    let closed = (0..=MOST_CLOSED).map(|n| (rule(n), after(i64::try_from(n).unwrap() / 60)));
    let acts = (0..=MOST_ACTS).map(|n| (format!("2026112{n}T"), String::new()));
    let memory = Memory { closed: closed.collect(), acts: acts.collect(), ..Memory::default() };
    assert_eq!(memory.over(after(5)), [closed_name(&rule(0)), act_name("20261120T")]);
}

fn keys(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn swept(memory: &mut SweepMemory, open: &[&str], other: &[&str], minutes: i64) -> News {
    let other: Vec<String> = other.iter().map(|other| (*other).to_owned()).collect();
    memory.note(Swept { open: &keys(open), other: &other, unseen: &[], due_since: None }, after(minutes))
}

#[test]
fn a_sweep_is_told_when_something_changed_and_once_a_day() {
    let mut memory = SweepMemory::default();
    let first = swept(&mut memory, &["a", "b"], &[], 0);
    assert_eq!((first.is_told, first.new, first.since.len()), (true, None, 0), "it cannot tell what is new");
    let same = swept(&mut memory, &["b", "a"], &[], 60);
    assert_eq!((same.is_told, same.new, same.since["a"]), (false, Some(keys(&[])), now()));
    let more = swept(&mut memory, &["a", "b", "c"], &[], 120);
    assert_eq!((more.is_told, more.new), (true, Some(keys(&["c"]))));
    let less = swept(&mut memory, &["a", "c"], &[], 180);
    assert_eq!((less.is_told, less.new, less.since["c"]), (true, Some(keys(&[])), after(120)));
    assert_eq!(swept(&mut memory, &["a", "b"], &[], 181).new, Some(keys(&["b"])), "it was closed meanwhile");
    assert!(swept(&mut memory, &["a"], &["eu-west-1: denied"], 240).is_told);
    assert!(!swept(&mut memory, &["a"], &["eu-west-1: denied"], 300).is_told);
    assert!(swept(&mut memory, &["a"], &["eu-west-1: denied"], 240 + 24 * 60).is_told);
}

#[test]
fn what_is_due_is_told_although_nothing_has_changed() {
    let mut memory = SweepMemory::default();
    let mut note = |due_since: Option<i64>, minutes: i64| {
        let due_since = due_since.map(after);
        let news = memory.note(Swept { open: &keys(&["a"]), other: &[], unseen: &[], due_since }, after(minutes));
        (news.is_told, news.is_changed)
    };
    assert_eq!(note(None, 0), (true, true));
    assert_eq!(note(None, 60), (false, false));
    assert_eq!(note(Some(119), 120), (true, false));
    assert_eq!(note(Some(119), 125), (false, false), "a message that is delivered twice");
    // A day counts from when it was told last.
    assert_eq!(note(None, 120 + 23 * 60), (false, false));
    assert_eq!(note(None, 120 + 24 * 60), (true, false));
}

#[test]
fn what_a_sweep_could_not_look_at_is_not_new_when_it_can() {
    let mut memory = SweepMemory::default();
    let (one, other) = ("1 eu-west-1 sg-1: tcp 22 (ssh)", "1 eu-west-10 sg-2: tcp 22 (ssh)");
    swept(&mut memory, &[one, other], &[], 0);
    memory.note(Swept { open: &keys(&[]), other: &[], unseen: &["1 eu-west-1"], due_since: None }, after(60));
    let again = swept(&mut memory, &[one, other], &[], 120);
    assert_eq!((again.new, again.since[one]), (Some(keys(&[other])), now()), "the other has been closed");
    memory.note(Swept { open: &keys(&[]), other: &[], unseen: &["1"], due_since: None }, after(180));
    assert_eq!(swept(&mut memory, &[one, other], &[], 240).new, Some(keys(&[])), "the whole account was not looked at");
}

#[test]
fn of_more_open_ports_than_are_remembered_nobody_says_which_are_new() {
    let mut memory = SweepMemory::default();
    let many: Vec<String> = (0..1001).map(|n| format!("{n:04}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    swept(&mut memory, &many, &[], 0);
    let same = swept(&mut memory, &many, &[], 60);
    assert_eq!((same.is_told, same.new), (false, None));
    assert!(swept(&mut memory, &many[1..], &[], 120).is_told);
}

#[test]
fn an_unchanged_sweep_of_a_week_is_told_seven_times() {
    let mut memory = SweepMemory::default();
    let told = (0..7 * 24).filter(|hour| swept(&mut memory, &["a"], &[], hour * 60).is_told).count();
    assert_eq!(told, 7);
}

#[test]
fn a_rule_that_was_noted_under_a_waiver_is_one_of_its_rules_and_goes_with_it() {
    let waiver = Waiver { kind: WaiverKind::Open, rules: vec![rule(5)], ..waivers::waiver() };
    let mut entries = Entries::from([
        (waiver_name("w-7q2m"), written(&waiver).unwrap()),
        (opened_name("w-7q2m", &rule(5)), written(&now()).unwrap()),
        (opened_name("w-7q2m", &rule(6)), written(&now()).unwrap()),
        (opened_name("w-0000", &rule(7)), written(&now()).unwrap()),
    ]);
    let memory = Memory::read(&entries);
    assert_eq!(memory.waivers["w-7q2m"].rules, [rule(5), rule(6)]);
    assert_eq!(memory.over(now()), [opened_name("w-0000", &rule(7))], "its waiver is gone");
    let all = memory.entries_of_opening("w-7q2m");
    assert_eq!(all.len(), 3, "{all:?}");
    entries.retain(|name, _| !all.contains(name));
    assert_eq!(entries.len(), 1);
    // An opening whose end did not come is kept, and with it the item: sweeps try again.
    let weeks = now() + SignedDuration::from_hours(20 * 24);
    assert!(!memory.over(weeks).contains(&waiver_name("w-7q2m")));
    assert!(memory.needed_until(weeks) > weeks);
    let late = now() + SignedDuration::from_hours(40 * 24);
    assert!(memory.over(late).contains(&waiver_name("w-7q2m")) && memory.over(late).len() == 4);
}
