//! Checks that a delivery is opened completely, and reads each of its records.

use std::collections::BTreeSet;
use std::io::Read;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::MultiGzDecoder;
use portcullis_delivery::documents;
use portcullis_delivery::envelope::{self, Kind, Payload};
use portcullis_domain::cloudtrail::{EnvelopeOrigin, Reading, read};
use portcullis_domain::json::{self, Json};
use portcullis_domain::judge::harmless;
use portcullis_domain::policy::Policy;

use crate::is_clear;

/// Opens a delivery and reads its records.
///
/// - Every SQS message is one item, in order and with its id; anything else is one item.
/// - If a relevant change is in the delivery at any depth, there is a payload.
/// - A payload's record is in the delivery exactly as it is: nothing in it was skipped, and no duplicate key was
///   missed.
/// - The result is the same every time.
///
/// Returns `no json`, the kind of the first payload (`record`, `log file`, `sweep`, `end`, `unrelated`, `control`,
/// `unreadable`), or `empty` if there is no payload.
pub fn delivery(bytes: &[u8]) -> &'static str {
    let payload = match json::parse(bytes) {
        Ok(payload) => payload,
        Err(error) => {
            is_clear(&error.to_string(), 200);
            return "no json";
        }
    };
    let opened = envelope::open(&payload);
    assert_eq!(opened, envelope::open(&payload), "the same delivery, opened twice");

    let everything: &[Json<'_>] = std::slice::from_ref(&payload);
    let messages = match (opened.kind, payload.get("Records").unwrap_or(&payload).as_array()) {
        (Kind::ByItem, Some(messages)) => messages,
        (Kind::ByItem, None) => panic!("answered by item, and there are no Records"),
        (Kind::Whole, Some(records)) => {
            let sqs = |record: &Json<'_>| record.get("eventSource").and_then(Json::as_str) == Some("aws:sqs");
            assert!(records.is_empty() || !records.iter().all(sqs), "SQS messages, answered as a whole");
            everything
        }
        (Kind::Whole, None) => everything,
    };
    assert_eq!(opened.items.len(), messages.len(), "an item for each message");
    for (item, message) in opened.items.iter().zip(messages) {
        let id = match opened.kind {
            Kind::ByItem => message.get("messageId").and_then(Json::as_str).unwrap_or_default(),
            Kind::Whole => "",
        };
        assert_eq!(item.id, id, "each message's own id");
        let mut found = Found::default();
        found.look(message, 6);
        assert!(!found.change || !item.payloads.is_empty(), "a relevant change, and no payload");
        for payload in &item.payloads {
            if let Payload::Record { record, .. } = payload {
                let record = record.to_string();
                assert!(found.objects.contains(&record), "a record that is not in the delivery: {record}");
            }
            check(payload);
        }
    }
    match opened.items.iter().flat_map(|item| &item.payloads).next() {
        None => "empty",
        Some(Payload::Record { .. }) => "record",
        Some(Payload::Unrelated(_)) => "unrelated",
        Some(Payload::Control(_)) => "control",
        Some(Payload::LogFile(_)) => "log file",
        Some(Payload::SweepRequest(_)) => "sweep",
        Some(Payload::EndRequest(_)) => "end",
        Some(Payload::Unreadable(_)) => "unreadable",
    }
}

fn check(payload: &Payload<'_>) {
    match payload {
        Payload::Record { record, envelope_origin, later_look: _ } => {
            let reading = read(record, envelope_origin);
            assert_eq!(reading, read(&record.clone(), &envelope_origin.clone()), "the same record, read twice");
            match reading {
                Reading::Change(change) => _ = harmless(&change, &Policy::built_in()),
                Reading::Irrelevant { why, .. } | Reading::Undecided { why, .. } => is_clear(&why, 1200),
            }
        }
        Payload::LogFile(file) => assert!(file.key.ends_with(".json.gz") || file.key.ends_with(".json"), "{file:?}"),
        Payload::SweepRequest(_) | Payload::EndRequest(_) => {}
        Payload::Unrelated(why) | Payload::Control(why) | Payload::Unreadable(why) => is_clear(why, 1200),
    }
}

/// Everything in a delivery at any depth, including texts that are JSON.
#[derive(Default)]
struct Found {
    /// Every value in its canonical spelling.
    objects: BTreeSet<String>,
    /// Whether one of them is a relevant change.
    change: bool,
}

impl Found {
    fn look(&mut self, value: &Json<'_>, depth: u8) {
        self.objects.insert(value.to_string());
        match value {
            Json::Object(fields) => {
                self.change |= matches!(read(value, &EnvelopeOrigin::default()), Reading::Change(_));
                fields.iter().for_each(|(_, field)| self.look(field, depth));
            }
            Json::Array(elements) => elements.iter().for_each(|element| self.look(element, depth)),
            Json::String(text) => {
                let Some(depth) = depth.checked_sub(1) else { return };
                let mut is_json = false;
                documents::each(&documents::utf8(text.as_bytes()), |document| {
                    if let Ok(inner) = document.value {
                        is_json = true;
                        self.look(&inner, depth);
                    }
                });
                if !is_json
                    && let Some(plain) = unzipped(text)
                    && let Ok(inner) = json::parse(&plain)
                {
                    self.look(&inner, depth);
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }
}

/// The unzipped content of a CloudWatch Logs subscription, which is gzip in base64.
fn unzipped(text: &str) -> Option<Vec<u8>> {
    let zipped = BASE64_STANDARD.decode(text).ok()?;
    let mut plain = Vec::new();
    MultiGzDecoder::new(zipped.as_slice()).take(8 << 20).read_to_end(&mut plain).ok()?;
    Some(plain)
}
