//! `portcullis report`: what was, or would have been, taken back over some time.

use std::io::{self, Write};

use jiff::SignedDuration;
use portcullis_cli::acts::Act;
use portcullis_cli::report::{self, Report};
use portcullis_cli::terminal::Terminal;

use crate::arguments::{EvidenceArgs, OutputArgs, WindowArgs};

#[derive(clap::Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    window: WindowArgs,
    /// How to show it
    #[arg(long, short, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    evidence: EvidenceArgs,
}

/// How a report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people at a terminal.
    Table,
    /// For machines: one object.
    Json,
    /// For spreadsheets: one row for each caller, group and port.
    Csv,
    /// For people who were not there: one page, without network and scripts.
    Html,
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis report                          the past 14 days
  portcullis report --last 8w --format html --output report.html
  portcullis report --since 2026-11-01 --until 2026-11-30 --format csv > november.csv

By caller, group and port: what was closed, what alert mode would have closed, what failed, what was undone, and for how \
long closed ports were open. It says what that means for the step from alert to enforce. All of it comes from evidence.

The page of --format html is one file: it loads nothing, runs no script, and is for light and dark screens.

Needs s3:ListBucket and s3:GetObject on the bucket.

Exit status: 0 reported; 2 trouble: some evidence could not be read, and the report says how much. The rest is in it.";

/// A report is of this time, unless another is named.
const USUAL: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Reports; the exit status.
///
/// # Errors
/// What keeps it from beginning, and those of standard output.
pub(crate) fn run(arguments: &ReportArgs, terminal: Terminal) -> io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(report(arguments, terminal))
}

async fn report(arguments: &ReportArgs, terminal: Terminal) -> io::Result<u8> {
    let acts = arguments.evidence.acts().await?;
    let window = arguments.window.window(Some(USUAL));
    let ids = acts.ids(window).await?;
    let (mut read, mut unreadable) = (Vec::new(), 0);
    for (id, text) in acts.read(ids).await {
        match text.and_then(|text| Act { name: id.to_string(), text }.whole()) {
            Ok(evidence) => read.push(evidence),
            Err(error) => {
                eprintln!("portcullis: {error}");
                unreadable += 1;
            }
        }
    }
    let made = Report::of(&read, unreadable, window);
    let (mut out, terminal) = (arguments.output.open()?, arguments.output.terminal(terminal));
    match arguments.format {
        Format::Table => report::text(&made, terminal, &mut out)?,
        Format::Json => writeln!(out, "{}", serde_json::to_string(&made)?)?,
        Format::Csv => report::csv(&made, &mut out)?,
        Format::Html => write!(out, "{}", report::html(&made))?,
    }
    out.flush()?;
    Ok(if unreadable > 0 { crate::TROUBLE } else { 0 })
}
