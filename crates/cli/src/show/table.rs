//! Findings as a table for people.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};
use portcullis_domain::finding::{Action, ExposureFinding, Finding, Outcome, RuleFinding, Verdict};
use portcullis_domain::text::escaped;

use crate::terminal::Terminal;
use crate::words;

/// Whether a table has it.
pub(super) fn is_row(finding: &Finding) -> bool {
    matches!(finding.verdict, Verdict::Exposed | Verdict::Exempt | Verdict::Undecided)
}

/// A table as wide as the terminal, whose columns are never narrower than these: ids and times are not broken.
fn table_of(header: &[&str], widths: &[u16], terminal: Terminal) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(terminal.width);
    // Whether there are colours has been decided.
    table.force_no_tty();
    if terminal.colours {
        table.enforce_styling();
    }
    table.set_header(header);
    table.set_constraints(widths.iter().map(|width| {
        // A column's width counts the space on both sides of it.
        ColumnConstraint::LowerBoundary(Width::Fixed(width.saturating_add(2)))
    }));
    table
}

/// `sg-` and 17 digits.
const GROUP: u16 = 20;
/// `2026-11-21T10:00:00Z`
const TIME: u16 = 20;

/// The width of the widest line, but no more than `most`.
fn widest<'a>(texts: impl Iterator<Item = &'a str>, most: u16) -> u16 {
    let widths = texts.flat_map(str::lines).map(|line| u16::try_from(line.chars().count()).unwrap_or(most));
    widths.max().unwrap_or_default().min(most)
}

fn ports(exposure: &ExposureFinding) -> String {
    let to = exposure.to_port.map_or_else(String::new, |to| format!("-{to}"));
    format!("{} {}{to} ({})", exposure.protocol, exposure.port, exposure.guard)
}

/// The group, and below it the account and the Region.
fn place(finding: &Finding) -> String {
    let part = |part: &Option<String>| escaped(part.as_deref().unwrap_or("unknown"));
    let Finding { group, account, region, .. } = finding;
    format!("{}\n{} {}", part(group), part(account), part(region))
}

/// A path in lines of at most `longest` characters, as far as its parts allow.
fn in_lines(path: &str, longest: usize) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for part in path.split_inclusive('/') {
        if !line.is_empty() && line.chars().count() + part.chars().count() > longest {
            lines.push(std::mem::take(&mut line));
        }
        line.push_str(part);
    }
    lines.push(line);
    lines.join("\n")
}

pub(super) fn checked(findings: &[Finding], terminal: Terminal, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<&Finding> = findings.iter().filter(|finding| is_row(finding)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let open: Vec<String> = rows
        .iter()
        .map(|finding| {
            let exposures = finding.exposures.iter();
            let sources: BTreeSet<&str> =
                exposures.clone().flat_map(|e| e.sources.iter().map(String::as_str)).collect();
            let mut ports: Vec<String> = exposures.map(ports).collect();
            // One for each family of addresses.
            ports.dedup();
            let ports = ports.into_iter();
            ports.chain(sources.into_iter().map(|source| format!("  {source}"))).collect::<Vec<_>>().join("\n")
        })
        .collect();
    let widths = [TIME, GROUP, widest(open.iter().map(String::as_str), 20), 9];
    let mut table = table_of(&["when, who", "security group", "open", "verdict"], &widths, terminal);
    // An ARN is broken between its parts.
    let longest = if terminal.width < 100 { usize::from(TIME) } else { 40 };
    for (finding, open) in rows.iter().zip(&open) {
        let when = finding.time.map_or_else(|| "unknown".to_owned(), |time| time.to_string());
        let verdict = match finding.verdict {
            Verdict::Exposed => Cell::new("exposed").fg(Color::Red).add_attribute(Attribute::Bold),
            Verdict::Undecided => Cell::new(format!("undecided: {}", finding.reason)).fg(Color::Yellow),
            Verdict::Exempt | Verdict::Safe | Verdict::Irrelevant => Cell::new(&finding.reason),
        };
        let who = format!("{when}\n{}", in_lines(&words::actor(finding), longest));
        table.add_row([Cell::new(who), Cell::new(place(finding)), Cell::new(open), verdict]);
    }
    writeln!(out, "{table}")
}

/// The table shows this many of a group's rules. JSON and CSV have all of them.
const MOST_RULES: usize = 8;

/// What was done about a group: each action, and about how many rules.
#[must_use]
pub fn done(finding: &Finding) -> String {
    let mut met: BTreeMap<(String, String), usize> = BTreeMap::new();
    for rule in finding.rules.iter().filter(|rule| rule.action != Action::Kept.as_str()) {
        let error = rule.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        *met.entry((rule.action.replace('_', " "), error)).or_default() += 1;
    }
    let parts: Vec<String> = met.iter().map(|((action, error), n)| format!("{action} {n}{error}")).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// Writes what a sweep found in groups as a table: where, what is open, through which rules, and what was done.
///
/// # Errors
/// Those of the writer.
pub fn swept(findings: &[Finding], terminal: Terminal, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<&Finding> = findings.iter().filter(|finding| finding.group.is_some()).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let cells: Vec<[String; 3]> = rows
        .iter()
        .map(|finding| {
            let mut open: Vec<String> = finding.exposures.iter().map(ports).collect();
            open.dedup();
            [place(finding), open.join("\n"), through(finding)]
        })
        .collect();
    let column = |n: usize, most| widest(cells.iter().filter_map(|row| row.get(n)).map(String::as_str), most);
    let mut table =
        table_of(&["security group", "open", "through", "done"], &[GROUP, column(1, 16), column(2, 21), 12], terminal);
    for (finding, cells) in rows.iter().zip(&cells) {
        let done = match (finding.verdict, finding.outcome) {
            (_, Outcome::Failed) => Cell::new(done(finding)).fg(Color::Red).add_attribute(Attribute::Bold),
            (Verdict::Exposed, Outcome::Reverted) => Cell::new(done(finding)).fg(Color::Green),
            (Verdict::Exposed, _) => Cell::new(done(finding)).fg(Color::Red),
            (Verdict::Undecided, _) => Cell::new(format!("undecided: {}", finding.reason)).fg(Color::Yellow),
            (Verdict::Exempt | Verdict::Safe | Verdict::Irrelevant, _) => Cell::new(&finding.reason),
        };
        table.add_row(cells.iter().map(Cell::new).chain([done]));
    }
    writeln!(out, "{table}")
}

/// The rules that open something, each with its source.
fn through(finding: &Finding) -> String {
    let open: BTreeSet<_> = finding.exposures.iter().flat_map(|exposure| &exposure.rules).collect();
    let rules = finding.rules.iter().filter(|rule| open.contains(&rule.id));
    let line = |rule: &RuleFinding| format!("{}\n  {}", rule.id, escaped(rule.source.as_deref().unwrap_or("unknown")));
    let mut lines: Vec<String> = rules.clone().take(MOST_RULES).map(line).collect();
    let more = rules.count().saturating_sub(MOST_RULES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
