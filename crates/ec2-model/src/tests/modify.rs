//! ModifySecurityGroupRules.

use super::kit::*;
use crate::{ApiError, Direction, Permission, RuleChange, Vpc, World};

fn modify(world: &World, group: &str, changes: &[(&str, Permission)]) -> Result<(), ApiError> {
    let change = |(rule, permission): &(&str, Permission)| RuleChange {
        rule: (*rule).to_owned(),
        permission: permission.clone(),
    };
    world.modify_rules(ACCOUNT, REGION, group, &changes.iter().map(change).collect::<Vec<_>>())
}

/// EC2 API Reference, SecurityGroupRuleRequest: the whole rule is replaced, and the id stays.
#[test]
fn a_rule_is_replaced_whole_and_keeps_its_id() {
    let (world, group) = world_with_group(Vpc::Other);
    let ids = allow(&world, &group, Permission::tcp(443, "10.0.0.0/8").described("web"));
    modify(&world, &group, &[(&ids[0], Permission::new("udp", 53, 54, &["1.2.3.4/0"]))]).unwrap();
    let rule = world.rules(ACCOUNT, REGION, &group).into_iter().find(|rule| rule.id == ids[0]).unwrap();
    assert_eq!((rule.protocol.as_str(), rule.from_port, rule.to_port), ("udp", 53, 54));
    assert_eq!((rule.source.text(), rule.description), ("0.0.0.0/0", None));
}

/// EC2's answer to a change of the kind of source: "You may not specify a referenced group id for an existing IPv4 CIDR
/// rule."
#[test]
fn the_kind_of_source_stays() {
    let (world, group) = world_with_group(Vpc::Other);
    let ids = allow(&world, &group, Permission::tcp(22, "10.0.0.0/8"));
    let error = modify(&world, &group, &[(&ids[0], Permission::tcp(22, &group))]).unwrap_err();
    assert_eq!(error.code, "InvalidParameterValue");
    assert_eq!(error.message, "You may not specify a referenced group id for an existing IPv4 CIDR rule.");
    let error = modify(&world, &group, &[(&ids[0], Permission::tcp(22, "::/0"))]).unwrap_err();
    assert_eq!(error.message, "You may not specify a IPv6 CIDR for an existing IPv4 CIDR rule.");
}

/// EC2 API Reference, error codes, InvalidPermission.Duplicate: "The specified inbound or outbound rule already exists for
/// that security group." The first change of the call is undone with it.
#[test]
fn a_change_into_an_existing_rule_is_refused_and_the_call_is_atomic() {
    let (world, group) = world_with_group(Vpc::Other);
    let ids = allow(&world, &group, Permission::new("tcp", 22, 22, &["10.0.0.0/8", "0.0.0.0/0"]));
    let before = ingress(&world, &group);
    let changes = [(ids[1].as_str(), Permission::tcp(80, "0.0.0.0/0")), (&ids[0], Permission::tcp(80, "1.1.1.1/0"))];
    assert_eq!(modify(&world, &group, &changes).unwrap_err().code, "InvalidPermission.Duplicate");
    assert_eq!(ingress(&world, &group), before);
    // A rule is not a duplicate of itself.
    modify(&world, &group, &[(&ids[0], Permission::tcp(22, "10.0.0.0/8").described("same rule"))]).unwrap();
}

/// EC2 API Reference, ModifySecurityGroupRules: "Modifies the rules of a security group", which has rules of both
/// directions; the request says nothing of the direction.
#[test]
fn one_call_may_change_both_directions() {
    let (world, group) = world_with_group(Vpc::Other);
    let outbound = world.rules(ACCOUNT, REGION, &group)[0].id.clone();
    let ids = allow(&world, &group, Permission::tcp(22, "10.0.0.0/8"));
    let changes = [(ids[0].as_str(), Permission::tcp(22, "0.0.0.0/0")), (&outbound, Permission::tcp(22, "0.0.0.0/0"))];
    modify(&world, &group, &changes).unwrap();
    let rules = world.rules(ACCOUNT, REGION, &group);
    let kept = rules.iter().map(|rule| (rule.direction, rule.from_port, rule.source.text())).collect::<Vec<_>>();
    assert_eq!(kept, [(Direction::Egress, 22, "0.0.0.0/0"), (Direction::Ingress, 22, "0.0.0.0/0")]);
}

/// EC2 API Reference, error codes, InvalidSecurityGroupRuleId.NotFound; and "You may not specify all protocols and
/// specific ports", EC2's answer that users of ModifySecurityGroupRules report.
#[test]
fn what_makes_no_rule_is_refused() {
    let (world, group) = world_with_group(Vpc::Other);
    let ids = allow(&world, &group, Permission::tcp(22, "10.0.0.0/8"));
    let code = |rule: &str, permission| modify(&world, &group, &[(rule, permission)]).unwrap_err().code;
    assert_eq!(code("sgr-0123456789abcdef0", Permission::tcp(22, "10.0.0.0/8")), "InvalidSecurityGroupRuleId.NotFound");
    assert_eq!(code(&ids[0], Permission::new("-1", 22, 22, &["10.0.0.0/8"])), "InvalidParameterValue");
    assert_eq!(code(&ids[0], Permission::new("tcp", 22, 22, &[])), "MissingParameter");
    assert_eq!(code(&ids[0], Permission::new("tcp", 22, 22, &["10.0.0.0/8", "::/0"])), "InvalidParameterCombination");
    assert_eq!(ec2_error(&world, "ModifySecurityGroupRules", &[("GroupId", &group)]), "MissingParameter");
    modify(&world, &group, &[(&ids[0], Permission::all("10.0.0.0/8"))]).unwrap();
}
