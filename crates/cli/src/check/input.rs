//! What there is to check: files, folders, standard input and S3 objects; plain or gzip; one document or one a line.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use portcullis::s3_url::S3Url;
use portcullis_delivery::logfile;
use portcullis_domain::json::{self, Json};

use super::{Judge, Judged, LogFile};

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// So much of an input is read into memory as it is, in bytes: more than any log file that CloudTrail writes. A log file
/// beyond that is judged as it is read.
pub const MOST_IN_MEMORY: usize = 64 << 20;

/// What could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct InputError {
    /// The file, with the line where there are several documents.
    pub place: String,
    /// Why.
    pub why: String,
}

impl Input {
    /// How messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Reads and judges it.
    #[must_use]
    pub fn judge(&self, judge: &Judge) -> Judged {
        let name = self.name();
        let judged = match self {
            Self::Stdin => read(judge, &name, io::stdin().lock()),
            Self::File(path) => std::fs::File::open(path).and_then(|file| read(judge, &name, file)),
        };
        judged.unwrap_or_else(|error| InputError { place: name, why: error.to_string() }.into())
    }
}

fn read(judge: &Judge, name: &str, mut input: impl Read) -> io::Result<Judged> {
    let mut bytes = Vec::new();
    input.by_ref().take(MOST_IN_MEMORY as u64).read_to_end(&mut bytes)?;
    if bytes.len() < MOST_IN_MEMORY || !logfile::begins_log_file(&bytes) {
        input.read_to_end(&mut bytes)?;
        return Ok(judge.bytes(name, &bytes));
    }
    let mut log_file = LogFile::new(judge, name);
    while !bytes.is_empty() {
        log_file.push(&bytes);
        bytes.clear();
        if let Err(error) = input.by_ref().take(1 << 20).read_to_end(&mut bytes) {
            return Ok(log_file.broken_off(error.to_string()));
        }
    }
    Ok(log_file.finish())
}

/// The plain text of what is no log file, and fits into memory; or why there is none. It may have several members.
pub(super) fn unzipped(bytes: &[u8]) -> Result<Vec<u8>, String> {
    const MOST: u64 = 1 << 30;
    // By its first two bytes, not by its name (RFC 1952, 2.3.1).
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.to_vec());
    }
    let mut plain = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes).take(MOST + 1);
    let length = decoder.read_to_end(&mut plain).map_err(|error| format!("the gzip data is damaged: {error}"))?;
    if length as u64 > MOST { Err(format!("it has more than {MOST} bytes when unzipped")) } else { Ok(plain) }
}

/// One document, or else one a line; a line that is none does not stop the others.
pub(super) fn documents<'a>(name: &str, bytes: &'a [u8]) -> Vec<Result<Json<'a>, InputError>> {
    let whole = match json::parse(bytes) {
        Ok(document) => return vec![Ok(document)],
        Err(error) => InputError { place: name.to_owned(), why: format!("no JSON: {error}") },
    };
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..).filter(|(line, _)| !line.trim_ascii().is_empty());
    let documents: Vec<_> = lines
        .map(|(line, n)| {
            let place = format!("{name}:{n}");
            json::parse(line).map_err(|error| InputError { place, why: format!("no JSON: {error}") })
        })
        .collect();
    // A line counts as a document only if it is one JSON object; otherwise this is one broken document.
    let is_lines = documents.len() > 1 && documents.iter().any(|line| matches!(line, Ok(Json::Object(_))));
    if is_lines { documents } else { vec![Err(whole)] }
}

/// The bucket and the prefix of `s3://bucket/prefix`.
#[must_use]
pub fn s3(path: &Path) -> Option<(&str, &str)> {
    S3Url::parse(path.to_str()?).map(|url| (url.bucket, url.key))
}

const ENDINGS: [&str; 4] = [".json", ".jsonl", ".ndjson", ".gz"];
/// CloudTrail's digests and Insights, which hold no calls.
const PASSED_OVER: [&str; 2] = ["CloudTrail-Digest", "CloudTrail-Insight"];

/// Whether a key is that of an input, as a file's path in a folder would be.
#[must_use]
pub fn is_input(key: &str) -> bool {
    ENDINGS.iter().any(|ending| key.ends_with(ending)) && !key.split('/').any(|part| PASSED_OVER.contains(&part))
}

/// The inputs that paths stand for: `-`, files, and of folders every `.json`, `.jsonl`, `.ndjson` and `.gz` in them, less
/// CloudTrail's digests and Insights, in order of name.
///
/// # Errors
/// [`InputError`] for each path that is not there, in the same list.
#[must_use]
pub fn expand(paths: &[PathBuf]) -> Vec<Result<Input, InputError>> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            inputs.push(Ok(Input::Stdin));
        } else if path.is_dir() {
            walk(path, &mut inputs);
        } else {
            inputs.push(Ok(Input::File(path.clone())));
        }
    }
    inputs
}

fn walk(folder: &Path, inputs: &mut Vec<Result<Input, InputError>>) {
    let trouble = |error: &io::Error| InputError { place: folder.display().to_string(), why: error.to_string() };
    let entries = match std::fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>()) {
        Ok(entries) => entries,
        Err(error) => return inputs.push(Err(trouble(&error))),
    };
    let mut paths: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A link to a folder could lead round in a circle.
        if path.is_dir() && !path.is_symlink() {
            if !PASSED_OVER.contains(&name.as_ref()) {
                walk(&path, inputs);
            }
        } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            inputs.push(Ok(Input::File(path)));
        }
    }
}
