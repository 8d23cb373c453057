//! A finding as an OCSF Detection Finding (class 2004), for security data lakes and SIEMs.
//!
//! Source: schema.ocsf.io, version 1.8.0, class `detection_finding` with the profile `cloud`. All times are **milliseconds**
//! since 1970. Everything that the class has no place for is in `unmapped`, which holds the whole finding.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::object::object;
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
    let product = json!({"name": "Portcullis", "vendor_name": "Portcullis", "version": env!("CARGO_PKG_VERSION")});
    let span = span(finding);
    let api = |operation| json!({"operation": operation, "service": {"name": "ec2.amazonaws.com"}});
    Some(object([
        ("activity_id", Some(activity.0.into())),
        ("activity_name", Some(activity.1.into())),
        ("category_uid", Some((CLASS / 1000).into())),
        ("category_name", Some("Findings".into())),
        ("class_uid", Some(CLASS.into())),
        ("class_name", Some("Detection Finding".into())),
        ("type_uid", Some((CLASS * 100 + activity.0).into())),
        ("type_name", Some(format!("Detection Finding: {}", activity.1).into())),
        ("severity_id", Some(severity.0.into())),
        ("severity", Some(severity.1.into())),
        ("status_id", Some(status.0.into())),
        ("status", Some(status.1.into())),
        ("time", Some(time.into())),
        ("start_time", span.map(|(start, _)| start.into())),
        ("end_time", span.map(|(start, open)| start.saturating_add(open).into())),
        ("duration", span.map(|(_, open)| open.into())),
        ("message", Some(for_people(&finding.reason).into())),
        ("is_alert", Some(finding.is_open().into())),
        ("metadata", Some(json!({"version": SCHEMA_VERSION, "profiles": ["cloud"], "product": product}))),
        ("finding_info", Some(info(finding, time))),
        ("cloud", Some(cloud(finding))),
        ("api", said(&finding.call).map(api)),
        ("resources", resource(finding).map(|resource| json!([resource]))),
        ("evidences", evidence(finding).map(|evidence| json!([evidence]))),
        ("unmapped", Some(json!({"portcullis": finding}))),
    ]))
}

/// When the exposure began, and how long it lasted, where both are known. In milliseconds.
fn span(finding: &Finding) -> Option<(i64, i64)> {
    let open = i64::try_from(finding.open_seconds?).unwrap_or(i64::MAX).saturating_mul(1000);
    Some((finding.time?.as_millisecond(), open))
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
    let account = |id| json!({"uid": id, "type_id": 10, "type": "AWS Account"});
    object([
        ("provider", Some("AWS".into())),
        ("account", said(&finding.account).map(account)),
        ("region", said(&finding.region).map(Value::from)),
    ])
}

/// The security group.
fn resource(finding: &Finding) -> Option<Value> {
    let uid = said(&finding.group)?;
    Some(object([
        ("uid", Some(uid.into())),
        ("type", Some("AWS::EC2::SecurityGroup".into())),
        ("name", said(&finding.group_name).map(Value::from)),
        ("region", said(&finding.region).map(Value::from)),
    ]))
}

/// Who made the call, and from where.
fn evidence(finding: &Finding) -> Option<Value> {
    // It may be the name of a service of AWS.
    let key = |from: &String| if from.parse::<IpAddr>().is_ok() { "ip" } else { "svc_name" };
    let (actor, from) = (said(&finding.actor), said(&finding.source_ip));
    let is_known = actor.is_some() || from.is_some();
    is_known.then(|| {
        object([
            ("actor", actor.map(|actor| json!({"user": {"uid": actor}}))),
            ("src_endpoint", from.map(|from| object([(key(&from), Some(from.clone().into()))]))),
        ])
    })
}

fn said(text: &Option<String>) -> Option<String> {
    let text = for_people(text.as_deref()?);
    (!text.trim().is_empty()).then_some(text)
}
