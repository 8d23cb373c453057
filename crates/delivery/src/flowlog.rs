//! VPC flow logs as text: versions 2 to 8, custom formats, and what CloudWatch Logs exports.
//!
//! A file in S3 begins with the names of its fields; in CloudWatch Logs the format is known to the flow log alone, so it
//! must be given ([`Format::parse`]), or is the default format. Fields count by their names, in any order, and those that
//! are not known here are passed over. A line that cannot be read is reported, and the next one is read all the same.
//!
//! Shapes: Amazon VPC User Guide, "Flow log records" and "Publish flow logs to Amazon S3".

mod field;
mod line;
mod words;

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

/// Only a header begins with two names of fields; a record's first field may be an id.
fn kind(line: &[u8]) -> Kind {
    // Most are told by one look.
    if line.first().is_some_and(u8::is_ascii_digit) {
        return Kind::Record;
    }
    let mut words = line.split(|byte| *byte <= b' ').filter(|word| !word.is_empty());
    let is_name = |word: &[u8]| std::str::from_utf8(word).is_ok_and(Field::is_name);
    match (words.next(), words.next()) {
        (None, _) => Kind::Empty,
        (Some(first), Some(second)) if is_name(first) && is_name(second) => Kind::Header,
        _ => Kind::Record,
    }
}

/// Whether a text looks like a flow log: it begins with the names of fields, or with a record in the default format, also
/// behind the time that CloudWatch Logs puts before it.
#[must_use]
pub fn is_flow_log(beginning: &[u8]) -> bool {
    let first = beginning.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let Ok(text) = std::str::from_utf8(first) else { return false };
    kind(first) == Kind::Header || Flow::parse(text, &Format::default_v2()).is_ok()
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
    pub fn push(&mut self, chunk: &[u8], mut report: impl FnMut(Result<&Flow<'_>, Bad>)) {
        let mut chunk = chunk;
        if !self.rest.is_empty() {
            let Some(end) = memchr(b'\n', chunk) else { return self.keep(chunk, report) };
            let (line, behind) = chunk.split_at_checked(end + 1).unwrap_or((chunk, &[]));
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(line);
            self.line(&rest, rest.len(), &mut None, &mut report);
            rest.clear();
            self.rest = rest;
            chunk = behind;
        }
        let mut flow = None;
        while let Some(end) = memchr(b'\n', chunk) {
            self.line(chunk, end + 1, &mut flow, &mut report);
            chunk = chunk.get(end + 1..).unwrap_or_default();
        }
        self.keep(chunk, report);
    }

    /// Ends the text. The last line may lack its end.
    pub fn finish(&mut self, mut report: impl FnMut(Result<&Flow<'_>, Bad>)) {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.line(&rest, rest.len(), &mut None, &mut report);
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

    fn keep(&mut self, chunk: &[u8], mut report: impl FnMut(Result<&Flow<'_>, Bad>)) {
        self.rest.extend_from_slice(chunk);
        if self.rest.len() > LONGEST_LINE {
            self.rest.clear();
            self.rest.shrink_to_fit();
            self.line += 1;
            report(Err(Bad { line: self.line, why: "it is too long to be a record" }));
        }
    }

    /// Reads the first line of a text, which has this many bytes.
    fn line<'c>(
        &mut self,
        text: &'c [u8],
        length: usize,
        flow: &mut Option<Flow<'c>>,
        report: &mut impl FnMut(Result<&Flow<'_>, Bad>),
    ) {
        self.line += 1;
        // Windows writes a mark before a text.
        let mark = if self.line == 1 && text.starts_with(MARK) { MARK.len().min(length) } else { 0 };
        let (text, length) = (text.get(mark..).unwrap_or_default(), length - mark);
        let line = text.get(..length).unwrap_or_default();
        match kind(line) {
            Kind::Empty => {}
            Kind::Header => {
                let (format, unknown) = Format::of_header(&String::from_utf8_lossy(line));
                self.format = Some(format);
                *flow = None;
                for name in unknown {
                    if !self.unknown.contains(&name) {
                        self.unknown.push(name);
                    }
                }
            }
            Kind::Record => {
                let format = self.format.get_or_insert_with(Format::default_v2);
                let flow = flow.get_or_insert_with(|| Flow::empty(format.places()));
                let filled = flow.fill(text, length, format.fields.len());
                report(filled.map(|()| &*flow).map_err(|why| Bad { line: self.line, why }));
            }
        }
    }
}

/// The byte order mark in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests;
