//! Opens a delivery: finds its records, and for each the item that AWS must deliver again if the record fails.
//!
//! AWS nests: an SQS message may hold an SNS notification that holds an EventBridge event. The event holds a record, or
//! the name of a log file full of records. One payload that cannot be opened never stops the others.
//!
//! Shapes: EventBridge User Guide, "AWS events delivered via CloudTrail"; Lambda Developer Guide, "Using Lambda with
//! Amazon SQS", "… SNS", "… S3" and "… CloudWatch Logs"; S3 User Guide, "Event message structure" and "Amazon S3 event
//! message using EventBridge"; CloudTrail User Guide, "Configuring Amazon SNS notifications for CloudTrail".

use std::io::Read;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::MultiGzDecoder;
use percent_encoding::percent_decode_str;
use portcullis_domain::change::Call;
use portcullis_domain::cloudtrail::EnvelopeOrigin;
use portcullis_domain::ids::{AccountId, Region};
use portcullis_domain::json::{self, Json};
use portcullis_domain::text::escaped;

/// An opened delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery<'a> {
    /// How the delivery must be answered.
    pub kind: Kind,
    /// The items in it.
    pub items: Vec<Item<'a>>,
}

/// How a delivery must be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As a whole: with findings, or with an error.
    Whole,
    /// By item: with the SQS message ids that failed.
    ByItem,
}

/// The unit that AWS delivers again: an SQS message, or the whole delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<'a> {
    /// The SQS message's id. Empty if the delivery is answered as a whole.
    pub id: String,
    /// The payloads in it.
    pub payloads: Vec<Payload<'a>>,
}

/// One payload of an envelope.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload<'a> {
    /// A CloudTrail record, not yet read.
    Record {
        /// The record.
        record: Json<'a>,
        /// The account and Region in the envelope.
        envelope_origin: EnvelopeOrigin,
    },
    /// A CloudTrail log file in S3, by name.
    LogFile(LogFile),
    /// A request to check everything.
    SweepRequest(SweepRequest),
    /// An event that has nothing to do with security groups.
    Unrelated(String),
    /// A message that AWS sends besides events: test and control messages, digests, Insights. Nobody needs to know of
    /// it.
    Control(String),
    /// A payload that could not be opened: the field, its value, and what is accepted.
    Unreadable(String),
}

impl Payload<'_> {
    /// The same payload with its own copies of all texts.
    fn into_owned(self) -> Payload<'static> {
        match self {
            Self::Record { record, envelope_origin } => {
                Payload::Record { record: record.into_owned(), envelope_origin }
            }
            Self::LogFile(file) => Payload::LogFile(file),
            Self::SweepRequest(request) => Payload::SweepRequest(request),
            Self::Unrelated(what) => Payload::Unrelated(what),
            Self::Control(what) => Payload::Control(what),
            Self::Unreadable(why) => Payload::Unreadable(why),
        }
    }
}

/// An object in S3.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogFile {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
}

/// What a sweep must check. An empty list means everything that the function may act in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweepRequest {
    /// The accounts.
    pub accounts: Vec<AccountId>,
    /// The Regions.
    pub regions: Vec<Region>,
}

/// AWS nests three levels deep. A deeper payload is not a delivery.
const DEEPEST: u8 = 6;

/// Opens a delivery.
#[must_use]
pub fn open<'a>(payload: &'a Json<'a>) -> Delivery<'a> {
    match sqs_messages(payload) {
        Some(messages) => Delivery { kind: Kind::ByItem, items: messages.iter().map(sqs_item).collect() },
        None => {
            let item = Item { id: String::new(), payloads: payloads(payload, DEEPEST) };
            Delivery { kind: Kind::Whole, items: vec![item] }
        }
    }
}

fn text<'a>(value: &'a Json<'_>, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Json::as_str)
}

fn owned(value: &Json<'_>, key: &str) -> Option<String> {
    text(value, key).map(str::to_owned)
}

fn sqs_messages<'a>(payload: &'a Json<'a>) -> Option<&'a [Json<'a>]> {
    let records = payload.get("Records")?.as_array()?;
    let is_sqs = |record: &Json<'_>| text(record, "eventSource") == Some("aws:sqs");
    records.first().is_some_and(is_sqs).then_some(records)
}

fn sqs_item<'a>(message: &'a Json<'a>) -> Item<'a> {
    let payloads = match message.get("body") {
        Some(Json::String(body)) => parse(body, "the SQS message's body", DEEPEST),
        Some(other) => vec![unreadable("the SQS message's body", other)],
        None => vec![Payload::Unreadable("the SQS message has no body".to_owned())],
    };
    Item { id: owned(message, "messageId").unwrap_or_default(), payloads }
}

fn parse<'a>(json: &'a str, place: &str, depth: u8) -> Vec<Payload<'a>> {
    match json::parse(json.as_bytes()) {
        Ok(value) => payloads(&value, depth).into_iter().map(Payload::into_owned).collect(),
        Err(error) => {
            vec![Payload::Unreadable(format!("{place} is no JSON: {error}: `{}`", escaped(json)))]
        }
    }
}

/// CloudTrail publishes this message when a trail gets a topic, to check that it may.
const VALIDATION: &str = "CloudTrail validation message.";

fn sns_message<'a>(message: &'a str, depth: u8) -> Vec<Payload<'a>> {
    if message == VALIDATION {
        return vec![Payload::Control(VALIDATION.to_owned())];
    }
    parse(message, "the SNS notification's Message", depth)
}

fn payloads<'a>(value: &'a Json<'a>, depth: u8) -> Vec<Payload<'a>> {
    let Some(depth) = depth.checked_sub(1) else {
        return vec![Payload::Unreadable("the delivery is nested deeper than AWS nests".to_owned())];
    };
    // AWS never writes a document of more than one kind. If one arrives anyway, none of its records may be lost.
    let mut found = Vec::new();
    if let Some(detail) = value.get("detail") {
        found.push(eventbridge(value, detail));
    }
    if let Some(sweep) = value.get("sweep") {
        found.push(self::sweep(sweep));
    }
    if let Some(data) = value.get("awslogs") {
        found.extend(log_events(data, depth));
    }
    match (text(value, "Type"), text(value, "Message")) {
        (Some("Notification"), Some(message)) => found.extend(sns_message(message, depth)),
        (Some(kind @ ("SubscriptionConfirmation" | "UnsubscribeConfirmation")), Some(_)) => {
            found.push(Payload::Control(format!("an SNS {kind}")));
        }
        _ => {}
    }
    if text(value, "Event") == Some("s3:TestEvent") {
        found.push(Payload::Control("an S3 test event".to_owned()));
    }
    if let Some(keys) = value.get("s3ObjectKey") {
        found.extend(notification(value, keys));
    }
    // The output of `aws cloudtrail lookup-events` has the whole record as a text inside.
    let list = |key: &str| value.get(key).and_then(Json::as_array);
    let (events, records) = (list("Events"), list("Records"));
    found.extend(events.into_iter().flatten().flat_map(|event| payloads(event, depth)));
    if let Some(record) = text(value, "CloudTrailEvent") {
        found.extend(parse(record, "the looked-up event's CloudTrailEvent", depth));
    }
    found.extend(records.into_iter().flatten().flat_map(|record| record_of_many(record, depth)));
    if ["eventSource", "eventName", "eventVersion"].iter().any(|key| value.get(key).is_some()) {
        found.push(Payload::Record { record: value.clone(), envelope_origin: EnvelopeOrigin::default() });
    }
    // An empty list has no record. Other fields next to it may still hold some.
    let notified = text(value, "Type") == Some("Notification") && text(value, "Message").is_some();
    let is_opened = |key: &str| match key {
        "Events" => events.is_some(),
        "Records" => records.is_some(),
        "CloudTrailEvent" => text(value, key).is_some(),
        "Message" => notified,
        "detail" | "awslogs" | "s3ObjectKey" => true,
        _ => false,
    };
    let is_bare = |key: &str| match key {
        "MessageAttributes" => notified,
        "resources" => value.get("detail").is_some(),
        // The AWS SDK for Python adds this field to answers.
        "ResponseMetadata" => true,
        _ => false,
    };
    let fields = || value.as_object().into_iter().flat_map(json::Object::iter);
    let is_known = !found.is_empty() || fields().any(|(key, _)| is_opened(key));
    let is_silent = found.iter().all(|payload| matches!(payload, Payload::Control(_)));
    let is_lost = |(key, other): (&str, &Json<'_>)| {
        let is_of_concern = is_silent || ["Events", "Records", "CloudTrailEvent"].contains(&key);
        is_of_concern && !is_opened(key) && !is_bare(key) && may_hold_records(other)
    };
    if !is_known || fields().any(is_lost) {
        found.push(unreadable("the delivery", value));
    }
    found
}

/// The first characters of gzip data in base64, as a CloudWatch Logs subscription writes it.
const ZIPPED: &str = "H4sI";

/// Whether a value may hold records. A text may, if it is JSON or gzip.
fn may_hold_records(value: &Json<'_>) -> bool {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
        Json::String(text) => {
            text.trim_start().starts_with(['{', '[', '"']) || text.starts_with(ZIPPED) || json::is_ambiguous(text)
        }
        Json::Array(elements) => !elements.is_empty(),
        Json::Object(fields) => !fields.is_empty(),
    }
}

fn record_of_many<'a>(record: &'a Json<'a>, depth: u8) -> Vec<Payload<'a>> {
    if let Some(notification) = record.get("Sns") {
        return match text(notification, "Message") {
            Some(message) => sns_message(message, depth),
            None => vec![unreadable("the SNS notification", notification)],
        };
    }
    if let Some(object) = record.get("s3") {
        return vec![object_notice(record, object)];
    }
    if record.get("eventName").is_some() || record.get("eventVersion").is_some() {
        return vec![Payload::Record { record: record.clone(), envelope_origin: EnvelopeOrigin::default() }];
    }
    vec![unreadable("a record of the delivery", record)]
}

fn eventbridge<'a>(event: &Json<'_>, detail: &Json<'a>) -> Payload<'a> {
    match text(event, "detail-type") {
        Some("AWS API Call via CloudTrail") => Payload::Record {
            record: detail.clone(),
            envelope_origin: EnvelopeOrigin { account: owned(event, "account"), region: owned(event, "region") },
        },
        Some("Object Created") if text(event, "source") == Some("aws.s3") => {
            let named = |what: &str, name: &str| detail.get(what).and_then(|it| owned(it, name));
            match (named("bucket", "name"), named("object", "key")) {
                (Some(bucket), Some(key)) => log_file(bucket, key),
                _ => unreadable("the EventBridge event", event),
            }
        }
        Some(other) => Payload::Unrelated(format!("an EventBridge event of type `{}`", escaped(other))),
        None => unreadable("the EventBridge event", event),
    }
}

/// One record of an S3 notice. Its key is form-encoded: a space is `+`.
fn object_notice(record: &Json<'_>, s3: &Json<'_>) -> Payload<'static> {
    let name = text(record, "eventName").unwrap_or_default();
    if !name.is_empty() && !name.starts_with("ObjectCreated:") {
        return Payload::Control(format!("an S3 notice of {}", escaped(name)));
    }
    let bucket = s3.get("bucket").and_then(|bucket| owned(bucket, "name"));
    let key = s3.get("object").and_then(|object| text(object, "key")).map(|key| key.replace('+', " "));
    let key = key.as_deref().and_then(|key| percent_decode_str(key).decode_utf8().ok());
    match (bucket, key) {
        (Some(bucket), Some(key)) => log_file(bucket, key.into_owned()),
        _ => unreadable("the S3 object notice", record),
    }
}

/// CloudTrail's own notification: a bucket and the keys of new log files.
fn notification(value: &Json<'_>, keys: &Json<'_>) -> Vec<Payload<'static>> {
    let Some((bucket, keys)) = owned(value, "s3Bucket").zip(keys.as_array()) else {
        return vec![unreadable("CloudTrail's notification", value)];
    };
    let payload = |key: &Json<'_>| {
        let key = key.as_str().map(|key| log_file(bucket.clone(), key.to_owned()));
        key.unwrap_or_else(|| unreadable("CloudTrail's notification", value))
    };
    keys.iter().map(payload).collect()
}

fn log_file(bucket: String, key: String) -> Payload<'static> {
    if key.contains("/CloudTrail-Digest/") || key.contains("/CloudTrail-Insight/") {
        return Payload::Control(format!("`{}`, which holds no records of calls", escaped(&key)));
    }
    if key.ends_with(".json.gz") || key.ends_with(".json") {
        Payload::LogFile(LogFile { bucket, key })
    } else {
        let what = "an S3 object that is no CloudTrail log file (.json.gz)";
        Payload::Unrelated(format!("{what}: `{}`", escaped(&key)))
    }
}

/// The data of one CloudWatch Logs delivery, unzipped, is always far smaller than this.
const LARGEST_LOG_DATA: u64 = 16 << 20;

/// A CloudWatch Logs subscription of the log group that a trail writes to. Every message is a record, and most are of
/// other calls.
fn log_events(awslogs: &Json<'_>, depth: u8) -> Vec<Payload<'static>> {
    let unzipped = || {
        let zipped = BASE64_STANDARD.decode(text(awslogs, "data")?).ok()?;
        let mut plain = Vec::new();
        MultiGzDecoder::new(zipped.as_slice()).take(LARGEST_LOG_DATA).read_to_end(&mut plain).ok()?;
        Some(plain)
    };
    let plain = unzipped().unwrap_or_default();
    let Ok(data) = json::parse(&plain) else {
        let why = "expected JSON, zipped and in base64";
        return vec![Payload::Unreadable(format!("awslogs.data is `{}`: {why}", escaped(&awslogs.to_string())))];
    };
    if text(&data, "messageType") == Some("CONTROL_MESSAGE") {
        return vec![Payload::Control("a control message of CloudWatch Logs".to_owned())];
    }
    let Some(events) = data.get("logEvents").and_then(Json::as_array) else {
        return vec![unreadable("awslogs.data", &data)];
    };
    let message = |event: &Json<'_>| match text(event, "message") {
        Some(message) if !may_concern_us(message) => Vec::new(),
        Some(message) => {
            parse(message, "the log event's message", depth).into_iter().map(Payload::into_owned).collect()
        }
        None => vec![unreadable("the log event", event)],
    };
    events.iter().flat_map(message).collect()
}

/// Whether the text of a record may name a relevant call. Escapes may hide the name.
fn may_concern_us(record: &str) -> bool {
    Call::NAMES.iter().any(|name| record.contains(name)) || record.contains("\\u00")
}

fn sweep(sweep: &Json<'_>) -> Payload<'static> {
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
    let read = || {
        let known = ["accounts", "regions"];
        let keys = sweep
            .as_object()
            .ok_or_else(|| format!("sweep is `{}`: expected an object", escaped(&sweep.to_string())))?;
        if let Some(key) = keys.keys().filter(|key| !known.contains(key)).min() {
            return Err(format!("sweep.{} is not known: expected accounts and regions", escaped(key)));
        }
        let accounts = all(sweep, "accounts", |id| AccountId::parse(id).map_err(|e| format!("sweep.accounts: {e}")))?;
        let regions = all(sweep, "regions", |code| Region::parse(code).map_err(|e| format!("sweep.regions: {e}")))?;
        Ok(SweepRequest { accounts, regions })
    };
    read().map_or_else(Payload::Unreadable, Payload::SweepRequest)
}

fn unreadable(place: &str, value: &Json<'_>) -> Payload<'static> {
    let accepted = "expected an EventBridge event, an SQS or SNS message that holds one, or CloudTrail records";
    Payload::Unreadable(format!("{place} is `{}`: {accepted}", escaped(&value.to_string())))
}

#[cfg(test)]
mod tests;
