//! The checks as a table for people, and as JSON lines for machines.

use std::io::{self, Write};

use comfy_table::{Attribute, Cell, Color};
use portcullis_domain::text::escaped_up_to;

use super::{Check, Counts, Verdict};
use crate::show::table::table_of;
use crate::terminal::Terminal;
use crate::words::count;

/// Writes the checks as JSON, one a line.
///
/// # Errors
/// Those of the writer.
pub fn json(checks: &[Check], out: &mut impl Write) -> io::Result<()> {
    checks.iter().try_for_each(|check| writeln!(out, "{}", check.json()))
}

/// Writes the checks as a table, what is wrong last, and below it the command that mends each.
///
/// # Errors
/// Those of the writer.
pub fn table(checks: &[Check], terminal: Terminal, out: &mut impl Write) -> io::Result<()> {
    let mut table = table_of(&["what", "", "why"], &[12, 11, 30], terminal);
    let mut sorted: Vec<&Check> = checks.iter().collect();
    // What has to be done stands next to the prompt.
    sorted.sort_by_key(|check| check.verdict);
    let mut mends: Vec<&str> = Vec::new();
    for check in sorted {
        let mut word = check.verdict.words().to_owned();
        if let Some(mend) = &check.mend {
            let known = mends.iter().position(|known| known == mend);
            let number = known.unwrap_or_else(|| {
                mends.push(mend);
                mends.len() - 1
            });
            word.push_str(&format!("\n[{}]", number + 1));
        }
        let cell = match check.verdict {
            Verdict::Right => Cell::new(word).fg(Color::Green),
            Verdict::CannotTell => Cell::new(word).fg(Color::Yellow),
            Verdict::Wrong => Cell::new(word).fg(Color::Red).add_attribute(Attribute::Bold),
        };
        table.add_row([Cell::new(check.what), cell, Cell::new(why(check))]);
    }
    writeln!(out, "{table}")?;
    mends.iter().enumerate().try_for_each(|(n, mend)| writeln!(out, "[{}] {mend}", n + 1))
}

/// The reason, and below it the place and the one thing that it is about, where something is to be done.
fn why(check: &Check) -> String {
    let mut text = escaped_up_to(&check.why, 600);
    if check.verdict != Verdict::Right {
        let parts = [check.account.as_str(), check.region.as_str(), check.resource.as_deref().unwrap_or_default()];
        let place: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if !place.is_empty() {
            text.push_str(&format!("\n{}", place.join(" ")));
        }
    }
    text
}

/// All of it in a line.
#[must_use]
pub fn summary(counts: Counts, calls: usize, seconds: f64) -> String {
    let Counts { right, wrong, cannot_tell, .. } = counts;
    let checks = count(right + wrong + cannot_tell, "check");
    format!(
        "{checks}: {right} right, {wrong} wrong, {cannot_tell} cannot tell ({}, {seconds:.1} s)",
        count(calls, "call")
    )
}
