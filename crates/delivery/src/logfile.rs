//! CloudTrail log files: gzip JSON, `{"Records":[…]}`, in which one record in hundreds is of a relevant call.
//!
//! The relevant records are found in the plain text by the names of their calls ([`scan`]). All other records are
//! neither parsed nor counted, so reading a file costs little more than unzipping it. [`read`] takes a whole file.
//! [`Stream`] takes it in chunks as they arrive, and needs a few MiB of memory for a file of any size. Both find the
//! same. Digest files and Insight records name no call, so nothing is found in them.
//!
//! Every part that cannot be read is reported as an [`Error`], next to the records that can be read.

mod around;
#[cfg(feature = "every")]
mod every;
#[cfg(feature = "every")]
mod places;
mod scan;
#[cfg(feature = "every")]
mod skip;
mod unzip;

use portcullis_domain::json::{self, Json};
use serde_json::Value;

#[cfg(feature = "every")]
pub use every::{Event, Identity, Text, every, every_with};
#[cfg(feature = "every")]
pub use places::Places;
pub use scan::{Scanner, scan};
pub use unzip::{Scratch, Unzip};

/// The longest object that is read as a record, in bytes. CloudTrail omits parameters from a record above 100 KB, and
/// even a whole file of some thousand records rarely has a MiB.
pub const LONGEST_RECORD: usize = 1 << 20;

/// At most this many bytes of one file are unzipped: twenty times the largest file that CloudTrail is known to write.
/// This is the only protection against a gzip bomb. A limit on the ratio would not protect: deflate compresses at most
/// 1032 to 1, and a lawful file that repeats one call comes near that.
pub const MOST_UNZIPPED: u64 = 2 << 30;

/// What could not be read. Offsets are bytes of the plain text, unless they are said to be of the gzip data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A record of a relevant call, or what may be one, is not JSON.
    #[error("the object at byte {offset} names a call to be judged and cannot be read: {why}")]
    Object {
        /// Where the object begins.
        offset: usize,
        /// The parser's error.
        why: String,
    },
    /// An object that contains one of the names is longer than a record may be.
    #[error("the object at byte {offset} names a call to be judged and is longer than {LONGEST_RECORD} bytes")]
    TooLong {
        /// Where the object begins.
        offset: usize,
    },
    /// The text ends inside an object that contains one of the names.
    #[error("the text ends inside the object at byte {offset}, which names a call to be judged")]
    EndsInside {
        /// Where the object begins.
        offset: usize,
    },
    /// One of the names is in no object, as far back as a record may reach. The text around it is not JSON.
    #[error("a call to be judged is named at byte {offset}, outside of any object: the text before it is damaged")]
    Astray {
        /// Where the name begins.
        offset: usize,
    },
    /// The last byte does not close a document.
    #[error("the text ends early, after {length} bytes")]
    EndsEarly {
        /// The length of the text.
        length: usize,
    },
    /// The data is not gzip, or a checksum does not match.
    #[error("the gzip data is damaged at byte {offset} of it: {why}")]
    Damaged {
        /// The offset in the gzip data.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// The gzip data ends inside a member.
    #[error("the gzip data is damaged: it ends early, after {length} bytes")]
    Truncated {
        /// The length of the gzip data.
        length: u64,
    },
    /// The text is longer than [`MOST_UNZIPPED`]: a gzip bomb, or as harmful as one.
    #[error("the file has more than {MOST_UNZIPPED} bytes when unzipped")]
    TooLarge,
}

/// A record of a relevant call, as it is written in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Record<'a> {
    /// Parses the record. An object with a duplicate key is marked ([`json::parse`]).
    ///
    /// # Errors
    /// [`Error::Object`].
    pub fn parse(&self) -> Result<Json<'a>, Error> {
        json::parse(self.bytes).map_err(|error| Error::Object { offset: self.offset, why: error.to_string() })
    }
}

/// A record, or what could not be read.
pub type Found<'a> = Result<Record<'a>, Error>;

/// Whether a plain text begins like a CloudTrail log file: its first key is `Records`, and the first record is
/// CloudTrail's, or there is none. S3's notices and queues' messages have `Records` as well.
#[must_use]
pub fn is_log_file(text: &[u8]) -> bool {
    // PowerShell writes a mark before it.
    let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
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

/// How many bytes are unzipped at a time, so that they fit in the processor's own cache.
const PIECE: usize = 64 << 10;

/// Reads a file from memory, gzip or plain.
pub fn read(file: &[u8], scratch: &mut Scratch, report: impl FnMut(Found<'_>)) {
    read_if(file, scratch, |_| true, report);
}

/// The kind of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A log file. It has been read.
    LogFile,
    /// Another file, with its text.
    Other(&'a [u8]),
    /// Another file that is damaged or too large for a buffer, or a file with hardly any beginning.
    Unclear,
}

/// Reads a file from memory, gzip or plain, if it is a log file ([`is_log_file`]).
pub fn read_log_file<'a>(file: &'a [u8], scratch: &'a mut Scratch, report: impl FnMut(Found<'_>)) -> Content<'a> {
    read_if(file, scratch, is_log_file, report)
}

fn read_if<'a>(
    file: &'a [u8],
    scratch: &'a mut Scratch,
    is_wanted: impl Fn(&[u8]) -> bool,
    mut report: impl FnMut(Found<'_>),
) -> Content<'a> {
    if let Some(text) = unzip::plain(file, scratch) {
        if !is_wanted(text) {
            return Content::Other(text);
        }
        scan(text, report);
        return Content::LogFile;
    }
    // Too large for a buffer, or damaged. Reading it as a stream tells where, after the records that can still be read.
    if !is_wanted(&unzip::beginning(file, 2 * LONGEST_RECORD)) {
        return Content::Unclear;
    }
    let mut stream = Stream::default();
    for chunk in file.chunks(PIECE) {
        stream.push(chunk, &mut report);
    }
    stream.finish(report);
    Content::LogFile
}

/// The plain text of a file that is kept in memory, gzip or plain. `None` if it is too large for a buffer, or damaged:
/// [`Unzip`] then gives what can still be read, and the error.
#[must_use]
pub fn plain<'a>(file: &'a [u8], scratch: &'a mut Scratch) -> Option<&'a [u8]> {
    unzip::plain(file, scratch)
}

/// The beginning of a file's text, gzip or plain: about `most` bytes, or fewer if the file ends or is damaged.
#[must_use]
pub fn beginning(file: &[u8], most: usize) -> Vec<u8> {
    unzip::beginning(file, most)
}

/// Whether bytes, gzip or plain, are the beginning of a log file ([`is_log_file`]).
#[must_use]
pub fn begins_log_file(bytes: &[u8]) -> bool {
    is_log_file(&unzip::beginning(bytes, 2 * LONGEST_RECORD))
}

/// Reads a file that arrives in chunks, gzip or plain. It needs at most three MiB of memory, besides the records that
/// it reports.
#[derive(Debug, Default)]
pub struct Stream {
    unzip: unzip::Unzip,
    scanner: Scanner,
    failed: bool,
}

impl Stream {
    /// Takes the next chunk. After an error in the gzip data nothing more is read.
    pub fn push(&mut self, chunk: &[u8], mut report: impl FnMut(Found<'_>)) {
        if self.failed {
            return;
        }
        let scanner = &mut self.scanner;
        if let Err(error) = self.unzip.push(chunk, |text| scanner.push(text, &mut report)) {
            self.fail(error, report);
        }
    }

    /// Ends the file.
    pub fn finish(mut self, report: impl FnMut(Found<'_>)) {
        match self.unzip.finish() {
            _ if self.failed => {}
            Err(error) => self.fail(error, report),
            Ok(()) => self.scanner.finish(report),
        }
    }

    fn fail(&mut self, error: Error, mut report: impl FnMut(Found<'_>)) {
        self.failed = true;
        // The text also ends early then, which needs no error of its own.
        self.scanner.flush(&mut report);
        report(Err(error));
    }
}

#[cfg(test)]
mod tests;
