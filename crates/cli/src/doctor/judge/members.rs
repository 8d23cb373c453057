//! The accounts that the stack guards beside its own.

use std::collections::BTreeSet;

use portcullis_domain::ids::AccountId;
use serde_json::Value;

use super::super::inventory::{Member, MemberRegion, Members, Sweeps};
use super::super::mend;
use super::super::template::Template;
use super::events::{Expected, fault, tell};
use super::{Lines, Scene, trails};
use crate::words::count;

pub(super) fn judge(scene: &Scene<'_>, members: &Members, lines: &mut Lines) {
    lines.place(scene.who.account.as_str(), scene.region());
    accounts(scene, members, lines);
    roles(scene, members, lines);
    let forwards = !scene.output("BusArn").is_empty();
    if !members.guarded.is_empty() && members.role.is_none() {
        let why = "the members' rules were not looked at: name a role there that you may assume";
        let mend = "portcullis doctor --role OrganizationAccountAccessRole".to_owned();
        lines.unknown("member", None, why, Some(mend));
    }
    let mut good = (0, 0);
    for (account, member) in &members.seen {
        lines.place(account.as_str(), "");
        let before = lines.checks.len();
        if let Some(enabled) = lines.seen("member", &member.enabled) {
            regions(scene, (account, member), enabled, forwards, lines);
        }
        if lines.checks.len() == before {
            good = (good.0 + 1, good.1 + member.regions.len());
        }
    }
    lines.place(scene.who.account.as_str(), scene.region());
    if good.0 > 0 {
        let (accounts, regions) = (count(good.0, "account"), count(good.1, "Region"));
        let does = if forwards { "forward their events and tell of calls against the guard" } else { "are enabled" };
        lines.right("member", format!("{regions} of {accounts} {does}"));
    }
}

/// Whether the accounts are those of the organisation.
fn accounts(scene: &Scene<'_>, members: &Members, lines: &mut Lines) {
    let Some(listed) = &members.listed else { return };
    let all = scene.stack.parameter("Accounts") == Some("*");
    let listed = match listed {
        Ok(listed) => listed,
        // With a list of accounts nothing depends on the organisation's.
        Err(_) if !all => return,
        Err(error) => return lines.failed("accounts", None, error),
    };
    let joined = |accounts: BTreeSet<&AccountId>| accounts.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
    let foreign: BTreeSet<&AccountId> = members.guarded.difference(listed).collect();
    if !foreign.is_empty() {
        let why = format!("not in the organisation, so no event of theirs is taken: {}", joined(foreign));
        lines.wrong("accounts", None, why, Some("aws organizations list-accounts".to_owned()));
    }
    let own = &scene.who.account;
    let left: BTreeSet<&AccountId> = listed.iter().filter(|id| *id != own && !members.guarded.contains(id)).collect();
    let guarded = count(members.guarded.len(), "account");
    match left.is_empty() {
        true => lines.right("accounts", format!("{guarded} beside the stack's own: all of the organisation")),
        false => lines.right("accounts", format!("{guarded} beside the stack's own; not guarded: {}", joined(left))),
    }
}

/// Whether the function could assume the role of each member, by its own last sweeps. The role trusts the function alone,
/// so nobody else can try.
fn roles(scene: &Scene<'_>, members: &Members, lines: &mut Lines) {
    let Some(sweeps) = &scene.hub.sweeps else { return };
    let Some(sweeps) = lines.seen("member role", sweeps) else { return };
    let Sweeps { places, unreachable, since } = sweeps;
    for entry in unreachable {
        let (place, why) = entry.split_once(": ").unwrap_or((entry, "no reason given"));
        let mut parts = place.split(' ');
        let (account, region) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        lines.place(account, region);
        let mend = mend::stack_set(account, if region.is_empty() { scene.region() } else { region });
        lines.wrong(
            "member role",
            Some(account),
            format!("the function's sweep could not look there: {why}"),
            Some(mend),
        );
    }
    lines.place(scene.who.account.as_str(), scene.region());
    let wanted = members.guarded.len();
    if !unreachable.is_empty() || wanted == 0 {
        return;
    }
    match *places > wanted {
        true => {
            let why = format!(
                "the function's sweeps since {since:.0} looked at {places} Regions of accounts, and none refused"
            );
            lines.right("member role", why);
        }
        false => {
            let why = format!(
                "the function's sweeps since {since:.0} looked at {places} Regions of accounts: too few to say that it can \
                 assume the role in {}",
                count(wanted, "account")
            );
            lines.unknown("member role", None, why, None);
        }
    }
}

fn regions(
    scene: &Scene<'_>,
    (account, member): (&AccountId, &Member),
    enabled: &BTreeSet<portcullis_domain::ids::Region>,
    forwards: bool,
    lines: &mut Lines,
) {
    for region in guarded(scene, enabled) {
        lines.place(account.as_str(), region.as_str());
        let is_hub = *account == scene.who.account && region.as_str() == scene.region();
        if is_hub {
            continue;
        }
        if !enabled.contains(&region) {
            let mend = format!("aws account enable-region --account-id {account} --region-name {region}");
            lines.wrong(
                "member",
                Some(region.as_str()),
                "the Region is guarded, and not enabled in the account",
                Some(mend),
            );
            continue;
        }
        let Some(seen) = member.regions.get(&region) else { continue };
        one(scene, (account, region.as_str()), seen, forwards, lines);
    }
}

/// The guarded Regions of an account.
fn guarded(
    scene: &Scene<'_>,
    enabled: &BTreeSet<portcullis_domain::ids::Region>,
) -> BTreeSet<portcullis_domain::ids::Region> {
    match scene.stack.parameter("Regions") {
        None => BTreeSet::from([scene.who.region.clone()]),
        Some("*") => enabled.clone(),
        Some(list) => list.split(',').filter_map(|code| portcullis_domain::ids::Region::parse(code).ok()).collect(),
    }
}

fn one(
    scene: &Scene<'_>,
    (account, region): (&AccountId, &str),
    seen: &MemberRegion,
    forwards: bool,
    lines: &mut Lines,
) {
    if let Some(trails) = &seen.trails
        && let Some(trails) = lines.seen("trail", trails)
    {
        trails::region_of(trails, lines);
    }
    if !forwards {
        return;
    }
    let Some(rules) = lines.seen("member", &seen.rules) else { return };
    let template = Template::member();
    let patterns = template.patterns();
    let role = scene.stack.parameter("MemberRole").unwrap_or("portcullis");
    for (what, id, suffix) in [("forwarding", "Rule", "forward"), ("tamper rule", "TamperRule", "tamper")] {
        let name = format!("{role}-{suffix}");
        let pattern: Option<&Value> = patterns.get(id).copied();
        let (target, revert) = (scene.output("BusArn"), mend::stack_set(account.as_str(), region));
        let expected = Expected { name: &name, bus: None, region, pattern, target, revert };
        if let Some(fault) = fault(rules, &expected) {
            tell(what, &name, fault, lines);
        }
    }
    let Some(queue) = &seen.dead_letters else { return };
    let Some(messages) = lines.seen("dead letters", &queue.messages) else { return };
    match messages {
        Some(0) => (),
        None => lines.wrong(
            "dead letters",
            Some(&queue.url),
            "the queue is not there",
            Some(mend::stack_set(account.as_str(), region)),
        ),
        Some(messages) => {
            let messages = usize::try_from(*messages).unwrap_or(usize::MAX);
            let why = format!("{} could not be forwarded: see docs/RUNBOOK.md, Dead letters", count(messages, "event"));
            let mend = format!(
                "aws sqs receive-message --region {region} --visibility-timeout 0 --queue-url {}",
                mend::word(&queue.url)
            );
            lines.wrong("dead letters", Some(&queue.url), why, Some(mend));
        }
    }
}
