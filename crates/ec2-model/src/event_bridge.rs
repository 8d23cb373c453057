//! Amazon EventBridge: PutEvents, to any bus.

use serde_json::{Value, json};

use crate::{ApiError, FaultKind, state::State};

/// One event that a bus took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusEvent {
    /// The bus, as the caller named it.
    pub bus: String,
    /// `Source`.
    pub source: String,
    /// `DetailType`.
    pub detail_type: String,
    /// `Detail`: JSON.
    pub detail: Value,
    /// `Resources`.
    pub resources: Vec<String>,
}

pub(crate) fn run(state: &mut State, action: &str, body: &[u8]) -> Result<Value, ApiError> {
    let invalid = |message: &str| ApiError::new("ValidationException", message);
    if action != "PutEvents" {
        return Err(ApiError::new("UnknownOperationException", format!("The action {action} is not known.")));
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| invalid("the body is no JSON"))?;
    let entries = body.get("Entries").and_then(Value::as_array).ok_or_else(|| invalid("Entries is missing"))?;
    // PutEvents: "Array Members: Minimum number of 1 item. Maximum number of 10 items."
    if !(1..=10).contains(&entries.len()) {
        return Err(invalid("Entries must have 1 to 10 members"));
    }
    // "Total size of the entries in the request is over the limit."
    if entries.iter().map(size).sum::<usize>() > 256 << 10 {
        return Err(invalid("Total size of the entries in the request is over the limit."));
    }
    let mut failed = 0;
    let mut result = |entry: &Value| match take(state, entry) {
        Ok(event) => {
            state.bus_events.push(event);
            json!({"EventId": state.core.ids.uuid()})
        }
        Err((code, message)) => {
            failed += 1;
            json!({"ErrorCode": code, "ErrorMessage": message})
        }
    };
    let results: Vec<Value> = entries.iter().map(&mut result).collect();
    Ok(json!({"FailedEntryCount": failed, "Entries": results}))
}

fn text(entry: &Value, key: &str) -> String {
    entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn resources(entry: &Value) -> Vec<String> {
    let listed = entry.get("Resources").and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(|arn| Some(arn.as_str()?.to_owned())).collect()
}

/// EventBridge User Guide, "Calculating PutEvents event entry size".
fn size(entry: &Value) -> usize {
    let texts = ["Source", "DetailType", "Detail"].iter().map(|key| text(entry, key).len()).sum::<usize>();
    texts + resources(entry).iter().map(String::len).sum::<usize>()
}

/// The event of an entry, or why it is not taken.
fn take(state: &mut State, entry: &Value) -> Result<BusEvent, (&'static str, &'static str)> {
    match state.faults.hit_named("PutEventsEntry") {
        Some(FaultKind::Throttle) => return Err(("ThrottlingException", "Rate exceeded")),
        Some(_) => return Err(("InternalFailure", "Unexpected exception.")),
        None => {}
    }
    let (source, detail_type) = (text(entry, "Source"), text(entry, "DetailType"));
    if source.is_empty() || detail_type.is_empty() {
        return Err(("InvalidArgument", "Parameter Source or DetailType is not valid."));
    }
    let malformed = ("MalformedDetail", "Detail is malformed.");
    let detail: Value = serde_json::from_str(&text(entry, "Detail")).map_err(|_| malformed)?;
    if !detail.is_object() {
        return Err(malformed);
    }
    let bus = Some(text(entry, "EventBusName")).filter(|bus| !bus.is_empty());
    let bus = bus.unwrap_or_else(|| "default".to_owned());
    Ok(BusEvent { bus, source, detail_type, detail, resources: resources(entry) })
}
