//! What a check found, as a table: one row for what is the same but for its time, and below the table where it is recorded.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};

use comfy_table::{Attribute, Cell, Color};
use jiff::Timestamp;
use portcullis_domain::finding::{Finding, Verdict};
use portcullis_domain::text::{escaped, for_people};

use super::table::{GROUP, TIME, in_lines, in_words, place, table_of, widest};
use super::{View, totals};
use crate::check::Checked;
use crate::terminal::Terminal;
use crate::words;

/// Whether a finding is in the table without `--all`.
#[must_use]
pub fn is_row(finding: &Finding) -> bool {
    matches!(finding.verdict, Verdict::Exposed | Verdict::Exempt | Verdict::Undecided)
}

/// Findings that differ in time only, the earliest first.
struct Row<'a> {
    open: String,
    records: Vec<&'a Checked>,
}

impl<'a> Row<'a> {
    fn first(&self) -> Option<&'a Checked> {
        self.records.first().copied()
    }
}

/// The findings in order of time; what has none comes first.
fn rows(checked: &[Checked]) -> Vec<Row<'_>> {
    let mut sorted: Vec<&Checked> = checked.iter().collect();
    sorted.sort_by_key(|checked| checked.finding.time);
    let (mut rows, mut known): (Vec<Row<'_>>, _) = (Vec::new(), HashMap::new());
    for checked in sorted {
        let Finding { account, region, group, actor, verdict, reason, .. } = &checked.finding;
        let open = open(&checked.finding);
        let words = (account, region, group, actor, verdict.as_str(), reason, open.clone());
        let n = *known.entry(words).or_insert(rows.len());
        match rows.get_mut(n) {
            Some(row) => row.records.push(checked),
            None => rows.push(Row { open, records: vec![checked] }),
        }
    }
    rows
}

/// What is open and to which sources. For a finding without an exposure, what its rules admit.
fn open(finding: &Finding) -> String {
    let exposures = finding.exposures.iter();
    let (mut lines, sources): (Vec<String>, BTreeSet<&str>) = if finding.exposures.is_empty() {
        let admits = finding.rules.iter().map(words::admits).collect();
        (admits, finding.rules.iter().filter_map(|rule| rule.source.as_deref()).collect())
    } else {
        (
            exposures.clone().map(words::ports).collect(),
            exposures.flat_map(|e| e.sources.iter().map(String::as_str)).collect(),
        )
    };
    // One for each family of addresses.
    lines.dedup();
    lines.extend(sources.into_iter().map(|source| format!("  {}", escaped(source))));
    lines.join("\n")
}

/// Writes the table, and where the records in it are.
pub(super) fn write(checked: &[Checked], view: View, out: &mut impl Write) -> io::Result<()> {
    let rows = rows(checked);
    if rows.is_empty() {
        return Ok(());
    }
    let widths = [TIME, GROUP, widest(rows.iter().map(|row| row.open.as_str()), 20), 9];
    let mut table = table_of(&["when, who", "security group", "open", "verdict"], &widths, view.terminal);
    // An ARN is broken between its parts.
    let longest = if view.terminal.is_narrow() { usize::from(TIME) } else { 40 };
    for (row, n) in rows.iter().zip(1..) {
        let Some(Checked { finding, .. }) = row.first() else { continue };
        let who = in_lines(&words::actor(finding), longest);
        let who = format!("{}\n{who}\n[{n}]", when(row));
        table.add_row([
            Cell::new(who),
            Cell::new(place(finding)),
            Cell::new(&row.open),
            verdict(finding, view.terminal),
        ]);
    }
    writeln!(out, "{table}")?;
    rows.iter().zip(1..).try_for_each(|(row, n)| reference(row, n, view.terminal, out))?;
    // One row is its own sum.
    if rows.len() > 1 { totals::write(checked, view.terminal, out) } else { Ok(()) }
}

/// The time, or the first and the last.
fn when(row: &Row<'_>) -> String {
    let word = |time: Option<Timestamp>| time.map_or_else(|| "unknown".to_owned(), |time| time.to_string());
    let times = row.records.iter().map(|checked| checked.finding.time);
    match (times.clone().min().flatten(), times.max().flatten(), row.records.len()) {
        (first, _, 0 | 1) => word(first),
        (first, last, n) if first == last => format!("{}\n{n} times", word(first)),
        (first, last, n) => format!("{}\n{}\n{n} times", word(first), word(last)),
    }
}

/// The verdict, with its reason where the column has room for one.
fn verdict(finding: &Finding, terminal: Terminal) -> Cell {
    let words = match why(finding) {
        Some(why) if !terminal.is_narrow() => why,
        Some(_) | None => finding.verdict.as_str().to_owned(),
    };
    match finding.verdict {
        Verdict::Exposed => Cell::new(words).fg(Color::Red).add_attribute(Attribute::Bold),
        Verdict::Undecided => Cell::new(words).fg(Color::Yellow),
        Verdict::Exempt | Verdict::Safe | Verdict::Irrelevant => Cell::new(words),
    }
}

/// The verdict with its reason. What is exposed is shown by its ports and sources.
fn why(finding: &Finding) -> Option<String> {
    let reason = for_people(&finding.reason);
    match finding.verdict {
        Verdict::Exposed => None,
        Verdict::Exempt => Some(reason),
        Verdict::Undecided | Verdict::Safe | Verdict::Irrelevant => {
            Some(format!("{}: {reason}", finding.verdict.as_str()))
        }
    }
}

/// Where a row's record can be found again: the event's id, its call, who sent it from where, and the input. Then why, where
/// the table has no room for that.
fn reference(row: &Row<'_>, n: usize, terminal: Terminal, out: &mut impl Write) -> io::Result<()> {
    let Some(Checked { finding, input, .. }) = row.first() else { return Ok(()) };
    let part = |part: &Option<String>| part.as_deref().map(escaped);
    let event = [part(&finding.id), part(&finding.call)].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let from = part(&finding.source_ip).map_or_else(String::new, |from| format!("from {from}, "));
    let more = match row.records.len() {
        0 | 1 => String::new(),
        records => format!(", and {} more", records - 1),
    };
    writeln!(out, "[{n}] {event}\n    {from}in {}{more}", words::text(input))?;
    match why(finding).filter(|_| terminal.is_narrow()) {
        Some(why) => in_words(&why, usize::from(terminal.width), 4).iter().try_for_each(|line| writeln!(out, "{line}")),
        None => Ok(()),
    }
}
