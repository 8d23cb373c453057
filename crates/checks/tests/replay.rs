//! Replays `fuzz/findings`: every input that ever broke a check, and the seeds. The word before the first `-` of a
//! seed's name is the class that the check must return. A finding's file is named after what it broke.
#![allow(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

use std::path::Path;

fn replay(target: &str, check: fn(&[u8]) -> &'static str, outcomes: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/findings").join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let (mut seen, mut broken): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    for file in files {
        let name = format!("{target}/{}", file.file_name().unwrap().to_str().unwrap());
        let bytes = std::fs::read(&file).unwrap();
        let expected = outcomes.iter().find(|word| name.contains(&format!("/{}-", word.replace(' ', "-"))));
        match (std::panic::catch_unwind(|| check(&bytes)), expected) {
            (Err(_), _) => broken.push(format!("{name}: see above")),
            (Ok(outcome), Some(expected)) if outcome != *expected => broken.push(format!("{name}: {outcome}")),
            (Ok(outcome), _) => seen.push(outcome),
        }
    }
    assert!(broken.is_empty(), "broken:\n{}", broken.join("\n"));
    for outcome in outcomes {
        assert!(seen.contains(outcome), "no seed of {target} is `{outcome}`");
    }
}

#[test]
fn deliveries() {
    let outcomes = ["no json", "record", "log file", "sweep", "end", "unrelated", "control", "unreadable", "empty"];
    replay("delivery", portcullis_checks::delivery, &outcomes);
}

#[test]
fn json() {
    replay("json", portcullis_checks::json, &["refused", "ambiguous", "plain"]);
    // The other targets get JSON, or nearly JSON.
    for target in ["delivery", "record", "policy", "logfile"] {
        replay(target, portcullis_checks::json, &[]);
    }
}

#[test]
fn records() {
    let outcomes = ["no json", "irrelevant", "undecided", "harmless", "exposed", "safe"];
    replay("record", portcullis_checks::record, &outcomes);
}

#[test]
fn policies() {
    replay("policy", portcullis_checks::policy, &["refused", "taken"]);
}

#[test]
fn blocks_and_sets() {
    replay("cidr", portcullis_checks::cidr, &["block", "none"]);
}

#[test]
fn log_files() {
    replay("logfile", portcullis_checks::logfile, &["found", "nothing", "damaged"]);
}

/// The events in `events/` are also seeds of three targets.
#[test]
fn events() {
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    let mut seen = 0;
    for file in std::fs::read_dir(events).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        println!("{}", path.display());
        portcullis_checks::record(&bytes);
        assert_eq!(portcullis_checks::json(&bytes), "plain");
        portcullis_checks::logfile(&bytes);
        assert_eq!(portcullis_checks::delivery(&bytes), "record");
        seen += 1;
    }
    assert!(seen >= 20, "{seen} events");
}
