//! Findings as a table for people, and as JSON lines or CSV for machines.

mod csv_rows;
mod table;

use std::io::{self, Write};

use portcullis_domain::finding::Finding;

use crate::terminal::Terminal;

pub use table::{done, swept};

/// How findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: one row a finding.
    Table,
    /// For machines: one finding a line.
    Json,
    /// For spreadsheets: one row a rule.
    Csv,
}

/// Writes the findings.
///
/// # Errors
/// Those of the writer.
pub fn write(findings: &[Finding], format: Format, terminal: Terminal, out: &mut impl Write) -> io::Result<()> {
    let mut show = Show::new(format, terminal, out)?;
    show.add(findings.to_vec())?;
    show.finish()
}

/// Writes findings as they come; a table when all have come.
pub enum Show<W: Write> {
    /// The rows so far.
    Table(Vec<Finding>, Terminal, W),
    /// Lines.
    Json(W),
    /// Rows.
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Show<W> {
    /// Nothing but what comes before everything.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(format: Format, terminal: Terminal, out: W) -> io::Result<Self> {
        Ok(match format {
            Format::Table => Self::Table(Vec::new(), terminal, out),
            Format::Json => Self::Json(out),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(csv_rows::COLUMNS)?;
                Self::Csv(Box::new(writer))
            }
        })
    }

    /// More findings.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn add(&mut self, findings: Vec<Finding>) -> io::Result<()> {
        match self {
            Self::Table(rows, ..) => {
                rows.extend(findings.into_iter().filter(table::is_row));
                Ok(())
            }
            Self::Json(out) => {
                findings.iter().try_for_each(|finding| writeln!(out, "{}", portcullis::report::line(finding)))
            }
            Self::Csv(writer) => findings.iter().try_for_each(|finding| csv_rows::row(finding, writer)),
        }
    }

    /// The end.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Table(rows, terminal, mut out) => {
                table::checked(&rows, terminal, &mut out)?;
                out.flush()
            }
            Self::Json(mut out) => out.flush(),
            Self::Csv(mut writer) => writer.flush(),
        }
    }
}
