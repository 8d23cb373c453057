//! A sweep that only looks.

use std::collections::BTreeSet;

use ec2_model::{Direction, Permission};

use super::{DUBLIN, FIRST, HUB, OHIO, SECOND, everywhere, ssh, stage};

#[test]
fn a_sweep_by_hand_looks_at_every_account_and_region_and_changes_nothing() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0"), Permission::tcp(443, "0.0.0.0/0")]);
    let db =
        stage.group(FIRST, OHIO, "db", &[Permission::tcp(3306, "0.0.0.0/1"), Permission::tcp(3306, "128.0.0.0/1")]);
    stage.group(SECOND, DUBLIN, "office", &[ssh("203.0.113.0/24")]);
    let ran = stage.sweep(&everywhere(&[]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let cells = [&web, &db, "111122223333 eu-west-1", "444455556666 us-east-2", "tcp 22 (ssh)", "tcp 3306 (mysql)"];
    for cell in cells.into_iter().chain(["0.0.0.0/1", "would revoke 1", "would revoke 2"]) {
        assert!(ran.stdout.contains(cell), "{cell}: {}", ran.stdout);
    }
    for rule in stage.world.rules(HUB, DUBLIN, &web) {
        let shown = rule.from_port == 22 && rule.direction == Direction::Ingress;
        assert_eq!(ran.stdout.contains(&rule.id), shown, "only rules that expose something: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}'), "no colours where there is no terminal");
    assert_eq!(
        ran.stderr,
        "6 Regions of 3 accounts, 3 groups: 2 exposed, 0 reverted, 0 failed, 0 undecided\n\
         Nothing was changed: --enforce revokes.\n"
    );
    assert_eq!(stage.sources(HUB, DUBLIN, &web).len(), 2);
    let calls = [
        "AssumeRole",
        "DescribeNetworkInterfaces",
        "DescribeSecurityGroupRules",
        "DescribeSecurityGroups",
        "GetCallerIdentity",
    ];
    let calls = calls.map(str::to_owned);
    assert_eq!(stage.actions(), calls.into());
    for call in stage.world.calls().iter().filter(|call| call.action == "AssumeRole") {
        let parameter =
            |name: &str| call.params.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        assert_eq!(parameter("ExternalId").as_deref(), Some("gate-7f3a"));
        assert!(parameter("Policy").is_some_and(|policy| !policy.contains("Revoke")), "its session can only look");
    }
}

#[test]
fn nothing_exposed_is_nothing_to_show() {
    let stage = stage();
    stage.group(HUB, DUBLIN, "office", &[ssh("203.0.113.0/24")]);
    let ran = stage.sweep(&["--region", DUBLIN]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert_eq!(ran.stderr, "1 Region of 1 account, 1 group: 0 exposed, 0 reverted, 0 failed, 0 undecided\n");
}

#[test]
fn ocsf_is_one_event_for_each_group_that_is_open() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0")]);
    stage.group(HUB, DUBLIN, "office", &[ssh("203.0.113.0/24")]);
    let ran = stage.sweep(&["--region", DUBLIN, "--format", "ocsf"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (1, 1), "{}{}", ran.stdout, ran.stderr);
    let event: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&event["class_uid"], &event["status_id"]), (&2004.into(), &1.into()));
    assert_eq!(event["finding_info"]["uid"], format!("portcullis/{HUB}/{DUBLIN}/{web}/Sweep"));
}

#[test]
fn without_a_region_it_is_all_that_are_enabled() {
    let stage = stage();
    stage.world.enable_region(HUB, "af-south-1");
    stage.world.disable_region(HUB, "us-west-1");
    stage.group(HUB, "af-south-1", "open", &[ssh("::/0")]);
    let ran = stage.sweep(&["--format", "json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let looks = stage.world.calls().into_iter().filter(|call| call.action == "DescribeSecurityGroupRules");
    let regions: BTreeSet<String> = looks.map(|call| call.region).collect();
    assert_eq!(regions.len(), 17);
    assert!(regions.contains("af-south-1") && !regions.contains("us-west-1"), "{regions:?}");
}

#[test]
fn an_account_that_does_not_let_it_in_is_named_with_why_and_the_others_are_done() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0")]);
    stage.world.deny(SECOND, "DescribeSecurityGroupRules");
    let arguments =
        ["--account", HUB, "--account", SECOND, "--account", "999988887777", "--region", DUBLIN, "--region", OHIO];
    let more = ["--role", "portcullis", "--external-id", "gate-7f3a", "--enforce", "--yes"];
    let ran = stage.sweep(&[&arguments[..], &more].concat());
    assert_eq!(ran.code, 2);
    assert!(stage.sources(HUB, DUBLIN, &web).is_empty());
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let told = |start: &str, end: &str| lines.iter().filter(|l| l.starts_with(start) && l.contains(end)).count();
    let regions = |account: &str| format!("portcullis: account {account}, eu-west-1, us-east-2: not looked at: ");
    assert_eq!(told(&(regions("999988887777") + "AssumeRole: AccessDenied: "), "--external-id?"), 1, "{}", ran.stderr);
    let denied = regions(SECOND) + "DescribeSecurityGroupRules: UnauthorizedOperation: ";
    assert_eq!(told(&denied, "`portcullis help sweep`"), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("6 Regions of 3 accounts, 1 group: 1 exposed, 1 reverted, "), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("; 4 not looked at\n"), "{}", ran.stderr);
    // Without a Region the account is asked for its own, and it is the account that is told of.
    let ran = stage.sweep(&["--account", "999988887777", "--role", "portcullis"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    let unknown = "portcullis: account 999988887777: not looked at: AssumeRole: AccessDenied: ";
    assert!(ran.stderr.starts_with(unknown), "{}", ran.stderr);
}

#[test]
fn json_is_a_finding_a_line_and_nothing_else() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0")]);
    let db = stage.group(FIRST, OHIO, "db", &[ssh("0.0.0.0/0")]);
    let ran = stage.sweep(&everywhere(&["--account", "999988887777", "--format", "json"]));
    assert_eq!(ran.code, 2);
    let findings = ran.findings();
    let of = |verdict: &str| findings.iter().filter(|finding| finding["verdict"] == verdict).collect::<Vec<_>>();
    let groups: BTreeSet<&str> = of("exposed").iter().filter_map(|finding| finding["group"].as_str()).collect();
    assert_eq!(groups, [web.as_str(), db.as_str()].into());
    assert_eq!((findings.len(), of("undecided").len()), (4, 2), "the account without the role, in two Regions");
    assert!(findings.iter().all(|finding| finding.get("sweep").is_none()));
    let time = findings[0]["time"].as_str().unwrap();
    assert_eq!(time.len(), "2026-11-21T10:00:00Z".len(), "{time}: to the second");
    // An account of which not even the Regions are known is a finding too.
    let ran = stage.sweep(&["--account", "999988887777", "--role", "portcullis", "--format", "json"]);
    let findings = ran.findings();
    assert_eq!((ran.code, findings.len()), (2, 1));
    assert_eq!((&findings[0]["account"], &findings[0]["verdict"]), (&"999988887777".into(), &"undecided".into()));
}

#[test]
fn csv_is_a_row_a_rule_with_what_was_done() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0"), Permission::tcp(443, "::/0")]);
    let ran = stage.sweep(&["--region", DUBLIN, "--format", "csv", "--enforce", "--yes"]);
    assert_eq!(ran.code, 1);
    let rows: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(rows.len(), 3, "{}", ran.stdout);
    assert!(
        rows[1].contains(&format!("{HUB},{DUBLIN},{web},")) && rows[1].contains(",0.0.0.0/0,revoked,,"),
        "{}",
        rows[1]
    );
    assert!(rows[2].contains(",tcp,443,443,::/0,kept,,"), "{}", rows[2]);
}

#[test]
fn an_organisation_is_all_its_accounts_and_only_its_own_can_list_them() {
    let stage = stage();
    stage.group(SECOND, OHIO, "open", &[ssh("0.0.0.0/0")]);
    let arguments = ["--organization", "--role", "portcullis", "--external-id", "gate-7f3a", "--region", OHIO];
    // Organizations is a service of us-east-1, also where its address is ours.
    let there = [("AWS_REGION", "us-east-1")];
    let ran = stage.sweep_with(&arguments, &there, "");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.starts_with("portcullis: ListAccounts: AWSOrganizationsNotInUseException: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("name the accounts with --account"), "{}", ran.stderr);
    stage.world.set_organization(HUB, &[(FIRST, "ACTIVE"), (SECOND, "ACTIVE"), ("999988887777", "SUSPENDED")]);
    let ran = stage.sweep_with(&arguments, &there, "");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("3 Regions of 3 accounts, 1 group: 1 exposed"), "{}", ran.stderr);
}

#[test]
fn whether_anything_is_behind_an_open_port_is_said_where_it_may_be_asked() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0")]);
    let idle = stage.group(HUB, DUBLIN, "idle", &[ssh("::/0")]);
    let office = stage.group(HUB, DUBLIN, "office", &[ssh("203.0.113.0/24")]);
    let inside = stage.group(HUB, OHIO, "inside", &[ssh("0.0.0.0/0")]);
    stage.use_group(&web, &[Some("198.51.100.7"), Some("2001:db8::7"), None]);
    stage.use_group(&office, &[None]);
    stage.use_group(&inside, &[None]);
    let both = ["--region", DUBLIN, "--region", OHIO];
    let table = stage.sweep(&both);
    for line in ["3 interfaces, 2 public", "nothing uses it", "1 interface, none public"] {
        assert_eq!(table.stdout.matches(line).count(), 1, "{line}: {}", table.stdout);
    }
    let json = stage.sweep(&[&both[..], &["--format", "json"]].concat());
    let uses = |ran: &super::Ran, group: &str| {
        let found = ran.findings().into_iter().find(|finding| finding["group"] == group).unwrap();
        (found["interfaces"].as_u64(), found["public_interfaces"].as_u64())
    };
    assert_eq!(uses(&json, &web), (Some(3), Some(2)));
    assert_eq!(uses(&json, &idle), (Some(0), Some(0)));
    assert_eq!(uses(&json, &inside), (Some(1), Some(0)));
    let csv = stage.sweep(&[&both[..], &["--format", "csv"]].concat());
    assert!(csv.stdout.lines().next().unwrap().ends_with(",id,interfaces,public_interfaces"), "{}", csv.stdout);
    assert!(csv.stdout.lines().any(|row| row.contains(&web) && row.ends_with(",3,2")), "{}", csv.stdout);
    // One call for each place with something open, and none where nothing is.
    let asked = |stage: &super::Stage| {
        stage.world.calls().iter().filter(|call| call.action == "DescribeNetworkInterfaces").count()
    };
    assert_eq!(asked(&stage), 6);
    stage.sweep(&["--region", "us-west-1"]);
    assert_eq!(asked(&stage), 6);
    // Nobody knows is no zero, and no trouble.
    stage.world.deny(HUB, "DescribeNetworkInterfaces");
    let json = stage.sweep(&[&both[..], &["--format", "json"]].concat());
    assert_eq!((json.code, uses(&json, &web)), (1, (None, None)));
    let told = "portcullis: what uses the groups is not known in 2 Regions: DescribeNetworkInterfaces: UnauthorizedOperation: ";
    assert_eq!(json.stderr.matches(told).count(), 1, "{}", json.stderr);
}

#[test]
fn a_region_that_is_excluded_is_not_looked_at() {
    let stage = stage();
    stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0")]);
    stage.group(HUB, OHIO, "web", &[ssh("0.0.0.0/0")]);
    let ran = stage.sweep(&["--exclude-region", DUBLIN, "--exclude-region", "sa-east-1", "--format", "json"]);
    let regions: BTreeSet<String> = ran.findings().iter().map(|found| found["region"].to_string()).collect();
    assert_eq!(regions, [format!("{OHIO:?}")].into());
    assert!(ran.stderr.contains("15 Regions of 1 account"), "{}", ran.stderr);
    let asked = |region: &str| {
        stage.world.calls().iter().any(|call| call.region == region && call.action == "DescribeSecurityGroupRules")
    };
    assert!(!asked(DUBLIN) && !asked("sa-east-1") && asked(OHIO));
    // A name that is misspelt leaves nothing out, and is told.
    let ran = stage.sweep(&["--exclude-region", "eu-wset-1"]);
    assert!(ran.stderr.starts_with("portcullis: --exclude-region eu-wset-1: no account has that Region enabled\n"));
    assert!(ran.stderr.contains("17 Regions of 1 account"), "{}", ran.stderr);
}

#[test]
fn a_file_gets_what_was_found_and_one_that_cannot_be_written_stops_it_before_the_first_call() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0")]);
    let file = crate::cli::folder("sweep-output").join("open");
    let name = file.to_str().unwrap();
    let arguments = ["--region", DUBLIN, "--enforce", "--yes", "--output"];
    let ran = stage.sweep(&[&arguments[..], &["/nonexistent/open"]].concat());
    assert_eq!((ran.code, stage.world.calls().len()), (2, 0), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("portcullis: /nonexistent/open: No such file or directory"), "{}", ran.stderr);
    for (format, part) in [("json", "\"verdict\":\"exposed\""), ("table", "would revoke 1"), ("csv", ",would_revoke,")]
    {
        let ran = stage.sweep(&["--region", DUBLIN, "-f", format, "-o", name, "-q"]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (1, "", ""), "{format}");
        let written = std::fs::read_to_string(&file).unwrap();
        assert!(written.contains(part) && written.contains(&web), "{format}: {written}");
        assert!(!written.contains('\u{1b}'), "{format}: {written}");
    }
    // What was revoked is said, however quiet it is.
    let ran = stage.sweep(&["--region", DUBLIN, "-q", "--enforce", "-y", "-o", name]);
    assert_eq!((ran.code, ran.stderr), (1, format!("111122223333 eu-west-1 {web}: revoked 1\n")));
    assert!(std::fs::read_to_string(&file).unwrap().contains("revoked 1"));
}

#[test]
fn a_reader_that_has_left_changes_no_status() {
    let stage = stage();
    for n in 0..3 {
        stage.group(HUB, DUBLIN, &format!("g{n}"), &[ssh("0.0.0.0/0")]);
    }
    for format in ["table", "json", "csv"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = stage.command(&[]);
        command.args(["sweep", "--region", DUBLIN, "--format", format]).stdout(writer);
        let output = command.stderr(std::process::Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{format}: {stderr}");
        assert!(stderr.contains("3 exposed") && !stderr.contains("Broken pipe"), "{format}: {stderr}");
    }
}
