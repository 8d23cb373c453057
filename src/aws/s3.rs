//! S3: the keys of a bucket, objects as they arrive, and objects that are written once.
//!
//! A bucket is asked in its own Region. The SDK asks in the process's, and S3 says which one is right.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use aws_config::Region as SdkRegion;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_ec2::config::SharedCredentialsProvider;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::ObjectLockMode;
use jiff::Timestamp;
use portcullis_domain::arn::Arn;
use serde_json::json;

use super::{Aws, AwsError, Code, Effect};
use crate::config::LogRole;

const GET_OBJECT: &str = "GetObject";
const LIST_OBJECTS: &str = "ListObjectsV2";
const PUT_OBJECT: &str = "PutObject";

/// What is known of buckets from one invocation to the next.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    regions: Arc<Mutex<BTreeMap<String, SdkRegion>>>,
    /// For each bucket of log files, the credentials that may read it and nothing else.
    readers: Mutex<BTreeMap<String, SharedCredentialsProvider>>,
}

/// A bucket, to read from.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: Client,
    name: String,
    /// The Regions of the buckets that are in another than the process's.
    regions: Arc<Mutex<BTreeMap<String, SdkRegion>>>,
}

/// Some of a bucket's keys, in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The keys, at most a thousand.
    pub keys: Vec<String>,
    /// The token for the next keys; `None` after the last.
    pub next: Option<String>,
}

/// An object's bytes, as they arrive.
#[derive(Debug)]
pub struct Body(aws_sdk_s3::primitives::ByteStream);

impl Aws {
    /// A bucket, for the process's own credentials.
    #[must_use]
    pub fn bucket(&self, name: &str) -> Bucket {
        self.bucket_read_by(name, None)
    }

    /// A bucket of log files: with the role that reads them, where there is one.
    pub async fn log_bucket(&self, name: &str) -> Bucket {
        let Some(role) = &self.log_role else { return self.bucket(name) };
        let known = self.buckets.readers.lock().ok().and_then(|readers| readers.get(name).cloned());
        let reader = match known {
            Some(reader) => reader,
            None => {
                let reader = SharedCredentialsProvider::new(self.reader(role, name).await);
                if let Ok(mut readers) = self.buckets.readers.lock() {
                    readers.insert(name.to_owned(), reader.clone());
                }
                reader
            }
        };
        self.bucket_read_by(name, Some(reader))
    }

    /// The role's credentials, for reading this bucket alone, whatever the role allows.
    async fn reader(&self, role: &LogRole, bucket: &str) -> AssumeRoleProvider {
        let partition = Arn::parse(&role.arn).map_or("aws", |arn| arn.partition);
        let objects = format!("arn:{partition}:s3:::{bucket}/*");
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": objects},
            {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
             "Condition": {"StringLike": {"kms:ViaService": "s3.*"}}},
        ]});
        let mut provider = AssumeRoleProvider::builder(&role.arn).configure(&self.base).session_name("portcullis-logs");
        if let Some(id) = &role.external_id {
            provider = provider.external_id(id);
        }
        provider.policy(policy.to_string()).build().await
    }

    fn bucket_read_by(&self, name: &str, reader: Option<SharedCredentialsProvider>) -> Bucket {
        // An endpoint that is not AWS's has no host name for each bucket.
        let path_style = self.base.endpoint_url().is_some();
        let mut config = Builder::from(&self.base).force_path_style(path_style);
        if reader.is_some() {
            config.set_credentials_provider(reader);
        }
        let regions = Arc::clone(&self.buckets.regions);
        Bucket { client: Client::from_conf(config.build()), name: name.to_owned(), regions }
    }

    /// Reads an object of at most `most` bytes.
    ///
    /// # Errors
    /// [`AwsError`]; [`Code::TooLarge`] when there is more.
    pub async fn object(&self, bucket: &str, key: &str, most: usize) -> Result<Vec<u8>, AwsError> {
        self.bucket(bucket).whole(key, most).await
    }

    /// Reads an object of at most `most` bytes, with its entity tag; nothing where its tag is still this one.
    ///
    /// # Errors
    /// [`AwsError`]; [`Code::TooLarge`] when there is more.
    pub async fn object_unless(
        &self,
        bucket: &str,
        key: &str,
        tag: Option<&str>,
        most: usize,
    ) -> Result<Option<(Vec<u8>, Option<String>)>, AwsError> {
        let bucket = self.bucket(bucket);
        let answer = bucket.asked(|client| {
            let get = client.get_object().bucket(&bucket.name).key(key).set_if_none_match(tag.map(str::to_owned));
            async move {
                match get.send().await {
                    Ok(answer) => Ok(Some(answer)),
                    // 304 Not Modified: S3 API Reference, GetObject, `If-None-Match`.
                    Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 304) => {
                        Ok(None)
                    }
                    Err(error) => Err(Refused::of(GET_OBJECT, &error)),
                }
            }
        });
        let Some(answer) = answer.await? else { return Ok(None) };
        let tag = answer.e_tag().map(str::to_owned);
        Ok(Some((whole(Body(answer.body), most).await?, tag)))
    }
}

impl Bucket {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The keys that begin with `prefix`: the first of them, or those after the token `next`.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn keys(&self, prefix: &str, next: Option<String>) -> Result<Keys, AwsError> {
        let answer = self.asked(|client| {
            let list = client.list_objects_v2().bucket(&self.name).prefix(prefix);
            let list = list.set_continuation_token(next.clone());
            async move { list.send().await.map_err(|error| Refused::of(LIST_OBJECTS, &error)) }
        });
        let answer = answer.await?;
        let keys = answer.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect();
        let next = answer.next_continuation_token().filter(|_| answer.is_truncated() == Some(true));
        Ok(Keys { keys, next: next.map(str::to_owned) })
    }

    /// Begins to read an object.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn object(&self, key: &str) -> Result<Body, AwsError> {
        let answer = self.asked(|client| {
            let get = client.get_object().bucket(&self.name).key(key);
            async move { get.send().await.map_err(|error| Refused::of(GET_OBJECT, &error)) }
        });
        answer.await.map(|answer| Body(answer.body))
    }

    /// Calls S3 in the bucket's Region: the one that is known, or else the process's, and then the one that S3 names.
    async fn asked<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, Refused>>,
    {
        let known = self.regions.lock().ok().and_then(|regions| regions.get(&self.name).cloned());
        let first = known.or_else(|| self.client.config().region().cloned());
        let Refused { error, region } = match call(self.client_in(first.as_ref())).await {
            Ok(answer) => return Ok(answer),
            Err(refused) => refused,
        };
        let Some(right) = region.map(SdkRegion::new).filter(|right| Some(right) != first.as_ref()) else {
            return Err(error);
        };
        match call(self.client_in(Some(&right))).await {
            Ok(answer) => {
                if let Ok(mut regions) = self.regions.lock() {
                    regions.insert(self.name.clone(), right);
                }
                Ok(answer)
            }
            Err(Refused { error: AwsError { call, code, message, effect }, .. }) => {
                let first = first.map_or_else(|| "no Region".to_owned(), |region| region.to_string());
                let message = format!("{message} (the bucket was asked in {first}, and then in {right}, where it is)");
                Err(AwsError { call, code, message, effect })
            }
        }
    }

    fn client_in(&self, region: Option<&SdkRegion>) -> Client {
        if region == self.client.config().region() {
            return self.client.clone();
        }
        Client::from_conf(self.client.config().to_builder().region(region.cloned()).build())
    }
}

/// A call that S3 refused, and the bucket's Region where that is why.
struct Refused {
    error: AwsError,
    region: Option<String>,
}

impl Refused {
    /// S3 User Guide, "Troubleshooting": a request to the wrong Region gets 301 or 400, with the right one in a header.
    fn of<E>(call: &'static str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = error.raw_response().filter(|answer| matches!(answer.status().as_u16(), 301 | 307 | 400));
        let region = answer.and_then(|answer| answer.headers().get("x-amz-bucket-region")).map(str::to_owned);
        Self { error: AwsError::from_sdk(call, error), region }
    }
}

impl Bucket {
    /// Reads an object of at most `most` bytes.
    ///
    /// # Errors
    /// [`AwsError`]; [`Code::TooLarge`] when there is more.
    pub async fn whole(&self, key: &str, most: usize) -> Result<Vec<u8>, AwsError> {
        whole(self.object(key).await?, most).await
    }

    /// Writes an object under a key that no object has, and returns whether that was so. It is sent once. With `locked_until`
    /// nobody without a right of its own deletes it before that time (Object Lock, governance mode).
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn put_new(&self, key: &str, bytes: Vec<u8>, locked_until: Option<Timestamp>) -> Result<bool, AwsError> {
        let written = self.asked(|client| {
            let put = client.put_object().bucket(&self.name).key(key).body(bytes.clone().into()).if_none_match("*");
            let put = put
                .set_object_lock_mode(locked_until.map(|_| ObjectLockMode::Governance))
                .set_object_lock_retain_until_date(locked_until.map(|until| DateTime::from_secs(until.as_second())));
            let once = Builder::new().retry_config(RetryConfig::disabled());
            let put = put.customize().config_override(once);
            async move { put.send().await.map_err(|error| Refused::of(PUT_OBJECT, &error)) }
        });
        match written.await {
            Ok(_) => Ok(true),
            Err(error) if error.code.as_str() == "PreconditionFailed" => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes an object, whatever is under its key.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), AwsError> {
        let written = self.asked(|client| {
            let put = client.put_object().bucket(&self.name).key(key).body(bytes.clone().into());
            async move { put.send().await.map_err(|error| Refused::of(PUT_OBJECT, &error)) }
        });
        written.await.map(|_| ())
    }
}

impl Body {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`Code::NoAnswer`] where the connection broke off: the object may be read again from its beginning.
    pub async fn chunk(&mut self) -> Result<Option<impl Deref<Target = [u8]> + Send + use<>>, AwsError> {
        self.0.next().await.transpose().map_err(|error| failed(Code::NoAnswer, error.to_string(), Effect::NotYet))
    }
}

/// All bytes of a body, if they are not too many.
async fn whole(mut body: Body, most: usize) -> Result<Vec<u8>, AwsError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        if bytes.len() + chunk.len() > most {
            let why = format!("the object is larger than {most} bytes");
            return Err(failed(Code::TooLarge, why, Effect::Refused));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn failed(code: Code, message: String, effect: Effect) -> AwsError {
    AwsError { call: GET_OBJECT, code, message, effect }
}
