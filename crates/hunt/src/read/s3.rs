//! Objects of S3. Their keys are listed at once; what is in them is fetched when a query reads it, several at a time, through
//! the disk: so neither the size of a bucket nor that of an object decides how much memory is taken, and an object that is
//! read twice is fetched once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use futures_util::{StreamExt, stream};
use portcullis_domain::text::escaped;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore};

use super::kind::{Kind, kind_of};
use super::paths::{has_ending, is_passed_over, mark, nothing_in};
use super::source::{Place, Source};
use crate::aws::Refused;

/// This many objects are fetched at a time. Each waits for S3 most of the time.
const MOST_AT_ONCE: usize = 16;
/// An object whose connection broke off is fetched again until this many attempts were made.
const ATTEMPTS: usize = 3;

/// Where objects are fetched from, and put.
#[derive(Debug)]
pub struct Store {
    config: SdkConfig,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Of a runtime that does nothing else: the readers wait for it on threads of their own.
    runtime: Handle,
    /// It is gone when the last object is.
    folder: TempDir,
    fetched: AtomicUsize,
    permits: Semaphore,
}

/// An object, as the listing shows it.
pub struct Object {
    shared: Arc<Shared>,
    client: Client,
    bucket: Arc<str>,
    key: String,
    size: i64,
    tag: Option<String>,
    local: OnceCell<Result<PathBuf, String>>,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())
    }
}

impl Store {
    /// A store that fetches on a runtime which must outlive all reading.
    ///
    /// # Errors
    /// Those of making a folder for temporary files.
    pub fn new(config: SdkConfig, runtime: Handle) -> io::Result<Self> {
        let mut folder = tempfile::Builder::new();
        // Logs are for nobody else's eyes.
        let folder = folder.prefix("portcullis-hunt-").permissions(Permissions::from_mode(0o700)).tempdir()?;
        let path = folder.path().to_owned();
        runtime.spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                // What cannot be removed stays: there is nobody to tell.
                let _ = fs::remove_dir_all(path);
                std::process::exit(130);
            }
        });
        let permits = Semaphore::new(MOST_AT_ONCE);
        Ok(Self { config, shared: Arc::new(Shared { runtime, folder, fetched: AtomicUsize::new(0), permits }) })
    }

    /// The objects whose keys begin as a URL says, in order, and what could not be read. Whoever names an object wants it,
    /// whatever it is called.
    ///
    /// # Errors
    /// Why there are none.
    pub fn list(&self, url: &str) -> Result<Vec<Source>, String> {
        let place = url.strip_prefix("s3://").unwrap_or(url);
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(format!("{}: expected s3://BUCKET/PREFIX", escaped(url)));
        }
        let listed = self.shared.runtime.block_on(self.listed(bucket, prefix));
        let objects = listed.map_err(|error| format!("{}: {error}", escaped(url)))?;
        if objects.is_empty() {
            return Err(nothing_in(escaped(url)));
        }
        // Where the key does not tell what an object holds, its beginning does.
        let unknown = objects.iter().filter(|(object, _)| kind_by_key(&object.key).is_none());
        self.shared.ahead(unknown.map(|(object, _)| Arc::clone(object)).collect());
        objects
            .into_iter()
            .map(|(object, modified)| {
                let kind = match kind_by_key(&object.key) {
                    Some(kind) => kind,
                    None => object.local().and_then(kind_of).map_err(|why| format!("{}: {why}", object.url()))?,
                };
                Ok(Source { place: Place::Object(object), kind, modified, is_copy: false, has_copy: false })
            })
            .collect()
    }

    async fn listed(&self, bucket: &str, prefix: &str) -> Result<Vec<(Arc<Object>, Option<i64>)>, Refused> {
        // An endpoint that is not AWS's has no host name for each bucket.
        let config = Builder::from(&self.config).force_path_style(self.config.endpoint_url().is_some());
        let mut client = Client::from_conf(config.build());
        let (mut objects, mut next, name) = (Vec::new(), None, Arc::<str>::from(bucket));
        loop {
            let list = client.list_objects_v2().bucket(bucket).prefix(prefix).set_continuation_token(next.take());
            let page = match list.send().await {
                Ok(page) => page,
                Err(error) => {
                    // A request to the wrong Region gets 301 or 400, with the right one in a header (S3 User Guide).
                    let answer =
                        error.raw_response().filter(|answer| matches!(answer.status().as_u16(), 301 | 307 | 400));
                    let region = answer.and_then(|answer| answer.headers().get("x-amz-bucket-region"));
                    let asked = client.config().region().map(Region::as_ref);
                    match region.filter(|region| Some(*region) != asked).map(|region| Region::new(region.to_owned())) {
                        Some(right) => {
                            client = Client::from_conf(client.config().to_builder().region(right).build());
                            continue;
                        }
                        None => return Err(Refused::of("ListObjectsV2", &error)),
                    }
                }
            };
            for listed in page.contents() {
                let Some(key) = listed.key().filter(|key| *key == prefix || is_wanted(key)) else { continue };
                let object = Object {
                    shared: Arc::clone(&self.shared),
                    client: client.clone(),
                    bucket: Arc::clone(&name),
                    key: key.to_owned(),
                    size: listed.size().unwrap_or_default(),
                    tag: listed.e_tag().map(str::to_owned),
                    local: OnceCell::new(),
                };
                objects.push((Arc::new(object), listed.last_modified().map(|time| time.secs())));
            }
            next = page.next_continuation_token().filter(|_| page.is_truncated() == Some(true)).map(str::to_owned);
            if next.is_none() {
                return Ok(objects);
            }
        }
    }
}

fn is_wanted(key: &str) -> bool {
    let mut folders = key.split('/');
    folders.next_back().is_some_and(has_ending) && !folders.any(is_passed_over)
}

/// What an object holds whose key is as AWS makes them. What it is called and is not is found out when it is read.
fn kind_by_key(key: &str) -> Option<Kind> {
    let has = |folder: &str| key.split('/').any(|part| part == folder);
    if has("CloudTrail") && key.ends_with(".json.gz") {
        return Some(Kind::Trail);
    }
    if !has("vpcflowlogs") && !has("aws-service=vpcflowlogs") {
        return None;
    }
    match key {
        _ if key.ends_with(".log.gz") => Some(Kind::FlowLog),
        _ if key.ends_with(".parquet") => Some(Kind::Parquet),
        _ => None,
    }
}

/// Leaves each object once, and marks those that have the same content: the same size and entity tag.
pub(super) fn once(sources: &mut Vec<Source>) {
    let (mut urls, mut contents) = (BTreeSet::new(), BTreeMap::new());
    sources.retain(|source| urls.insert(source.name()));
    sources.sort_by_cached_key(Source::name);
    for n in 0..sources.len() {
        let Some(Place::Object(object)) = sources.get(n).map(|source| &source.place) else { continue };
        if let Some(tag) = &object.tag {
            let first = *contents.entry((object.size, tag.clone())).or_insert(n);
            mark(sources, first, n);
        }
    }
}

/// Begins to fetch objects before they are read, in this order.
pub(super) fn ahead(objects: Vec<Arc<Object>>) {
    if let Some(shared) = objects.first().map(|object| Arc::clone(&object.shared)) {
        shared.ahead(objects);
    }
}

impl Shared {
    fn ahead(&self, objects: Vec<Arc<Object>>) {
        self.runtime.spawn(async move {
            let fetch = |object: Arc<Object>| async move {
                object.fetched().await;
            };
            stream::iter(objects).for_each_concurrent(MOST_AT_ONCE, fetch).await;
        });
    }
}

impl Object {
    /// `s3://bucket/key`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// Its file on this machine. It is waited for; no task of a runtime may do so.
    ///
    /// # Errors
    /// Why it could not be fetched.
    pub fn local(&self) -> io::Result<&Path> {
        let fetched = self.shared.runtime.block_on(self.fetched());
        fetched.as_deref().map_err(|why| io::Error::other(why.clone()))
    }

    async fn fetched(&self) -> &Result<PathBuf, String> {
        self.local.get_or_init(|| self.fetch()).await
    }

    async fn fetch(&self) -> Result<PathBuf, String> {
        let _permit = self.shared.permits.acquire().await.map_err(|error| error.to_string())?;
        let path = self.shared.folder.path().join(self.shared.fetched.fetch_add(1, Ordering::Relaxed).to_string());
        let mut attempt = 1;
        loop {
            match self.attempt(&path).await {
                Ok(()) => return Ok(path),
                Err(Failed::Broken(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(Failed::Broken(why) | Failed::Final(why)) => return Err(why),
            }
        }
    }

    async fn attempt(&self, path: &Path) -> Result<(), Failed> {
        let get = self.client.get_object().bucket(&*self.bucket).key(&self.key).send();
        let answer = get.await.map_err(|error| Failed::Final(Refused::of("GetObject", &error).to_string()))?;
        let disk = |error: io::Error| Failed::Final(format!("it cannot be kept in {}: {error}", path.display()));
        let (mut file, mut body) = (File::create(path).map_err(disk)?, answer.body);
        while let Some(chunk) = body.next().await {
            let chunk =
                chunk.map_err(|error| Failed::Broken(format!("GetObject: the connection broke off: {error}")))?;
            file.write_all(&chunk).map_err(disk)?;
        }
        Ok(())
    }
}

enum Failed {
    /// Another attempt may succeed.
    Broken(String),
    Final(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_as_aws_makes_them_tells_what_is_in_the_object() {
        for (key, kind) in [
            ("p/AWSLogs/o-1/111122223333/CloudTrail/eu-west-1/2026/11/20/x_CloudTrail_x.json.gz", Some(Kind::Trail)),
            ("AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/11/20/x.log.gz", Some(Kind::FlowLog)),
            ("AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/11/20/10/x.log.parquet", Some(Kind::Parquet)),
            (
                "AWSLogs/aws-account-id=1/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2026/x.log.parquet",
                Some(Kind::Parquet),
            ),
            ("AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/11/20/x.json", None),
            ("CloudTrail.json.gz", None),
            ("eni.json", None),
        ] {
            assert_eq!(kind_by_key(key), kind, "{key}");
        }
        assert!(is_wanted("AWSLogs/1/CloudTrail/x.json.gz"));
        assert!(!is_wanted("AWSLogs/1/CloudTrail-Digest/x.json.gz") && !is_wanted("AWSLogs/1/CloudTrail/x.html"));
    }
}
