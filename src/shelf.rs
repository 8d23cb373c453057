//! Where evidence is kept: a bucket, or a folder with the same layout. Each document is written once.
//!
//! Closing never waits for the shelf: a rule is revoked first, and its evidence is written then. What cannot be written goes
//! to the log as it is, and makes the delivery fail, so that it is tried again.

mod bucket;
mod folder;
mod latest;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use portcullis_domain::evidence::{ActId, Evidence};
use portcullis_domain::policy::Policy;
use tokio::time::Instant;

pub use bucket::BucketShelf;
pub use folder::FolderShelf;
pub use latest::Reading;

use crate::aws::{Aws, AwsError};
use crate::config::EvidencePlace;

/// Where evidence is kept.
#[derive(Debug, Default)]
pub enum Shelf {
    /// Nowhere: the log alone.
    #[default]
    None,
    /// In a bucket.
    Bucket(BucketShelf),
    /// In a folder.
    Folder(FolderShelf),
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was written.
    Written,
    /// A document was there under its name already, and is left as it is.
    Already,
}

/// Why a document could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The bucket.
    #[error("{0}")]
    Bucket(#[from] AwsError),
    /// The folder.
    #[error("{path}: {error}")]
    Folder {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// It cannot be written as JSON.
    #[error("{0}")]
    Document(String),
}

/// Where a document is kept under a root: below `evidence/`, `policies/` and so on.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether it must be kept for as long as evidence is.
    pub is_evidence: bool,
}

/// The place of a policy under the root.
#[must_use]
pub fn policy_key(hash: &str) -> String {
    format!("policies/{hash}.yaml")
}

impl Shelf {
    /// The shelf at a place.
    #[must_use]
    pub fn at(place: Option<&EvidencePlace>, aws: &Aws) -> Self {
        match place {
            None => Self::None,
            Some(EvidencePlace::Folder(path)) => Self::Folder(FolderShelf::new(path.clone())),
            Some(EvidencePlace::S3 { bucket, prefix, days }) => {
                Self::Bucket(BucketShelf::new(aws.bucket(bucket), prefix.clone(), *days))
            }
        }
    }

    /// Whether evidence is kept at all.
    #[must_use]
    pub const fn is_there(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Writes a document, unless there is one under its key. Nothing goes on after `until`.
    ///
    /// # Errors
    /// [`ShelfError`]: whether the document is there is not known then.
    pub async fn put(&self, document: Document<'_>, now: Timestamp, until: Instant) -> Result<Put, ShelfError> {
        match self {
            Self::None => Ok(Put::Already),
            Self::Bucket(bucket) => Ok(bucket.put(document, now, until).await?),
            Self::Folder(folder) => folder.put(document),
        }
    }

    async fn put_act(&self, id: &ActId, document: &str, (now, until): (Timestamp, Instant)) -> Result<Put, ShelfError> {
        let key = id.key();
        self.put(Document { key: &key, bytes: document.as_bytes(), is_evidence: true }, now, until).await
    }

    /// The keys that begin with `prefix`, in their order.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, ShelfError> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Bucket(bucket) => Ok(bucket.keys(prefix).await?),
            Self::Folder(folder) => folder.keys(prefix),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn get(&self, key: &str) -> Result<Vec<u8>, ShelfError> {
        match self {
            Self::None => Err(ShelfError::Document("no evidence is kept".to_owned())),
            Self::Bucket(bucket) => Ok(bucket.get(key).await?),
            Self::Folder(folder) => folder.get(key),
        }
    }
}

/// What an instance keeps of the evidence that it could not write.
#[derive(Debug, Default)]
pub struct Unwritten {
    /// Each with the policy by which it was judged.
    documents: Mutex<BTreeMap<ActId, (String, Arc<Policy>)>>,
    /// The hash of the policy that was written last.
    policy: Mutex<String>,
}

/// This many documents are kept. The log has them all.
const MOST_UNWRITTEN: usize = 64;

impl Unwritten {
    fn keep(&self, id: &ActId, document: String, policy: Arc<Policy>) {
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        if documents.len() < MOST_UNWRITTEN {
            documents.insert(id.clone(), (document, policy));
        }
    }

    /// The document of an earlier attempt: it knows more than one of a later attempt can.
    fn take(&self, id: &ActId) -> Option<(String, Arc<Policy>)> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_any(&self) -> bool {
        !self.documents.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn any(&self) -> Option<(ActId, (String, Arc<Policy>))> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
    }

    /// Writes evidence and its policy at once: an instance that comes no further leaves no evidence without the policy to
    /// judge it by.
    async fn put_with_policy(
        &self,
        shelf: &Shelf,
        (id, document): (&ActId, &str),
        policy: &Policy,
        at: (Timestamp, Instant),
    ) -> Result<Put, ShelfError> {
        let (added, put) = tokio::join!(self.add_policy(shelf, policy, at), shelf.put_act(id, document, at));
        let put = put?;
        added.map(|()| put)
    }

    /// Writes the policy, unless this instance has written it.
    async fn add_policy(
        &self,
        shelf: &Shelf,
        policy: &Policy,
        (now, until): (Timestamp, Instant),
    ) -> Result<(), ShelfError> {
        if *self.policy.lock().unwrap_or_else(PoisonError::into_inner) == policy.hash() {
            return Ok(());
        }
        let key = policy_key(policy.hash());
        let document = Document { key: &key, bytes: policy.text().as_bytes(), is_evidence: false };
        shelf.put(document, now, until).await?;
        policy.hash().clone_into(&mut self.policy.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

/// Evidence that could not be written.
#[derive(Debug)]
pub struct NotWritten {
    /// Why.
    pub error: ShelfError,
    /// The document. The log has it instead.
    pub document: String,
}

/// Keeps the evidence of an act, and the policy under which it was judged where this instance has not kept it yet. Returns
/// the id under which it is kept.
///
/// # Errors
/// [`NotWritten`].
pub async fn keep(
    shelf: &Shelf,
    unwritten: &Unwritten,
    evidence: &Evidence,
    policy: &Arc<Policy>,
    (now, until): (Timestamp, Instant),
) -> Result<ActId, Box<NotWritten>> {
    let failed = |error, document: &str| Box::new(NotWritten { error, document: document.to_owned() });
    let made = evidence.document().map_err(|why| failed(ShelfError::Document(why), ""))?;
    let earlier = unwritten.take(&evidence.id);
    let is_earlier = earlier.is_some();
    let (document, its_policy) = earlier.unwrap_or_else(|| (made, Arc::clone(policy)));
    let mut id = evidence.id.clone();
    let written = async {
        let put = unwritten.put_with_policy(shelf, (&id, &document), &its_policy, (now, until)).await?;
        let is_there = put == Put::Already || is_earlier;
        if is_there && evidence.is_done() {
            // What was done now is not what is in the evidence that is there.
            let again = Evidence { id: evidence.again(), ..evidence.clone() };
            let document = again.document().map_err(ShelfError::Document)?;
            id = again.id;
            shelf.put_act(&id, &document, (now, until)).await?;
        }
        unwritten.add_policy(shelf, policy, (now, until)).await
    };
    if let Err(error) = written.await {
        let not_written = failed(error, &document);
        unwritten.keep(&evidence.id, document, its_policy);
        return Err(not_written);
    }
    Ok(id)
}

/// Writes what could not be written before, while the shelf answers. A later delivery of the same event may have no
/// evidence of its own any more.
///
/// # Errors
/// [`ShelfError`]: something is still not written.
pub async fn flush(shelf: &Shelf, unwritten: &Unwritten, (now, until): (Timestamp, Instant)) -> Result<(), ShelfError> {
    while let Some((id, (document, policy))) = unwritten.any() {
        let written = unwritten.put_with_policy(shelf, (&id, &document), &policy, (now, until)).await;
        if let Err(error) = written {
            unwritten.keep(&id, document, policy);
            return Err(error);
        }
    }
    Ok(())
}
