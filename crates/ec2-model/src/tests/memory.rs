//! The model's own behaviour: what a world keeps, and what it can drop.

use super::kit::*;
use crate::{Permission, Vpc, World};

#[test]
fn a_forgotten_place_is_empty_and_others_keep_theirs() {
    let (world, group) = world_with_group(Vpc::Other);
    let elsewhere = world.create_group(ACCOUNT, "us-east-1", "web", Vpc::Other);
    allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    let list = world.create_prefix_list(ACCOUNT, REGION, "own", 1, &[]).unwrap();
    let aws = world.create_aws_prefix_list(REGION, "com.amazonaws.x", &["10.0.0.0/8"]);
    world.allow_role(ACCOUNT, "guard", None);
    let late = world.role_credentials(ACCOUNT, "guard", "late");
    world.set_now(world.now() + 3_600_000);
    let live = world.role_credentials(ACCOUNT, "guard", "live");
    world.forget(ACCOUNT, REGION);

    assert_eq!(world.rules(ACCOUNT, REGION, &group), []);
    let (_, body) = ec2(&world, "DescribeManagedPrefixLists", &[]);
    assert_eq!(elements(&body, "prefixListId"), [aws]);
    let unknown = [("PrefixListId", list.as_str())];
    assert_eq!(ec2_error(&world, "GetManagedPrefixListEntries", &unknown), "InvalidPrefixListID.NotFound");
    assert_eq!(world.rules(ACCOUNT, "us-east-1", &elsewhere).len(), 1);
    let regions = world.take_records().iter().map(|r| r["awsRegion"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    // The calls before are dropped, and the two describe calls just now are kept.
    assert_eq!(regions, ["us-east-1", REGION, REGION]);
    let status = |credentials: &crate::Credentials| {
        let mut call = request(&credentials.access_key_id, "ec2", &[("Action", "DescribeSecurityGroups")]);
        call.headers.push(("x-amz-security-token".into(), credentials.session_token.clone()));
        send(&world, &call).status
    };
    assert_eq!((status(&live), status(&late)), (200, 401));
}

#[test]
fn a_forgotten_place_has_full_buckets() {
    let world = World::new(1);
    world.set_throttling(true);
    let ask = || ec2(&world, "ModifySecurityGroupRules", &[]).0;
    assert!((0..50).all(|_| ask() == 400));
    assert_eq!(ask(), 503);
    world.forget(ACCOUNT, REGION);
    assert_eq!(ask(), 400);
}

#[test]
fn calls_are_counted_even_when_nothing_is_kept() {
    let (world, group) = world_with_group(Vpc::Other);
    ec2(&world, "DescribeRegions", &[]);
    world.set_records(false);
    ec2(&world, "DescribeRegions", &[]);
    ec2(&world, "DescribeSecurityGroups", &[]);
    allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    assert_eq!((world.calls().len(), world.take_records().len()), (1, 2));
    let counts = world.call_counts().into_iter().collect::<Vec<_>>();
    assert_eq!(counts, [("DescribeRegions".into(), 2), ("DescribeSecurityGroups".into(), 1)]);
    world.set_records(true);
    ec2(&world, "DescribeRegions", &[]);
    assert_eq!((world.calls().len(), world.take_records().len()), (2, 1));
}

/// A thousand accounts, one after the other, leave nothing behind.
#[test]
fn a_thousand_accounts_fit_one_after_the_other() {
    let world = World::new(1);
    world.set_records(false);
    for number in 0..1000 {
        let account = format!("{:012}", 100_000_000_000_u64 + number);
        let group = world.create_group(&account, REGION, "web", Vpc::Other);
        world.authorize(&account, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
        assert_eq!(world.rules(&account, REGION, &group).len(), 2);
        world.forget(&account, REGION);
    }
    let state = world.state();
    assert_eq!((state.places.len(), state.records.len(), state.calls.len()), (0, 0, 0));
}
