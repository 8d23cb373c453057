//! Carries a step out. It chooses nothing.

use aws_sdk_cloudtrail::types::Tag as TrailTag;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, ObjectOwnership,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, VersioningConfiguration,
};
use aws_sdk_sns::types::Tag as TopicTag;
use aws_sdk_sqs::types::QueueAttributeName;
use portcullis::aws::AwsError;
use portcullis_domain::ids::Region;

use super::step::RETENTION_SECONDS;
use super::{CreateTrail, Step, TAG};
use crate::aws::Clients;

/// Makes the call.
///
/// # Errors
/// [`AwsError`].
pub async fn make(clients: &Clients, step: &Step) -> Result<(), AwsError> {
    let call = step.call();
    let built = |error: &dyn std::fmt::Display| AwsError::not_sent(call, error.to_string());
    /// The call's error with its name.
    macro_rules! sent {
        ($request:expr) => {
            $request.send().await.map(|_| ()).map_err(|error| AwsError::from_sdk(call, &error))
        };
    }
    match step {
        Step::CreateBucket { bucket, region, owner: _ } => {
            let s3 = s3(clients, call, region)?;
            let create = s3.create_bucket().bucket(bucket).object_ownership(ObjectOwnership::BucketOwnerEnforced);
            // us-east-1 is no place that a bucket can be told (S3 API Reference, CreateBucket).
            let place = (region != "us-east-1").then(|| BucketLocationConstraint::from(region.as_str()));
            let place = place.map(|at| CreateBucketConfiguration::builder().location_constraint(at).build());
            sent!(create.set_create_bucket_configuration(place))
        }
        Step::BlockPublicAccess { bucket, region, owner } => {
            let all = PublicAccessBlockConfiguration::builder().block_public_acls(true).ignore_public_acls(true);
            let all = all.block_public_policy(true).restrict_public_buckets(true).build();
            let put = s3(clients, call, region)?.put_public_access_block().bucket(bucket);
            sent!(put.expected_bucket_owner(owner.as_str()).public_access_block_configuration(all))
        }
        Step::EnableVersioning { bucket, region, owner } => {
            let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            let put = s3(clients, call, region)?.put_bucket_versioning().bucket(bucket);
            sent!(put.expected_bucket_owner(owner.as_str()).versioning_configuration(on))
        }
        Step::Encrypt { bucket, region, owner, kms_key } => {
            let by = match kms_key {
                None => ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256),
                Some(key) => ServerSideEncryptionByDefault::builder()
                    .sse_algorithm(ServerSideEncryption::AwsKms)
                    .kms_master_key_id(key),
            };
            let by = by.build().map_err(|error| built(&error))?;
            let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(by);
            let rule = rule.set_bucket_key_enabled(kms_key.is_some().then_some(true)).build();
            let rules = ServerSideEncryptionConfiguration::builder().rules(rule).build();
            let put = s3(clients, call, region)?.put_bucket_encryption().bucket(bucket);
            let rules = rules.map_err(|error| built(&error))?;
            sent!(put.expected_bucket_owner(owner.as_str()).server_side_encryption_configuration(rules))
        }
        Step::PutBucketPolicy { bucket, region, owner, policy } => {
            let put = s3(clients, call, region)?.put_bucket_policy().bucket(bucket);
            sent!(put.expected_bucket_owner(owner.as_str()).policy(policy.to_string()))
        }
        Step::CreateTopic { name, region, policy } => {
            let tag = TopicTag::builder().key(TAG.0).value(TAG.1).build().map_err(|error| built(&error))?;
            let create = within(clients, call, region)?.sns().create_topic().name(name);
            sent!(create.attributes("Policy", policy.to_string()).tags(tag))
        }
        Step::CreateQueue { name, region, policy } => {
            let create = within(clients, call, region)?.sqs().create_queue().queue_name(name).tags(TAG.0, TAG.1);
            let create = create.attributes(QueueAttributeName::MessageRetentionPeriod, RETENTION_SECONDS);
            let create = create.attributes(QueueAttributeName::SqsManagedSseEnabled, "true");
            sent!(create.attributes(QueueAttributeName::Policy, policy.to_string()))
        }
        Step::Subscribe { topic_arn, queue_arn, region } => {
            let subscribe = within(clients, call, region)?.sns().subscribe().topic_arn(topic_arn);
            sent!(subscribe.protocol("sqs").endpoint(queue_arn))
        }
        Step::CreateTrail(trail) => create_trail(clients, call, trail).await,
        Step::StartLogging { trail_arn, region } => {
            sent!(within(clients, call, region)?.cloudtrail().start_logging().name(trail_arn))
        }
        Step::DeleteTrail { trail_arn, region, organization: _ } => {
            sent!(within(clients, call, region)?.cloudtrail().delete_trail().name(trail_arn))
        }
        Step::Unsubscribe { subscription_arn, region } => {
            sent!(within(clients, call, region)?.sns().unsubscribe().subscription_arn(subscription_arn))
        }
        Step::DeleteQueue { url, region, messages: _ } => {
            sent!(within(clients, call, region)?.sqs().delete_queue().queue_url(url))
        }
        Step::DeleteTopic { topic_arn, region, others: _ } => {
            sent!(within(clients, call, region)?.sns().delete_topic().topic_arn(topic_arn))
        }
    }
}

async fn create_trail(clients: &Clients, call: &'static str, trail: &CreateTrail) -> Result<(), AwsError> {
    let tag = TrailTag::builder().key(TAG.0).value(TAG.1).build();
    let tag = tag.map_err(|error| AwsError::not_sent(call, error.to_string()))?;
    let create = within(clients, call, &trail.region)?.cloudtrail().create_trail().name(&trail.name);
    let create =
        create.s3_bucket_name(&trail.bucket).sns_topic_name(&trail.topic).set_kms_key_id(trail.kms_key.clone());
    let create =
        create.is_multi_region_trail(true).include_global_service_events(true).enable_log_file_validation(true);
    let create = create.set_is_organization_trail(trail.organization.then_some(true)).tags_list(tag);
    create.send().await.map(|_| ()).map_err(|error| AwsError::from_sdk(call, &error))
}

fn within(clients: &Clients, call: &'static str, region: &str) -> Result<Clients, AwsError> {
    let region = Region::parse(region).map_err(|error| AwsError::not_sent(call, error.to_string()))?;
    Ok(clients.in_region(&region))
}

fn s3(clients: &Clients, call: &'static str, region: &str) -> Result<aws_sdk_s3::Client, AwsError> {
    Ok(within(clients, call, region)?.s3())
}
