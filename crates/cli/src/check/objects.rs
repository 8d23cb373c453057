//! The objects of a bucket, judged as they arrive: several under way at a time, told in the order of their keys.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use portcullis_delivery::logfile;
use portcullis_domain::policy::Mode;

use super::input::{self, InputError, MOST_IN_MEMORY};
use super::{Judge, Judged, LogFile};
use portcullis::aws::{Aws, AwsError, Bucket, Code};
use portcullis::s3_url::S3Url;

/// So many objects are under way. Each waits for S3 most of the time, and may need a log file's memory.
const UNDER_WAY: usize = 16;
/// How often an object is begun anew whose connection broke off.
const ATTEMPTS: usize = 3;

/// Judges all objects whose keys begin so, with the credentials and the Region that the SDK finds by itself. `tell` gets
/// what was in each; a listing that fails is told like an object that cannot be read.
///
/// # Errors
/// Those of `tell`.
pub async fn judge<E>(
    bucket: &str,
    prefix: &str,
    judge: &Arc<Judge>,
    tell: impl FnMut(Judged) -> Result<(), E>,
) -> Result<(), E> {
    let aws = Aws::of_operator(None, None, Mode::Alert).await;
    judge_in(&aws.bucket(bucket), prefix, judge, tell).await
}

/// The same, in a bucket.
///
/// # Errors
/// Those of `tell`.
pub async fn judge_in<E>(
    bucket: &Bucket,
    prefix: &str,
    judge: &Arc<Judge>,
    mut tell: impl FnMut(Judged) -> Result<(), E>,
) -> Result<(), E> {
    let place = S3Url { bucket: bucket.name(), key: prefix };
    let trouble = |why: String| Judged::from(InputError { place: place.to_string(), why });
    let mut next = None;
    let mut is_empty = true;
    loop {
        let page = match bucket.keys(prefix, next).await {
            Ok(page) => page,
            Err(error) => return tell(trouble(error.to_string())),
        };
        // Whoever names an object wants it, whatever it is called.
        let keys: Vec<&String> = page.keys.iter().filter(|key| *key == prefix || input::is_input(key)).collect();
        is_empty &= keys.is_empty();
        let mut judged = stream::iter(keys).map(|key| object(bucket, key, judge)).buffered(UNDER_WAY);
        while let Some(judged) = judged.next().await {
            tell(judged)?;
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    if is_empty { tell(trouble("there is no log file".to_owned())) } else { Ok(()) }
}

async fn object(bucket: &Bucket, key: &str, judge: &Arc<Judge>) -> Judged {
    let name = S3Url { bucket: bucket.name(), key }.to_string();
    let mut result = attempt(bucket, key, &name, judge).await;
    for _ in 1..ATTEMPTS {
        if result.as_ref().err().is_none_or(|error| error.code != Code::NoAnswer) {
            break;
        }
        result = attempt(bucket, key, &name, judge).await;
    }
    result.unwrap_or_else(|error| InputError { place: name, why: error.to_string() }.into())
}

async fn attempt(bucket: &Bucket, key: &str, name: &str, judge: &Arc<Judge>) -> Result<Judged, AwsError> {
    let mut body = bucket.object(key).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_IN_MEMORY {
            return large(body, &bytes, name, judge).await;
        }
    }
    // On a thread that does nothing else, so that the others' bytes keep arriving.
    let (judge, owned) = (Arc::clone(judge), name.to_owned());
    let (done, judged) = tokio::sync::oneshot::channel();
    rayon::spawn(move || {
        let _ = done.send(judge.bytes(&owned, &bytes));
    });
    let lost = |_| InputError { place: name.to_owned(), why: "it was not judged".to_owned() }.into();
    Ok(judged.await.unwrap_or_else(lost))
}

/// A log file that is too large to be kept is judged as it arrives.
async fn large(mut body: portcullis::aws::Body, bytes: &[u8], name: &str, judge: &Judge) -> Result<Judged, AwsError> {
    if !logfile::begins_log_file(bytes) {
        let why = format!("it is no CloudTrail log file, and larger than {MOST_IN_MEMORY} bytes");
        return Ok(InputError { place: name.to_owned(), why }.into());
    }
    let mut log_file = LogFile::new(judge, name);
    log_file.push(bytes);
    while let Some(chunk) = body.chunk().await? {
        log_file.push(&chunk);
    }
    Ok(log_file.finish())
}
