//! Findings as a table for people, and as JSON lines, OCSF or CSV for machines.

mod acts;
mod checked;
mod csv_rows;
mod swept;
pub mod table;
mod totals;

use std::io::{self, Write};

use portcullis_domain::finding::{Finding, ocsf};

use crate::check::Checked;
use crate::terminal::Terminal;

pub use acts::acts;
pub use checked::is_row;
pub use csv_rows::harmless_cell;
pub use swept::{done, swept};
pub use table::{plain_table, table_of};

/// How rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: one row a finding.
    Table,
    /// For machines: one finding a line.
    Json,
    /// For spreadsheets: one row a rule.
    Csv,
}

/// How findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FindingFormat {
    /// For people: one row a finding.
    Table,
    /// For machines: one finding a line.
    Json,
    /// For spreadsheets: one row a rule.
    Csv,
    /// For security tools: one OCSF Detection Finding a line, of what is exposed, exempt or undecided.
    Ocsf,
}

/// How a table looks.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// What it is written to.
    pub terminal: Terminal,
    /// Whether it has a row for what is safe or irrelevant too.
    pub all: bool,
}

/// Writes findings as they come; a table when all have come.
pub enum Show<W: Write> {
    /// The rows so far.
    Table(Vec<Checked>, View, W),
    /// Lines.
    Json(W),
    /// Events.
    Ocsf(W),
    /// Rows.
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Show<W> {
    /// Nothing but what comes before everything.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(format: FindingFormat, view: View, out: W) -> io::Result<Self> {
        Ok(match format {
            FindingFormat::Table => Self::Table(Vec::new(), view, out),
            FindingFormat::Json => Self::Json(out),
            FindingFormat::Ocsf => Self::Ocsf(out),
            FindingFormat::Csv => Self::Csv(Box::new(csv_rows::writer(out)?)),
        })
    }

    /// More findings.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn add(&mut self, checked: Vec<Checked>) -> io::Result<()> {
        let findings = checked.iter().map(|checked| &checked.finding);
        match self {
            Self::Table(rows, view, _) => {
                rows.extend(checked.into_iter().filter(|row| view.all || checked::is_row(&row.finding)));
                Ok(())
            }
            Self::Json(out) => json(findings, out),
            Self::Ocsf(out) => ocsf(findings, out),
            Self::Csv(writer) => findings.into_iter().try_for_each(|finding| csv_rows::row(finding, writer)),
        }
    }

    /// The end.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Table(rows, view, mut out) => {
                checked::write(&rows, view, &mut out)?;
                out.flush()
            }
            Self::Json(mut out) | Self::Ocsf(mut out) => out.flush(),
            Self::Csv(mut writer) => writer.flush(),
        }
    }
}

/// Writes findings as JSON, one a line.
///
/// # Errors
/// Those of the writer.
pub fn json<'a>(findings: impl IntoIterator<Item = &'a Finding>, out: &mut impl Write) -> io::Result<()> {
    findings.into_iter().try_for_each(|finding| writeln!(out, "{}", portcullis::sinks::log::line(finding)))
}

/// Writes findings as OCSF Detection Findings, one a line.
///
/// # Errors
/// Those of the writer.
pub fn ocsf<'a>(findings: impl IntoIterator<Item = &'a Finding>, out: &mut impl Write) -> io::Result<()> {
    let events = findings.into_iter().filter_map(|finding| ocsf::of(finding, portcullis::now()));
    events.into_iter().try_for_each(|event| writeln!(out, "{}", portcullis::sinks::log::printing(event.to_string())))
}

/// Writes findings as CSV, one row a rule, below a header.
///
/// # Errors
/// Those of the writer.
pub fn csv<'a>(findings: impl IntoIterator<Item = &'a Finding>, out: &mut impl Write) -> io::Result<()> {
    let mut writer = csv_rows::writer(out)?;
    findings.into_iter().try_for_each(|finding| csv_rows::row(finding, &mut writer))?;
    writer.flush()
}

#[cfg(test)]
mod tests;
