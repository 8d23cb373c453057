//! What cannot be told.

use super::*;
use crate::doctor::inventory::{CallError, Left};
use crate::doctor::{Api, CALLS, Counts};

fn denied(call: &'static str) -> CallError {
    let api = *CALLS.iter().find(|api| api.call == call).unwrap();
    CallError { api, code: "AccessDenied".to_owned(), message: "not authorized".to_owned() }
}

/// Lets a call fail.
fn refuse(inventory: &mut Inventory, call: &'static str) {
    let error = denied(call);
    let hub = inventory.hub.as_mut().unwrap();
    let member = inventory.members.as_mut().unwrap();
    let in_member = member.seen.get_mut(&account(MEMBER)).unwrap().regions.get_mut(&region(DUBLIN)).unwrap();
    match call {
        "GetCallerIdentity" => inventory.caller = Err(error.why()),
        "DescribeStacks" => (inventory.stack, inventory.hub) = (Err(error), None),
        "ListStackResources" => hub.resources = Err(error),
        "DescribeTrails" => *inventory.regions.get_mut(&region(DUBLIN)).unwrap() = Err(error),
        "GetTrailStatus" => {
            inventory.regions.get_mut(&region(DUBLIN)).unwrap().as_mut().unwrap()[0].status = Err(error)
        }
        "GetEventSelectors" => {
            inventory.regions.get_mut(&region(DUBLIN)).unwrap().as_mut().unwrap()[0].writes = Err(error)
        }
        "DescribeAlarms" => hub.alarms = Err(error),
        "GetMetricData" => hub.swept = Err(error),
        "GetItem" => hub.openings.as_mut().unwrap().listed = Some(Err(error)),
        "DescribeSecurityGroupRules" => openings::overdue(hub, Left::Rules(Err(error))),
        "GetScheduleGroup" | "ListSchedules" => hub.openings.as_mut().unwrap().schedules = Err(error),
        "DescribeTable" => hub.memory = Some(("portcullis".to_owned(), Store::Unreadable(error))),
        "DescribeRegions" | "AssumeRole" => member.seen.get_mut(&account(MEMBER)).unwrap().enabled = Err(error),
        "DescribeEventBus" => hub.bus = Some(Err(error)),
        "ListRules" => in_member.rules = Err(error),
        "ListTargetsByRule" => hub.rules.as_mut().unwrap().get_mut("portcullis-Rule").unwrap().targets = Err(error),
        "GetFunctionConcurrency" => hub.function.concurrency = Err(error),
        "GetFunctionConfiguration" => hub.function.configuration = Err(error),
        "GetPolicy" => hub.function.invokers = Err(error),
        "ListEventSourceMappings" => hub.function.mappings = Err(error),
        "FilterLogEvents" => hub.sweeps = Some(Err(error)),
        "ListAccounts" => member.listed = Some(Err(error)),
        "GetBucketNotificationConfiguration" => hub.log_files = Some(LogFiles::Bucket("b".to_owned(), Err(error))),
        "GetObject" => hub.policy = Some(Policy::Unreadable("s3://p/k".to_owned(), error)),
        "HeadBucket" => hub.evidence = Some(("s3://b".to_owned(), Store::Unreadable(error))),
        "ListSubscriptionsByTopic" => hub.topics = [(topic(), Err(error))].into(),
        "GetQueueAttributes" => hub.queues.get_mut("RuleDeadLetters").unwrap().messages = Err(error),
        other => panic!("{other} is not let fail"),
    }
}

#[test]
fn every_call_that_is_refused_gets_its_line_and_the_rest_is_looked_at() {
    for Api { call, permission } in CALLS {
        let mut inventory = healthy();
        refuse(&mut inventory, call);
        let checks = judge(&inventory);
        let bad = complaints(&checks);
        assert_eq!(bad.len(), 1, "{call}: {bad:?}");
        let check = checks.iter().find(|check| check.verdict != Verdict::Right).unwrap();
        let expected = format!("AccessDenied on {call}: needs {permission} (not authorized)");
        assert_eq!(check.why, expected);
        // Without credentials nothing works: that is a fault, and it is not told which permission lacks.
        if *call != "GetCallerIdentity" {
            assert_eq!((check.verdict, Counts::of(&checks).status()), (Verdict::CannotTell, 2), "{call}");
            assert_eq!(check.json()["error"]["permission"], *permission);
        }
        if !["GetCallerIdentity", "DescribeStacks", "ListStackResources"].contains(call) {
            assert!(checks.len() > 18, "{call}: the rest is looked at: {}", checks.len());
        }
    }
}

#[test]
fn an_error_that_is_no_refusal_names_no_permission() {
    let error = CallError { code: "ThrottlingException".to_owned(), ..denied("DescribeAlarms") };
    assert_eq!(error.why(), "ThrottlingException on DescribeAlarms (not authorized)");
}

#[test]
fn trouble_comes_before_a_fault_and_a_fault_before_what_cannot_be_told() {
    let mut inventory = healthy();
    inventory.members.as_mut().unwrap().role = None;
    inventory.members.as_mut().unwrap().seen.clear();
    let checks = judge(&inventory);
    assert_eq!(complaints(&checks).len(), 1, "{:?}", complaints(&checks));
    assert_eq!(Counts::of(&checks).status(), 3, "no role was named");
    inventory.hub.as_mut().unwrap().function.concurrency = Ok(Some(0));
    assert_eq!(Counts::of(&judge(&inventory)).status(), 1);
    inventory.hub.as_mut().unwrap().alarms = Err(denied("DescribeAlarms"));
    assert_eq!(Counts::of(&judge(&inventory)).status(), 2);
}

#[test]
fn what_nobody_can_see_from_here_is_not_called_right() {
    let mut inventory = healthy();
    let hub = inventory.hub.as_mut().unwrap();
    hub.policy = Some(Policy::Unseen("policy.yaml".to_owned()));
    hub.memory = Some(("./memory".to_owned(), Store::Unseen));
    hub.evidence = Some(("./evidence".to_owned(), Store::Unseen));
    hub.sweeps.as_mut().unwrap().as_mut().unwrap().places = 1;
    hub.log_files = Some(LogFiles::Foreign("bucket".to_owned()));
    hub.resources.as_mut().unwrap().remove("LogSilenceAlarm");
    let partly = WriteEvents { logged: Logged::Partly, leaves_out: vec!["userIdentity.arn arn:x".to_owned()] };
    inventory.regions.get_mut(&region(DUBLIN)).unwrap().as_mut().unwrap()[0].writes = Ok(partly);
    inventory.stack.as_mut().unwrap().as_mut().unwrap().status = "UPDATE_IN_PROGRESS".to_owned();
    let function = inventory.hub.as_mut().unwrap().function.configuration.as_mut().unwrap().as_mut().unwrap();
    function.state = "Pending".to_owned();
    let checks = judge(&inventory);
    let told: Vec<_> = complaints(&checks).into_iter().map(|(what, verdict, ..)| (what, verdict)).collect();
    let expected = ["stack", "trail", "function", "policy", "memory", "evidence", "log files", "member role"];
    assert_eq!(told, expected.map(|what| (what, Verdict::CannotTell)), "{checks:#?}");
}

#[test]
fn a_line_as_json_has_the_keys_that_have_a_value() {
    let mut inventory = healthy();
    inventory.hub.as_mut().unwrap().function.concurrency = Ok(Some(0));
    let checks = judge(&inventory);
    let line = checks.iter().find(|check| check.verdict == Verdict::Wrong).unwrap().json();
    let expected = serde_json::json!({
        "check": "function", "result": "wrong", "account": HUB, "region": DUBLIN, "resource": "portcullis",
        "why": "it is switched off: its reserved concurrency is 0",
        "mend": "aws lambda delete-function-concurrency --region eu-west-1 --function-name portcullis",
    });
    assert_eq!(line, expected);
    let right = checks.iter().find(|check| check.what == "credentials").unwrap().json();
    assert_eq!(right.as_object().unwrap().len(), 5, "{right}");
}

/// The actions of a policy.
fn actions(policy: &str) -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(policy).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_policies_allow_the_calls_that_are_made_and_no_more() {
    let hub = actions(include_str!("../../../../../policies/doctor.json"));
    // IAM User Guide: GetCallerIdentity needs no permission.
    let made = CALLS.iter().map(|api| api.permission.to_owned()).filter(|it| it != "sts:GetCallerIdentity");
    assert_eq!(hub, made.collect());
    let verbs = ["Describe", "Get", "List", "Filter", "AssumeRole"];
    let reads = |action: &String| {
        action.split_once(':').is_some_and(|(_, verb)| verbs.iter().any(|word| verb.starts_with(word)))
    };
    assert!(hub.iter().all(reads), "{hub:?}");
    let member = actions(include_str!("../../../../../policies/doctor-member.json"));
    assert!(member.is_subset(&hub) && member.contains("events:ListRules"), "{member:?}");
}

#[test]
fn each_call_is_made_somewhere_and_nothing_is_called_but_through_it() {
    let sources = [
        include_str!("../look/mod.rs"),
        include_str!("../look/ask.rs"),
        include_str!("../look/stack.rs"),
        include_str!("../look/trails.rs"),
        include_str!("../look/events.rs"),
        include_str!("../look/function.rs"),
        include_str!("../look/hub.rs"),
        include_str!("../look/members.rs"),
        include_str!("../look/openings.rs"),
    ]
    .concat();
    let names =
        include_str!("../api.rs").lines().filter_map(|line| line.trim().split_once(" \"").map(|(name, _)| name));
    let names: Vec<&str> = names.filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')).collect();
    assert_eq!(names.len(), CALLS.len());
    for name in names.iter().filter(|name| **name != "GET_CALLER") {
        assert!(sources.contains(name), "{name} is never called");
    }
    let (sent, asked) = (sources.matches(".send()").count(), sources.matches(".call(").count());
    assert_eq!(sent, asked, "each call that is sent is asked for with its permission");
}
