//! An answer for people: as a table, or, where its columns do not fit beside each other, one row below the other.

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
    let names: Vec<String> = answer.schema.fields().iter().map(|field| field.name().replace('_', " ")).collect();
    let widths = names.iter().enumerate().filter(|(n, _)| kept(*n)).map(|(n, name)| {
        let cells = rows.iter().take(MOST).filter_map(|row| row.get(n)).map(|cell| cell.text().chars().count());
        // A column's width counts the space around it. Longer texts can be broken.
        cells.max().unwrap_or_default().max(name.len()).min(LONGEST) + 3
    });
    if widths.sum::<usize>() > usize::from(width) {
        return blocks(&names, &rows, out);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width);
    table.force_no_tty();
    table.set_header(names.iter().enumerate().filter(|(n, _)| kept(*n)).map(|(_, name)| name));
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
    more(&rows, out)
}

/// Ids and times are not broken.
const LONGEST: usize = 24;

fn more(rows: &[Vec<Shown>], out: &mut impl Write) -> io::Result<()> {
    if rows.len() > MOST {
        writeln!(out, "The first {MOST} of {} rows. --format csv has all of them.", rows.len())?;
    }
    Ok(())
}

/// Each row as lines of name and value, without what is absent.
fn blocks(names: &[String], rows: &[Vec<Shown>], out: &mut impl Write) -> io::Result<()> {
    let longest = names.iter().map(String::len).max().unwrap_or_default();
    for (row, n) in rows.iter().zip(1..).take(MOST) {
        writeln!(out, "── {n} ──")?;
        for (name, cell) in names.iter().zip(row).filter(|(_, cell)| **cell != Shown::Null) {
            writeln!(out, "{name:<longest$}  {}", escaped_up_to(&cell.text(), 300))?;
        }
    }
    more(rows, out)
}
