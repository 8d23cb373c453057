//! The objects of a bucket, read as they arrive: several at a time, reported in the order of their keys.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use portcullis::aws::{AwsError, Body, Bucket, Code};
use portcullis::s3_url::S3Url;
use portcullis_delivery::envelope::Payload;
use portcullis_delivery::logfile;

use super::passed_over::PassedOver;
use super::records::{self, LogFile};
use super::{InputError, MOST_IN_MEMORY, is_input, nothing_to_read};
use crate::operator;

/// This many objects are fetched at a time. Each waits for S3 most of the time, and may need a log file's memory.
const MOST_AT_ONCE: usize = 16;
/// An object whose connection broke off is fetched again until this many attempts were made.
const ATTEMPTS: usize = 3;

/// Adds a payload of the object of this name, or what could not be read of it, to what the object comes to.
pub type Add<T> = Arc<dyn Fn(&str, &mut T, Result<Payload<'_>, InputError>) + Send + Sync>;

/// Reads all objects whose keys begin with `prefix`. `done` gets what each of them came to; a listing that fails is
/// reported like an object that cannot be read. The answer is what was passed over.
///
/// # Errors
/// Those of `done`.
pub async fn read<T: Default + Send + 'static, E>(
    bucket: &Bucket,
    prefix: &str,
    add: &Add<T>,
    mut done: impl FnMut(T) -> Result<(), E>,
) -> Result<PassedOver, E> {
    let mut passed_over = PassedOver::default();
    let error = |why: String| failed(add, S3Url { bucket: bucket.name(), key: prefix }.to_string(), why);
    if bucket.name().is_empty() {
        done(failed(add, "s3://".to_owned(), "expected s3://BUCKET/PREFIX".to_owned()))?;
        return Ok(passed_over);
    }
    let mut next = None;
    let mut is_empty = true;
    loop {
        let page = match bucket.keys(prefix, next).await {
            Ok(page) => page,
            Err(why) => {
                done(error(operator::explained(&why.to_string())))?;
                return Ok(passed_over);
            }
        };
        // Whoever names an object wants it, whatever it is called.
        let keys: Vec<&String> =
            page.keys.iter().filter(|key| *key == prefix || is_input(key, &mut passed_over)).collect();
        is_empty &= keys.is_empty();
        let mut read = stream::iter(keys).map(|key| object(bucket, key, add)).buffered(MOST_AT_ONCE);
        while let Some(read) = read.next().await {
            done(read)?;
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    if is_empty {
        done(error(nothing_to_read(&passed_over)))?;
        return Ok(PassedOver::default());
    }
    Ok(passed_over)
}

/// What an input comes to that cannot be read.
fn failed<T: Default>(add: &Add<T>, place: String, why: String) -> T {
    let mut failed = T::default();
    let name = place.clone();
    add(&name, &mut failed, Err(InputError { place, why }));
    failed
}

async fn object<T: Default + Send + 'static>(bucket: &Bucket, key: &str, add: &Add<T>) -> T {
    let name = S3Url { bucket: bucket.name(), key }.to_string();
    let mut result = attempt(bucket, key, &name, add).await;
    for _ in 1..ATTEMPTS {
        if result.as_ref().err().is_none_or(|error| error.code != Code::NoAnswer) {
            break;
        }
        result = attempt(bucket, key, &name, add).await;
    }
    result.unwrap_or_else(|error| failed(add, name, error.to_string()))
}

async fn attempt<T>(bucket: &Bucket, key: &str, name: &str, add: &Add<T>) -> Result<T, AwsError>
where
    T: Default + Send + 'static,
{
    let mut body = bucket.object(key).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_IN_MEMORY {
            return large(body, &bytes, name, add).await;
        }
    }
    // On a thread that does nothing else, so that the others' bytes keep arriving.
    let (owned_add, owned_name) = (Arc::clone(add), name.to_owned());
    let (done, read) = tokio::sync::oneshot::channel();
    rayon::spawn(move || {
        let mut read = T::default();
        records::in_bytes(&owned_name, &bytes, &mut |payload| owned_add(&owned_name, &mut read, payload));
        let _ = done.send(read);
    });
    Ok(read.await.unwrap_or_else(|_| failed(add, name.to_owned(), "the thread that read it ended".to_owned())))
}

/// A log file that is too large to be kept in memory is read as it arrives.
async fn large<T: Default>(mut body: Body, bytes: &[u8], name: &str, add: &Add<T>) -> Result<T, AwsError> {
    if !logfile::begins_log_file(bytes) {
        let why = format!("it is no CloudTrail log file, and larger than {MOST_IN_MEMORY} bytes");
        return Ok(failed(add, name.to_owned(), why));
    }
    let mut read = T::default();
    let mut each = |payload: Result<Payload<'_>, InputError>| add(name, &mut read, payload);
    let mut log_file = LogFile::new(name, &mut each);
    log_file.push(bytes);
    while let Some(chunk) = body.chunk().await? {
        log_file.push(&chunk);
    }
    log_file.finish();
    Ok(read)
}
