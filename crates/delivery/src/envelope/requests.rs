//! Requests to Portcullis itself: a sweep, the end of an opening, and a later look at a record. They are ours, so
//! an unknown key is an error.

use portcullis_domain::ids::{AccountId, GroupId, Region};
use portcullis_domain::json::Json;
use portcullis_domain::memory::DigestOrder;
use portcullis_domain::opening::is_waiver_id;
use portcullis_domain::text::escaped;

/// What a sweep must check. An empty list means everything that the function may act in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweepRequest {
    /// The accounts.
    pub accounts: Vec<AccountId>,
    /// The Regions.
    pub regions: Vec<Region>,
    /// What it has to do with the digest. Only in the messages of a sweep that was handed out.
    pub digest: Option<DigestOrder>,
}

/// Which opening has come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndRequest {
    /// The account of its group.
    pub account: AccountId,
    /// The group's Region.
    pub region: Region,
    /// The group.
    pub group: GroupId,
    /// The id of its waiver.
    pub waiver: String,
}

/// What a record says that comes for a later look: it was judged before, and left beside an exposure that stood without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaterLook {
    /// Whether this is the last time.
    pub last: bool,
    /// Whether nothing of its first finding is left to publish.
    pub told: bool,
}

/// Reads what is said of a later look.
pub(super) fn later_look(look: &Json<'_>) -> Result<LaterLook, String> {
    check_keys(look, "later_look", &["last", "told"], "last and told")?;
    let flag = |key: &str| match look.get(key) {
        Some(Json::Bool(flag)) => Ok(*flag),
        Some(value) => Err(format!("later_look.{key} is `{}`: expected true or false", escaped(&value.to_string()))),
        None => Err(format!("later_look.{key} is missing")),
    };
    Ok(LaterLook { last: flag("last")?, told: flag("told")? })
}

/// Reads a request for a sweep.
pub(super) fn sweep(sweep: &Json<'_>) -> Result<SweepRequest, String> {
    fn all<T>(sweep: &Json<'_>, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
        let accepted =
            |value: &Json<'_>| format!("sweep.{key} is `{}`: expected a list of texts", escaped(&value.to_string()));
        let values = match sweep.get(key) {
            None | Some(Json::Null) => return Ok(Vec::new()),
            Some(Json::Array(values)) => values,
            Some(other) => return Err(accepted(other)),
        };
        let one = |value: &Json<'_>| parse(value.as_str().ok_or_else(|| accepted(value))?);
        values.iter().map(one).collect()
    }
    check_keys(sweep, "sweep", &["accounts", "regions", "digest"], "accounts, regions and digest")?;
    let accounts = all(sweep, "accounts", |id| AccountId::parse(id).map_err(|e| format!("sweep.accounts: {e}")))?;
    let regions = all(sweep, "regions", |code| Region::parse(code).map_err(|e| format!("sweep.regions: {e}")))?;
    let digest = match sweep.get("digest") {
        None | Some(Json::Null) => None,
        Some(value) => {
            let odd = || format!("sweep.digest is `{}`: expected news, tell or a time", escaped(&value.to_string()));
            Some(value.as_str().and_then(DigestOrder::parse).ok_or_else(odd)?)
        }
    };
    Ok(SweepRequest { accounts, regions, digest })
}

/// Reads a request to end an opening.
pub(super) fn end(end: &Json<'_>) -> Result<EndRequest, String> {
    const KNOWN: [&str; 4] = ["account", "region", "group", "waiver"];
    check_keys(end, "end", &KNOWN, "account, region, group and waiver")?;
    let text = |key: &str| {
        let value = end.get(key).ok_or_else(|| format!("end.{key} is missing"))?;
        let odd = || format!("end.{key} is `{}`: expected a text", escaped(&value.to_string()));
        value.as_str().ok_or_else(odd)
    };
    let waiver = text("waiver")?.to_owned();
    if !is_waiver_id(&waiver) {
        return Err(format!("end.waiver: `{}` is no waiver's id: expected one such as w-7q2m", escaped(&waiver)));
    }
    Ok(EndRequest {
        account: AccountId::parse(text("account")?).map_err(|e| format!("end.account: {e}"))?,
        region: Region::parse(text("region")?).map_err(|e| format!("end.region: {e}"))?,
        group: GroupId::parse(text("group")?).map_err(|e| format!("end.group: {e}"))?,
        waiver,
    })
}

fn check_keys(request: &Json<'_>, name: &str, known: &[&str], accepted: &str) -> Result<(), String> {
    let keys = request
        .as_object()
        .ok_or_else(|| format!("{name} is `{}`: expected an object", escaped(&request.to_string())))?;
    match keys.keys().filter(|key| !known.contains(key)).min() {
        Some(key) => Err(format!("{name}.{} is not known: expected {accepted}", escaped(key))),
        None => Ok(()),
    }
}
