//! Documents that are replaced by newer ones: what a sweep saw last. They are read in pieces, as they arrive.

use std::fs::File;
use std::io::Read;

use tokio::time::Instant;

use super::{Shelf, ShelfError};
use crate::aws::Body;

/// This many bytes of a file are read at a time.
const PIECE: usize = 16 << 10;

/// A document that is being read.
#[derive(Debug)]
pub enum Reading {
    /// From a bucket.
    Bucket(Box<Body>),
    /// From a folder.
    Folder(File),
}

impl Shelf {
    /// Writes a document, whatever is under its key.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn replace(&self, key: &str, bytes: Vec<u8>, until: Instant) -> Result<(), ShelfError> {
        match self {
            Self::None => Ok(()),
            // Boxed: a call of S3 is large on the stack.
            Self::Bucket(bucket) => Ok(Box::pin(bucket.replace(key, bytes, until)).await?),
            Self::Folder(folder) => folder.replace(key, &bytes),
        }
    }

    /// Begins to read a document; nothing where there is none.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn open(&self, key: &str) -> Result<Option<Reading>, ShelfError> {
        match self {
            Self::None => Ok(None),
            Self::Bucket(bucket) => Ok(Box::pin(bucket.open(key)).await?.map(|body| Reading::Bucket(Box::new(body)))),
            Self::Folder(folder) => Ok(folder.open(key)?.map(Reading::Folder)),
        }
    }
}

impl Reading {
    /// The next bytes; nothing at the end.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>, ShelfError> {
        match self {
            Self::Bucket(body) => Ok(body.chunk().await?.map(|chunk| chunk.to_vec())),
            Self::Folder(file) => {
                let mut piece = vec![0; PIECE];
                let failed = |error| ShelfError::Folder { path: "a sweep's look".to_owned(), error };
                let length = file.read(&mut piece).map_err(failed)?;
                piece.truncate(length);
                Ok((length > 0).then_some(piece))
            }
        }
    }
}
