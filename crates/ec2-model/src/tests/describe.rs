//! DescribeSecurityGroupRules, DescribeSecurityGroups, and how they lag.

use super::kit::*;
use crate::{Lag, Permission, Vpc, World};

fn rules_of(world: &World, group: &str, more: &[(&str, &str)]) -> (u16, String) {
    let filter = [("Filter.1.Name", "group-id"), ("Filter.1.Value.1", group)];
    ec2(world, "DescribeSecurityGroupRules", &[filter.as_slice(), more].concat())
}

/// EC2 API Reference, DescribeSecurityGroupRules, `Filter.N`: "group-id - The ID of the security group." A filter that
/// fits nothing gives an empty list.
#[test]
fn an_unknown_group_has_an_empty_list_of_rules() {
    let (world, _) = world_with_group(Vpc::Other);
    let (status, body) = rules_of(&world, "sg-0123456789abcdef0", &[]);
    assert_eq!(status, 200);
    assert!(body.contains("<securityGroupRuleSet/>"), "{body}");
}

/// EC2 API Reference, DescribeSecurityGroupRules, `SecurityGroupRuleId.N`; error code
/// InvalidSecurityGroupRuleId.NotFound.
#[test]
fn an_unknown_rule_id_is_an_error() {
    let (world, group) = world_with_group(Vpc::Other);
    let ids = allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    let (_, body) = ec2(&world, "DescribeSecurityGroupRules", &[("SecurityGroupRuleId.1", &ids[0])]);
    assert_eq!(elements(&body, "securityGroupRuleId"), ids);
    let unknown = [("SecurityGroupRuleId.1", "sgr-0123456789abcdef0")];
    assert_eq!(ec2_error(&world, "DescribeSecurityGroupRules", &unknown), "InvalidSecurityGroupRuleId.NotFound");
}

/// EC2 API Reference, SecurityGroupRule: its members.
#[test]
fn a_rule_shows_all_its_members() {
    let (world, group) = world_with_group(Vpc::Other);
    let other = world.create_group(ACCOUNT, REGION, "other", Vpc::Other);
    let list = world.create_prefix_list(ACCOUNT, REGION, "offices", 5, &[]).unwrap();
    let ids = allow(&world, &group, Permission::new("-1", 0, 0, &["::/0", &list, &other]).described("d"));
    let (_, body) = rules_of(&world, &group, &[("Filter.2.Name", "security-group-rule-id"), ("Filter.2.Value.1", "*")]);
    assert_eq!(elements(&body, "securityGroupRuleId").len(), 4);
    assert!(body.contains(&format!(
        "<item><groupOwnerId>{ACCOUNT}</groupOwnerId><groupId>{group}</groupId><securityGroupRuleId>{id}\
         </securityGroupRuleId><securityGroupRuleArn>arn:aws:ec2:{REGION}:{ACCOUNT}:security-group-rule/{id}\
         </securityGroupRuleArn><description>d</description><isEgress>false</isEgress><ipProtocol>-1</ipProtocol>\
         <fromPort>-1</fromPort><toPort>-1</toPort><cidrIpv6>::/0</cidrIpv6></item>",
        id = ids[0]
    )));
    assert_eq!(elements(&body, "prefixListId"), [list]);
    let referenced = element(&body, "referencedGroupInfo");
    assert_eq!(referenced, format!("<groupId>{other}</groupId><userId>{ACCOUNT}</userId>"));
}

/// EC2 API Reference, DescribeSecurityGroupRules, `MaxResults`: "This value can be between 5 and 1000." `NextToken`:
/// "Pagination continues from the end of the items returned by the previous request."
#[test]
fn rules_come_in_pages_and_none_is_lost_when_others_go() {
    let (world, group) = world_with_group(Vpc::Other);
    let cidrs = (0..11).map(|n| format!("10.{n}.0.0/16")).collect::<Vec<_>>();
    let sources = cidrs.iter().map(String::as_str).collect::<Vec<_>>();
    let ids = allow(&world, &group, Permission::new("tcp", 22, 22, &sources));
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let mut more = vec![("MaxResults", "5")];
        if !token.is_empty() {
            more.push(("NextToken", token.as_str()));
        }
        let (_, body) = rules_of(&world, &group, &more);
        seen.extend(elements(&body, "securityGroupRuleId"));
        if seen.len() == 5 {
            world.revoke(ACCOUNT, REGION, &group, &[&ids[0]]).unwrap();
        }
        token = element(&body, "nextToken");
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 12);
    assert_eq!(seen[1..], ids);
    for size in ["4", "1001", "many"] {
        assert_eq!(ec2_error(&world, "DescribeSecurityGroupRules", &[("MaxResults", size)]), "InvalidParameterValue");
    }
    assert_eq!(ec2_error(&world, "DescribeSecurityGroupRules", &[("NextToken", "5")]), "InvalidParameterValue");
}

/// Amazon EC2 Developer Guide, "Eventual consistency": "the result of an API command you run that affects your Amazon EC2
/// resources might not be immediately visible to all subsequent commands you run."
#[test]
fn changes_show_late_when_there_is_a_lag() {
    let (world, group) = world_with_group(Vpc::Other);
    let inbound = || {
        let (_, body) = rules_of(&world, &group, &[]);
        elements(&body, "isEgress").iter().filter(|flag| *flag == "false").count()
    };
    world.set_visibility_lag(Lag::Calls(2), Lag::Millis(500));
    let ids = allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    assert_eq!([inbound(), inbound(), inbound()], [0, 0, 1]);
    let by_id = [("SecurityGroupRuleId.1", ids[0].as_str())];
    assert_eq!(ec2(&world, "DescribeSecurityGroupRules", &by_id).0, 200);
    world.revoke(ACCOUNT, REGION, &group, &[&ids[0]]).unwrap();
    assert_eq!((inbound(), ingress(&world, &group).len()), (1, 0));
    world.set_now(world.now() + 500);
    assert_eq!(inbound(), 0);

    assert_eq!(ec2_error(&world, "DescribeSecurityGroupRules", &by_id), "InvalidSecurityGroupRuleId.NotFound");

    let late = world.create_group(ACCOUNT, REGION, "late", Vpc::Other);
    let look = [("GroupId.1", late.as_str())];
    assert_eq!(ec2_error(&world, "DescribeSecurityGroups", &look), "InvalidGroup.NotFound");
    assert_eq!(ec2_error(&world, "DescribeSecurityGroups", &look), "InvalidGroup.NotFound");
    assert_eq!(ec2(&world, "DescribeSecurityGroups", &look).0, 200);
}

/// EC2 API Reference, DescribeSecurityGroups: `GroupName.N` "[Default VPC] The names of the security groups"; the filters
/// `group-name`, `group-id`, `vpc-id`, `ip-permission.prefix-list-id`.
#[test]
fn groups_are_found_by_name_id_vpc_and_prefix_list() {
    let (world, web) = world_with_group(Vpc::Default);
    let inner = world.create_group(ACCOUNT, REGION, "inner", Vpc::Other);
    let list = world.create_prefix_list(ACCOUNT, REGION, "offices", 5, &[]).unwrap();
    allow(&world, &inner, Permission::tcp(22, &list));
    let vpc = world.vpc_id(ACCOUNT, REGION, Vpc::Default);
    let found = |params: &[(&str, &str)]| {
        let (status, body) = ec2(&world, "DescribeSecurityGroups", params);
        assert_eq!(status, 200, "{body}");
        let mut ids = elements(&body, "groupId");
        ids.dedup();
        ids
    };
    let filtered = |name, value| found(&[("Filter.1.Name", name), ("Filter.1.Value.1", value)]);
    assert_eq!(found(&[]), [web.clone(), inner.clone()]);
    assert_eq!(found(&[("GroupName.1", "web")]), [web.as_str()]);
    assert_eq!(filtered("group-name", "inn*"), [inner.as_str()]);
    assert_eq!(filtered("group-id", &inner), [inner.as_str()]);
    assert_eq!(filtered("vpc-id", &vpc), [web]);
    assert_eq!(filtered("ip-permission.prefix-list-id", &list), [inner.as_str()]);
    assert_eq!(filtered("group-name", "INNER"), [""; 0]);
    assert_eq!(ec2_error(&world, "DescribeSecurityGroups", &[("GroupName.1", "inner")]), "InvalidGroup.NotFound");
    let unknown = [("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")];
    assert_eq!(ec2_error(&world, "DescribeSecurityGroups", &unknown), "InvalidParameterValue");
}

/// EC2 API Reference, SecurityGroup: `ipPermissions` with the sources of one protocol and port range together; a new group
/// has one rule, which allows all outbound traffic (Amazon VPC User Guide, "Security groups").
#[test]
fn a_group_shows_its_rules_as_permissions() {
    let (world, group) = world_with_group(Vpc::Other);
    allow(&world, &group, Permission::new("tcp", 22, 22, &["10.0.0.0/8", "::/0"]).described("d"));
    allow(&world, &group, Permission::tcp(80, "10.0.0.0/8"));
    let (_, body) = ec2(&world, "DescribeSecurityGroups", &[("GroupId.1", &group)]);
    assert_eq!(elements(&body, "fromPort"), ["22", "80"]);
    assert!(body.contains(
        "<ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><groups/><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp>\
         </item></ipRanges><ipv6Ranges/><prefixListIds/></item></ipPermissionsEgress>"
    ));
    assert!(
        body.contains("<ipv6Ranges><item><cidrIpv6>::/0</cidrIpv6><description>d</description></item></ipv6Ranges>")
    );
    assert_eq!(element(&body, "vpcId"), world.vpc_id(ACCOUNT, REGION, Vpc::Other));
}

/// EC2 API Reference, error codes, FilterLimitExceeded: "The request uses too many filters or too many filter values." As
/// callers report it: "The maximum number of filter values specified on a single call is 200".
#[test]
fn a_call_has_at_most_200_filter_values() {
    let (world, group) = world_with_group(Vpc::Other);
    allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    let names = (1..=201).map(|number| format!("Filter.1.Value.{number}")).collect::<Vec<_>>();
    let values = |count: usize| {
        let mut params = vec![("Filter.1.Name", "group-id")];
        params.extend(names.iter().take(count).map(|name| (name.as_str(), group.as_str())));
        params
    };
    for action in ["DescribeSecurityGroupRules", "DescribeSecurityGroups"] {
        let (status, body) = ec2(&world, action, &values(200));
        assert_eq!((status, elements(&body, "groupId").is_empty()), (200, false), "{body}");
        assert_eq!(ec2_error(&world, action, &values(201)), "FilterLimitExceeded");
        let spread = [values(200), vec![("Filter.2.Name", "tag-key"), ("Filter.2.Value.1", "x")]].concat();
        assert_eq!(ec2_error(&world, action, &spread), "FilterLimitExceeded");
    }
}

/// EC2 API Reference, DescribeSecurityGroups, filter "ip-permission.prefix-list-id - The ID of a prefix list from which a
/// security group rule allows inbound access": an outbound rule does not count, several lists are joined by OR.
#[test]
fn groups_that_refer_to_a_prefix_list_inbound_are_found() {
    let (world, inbound) = world_with_group(Vpc::Other);
    let outbound = world.create_group(ACCOUNT, REGION, "out", Vpc::Other);
    let [first, second] =
        ["a", "b"].map(|name| world.create_prefix_list(ACCOUNT, REGION, name, 1, &["10.0.0.0/8"]).unwrap());
    allow(&world, &inbound, Permission::tcp(22, &first));
    world.authorize_egress(ACCOUNT, REGION, &outbound, &[Permission::tcp(22, &second)]).unwrap();
    let found = |lists: &[&str]| {
        let mut params = vec![("Filter.1.Name", "ip-permission.prefix-list-id")];
        let names = ["Filter.1.Value.1", "Filter.1.Value.2"];
        params.extend(names.into_iter().zip(lists.iter().copied()));
        elements(&ec2(&world, "DescribeSecurityGroups", &params).1, "groupName")
    };
    assert_eq!(found(&[&first]), ["web"]);
    assert_eq!(found(&[&second]), [""; 0]);
    assert_eq!(found(&[&second, &first]), ["web"]);
}

/// EC2 API Reference, DescribeNetworkInterfaces, filter "group-id - The ID of a security group associated with the network
/// interface".
#[test]
fn the_interfaces_of_a_group_are_found_page_by_page() {
    let (world, group) = world_with_group(Vpc::Other);
    let other = world.create_group(ACCOUNT, REGION, "other", Vpc::Other);
    let open = world.attach(ACCOUNT, REGION, &[&group, &other], Some("198.51.100.7"));
    let six = world.attach(ACCOUNT, REGION, &[&group], Some("2001:db8::7"));
    world.attach(ACCOUNT, REGION, &[&other], None);
    let of = |more: &[(&str, &str)]| {
        let params = [&[("Filter.1.Name", "group-id"), ("Filter.1.Value.1", group.as_str())], more].concat();
        ec2(&world, "DescribeNetworkInterfaces", &params).1
    };
    let body = of(&[]);
    assert_eq!(elements(&body, "networkInterfaceId"), [open, six]);
    assert_eq!(
        (element(&body, "publicIp"), element(&body, "ipv6Address")),
        ("198.51.100.7".into(), "2001:db8::7".into())
    );
    for _ in 0..5 {
        world.attach(ACCOUNT, REGION, &[&group], None);
    }
    let first = of(&[("MaxResults", "5")]);
    let rest = of(&[("MaxResults", "5"), ("NextToken", &element(&first, "nextToken"))]);
    assert_eq!((elements(&first, "networkInterfaceId").len(), elements(&rest, "networkInterfaceId").len()), (5, 2));
}
