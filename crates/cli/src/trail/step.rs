//! The calls that a plan is made of. Each can be said in a sentence, and as a command of the AWS CLI that does the same.

use portcullis_domain::ids::AccountId;
use serde_json::{Value, json};

use super::TAG;

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

    /// The command of the AWS CLI that makes the same call, as it can be pasted into a shell.
    #[must_use]
    pub fn cli(&self, profile: Option<&str>) -> String {
        let (service, command, region, arguments) = self.command();
        let mut words = vec!["aws".to_owned(), service.to_owned(), command.to_owned()];
        words.extend(["--region".to_owned(), region.clone()]);
        words.extend(profile.into_iter().flat_map(|profile| ["--profile".to_owned(), quoted(profile)]));
        for (name, value) in arguments {
            words.push(format!("--{name}"));
            words.extend(value.map(|value| quoted(&value)));
        }
        words.join(" ")
    }

    /// Service, command, Region, and the options with their values.
    fn command(&self) -> (&'static str, &'static str, &String, Vec<(&'static str, Option<String>)>) {
        let with = |name: &'static str, value: &str| (name, Some(value.to_owned()));
        let json = |name: &'static str, value: Value| (name, Some(value.to_string()));
        let s3 = |bucket: &str, owner: &AccountId, more: Vec<(&'static str, Option<String>)>| {
            let first = [with("bucket", bucket), with("expected-bucket-owner", owner.as_str())];
            first.into_iter().chain(more).collect()
        };
        match self {
            Self::CreateBucket { bucket, region, .. } => {
                let place = format!("LocationConstraint={region}");
                let elsewhere = (region != "us-east-1").then(|| with("create-bucket-configuration", &place));
                let arguments = [with("bucket", bucket), with("object-ownership", "BucketOwnerEnforced")];
                ("s3api", "create-bucket", region, arguments.into_iter().chain(elsewhere).collect())
            }
            Self::BlockPublicAccess { bucket, region, owner } => {
                let settings = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
                let settings = settings.map(|name| format!("{name}=true")).join(",");
                let more = vec![with("public-access-block-configuration", &settings)];
                ("s3api", "put-public-access-block", region, s3(bucket, owner, more))
            }
            Self::EnableVersioning { bucket, region, owner } => {
                let more = vec![with("versioning-configuration", "Status=Enabled")];
                ("s3api", "put-bucket-versioning", region, s3(bucket, owner, more))
            }
            Self::Encrypt { bucket, region, owner, kms_key } => {
                let by = match kms_key {
                    None => json!({"SSEAlgorithm": "AES256"}),
                    Some(key) => json!({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}),
                };
                let rule = match kms_key {
                    None => json!({"ApplyServerSideEncryptionByDefault": by}),
                    Some(_) => json!({"ApplyServerSideEncryptionByDefault": by, "BucketKeyEnabled": true}),
                };
                let more = vec![json("server-side-encryption-configuration", json!({"Rules": [rule]}))];
                ("s3api", "put-bucket-encryption", region, s3(bucket, owner, more))
            }
            Self::PutBucketPolicy { bucket, region, owner, policy } => {
                let more = vec![json("policy", policy.clone())];
                ("s3api", "put-bucket-policy", region, s3(bucket, owner, more))
            }
            Self::CreateTopic { name, region, policy } => {
                let tags = format!("Key={},Value={}", TAG.0, TAG.1);
                let attributes = json("attributes", json!({"Policy": policy.to_string()}));
                ("sns", "create-topic", region, vec![with("name", name), attributes, with("tags", &tags)])
            }
            Self::CreateQueue { name, region, policy } => {
                let attributes = json!({"MessageRetentionPeriod": RETENTION_SECONDS, "SqsManagedSseEnabled": "true",
                        "Policy": policy.to_string()});
                let tags = format!("{}={}", TAG.0, TAG.1);
                let arguments = vec![with("queue-name", name), json("attributes", attributes), with("tags", &tags)];
                ("sqs", "create-queue", region, arguments)
            }
            Self::Subscribe { topic_arn, queue_arn, region } => {
                let to =
                    [with("topic-arn", topic_arn), with("protocol", "sqs"), with("notification-endpoint", queue_arn)];
                ("sns", "subscribe", region, to.to_vec())
            }
            Self::CreateTrail(trail) => {
                let mut arguments = vec![
                    with("name", &trail.name),
                    with("s3-bucket-name", &trail.bucket),
                    with("sns-topic-name", &trail.topic),
                    ("is-multi-region-trail", None),
                    ("include-global-service-events", None),
                    ("enable-log-file-validation", None),
                ];
                arguments.extend(trail.kms_key.as_deref().map(|key| with("kms-key-id", key)));
                arguments.extend(trail.organization.then_some(("is-organization-trail", None)));
                arguments.push(with("tags-list", &format!("Key={},Value={}", TAG.0, TAG.1)));
                ("cloudtrail", "create-trail", &trail.region, arguments)
            }
            Self::StartLogging { trail_arn, region } => {
                ("cloudtrail", "start-logging", region, vec![with("name", trail_arn)])
            }
            Self::DeleteTrail { trail_arn, region, .. } => {
                ("cloudtrail", "delete-trail", region, vec![with("name", trail_arn)])
            }
            Self::Unsubscribe { subscription_arn, region } => {
                ("sns", "unsubscribe", region, vec![with("subscription-arn", subscription_arn)])
            }
            Self::DeleteQueue { url, region, .. } => ("sqs", "delete-queue", region, vec![with("queue-url", url)]),
            Self::DeleteTopic { topic_arn, region, .. } => {
                ("sns", "delete-topic", region, vec![with("topic-arn", topic_arn)])
            }
        }
    }
}

/// A word as a POSIX shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
