//! Security Hub and the EventBridge bus: what they get, and what it does to a remediation when they fail.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ec2_model::{Fault, FaultKind, Permission, Vpc};
use portcullis::aws::{AccountRegion, BusEvent, FunctionIdentity};
use portcullis::config::{Accounts, MemberRole};
use portcullis::domain::finding::{Finding, Outcome, Verdict};
use portcullis::domain::ids::AccountId;
use portcullis::domain::policy::Mode;
use portcullis::pipeline::{self, Invocation};
use portcullis::sinks::Destinations;
use serde_json::{Value, json};

mod topic_ocsf;

use crate::harness::{ACCOUNT, REGION, Setup, Watch, enforcing, straight};

const MEMBER: &str = "444455556666";
const BUS: &str = "findings";
const IMPORT: &str = "BatchImportFindings";
const PUT: &str = "PutEvents";

fn both() -> Destinations {
    Destinations { event_bus: Some(BUS.to_owned()), security_hub: true, ..Destinations::default() }
}

async fn reporting(setup: Setup) -> Watch {
    let mut watch = setup.start().await;
    watch.context.destinations = both();
    watch.world.enable_security_hub(ACCOUNT, REGION);
    watch
}

fn ssh() -> [Permission; 1] {
    [Permission::tcp(22, "0.0.0.0/0")]
}

fn count(watch: &Watch, action: &str) -> usize {
    watch.world.calls().iter().filter(|call| call.action == action).count()
}

/// The sum of a metric in all lines so far.
fn metric(watch: &Watch, name: &str) -> u64 {
    let lines = watch.lines.lock().unwrap();
    let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line.get("_aws").is_some()).filter_map(|line| line[name].as_u64()).sum()
}

/// Id, record state, compliance.
fn state(document: &Value) -> [String; 3] {
    let [id, state, status] = [&document["Id"], &document["RecordState"], &document["Compliance"]["Status"]];
    [id, state, status].map(|text| text.as_str().unwrap().to_owned())
}

fn is_reverted(finding: &Finding) -> bool {
    (finding.verdict, finding.outcome) == (Verdict::Exposed, Outcome::Reverted)
}

#[tokio::test(start_paused = true)]
async fn one_finding_of_security_hub_is_active_while_the_port_is_open_and_then_archived() {
    let mut watch = reporting(Setup { mode: Mode::Alert, ..Setup::default() }).await;
    let event = watch.open(&ssh());
    assert_eq!(watch.finding(&event).await.outcome, Outcome::WouldRevert);
    let id = format!("portcullis/{ACCOUNT}/{REGION}/{}/ssh", watch.group);
    let now = || watch.world.security_findings(ACCOUNT, REGION).iter().map(state).collect::<Vec<_>>();
    assert_eq!(now(), [[id.clone(), "ACTIVE".into(), "FAILED".into()]]);
    watch.context.settings.mode = Mode::Enforce;
    assert!(is_reverted(&watch.finding(&event).await));
    let now = watch.world.security_findings(ACCOUNT, REGION).iter().map(state).collect::<Vec<_>>();
    assert_eq!(now, [[id, "ARCHIVED".into(), "PASSED".into()]]);
    assert_eq!((watch.world.imported_findings(ACCOUNT, REGION).len(), count(&watch, IMPORT)), (2, 2));
    assert_eq!((metric(&watch, "SecurityHubFailed"), metric(&watch, "SecurityHubNotEnabled")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_finding_that_is_news_is_an_event_on_the_bus_and_a_harmless_one_costs_no_call() {
    let watch = reporting(Setup::default()).await;
    let event = watch.open(&ssh());
    let finding = watch.finding(&event).await;
    let events = watch.world.bus_events();
    assert_eq!(events.len(), 1);
    let put = &events[0];
    assert_eq!((put.bus.as_str(), put.source.as_str(), put.detail_type.as_str()), (BUS, "portcullis", "reverted"));
    assert_eq!(serde_json::from_value::<Finding>(put.detail.clone()).unwrap().id, finding.id);
    assert_eq!(put.resources, [format!("arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{}", watch.group)]);
    let calls = (count(&watch, PUT), count(&watch, IMPORT));
    let harmless = watch.open(&[Permission::tcp(443, "0.0.0.0/0")]);
    assert_eq!(watch.finding(&harmless).await.verdict, Verdict::Safe);
    assert_eq!((count(&watch, PUT), count(&watch, IMPORT)), calls);
}

#[tokio::test(start_paused = true)]
async fn without_the_settings_neither_is_called() {
    let watch = enforcing().await;
    watch.world.enable_security_hub(ACCOUNT, REGION);
    let event = watch.open(&ssh());
    assert!(is_reverted(&watch.finding(&event).await));
    assert_eq!((count(&watch, PUT), count(&watch, IMPORT)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn where_security_hub_is_not_enabled_it_is_counted_and_nothing_fails() {
    let mut watch = enforcing().await;
    watch.context.destinations = Destinations { security_hub: true, ..Destinations::default() };
    let event = watch.open(&ssh());
    let answer = watch.deliver(&event).await;
    assert!(is_reverted(&answer.findings[0]) && answer.failed.is_empty());
    assert_eq!(metric(&watch, "SecurityHubNotEnabled"), 1);
    assert_eq!((metric(&watch, "SecurityHubFailed"), metric(&watch, "PublishFailed")), (0, 0));
    assert_eq!(count(&watch, IMPORT), 1, "trying again would not help");
}

#[tokio::test(start_paused = true)]
async fn whatever_either_call_meets_the_rule_is_closed_and_the_outcome_is_true() {
    let failing =
        |status, code: &str| FaultKind::ErrorBefore { status, code: code.to_owned(), message: "why".to_owned() };
    let failing_after =
        FaultKind::ErrorAfter { status: 500, code: "InternalFailure".to_owned(), message: "why".to_owned() };
    let cases = [
        (FaultKind::Throttle, 0),
        (FaultKind::LostBefore, 0),
        (FaultKind::LostAfter, 0),
        (FaultKind::Cut, 0),
        (failing_after, 0),
        (FaultKind::Slow(Duration::from_secs(60)), 0),
        (FaultKind::MalformedXml, 1),
        (FaultKind::Denied, 1),
        (FaultKind::ExpiredCredentials, 1),
        (failing(400, "SomethingNew"), 1),
        (failing(503, "ServiceUnavailable"), 0),
    ];
    for (action, counted) in [(IMPORT, "SecurityHubFailed"), (PUT, "PublishFailed")] {
        for (kind, failures) in cases.clone() {
            let watch = reporting(Setup::default()).await;
            let event = watch.open(&ssh());
            watch.world.inject(Fault::next(action, kind.clone()));
            let answer = watch.deliver(&event).await;
            assert!(is_reverted(&answer.findings[0]), "{action} {kind:?}: {:?}", answer.findings);
            assert!(answer.failed.is_empty(), "{action} {kind:?}: what was closed is not done again");
            assert_eq!(watch.ingress(), [""; 0], "{action} {kind:?}");
            assert_eq!(metric(&watch, counted), failures, "{action} {kind:?}");
            let other = if action == IMPORT { "PublishFailed" } else { "SecurityHubFailed" };
            assert_eq!(metric(&watch, other), 0, "{action} {kind:?}: the other one is not hurt");
            if failures == 0 {
                let (imported, put) = (watch.world.security_findings(ACCOUNT, REGION), watch.world.bus_events());
                assert!(!imported.is_empty() && !put.is_empty(), "{action} {kind:?}: what is not counted has arrived");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_never_answers_holds_nothing_back_but_its_own_news() {
    for action in [IMPORT, PUT] {
        let watch = reporting(Setup::default()).await;
        let event = watch.open(&ssh());
        for _ in 0..20 {
            watch.world.inject(Fault::next(action, FaultKind::Slow(Duration::from_secs(3600))));
        }
        let start = tokio::time::Instant::now();
        let answer = watch.deliver(&event).await;
        assert!(is_reverted(&answer.findings[0]) && answer.failed.is_empty(), "{action}");
        assert!(start.elapsed() < Duration::from_secs(30), "{action}: {:?}", start.elapsed());
        assert_eq!(metric(&watch, "SecurityHubFailed") + metric(&watch, "PublishFailed"), 1, "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_alone_of_its_call_was_not_taken_is_sent_again() {
    let watch = reporting(Setup::default()).await;
    watch.world.inject(Fault::next("PutEventsEntry", FaultKind::Throttle));
    let event = watch.open(&ssh());
    assert!(is_reverted(&watch.finding(&event).await));
    assert_eq!((watch.world.bus_events().len(), count(&watch, PUT), metric(&watch, "PublishFailed")), (1, 2, 0));
    for _ in 0..3 {
        watch.world.inject(Fault::next("PutEventsEntry", FaultKind::Throttle));
    }
    let event = watch.open(&ssh());
    assert!(is_reverted(&watch.finding(&event).await));
    assert_eq!((watch.world.bus_events().len(), metric(&watch, "PublishFailed")), (1, 1), "a failed publish, not lost");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_sends_a_hundred_findings_a_call_and_ten_events() {
    let watch = reporting(Setup::default()).await;
    for n in 0..101 {
        let group = watch.world.create_group(ACCOUNT, REGION, &format!("g{n}"), Vpc::Other);
        watch.world.authorize(ACCOUNT, REGION, &group, &ssh()).unwrap();
    }
    let order = json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}});
    let answer = watch.deliver(&order).await;
    assert_eq!(answer.findings.len(), 102, "each group, and the summary");
    let ids: BTreeSet<String> =
        watch.world.security_findings(ACCOUNT, REGION).iter().map(|it| state(it)[0].clone()).collect();
    assert_eq!((ids.len(), count(&watch, IMPORT)), (101, 2));
    let events = watch.world.bus_events();
    assert_eq!((events.len(), count(&watch, PUT)), (102, 12), "ten a call, and the summary by itself");
    assert_eq!(events.iter().filter(|event| event.detail["sweep"].is_object()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_ten_imports_a_second_go_to_an_account_and_region() {
    let watch = reporting(Setup::default()).await;
    let event = watch.open(&ssh());
    watch.finding(&event).await;
    let document = watch.world.security_findings(ACCOUNT, REGION);
    let identity = FunctionIdentity::of_arn("arn:aws:lambda:eu-west-1:111122223333:function:portcullis").unwrap();
    let target = AccountRegion { account: ACCOUNT.parse().unwrap(), region: REGION.parse().unwrap() };
    let start = tokio::time::Instant::now();
    let session = watch.context.aws.session(&identity, start + Duration::from_secs(30));
    for _ in 1..50 {
        assert_eq!(session.import_findings(&target, &document).await, Ok(0));
    }
    let took = start.elapsed().as_secs_f64();
    assert_eq!(count(&watch, IMPORT), 50);
    assert!((1.9..3.5).contains(&took), "a burst of 30, then 10 a second: {took}");
}

#[tokio::test(start_paused = true)]
async fn a_members_finding_goes_into_the_members_own_security_hub_in_alert_mode_too() {
    for mode in [Mode::Enforce, Mode::Alert] {
        let world = ec2_model::World::new(7);
        world.set_now(portcullis::now().as_millisecond());
        world.allow_role(MEMBER, "PortcullisMember", Some("org-1"));
        world.enable_security_hub(MEMBER, "us-east-1");
        let role = MemberRole { name: "PortcullisMember".into(), external_id: Some("org-1".into()) };
        let accounts = Accounts::Listed([AccountId::parse(MEMBER).unwrap()].into());
        let setup = Setup { mode, accounts, member_role: Some(role), evidence: false, ..Setup::default() };
        let clock = world.clone();
        let clock = Box::new(move || jiff::Timestamp::from_millisecond(clock.now()).unwrap());
        let mut context = setup.context(REGION, straight(world.clone()), clock, Box::new(|_: &str| {})).await;
        context.aws = context.aws.with_security_hub(true);
        context.destinations = both();
        let group = world.create_group(MEMBER, "us-east-1", "theirs", Vpc::Other);
        world.authorize(MEMBER, "us-east-1", &group, &ssh()).unwrap();
        let event = ec2_model::eventbridge(world.take_records().last().unwrap());
        let invocation = Invocation {
            identity: FunctionIdentity::of_arn("arn:aws:lambda:eu-west-1:111122223333:function:portcullis"),
            deadline: tokio::time::Instant::now() + Duration::from_secs(30),
        };
        let answer = pipeline::handle(&context, &event, &invocation).await;
        assert_eq!(answer.findings[0].outcome == Outcome::Reverted, mode == Mode::Enforce);
        let found = world.security_findings(MEMBER, "us-east-1");
        assert_eq!(found.len(), 1, "{mode:?}: {:?}", world.calls());
        assert_eq!(
            (&found[0]["AwsAccountId"], &found[0]["Resources"][0]["Region"]),
            (&json!(MEMBER), &json!("us-east-1"))
        );
        let caller =
            world.calls().into_iter().find(|call| call.action == IMPORT).map(|call| (call.account, call.region));
        assert_eq!(caller, Some((MEMBER.to_owned(), "us-east-1".to_owned())));
        let put = world.calls().into_iter().find(|call| call.action == PUT).map(|call| (call.account, call.region));
        assert_eq!(put, Some((ACCOUNT.to_owned(), REGION.to_owned())), "the bus is the function's own");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bus_in_another_region_is_called_there() {
    let mut watch = enforcing().await;
    let bus = "arn:aws:events:us-east-1:999988887777:event-bus/security";
    watch.context.destinations = Destinations { event_bus: Some(bus.to_owned()), ..Destinations::default() };
    let event = watch.open(&ssh());
    assert!(is_reverted(&watch.finding(&event).await));
    assert_eq!(watch.world.bus_events()[0].bus, bus);
    let put = watch.world.calls().into_iter().find(|call| call.action == PUT).unwrap();
    assert_eq!((put.account.as_str(), put.region.as_str()), (ACCOUNT, "us-east-1"));
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_to_the_host_of_its_region_and_partition() {
    let (world, uris) = (ec2_model::World::new(7), Arc::new(Mutex::new(Vec::new())));
    let (straight, seen) = (straight(world), Arc::clone(&uris));
    let between = Arc::new(move |request: &ec2_model::Request| {
        seen.lock().unwrap().push(request.uri.clone());
        straight(request)
    });
    let setup = Setup { evidence: false, ..Setup::default() };
    let context = setup.context(REGION, between, Box::new(portcullis::now), Box::new(|_: &str| {})).await;
    let event = BusEvent { detail_type: "none".to_owned(), detail: "{}".to_owned(), resources: Vec::new() };
    for (region, host) in [
        ("eu-west-1", "events.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "events.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "events.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "events.eusc-de-east-1.amazonaws.eu"),
        ("us-isob-east-1", "events.us-isob-east-1.sc2s.sgov.gov"),
    ] {
        let bus = format!("arn:aws:events:{region}:999988887777:event-bus/b");
        assert_eq!(context.aws.put_events(&bus, std::slice::from_ref(&event)).await, []);
        assert_eq!(uris.lock().unwrap().last().unwrap(), &format!("https://{host}/"));
    }
}
