//! The real command line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

fn check(arguments: &[&str], stdin: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("check")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that reads no input may have ended before it gets any.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A folder of this test's own, fresh.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn event(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("events/{name}.json"))).unwrap()
}

#[test]
fn the_exit_status_tells_what_was_found() {
    for (arguments, code) in [
        (vec!["events/https-open.json"], 0),
        (vec!["events/denied.json"], 0),
        (vec!["events/ssh-open.json"], 1),
        (vec!["events/ssh-open.json", "events/https-open.json"], 1),
        (vec!["events/omitted.json"], 2),
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
fn the_table_shows_who_when_group_ports_and_sources() {
    let ran = check(&["events/ssh-open.json", "events/https-open.json"], "");
    for cell in ["2026-11-21T10:00:00Z", "role/Developer/alice", "sg-0123456789abcdef0", "tcp 22 (ssh)", "0.0.0.0/0"] {
        assert!(ran.stdout.contains(cell), "{cell}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}'), "no colours where there is no terminal");
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 120));
    assert_eq!(ran.stderr, "2 records in 2 files: 1 exposed, 0 undecided, 0 exempt, 1 safe, 0 irrelevant\n");
}

#[test]
fn json_is_one_finding_a_line_and_nothing_else() {
    let ran = check(&["--format", "json", "events/"], "");
    let findings: Vec<serde_json::Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(findings.len() >= 24);
    assert!(findings.iter().all(|finding| finding["schema"] == 1));
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
    assert_eq!((ran.stdout.lines().count(), exposed), (8, 5), "{}", ran.stderr);
    assert!(ran.stderr.contains("lines.jsonl:4: no JSON"), "{}", ran.stderr);
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
    assert!(rows[0].starts_with("time,user,account,region,securityGroup,ruleId,protocol,fromPort,toPort,srcCidrs,"));
    assert!(rows[1].starts_with("2026-11-21T10:00:00Z,'=cmd|' /C calc'!A1,"), "{}", rows[1]);
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
    assert_eq!(ran.code, 2);
    assert!(ran.stdout.contains("an exemption of the policy names VPCs"), "{}", ran.stdout);
}

#[test]
fn text_of_a_record_cannot_steer_the_terminal() {
    let escape = event("ssh-open").replace("assumed-role/Developer/alice", "assumed-role/\\u001b[2J\\u202ealice");
    let ran = check(&["-"], &escape);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stdout.contains('\u{202e}'), "{}", ran.stdout);
}
