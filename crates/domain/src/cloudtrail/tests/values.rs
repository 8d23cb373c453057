//! What a record says that a rule was made, for the call that comes after it.

use serde_json::json;

use super::*;
use crate::former::{Seen, Source, Value};

/// What a record says, a line a rule: `sgr-1 tcp 22 0.0.0.0/0 'office' new`.
fn said(record: serde_json::Value) -> Vec<String> {
    let text = record.to_string();
    let record = crate::json::parse(text.as_bytes()).unwrap();
    let Reading::Change(change) = read(&record, &EnvelopeOrigin::default()) else { return Vec::new() };
    let word = |(id, Seen { at, from, value, is_new }): (RuleId, Seen)| {
        assert_eq!((at.to_string().as_str(), from), ("2026-11-21T10:00:00Z", Source::Event));
        let value = value.map_or_else(
            || "?".to_owned(),
            |Value { permission, description }| {
                let ports = permission.traffic.from_port().map_or_else(|| "-".to_owned(), |port| port.to_string());
                let (protocol, source) = (permission.traffic.protocol().to_string(), permission.source.to_string());
                format!("{protocol} {ports} {source} {description:?}")
            },
        );
        format!("{id} {value}{}", if is_new { " new" } else { "" })
    };
    values(&change, &record).into_iter().map(word).collect()
}

fn record(call: &str, parts: serde_json::Value) -> serde_json::Value {
    let mut record = json!({
        "eventSource": "ec2.amazonaws.com", "eventName": call, "awsRegion": "eu-west-1", "eventID": "e1",
        "recipientAccountId": "111122223333", "eventTime": "2026-11-21T10:00:00Z",
        "userIdentity": {"arn": "arn:aws:iam::111122223333:role/A", "type": "AssumedRole"},
    });
    record.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    record
}

fn modify(rules: serde_json::Value) -> serde_json::Value {
    let request = json!({"GroupId": "sg-0123456789abcdef0", "SecurityGroupRule": rules});
    record("ModifySecurityGroupRules", json!({"requestParameters": {"ModifySecurityGroupRulesRequest": request}}))
}

#[test]
fn an_authorize_says_what_it_made_with_descriptions() {
    let rule = |id: &str, cidr: &str, description: serde_json::Value| {
        json!({"securityGroupRuleId": id, "groupId": "sg-0123456789abcdef0", "ipProtocol": "tcp", "fromPort": 443,
               "toPort": 443, "cidrIpv4": cidr, "description": description})
    };
    let answer = json!({"securityGroupRuleSet": {"items": [
        rule("sgr-1", "0.0.0.0/0", json!("web")), rule("sgr-2", "8.0.0.0/8", json!(null)), rule("sgr-3", "9.0.0.0/8", json!(7)),
    ]}});
    let asked = json!({"groupId": "sg-0123456789abcdef0", "ipPermissions": {"items": [{
        "ipProtocol": "tcp", "fromPort": 443, "toPort": 443,
        "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}, {"cidrIp": "8.0.0.0/8"}, {"cidrIp": "9.0.0.0/8"}]},
    }]}});
    let made = record("AuthorizeSecurityGroupIngress", json!({"requestParameters": asked, "responseElements": answer}));
    assert_eq!(
        said(made),
        [
            "sgr-1 tcp 443 0.0.0.0/0 Some(\"web\") new",
            "sgr-2 tcp 443 8.0.0.0/8 None new",
            "sgr-3 tcp 443 9.0.0.0/8 None new"
        ]
    );
    let unanswered = record("AuthorizeSecurityGroupIngress", json!({"requestParameters": asked}));
    assert_eq!(said(unanswered), Vec::<String>::new(), "nobody knows the rules' ids");
}

#[test]
fn a_modify_says_the_new_value_of_each_rule() {
    let rule = |id: &str, what: serde_json::Value| json!({"SecurityGroupRuleId": id, "SecurityGroupRule": what});
    let whole = json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0", "Description": "x"});
    assert_eq!(said(modify(json!([rule("sgr-1", whole.clone())]))), ["sgr-1 tcp 22 0.0.0.0/0 Some(\"x\")"]);
    assert_eq!(said(modify(rule("sgr-1", whole))), ["sgr-1 tcp 22 0.0.0.0/0 Some(\"x\")"], "no brackets around one");
    let all = json!({"IpProtocol": "-1", "CidrIpv6": "::/0"});
    assert_eq!(said(modify(json!([rule("sgr-2", all)]))), ["sgr-2 -1 - ::/0 None"]);
}

/// The record has a part of the rule only, and what was before is no longer what it is.
#[test]
fn a_modify_that_does_not_say_all_of_a_rule_says_that_it_changed() {
    let reworded = json!([{"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": {"Description": "x"}}]);
    assert_eq!(said(modify(reworded)), ["sgr-1 ?"]);
}

#[test]
fn other_calls_and_records_without_a_time_say_nothing() {
    let list = json!({"requestParameters": {"ModifyManagedPrefixListRequest": {"PrefixListId": "pl-1", "AddEntry": {"tag": 1, "Cidr": "8.0.0.0/8"}}}});
    assert_eq!(said(record("ModifyManagedPrefixList", list)), Vec::<String>::new());
    let mut timeless = modify(json!([{"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": {"Description": "x"}}]));
    timeless["eventTime"] = json!("some time");
    assert_eq!(said(timeless), Vec::<String>::new());
}
