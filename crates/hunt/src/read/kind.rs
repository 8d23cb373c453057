//! What a file holds, as its beginning shows, whatever it is called.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use portcullis_delivery::{flowlog, logfile};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// CloudTrail: `{"Records":[…]}`.
    Trail,
    /// Other JSON: single records, one a line, in envelopes; a snapshot of state; messages of flow logs.
    Json,
    /// A flow log as text.
    FlowLog,
    /// Parquet: a flow log, if anything.
    Parquet,
    /// Something else.
    Other,
}

/// So much of a file is read, and so much of its text is looked at. Unzipping more of every file would be felt.
const BEGINNING: usize = 4 << 10;

/// The kind of a file.
///
/// # Errors
/// Those of the file system.
pub fn kind_of(path: &Path) -> io::Result<Kind> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BEGINNING as u64).read_to_end(&mut bytes)?;
    Ok(kind(&bytes))
}

fn kind(bytes: &[u8]) -> Kind {
    if bytes.starts_with(b"PAR1") {
        return Kind::Parquet;
    }
    let text = logfile::beginning(bytes, BEGINNING);
    if text.starts_with(b"PAR1") {
        return Kind::Parquet;
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let first = text.trim_ascii_start();
    if starts_with_records(first) {
        Kind::Trail
    } else if first.starts_with(b"{") || first.starts_with(b"[") {
        Kind::Json
    } else if flowlog::is_flow_log(text) {
        Kind::FlowLog
    } else {
        Kind::Other
    }
}

/// `{"Records":[`. S3's notices have the same; they hold no record of CloudTrail, and are told apart by their content.
fn starts_with_records(text: &[u8]) -> bool {
    let mut rest = text;
    for token in [&b"{"[..], b"\"Records\"", b":", b"["] {
        let Some(behind) = rest.trim_ascii_start().strip_prefix(token) else { return false };
        rest = behind;
    }
    true
}
