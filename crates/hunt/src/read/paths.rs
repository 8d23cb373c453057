//! From the paths of a command line to files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::kind::kind_of;
use super::s3::{self, Store};
use super::source::{Place, Source};

const ENDINGS: [&str; 8] = [".json", ".jsonl", ".ndjson", ".gz", ".log", ".txt", ".parquet", ".zst"];
/// Beside CloudTrail's log files, and of no use to a hunt.
const PASSED_OVER: [&str; 3] = ["CloudTrail-Digest", "CloudTrail-Insight", "CloudTrail-NetworkActivity"];

/// Whether a file in a folder is read, as far as its name says.
pub(super) fn has_ending(name: &str) -> bool {
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Whether a folder of this name is passed over.
pub(super) fn is_passed_over(folder: &str) -> bool {
    PASSED_OVER.contains(&folder)
}

/// What is said of a place without files.
pub(super) fn nothing_in(place: impl std::fmt::Display) -> String {
    format!("{place}: there is no log file in it ({})", ENDINGS.join(", "))
}

/// The files that paths stand for, each once, in order of name, and what could not be read. In folders, files of other
/// endings and CloudTrail's digests are passed over. `s3://` needs a store.
#[must_use]
pub fn expand(paths: &[PathBuf], store: Option<&Store>) -> (Vec<Source>, Vec<String>) {
    let (mut found, mut errors, mut sources) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths {
        let before = found.len();
        if let Some(url) = path.to_str().filter(|path| path.starts_with("s3://")) {
            match store.ok_or_else(|| format!("{url}: S3 is not read here")).and_then(|store| store.list(url)) {
                Ok(objects) => sources.extend(objects),
                Err(why) => errors.push(why),
            }
        } else if path.is_dir() {
            walk(path, &mut found, &mut errors);
            if found.len() == before {
                errors.push(nothing_in(path.display()));
            }
        } else if let Err(error) = fs::metadata(path) {
            errors.push(format!("{}: {error}", path.display()));
        } else {
            found.push(path.clone());
        }
    }
    s3::once(&mut sources);
    let mut known = BTreeSet::new();
    found.retain(|path| known.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())));
    found.sort();
    let mut files = Vec::new();
    for path in found {
        match kind_of(&path) {
            Ok(kind) => {
                let modified = fs::metadata(&path).and_then(|meta| meta.modified()).ok();
                let modified = modified.and_then(|time| jiff::Timestamp::try_from(time).ok());
                let modified = modified.map(jiff::Timestamp::as_second);
                files.push(Source { place: Place::File(path), kind, modified, is_copy: false, has_copy: false });
            }
            Err(error) => errors.push(format!("{}: {error}", path.display())),
        }
    }
    mark_copies(&mut files);
    files.extend(sources);
    (files, errors)
}

/// A record of a flow log has no id by which a second copy could be told, so whole files are compared: those of one size and one
/// end, which of gzip data has a check sum of all the rest.
fn mark_copies(files: &mut [Source]) {
    let mut alike: BTreeMap<(u64, Vec<u8>), Vec<usize>> = BTreeMap::new();
    for (n, source) in files.iter().enumerate() {
        if let Ok(key) = source.local().and_then(size_and_end) {
            alike.entry(key).or_default().push(n);
        }
    }
    for same in alike.values().filter(|same| same.len() > 1) {
        let mut contents = BTreeMap::new();
        for n in same {
            let Some(source) = files.get(*n) else { continue };
            let Ok(bytes) = source.local().and_then(fs::read) else { continue };
            let first = *contents.entry(Sha256::digest(&bytes).to_vec()).or_insert(*n);
            mark(files, first, *n);
        }
    }
}

fn size_and_end(path: &Path) -> io::Result<(u64, Vec<u8>)> {
    let mut file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(64)))?;
    let mut end = Vec::new();
    file.take(64).read_to_end(&mut end)?;
    Ok((size, end))
}

/// Marks a file and the first one of the same content as copies, unless it is that one.
pub(super) fn mark(files: &mut [Source], first: usize, n: usize) {
    if first != n {
        files.get_mut(first).into_iter().for_each(|source| source.has_copy = true);
        files.get_mut(n).into_iter().for_each(|source| source.is_copy = true);
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
            if !is_passed_over(&name) {
                walk(&path, found, errors);
            }
        } else if has_ending(&name) {
            found.push(path);
        }
    }
}
