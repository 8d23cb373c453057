//! Findings as CSV: one row a rule. The columns have the names that the same things have in JSON.

use std::io::{self, Write};

use portcullis_domain::finding::{Finding, RuleFinding};
use portcullis_domain::text::for_people;

/// A finding's own; `rule` is the rule's `id`.
const COLUMNS: [&str; 21] = [
    "time",
    "account",
    "region",
    "group",
    "group_name",
    "call",
    "actor",
    "source_ip",
    "verdict",
    "outcome",
    "rule",
    "protocol",
    "from_port",
    "to_port",
    "source",
    "action",
    "error",
    "reason",
    "id",
    "interfaces",
    "public_interfaces",
];

/// A writer that has written the header.
pub(super) fn writer<W: Write>(out: W) -> io::Result<csv::Writer<W>> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(COLUMNS)?;
    Ok(writer)
}

/// Writes a finding's rows: one for each rule, or one without a rule.
pub(super) fn row(finding: &Finding, writer: &mut csv::Writer<impl Write>) -> io::Result<()> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let event = [
        finding.time.map(|time| time.to_string()).unwrap_or_default(),
        text(&finding.account),
        text(&finding.region),
        text(&finding.group),
        text(&finding.group_name),
        text(&finding.call),
        text(&finding.actor),
        text(&finding.source_ip),
        finding.verdict.as_str().to_owned(),
        finding.outcome.as_str().to_owned(),
    ];
    let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let uses = [number(finding.interfaces), number(finding.public_interfaces)];
    let end = [[finding.reason.clone(), text(&finding.id)], uses].concat();
    let rules: Vec<[String; 7]> = match finding.rules.as_slice() {
        [] => vec![Default::default()],
        rules => rules.iter().map(rule).collect(),
    };
    rules.iter().try_for_each(|rule| {
        let cells = event.iter().chain(rule).chain(&end);
        Ok(writer.write_record(cells.map(|cell| harmless_cell(cell)))?)
    })
}

fn rule(rule: &RuleFinding) -> [String; 7] {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    [
        rule.id.to_string(),
        text(&rule.protocol),
        number(rule.from_port),
        number(rule.to_port),
        text(&rule.source),
        rule.action.as_str().to_owned(),
        rule.action.error().unwrap_or_default().to_owned(),
    ]
}

/// A spreadsheet takes a cell that begins like this for a formula, and the caller chose some of the texts (OWASP, "CSV
/// Injection").
#[must_use]
pub fn harmless_cell(cell: &str) -> String {
    let cell = for_people(cell);
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell }
}
