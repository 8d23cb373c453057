//! The columns of the tables of records, and how a record fills them.

use std::cell::OnceCell;

use portcullis_delivery::logfile::{Event, Identity};
use serde_json::Value;
use serde_json::value::RawValue;

use super::table::Trail;
use crate::rows::{Cell, Column, Kind, Rows, time};

/// `events`: every record.
pub static EVENTS: Trail = Trail { name: "events", columns: &EVENT_COLUMNS, calls: &[], row: event };

const EVENT_COLUMNS: [Column; 23] = [
    ("event_time", Kind::Time),
    ("event_id", Kind::Text),
    ("account_id", Kind::Text),
    ("region", Kind::Text),
    ("event_source", Kind::Text),
    ("event_name", Kind::Text),
    ("event_type", Kind::Text),
    ("read_only", Kind::Bool),
    ("user_type", Kind::Text),
    ("user_name", Kind::Text),
    ("user_arn", Kind::Text),
    ("principal_id", Kind::Text),
    ("access_key_id", Kind::Text),
    ("invoked_by", Kind::Text),
    ("mfa", Kind::Text),
    ("source_ip", Kind::Text),
    ("user_agent", Kind::Text),
    ("error_code", Kind::Text),
    ("error_message", Kind::Text),
    ("request", Kind::Text),
    ("response", Kind::Text),
    ("additional", Kind::Text),
    ("vpc_endpoint_id", Kind::Text),
];

fn event(event: &Event<'_>, at: Option<i64>, rows: &mut Rows) {
    let nobody = Identity::default();
    let who = event.user_identity.as_ref().unwrap_or(&nobody);
    let session = OnceCell::new();
    let session = || session.get_or_init(|| value(who.session_context)).as_ref();
    let name = if rows.wants(9) { user_name(who) } else { None };
    let mfa = || session()?.get("attributes")?.get("mfaAuthenticated");
    let mfa = if rows.wants(14) { mfa().map(|mfa| yes_or_no(mfa.as_str() == Some("true"))) } else { None };
    rows.push(|column| match column {
        0 => time(at),
        1 => event.event_id.get().into(),
        2 => account(event).into(),
        3 => event.aws_region.get().into(),
        4 => event.event_source.get().into(),
        5 => event.event_name.get().into(),
        6 => event.event_type.get().into(),
        7 => event.read_only.get().map_or(Cell::Null, |word| Cell::Bool(word == "true")),
        8 => who.kind.get().into(),
        9 => name.as_deref().into(),
        10 => who.arn.get().into(),
        11 => who.principal_id.get().into(),
        12 => who.access_key_id.get().into(),
        13 => who.invoked_by.get().into(),
        14 => mfa.into(),
        15 => event.source_ip.get().into(),
        16 => event.user_agent.get().into(),
        17 => event.error_code.get().into(),
        18 => event.error_message.get().into(),
        19 => event.request_parameters.map(RawValue::get).into(),
        20 => event.response_elements.map(RawValue::get).into(),
        21 => event.additional_event_data.map(RawValue::get).into(),
        22 => event.vpc_endpoint_id.get().into(),
        _ => Cell::Null,
    });
}

/// The account that the record is about.
pub(crate) fn account<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    event.recipient_account_id.get().or_else(|| event.user_identity.as_ref()?.account_id.get())
}

fn value(raw: Option<&RawValue>) -> Option<Value> {
    serde_json::from_str(raw?.get()).ok()
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "Yes" } else { "No" }
}

/// The user's name; for a role's session the role's, else the last part of the ARN, else the service that called.
pub(crate) fn user_name(who: &Identity<'_>) -> Option<String> {
    let issuer = || value(who.session_context)?.get("sessionIssuer")?.get("userName")?.as_str().map(str::to_owned);
    let tail = || who.arn.get()?.rsplit(['/', ':']).next().map(str::to_owned);
    let own = who.user_name.get().map(str::to_owned);
    own.or_else(issuer).or_else(tail).or_else(|| who.invoked_by.get().map(str::to_owned))
}

/// `console_logins`.
pub static LOGINS: Trail =
    Trail { name: "console_logins", columns: &LOGIN_COLUMNS, calls: &["ConsoleLogin"], row: login };

const LOGIN_COLUMNS: [Column; 12] = [
    ("event_time", Kind::Time),
    ("event_id", Kind::Text),
    ("account_id", Kind::Text),
    ("region", Kind::Text),
    ("user_type", Kind::Text),
    ("user_name", Kind::Text),
    ("source_ip", Kind::Text),
    ("user_agent", Kind::Text),
    ("succeeded", Kind::Bool),
    ("mfa", Kind::Text),
    ("federated", Kind::Bool),
    ("error_message", Kind::Text),
];

/// MFAUsed says `No` for every login that another identity provider, or IAM Identity Center, vouched for, and for every one
/// that failed: there `mfa` is not known, and NULL.
fn login(event: &Event<'_>, at: Option<i64>, rows: &mut Rows) {
    let nobody = Identity::default();
    let who = event.user_identity.as_ref().unwrap_or(&nobody);
    let answer = value(event.response_elements);
    let succeeded = answer.as_ref().and_then(|answer| answer.get("ConsoleLogin")?.as_str()) == Some("Success");
    let more = value(event.additional_event_data).unwrap_or_default();
    let kind = who.kind.get();
    let federated = !matches!(kind, Some("IAMUser" | "Root")) || more.get("SamlProviderArn").is_some();
    let used = more.get("MFAUsed").and_then(Value::as_str);
    let mfa = used.filter(|_| succeeded && !federated).map(|used| yes_or_no(used == "Yes"));
    let name = user_name(who).or_else(|| (kind == Some("Root")).then(|| "root".to_owned()));
    rows.push(|column| match column {
        0 => time(at),
        1 => event.event_id.get().into(),
        2 => account(event).into(),
        3 => event.aws_region.get().into(),
        4 => kind.into(),
        5 => name.as_deref().into(),
        6 => event.source_ip.get().into(),
        7 => event.user_agent.get().into(),
        8 => succeeded.into(),
        9 => mfa.into(),
        10 => federated.into(),
        11 => event.error_message.get().into(),
        _ => Cell::Null,
    });
}

/// `key_pairs`: EC2's, made, imported and deleted.
pub static KEY_PAIRS: Trail = Trail {
    name: "key_pairs",
    columns: &KEY_COLUMNS,
    calls: &["CreateKeyPair", "ImportKeyPair", "DeleteKeyPair"],
    row: key_pair,
};

const KEY_COLUMNS: [Column; 11] = [
    ("event_time", Kind::Time),
    ("event_id", Kind::Text),
    ("account_id", Kind::Text),
    ("region", Kind::Text),
    ("action", Kind::Text),
    ("key_name", Kind::Text),
    ("key_pair_id", Kind::Text),
    ("fingerprint", Kind::Text),
    ("user_name", Kind::Text),
    ("source_ip", Kind::Text),
    ("error_code", Kind::Text),
];

fn key_pair(event: &Event<'_>, at: Option<i64>, rows: &mut Rows) {
    // Lightsail has calls of the same names.
    if event.event_source.get() != Some("ec2.amazonaws.com") {
        return;
    }
    let (request, answer) = (value(event.request_parameters), value(event.response_elements));
    let text = |part: &Option<Value>, key: &str| part.as_ref()?.get(key)?.as_str().map(str::to_owned);
    let either = |key| text(&answer, key).or_else(|| text(&request, key));
    let (key_name, id, fingerprint) = (either("keyName"), either("keyPairId"), either("keyFingerprint"));
    let name = event.user_identity.as_ref().and_then(user_name);
    let action = match event.event_name.get() {
        Some("CreateKeyPair") => "create",
        Some("ImportKeyPair") => "import",
        _ => "delete",
    };
    rows.push(|column| match column {
        0 => time(at),
        1 => event.event_id.get().into(),
        2 => account(event).into(),
        3 => event.aws_region.get().into(),
        4 => action.into(),
        5 => (&key_name).into(),
        6 => (&id).into(),
        7 => (&fingerprint).into(),
        8 => (&name).into(),
        9 => event.source_ip.get().into(),
        10 => event.error_code.get().into(),
        _ => Cell::Null,
    });
}
