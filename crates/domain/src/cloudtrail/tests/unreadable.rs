//! Values that are required and cannot be read: the record is undecided, and the message names the field, the value and
//! what is accepted.

use serde_json::json;

use super::*;
use crate::rule::Protocol;

/// For each line `POINTER = JSON → MESSAGE`, sets a value in the record and expects the message, or its beginning. A
/// line `POINTER → MESSAGE` removes the node. `at` is put before each pointer, `place` before each message.
#[track_caller]
fn check(record: &Value, at: &str, place: &str, table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (edit, message) = line.split_once("→ ").map(|(edit, message)| (edit.trim(), message)).unwrap();
        let edited = match edit.split_once(" = ") {
            Some((field, json)) => with(record.clone(), &format!("{at}{field}"), serde_json::from_str(json).unwrap()),
            None => without(record.clone(), &format!("{at}{edit}")),
        };
        let found = unread(&edited);
        assert!(found.starts_with(&format!("{place}{message}")), "{line}\nfound {found}");
    }
}

/// What of a record cannot be read, whether that makes it undecided or EC2 tells the rest.
#[track_caller]
fn unread(record: &Value) -> String {
    match read_alone(record) {
        Reading::Undecided { why, .. } => why,
        Reading::Change(change) => {
            assert_eq!(change.recorded_rules, None, "a record that cannot be read in full does not say all");
            assert_eq!(harmless(&change, &Policy::built_in()), None, "and EC2 is asked");
            change.unread.expect("what cannot be read is kept")
        }
        Reading::Irrelevant { why, .. } => panic!("irrelevant: {why}"),
    }
}

#[test]
fn what_cannot_be_read_in_a_request_does_not_stop_the_look() {
    let odd = |cidr: &str| {
        nested(json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": {"items": [{"cidrIp": cidr}]}}))
    };
    let answered = |request: Value| authorize(request, answer(answered_ssh()));
    let why = "requestParameters.ipPermissions[0].ipRanges.cidrIp: `00.0.0.0/0` is no CIDR block";
    let record = answered(odd("00.0.0.0/0"));
    assert!(unread(&record).starts_with(why), "{}", unread(&record));
    // The answer has the rules' ids.
    assert_eq!((resource(&record), changed_rules(&record)), (the_group(), changed_rules(&ssh_from_anywhere())));
    // The answer names the group as well.
    for request in [with(flat(), "/groupId", json!("sg-!")), json!("none"), json!([])] {
        assert_eq!(resource(&answered(request.clone())), the_group(), "{request}");
    }
    // Without an answer any rule of the group may be the call's.
    let record = authorize(odd("00.0.0.0/0"), Value::Null);
    assert_eq!((resource(&record), changed_rules(&record)), (the_group(), vec!["any".to_owned()]));
    // Nor does one unreadable rule of the answer stop it.
    let item = "/responseElements/securityGroupRuleSet/items/0";
    let record = with(ssh_from_anywhere(), &format!("{item}/cidrIpv4"), json!("0/0"));
    assert_eq!(changed_rules(&record), changed_rules(&ssh_from_anywhere()));
    let record = with(ssh_from_anywhere(), &format!("{item}/securityGroupRuleId"), json!("r"));
    assert_eq!(changed_rules(&record), ["any"]);
    let modified = modify(json!([{"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": {"CidrIpv4": "world"}}]));
    assert_eq!(changed_rules(&modified), ["sgr-1"]);
}

#[test]
fn a_record_that_names_no_group_is_undecided() {
    for record in [
        authorize(with(flat(), "/groupId", json!("sg-!")), Value::Null),
        authorize(json!("none"), Value::Null),
        with(modify(json!([])), "/requestParameters/ModifySecurityGroupRulesRequest/GroupId", json!("sg_1")),
    ] {
        undecided(&record);
    }
}

#[test]
fn what_is_no_record_is_undecided() {
    for (value, shown) in [
        (Value::Null, "`null`"),
        (json!([]), "`[]`"),
        (json!("a\u{1b}[31m"), "`a\\u{1b}[31m`"),
        (json!(1e300), "`1e+300`"),
        (json!(true), "`true`"),
    ] {
        let expected = format!("the record is {shown}, expected a CloudTrail record (a JSON object)");
        assert_eq!(undecided(&value), expected);
    }
    assert_eq!(undecided(&json!({})), "eventSource is missing, expected a text: is this a CloudTrail record?");
}

#[test]
fn a_malformed_record_is_undecided() {
    let table = r#"
        /eventName = 5               → eventName is `5`, expected a text: is this a CloudTrail record?
        /eventSource = null          → eventSource is `null`, expected a text: is this a CloudTrail record?
        /eventName                   → eventName is missing, expected a text: is this a CloudTrail record?
        /errorCode = 403             → errorCode is `403`, expected a text
        /errorCode = {}              → errorCode is `{}`, expected a text
        /requestParameters = "none"  → requestParameters is `none`, expected an object
        /responseElements = [1]      → responseElements is `[1]`, expected an object
        /recipientAccountId = "1111" → recipientAccountId: `1111` is no account id: expected twelve digits
        /recipientAccountId = 111122 → recipientAccountId is `111122`, expected a text
        /recipientAccountId = ["1"]  → recipientAccountId is `["1"]`, expected a text
        /awsRegion = "eu_west_1"     → awsRegion: `eu_west_1` is no Region: expected a Region code such as eu-west-1
        /awsRegion = 1               → awsRegion is `1`, expected a text
        /awsRegion = ""              → awsRegion is missing: the record does not say whose group it was
        /awsRegion                   → awsRegion is missing: the record does not say whose group it was
    "#;
    check(&ssh_from_anywhere(), "", "", table);
}

#[test]
fn what_cannot_be_read_of_a_nested_request_is_named() {
    let permission = json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
        "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}, "ipv6Ranges": {"items": [{"cidrIpv6": "::/0"}]},
        "prefixListIds": {"items": [{"prefixListId": "pl-1"}]}, "groups": {"items": [{"groupId": "sg-2"}]}});
    let record = authorize(nested(permission), Value::Null);
    let whole = r#"
        /groupId = "sg-!"             → .groupId: `sg-!` is no security group id: expected sg- and
        /groupId = 7                  → .groupId is `7`, expected a text
        /groupName = 7                → .groupName is `7`, expected a text
        /groupId                      →  has neither groupId nor groupName
        /ipPermissions = "all"        → .ipPermissions is `all`, expected a list ({"items":[…]})
        /ipPermissions/items = true   → .ipPermissions is `true`, expected a list ({"items":[…]})
        /ipPermissions/items/0 = "x"  → .ipPermissions[0] is `x`, expected an object
        /ipPermissions/items/0 = null → .ipPermissions[0] is `null`, expected an object
        /ipPermissions/items = []     →  asks for no permission: neither ipPermissions nor ipProtocol says any
        /ipPermissions                →  asks for no permission: neither ipPermissions nor ipProtocol says any
    "#;
    check(&record, "/requestParameters", "requestParameters", whole);
    let item = r#"
        /ipProtocol = null             → .ipProtocol is `null`, expected a protocol such as "tcp", "6" or "-1"
        /ipProtocol = true             → .ipProtocol is `true`, expected a protocol such as
        /ipProtocol                    → .ipProtocol is missing, expected a protocol such as
        /fromPort = "ssh"              → .fromPort is `ssh`, expected a port number
        /fromPort = ""                 → .fromPort is ``, expected a port number
        /toPort = 22.5                 → .toPort is `22.5`, expected a port number
        /toPort = 18446744073709551615 → .toPort is `18446744073709551615`, expected a port number
        /toPort = [22]                 → .toPort is `[22]`, expected a port number
        /ipRanges = 1                  → .ipRanges is `1`, expected a list ({"items":[…]})
        /ipRanges/items/0 = "1.2.3.4"  → .ipRanges is `1.2.3.4`, expected an object
        /ipRanges/items/0 = {}         → .ipRanges.cidrIp is missing
        /ipRanges/items/0/cidrIp = 0   → .ipRanges.cidrIp is `0`, expected a text
        /ipRanges/items/0/cidrIp = "0.0.0.0/33" → .ipRanges.cidrIp: `0.0.0.0/33` is no CIDR block: expected
        /ipv6Ranges/items/0/cidrIpv6 = "any"    → .ipv6Ranges.cidrIpv6: `any` is no CIDR block: expected
        /prefixListIds/items/0 = "pl-1"         → .prefixListIds is `pl-1`, expected an object
        /prefixListIds/items/0/prefixListId     → .prefixListIds.prefixListId is missing
        /prefixListIds/items/0/prefixListId = "list" → .prefixListIds.prefixListId: `list` is no prefix list id: expected
        /groups/items/0 = 3                     → .groups is `3`, expected an object
    "#;
    check(&record, "/requestParameters/ipPermissions/items/0", "requestParameters.ipPermissions[0]", item);
}

#[test]
fn a_bad_source_after_good_ones_is_not_passed_over() {
    let permission = json!({"ipProtocol": "tcp", "ipRanges": {"items": [{"cidrIp": "10.0.0.0/8"}, {"cidrIp": "x"}]}});
    let why = unread(&authorize(nested(permission), Value::Null));
    assert!(why.starts_with("requestParameters.ipPermissions[0].ipRanges.cidrIp: `x` is no CIDR block"), "{why}");
}

#[test]
fn what_cannot_be_read_of_a_flat_request_is_named() {
    let table = r#"
        /cidrIp = "0.0.0.0"     → .cidrIp: `0.0.0.0` is no CIDR block: expected an address and a prefix length
        /cidrIp = null          → .cidrIp is missing
        /cidrIpv6 = "x"         → .cidrIpv6: `x` is no CIDR block: expected
        /ipProtocol = []        → .ipProtocol is `[]`, expected a protocol such as
        /ipProtocol             → .ipProtocol is missing, expected a protocol such as
        /toPort = "22-25"       → .toPort is `22-25`, expected a port number
        /groupId                →  has neither groupId nor groupName
    "#;
    let record = authorize(flat(), Value::Null);
    check(&record, "/requestParameters", "requestParameters", table);
    let absent = "/requestParameters →  is missing, expected what the call asked for";
    check(&record, "", "requestParameters", absent);
}

#[test]
fn the_group_of_an_answer_is_the_first_that_can_be_read_and_the_others_are_checked() {
    let rule = |group: Value| with(answered_ssh(), "/0/groupId", group)[0].clone();
    let answered = |groups: [Value; 3]| authorize(Value::Null, answer(json!(groups.map(rule))));
    let good = || json!(GROUP);
    assert_eq!(resource(&answered([good(), json!("sg-2"), good()])), the_group());
    assert_eq!(resource(&answered([Value::Null, good(), json!("sg-2")])), the_group());
    for (groups, place) in [([json!("web"), good(), good()], 0), ([good(), good(), json!("web")], 2)] {
        let record = answered(groups);
        let why = format!("responseElements.securityGroupRuleSet[{place}].groupId: `web` is no security group id");
        assert!(unread(&record).starts_with(&why), "{}", unread(&record));
        assert_eq!(resource(&record), the_group());
    }
}

#[test]
fn what_cannot_be_read_of_a_answer_is_named() {
    let table = r#"
        /items/0/securityGroupRuleId = "r" → [0].securityGroupRuleId: `r` is no security group rule id: expected sgr-
        /items/0/securityGroupRuleId       → [0].securityGroupRuleId is missing
        /items/0/groupId = "web"           → [0].groupId: `web` is no security group id: expected sg-
        /items/0/cidrIpv4 = "0/0"          → [0].cidrIpv4: `0/0` is no CIDR block: expected
        /items/0/fromPort = {}             → [0].fromPort is `{}`, expected a port number
        /items/0/ipProtocol                → [0].ipProtocol is missing, expected a protocol
        /items/0 = []                      → [0] is `[]`, expected an object
        /items = 1                         →  is `1`, expected a list ({"items":[…]})
    "#;
    let place = "responseElements.securityGroupRuleSet";
    check(&ssh_from_anywhere(), "/responseElements/securityGroupRuleSet", place, table);
}

#[test]
fn what_cannot_be_read_of_a_modify_is_named() {
    let record = modify(json!([{"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule":
        {"CidrIpv4": "0.0.0.0/0", "FromPort": 22, "ToPort": 22, "IpProtocol": "tcp"}}]));
    let absent = "/requestParameters →  is missing, expected what the call asked for";
    check(&record, "", "requestParameters", absent);
    let whole = r#"
        /GroupId = "sg_1"         → .GroupId: `sg_1` is no security group id: expected sg-
        /GroupId = 1              → .GroupId is `1`, expected a text
        /GroupId                  → .GroupId is missing
        /SecurityGroupRule = []   → .SecurityGroupRule names no rule
        /SecurityGroupRule = null → .SecurityGroupRule names no rule
        /SecurityGroupRule        → .SecurityGroupRule names no rule
        /SecurityGroupRule = 5    → .SecurityGroupRule is `5`, expected a list ({"items":[…]})
    "#;
    let (request, place) =
        ("/requestParameters/ModifySecurityGroupRulesRequest", "requestParameters.ModifySecurityGroupRulesRequest");
    check(&record, request, place, whole);
    let wrapper = r#"/ModifySecurityGroupRulesRequest = "x" → is `x`, expected an object"#;
    check(&record, "/requestParameters", &format!("{place} "), wrapper);
    let rule = r#"
        /SecurityGroupRuleId = 9      → .SecurityGroupRuleId is `9`, expected a text
        /SecurityGroupRuleId          → .SecurityGroupRuleId is missing
        /SecurityGroupRuleId = "sgr-" → .SecurityGroupRuleId: `sgr-` is no security group rule id: expected sgr-
        /SecurityGroupRule            → .SecurityGroupRule is `null`, expected an object
        /SecurityGroupRule = []       → .SecurityGroupRule is `[]`, expected an object
        /SecurityGroupRule/CidrIpv4 = "world" → .SecurityGroupRule.CidrIpv4: `world` is no CIDR block: expected
        /SecurityGroupRule/CidrIpv4 = false   → .SecurityGroupRule.CidrIpv4 is `false`, expected a text
        /SecurityGroupRule/FromPort = "x"     → .SecurityGroupRule.FromPort is `x`, expected a port number
        /SecurityGroupRule/IpProtocol = {}    → .SecurityGroupRule.IpProtocol is `{}`, expected a protocol
    "#;
    check(&record, &format!("{request}/SecurityGroupRule/0"), &format!("{place}.SecurityGroupRule[0]"), rule);
}

#[test]
fn what_stands_there_in_two_ways_is_not_read() {
    let permission = json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
        "ipRanges": {"items": [], "item": [{"cidrIp": "0.0.0.0/0"}]}});
    let why = unread(&authorize(nested(permission), Value::Null));
    assert_eq!(why, "requestParameters.ipPermissions[0].ipRanges has both items and item, expected one of them");

    let sources =
        json!({"CidrIpv4": "10.0.0.0/8", "CidrIpv6": "::/0", "FromPort": 22, "ToPort": 22, "IpProtocol": "tcp"});
    let why = unread(&modify(json!({"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": sources})));
    let place = "requestParameters.ModifySecurityGroupRulesRequest.SecurityGroupRule[0].SecurityGroupRule";
    assert_eq!(why, format!("{place} has both CidrIpv4 and CidrIpv6, expected a rule's one source"));

    let answered =
        with(ssh_from_anywhere(), "/responseElements/securityGroupRuleSet/items/0/prefixListId", json!("pl-1"));
    let place = "responseElements.securityGroupRuleSet[0]";
    assert_eq!(unread(&answered), format!("{place} has both cidrIpv4 and prefixListId, expected a rule's one source"));
}

#[test]
fn nothing_is_lost_of_a_thousand_rules() {
    let private =
        json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": {"items": [{"cidrIp": "10.0.0.0/8"}]}});
    let mut items = vec![private; 999];
    items.push(
        json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}),
    );
    let record = authorize(json!({"groupId": GROUP, "ipPermissions": {"items": items}}), Value::Null);
    let change = change(&record);
    assert_eq!(change.recorded_rules.as_ref().unwrap().len(), 1000);
    assert_eq!(harmless(&change, &Policy::built_in()), None);
}

#[test]
fn senseless_ports_make_no_change_harmless() {
    for (from, to) in [(25, 20), (-2, 22), (0, 65_536), (22, -1), (70_000, 70_000), (i64::MIN, i64::MAX)] {
        let flat = with(with(flat(), "/fromPort", json!(from)), "/toPort", json!(to));
        let record = authorize(flat, Value::Null);
        assert_eq!(recorded_rules(&record), [format!("tcp {from}-{to} 0.0.0.0/0")]);
        assert_eq!(harmless(&change(&record), &Policy::built_in()), None, "{from}-{to}");
    }
    let sctp = with(authorize(flat(), Value::Null), "/requestParameters/ipProtocol", json!("sctp"));
    assert_eq!(change(&sctp).recorded_rules.unwrap()[0].1.traffic.protocol(), &Protocol::Unknown("sctp".to_owned()));
    assert_eq!(harmless(&change(&sctp), &Policy::built_in()), None);
}
