//! Acts as a table, as JSON lines and as CSV.

use std::io::{self, Write};

use comfy_table::{Attribute, Cell, Color};
use portcullis_domain::evidence::ActOutcome;
use portcullis_domain::text::escaped;

use super::csv_rows::harmless_cell;
use super::table::{GROUP, TIME, in_lines, table_of, widest};
use super::{Format, View};
use crate::acts::Row;

/// The columns of the CSV have the names of the JSON's keys.
const COLUMNS: [&str; 12] = [
    "time",
    "account",
    "region",
    "group",
    "ports",
    "sources",
    "actor",
    "kind",
    "outcome",
    "rules",
    "open_seconds",
    "act",
];

/// Writes acts, the oldest first.
///
/// # Errors
/// Those of the writer.
pub fn acts(rows: &[Row], format: Format, view: View, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Table if rows.is_empty() => Ok(()),
        Format::Table => table(rows, view, out),
        Format::Json => rows.iter().try_for_each(|row| writeln!(out, "{}", serde_json::to_string(row)?)),
        Format::Csv => csv(rows, out),
    }
}

fn table(rows: &[Row], view: View, out: &mut impl Write) -> io::Result<()> {
    let port = |row: &Row| row.ports.join("\n");
    let ports: Vec<String> = rows.iter().map(port).collect();
    let width = widest(ports.iter().map(String::as_str), 16);
    let header = ["when, who", "security group", "open", "outcome"];
    let mut table = table_of(&header, &[TIME, GROUP, width, 12], view.terminal);
    for ((row, ports), n) in rows.iter().zip(ports).zip(1..) {
        let place = format!("{}\n{} {}", escaped(&row.group), row.account, row.region);
        let outcome = row.outcome.as_str().replace('_', " ");
        let outcome = match row.outcome {
            ActOutcome::Reverted | ActOutcome::PutBack => Cell::new(outcome).fg(Color::Green),
            ActOutcome::Failed => Cell::new(outcome).fg(Color::Red).add_attribute(Attribute::Bold),
            ActOutcome::WouldRevert => Cell::new(outcome).fg(Color::Red),
            ActOutcome::AlreadyGone | ActOutcome::Intended | ActOutcome::Opened => Cell::new(outcome),
        };
        let time = row.time.map_or_else(|| "unknown".to_owned(), |time| time.to_string());
        let who = in_lines(&row.actor(), if view.terminal.is_narrow() { usize::from(TIME) } else { 40 });
        let cells = [format!("{time}\n{who}\n[{n}]"), place, ports];
        table.add_row(cells.into_iter().map(Cell::new).chain([outcome]));
    }
    writeln!(out, "{table}")?;
    // No column has room for an act's id, and it is there to be copied.
    rows.iter().zip(1..).try_for_each(|(row, n)| writeln!(out, "[{n}] {}", row.act))
}

fn csv(rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(COLUMNS)?;
    for row in rows {
        let cells = [
            row.time.map(|time| time.to_string()).unwrap_or_default(),
            row.account.clone(),
            row.region.clone(),
            row.group.clone(),
            row.ports.join(", "),
            row.sources.join(", "),
            row.actor.clone().unwrap_or_default(),
            row.kind.as_str().to_owned(),
            row.outcome.as_str().to_owned(),
            row.rules.to_string(),
            row.open_seconds.map(|seconds| seconds.to_string()).unwrap_or_default(),
            row.act.to_string(),
        ];
        writer.write_record(cells.iter().map(|cell| harmless_cell(cell)))?;
    }
    writer.flush()
}
