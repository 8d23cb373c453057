//! Customer-managed prefix lists: create, modify, restore, and their entries.

use super::{Answer, Context, groups::arn, page};
use crate::{
    ApiError, canonical,
    params::Params,
    state::{Entry, Place, PrefixList},
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
        name: name.into(),
        family: family.into(),
        max_entries,
        versions: [(1, entries)].into(),
        state: "create-complete",
    };
    let shown = show(ctx.place, &list);
    ctx.place.prefix_lists.push(list);
    Ok(shown)
}

pub(super) fn modify(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let list = named(ctx.place, params)?;
    let (current, entries) = list.current();
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
        // An entry that is there already gets the new description.
        next.retain(|known| known.cidr != entry.cidr);
        next.push(entry);
    }
    refuse_too_many(&next, max_entries.unwrap_or(list.max_entries))?;
    if changes_entries {
        list.versions.insert(current + 1, next);
    }
    if let Some(max_entries) = max_entries {
        list.max_entries = max_entries;
    }
    if let Some(name) = params.text("PrefixListName") {
        list.name = name;
    }
    list.state = "modify-complete";
    answer(ctx.place, params)
}

pub(super) fn restore(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let list = named(ctx.place, params)?;
    let previous = params.int::<i64>("PreviousVersion")?.ok_or_else(|| ApiError::missing("previousVersion"))?;
    let version = params.int::<i64>("CurrentVersion")?.ok_or_else(|| ApiError::missing("currentVersion"))?;
    let (current, _) = list.current();
    check_version(version, current)?;
    let entries = list.versions.get(&previous).cloned().ok_or_else(|| unknown_version(previous))?;
    list.versions.insert(current + 1, entries);
    list.state = "restore-complete";
    answer(ctx.place, params)
}

pub(super) fn entries(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let list = named(ctx.place, params)?;
    let entries = match params.int::<i64>("TargetVersion")? {
        None => list.current().1.to_vec(),
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

fn answer(place: &mut Place, params: &Params) -> Answer {
    let list = named(place, params)?.clone();
    Ok(show(place, &list))
}

fn show(place: &Place, list: &PrefixList) -> Tree {
    let shown = Tree::map([
        ("prefixListId", Some(list.id.as_str().into())),
        ("addressFamily", Some(list.family.as_str().into())),
        ("state", Some(list.state.into())),
        ("prefixListArn", Some(arn(&place.region, &place.account, "prefix-list", &list.id).into())),
        ("prefixListName", Some(list.name.as_str().into())),
        ("maxEntries", i32::try_from(list.max_entries).ok().map(Into::into)),
        ("version", Some(Tree::Int(list.current().0))),
        ("ownerId", Some(place.account.as_str().into())),
    ]);
    Tree::Map(vec![("prefixList", shown)])
}
