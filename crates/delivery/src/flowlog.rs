//! VPC flow logs as text: versions 2 to 8, custom formats, and what CloudWatch Logs exports.
//!
//! A file in S3 begins with the names of its fields; in CloudWatch Logs the format is known to the flow log alone, so it
//! must be given ([`Format::parse`]), or is the default format. Fields count by their names, in any order, and those that
//! are not known here are passed over. A line that cannot be read is reported, and the next one is read all the same.
//!
//! Shapes: Amazon VPC User Guide, "Flow log records" and "Publish flow logs to Amazon S3".

mod field;
mod line;

pub use field::{Field, Format, FormatError};
pub use line::{Bad, Flow, Row};

use memchr::memchr;

/// What a line of a text is, besides a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Header,
    Empty,
    Record,
}

fn kind(line: &str) -> Kind {
    let mut words = line.split_ascii_whitespace();
    match words.next() {
        None => Kind::Empty,
        Some(first) => match words.next() {
            Some(second) if Field::is_name(first) && Field::is_name(second) => Kind::Header,
            _ => Kind::Record,
        },
    }
}

/// Whether a text looks like a flow log: it begins with the names of fields, or with a record in the default format, also
/// behind the time that CloudWatch Logs puts before it.
#[must_use]
pub fn is_flow_log(beginning: &[u8]) -> bool {
    let first = beginning.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let Ok(first) = std::str::from_utf8(first) else { return false };
    kind(first) == Kind::Header || Flow::parse(first, &Format::default_v2()).is_ok()
}

/// Reads a text that arrives in chunks. It keeps one line.
#[derive(Debug, Default)]
pub struct Reader {
    format: Option<Format>,
    rest: Vec<u8>,
    line: u64,
    /// Names of fields that are not known here, each once.
    unknown: Vec<String>,
}

/// A line of this many bytes is no record.
const LONGEST_LINE: usize = 64 << 10;

impl Reader {
    /// A reader of a text without a header, in this format. A header in the text counts more.
    #[must_use]
    pub fn new(format: Option<Format>) -> Self {
        Self { format, ..Self::default() }
    }

    /// Takes the next chunk.
    pub fn push(&mut self, chunk: &[u8], mut report: impl FnMut(Result<Flow<'_>, Bad>)) {
        let mut chunk = chunk;
        if !self.rest.is_empty() {
            let Some(end) = memchr(b'\n', chunk) else { return self.keep(chunk, report) };
            let (line, behind) = chunk.split_at_checked(end + 1).unwrap_or((chunk, &[]));
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(line);
            self.line(&rest, &mut report);
            rest.clear();
            self.rest = rest;
            chunk = behind;
        }
        while let Some(end) = memchr(b'\n', chunk) {
            let (line, behind) = chunk.split_at_checked(end + 1).unwrap_or((chunk, &[]));
            self.line(line, &mut report);
            chunk = behind;
        }
        self.keep(chunk, report);
    }

    /// Ends the text. The last line may lack its end.
    pub fn finish(&mut self, mut report: impl FnMut(Result<Flow<'_>, Bad>)) {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.line(&rest, &mut report);
        }
    }

    /// The names in headers that are no known fields.
    #[must_use]
    pub fn unknown_fields(&self) -> &[String] {
        &self.unknown
    }

    /// The format of the last header, or the one that was given.
    #[must_use]
    pub fn format(&self) -> Option<&Format> {
        self.format.as_ref()
    }

    fn keep(&mut self, chunk: &[u8], mut report: impl FnMut(Result<Flow<'_>, Bad>)) {
        self.rest.extend_from_slice(chunk);
        if self.rest.len() > LONGEST_LINE {
            self.rest.clear();
            self.rest.shrink_to_fit();
            self.line += 1;
            report(Err(Bad { line: self.line, why: "it is too long to be a record" }));
        }
    }

    fn line(&mut self, line: &[u8], report: &mut impl FnMut(Result<Flow<'_>, Bad>)) {
        self.line += 1;
        let Ok(text) = std::str::from_utf8(line) else {
            return report(Err(Bad { line: self.line, why: "it is no UTF-8" }));
        };
        let text = text.trim_end_matches(['\n', '\r']);
        let text = if self.line == 1 { text.trim_start_matches('\u{feff}') } else { text };
        // Only a header begins with a letter of a field's name; a record's first field may be an id.
        match kind(text) {
            Kind::Empty => {}
            Kind::Header => {
                let (format, unknown) = Format::of_header(text);
                self.format = Some(format);
                for name in unknown {
                    if !self.unknown.contains(&name) {
                        self.unknown.push(name);
                    }
                }
            }
            Kind::Record => {
                let format = self.format.get_or_insert_with(Format::default_v2);
                report(Flow::parse(text, format).map_err(|why| Bad { line: self.line, why }));
            }
        }
    }
}

#[cfg(test)]
mod tests;
