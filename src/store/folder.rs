//! The memory as a folder: a file for each key, a JSON object with an entry for each name.
//!
//! One process at a time changes a file. It holds a lock on another file beside it, which the operating system releases
//! if the process ends, and renames the new file over the old one.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_domain::memory::{Entries, LEASE_HOLDER, LEASE_UNTIL};

use super::{Condition, StoreError, Update};

/// How long to wait before the lock is asked for again.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) async fn update(folder: &Path, key: &str, update: &Update) -> Result<Entries, StoreError> {
    let file = file_of(folder, key);
    let failed = |error: io::Error| failed(&file, &error);
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let lock = File::create(file.with_extension("lock")).map_err(failed)?;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    let entries = load(&file).map_err(failed)?;
    if !update.condition.as_ref().is_none_or(|condition| is_met(condition, &entries)) {
        return Err(StoreError::NotMet(entries));
    }
    let entries = applied(entries, update);
    let new = file.with_extension("new");
    let text = serde_json::to_vec_pretty(&entries).map_err(io::Error::from).map_err(failed)?;
    fs::write(&new, text).and_then(|()| fs::rename(&new, &file)).map_err(failed)?;
    Ok(entries)
}

pub(super) async fn read(folder: &Path, key: &str) -> Result<Entries, StoreError> {
    let file = file_of(folder, key);
    load(&file).map_err(|error| failed(&file, &error))
}

fn failed(file: &Path, error: &io::Error) -> StoreError {
    StoreError::Folder { place: file.display().to_string(), why: error.to_string() }
}

/// Each part of the key is a folder, but for the last. No part leads out of the folder.
fn file_of(folder: &Path, key: &str) -> PathBuf {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.#".contains(c);
    let part = |part: &str| part.chars().map(|c| if is_plain(c) { c } else { '_' }).collect::<String>();
    let parts = key.split('/').map(part).filter(|part| !part.trim_matches('.').is_empty());
    let mut file = parts.fold(folder.to_owned(), |path, part| path.join(part)).into_os_string();
    file.push(".json");
    file.into()
}

fn load(file: &Path) -> io::Result<Entries> {
    match fs::read(file) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Entries::new()),
        Err(error) => Err(error),
    }
}

fn is_met(condition: &Condition, entries: &Entries) -> bool {
    let holder_is = |holder: &str| entries.get(LEASE_HOLDER).and_then(|value| value.as_str()) == Some(holder);
    match condition {
        Condition::Exists(name) => entries.contains_key(name),
        Condition::LeaseIs(holder) => holder_is(holder),
        Condition::LeaseIsFree { holder, now } => {
            let until = entries.get(LEASE_UNTIL).and_then(|value| value.as_i64());
            holder_is(holder) || until.is_none_or(|until| until < *now)
        }
    }
}

fn applied(mut entries: Entries, update: &Update) -> Entries {
    for (name, value) in &update.set_if_absent {
        entries.entry(name.clone()).or_insert_with(|| value.clone());
    }
    entries.extend(update.set.iter().map(|(name, value)| (name.clone(), value.clone())));
    for (name, more) in &update.add {
        let before = entries.get(name).and_then(|value| value.as_i64()).unwrap_or_default();
        entries.insert(name.clone(), before.saturating_add(*more).into());
    }
    entries.retain(|name, _| !update.remove.contains(name));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leads_out_of_the_folder() {
        for (key, file) in [
            ("111122223333/eu-west-1/sg-1", "m/111122223333/eu-west-1/sg-1.json"),
            ("../../etc/passwd", "m/etc/passwd.json"),
            ("sweep#a b/../c", "m/sweep#a_b/c.json"),
        ] {
            assert_eq!(file_of(Path::new("m"), key), Path::new(file));
        }
    }
}
