//! ModifyManagedPrefixList and RestoreManagedPrefixListVersion: the rules stay, and what they admit changes.

use super::fields::{At, Part, field, list, object};
use super::{Described, excerpt};
use crate::change::{ChangedRules, Resource};
use crate::ids::PrefixListId;
use crate::json::{Json, Object};
use crate::net::Cidr;

/// ModifyManagedPrefixList and RestoreManagedPrefixListVersion. Few records of them have been seen, so their fields are
/// found with and without the wrapper, in the API's spelling and in the one of older calls. A block that cannot be read
/// leaves the list known, and that is what has to be looked at: then any entry may be new.
pub(super) fn read(request: &Part<'_>, response: &Part<'_>, call: &str) -> Result<Described, String> {
    let answer = answered_list(response, call);
    let answered = answer.and_then(|list| number(list, &["version", "Version"]));
    let described = |list: PrefixListId, added, restored, next: Option<i64>| {
        let resource = Resource::PrefixList(list.clone());
        // While a change is in progress, the answer has the version before it.
        let version = next.max(answered);
        let changed_rules = ChangedRules::PrefixList { list, added, restored, version };
        Ok(Described { resource, changed_rules, recorded_rules: None, unread: None })
    };
    if let Part::Given(outer) = request {
        let wrapper = format!("{call}Request");
        let whole = At::Part("requestParameters");
        let at = whole.field(&wrapper);
        let fields = outer.get(&wrapper).map_or(Ok(*outer), |inner| object(inner, &at))?;
        let id =
            field(fields, &["PrefixListId", "prefixListId"]).ok_or_else(|| format!("{at}.PrefixListId is missing"))?;
        let id = id.as_str().ok_or_else(|| format!("{at}.PrefixListId is {}, expected a text", excerpt(id)))?;
        let id = PrefixListId::parse(id).map_err(|error| format!("{at}.PrefixListId: {error}"))?;
        if call == "ModifyManagedPrefixList" {
            let next = if changes_entries(fields) { next_version(fields) } else { None };
            return described(id, added_entries(fields), None, next);
        }
        let restored = number(fields, &["PreviousVersion", "previousVersion"]);
        return described(id, None, restored, next_version(fields));
    }
    if let Some(list) = answer {
        let id = list.get("prefixListId").and_then(Json::as_str).and_then(|id| PrefixListId::parse(id).ok());
        if let Some(id) = id {
            return described(id, None, None, None);
        }
    }
    match request {
        // A rule of any group may refer to the list that the record does not name.
        Part::Omitted => Ok(Described {
            resource: Resource::Region,
            changed_rules: ChangedRules::Any,
            recorded_rules: None,
            unread: None,
        }),
        Part::Given(_) | Part::Absent | Part::Unread => {
            Err("requestParameters is missing, expected what the call asked for".to_owned())
        }
    }
}

/// The list as the answer shows it.
fn answered_list<'a>(response: &Part<'a>, call: &str) -> Option<&'a Object<'a>> {
    let Part::Given(outer) = response else { return None };
    let inner = outer.get(&format!("{call}Response")).and_then(Json::as_object).unwrap_or(*outer);
    Some(inner.get("prefixList").and_then(Json::as_object).unwrap_or(inner))
}

/// A number, which may be written as a text.
fn number(fields: &Object<'_>, spellings: &[&str]) -> Option<i64> {
    let value = field(fields, spellings)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// The version after the one that the call changed.
fn next_version(fields: &Object<'_>) -> Option<i64> {
    number(fields, &["CurrentVersion", "currentVersion"])?.checked_add(1)
}

/// Whether the call added or removed entries, in any spelling. A new name or size makes no version, and whoever waited
/// for one would wait for ever.
fn changes_entries(fields: &Object<'_>) -> bool {
    let is_entries = |key: &&str| {
        let key = key.to_ascii_lowercase();
        key.contains("entr") && key != "maxentries"
    };
    fields.keys().any(|key| is_entries(&key))
}

/// What was added to the list; `None` when that cannot be told.
fn added_entries(fields: &Object<'_>) -> Option<Vec<Cidr>> {
    let Some(entries) = field(fields, &["AddEntry", "AddEntries", "addEntry", "addEntries"]) else {
        // Keys that are not known may be another spelling of it.
        let known = ["PrefixListId", "CurrentVersion", "PrefixListName", "RemoveEntry", "MaxEntries", "DryRun"];
        let same = |key: &str| known.iter().any(|known| known.eq_ignore_ascii_case(key));
        let other = |key: &&str| !same(key) && !["RemoveEntries", "removeEntries", "xmlns"].contains(key);
        return fields.keys().find(other).is_none().then(Vec::new);
    };
    let entries = list(Some(entries), &At::Part("AddEntry")).ok()?;
    let cidr = |entry: &Json<'_>| field(entry.as_object()?, &["Cidr", "cidr"])?.as_str()?.parse().ok();
    entries.iter().map(cidr).collect()
}
