//! Tests against an independent public mock of EC2. It answers a revoke without listing what it revoked, so only a
//! second look can confirm it. Its accounts are separate: keys from AssumeRole show only the role's account. It does
//! not check whether a role trusts the caller; the model does. Its Security Hub keeps what is imported by the finding's id.
//!
//! `PORTCULLIS_TEST_MOTO` is the path of its server. `make test` installs it, sets the variable, and runs these tests
//! by name.

mod neighbours;
mod stores;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Credentials;
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, SecurityGroupRule};
use portcullis::config::EvidencePlace;
use portcullis::shelf::{Document, Put, Shelf};
use serde_json::{Value, json};

use crate::harness::sqs;
use crate::lambda::{Answered, Lambda, loopback};

/// The mock takes every caller to be of this account.
const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-west-1";

struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    fn start() -> Self {
        let program = std::env::var_os("PORTCULLIS_TEST_MOTO").expect("PORTCULLIS_TEST_MOTO names a program");
        let addr = loopback().local_addr().unwrap();
        let port = addr.port().to_string();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program that PORTCULLIS_TEST_MOTO names starts");
        let moto = Self { child, url: format!("http://{addr}") };
        for _ in 0..300 {
            if TcpStream::connect(addr).is_ok() {
                return moto;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the mock does not listen on {addr}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn config(moto: &Moto, region: &'static str, credentials: Credentials) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .endpoint_url(&moto.url)
        .region(Region::from_static(region))
        .credentials_provider(credentials);
    config.load().await
}

fn key() -> Credentials {
    Credentials::new("key", "secret", None, None, "test")
}

async fn client(moto: &Moto) -> Client {
    Client::new(&config(moto, REGION, key()).await)
}

/// A client with the credentials of a role in another account, as that account's administrator has them.
async fn client_in(moto: &Moto, account: &str, region: &'static str) -> Client {
    let sts = aws_sdk_sts::Client::new(&config(moto, REGION, key()).await);
    let role = format!("arn:aws:iam::{account}:role/admin");
    let answer = sts.assume_role().role_arn(role).role_session_name("admin").send().await.unwrap();
    let keys = answer.credentials().unwrap();
    let (id, secret, token) = (keys.access_key_id(), keys.secret_access_key(), keys.session_token().to_owned());
    Client::new(&config(moto, region, Credentials::new(id, secret, Some(token), None, "test")).await)
}

fn tcp(from: i32, to: i32, cidrs: &[&str], v6: &[&str]) -> IpPermission {
    let v4 = cidrs.iter().map(|cidr| IpRange::builder().cidr_ip(*cidr).build()).collect();
    let v6 = v6.iter().map(|cidr| Ipv6Range::builder().cidr_ipv6(*cidr).build()).collect();
    let ports = IpPermission::builder().ip_protocol("tcp").from_port(from).to_port(to);
    ports.set_ip_ranges(Some(v4)).set_ipv6_ranges(Some(v6)).build()
}

/// The event that CloudTrail and EventBridge would make of an AuthorizeSecurityGroupIngress call.
fn event((account, region): (&str, &str), group: &str, permission: &IpPermission, rules: &[Value]) -> Value {
    let items = |list: Vec<Value>| if list.is_empty() { json!({}) } else { json!({ "items": list }) };
    let v4 = permission.ip_ranges().iter().map(|range| json!({"cidrIp": range.cidr_ip()})).collect();
    let v6 = permission.ipv6_ranges().iter().map(|range| json!({"cidrIpv6": range.cidr_ipv6()})).collect();
    let asked = json!({"ipProtocol": "tcp", "fromPort": permission.from_port(), "toPort": permission.to_port(),
        "groups": {}, "ipRanges": items(v4), "ipv6Ranges": items(v6), "prefixListIds": {}});
    json!({"detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2", "account": account, "region": region,
        "detail": {"eventVersion": "1.11", "eventSource": "ec2.amazonaws.com", "eventName": "AuthorizeSecurityGroupIngress",
            "awsRegion": region, "recipientAccountId": account, "eventTime": "2026-11-21T10:00:00Z",
            "requestParameters": {"groupId": group, "ipPermissions": {"items": [asked]}},
            "responseElements": {"_return": true, "securityGroupRuleSet": {"items": rules}}}})
}

/// Opens a group. Returns the call's event.
async fn open(ec2: &Client, place: (&str, &str), group: &str, permission: &IpPermission) -> Value {
    let call = ec2.authorize_security_group_ingress().group_id(group).ip_permissions(permission.clone());
    let answer = call.send().await.unwrap();
    let rule = |rule: &SecurityGroupRule| {
        json!({"groupId": group, "securityGroupRuleId": rule.security_group_rule_id(), "isEgress": false,
            "ipProtocol": "tcp", "fromPort": rule.from_port(), "toPort": rule.to_port(),
            "cidrIpv4": rule.cidr_ipv4(), "cidrIpv6": rule.cidr_ipv6()})
    };
    event(place, group, permission, &answer.security_group_rules().iter().map(rule).collect::<Vec<_>>())
}

/// Port and source of each ingress rule of the group.
async fn ingress(ec2: &Client, group: &str) -> Vec<String> {
    let groups = ec2.describe_security_groups().group_ids(group).send().await.unwrap();
    groups.security_groups()[0]
        .ip_permissions()
        .iter()
        .flat_map(|permission| {
            let v4 = permission.ip_ranges().iter().filter_map(|range| range.cidr_ip());
            let v6 = permission.ipv6_ranges().iter().filter_map(|range| range.cidr_ipv6());
            v4.chain(v6).map(|source| format!("{:?} {source}", permission.from_port().unwrap()))
        })
        .collect()
}

#[tokio::test]
#[ignore = "needs moto's server program: PORTCULLIS_TEST_MOTO"]
async fn a_mock_that_others_wrote_sees_the_rules_go_and_the_lawful_ones_stay() {
    let moto = Moto::start();
    let ec2 = client(&moto).await;
    let group = ec2.create_security_group().group_name("web").description("web").send().await.unwrap();
    let group = group.group_id().unwrap();
    let mut events = Vec::new();
    for permission in [
        tcp(443, 443, &["0.0.0.0/0"], &[]),
        tcp(22, 22, &["0.0.0.0/0", "10.0.0.0/8"], &["::/0"]),
        tcp(3000, 4000, &["0.0.0.0/1"], &[]),
    ] {
        events.push(open(&ec2, (ACCOUNT, REGION), group, &permission).await);
    }
    let lambda = Lambda::start(ACCOUNT, &moto.url, &[("PORTCULLIS_MODE", "enforce")]);
    let outcomes: Vec<Value> = events
        .iter()
        .map(|event| match lambda.invoke(&event.to_string()) {
            Answered::Response(answer) => answer["findings"][0]["outcome"].clone(),
            Answered::Error(error) => panic!("{error}"),
        })
        .collect();
    assert_eq!(outcomes, ["none", "reverted", "reverted"]);
    assert_eq!(ingress(&ec2, group).await, ["443 0.0.0.0/0", "22 10.0.0.0/8"]);
    let again = lambda.invoke(&events[1].to_string());
    assert!(matches!(again, Answered::Response(_)), "a second delivery is harmless: {again:?}");
}

/// The findings of the mock's Security Hub. They are asked for over HTTP: the SDK's crate is large, and nothing else here
/// needs it.
fn security_findings(moto: &Moto) -> Vec<Value> {
    let host = moto.url.trim_start_matches("http://");
    let mut connection = TcpStream::connect(host).unwrap();
    let credential = format!("key/20261121/{REGION}/securityhub/aws4_request");
    let request = format!(
        "POST /findings HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=x\r\n\r\n{{}}"
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    body["Findings"].as_array().unwrap().clone()
}

#[tokio::test]
#[ignore = "needs moto's server program: PORTCULLIS_TEST_MOTO"]
async fn the_security_hub_of_a_mock_that_others_wrote_has_one_finding_that_is_active_and_then_archived() {
    let moto = Moto::start();
    let ec2 = client(&moto).await;
    let group = ec2.create_security_group().group_name("web").description("web").send().await.unwrap();
    let group = group.group_id().unwrap();
    let event = open(&ec2, (ACCOUNT, REGION), group, &tcp(22, 22, &["0.0.0.0/0"], &[])).await.to_string();
    let id = format!("portcullis/{ACCOUNT}/{REGION}/{group}/ssh");
    for (mode, outcome, state, status) in
        [("alert", "would_revert", "ACTIVE", "FAILED"), ("enforce", "reverted", "ARCHIVED", "PASSED")]
    {
        // The mock's bus takes whatever it is given; what it would refuse is the model's to say.
        let settings =
            [("PORTCULLIS_MODE", mode), ("PORTCULLIS_SECURITY_HUB", "yes"), ("PORTCULLIS_EVENT_BUS", "default")];
        let lambda = Lambda::start(ACCOUNT, &moto.url, &settings);
        let Answered::Response(answer) = lambda.invoke(&event) else { panic!("{mode}: the event is not answered") };
        assert_eq!(answer["findings"][0]["outcome"], outcome);
        let found = security_findings(&moto);
        let told: Vec<_> =
            found.iter().map(|it| (&it["Id"], &it["RecordState"], &it["Compliance"]["Status"])).collect();
        assert_eq!(told, [(&json!(id), &json!(state), &json!(status))], "{mode}");
        let ended = lambda.end();
        assert!(!ended.stdout.contains("SecurityHub") && !ended.stdout.contains("PublishFailed"), "{}", ended.stdout);
    }
}

#[tokio::test]
#[ignore = "needs moto's server program: PORTCULLIS_TEST_MOTO"]
async fn a_hub_guards_two_members_in_two_regions_of_a_mock_that_others_wrote() {
    let moto = Moto::start();
    let (first, second) = ("444455556666", "777788889999");
    let places = [(first, "eu-west-1"), (first, "us-east-2"), (second, "eu-west-1"), (second, "us-east-2")];
    let (mut members, mut events) = (Vec::new(), Vec::new());
    for (account, region) in places {
        let ec2 = client_in(&moto, account, region).await;
        let group = ec2.create_security_group().group_name("web").description("web").send().await.unwrap();
        let group = group.group_id().unwrap().to_owned();
        open(&ec2, (account, region), &group, &tcp(443, 443, &["0.0.0.0/0"], &[])).await;
        let ssh = tcp(22, 22, &["0.0.0.0/0", "10.0.0.0/8"], &["::/0"]);
        events.push(open(&ec2, (account, region), &group, &ssh).await.to_string());
        members.push((ec2, group));
    }
    // The hub's account has none of these groups.
    let hubs = client(&moto).await.describe_security_groups().send().await.unwrap();
    let names: Vec<_> = hubs.security_groups().iter().filter_map(|group| group.group_name()).collect();
    assert_eq!(names, ["default"]);
    let accounts = format!("{first},{second}");
    let lambda = Lambda::start(
        ACCOUNT,
        &moto.url,
        &[
            ("PORTCULLIS_MODE", "enforce"),
            ("PORTCULLIS_ACCOUNTS", &accounts),
            ("PORTCULLIS_MEMBER_ROLE", "portcullis"),
            ("PORTCULLIS_EXTERNAL_ID", "gate-7f3a"),
        ],
    );
    assert_eq!(lambda.invoke(&sqs(&events).to_string()), Answered::Response(json!({"batchItemFailures": []})));
    for (ec2, group) in &members {
        assert_eq!(ingress(ec2, group).await, ["443 0.0.0.0/0", "22 10.0.0.0/8"]);
    }
    // The sweep finds what no event reported. Its Regions are named, because the mock has all of the world's, China's
    // too, and takes half a minute to make them.
    let (ec2, group) = &members[3];
    open(ec2, places[3], group, &tcp(3389, 3389, &["0.0.0.0/0"], &[])).await;
    let order = json!({"sweep": {"regions": ["eu-west-1", "us-east-2"]}});
    let Answered::Response(mut answer) = lambda.invoke(&order.to_string()) else {
        panic!("the sweep did not end well")
    };
    let mut findings: Vec<Value> = serde_json::from_value(answer["findings"].take()).unwrap();
    let summary = findings.pop().unwrap();
    let counts = ["accounts", "places", "exposed", "failed"].map(|field| summary["sweep"][field].clone());
    assert_eq!(counts, [2, 4, 1, 0].map(|count| json!(count)), "{summary}");
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let reported = ["account", "region", "group", "verdict", "outcome"].map(|field| findings[0][field].clone());
    assert_eq!(reported, [second, "us-east-2", group, "exposed", "would_revert"].map(|text| json!(text)));
    assert_eq!(ingress(ec2, group).await.len(), 3, "by default a sweep only tells");
}

/// What the evidence rests on: a key is written once, a lost race says so, and the lock is what was asked for.
#[tokio::test]
#[ignore = "needs moto's server program: PORTCULLIS_TEST_MOTO"]
async fn evidence_is_written_once_and_locked() {
    let moto = Moto::start();
    let sdk = config(&moto, REGION, key()).await;
    let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build());
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
        .location_constraint(aws_sdk_s3::types::BucketLocationConstraint::EuWest1)
        .build();
    let create = s3.create_bucket().bucket("kept").create_bucket_configuration(place);
    create.object_lock_enabled_for_bucket(true).send().await.unwrap();
    let http = aws_smithy_http_client::Builder::new().build_http();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .endpoint_url(&moto.url)
        .region(Region::from_static(REGION))
        .credentials_provider(key());
    let aws = portcullis::aws::Aws::load(loader, None, portcullis::domain::policy::Mode::Enforce).await;
    let place = EvidencePlace::S3 { bucket: "kept".to_owned(), prefix: "p/".to_owned(), days: Some(400) };
    let shelf = Shelf::at(Some(&place), &aws);
    let (now, until) = (portcullis::now(), tokio::time::Instant::now() + Duration::from_secs(20));
    let document = |bytes| Document { key: "evidence/v1/a=b/x.json", bytes, is_evidence: true };
    assert_eq!(shelf.put(document(b"first"), now, until).await.unwrap(), Put::Written);
    assert_eq!(shelf.put(document(b"second"), now, until).await.unwrap(), Put::Already);
    assert_eq!(shelf.get("evidence/v1/a=b/x.json").await.unwrap(), b"first");
    assert_eq!(shelf.keys("evidence/v1/").await.unwrap(), ["evidence/v1/a=b/x.json"]);
    let head = s3.head_object().bucket("kept").key("p/evidence/v1/a=b/x.json").send().await.unwrap();
    assert_eq!(head.object_lock_mode().map(|mode| mode.as_str()), Some("GOVERNANCE"));
    let days = (head.object_lock_retain_until_date().unwrap().secs() - now.as_second()) / 86_400;
    assert!((399..=400).contains(&days), "{days}");
    let missing = shelf.get("evidence/v1/none.json").await.unwrap_err().to_string();
    assert!(missing.contains("NoSuchKey"), "{missing}");
}
