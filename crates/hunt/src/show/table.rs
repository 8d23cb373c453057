//! An answer as a table for people.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use portcullis_domain::text::escaped_up_to;

use super::cells::{Shown, cells};
use crate::engine::Answer;

/// More rows than this nobody reads on a terminal.
const MOST: usize = 1000;

pub(super) fn write(answer: &Answer, width: u16, out: &mut impl Write) -> io::Result<()> {
    let rows = cells(answer);
    if rows.is_empty() {
        return Ok(());
    }
    // A column in which there is nothing takes room from the others.
    let used: Vec<bool> = (0..answer.schema.fields().len())
        .map(|n| rows.iter().any(|row| row.get(n).is_some_and(|cell| *cell != Shown::Null)))
        .collect();
    let kept = |n: usize| used.get(n).copied().unwrap_or_default();
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width);
    table.force_no_tty();
    let names = answer.schema.fields().iter().enumerate().filter(|(n, _)| kept(*n));
    table.set_header(names.map(|(_, field)| field.name().replace('_', " ")));
    for row in rows.iter().take(MOST) {
        let cells = row.iter().enumerate().filter(|(n, _)| kept(*n));
        table.add_row(cells.map(|(_, cell)| {
            let text = comfy_table::Cell::new(escaped_up_to(&cell.text(), 200));
            match cell {
                Shown::Number(_) => text.set_alignment(CellAlignment::Right),
                Shown::Null | Shown::Text(_) | Shown::Bool(_) | Shown::Time(_) => text,
            }
        }));
    }
    writeln!(out, "{table}")?;
    let empty: Vec<&str> =
        answer.schema.fields().iter().enumerate().filter(|(n, _)| !kept(*n)).map(|(_, f)| f.name().as_str()).collect();
    if !empty.is_empty() {
        writeln!(out, "Empty and not shown: {}.", empty.join(", "))?;
    }
    if rows.len() > MOST {
        writeln!(out, "The first {MOST} of {} rows. --format csv has all of them.", rows.len())?;
    }
    Ok(())
}
