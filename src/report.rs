//! Telling: the log line, the metrics, the message.

mod message;

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_domain::finding::{Finding, Outcome, Verdict};
use serde_json::{Value, json};

pub use message::Message;

/// A finding as its log line: one JSON object without line breaks.
#[must_use]
pub fn line(finding: &Finding) -> String {
    serde_json::to_string(finding).unwrap_or_else(|error| json!({"schema": 1, "error": error.to_string()}).to_string())
}

/// The namespace of the metrics.
pub const NAMESPACE: &str = "Portcullis";

/// The metrics of one invocation in CloudWatch's embedded metric format, one line; nothing where there is nothing to
/// count, so that harmless events cost no ingestion. No dimensions: each combination would be a metric of its own to pay
/// for, and accounts and Regions stand in the findings.
#[must_use]
pub fn metrics(findings: &[Finding], publish_failures: usize, now: Timestamp) -> Option<String> {
    let count = |is: &dyn Fn(&Finding) -> bool| findings.iter().filter(|finding| is(finding)).count();
    let reverted = |finding: &Finding| finding.outcome == Outcome::Reverted;
    let mut values: BTreeMap<&str, Value> = [
        ("Exposures", count(&|f| f.verdict == Verdict::Exposed)),
        ("Reverted", count(&reverted)),
        ("WouldRevert", count(&|f| f.outcome == Outcome::WouldRevert)),
        ("Failed", count(&|f| f.outcome == Outcome::Failed && f.verdict != Verdict::Undecided)),
        ("Undecided", count(&|f| f.doubtful)),
        ("PublishFailed", publish_failures),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(name, count)| (name, json!(count)))
    .collect();
    // From the call to the confirmed revoke; CloudTrail gives whole seconds.
    let took = |f: &Finding| Some(f.done_at.unwrap_or(now).duration_since(f.time?).as_millis().max(0));
    let times: Vec<i128> = findings.iter().filter(|f| reverted(f)).filter_map(took).collect();
    if !times.is_empty() {
        // EMF: a metric's value may be an array, of at most 100.
        values.insert("ExposureMillis", json!(times.iter().take(100).map(|t| *t as i64).collect::<Vec<_>>()));
    }
    if values.is_empty() {
        return None;
    }
    let unit = |name: &str| if name == "ExposureMillis" { "Milliseconds" } else { "Count" };
    let metrics: Vec<Value> = values.keys().map(|name| json!({"Name": name, "Unit": unit(name)})).collect();
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": metrics});
    let mut line = json!({"_aws": {"Timestamp": now.as_millisecond(), "CloudWatchMetrics": [directive]}});
    if let Some(root) = line.as_object_mut() {
        root.extend(values.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    Some(line.to_string())
}

#[cfg(test)]
mod tests;
