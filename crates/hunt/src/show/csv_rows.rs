//! An answer as CSV.

use std::io::{self, Write};

use super::cells::{Shown, cells};
use crate::engine::Answer;

pub(super) fn write(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(answer.schema.fields().iter().map(|field| field.name()))?;
    for row in cells(answer) {
        writer.write_record(row.iter().map(harmless))?;
    }
    writer.flush()
}

/// A spreadsheet takes a text that begins like this for a formula, and attackers choose user agents and tags (OWASP, "CSV
/// Injection").
fn harmless(cell: &Shown) -> String {
    let text = cell.text();
    let is_formula = matches!(cell, Shown::Text(_)) && text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if is_formula { format!("'{text}") } else { text }
}
