//! JSON that is no log file: single records, one a line, events of EventBridge, answers of LookupEvents; snapshots of
//! state; messages of flow logs out of CloudWatch Logs.

use serde_json::Value;

/// What a document holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// Records, each as its text.
    Records(Vec<String>),
    /// What a Describe call of EC2 answered.
    State(Value),
    /// Lines of a flow log.
    Flows(Vec<String>),
}

/// The answers of EC2 that are snapshots of state.
const STATES: [&str; 5] = ["SecurityGroupRules", "SecurityGroups", "NetworkInterfaces", "Reservations", "PrefixLists"];

/// Whether a snapshot holds the entries of a prefix list, and so does not say of which.
#[must_use]
pub(super) fn is_entries(value: &Value) -> bool {
    let entries = value.get("Entries").and_then(Value::as_array);
    entries.is_some_and(|entries| entries.iter().all(|entry| entry.get("Cidr").is_some_and(Value::is_string)))
}

/// The documents in a text. What is none does not stop the others.
#[must_use]
pub fn documents(text: &[u8]) -> Vec<Result<Document, String>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut found = Vec::new();
    portcullis_delivery::documents::each(text, |one| {
        let value = one.value.map_err(|broken| format!("no JSON: {broken}"));
        let value = value.and_then(|json| serde_json::to_value(json).map_err(|error| error.to_string()));
        found.push(value.and_then(document));
    });
    found
}

fn document(value: Value) -> Result<Document, String> {
    if STATES.iter().any(|key| value.get(key).is_some_and(Value::is_array)) || is_entries(&value) {
        return Ok(Document::State(value));
    }
    let messages = value.get("logEvents").or_else(|| value.get("events")).and_then(Value::as_array);
    if let Some(messages) = messages {
        let messages: Vec<&str> = messages.iter().filter_map(|event| event.get("message")?.as_str()).collect();
        // A trail may write to CloudWatch Logs as well: then each message is a record.
        if messages.iter().any(|message| message.trim_start().starts_with('{')) {
            let parsed = messages.iter().filter_map(|message| serde_json::from_str(message).ok());
            let mut records = Vec::new();
            parsed.for_each(|value| collect(value, &mut records));
            return Ok(Document::Records(records));
        }
        return Ok(Document::Flows(messages.into_iter().map(str::to_owned).collect()));
    }
    let mut records = Vec::new();
    collect(value, &mut records);
    if records.is_empty() {
        return Err("it is JSON with no record of CloudTrail, flow log or snapshot of state in it".to_owned());
    }
    Ok(Document::Records(records))
}

fn collect(value: Value, records: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.into_iter().for_each(|value| collect(value, records)),
        Value::Object(mut fields) => {
            if fields.contains_key("eventName") || fields.contains_key("eventSource") {
                records.push(Value::Object(fields).to_string());
            } else if let Some(detail) = fields.remove("detail") {
                collect(detail, records);
            } else if let Some(list) = fields.remove("Records").or_else(|| fields.remove("Events")) {
                collect(list, records);
            } else if let Some(Value::String(text)) = fields.remove("CloudTrailEvent") {
                records.extend(serde_json::from_str::<Value>(&text).map(|value| value.to_string()));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
