//! The environment, read into a [`Config`]. No other code reads it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use portcullis_domain::arn::Arn;
use portcullis_domain::ids::{AccountId, Region};
use portcullis_domain::policy::Mode;
use portcullis_domain::text::escaped;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::s3_url::S3Url;
use crate::sinks::Destinations;
use crate::store::Store;

/// The function's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `PORTCULLIS_MODE`.
    pub mode: Mode,
    /// `PORTCULLIS_POLICY`.
    pub policy: PolicySource,
    /// `PORTCULLIS_MEMBER_ROLE` and `PORTCULLIS_EXTERNAL_ID`.
    pub member_role: Option<MemberRole>,
    /// `PORTCULLIS_ACCOUNTS`.
    pub accounts: Accounts,
    /// `PORTCULLIS_TOPIC_ARN`.
    pub topic: Option<String>,
    /// `PORTCULLIS_QUEUE_URL`.
    pub queue: Option<String>,
    /// `PORTCULLIS_LOG_ROLE`.
    pub log_role: Option<LogRole>,
    /// `PORTCULLIS_END_ROLE`.
    pub end_role: Option<String>,
    /// `PORTCULLIS_MEMBER_END_ROLE`, with the external id of the member role.
    pub member_end_role: Option<MemberRole>,
    /// `PORTCULLIS_MEMORY`.
    pub memory: Store,
    /// `PORTCULLIS_EVIDENCE` and `PORTCULLIS_EVIDENCE_DAYS`.
    pub evidence: Option<EvidencePlace>,
    /// `PORTCULLIS_RESTORE`: whether modified rules are given back what they were.
    pub restores: bool,
    /// `PORTCULLIS_EVENT_BUS`, `PORTCULLIS_SECURITY_HUB` and `PORTCULLIS_TOPIC_OCSF`.
    pub destinations: Destinations,
    /// `RUST_LOG`.
    pub log: Targets,
    /// `AWS_REGION` and the credentials beside it.
    pub ambient: Ambient,
}

/// Region and credentials that the Lambda environment sets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ambient {
    /// `AWS_REGION`.
    pub region: Option<Region>,
    /// Whether `AWS_ACCESS_KEY_ID` is set. Then credentials come from the environment only.
    pub credentials: bool,
}

/// Where the policy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// In the program.
    BuiltIn,
    /// In a file.
    File(PathBuf),
    /// In an S3 object.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// The object's key.
        key: String,
    },
}

/// Where evidence is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvidencePlace {
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// What all keys begin with: nothing, or a text that ends with a slash.
        prefix: String,
        /// For how many days each object is locked. `None`: it is not locked.
        days: Option<u32>,
    },
}

impl EvidencePlace {
    /// What is accepted as such a place.
    pub const ACCEPTED: &str = "s3://bucket, s3://bucket/prefix, or a folder's path";

    /// The place that a text names; nothing where it names none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match S3Url::parse(text) {
            Some(S3Url { bucket: "", .. }) => None,
            Some(S3Url { bucket, key }) => {
                let prefix = key.trim_end_matches('/');
                let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
                Some(Self::S3 { bucket: bucket.to_owned(), prefix, days: None })
            }
            None if text.contains("://") || text.is_empty() => None,
            None => Some(Self::Folder(text.into())),
        }
    }

    /// The same place, where each object is locked for so many days.
    ///
    /// # Errors
    /// The number is none, or the place is a folder.
    pub fn locked_for(self, days: &str) -> Result<Self, ConfigError> {
        let number = days.parse().ok().filter(|number| (1..=MOST_DAYS).contains(number));
        match (self, number) {
            (Self::S3 { bucket, prefix, .. }, Some(number)) => Ok(Self::S3 { bucket, prefix, days: Some(number) }),
            _ => Err(refused_days(days)),
        }
    }
}

impl std::fmt::Display for EvidencePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::S3 { bucket, prefix, .. } => S3Url { bucket, key: prefix }.fmt(f),
        }
    }
}

/// The role that the function assumes in other accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRole {
    /// Its name, without a path.
    pub name: String,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
}

impl MemberRole {
    /// What is accepted as a role's name.
    pub const NAME: &str = "a role's name without a path: 1 to 64 letters, digits and _+=,.@-";
    /// What is accepted as an external id.
    pub const EXTERNAL_ID: &str = "2 to 1224 letters, digits and _+=,.@:/-";

    /// Its ARN in an account.
    #[must_use]
    pub fn arn(&self, partition: &str, account: &AccountId) -> String {
        format!("arn:{partition}:iam::{account}:role/{}", self.name)
    }

    /// Whether the text is a role's name.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        is_iam_word(text, "", 64)
    }

    /// Whether the text is an external id.
    #[must_use]
    pub fn is_external_id(text: &str) -> bool {
        is_iam_word(text, ":/", 1224) && text.len() >= 2
    }
}

/// The role that the function assumes to read log files, where their bucket lets nobody else in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRole {
    /// Its ARN.
    pub arn: String,
    /// The external id, the same as the member role's.
    pub external_id: Option<String>,
}

/// In which accounts the function may act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accounts {
    /// In its own only.
    Own,
    /// In any that has the member role.
    Any,
    /// In these.
    Listed(BTreeSet<AccountId>),
}

/// A variable that cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}=`{value}`: expected {accepted}")]
pub struct ConfigError {
    /// Its name.
    pub variable: &'static str,
    /// What it holds.
    pub value: String,
    /// What is accepted.
    pub accepted: String,
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// The first variable that does not parse.
    pub fn from_env() -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
        Self::read(|variable| std::env::var_os(variable).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Reads variables through `get`. An empty variable counts as unset: SAM and shells leave variables empty.
    ///
    /// # Errors
    /// The first variable that does not parse.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |variable: &'static str| get(variable).filter(|value| !value.is_empty());
        let external_id = get("PORTCULLIS_EXTERNAL_ID");
        Ok(Self {
            end_role: get("PORTCULLIS_END_ROLE").map(end_role).transpose()?,
            member_end_role: get("PORTCULLIS_MEMBER_END_ROLE")
                .map(|name| member_end_role(name, external_id.clone()))
                .transpose()?,
            log_role: get("PORTCULLIS_LOG_ROLE").map(|arn| log_role(arn, external_id)).transpose()?,
            mode: match get("PORTCULLIS_MODE").as_deref() {
                None | Some("alert") => Mode::Alert,
                Some("enforce") => Mode::Enforce,
                Some(other) => return Err(refused("PORTCULLIS_MODE", other, "alert or enforce")),
            },
            policy: get("PORTCULLIS_POLICY").map_or(Ok(PolicySource::BuiltIn), |value| policy_source(&value))?,
            member_role: member_role(get("PORTCULLIS_MEMBER_ROLE"), get("PORTCULLIS_EXTERNAL_ID"))?,
            accounts: get("PORTCULLIS_ACCOUNTS").map_or(Ok(Accounts::Own), |value| accounts(&value))?,
            topic: get("PORTCULLIS_TOPIC_ARN").map(topic).transpose()?,
            queue: get("PORTCULLIS_QUEUE_URL").map(queue).transpose()?,
            memory: get("PORTCULLIS_MEMORY").map_or(Ok(Store::None), |value| memory(&value))?,
            evidence: evidence(get("PORTCULLIS_EVIDENCE"), get("PORTCULLIS_EVIDENCE_DAYS"))?,
            restores: match get("PORTCULLIS_RESTORE").as_deref() {
                None | Some("revoke") => false,
                Some("former") => true,
                Some(other) => return Err(refused("PORTCULLIS_RESTORE", other, "revoke or former")),
            },
            destinations: Destinations {
                event_bus: get("PORTCULLIS_EVENT_BUS").map(event_bus).transpose()?,
                security_hub: yes_or_no("PORTCULLIS_SECURITY_HUB", get("PORTCULLIS_SECURITY_HUB"))?,
                topic_ocsf: yes_or_no("PORTCULLIS_TOPIC_OCSF", get("PORTCULLIS_TOPIC_OCSF"))?,
            },
            log: log_filter(get("RUST_LOG").as_deref().unwrap_or("info"))?,
            ambient: Ambient {
                region: get("AWS_REGION").map(|value| region(&value)).transpose()?,
                credentials: get("AWS_ACCESS_KEY_ID").is_some(),
            },
        })
    }
}

fn refused(variable: &'static str, value: &str, accepted: impl Into<String>) -> ConfigError {
    ConfigError { variable, value: escaped(value), accepted: accepted.into() }
}

fn yes_or_no(variable: &'static str, value: Option<String>) -> Result<bool, ConfigError> {
    match value.as_deref() {
        None | Some("no") => Ok(false),
        Some("yes") => Ok(true),
        Some(other) => Err(refused(variable, other, "yes or no")),
    }
}

fn policy_source(value: &str) -> Result<PolicySource, ConfigError> {
    let refused = || refused("PORTCULLIS_POLICY", value, "a file's path, or s3://bucket/key");
    match S3Url::parse(value) {
        Some(S3Url { bucket, key }) if !bucket.is_empty() && !key.is_empty() => {
            Ok(PolicySource::S3 { bucket: bucket.to_owned(), key: key.to_owned() })
        }
        Some(_) => Err(refused()),
        None if value.contains("://") => Err(refused()),
        None => Ok(PolicySource::File(value.into())),
    }
}

/// S3 takes no retention of more than a hundred years (S3 API Reference, "DefaultRetention").
const MOST_DAYS: u32 = 36_500;

fn evidence(place: Option<String>, days: Option<String>) -> Result<Option<EvidencePlace>, ConfigError> {
    let parse = |text: String| {
        EvidencePlace::parse(&text).ok_or_else(|| refused("PORTCULLIS_EVIDENCE", &text, EvidencePlace::ACCEPTED))
    };
    match (place.map(parse).transpose()?, days) {
        (place, None) => Ok(place),
        (Some(place), Some(days)) => place.locked_for(&days).map(Some),
        (None, Some(days)) => Err(refused_days(&days)),
    }
}

fn refused_days(days: &str) -> ConfigError {
    let accepted = format!("a number of days from 1 to {MOST_DAYS}, and PORTCULLIS_EVIDENCE in S3 beside it");
    refused("PORTCULLIS_EVIDENCE_DAYS", days, accepted)
}

/// The characters of role names and external ids (IAM User Guide, "IAM and STS quotas").
fn is_iam_word(text: &str, also: &str, longest: usize) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) || also.contains(c);
    (1..=longest).contains(&text.len()) && text.chars().all(allowed)
}

fn member_role(name: Option<String>, external_id: Option<String>) -> Result<Option<MemberRole>, ConfigError> {
    if let Some(name) = name.as_deref().filter(|name| !MemberRole::is_name(name)) {
        return Err(refused("PORTCULLIS_MEMBER_ROLE", name, MemberRole::NAME));
    }
    if let Some(id) = external_id.as_deref().filter(|id| !MemberRole::is_external_id(id)) {
        return Err(refused("PORTCULLIS_EXTERNAL_ID", id, MemberRole::EXTERNAL_ID));
    }
    match (name, external_id) {
        (Some(name), external_id) => Ok(Some(MemberRole { name, external_id })),
        (None, None) => Ok(None),
        (None, Some(id)) => Err(refused(
            "PORTCULLIS_EXTERNAL_ID",
            &id,
            "PORTCULLIS_MEMBER_ROLE beside it: it is that role's external id",
        )),
    }
}

const ROLE_ARN: &str = "a role's ARN, arn:aws:iam::ACCOUNT:role/NAME";

fn is_role_arn(arn: &str) -> bool {
    Arn::parse(arn).is_some_and(|it| {
        let name = it.resource.strip_prefix("role/").and_then(|path| path.rsplit('/').next());
        it.service == "iam" && AccountId::parse(it.account).is_ok() && name.is_some_and(MemberRole::is_name)
    })
}

fn log_role(arn: String, external_id: Option<String>) -> Result<LogRole, ConfigError> {
    match is_role_arn(&arn) {
        true => Ok(LogRole { arn, external_id }),
        false => Err(refused("PORTCULLIS_LOG_ROLE", &arn, ROLE_ARN)),
    }
}

fn end_role(arn: String) -> Result<String, ConfigError> {
    if is_role_arn(&arn) { Ok(arn) } else { Err(refused("PORTCULLIS_END_ROLE", &arn, ROLE_ARN)) }
}

fn member_end_role(name: String, external_id: Option<String>) -> Result<MemberRole, ConfigError> {
    match MemberRole::is_name(&name) {
        true => Ok(MemberRole { name, external_id }),
        false => Err(refused("PORTCULLIS_MEMBER_END_ROLE", &name, MemberRole::NAME)),
    }
}

fn accounts(value: &str) -> Result<Accounts, ConfigError> {
    if value == "*" {
        return Ok(Accounts::Any);
    }
    let listed: Result<BTreeSet<AccountId>, _> = value.split(',').map(|id| AccountId::parse(id.trim())).collect();
    listed.map(Accounts::Listed).map_err(|error| {
        refused("PORTCULLIS_ACCOUNTS", &error.value, "twelve-digit account ids separated by commas, or *")
    })
}

fn topic(value: String) -> Result<String, ConfigError> {
    let is_topic = Arn::parse(&value).is_some_and(|arn| {
        let parts = [arn.region, arn.account, arn.resource];
        arn.service == "sns" && parts.iter().all(|part| !part.is_empty()) && !arn.resource.contains(':')
    });
    match is_topic {
        true => Ok(value),
        false => Err(refused("PORTCULLIS_TOPIC_ARN", &value, "an SNS topic's ARN, arn:aws:sns:REGION:ACCOUNT:NAME")),
    }
}

fn queue(value: String) -> Result<String, ConfigError> {
    // https://sqs.REGION.amazonaws.com/ACCOUNT/NAME; an emulator has another host.
    let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    let parts: Vec<&str> = rest.unwrap_or_default().split('/').collect();
    match parts.as_slice() {
        [host, account, name] if !host.is_empty() && !name.is_empty() && AccountId::parse(account).is_ok() => Ok(value),
        _ => Err(refused(
            "PORTCULLIS_QUEUE_URL",
            &value,
            "an SQS queue's URL, https://sqs.REGION.amazonaws.com/ACCOUNT/NAME",
        )),
    }
}

/// EventBridge API Reference, PutEvents, `EventBusName`: a name, or an ARN, which may be another account's.
fn event_bus(value: String) -> Result<String, ConfigError> {
    let is_name = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        (1..=256).contains(&name.len()) && name.chars().all(allowed)
    };
    let is_bus = match Arn::parse(&value) {
        None => is_name(&value),
        Some(arn) => {
            let is_there = Region::parse(arn.region).is_ok() && AccountId::parse(arn.account).is_ok();
            arn.service == "events" && is_there && arn.resource.strip_prefix("event-bus/").is_some_and(is_name)
        }
    };
    match is_bus {
        true => Ok(value),
        false => {
            let accepted = "an event bus's name, or its ARN, arn:aws:events:REGION:ACCOUNT:event-bus/NAME";
            Err(refused("PORTCULLIS_EVENT_BUS", &value, accepted))
        }
    }
}

/// A folder is a path with a `/`; anything else is a table's name (DynamoDB API Reference, `TableName`).
fn memory(value: &str) -> Result<Store, ConfigError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    match value {
        path if path.contains('/') && !path.contains("://") => Ok(Store::Folder(path.into())),
        name if (3..=255).contains(&name.len()) && name.chars().all(is_name) => Ok(Store::Table(name.to_owned())),
        other => {
            let accepted = "a DynamoDB table's name, or a folder: a path with a /, such as ./memory";
            Err(refused("PORTCULLIS_MEMORY", other, accepted))
        }
    }
}

fn region(value: &str) -> Result<Region, ConfigError> {
    Region::parse(value).map_err(|error| refused("AWS_REGION", value, error.accepted))
}

fn log_filter(value: &str) -> Result<Targets, ConfigError> {
    // A word that is no level would be read as a target's name, and a typo would log everything.
    let is_directive = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
    value.split(',').all(is_directive).then(|| value.parse().ok()).flatten().ok_or_else(|| {
        refused("RUST_LOG", value, "off, error, warn, info, debug, trace, or a list such as info,portcullis=debug")
    })
}

#[cfg(test)]
mod tests;
