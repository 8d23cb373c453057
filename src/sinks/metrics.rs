//! The metrics: one line on standard output for each delivery.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_domain::finding::{Finding, MemoryState, Outcome, Verdict};
use serde_json::{Value, json};

/// The namespace of the metrics.
pub const NAMESPACE: &str = "Portcullis";

/// The counts of the findings of one delivery.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    exposures: usize,
    reverted: usize,
    would_revert: usize,
    failed: usize,
    undecided: usize,
    swept: usize,
    sweep_open: usize,
    openings_ended: usize,
    evidence_failed: usize,
    memory_unavailable: usize,
    /// From the call to the confirmed revoke, in milliseconds; CloudTrail gives whole seconds.
    times: Vec<i64>,
}

/// What went wrong beside the findings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trouble {
    /// Findings that could not be published.
    pub publish_failures: usize,
    /// Groups whose memory could not be settled.
    pub unsettled: usize,
    /// The policy cannot be read any more, and the one of before held.
    pub policy_stale: usize,
}

impl Trouble {
    /// Takes in more.
    pub fn add(&mut self, more: Self) {
        self.publish_failures += more.publish_failures;
        self.unsettled += more.unsettled;
        self.policy_stale += more.policy_stale;
    }
}

/// A metric's value may be an array of at most 100 numbers (CloudWatch User Guide, embedded metric format).
const MOST_TIMES: usize = 100;

impl Counts {
    /// Counts a finding. A sweep's summary is not counted: its findings were.
    pub fn note(&mut self, finding: &Finding, now: Timestamp) {
        if finding.sweep.is_some() {
            return;
        }
        // What an end takes was lawful until then.
        let ended = finding.is_of_end() && finding.outcome == Outcome::Reverted;
        let reverted = finding.outcome == Outcome::Reverted && !ended;
        self.openings_ended += usize::from(ended);
        self.exposures += usize::from(finding.verdict == Verdict::Exposed);
        self.reverted += usize::from(reverted);
        self.would_revert += usize::from(finding.outcome == Outcome::WouldRevert);
        self.failed += usize::from(finding.outcome == Outcome::Failed && finding.verdict != Verdict::Undecided);
        self.undecided += usize::from(finding.doubtful);
        self.sweep_open += usize::from(finding.call.as_deref() == Some("Sweep") && finding.is_open());
        self.evidence_failed += usize::from(finding.is_without_evidence);
        self.memory_unavailable += usize::from(finding.memory == Some(MemoryState::Unavailable));
        // It is not known how long a port was open that a sweep closed: the finding's time is the sweep's own.
        let of_call = finding.call.as_deref() != Some("Sweep");
        let took = |time| finding.done_at.unwrap_or(now).duration_since(time).as_millis().max(0);
        if let Some(time) = finding.time.filter(|_| reverted && of_call && self.times.len() < MOST_TIMES) {
            self.times.extend(i64::try_from(took(time)));
        }
    }

    /// Counts places that a sweep has looked at in full, whatever it found. An alarm hears their silence.
    pub fn note_swept(&mut self, places: usize) {
        self.swept += places;
    }
}

/// Metrics in CloudWatch's embedded metric format, one line. There is no line where all counts are zero, so that harmless
/// events cost no ingestion. There are no dimensions: each combination would be charged as a metric of its own, and the
/// findings name accounts and Regions.
#[must_use]
pub fn line(counts: &Counts, trouble: Trouble, now: Timestamp) -> Option<String> {
    let mut values: BTreeMap<&str, Value> = [
        ("Exposures", counts.exposures),
        ("Reverted", counts.reverted),
        ("WouldRevert", counts.would_revert),
        ("Failed", counts.failed),
        ("Undecided", counts.undecided),
        ("Swept", counts.swept),
        ("SweepOpen", counts.sweep_open),
        ("OpeningsEnded", counts.openings_ended),
        ("EvidenceFailed", counts.evidence_failed),
        ("PublishFailed", trouble.publish_failures),
        ("MemoryUnavailable", counts.memory_unavailable + trouble.unsettled),
        ("PolicyStale", trouble.policy_stale),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(name, count)| (name, json!(count)))
    .collect();
    if !counts.times.is_empty() {
        values.insert("ExposureMillis", json!(counts.times));
    }
    written(values, now)
}

/// How many findings Security Hub does not have, as a line of their own; none where it has them all.
#[must_use]
pub fn of_security_hub(not_enabled: usize, failed: usize, now: Timestamp) -> Option<String> {
    let counts = [("SecurityHubNotEnabled", not_enabled), ("SecurityHubFailed", failed)];
    let values = counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name, json!(count)));
    written(values.collect(), now)
}

fn written(values: BTreeMap<&str, Value>, now: Timestamp) -> Option<String> {
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
