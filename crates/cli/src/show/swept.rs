//! What a sweep found, as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use comfy_table::{Attribute, Cell, Color};
use portcullis_domain::finding::{Action, Finding, Outcome, RuleFinding, Verdict};
use portcullis_domain::text::{escaped, for_people};

use super::table::{GROUP, place, table_of, widest};
use crate::terminal::Terminal;
use crate::words;

/// The table shows this many of a group's rules. JSON and CSV have all of them.
const MOST_RULES: usize = 8;

/// What was done about a group: each action, and about how many rules.
#[must_use]
pub fn done(finding: &Finding) -> String {
    let mut met: BTreeMap<(String, String), usize> = BTreeMap::new();
    for rule in finding.rules.iter().filter(|rule| rule.action != Action::Kept) {
        let error = rule.action.error().map_or_else(String::new, |error| format!(": {error}"));
        *met.entry((rule.action.as_str().replace('_', " "), error)).or_default() += 1;
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
            let mut open: Vec<String> = finding.exposures.iter().map(words::ports).collect();
            open.dedup();
            [place(finding), open.join("\n"), through(finding)]
        })
        .collect();
    let column = |n: usize, most| widest(cells.iter().filter_map(|row| row.get(n)).map(String::as_str), most);
    let mut table =
        table_of(&["security group", "open", "through", "done"], &[GROUP, column(1, 16), column(2, 21), 12], terminal);
    for (finding, cells) in rows.iter().zip(&cells) {
        // A number is never parted from what was done.
        let done = |finding: &Finding| match terminal.is_narrow() {
            true => done(finding).replace("would ", "would\n").replace("already ", "already\n"),
            false => done(finding),
        };
        let done = match (finding.verdict, finding.outcome) {
            (_, Outcome::Failed) => Cell::new(done(finding)).fg(Color::Red).add_attribute(Attribute::Bold),
            (Verdict::Exposed, Outcome::Reverted) => Cell::new(done(finding)).fg(Color::Green),
            (Verdict::Exposed, _) => Cell::new(done(finding)).fg(Color::Red),
            (Verdict::Undecided, _) => {
                Cell::new(format!("undecided: {}", for_people(&finding.reason))).fg(Color::Yellow)
            }
            (Verdict::Exempt | Verdict::Safe | Verdict::Irrelevant, _) => Cell::new(for_people(&finding.reason)),
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
