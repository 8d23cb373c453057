//! Opens a delivery: finds its records, and for each the item that AWS must deliver again if the record fails.
//!
//! AWS nests: an SQS message may hold an SNS notification that holds an EventBridge event. The event holds a record, or
//! the name of a log file full of records. One payload that cannot be opened never stops the others.
//!
//! Shapes: EventBridge User Guide, "AWS events delivered via CloudTrail"; Lambda Developer Guide, "Using Lambda with
//! Amazon SQS", "… SNS", "… S3" and "… CloudWatch Logs"; S3 User Guide, "Event message structure" and "Amazon S3 event
//! message using EventBridge"; CloudTrail User Guide, "Configuring Amazon SNS notifications for CloudTrail".

mod requests;

use std::io::Read;
use std::ops::Deref;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::MultiGzDecoder;
use percent_encoding::percent_decode_str;
use portcullis_domain::change::Call;
use portcullis_domain::cloudtrail::EnvelopeOrigin;
use portcullis_domain::json::{self, Json};
use portcullis_domain::text::escaped;

pub use requests::{EndRequest, LaterLook, SweepRequest};

use crate::documents;

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
    /// How many more parts of it cannot be opened than are named among the payloads.
    pub more_unreadable: usize,
}

/// One payload of an envelope.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload<'a> {
    /// A CloudTrail record, not yet read.
    Record {
        /// The record.
        record: Record<'a>,
        /// The account and Region in the envelope.
        envelope_origin: EnvelopeOrigin,
        /// It comes for a later look.
        later_look: Option<LaterLook>,
    },
    /// A CloudTrail log file in S3, by name.
    LogFile(LogFile),
    /// A request to check everything.
    SweepRequest(SweepRequest),
    /// A request to end an opening.
    EndRequest(EndRequest),
    /// An event that has nothing to do with security groups.
    Unrelated(String),
    /// A message that AWS sends besides events: test and control messages, digests, Insights. Nobody needs to know of
    /// it.
    Control(String),
    /// A payload that could not be opened: the field, its value, and what is accepted.
    Unreadable(String),
}

/// A record that is a part of the delivery, or was a text inside it. Copies of all records of a large delivery would take
/// more memory than the function has.
#[derive(Debug, Clone)]
pub enum Record<'a> {
    /// A part of the delivery.
    Of(&'a Json<'a>),
    /// Read from a text.
    Read(Json<'a>),
}

impl<'a> Deref for Record<'a> {
    type Target = Json<'a>;

    fn deref(&self) -> &Json<'a> {
        match self {
            Self::Of(record) => record,
            Self::Read(record) => record,
        }
    }
}

impl PartialEq for Record<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Record<'_> {
    fn into_owned(self) -> Record<'static> {
        Record::Read(match self {
            Self::Of(record) => record.clone().into_owned(),
            Self::Read(record) => record.into_owned(),
        })
    }
}

impl<'a> Payload<'a> {
    /// A record without an envelope.
    fn bare(record: &'a Json<'a>) -> Self {
        Self::Record { record: Record::Of(record), envelope_origin: EnvelopeOrigin::default(), later_look: None }
    }
}

impl Payload<'_> {
    /// An attempt at a later look came no further. What it did, nobody was told.
    fn forget_what_was_told(&mut self) {
        if let Self::Record { later_look: Some(look), .. } = self {
            look.told = false;
        }
    }

    /// The same payload with its own copies of all texts.
    fn into_owned(self) -> Payload<'static> {
        match self {
            Self::Record { record, envelope_origin, later_look } => {
                Payload::Record { record: record.into_owned(), envelope_origin, later_look }
            }
            Self::LogFile(file) => Payload::LogFile(file),
            Self::SweepRequest(request) => Payload::SweepRequest(request),
            Self::EndRequest(request) => Payload::EndRequest(request),
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

/// AWS nests three levels deep. A deeper payload is not a delivery.
const DEEPEST: u8 = 6;

/// Opens a delivery.
#[must_use]
pub fn open<'a>(payload: &'a Json<'a>) -> Delivery<'a> {
    match sqs_messages(payload) {
        Some(messages) => Delivery { kind: Kind::ByItem, items: messages.iter().map(sqs_item).collect() },
        None => {
            let mut opened = Opened::default();
            payloads(payload, DEEPEST, &mut opened);
            Delivery { kind: Kind::Whole, items: vec![opened.finish(String::new())] }
        }
    }
}

/// What was found in an item so far.
#[derive(Default)]
struct Opened<'a> {
    payloads: Vec<Payload<'a>>,
    /// How many of them are control messages.
    controls: usize,
    /// How many could not be opened, whether they are among the payloads or not.
    unreadable: usize,
}

/// So many payloads of an item that cannot be opened are named, each. Of the others it is said how many there are: an item
/// may have millions of them, and each would become a finding.
pub const MOST_UNREADABLE: usize = 1000;

impl<'a> Opened<'a> {
    fn push(&mut self, payload: Payload<'a>) {
        self.controls += usize::from(matches!(payload, Payload::Control(_)));
        self.payloads.push(payload);
    }

    /// Adds what cannot be opened.
    fn unreadable(&mut self, why: impl FnOnce() -> String) {
        self.unreadable += 1;
        if self.unreadable <= MOST_UNREADABLE {
            self.push(Payload::Unreadable(why()));
        }
    }

    /// Adds what is in a text inside.
    fn text(&mut self, text: &str, place: &str, depth: u8) {
        let before = self.count();
        documents::each(&documents::utf8(text.as_bytes()), |document| match document.value {
            Ok(value) => {
                let mut inside = Opened { unreadable: self.unreadable, ..Opened::default() };
                payloads(&value, depth, &mut inside);
                self.controls += inside.controls;
                self.unreadable = inside.unreadable;
                for payload in inside.payloads {
                    self.payloads.push(payload.into_owned());
                }
            }
            Err(error) => self.unreadable(|| format!("{place} is no JSON: {error}: `{}`", escaped(text))),
        });
        // A text without any document is none either. One whose documents are empty lists is.
        if self.count() == before && text.trim().is_empty() {
            self.unreadable(|| format!("{place} is no JSON: it is empty"));
        }
    }

    /// How much was found.
    fn count(&self) -> usize {
        self.payloads.len() + self.unreadable.saturating_sub(MOST_UNREADABLE)
    }

    /// The item with this id.
    fn finish(self, id: String) -> Item<'a> {
        Item { id, payloads: self.payloads, more_unreadable: self.unreadable.saturating_sub(MOST_UNREADABLE) }
    }
}

fn text<'a>(value: &'a Json<'_>, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Json::as_str)
}

fn owned(value: &Json<'_>, key: &str) -> Option<String> {
    text(value, key).map(str::to_owned)
}

/// A batch of SQS messages, as SQS itself or EventBridge Pipes hands it over (EventBridge User Guide, "Amazon EventBridge
/// Pipes batching and concurrency").
fn sqs_messages<'a>(payload: &'a Json<'a>) -> Option<&'a [Json<'a>]> {
    let records = payload.get("Records").unwrap_or(payload).as_array()?;
    let is_sqs = |record: &Json<'_>| text(record, "eventSource") == Some("aws:sqs");
    records.first().is_some_and(is_sqs).then_some(records)
}

fn sqs_item<'a>(message: &'a Json<'a>) -> Item<'a> {
    let mut opened = Opened::default();
    match message.get("body") {
        Some(Json::String(body)) => opened.text(body, "the SQS message's body", DEEPEST),
        Some(other) => unreadable("the SQS message's body", other, &mut opened),
        None => opened.unreadable(|| "the SQS message has no body".to_owned()),
    }
    let received = message.get("attributes").and_then(|attributes| text(attributes, "ApproximateReceiveCount"));
    if received.is_some_and(|received| received != "1") {
        opened.payloads.iter_mut().for_each(Payload::forget_what_was_told);
    }
    opened.finish(owned(message, "messageId").unwrap_or_default())
}

/// CloudTrail publishes this message when a trail gets a topic, to check that it may.
const VALIDATION: &str = "CloudTrail validation message.";

fn sns_message(message: &str, depth: u8, opened: &mut Opened<'_>) {
    if message == VALIDATION {
        return opened.push(Payload::Control(VALIDATION.to_owned()));
    }
    opened.text(message, "the SNS notification's Message", depth);
}

fn payloads<'a>(value: &'a Json<'a>, depth: u8, opened: &mut Opened<'a>) {
    let Some(depth) = depth.checked_sub(1) else {
        return opened.unreadable(|| "the delivery is nested deeper than AWS nests".to_owned());
    };
    match value {
        // So many documents.
        Json::Array(elements) => elements.iter().for_each(|element| element_of_list(element, depth, opened)),
        Json::String(text) if looks_like_json(text) => opened.text(text, "the text", depth),
        Json::Object(_) => document(value, depth, opened),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => unreadable("the delivery", value, opened),
    }
}

fn element_of_list<'a>(element: &'a Json<'a>, depth: u8, opened: &mut Opened<'a>) {
    match element.get("Sns").or_else(|| element.get("s3")) {
        Some(_) => record_of_many(element, depth, opened),
        None => payloads(element, depth, opened),
    }
}

fn document<'a>(value: &'a Json<'a>, depth: u8, opened: &mut Opened<'a>) {
    let before = (opened.count(), opened.controls);
    // AWS never writes a document of more than one kind. If one arrives anyway, none of its records may be lost.
    if let Some(detail) = value.get("detail") {
        eventbridge(value, detail, opened);
    }
    if let Some(sweep) = value.get("sweep") {
        request(requests::sweep(sweep), Payload::SweepRequest, opened);
    }
    if let Some(end) = value.get("end") {
        request(requests::end(end), Payload::EndRequest, opened);
    }
    if let Some(data) = value.get("awslogs") {
        log_events(data, depth, opened);
    }
    match (text(value, "Type"), text(value, "Message")) {
        (Some("Notification"), Some(message)) => sns_message(message, depth, opened),
        (Some(kind @ ("SubscriptionConfirmation" | "UnsubscribeConfirmation")), Some(_)) => {
            opened.push(Payload::Control(format!("an SNS {kind}")));
        }
        _ => {}
    }
    if text(value, "Event") == Some("s3:TestEvent") {
        opened.push(Payload::Control("an S3 test event".to_owned()));
    }
    if let Some(keys) = value.get("s3ObjectKey") {
        notification(value, keys, opened);
    }
    // The output of `aws cloudtrail lookup-events` has the whole record as a text inside.
    let list = |key: &str| value.get(key).and_then(Json::as_array);
    let (events, records) = (list("Events"), list("Records"));
    events.into_iter().flatten().for_each(|event| payloads(event, depth, opened));
    if let Some(record) = text(value, "CloudTrailEvent") {
        opened.text(record, "the looked-up event's CloudTrailEvent", depth);
    }
    records.into_iter().flatten().for_each(|record| record_of_many(record, depth, opened));
    if ["eventSource", "eventName", "eventVersion"].iter().any(|key| value.get(key).is_some()) {
        opened.push(Payload::bare(value));
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
    let (found, controls) = (opened.count() - before.0, opened.controls - before.1);
    let is_known = found > 0 || fields().any(|(key, _)| is_opened(key));
    let is_silent = found == controls;
    let is_lost = |(key, other): (&str, &Json<'_>)| {
        let is_of_concern = is_silent || ["Events", "Records", "CloudTrailEvent"].contains(&key);
        is_of_concern && !is_opened(key) && !is_bare(key) && may_hold_records(other)
    };
    if !is_known || fields().any(is_lost) {
        unreadable("the delivery", value, opened);
    }
}

/// The first characters of gzip data in base64, as a CloudWatch Logs subscription writes it.
const ZIPPED: &str = "H4sI";

/// Whether a value may hold records. A text may, if it is JSON or gzip.
fn may_hold_records(value: &Json<'_>) -> bool {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
        Json::String(text) => looks_like_json(text) || text.starts_with(ZIPPED) || json::is_ambiguous(text),
        Json::Array(elements) => !elements.is_empty(),
        Json::Object(fields) => !fields.is_empty(),
    }
}

fn looks_like_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"'])
}

fn record_of_many<'a>(record: &'a Json<'a>, depth: u8, opened: &mut Opened<'a>) {
    if let Some(notification) = record.get("Sns") {
        return match text(notification, "Message") {
            Some(message) => sns_message(message, depth, opened),
            None => unreadable("the SNS notification", notification, opened),
        };
    }
    if let Some(object) = record.get("s3") {
        return object_notice(record, object, opened);
    }
    if record.get("eventName").is_some() || record.get("eventVersion").is_some() {
        return opened.push(Payload::bare(record));
    }
    unreadable("a record of the delivery", record, opened);
}

fn eventbridge<'a>(event: &Json<'_>, detail: &'a Json<'a>, opened: &mut Opened<'a>) {
    match text(event, "detail-type") {
        Some("AWS API Call via CloudTrail") => {
            let said = event.get("later_look").map(requests::later_look);
            let later_look = said.as_ref().and_then(|said| said.as_ref().ok()).copied();
            let envelope_origin = EnvelopeOrigin { account: owned(event, "account"), region: owned(event, "region") };
            // The record is judged, whatever stands beside it.
            opened.push(Payload::Record { record: Record::Of(detail), envelope_origin, later_look });
            if let Some(Err(why)) = said {
                opened.unreadable(|| why);
            }
        }
        Some("Object Created") if text(event, "source") == Some("aws.s3") => {
            let named = |what: &str, name: &str| detail.get(what).and_then(|it| owned(it, name));
            match (named("bucket", "name"), named("object", "key")) {
                (Some(bucket), Some(key)) => opened.push(log_file(bucket, key)),
                _ => unreadable("the EventBridge event", event, opened),
            }
        }
        Some(other) => {
            opened.push(Payload::Unrelated(format!("an EventBridge event of type `{}`", escaped(other))));
        }
        None => unreadable("the EventBridge event", event, opened),
    }
}

/// One record of an S3 notice. Its key is form-encoded: a space is `+`.
fn object_notice(record: &Json<'_>, s3: &Json<'_>, opened: &mut Opened<'_>) {
    let name = text(record, "eventName").unwrap_or_default();
    if !name.is_empty() && !name.starts_with("ObjectCreated:") {
        return opened.push(Payload::Control(format!("an S3 notice of {}", escaped(name))));
    }
    let bucket = s3.get("bucket").and_then(|bucket| owned(bucket, "name"));
    let key = s3.get("object").and_then(|object| text(object, "key")).map(|key| key.replace('+', " "));
    let key = key.as_deref().and_then(|key| percent_decode_str(key).decode_utf8().ok());
    match (bucket, key) {
        (Some(bucket), Some(key)) => opened.push(log_file(bucket, key.into_owned())),
        _ => unreadable("the S3 object notice", record, opened),
    }
}

/// CloudTrail's own notification: a bucket and the keys of new log files.
fn notification(value: &Json<'_>, keys: &Json<'_>, opened: &mut Opened<'_>) {
    let Some((bucket, keys)) = owned(value, "s3Bucket").zip(keys.as_array()) else {
        return unreadable("CloudTrail's notification", value, opened);
    };
    for key in keys {
        match key.as_str() {
            Some(key) => opened.push(log_file(bucket.clone(), key.to_owned())),
            None => unreadable("CloudTrail's notification", value, opened),
        }
    }
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

/// The data of one CloudWatch Logs delivery, unzipped, is always far smaller than this: what CloudWatch Logs sends at a time
/// has at most 1 MB.
const LARGEST_LOG_DATA: u64 = 8 << 20;

/// A CloudWatch Logs subscription of the log group that a trail writes to. Every message is a record, and most are of
/// other calls.
fn log_events(awslogs: &Json<'_>, depth: u8, opened: &mut Opened<'_>) {
    let unzipped = || {
        let zipped = BASE64_STANDARD.decode(text(awslogs, "data")?).ok()?;
        let mut plain = Vec::new();
        MultiGzDecoder::new(zipped.as_slice()).take(LARGEST_LOG_DATA).read_to_end(&mut plain).ok()?;
        Some(plain)
    };
    let plain = unzipped().unwrap_or_default();
    let Ok(json::Owned(data)) = serde_json::from_slice(&plain) else {
        let why = "expected JSON, zipped and in base64";
        return opened.unreadable(|| format!("awslogs.data is `{}`: {why}", escaped(&awslogs.to_string())));
    };
    if text(&data, "messageType") == Some("CONTROL_MESSAGE") {
        return opened.push(Payload::Control("a control message of CloudWatch Logs".to_owned()));
    }
    let Some(events) = data.get("logEvents").and_then(Json::as_array) else {
        return unreadable("awslogs.data", &data, opened);
    };
    for event in events {
        match text(event, "message") {
            Some(message) if !may_concern_us(message) => {}
            Some(message) => opened.text(message, "the log event's message", depth),
            None => unreadable("the log event", event, opened),
        }
    }
}

/// Whether the text of a record may name a relevant call. Escapes may hide the name.
fn may_concern_us(record: &str) -> bool {
    Call::NAMES.iter().any(|name| record.contains(name)) || record.contains("\\u00")
}

/// Adds a request to Portcullis itself.
fn request<'a, T>(read: Result<T, String>, payload: impl Fn(T) -> Payload<'a>, opened: &mut Opened<'a>) {
    match read {
        Ok(request) => opened.push(payload(request)),
        Err(why) => opened.unreadable(|| why),
    }
}

fn unreadable(place: &str, value: &Json<'_>, opened: &mut Opened<'_>) {
    let accepted = "expected an EventBridge event, an SQS or SNS message that holds one, or CloudTrail records";
    opened.unreadable(|| format!("{place} is `{}`: {accepted}", escaped(&value.to_string())));
}

#[cfg(test)]
mod tests;
