//! What there is to read: files, folders, standard input and S3 objects; plain or gzip; one document or one a line.
//!
//! Reading knows nothing of judging: each payload is handed to the caller, in order.

pub mod errors;
pub mod lookup;
pub mod objects;
pub mod passed_over;
mod records;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use portcullis::s3_url::S3Url;
use portcullis_delivery::envelope::Payload;
use portcullis_delivery::logfile;
use portcullis_domain::ids::AccountId;

use passed_over::PassedOver;
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

    /// Whether it may be too large to be read beside others.
    #[must_use]
    pub fn is_large(&self) -> bool {
        match self {
            Self::Stdin => true,
            Self::File(path) => std::fs::metadata(path).is_ok_and(|file| file.len() > MOST_IN_MEMORY as u64),
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
    if bytes.len() < MOST_IN_MEMORY {
        records::in_bytes(name, &bytes, each);
        return Ok(());
    }
    if !logfile::begins_log_file(&bytes) {
        return records::in_stream(name, bytes.as_slice().chain(input), each);
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
const NO_CALLS: [&str; 2] = ["CloudTrail-Digest", "CloudTrail-Insight"];

/// Whether a key is that of an input, as a file's path in a folder would be. What is none is counted.
#[must_use]
pub fn is_input(key: &str, passed_over: &mut PassedOver) -> bool {
    let parts: Vec<&str> = key.split('/').collect();
    let other_logs = (1..parts.len()).filter_map(|n| holds_other_logs(parts.get(..n)?)).next();
    if let Some(service) = other_logs {
        passed_over.other_logs(service);
    } else if !ENDINGS.iter().any(|ending| key.ends_with(ending)) {
        // A key that ends like this is a folder that somebody made in the console.
        if !key.ends_with('/') {
            passed_over.file(key);
        }
    } else {
        return true;
    }
    false
}

/// Whose logs a folder holds, where they are none of CloudTrail's log files: its digests, or the logs that other services
/// of an account write beside `AWSLogs/111122223333/CloudTrail`, some of them as `aws-account-id=111122223333`.
fn holds_other_logs<'a>(path: &[&'a str]) -> Option<&'a str> {
    let [before @ .., folder] = path else { return None };
    let is_account = |name: &&str| AccountId::parse(name.strip_prefix("aws-account-id=").unwrap_or(name)).is_ok();
    let in_account = before.last().is_some_and(is_account) && before.contains(&"AWSLogs");
    let is_other = NO_CALLS.contains(folder) || (in_account && *folder != "CloudTrail");
    is_other.then(|| folder.strip_prefix("aws-service=").unwrap_or(folder))
}

/// What paths stand for.
#[derive(Debug, Default)]
pub struct Expanded {
    /// The inputs, in order.
    pub inputs: Vec<Result<Input, InputError>>,
    /// What folders have besides.
    pub passed_over: PassedOver,
}

/// The inputs that paths stand for: `-`, files, and of folders every `.json`, `.jsonl`, `.ndjson` and `.gz` in them, less
/// other services' logs and CloudTrail's digests and Insights, in order of name. A folder that cannot be read or has no
/// input in it is an [`InputError`] in the same list.
#[must_use]
pub fn expand(paths: &[PathBuf]) -> Expanded {
    let mut expanded = Expanded::default();
    for path in paths {
        if path.as_os_str() == "-" {
            expanded.inputs.push(Ok(Input::Stdin));
        } else if path.is_dir() {
            let (before, mut others) = (expanded.inputs.len(), PassedOver::default());
            walk(path, &mut expanded.inputs, &mut others);
            if expanded.inputs.len() == before {
                let error = InputError { place: path.display().to_string(), why: nothing_to_read(&others) };
                expanded.inputs.push(Err(error));
            } else {
                expanded.passed_over.extend(others);
            }
        } else {
            expanded.inputs.push(Ok(Input::File(path.clone())));
        }
    }
    expanded
}

/// Why there is nothing to read in a folder or a bucket, with what there is instead.
#[must_use]
pub fn nothing_to_read(others: &PassedOver) -> String {
    let found = others.text().map_or_else(String::new, |found| format!(", but {found}"));
    format!("there is no .json, .jsonl, .ndjson or .gz in it{found}")
}

fn walk(folder: &Path, inputs: &mut Vec<Result<Input, InputError>>, others: &mut PassedOver) {
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
            match holds_other_logs(&text.split('/').collect::<Vec<&str>>()) {
                Some(service) => others.other_logs(service),
                None => walk(&path, inputs, others),
            }
        } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            inputs.push(Ok(Input::File(path)));
        } else {
            others.file(&name);
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
            ("AWSLogs/aws-account-id=111122223333/aws-service=vpcflowlogs/a.log.gz".to_owned(), false),
            ("CloudTrail-Insight/a.json.gz".to_owned(), false),
            ("111122223333/export/a.json.gz".to_owned(), true),
            ("mine/Config/a.json".to_owned(), true),
            ("mine/a.txt".to_owned(), false),
        ] {
            let mut passed_over = PassedOver::default();
            assert_eq!(is_input(&key, &mut passed_over), input, "{key}");
            assert_eq!(passed_over.text().is_none(), input, "{key}");
        }
        let mut passed_over = PassedOver::default();
        for key in
            ["AWSLogs/111122223333/Config/1.json.gz", "AWSLogs/111122223333/Config/2.json.gz", "a.parquet", "b", "c/"]
        {
            assert!(!is_input(key, &mut passed_over));
        }
        assert_eq!(passed_over.text().unwrap(), "2 of Config, 1 .parquet, 1 without an ending");
    }
}
