//! The real command line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The project's root, where users run the commands of the README.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn check(arguments: &[&str], stdin: &str) -> Ran {
    portcullis(&[&["check"], arguments].concat(), stdin)
}

fn portcullis(arguments: &[&str], stdin: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments);
    run(command, stdin)
}

pub(crate) fn run(mut command: Command, stdin: &str) -> Ran {
    let mut child =
        command.current_dir(ROOT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that reads no input may have ended before it gets any.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// What was written to the terminal and to standard output, and the exit status, of a command that asks on a terminal.
pub(crate) fn on_a_terminal(command: Command, answer: &str) -> (String, String, i32) {
    on_a_terminal_while(command, answer, || ())
}

/// The same, where something happens between the question and the answer.
pub(crate) fn on_a_terminal_while(
    mut command: Command,
    answer: &str,
    meanwhile: impl FnOnce(),
) -> (String, String, i32) {
    use std::io::Read;

    let master = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
    rustix::pty::grantpt(&master).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let name = rustix::pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let terminal = || std::fs::File::options().read(true).write(true).open(&name).unwrap();
    let mut child = command.stdin(terminal()).stderr(terminal()).stdout(Stdio::piped()).spawn().unwrap();
    // It holds the terminal open, whose end is how the end of the program is seen.
    drop(command);
    let mut master = std::fs::File::from(master);
    let mut written = String::new();
    let mut bytes = [0; 4096];
    let mut meanwhile = Some(meanwhile);
    // At the end of the program its terminal is gone, which is an error to read.
    while let Ok(length @ 1..) = master.read(&mut bytes) {
        written.push_str(&String::from_utf8_lossy(&bytes[..length]));
        let is_asked = written.contains("Type yes: ") || written.contains("Type internet: ");
        if let Some(happens) = meanwhile.take_if(|_| is_asked) {
            happens();
            master.write_all(answer.as_bytes()).unwrap();
        }
    }
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    (written.replace('\r', ""), stdout, child.wait().unwrap().code().unwrap())
}

/// A folder of this test's own, fresh.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn event(name: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(format!("events/{name}.json"))).unwrap()
}

#[test]
fn the_exit_status_tells_what_was_found() {
    for (arguments, code) in [
        (vec!["events/https-open.json"], 0),
        (vec!["events/denied.json"], 0),
        (vec!["events/ssh-open.json"], 1),
        (vec!["events/ssh-open.json", "events/https-open.json"], 1),
        (vec!["events/omitted.json"], 3),
        (vec!["events/omitted.json", "events/https-open.json"], 3),
        (vec!["events/omitted.json", "events/ssh-open.json"], 1),
        (vec!["events/omitted.json", "events/none.json"], 2),
        (vec!["crates/cli/tests/it/policies"], 2),
        (vec!["events/ssh-open.json", "events/none.json"], 2),
        (vec!["--policy", "events/none.yaml", "events/https-open.json"], 2),
        (vec!["--format", "xml", "events/https-open.json"], 2),
        (vec![], 2),
    ] {
        let ran = check(&arguments, "");
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn json_is_one_finding_a_line_and_nothing_else() {
    let ran = check(&["--format", "json", "events/"], "");
    let findings: Vec<serde_json::Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(findings.len() >= 24);
    assert!(findings.iter().all(|finding| finding["schema"] == 1));
}

#[test]
fn ocsf_is_one_event_a_line_of_what_was_detected_with_its_time_in_milliseconds() {
    let ran = check(&["--format", "ocsf", "events/ssh-open.json", "events/https-open.json"], "");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let events: Vec<serde_json::Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 1, "HTTPS may be open: {}", ran.stdout);
    assert_eq!((&events[0]["class_uid"], &events[0]["type_uid"]), (&2004.into(), &200_401.into()));
    let call: jiff::Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    assert_eq!(events[0]["time"], call.as_millisecond());
    assert_eq!(events[0]["resources"][0]["uid"], "sg-0123456789abcdef0");
}

#[test]
fn records_are_read_plain_zipped_by_line_and_from_standard_input() {
    let folder = folder("inputs");
    let compact = |name: &str| serde_json::from_str::<serde_json::Value>(&event(name)).unwrap().to_string();
    let (open, safe) = (compact("ssh-open"), compact("https-open"));
    let log =
        format!("{{\"Records\":[{},{}]}}", serde_json::from_str::<serde_json::Value>(&open).unwrap()["detail"], {
            let safe: serde_json::Value = serde_json::from_str(&safe).unwrap();
            safe["detail"].clone()
        });
    std::fs::write(folder.join("log.json.gz"), gzip(&log)).unwrap();
    // Two gzip members, one after the other, are one file.
    std::fs::write(folder.join("two.json.gz"), [gzip(&log[..100]), gzip(&log[100..])].concat()).unwrap();
    std::fs::write(folder.join("lines.jsonl"), format!("{open}\n\n{safe}\nnot json\n{open}\n")).unwrap();
    std::fs::create_dir_all(folder.join("deep/CloudTrail-Digest")).unwrap();
    std::fs::write(folder.join("deep/CloudTrail-Digest/digest.json.gz"), gzip("{\"previousDigest\": 1}")).unwrap();
    std::fs::write(folder.join("deep/notes.txt"), "not ours").unwrap();
    std::fs::write(folder.join("damaged.json.gz"), &gzip(&log)[..40]).unwrap();
    let ran = check(&["--format", "json", folder.to_str().unwrap(), "-"], &open);
    assert_eq!(ran.code, 2);
    let exposed = ran.stdout.lines().filter(|line| line.contains("\"verdict\":\"exposed\"")).count();
    // Each record counts once, however often it is written.
    assert_eq!((ran.stdout.lines().count(), exposed), (2, 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("; 6 copies passed over; "), "{}", ran.stderr);
    assert!(ran.stderr.contains("lines.jsonl:4:2: no JSON"), "{}", ran.stderr);
    assert!(ran.stderr.contains("damaged.json.gz: the gzip data is damaged"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("; 2 could not be read\n"), "{}", ran.stderr);
}

#[test]
fn a_cell_that_begins_like_a_formula_is_made_harmless() {
    let formula =
        event("ssh-open").replace("arn:aws:sts::111122223333:assumed-role/Developer/alice", "=cmd|' /C calc'!A1");
    let ran = check(&["--format", "csv", "-"], &formula);
    let rows: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(rows.len(), 3, "a header and a row a rule: {}", ran.stdout);
    assert!(rows[1].contains(",AuthorizeSecurityGroupIngress,'=cmd|' /C calc'!A1,"), "{}", rows[1]);
    assert!(check(&["--format", "csv", "events/everything-open.json"], "").stdout.contains(",'-1,"));
}

#[test]
fn a_policy_of_ones_own_is_used_and_an_error_in_it_is_shown_where_it_is() {
    let folder = folder("policies");
    let (good, bad) = (folder.join("good.yaml"), folder.join("bad.yaml"));
    std::fs::write(&good, "version: 1\nguard: [{name: web, protocol: tcp, ports: [443]}]").unwrap();
    std::fs::write(&bad, "version: 1\nmode: enforced").unwrap();
    assert_eq!(check(&["--policy", good.to_str().unwrap(), "events/https-open.json"], "").code, 1);
    let ran = check(&["--policy", bad.to_str().unwrap(), "events/https-open.json"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("bad.yaml") && ran.stderr.contains("2 | mode: enforced"), "{}", ran.stderr);
}

#[test]
fn an_exemption_by_vpc_leaves_an_exposure_undecided_offline() {
    let policy = folder("vpc").join("policy.yaml");
    std::fs::write(&policy, "version: 1\nexempt: [{reason: lab, until: never, vpcs: [vpc-1]}]").unwrap();
    let ran = check(&["--policy", policy.to_str().unwrap(), "--format", "json", "events/ssh-open.json"], "");
    assert_eq!(ran.code, 3);
    assert!(ran.stdout.contains("an exemption of the policy names VPCs"), "{}", ran.stdout);
}

#[test]
fn a_modified_rule_that_exposes_nothing_even_as_an_ingress_rule_is_safe() {
    let modified = event("modify-opens-ssh");
    for (source, code) in [("0.0.0.0/0", 3), ("8.0.0.0/8", 3), ("8.0.0.0/9", 0)] {
        let ran = check(&["-"], &modified.replace("0.0.0.0/0", source));
        assert_eq!(ran.code, code, "{source}: {}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn text_of_a_record_cannot_steer_the_terminal() {
    let escape = event("ssh-open").replace("assumed-role/Developer/alice", "assumed-role/\\u001b[2J\\u202ealice");
    let ran = check(&["-"], &escape);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stdout.contains('\u{202e}'), "{}", ran.stdout);
}

#[test]
fn a_policy_that_never_enforces_and_a_limit_that_is_everything_are_told_as_such() {
    let yaml =
        "version: 1\nmode: alert\ninternet: {ipv4: /0, ipv6: /1}\ntrusted: ['::/1', '8000::/2']\nsweep: {mode: alert}";
    let page = portcullis(&["policy", "show", "-"], yaml).stdout;
    for text in [
        "  Everywhere: alert only.\n  Nothing is revoked anywhere, even where the function's PORTCULLIS_MODE says\n  enforce.\n",
        "    IPv4  all 3,702,258,432\n",
        "    IPv6  all 8.0e37, which are no more than one /1\n",
        "    ::/1\n    8000::/2\n  That leaves 3,702,258,432 IPv4 and 8.0e37 IPv6 addresses that do.\n",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

#[test]
fn an_exemption_ends_soon_for_thirty_days_and_has_ended_at_its_time() {
    let yaml = "version: 1\nexempt:\n- {reason: SEC-1, until: 2026-12-31T00:00:00Z, guard: [ssh]}";
    for (at, summary, warning) in [
        ("2026-11-30", "", ""),
        (
            "2026-12-01T00:00:00Z",
            " (1 expires within 30 days: `SEC-1`)",
            "ends at 2026-12-31T00:00:00Z, in 30 days: renew it in time",
        ),
        ("2026-12-29T23:00:00Z", " (1 expires within 30 days: `SEC-1`)", "in 1 day: "),
        ("2026-12-30", " (1 expires within 30 days: `SEC-1`)", "in less than a day: "),
        (
            "2026-12-31T00:00:00Z",
            " (1 has expired: `SEC-1`)",
            "less than a day ago, and no longer holds: renew it, or remove it",
        ),
        ("2027-01-10", " (1 has expired: `SEC-1`)", "10 days ago, and no longer holds"),
    ] {
        let ran = portcullis(&["policy", "check", "--at", at, "-"], yaml);
        assert_eq!(ran.stdout, format!("standard input: 4 guards, 1 exemption{summary}\n"), "{at}");
        assert_eq!(ran.stderr.is_empty(), warning.is_empty(), "{at}: {}", ran.stderr);
        assert!(ran.stderr.contains(warning), "{at}: {}", ran.stderr);
        assert!(warning.is_empty() || ran.stderr.starts_with("standard input:3: warning: exemption `SEC-1` "));
    }
    let far = portcullis(&["policy", "check", "-"], &yaml.replace("2026", "9998"));
    assert_eq!((far.code, far.stderr.as_str()), (0, ""), "without --at it is the time now that counts");
    let past = portcullis(&["policy", "check", "-"], &yaml.replace("2026", "1999"));
    assert!(past.stdout.contains("1 has expired"), "{}", past.stdout);
}

#[test]
fn each_odd_thing_in_a_policy_is_warned_of_and_its_lawful_neighbour_is_not() {
    let here = "regions: [eu-west-1]";
    for (yaml, warning) in [
        ("guard: [ssh, {name: a, protocol: tcp, ports: [22]}]", "guard: tcp 22 is guarded twice, by ssh and by a"),
        ("guard: [ssh, {name: a, protocol: udp, ports: [22]}]", ""),
        ("guard: [{name: a, protocol: tcp, ports: [1, 1]}]", "guard: tcp 1 is guarded twice, both times by a"),
        ("guard: [{name: a, protocol: tcp, ports: [1-4, 3-8]}]", "guard: tcp 3-4 is guarded twice, both times by a"),
        ("guard: [{name: a, protocol: tcp, ports: [1-4, 5-8]}]", ""),
        ("trusted: ['fd00::/8']", "trusted: fd00::/8 is not public, so it never counts anyway and does nothing here"),
        ("trusted: [10.0.0.0/7]", ""),
        ("sweep: {mode: enforce}", ""),
        (
            "sweep: {mode: enforce, max_revocations: 0}",
            "sweep: says enforce and revokes nothing, because max_revocations is 0",
        ),
        (
            "mode: alert\nsweep: {mode: enforce}",
            "sweep: says enforce and revokes nothing, because the policy enforces nowhere",
        ),
        (&format!("mode: alert\nsweep: {{mode: enforce}}\nscopes: [{{mode: enforce, {here}}}]"), ""),
        (
            &format!("scopes:\n- {{mode: alert, {here}}}\n- {{mode: enforce, {here}}}"),
            ":4: warning: scope 2 (in eu-west-1) never matches: scope 1 comes first and is as wide",
        ),
        (&format!("scopes:\n- {{mode: alert, groups: [sg-1], {here}}}\n- {{mode: enforce, {here}}}"), ""),
        (
            "scopes:\n- {mode: alert, groups: [sg-1]}\n- {mode: alert, groups: [sg-2]}\n- {mode: enforce, groups: [sg-2, sg-1]}",
            ":5: warning: scope 3 (in group sg-2 or sg-1) never matches: those before it leave nothing of it",
        ),
        (
            "trusted: [8.8.8.0/24]\nexempt:\n- {reason: x, until: 9998-01-01T00:00:00Z, sources: [8.8.8.8/32]}",
            ":4: warning: exemption `x` covers nothing: none of its sources is public and not trusted",
        ),
        ("exempt:\n- {reason: x, until: 9998-01-01T00:00:00Z, sources: [8.8.8.8/32]}", ""),
        (
            "exempt:\n- {reason: x, until: never, guard: [ssh]}",
            ":3: warning: exemption `x` never ends: give it a day on which someone looks at it again",
        ),
    ] {
        let ran = portcullis(&["policy", "check", "-"], &format!("version: 1\n{yaml}"));
        assert_eq!(ran.code, 0, "{yaml}: {}", ran.stderr);
        let expected = match warning {
            "" => String::new(),
            at if at.starts_with(':') => format!("standard input{at}\n"),
            text => format!("standard input: warning: {text}\n"),
        };
        assert_eq!(ran.stderr, expected, "{yaml}");
    }
}

#[test]
fn a_policy_that_cannot_be_used_is_trouble_shown_where_it_is() {
    for (yaml, place) in [
        ("version: 1\nmode: enforced", "2 | mode: enforced"),
        ("version: 1\nexempt:\n- {reason: x, until: never, guard: [redis]}", "`redis` is not guarded"),
        ("version: 1\nguard: [ssh, ssh]", "`ssh` stands there twice"),
        ("", "standard input"),
    ] {
        for command in ["check", "show"] {
            let ran = portcullis(&["policy", command, "-"], yaml);
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{command} {yaml}");
            assert!(ran.stderr.starts_with("portcullis: standard input:"), "{}", ran.stderr);
            assert!(ran.stderr.contains(place), "{command} {yaml}: {}", ran.stderr);
        }
    }
    let ran = portcullis(&["policy", "check", "events/none.yaml"], "");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.starts_with("portcullis: events/none.yaml: No such file"), "{}", ran.stderr);
    let both = check(&["--policy", "-", "-"], "version: 1");
    assert_eq!(both.code, 2);
    assert!(both.stderr.contains("standard input can be the policy or the records, not both"), "{}", both.stderr);
    assert_eq!(check(&["--policy", "-", "events/ssh-open.json"], "version: 1\nguard: [rdp]").code, 0);
}

#[test]
fn text_of_a_policy_cannot_steer_the_terminal() {
    let exempt = r#""exempt": [{"reason": "x\u001b[2J\u202e\n\u0007", "until": "never",
        "principals": ["arn:aws:iam::*:role/\u001b[2J"]}]"#;
    let named = r#""guard": ["ssh", {"name": "a\u001b[2J\u202e", "protocol": "tcp", "ports": [22]}]"#;
    // A guard whose name does not print is refused, and shown as escaped as a text that is none's name.
    for (part, code) in [(exempt, 0), (named, 2)] {
        for command in ["check", "show"] {
            let ran = portcullis(&["policy", command, "-"], &format!("{{\"version\": 1, {part}}}"));
            assert_eq!(ran.code, code, "{}", ran.stderr);
            let told = format!("{}{}", ran.stdout, ran.stderr);
            assert!(told.contains("\\u{1b}[2J"), "{told}");
            assert!(!told.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{told}");
        }
    }
}

#[test]
fn the_version_says_which_commit_where_the_build_knows_it() {
    let version = format!("portcullis {} (", env!("CARGO_PKG_VERSION"));
    assert!(portcullis(&["--version"], "").stdout.starts_with(&version));
}

#[test]
fn colours_are_for_a_terminal_or_for_whoever_asks_for_them() {
    let coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(arguments).env_clear().envs(variables.iter().copied());
        run(command, "").stdout.contains('\u{1b}')
    };
    let check = ["check", "events/ssh-open.json", "--color"];
    for (word, variables, colours) in [
        ("auto", &[][..], false),
        ("never", &[("CLICOLOR_FORCE", "1")], false),
        ("always", &[], true),
        ("always", &[("NO_COLOR", "1")], true),
        ("auto", &[("CLICOLOR_FORCE", "1")], true),
        ("auto", &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        assert_eq!(coloured(&[&check[..], &[word]].concat(), variables), colours, "{word} {variables:?}");
    }
    assert!(coloured(&["--color", "always", "--help"], &[]) && coloured(&["--color=always", "check", "-h"], &[]));
    assert!(!coloured(&["--help"], &[]));
}

#[test]
fn completions_and_the_manual_page_have_every_command() {
    let man = portcullis(&["man"], "");
    assert_eq!(man.code, 0);
    for shell in ["bash", "zsh", "fish"] {
        let script = portcullis(&["completions", shell], "");
        assert_eq!((script.code, script.stderr.as_str()), (0, ""));
        for command in ["check", "policy", "sweep", "completions", "man"] {
            assert!(script.stdout.contains(command), "{shell}: {command}");
            assert!(man.stdout.contains(&format!(".SH \"PORTCULLIS {}\"", command.to_uppercase())), "{command}");
        }
        assert!(script.stdout.contains("max-revocations"), "{shell}");
    }
    assert!(man.stdout.contains(".SH \"PORTCULLIS POLICY SHOW\"") && man.stdout.contains("\\-\\-max\\-revocations"));
    assert_eq!(man.stdout.matches("\n.SH NAME").count(), 1, "one page");
}

/// All that the command line learns of AWS: an emulator, and credentials of an account.
pub(crate) fn aws_variables(url: &str, account: &str, region: &str) -> Vec<(&'static str, String)> {
    let of = |(name, value): (&'static str, &str)| (name, value.to_owned());
    [
        ("AWS_ENDPOINT_URL", url),
        ("AWS_ACCESS_KEY_ID", account),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", region),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("NO_COLOR", "1"),
    ]
    .map(of)
    .into()
}
