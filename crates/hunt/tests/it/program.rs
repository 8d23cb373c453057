//! The program itself: what it writes, and its exit status.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::made::{Logs, at, call, create_group, open};

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn hunt(arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis-hunt")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn path(logs: &Logs) -> &str {
    logs.folder.to_str().unwrap()
}

fn opened() -> Logs {
    let mut logs = Logs::new();
    logs.trail(&[create_group(at("09:00"), "sg-1"), open(at("10:00"), "sg-1", "sgr-1", (22, 22), "0.0.0.0/0")]);
    logs
}

#[test]
fn the_exit_status_tells_what_was_found() {
    let logs = opened();
    assert_eq!(hunt(&["dangerous-rules", path(&logs)]).code, 1);
    assert_eq!(hunt(&["rules-changed", path(&logs)]).code, 0, "a question about what happened finds nothing to act on");
    let mut logs = Logs::new();
    logs.trail(&[create_group(at("09:00"), "sg-1")]);
    assert_eq!(hunt(&["dangerous-rules", path(&logs)]).code, 0);
    logs.file("z.json", br#"{"Records":[{"eventID":]}"#);
    let ran = hunt(&["dangerous-rules", path(&logs)]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("z.json: ") && ran.err.contains("could not be read, and were left out"), "{}", ran.err);
}

#[test]
fn bad_input_is_called_what_it_is() {
    let logs = opened();
    let empty = Logs::new();
    let query = logs.folder.join("q.sql");
    std::fs::write(&query, "SELECT event_nam FROM events").unwrap();
    let broken = logs.folder.join("b.sql");
    std::fs::write(&broken, "SELECT event_name\nFORM events").unwrap();
    for (arguments, why) in [
        (vec!["nonsense", path(&logs)], "`nonsense` is no hunt: expected FILE.sql, or one of activity"),
        (vec!["errors"], "name the files or folders"),
        (vec!["errors", path(&empty)], "there is no log file in it"),
        (vec!["errors", "/nowhere"], "/nowhere: No such file"),
        (vec!["errors", "--athena", path(&logs)], "cannot be used with"),
        (vec!["errors", "--athena"], "--database"),
        (vec!["errors", "--athena", "--database", "logs"], "--athena needs --from"),
        (vec!["errors", "--athena", "--database", "a\"b", "--from", "2h"], "--database: expected letters"),
        (vec!["errors", path(&logs), "--from", "yesterday"], "`yesterday` is no time: expected 2026-12-31"),
        (vec!["errors", path(&logs), "--from", "2026-12-02", "--to", "2026-12-01"], "--from is after --to"),
        (vec!["errors", path(&logs), "--where", "user=x"], "errors has no such parameter; it has: none"),
        (vec!["ssh-attempts", path(&logs), "--where", "port=ssh"], "expected a whole number"),
        (vec!["errors", path(&logs), "--flow-format", "${nonsense}"], "--flow-format: `${nonsense}` is no field"),
        (vec![query.to_str().unwrap(), path(&logs)], "event_nam"),
        (vec![broken.to_str().unwrap(), path(&logs)], "Line: 2"),
    ] {
        let ran = hunt(&arguments);
        assert_eq!(ran.code, 2, "{arguments:?}\n{}", ran.err);
        assert!(ran.err.contains(why), "{arguments:?}\n{}", ran.err);
        assert_eq!(ran.out, "", "nothing is printed as if whole");
    }
}

#[test]
fn a_file_that_is_called_a_log_and_is_none_is_trouble() {
    for (name, bytes) in [("x.json.gz", &b"\x1f\x8b\x08\x00"[..]), ("x.log.gz", b"PK\x03\x04")] {
        let mut logs = opened();
        logs.file(name, bytes);
        let ran = hunt(&["rules-changed", path(&logs)]);
        assert_eq!(ran.code, 2, "{name} {}", ran.err);
        assert!(ran.err.contains(name) && ran.err.contains("is it damaged?"), "{}", ran.err);
        assert!(ran.out.contains("sgr-1"), "the others are answered");
    }
}

#[test]
fn a_query_that_does_not_fit_in_memory_says_so() {
    let mut logs = Logs::new();
    for n in 0..40 {
        let records: Vec<_> = (0..500)
            .map(|m| call(at("10:00") + n * 1000 + m, "X", json!({"n": "y".repeat(200)}), json!(null)))
            .collect();
        logs.trail(&records);
    }
    let query = logs.folder.join("q.sql");
    std::fs::write(&query, "SELECT * FROM events ORDER BY request").unwrap();
    let ran = hunt(&[query.to_str().unwrap(), path(&logs), "--memory", "4"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    assert!(ran.err.contains("needs more memory than 4 MB"), "{}", ran.err);
}

#[test]
fn times_bound_what_is_asked_and_not_what_is_known() {
    let logs = opened();
    let ran =
        hunt(&["activity", path(&logs), "--format", "csv", "--from", "2026-11-20T09:30:00Z", "--to", "2026-11-20"]);
    assert_eq!(ran.out.lines().count(), 2, "{}", ran.out);
    assert!(ran.out.lines().nth(1).unwrap().starts_with("2026-11-20T10:00:00Z,111122223333,eu-west-1,ann,IAMUser,"));
}

#[test]
fn a_formula_in_a_tag_is_a_text_in_a_spreadsheet_and_harmless_on_a_terminal() {
    let mut logs = Logs::new();
    let mut record = call(at("10:00"), "RunInstances", json!({}), json!(null));
    record["userAgent"] = json!("=cmd|' /C calc'!A0\u{1b}[31m</td><script>alert(1)</script>");
    logs.trail(&[record]);
    assert!(hunt(&["activity", path(&logs), "--format", "csv"]).out.contains(",'=cmd|"));
    assert!(!hunt(&["activity", path(&logs)]).out.contains('\u{1b}'));
    let page = hunt(&["activity", path(&logs), "--format", "html"]).out;
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"), "{page}");
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn every_hunt_can_be_listed_explained_and_asked_for_every_format() {
    let logs = opened();
    let listed = hunt(&["--list"]);
    assert_eq!(listed.code, 0);
    for hunt_known in portcullis_hunt::hunts::shipped() {
        assert!(listed.out.contains(&hunt_known.name) && listed.out.contains(&hunt_known.question));
        let explained = hunt(&[&hunt_known.name, "--explain"]);
        assert!(explained.out.contains("SELECT") && explained.code == 0);
        for format in ["table", "json", "csv", "html"] {
            let ran = hunt(&[&hunt_known.name, path(&logs), "--format", format]);
            assert!(ran.code < 2, "{} {format}: {}", hunt_known.name, ran.err);
        }
    }
    let plan = hunt(&["denied", path(&logs), "--explain"]);
    assert!(plan.out.contains("StreamingTableExec"), "{}", plan.out);
}

#[test]
fn a_file_of_ones_own_is_asked_with_its_parameters() {
    let logs = opened();
    let own = logs.folder.join("own.sql");
    std::fs::write(
        &own,
        "-- param: name = 'CreateSecurityGroup'; a call\nSELECT count(*) AS n FROM events WHERE event_name = $name",
    )
    .unwrap();
    let own = own.to_str().unwrap();
    assert_eq!(hunt(&[own, path(&logs), "--format", "json"]).out, "{\"n\":1}\n");
    assert_eq!(hunt(&[own, path(&logs), "--format", "json", "--where", "name=x"]).out, "{\"n\":0}\n");
    assert!(Path::new(own).exists());
}
