//! The dashboard and the saved queries of `template.yaml`: what they name is there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails, as it should"
)]

use std::collections::BTreeSet;

use serde_json::Value;

const TEMPLATE: &str = include_str!("../../../template.yaml");
const METRICS: &str = include_str!("../../../src/sinks/metrics.rs");
const FINDING: &str = include_str!("../../../schema/finding.schema.json");

/// AWS's own metrics that the dashboard may name, with their dimension (Lambda Developer Guide, "Types of metrics for
/// Lambda functions"; SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS"; SNS Developer Guide, "Monitoring
/// Amazon SNS topics using CloudWatch"; CloudWatch Logs User Guide, "Monitoring with CloudWatch metrics").
const OF_AWS: [(&str, &str, &str); 9] = [
    ("AWS/Lambda", "Invocations", "FunctionName"),
    ("AWS/Lambda", "Errors", "FunctionName"),
    ("AWS/Lambda", "Throttles", "FunctionName"),
    ("AWS/Lambda", "Duration", "FunctionName"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"),
    ("AWS/SQS", "NumberOfEmptyReceives", "QueueName"),
    ("AWS/SNS", "NumberOfMessagesPublished", "TopicName"),
    ("AWS/SNS", "NumberOfNotificationsFailed", "TopicName"),
    ("AWS/Logs", "IncomingBytes", "LogGroupName"),
];

/// What the function writes: `("NAME", value)` and `insert("NAME", values)`.
fn written() -> BTreeSet<&'static str> {
    let names = METRICS.split("(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    names.filter(|name| *name != "Sweep").collect()
}

fn template() -> Value {
    let options = serde_saphyr::options! { no_schema: true };
    serde_saphyr::from_str_with_options(TEMPLATE, options).unwrap()
}

/// The widgets, with the condition's line and without it.
fn widgets(with_logs: bool) -> Vec<Value> {
    let template = template();
    let body = &template["Resources"]["Dashboard"]["Properties"]["DashboardBody"];
    let line = body[1]["LogDeadLettersLine"][1].as_str().unwrap();
    let text = body[0].as_str().unwrap().replace("${LogDeadLettersLine}", if with_logs { line } else { "" });
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    body["widgets"].as_array().unwrap().clone()
}

/// The metrics of the widgets, each with what follows its name.
fn metrics() -> Vec<Vec<Value>> {
    let widgets = [true, false].map(widgets).concat();
    let metrics = widgets.iter().flat_map(|widget| widget["properties"]["metrics"].as_array().unwrap().clone());
    metrics.map(|metric| metric.as_array().unwrap().clone()).collect()
}

#[test]
fn every_metric_of_the_dashboard_is_written_by_the_function_or_by_aws() {
    let written = written();
    let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
    for metric in metrics() {
        let text = |n: usize| metric.get(n).and_then(Value::as_str).unwrap_or_default().to_owned();
        match text(0).as_str() {
            // An expression over others.
            "" => assert!(metric[0]["expression"].is_string(), "{metric:?}"),
            "Portcullis" => {
                assert!(written.contains(text(1).as_str()), "{metric:?}");
                assert!(metric.len() <= 3, "the function's metrics have no dimensions: {metric:?}");
                ours.insert(text(1));
            }
            _ => {
                let (space, name, dimension) = (text(0), text(1), text(2));
                assert!(OF_AWS.contains(&(space.as_str(), name.as_str(), dimension.as_str())), "{metric:?}");
                theirs.insert(name);
            }
        }
    }
    let asked = ["Exposures", "Reverted", "WouldRevert", "Failed", "Undecided", "ExposureMillis", "SweepOpen", "Swept"];
    assert!(asked.iter().all(|name| ours.contains(*name)), "{ours:?}");
    assert_eq!(theirs.len(), OF_AWS.len(), "{theirs:?}");
}

#[test]
fn an_expression_is_over_metrics_of_its_own_widget() {
    let mut seen = 0;
    for widget in widgets(true) {
        let metrics = widget["properties"]["metrics"].as_array().unwrap();
        let last = |metric: &Value| metric.as_array().unwrap().last().unwrap().clone();
        let ids: BTreeSet<String> =
            metrics.iter().filter_map(|metric| last(metric)["id"].as_str().map(str::to_owned)).collect();
        for expression in metrics.iter().filter_map(|metric| metric[0]["expression"].as_str()) {
            let plain = expression.replace("${MemorySize}", "");
            let words = plain.split(|c: char| !c.is_ascii_lowercase()).filter(|word| !word.is_empty());
            let named: Vec<&str> = words.collect();
            assert!(!named.is_empty() && named.iter().all(|word| ids.contains(*word)), "{expression}: {ids:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, 5);
}

#[test]
fn titles_are_questions_and_widgets_do_not_overlap() {
    let mut taken = BTreeSet::new();
    for widget in widgets(true) {
        let title = widget["properties"]["title"].as_str().unwrap();
        assert!(title.contains('?') || title.contains("(a day)"), "{title}");
        let [x, y, width, height] = ["x", "y", "width", "height"].map(|key| widget[key].as_u64().unwrap());
        assert!(x + width <= 24, "{title}");
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{title} lies over another");
        }
    }
}

/// The words of Logs Insights that the queries use, and the names that they give to columns.
const WORDS: [&str; 32] = [
    "filter",
    "fields",
    "stats",
    "sort",
    "by",
    "as",
    "desc",
    "and",
    "or",
    "not",
    "in",
    "count",
    "count_distinct",
    "latest",
    "max",
    "pct",
    "bin",
    "ispresent",
    "times",
    "last",
    "became",
    "half",
    "most",
    "longest",
    "groups",
    "timestamp",
    "d",
    "reverted",
    "would_revert",
    "already_gone",
    "failed",
    "exposed",
];

#[test]
fn the_saved_queries_name_keys_of_findings() {
    let schema: Value = serde_json::from_str(FINDING).unwrap();
    let keys = |of: &Value| of["properties"].as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>();
    let mut known = keys(&schema);
    known.extend(keys(&schema["definitions"]["Sweep"]));
    known.extend(WORDS.map(str::to_owned));
    known.extend(["undecided", "Sweep"].map(str::to_owned));
    let template = template();
    let queries = template["Resources"].as_object().unwrap().values();
    let queries: Vec<&Value> = queries.filter(|one| one["Type"] == "AWS::Logs::QueryDefinition").collect();
    assert!(queries.len() >= 6);
    for query in queries {
        let name = query["Properties"]["Name"].as_str().unwrap();
        let answers =
            ["What ", "Who ", "How "].iter().any(|word| name.starts_with(&format!("${{AWS::StackName}}/{word}")));
        assert!(answers, "{name} says what it answers");
        let text = query["Properties"]["QueryString"].as_str().unwrap();
        let words = text.split(|c: char| !(c.is_ascii_alphabetic() || c == '_')).filter(|word| !word.is_empty());
        for word in words {
            assert!(known.contains(word), "{name}: `{word}` is no key of a finding");
        }
    }
}
