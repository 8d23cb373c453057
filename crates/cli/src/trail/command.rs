//! A step as a command of the AWS CLI.

use portcullis_domain::ids::AccountId;
use serde_json::{Value, json};

use super::step::RETENTION_SECONDS;
use super::{Step, TAG};

/// An option with its value, if it has one.
type Argument = (&'static str, Option<String>);

/// Service, command, Region and options.
type Command<'a> = (&'static str, &'static str, &'a String, Vec<Argument>);

impl Step {
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

    fn command(&self) -> Command<'_> {
        let with = |name: &'static str, value: &str| (name, Some(value.to_owned()));
        let json = |name: &'static str, value: Value| (name, Some(value.to_string()));
        let s3 = |bucket: &str, owner: &AccountId, more: Vec<Argument>| {
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
