//! What the tables have in common.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use portcullis_domain::finding::Finding;
use portcullis_domain::text::escaped;

use crate::terminal::Terminal;
use crate::words;

/// A table as wide as the terminal, whose columns are never narrower than these: ids and times are not broken.
#[must_use]
pub fn table_of(header: &[&str], widths: &[u16], terminal: Terminal) -> Table {
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

/// A table without colours, whose first column takes what the others leave.
#[must_use]
pub fn plain_table(header: &[&str], rows: &[Vec<String>], terminal: Terminal) -> String {
    let widths: Vec<u16> = header.iter().map(|name| u16::try_from(name.len()).unwrap_or_default().min(12)).collect();
    let mut table = table_of(header, &widths, terminal);
    rows.iter().for_each(|row| _ = table.add_row(row));
    table.to_string()
}

/// `sg-` and 17 digits.
pub(super) const GROUP: u16 = 20;
/// `2026-11-21T10:00:00Z`
pub(super) const TIME: u16 = 20;

/// The width of the widest line, but no more than `most`.
pub(super) fn widest<'a>(texts: impl Iterator<Item = &'a str>, most: u16) -> u16 {
    let widths = texts.flat_map(str::lines).map(|line| u16::try_from(line.chars().count()).unwrap_or(most));
    widths.max().unwrap_or_default().min(most)
}

/// The group, and below it its name, the account and the Region, and what uses it.
pub(super) fn place(finding: &Finding) -> String {
    let part = |part: &Option<String>| escaped(part.as_deref().unwrap_or("unknown"));
    let Finding { group, group_name, account, region, .. } = finding;
    let name = group_name.as_ref().map_or_else(String::new, |name| format!("\n{}", escaped(name)));
    let uses = words::uses(finding).map_or_else(String::new, |uses| format!("\n{uses}"));
    format!("{}{name}\n{} {}{uses}", part(group), part(account), part(region))
}

/// A path in lines of at most `longest` characters, as far as its parts allow.
pub(super) fn in_lines(path: &str, longest: usize) -> String {
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

/// A text in lines of at most `width` characters, with this many spaces before each. A word is never broken: it may be
/// copied.
pub(super) fn in_words(text: &str, width: usize, indent: usize) -> Vec<String> {
    let before = " ".repeat(indent);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(format!("{before}{word}")),
        }
    }
    lines
}
