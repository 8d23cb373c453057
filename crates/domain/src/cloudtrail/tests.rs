mod authorize;
mod metadata;
mod modify;
mod prefix_list;
mod random;
mod unreadable;
mod values;

use serde_json::{Value, json};

use super::*;
use crate::ids::{GroupId, PrefixListId};
use crate::judge::harmless;
use crate::policy::Policy;
use crate::rule::Source;

// Records, and the notation for what was read.

const GROUP: &str = "sg-0123456789abcdef0";

/// A record with everything around the parameters that a real one has.
fn record(call: &str, request: Value, response: Value) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:jo",
            "arn": "arn:aws:sts::111122223333:assumed-role/Deploy/jo",
            "accountId": "111122223333",
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::111122223333:role/Deploy"}}
        },
        "eventTime": "2026-11-21T10:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": call,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.31",
        "requestParameters": request,
        "responseElements": response,
        "requestID": "11111111-2222-3333-4444-555555555555",
        "eventID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3"}
    })
}

fn authorize(request: Value, response: Value) -> Value {
    record("AuthorizeSecurityGroupIngress", request, response)
}

fn modify(rules: Value) -> Value {
    let request = json!({"ModifySecurityGroupRulesRequest": {"GroupId": GROUP, "SecurityGroupRule": rules}});
    let response = json!({"ModifySecurityGroupRulesResponse": {"requestId": "r", "return": true}});
    record("ModifySecurityGroupRules", request, response)
}

/// The nested request: one permission as CloudTrail writes it.
fn nested(permission: Value) -> Value {
    json!({"groupId": GROUP, "ipPermissions": {"items": [permission]}})
}

fn flat() -> Value {
    let ports = json!({"groupId": GROUP, "ipPermissions": {}, "ipProtocol": "tcp", "fromPort": 22, "toPort": 22});
    with(ports, "/cidrIp", json!("0.0.0.0/0"))
}

/// EC2's answer to an authorize call with these rules.
fn answer(rules: Value) -> Value {
    json!({"requestId": "r", "_return": true, "securityGroupRuleSet": {"items": rules}})
}

fn answered_ssh() -> Value {
    json!([{"groupOwnerId": "111122223333", "groupId": GROUP, "securityGroupRuleId": "sgr-1", "isEgress": false,
        "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": "0.0.0.0/0"}])
}

fn ssh_from_anywhere() -> Value {
    authorize(flat(), answer(answered_ssh()))
}

fn omitted() -> Value {
    json!({"reason": "requestParameters too large", "omitted": true, "originalSize": 131_072})
}

/// The value, with the node at the pointer replaced or added.
fn with(mut value: Value, pointer: &str, node: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = value.pointer_mut(parent).unwrap();
    match parent.as_object_mut() {
        Some(fields) => _ = fields.insert(key.to_owned(), node),
        None => parent[key.parse::<usize>().unwrap()] = node,
    }
    value
}

fn without(mut value: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = value.pointer_mut(parent).unwrap();
    match parent.as_object_mut() {
        Some(fields) => _ = fields.remove(key).unwrap(),
        None => _ = parent.as_array_mut().unwrap().remove(key.parse().unwrap()),
    }
    value
}

fn read_alone(record: &Value) -> Reading {
    read(&Json::from(record), &EnvelopeOrigin::default())
}

fn change(record: &Value) -> Change {
    let reading = read_alone(record);
    let Reading::Change(change) = reading else { panic!("no change: {reading:?}") };
    *change
}

fn irrelevant(record: &Value) -> String {
    let reading = read_alone(record);
    let Reading::Irrelevant { why, .. } = reading else { panic!("not irrelevant: {reading:?}") };
    why
}

fn undecided(record: &Value) -> String {
    let reading = read_alone(record);
    let Reading::Undecided { why, .. } = reading else { panic!("not undecided: {reading:?}") };
    why
}

fn text(permission: &Permission) -> String {
    let Permission { traffic, source } = permission;
    let end = |port: Option<i64>| port.map_or_else(|| "none".to_owned(), |port| port.to_string());
    let ports = format!("{}-{}", end(traffic.from_port()), end(traffic.to_port()));
    let unknown = if matches!(source, Source::Unknown(_)) { "unknown: " } else { "" };
    format!("{} {ports} {unknown}{source}", traffic.protocol())
}

/// All permissions that the record lists, one line a rule. The ids come first where the record has them.
fn recorded_rules(record: &Value) -> Vec<String> {
    let said = change(record).recorded_rules.expect("the record says all");
    said.iter().map(|(id, p)| id.as_ref().map_or_else(|| text(p), |id| format!("{id}: {}", text(p)))).collect()
}

fn changed_rules(record: &Value) -> Vec<String> {
    match change(record).changed_rules {
        ChangedRules::Rules(ids) => ids.iter().map(ToString::to_string).collect(),
        ChangedRules::Permissions(permissions) => permissions.iter().map(text).collect(),
        ChangedRules::Any => vec!["any".to_owned()],
        ChangedRules::PrefixList { list, added, restored, .. } => {
            let added =
                added.map_or_else(|| vec!["any entry".to_owned()], |a| a.iter().map(ToString::to_string).collect());
            let version = restored.map_or_else(String::new, |version| format!(" of version {version}"));
            vec![format!("{list}: {}{version}", added.join(" "))]
        }
    }
}

fn resource(record: &Value) -> Resource {
    change(record).resource
}

fn the_group() -> Resource {
    Resource::Group(GroupId::parse(GROUP).unwrap())
}

// Records that do not matter.

#[test]
fn what_changed_no_ingress_is_irrelevant_and_says_why() {
    let ours = ssh_from_anywhere();
    let modify = modify(json!({"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": {"Description": "x"}}));
    let failed = |record: &Value, code: &str| {
        with(with(record.clone(), "/errorCode", json!(code)), "/responseElements", Value::Null)
    };
    let insight = json!({"eventVersion": "1.07", "eventCategory": "Insight", "insightDetails": {"state": "Start"}});
    let endpoint = without(with(ours.clone(), "/eventCategory", json!("NetworkActivity")), "/requestParameters");
    for (record, why) in [
        (failed(&ours, "Client.UnauthorizedOperation"), "the call failed with Client.UnauthorizedOperation"),
        (
            failed(&ours, "Client.InvalidPermission.Duplicate"),
            "the call failed with Client.InvalidPermission.Duplicate",
        ),
        (failed(&modify, "Client.DryRunOperation"), "the call failed with Client.DryRunOperation"),
        (with(ours.clone(), "/readOnly", json!(true)), "a read-only call"),
        (with(ours.clone(), "/eventSource", json!("rds.amazonaws.com")), "a call to rds.amazonaws.com, not to EC2"),
        (with(ours.clone(), "/eventName", json!("RunInstances")), "RunInstances opens no ingress rule"),
        (
            with(ours.clone(), "/eventName", json!("AuthorizeSecurityGroupEgress")),
            "AuthorizeSecurityGroupEgress opens no ingress rule",
        ),
        (with(ours, "/eventName", json!("a\nb")), "a\\nb opens no ingress rule"),
        (insight, "an Insight record, not a call"),
        (endpoint, "a VPC endpoint's record of a call, not the call"),
    ] {
        assert_eq!(irrelevant(&record), why);
    }
}

#[test]
fn an_error_code_of_null_and_a_read_only_that_is_not_true_are_a_success() {
    for (pointer, value) in [
        ("/errorCode", Value::Null),
        ("/errorCode", json!("")),
        ("/readOnly", Value::Null),
        ("/readOnly", json!("true")),
    ] {
        assert_eq!(change(&with(ssh_from_anywhere(), pointer, value)), change(&ssh_from_anywhere()));
    }
    let older = without(without(ssh_from_anywhere(), "/readOnly"), "/managementEvent");
    assert_eq!(change(&older), change(&ssh_from_anywhere()));
}
