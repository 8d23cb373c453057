//! CreateSecurityGroup, DeleteSecurityGroup, and the separation of accounts and Regions.

use super::kit::*;
use crate::{Direction, Permission, Vpc, World};

/// Amazon VPC User Guide, "Security groups": "When you first create a security group, it has no inbound rules. … a security
/// group includes an outbound rule that allows all outbound traffic."
#[test]
fn a_new_group_lets_everything_out_and_nothing_in() {
    let world = World::new(1);
    let params = [("GroupName", "web"), ("GroupDescription", "d")];
    let (status, body) = ec2(&world, "CreateSecurityGroup", &params);
    assert_eq!(status, 200);
    let group = element(&body, "groupId");
    assert_eq!(group.len(), "sg-".len() + 17);
    let rules = world.rules(ACCOUNT, REGION, &group);
    assert_eq!(rules.len(), 1);
    assert_eq!((rules[0].direction, rules[0].protocol.as_str()), (Direction::Egress, "-1"));
    assert_eq!((rules[0].from_port, rules[0].source.text()), (-1, "0.0.0.0/0"));
}

/// EC2 API Reference, CreateSecurityGroup: "You can't have two security groups for the same VPC with the same name."
/// `GroupName`: "Cannot start with sg-."
#[test]
fn names_are_unique_in_a_vpc() {
    let (world, _) = world_with_group(Vpc::Default);
    let other = world.vpc_id(ACCOUNT, REGION, Vpc::Other);
    let create = |name: &'static str, more: &[(&str, &str)]| {
        let params = [&[("GroupName", name), ("GroupDescription", "d")], more].concat();
        let (status, body) = ec2(&world, "CreateSecurityGroup", &params);
        if status == 200 { "ok".into() } else { element(&body, "Code") }
    };
    assert_eq!(create("web", &[]), "InvalidGroup.Duplicate");
    assert_eq!(create("web", &[("VpcId", &other)]), "ok");
    assert_eq!(create("sg-web", &[]), "InvalidParameterValue");
    assert_eq!(create("default", &[]), "InvalidParameterValue");
    assert_eq!(create("db", &[("VpcId", "vpc-0123456789abcdef0")]), "InvalidVpcID.NotFound");
}

/// EC2 API Reference, DeleteSecurityGroup: "If you attempt to delete a security group that … is referenced by another
/// security group in the same VPC …, the operation fails with DependencyViolation."
#[test]
fn a_referenced_group_cannot_be_deleted() {
    let (world, web) = world_with_group(Vpc::Other);
    let clients = world.create_group(ACCOUNT, REGION, "clients", Vpc::Other);
    allow(&world, &web, Permission::tcp(22, &clients));
    assert_eq!(world.delete_group(ACCOUNT, REGION, &clients).unwrap_err().code, "DependencyViolation");
    world.delete_group(ACCOUNT, REGION, &web).unwrap();
    world.delete_group(ACCOUNT, REGION, &clients).unwrap();
    let gone = world.delete_group(ACCOUNT, REGION, &web).unwrap_err();
    assert_eq!(gone.code, "InvalidGroup.NotFound");
    assert_eq!(gone.message, format!("The security group '{web}' does not exist"));
}

/// EC2's answer to a reference across VPCs: "You have specified two resources that belong to different networks."
#[test]
fn groups_refer_to_groups_of_their_own_vpc() {
    let (world, web) = world_with_group(Vpc::Other);
    let other = world.create_group(ACCOUNT, REGION, "other", Vpc::Default);
    let error = world.authorize(ACCOUNT, REGION, &web, &[Permission::tcp(22, &other)]).unwrap_err();
    assert_eq!(error.code, "InvalidGroup.NotFound");
}

/// Amazon EC2 User Guide, "Regions and Zones": "Each Region is designed to be isolated from the other Regions"; "Resources
/// aren't replicated across Regions".
#[test]
fn accounts_and_regions_know_nothing_of_each_other() {
    let (world, group) = world_with_group(Vpc::Other);
    allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    for (account, region) in [("444455556666", REGION), (ACCOUNT, "us-east-1")] {
        assert_eq!(world.rules(account, region, &group), []);
        let error = world.authorize(account, region, &group, &[Permission::tcp(23, "0.0.0.0/0")]).unwrap_err();
        assert_eq!(error.code, "InvalidGroup.NotFound");
    }
}

/// EC2 API Reference, `TagSpecification.N`: "The tags to assign to the security group."; filter `tag:KEY`.
#[test]
fn tags_are_kept_from_creation() {
    let world = World::new(1);
    let params = [
        ("GroupName", "web"),
        ("GroupDescription", "d"),
        ("TagSpecification.1.ResourceType", "security-group"),
        ("TagSpecification.1.Tag.1.Key", "owner"),
        ("TagSpecification.1.Tag.1.Value", "team a"),
    ];
    ec2(&world, "CreateSecurityGroup", &params);
    let look = |value| {
        let params = [("Filter.1.Name", "tag:owner"), ("Filter.1.Value.1", value)];
        elements(&ec2(&world, "DescribeSecurityGroups", &params).1, "groupName").len()
    };
    assert_eq!((look("team a"), look("team b")), (1, 0));
}

/// The same seed and the same calls give the same ids, so that a test that fails once always fails.
#[test]
fn worlds_of_one_seed_are_equal() {
    let ids = |seed| {
        let world = World::new(seed);
        let group = world.create_group(ACCOUNT, REGION, "web", Vpc::Other);
        (allow(&world, &group, Permission::tcp(22, "0.0.0.0/0")), group)
    };
    assert_eq!(ids(3), ids(3));
    assert_ne!(ids(3), ids(4));
}
