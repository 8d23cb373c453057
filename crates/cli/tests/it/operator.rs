//! The operator's sweep: the real command line against the model over loopback.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use ec2_model::serve::{Server, serve};
use ec2_model::{Direction, Permission, Vpc, World, control};
use serde_json::Value;

use crate::loopback;

const HUB: &str = "111122223333";
const FIRST: &str = "444455556666";
const SECOND: &str = "777788889999";
const DUBLIN: &str = "eu-west-1";
const OHIO: &str = "us-east-2";

/// A hub with two members, served.
struct Stage {
    world: World,
    server: Server,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn findings(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn stage() -> Stage {
    let world = World::new(11);
    for member in [FIRST, SECOND] {
        world.allow_role_for(member, "portcullis", Some("gate-7f3a"), HUB);
    }
    let clock = || portcullis::now().as_millisecond();
    let server = serve(loopback(), None, control::handler(world.clone(), clock)).unwrap();
    Stage { world, server }
}

impl Stage {
    fn group(&self, account: &str, region: &str, name: &str, permissions: &[Permission]) -> String {
        let group = self.world.create_group(account, region, name, Vpc::Other);
        self.world.authorize(account, region, &group, permissions).unwrap();
        group
    }

    fn sources(&self, account: &str, region: &str, group: &str) -> Vec<String> {
        let rules = self.world.rules(account, region, group).into_iter();
        let ingress = rules.filter(|rule| rule.direction == Direction::Ingress);
        ingress.map(|rule| format!("{} {}", rule.from_port, rule.source.text())).collect()
    }

    fn actions(&self) -> BTreeSet<String> {
        self.world.calls().into_iter().map(|call| call.action).collect()
    }

    /// With the hub's credentials, and these variables in their place where they are given.
    fn sweep_with(&self, arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Ran {
        let endpoint = self.server.url();
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.env_clear().envs([
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", HUB),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", DUBLIN),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ]);
        for (name, value) in variables {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        let mut child = command
            .arg("sweep")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that reads no input may have ended before it gets any.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
    }

    fn sweep(&self, arguments: &[&str]) -> Ran {
        self.sweep_with(arguments, &[], "")
    }
}

/// All three accounts, in two Regions.
const EVERYWHERE: [&str; 14] = [
    "--account",
    HUB,
    "--account",
    FIRST,
    "--account",
    SECOND,
    "--region",
    DUBLIN,
    "--region",
    OHIO,
    "--role",
    "portcullis",
    "--external-id",
    "gate-7f3a",
];

fn everywhere<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&EVERYWHERE, more].concat()
}

fn ssh(source: &str) -> Permission {
    Permission::tcp(22, source)
}

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
    let calls = ["AssumeRole", "DescribeSecurityGroupRules", "GetCallerIdentity"].map(str::to_owned);
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

#[test]
fn json_is_a_finding_a_line_and_one_summary_at_the_end() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0")]);
    let db = stage.group(FIRST, OHIO, "db", &[ssh("0.0.0.0/0")]);
    let arguments = everywhere(&["--account", "999988887777", "--format", "json"]);
    let ran = stage.sweep(&arguments);
    assert_eq!(ran.code, 2);
    let mut findings = ran.findings();
    let summary = findings.pop().unwrap();
    let groups: BTreeSet<&str> = findings.iter().filter_map(|finding| finding["group"].as_str()).collect();
    assert_eq!(groups, [web.as_str(), db.as_str()].into());
    let undecided = findings.iter().filter(|finding| finding["verdict"] == "undecided").count();
    assert_eq!((findings.len(), undecided), (4, 2), "the account without the role, in two Regions");
    let number = |key: &str| summary["sweep"][key].as_u64().unwrap();
    assert_eq!(["accounts", "places", "groups", "exposed", "reverted"].map(number), [4, 8, 2, 2, 0]);
    assert_eq!(summary["sweep"]["unreachable"].as_array().map(Vec::len), Some(2));
    assert!(findings.iter().all(|finding| finding.get("sweep").is_none()));
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
fn credentials_and_region_that_are_missing_or_wrong_are_told_with_what_to_do() {
    let stage = stage();
    let arguments = ["--region", "us-west-1"];
    stage.world.disable_region(HUB, "us-west-1");
    let no_keys = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let unknown_key = [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")];
    for (arguments, variables, told) in [
        (
            &arguments[..],
            &no_keys[..],
            "portcullis: no AWS credentials: name a profile with --profile or AWS_PROFILE, ",
        ),
        (&arguments, &no_keys, "aws configure export-credentials --format env"),
        (&arguments, &unknown_key, "portcullis: GetCallerIdentity: InvalidClientTokenId: "),
        (&arguments, &unknown_key, "(AWS does not know these credentials: "),
        (
            &["--profile", "nope"],
            &[],
            "portcullis: there is no profile `nope` in the AWS configuration: there is none\n",
        ),
        (
            &[],
            &[("AWS_PROFILE", "nope")],
            "portcullis: there is no profile `nope` in the AWS configuration: there is none\n",
        ),
        (
            &arguments,
            &[],
            "portcullis: account 111122223333, us-west-1: not looked at: DescribeSecurityGroupRules: AuthFailure: ",
        ),
        (&arguments, &[], "(is the Region enabled in the account?)\n"),
        (
            &[],
            &[("AWS_REGION", "Dublin")],
            "portcullis: the Region that is configured: `Dublin` is no Region: expected ",
        ),
        (&["--account", FIRST], &[], "to look at 444455556666, name the role to assume there, --role NAME\n"),
    ] {
        let ran = stage.sweep_with(arguments, variables, "");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
    // With a Region on the command line none need be configured; without any, us-east-1 knows which are enabled.
    let ran = stage.sweep_with(&["--region", OHIO], &[("AWS_REGION", "")], "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = stage.sweep_with(&[], &[("AWS_REGION", "")], "");
    assert!(ran.code == 0 && ran.stderr.starts_with("16 Regions of 1 account"), "{}", ran.stderr);
}

#[test]
fn a_profile_gives_keys_a_region_or_a_process_that_writes_them() {
    let stage = stage();
    let web = stage.group(FIRST, OHIO, "web", &[ssh("0.0.0.0/0")]);
    let file = crate::cli::folder("profiles").join("config");
    let written = format!(r#"{{"Version":1,"AccessKeyId":"{FIRST}","SecretAccessKey":"secret"}}"#);
    let config = format!(
        "[profile keys]\naws_access_key_id = {FIRST}\naws_secret_access_key = secret\nregion = {OHIO}\n\
         [profile process]\ncredential_process = echo '{written}'\n\
         [profile broken]\ncredential_process = exit 3\n\
         [profile sso]\nsso_session = team\nsso_account_id = {FIRST}\nsso_role_name = Look\n\
         [sso-session team]\nsso_region = {OHIO}\nsso_start_url = https://example.com/start\n"
    );
    std::fs::write(&file, config).unwrap();
    let file = file.to_str().unwrap();
    // The keys in the environment are the hub's: a profile on the command line comes before them.
    for (profile, found) in [("keys", web.as_str()), ("process", web.as_str())] {
        let ran = stage.sweep_with(&["--profile", profile, "--region", OHIO], &[("AWS_CONFIG_FILE", file)], "");
        assert_eq!(ran.code, 1, "{profile}: {}", ran.stderr);
        assert!(ran.stdout.contains(found) && ran.stdout.contains(FIRST), "{profile}: {}", ran.stdout);
    }
    let no_keys = [("AWS_CONFIG_FILE", file), ("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let ran = stage.sweep_with(&["--region", OHIO], &[&no_keys[..], &[("AWS_PROFILE", "process")]].concat(), "");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let home = crate::cli::folder("no-home");
    let no_keys = [&no_keys[..], &[("HOME", home.to_str().unwrap())]].concat();
    for (profile, told) in [
        ("broken", "credential_process ended with exit status: 3"),
        ("sso", "run aws sso login first"),
        ("nope", "there are `broken`, `keys`, `process`, `sso`\n"),
    ] {
        let ran = stage.sweep_with(&["--profile", profile, "--region", OHIO], &no_keys, "");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{profile}");
        assert!(ran.stderr.contains(told), "{profile}: {}", ran.stderr);
        assert!(!ran.stderr.contains("cargo feature"), "{profile}: {}", ran.stderr);
    }
}

#[test]
fn a_policy_can_be_in_a_bucket() {
    let stage = stage();
    stage.world.put_object("policies", "team/policy.yaml", b"version: 1\nguard: [redis]\n".to_vec());
    stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0")]);
    for (policy, code, told) in [
        ("s3://policies/team/policy.yaml", 0, "0 exposed"),
        ("s3://policies/none.yaml", 2, "portcullis: s3://policies/none.yaml: GetObject: NoSuchKey: "),
        ("s3://policies", 2, "portcullis: s3://policies: expected s3://BUCKET/KEY\n"),
    ] {
        let ran = stage.sweep(&["--region", DUBLIN, "--policy", policy]);
        assert_eq!(ran.code, code, "{policy}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{policy}: {}", ran.stderr);
    }
}

#[test]
fn expired_credentials_are_called_that() {
    let stage = stage();
    let expired = ec2_model::FaultKind::ExpiredCredentials;
    let action = Some("GetCallerIdentity".to_owned());
    stage.world.inject(ec2_model::Fault { action, nth: 0, kind: expired });
    let ran = stage.sweep(&["--region", DUBLIN]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("ExpiredToken") && ran.stderr.contains("log in again"), "{}", ran.stderr);
}

#[test]
fn what_is_no_account_region_or_role_is_refused_with_what_is_accepted() {
    let stage = stage();
    for (arguments, told) in [
        (vec!["--account", "12345"], "expected the twelve digits of an account id"),
        (vec!["--region", "Dublin"], "expected a Region code such as eu-west-1"),
        (vec!["--role", "team/portcullis"], "expected a role's name without a path: 1 to 64 letters"),
        (vec!["--role", "portcullis", "--external-id", "x"], "expected 2 to 1224 letters"),
        (vec!["--external-id", "gate-7f3a"], "--role <NAME>"),
        (vec!["--organization"], "--role <NAME>"),
        (vec!["--organization", "--role", "portcullis", "--account", HUB], "cannot be used with '--account <ID>'"),
        (vec!["--yes"], "--enforce"),
        (vec!["--max-revocations", "5"], "--enforce"),
        (vec!["--enforce", "--yes", "--max-revocations", "0"], "0 is not in 1.."),
        (vec!["--format", "xml"], "possible values: table, json, csv"),
        (vec!["--policy", "none.yaml"], "portcullis: none.yaml: No such file"),
        (vec!["everything"], "unexpected argument 'everything'"),
    ] {
        let ran = stage.sweep(&arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
    assert!(stage.world.calls().is_empty());
}
