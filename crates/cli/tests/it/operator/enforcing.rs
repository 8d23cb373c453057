//! `sweep --enforce`: what it asks, what it revokes, and what it leaves.

use std::process::{Output, Stdio};

use ec2_model::Permission;
use serde_json::Value;

use super::{DUBLIN, FIRST, HUB, OHIO, Stage, everywhere, ssh, stage};

/// The same, of a sweep that asks on a terminal.
fn on_a_terminal(stage: &Stage, arguments: &[&str], answer: &str) -> (String, String, i32) {
    let mut command = stage.command(&[]);
    command.env("NO_COLOR", "1").arg("sweep").args(arguments);
    crate::cli::on_a_terminal(command, answer)
}

#[test]
fn enforcing_on_a_terminal_looks_first_shows_what_it_found_and_asks_with_counts() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0"), Permission::tcp(3306, "0.0.0.0/0")]);
    let db = stage.group(HUB, DUBLIN, "db", &[ssh("::/0")]);
    let enforce = ["--region", DUBLIN, "--region", OHIO, "--enforce"];
    let question =
        "eu-west-1: 3 rules of 2 groups\nEach group is looked at again first. Revoke 3 rules of 2 groups? Type yes: ";
    for answer in ["no\n", "\n", "y\n"] {
        let (terminal, stdout, code) = on_a_terminal(&stage, &enforce, answer);
        assert!(terminal.contains(question), "{terminal}");
        assert!(terminal.find(&web) < terminal.find("Type yes: "), "the table comes first: {terminal}");
        assert!(terminal.contains("portcullis: not confirmed: nothing was changed"), "{terminal}");
        assert_eq!((stdout.as_str(), code), ("", 2), "{terminal}");
    }
    assert!(!stage.actions().contains("RevokeSecurityGroupIngress"));
    let (terminal, stdout, code) = on_a_terminal(&stage, &enforce, "yes\n");
    assert_eq!(code, 1, "{terminal}");
    assert!(stdout.contains("revoked 2") && stdout.contains(&db), "{stdout}");
    assert!(terminal.contains("2 exposed, 2 reverted, 0 failed"), "{terminal}");
    assert!(stage.sources(HUB, DUBLIN, &web).is_empty() && stage.sources(HUB, DUBLIN, &db).is_empty());
    // Nothing to revoke is nothing to ask.
    let (terminal, stdout, code) = on_a_terminal(&stage, &enforce, "yes\n");
    assert!(!terminal.contains("Type yes"), "{terminal}");
    assert_eq!((stdout.as_str(), code), ("", 0), "{terminal}");
}

#[test]
fn an_interrupt_shows_what_was_found_so_far_and_of_how_much() {
    let stage = stage();
    let groups = [DUBLIN, OHIO].map(|region| stage.group(HUB, region, "web", &[ssh("0.0.0.0/0")]));
    let late = ec2_model::FaultKind::Slow(std::time::Duration::from_secs(3));
    stage.world.inject(ec2_model::Fault { action: Some("DescribeSecurityGroupRules".to_owned()), nth: 1, kind: late });
    let mut command = stage.command(&[]);
    command.args(["sweep", "--region", DUBLIN, "--region", OHIO]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let looks = || stage.world.calls().iter().filter(|call| call.action == "DescribeSecurityGroupRules").count();
    while looks() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // Time for the answer that is not late.
    std::thread::sleep(std::time::Duration::from_millis(500));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert!(stderr.ends_with("Interrupted after 1 of 2 Regions: the others were not looked at.\n"), "{stderr}");
    assert_eq!(groups.iter().filter(|group| stdout.contains(*group)).count(), 1, "{stdout}");
}

#[test]
fn the_question_counts_what_the_cap_and_the_policy_leave() {
    let stage = stage();
    for n in 0..3 {
        stage.group(HUB, DUBLIN, &format!("g{n}"), &[ssh("0.0.0.0/0")]);
    }
    stage.group(HUB, OHIO, "alert", &[ssh("0.0.0.0/0")]);
    let policy = crate::cli::folder("question").join("policy.yaml");
    std::fs::write(&policy, "version: 1\nscopes: [{regions: [us-east-2], mode: alert}]").unwrap();
    let arguments = ["--region", DUBLIN, "--region", OHIO, "--enforce", "--max-revocations", "2", "--format", "json"];
    let (terminal, stdout, code) =
        on_a_terminal(&stage, &[&arguments[..], &["--policy", policy.to_str().unwrap()]].concat(), "yes\n");
    assert!(
        terminal.contains(
            "eu-west-1: 2 rules of 2 groups; 1 group left, past the 2 revocations in one account and Region\n\
             Left open: 1 group, where the policy says alert.\n\
             Each group is looked at again first. Revoke 2 rules of 2 groups? Type yes: "
        ),
        "{terminal}"
    );
    let outcomes: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["outcome"].clone()).collect();
    assert_eq!((outcomes.iter().filter(|outcome| *outcome == "reverted").count(), outcomes.len()), (2, 4), "{stdout}");
    assert_eq!(code, 1);
}

#[test]
fn enforcing_without_a_terminal_needs_a_yes_on_the_command_line() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0")]);
    let ran = stage.sweep_with(&["--enforce", "--region", DUBLIN], &[], "yes\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("there is no terminal to ask on: give --yes; nothing was done"), "{}", ran.stderr);
    let ran = stage.sweep_with(&["--enforce", "--policy", "-"], &[], "version: 1");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("standard input, which is the policy here: give --yes"), "{}", ran.stderr);
    assert!(stage.world.calls().is_empty(), "not even asked who it is");
    assert_eq!(stage.sources(HUB, DUBLIN, &web).len(), 1);
}

#[test]
fn enforcing_takes_back_exactly_what_is_exposed_even_where_the_schedule_only_alerts() {
    let stage = stage();
    let web =
        stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0"), Permission::tcp(443, "0.0.0.0/0"), ssh("9.9.9.0/24")]);
    let db = stage.group(FIRST, OHIO, "db", &[Permission::tcp(3306, "::/0")]);
    let ran = stage.sweep_with(
        &everywhere(&["--enforce", "--yes", "--policy", "-"]),
        &[],
        "version: 1\nsweep: {mode: alert, max_revocations: 25}",
    );
    assert_eq!(ran.code, 1, "what was exposed was exposed: {}", ran.stderr);
    assert_eq!(stage.sources(HUB, DUBLIN, &web), ["443 0.0.0.0/0", "22 9.9.9.0/24"]);
    assert!(stage.sources(FIRST, OHIO, &db).is_empty());
    assert!(ran.stdout.contains("revoked 1"), "{}", ran.stdout);
    for line in [format!("{HUB} {DUBLIN} {web}: revoked 1\n"), format!("{FIRST} {OHIO} {db}: revoked 1\n")] {
        assert!(ran.stderr.contains(&line), "{line}: {}", ran.stderr);
    }
    assert!(ran.stderr.contains(": 2 exposed, 2 reverted, 0 failed, 0 undecided\n"), "{}", ran.stderr);
    let again = stage.sweep(&everywhere(&["--enforce", "--yes"]));
    assert_eq!((again.code, again.stdout.as_str()), (0, ""));
}

#[test]
fn where_the_policy_says_alert_enforcing_only_alerts_and_says_so() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0")]);
    let db = stage.group(HUB, OHIO, "db", &[ssh("0.0.0.0/0")]);
    let policy = "version: 1\nscopes: [{regions: [eu-west-1], mode: alert}]";
    let ran =
        stage.sweep_with(&["--region", DUBLIN, "--region", OHIO, "--enforce", "--yes", "--policy", "-"], &[], policy);
    assert_eq!(ran.code, 1);
    assert_eq!((stage.sources(HUB, DUBLIN, &web).len(), stage.sources(HUB, OHIO, &db).len()), (1, 0));
    let left = "Left open: 1 group, where the policy's `mode` or `scopes` say alert.\n";
    assert!(ran.stderr.ends_with(left), "{}", ran.stderr);
}

#[test]
fn past_its_cap_it_leaves_the_rest_and_says_so() {
    let stage = stage();
    for n in 0..3 {
        stage.group(HUB, DUBLIN, &format!("g{n}"), &[ssh("0.0.0.0/0")]);
    }
    let enforce = ["--region", DUBLIN, "--enforce", "--yes", "--max-revocations"];
    let ran = stage.sweep(&[&enforce[..], &["2"]].concat());
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains(": 3 exposed, 2 reverted, 0 failed"), "{}", ran.stderr);
    let left = "Left open: 1 group, past the 2 revocations in one account and Region: sweep again, or raise --max-revocations.\n";
    assert!(ran.stderr.ends_with(left), "{}", ran.stderr);
    let ran = stage.sweep(&[&enforce[..], &["2"]].concat());
    assert!(ran.stderr.ends_with(": 1 exposed, 1 reverted, 0 failed, 0 undecided\n"), "{}", ran.stderr);
}

#[test]
fn a_revoke_that_is_denied_is_trouble_and_told_with_awss_code() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0")]);
    stage.world.deny(HUB, "RevokeSecurityGroupIngress");
    let ran = stage.sweep(&["--region", DUBLIN, "--enforce", "--yes"]);
    assert_eq!(ran.code, 2);
    assert_eq!(stage.sources(HUB, DUBLIN, &web).len(), 1);
    assert!(ran.stdout.contains("failed 1: UnauthorizedOperation"), "{}", ran.stdout);
    let line = format!(
        "portcullis: {HUB} {DUBLIN} {web}: tcp 22 (ssh) is open to 3702258432 public addresses; not taken back: "
    );
    assert!(ran.stderr.starts_with(&(line + "UnauthorizedOperation\n")), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 exposed, 0 reverted, 1 failed"), "{}", ran.stderr);
}
