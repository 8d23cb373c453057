//! Deployments with one fault each: the fault is named, and nothing else is complained of.

mod faults;
mod looks;
mod openings;
mod unreadable;

use std::collections::{BTreeMap, BTreeSet};

use portcullis_domain::ids::{AccountId, Region};
use portcullis_domain::policy::Mode;
use serde_json::Value;

use super::inventory::{
    Alarm, Configuration, Function, Hub, Inventory, LogFiles, Member, MemberRegion, Members, Policy, Queue, Resource,
    Rule, Stack, Store, Subscription, Sweeps, Trail, Who,
};
use super::template::Template;
use super::{Check, Verdict, judge};
use crate::trail::{Logged, WriteEvents};

const HUB: &str = "111122223333";
const MEMBER: &str = "444455556666";
const OTHER: &str = "777788889999";
const DUBLIN: &str = "eu-west-1";
const VIRGINIA: &str = "us-east-1";
const NOW: &str = "2026-11-26T10:00:00Z";

fn region(code: &str) -> Region {
    Region::parse(code).unwrap()
}

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn map<V>(pairs: impl IntoIterator<Item = (&'static str, V)>) -> BTreeMap<String, V> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn topic() -> String {
    format!("arn:aws:sns:{DUBLIN}:{HUB}:portcullis-Topic")
}

fn function() -> String {
    format!("arn:aws:lambda:{DUBLIN}:{HUB}:function:portcullis")
}

fn bus() -> String {
    format!("arn:aws:events:{DUBLIN}:{HUB}:event-bus/portcullis")
}

fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{DUBLIN}:{HUB}:{name}")
}

/// What CloudFormation calls a resource.
fn physical(id: &str, kind: &str) -> String {
    match kind {
        "AWS::SQS::Queue" => format!("https://sqs.{DUBLIN}.amazonaws.com/{HUB}/{id}"),
        "AWS::Events::Rule" if id.starts_with("Tamper") => {
            let name = id.trim_start_matches("Tamper").trim_end_matches("Rule").to_lowercase();
            let bus = if id == "TamperMembersRule" { "portcullis|" } else { "" };
            format!("{bus}portcullis-tamper-{name}")
        }
        "AWS::Events::Rule" if id == "BusRule" => format!("portcullis|portcullis-{id}"),
        _ => format!("portcullis-{id}"),
    }
}

fn rule(pattern: Option<Value>, target: String) -> Rule {
    let targets = Ok(vec![(target, Some(queue_arn("RuleDeadLetters")))]);
    Rule { enabled: true, pattern, schedule: None, targets }
}

fn trail() -> Trail {
    let arn = format!("arn:aws:cloudtrail:{DUBLIN}:{HUB}:trail/org");
    Trail {
        arn,
        home: DUBLIN.to_owned(),
        organization: false,
        status: Ok((true, None)),
        writes: Ok(WriteEvents::of(&[], &[])),
    }
}

fn subscriptions() -> Vec<Subscription> {
    let (protocol, endpoint) = ("email".to_owned(), "on-call@example.com".to_owned());
    vec![Subscription { protocol, endpoint, confirmed: true }]
}

fn queue(id: &str) -> Queue {
    Queue { url: physical(id, "AWS::SQS::Queue"), messages: Ok(Some(0)) }
}

/// Every resource that the template can make.
fn resources() -> BTreeMap<String, Resource> {
    let all = Template::hub();
    let of = |(id, kind): (String, String)| (id.clone(), Resource { id: physical(&id, &kind), kind });
    all.all().into_iter().map(of).collect()
}

fn rules(resources: &BTreeMap<String, Resource>, accounts: &str) -> BTreeMap<String, Rule> {
    let template = Template::hub();
    let ours = resources.iter().filter(|(_, resource)| resource.kind == "AWS::Events::Rule");
    let rules = ours.map(|(id, resource)| {
        let target = if id.starts_with("Tamper") { topic() } else { function() };
        let name = resource.id.rsplit('|').next().unwrap().to_owned();
        (name, rule(template.pattern_for(id, Some(accounts)), target))
    });
    rules.collect()
}

fn member_region() -> MemberRegion {
    let template = Template::member();
    let patterns = template.patterns();
    let of = |id: &str| rule(Some(patterns[id].clone()), bus());
    let rules = map([("portcullis-forward", of("Rule")), ("portcullis-tamper", of("TamperRule"))]);
    MemberRegion { rules: Ok(rules), dead_letters: Some(queue("member")), trails: Some(Ok(vec![trail()])) }
}

fn member(regions: &[&str]) -> Member {
    let enabled = Ok([DUBLIN, VIRGINIA].map(region).into());
    Member { enabled, regions: regions.iter().map(|code| (region(code), member_region())).collect() }
}

/// A hub with all that its parameters can turn on, and two members.
fn healthy() -> Inventory {
    let resources = resources();
    let template = Template::hub();
    let mut parameters: BTreeMap<String, String> =
        template.parameters().map(|name| (name.to_owned(), String::new())).collect();
    parameters.extend(
        [
            ("Mode", "enforce"),
            ("SweepSchedule", "rate(1 hour)"),
            ("HeartbeatHours", "2"),
            ("Regions", "eu-west-1,us-east-1"),
            ("OrganizationId", "o-exampleorgid"),
            ("Accounts", "*"),
            ("MemberRole", "portcullis"),
            ("ExternalId", "gate-7f3a"),
            ("LogBucket", "org-trail"),
            ("PolicyLocation", "s3://policies/policy.yaml"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let version = "0.1.0".to_owned();
    let outputs = map([
        ("Version", version.clone()),
        ("FunctionArn", function()),
        ("FunctionRoleArn", format!("arn:aws:iam::{HUB}:role/portcullis-FunctionRole")),
        ("TopicArn", topic()),
        ("BusArn", bus()),
        ("LogGroupName", "portcullis-LogGroup".to_owned()),
        ("LogQueueArn", queue_arn("LogQueue")),
        ("ScheduleGroupName", "portcullis".to_owned()),
        ("MemberEndRoleName", "portcullis-end".to_owned()),
    ]);
    let rules = rules(&resources, "*");
    let invokers = ["portcullis-Rule", "portcullis/portcullis-BusRule", "portcullis-SweepRule"];
    let environment = map([
        ("PORTCULLIS_MODE", "enforce".to_owned()),
        ("PORTCULLIS_TOPIC_ARN", topic()),
        ("PORTCULLIS_POLICY", "s3://policies/policy.yaml".to_owned()),
        ("PORTCULLIS_END_ROLE", format!("arn:aws:iam::{HUB}:role/portcullis-EndRole")),
        ("PORTCULLIS_MEMBER_END_ROLE", "portcullis-end".to_owned()),
    ]);
    let alarms = resources.values().filter(|resource| resource.kind == "AWS::CloudWatch::Alarm");
    let alarm = Alarm { enabled: true, actions: vec![topic()], raised: None };
    let abroad = Template::abroad();
    let abroad = rule(
        abroad.patterns().get("TamperRule").map(|pattern| (*pattern).clone()),
        format!("arn:aws:events:{DUBLIN}:{HUB}:event-bus/default"),
    );
    let now = NOW.parse().unwrap();
    let at = |text: &str| text.parse().unwrap();
    let hub = Hub {
        rules: Ok(rules),
        bus: Some(Ok(r#"{"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}}}"#.to_owned())),
        abroad: Some((region(VIRGINIA), Ok(map([("portcullis-tamper-us-east-1", abroad)])))),
        function: Function {
            configuration: Ok(Some(Configuration {
                arn: function(),
                state: "Active".to_owned(),
                reason: String::new(),
                update: "Successful".to_owned(),
                environment,
            })),
            concurrency: Ok(Some(10)),
            invokers: Ok(invokers.map(|name| format!("arn:aws:events:{DUBLIN}:{HUB}:rule/{name}")).into()),
            mappings: Ok([queue_arn("SweepQueue"), queue_arn("LogQueue")].map(|arn| (arn, true)).into()),
        },
        policy: Some(Policy::Read { place: "s3://policies/policy.yaml".to_owned(), mode: Mode::Enforce, guards: 5 }),
        memory: Some(("portcullis".to_owned(), Store::There)),
        evidence: Some(("s3://evidence/portcullis".to_owned(), Store::There)),
        topics: [(topic(), Ok(subscriptions()))].into(),
        queues: map(
            ["RuleDeadLetters", "FunctionDeadLetters", "SweepDeadLetters", "LogDeadLetters"].map(|id| (id, queue(id)))
        ),
        alarms: Ok(alarms.map(|resource| (resource.id.clone(), alarm.clone())).collect()),
        swept: Ok(Some(at("2026-11-26T09:05:00Z"))),
        sweeps: Some(Ok(Sweeps { since: at("2026-11-26T07:45:00Z"), places: 12, unreachable: BTreeSet::new() })),
        log_files: Some(LogFiles::Bucket("org-trail".to_owned(), Ok([queue_arn("LogQueue")].into()))),
        openings: Some(openings::healthy()),
        resources: Ok(resources),
    };
    let stack =
        Stack { status: "UPDATE_COMPLETE".to_owned(), parameters, outputs, since: Some(at("2026-11-01T10:00:00Z")) };
    let who = Who {
        arn: format!("arn:aws:iam::{HUB}:user/operator"),
        account: account(HUB),
        partition: "aws".to_owned(),
        region: region(DUBLIN),
    };
    let guarded: BTreeSet<AccountId> = [MEMBER, OTHER].map(account).into();
    let seen = [
        (account(MEMBER), member(&[DUBLIN, VIRGINIA])),
        (account(OTHER), member(&[DUBLIN, VIRGINIA])),
        (account(HUB), member(&[VIRGINIA])),
    ];
    Inventory {
        now,
        version,
        stack_name: "portcullis".to_owned(),
        caller: Ok(who),
        stack: Ok(Some(stack)),
        hub: Some(hub),
        regions: [(region(DUBLIN), Ok(vec![trail()])), (region(VIRGINIA), Ok(vec![trail()]))].into(),
        members: Some(Members {
            listed: Some(Ok([HUB, MEMBER, OTHER].map(account).into())),
            guarded,
            role: Some("audit".to_owned()),
            seen: seen.into(),
        }),
    }
}

/// What is not right: what, of which thing, in which place.
fn complaints(checks: &[Check]) -> Vec<(&'static str, Verdict, String, String)> {
    let bad = checks.iter().filter(|check| check.verdict != Verdict::Right);
    bad.map(|check| {
        let place = format!("{} {}", check.account, check.region);
        (check.what, check.verdict, check.resource.clone().unwrap_or_default(), place)
    })
    .collect()
}

#[test]
fn a_healthy_hub_with_members_gives_no_fault() {
    let checks = judge(&healthy());
    assert_eq!(complaints(&checks), [], "{checks:#?}");
    let whats: BTreeSet<&str> = checks.iter().map(|check| check.what).collect();
    let expected = [
        "accounts",
        "alarm",
        "bus",
        "credentials",
        "dead letters",
        "evidence",
        "function",
        "log files",
        "member",
        "member role",
        "memory",
        "mode",
        "openings",
        "policy",
        "queue reader",
        "rule",
        "stack",
        "sweep",
        "tamper rule",
        "topic",
        "trail",
        "version",
    ];
    assert_eq!(whats, expected.into(), "each part has a line where all is right");
}

#[test]
fn one_account_without_an_organisation_is_healthy_too() {
    let mut inventory = healthy();
    inventory.members = None;
    let hub = inventory.hub.as_mut().unwrap();
    (hub.bus, hub.sweeps, hub.log_files, hub.memory, hub.evidence) = (None, None, None, None, None);
    (hub.abroad, hub.openings) = (None, None);
    hub.resources.as_mut().unwrap().retain(|id, _| {
        !(id.contains("Bus") || id.starts_with("Log") && id != "LogGroup") && id != "TamperMembersRule"
    });
    let stack = inventory.stack.as_mut().unwrap().as_mut().unwrap();
    for name in ["OrganizationId", "Accounts", "MemberRole", "ExternalId", "LogBucket", "Regions"] {
        stack.parameters.insert(name.to_owned(), String::new());
    }
    stack.outputs.remove("BusArn");
    assert_eq!(complaints(&judge(&inventory)), []);
}
