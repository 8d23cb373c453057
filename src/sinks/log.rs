//! The log: one line on standard output for each finding.

use portcullis_domain::finding::Finding;
use serde_json::json;

/// A finding as its log line: one JSON object without line breaks.
#[must_use]
pub fn line(finding: &Finding) -> String {
    serde_json::to_string(finding).unwrap_or_else(|error| json!({"schema": 1, "error": error.to_string()}).to_string())
}
