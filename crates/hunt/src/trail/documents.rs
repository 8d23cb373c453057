//! JSON that is no log file: single records, one a line, events of EventBridge, answers of LookupEvents; snapshots of
//! state, ours and those of the AWS CLI; messages of flow logs out of CloudWatch Logs.

use portcullis_domain::rule::Permission;
use serde_json::Value;

/// What a document holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// Records, each as its text.
    Records(Vec<String>),
    /// What a Describe call of EC2 answered.
    State(Value),
    /// What a sweep saw.
    Sweep(Sweep),
    /// Lines of a flow log.
    Flows(Vec<String>),
}

/// What a sweep saw of an account's Region, as it keeps it beside its evidence (`rules/v1/ACCOUNT/REGION.json.gz`): a line that
/// says when, and a line for each ingress rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// When EC2 was asked, in seconds since 1970.
    pub looked_at: i64,
    /// The group and the id of each rule, and what it admits.
    pub rules: Vec<(String, String, Permission)>,
    /// How many lines follow the first.
    count: u64,
}

impl Sweep {
    /// The first line, if this is one.
    fn begin(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        text("sha256").filter(|_| value.get("schema").and_then(Value::as_u64) == Some(1))?;
        let (account, region, looked_at) = (text("account")?, text("region")?, super::seconds(&text("looked_at")?)?);
        Some(Self { account, region, looked_at, rules: Vec::new(), count: value.get("rules")?.as_u64()? })
    }

    fn is_whole(&self) -> bool {
        self.rules.len() as u64 == self.count
    }

    /// Takes a rule's line, if this is one.
    fn take(&mut self, value: &Value) -> bool {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        match (text("group"), text("id"), serde_json::from_value::<Permission>(value.clone())) {
            (Some(group), Some(id), Ok(permission)) if !self.is_whole() => {
                self.rules.push((group, id, permission));
                true
            }
            _ => false,
        }
    }
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
        let value = match (value, found.last_mut()) {
            (Ok(value), Some(Ok(Document::Sweep(sweep)))) => match sweep.take(&value) {
                true => return,
                false => Ok(value),
            },
            (value, _) => value,
        };
        found.push(value.and_then(document));
    });
    let cut: Vec<_> = found.iter().filter_map(|one| one.as_ref().ok()).filter_map(Document::why_cut).collect();
    found.extend(cut.into_iter().map(Err));
    found
}

impl Document {
    fn why_cut(&self) -> Option<String> {
        let Self::Sweep(sweep) = self else { return None };
        let (there, count) = (sweep.rules.len(), sweep.count);
        (!sweep.is_whole()).then(|| format!("what a sweep saw ends early: {there} of {count} rules"))
    }
}

fn document(value: Value) -> Result<Document, String> {
    if let Some(sweep) = Sweep::begin(&value) {
        return Ok(Document::Sweep(sweep));
    }
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
