//! Reads a CloudTrail record into a change.
//!
//! A record is a hint: it says *which group to check and which rules are new*. The reader tolerates unknown fields, old
//! versions, sparse identities and types that a converter guessed. The reader itself guesses nothing. Where a value cannot
//! be read and the record names the group all the same, EC2 is asked what the rules are ([`Change::unread`]); a record that
//! names no group, no account or no Region is [`Reading::Undecided`], which alerts.
//!
//! Shapes: CloudTrail User Guide, "CloudTrail record contents"; EC2 API Reference, AuthorizeSecurityGroupIngress,
//! ModifySecurityGroupRules, ModifyManagedPrefixList and RestoreManagedPrefixListVersion.

mod authorize;
mod fields;
mod modify;
mod prefix_list;
mod values;

use fields::{Part, part};
pub use values::values;

use crate::change::{Call, Change, ChangedRules, EventMetadata, Resource};
use crate::former::Formers;
use crate::ids::{AccountId, Region, RuleId};
use crate::json::Json;
use crate::rule::Permission;
use crate::text::escaped;

/// The result of reading a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// A successful call that may have opened ingress.
    Change(Box<Change>),
    /// A record that does not matter: a failed call, a read-only call, another call.
    Irrelevant {
        /// What the record says about itself.
        event: EventMetadata,
        /// Why it does not matter.
        why: String,
    },
    /// A record of a relevant call that cannot be read, or something that is not a record. Someone must check it.
    Undecided {
        /// What the record says about itself, as far as it could be read.
        event: EventMetadata,
        /// The field, its value, and what is accepted.
        why: String,
    },
}

/// The account and Region in the envelope around a record. The record must agree with them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnvelopeOrigin {
    /// The account that the envelope names.
    pub account: Option<String>,
    /// The Region that the envelope names.
    pub region: Option<String>,
}

/// Reads one record.
#[must_use]
pub fn read(record: &Json<'_>, envelope_origin: &EnvelopeOrigin) -> Reading {
    let event = EventMetadata::of(record, envelope_origin);
    match classify(record) {
        Ok(call) => match change(record, call, &event, envelope_origin) {
            Ok((account, region, Described { resource, changed_rules, recorded_rules, unread })) => {
                Reading::Change(Box::new(Change {
                    event,
                    account,
                    region,
                    call,
                    resource,
                    changed_rules,
                    recorded_rules,
                    unread,
                    former: Formers::new(),
                }))
            }
            Err(why) => Reading::Undecided { event, why },
        },
        Err(NotOurs::Irrelevant(why)) => Reading::Irrelevant { event, why },
        Err(NotOurs::Unreadable(why)) => Reading::Undecided { event, why },
    }
}

enum NotOurs {
    Irrelevant(String),
    Unreadable(String),
}

fn classify(record: &Json<'_>) -> Result<Call, NotOurs> {
    let irrelevant = |why: String| Err(NotOurs::Irrelevant(why));
    let Some(fields) = record.as_object() else {
        let what = format!("the record is {}, expected a CloudTrail record (a JSON object)", excerpt(record));
        return Err(NotOurs::Unreadable(what));
    };
    match fields.get("eventCategory").and_then(Json::as_str) {
        Some("Insight") => return irrelevant("an Insight record, not a call".to_owned()),
        // The record names the call but not its parameters, and may be about another account's group. The call has a
        // record of its own (CloudTrail User Guide, "Logging network activity events").
        Some("NetworkActivity") => return irrelevant("a VPC endpoint's record of a call, not the call".to_owned()),
        _ => {}
    }
    let text = |key: &str| match fields.get(key) {
        Some(Json::String(text)) => Ok(text.as_ref()),
        other => {
            let value = other.map_or_else(|| "missing".to_owned(), excerpt);
            Err(NotOurs::Unreadable(format!("{key} is {value}, expected a text: is this a CloudTrail record?")))
        }
    };
    let (source, name) = (text("eventSource")?, text("eventName")?);
    if source != "ec2.amazonaws.com" {
        return irrelevant(format!("a call to {}, not to EC2", escaped(source)));
    }
    let Some(call) = Call::parse(name) else {
        return irrelevant(format!("{} opens no ingress rule", escaped(name)));
    };
    match fields.get("errorCode") {
        None | Some(Json::Null) => {}
        Some(Json::String(code)) if code.is_empty() => {}
        Some(Json::String(code)) => return irrelevant(format!("the call failed with {}", escaped(code))),
        Some(other) => {
            return Err(NotOurs::Unreadable(format!("errorCode is {}, expected a text", excerpt(other))));
        }
    }
    match fields.get("readOnly") {
        Some(Json::Bool(true)) => irrelevant("a read-only call".to_owned()),
        _ => Ok(call),
    }
}

/// The account and Region of the change, and what was changed.
fn change(
    record: &Json<'_>,
    call: Call,
    event: &EventMetadata,
    envelope_origin: &EnvelopeOrigin,
) -> Result<(AccountId, Region, Described), String> {
    let identifier = |place: &str, value: &Option<String>| match record.get(place) {
        None | Some(Json::Null | Json::String(_)) => {
            value.clone().ok_or_else(|| format!("{place} is missing: the record does not say whose group it was"))
        }
        // A value that cannot be read is never replaced by another source's.
        Some(other) => Err(format!("{place} is {}, expected a text", excerpt(other))),
    };
    let account = identifier("recipientAccountId", &event.account)?;
    let account = AccountId::parse(&account).map_err(|error| format!("recipientAccountId: {error}"))?;
    let region = identifier("awsRegion", &event.region)?;
    let region = Region::parse(&region).map_err(|error| format!("awsRegion: {error}"))?;
    for (what, envelope, own) in
        [("account", &envelope_origin.account, account.as_str()), ("region", &envelope_origin.region, region.as_str())]
    {
        if let Some(envelope) = envelope.as_deref().filter(|envelope| *envelope != own) {
            return Err(format!("the envelope's {what} is `{}`, the record's is `{own}`: refused", escaped(envelope)));
        }
    }
    Ok((account, region, describe(call, record)?))
}

/// What a call's parameters and its answer describe: the resource, the rules, the permissions.
struct Described {
    resource: Resource,
    changed_rules: ChangedRules,
    recorded_rules: Option<Vec<(Option<RuleId>, Permission)>>,
    /// What could not be read beside that.
    unread: Option<String>,
}

fn describe(call: Call, record: &Json<'_>) -> Result<Described, String> {
    let mut unread = Unread::default();
    let request = unread.or(part(record, "requestParameters"), Part::Unread);
    let response = unread.or(part(record, "responseElements"), Part::Unread);
    let described = match call {
        Call::Authorize => authorize::read(&request, &response, &mut unread),
        Call::Modify => modify::read(&request, &mut unread),
        Call::ModifyPrefixList => prefix_list::read(&request, &response, "ModifyManagedPrefixList"),
        Call::RestorePrefixList => prefix_list::read(&request, &response, "RestoreManagedPrefixListVersion"),
        Call::Sweep => Err("a sweep has no record".to_owned()),
    };
    match (described, unread.0) {
        // What could not be read first is why the rest is missing.
        (Err(_), Some(why)) => Err(why),
        (Ok(described), unread) => Ok(Described { unread, ..described }),
        (Err(why), None) => Err(why),
    }
}

/// The first thing that could not be read. It does not stop the reading: a record is a hint, and as long as it names a
/// group, EC2 tells the rest.
#[derive(Default)]
struct Unread(Option<String>);

impl Unread {
    /// What was read, or what stands for it where it could not be.
    fn or<T>(&mut self, read: Result<T, String>, otherwise: T) -> T {
        match read {
            Ok(read) => read,
            Err(why) => {
                self.0.get_or_insert(why);
                otherwise
            }
        }
    }

    /// Whether everything could be read so far.
    const fn is_nothing(&self) -> bool {
        self.0.is_none()
    }
}

impl EventMetadata {
    fn of(record: &Json<'_>, envelope_origin: &EnvelopeOrigin) -> Self {
        fn text<'a>(object: Option<&'a Json<'_>>, key: &str) -> Option<&'a str> {
            object?.get(key)?.as_str().filter(|text| !text.is_empty())
        }
        let own = |key: &str| text(Some(record), key).map(limited);
        let identity = record.get("userIdentity");
        let issuer = || identity?.get("sessionContext")?.get("sessionIssuer");
        Self {
            id: own("eventID"),
            time: text(Some(record), "eventTime").and_then(|time| time.parse().ok()),
            account: own("recipientAccountId")
                .or_else(|| text(identity, "accountId").map(limited))
                .or_else(|| envelope_origin.account.clone()),
            region: own("awsRegion").or_else(|| envelope_origin.region.clone()),
            call: own("eventName"),
            actor: ["arn", "invokedBy", "userName", "principalId", "accountId"]
                .into_iter()
                .find_map(|key| text(identity, key))
                .map(limited),
            issuer: text(issuer(), "arn").map(limited),
            source_ip: own("sourceIPAddress"),
            user_agent: own("userAgent"),
        }
    }
}

/// At most 512 bytes. An ARN is never longer, and a user agent need not be.
fn limited(text: &str) -> String {
    text.get(..text.floor_char_boundary(512)).unwrap_or_default().to_owned()
}

/// A value, escaped for a message.
fn excerpt(value: &Json<'_>) -> String {
    value.as_str().map_or_else(|| format!("`{}`", escaped(&value.to_string())), |text| format!("`{}`", escaped(text)))
}

#[cfg(test)]
mod tests;
