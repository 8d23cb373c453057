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

// AuthorizeSecurityGroupIngress.

#[test]
fn a_nested_request_without_an_answer_claims_what_it_asks_for() {
    let permission = json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "groups": {}, "ipv6Ranges": {},
        "prefixListIds": {}, "ipRanges": {"items": [{"cidrIp": "203.0.113.0/24", "description": "vpn"}]}});
    let record = authorize(nested(permission), json!({"requestId": "r", "_return": true}));
    assert_eq!(resource(&record), the_group());
    assert_eq!(changed_rules(&record), ["tcp 22-22 203.0.113.0/24"]);
    assert_eq!(recorded_rules(&record), changed_rules(&record), "an older record has no rules in its answer");
    for nothing in [Value::Null, json!({}), omitted(), json!({"securityGroupRuleSet": {}})] {
        assert_eq!(change(&with(record.clone(), "/responseElements", nothing)), change(&record));
    }
}

#[test]
fn the_legacy_flat_form_stands_beside_an_empty_ip_permissions() {
    let record = authorize(flat(), Value::Null);
    assert_eq!(resource(&record), the_group());
    assert_eq!(changed_rules(&record), ["tcp 22-22 0.0.0.0/0"]);
    let record = without(record, "/requestParameters/ipPermissions");
    assert_eq!(changed_rules(&record), ["tcp 22-22 0.0.0.0/0"]);
    let v6 = with(without(record, "/requestParameters/cidrIp"), "/requestParameters/cidrIpv6", json!("::/0"));
    assert_eq!(changed_rules(&v6), ["tcp 22-22 ::/0"]);
}

#[test]
fn an_answer_that_lists_rules_is_the_claim_and_what_it_does_not_answer_for_stays_in_sight() {
    let rules = json!([
        {"groupId": GROUP, "securityGroupRuleId": "sgr-1", "ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
            "cidrIpv4": "100.64.0.0/10", "description": "x", "tagSet": {}},
        {"groupId": GROUP, "securityGroupRuleId": "sgr-2", "ipProtocol": "-1", "fromPort": -1, "toPort": -1,
            "cidrIpv6": "::/0"},
        {"groupId": GROUP, "securityGroupRuleId": "sgr-3", "ipProtocol": "udp", "fromPort": 1, "toPort": 2,
            "prefixListId": "pl-1"},
        {"groupId": GROUP, "securityGroupRuleId": "sgr-4", "ipProtocol": "icmp", "fromPort": 8, "toPort": -1,
            "referencedGroupInfo": {"groupId": "sg-2", "userId": "111122223333"}},
    ]);
    let record = authorize(flat(), answer(rules));
    assert_eq!(changed_rules(&record), ["sgr-1", "sgr-2", "sgr-3", "sgr-4"]);
    assert_eq!(
        recorded_rules(&record),
        [
            "sgr-1: tcp 22-22 100.64.0.0/10",
            "sgr-2: -1 none-none ::/0",
            "sgr-3: udp 1-2 pl-1",
            "sgr-4: icmp 8--1 sg-2",
            "tcp 22-22 0.0.0.0/0"
        ]
    );
}

#[test]
fn an_answered_rule_without_a_known_source_is_said_to_be_unknown() {
    let rules = json!([{"securityGroupRuleId": "sgr-1", "ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
        "satelliteId": "sat-1"}]);
    let record = authorize(flat(), answer(rules));
    assert_eq!(recorded_rules(&record), ["sgr-1: tcp 22-22 unknown: no source that is known", "tcp 22-22 0.0.0.0/0"]);
    assert_eq!(harmless(&change(&record), &Policy::built_in()), None);
}

#[test]
fn a_group_that_is_asked_for_by_name_is_known_by_the_id_in_the_answer() {
    let by_name = with(without(flat(), "/groupId"), "/groupName", json!("web"));
    assert_eq!(resource(&authorize(by_name.clone(), answer(answered_ssh()))), the_group());
    let record = authorize(by_name, json!({"requestId": "r", "_return": true}));
    assert_eq!(resource(&record), Resource::GroupName("web".to_owned()));
    assert_eq!(changed_rules(&record), ["tcp 22-22 0.0.0.0/0"]);
}

#[test]
fn minus_one_has_no_ports_whatever_the_client_sent() {
    let all = |ports: Value| {
        let mut permission = json!({"ipProtocol": "-1", "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}});
        permission.as_object_mut().unwrap().extend(ports.as_object().unwrap().clone());
        authorize(nested(permission), Value::Null)
    };
    for ports in [json!({}), json!({"fromPort": 0, "toPort": 0}), json!({"fromPort": -1, "toPort": -1})] {
        assert_eq!(changed_rules(&all(ports)), ["-1 none-none 0.0.0.0/0"]);
    }
}

#[test]
fn every_source_of_a_permission_is_read() {
    let permission = json!({
        "ipProtocol": "6", "fromPort": 20, "toPort": 25,
        "ipRanges": {"items": [{"cidrIp": "1.2.3.4/0"}, {"cidrIp": "10.0.0.0/8"}]},
        "ipv6Ranges": {"items": [{"cidrIpv6": "2001:DB8::1/32"}]},
        "prefixListIds": {"items": [{"prefixListId": "pl-1"}]},
        "groups": {"items": [{"groupId": "sg-2", "userId": "111122223333"}, {"groupName": "web"}, {"userId": "9"}, {}]},
    });
    let asked = [
        "tcp 20-25 0.0.0.0/0",
        "tcp 20-25 10.0.0.0/8",
        "tcp 20-25 2001:db8::/32",
        "tcp 20-25 pl-1",
        "tcp 20-25 sg-2",
        "tcp 20-25 web",
        "tcp 20-25 9",
        "tcp 20-25 a security group",
    ];
    assert_eq!(changed_rules(&authorize(nested(permission), Value::Null)), asked);
}

#[test]
fn several_permissions_and_the_flat_form_beside_them_all_count() {
    let item = |protocol: &str| json!({"ipProtocol": protocol, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}});
    let request = with(flat(), "/ipPermissions", json!({"items": [item("17"), item("47")]}));
    let asked = ["udp 0-65535 0.0.0.0/0", "47 none-none 0.0.0.0/0", "tcp 22-22 0.0.0.0/0"];
    assert_eq!(changed_rules(&authorize(request, Value::Null)), asked);
}

#[test]
fn a_flat_request_may_name_a_source_group() {
    let by_group = json!({"groupId": GROUP, "sourceSecurityGroupName": "web", "sourceSecurityGroupOwnerId": "1"});
    assert_eq!(
        changed_rules(&authorize(by_group.clone(), Value::Null)),
        ["-1 none-none web"],
        "without a protocol: all"
    );
    let tcp = with(by_group, "/ipProtocol", json!("tcp"));
    assert_eq!(changed_rules(&authorize(tcp, Value::Null)), ["tcp 0-65535 web"]);
}

#[test]
fn lists_are_read_as_converters_write_them() {
    let item = json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": [{"cidrIp": "0.0.0.0/0"}]});
    for list in [
        json!({"items": [item]}),
        json!({"item": [item]}),
        json!({"items": item}),
        json!({"item": item}),
        json!([item]),
        item.clone(),
    ] {
        let request = json!({"groupId": GROUP, "ipPermissions": list});
        assert_eq!(changed_rules(&authorize(request, Value::Null)), ["tcp 22-22 0.0.0.0/0"], "{list}");
    }
    for empty in [json!({}), json!([]), json!(""), Value::Null, json!({"items": []}), json!({"items": null})] {
        let request = with(flat(), "/ipPermissions", empty.clone());
        assert_eq!(changed_rules(&authorize(request, Value::Null)), ["tcp 22-22 0.0.0.0/0"], "{empty}");
    }
}

#[test]
fn a_kind_of_source_that_is_not_known_leaves_the_claim_open() {
    let permission = json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
        "ipRanges": {"items": [{"cidrIp": "10.0.0.0/8"}]}, "satelliteRanges": {"items": [{"satellite": "any"}]}});
    let record = authorize(nested(permission), Value::Null);
    assert_eq!((change(&record).changed_rules, change(&record).recorded_rules), (ChangedRules::Any, None));
    let answered = with(record.clone(), "/responseElements", answer(answered_ssh()));
    assert_eq!(
        (changed_rules(&answered), change(&answered).recorded_rules),
        (vec!["sgr-1".to_owned()], None),
        "the ids are known"
    );
    for empty in [json!({}), json!([]), json!(""), Value::Null] {
        let record = with(record.clone(), "/requestParameters/ipPermissions/items/0/satelliteRanges", empty.clone());
        assert_eq!(changed_rules(&record), ["tcp 22-22 10.0.0.0/8"], "{empty}");
    }
    for some in [json!(0), json!(false), json!("x")] {
        let record = with(record.clone(), "/requestParameters/ipPermissions/items/0/satelliteRanges", some.clone());
        assert_eq!(changed_rules(&record), ["any"], "{some}");
    }
    let flat = authorize(without(flat(), "/cidrIp"), Value::Null);
    assert_eq!(changed_rules(&flat), ["any"], "a flat request without a source that is known");
}

// Parts that CloudTrail omits.

#[test]
fn omitted_parameters_leave_the_answer_to_say_all() {
    let record = authorize(omitted(), answer(answered_ssh()));
    assert_eq!(resource(&record), the_group());
    assert_eq!(changed_rules(&record), ["sgr-1"]);
    assert_eq!(recorded_rules(&record), ["sgr-1: tcp 22-22 0.0.0.0/0"]);
    let absent = without(record, "/requestParameters");
    assert_eq!(changed_rules(&absent), ["sgr-1"]);
}

#[test]
fn an_omitted_answer_leaves_the_request_to_say_all() {
    let record = authorize(flat(), omitted());
    assert_eq!(resource(&record), the_group());
    assert_eq!(changed_rules(&record), ["tcp 22-22 0.0.0.0/0"]);
}

#[test]
fn a_record_without_both_is_about_the_whole_region() {
    for word in [json!(true), json!("true"), json!("True")] {
        let omitted = with(omitted(), "/omitted", word);
        for record in [
            authorize(omitted.clone(), omitted.clone()),
            authorize(omitted.clone(), json!({"requestId": "r", "_return": true})),
            authorize(omitted.clone(), Value::Null),
            with(modify(json!({})), "/requestParameters", omitted.clone()),
        ] {
            let change = change(&record);
            assert_eq!(
                (change.resource, change.changed_rules, change.recorded_rules),
                (Resource::Region, ChangedRules::Any, None)
            );
        }
    }
}

#[test]
fn parameters_that_are_not_said_to_be_omitted_are_taken_at_their_word() {
    for word in [json!(false), json!("false"), json!(1), Value::Null] {
        let record = authorize(with(flat(), "/omitted", word), Value::Null);
        assert_eq!(changed_rules(&record), ["tcp 22-22 0.0.0.0/0"]);
    }
}

// ModifySecurityGroupRules.

#[test]
fn a_modify_of_one_rule_is_an_object_and_of_several_an_array() {
    let first = json!({"SecurityGroupRuleId": "sgr-1", "tag": 1, "SecurityGroupRule":
        {"CidrIpv4": "0.0.0.0/0", "FromPort": 443, "ToPort": 443, "IpProtocol": "tcp"}});
    let second = json!({"SecurityGroupRuleId": "sgr-2", "tag": 2, "SecurityGroupRule":
        {"CidrIpv6": "::/0", "FromPort": 22, "ToPort": 22, "IpProtocol": "tcp", "Description": true}});
    let one = modify(first.clone());
    assert_eq!(change(&one).call, Call::Modify);
    assert_eq!(resource(&one), the_group());
    assert_eq!(changed_rules(&one), ["sgr-1"]);
    assert_eq!(recorded_rules(&one), ["sgr-1: tcp 443-443 0.0.0.0/0"]);
    for several in [json!([first, second]), json!({"items": [first, second]})] {
        let several = modify(several);
        assert_eq!(changed_rules(&several), ["sgr-1", "sgr-2"]);
        assert_eq!(recorded_rules(&several), ["sgr-1: tcp 443-443 0.0.0.0/0", "sgr-2: tcp 22-22 ::/0"]);
    }
    let bare = without(one.clone(), "/requestParameters/ModifySecurityGroupRulesRequest");
    let inner = one["requestParameters"]["ModifySecurityGroupRulesRequest"].clone();
    assert_eq!(change(&with(bare, "/requestParameters", inner)), change(&one), "the wrapper may be missing");
}

#[test]
fn types_that_the_converter_guessed_are_guessed_back() {
    let rule = |fields: Value| modify(json!({"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": fields}));
    for (fields, said) in [
        (json!({"IpProtocol": -1, "CidrIpv4": "0.0.0.0/0"}), "-1 none-none 0.0.0.0/0"),
        (json!({"IpProtocol": 6, "FromPort": "22", "ToPort": "22", "CidrIpv4": "0.0.0.0/0"}), "tcp 22-22 0.0.0.0/0"),
        (
            json!({"IpProtocol": "TCP", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0", "CidrIpv6": ""}),
            "tcp 22-22 0.0.0.0/0",
        ),
        (
            json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "", "CidrIpv6": "::/0"}),
            "tcp 22-22 ::/0",
        ),
        (json!({"IpProtocol": 17, "FromPort": 1, "ToPort": 2, "PrefixListId": "pl-1"}), "udp 1-2 pl-1"),
        (
            json!({"IpProtocol": "icmp", "FromPort": "-1", "ToPort": "-1", "ReferencedGroupId": "sg-2"}),
            "icmp -1--1 sg-2",
        ),
    ] {
        assert_eq!(recorded_rules(&rule(fields)), [format!("sgr-1: {said}")]);
    }
}

#[test]
fn a_modify_that_gives_only_a_part_leaves_the_rest_to_ec2() {
    let whole =
        json!({"SecurityGroupRuleId": "sgr-2", "SecurityGroupRule": {"CidrIpv4": "10.0.0.0/8", "IpProtocol": -1}});
    for part in [
        json!({"Description": "office"}),
        json!({"Description": 5}),
        json!({}),
        json!({"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}),
        json!({"CidrIpv4": "10.0.0.0/8"}),
    ] {
        let part = json!({"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": part});
        for (rules, ids) in [
            (json!(part), vec!["sgr-1"]),
            (json!([part, whole]), vec!["sgr-1", "sgr-2"]),
            (json!([whole, part]), vec!["sgr-2", "sgr-1"]),
        ] {
            let record = modify(rules);
            assert_eq!(changed_rules(&record), ids);
            assert_eq!(change(&record).recorded_rules, None, "{part}");
            assert_eq!(harmless(&change(&record), &Policy::built_in()), None);
        }
    }
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

// Caller, place and time.

#[test]
fn the_record_says_who_did_it_from_where_and_when() {
    let change = change(&ssh_from_anywhere());
    let event = EventMetadata {
        id: Some("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee".to_owned()),
        time: Some("2026-11-21T10:00:00Z".parse().unwrap()),
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        call: Some("AuthorizeSecurityGroupIngress".to_owned()),
        actor: Some("arn:aws:sts::111122223333:assumed-role/Deploy/jo".to_owned()),
        issuer: Some("arn:aws:iam::111122223333:role/Deploy".to_owned()),
        source_ip: Some("198.51.100.7".to_owned()),
        user_agent: Some("aws-cli/2.31".to_owned()),
    };
    assert_eq!(change.event, event);
    assert_eq!((change.account.as_str(), change.region.as_str()), ("111122223333", "eu-west-1"));
    assert_eq!(change.call, Call::Authorize);
}

#[test]
fn a_sparse_identity_gives_the_next_best_actor() {
    for (identity, actor) in [
        (
            json!({"accountId": "111122223333", "invokedBy": "cloudformation.amazonaws.com"}),
            "cloudformation.amazonaws.com",
        ),
        (json!({"type": "IAMUser", "userName": "jo", "principalId": "AIDA"}), "jo"),
        (json!({"principalId": "AIDA", "arn": "", "userName": null}), "AIDA"),
        (json!({"accountId": "111122223333", "sessionContext": {"sessionIssuer": {}}}), "111122223333"),
    ] {
        let event = change(&with(ssh_from_anywhere(), "/userIdentity", identity)).event;
        assert_eq!((event.actor.as_deref(), event.issuer), (Some(actor), None));
    }
    for nobody in [json!({}), Value::Null, json!("root"), json!([1])] {
        let event = change(&with(ssh_from_anywhere(), "/userIdentity", nobody)).event;
        assert_eq!((event.actor, event.account.as_deref()), (None, Some("111122223333")));
    }
}

#[test]
fn an_older_record_is_of_the_callers_account_or_else_the_envelopes() {
    let older = without(ssh_from_anywhere(), "/recipientAccountId");
    assert_eq!(change(&older).account.as_str(), "111122223333");
    let anonymous = without(without(older, "/userIdentity"), "/awsRegion");
    let envelope_origin =
        EnvelopeOrigin { account: Some("444455556666".to_owned()), region: Some("eu-north-1".to_owned()) };
    let Reading::Change(change) = read(&Json::from(&anonymous), &envelope_origin) else { panic!() };
    assert_eq!((change.account.as_str(), change.region.as_str()), ("444455556666", "eu-north-1"));
    assert_eq!(change.event.account.as_deref(), Some("444455556666"));
    assert_eq!(undecided(&anonymous), "recipientAccountId is missing: the record does not say whose group it was");
}

#[test]
fn an_envelope_that_disagrees_with_its_record_is_refused() {
    let envelope_origin = |account: Option<&str>, region: Option<&str>| EnvelopeOrigin {
        account: account.map(str::to_owned),
        region: region.map(str::to_owned),
    };
    for (envelope_origin, why) in [
        (
            envelope_origin(Some("444455556666"), Some("eu-west-1")),
            "the envelope's account is `444455556666`, the record's is `111122223333`: refused",
        ),
        (
            envelope_origin(None, Some("us-east-1\u{7}")),
            "the envelope's region is `us-east-1\\u{7}`, the record's is `eu-west-1`: refused",
        ),
    ] {
        let Reading::Undecided { why: found, event } = read(&Json::from(&ssh_from_anywhere()), &envelope_origin) else {
            panic!()
        };
        assert_eq!(found, why);
        assert_eq!(event.account.as_deref(), Some("111122223333"));
    }
    for agreeing in [envelope_origin(Some("111122223333"), Some("eu-west-1")), envelope_origin(None, None)] {
        assert!(matches!(read(&Json::from(&ssh_from_anywhere()), &agreeing), Reading::Change(_)));
    }
}

#[test]
fn what_the_record_says_of_itself_is_kept_short() {
    // At most 512 bytes, and no character cut in half.
    for (long, kept) in [("x".repeat(513), 512), ("x".repeat(512), 512), (format!("x{}", "é".repeat(600)), 511)] {
        let event = change(&with(ssh_from_anywhere(), "/userAgent", json!(long))).event;
        assert_eq!(event.user_agent.as_deref(), long.get(..kept));
    }
    let event = change(&with(ssh_from_anywhere(), "/eventTime", json!("yesterday"))).event;
    assert_eq!(event.time, None);
}

#[test]
fn unknown_fields_other_versions_and_the_order_of_keys_do_not_matter() {
    let other = with(with(ssh_from_anywhere(), "/eventVersion", json!("2.0")), "/eventContext", json!({"tags": [1]}));
    let other = with(other, "/requestParameters/dryRun", json!(false));
    let other = with(other, "/responseElements/securityGroupRuleSet/items/0/securityGroupRuleArn", json!("arn:x"));
    assert_eq!(change(&other), change(&ssh_from_anywhere()));
    let reversed: Vec<String> = {
        let fields = ssh_from_anywhere();
        fields.as_object().unwrap().iter().rev().map(|(key, value)| format!("{}:{value}", json!(key))).collect()
    };
    let reversed: Value = serde_json::from_str(&format!("{{{}}}", reversed.join(","))).unwrap();
    assert_eq!(change(&reversed), change(&ssh_from_anywhere()));
}

#[test]
fn a_sweep_is_a_change_of_a_whole_region_that_says_of_itself_when_and_where() {
    let (account, region) = (AccountId::parse("111122223333").unwrap(), Region::parse("eu-west-1").unwrap());
    let time = "2026-11-21T10:00:00Z".parse().unwrap();
    let Change { event, call, resource, changed_rules, recorded_rules, .. } =
        Change::sweep(Some("order-1".to_owned()), Some(time), account, region);
    assert_eq!(
        (call, resource, changed_rules, recorded_rules),
        (Call::Sweep, Resource::Region, ChangedRules::Any, None)
    );
    let expected = EventMetadata {
        id: Some("order-1".to_owned()),
        time: Some(time),
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        call: Some("Sweep".to_owned()),
        ..EventMetadata::default()
    };
    assert_eq!(event, expected);
}

// ModifyManagedPrefixList and RestoreManagedPrefixListVersion.

/// Both spellings, with and without the wrapper.
fn of_a_list(call: &str, fields: &Value) -> Vec<Value> {
    let lower = |name: &str| {
        let mut payloads = name.chars();
        let first = payloads.next().map(|payload| payload.to_ascii_lowercase());
        first.into_iter().chain(payloads).collect::<String>()
    };
    let lowered: serde_json::Map<String, Value> =
        fields.as_object().unwrap().iter().map(|(key, value)| (lower(key), value.clone())).collect();
    let request = [fields.clone(), Value::Object(lowered)];
    let wrapped = request.clone().map(|fields| json!({ format!("{call}Request"): fields }));
    request.into_iter().chain(wrapped).map(|request| record(call, request, Value::Null)).collect()
}

#[test]
fn a_changed_list_claims_what_was_added_to_it_where_the_record_says_that() {
    let entry = |cidr: &str| json!({"Cidr": cidr, "Description": "x", "tag": 1});
    for (fields, attributed) in [
        (json!({"AddEntry": entry("8.0.0.1/8")}), "pl-1: 8.0.0.0/8"),
        (json!({"AddEntry": [entry("8.0.0.0/8"), entry("::/0")]}), "pl-1: 8.0.0.0/8 ::/0"),
        (json!({"AddEntries": {"items": [{"cidr": "9.0.0.0/8"}]}}), "pl-1: 9.0.0.0/8"),
        (json!({"AddEntry": {}}), "pl-1: "),
        (json!({"RemoveEntry": entry("8.0.0.0/8"), "CurrentVersion": 3, "MaxEntries": 9}), "pl-1: "),
        (json!({"RemoveEntries": [], "PrefixListName": "x", "DryRun": false, "xmlns": "http://…"}), "pl-1: "),
        // Entries that cannot be read, and keys that may be another spelling of an added entry.
        (json!({"AddEntry": entry("8.0.0.0/33")}), "pl-1: any entry"),
        (json!({"AddEntry": [entry("8.0.0.0/8"), {"Description": "x"}]}), "pl-1: any entry"),
        (json!({"AddEntry": 7}), "pl-1: any entry"),
        (json!({"NewEntry": entry("8.0.0.0/8")}), "pl-1: any entry"),
        (json!({"NewEntry": 1, "CurrentVersion": 3}), "pl-1: any entry"),
    ] {
        let mut fields = fields;
        fields["PrefixListId"] = json!("pl-1");
        for record in of_a_list("ModifyManagedPrefixList", &fields) {
            assert_eq!(changed_rules(&record), [attributed], "{}", record["requestParameters"]);
            assert_eq!(resource(&record), Resource::PrefixList(PrefixListId::parse("pl-1").unwrap()));
        }
    }
}

#[test]
fn a_restored_list_claims_the_version_that_was_restored() {
    for (version, attributed) in [
        (json!(2), "pl-1: any entry of version 2"),
        (json!("2"), "pl-1: any entry of version 2"),
        (json!("two"), "pl-1: any entry"),
    ] {
        let fields = json!({"PrefixListId": "pl-1", "PreviousVersion": version, "CurrentVersion": 5});
        for record in of_a_list("RestoreManagedPrefixListVersion", &fields) {
            assert_eq!(changed_rules(&record), [attributed], "{}", record["requestParameters"]);
        }
    }
}

/// The version that a changed list leads to.
fn version(record: &Value) -> Option<i64> {
    let ChangedRules::PrefixList { version, .. } = change(record).changed_rules else { panic!("no list: {record}") };
    version
}

#[test]
fn a_changed_list_leads_to_the_version_after_the_one_that_the_call_names() {
    let entry = json!({"Cidr": "8.0.0.0/8"});
    for (fields, expected) in [
        (json!({"AddEntry": entry, "CurrentVersion": 3}), Some(4)),
        (json!({"AddEntry": [entry], "CurrentVersion": "3"}), Some(4)),
        (json!({"RemoveEntries": {"items": [entry]}, "CurrentVersion": 3}), Some(4)),
        (json!({"AddEntry": 7, "CurrentVersion": 3}), Some(4)),
        (json!({"NewEntry": entry, "CurrentVersion": 3}), Some(4)),
        (json!({"AddEntry": entry}), None),
        (json!({"AddEntry": entry, "CurrentVersion": "three"}), None),
        (json!({"AddEntry": entry, "CurrentVersion": null}), None),
        (json!({"AddEntry": entry, "CurrentVersion": i64::MAX}), None),
        // No other change makes a version.
        (json!({"MaxEntries": 9, "PrefixListName": "x", "CurrentVersion": 3}), None),
        (json!({"IpamPrefixListResolverSyncEnabled": true, "CurrentVersion": 3}), None),
    ] {
        let mut fields = fields;
        fields["PrefixListId"] = json!("pl-1");
        for record in of_a_list("ModifyManagedPrefixList", &fields) {
            assert_eq!(version(&record), expected, "{}", record["requestParameters"]);
        }
    }
    for record in of_a_list("RestoreManagedPrefixListVersion", &json!({"PrefixListId": "pl-1", "CurrentVersion": 5})) {
        assert_eq!(version(&record), Some(6));
    }
}

#[test]
fn the_version_that_the_answer_shows_is_the_least() {
    for (request, shown, expected) in [
        (json!({"PrefixListId": "pl-1", "AddEntry": {}, "CurrentVersion": 3}), json!(3), Some(4)),
        (json!({"PrefixListId": "pl-1", "AddEntry": {}, "CurrentVersion": 3}), json!("5"), Some(5)),
        (json!({"PrefixListId": "pl-1", "AddEntry": {}}), json!(3), Some(3)),
        (json!({"PrefixListId": "pl-1", "AddEntry": {}}), json!(null), None),
        (omitted(), json!(3), Some(3)),
        (omitted(), json!({}), None),
    ] {
        let list = json!({"prefixListId": "pl-1", "version": shown});
        let call = "ModifyManagedPrefixList";
        for answer in [json!({"prefixList": list}), json!({format!("{call}Response"): {"prefixList": list}})] {
            assert_eq!(version(&record(call, request.clone(), answer)), expected, "{request} {shown}");
        }
    }
}

#[test]
fn a_list_that_only_the_answer_names_may_have_any_entry_new() {
    let list = json!({"prefixListId": "pl-1", "prefixListName": "x"});
    for call in ["ModifyManagedPrefixList", "RestoreManagedPrefixListVersion"] {
        for answer in
            [list.clone(), json!({"prefixList": list}), json!({format!("{call}Response"): {"prefixList": list}})]
        {
            for request in [omitted(), Value::Null] {
                assert_eq!(changed_rules(&record(call, request, answer.clone())), ["pl-1: any entry"], "{answer}");
            }
        }
        let unnamed = json!({"prefixList": {"prefixListName": "x"}});
        assert_eq!(changed_rules(&record(call, omitted(), unnamed.clone())), ["any"]);
        assert_eq!(resource(&record(call, omitted(), Value::Null)), Resource::Region);
        let missing = "requestParameters is missing, expected what the call asked for";
        assert_eq!(undecided(&record(call, Value::Null, unnamed)), missing);
        let nameless = record(call, json!({"CurrentVersion": 1}), Value::Null);
        assert_eq!(undecided(&nameless), format!("requestParameters.{call}Request.PrefixListId is missing"));
    }
}
