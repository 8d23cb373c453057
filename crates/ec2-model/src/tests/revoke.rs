//! RevokeSecurityGroupIngress and RevokeSecurityGroupEgress.

use super::kit::*;
use crate::{Permission, Vpc};

/// EC2 API Reference, RevokeSecurityGroupIngress: "You can specify rules using either rule IDs or security group rule
/// properties." Response elements: `revokedSecurityGroupRuleSet`, "Details about the revoked security group rules."
#[test]
fn rules_go_by_their_ids_and_the_answer_lists_them() {
    let (world, group) = world_with_group(Vpc::Other);
    let ids = allow(&world, &group, Permission::new("tcp", 22, 22, &["0.0.0.0/0", "10.0.0.0/8", "::/0"]));
    let (status, body) = ec2(
        &world,
        "RevokeSecurityGroupIngress",
        &[("GroupId", &group), ("SecurityGroupRuleId.1", &ids[0]), ("SecurityGroupRuleId.2", &ids[2])],
    );
    assert_eq!((status, element(&body, "return").as_str()), (200, "true"));
    assert_eq!(elements(&body, "securityGroupRuleId"), [ids[0].clone(), ids[2].clone()]);
    assert_eq!(element(&body, "isEgress"), "false");
    assert_eq!(ingress(&world, &group), [("tcp".into(), 22, 22, "10.0.0.0/8".into())]);
}

/// EC2 API Reference, error codes, InvalidSecurityGroupRuleId.NotFound: "The specified security group rule does not
/// exist." One unknown id fails the whole call.
#[test]
fn one_unknown_id_fails_the_call_and_nothing_is_revoked() {
    let (world, group) = world_with_group(Vpc::Default);
    let ids = allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    let code = |id: &str| {
        let params = [("GroupId", group.as_str()), ("SecurityGroupRuleId.1", &ids[0]), ("SecurityGroupRuleId.2", id)];
        ec2_error(&world, "RevokeSecurityGroupIngress", &params)
    };
    assert_eq!(code("sgr-0123456789abcdef0"), "InvalidSecurityGroupRuleId.NotFound");
    assert_eq!(code("rule-1"), "InvalidSecurityGroupRuleId.Malformed");
    assert_eq!(ingress(&world, &group).len(), 1);
}

/// EC2 API Reference, RevokeSecurityGroupIngress, `SecurityGroupRuleId.N`, of the group in `GroupId`. That the rule of
/// another group or of the other direction is "not found" is inferred.
#[test]
fn rules_of_other_groups_and_directions_are_not_found() {
    let (world, group) = world_with_group(Vpc::Other);
    let other = world.create_group(ACCOUNT, REGION, "other", Vpc::Other);
    let elsewhere = allow(&world, &other, Permission::tcp(22, "0.0.0.0/0"));
    let outbound = world.rules(ACCOUNT, REGION, &group)[0].id.clone();
    for id in [&elsewhere[0], &outbound] {
        let params = [("GroupId", group.as_str()), ("SecurityGroupRuleId.1", id)];
        assert_eq!(ec2_error(&world, "RevokeSecurityGroupIngress", &params), "InvalidSecurityGroupRuleId.NotFound");
    }
    let params = [("GroupId", group.as_str()), ("SecurityGroupRuleId.1", &outbound)];
    assert_eq!(ec2(&world, "RevokeSecurityGroupEgress", &params).0, 200);
    assert_eq!(world.rules(ACCOUNT, REGION, &group), []);
}

/// EC2 API Reference, RevokeSecurityGroupIngress: "For a default VPC, if the values you specify do not match the existing
/// rule's values, no error is returned, and the output describes the security group rules that were not revoked."
#[test]
fn in_a_default_vpc_a_mismatch_is_silent() {
    let (world, group) = world_with_group(Vpc::Default);
    allow(&world, &group, Permission::new("tcp", 20, 25, &["0.0.0.0/0"]));
    let params = [
        ("GroupId", group.as_str()),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "22"),
        ("IpPermissions.1.ToPort", "22"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
    ];
    let (status, body) = ec2(&world, "RevokeSecurityGroupIngress", &params);
    assert_eq!((status, element(&body, "return").as_str()), (200, "true"));
    assert_eq!(
        element(&body, "unknownIpPermissionSet"),
        "<item><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort><groups/><ipRanges><item>\
         <cidrIp>0.0.0.0/0</cidrIp></item></ipRanges><ipv6Ranges/><prefixListIds/></item>"
    );
    assert!(!body.contains("revokedSecurityGroupRuleSet"));
    assert_eq!(ingress(&world, &group).len(), 1);
}

/// As above: rules that match are still revoked.
#[test]
fn in_a_default_vpc_the_rules_that_match_still_go() {
    let (world, group) = world_with_group(Vpc::Default);
    let ids = allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    let call = [Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(23, "0.0.0.0/0")];
    assert_eq!(world.revoke_permissions(ACCOUNT, REGION, &group, &call).unwrap(), ids);
    assert_eq!(ingress(&world, &group), []);
}

/// EC2 API Reference, RevokeSecurityGroupIngress: "For a non-default VPC, if the values you specify do not match the
/// existing rule's values, an InvalidPermission.NotFound client error is returned, and no rules are revoked."
#[test]
fn in_another_vpc_one_mismatch_fails_the_call() {
    let (world, group) = world_with_group(Vpc::Other);
    allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    let call = [Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(23, "0.0.0.0/0")];
    let error = world.revoke_permissions(ACCOUNT, REGION, &group, &call).unwrap_err();
    assert_eq!(error.code, "InvalidPermission.NotFound");
    assert_eq!(error.message, "The specified rule does not exist in this security group.");
    assert_eq!(ingress(&world, &group).len(), 1);
}

/// EC2 API Reference, RevokeSecurityGroupIngress: "If the security group rule has a description, you do not need to
/// specify the description to revoke the rule."
#[test]
fn descriptions_do_not_count() {
    let (world, group) = world_with_group(Vpc::Other);
    allow(&world, &group, Permission::tcp(22, "0.0.0.0/0").described("for a minute"));
    world.revoke_permissions(ACCOUNT, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    assert_eq!(ingress(&world, &group), []);
}

/// Real records of Terraform: `"-1"` with ports 0 and 0 revokes the egress rule that EC2 shows with -1 and -1.
#[test]
fn ports_do_not_count_where_the_protocol_has_none() {
    let (world, group) = world_with_group(Vpc::Other);
    let params = [
        ("GroupId", group.as_str()),
        ("IpPermissions.1.IpProtocol", "-1"),
        ("IpPermissions.1.FromPort", "0"),
        ("IpPermissions.1.ToPort", "0"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
    ];
    assert_eq!(ec2(&world, "RevokeSecurityGroupEgress", &params).0, 200);
    assert_eq!(world.rules(ACCOUNT, REGION, &group), []);
}

/// EC2 API Reference, error codes: MissingParameter, InvalidParameterCombination, InvalidGroup.NotFound.
#[test]
fn a_call_without_a_target_is_refused() {
    let (world, group) = world_with_group(Vpc::Other);
    let code = |params: &[(&str, &str)]| ec2_error(&world, "RevokeSecurityGroupIngress", params);
    assert_eq!(code(&[("GroupId", &group)]), "MissingParameter");
    assert_eq!(code(&[("SecurityGroupRuleId.1", "sgr-0123456789abcdef0")]), "MissingParameter");
    let both = [("GroupId", group.as_str()), ("SecurityGroupRuleId.1", "sgr-0123456789abcdef0"), ("CidrIp", "::/0")];
    assert_eq!(code(&both), "InvalidParameterCombination");
    let gone = [("GroupId", "sg-0123456789abcdef0"), ("SecurityGroupRuleId.1", "sgr-0123456789abcdef0")];
    assert_eq!(code(&gone), "InvalidGroup.NotFound");
    assert_eq!(code(&[("GroupId", "web"), ("SecurityGroupRuleId.1", "sgr-0")]), "InvalidGroupId.Malformed");
}
