//! Requests and answers over HTTP: credentials, faults, throttles, and the services STS and SNS.

use std::time::Duration;

use super::kit::*;
use crate::{Fault, FaultKind, Outcome, Permission, Reply, Request, Vpc, World};

const SIGNED: &str = "000011112222";

fn sts(world: &World, params: &[(&str, &str)]) -> (u16, String) {
    let response = send(world, &request(SIGNED, "sts", params));
    (response.status, String::from_utf8(response.body).unwrap())
}

fn assume<'a>(arn: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("Action", "AssumeRole"), ("RoleArn", arn), ("RoleSessionName", "guard")], more].concat()
}

/// EC2 API Reference, error codes, AuthFailure: "The provided credentials could not be validated."
#[test]
fn calls_without_credentials_fail() {
    let world = World::new(1);
    let bare = Request { headers: Vec::new(), ..request(ACCOUNT, "ec2", &[("Action", "DescribeRegions")]) };
    let response = send(&world, &bare);
    assert_eq!(response.status, 401);
    let body = String::from_utf8(response.body).unwrap();
    let id = element(&body, "RequestID");
    assert_eq!(
        body,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS \
             was not able to validate the provided access credentials</Message></Error></Errors><RequestID>{id}\
             </RequestID></Response>"
        )
    );
    assert_eq!(world.calls(), []);
    let unknown = send(&world, &request("AKIAUNKNOWN", "ec2", &[("Action", "DescribeRegions")]));
    assert_eq!(unknown.status, 401);
}

/// EC2 API Reference, "Common parameters", `DryRun`: "If you have the required permissions, the error response is
/// DryRunOperation."; error codes, InvalidAction.
#[test]
fn dry_runs_and_unknown_actions_change_nothing() {
    let (world, group) = world_with_group(Vpc::Other);
    let ids = allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    let params = [("GroupId", group.as_str()), ("SecurityGroupRuleId.1", &ids[0]), ("DryRun", "true")];
    let (status, body) = ec2(&world, "RevokeSecurityGroupIngress", &params);
    assert_eq!((status, element(&body, "Code").as_str()), (412, "DryRunOperation"));
    assert_eq!(ingress(&world, &group).len(), 1);
    assert_eq!(ec2_error(&world, "RunInstances", &[]), "InvalidAction");
}

/// AWS STS API Reference, AssumeRole: "Returns a set of temporary security credentials"; the caller acts in the role's
/// account from then on, until `Expiration`. EC2 error codes, RequestExpired.
#[test]
fn assumed_roles_act_in_their_account_until_they_expire() {
    let (world, group) = world_with_group(Vpc::Other);
    world.allow_role(ACCOUNT, "guard", Some("secret"));
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/guard");
    let (status, body) = sts(&world, &assume(&arn, &[]));
    assert_eq!((status, element(&body, "Code").as_str()), (403, "AccessDenied"));
    let (status, body) = sts(&world, &assume(&arn, &[("ExternalId", "secret")]));
    assert_eq!(status, 200);
    assert_eq!(element(&body, "Expiration"), "2026-01-01T01:00:00Z");
    let (key, token) = (element(&body, "AccessKeyId"), element(&body, "SessionToken"));

    let look = [("Action", "DescribeSecurityGroups")];
    let mut call = request(&key, "ec2", &look);
    assert_eq!(send(&world, &call).status, 401);
    call.headers.push(("x-amz-security-token".into(), token));
    let body = String::from_utf8(send(&world, &call).body).unwrap();
    assert_eq!(element(&body, "groupId"), group);
    world.set_now(world.now() + 3_600_000);
    let late = send(&world, &call);
    assert_eq!(late.status, 400);
    assert_eq!(element(&String::from_utf8(late.body).unwrap(), "Code"), "RequestExpired");
    let outcomes = world.calls().into_iter().map(|call| call.outcome).collect::<Vec<_>>();
    assert_eq!(outcomes.last(), Some(&Outcome::Error("RequestExpired".into())));

    let records = world.take_records();
    let assumed = records.iter().filter(|r| r["eventName"] == "AssumeRole" && r.get("errorCode").is_none());
    let recipients = assumed.map(|r| r["recipientAccountId"].clone()).collect::<Vec<_>>();
    assert_eq!(recipients, [SIGNED, ACCOUNT]);
    assert!(!records.iter().any(|record| record.to_string().contains("secretAccessKey")));
}

/// AWS STS API Reference, GetCallerIdentity: "Returns details about the IAM user or role whose credentials are used".
#[test]
fn callers_learn_who_they_are() {
    let (status, body) = sts(&World::new(1), &[("Action", "GetCallerIdentity")]);
    assert_eq!((status, element(&body, "Account").as_str()), (200, SIGNED));
    let (status, _) = sts(&World::new(1), &assume("arn:aws:iam::111122223333:role/unknown", &[]));
    assert_eq!(status, 403);
}

/// Amazon EC2 Developer Guide, "Request throttling": the bucket of a mutating API holds 50 tokens and gets 5 a second.
#[test]
fn buckets_empty_and_refill() {
    let (world, group) = world_with_group(Vpc::Other);
    world.set_throttling(true);
    let params = [("GroupId", group.as_str()), ("SecurityGroupRuleId.1", "sgr-0123456789abcdef0")];
    let revoke = || ec2_error(&world, "RevokeSecurityGroupIngress", &params);
    assert!((0..50).all(|_| revoke() == "InvalidSecurityGroupRuleId.NotFound"));
    assert_eq!(revoke(), "RequestLimitExceeded");
    assert_eq!(ec2(&world, "DescribeSecurityGroupRules", &[]).0, 200);
    world.set_now(world.now() + 200);
    assert_eq!(revoke(), "InvalidSecurityGroupRuleId.NotFound");
    assert_eq!(revoke(), "RequestLimitExceeded");
}

/// Amazon EC2 Developer Guide, "Request throttling": throttled "on a per-API basis" for each account and Region, so all
/// callers of the account share one bucket.
#[test]
fn another_caller_of_the_account_draws_from_the_same_bucket() {
    let (world, group) = world_with_group(Vpc::Other);
    world.set_throttling(true);
    let (place, action) = ((ACCOUNT, REGION), "RevokeSecurityGroupIngress");
    assert!((0..49).all(|_| world.draw(place.0, place.1, action)));
    let params = [("GroupId", group.as_str()), ("SecurityGroupRuleId.1", "sgr-0123456789abcdef0")];
    assert_eq!(ec2_error(&world, action, &params), "InvalidSecurityGroupRuleId.NotFound");
    assert_eq!(ec2_error(&world, action, &params), "RequestLimitExceeded");
    assert!(!world.draw(place.0, place.1, action));
    assert!(world.draw(place.0, place.1, "AuthorizeSecurityGroupIngress") && world.draw(place.0, "us-east-1", action));
}

/// The model's own: what each fault does to the answer and to the world.
#[test]
fn faults_hit_before_or_after_the_effect() {
    let error = |status: u16| ("InternalError".to_owned(), "internal".to_owned(), status);
    let (code, message, status) = error(500);
    let before = FaultKind::ErrorBefore { status, code: code.clone(), message: message.clone() };
    let after = FaultKind::ErrorAfter { status, code, message };
    let cases = [
        (before, false),
        (after, true),
        (FaultKind::Throttle, false),
        (FaultKind::LostBefore, false),
        (FaultKind::LostAfter, true),
        (FaultKind::Cut, true),
        (FaultKind::Slow(Duration::from_secs(9)), true),
        (FaultKind::MalformedXml, true),
        (FaultKind::Denied, false),
        (FaultKind::ExpiredCredentials, false),
    ];
    for (kind, happened) in cases {
        let (world, group) = world_with_group(Vpc::Other);
        let ids = allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
        world.inject(Fault::next("RevokeSecurityGroupIngress", kind.clone()));
        ec2(&world, "DescribeRegions", &[]);
        let params =
            [("Action", "RevokeSecurityGroupIngress"), ("GroupId", group.as_str()), ("SecurityGroupRuleId.1", &ids[0])];
        let reply = world.handle(&request(ACCOUNT, "ec2", &params));
        assert_eq!(ingress(&world, &group).is_empty(), happened, "{kind:?}");
        assert_eq!(world.calls().pop().map(|call| call.outcome), Some(Outcome::Fault(kind.clone())));
        let fits = match (&kind, &reply) {
            (FaultKind::LostBefore | FaultKind::LostAfter, Reply::Lost) => true,
            (FaultKind::Cut, Reply::Cut(response)) => response.status == 200,
            (FaultKind::Slow(delay), Reply::Slow(told, response)) => delay == told && response.status == 200,
            (FaultKind::MalformedXml, Reply::Answer(response)) => response.body.ends_with(b"<<&"),
            (FaultKind::Throttle, Reply::Answer(response)) => response.status == 503,
            (FaultKind::Denied, Reply::Answer(response)) => response.status == 403,
            (FaultKind::ExpiredCredentials, Reply::Answer(response)) => response.status == 400,
            (_, Reply::Answer(response)) => response.status == 500,
            _ => false,
        };
        assert!(fits, "{kind:?}: {reply:?}");
    }
}

/// Amazon EC2 API Reference, error codes, UnauthorizedOperation: "You are not authorized to perform this operation."
#[test]
fn what_no_policy_allows_is_denied_until_one_does() {
    let (world, group) = world_with_group(Vpc::Other);
    let ids = allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    let params = [("GroupId", group.as_str()), ("SecurityGroupRuleId.1", &ids[0])];
    world.deny(ACCOUNT, "RevokeSecurityGroupIngress");
    for _ in 0..2 {
        let (status, body) = ec2(&world, "RevokeSecurityGroupIngress", &params);
        assert_eq!((status, element(&body, "Code").as_str()), (403, "UnauthorizedOperation"));
    }
    let record = world.take_records().pop().unwrap();
    assert_eq!(record["errorCode"], "Client.UnauthorizedOperation");
    world.permit(ACCOUNT, "RevokeSecurityGroupIngress");
    assert_eq!(ec2(&world, "RevokeSecurityGroupIngress", &params).0, 200);
}

/// The model's own: `nth` counts matching calls, and two faults for one call hit one after the other.
#[test]
fn faults_wait_their_turn() {
    let world = World::new(1);
    world.inject(Fault { action: None, nth: 1, kind: FaultKind::Throttle });
    world.inject(Fault { action: Some("DescribeRegions".into()), nth: 1, kind: FaultKind::Denied });
    let statuses = (0..4).map(|_| ec2(&world, "DescribeRegions", &[]).0).collect::<Vec<_>>();
    assert_eq!(statuses, [200, 503, 403, 200]);
}

/// Amazon SNS API Reference, Publish, `MessageStructure`: "contain at least a top-level JSON key of "default" with a value
/// that is a string."
#[test]
fn messages_are_published() {
    let world = World::new(1);
    let publish = |more: &[(&str, &str)]| {
        let topic = [("Action", "Publish"), ("TopicArn", "arn:aws:sns:eu-west-1:000011112222:alerts")];
        send(&world, &request(SIGNED, "sns", &[topic.as_slice(), more].concat())).status
    };
    let json = r#"{"default":"text"}"#;
    let attribute = [
        ("MessageAttributes.entry.1.Name", "verdict"),
        ("MessageAttributes.entry.1.Value.DataType", "String"),
        ("MessageAttributes.entry.1.Value.StringValue", "exposed"),
    ];
    let whole = [&[("Message", json), ("Subject", "s"), ("MessageStructure", "json")], attribute.as_slice()].concat();
    assert_eq!(publish(&whole), 200);
    assert_eq!(publish(&[("Message", "{}"), ("MessageStructure", "json")]), 400);
    assert_eq!(publish(&[("Message", "m"), ("Subject", "two\nlines")]), 400);
    assert_eq!(publish(&[]), 400);
    let published = world.published();
    assert_eq!(published.len(), 1);
    assert_eq!((published[0].message.as_str(), published[0].subject.as_deref()), (json, Some("s")));
    assert_eq!(published[0].attributes, [("verdict".into(), "exposed".into())]);
}

/// A call with the credentials that AssumeRole returned. Returns status and body.
fn as_session(world: &World, assumed: &str, service: &str, params: &[(&str, &str)]) -> (u16, String) {
    let mut call = request(&element(assumed, "AccessKeyId"), service, params);
    call.headers.push(("x-amz-security-token".into(), element(assumed, "SessionToken")));
    let response = send(world, &call);
    (response.status, String::from_utf8(response.body).unwrap())
}

/// AWS STS API Reference, AssumeRole: "the role's trust policy … specifies which accounts are allowed to delegate that
/// access"; IAM User Guide, "AWS JSON policy elements: Principal": accounts, users, roles, role sessions. AccessDenied: "User:
/// … is not authorized to perform: sts:AssumeRole on resource: …".
#[test]
fn a_role_opens_to_whom_it_trusts() {
    let world = World::new(1);
    let hub = "arn:aws:iam::000011112222:role/service-role/hub";
    world.allow_role_for(ACCOUNT, "guard", Some("secret"), hub);
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/guard");
    let wanted = assume(&arn, &[("ExternalId", "secret")]);
    let (status, body) = sts(&world, &wanted);
    let problem = (status, element(&body, "Code"), element(&body, "Message"));
    let words = format!(
        "User: arn:aws:iam::{SIGNED}:user/operator is not authorized to perform: sts:AssumeRole on resource: {arn}"
    );
    assert_eq!(problem, (403, "AccessDenied".into(), words));

    let session = |role: &str| {
        let credentials = world.role_credentials(SIGNED, role, "fn");
        format!(
            "<AccessKeyId>{}</AccessKeyId><SessionToken>{}</SessionToken>",
            credentials.access_key_id, credentials.session_token
        )
    };
    let hub_session = session("service-role/hub");
    assert_eq!(as_session(&world, &hub_session, "sts", &wanted).0, 200);
    assert_eq!(as_session(&world, &hub_session, "sts", &assume(&arn, &[])).0, 403);
    assert_eq!(as_session(&world, &session("other"), "sts", &wanted).0, 403);
    let (_, who) = as_session(&world, &hub_session, "sts", &[("Action", "GetCallerIdentity")]);
    assert_eq!(element(&who, "Arn"), format!("arn:aws:sts::{SIGNED}:assumed-role/hub/fn"));

    for principal in
        [format!("arn:aws:iam::{SIGNED}:root"), SIGNED.into(), format!("arn:aws:iam::{SIGNED}:user/operator")]
    {
        let world = World::new(1);
        world.allow_role_for(ACCOUNT, "guard", None, &principal);
        assert_eq!(sts(&world, &assume(&arn, &[])).0, 200, "{principal}");
        let other = send(&world, &request("999988887777", "sts", &assume(&arn, &[])));
        assert_eq!(other.status, 403, "{principal}");
    }
}

/// AWS STS API Reference, AssumeRole, `Policy`: "The resulting session's permissions are the intersection of the role's
/// identity-based policy and the session policies." IAM User Guide, "Access denied error messages": "because no session
/// policy allows the … action".
#[test]
fn a_session_policy_narrows_the_session() {
    let world = World::new(1);
    world.allow_role(ACCOUNT, "guard", None);
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/guard");
    let with = |policy: &str| sts(&world, &assume(&arn, &[("Policy", policy)]));
    let looks = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*","Action":["ec2:describe*"]}}"#;
    let (_, session) = with(looks);
    let ask = |session: &str, action: &str| {
        let (status, body) = as_session(&world, session, "ec2", &[("Action", action)]);
        (status, element(&body, "Message"))
    };
    assert_eq!(ask(&session, "DescribeSecurityGroups").0, 200);
    let (status, message) = ask(&session, "RevokeSecurityGroupIngress");
    assert_eq!(status, 403);
    assert!(
        message.ends_with("because no session policy allows the ec2:RevokeSecurityGroupIngress action"),
        "{message}"
    );
    assert_eq!(world.calls().pop().map(|call| call.outcome), Some(Outcome::Error("UnauthorizedOperation".into())));
    assert_eq!(as_session(&world, &session, "sts", &[("Action", "GetCallerIdentity")]).0, 200);
    assert_eq!(as_session(&world, &session, "sts", &assume(&arn, &[])).0, 403);

    let denies =
        r#"{"Statement":[{"Effect":"Allow","Action":"*"},{"Effect":"Deny","Action":"ec2:DescribeSecurityGroups"}]}"#;
    let (_, session) = with(denies);
    assert_eq!(ask(&session, "DescribeSecurityGroups").0, 403);
    assert_eq!(ask(&session, "DescribeRegions").0, 200);
    let (_, session) = with(r#"{"Statement":[{"Effect":"Allow","NotAction":"ec2:DescribeRegions"}]}"#);
    assert_eq!((ask(&session, "DescribeRegions").0, ask(&session, "DescribeSecurityGroups").0), (403, 200));

    for bad in ["{", "{}", r#"{"Statement":{"Effect":"Perhaps","Action":"*"}}"#, r#"{"Statement":{"Effect":"Allow"}}"#]
    {
        assert_eq!(element(&with(bad).1, "Code"), "MalformedPolicyDocument", "{bad}");
    }
    assert_eq!(element(&with(&format!("{looks}{}", " ".repeat(2048))).1, "Code"), "ValidationError");
}
