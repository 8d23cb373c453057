//! Openings: the group of their schedules, the roles for their ends, and what is past its end.

use super::*;
use crate::doctor::inventory::{Left, Opening, Openings};

fn opening(account_id: &str, code: &str, waiver: &str, until: &str, left: Left) -> Opening {
    let group = "sg-0a1b2c3d4e5f60718".parse().unwrap();
    let until = until.parse().unwrap();
    Opening { account: account(account_id), region: region(code), group, waiver: waiver.to_owned(), until, left }
}

/// One in the hub's account and one in a member's, each with its schedule; and one of which nothing is left.
pub(super) fn healthy() -> Openings {
    let later = "2026-11-26T12:00:00Z";
    let listed = vec![
        opening(HUB, DUBLIN, "w-1111", later, Left::NotDue),
        opening(MEMBER, VIRGINIA, "w-2222", later, Left::NotDue),
        opening(HUB, DUBLIN, "w-3333", "2026-11-26T09:00:00Z", Left::Rules(Ok(0))),
        // Its schedule has just fired and is gone.
        opening(HUB, DUBLIN, "w-4444", "2026-11-26T09:59:30Z", Left::NotDue),
    ];
    Openings {
        group: "portcullis".to_owned(),
        schedules: Ok(Some(["w-1111", "w-2222"].map(str::to_owned).into())),
        listed: Some(Ok(listed)),
        failed: Ok(BTreeMap::new()),
    }
}

/// One of the member's openings is past its end.
pub(super) fn overdue(hub: &mut Hub, left: Left) {
    let listed = hub.openings.as_mut().unwrap().listed.as_mut().unwrap().as_mut().unwrap();
    listed[1] = opening(MEMBER, VIRGINIA, "w-2222", "2026-11-26T08:00:00Z", left);
}

/// What is told where one thing is changed: what, of what, where, why and the command.
fn told(change: impl FnOnce(&mut Hub)) -> Vec<(String, String)> {
    let mut inventory = healthy_inventory();
    change(inventory.hub.as_mut().unwrap());
    let bad = judge(&inventory).into_iter().filter(|check| check.verdict != Verdict::Right);
    bad.map(|check| {
        let resource = check.resource.unwrap_or_default();
        let place = format!("{} {}", check.account, check.region);
        (
            format!("{} {resource} {place} {}", check.what, check.verdict.as_str()),
            check.why + "|" + &check.mend.unwrap_or_default(),
        )
    })
    .collect()
}

fn healthy_inventory() -> Inventory {
    super::healthy()
}

#[track_caller]
fn expect(told: Vec<(String, String)>, line: &str, parts: &[&str]) {
    let [(found, why)] = &told[..] else { panic!("{told:#?}") };
    assert_eq!(found, line);
    parts.iter().for_each(|part| assert!(why.contains(part), "{part}: {why}"));
}

#[test]
fn an_opening_that_is_past_its_end_is_named_with_what_is_left_of_it_and_why() {
    let line = "opening w-2222 444455556666 us-east-1 wrong";
    let parts = [
        "it was to end at 2026-11-26T08:00:00Z, and sg-0a1b2c3d4e5f60718 still has 2 rules of it",
        "|portcullis close w-2222 --region us-east-1 --hub-region eu-west-1 --account 444455556666 --role ROLE",
    ];
    expect(told(|hub| overdue(hub, Left::Rules(Ok(2)))), line, &parts);
    let failed = |hub: &mut Hub| {
        let end = (account(MEMBER), region(VIRGINIA), "AssumeRole: AccessDenied".to_owned());
        hub.openings.as_mut().unwrap().failed = Ok(map([("w-2222", end)]));
    };
    // Both tell of it, and it is told once.
    let both = told(|hub| {
        overdue(hub, Left::Rules(Ok(2)));
        failed(hub);
    });
    expect(both, line, &[parts[0], "; AssumeRole: AccessDenied", parts[1]]);
    // The list may have lost it.
    let lost = told(|hub| {
        failed(hub);
        hub.openings.as_mut().unwrap().listed = Some(Ok(Vec::new()));
    });
    expect(lost, line, &["its end did not succeed: AssumeRole: AccessDenied", parts[1]]);
    let unseen = told(|hub| overdue(hub, Left::NotLookedAt));
    expect(unseen, "opening w-2222 444455556666 us-east-1 cannot_tell", &["was not looked at", "doctor --role"]);
}

#[test]
fn an_opening_without_the_schedule_of_its_end_is_named_and_a_group_of_schedules_that_is_gone() {
    let schedules = |schedules: Option<BTreeSet<String>>| {
        move |hub: &mut Hub| hub.openings.as_mut().unwrap().schedules = Ok(schedules)
    };
    let without = told(schedules(Some(["w-2222".to_owned()].into())));
    let parts =
        ["is open until 2026-11-26T12:00:00Z, and no schedule ends it", "|portcullis close w-1111 --region eu-west-1"];
    expect(without, "opening w-1111 111122223333 eu-west-1 wrong", &parts);
    let gone = told(schedules(None));
    let parts = ["the group of schedules is not there", "|aws cloudformation"];
    expect(gone, "schedules portcullis 111122223333 eu-west-1 wrong", &parts);
}

#[test]
fn a_role_for_ends_that_the_function_does_not_know_is_named() {
    for (variable, role, another) in [
        ("PORTCULLIS_END_ROLE", "portcullis-EndRole", "arn:aws:iam::111122223333:role/another"),
        ("PORTCULLIS_MEMBER_END_ROLE", "portcullis-end", "another"),
    ] {
        for value in [None, Some(another)] {
            let changed = told(|hub| {
                let environment = &mut hub.function.configuration.as_mut().unwrap().as_mut().unwrap().environment;
                environment.remove(variable);
                environment.extend(value.map(|value| (variable.to_owned(), value.to_owned())));
            });
            let line = format!("end role {role} 111122223333 eu-west-1 wrong");
            expect(changed, &line, &[&format!("the function's {variable} says")]);
        }
    }
    // In enforce mode the stack has no such role of its own.
    let enforcing = told(|hub| {
        hub.resources.as_mut().unwrap().remove("EndRole");
        hub.function.configuration.as_mut().unwrap().as_mut().unwrap().environment.remove("PORTCULLIS_END_ROLE");
    });
    assert_eq!(enforcing, []);
}
