//! What there is to read: files, folders, standard input and S3 objects; plain or gzip; one document or one a line.
//!
//! Reading knows nothing of judging: each payload is handed to the caller, in order.

pub mod errors;
pub mod objects;
mod records;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use portcullis::s3_url::S3Url;
use portcullis_delivery::envelope::Payload;
use portcullis_delivery::logfile;
use portcullis_domain::ids::AccountId;
use portcullis_domain::text::escaped;

use records::LogFile;

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// An input of up to this many bytes is read into memory whole. No log file that CloudTrail writes is larger. A log file
/// beyond that is read in parts.
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

    /// Gives each payload in it to `each`, and what could not be read.
    pub fn read(&self, mut each: impl FnMut(Result<Payload<'_>, InputError>)) {
        let name = self.name();
        let read = match self {
            Self::Stdin => read(&name, io::stdin().lock(), &mut each),
            Self::File(path) => std::fs::File::open(path).and_then(|file| read(&name, file, &mut each)),
        };
        if let Err(error) = read {
            each(Err(InputError { place: name, why: error.to_string() }));
        }
    }
}

fn read(name: &str, mut input: impl Read, each: &mut impl FnMut(Result<Payload<'_>, InputError>)) -> io::Result<()> {
    let mut bytes = Vec::new();
    input.by_ref().take(MOST_IN_MEMORY as u64).read_to_end(&mut bytes)?;
    if bytes.len() < MOST_IN_MEMORY || !logfile::begins_log_file(&bytes) {
        input.read_to_end(&mut bytes)?;
        records::in_bytes(name, &bytes, each);
        return Ok(());
    }
    let mut log_file = LogFile::new(name, each);
    while !bytes.is_empty() {
        log_file.push(&bytes);
        bytes.clear();
        // What has arrived has been given; the rest is missing.
        input.by_ref().take(1 << 20).read_to_end(&mut bytes)?;
    }
    log_file.finish();
    Ok(())
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
    let parts: Vec<&str> = key.split('/').collect();
    let folders = (1..parts.len()).filter_map(|n| parts.get(..n));
    ENDINGS.iter().any(|ending| key.ends_with(ending)) && !folders.into_iter().any(holds_other_logs)
}

/// Whether a folder holds none of CloudTrail's log files: its digests, or the logs that other services of an account
/// write beside `AWSLogs/111122223333/CloudTrail`.
fn holds_other_logs(path: &[&str]) -> bool {
    let [before @ .., folder] = path else { return false };
    let in_account = before.last().is_some_and(|account| AccountId::parse(account).is_ok());
    PASSED_OVER.contains(folder) || (in_account && before.contains(&"AWSLogs") && *folder != "CloudTrail")
}

/// The inputs that paths stand for: `-`, files, and of folders every `.json`, `.jsonl`, `.ndjson` and `.gz` in them, less
/// other services' logs and CloudTrail's digests and Insights, in order of name.
///
/// # Errors
/// [`InputError`] for each folder that cannot be read or has no input in it, in the same list.
#[must_use]
pub fn expand(paths: &[PathBuf]) -> Vec<Result<Input, InputError>> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            inputs.push(Ok(Input::Stdin));
        } else if path.is_dir() {
            let (before, mut others) = (inputs.len(), BTreeMap::new());
            walk(path, &mut inputs, &mut others);
            if inputs.len() == before {
                inputs.push(Err(InputError { place: path.display().to_string(), why: nothing_to_read(&others) }));
            }
        } else {
            inputs.push(Ok(Input::File(path.clone())));
        }
    }
    inputs
}

/// Why there is nothing to read in a folder, with what there is instead, by the endings of its files.
fn nothing_to_read(others: &BTreeMap<String, usize>) -> String {
    let found: Vec<String> = others.iter().map(|(ending, files)| format!("{files} {ending}")).collect();
    let found = if found.is_empty() { String::new() } else { format!(", but {}", found.join(", ")) };
    format!("there is no .json, .jsonl, .ndjson or .gz in it{found}")
}

fn walk(folder: &Path, inputs: &mut Vec<Result<Input, InputError>>, others: &mut BTreeMap<String, usize>) {
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
            let text = path.to_string_lossy();
            let parts: Vec<&str> = text.split('/').collect();
            if holds_other_logs(&parts) {
                *others.entry("folder of other logs".to_owned()).or_default() += 1;
            } else {
                walk(&path, inputs, others);
            }
        } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            inputs.push(Ok(Input::File(path)));
        } else {
            let ending =
                path.extension().map_or_else(|| "without an ending".to_owned(), |end| format!(".{}", end.display()));
            *others.entry(escaped(&ending)).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_cloudtrails_log_files_other_services_logs_are_passed_over() {
        let here = "AWSLogs/o-exampleorgid/111122223333";
        for (key, input) in [
            (format!("{here}/CloudTrail/eu-west-1/2026/11/21/a.json.gz"), true),
            (format!("prefix/{here}/CloudTrail/eu-west-1/a.json.gz"), true),
            (format!("{here}/CloudTrail-Digest/eu-west-1/a.json.gz"), false),
            (format!("{here}/Config/eu-west-1/a.json.gz"), false),
            (format!("{here}/vpcflowlogs/eu-west-1/a.log.gz"), false),
            ("CloudTrail-Insight/a.json.gz".to_owned(), false),
            ("111122223333/export/a.json.gz".to_owned(), true),
            ("mine/Config/a.json".to_owned(), true),
            ("mine/a.txt".to_owned(), false),
        ] {
            assert_eq!(is_input(&key), input, "{key}");
        }
    }
}
