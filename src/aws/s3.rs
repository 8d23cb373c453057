//! S3: the keys of a bucket, and objects as they arrive.

use std::ops::Deref;

use super::{Aws, AwsError, Code, Effect};

const GET_OBJECT: &str = "GetObject";

/// A bucket, to read from.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: aws_sdk_s3::Client,
    name: String,
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
    /// A bucket, for the process's own credentials and Region.
    #[must_use]
    pub fn bucket(&self, name: &str) -> Bucket {
        // An endpoint that is not AWS's has no host name for each bucket.
        let path_style = self.base.endpoint_url().is_some();
        let config = aws_sdk_s3::config::Builder::from(&self.base).force_path_style(path_style).build();
        Bucket { client: aws_sdk_s3::Client::from_conf(config), name: name.to_owned() }
    }

    /// Reads an object of at most `most` bytes.
    ///
    /// # Errors
    /// [`AwsError`]; [`Code::TooLarge`] when there is more.
    pub async fn object(&self, bucket: &str, key: &str, most: usize) -> Result<Vec<u8>, AwsError> {
        whole(self.bucket(bucket).object(key).await?, most).await
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
        let client = self.bucket(bucket).client;
        let get = client.get_object().bucket(bucket).key(key).set_if_none_match(tag.map(str::to_owned));
        match get.send().await {
            Ok(answer) => {
                let tag = answer.e_tag().map(str::to_owned);
                Ok(Some((whole(Body(answer.body), most).await?, tag)))
            }
            // 304 Not Modified: S3 API Reference, GetObject, `If-None-Match`.
            Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 304) => Ok(None),
            Err(error) => Err(AwsError::from_sdk(GET_OBJECT, &error)),
        }
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
        let list = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).set_continuation_token(next);
        let answer = list.send().await.map_err(|error| AwsError::from_sdk("ListObjectsV2", &error))?;
        let keys = answer.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect();
        let next = answer.next_continuation_token().filter(|_| answer.is_truncated() == Some(true));
        Ok(Keys { keys, next: next.map(str::to_owned) })
    }

    /// Begins to read an object.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn object(&self, key: &str) -> Result<Body, AwsError> {
        let answer = self.client.get_object().bucket(&self.name).key(key).send().await;
        answer.map(|answer| Body(answer.body)).map_err(|error| AwsError::from_sdk(GET_OBJECT, &error))
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
