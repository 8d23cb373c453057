//! Records with a known verdict: the project's own events, and real ones where `PORTCULLIS_TEST_RECORDS` names a folder.

use std::path::{Path, PathBuf};

use portcullis::domain::json::Json;
use portcullis::domain::policy::Policy;
use portcullis_cli::check;
use serde_json::{Value, json};

use crate::cli::ROOT;

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    files
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

#[test]
fn every_event_of_the_corpus_is_judged_as_expected_for_the_expected_reason() {
    let files = json_files(&Path::new(ROOT).join("events"));
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/expected");
    let (policy, now) = (Policy::built_in(), "2026-11-21T12:00:00Z".parse().unwrap());
    let mut judged = 0;
    for file in &files {
        let findings = check::document(&Json::from(&read(file)), &policy, now);
        assert_eq!(findings.len(), 1, "{file:?}");
        let finding = findings[0].as_ref().unwrap();
        let found = json!({"verdict": finding.verdict, "reason": finding.reason});
        assert_eq!(found, read(&expected.join(file.file_name().unwrap())), "{file:?}");
        judged += 1;
    }
    assert!(judged >= 27, "only {judged} events");
    assert_eq!(json_files(&expected).len(), judged, "each event has its expectation and each expectation its event");
}

#[test]
#[ignore = "needs a folder of real CloudTrail records: PORTCULLIS_TEST_RECORDS"]
fn real_records_are_read_and_the_open_ports_in_them_found() {
    let folder = PathBuf::from(std::env::var_os("PORTCULLIS_TEST_RECORDS").expect("PORTCULLIS_TEST_RECORDS"));
    let (policy, now) = (Policy::built_in(), "2026-11-21T12:00:00Z".parse().unwrap());
    let mut verdicts = std::collections::BTreeMap::<String, usize>::new();
    for file in json_files(&folder.join("events")) {
        for finding in check::document(&Json::from(&read(&file)), &policy, now) {
            let finding = finding.unwrap_or_else(|why| panic!("{file:?}: {why}"));
            *verdicts.entry(format!("{:?}", finding.verdict)).or_default() += 1;
        }
    }
    assert_eq!(verdicts.get("Exposed"), Some(&2), "{verdicts:?}");
    assert_eq!(verdicts.get("Undecided"), None, "{verdicts:?}");
    for file in json_files(&folder.join("envelopes")) {
        // Most hold nothing of ours; none may be mistaken for something safe.
        for finding in check::document(&Json::from(&read(&file)), &policy, now).into_iter().flatten() {
            assert_eq!(format!("{:?}", finding.verdict), "Irrelevant", "{file:?}: {}", finding.reason);
        }
    }
}
