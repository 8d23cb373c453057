//! What is counted, and how it is written.

use crate::sinks::metrics::{Counts, Trouble, line as metrics};

use super::*;

fn counts(findings: &[Finding]) -> Counts {
    let mut counts = Counts::default();
    findings.iter().for_each(|finding| counts.note(finding, NOW.parse().unwrap()));
    counts
}

#[test]
fn metrics_are_one_line_of_embedded_metric_format() {
    let findings = [reverted(), finding(Verdict::Exposed, Outcome::Failed), finding(Verdict::Safe, Outcome::None)];
    let line = metrics(&counts(&findings), Trouble { publish_failures: 1, ..Trouble::default() }, NOW.parse().unwrap())
        .unwrap();
    assert!(!line.contains('\n'));
    let line: Value = serde_json::from_str(&line).unwrap();
    for (name, value) in [
        ("Exposures", json!(2)),
        ("Reverted", json!(1)),
        ("Failed", json!(1)),
        ("PublishFailed", json!(1)),
        ("ExposureMillis", json!([2500])),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
    assert_eq!(line["_aws"]["Timestamp"], 1_795_255_202_500_i64);
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&directive["Namespace"], &directive["Dimensions"]), (&json!("Portcullis"), &json!([[]])));
    let declared: Vec<&str> =
        directive["Metrics"].as_array().unwrap().iter().filter_map(|m| m["Name"].as_str()).collect();
    assert_eq!(
        declared,
        ["ExposureMillis", "Exposures", "Failed", "PublishFailed", "Reverted"],
        "no metric without a value"
    );
}

#[test]
fn a_harmless_invocation_writes_no_metric() {
    let findings = [finding(Verdict::Safe, Outcome::None), finding(Verdict::Irrelevant, Outcome::None)];
    assert_eq!(metrics(&counts(&findings), Trouble::default(), NOW.parse().unwrap()), None);
}

#[test]
fn the_places_of_a_sweep_are_counted_where_nothing_is_open() {
    let mut counts = counts(&[finding(Verdict::Safe, Outcome::None)]);
    counts.note_swept(2);
    let line: Value =
        serde_json::from_str(&metrics(&counts, Trouble::default(), NOW.parse().unwrap()).unwrap()).unwrap();
    let declared = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&line["Swept"], &declared["Namespace"]), (&json!(2), &json!("Portcullis")));
    assert_eq!(declared["Metrics"], json!([{"Name": "Swept", "Unit": "Count"}]));
    assert_eq!(declared["Dimensions"], json!([[]]));
}

#[test]
fn groups_that_a_sweep_leaves_open_are_counted_apart_from_those_of_events() {
    let swept = |outcome| Finding { call: Some("Sweep".to_owned()), ..finding(Verdict::Exposed, outcome) };
    let findings = [swept(Outcome::WouldRevert), swept(Outcome::Failed), swept(Outcome::Reverted)];
    let line = |findings: &[Finding]| -> Value {
        serde_json::from_str(&metrics(&counts(findings), Trouble::default(), NOW.parse().unwrap()).unwrap()).unwrap()
    };
    assert_eq!((&line(&findings)["SweepOpen"], &line(&findings)["Exposures"]), (&json!(2), &json!(3)));
    assert_eq!(line(&[finding(Verdict::Exposed, Outcome::WouldRevert)]).get("SweepOpen"), None);
}
