//! The calls that a plan is made of. Each can be said in a sentence, and as a command of the AWS CLI that does the same.

use portcullis_domain::ids::AccountId;
use serde_json::Value;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the API's")]
pub enum Step {
    /// s3:CreateBucket.
    CreateBucket { bucket: String, region: String, owner: AccountId },
    /// s3:PutPublicAccessBlock, all four settings.
    BlockPublicAccess { bucket: String, region: String, owner: AccountId },
    /// s3:PutBucketVersioning.
    EnableVersioning { bucket: String, region: String, owner: AccountId },
    /// s3:PutBucketEncryption, with S3's own key where none is named.
    Encrypt { bucket: String, region: String, owner: AccountId, kms_key: Option<String> },
    /// s3:PutBucketPolicy.
    PutBucketPolicy { bucket: String, region: String, owner: AccountId, policy: Value },
    /// sns:CreateTopic, with policy and tag.
    CreateTopic { name: String, region: String, policy: Value },
    /// sqs:CreateQueue, with policy and tag.
    CreateQueue { name: String, region: String, policy: Value },
    /// sns:Subscribe.
    Subscribe { topic_arn: String, queue_arn: String, region: String },
    /// cloudtrail:CreateTrail, with tag.
    CreateTrail(Box<CreateTrail>),
    /// cloudtrail:StartLogging.
    StartLogging { trail_arn: String, region: String },
    /// cloudtrail:DeleteTrail.
    DeleteTrail { trail_arn: String, region: String, organization: bool },
    /// sns:Unsubscribe.
    Unsubscribe { subscription_arn: String, region: String },
    /// sqs:DeleteQueue.
    DeleteQueue { url: String, region: String, messages: u64 },
    /// sns:DeleteTopic.
    DeleteTopic { topic_arn: String, region: String, others: usize },
}

/// What cloudtrail:CreateTrail is given. The trail covers all Regions and global services, and its log files can be
/// validated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the API's")]
pub struct CreateTrail {
    pub name: String,
    pub region: String,
    pub bucket: String,
    pub topic: String,
    pub kms_key: Option<String>,
    pub organization: bool,
}

/// How long the queue keeps a message: SQS's longest, two weeks.
pub(super) const RETENTION_SECONDS: &str = "1209600";

impl Step {
    /// The API's name for the call.
    #[must_use]
    pub const fn call(&self) -> &'static str {
        match self {
            Self::CreateBucket { .. } => "CreateBucket",
            Self::BlockPublicAccess { .. } => "PutPublicAccessBlock",
            Self::EnableVersioning { .. } => "PutBucketVersioning",
            Self::Encrypt { .. } => "PutBucketEncryption",
            Self::PutBucketPolicy { .. } => "PutBucketPolicy",
            Self::CreateTopic { .. } => "CreateTopic",
            Self::CreateQueue { .. } => "CreateQueue",
            Self::Subscribe { .. } => "Subscribe",
            Self::CreateTrail(_) => "CreateTrail",
            Self::StartLogging { .. } => "StartLogging",
            Self::DeleteTrail { .. } => "DeleteTrail",
            Self::Unsubscribe { .. } => "Unsubscribe",
            Self::DeleteQueue { .. } => "DeleteQueue",
            Self::DeleteTopic { .. } => "DeleteTopic",
        }
    }

    /// What it does, to be read after "will".
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::CreateBucket { bucket, region, .. } => format!("create the bucket {bucket} in {region}"),
            Self::BlockPublicAccess { bucket, .. } => format!("block public access to the bucket {bucket}"),
            Self::EnableVersioning { bucket, .. } => format!("have the bucket {bucket} keep former versions"),
            Self::Encrypt { bucket, kms_key, .. } => {
                let key = kms_key.as_deref().unwrap_or("S3's own key");
                format!("encrypt what comes into the bucket {bucket} with {key}")
            }
            Self::PutBucketPolicy { bucket, .. } => {
                format!("let CloudTrail write into the bucket {bucket} for this trail, and nobody without TLS")
            }
            Self::CreateTopic { name, region, .. } => {
                format!("create the SNS topic {name} in {region}, to which CloudTrail may publish for this trail")
            }
            Self::CreateQueue { name, region, .. } => {
                format!("create the SQS queue {name} in {region}, to which this topic may send")
            }
            Self::Subscribe { .. } => "subscribe the queue to the topic".to_owned(),
            Self::CreateTrail(trail) => {
                let accounts = if trail.organization { ", for all accounts of the organisation" } else { "" };
                let (name, region) = (&trail.name, &trail.region);
                format!("create the trail {name} in {region}, for all Regions{accounts}, with log file validation")
            }
            Self::StartLogging { .. } => "start the trail".to_owned(),
            Self::DeleteTrail { trail_arn, organization, .. } => {
                let accounts = if *organization { ", for all accounts of the organisation" } else { "" };
                format!("delete the trail {trail_arn}{accounts}")
            }
            Self::Unsubscribe { .. } => "take the queue's subscription from the topic".to_owned(),
            Self::DeleteQueue { url, messages: 0, .. } => format!("delete the queue {url}"),
            Self::DeleteQueue { url, messages, .. } => {
                format!("delete the queue {url}, with about {messages} messages in it")
            }
            Self::DeleteTopic { topic_arn, others: 0, .. } => format!("delete the topic {topic_arn}"),
            Self::DeleteTopic { topic_arn, others, .. } => {
                format!("delete the topic {topic_arn}, from which {others} other subscriptions get messages too")
            }
        }
    }
}
