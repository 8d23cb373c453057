//! A hub and two member accounts in two Regions. The function has its role's credentials. The member roles trust only
//! that role and require the external id.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::config::Credentials;
use aws_smithy_async::time::TimeSource;
use ec2_model::{Direction, Permission, Vpc, World};
use portcullis::aws::{Aws, FunctionIdentity};
use portcullis::config::{Accounts, MemberRole};
use portcullis::domain::finding::{Finding, Outcome, Verdict};
use portcullis::domain::policy::{Mode, Policy};
use portcullis::pipeline::{self, Answer, Context, Invocation, Settings};
use portcullis::store::Store;
use serde_json::{Value, json};

use crate::harness::{Wire, sqs, straight};

const HUB: &str = "111122223333";
const FIRST: &str = "444455556666";
const SECOND: &str = "777788889999";
const DUBLIN: &str = "eu-west-1";
const OHIO: &str = "us-east-2";
const ROLE: &str = "portcullis";
const FUNCTION_ROLE: &str = "portcullis-FunctionRole-EXAMPLE";
const EXTERNAL_ID: &str = "gate-7f3a";
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:portcullis";

const MEMBERS_PLACES: [(&str, &str); 4] = [(FIRST, DUBLIN), (FIRST, OHIO), (SECOND, DUBLIN), (SECOND, OHIO)];

/// Gives the SDK the world's clock, by which the SDK renews credentials.
struct WorldsTime(World);

impl std::fmt::Debug for WorldsTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WorldsTime")
    }
}

impl TimeSource for WorldsTime {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.now().try_into().unwrap())
    }
}

struct Organisation {
    world: World,
    context: Context,
    /// The function's ARN, from which it learns its account.
    function: &'static str,
    groups: Vec<(String, String, String)>,
}

/// A group with a lawful and an unlawful rule, and the event of the call that made both.
struct Opened {
    event: Value,
    exposed: String,
}

fn minutes(count: i64) -> i64 {
    count * 60_000
}

/// The member roles of these accounts trust the function.
async fn organisation(members: &[&str], accounts: &[&str]) -> Organisation {
    let world = World::new(11);
    let start = 1_795_000_000_000;
    for member in members {
        let function_role = format!("arn:aws:iam::{HUB}:role/{FUNCTION_ROLE}");
        world.allow_role_for(member, ROLE, Some(EXTERNAL_ID), &function_role);
    }
    // Lambda renews the credentials of its function. These were issued fifty minutes later, so they outlast those of
    // the members.
    world.set_now(start + minutes(50));
    let own = world.role_credentials(HUB, FUNCTION_ROLE, "portcullis");
    world.set_now(start);
    let own = Credentials::new(own.access_key_id, own.secret_access_key, Some(own.session_token), None, "lambda");
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(Wire(straight(world.clone())))
        .time_source(WorldsTime(world.clone()))
        .region(Region::from_static(DUBLIN))
        .credentials_provider(own);
    let role = MemberRole { name: ROLE.into(), external_id: Some(EXTERNAL_ID.into()) };
    let (clock, began) = (world.clone(), tokio::time::Instant::now());
    let aws = Aws::load(loader, Some(role), Mode::Enforce).await;
    let accounts = Accounts::Listed(accounts.iter().map(|id| id.parse().unwrap()).collect());
    let settings =
        Settings { mode: Mode::Enforce, accounts, topic: None, queue: None, memory: Store::None, restores: false };
    let clock = Box::new(move || jiff::Timestamp::from_millisecond(clock.now()).unwrap() + began.elapsed());
    let context = Context::new(aws, Policy::parse("version: 1").unwrap(), settings, clock, Box::new(|_| {}));
    Organisation { world, context, function: FUNCTION, groups: Vec::new() }
}

/// Both members trust the function, and it may act in all three accounts.
async fn both() -> Organisation {
    organisation(&[FIRST, SECOND], &[HUB, FIRST, SECOND]).await
}

impl Organisation {
    /// Makes a new group, and one call that opens SSH and HTTPS to the world and RDP to a private block.
    fn open(&mut self, account: &str, region: &str) -> Opened {
        let group = self.world.create_group(account, region, &format!("web{}", self.groups.len()), Vpc::Other);
        let rules =
            [Permission::tcp(443, "0.0.0.0/0"), Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(3389, "10.0.0.0/8")];
        let ids = self.world.authorize(account, region, &group, &rules).unwrap();
        let event = ec2_model::eventbridge(self.world.take_records().last().unwrap());
        self.groups.push((account.to_owned(), region.to_owned(), group));
        Opened { event, exposed: ids[1].clone() }
    }

    /// Every ingress rule of every group, with its account and Region.
    fn rules(&self) -> BTreeMap<String, String> {
        let of = |(account, region, group): &(String, String, String)| {
            let ingress = self.world.rules(account, region, group).into_iter();
            let ingress = ingress.filter(|rule| rule.direction == Direction::Ingress);
            let place = format!("{account} {region} {group}");
            ingress
                .map(|rule| (rule.id.clone(), format!("{place} {} {}", rule.from_port, rule.source.text())))
                .collect::<Vec<_>>()
        };
        self.groups.iter().flat_map(of).collect()
    }

    async fn deliver(&self, payload: &Value) -> Answer {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        let invocation = Invocation { identity: FunctionIdentity::of_arn(self.function), deadline };
        pipeline::handle(&self.context, payload, &invocation).await
    }

    /// The RoleArn of every AssumeRole so far.
    fn assumed(&self) -> Vec<String> {
        let calls = self.world.calls().into_iter().filter(|call| call.action == "AssumeRole");
        calls.map(|call| call.param("RoleArn").unwrap().to_owned()).collect()
    }

    /// The account and Region of every EC2 call so far.
    fn called(&self) -> BTreeSet<(String, String)> {
        let calls = self.world.calls().into_iter().filter(|call| call.service == "ec2");
        calls.map(|call| (call.account, call.region)).collect()
    }
}

fn batch(opened: &[&Opened]) -> Value {
    sqs(&opened.iter().map(|opened| opened.event.to_string()).collect::<Vec<_>>())
}

fn judged(finding: &Finding) -> (Verdict, Outcome) {
    (finding.verdict, finding.outcome)
}

const REVERTED: (Verdict, Outcome) = (Verdict::Exposed, Outcome::Reverted);
const FAILED: (Verdict, Outcome) = (Verdict::Undecided, Outcome::Failed);
const REFUSED: (Verdict, Outcome) = (Verdict::Undecided, Outcome::None);

fn place(finding: &Finding) -> (&str, &str) {
    (finding.account.as_deref().unwrap(), finding.region.as_deref().unwrap())
}

#[tokio::test(start_paused = true)]
async fn of_every_account_and_region_in_one_batch_exactly_what_is_exposed_goes() {
    let mut org = both().await;
    let places = [&[(HUB, DUBLIN), (HUB, OHIO)], &MEMBERS_PLACES[..]].concat();
    let opened: Vec<Opened> = places.iter().map(|(account, region)| org.open(account, region)).collect();
    // Rules that no event of the batch reports stay, also those in another Region.
    for (account, region) in places.iter().chain([&(FIRST, "eu-central-1"), &(SECOND, "eu-central-1")]) {
        org.open(account, region);
    }
    let mut expected = org.rules();
    assert_eq!(expected.len(), 14 * 3);
    let answer = org.deliver(&batch(&opened.iter().collect::<Vec<_>>())).await;
    assert!(answer.failed.is_empty());
    assert_eq!(answer.findings.len(), 6);
    for (n, finding) in answer.findings.iter().enumerate() {
        assert_eq!((judged(finding), place(finding)), (REVERTED, places[n]), "{}", finding.reason);
        let revoked = finding.rules.iter().filter(|rule| rule.action.as_str() == "revoked");
        assert_eq!(revoked.map(|rule| rule.id.to_string()).collect::<Vec<_>>(), [opened[n].exposed.clone()]);
        expected.remove(&opened[n].exposed).unwrap();
    }
    assert_eq!(org.rules(), expected);
    let called = places.iter().map(|(account, region)| ((*account).to_owned(), (*region).to_owned())).collect();
    assert_eq!(org.called(), called);
    // One session for each account, although two Regions of each are worked on at a time, and none for the hub.
    let mut assumed = org.assumed();
    assumed.sort();
    assert_eq!(assumed, [FIRST, SECOND].map(|id| format!("arn:aws:iam::{id}:role/portcullis")));
    for call in org.world.calls().iter().filter(|call| call.action == "AssumeRole") {
        assert_eq!((call.account.as_str(), call.region.as_str()), (HUB, DUBLIN), "by the hub, from its own Region");
        assert_eq!(call.param("ExternalId"), Some(EXTERNAL_ID));
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_let_the_hub_in_fails_alone_and_comes_again() {
    // No role, a role that trusts another caller, and a role that requires another external id.
    let other = format!("arn:aws:iam::{HUB}:role/other");
    let own = format!("arn:aws:iam::{HUB}:role/{FUNCTION_ROLE}");
    for (trusted, external_id) in [(None, EXTERNAL_ID), (Some(&other), EXTERNAL_ID), (Some(&own), "gate-0000")] {
        let mut org = organisation(&[FIRST], &[HUB, FIRST, SECOND]).await;
        if let Some(trusted) = trusted {
            org.world.allow_role_for(SECOND, ROLE, Some(external_id), trusted);
        }
        let places = [(SECOND, DUBLIN), (FIRST, DUBLIN), (SECOND, OHIO), (HUB, OHIO), (FIRST, OHIO)];
        let opened: Vec<Opened> = places.iter().map(|(account, region)| org.open(account, region)).collect();
        let mut expected = org.rules();
        let events = batch(&opened.iter().collect::<Vec<_>>());
        let answer = org.deliver(&events).await;
        assert_eq!(answer.failed, ["m0", "m2"].map(str::to_owned).into());
        for (n, finding) in answer.findings.iter().enumerate() {
            if place(finding).0 == SECOND {
                assert_eq!(judged(finding), FAILED);
                assert!(finding.reason.starts_with("AssumeRole: AccessDenied: "), "{}", finding.reason);
                assert!(finding.reason.contains(&format!("arn:aws:iam::{SECOND}:role/portcullis")));
            } else {
                assert_eq!(judged(finding), REVERTED, "{}", finding.reason);
                expected.remove(&opened[n].exposed).unwrap();
            }
        }
        assert_eq!(org.rules(), expected);
        assert!(org.called().iter().all(|(account, _)| account != SECOND));
        // Once the role trusts the hub, the second delivery does the rest.
        org.world.allow_role_for(SECOND, ROLE, Some(EXTERNAL_ID), &own);
        let answer = org.deliver(&events).await;
        assert!(answer.failed.is_empty(), "{:#?}", answer.findings);
        expected.retain(|id, _| opened.iter().all(|opened| opened.exposed != *id));
        assert_eq!(org.rules(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_not_listed_costs_no_call_though_its_role_would_let_the_hub_in() {
    let mut org = organisation(&[FIRST, SECOND], &[FIRST]).await;
    let opened = [org.open(SECOND, DUBLIN), org.open(FIRST, DUBLIN), org.open(HUB, DUBLIN)];
    let answer = org.deliver(&batch(&opened.each_ref())).await;
    let judgements: Vec<_> = answer.findings.iter().map(judged).collect();
    assert_eq!(judgements, [REFUSED, REVERTED, REFUSED]);
    assert!(answer.findings[0].reason.contains(&format!("account {SECOND} is not one")));
    assert_eq!(org.assumed(), [format!("arn:aws:iam::{FIRST}:role/portcullis")]);
    assert_eq!(org.called(), [(FIRST.to_owned(), DUBLIN.to_owned())].into());
    assert_eq!(org.rules().len(), 3 * 3 - 1);
}

#[tokio::test(start_paused = true)]
async fn an_envelope_of_one_member_around_a_record_of_another_is_refused_without_a_call() {
    let mut org = both().await;
    let opened = org.open(SECOND, DUBLIN);
    for (field, text) in [("account", FIRST), ("account", HUB), ("region", OHIO)] {
        let mut forged = opened.event.clone();
        forged[field] = json!(text);
        let answer = org.deliver(&sqs(&[forged.to_string()])).await;
        assert_eq!(judged(&answer.findings[0]), REFUSED);
        let why = format!("the envelope's {field} is `{text}`");
        assert!(answer.findings[0].reason.contains(&why), "{}", answer.findings[0].reason);
    }
    assert!(org.world.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_but_twelve_digits_of_an_event_gets_into_a_roles_arn() {
    let mut org = both().await;
    let opened = org.open(FIRST, DUBLIN);
    for odd in [
        "111122223333/../x",
        "444455556666:role/admin",
        "444455556666\n",
        " 444455556666",
        "44445555666",
        "4444555566660",
        "４４４４５５５５６６６６",
        "*",
    ] {
        let mut event = opened.event.clone();
        (event["account"], event["detail"]["recipientAccountId"]) = (json!(odd), json!(odd));
        let answer = org.deliver(&sqs(&[event.to_string()])).await;
        assert_eq!(judged(&answer.findings[0]), REFUSED, "{odd}: {}", answer.findings[0].reason);
        let answer = org.deliver(&json!({"sweep": {"accounts": [odd], "regions": [DUBLIN]}})).await;
        assert_eq!(judged(&answer.findings[0]), REFUSED, "{odd}: {}", answer.findings[0].reason);
    }
    assert!(org.world.calls().is_empty());
    let answer = org.deliver(&opened.event).await;
    assert_eq!(judged(&answer.findings[0]), REVERTED, "as it came, it is a good event");
    assert_eq!(org.assumed(), [format!("arn:aws:iam::{FIRST}:role/portcullis")]);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_a_member_has_not_enabled_fails_alone_with_awss_code() {
    let mut org = both().await;
    let opened = MEMBERS_PLACES.map(|(account, region)| org.open(account, region));
    org.world.disable_region(FIRST, OHIO);
    let answer = org.deliver(&batch(&opened.each_ref())).await;
    assert_eq!(answer.failed, ["m1".to_owned()].into());
    let judgements: Vec<_> = answer.findings.iter().map(judged).collect();
    assert_eq!(judgements, [REVERTED, FAILED, REVERTED, REVERTED]);
    let reason = &answer.findings[1].reason;
    assert!(reason.starts_with("DescribeSecurityGroupRules: AuthFailure: "), "{reason}");
    let left: Vec<bool> = opened.iter().map(|opened| org.rules().contains_key(&opened.exposed)).collect();
    assert_eq!(left, [false, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_members_credentials_are_kept_for_their_hour_and_renewed_after_it() {
    let mut org = both().await;
    for (at, assumed) in [(0, 1), (30, 1), (58, 1), (61, 2), (90, 2)] {
        let from = 1_795_000_000_000;
        org.world.set_now(from + minutes(at));
        let opened = [org.open(FIRST, DUBLIN), org.open(FIRST, OHIO)];
        let answer = org.deliver(&batch(&opened.each_ref())).await;
        assert!(answer.findings.iter().all(|finding| judged(finding) == REVERTED), "{at}: {:#?}", answer.findings);
        assert_eq!(org.assumed().len(), assumed, "after {at} minutes");
    }
    let refused = org.world.calls().into_iter().filter(|call| call.outcome != ec2_model::Outcome::Ok);
    assert_eq!(refused.count(), 0, "renewed in time, not when EC2 refuses them");
}

#[tokio::test(start_paused = true)]
async fn the_members_role_is_of_the_partition_that_the_function_is_in() {
    for (function, region, partition) in [
        ("arn:aws:lambda:eu-west-1:111122223333:function:portcullis", DUBLIN, "aws"),
        ("arn:aws-cn:lambda:cn-north-1:111122223333:function:portcullis", "cn-north-1", "aws-cn"),
        ("arn:aws-us-gov:lambda:us-gov-west-1:111122223333:function:portcullis", "us-gov-west-1", "aws-us-gov"),
    ] {
        let mut org = both().await;
        org.function = function;
        let opened = org.open(FIRST, region);
        let answer = org.deliver(&opened.event).await;
        assert_eq!(org.assumed(), [format!("arn:{partition}:iam::{FIRST}:role/portcullis")]);
        assert_eq!(judged(&answer.findings[0]), REVERTED, "{}", answer.findings[0].reason);
    }
}
