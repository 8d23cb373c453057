//! DescribeRegions, and Regions that are not enabled.

use super::kit::*;
use crate::{Permission, Request, Vpc, World};

/// EC2 API Reference, DescribeRegions: "Describes the Regions that are enabled for your account".
#[test]
fn regions_are_listed() {
    let world = World::new(1);
    let (_, body) = ec2(&world, "DescribeRegions", &[]);
    let names = elements(&body, "regionName");
    assert!(names.contains(&"eu-west-1".into()) && names.len() == 17);
    let (_, body) = ec2(&world, "DescribeRegions", &[("RegionName.1", "us-east-1")]);
    assert_eq!(elements(&body, "regionEndpoint"), ["ec2.us-east-1.amazonaws.com"]);
    let filter = [("Filter.1.Name", "region-name"), ("Filter.1.Value.1", "us-*")];
    assert_eq!(elements(&ec2(&world, "DescribeRegions", &filter).1, "regionName").len(), 4);
}

/// EC2 API Reference, DescribeRegions, `AllRegions`: "Indicates whether to display all Regions, including Regions that are
/// disabled for your account." Region, `optInStatus`: "opt-in-not-required, opted-in, not-opted-in".
#[test]
fn regions_tell_whether_they_are_enabled() {
    let world = World::new(1);
    world.enable_region(ACCOUNT, "me-south-1");
    let statuses = |params: &[(&str, &str)]| {
        let (_, body) = ec2(&world, "DescribeRegions", params);
        elements(&body, "regionName").into_iter().zip(elements(&body, "optInStatus")).collect::<Vec<_>>()
    };
    let pair = |name: &str, status: &str| (name.to_owned(), status.to_owned());
    let enabled = statuses(&[]);
    assert_eq!(enabled.len(), 18);
    assert!(enabled.contains(&pair("me-south-1", "opted-in")));
    assert!(enabled.contains(&pair(REGION, "opt-in-not-required")));
    let all = statuses(&[("AllRegions", "true")]);
    assert_eq!(all.len(), 34);
    assert!(all.contains(&pair("af-south-1", "not-opted-in")));
    assert_eq!(statuses(&[("RegionName.1", "af-south-1")]), [pair("af-south-1", "not-opted-in")]);
    let filter = [("AllRegions", "true"), ("Filter.1.Name", "opt-in-status"), ("Filter.1.Value.1", "opted-in")];
    assert_eq!(statuses(&filter), [pair("me-south-1", "opted-in")]);
    world.disable_region(ACCOUNT, "me-south-1");
    assert_eq!(statuses(&[]).len(), 17);
    assert_eq!(ec2_error(&world, "DescribeRegions", &[("RegionName.1", "eu-nowhere-1")]), "InvalidParameterValue");
}

/// EC2 API Reference, error codes, AuthFailure: "The provided credentials could not be validated. You might not be
/// authorized to carry out the request"; so EC2 answers in a Region that the account has not opted in to. Other accounts are
/// not concerned, nor is STS, whose credentials are asked for elsewhere.
#[test]
fn a_region_that_is_not_enabled_knows_nobody() {
    let world = World::new(1);
    let ask = |key: &str, region: &str, service: &str, action: &str| {
        let mut call: Request = request(key, service, &[("Action", action)]);
        call.headers[2].1 = call.headers[2].1.replace(REGION, region);
        let response = send(&world, &call);
        (response.status, element(&String::from_utf8(response.body).unwrap(), "Code"))
    };
    let refused = (401, "AuthFailure".to_owned());
    let fine = (200, String::new());
    assert_eq!(ask(ACCOUNT, "af-south-1", "ec2", "DescribeSecurityGroups"), refused);
    world.enable_region(ACCOUNT, "af-south-1");
    assert_eq!(ask(ACCOUNT, "af-south-1", "ec2", "DescribeSecurityGroups"), fine);
    world.disable_region(ACCOUNT, "eu-west-3");
    assert_eq!(ask(ACCOUNT, "eu-west-3", "ec2", "DescribeSecurityGroupRules"), refused);
    assert_eq!(ask("999988887777", "eu-west-3", "ec2", "DescribeSecurityGroupRules"), fine);
    assert_eq!(ask(ACCOUNT, "eu-west-3", "sts", "GetCallerIdentity"), fine);
    let group = world.try_create_group(ACCOUNT, "eu-west-3", "web", Vpc::Other);
    assert_eq!(group.unwrap_err().code, "AuthFailure");
    let open = world.authorize(ACCOUNT, "eu-west-3", "sg-0123456789abcdef0", &[Permission::tcp(22, "0.0.0.0/0")]);
    assert_eq!(open.unwrap_err().code, "AuthFailure");
}
