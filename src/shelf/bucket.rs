//! A bucket as a shelf.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{Document, Put};
use crate::aws::{AwsError, Body, Bucket, Effect, within};

/// A bucket with a document in each object.
#[derive(Debug)]
pub struct BucketShelf {
    bucket: Bucket,
    /// Ends with a slash, unless it is empty.
    prefix: String,
    days: Option<u32>,
}

/// A document is written this many times before it is given up.
const ATTEMPTS: u32 = 3;

/// An attempt that S3 does not answer within this time is given up.
const ATTEMPT: Duration = Duration::from_millis(1500);

/// The pause after the first attempt. It doubles.
const PAUSE: Duration = Duration::from_millis(100);

/// No document is larger.
const LARGEST: usize = 64 << 20;

const PUT_OBJECT: &str = "PutObject";

impl BucketShelf {
    /// The objects below `prefix`. Evidence is locked for that many days.
    #[must_use]
    pub const fn new(bucket: Bucket, prefix: String, days: Option<u32>) -> Self {
        Self { bucket, prefix, days }
    }

    /// Writes an object under a key that nobody has.
    ///
    /// Each attempt is ours, not the SDK's: where an answer was lost and the next attempt finds the key taken, the object is
    /// the one that this call wrote.
    pub(super) async fn put(&self, document: Document<'_>, now: Timestamp, until: Instant) -> Result<Put, AwsError> {
        let key = format!("{}{}", self.prefix, document.key);
        let retention = self.days.filter(|_| document.is_evidence).and_then(|days| lock(now, days));
        let (mut pause, mut may_be_ours) = (PAUSE, false);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let until = until.min(Instant::now() + ATTEMPT);
            let put = self.bucket.put_new(&key, document.bytes.to_vec(), retention);
            let error = match within(until, PUT_OBJECT, put).await {
                Ok(is_new) => return Ok(if is_new || may_be_ours { Put::Written } else { Put::Already }),
                Err(error) => error,
            };
            may_be_ours |= error.effect == Effect::Unknown;
            let is_final = matches!(error.effect, Effect::Refused | Effect::NotFound);
            if is_final || attempt == ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    pub(super) async fn keys(&self, prefix: &str) -> Result<Vec<String>, AwsError> {
        let prefix = format!("{}{prefix}", self.prefix);
        let (mut keys, mut next) = (Vec::new(), None);
        loop {
            let page = self.bucket.keys(&prefix, next).await?;
            keys.extend(page.keys.iter().filter_map(|key| key.strip_prefix(&self.prefix)).map(str::to_owned));
            next = page.next;
            if next.is_none() {
                return Ok(keys);
            }
        }
    }

    /// Writes an object, whatever is under its key.
    pub(super) async fn replace(&self, key: &str, bytes: Vec<u8>, until: Instant) -> Result<(), AwsError> {
        within(until, PUT_OBJECT, self.bucket.put(&format!("{}{key}", self.prefix), bytes)).await
    }

    /// Begins to read an object; nothing where there is none.
    pub(super) async fn open(&self, key: &str) -> Result<Option<Body>, AwsError> {
        match self.bucket.object(&format!("{}{key}", self.prefix)).await {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.code.as_str() == "NoSuchKey" => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Vec<u8>, AwsError> {
        self.bucket.whole(&format!("{}{key}", self.prefix), LARGEST).await
    }
}

/// The end of an object's lock. Days that no calendar has are no lock that S3 would take.
fn lock(now: Timestamp, days: u32) -> Option<Timestamp> {
    now.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).ok()
}
