//! Answers as a table, JSON lines, CSV or one page of HTML.

mod cells;
mod csv_rows;
mod json;
mod page;
mod table;

use std::io::{self, Write};

use crate::engine::Answer;
use crate::hunts::Hunt;

pub use cells::{Shown, cells};

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: as wide as the terminal.
    Table,
    /// For machines: one row a line, with the types of the columns.
    Json,
    /// For spreadsheets.
    Csv,
    /// For a browser: one file, which needs no network.
    Html,
}

/// What is told beside the rows: what was read, and what was not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// One line each.
    pub lines: Vec<String>,
}

/// Writes an answer.
///
/// # Errors
/// Those of the writer.
pub fn write(
    format: Format,
    (hunt, answer, notes): (&Hunt, &Answer, &Notes),
    width: u16,
    out: &mut impl Write,
) -> io::Result<()> {
    match format {
        Format::Table => table::write(answer, width, out),
        Format::Json => json::write(answer, out),
        Format::Csv => csv_rows::write(answer, out),
        Format::Html => page::write(hunt, answer, notes, out),
    }
}
