//! Whether the function hears of what is called beside an opening.

use super::members::{ASKED, Way, organisation, run};
use super::*;

const WAY: Way = Way::Profiles;
const SILENT: &str = "no call in account 444455556666, Region us-east-2 comes to the function";

/// Opens, which works whatever is said, and returns what was said.
fn said(stack: &Stack, group: &str) -> String {
    let ran = run(stack, WAY, &[&["open", group, "--yes"], &ASKED[..]].concat());
    is(&ran, 0).stderr.clone()
}

#[test]
fn whoever_opens_where_member_yaml_is_not_deployed_is_warned_and_the_opening_is_made() {
    for (set, expected) in [
        (vec![], "it has no OrganizationId"),
        (vec![("BusArn", "arn")], "it has no rule portcullis-forward: member.yaml is not deployed"),
        (vec![("BusArn", "arn"), ("MemberRole", "gate")], "it has no rule gate-forward: member.yaml is not deployed"),
        (vec![("BusArn", "arn"), ("rule portcullis-forward", "DISABLED")], "its rule portcullis-forward is disabled"),
    ] {
        let (stack, group) = organisation();
        set.iter().for_each(|(name, value)| stack.set(name, value));
        let said = said(&stack, &group);
        assert!(said.contains(SILENT) && said.contains(expected), "{set:?}: {said}");
        assert!(said.contains("seen by the next sweep only"), "{said}");
    }
}

#[test]
fn nothing_is_said_where_calls_come_and_what_cannot_be_told_is_said() {
    for set in [
        vec![("BusArn", "arn"), ("rule portcullis-forward", "ENABLED")],
        // Log files bring what no rule forwards.
        vec![("LogBucket", "trail")],
    ] {
        let (stack, group) = organisation();
        set.iter().for_each(|(name, value)| stack.set(name, value));
        let said = said(&stack, &group);
        assert!(!said.contains("comes to the function"), "{set:?}: {said}");
    }
    let (stack, group) = organisation();
    [("BusArn", "arn"), ("rule portcullis-forward", "DENIED")].iter().for_each(|(name, value)| stack.set(name, value));
    let said = said(&stack, &group);
    assert!(said.contains("cannot be told") && said.contains("it takes events:DescribeRule"), "{said}");
    // In the stack's own account and Region there is nothing to ask.
    let stack = Stack::new();
    let ran = stack.open(&stack.group("web"), &ASKED);
    assert!(!is(&ran, 0).stderr.contains("comes to the function"), "{}", ran.stderr);
}
