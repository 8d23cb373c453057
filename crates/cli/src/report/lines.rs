//! The report as CSV: one row for each caller, group and port.

use std::io::{self, Write};

use super::{Line, Report};
use crate::show::harmless_cell;

const COLUMNS: [&str; 11] = [
    "by",
    "name",
    "acts",
    "reverted",
    "would_revert",
    "already_gone",
    "failed",
    "undone",
    "rules",
    "median_open_seconds",
    "longest_open_seconds",
];

/// Writes the report as CSV.
///
/// # Errors
/// Those of the writer.
pub fn csv(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(COLUMNS)?;
    let sections = [
        ("all", std::slice::from_ref(&report.total)),
        ("actor", &report.actors),
        ("group", &report.groups),
        ("port", &report.ports),
    ];
    for (by, lines) in sections {
        for line in lines {
            let Line { name, acts, reverted, would_revert, already_gone, failed, undone, rules, .. } = line;
            let counts = [acts, reverted, would_revert, already_gone, failed, undone, rules].map(ToString::to_string);
            let seconds = |seconds: Option<u64>| seconds.map(|it| it.to_string()).unwrap_or_default();
            let times = [line.median_open_seconds, line.longest_open_seconds].map(seconds);
            let cells = [by.to_owned(), harmless_cell(name)].into_iter().chain(counts).chain(times);
            writer.write_record(cells)?;
        }
    }
    writer.flush()
}
