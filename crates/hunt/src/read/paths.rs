//! From the paths of a command line to files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::kind::{Kind, kind_of};

/// A file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub kind: Kind,
    /// When it was last written, in seconds since 1970.
    pub modified: Option<i64>,
    /// Whether a file before it has the same bytes.
    pub is_copy: bool,
}

impl Source {
    /// How messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Whether it is called as logs are, and holds none: damaged, or something else.
    #[must_use]
    pub fn is_no_log(&self) -> bool {
        let name = self.path.to_string_lossy();
        self.kind == Kind::Other
            && [".gz", ".json", ".jsonl", ".ndjson", ".parquet"].iter().any(|end| name.ends_with(end))
    }

    /// The day in the name that CloudTrail and VPC give a file (`…_20261120T1005Z_…`), as seconds since 1970.
    #[must_use]
    pub fn delivered(&self) -> Option<i64> {
        let name = self.path.file_name()?.to_str()?;
        name.split('_').find_map(|part| {
            let (day, time) = part.strip_suffix('Z')?.split_once('T')?;
            let (year, month, date) = (day.get(..4)?, day.get(4..6)?, day.get(6..8)?);
            let (hour, minute) = (time.get(..2)?, time.get(2..4)?);
            let time: jiff::Timestamp = format!("{year}-{month}-{date}T{hour}:{minute}:00Z").parse().ok()?;
            Some(time.as_second())
        })
    }
}

const ENDINGS: [&str; 8] = [".json", ".jsonl", ".ndjson", ".gz", ".log", ".txt", ".parquet", ".zst"];
/// Beside CloudTrail's log files, and of no use to a hunt.
const PASSED_OVER: [&str; 3] = ["CloudTrail-Digest", "CloudTrail-Insight", "CloudTrail-NetworkActivity"];

/// The files that paths stand for, each once, in order of name, and what could not be read. In folders, files of other
/// endings and CloudTrail's digests are passed over.
#[must_use]
pub fn expand(paths: &[PathBuf]) -> (Vec<Source>, Vec<String>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        let before = found.len();
        if path.to_str().is_some_and(|path| path.starts_with("s3://")) {
            errors.push(format!("{}: S3 is not read here: aws s3 sync copies a prefix into a folder", path.display()));
        } else if path.is_dir() {
            walk(path, &mut found, &mut errors);
            if found.len() == before {
                errors.push(format!("{}: there is no log file in it ({})", path.display(), ENDINGS.join(", ")));
            }
        } else if let Err(error) = fs::metadata(path) {
            errors.push(format!("{}: {error}", path.display()));
        } else {
            found.push(path.clone());
        }
    }
    let mut known = BTreeSet::new();
    found.retain(|path| known.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())));
    found.sort();
    let mut sources = Vec::new();
    for path in found {
        match kind_of(&path) {
            Ok(kind) => {
                let modified = fs::metadata(&path).and_then(|meta| meta.modified()).ok();
                let modified = modified.and_then(|time| jiff::Timestamp::try_from(time).ok());
                let modified = modified.map(jiff::Timestamp::as_second);
                sources.push(Source { path, kind, modified, is_copy: false });
            }
            Err(error) => errors.push(format!("{}: {error}", path.display())),
        }
    }
    mark_copies(&mut sources);
    (sources, errors)
}

/// A record of a flow log has no id by which a second copy could be told, so whole files are compared.
fn mark_copies(sources: &mut [Source]) {
    let mut sizes: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (n, source) in sources.iter().enumerate() {
        if let Ok(meta) = fs::metadata(&source.path) {
            sizes.entry(meta.len()).or_default().push(n);
        }
    }
    for same in sizes.values().filter(|same| same.len() > 1) {
        let mut known = BTreeSet::new();
        for n in same {
            let Some(source) = sources.get_mut(*n) else { continue };
            let Ok(bytes) = fs::read(&source.path) else { continue };
            source.is_copy = !known.insert(Sha256::digest(&bytes).to_vec());
        }
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>, errors: &mut Vec<String>) {
    let entries = match fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => return errors.push(format!("{}: {error}", folder.display())),
    };
    for path in entries.iter().map(fs::DirEntry::path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A link to a folder could lead round in a circle.
        if path.is_dir() && !path.is_symlink() {
            if !PASSED_OVER.contains(&name.as_ref()) {
                walk(&path, found, errors);
            }
        } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}
