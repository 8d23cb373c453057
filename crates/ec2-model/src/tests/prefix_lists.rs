//! Prefix lists, of customers and of AWS.

use super::kit::*;
use crate::{Permission, Vpc, World};

fn entries(world: &World, list: &str, more: &[(&str, &str)]) -> Vec<String> {
    let params = [&[("PrefixListId", list)], more].concat();
    elements(&ec2(world, "GetManagedPrefixListEntries", &params).1, "cidr")
}

/// EC2 API Reference, ModifyManagedPrefixList: "Adding or removing entries in a prefix list creates a new version of the
/// prefix list. Changing the name of the prefix list does not affect the version."
#[test]
fn a_change_of_entries_makes_a_new_version() {
    let world = World::new(1);
    let list = world.create_prefix_list(ACCOUNT, REGION, "offices", 5, &["10.0.0.1/8"]).unwrap();
    world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &["10.0.0.0/8"]).unwrap();
    assert_eq!(entries(&world, &list, &[]), ["0.0.0.0/0"]);
    assert_eq!(entries(&world, &list, &[("TargetVersion", "1")]), ["10.0.0.0/8"]);
    let rename = [("PrefixListId", list.as_str()), ("PrefixListName", "homes")];
    let (_, body) = ec2(&world, "ModifyManagedPrefixList", &rename);
    assert_eq!((element(&body, "version").as_str(), element(&body, "state").as_str()), ("2", "modify-complete"));
    assert_eq!(element(&body, "prefixListName"), "homes");
}

/// EC2 API Reference, RestoreManagedPrefixListVersion: "Restores the entries from a previous version of a managed prefix
/// list to a new version of the prefix list."
#[test]
fn an_old_version_comes_back_as_a_new_one() {
    let world = World::new(1);
    let list = world.create_prefix_list(ACCOUNT, REGION, "offices", 5, &["0.0.0.0/0"]).unwrap();
    world.modify_prefix_list(ACCOUNT, REGION, &list, &["10.0.0.0/8"], &["0.0.0.0/0"]).unwrap();
    world.restore_prefix_list(ACCOUNT, REGION, &list, 1).unwrap();
    assert_eq!(entries(&world, &list, &[]), ["0.0.0.0/0"]);
    assert_eq!(entries(&world, &list, &[("TargetVersion", "3")]), ["0.0.0.0/0"]);
}

/// EC2 API Reference, ModifyManagedPrefixList: "If you specify a current version number that does not match the true
/// current version number, the request fails." EC2: "PrefixListVersionMismatch: The prefix list has the incorrect version
/// number."
#[test]
fn a_wrong_version_number_fails() {
    let world = World::new(1);
    let list = world.create_prefix_list(ACCOUNT, REGION, "offices", 5, &[]).unwrap();
    let params = [("PrefixListId", list.as_str()), ("CurrentVersion", "2"), ("AddEntry.1.Cidr", "0.0.0.0/0")];
    assert_eq!(ec2_error(&world, "ModifyManagedPrefixList", &params), "PrefixListVersionMismatch");
    assert_eq!(entries(&world, &list, &[]), [""; 0]);
}

/// EC2 API Reference, GetManagedPrefixListEntries, `MaxResults`: valid range 1 to 100.
#[test]
fn entries_come_in_pages() {
    let world = World::new(1);
    let cidrs = (0..130).map(|n| format!("10.{n}.0.0/16")).collect::<Vec<_>>();
    let list =
        world.create_prefix_list(ACCOUNT, REGION, "many", 130, &cidrs.iter().map(String::as_str).collect::<Vec<_>>());
    let list = list.unwrap();
    let (_, first) = ec2(&world, "GetManagedPrefixListEntries", &[("PrefixListId", &list)]);
    assert_eq!(elements(&first, "cidr"), cidrs[..100]);
    let token = element(&first, "nextToken");
    assert_eq!(entries(&world, &list, &[("NextToken", &token)]), cidrs[100..]);
}

/// EC2 API Reference, error codes: InvalidPrefixListID.NotFound, and what the limits of a list refuse.
#[test]
fn what_a_list_cannot_hold_is_refused() {
    let world = World::new(1);
    let list = world.create_prefix_list(ACCOUNT, REGION, "small", 1, &["10.0.0.0/8"]).unwrap();
    let code =
        |add: &[&str], remove: &[&str]| world.modify_prefix_list(ACCOUNT, REGION, &list, add, remove).unwrap_err().code;
    assert_eq!(code(&["11.0.0.0/8"], &[]), "PrefixListMaxEntriesExceeded");
    assert_eq!(code(&["::/0"], &[]), "InvalidParameterValue");
    assert_eq!(code(&[], &["12.0.0.0/8"]), "InvalidParameterValue");
    let unknown = [("PrefixListId", "pl-0123456789abcdef0")];
    assert_eq!(ec2_error(&world, "GetManagedPrefixListEntries", &unknown), "InvalidPrefixListID.NotFound");
    let resize = [("PrefixListId", list.as_str()), ("MaxEntries", "9"), ("AddEntry.1.Cidr", "0.0.0.0/0")];
    assert_eq!(ec2_error(&world, "ModifyManagedPrefixList", &resize), "InvalidRequest");
    let named = world.create_prefix_list(ACCOUNT, REGION, "com.amazonaws.x", 1, &[]);
    assert_eq!(named.unwrap_err().code, "InvalidParameterValue");
}

/// EC2 API Reference, GetManagedPrefixListEntries, `TargetVersion`: "The version of the prefix list for which to return the
/// entries. The default is the current version."
#[test]
fn every_version_keeps_its_entries() {
    let world = World::new(1);
    let list = world.create_prefix_list(ACCOUNT, REGION, "offices", 5, &["10.0.0.0/8"]).unwrap();
    world.modify_prefix_list(ACCOUNT, REGION, &list, &["11.0.0.0/8"], &[]).unwrap();
    world.modify_prefix_list(ACCOUNT, REGION, &list, &[], &["10.0.0.0/8"]).unwrap();
    assert_eq!(entries(&world, &list, &[("TargetVersion", "1")]), ["10.0.0.0/8"]);
    assert_eq!(entries(&world, &list, &[("TargetVersion", "2")]), ["10.0.0.0/8", "11.0.0.0/8"]);
    assert_eq!(entries(&world, &list, &[]), ["11.0.0.0/8"]);
    let unknown = [("PrefixListId", list.as_str()), ("TargetVersion", "4")];
    assert_eq!(ec2_error(&world, "GetManagedPrefixListEntries", &unknown), "InvalidPrefixListVersion.NotFound");
}

/// EC2 API Reference, ManagedPrefixList, `state`: `create-in-progress | create-complete | modify-in-progress |
/// modify-complete | restore-in-progress | restore-complete`. As callers report it: "IncorrectState: The request cannot be
/// completed while the prefix list (pl-…) is in the current state (modify-in-progress)".
#[test]
fn a_change_takes_its_time() {
    let world = World::new(1);
    world.set_prefix_list_lag(2_000);
    let list = world.create_prefix_list(ACCOUNT, REGION, "offices", 5, &["10.0.0.0/8"]).unwrap();
    let seen = || {
        let (_, body) = ec2(&world, "DescribeManagedPrefixLists", &[("PrefixListId.1", &list)]);
        (element(&body, "state"), element(&body, "version"), entries(&world, &list, &[]).join(" "))
    };
    let is = |state: &str, version: &str, entries: &str| (state.into(), version.into(), entries.into());
    assert_eq!(seen(), is("create-in-progress", "0", ""));
    world.set_now(world.now() + 2_000);
    assert_eq!(seen(), is("create-complete", "1", "10.0.0.0/8"));

    world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &["10.0.0.0/8"]).unwrap();
    assert_eq!(seen(), is("modify-in-progress", "1", "10.0.0.0/8"));
    assert_eq!(entries(&world, &list, &[("TargetVersion", "2")]), ["0.0.0.0/0"]);
    let early = world.modify_prefix_list(ACCOUNT, REGION, &list, &["11.0.0.0/8"], &[]);
    assert_eq!(early.unwrap_err().code, "IncorrectState");
    world.set_now(world.now() + 1_999);
    assert_eq!(seen(), is("modify-in-progress", "1", "10.0.0.0/8"));
    world.set_now(world.now() + 1);
    assert_eq!(seen(), is("modify-complete", "2", "0.0.0.0/0"));

    world.restore_prefix_list(ACCOUNT, REGION, &list, 1).unwrap();
    assert_eq!(seen(), is("restore-in-progress", "2", "0.0.0.0/0"));
    world.set_now(world.now() + 2_000);
    assert_eq!(seen(), is("restore-complete", "3", "10.0.0.0/8"));
}

/// Amazon VPC User Guide, "AWS-managed prefix lists": "You cannot create, modify, share, or delete an AWS-managed prefix
/// list." EC2 API Reference, DescribeManagedPrefixLists: "Describes your managed prefix lists and any AWS-managed prefix
/// lists"; filter `owner-id`.
#[test]
fn lists_of_aws_are_there_for_every_account_of_the_region() {
    let (world, group) = world_with_group(Vpc::Other);
    let list = world.create_aws_prefix_list(REGION, "com.amazonaws.global.open", &["0.0.0.0/0"]);
    world.create_prefix_list(ACCOUNT, REGION, "own", 1, &[]).unwrap();
    let filter = [("Filter.1.Name", "owner-id"), ("Filter.1.Value.1", "AWS")];
    let of = |key: &str, region: &str| {
        let mut call = request(key, "ec2", &[&[("Action", "DescribeManagedPrefixLists")], filter.as_slice()].concat());
        call.headers[2].1 = call.headers[2].1.replace(REGION, region);
        String::from_utf8(send(&world, &call).body).unwrap()
    };
    let body = of(ACCOUNT, REGION);
    assert_eq!((elements(&body, "prefixListId"), element(&body, "ownerId")), (vec![list.clone()], "AWS".into()));
    assert_eq!(element(&body, "prefixListArn"), format!("arn:aws:ec2:{REGION}:aws:prefix-list/{list}"));
    assert_eq!(element(&of("999988887777", REGION), "prefixListId"), list);
    assert_eq!(element(&of(ACCOUNT, "us-east-1"), "prefixListId"), "");

    allow(&world, &group, Permission::tcp(22, &list));
    assert_eq!(ingress(&world, &group), [("tcp".into(), 22, 22, list.clone())]);
    assert_eq!(entries(&world, &list, &[]), ["0.0.0.0/0"]);
    let change = world.modify_prefix_list(ACCOUNT, REGION, &list, &["10.0.0.0/8"], &[]);
    assert_eq!(change.unwrap_err().code, "UnsupportedOperation");
    assert_eq!(world.restore_prefix_list(ACCOUNT, REGION, &list, 1).unwrap_err().code, "UnsupportedOperation");
}
