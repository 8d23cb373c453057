//! How the lines look, to the letter. After an intended change `SNAPSHOTS=overwrite cargo test` writes them anew; read the
//! difference.

use snapbox::{assert_data_eq, file};

use super::*;
use crate::doctor::inventory::CallError;
use crate::doctor::{CALLS, Counts, show};
use crate::terminal::Terminal;

/// Three faults, one of them in a member, and a call that is refused.
fn checks() -> Vec<Check> {
    let mut inventory = healthy();
    let hub = inventory.hub.as_mut().unwrap();
    hub.rules.as_mut().unwrap().get_mut("portcullis-Rule").unwrap().enabled = false;
    hub.topics = [(topic(), Ok(Vec::new()))].into();
    let api = *CALLS.iter().find(|api| api.call == "DescribeAlarms").unwrap();
    let message = "User: arn:aws:iam::111122223333:user/operator is not authorized to perform this".to_owned();
    hub.alarms = Err(CallError { api, code: "AccessDenied".to_owned(), message });
    let member = inventory.members.as_mut().unwrap().seen.get_mut(&account(MEMBER)).unwrap();
    member
        .regions
        .get_mut(&region(VIRGINIA))
        .unwrap()
        .rules
        .as_mut()
        .unwrap()
        .get_mut("portcullis-forward")
        .unwrap()
        .enabled = false;
    judge(&inventory)
}

fn table(width: u16) -> String {
    let mut out = Vec::new();
    show::table(&checks(), Terminal { colours: false, width }, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    // Spaces at the end of a line are the table's own, and no editor keeps them.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn the_table_at_eighty_columns() {
    assert_data_eq!(table(80), file!["looks/table-80.txt"]);
}

#[test]
fn the_table_at_a_hundred_and_twenty_columns() {
    assert_data_eq!(table(120), file!["looks/table-120.txt"]);
}

#[test]
fn a_table_is_never_wider_than_the_terminal_but_for_its_commands() {
    for width in [80, 100, 120] {
        let rows = table(width);
        let rows = rows.lines().filter(|line| !line.starts_with('['));
        let widest = rows.map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= usize::from(width)), "{widest:?} at {width}");
    }
}

#[test]
fn the_lines_as_json() {
    let mut out = Vec::new();
    show::json(&checks(), &mut out).unwrap();
    let lines = String::from_utf8(out).unwrap();
    let bad: String =
        lines.lines().filter(|line| !line.contains("\"right\"")).map(|line| format!("{line}\n")).collect();
    assert_data_eq!(bad, file!["looks/bad.jsonl"]);
}

#[test]
fn the_summary_has_the_counts_the_calls_and_the_time() {
    let said = show::summary(Counts::of(&checks()), 34, 0.52);
    assert_eq!(said, "26 checks: 22 right, 3 wrong, 1 cannot tell (34 calls, 0.5 s)");
}
