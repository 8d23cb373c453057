//! Checks `docs/REFERENCE.md` and the alarms of `docs/RUNBOOK.md` against the templates, in both directions, and the
//! templates against the calls that are judged.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::collections::BTreeSet;

use portcullis_domain::change::Call;
use serde_json::Value;

const TEMPLATE: &str = include_str!("../../../template.yaml");
const MEMBER: &str = include_str!("../../../member.yaml");
const TAMPER: &str = include_str!("../../../tamper-us-east-1.yaml");
const METRICS: &str = include_str!("../../../src/sinks/metrics.rs");
const CONFIG: &str = include_str!("../../../src/config.rs");
const PAGE: &str = include_str!("../../../docs/REFERENCE.md");
const RUNBOOK: &str = include_str!("../../../docs/RUNBOOK.md");

/// A template as plain data. The tags (`!Sub`, `!Ref` and others) are dropped and their arguments kept. The keys and
/// most words do not depend on the tags.
fn template(yaml: &str) -> Value {
    let options = serde_saphyr::options! { no_schema: true };
    serde_saphyr::from_str_with_options(yaml, options).unwrap()
}

/// The rows of the table under a heading, a list of cells each.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let section = page.split("\n## ").find(|section| section.starts_with(&format!("{heading}\n")));
    let table = section.unwrap().lines().filter(|line| line.starts_with("| `"));
    table.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect()).collect()
}

fn keys(template: &Value, section: &str) -> BTreeSet<String> {
    template[section].as_object().unwrap().keys().cloned().collect()
}

fn firsts(rows: &[Vec<&str>]) -> BTreeSet<String> {
    let names: BTreeSet<String> = rows.iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(names.len(), rows.len(), "a name stands in two rows");
    names
}

/// A statement of a policy and its name.
type Statement<'a> = (&'a str, &'a Value);

/// Every statement, however deep it is nested. An event bus's statement has its name next to it.
fn statements<'a>(value: &'a Value, beside: &'a str, found: &mut Vec<Statement<'a>>) {
    if let Some(map) = value.as_object() {
        if map.contains_key("Effect") {
            found.push((map.get("Sid").and_then(Value::as_str).unwrap_or(beside), value));
            return;
        }
        let beside = map.get("StatementId").and_then(Value::as_str).unwrap_or("unnamed");
        map.values().for_each(|value| statements(value, beside, found));
    }
    value.as_array().into_iter().flatten().for_each(|value| statements(value, beside, found));
}

/// A statement's name with each of its actions.
fn actions((name, statement): Statement<'_>) -> Vec<(String, String)> {
    let action = &statement["Action"];
    let actions = action.as_array().map_or_else(|| std::slice::from_ref(action), Vec::as_slice);
    actions.iter().map(|action| (name.to_owned(), action.as_str().unwrap().to_owned())).collect()
}

#[test]
fn parameters_and_their_defaults() {
    for (name, yaml) in [("template.yaml", TEMPLATE), ("member.yaml", MEMBER), ("tamper-us-east-1.yaml", TAMPER)] {
        let template = template(yaml);
        let rows = rows(PAGE, &format!("Parameters of {name}"));
        assert_eq!(firsts(&rows), keys(&template, "Parameters"), "{name}");
        for row in rows {
            let expected = match template["Parameters"][row[0]].get("Default") {
                None => "required".to_owned(),
                Some(default) if default == "" => "empty".to_owned(),
                Some(default) => default.as_str().map_or_else(|| default.to_string(), str::to_owned),
            };
            assert_eq!(row.last().unwrap(), &expected, "the default of {} in {name}", row[0]);
        }
    }
}

#[test]
fn outputs() {
    for (name, yaml) in [("template.yaml", TEMPLATE), ("member.yaml", MEMBER), ("tamper-us-east-1.yaml", TAMPER)] {
        let page = firsts(&rows(PAGE, &format!("Outputs of {name}")));
        assert_eq!(page, keys(&template(yaml), "Outputs"), "{name}");
    }
}

#[test]
fn environment_variables() {
    let template = template(TEMPLATE);
    let set = &template["Resources"]["Function"]["Properties"]["Environment"]["Variables"];
    let set: BTreeSet<String> = set.as_object().unwrap().keys().cloned().collect();
    let page = firsts(&rows(PAGE, "Environment variables of the function"));
    let ours: BTreeSet<String> = page.iter().filter(|name| !name.starts_with("AWS_")).cloned().collect();
    assert_eq!(ours, set, "what the template sets");
    let read = CONFIG.split("get(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let read: BTreeSet<String> = read.filter(|name| !name.starts_with("AWS_")).collect();
    assert_eq!(ours, read, "what the function reads");
}

#[test]
fn metrics() {
    let page = firsts(&rows(PAGE, "Metrics of the function"));
    // `("NAME", value)` and `insert("NAME", values)`; the one other word behind such a bracket is a call's.
    let names = METRICS.split("(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    assert_eq!(page, names.filter(|name| name != "Sweep").collect());
    let template = template(TEMPLATE);
    let alarms = template["Resources"].as_object().unwrap().values().map(|resource| &resource["Properties"]);
    let alarms = alarms.filter(|alarm| alarm["Namespace"] == "Portcullis");
    let watched: BTreeSet<String> = alarms.map(|alarm| alarm["MetricName"].as_str().unwrap().to_owned()).collect();
    assert!(watched.len() >= 4 && watched.is_subset(&page), "{watched:?}");
}

#[test]
fn permissions() {
    let mut stack = template(TEMPLATE);
    // What people may do is not what the function may do.
    let operators = stack["Resources"].as_object_mut().unwrap().remove("OperatorPolicy").unwrap();
    let mut member = template(MEMBER);
    let operators_there = member["Resources"].as_object_mut().unwrap().remove("OperatorPolicy").unwrap();
    for (heading, resources) in [
        ("Permissions of the function's role", stack["Resources"].clone()),
        ("Permissions of operators", operators),
        ("Permissions of operators in a member's account", operators_there),
        ("Permissions of the member's roles", member["Resources"].clone()),
    ] {
        let mut found = Vec::new();
        statements(&resources, "", &mut found);
        let granted = found.into_iter().filter(|(_, statement)| statement.get("Principal").is_none());
        let granted: BTreeSet<(String, String)> = granted.flat_map(actions).collect();
        let rows = rows(PAGE, heading);
        let page: BTreeSet<_> = rows.iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
        assert_eq!(page.len(), rows.len(), "a row stands twice");
        assert_eq!(page, granted, "{heading}");
        assert!(rows.iter().all(|row| row.len() == 5 && row.iter().all(|cell| !cell.is_empty())), "an empty cell");
        assert!(!granted.iter().any(|(_, action)| action.contains('*')), "a wildcard");
    }
}

/// The function closes, and never opens: what can open a group, delete evidence or write tags is granted nowhere. What gives
/// rules back stands alone, and only where the stack's parameter asks for it.
#[test]
fn the_function_may_not_open_a_group() {
    for yaml in [TEMPLATE, MEMBER] {
        let mut template = template(yaml);
        // What people may do is not what the function may do.
        template["Resources"].as_object_mut().unwrap().remove("OperatorPolicy");
        let mut found = Vec::new();
        statements(&template["Resources"], "", &mut found);
        let granted: Vec<Statement<'_>> = found.into_iter().filter(|(_, one)| one["Effect"] == "Allow").collect();
        let all: BTreeSet<String> = granted.iter().flat_map(|one| actions(*one)).map(|(_, action)| action).collect();
        for never in [
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateTags",
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
            "s3:BypassGovernanceRetention",
        ] {
            assert!(!all.contains(never), "{never}");
        }
        let modify = |one: &&Statement<'_>| actions(**one).iter().any(|(_, it)| it == "ec2:ModifySecurityGroupRules");
        let may_modify: Vec<&Statement<'_>> = granted.iter().filter(modify).collect();
        assert_eq!(may_modify.len(), 1);
        assert_eq!((may_modify[0].0, actions(*may_modify[0]).len()), ("GiveRulesBack", 1));
        let text = may_modify[0].1["Resource"].to_string();
        assert!(text.contains(":security-group/*") && text.contains(":security-group-rule/*"), "{text}");
        // `!If [MayGiveBack, {the policy}, !Ref AWS::NoValue]`, and the condition needs both parameters.
        let (before, _) = yaml.split_once("PolicyName: give-back").unwrap();
        assert!(before.trim_end().trim_end_matches('-').trim_end().ends_with("- MayGiveBack"), "{before}");
        assert_eq!(template["Parameters"]["Restore"]["Default"], "revoke");
        let condition = template["Conditions"]["MayGiveBack"].to_string();
        assert!(condition.contains("Enforcing"), "{condition}");
    }
}

#[test]
fn who_may_call_what_is_deployed() {
    let templates = [TEMPLATE, MEMBER, TAMPER].map(template);
    let mut found = Vec::new();
    templates.iter().for_each(|template| statements(&template["Resources"], "", &mut found));
    // The statement that lets Lambda assume the function's role has no name.
    let is_lambda = |statement: &Value| statement["Principal"]["Service"] == "lambda.amazonaws.com";
    let open = found.into_iter().filter(|(_, one)| one.get("Principal").is_some() && !is_lambda(one));
    let open = open.filter(|(_, one)| one["Effect"] == "Allow");
    let open: BTreeSet<(String, String)> = open.flat_map(actions).collect();
    let rows = rows(PAGE, "Who may call what is deployed");
    let page: BTreeSet<_> = rows.iter().map(|row| (row[0].to_owned(), row[2].to_owned())).collect();
    assert_eq!(page, open);
}

#[test]
fn alarms() {
    let template = template(TEMPLATE);
    let resources = template["Resources"].as_object().unwrap().iter();
    let alarms = resources.filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm");
    let alarms: BTreeSet<String> = alarms.map(|(name, _)| name.clone()).collect();
    let rows = rows(RUNBOOK, "Alarms");
    let page: BTreeSet<String> = rows.iter().flat_map(|row| row[0].split("`, `")).map(str::to_owned).collect();
    assert_eq!(page, alarms);
}

/// Every `eventName` that a rule of a template asks for together with `ec2.amazonaws.com`.
fn ec2_calls<'a>(value: &'a Value, found: &mut Vec<BTreeSet<&'a str>>) {
    if let Some(map) = value.as_object() {
        if let (Some(source), Some(names)) = (map.get("eventSource"), map.get("eventName").and_then(Value::as_array))
            && *source == serde_json::json!(["ec2.amazonaws.com"])
        {
            found.push(names.iter().filter_map(Value::as_str).collect());
        }
        map.values().for_each(|value| ec2_calls(value, found));
    }
    value.as_array().into_iter().flatten().for_each(|value| ec2_calls(value, found));
}

#[test]
fn the_rules_ask_for_the_calls_that_are_judged() {
    for (yaml, rules) in [(TEMPLATE, 2), (MEMBER, 1)] {
        let template = template(yaml);
        let mut found = Vec::new();
        ec2_calls(&template["Resources"], &mut found);
        assert_eq!(found, vec![Call::NAMES.into(); rules]);
    }
}
