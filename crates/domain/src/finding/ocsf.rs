//! A finding as an OCSF Detection Finding (class 2004), for security data lakes and SIEMs.
//!
//! Source: schema.ocsf.io, version 1.8.0, class `detection_finding` with the profile `cloud`. All times are **milliseconds**
//! since 1970. Everything that the class has no place for is in `unmapped`, which holds the whole finding.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Finding, Outcome, Verdict};
use crate::text::for_people;

/// The version of the schema that the events follow.
pub const SCHEMA_VERSION: &str = "1.8.0";

/// Detection Finding, in the category Findings.
const CLASS: u32 = 2004;

/// An id of the schema and its caption.
type Word = (u32, &'static str);

/// The event of a finding. There is none where nothing was detected: of what is safe or irrelevant, and of a sweep's
/// summary, whose groups have events of their own. `now` is the time where the finding has none.
#[must_use]
pub fn of(finding: &Finding, now: Timestamp) -> Option<Value> {
    let has_detected = !matches!(finding.verdict, Verdict::Safe | Verdict::Irrelevant) || finding.doubtful;
    if !has_detected || finding.sweep.is_some() {
        return None;
    }
    let (activity, status) = activity_and_status(finding);
    let severity = severity(finding);
    let time = finding.time.unwrap_or(now).as_millisecond();
    let mut event = json!({
        "activity_id": activity.0,
        "activity_name": activity.1,
        "category_uid": CLASS / 1000,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + activity.0,
        "type_name": format!("Detection Finding: {}", activity.1),
        "severity_id": severity.0,
        "severity": severity.1,
        "status_id": status.0,
        "status": status.1,
        "time": time,
        "message": for_people(&finding.reason),
        "is_alert": finding.is_open(),
        "metadata": {
            "version": SCHEMA_VERSION,
            "profiles": ["cloud"],
            "product": {"name": "Portcullis", "vendor_name": "Portcullis", "version": env!("CARGO_PKG_VERSION")},
        },
        "finding_info": info(finding, time),
        "cloud": cloud(finding),
        "unmapped": {"portcullis": finding},
    });
    for (key, value) in [("resources", resources(finding)), ("evidences", evidences(finding))] {
        if let Some(value) = value {
            event[key] = value;
        }
    }
    if let Some(operation) = said(&finding.call) {
        event["api"] = json!({"operation": operation, "service": {"name": "ec2.amazonaws.com"}});
    }
    if let (Some(start), Some(seconds)) = (finding.time, finding.open_seconds) {
        let millis = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
        event["start_time"] = start.as_millisecond().into();
        event["end_time"] = start.as_millisecond().saturating_add(millis).into();
        event["duration"] = millis.into();
    }
    Some(event)
}

/// What happened to the finding, and what state it is in.
fn activity_and_status(finding: &Finding) -> (Word, Word) {
    let (create, close): (Word, Word) = ((1, "Create"), (3, "Close"));
    match finding.verdict {
        Verdict::Exempt => (create, (3, "Suppressed")),
        Verdict::Exposed if !finding.is_open() => (close, (4, "Resolved")),
        Verdict::Exposed | Verdict::Undecided | Verdict::Safe | Verdict::Irrelevant => (create, (1, "New")),
    }
}

fn severity(finding: &Finding) -> Word {
    let needs_somebody = finding.outcome == Outcome::Failed || finding.fight.is_some();
    match finding.verdict {
        Verdict::Exposed if needs_somebody => (5, "Critical"),
        Verdict::Exposed => (4, "High"),
        Verdict::Exempt => (1, "Informational"),
        // Nobody can tell how bad it is.
        Verdict::Undecided | Verdict::Safe | Verdict::Irrelevant => (0, "Unknown"),
    }
}

/// What is found. Its `uid` stays the same where an event is delivered again, and from one sweep to the next.
fn info(finding: &Finding, time: i64) -> Value {
    let parts = [&finding.account, &finding.region, &finding.group];
    let parts = parts.map(|part| said(part).unwrap_or_else(|| "unknown".to_owned()));
    let event = said(&finding.id).or_else(|| said(&finding.call)).unwrap_or_else(|| "unknown".to_owned());
    let guards = finding.exposures.iter().map(|exposure| exposure.guard.as_str());
    let guards: Vec<&str> = guards.collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let title = match (guards.as_slice(), finding.is_open()) {
        ([], _) => format!("Security group {}: {}", parts[2], finding.verdict.as_str()),
        (guards, true) => format!("Security group {} exposes {} to the internet", parts[2], guards.join(", ")),
        (guards, false) => format!("Security group {} exposed {} to the internet", parts[2], guards.join(", ")),
    };
    json!({
        "uid": format!("portcullis/{}/{event}", parts.join("/")),
        "title": for_people(&title),
        "desc": for_people(&finding.reason),
        "types": ["Network Reachability"],
        "data_sources": [if finding.id.is_some() { "AWS CloudTrail" } else { "Amazon EC2" }],
        "created_time": time,
    })
}

fn cloud(finding: &Finding) -> Value {
    let mut cloud = json!({"provider": "AWS"});
    if let Some(account) = said(&finding.account) {
        cloud["account"] = json!({"uid": account, "type_id": 10, "type": "AWS Account"});
    }
    if let Some(region) = said(&finding.region) {
        cloud["region"] = region.into();
    }
    cloud
}

fn resources(finding: &Finding) -> Option<Value> {
    let mut resource = json!({"uid": said(&finding.group)?, "type": "AWS::EC2::SecurityGroup"});
    if let Some(name) = said(&finding.group_name) {
        resource["name"] = name.into();
    }
    if let Some(region) = said(&finding.region) {
        resource["region"] = region.into();
    }
    Some(json!([resource]))
}

/// Who made the call, and from where.
fn evidences(finding: &Finding) -> Option<Value> {
    let mut evidence = serde_json::Map::new();
    if let Some(actor) = said(&finding.actor) {
        evidence.insert("actor".to_owned(), json!({"user": {"uid": actor}}));
    }
    if let Some(from) = said(&finding.source_ip) {
        // It may be the name of a service of AWS.
        let key = if from.parse::<IpAddr>().is_ok() { "ip" } else { "svc_name" };
        evidence.insert("src_endpoint".to_owned(), json!({key: from}));
    }
    (!evidence.is_empty()).then(|| json!([evidence]))
}

fn said(text: &Option<String>) -> Option<String> {
    let text = for_people(text.as_deref()?);
    (!text.trim().is_empty()).then_some(text)
}
