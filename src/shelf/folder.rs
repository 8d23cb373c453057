//! A folder as a shelf.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{Document, Put, ShelfError};

/// A folder with a document in each file.
#[derive(Debug, Clone)]
pub struct FolderShelf {
    root: PathBuf,
}

impl FolderShelf {
    /// A folder. It is made with the first document.
    #[must_use]
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Writes a document under a name that nobody has. A crash leaves all of it or nothing.
    pub(super) fn put(&self, document: Document<'_>) -> Result<Put, ShelfError> {
        let path = self.root.join(document.key);
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            if path.try_exists()? {
                return Ok(Put::Already);
            }
            let part = path.with_extension(format!("{}.part", std::process::id()));
            let mut file = File::create(&part)?;
            file.write_all(document.bytes)?;
            file.sync_all()?;
            // A link takes no name that is taken, and a rename would.
            let linked = fs::hard_link(&part, &path);
            fs::remove_file(&part)?;
            match linked {
                Ok(()) => Ok(Put::Written),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Put::Already),
                Err(error) => Err(error),
            }
        };
        write().map_err(|error| failed(&path, error))
    }

    /// The keys of all documents that begin with `prefix`, in their order.
    pub(super) fn keys(&self, prefix: &str) -> Result<Vec<String>, ShelfError> {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut keys = Vec::new();
        let start = self.root.join(folder);
        if !self.root.is_dir() {
            return Err(failed(&self.root, io::Error::new(ErrorKind::NotFound, "there is no such folder")));
        }
        if start.is_dir() {
            self.walk(&start, &mut keys)?;
        }
        keys.retain(|key| key.starts_with(prefix));
        keys.sort_unstable();
        Ok(keys)
    }

    fn walk(&self, folder: &Path, keys: &mut Vec<String>) -> Result<(), ShelfError> {
        let entries = fs::read_dir(folder).map_err(|error| failed(folder, error))?;
        for entry in entries {
            let path = entry.map_err(|error| failed(folder, error))?.path();
            if path.is_dir() {
                self.walk(&path, keys)?;
            } else if let Some(key) = path.strip_prefix(&self.root).ok().and_then(Path::to_str) {
                keys.push(key.to_owned());
            }
        }
        Ok(())
    }

    /// Writes a document, whatever is under its name. A crash leaves the old one or the new one.
    pub(super) fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), ShelfError> {
        let path = self.root.join(key);
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let part = path.with_extension(format!("{}.part", std::process::id()));
            fs::write(&part, bytes)?;
            fs::rename(&part, &path)
        };
        write().map_err(|error| failed(&path, error))
    }

    /// Begins to read a document; nothing where there is none.
    pub(super) fn open(&self, key: &str) -> Result<Option<File>, ShelfError> {
        let path = self.root.join(key);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path, error)),
        }
    }

    pub(super) fn get(&self, key: &str) -> Result<Vec<u8>, ShelfError> {
        let path = self.root.join(key);
        fs::read(&path).map_err(|error| failed(&path, error))
    }
}

fn failed(path: &Path, error: io::Error) -> ShelfError {
    ShelfError::Folder { path: path.display().to_string(), error }
}
