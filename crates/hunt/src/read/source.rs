//! A file, on this machine or in S3.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::kind::Kind;
use super::s3::Object;

/// Where a file is.
#[derive(Debug, Clone)]
pub enum Place {
    /// On this machine.
    File(PathBuf),
    /// In S3. It is fetched when it is first read.
    Object(Arc<Object>),
}

/// A file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is.
    pub place: Place,
    /// What it holds.
    pub kind: Kind,
    /// When it was last written, in seconds since 1970.
    pub modified: Option<i64>,
    /// Whether a file before it has the same bytes.
    pub is_copy: bool,
    /// Whether a file behind it has the same bytes.
    pub has_copy: bool,
}

impl Source {
    /// How messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.place {
            Place::File(path) => path.display().to_string(),
            Place::Object(object) => object.url(),
        }
    }

    /// Where it can be read on this machine. An object is waited for.
    ///
    /// # Errors
    /// Why an object could not be fetched.
    pub fn local(&self) -> io::Result<&Path> {
        match &self.place {
            Place::File(path) => Ok(path),
            Place::Object(object) => object.local(),
        }
    }

    /// Whether its name ends so.
    #[must_use]
    pub fn is_called(&self, ending: &str) -> bool {
        self.name().ends_with(ending)
    }

    /// Whether it is called as logs are, and holds none: damaged, or something else.
    #[must_use]
    pub fn is_no_log(&self) -> bool {
        self.kind == Kind::Other
            && [".gz", ".json", ".jsonl", ".ndjson", ".parquet"].iter().any(|end| self.is_called(end))
    }

    /// The time in the name that CloudTrail and VPC give a file (`…_20261120T1005Z_…`), as seconds since 1970. Of copies under
    /// several names none counts.
    #[must_use]
    pub fn delivered(&self) -> Option<i64> {
        if self.has_copy {
            return None;
        }
        let name = self.name();
        name.rsplit('/').next()?.split('_').find_map(|part| {
            let (day, time) = part.strip_suffix('Z')?.split_once('T')?;
            let (year, month, date) = (day.get(..4)?, day.get(4..6)?, day.get(6..8)?);
            let (hour, minute) = (time.get(..2)?, time.get(2..4)?);
            let time: jiff::Timestamp = format!("{year}-{month}-{date}T{hour}:{minute}:00Z").parse().ok()?;
            Some(time.as_second())
        })
    }
}
