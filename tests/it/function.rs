//! The real Lambda binary against the model over loopback.

use std::sync::{Arc, Mutex};

use ec2_model::serve::{Server, serve};
use ec2_model::{Permission, Vpc, World};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, QUEUE, REGION, TOPIC, sqs};
use crate::lambda::{Answered, Lambda, TRACE, loopback};

fn world() -> (World, Server) {
    let world = World::new(11);
    world.set_now(portcullis::now().as_millisecond());
    let handled = world.clone();
    let server = serve(loopback(), None, Arc::new(move |request| handled.handle(&request))).unwrap();
    (world, server)
}

/// Opens a new group. Returns its id and the call's event.
fn opened(world: &World, permissions: &[Permission]) -> (String, Value) {
    let group = world.create_group(ACCOUNT, REGION, &format!("web-{}", world.take_records().len()), Vpc::Other);
    world.authorize(ACCOUNT, REGION, &group, permissions).unwrap();
    (group, ec2_model::eventbridge(world.take_records().last().unwrap()))
}

fn ingress(world: &World, group: &str) -> usize {
    let rules = world.rules(ACCOUNT, REGION, group).into_iter();
    rules.filter(|rule| rule.direction == ec2_model::Direction::Ingress).count()
}

#[test]
fn an_event_goes_in_and_the_rule_goes_out() {
    let (world, server) = world();
    let lambda =
        Lambda::start(ACCOUNT, &server.url(), &[("PORTCULLIS_MODE", "enforce"), ("PORTCULLIS_TOPIC_ARN", TOPIC)]);
    let (group, event) = opened(&world, &[Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(443, "0.0.0.0/0")]);
    let Answered::Response(answer) = lambda.invoke(&event.to_string()) else { panic!("an error") };
    assert_eq!(ingress(&world, &group), 1, "https is kept");
    assert_eq!(answer["findings"][0]["outcome"], "reverted");
    assert_eq!(answer["findings"][0]["group"], group.as_str());
    assert_eq!(world.published().len(), 1);
    let ended = lambda.end();
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{}", ended.stdout);
    assert_eq!(lines[0], answer["findings"][0]);
    assert_eq!((&lines[1]["Reverted"], &lines[1]["Exposures"]), (&json!(1), &json!(1)));
    assert_eq!(lines[1]["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Portcullis");
}

#[test]
fn the_function_alerts_unless_it_is_told_to_enforce() {
    let (world, server) = world();
    let lambda = Lambda::start(ACCOUNT, &server.url(), &[]);
    let (group, event) = opened(&world, &[Permission::tcp(22, "0.0.0.0/0")]);
    let Answered::Response(answer) = lambda.invoke(&event.to_string()) else { panic!("an error") };
    assert_eq!(answer["findings"][0]["outcome"], "would_revert");
    assert_eq!(ingress(&world, &group), 1);
}

#[test]
fn what_was_not_done_is_an_error_and_the_process_lives_on() {
    let (world, server) = world();
    let lambda = Lambda::start(ACCOUNT, &server.url(), &[("PORTCULLIS_MODE", "enforce")]);
    let (group, event) = opened(&world, &[Permission::tcp(22, "0.0.0.0/0")]);
    world.deny(ACCOUNT, "RevokeSecurityGroupIngress");
    let Answered::Error(error) = lambda.invoke(&event.to_string()) else { panic!("no error") };
    assert!(error["errorMessage"].as_str().unwrap().contains("not taken back: UnauthorizedOperation"), "{error}");
    for payload in ["{\"detail\":", "null", "{}", "[1]"] {
        assert!(matches!(lambda.invoke(payload), Answered::Error(_)), "{payload}");
    }
    let Answered::Response(answer) = lambda.invoke(&sqs(&["x".to_owned(), event.to_string()]).to_string()) else {
        panic!("an error")
    };
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m1"}]}));
    world.permit(ACCOUNT, "RevokeSecurityGroupIngress");
    let Answered::Response(answer) = lambda.invoke(&sqs(&[event.to_string()]).to_string()) else { panic!("an error") };
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(ingress(&world, &group), 0);
}

/// Lambda stops a function that calls itself over a queue again and again. It knows such calls by this header (Lambda Developer
/// Guide, "Use Lambda recursive loop detection to prevent infinite loops").
#[test]
fn every_call_says_which_invocation_makes_it() {
    let world = World::new(11);
    world.set_now(portcullis::now().as_millisecond());
    world.create_queue(ACCOUNT, REGION, QUEUE);
    let (handled, traces) = (world.clone(), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&traces);
    let handle = move |request: ec2_model::Request| {
        let header = |wanted: &str| request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let text = |wanted: &str| header(wanted).map(|(_, value)| value.clone());
        seen.lock().unwrap().push((text("x-amz-target"), text("x-amzn-trace-id")));
        handled.handle(&request)
    };
    let server = serve(loopback(), None, Arc::new(handle)).unwrap();
    let queue = format!("{}/{ACCOUNT}/{QUEUE}", server.url());
    let variables = [("PORTCULLIS_MODE", "enforce"), ("PORTCULLIS_QUEUE_URL", queue.as_str())];
    let lambda = Lambda::start(ACCOUNT, &server.url(), &variables);
    let group = world.create_group(ACCOUNT, REGION, "web", Vpc::Other);
    for open in ["8.0.0.0/8", "9.0.0.0/9"] {
        world.authorize(ACCOUNT, REGION, &group, &[Permission::tcp(22, open)]).unwrap();
    }
    let event = ec2_model::eventbridge(world.take_records().last().unwrap());
    let Answered::Response(answer) = lambda.invoke(&event.to_string()) else { panic!("an error") };
    assert_eq!(answer["findings"][0]["outcome"], "none", "{answer}");
    let traces = traces.lock().unwrap();
    assert!(traces.iter().any(|(target, _)| target.as_deref() == Some("AmazonSQS.SendMessageBatch")), "{traces:?}");
    assert!(traces.iter().all(|(_, trace)| trace.as_deref() == Some(TRACE)), "{traces:?}");
}

#[test]
fn a_policy_in_s3_is_read_in_init() {
    let (world, server) = world();
    world.put_object("policies", "team/portcullis.yaml", "version: 1\nguard: [rdp]");
    let variables = [("PORTCULLIS_MODE", "enforce"), ("PORTCULLIS_POLICY", "s3://policies/team/portcullis.yaml")];
    let lambda = Lambda::start(ACCOUNT, &server.url(), &variables);
    let (group, event) = opened(&world, &[Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(3389, "0.0.0.0/0")]);
    assert!(matches!(lambda.invoke(&event.to_string()), Answered::Response(_)));
    assert_eq!(ingress(&world, &group), 1, "ssh is not guarded there");
}

#[test]
fn what_cannot_be_used_stops_the_init_phase_with_one_line_that_names_it() {
    let (world, server) = world();
    world.put_object("policies", "bad.yaml", "version: 1\nmode: enforced");
    for (variable, value, line) in [
        ("PORTCULLIS_MODE", "enforced", "portcullis: PORTCULLIS_MODE=`enforced`: expected alert or enforce"),
        (
            "PORTCULLIS_POLICY",
            "s3://policies/bad.yaml",
            "portcullis: PORTCULLIS_POLICY=`s3://policies/bad.yaml`: unknown variant `enforced`, expected one of alert, enforce at line 2, column 7",
        ),
        (
            "PORTCULLIS_POLICY",
            "/nonexistent.yaml",
            "portcullis: PORTCULLIS_POLICY=`/nonexistent.yaml`: No such file or directory (os error 2)",
        ),
    ] {
        let ended = Lambda::start(ACCOUNT, &server.url(), &[(variable, value)]).ended();
        assert_eq!((ended.code, ended.stderr.trim_end()), (Some(1), line));
    }
    let variables = [("PORTCULLIS_POLICY", "s3://policies/none.yaml")];
    let ended = Lambda::start(ACCOUNT, &server.url(), &variables).ended();
    assert!(ended.stderr.contains("NoSuchKey"), "{}", ended.stderr);
}
