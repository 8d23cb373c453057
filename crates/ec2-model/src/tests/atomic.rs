//! Thousands of random calls: the model never panics, and a call that fails changes nothing.

use super::kit::*;
use crate::{Vpc, World, ids::Ids};

const ACTIONS: [&str; 15] = [
    "CreateSecurityGroup",
    "DeleteSecurityGroup",
    "AuthorizeSecurityGroupIngress",
    "AuthorizeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
    "RevokeSecurityGroupEgress",
    "ModifySecurityGroupRules",
    "DescribeSecurityGroupRules",
    "DescribeSecurityGroups",
    "DescribeRegions",
    "DescribeNetworkInterfaces",
    "CreateManagedPrefixList",
    "ModifyManagedPrefixList",
    "RestoreManagedPrefixListVersion",
    "GetManagedPrefixListEntries",
];

const NAMES: [&str; 34] = [
    "GroupId",
    "GroupName",
    "GroupDescription",
    "GroupId.1",
    "SecurityGroupRuleId.1",
    "SecurityGroupRuleId.2",
    "IpPermissions.1.IpProtocol",
    "IpPermissions.1.FromPort",
    "IpPermissions.1.ToPort",
    "IpPermissions.1.IpRanges.1.CidrIp",
    "IpPermissions.1.Ipv6Ranges.1.CidrIpv6",
    "IpPermissions.1.PrefixListIds.1.PrefixListId",
    "IpPermissions.1.Groups.1.GroupId",
    "IpPermissions.2.IpProtocol",
    "IpPermissions.2.IpRanges.1.CidrIp",
    "IpProtocol",
    "CidrIp",
    "SecurityGroupRule.1.SecurityGroupRuleId",
    "SecurityGroupRule.1.SecurityGroupRule.IpProtocol",
    "SecurityGroupRule.1.SecurityGroupRule.FromPort",
    "SecurityGroupRule.1.SecurityGroupRule.ToPort",
    "SecurityGroupRule.1.SecurityGroupRule.CidrIpv4",
    "SecurityGroupRule.2.SecurityGroupRuleId",
    "SecurityGroupRule.2.SecurityGroupRule.CidrIpv4",
    "Filter.1.Name",
    "Filter.1.Value.1",
    "MaxResults",
    "PrefixListId",
    "PrefixListName",
    "AddressFamily",
    "MaxEntries",
    "AddEntry.1.Cidr",
    "RemoveEntry.1.Cidr",
    "PreviousVersion",
];

const VALUES: [&str; 18] = [
    "",
    "tcp",
    "-1",
    "0",
    "22",
    "443",
    "65536",
    "18446744073709551615",
    "0.0.0.0/0",
    "10.1.2.3/8",
    "::/0",
    "2001:db8::/130",
    "group-id",
    "IPv4",
    "1",
    "web",
    "sg-",
    "\u{0}é\u{1F600}<&>",
];

fn known_ids(world: &World, group: &str, list: &str) -> Vec<String> {
    let rules = world.rules(ACCOUNT, REGION, group).into_iter().map(|rule| rule.id);
    rules.chain([group.to_owned(), list.to_owned()]).collect()
}

#[test]
fn failed_calls_change_nothing() {
    let mut random = Ids::new(11);
    let mut below = move |n: usize| {
        let digits = random.secret();
        usize::from_str_radix(digits.get(..8).unwrap(), 16).unwrap() % n
    };
    let (mut succeeded, mut failed) = (0, 0);
    for round in 0..60 {
        let world = World::new(round);
        let group = world.create_group(ACCOUNT, REGION, "web", if round % 2 == 0 { Vpc::Other } else { Vpc::Default });
        let list = world.create_prefix_list(ACCOUNT, REGION, "offices", 3, &["10.0.0.0/8"]).unwrap();
        for _ in 0..100 {
            let ids = known_ids(&world, &group, &list);
            let action = ACTIONS[below(ACTIONS.len())];
            // Each call names its group and list, so that more calls succeed.
            let mut params = vec![("GroupId", group.clone()), ("PrefixListId", list.clone())];
            for _ in 0..below(9) {
                let pick = below(VALUES.len() + ids.len());
                let value = VALUES.get(pick).map_or_else(|| ids[pick - VALUES.len()].clone(), ToString::to_string);
                params.push((NAMES[below(NAMES.len())], value));
            }
            let params = params.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>();
            let before = format!("{:?}", world.state().places);
            let (status, body) = ec2(&world, action, &params);
            if status == 200 {
                succeeded += 1;
            } else {
                failed += 1;
                assert_eq!(before, format!("{:?}", world.state().places), "{action} {params:?}: {body}");
            }
        }
    }
    assert!(succeeded > 500 && failed > 500, "{succeeded} succeeded, {failed} failed");
}
