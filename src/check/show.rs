//! Findings as a table for people, and as JSON lines or CSV for machines.

use std::io::{self, Write};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use portcullis_domain::finding::{Finding, Verdict};
use portcullis_domain::ids::shown;

/// How findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: what is exposed or undecided, one row a finding.
    Table,
    /// One finding a line.
    Json,
    /// One row a rule.
    Csv,
}

/// Writes findings as they come; a table when all have come.
pub enum Show<W: Write> {
    /// The rows so far.
    Table(Vec<Finding>, W),
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
    pub fn new(format: Format, out: W) -> io::Result<Self> {
        Ok(match format {
            Format::Table => Self::Table(Vec::new(), out),
            Format::Json => Self::Json(out),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(COLUMNS)?;
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
            Self::Table(rows, _) => rows.extend(findings.into_iter().filter(is_row)),
            Self::Json(out) => {
                findings.iter().try_for_each(|finding| writeln!(out, "{}", crate::report::line(finding)))?
            }
            Self::Csv(writer) => findings.iter().try_for_each(|finding| csv(finding, writer))?,
        }
        Ok(())
    }

    /// The end.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Table(rows, mut out) => {
                table(&rows, &mut out)?;
                out.flush()
            }
            Self::Json(mut out) => out.flush(),
            Self::Csv(mut writer) => writer.flush(),
        }
    }
}

/// Whether a table has it.
fn is_row(finding: &Finding) -> bool {
    matches!(finding.verdict, Verdict::Exposed | Verdict::Exempt | Verdict::Undecided)
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Exposed => "exposed",
        Verdict::Exempt => "exempt",
        Verdict::Safe => "safe",
        Verdict::Irrelevant => "irrelevant",
        Verdict::Undecided => "undecided",
    }
}

fn table(rows: &[Finding], out: &mut impl Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(120);
    }
    table.set_header(["when", "who", "security group", "ports", "sources", "verdict"]);
    for finding in rows {
        let exposures = finding.exposures.iter();
        let ports: Vec<String> = exposures
            .clone()
            .map(|exposure| {
                let to = exposure.to_port.map_or_else(String::new, |to| format!("-{to}"));
                format!("{} {}{to} ({})", exposure.protocol, exposure.port, exposure.guard)
            })
            .collect();
        let mut sources: Vec<&str> = exposures.flat_map(|e| e.sources.iter().map(String::as_str)).collect();
        sources.sort_unstable();
        sources.dedup();
        let place = [&finding.account, &finding.region].map(|part| shown(part.as_deref().unwrap_or("?")));
        let verdict = match finding.verdict {
            Verdict::Exposed => Cell::new("exposed").fg(Color::Red).add_attribute(Attribute::Bold),
            Verdict::Undecided => Cell::new(format!("undecided: {}", finding.reason)).fg(Color::Yellow),
            Verdict::Exempt | Verdict::Safe | Verdict::Irrelevant => Cell::new(&finding.reason),
        };
        table.add_row([
            Cell::new(finding.time.map_or_else(|| "unknown".to_owned(), |time| time.to_string())),
            Cell::new(shown(finding.actor.as_deref().unwrap_or("unknown"))),
            Cell::new(format!("{}\n{}", shown(finding.group.as_deref().unwrap_or("unknown")), place.join(" "))),
            Cell::new(ports.join("\n")),
            Cell::new(sources.join("\n")),
            verdict,
        ]);
    }
    writeln!(out, "{table}")
}

const COLUMNS: [&str; 12] = [
    "time",
    "user",
    "account",
    "region",
    "securityGroup",
    "ruleId",
    "protocol",
    "fromPort",
    "toPort",
    "srcCidrs",
    "verdict",
    "reason",
];

fn csv(finding: &Finding, writer: &mut csv::Writer<impl Write>) -> io::Result<()> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    let who = [finding.time.map(|time| time.to_string()).unwrap_or_default(), text(&finding.actor)];
    let place = [text(&finding.account), text(&finding.region), text(&finding.group)];
    let rules: Vec<[String; 5]> = match finding.rules.as_slice() {
        [] => vec![Default::default()],
        rules => rules
            .iter()
            .map(|rule| {
                let ports = [number(rule.from_port), number(rule.to_port)];
                let [from, to] = ports;
                [rule.id.to_string(), text(&rule.protocol), from, to, text(&rule.source)]
            })
            .collect(),
    };
    for rule in rules {
        let judged = [word(finding.verdict).to_owned(), finding.reason.clone()];
        let cells = who.iter().chain(&place).chain(&rule).chain(&judged);
        writer.write_record(cells.map(|cell| harmless_cell(cell)))?;
    }
    Ok(())
}

/// A spreadsheet takes a cell that begins like this for a formula; whoever made the call chose some of the texts
/// (OWASP, "CSV Injection").
fn harmless_cell(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell.to_owned() }
}
