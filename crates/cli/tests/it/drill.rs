//! The drill: the real command line against the model, with a guard beside it that closes what is opened after a time that
//! the test knows, and writes the function's log.

mod measures;
pub(crate) mod stage;

use std::collections::BTreeSet;

use ec2_model::{Fault, FaultKind};
use serde_json::Value;

use stage::{Guard, Stage};

/// What was opened, in a call that succeeded.
fn sources(stage: &Stage) -> Vec<String> {
    let opened = stage.world.calls().into_iter().filter(|call| call.action == "AuthorizeSecurityGroupIngress");
    opened.filter_map(|call| call.param("IpPermissions.1.IpRanges.1.CidrIp").map(str::to_owned)).collect()
}

#[test]
fn in_alert_mode_it_waits_for_the_finding_and_takes_the_group_away() {
    let stage = Stage::new(Guard { outcome: "would_revert", ..Guard::default() });
    let ran = stage.drill(&["--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let line: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&line["ended"], &line["finding"]["outcome"]), (&"reported".into(), &"would_revert".into()));
    assert!(line.get("open_seconds").is_none(), "it was not closed: {line}");
    assert!(ran.stderr.contains("wait for the finding, at most 5m: Portcullis is in alert mode"), "{}", ran.stderr);
    assert_eq!(stage.groups_left(), 0);
}

#[test]
fn a_finding_that_lets_the_rule_stay_is_no_success() {
    let stage = Stage::new(Guard { outcome: "none", verdict: "exempt", ..Guard::default() });
    let ran = stage.drill(&[]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("Portcullis left it open: the reason"), "{}", ran.stderr);
    assert_eq!(stage.groups_left(), 0);
}

#[test]
fn where_nothing_comes_in_time_it_says_so_and_takes_the_group_away() {
    let stage = Stage::new(Guard { acts: false, ..Guard::default() });
    let ran = stage.drill(&["--timeout", "1s"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing came in time; `portcullis doctor` says what is missing"), "{}", ran.stderr);
    assert!(ran.stdout.contains("nothing"), "{}", ran.stdout);
    assert_eq!(stage.groups_left(), 0);
}

#[test]
fn the_marker_opens_nothing_and_is_seen_to_arrive() {
    let stage = Stage::new(Guard { outcome: "none", verdict: "safe", closes: false, ..Guard::default() });
    let ran = stage.drill(&["--watch", "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let line: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&line["ended"], &line["finding"]["verdict"]), (&"reported".into(), &"safe".into()), "{line}");
    assert_eq!(sources(&stage), ["192.0.2.1/32"]);
    assert_eq!(stage.groups_left(), 0);
    let stage = Stage::new(Guard { acts: false, ..Guard::default() });
    assert_eq!(stage.drill(&["--watch", "--timeout", "1s"]).code, 2);
    let stage = Stage::new(Guard { function: false, ..Guard::default() });
    let ran = stage.drill(&["--watch"]);
    assert!(ran.code == 2 && ran.stderr.contains("no marker can be seen"), "{}", ran.stderr);
    assert!(sources(&stage).is_empty());
}

#[test]
fn after_ctrl_c_and_after_a_kill_the_group_is_taken_away() {
    use rustix::process::Signal;
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let stage = Stage::new(Guard { acts: false, ..Guard::default() });
        let child = stage.begin(&[]);
        stage.wait_for_a_look();
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        assert!(stderr.ends_with("interrupted; the drill's group is deleted\n"), "{stderr}");
        assert_eq!(stage.groups_left(), 0);
    }
}

#[test]
fn what_a_killed_drill_left_is_found_and_taken_away_by_the_next() {
    let stage = Stage::new(Guard { delay_millis: 500, ..Guard::default() });
    let mut child = stage.begin(&[]);
    stage.wait_for_a_look();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(stage.groups_left(), 1);
    let ran = stage.drill(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("1. delete 1 group that an earlier drill left: sg-"), "{}", ran.stderr);
    assert!(ran.stderr.contains(", which an earlier drill left\n"), "{}", ran.stderr);
    assert_eq!(stage.groups_left(), 0);
    // Somebody else's may be going on.
    let mut child = stage.begin(&[]);
    stage.wait_for_a_look();
    child.kill().unwrap();
    child.wait().unwrap();
    let ran = stage.drill_of_bob();
    assert!(ran.stderr.contains(" alone, of a drill that may be going on: by arn:aws:"), "{}", ran.stderr);
    assert_eq!(stage.groups_left(), 1);
}

#[test]
fn after_an_error_of_any_call_the_error_is_told_and_no_group_stays() {
    for call in [
        "GetCallerIdentity",
        "DescribeSecurityGroups",
        "CreateSecurityGroup",
        "AuthorizeSecurityGroupIngress",
        "DescribeSecurityGroupRules",
    ] {
        let stage = Stage::new(Guard { acts: false, ..Guard::default() });
        stage.world.deny(stage::ACCOUNT, call);
        let ran = stage.drill(&["--timeout", "20s"]);
        assert_eq!(ran.code, 2, "{call}: {}", ran.stderr);
        let told = format!("portcullis: {call}: ");
        assert!(ran.stderr.contains(&told), "{call}: {}", ran.stderr);
        assert!(ran.stderr.contains("`portcullis help drill` lists the permissions"), "{call}: {}", ran.stderr);
        assert_eq!(stage.groups_left(), 0, "{call}");
    }
    // What cannot be deleted is named, with the command that does it.
    let stage = Stage::new(Guard::default());
    stage.world.deny(stage::ACCOUNT, "DeleteSecurityGroup");
    let ran = stage.drill(&[]);
    assert_eq!((ran.code, stage.groups_left()), (2, 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("aws ec2 delete-security-group --region eu-west-1 --group-id sg-"), "{}", ran.stderr);
}

#[test]
fn an_answer_that_was_lost_leaves_no_group_behind() {
    for call in ["CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "DeleteSecurityGroup"] {
        let stage = Stage::new(Guard::default());
        stage.world.inject(Fault { action: Some(call.to_owned()), nth: 0, kind: FaultKind::LostAfter });
        let ran = stage.drill(&["--timeout", "10s"]);
        assert_eq!(stage.groups_left(), 0, "{call}: {}", ran.stderr);
    }
}

#[test]
fn without_the_functions_log_only_looks_tell() {
    let stage = Stage::new(Guard { function: false, ..Guard::default() });
    let ran = stage.drill(&["--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let line: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(line["ended"] == "closed" && line.get("own_seconds").is_none(), "{line}");
    assert!(ran.stderr.contains("name the function with --function"), "{}", ran.stderr);
    let stage = Stage::new(Guard { log: false, ..Guard::default() });
    let ran = stage.drill(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("log could not be read: FilterLogEvents: AccessDeniedException"), "{}", ran.stderr);
}

#[test]
fn in_another_account_the_group_is_the_roles_and_the_log_the_operators() {
    let stage = Stage::new(Guard::default());
    let arguments = ["--account", stage::MEMBER, "--role", "Drill", "--external-id", "gate-7f3a", "--format", "json"];
    let ran = stage.drill(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let line: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&line["account"], &line["finding"]["outcome"]), (&stage::MEMBER.into(), &"reverted".into()), "{line}");
    let made = stage.world.calls().into_iter().find(|call| call.action == "CreateSecurityGroup").unwrap();
    assert_eq!(made.account, stage::MEMBER);
}

#[test]
fn it_asks_where_nobody_can_answer_only_with_yes() {
    let stage = Stage::new(Guard::default());
    let ran = stage.without_yes();
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("there is no terminal to ask on: give --yes"), "{}", ran.stderr);
    assert!(stage.world.calls().is_empty());
    let (terminal, stdout, code) = stage.on_a_terminal("no\n");
    assert!(terminal.contains("open SSH (tcp 22) to the world in it"), "{terminal}");
    assert!(terminal.ends_with("not confirmed: nothing was opened\n"), "{terminal}");
    assert_eq!((stdout.as_str(), code, sources(&stage).len()), ("", 2, 0));
    let (terminal, stdout, code) = stage.on_a_terminal("yes\n");
    assert!(code == 0 && stdout.contains("closed"), "{terminal}");
}

/// The policy that the documentation gives.
fn documented() -> BTreeSet<String> {
    let page = std::fs::read_to_string(format!("{}/docs/CLI.md", crate::cli::ROOT)).unwrap();
    let section = page.split("## drill").nth(1).unwrap();
    let policy = section.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let policy: Value = serde_json::from_str(policy).unwrap();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| match statement["Action"].as_array() {
        Some(actions) => actions.clone(),
        None => vec![statement["Action"].clone()],
    });
    let actions = actions.map(|action| action.as_str().unwrap().to_owned());
    actions.collect()
}

#[test]
fn the_permissions_in_the_documentation_are_the_calls_that_it_makes() {
    let stage = Stage::new(Guard::default());
    assert_eq!(stage.drill(&[]).code, 0);
    let arguments = ["--account", stage::MEMBER, "--role", "Drill", "--external-id", "gate-7f3a"];
    assert_eq!(stage.drill(&arguments).code, 0);
    let calls = stage.world.calls().into_iter().map(|call| format!("{}:{}", call.service, call.action));
    let mut made: BTreeSet<String> = calls.chain(stage.other_calls()).collect();
    // It needs no permission.
    assert!(made.remove("sts:GetCallerIdentity"));
    // That of CreateSecurityGroup with tags (EC2 User Guide, "Grant permission to tag resources during creation").
    made.insert("ec2:CreateTags".to_owned());
    assert_eq!(made, documented());
}
