//! What a check found, in sum: the groups and the callers of the rows above, those with the most records first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use portcullis_domain::finding::{Finding, Verdict};
use portcullis_domain::text::escaped;

use super::table::in_lines;
use crate::check::Checked;
use crate::terminal::Terminal;
use crate::words;

/// So many groups, and so many callers, are named.
const MOST: usize = 10;

/// The records of a group, or of a caller.
#[derive(Default)]
struct Total {
    /// How many of each verdict.
    verdicts: BTreeMap<&'static str, usize>,
    /// The ports of a group, the groups of a caller.
    things: BTreeSet<String>,
}

impl Total {
    fn add(&mut self, verdict: Verdict, things: impl IntoIterator<Item = String>) {
        *self.verdicts.entry(verdict.as_str()).or_default() += 1;
        self.things.extend(things);
    }

    fn exposed(&self) -> usize {
        self.verdicts.get(Verdict::Exposed.as_str()).copied().unwrap_or_default()
    }

    fn records(&self) -> usize {
        self.verdicts.values().sum()
    }

    /// `3 exposed, 1 undecided`.
    fn words(&self) -> String {
        let gravest = [Verdict::Exposed, Verdict::Undecided, Verdict::Exempt, Verdict::Safe, Verdict::Irrelevant];
        let words = gravest.iter().filter_map(|verdict| {
            let count = self.verdicts.get(verdict.as_str())?;
            Some(format!("{count} {}", verdict.as_str()))
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

/// Writes the sums of what is in a table.
pub(super) fn write(checked: &[Checked], terminal: Terminal, out: &mut impl Write) -> io::Result<()> {
    let (mut groups, mut callers) = (BTreeMap::<String, Total>::new(), BTreeMap::<String, Total>::new());
    for Checked { finding, .. } in checked {
        let ports = finding.exposures.iter().map(words::ports);
        groups.entry(place(finding, terminal)).or_default().add(finding.verdict, ports);
        let group = finding.group.as_deref().map(escaped);
        let caller = in_lines(&words::actor(finding), if terminal.is_narrow() { 32 } else { 60 });
        callers.entry(caller).or_default().add(finding.verdict, group);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(terminal.width);
    table.force_no_tty();
    table.add_row([""]);
    let names = |things: &BTreeSet<String>| things.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    add(&mut table, ["by security group", "records", "open"], &groups, names);
    table.add_row([""]);
    add(&mut table, ["by caller", "records", "groups"], &callers, |things| things.len().to_string());
    // The columns are filled up with spaces.
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))?;
    writeln!(out)
}

fn add(table: &mut Table, head: [&str; 3], totals: &BTreeMap<String, Total>, things: fn(&BTreeSet<String>) -> String) {
    let mut sorted: Vec<(&String, &Total)> = totals.iter().collect();
    sorted.sort_by_key(|(name, total)| (Reverse((total.exposed(), total.records())), *name));
    table.add_row(head);
    for (name, total) in sorted.iter().take(MOST) {
        table.add_row([(*name).clone(), total.words(), things(&total.things)]);
    }
    if sorted.len() > MOST {
        table.add_row([format!("and {} more", sorted.len() - MOST), String::new(), String::new()]);
    }
}

/// Where a finding is, in one line where there is room for that.
fn place(finding: &Finding, terminal: Terminal) -> String {
    let part = |part: &Option<String>| escaped(part.as_deref().unwrap_or("unknown"));
    let group = finding.group.as_deref().map_or_else(|| "no group".to_owned(), escaped);
    let below = if terminal.is_narrow() { '\n' } else { ' ' };
    format!("{group}{below}{} {}", part(&finding.account), part(&finding.region))
}
