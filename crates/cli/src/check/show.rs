//! Findings as a table for people, and as JSON lines or CSV for machines.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};
use portcullis_domain::arn::Arn;
use portcullis_domain::finding::{Action, ExposureFinding, Finding, Outcome, RuleFinding, Verdict};
use portcullis_domain::text::escaped;

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

/// Writes the findings.
///
/// # Errors
/// Those of the writer.
pub fn write(findings: &[Finding], format: Format, out: &mut impl Write) -> io::Result<()> {
    let mut show = Show::new(format, out)?;
    show.add(findings.to_vec())?;
    show.finish()
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
            Self::Table(rows, _) => {
                rows.extend(findings.into_iter().filter(is_row));
                Ok(())
            }
            Self::Json(out) => {
                findings.iter().try_for_each(|finding| writeln!(out, "{}", portcullis::sinks::log::line(finding)))
            }
            Self::Csv(writer) => findings.iter().try_for_each(|finding| row(finding, writer)),
        }
    }

    /// The end.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Table(rows, mut out) => {
                table(&rows, None, &mut out)?;
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

/// What a pipe or a file gets, and a terminal that does not know its width.
const USUAL_WIDTH: u16 = 120;

/// How wide a table may be. Some terminals say that they are 0 wide.
fn usable(width: Option<u16>) -> u16 {
    width.filter(|width| *width > 0).unwrap_or(USUAL_WIDTH)
}

/// A table as wide as the terminal, or as it is told, whose columns are never narrower than these: ids and times are not broken.
fn table_of(header: &[&str], widths: &[u16], wide: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(usable(wide.or(table.width())));
    table.set_header(header);
    table.set_constraints(widths.iter().map(|width| {
        // A column's width counts the space on both sides of it.
        ColumnConstraint::LowerBoundary(Width::Fixed(width.saturating_add(2)))
    }));
    table
}

/// `sg-` and 17 digits.
const GROUP: u16 = 20;
/// `2026-11-21T10:00:00Z`
const TIME: u16 = 20;

/// The width of the widest line, but no more than `most`.
fn widest<'a>(texts: impl Iterator<Item = &'a str>, most: u16) -> u16 {
    let widths = texts.flat_map(str::lines).map(|line| u16::try_from(line.chars().count()).unwrap_or(most));
    widths.max().unwrap_or_default().min(most)
}

fn ports(exposure: &ExposureFinding) -> String {
    let to = exposure.to_port.map_or_else(String::new, |to| format!("-{to}"));
    format!("{} {}{to} ({})", exposure.protocol, exposure.port, exposure.guard)
}

/// The group, and below it the account and the Region.
fn place(finding: &Finding) -> String {
    let part = |part: &Option<String>| escaped(part.as_deref().unwrap_or("unknown"));
    let Finding { group, account, region, .. } = finding;
    format!("{}\n{} {}", part(group), part(account), part(region))
}

/// The caller. Without the head of the ARN where that only says again what stands beside it, the account.
fn actor(finding: &Finding) -> String {
    let Some(arn) = &finding.actor else { return "unknown".to_owned() };
    let own = || {
        let arn = Arn::parse(arn)?;
        (Some(arn.account) == finding.account.as_deref()).then_some(arn.resource)
    };
    escaped(own().unwrap_or(arn))
}

/// A path in lines of at most so many characters, as far as its parts allow.
fn in_lines(path: &str, longest: usize) -> String {
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

fn table(findings: &[Finding], wide: Option<u16>, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<&Finding> = findings.iter().filter(|finding| is_row(finding)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let open: Vec<String> = rows
        .iter()
        .map(|finding| {
            let exposures = finding.exposures.iter();
            let sources: BTreeSet<&str> =
                exposures.clone().flat_map(|e| e.sources.iter().map(String::as_str)).collect();
            let mut ports: Vec<String> = exposures.map(ports).collect();
            // One for each family of addresses.
            ports.dedup();
            let ports = ports.into_iter();
            ports.chain(sources.into_iter().map(|source| format!("  {source}"))).collect::<Vec<_>>().join("\n")
        })
        .collect();
    let widths = [TIME, GROUP, widest(open.iter().map(String::as_str), 20), 9];
    let mut table = table_of(&["when, who", "security group", "open", "verdict"], &widths, wide);
    // An ARN is broken between its parts.
    let longest = if table.width().is_some_and(|width| width < 100) { usize::from(TIME) } else { 40 };
    for (finding, open) in rows.iter().zip(&open) {
        let when = finding.time.map_or_else(|| "unknown".to_owned(), |time| time.to_string());
        let verdict = match finding.verdict {
            Verdict::Exposed => Cell::new("exposed").fg(Color::Red).add_attribute(Attribute::Bold),
            Verdict::Undecided => Cell::new(format!("undecided: {}", finding.reason)).fg(Color::Yellow),
            Verdict::Exempt | Verdict::Safe | Verdict::Irrelevant => Cell::new(&finding.reason),
        };
        let who = format!("{when}\n{}", in_lines(&actor(finding), longest));
        table.add_row([Cell::new(who), Cell::new(place(finding)), Cell::new(open), verdict]);
    }
    writeln!(out, "{table}")
}

/// So many of a group's rules stand in the table; all of them in JSON and CSV.
const MOST_RULES: usize = 8;

/// What was done about a group: how many rules met with what.
#[must_use]
pub fn done(finding: &Finding) -> String {
    let mut met: BTreeMap<(String, String), usize> = BTreeMap::new();
    for rule in finding.rules.iter().filter(|rule| rule.action != Action::Kept) {
        let error = rule.action.error().map_or_else(String::new, |error| format!(": {error}"));
        *met.entry((rule.action.as_str().replace('_', " "), error)).or_default() += 1;
    }
    let parts: Vec<String> = met.iter().map(|((action, error), n)| format!("{action} {n}{error}")).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// Writes what a sweep found in groups as a table: where, what is open, through which rules, and what was done.
///
/// # Errors
/// Those of the writer.
pub fn swept(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    swept_in(findings, None, out)
}

fn swept_in(findings: &[Finding], wide: Option<u16>, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<&Finding> = findings.iter().filter(|finding| finding.group.is_some()).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let cells: Vec<[String; 3]> = rows
        .iter()
        .map(|finding| {
            let mut open: Vec<String> = finding.exposures.iter().map(ports).collect();
            open.dedup();
            [place(finding), open.join("\n"), through(finding)]
        })
        .collect();
    let column = |n: usize, most| widest(cells.iter().filter_map(|row| row.get(n)).map(String::as_str), most);
    let mut table =
        table_of(&["security group", "open", "through", "done"], &[GROUP, column(1, 16), column(2, 21), 12], wide);
    for (finding, cells) in rows.iter().zip(&cells) {
        let done = match (finding.verdict, finding.outcome) {
            (_, Outcome::Failed) => Cell::new(done(finding)).fg(Color::Red).add_attribute(Attribute::Bold),
            (Verdict::Exposed, Outcome::Reverted) => Cell::new(done(finding)).fg(Color::Green),
            (Verdict::Exposed, _) => Cell::new(done(finding)).fg(Color::Red),
            (Verdict::Undecided, _) => Cell::new(format!("undecided: {}", finding.reason)).fg(Color::Yellow),
            (Verdict::Exempt | Verdict::Safe | Verdict::Irrelevant, _) => Cell::new(&finding.reason),
        };
        table.add_row(cells.iter().map(Cell::new).chain([done]));
    }
    writeln!(out, "{table}")
}

/// The rules that open something, each with its source.
fn through(finding: &Finding) -> String {
    let open: BTreeSet<_> = finding.exposures.iter().flat_map(|exposure| &exposure.rules).collect();
    let rules = finding.rules.iter().filter(|rule| open.contains(&rule.id));
    let line = |rule: &RuleFinding| format!("{}\n  {}", rule.id, escaped(rule.source.as_deref().unwrap_or("unknown")));
    let mut lines: Vec<String> = rules.clone().take(MOST_RULES).map(line).collect();
    let more = rules.count().saturating_sub(MOST_RULES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

const COLUMNS: [&str; 14] = [
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
    "action",
    "error",
];

fn row(finding: &Finding, writer: &mut csv::Writer<impl Write>) -> io::Result<()> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    let who = [finding.time.map(|time| time.to_string()).unwrap_or_default(), text(&finding.actor)];
    let place = [text(&finding.account), text(&finding.region), text(&finding.group)];
    let rules: Vec<[String; 7]> = match finding.rules.as_slice() {
        [] => vec![Default::default()],
        rules => rules
            .iter()
            .map(|rule| {
                let ports = [number(rule.from_port), number(rule.to_port)];
                let [from, to] = ports;
                let done = rule.action.as_str().to_owned();
                let error = rule.action.error().unwrap_or_default().to_owned();
                [rule.id.to_string(), text(&rule.protocol), from, to, text(&rule.source), done, error]
            })
            .collect(),
    };
    for rule in rules {
        let judged = [word(finding.verdict).to_owned(), finding.reason.clone()];
        let (rule, done) = rule.split_at(5);
        let cells = who.iter().chain(&place).chain(rule).chain(&judged).chain(done);
        writer.write_record(cells.map(|cell| harmless_cell(cell)))?;
    }
    Ok(())
}

/// A spreadsheet takes a cell that begins like this for a formula; whoever made the call chose some of the texts
/// (OWASP, "CSV Injection").
fn harmless_cell(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests;
