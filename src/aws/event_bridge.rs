//! EventBridge: events into a bus.
//!
//! Source: EventBridge API Reference, PutEvents, and User Guide, "Calculating PutEvents event entry size": at most ten entries
//! and 256 KB a call. An entry may fail where the others of its call do not.

use std::time::Duration;

use portcullis_domain::arn::Arn;
use portcullis_domain::ids::Region;
use portcullis_domain::text::escaped;
use serde_json::{Value, json};

use super::json_call::{JsonCall, Protocol, Signer};
use super::{Aws, AwsError, Code, Effect};

const PUT: JsonCall = JsonCall {
    service: "EventBridge",
    name: "events",
    operation: "PutEvents",
    protocol: Protocol::Json11("AWSEvents.PutEvents"),
};

/// The source of all our events.
pub const EVENT_SOURCE: &str = "portcullis";

/// One call takes at most this many entries, and this many bytes.
const MOST_ENTRIES: usize = 10;
const MOST_BYTES: usize = 256 << 10;

/// How often an entry is sent that EventBridge alone of its call did not take. A whole call is tried again by the SDK.
const MOST_ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// An event for a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusEvent {
    /// What kind of event it is.
    pub detail_type: String,
    /// The JSON that it carries.
    pub detail: String,
    /// The ARNs of what it is about.
    pub resources: Vec<String>,
}

impl BusEvent {
    fn entry(&self, bus: &str) -> Value {
        let Self { detail_type, detail, resources } = self;
        json!({
            "EventBusName": bus,
            "Source": EVENT_SOURCE,
            "DetailType": detail_type,
            "Detail": detail,
            "Resources": resources,
        })
    }

    fn size(&self) -> usize {
        let resources: usize = self.resources.iter().map(String::len).sum();
        EVENT_SOURCE.len() + self.detail_type.len() + self.detail.len() + resources
    }
}

impl Aws {
    /// Puts events onto a bus, which a name or an ARN names. Each that the bus did not take comes back as an error.
    pub async fn put_events(&self, bus: &str, events: &[BusEvent]) -> Vec<AwsError> {
        let mut refused = Vec::new();
        for batch in batches(events) {
            refused.extend(self.put_batch(bus, batch).await);
        }
        refused
    }

    async fn put_batch(&self, bus: &str, batch: &[BusEvent]) -> Vec<AwsError> {
        let mut left: Vec<Value> = batch.iter().map(|event| event.entry(bus)).collect();
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let answer = match self.put_once(bus, &left).await {
                Ok(answer) => answer,
                Err(error) => return vec![error; left.len()],
            };
            let refused = refusals(&answer, left);
            let is_hopeless = |(_, error): &(Value, AwsError)| error.effect == Effect::Refused;
            if refused.is_empty() || attempt == MOST_ATTEMPTS || refused.iter().all(is_hopeless) {
                return refused.into_iter().map(|(_, error)| error).collect();
            }
            left = refused.into_iter().map(|(entry, _)| entry).collect();
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Vec::new()
    }

    async fn put_once(&self, bus: &str, entries: &[Value]) -> Result<Value, AwsError> {
        // The bus may be in another Region than the function.
        let region = match Arn::parse(bus) {
            Some(bus) => {
                Region::parse(bus.region).map_err(|error| AwsError::not_sent(PUT.operation, error.to_string()))?
            }
            None => self.region(PUT.operation)?,
        };
        let signer = Signer::of(&self.base, PUT.operation)?;
        PUT.send(&self.base, signer, &region, &json!({ "Entries": entries })).await
    }
}

/// The events in batches that one call takes.
fn batches(events: &[BusEvent]) -> Vec<&[BusEvent]> {
    let (mut batches, mut rest) = (Vec::new(), events);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |event: &&BusEvent| {
            bytes += event.size();
            bytes <= MOST_BYTES
        };
        // One that is too large by itself goes alone, and comes back with EventBridge's own error.
        let count = rest.iter().take(MOST_ENTRIES).take_while(fits).count().max(1);
        let (batch, others) = rest.split_at(count);
        batches.push(batch);
        rest = others;
    }
    batches
}

/// The entries that an answer does not say were taken, each with the reason. The answer has one result for each entry, in
/// their order.
fn refusals(answer: &Value, entries: Vec<Value>) -> Vec<(Value, AwsError)> {
    let results = answer.get("Entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let entries = entries.into_iter().enumerate();
    let refused = entries.filter(|(n, _)| results.get(*n).is_none_or(|result| result.get("EventId").is_none()));
    let with_reason = |(n, entry): (usize, Value)| {
        let text = |key: &str| results.get(n).and_then(|result| result.get(key)).and_then(Value::as_str);
        let code = text("ErrorCode").map_or(Code::NotListed, |code| Code::Aws(code.to_owned()));
        let is_passing = matches!(code.as_str(), "ThrottlingException" | "InternalFailure" | "InternalException");
        let effect = if is_passing { Effect::NotYet } else { Effect::Refused };
        let message = escaped(text("ErrorMessage").unwrap_or("no message"));
        (entry, AwsError { call: PUT.operation, code, message, effect })
    };
    refused.map(with_reason).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(bytes: usize) -> BusEvent {
        BusEvent { detail_type: "x".to_owned(), detail: "d".repeat(bytes), resources: Vec::new() }
    }

    #[test]
    fn a_call_takes_ten_entries_and_256_kb() {
        let sizes = |events: &[BusEvent]| batches(events).iter().map(|batch| batch.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&vec![event(1); 25]), [10, 10, 5]);
        assert_eq!(sizes(&vec![event(100_000); 5]), [2, 2, 1]);
        assert_eq!(sizes(&[event(300_000), event(1)]), [1, 1], "what is too large goes alone");
        assert_eq!(sizes(&[]), [0; 0]);
        let exact = event(MOST_BYTES - EVENT_SOURCE.len() - 1);
        assert_eq!(sizes(&[exact.clone(), event(0)]), [1, 1]);
        assert_eq!(batches(&[exact]).len(), 1);
    }

    #[test]
    fn an_entry_that_the_answer_does_not_name_was_not_taken() {
        let entries = || vec![json!(1), json!(2), json!(3)];
        let answer =
            json!({"FailedEntryCount": 1, "Entries": [{"EventId": "a"}, {"ErrorCode": "ThrottlingException"}]});
        let refused = refusals(&answer, entries());
        let told: Vec<_> =
            refused.iter().map(|(entry, error)| (entry.clone(), error.code.as_str(), error.effect)).collect();
        assert_eq!(told, [(json!(2), "ThrottlingException", Effect::NotYet), (json!(3), "NotListed", Effect::Refused)]);
        assert_eq!(refusals(&json!({}), entries()).len(), 3);
    }
}
