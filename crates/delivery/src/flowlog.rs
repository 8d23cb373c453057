//! VPC flow logs as text: versions 2 to 8, custom formats, and what CloudWatch Logs exports.
//!
//! A file in S3 begins with the names of its fields; in CloudWatch Logs the format is known to the flow log alone, so it
//! must be given ([`Format::parse`]), or is the default format. Fields count by their names, in any order, and those that
//! are not known here are passed over. A line that cannot be read is reported, and the next one is read all the same.
//!
//! Shapes: Amazon VPC User Guide, "Flow log records" and "Publish flow logs to Amazon S3".

mod blocks;
mod field;
mod line;
mod values;
mod words;

pub use blocks::{Block, Blocks};
pub use field::{Field, Format, FormatError};
pub use line::{Bad, Flow, Row};

use std::ops::Range;

use memchr::{memchr, memchr_iter};
use words::{Span, lines};

/// What a line of a text is, besides a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Header,
    Empty,
    Record,
}

/// Only a header begins with two names of fields; a record's first field may be an id.
fn kind(text: &[u8], words: &[Span]) -> Kind {
    let word = |n: usize| words.get(n).and_then(|(from, to)| text.get(*from..*to));
    let Some(first) = word(0) else { return Kind::Empty };
    // Most are told by one look.
    if first.first().is_some_and(u8::is_ascii_digit) {
        return Kind::Record;
    }
    let is_name = |word: &[u8]| std::str::from_utf8(word).is_ok_and(Field::is_name);
    if is_name(first) && word(1).is_some_and(is_name) { Kind::Header } else { Kind::Record }
}

/// Whether a line may be a header, as far as its first word shows without being cut out. The mark before a text counts.
fn may_be_header(line: &[u8]) -> bool {
    let mut bytes = line.strip_prefix(MARK).unwrap_or(line).iter().copied().skip_while(|byte| *byte <= b' ');
    let is_begun = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
    is_begun && bytes.find(|byte| !matches!(byte, b'a'..=b'z' | b'-' | b'_')).is_some_and(|byte| byte <= b' ')
}

/// Whether a text looks like a flow log: it begins with the names of fields, or with a record in the default format, also
/// behind the time that CloudWatch Logs puts before it.
#[must_use]
pub fn is_flow_log(beginning: &[u8]) -> bool {
    let first = beginning.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let Ok(text) = std::str::from_utf8(first) else { return false };
    kind(first, &lines(first, |_, _, _| ()).words) == Kind::Header || Flow::parse(text, &Format::default_v2()).is_ok()
}

/// Reads a text that arrives in chunks. It keeps one line.
#[derive(Debug, Default)]
pub struct Reader {
    format: Option<Format>,
    rest: Vec<u8>,
    line: u64,
    /// Names of fields that are not known here, each once, and not too many.
    unknown: Vec<String>,
    /// Whether it is inside of a line that is too long to be kept.
    is_too_long: bool,
}

/// Of the names in headers that are no known fields, this many are kept.
const MOST_UNKNOWN: usize = 20;

/// A line of more bytes, with its end, is no record.
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
        if self.is_too_long || !self.rest.is_empty() {
            let Some(end) = memchr(b'\n', chunk) else { return self.keep(chunk) };
            let (line, behind) = chunk.split_at_checked(end + 1).unwrap_or((chunk, &[]));
            self.keep(line);
            self.end_line(&mut report);
            chunk = behind;
        }
        let mut flow = None;
        let rest = lines(chunk, |words, line, is_ascii| {
            self.line(chunk, (words, line, is_ascii), &mut flow, &mut report);
        });
        self.keep(chunk.get(rest.begin..).unwrap_or_default());
    }

    /// Ends the text. The last line may lack its end.
    pub fn finish(&mut self, mut report: impl FnMut(Result<&Flow<'_>, Bad>)) {
        if self.is_too_long || !self.rest.is_empty() {
            self.end_line(&mut report);
        }
    }

    /// Reads the line that is kept.
    fn end_line(&mut self, report: &mut impl FnMut(Result<&Flow<'_>, Bad>)) {
        let mut rest = std::mem::take(&mut self.rest);
        if std::mem::take(&mut self.is_too_long) {
            self.line += 1;
            return report(Err(self.too_long()));
        }
        let mut words = Vec::new();
        let end = lines(&rest, |own, _, _| words.append(own));
        words.extend(end.words);
        self.line(&rest, (&mut words, 0..rest.len(), false), &mut None, report);
        rest.clear();
        self.rest = rest;
    }

    /// Passes over whole lines: headers are read, and nothing else of them.
    fn pass_over(&mut self, text: &[u8]) {
        let mut from = 0;
        for end in memchr_iter(b'\n', text).map(|end| end + 1) {
            self.line += 1;
            let line = text.get(from..end).unwrap_or_default();
            from = end;
            if line.len() <= LONGEST_LINE && may_be_header(line) {
                let line = if self.line == 1 { line.strip_prefix(MARK).unwrap_or(line) } else { line };
                let mut header = None;
                lines(line, |words, _, _| header = (kind(line, words) == Kind::Header).then_some(line));
                header.into_iter().for_each(|header| self.header(header));
            }
        }
    }

    /// A reader of what follows, as if it had read what came before. Nothing must be kept of a line.
    fn here(&self) -> Self {
        Self { format: self.format.clone(), line: self.line, ..Self::default() }
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

    fn keep(&mut self, part: &[u8]) {
        self.is_too_long |= self.rest.len() + part.len() > LONGEST_LINE;
        if self.is_too_long {
            self.rest = Vec::new();
        } else {
            self.rest.extend_from_slice(part);
        }
    }

    const fn too_long(&self) -> Bad {
        Bad { line: self.line, why: "it is too long to be a record" }
    }

    fn header(&mut self, line: &[u8]) {
        let (format, unknown) = Format::of_header(&String::from_utf8_lossy(line));
        self.format = Some(format);
        for name in unknown {
            if self.unknown.len() < MOST_UNKNOWN && !self.unknown.contains(&name) {
                self.unknown.push(name);
            }
        }
    }

    /// Reads a line of a text: its words, where it is, and whether it is ASCII for certain.
    #[inline]
    fn line<'c>(
        &mut self,
        text: &'c [u8],
        (words, line, is_ascii): (&mut Vec<Span>, Range<usize>, bool),
        flow: &mut Option<Flow<'c>>,
        report: &mut impl FnMut(Result<&Flow<'_>, Bad>),
    ) {
        self.line += 1;
        if line.len() > LONGEST_LINE {
            return report(Err(self.too_long()));
        }
        if self.line == 1 {
            without_mark(text, words);
        }
        match kind(text, words) {
            Kind::Empty => {}
            Kind::Header => {
                let from = words.first().map_or(line.start, |(from, _)| *from);
                self.header(text.get(from..line.end).unwrap_or_default());
                *flow = None;
            }
            Kind::Record => {
                let format = self.format.get_or_insert_with(Format::default_v2);
                let flow = flow.get_or_insert_with(|| Flow::empty(format.places()));
                let filled = flow.fill(text, (words, line, is_ascii), format.fields.len());
                report(filled.map(|()| &*flow).map_err(|why| Bad { line: self.line, why }));
            }
        }
    }
}

/// Windows writes a mark before a text. It is no part of the first word.
fn without_mark(text: &[u8], words: &mut Vec<Span>) {
    let is_marked = text.starts_with(MARK);
    if let Some((from @ 0, to)) = words.first_mut().filter(|_| is_marked) {
        *from = MARK.len();
        if from >= to {
            words.remove(0);
        }
    }
}

/// The byte order mark in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests;
