//! An outside witness: a public mock of EC2 that others wrote. It answers a revoke without saying what it revoked, so
//! only a second look can confirm it.
//!
//! `PORTCULLIS_TEST_MOTO` names its server program, as `make test` does; without it there is nothing to ask.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Credentials;
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range};
use serde_json::{Value, json};

use crate::lambda::{Lambda, Said, loopback};

/// The account that the mock takes every caller to be of.
const ACCOUNT: &str = "123456789012";

struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    fn start() -> Option<Self> {
        let program = std::env::var_os("PORTCULLIS_TEST_MOTO")?;
        let addr = loopback().local_addr().unwrap();
        let port = addr.port().to_string();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("PORTCULLIS_TEST_MOTO names a program");
        let moto = Self { child, url: format!("http://{addr}") };
        for _ in 0..300 {
            if TcpStream::connect(addr).is_ok() {
                return Some(moto);
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

async fn client(moto: &Moto) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .endpoint_url(&moto.url)
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"));
    Client::new(&config.load().await)
}

fn tcp(from: i32, to: i32, cidrs: &[&str], v6: &[&str]) -> IpPermission {
    let v4 = cidrs.iter().map(|cidr| IpRange::builder().cidr_ip(*cidr).build()).collect();
    let v6 = v6.iter().map(|cidr| Ipv6Range::builder().cidr_ipv6(*cidr).build()).collect();
    let ports = IpPermission::builder().ip_protocol("tcp").from_port(from).to_port(to);
    ports.set_ip_ranges(Some(v4)).set_ipv6_ranges(Some(v6)).build()
}

/// The event that CloudTrail and EventBridge would have made of an Authorize call.
fn event(group: &str, permission: &IpPermission, rules: &[Value]) -> Value {
    let items = |list: Vec<Value>| if list.is_empty() { json!({}) } else { json!({ "items": list }) };
    let v4 = permission.ip_ranges().iter().map(|range| json!({"cidrIp": range.cidr_ip()})).collect();
    let v6 = permission.ipv6_ranges().iter().map(|range| json!({"cidrIpv6": range.cidr_ipv6()})).collect();
    let asked = json!({"ipProtocol": "tcp", "fromPort": permission.from_port(), "toPort": permission.to_port(),
        "groups": {}, "ipRanges": items(v4), "ipv6Ranges": items(v6), "prefixListIds": {}});
    json!({"detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2", "account": ACCOUNT, "region": "eu-west-1",
        "detail": {"eventVersion": "1.11", "eventSource": "ec2.amazonaws.com", "eventName": "AuthorizeSecurityGroupIngress",
            "awsRegion": "eu-west-1", "recipientAccountId": ACCOUNT, "eventTime": "2026-11-21T10:00:00Z",
            "requestParameters": {"groupId": group, "ipPermissions": {"items": [asked]}},
            "responseElements": {"_return": true, "securityGroupRuleSet": {"items": rules}}}})
}

#[tokio::test]
async fn a_mock_that_others_wrote_sees_the_rules_go_and_the_lawful_ones_stay() {
    let Some(moto) = Moto::start() else {
        eprintln!("skipped: PORTCULLIS_TEST_MOTO is not set; `make test` sets it");
        return;
    };
    let ec2 = client(&moto).await;
    let group = ec2.create_security_group().group_name("web").description("web").send().await.unwrap();
    let group = group.group_id().unwrap();
    let mut events = Vec::new();
    for permission in [
        tcp(443, 443, &["0.0.0.0/0"], &[]),
        tcp(22, 22, &["0.0.0.0/0", "10.0.0.0/8"], &["::/0"]),
        tcp(3000, 4000, &["0.0.0.0/1"], &[]),
    ] {
        let call = ec2.authorize_security_group_ingress().group_id(group).ip_permissions(permission.clone());
        let answer = call.send().await.unwrap();
        let rules: Vec<Value> = answer
            .security_group_rules()
            .iter()
            .map(|rule| {
                json!({"groupId": group, "securityGroupRuleId": rule.security_group_rule_id(), "isEgress": false,
                    "ipProtocol": "tcp", "fromPort": rule.from_port(), "toPort": rule.to_port(),
                    "cidrIpv4": rule.cidr_ipv4(), "cidrIpv6": rule.cidr_ipv6()})
            })
            .collect();
        events.push(event(group, &permission, &rules));
    }
    let lambda = Lambda::start(ACCOUNT, &moto.url, &[("PORTCULLIS_MODE", "enforce")]);
    let outcomes: Vec<Value> = events
        .iter()
        .map(|event| match lambda.invoke(&event.to_string()) {
            Said::Response(answer) => answer["findings"][0]["outcome"].clone(),
            Said::Error(error) => panic!("{error}"),
        })
        .collect();
    assert_eq!(outcomes, ["none", "reverted", "reverted"]);
    let groups = ec2.describe_security_groups().group_ids(group).send().await.unwrap();
    let left: Vec<String> = groups.security_groups()[0]
        .ip_permissions()
        .iter()
        .flat_map(|permission| {
            let v4 = permission.ip_ranges().iter().filter_map(|range| range.cidr_ip());
            let v6 = permission.ipv6_ranges().iter().filter_map(|range| range.cidr_ipv6());
            v4.chain(v6).map(|source| format!("{:?} {source}", permission.from_port().unwrap()))
        })
        .collect();
    assert_eq!(left, ["443 0.0.0.0/0", "22 10.0.0.0/8"]);
    let again = lambda.invoke(&events[1].to_string());
    assert!(matches!(again, Said::Response(_)), "a second delivery is harmless: {again:?}");
}
