//! Paths → JSON documents: files, folders, standard input; plain or gzip; one document or one a line.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde_json::Value;

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// What could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Trouble {
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

    /// Everything in it: documents, and what is none.
    pub fn documents(&self) -> Vec<Result<Value, Trouble>> {
        let mut bytes = Vec::new();
        let read = match self {
            Self::Stdin => io::stdin().lock().read_to_end(&mut bytes),
            Self::File(path) => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
        };
        let name = self.name();
        let trouble = |why: String| vec![Err(Trouble { place: name.clone(), why })];
        if let Err(error) = read {
            return trouble(error.to_string());
        }
        match unzipped(bytes) {
            Ok(bytes) => parse(&bytes, &name),
            Err(error) => trouble(format!("the gzip data is damaged: {error}")),
        }
    }
}

/// By its first two bytes, not by its name (RFC 1952, 2.3.1); a log file may have several members.
fn unzipped(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain)?;
    Ok(plain)
}

/// One document, or else one a line; a line that is none does not stop the others.
fn parse(bytes: &[u8], name: &str) -> Vec<Result<Value, Trouble>> {
    let whole = match serde_json::from_slice(bytes) {
        Ok(document) => return vec![Ok(document)],
        Err(error) => Trouble { place: name.to_owned(), why: format!("no JSON: {error}") },
    };
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..).filter(|(line, _)| !line.trim_ascii().is_empty());
    let documents: Vec<_> = lines
        .map(|(line, n)| {
            let place = format!("{name}:{n}");
            serde_json::from_slice(line).map_err(|error| Trouble { place, why: format!("no JSON: {error}") })
        })
        .collect();
    // A line counts as a document only if it is one JSON object; otherwise this is one broken document.
    let is_lines = documents.len() > 1 && documents.iter().any(|line| matches!(line, Ok(Value::Object(_))));
    if is_lines { documents } else { vec![Err(whole)] }
}

/// The inputs that paths stand for: `-`, files, and of folders every `.json`, `.jsonl`, `.ndjson` and `.gz` in them, less
/// CloudTrail's digests and Insights, in order of name.
///
/// # Errors
/// [`Trouble`] for each path that is not there, in the same list.
#[must_use]
pub fn expand(paths: &[PathBuf]) -> Vec<Result<Input, Trouble>> {
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

fn walk(folder: &Path, inputs: &mut Vec<Result<Input, Trouble>>) {
    let trouble = |error: &io::Error| Trouble { place: folder.display().to_string(), why: error.to_string() };
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
            if name != "CloudTrail-Digest" && name != "CloudTrail-Insight" {
                walk(&path, inputs);
            }
        } else if [".json", ".jsonl", ".ndjson", ".gz"].iter().any(|ending| name.ends_with(ending)) {
            inputs.push(Ok(Input::File(path)));
        }
    }
}
