//! The report for a terminal.

use std::io::{self, Write};

use portcullis::domain::text::escaped_up_to;

use super::{Line, Report, open_for};
use crate::show::table_of;
use crate::terminal::Terminal;

/// This many lines of a kind are shown. JSON and CSV have them all.
const MOST_LINES: usize = 20;

/// The least widths of the columns: a group's id, and the longest word of each heading.
const WIDTHS: [u16; 7] = [20, 6, 5, 6, 6, 5, 7];

/// A narrow terminal has no room for the number of rules. CSV and JSON have it.
fn header(terminal: Terminal) -> Vec<&'static str> {
    let times = ["open: half up to", "longest"];
    let counts: &[&str] = match terminal.is_narrow() {
        true => &["", "closed", "would close", "failed", "undone"],
        false => &["", "closed", "would close", "failed", "undone", "rules"],
    };
    [counts, &times].concat()
}

/// Writes the report as a page.
///
/// # Errors
/// Those of the writer.
pub fn text(report: &Report, terminal: Terminal, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}\n", span(report))?;
    for line in report.decision() {
        writeln!(out, "{line}")?;
    }
    for (title, lines) in [("By caller", &report.actors), ("By group", &report.groups), ("By port", &report.ports)] {
        if lines.is_empty() {
            continue;
        }
        writeln!(out, "\n{title}")?;
        let mut table = table_of(&header(terminal), &WIDTHS, terminal);
        lines.iter().take(MOST_LINES).for_each(|line| _ = table.add_row(row(line, terminal)));
        writeln!(out, "{table}")?;
        let more = lines.len().saturating_sub(MOST_LINES);
        if more > 0 {
            writeln!(out, "and {more} more")?;
        }
    }
    Ok(())
}

/// Of which time it is.
pub(super) fn span(report: &Report) -> String {
    let day = |time: jiff::Timestamp| time.strftime("%Y-%m-%d %H:%M UTC").to_string();
    match (report.since, report.until) {
        (Some(since), Some(until)) => format!("From {} to {}", day(since), day(until)),
        (Some(since), None) => format!("Since {}", day(since)),
        (None, Some(until)) => format!("Until {}", day(until)),
        (None, None) => "All evidence".to_owned(),
    }
}

fn row(line: &Line, terminal: Terminal) -> Vec<String> {
    let Line { name, reverted, would_revert, failed, undone, rules, .. } = line;
    let rules = (!terminal.is_narrow()).then_some(rules);
    let counts = [reverted, would_revert, failed, undone].into_iter().chain(rules).map(ToString::to_string);
    let time = |seconds: Option<u64>| seconds.map_or_else(String::new, |it| open_for(Some(it)));
    let times = [time(line.median_open_seconds), time(line.longest_open_seconds)];
    [escaped_up_to(name, 200)].into_iter().chain(counts).chain(times).collect()
}
