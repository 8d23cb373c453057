//! The memory: what outlives an invocation. A table of DynamoDB, or a folder with the same entries.
//!
//! It may be lost, throttled, denied or full at any time. Then the guard acts as if it had never acted before, and says
//! so. Nothing waits for it for longer than the caller allows.

mod folder;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use portcullis_domain::memory::Entries;
use tokio::time::{Instant, timeout_at};

use crate::aws::{Aws, AwsError};

/// Where the memory is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Store {
    /// Nowhere: every delivery begins anew.
    #[default]
    None,
    /// In this table, in the function's own account and Region.
    Table(String),
    /// In this folder.
    Folder(PathBuf),
}

/// A change of one item. All of it is done at once, or nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Update {
    /// Entries that are written.
    pub set: Entries,
    /// Entries that are written where there is none of that name.
    pub set_if_absent: Entries,
    /// Entries that go.
    pub remove: Vec<String>,
    /// Numbers that grow by so much.
    pub add: BTreeMap<String, i64>,
    /// What must hold before.
    pub condition: Option<Condition>,
    /// When nobody needs the item any more.
    pub ttl: Option<Timestamp>,
    /// The same, where the item has no such time yet. Who does not know the item must not shorten it: a waiver in it may
    /// last for months.
    pub ttl_if_absent: Option<Timestamp>,
}

/// What must hold for a change to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is an entry of this name.
    Exists(String),
    /// Nobody holds the lease, or this holder does. The time is in milliseconds.
    LeaseIsFree {
        /// Who asks.
        holder: String,
        /// The time now.
        now: i64,
    },
    /// This holder holds the lease.
    LeaseIs(String),
}

/// Why a change was not made, or nothing was read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// The condition is not met. These are the entries.
    #[error("the condition is not met")]
    NotMet(Entries),
    /// There is no memory.
    #[error("there is no memory")]
    None,
    /// The table did not answer, or refused.
    #[error(transparent)]
    Table(#[from] AwsError),
    /// The folder could not be read or written.
    #[error("{place}: {why}")]
    Folder {
        /// The file.
        place: String,
        /// Why.
        why: String,
    },
    /// No answer came in time.
    #[error("no answer in time")]
    Timeout,
}

impl StoreError {
    /// The code for a log line or a finding.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotMet(_) => "NotMet",
            Self::None => "None",
            Self::Table(error) => error.code.as_str(),
            Self::Folder { .. } => "Folder",
            Self::Timeout => "Timeout",
        }
    }
}

impl Store {
    /// Whether there is one.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Changes an item and returns all entries that it has now.
    ///
    /// # Errors
    /// [`StoreError`]. After a timeout nobody knows whether the change was made.
    pub async fn update(&self, aws: &Aws, key: &str, update: &Update, until: Instant) -> Result<Entries, StoreError> {
        let work = async {
            match self {
                Self::None => Err(StoreError::None),
                // The SDK's futures are large, and they are inside all others.
                Self::Table(name) => Box::pin(table::update(aws, name, key, update)).await,
                Self::Folder(folder) => folder::update(folder, key, update).await,
            }
        };
        timeout_at(until, work).await.unwrap_or(Err(StoreError::Timeout))
    }

    /// Reads all entries of an item, as they are now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(&self, aws: &Aws, key: &str, until: Instant) -> Result<Entries, StoreError> {
        let work = async {
            match self {
                Self::None => Err(StoreError::None),
                Self::Table(name) => Box::pin(table::read(aws, name, key)).await,
                Self::Folder(folder) => folder::read(folder, key).await,
            }
        };
        timeout_at(until, work).await.unwrap_or(Err(StoreError::Timeout))
    }
}
