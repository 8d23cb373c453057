//! A CloudTrail record → what it says was changed.
//!
//! A record is a hint: it tells *where to look and which rules are new*. It is read tolerantly (unknown fields, old
//! versions, sparse identities, types that a converter guessed), but nothing is guessed in turn: what should be there
//! and cannot be read makes the record [`Reading::Undecided`], which alerts.
//!
//! Shapes: CloudTrail User Guide, "CloudTrail record contents"; EC2 API Reference, AuthorizeSecurityGroupIngress,
//! ModifySecurityGroupRules, ModifyManagedPrefixList and RestoreManagedPrefixListVersion.

mod request;

use jiff::Timestamp;
use serde_json::Value;

use crate::ids::{AccountId, GroupId, PrefixListId, Region, RuleId, escaped};
use crate::net::{Cidr, Source, Traffic};
use request::Described;

/// What a record turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// A successful call that may have opened ingress.
    Change(Box<Change>),
    /// Nothing of ours: a failed call, a read, another call.
    Irrelevant {
        /// What the record says of itself.
        event: EventMetadata,
        /// Why it does not matter.
        why: String,
    },
    /// One of ours that cannot be read, or nothing that can be read at all. Someone must look.
    Undecided {
        /// What the record says of itself, as far as it could be read.
        event: EventMetadata,
        /// The place, the value, and what is accepted.
        why: String,
    },
}

/// What a record says of itself, for people: as it stands there, unchecked, absent where absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventMetadata {
    /// `eventID`.
    pub id: Option<String>,
    /// `eventTime`.
    pub time: Option<Timestamp>,
    /// `recipientAccountId`, or else the caller's account.
    pub account: Option<String>,
    /// `awsRegion`.
    pub region: Option<String>,
    /// `eventName`.
    pub call: Option<String>,
    /// Who: the caller's ARN, or the next best that the identity holds.
    pub actor: Option<String>,
    /// The ARN of the role behind an assumed-role session.
    pub issuer: Option<String>,
    /// `sourceIPAddress`.
    pub source_ip: Option<String>,
    /// `userAgent`.
    pub user_agent: Option<String>,
}

/// What makes Portcullis look: the calls that open ingress, and the sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// AuthorizeSecurityGroupIngress: new ingress rules.
    Authorize,
    /// ModifySecurityGroupRules: rules replaced, ingress and egress alike.
    Modify,
    /// ModifyManagedPrefixList: the rules stay, and what they admit changes.
    ModifyPrefixList,
    /// RestoreManagedPrefixListVersion: likewise.
    RestorePrefixList,
    /// No call at all: the look at everything.
    Sweep,
}

impl Call {
    /// The names of the calls, as records have them. No other record matters.
    pub const NAMES: [&'static str; 4] = [
        "AuthorizeSecurityGroupIngress",
        "ModifySecurityGroupRules",
        "ModifyManagedPrefixList",
        "RestoreManagedPrefixListVersion",
    ];

    fn parse(name: &str) -> Option<Self> {
        let calls = [Self::Authorize, Self::Modify, Self::ModifyPrefixList, Self::RestorePrefixList];
        Self::NAMES.into_iter().zip(calls).find(|(known, _)| *known == name).map(|(_, call)| call)
    }
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// One security group.
    Group(GroupId),
    /// A group of the default VPC, known by name only.
    GroupName(String),
    /// Every group of the Region with a rule that refers to this prefix list.
    PrefixList(PrefixListId),
    /// Every group of the Region: the record does not say which.
    Region,
}

/// Which rules of the subject are this change's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedRules {
    /// These.
    Rules(Vec<RuleId>),
    /// Those that admit exactly this.
    Permissions(Vec<Permission>),
    /// Those whose source is this prefix list, as far as they admit what was added to it.
    PrefixList {
        /// The list.
        list: PrefixListId,
        /// The blocks that were added. `None`: the record does not say, so it may be any.
        added: Option<Vec<Cidr>>,
        /// The version that was restored: all of its blocks were added, and EC2 knows them.
        restored: Option<i64>,
    },
    /// Any ingress rule: the record does not say.
    Any,
}

/// What one rule admits: this traffic from this source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Permission {
    /// Protocol and ports.
    pub traffic: Traffic,
    /// From where.
    pub source: Source,
}

/// A change to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The record, for people.
    pub event: EventMetadata,
    /// The account whose group was changed.
    pub account: AccountId,
    /// The group's Region.
    pub region: Region,
    /// Which call.
    pub call: Call,
    /// Where to look.
    pub resource: Resource,
    /// Which rules are its own.
    pub changed_rules: ChangedRules,
    /// All that the record says its rules admit, with the rules' ids where it lists them. `None`: it does not say all.
    pub recorded_rules: Option<Vec<(Option<RuleId>, Permission)>>,
}

impl Change {
    /// The sweep of an account's Region: everything in it is looked at, and any rule may have to go.
    #[must_use]
    pub fn sweep(id: Option<String>, time: Option<Timestamp>, account: AccountId, region: Region) -> Self {
        let event = EventMetadata {
            id,
            time,
            account: Some(account.to_string()),
            region: Some(region.to_string()),
            call: Some("Sweep".to_owned()),
            ..EventMetadata::default()
        };
        let (call, resource, changed_rules) = (Call::Sweep, Resource::Region, ChangedRules::Any);
        Self { event, account, region, call, resource, changed_rules, recorded_rules: None }
    }
}

/// What the envelope around a record says; the record must agree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnvelopeOrigin {
    /// The account that the envelope names.
    pub account: Option<String>,
    /// The Region that the envelope names.
    pub region: Option<String>,
}

/// Reads one record.
#[must_use]
pub fn read(record: &Value, envelope_origin: &EnvelopeOrigin) -> Reading {
    let event = EventMetadata::of(record, envelope_origin);
    match classify(record) {
        Ok(call) => match change(record, call, &event, envelope_origin) {
            Ok((account, region, Described { resource, changed_rules, recorded_rules })) => {
                Reading::Change(Box::new(Change {
                    event,
                    account,
                    region,
                    call,
                    resource,
                    changed_rules,
                    recorded_rules,
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

fn classify(record: &Value) -> Result<Call, NotOurs> {
    let irrelevant = |why: String| Err(NotOurs::Irrelevant(why));
    let Some(fields) = record.as_object() else {
        let what = format!("the record is {}, expected a CloudTrail record (a JSON object)", excerpt(record));
        return Err(NotOurs::Unreadable(what));
    };
    match fields.get("eventCategory").and_then(Value::as_str) {
        Some("Insight") => return irrelevant("an Insight record, not a call".to_owned()),
        // It names the call but not its parameters, and may be about another account's group. The call has a record of
        // its own (CloudTrail User Guide, "Logging network activity events").
        Some("NetworkActivity") => return irrelevant("a VPC endpoint's record of a call, not the call".to_owned()),
        _ => {}
    }
    let text = |key: &str| match fields.get(key) {
        Some(Value::String(text)) => Ok(text.as_str()),
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
        None | Some(Value::Null) => {}
        Some(Value::String(code)) if code.is_empty() => {}
        Some(Value::String(code)) => return irrelevant(format!("the call failed with {}", escaped(code))),
        Some(other) => {
            return Err(NotOurs::Unreadable(format!("errorCode is {}, expected a text", excerpt(other))));
        }
    }
    match fields.get("readOnly") {
        Some(Value::Bool(true)) => irrelevant("a read-only call".to_owned()),
        _ => Ok(call),
    }
}

/// Where the change was made, and what it was.
fn change(
    record: &Value,
    call: Call,
    event: &EventMetadata,
    envelope_origin: &EnvelopeOrigin,
) -> Result<(AccountId, Region, Described), String> {
    let identifier = |place: &str, value: &Option<String>| match record.get(place) {
        None | Some(Value::Null | Value::String(_)) => {
            value.clone().ok_or_else(|| format!("{place} is missing: the record does not say whose group it was"))
        }
        // No stand-in for what is there and cannot be read.
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
    Ok((account, region, request::describe(call, record)?))
}

impl EventMetadata {
    fn of(record: &Value, envelope_origin: &EnvelopeOrigin) -> Self {
        fn text<'a>(object: Option<&'a Value>, key: &str) -> Option<&'a str> {
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

/// At most 512 bytes: an ARN is never longer, and a user agent need not be.
fn limited(text: &str) -> String {
    text.get(..text.floor_char_boundary(512)).unwrap_or_default().to_owned()
}

/// A value as it may stand in a message.
fn excerpt(value: &Value) -> String {
    value.as_str().map_or_else(|| format!("`{}`", escaped(&value.to_string())), |text| format!("`{}`", escaped(text)))
}

#[cfg(test)]
mod tests;
