//! Reads what is there. Nothing is changed.

use std::collections::BTreeMap;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;
use jiff::Timestamp;
use portcullis::aws::{AwsError, Code};
use portcullis_domain::ids::Region;
use serde_json::Value;

use super::{
    Bucket, BucketFacts, Encryption, Found, Logging, Queue, TAG, Topic, Trail, Versioning, Wanted, WriteEvents,
};
use crate::aws::Clients;

/// What is there.
///
/// # Errors
/// [`AwsError`] of the first call that does not say it. What cannot be told of another's trail is in the trail.
pub async fn read(clients: &Clients, wanted: &Wanted) -> Result<Found, AwsError> {
    let home = clients.in_region(&wanted.region);
    let mut trails = trails(&home).await?;
    if let Some(own) = trails.iter_mut().find(|trail| trail.arn == wanted.trail_arn()) {
        own.tagged = tagged(&home, &own.arn).await;
    }
    Ok(Found {
        trails,
        bucket: bucket(&home, wanted).await?,
        topic: topic(&home, wanted).await?,
        queue: queue(&home, wanted).await?,
    })
}

/// The trails that a Region shows: its own, and those of other Regions that cover it.
pub(super) async fn trails(clients: &Clients) -> Result<Vec<Trail>, AwsError> {
    let answer = clients.cloudtrail().describe_trails().include_shadow_trails(true).send().await;
    let answer = answer.map_err(|error| AwsError::from_sdk("DescribeTrails", &error))?;
    let mut trails = Vec::new();
    for trail in answer.trail_list() {
        trails.push(self::trail(clients, trail).await);
    }
    Ok(trails)
}

async fn trail(clients: &Clients, trail: &aws_sdk_cloudtrail::types::Trail) -> Trail {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let (arn, home) = (text(trail.trail_arn()), text(trail.home_region()));
    let cloudtrail = match Region::parse(&home) {
        Ok(home) => clients.in_region(&home).cloudtrail(),
        Err(_) => clients.cloudtrail(),
    };
    let selectors = cloudtrail.get_event_selectors().trail_name(&arn).send().await;
    let events = selectors.map(|said| WriteEvents::of(said.event_selectors(), said.advanced_event_selectors()));
    Trail {
        logging: logging(clients, &arn).await,
        events: events.map_err(|error| AwsError::from_sdk("GetEventSelectors", &error)),
        tagged: Ok(false),
        bucket: text(trail.s3_bucket_name()),
        topic_arn: trail.sns_topic_arn().map(str::to_owned),
        kms_key: trail.kms_key_id().map(str::to_owned),
        multi_region: trail.is_multi_region_trail() == Some(true),
        global_events: trail.include_global_service_events() == Some(true),
        validation: trail.log_file_validation_enabled() == Some(true),
        organization: trail.is_organization_trail() == Some(true),
        arn,
        home,
    }
}

/// Whether a trail of this Region has [`TAG`].
async fn tagged(clients: &Clients, arn: &str) -> Result<bool, AwsError> {
    let said = clients.cloudtrail().list_tags().resource_id_list(arn).send().await;
    let said = said.map_err(|error| AwsError::from_sdk("ListTags", &error))?;
    let mut tags = said.resource_tag_list().iter().flat_map(|each| each.tags_list());
    Ok(tags.any(|tag| (tag.key(), tag.value()) == (TAG.0, Some(TAG.1))))
}

/// Whether a trail is on, as one Region sees it (CloudTrail API Reference, GetTrailStatus: "trail status for a single Region").
async fn logging(clients: &Clients, arn: &str) -> Result<Logging, AwsError> {
    let status = clients.cloudtrail().get_trail_status().name(arn).send().await;
    let status = status.map_err(|error| AwsError::from_sdk("GetTrailStatus", &error))?;
    let delivered = status.latest_delivery_time().and_then(|at| Timestamp::from_second(at.secs()).ok());
    let error = status.latest_delivery_error().filter(|error| !error.is_empty()).map(str::to_owned);
    Ok(match (status.is_logging(), status.start_logging_time(), status.stop_logging_time()) {
        (Some(true), ..) => Logging::On { delivered, error },
        (_, None, None) => Logging::Never,
        _ => Logging::Stopped,
    })
}

async fn bucket(clients: &Clients, wanted: &Wanted) -> Result<Bucket, AwsError> {
    let (name, owner) = (wanted.bucket.as_str(), wanted.account.as_str());
    let head = clients.s3().head_bucket().bucket(name).expected_bucket_owner(owner).send().await;
    let region = match head {
        Ok(there) => there.bucket_region().map(str::to_owned),
        Err(error) => match error.raw_response().map(|answer| answer.status().as_u16()) {
            Some(404) => return Ok(Bucket::Missing),
            Some(403) => return Ok(Bucket::NotYours),
            // The bucket is in another Region; S3 says in which.
            Some(301 | 400) if region_of(&error).is_some() => region_of(&error),
            _ => return Err(AwsError::from_sdk("HeadBucket", &error)),
        },
    };
    let region = region.unwrap_or_else(|| wanted.region.to_string());
    let s3 = match Region::parse(&region) {
        Ok(region) => clients.in_region(&region).s3(),
        Err(_) => clients.s3(),
    };
    let access = s3.get_public_access_block().bucket(name).expected_bucket_owner(owner).send().await;
    let access = unless(access, "GetPublicAccessBlock", &["NoSuchPublicAccessBlockConfiguration"])?;
    let access = access.and_then(|said| said.public_access_block_configuration().cloned());
    let blocks_public_access = access.map(|said| {
        let settings = [
            said.block_public_acls(),
            said.ignore_public_acls(),
            said.block_public_policy(),
            said.restrict_public_buckets(),
        ];
        settings.iter().all(|setting| *setting == Some(true))
    });
    let versioning = s3.get_bucket_versioning().bucket(name).expected_bucket_owner(owner).send().await;
    let versioning = versioning.map_err(|error| AwsError::from_sdk("GetBucketVersioning", &error))?;
    let versioning = match versioning.status() {
        None => Versioning::Unset,
        Some(aws_sdk_s3::types::BucketVersioningStatus::Enabled) => Versioning::Enabled,
        Some(_) => Versioning::Suspended,
    };
    let policy = s3.get_bucket_policy().bucket(name).expected_bucket_owner(owner).send().await;
    let policy = unless(policy, "GetBucketPolicy", &["NoSuchBucketPolicy"])?;
    let policy = document(policy.and_then(|said| said.policy().map(str::to_owned)).as_deref(), "GetBucketPolicy")?;
    let encryption = encryption(&s3, name, owner).await?;
    Ok(Bucket::There(BucketFacts { region, blocks_public_access, versioning, encryption, policy }))
}

async fn encryption(s3: &aws_sdk_s3::Client, bucket: &str, owner: &str) -> Result<Encryption, AwsError> {
    let answer = s3.get_bucket_encryption().bucket(bucket).expected_bucket_owner(owner).send().await;
    let answer = unless(answer, "GetBucketEncryption", &["ServerSideEncryptionConfigurationNotFoundError"])?;
    let rules = answer.and_then(|said| said.server_side_encryption_configuration().cloned());
    let by = rules.and_then(|rules| rules.rules().first()?.apply_server_side_encryption_by_default().cloned());
    Ok(match by {
        None => Encryption::Unset,
        Some(by) if by.sse_algorithm().as_str() == "AES256" => Encryption::S3,
        Some(by) => Encryption::Kms(by.kms_master_key_id().map(str::to_owned)),
    })
}

async fn topic(clients: &Clients, wanted: &Wanted) -> Result<Option<Topic>, AwsError> {
    let (sns, arn) = (clients.sns(), wanted.topic_arn());
    let said = sns.get_topic_attributes().topic_arn(&arn).send().await;
    let Some(said) = unless(said, "GetTopicAttributes", &["NotFound", "NotFoundException"])? else { return Ok(None) };
    let policy = said.attributes().and_then(|all| all.get("Policy"));
    let policy = document(policy.map(String::as_str), "GetTopicAttributes")?;
    let tags = sns.list_tags_for_resource().resource_arn(&arn).send().await;
    let tags = tags.map_err(|error| AwsError::from_sdk("ListTagsForResource", &error))?;
    let tagged = tags.tags().iter().any(|tag| (tag.key(), tag.value()) == TAG);
    Ok(Some(Topic { policy, subscriptions: subscriptions(&sns, &arn).await?, tagged }))
}

/// A topic's subscriptions: protocol, endpoint and ARN.
pub(super) async fn subscriptions(
    sns: &aws_sdk_sns::Client,
    arn: &str,
) -> Result<Vec<(String, String, String)>, AwsError> {
    let mut pages = sns.list_subscriptions_by_topic().topic_arn(arn).into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| AwsError::from_sdk("ListSubscriptionsByTopic", &error))?;
        all.extend(page.subscriptions().iter().map(|each| {
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            (text(each.protocol()), text(each.endpoint()), text(each.subscription_arn()))
        }));
    }
    Ok(all)
}

async fn queue(clients: &Clients, wanted: &Wanted) -> Result<Option<Queue>, AwsError> {
    let sqs = clients.sqs();
    let url = sqs.get_queue_url().queue_name(wanted.name()).send().await;
    let missing = ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];
    let Some(url) = unless(url, "GetQueueUrl", &missing)?.and_then(|said| said.queue_url().map(str::to_owned)) else {
        return Ok(None);
    };
    let said = attributes(&sqs, &url).await?;
    let policy =
        document(said.get("Policy").map(String::as_str).filter(|text| !text.is_empty()), "GetQueueAttributes")?;
    let tags = sqs.list_queue_tags().queue_url(&url).send().await;
    let tags = tags.map_err(|error| AwsError::from_sdk("ListQueueTags", &error))?;
    let tagged = tags.tags().and_then(|tags| tags.get(TAG.0)).is_some_and(|value| value == TAG.1);
    let messages = said.get("ApproximateNumberOfMessages").and_then(|count| count.parse().ok()).unwrap_or_default();
    Ok(Some(Queue { url, policy, messages, tagged }))
}

/// A queue's policy and depth.
pub(super) async fn attributes(sqs: &aws_sdk_sqs::Client, url: &str) -> Result<BTreeMap<String, String>, AwsError> {
    let asked = sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
    let said = asked.send().await.map_err(|error| AwsError::from_sdk("GetQueueAttributes", &error))?;
    let pairs = said.attributes().into_iter().flatten();
    Ok(pairs.map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect())
}

/// What a call answers; `None` where its error says that there is none.
fn unless<T, E>(
    answer: Result<T, SdkError<E, aws_sdk_s3::config::http::HttpResponse>>,
    call: &'static str,
    missing: &[&str],
) -> Result<Option<T>, AwsError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => match AwsError::from_sdk(call, &error) {
            AwsError { code: Code::Aws(code), .. } if missing.contains(&code.as_str()) => Ok(None),
            error => Err(error),
        },
    }
}

/// The Region that an answer of S3 names.
fn region_of<E>(error: &SdkError<E, aws_sdk_s3::config::http::HttpResponse>) -> Option<String> {
    error.raw_response()?.headers().get("x-amz-bucket-region").map(str::to_owned)
}

/// A policy as AWS gives it: a text.
fn document(text: Option<&str>, call: &'static str) -> Result<Option<Value>, AwsError> {
    text.map(|text| serde_json::from_str(text).map_err(|error| AwsError::bad_answer(call, &error))).transpose()
}
