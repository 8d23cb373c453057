//! What arrives → the records in it, each with the item that must be tried again if it fails.
//!
//! AWS nests: an SQS message may hold an SNS notification that holds an EventBridge event that holds a record. One
//! letter that cannot be opened never stops the others.

use portcullis_domain::ids::shown;
use portcullis_domain::trail::Postmark;
use serde_json::Value;

/// A delivery, opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// How the answer is given.
    pub kind: Kind,
    /// What was in it.
    pub items: Vec<Item>,
}

/// How a delivery is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As a whole: findings, or an error.
    Whole,
    /// By item: the SQS message ids that failed.
    ByItem,
}

/// What is tried again as one: an SQS message, or the whole delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The SQS message's id; empty for a delivery that is answered as a whole.
    pub id: String,
    /// What it held.
    pub letters: Vec<Letter>,
}

/// One thing out of an envelope.
#[derive(Debug, Clone, PartialEq)]
pub enum Letter {
    /// A CloudTrail record, unread.
    Record {
        /// The record.
        record: Value,
        /// What the envelope says of it.
        postmark: Postmark,
    },
    /// A message that is known to be none of ours.
    Ignored(String),
    /// What could not be opened: the place, the value, and what is accepted.
    Unreadable(String),
}

/// AWS nests three deep; what goes deeper is no delivery.
const DEEPEST: u8 = 6;

/// Opens a delivery.
#[must_use]
pub fn open(payload: &Value) -> Delivery {
    match sqs_messages(payload) {
        Some(messages) => Delivery { kind: Kind::ByItem, items: messages.iter().map(sqs_item).collect() },
        None => {
            let item = Item { id: String::new(), letters: letters(payload, DEEPEST) };
            Delivery { kind: Kind::Whole, items: vec![item] }
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn owned(value: &Value, key: &str) -> Option<String> {
    text(value, key).map(str::to_owned)
}

fn sqs_messages(payload: &Value) -> Option<&Vec<Value>> {
    let records = payload.get("Records")?.as_array()?;
    let is_sqs = |record: &Value| text(record, "eventSource") == Some("aws:sqs");
    records.first().is_some_and(is_sqs).then_some(records)
}

fn sqs_item(message: &Value) -> Item {
    let letters = match message.get("body") {
        Some(Value::String(body)) => parse(body, "the SQS message's body", DEEPEST),
        Some(other) => vec![unreadable("the SQS message's body", other)],
        None => vec![Letter::Unreadable("the SQS message has no body".to_owned())],
    };
    Item { id: owned(message, "messageId").unwrap_or_default(), letters }
}

fn parse(json: &str, place: &str, depth: u8) -> Vec<Letter> {
    match portcullis_domain::json::parse(json.as_bytes()) {
        Ok(value) => letters(&value, depth),
        Err(error) => {
            vec![Letter::Unreadable(format!("{place} is no JSON: {error}: `{}`", shown(json)))]
        }
    }
}

fn letters(value: &Value, depth: u8) -> Vec<Letter> {
    let Some(depth) = depth.checked_sub(1) else {
        return vec![Letter::Unreadable("the delivery is nested deeper than AWS nests".to_owned())];
    };
    // A document of more than one kind is none that AWS writes; nothing that is in it may get lost.
    let mut found = Vec::new();
    if let Some(detail) = value.get("detail") {
        found.push(eventbridge(value, detail));
    }
    if let Some(message) = text(value, "Message").filter(|_| text(value, "Type") == Some("Notification")) {
        found.extend(parse(message, "the SNS notification's Message", depth));
    }
    // What `aws cloudtrail lookup-events` prints: the whole record as a text inside.
    let events = value.get("Events").and_then(Value::as_array);
    found.extend(events.into_iter().flatten().flat_map(|event| letters(event, depth)));
    if let Some(record) = text(value, "CloudTrailEvent") {
        found.extend(parse(record, "the looked-up event's CloudTrailEvent", depth));
    }
    let records = value.get("Records").and_then(Value::as_array);
    found.extend(records.into_iter().flatten().flat_map(|record| record_of_many(record, depth)));
    if ["eventSource", "eventName", "eventVersion"].iter().any(|key| value.get(key).is_some()) {
        found.push(Letter::Record { record: value.clone(), postmark: Postmark::default() });
    }
    if found.is_empty() && events.is_none() && records.is_none() {
        found.push(unreadable("the delivery", value));
    }
    found
}

fn record_of_many(record: &Value, depth: u8) -> Vec<Letter> {
    if let Some(notification) = record.get("Sns") {
        return match text(notification, "Message") {
            Some(message) => parse(message, "the SNS notification's Message", depth),
            None => vec![unreadable("the SNS notification", notification)],
        };
    }
    if let Some(object) = record.get("s3") {
        let what = "an S3 object notice: this version does not read log files from S3";
        return vec![Letter::Unreadable(format!("{what}: `{}`", shown(&object.to_string())))];
    }
    if record.get("eventName").is_some() || record.get("eventVersion").is_some() {
        return vec![Letter::Record { record: record.clone(), postmark: Postmark::default() }];
    }
    vec![unreadable("a record of the delivery", record)]
}

fn eventbridge(event: &Value, detail: &Value) -> Letter {
    match text(event, "detail-type") {
        Some("AWS API Call via CloudTrail") => Letter::Record {
            record: detail.clone(),
            postmark: Postmark { account: owned(event, "account"), region: owned(event, "region") },
        },
        Some(other) => Letter::Ignored(format!("an EventBridge event of type `{}`", shown(other))),
        None => unreadable("the EventBridge event", event),
    }
}

fn unreadable(place: &str, value: &Value) -> Letter {
    let accepted = "expected an EventBridge event, an SQS or SNS message that holds one, or CloudTrail records";
    Letter::Unreadable(format!("{place} is `{}`: {accepted}", shown(&value.to_string())))
}

#[cfg(test)]
mod tests;
