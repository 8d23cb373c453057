//! CloudTrail log files: gzip JSON, `{"Records":[…]}`, of which one record in hundreds is a call of ours.
//!
//! The records that matter are found in the plain text by the names of their calls ([`scan`]); all others are neither
//! parsed nor counted, so that reading a file costs little more than unzipping it. [`read`] takes a whole file,
//! [`Stream`] takes it in chunks as they arrive, in a few MiB of memory however large the file is; both find the same.
//! Digest files and Insight records name no call, so nothing is found in them.
//!
//! What cannot be read is an [`Error`] beside the records that can, never silence.

mod around;
mod scan;
mod unzip;

use portcullis_domain::json::{self, Json};
use serde_json::Value;

pub use scan::{Scanner, scan};
pub use unzip::Scratch;

/// The longest object that is read as a record, in bytes. CloudTrail leaves parameters out of a record beyond 100 KB,
/// and a whole file of some thousand records rarely has a MiB.
pub const LONGEST_RECORD: usize = 1 << 20;

/// The most that one file is unzipped to, in bytes: twenty times the largest file that CloudTrail is known to write. It
/// is the one guard against a gzip bomb. A limit on the ratio would be none: deflate packs at most 1032 to 1, and a
/// lawful file of one call again and again comes near to that.
pub const MOST_UNZIPPED: u64 = 2 << 30;

/// What could not be read. Offsets are bytes of the plain text, unless they are said to be of the gzip data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A record of ours, or what may be one, that is no JSON.
    #[error("the object at byte {offset} names a call to be judged and cannot be read: {why}")]
    Object {
        /// Where it begins.
        offset: usize,
        /// What the parser says.
        why: String,
    },
    /// An object with one of the names in it that goes on and on.
    #[error("the object at byte {offset} names a call to be judged and is longer than {LONGEST_RECORD} bytes")]
    TooLong {
        /// Where it begins.
        offset: usize,
    },
    /// The end came first.
    #[error("the text ends inside the object at byte {offset}, which names a call to be judged")]
    EndsInside {
        /// Where the object begins.
        offset: usize,
    },
    /// One of the names in no object, as far back as a record may reach: the text around it is no JSON.
    #[error("a call to be judged is named at byte {offset}, outside of any object: the text before it is damaged")]
    Astray {
        /// Where the name begins.
        offset: usize,
    },
    /// The last byte closes nothing.
    #[error("the text ends early, after {length} bytes")]
    EndsEarly {
        /// How long it is.
        length: usize,
    },
    /// No gzip data, or a check sum that does not fit.
    #[error("the gzip data is damaged at byte {offset} of it: {why}")]
    Damaged {
        /// Where in the gzip data.
        offset: u64,
        /// How.
        why: &'static str,
    },
    /// The gzip data ends inside a member.
    #[error("the gzip data is damaged: it ends early, after {length} bytes")]
    Truncated {
        /// How long it is.
        length: u64,
    },
    /// A gzip bomb, or what is as bad as one.
    #[error("the file has more than {MOST_UNZIPPED} bytes when unzipped")]
    TooLarge,
}

/// A record that is a call of ours, as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Record<'a> {
    /// Parses it; an object in which a key stands twice is marked ([`json::parse`]).
    ///
    /// # Errors
    /// [`Error::Object`].
    pub fn parse(&self) -> Result<Json<'a>, Error> {
        json::parse(self.bytes).map_err(|error| Error::Object { offset: self.offset, why: error.to_string() })
    }
}

/// A record, or what could not be read.
pub type Found<'a> = Result<Record<'a>, Error>;

/// Whether a plain text is that of a CloudTrail log file, by its beginning: its first key is `Records`, and the first of
/// them is a CloudTrail record, or there is none. S3's notices and queues' messages have `Records` as well.
#[must_use]
pub fn is_log_file(text: &[u8]) -> bool {
    let mut rest = text;
    for token in [&b"{"[..], b"\"Records\"", b":", b"["] {
        let Some(behind) = rest.trim_ascii_start().strip_prefix(token) else { return false };
        rest = behind;
    }
    if rest.trim_ascii_start().starts_with(b"]") {
        return true;
    }
    let first = serde_json::Deserializer::from_slice(rest).into_iter::<Value>().next();
    let Some(Ok(record)) = first else { return false };
    let source = record.get("eventSource").and_then(Value::as_str).unwrap_or_default();
    record.get("eventVersion").is_some_and(Value::is_string) && !source.starts_with("aws:")
}

/// How much is unzipped at a time: what the processor's own cache holds.
const PIECE: usize = 64 << 10;

/// Reads a file from memory, gzip or plain.
pub fn read(file: &[u8], scratch: &mut Scratch, tell: impl FnMut(Found<'_>)) {
    read_if(file, scratch, |_| true, tell);
}

/// What a file is.
#[derive(Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A log file, which has been read.
    LogFile,
    /// Something else, and this is its text.
    Other(&'a [u8]),
    /// Something else, or hardly the beginning of anything, that is damaged or too large for a buffer.
    Unclear,
}

/// Reads a file from memory, gzip or plain, if it is a log file ([`is_log_file`]).
pub fn read_log_file<'a>(file: &'a [u8], scratch: &'a mut Scratch, tell: impl FnMut(Found<'_>)) -> Content<'a> {
    read_if(file, scratch, is_log_file, tell)
}

fn read_if<'a>(
    file: &'a [u8],
    scratch: &'a mut Scratch,
    is_wanted: impl Fn(&[u8]) -> bool,
    mut tell: impl FnMut(Found<'_>),
) -> Content<'a> {
    if let Some(text) = unzip::plain(file, scratch) {
        if !is_wanted(text) {
            return Content::Other(text);
        }
        scan(text, tell);
        return Content::LogFile;
    }
    // Too large for a buffer, or damaged: this says where, after what can still be read.
    if !is_wanted(&unzip::beginning(file, 2 * LONGEST_RECORD)) {
        return Content::Unclear;
    }
    let mut stream = Stream::default();
    for chunk in file.chunks(PIECE) {
        stream.push(chunk, &mut tell);
    }
    stream.finish(tell);
    Content::LogFile
}

/// Whether bytes, gzip or plain, are the beginning of a log file ([`is_log_file`]).
#[must_use]
pub fn begins_log_file(bytes: &[u8]) -> bool {
    is_log_file(&unzip::beginning(bytes, 2 * LONGEST_RECORD))
}

/// Reads a file that arrives in chunks, gzip or plain, in at most three MiB of memory beside what it tells.
#[derive(Debug, Default)]
pub struct Stream {
    unzip: unzip::Unzip,
    scanner: Scanner,
    failed: bool,
}

impl Stream {
    /// The next chunk. After an error in the gzip data nothing more is read.
    pub fn push(&mut self, chunk: &[u8], mut tell: impl FnMut(Found<'_>)) {
        if self.failed {
            return;
        }
        let scanner = &mut self.scanner;
        if let Err(error) = self.unzip.push(chunk, |text| scanner.push(text, &mut tell)) {
            self.fail(error, tell);
        }
    }

    /// The end of the file.
    pub fn finish(mut self, tell: impl FnMut(Found<'_>)) {
        match self.unzip.finish() {
            _ if self.failed => {}
            Err(error) => self.fail(error, tell),
            Ok(()) => self.scanner.finish(tell),
        }
    }

    fn fail(&mut self, error: Error, mut tell: impl FnMut(Found<'_>)) {
        self.failed = true;
        // That the text ends early as well goes without saying.
        self.scanner.flush(&mut tell);
        tell(Err(error));
    }
}

#[cfg(test)]
mod tests;
