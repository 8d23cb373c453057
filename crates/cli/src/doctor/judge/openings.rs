//! Openings: whether they end by themselves, and whether all ended that should have.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_domain::ids::{AccountId, Region};
use portcullis_domain::text::escaped_up_to;

use super::super::inventory::{Left, Opening, Openings, Resource};
use super::super::mend::word;
use super::{Lines, Scene};
use crate::words::count;

pub(super) fn judge(scene: &Scene<'_>, resources: &BTreeMap<String, Resource>, lines: &mut Lines) {
    let Some(openings) = &scene.hub.openings else { return };
    let before = lines.checks.len();
    roles(scene, resources, lines);
    let schedules = schedules(scene, openings, lines);
    let failed = lines.seen("ends", &openings.failed);
    let empty = BTreeMap::new();
    let failed = failed.unwrap_or(&empty);
    let listed = openings.listed.as_ref().and_then(|listed| lines.seen("openings", listed));
    let listed = listed.map_or(&[][..], Vec::as_slice);
    for opening in listed {
        lines.place(opening.account.as_str(), opening.region.as_str());
        one(scene, (opening, failed.get(&opening.waiver)), schedules, lines);
    }
    // The list may have lost one whose end goes on failing.
    for (waiver, (account, region, why)) in failed.iter().filter(|(id, _)| !listed.iter().any(|it| it.waiver == **id)) {
        lines.place(account.as_str(), region.as_str());
        let why = format!("its end did not succeed: {}", escaped_up_to(why, 300));
        lines.wrong("opening", Some(waiver), why, Some(close(scene, waiver, (account, region))));
    }
    lines.place(scene.who.account.as_str(), scene.region());
    if lines.checks.len() == before {
        let open = listed.iter().filter(|opening| opening.until > scene.inventory.now).count();
        let why = format!("{}, each with the schedule of its end; none is past it", count(open, "opening"));
        lines.right("openings", why);
    }
}

/// Whether the function knows the roles with which it ends openings. They trust the function alone: what it wrote of its ends
/// tells whether it can assume them.
fn roles(scene: &Scene<'_>, resources: &BTreeMap<String, Resource>, lines: &mut Lines) {
    let Ok(Some(configuration)) = &scene.hub.function.configuration else { return };
    let is = |variable: &str| configuration.environment.get(variable).map_or("", String::as_str);
    // In enforce mode there is none: the function's own role may revoke.
    let own = resources.get("EndRole").map_or("", |role| role.id.as_str());
    let member = scene.output("MemberEndRoleName");
    for (variable, wanted, is_right) in [
        ("PORTCULLIS_END_ROLE", own, is("PORTCULLIS_END_ROLE").rsplit('/').next() == Some(own)),
        ("PORTCULLIS_MEMBER_END_ROLE", member, is("PORTCULLIS_MEMBER_END_ROLE") == member),
    ] {
        if !wanted.is_empty() && !is_right {
            let says = Some(is(variable)).filter(|value| !value.is_empty()).unwrap_or("nothing");
            let why = format!("the stack ends openings as {wanted}, and the function's {variable} says {says}");
            lines.wrong("end role", Some(wanted), why, Some(scene.revert()));
        }
    }
}

/// The names of the schedules, where they are known.
fn schedules<'a>(scene: &Scene<'_>, openings: &'a Openings, lines: &mut Lines) -> Option<&'a BTreeSet<String>> {
    match lines.seen("schedules", &openings.schedules)? {
        Some(schedules) => Some(schedules),
        None => {
            let why = "the group of schedules is not there: nothing can be opened, and what is open ends with the next sweep \
                       after its time";
            lines.wrong("schedules", Some(&openings.group), why, Some(scene.revert()));
            None
        }
    }
}

fn one(
    scene: &Scene<'_>,
    (opening, failed): (&Opening, Option<&(AccountId, Region, String)>),
    schedules: Option<&BTreeSet<String>>,
    lines: &mut Lines,
) {
    let Opening { account, region, group, waiver, until, left } = opening;
    let close = || Some(close(scene, waiver, (account, region)));
    match left {
        Left::NotDue if *until > scene.inventory.now && schedules.is_some_and(|all| !all.contains(waiver)) => {
            let why =
                format!("{group} is open until {until}, and no schedule ends it: the first sweep after that does");
            lines.wrong("opening", Some(waiver), why, close());
        }
        // The list forgets it with the next sweep.
        Left::NotDue | Left::Rules(Ok(0)) => {}
        Left::Rules(Ok(rules)) => {
            let because = failed.map_or_else(String::new, |(.., why)| format!("; {}", escaped_up_to(why, 300)));
            let rules = count(*rules, "rule");
            let why = format!("it was to end at {until}, and {group} still has {rules} of it{because}");
            lines.wrong("opening", Some(waiver), why, close());
        }
        Left::Rules(Err(error)) => lines.failed("opening", Some(waiver), error),
        Left::NotLookedAt => {
            let why = format!(
                "it was to end at {until}; whether its rules are still in {group} was not looked at: name a role there"
            );
            let mend = "portcullis doctor --role OrganizationAccountAccessRole".to_owned();
            lines.unknown("opening", Some(waiver), why, Some(mend));
        }
    }
}

/// The command that ends it.
fn close(scene: &Scene<'_>, waiver: &str, (account, region): (&AccountId, &Region)) -> String {
    let mut command = format!("portcullis close {} --region {region}", word(waiver));
    if region.as_str() != scene.region() {
        command.push_str(&format!(" --hub-region {}", scene.region()));
    }
    if *account != scene.who.account {
        command.push_str(&format!(" --account {account} --role ROLE"));
    }
    if scene.inventory.stack_name != "portcullis" {
        command.push_str(&format!(" --stack {}", word(&scene.inventory.stack_name)));
    }
    command
}
