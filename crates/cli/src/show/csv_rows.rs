//! Findings as CSV: one row a rule.

use std::io::{self, Write};

use portcullis_domain::finding::Finding;

use crate::words;

pub(super) const COLUMNS: [&str; 14] = [
    "time",
    "user",
    "account",
    "region",
    "securityGroup",
    "ruleId",
    "protocol",
    "fromPort",
    "toPort",
    "srcCidrs",
    "verdict",
    "reason",
    "action",
    "error",
];

pub(super) fn row(finding: &Finding, writer: &mut csv::Writer<impl Write>) -> io::Result<()> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    let who = [finding.time.map(|time| time.to_string()).unwrap_or_default(), text(&finding.actor)];
    let place = [text(&finding.account), text(&finding.region), text(&finding.group)];
    let rules: Vec<[String; 7]> = match finding.rules.as_slice() {
        [] => vec![Default::default()],
        rules => rules
            .iter()
            .map(|rule| {
                let ports = [number(rule.from_port), number(rule.to_port)];
                let [from, to] = ports;
                let done = rule.action.to_string();
                [rule.id.to_string(), text(&rule.protocol), from, to, text(&rule.source), done, text(&rule.error)]
            })
            .collect(),
    };
    for rule in rules {
        let judged = [words::verdict(finding.verdict).to_owned(), finding.reason.clone()];
        let (rule, done) = rule.split_at(5);
        let cells = who.iter().chain(&place).chain(rule).chain(&judged).chain(done);
        writer.write_record(cells.map(|cell| harmless_cell(cell)))?;
    }
    Ok(())
}

/// A spreadsheet takes a cell that begins like this for a formula; whoever made the call chose some of the texts
/// (OWASP, "CSV Injection").
fn harmless_cell(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell.to_owned() }
}
