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

use serde_json::Value;

pub use scan::{Scanner, scan};
pub use unzip::{Scratch, plain};

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

/// A record of ours, its double keys marked by [`portcullis_domain::json::parse`]; or what could not be read.
pub type Found = Result<Value, Error>;

/// How much is unzipped at a time: what the processor's own cache holds.
const PIECE: usize = 64 << 10;

/// Reads a file from memory, gzip or plain.
pub fn read(file: &[u8], scratch: &mut Scratch, mut tell: impl FnMut(Found)) {
    if let Some(text) = plain(file, scratch) {
        return scan(text, tell);
    }
    // Too large for a buffer, or damaged: this says where, after what can still be read.
    let mut stream = Stream::default();
    for chunk in file.chunks(PIECE) {
        stream.push(chunk, &mut tell);
    }
    stream.finish(tell);
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
    pub fn push(&mut self, chunk: &[u8], mut tell: impl FnMut(Found)) {
        if self.failed {
            return;
        }
        let scanner = &mut self.scanner;
        if let Err(error) = self.unzip.push(chunk, |text| scanner.push(text, &mut tell)) {
            self.fail(error, tell);
        }
    }

    /// The end of the file.
    pub fn finish(mut self, tell: impl FnMut(Found)) {
        match self.unzip.finish() {
            _ if self.failed => {}
            Err(error) => self.fail(error, tell),
            Ok(()) => self.scanner.finish(tell),
        }
    }

    fn fail(&mut self, error: Error, mut tell: impl FnMut(Found)) {
        self.failed = true;
        // That the text ends early as well goes without saying.
        self.scanner.flush(&mut tell);
        tell(Err(error));
    }
}

#[cfg(test)]
mod tests;
