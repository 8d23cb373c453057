//! What is there.

use jiff::Timestamp;
use portcullis::aws::AwsError;
use serde_json::Value;

use super::events::WriteEvents;

/// What is there, of what `trail create` would make, and the trails that the home Region shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// All trails that cover the home Region.
    pub trails: Vec<Trail>,
    /// The bucket.
    pub bucket: Bucket,
    /// The topic.
    pub topic: Option<Topic>,
    /// The queue.
    pub queue: Option<Queue>,
}

/// A trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// Its ARN.
    pub arn: String,
    /// The Region that it was made in.
    pub home: String,
    /// The bucket of its log files.
    pub bucket: String,
    /// Its topic's ARN.
    pub topic_arn: Option<String>,
    /// Its KMS key's ARN.
    pub kms_key: Option<String>,
    /// Whether it covers all Regions.
    pub multi_region: bool,
    /// Whether it logs what global services such as IAM do.
    pub global_events: bool,
    /// Whether its log files can be validated.
    pub validation: bool,
    /// Whether it covers all accounts of the organisation.
    pub organization: bool,
    /// Whether it is on.
    pub logging: Result<Logging, AwsError>,
    /// Which write events it logs.
    pub events: Result<WriteEvents, AwsError>,
    /// Whether it has [`super::TAG`]. Only the one that `trail create` would make is asked for it.
    pub tagged: Result<bool, AwsError>,
}

/// Whether a trail is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Logging {
    /// It is.
    On {
        /// When a log file came last into the bucket.
        delivered: Option<Timestamp>,
        /// Why the last one did not.
        error: Option<String>,
    },
    /// It has never been.
    Never,
    /// Somebody switched it off.
    Stopped,
}

/// The bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bucket {
    /// Nobody has one of this name.
    Missing,
    /// It is another account's, or the caller may not see it.
    NotYours,
    /// It is the account's own.
    There(BucketFacts),
}

/// What a bucket is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketFacts {
    /// Its Region.
    pub region: String,
    /// Whether all four settings that block public access are on; `None` where none is set.
    pub blocks_public_access: Option<bool>,
    /// Whether it keeps former versions.
    pub versioning: Versioning,
    /// How it encrypts what comes in.
    pub encryption: Encryption,
    /// Its policy.
    pub policy: Option<Value>,
}

/// Whether a bucket keeps former versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// It was never set.
    Unset,
    /// It does.
    Enabled,
    /// It did.
    Suspended,
}

/// How a bucket encrypts what comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// It was never set.
    Unset,
    /// With S3's own key, which is every bucket's default since 2023.
    S3,
    /// With a KMS key.
    Kms(Option<String>),
}

/// The topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its policy.
    pub policy: Option<Value>,
    /// Its subscriptions: protocol and endpoint, and the ARN.
    pub subscriptions: Vec<(String, String, String)>,
    /// Whether it has [`super::TAG`].
    pub tagged: bool,
}

/// The queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its URL.
    pub url: String,
    /// Its policy.
    pub policy: Option<Value>,
    /// How many messages wait in it.
    pub messages: u64,
    /// Whether it has [`super::TAG`].
    pub tagged: bool,
}
