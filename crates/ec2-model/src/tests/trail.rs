//! The CloudTrail record of each call.

use serde_json::{Value, json};

use super::kit::*;
use crate::{Actor, Permission, RuleChange, Vpc, World, eventbridge};

fn last(world: &World) -> Value {
    world.take_records().pop().unwrap()
}

/// Real records of AuthorizeSecurityGroupIngress: lists are `{"items":[…]}`, empty ones `{}`, ports integers; the answer
/// has one entry per source.
#[test]
fn authorize_in_the_nested_form() {
    let (world, group) = world_with_group(Vpc::Other);
    let ids = allow(&world, &group, Permission::new("tcp", 22, 22, &["203.0.113.9/24", "::/0"]).described("vpn"));
    let record = last(&world);
    assert_eq!(
        record["requestParameters"],
        json!({"groupId": group, "ipPermissions": {"items": [{
            "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "groups": {}, "prefixListIds": {},
            "ipRanges": {"items": [{"cidrIp": "203.0.113.9/24", "description": "vpn"}]},
            "ipv6Ranges": {"items": [{"cidrIpv6": "::/0", "description": "vpn"}]},
        }]}})
    );
    let rule = |id: &str, cidr: Value| {
        let mut rule = json!({
            "groupOwnerId": ACCOUNT, "groupId": group, "securityGroupRuleId": id, "description": "vpn",
            "isEgress": false, "ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
            "securityGroupRuleArn": format!("arn:aws:ec2:{REGION}:{ACCOUNT}:security-group-rule/{id}"),
        });
        rule.as_object_mut().unwrap().extend(cidr.as_object().unwrap().clone());
        rule
    };
    assert_eq!(
        record["responseElements"],
        json!({"requestId": record["requestID"], "_return": true, "securityGroupRuleSet": {"items": [
            rule(&ids[0], json!({"cidrIpv4": "203.0.113.0/24"})), rule(&ids[1], json!({"cidrIpv6": "::/0"})),
        ]}})
    );
}

/// Real records: a caller that uses the flat parameters leaves them beside an empty `ipPermissions`.
#[test]
fn authorize_in_the_flat_form_and_by_name() {
    let (world, group) = world_with_group(Vpc::Default);
    world.authorize_flat(ACCOUNT, REGION, "web", &Permission::tcp(22, "0.0.0.0/0")).unwrap();
    let record = last(&world);
    assert_eq!(
        record["requestParameters"],
        json!({"groupName": "web", "ipPermissions": {}, "ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
               "cidrIp": "0.0.0.0/0"})
    );
    assert_eq!(record["responseElements"]["securityGroupRuleSet"]["items"][0]["groupId"], json!(group));
}

/// Real records: with `-1` the ports are absent in the request and -1 in the answer.
#[test]
fn all_protocols_have_ports_only_in_the_answer() {
    let (world, group) = world_with_group(Vpc::Other);
    allow(&world, &group, Permission::all("0.0.0.0/0"));
    let record = last(&world);
    assert_eq!(record["requestParameters"]["ipPermissions"]["items"][0].get("fromPort"), None);
    assert_eq!(record["responseElements"]["securityGroupRuleSet"]["items"][0]["fromPort"], json!(-1));
}

/// Records of other people's pipelines: the request under a wrapper, PascalCase, `tag` numbers, an object for one rule and
/// an array for several, types guessed from the text.
#[test]
fn modify_is_converted_xml() {
    let (world, group) = world_with_group(Vpc::Other);
    let ids = allow(&world, &group, Permission::new("tcp", 443, 443, &["10.0.0.0/8", "11.0.0.0/8"]));
    let change = |rule: &String, permission| RuleChange { rule: rule.clone(), permission };
    let one = change(&ids[0], Permission::all("0.0.0.0/0"));
    world.modify_rules(ACCOUNT, REGION, &group, std::slice::from_ref(&one)).unwrap();
    let record = last(&world);
    let first = json!({"SecurityGroupRuleId": ids[0], "tag": 1,
        "SecurityGroupRule": {"CidrIpv4": "0.0.0.0/0", "IpProtocol": -1}});
    assert_eq!(
        record["requestParameters"],
        json!({"ModifySecurityGroupRulesRequest": {"GroupId": group, "SecurityGroupRule": first}})
    );
    assert_eq!(
        record["responseElements"],
        json!({"ModifySecurityGroupRulesResponse": {
            "xmlns": "http://ec2.amazonaws.com/doc/2016-11-15/", "requestId": record["requestID"], "return": true}})
    );

    let two = change(&ids[1], Permission::new("6", 22, 22, &["0.0.0.0/0"]).described("true"));
    world.modify_rules(ACCOUNT, REGION, &group, &[one, two]).unwrap();
    let second = json!({"SecurityGroupRuleId": ids[1], "tag": 2, "SecurityGroupRule":
        {"CidrIpv4": "0.0.0.0/0", "IpProtocol": 6, "FromPort": 22, "ToPort": 22, "Description": true}});
    assert_eq!(
        last(&world)["requestParameters"],
        json!({"ModifySecurityGroupRulesRequest": {"GroupId": group, "SecurityGroupRule": [first, second]}})
    );
}

/// As above, for prefix lists; an empty text stays an empty text and a scalar list has `tag` and `content`.
#[test]
fn prefix_list_calls_are_converted_xml() {
    let world = World::new(1);
    let list = world.create_prefix_list(ACCOUNT, REGION, "offices", 5, &[]).unwrap();
    world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
    let record = last(&world);
    assert_eq!(
        record["requestParameters"],
        json!({"ModifyManagedPrefixListRequest":
            {"PrefixListId": list, "CurrentVersion": 1, "AddEntry": {"Cidr": "0.0.0.0/0", "tag": 1}}})
    );
    assert_eq!(record["responseElements"]["ModifyManagedPrefixListResponse"]["prefixList"]["version"], json!(2));
    ec2(&world, "DescribeSecurityGroupRules", &[("Filter.1.Name", "group-id"), ("Filter.1.Value.1", "sg-1")]);
    let record = last(&world);
    assert_eq!(
        record["requestParameters"],
        json!({"DescribeSecurityGroupRulesRequest":
            {"Filter": {"Name": "group-id", "tag": 1, "Value": {"tag": 1, "content": "sg-1"}}}})
    );
    assert_eq!((&record["readOnly"], &record["responseElements"]), (&json!(true), &Value::Null));
}

/// Real records of failed calls: `errorCode` with the prefix `Client.`, `errorMessage`, and `responseElements` null.
#[test]
fn failed_calls_are_recorded_too() {
    let (world, group) = world_with_group(Vpc::Other);
    let unknown = [("GroupId.1", "sg-0123456789abcdef0")];
    ec2(&world, "DescribeSecurityGroups", &unknown);
    let record = last(&world);
    assert_eq!(record["errorCode"], json!("Client.InvalidGroup.NotFound"));
    assert_eq!(record["errorMessage"], json!("The security group 'sg-0123456789abcdef0' does not exist"));
    assert_eq!(record["responseElements"], Value::Null);
    assert_eq!(
        record["requestParameters"],
        json!({"securityGroupSet": {}, "securityGroupIdSet": {"items": [{"groupId": "sg-0123456789abcdef0"}]},
               "filterSet": {}})
    );
    let dry = [("GroupId", group.as_str()), ("DryRun", "true"), ("IpProtocol", "tcp")];
    world.user_call(ACCOUNT, REGION, "AuthorizeSecurityGroupIngress", &dry).unwrap_err();
    let record = last(&world);
    assert_eq!(record["errorCode"], json!("Client.DryRunOperation"));
    assert_eq!(record["requestParameters"]["dryRun"], json!(true));
}

/// CloudTrail User Guide, record contents, `requestParameters` and `responseElements`: omitted when over 100 KB.
#[test]
fn large_fields_are_omitted() {
    let (world, group) = world_with_group(Vpc::Other);
    world.set_rules_per_group(1000);
    let cidrs = (0..500).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256)).collect::<Vec<_>>();
    let sources = cidrs.iter().map(String::as_str).collect::<Vec<_>>();
    allow(&world, &group, Permission::new("tcp", 22, 22, &sources));
    let record = last(&world);
    assert_eq!(record["requestParameters"]["groupId"], json!(group));
    let omitted = &record["responseElements"];
    assert_eq!(omitted["reason"], json!("responseElements too large"));
    assert_eq!(omitted["omitted"], json!(true));
    assert!(omitted["originalSize"].as_u64().unwrap() > 102_400);
}

/// CloudTrail User Guide, "userIdentity element".
#[test]
fn the_actor_stands_in_the_record() {
    let (world, group) = world_with_group(Vpc::Other);
    let identity = |actor| {
        world.set_actor(actor);
        world.revoke(ACCOUNT, REGION, &group, &["sgr-0123456789abcdef0"]).unwrap_err();
        last(&world)["userIdentity"].clone()
    };
    let user = identity(Actor::User("ann".into()));
    assert_eq!(user["arn"], json!(format!("arn:aws:iam::{ACCOUNT}:user/ann")));
    let role = identity(Actor::Role { role: "admin".into(), session: "ann@example.com".into() });
    assert_eq!(role["arn"], json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/admin/ann@example.com")));
    assert_eq!(role["sessionContext"]["sessionIssuer"]["userName"], json!("admin"));
    let service = identity(Actor::Service("cloudformation.amazonaws.com".into()));
    assert_eq!(service, json!({"accountId": ACCOUNT, "invokedBy": "cloudformation.amazonaws.com"}));
    assert_eq!(identity(Actor::Custom(json!({}))), json!({}));
}

/// Amazon EventBridge User Guide, "AWS service events delivered via AWS CloudTrail".
#[test]
fn eventbridge_wraps_a_record() {
    let (world, group) = world_with_group(Vpc::Other);
    world.take_records();
    world.set_now(1_772_668_800_123);
    allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    let record = last(&world);
    let event = eventbridge(&record);
    assert_eq!(event["detail-type"], json!("AWS API Call via CloudTrail"));
    assert_eq!(event["source"], json!("aws.ec2"));
    assert_eq!((&event["account"], &event["region"]), (&json!(ACCOUNT), &json!(REGION)));
    assert_eq!(event["time"], json!("2026-03-05T00:00:00Z"));
    assert_eq!((&event["version"], &event["resources"], &event["detail"]), (&json!("0"), &json!([]), &record));
    assert_ne!(event["id"], record["eventID"]);
    assert_eq!(event, eventbridge(&record));
}
