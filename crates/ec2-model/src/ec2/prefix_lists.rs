//! Managed prefix lists: create, modify, restore, describe, and their entries; also the lists that AWS manages.
//!
//! Changes are asynchronous: EC2 API Reference, ManagedPrefixList, `state`, `modify-in-progress`. Until a change is
//! complete the old version is the current one (*inferred*), and another change is refused.

use super::{Answer, Context, filter::Filter, groups::arn, page};
use crate::{
    ApiError, canonical,
    params::Params,
    state::{AWS, Core, Entry, Place, PrefixList},
    tree::Tree,
};

pub(super) fn create(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let name = params.required("PrefixListName")?;
    if name.starts_with("com.amazonaws") {
        return Err(ApiError::invalid_value("The name cannot start with com.amazonaws."));
    }
    let family = params.required("AddressFamily")?;
    if !["IPv4", "IPv6"].contains(&family) {
        return Err(ApiError::invalid_value(format!("Invalid value '{family}' for addressFamily.")));
    }
    let max_entries = read_max_entries(params)?.ok_or_else(|| ApiError::missing("maxEntries"))?;
    let entries = read_entries(params, "Entry", family)?;
    refuse_too_many(&entries, max_entries)?;
    let list = PrefixList {
        id: ctx.core.ids.resource("pl"),
        owner: ctx.place.account.clone(),
        name: name.into(),
        family: family.into(),
        max_entries,
        versions: [(1, entries)].into(),
        change: "create",
        settles: ctx.core.now.saturating_add(ctx.core.prefix_list_lag),
        before: 0,
    };
    let shown = show(ctx, &list);
    ctx.place.prefix_lists.push(list);
    Ok(Tree::Map(vec![("prefixList", shown)]))
}

/// A list that AWS manages. It exists from the start.
pub(crate) fn aws(core: &mut Core, name: &str, cidrs: &[&str]) -> Result<PrefixList, ApiError> {
    let family = if cidrs.first().is_some_and(|cidr| cidr.contains(':')) { "IPv6" } else { "IPv4" };
    let mut params = Params::default();
    for (cidr, number) in cidrs.iter().zip(1..) {
        params.push(format!("Entry.{number}.Cidr"), cidr);
    }
    let entries = read_entries(&params, "Entry", family)?;
    Ok(PrefixList {
        id: core.ids.resource("pl"),
        owner: AWS.into(),
        name: name.into(),
        family: family.into(),
        max_entries: entries.len(),
        versions: [(1, entries)].into(),
        change: "create",
        settles: core.now,
        before: 1,
    })
}

pub(super) fn modify(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let (now, lag) = (ctx.core.now, ctx.core.prefix_list_lag);
    let list = changeable(ctx, params)?;
    let (current, entries) = list.current(now);
    if let Some(version) = params.int::<i64>("CurrentVersion")? {
        check_version(version, current)?;
    }
    let added = read_entries(params, "AddEntry", &list.family)?;
    let removed = read_entries(params, "RemoveEntry", &list.family)?;
    let max_entries = read_max_entries(params)?;
    let changes_entries = !added.is_empty() || !removed.is_empty();
    if changes_entries && max_entries.is_some() {
        return Err(ApiError::new(
            "InvalidRequest",
            "You cannot modify the entries and the maximum number of entries for the prefix list in the same request.",
        ));
    }
    let mut next = entries.to_vec();
    for entry in &removed {
        let Some(at) = next.iter().position(|known| known.cidr == entry.cidr) else {
            return Err(ApiError::invalid_value(format!(
                "The CIDR {} is not an entry of the prefix list.",
                entry.cidr
            )));
        };
        next.remove(at);
    }
    for entry in added {
        // An entry that exists already gets the new description.
        next.retain(|known| known.cidr != entry.cidr);
        next.push(entry);
    }
    refuse_too_many(&next, max_entries.unwrap_or(list.max_entries))?;
    if changes_entries {
        list.versions.insert(current + 1, next);
    }
    // Only entries change with a delay. That a new name or size is visible at once is inferred.
    (list.change, list.before) = ("modify", current);
    list.settles = if changes_entries { now.saturating_add(lag) } else { now };
    if let Some(max_entries) = max_entries {
        list.max_entries = max_entries;
    }
    if let Some(name) = params.text("PrefixListName") {
        list.name = name;
    }
    answer(ctx, params)
}

pub(super) fn restore(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let (now, lag) = (ctx.core.now, ctx.core.prefix_list_lag);
    let list = changeable(ctx, params)?;
    let previous = params.int::<i64>("PreviousVersion")?.ok_or_else(|| ApiError::missing("previousVersion"))?;
    let version = params.int::<i64>("CurrentVersion")?.ok_or_else(|| ApiError::missing("currentVersion"))?;
    let (current, _) = list.current(now);
    check_version(version, current)?;
    let entries = list.versions.get(&previous).cloned().ok_or_else(|| unknown_version(previous))?;
    list.versions.insert(current + 1, entries);
    (list.change, list.before, list.settles) = ("restore", current, now.saturating_add(lag));
    answer(ctx, params)
}

pub(super) fn entries(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let now = ctx.core.now;
    let list = named(ctx.place, params)?;
    let entries = match params.int::<i64>("TargetVersion")? {
        None => list.current(now).1.to_vec(),
        Some(version) => list.versions.get(&version).cloned().ok_or_else(|| unknown_version(version))?,
    };
    let numbered = (1u64..).zip(entries).collect::<Vec<_>>();
    let (entries, token) = page::page(numbered, |(number, _)| *number, &page::ENTRIES, params)?;
    let entry = |(_, entry): (u64, Entry)| {
        Tree::map([("cidr", Some(entry.cidr.into())), ("description", entry.description.map(Into::into))])
    };
    Ok(Tree::map([
        ("entrySet", Some(Tree::List(entries.into_iter().map(entry).collect()))),
        ("nextToken", token.map(Into::into)),
    ]))
}

/// DescribeManagedPrefixLists: "Describes your managed prefix lists and any AWS-managed prefix lists."
pub(super) fn describe(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let known = |name: &str| matches!(name, "owner-id" | "prefix-list-id" | "prefix-list-name");
    let filters = Filter::all(params, known)?;
    let ids = params.list("PrefixListId");
    if let Some(id) = ids.iter().find(|id| ctx.place.prefix_list(id).is_none()) {
        super::check_id("pl", id, "InvalidPrefixListId.Malformed")?;
        return Err(ApiError::prefix_list_not_found(id));
    }
    let fits = |list: &PrefixList| {
        filters.iter().all(|filter| match filter.name.as_str() {
            "owner-id" => filter.fits([list.owner.as_str()]),
            "prefix-list-id" => filter.fits([list.id.as_str()]),
            _ => filter.fits([list.name.as_str()]),
        })
    };
    let asked = |list: &&PrefixList| (ids.is_empty() || ids.contains(&list.id)) && fits(list);
    let found = (1u64..).zip(ctx.place.prefix_lists.iter().filter(asked)).collect::<Vec<_>>();
    let (found, token) = page::page(found, |(number, _)| *number, &page::ENTRIES, params)?;
    let shown = found.into_iter().map(|(_, list)| show(ctx, list)).collect();
    Ok(Tree::map([("prefixListSet", Some(Tree::List(shown))), ("nextToken", token.map(Into::into))]))
}

/// A list that its owner may change now. Amazon VPC User Guide, "AWS-managed prefix lists": "You cannot create, modify,
/// share, or delete an AWS-managed prefix list"; the error code for that is inferred. IncorrectState is as callers
/// report it.
fn changeable<'a>(ctx: &'a mut Context<'_>, params: &Params) -> Result<&'a mut PrefixList, ApiError> {
    let now = ctx.core.now;
    let list = named(ctx.place, params)?;
    if list.owner == AWS {
        return Err(ApiError::new("UnsupportedOperation", "You cannot modify an AWS-managed prefix list."));
    }
    if now < list.settles {
        return Err(ApiError::new(
            "IncorrectState",
            format!(
                "The request cannot be completed while the prefix list ({}) is in the current state ({}).",
                list.id,
                list.state(now)
            ),
        ));
    }
    Ok(list)
}

fn named<'a>(place: &'a mut Place, params: &Params) -> Result<&'a mut PrefixList, ApiError> {
    let id = params.required("PrefixListId")?;
    super::check_id("pl", id, "InvalidPrefixListId.Malformed")?;
    place.prefix_lists.iter_mut().find(|list| list.id == id).ok_or_else(|| ApiError::prefix_list_not_found(id))
}

/// "If you specify a current version number that does not match the true current version number, the request fails."
fn check_version(claimed: i64, current: i64) -> Result<(), ApiError> {
    if claimed == current {
        return Ok(());
    }
    Err(ApiError::new("PrefixListVersionMismatch", "The prefix list has the incorrect version number."))
}

fn unknown_version(version: i64) -> ApiError {
    ApiError::new("InvalidPrefixListVersion.NotFound", format!("The prefix list version '{version}' does not exist."))
}

/// Amazon VPC User Guide, "Amazon VPC quotas": "Maximum number of entries per prefix list: 1,000".
fn read_max_entries(params: &Params) -> Result<Option<usize>, ApiError> {
    let max_entries = params.int::<usize>("MaxEntries")?;
    match max_entries {
        Some(number) if !(1..=1000).contains(&number) => {
            Err(ApiError::invalid_value(format!("Invalid value '{number}' for maxEntries.")))
        }
        fine => Ok(fine),
    }
}

fn refuse_too_many(entries: &[Entry], max_entries: usize) -> Result<(), ApiError> {
    if entries.len() <= max_entries {
        return Ok(());
    }
    Err(ApiError::new(
        "PrefixListMaxEntriesExceeded",
        format!("You've reached the maximum number of entries for the prefix list ({max_entries})."),
    ))
}

fn read_entries(params: &Params, name: &str, family: &str) -> Result<Vec<Entry>, ApiError> {
    params
        .members(name)
        .iter()
        .map(|entry| {
            let cidr = entry.required("Cidr")?;
            let canonical = if family == "IPv6" { canonical::ipv6(cidr)? } else { canonical::ipv4(cidr)? };
            Ok(Entry { cidr: canonical.text().into(), description: entry.text("Description") })
        })
        .collect()
}

fn answer(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let list = named(ctx.place, params)?.clone();
    Ok(Tree::Map(vec![("prefixList", show(ctx, &list))]))
}

/// ManagedPrefixList. For a list that AWS manages, real answers have neither size nor version, and `aws` in its ARN.
fn show(ctx: &Context<'_>, list: &PrefixList) -> Tree {
    let managed = list.owner == AWS;
    let account = if managed { "aws" } else { &ctx.place.account };
    let number = |number: i64| (!managed).then_some(Tree::Int(number));
    Tree::map([
        ("prefixListId", Some(list.id.as_str().into())),
        ("addressFamily", Some(list.family.as_str().into())),
        ("state", Some(list.state(ctx.core.now).into())),
        ("prefixListArn", Some(arn(&ctx.place.region, account, "prefix-list", &list.id).into())),
        ("prefixListName", Some(list.name.as_str().into())),
        ("maxEntries", i64::try_from(list.max_entries).ok().and_then(number)),
        ("version", number(list.current(ctx.core.now).0)),
        ("ownerId", Some(list.owner.as_str().into())),
    ])
}
