//! Evidence, undo and report: the real command line against the model over loopback.

mod former;
mod undo;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ec2_model::{Direction, Fault, FaultKind, Permission, Rule, RuleChange};
use portcullis_domain::change::Call;
use portcullis_domain::evidence::{ActOutcome, Evidence, Kind, Taken};
use portcullis_domain::finding::Action;
use portcullis_domain::former::{Former, Was};
use portcullis_domain::policy::Mode;
use portcullis_domain::rule::{Source, Traffic};
use serde_json::Value;

use crate::cli::{folder, on_a_terminal_while};
use crate::operator::{DUBLIN, HUB, Ran, Stage, stage};

/// A sweep from the terminal that revokes everything that is open, with its evidence in a folder.
fn swept(stage: &Stage, name: &str) -> PathBuf {
    let kept = folder(name).join("evidence");
    let place = kept.to_str().unwrap().to_owned();
    let ran = stage.run(&["sweep", "--region", DUBLIN, "--enforce", "--yes", "--evidence", &place], "");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    kept
}

fn kept(place: &Path) -> Vec<&str> {
    vec!["--evidence", place.to_str().unwrap()]
}

/// The acts that `evidence list` shows, as JSON.
fn acts(stage: &Stage, place: &Path) -> Vec<Value> {
    let ran = stage.run(&[&["evidence", "list", "--format", "json"], &kept(place)[..]].concat(), "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.findings()
}

fn id(act: &Value) -> String {
    act["act"].as_str().unwrap().to_owned()
}

/// The file of an act.
fn file(place: &Path, act: &str) -> PathBuf {
    let date = format!("{}-{}-{}", &act[..4], &act[4..6], &act[6..8]);
    place.join(format!("evidence/v1/account={HUB}/region={DUBLIN}/date={date}/{act}.json"))
}

fn undo(stage: &Stage, place: &Path, act: &str, more: &[&str]) -> Ran {
    stage.run(&[&["undo", act, "--yes"], more, &kept(place)[..]].concat(), "")
}

/// A rule apart from its id.
type Shape = (String, i32, i32, String, String, BTreeMap<String, String>);

fn rules(stage: &Stage, group: &str) -> Vec<Shape> {
    let ingress =
        stage.world().rules(HUB, DUBLIN, group).into_iter().filter(|rule| rule.direction == Direction::Ingress);
    let shape = |rule: Rule| {
        let (tags, description) = (rule.tags.into_iter().collect(), rule.description.unwrap_or_default());
        (rule.protocol, rule.from_port, rule.to_port, rule.source.text().to_owned(), description, tags)
    };
    let mut rules: Vec<Shape> = ingress.map(shape).collect();
    rules.sort();
    rules
}

#[test]
fn a_sweep_from_a_terminal_leaves_evidence_that_is_listed_told_and_judged_again() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(443, "0.0.0.0/0")]);
    let place = swept(&stage, "acts-sweep");
    let all = acts(&stage, &place);
    assert_eq!(all.len(), 1, "{all:?}");
    let act = &all[0];
    assert_eq!(
        (&act["group"], &act["outcome"], &act["kind"]),
        (&web.clone().into(), &"reverted".into(), &"close".into())
    );
    assert_eq!(act["ports"], serde_json::json!(["tcp 22 (ssh)"]));
    let act = id(act);
    let table = stage.run(&[&["evidence", "list"], &kept(&place)[..]].concat(), "");
    for part in ["tcp 22 (ssh)", web.as_str(), "reverted", act.as_str()] {
        assert!(table.stdout.contains(part), "{part}: {}", table.stdout);
    }
    let page = stage.run(&[&["evidence", "show", &act], &kept(&place)[..]].concat(), "");
    assert_eq!(page.code, 0, "{}", page.stderr);
    for part in [
        "Portcullis closed a port that was open to the internet",
        web.as_str(),
        "a sweep of Portcullis found it",
        "tcp 22 (ssh) to 3702258432 public addresses, from 0.0.0.0/0",
        "1 rule revoked: EC2's answer confirms it.",
        "1 other rule of the group stayed as they were.",
        &format!("portcullis undo {act}"),
    ] {
        assert!(page.stdout.contains(part), "{part}: {}", page.stdout);
    }
    let verified = stage.run(&[&["evidence", "verify"], &kept(&place)[..]].concat(), "");
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    assert!(verified.stdout.contains(": the same plan, in enforce mode: 1 rule to go"), "{}", verified.stdout);
    // A file, standard input, and a line of the log say the same as the id.
    let document = std::fs::read_to_string(file(&place, &act)).unwrap();
    let path = file(&place, &act);
    for (argument, stdin) in [(path.to_str().unwrap(), ""), ("-", document.as_str())] {
        let again = stage.run(&["evidence", "show", argument], stdin);
        assert_eq!((again.code, again.stdout.as_str()), (0, page.stdout.as_str()), "{}", again.stderr);
    }
    let line = format!("{{\"schema\":1,\"verdict\":\"exposed\",\"act\":\"{act}\"}}");
    let again = stage.run(&[&["evidence", "show", "-"], &kept(&place)[..]].concat(), &line);
    assert_eq!((again.code, again.stdout), (0, page.stdout));
}

#[test]
fn evidence_that_was_altered_cut_or_is_of_a_newer_version_is_named_with_status_2() {
    let stage = stage();
    stage.group(HUB, DUBLIN, "web", &[Permission::tcp(22, "0.0.0.0/0")]);
    stage.group(HUB, DUBLIN, "db", &[Permission::tcp(3306, "0.0.0.0/0")]);
    let place = swept(&stage, "acts-altered");
    let all = acts(&stage, &place);
    let (act, path) = (id(&all[0]), file(&place, &id(&all[0])));
    let document = std::fs::read_to_string(&path).unwrap();
    for (text, expected) in [
        (document.replacen("\"cap\":25", "\"cap\":24", 1), "the evidence was altered or cut"),
        (document.replacen("0.0.0.0/0", "10.0.0.0/8", 1), "looks[0].plan: the evidence says"),
        (document[..document.len() / 2].to_owned(), "the evidence is cut: it ends at line 1, column"),
        (document.replacen("\"schema\":1", "\"schema\":2", 1), "schema: 2 is newer than this portcullis knows (1)"),
        ("nothing".to_owned(), "this is no evidence of an act"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let verified = stage.run(&[&["evidence", "verify"], &kept(&place)[..]].concat(), "");
        assert_eq!(verified.code, 2, "{expected}: {}", verified.stdout);
        assert!(
            verified.stdout.contains(&format!("{act}: NOT THE SAME: ")) && verified.stdout.contains(expected),
            "{expected}: {}",
            verified.stdout
        );
        assert!(verified.stderr.contains("2 acts judged again: 1 the same, 1 not"), "{}", verified.stderr);
        for command in [&["evidence", "show"][..], &["undo", "--yes"]] {
            let ran = stage.run(&[command, &[&act], &kept(&place)[..]].concat(), "");
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{command:?} {expected}");
            assert!(ran.stderr.contains(&act), "{}", ran.stderr);
        }
        // The rest is listed all the same.
        let listed = stage.run(&[&["evidence", "list", "--format", "json"], &kept(&place)[..]].concat(), "");
        assert_eq!((listed.code, listed.findings().len()), (2, 1), "{}", listed.stderr);
    }
    assert!(!stage.actions().contains("AuthorizeSecurityGroupIngress"), "nothing is opened on bad evidence");
    // Kept under another's name.
    let other = file(&place, &id(&all[1]));
    std::fs::copy(other, &path).unwrap();
    let verified = stage.run(&[&["evidence", "verify", &act], &kept(&place)[..]].concat(), "");
    assert!(verified.code == 2 && verified.stdout.contains("id: it is kept as"), "{}", verified.stdout);
}

#[test]
fn what_does_not_exist_says_so_and_names_the_place() {
    let stage = stage();
    let place = folder("acts-none");
    let act = "20261125T180002Z-111122223333-eu-west-1-sg-0a1b-9f3c1e77a2b0";
    for command in [&["evidence", "show"][..], &["undo", "--yes"]] {
        let ran = stage.run(&[command, &[act], &kept(&place)[..]].concat(), "");
        assert!(ran.code == 2 && ran.stderr.contains("there is no such evidence in "), "{}", ran.stderr);
        let ran = stage.run(&[command, &[act]].concat(), "");
        assert!(ran.code == 2 && ran.stderr.contains("name where the evidence is with --evidence"), "{}", ran.stderr);
        let ran = stage.run(&[command, &["nonsense"]].concat(), "");
        assert!(ran.code == 2 && ran.stderr.contains("neither an act's id"), "{}", ran.stderr);
    }
    let ran = stage.run(&["evidence", "list", "--evidence", "/nonexistent/evidence"], "");
    assert!(ran.code == 2 && ran.stderr.contains("/nonexistent/evidence"), "{}", ran.stderr);
    let ran = stage.run(&["evidence", "list", "--evidence", "s3://none"], "");
    assert!(ran.code == 2 && ran.stderr.contains("NoSuchBucket"), "{}", ran.stderr);
    let ran = stage.run(&["evidence", "list", "--evidence", "ftp://x"], "");
    assert!(ran.code == 2 && ran.stderr.contains("s3://bucket"), "{}", ran.stderr);
}

#[test]
fn a_report_comes_as_a_page_for_the_terminal_json_csv_and_html() {
    let stage = stage();
    for name in ["web", "db"] {
        stage.group(HUB, DUBLIN, name, &[Permission::tcp(22, "0.0.0.0/0")]);
    }
    let place = swept(&stage, "acts-report");
    let report = |format: &str| stage.run(&[&["report", "--format", format], &kept(&place)[..]].concat(), "");
    let text = report("table");
    assert_eq!(text.code, 0, "{}", text.stderr);
    assert!(text.stdout.contains("2 acts closed ports that were open to the internet."), "{}", text.stdout);
    let json: Value = serde_json::from_str(&report("json").stdout).unwrap();
    assert_eq!((&json["total"]["reverted"], &json["total"]["rules"]), (&2.into(), &2.into()), "{json}");
    assert!(report("csv").stdout.starts_with("by,name,acts,reverted,would_revert"));
    assert!(report("html").stdout.starts_with("<!doctype html>"));
    let none = stage.run(&[&["report", "--until", "2020-01-01"], &kept(&place)[..]].concat(), "");
    assert!(none.stdout.contains("Nothing was, or would have been, closed"), "{}", none.stdout);
}
