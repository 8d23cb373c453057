//! Customer-managed prefix lists.

use super::kit::*;
use crate::World;

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
