//! The acts of Portcullis, read from their evidence.

mod opening;
mod page;
mod row;
mod verify;

use std::io::{self, Read};
use std::path::Path;

use futures_util::{StreamExt, stream};
use portcullis::config::EvidencePlace;
use portcullis::domain::evidence::{ActId, Evidence};
use portcullis::domain::policy::{Mode, Policy};
use portcullis::shelf::{FolderShelf, Shelf, ShelfError, policy_key};

pub use page::{page, rule};
pub use row::Row;
pub use verify::{Verified, verify};

use crate::operator::{Operator, explained};
use crate::when::Window;
use crate::words;

/// This many documents are read at a time.
const MOST_AT_ONCE: usize = 16;

/// Nobody's standard input is longer.
const LONGEST_INPUT: u64 = 64 << 20;

/// Where acts are read from.
pub struct Acts {
    /// The shelf.
    pub shelf: Shelf,
    /// Its name in messages.
    pub name: String,
}

/// An act as it was read, or what keeps it from being one.
pub struct Act {
    /// How messages name it: its id, or a file's path.
    pub name: String,
    /// The document.
    pub text: String,
}

impl Acts {
    /// The acts at a place.
    ///
    /// # Errors
    /// Why the operator's credentials cannot be used.
    pub async fn at(place: &EvidencePlace, operator: &Operator) -> io::Result<Self> {
        let shelf = match place {
            EvidencePlace::Folder(path) => Shelf::Folder(FolderShelf::new(path.clone())),
            EvidencePlace::S3 { .. } => {
                let aws = operator.clients(None, Mode::Alert).await.map_err(io::Error::other)?;
                Shelf::at(Some(place), &aws)
            }
        };
        Ok(Self { shelf, name: words::text(&place.to_string()) })
    }

    /// The ids of all acts of a time, the oldest first.
    ///
    /// # Errors
    /// Why the place cannot be listed.
    pub async fn ids(&self, window: Window) -> io::Result<Vec<ActId>> {
        let keys = self.shelf.keys("evidence/v1/").await.map_err(|error| self.error("", &error))?;
        let ids = keys.iter().filter_map(|key| ActId::of_key(key));
        let mut ids: Vec<ActId> = ids.filter(|id| window.has(Some(id.time()))).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Reads these acts, in their order.
    pub async fn read(&self, ids: Vec<ActId>) -> Vec<(ActId, io::Result<String>)> {
        let read = ids.into_iter().map(async |id| {
            let text = self.document(&id).await;
            (id, text)
        });
        stream::iter(read).buffered(MOST_AT_ONCE).collect().await
    }

    /// The document of an act.
    ///
    /// # Errors
    /// Why it cannot be read: where there is none, that is what it says.
    pub async fn document(&self, id: &ActId) -> io::Result<String> {
        let bytes = self.shelf.get(&id.key()).await.map_err(|error| self.error(id.as_str(), &error))?;
        String::from_utf8(bytes).map_err(|_| io::Error::other(format!("{id}: the evidence is no text: it was altered")))
    }

    /// The policy with this hash.
    ///
    /// # Errors
    /// Why it cannot be read, or that it was altered.
    pub async fn policy(&self, hash: &str) -> io::Result<Policy> {
        let key = policy_key(hash);
        // The evidence of a file may name anything.
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(io::Error::other(format!("`{}` is no policy's SHA-256", words::text(hash))));
        }
        let bytes = self.shelf.get(&key).await.map_err(|error| self.error(&key, &error))?;
        let altered = |why: String| io::Error::other(format!("{key}: {why}"));
        let policy = Policy::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| altered(error.to_string()))?;
        match policy.hash() == hash {
            true => Ok(policy),
            false => Err(altered(format!("its hash is {}: it was altered", policy.hash()))),
        }
    }

    fn error(&self, what: &str, error: &ShelfError) -> io::Error {
        let text = error.to_string();
        let is_missing = match error {
            ShelfError::Bucket(error) => error.code.as_str() == "NoSuchKey",
            ShelfError::Folder { error, .. } => error.kind() == io::ErrorKind::NotFound && !what.is_empty(),
            ShelfError::Document(_) => false,
        };
        let name = &self.name;
        if is_missing {
            return io::Error::other(format!("{what}: there is no such evidence in {name}"));
        }
        let what = if what.is_empty() { name.clone() } else { format!("{what} in {name}") };
        io::Error::other(format!("{what}: {}", explained(&text)))
    }
}

/// Reads what an argument names: an act's id, a file, or `-` for standard input. A file may have a line of the log in it:
/// the evidence itself, or a finding that names its act.
///
/// # Errors
/// Why there is no act.
pub async fn load(argument: &str, acts: Option<&Acts>) -> io::Result<Act> {
    let kept = async |id: &ActId| match acts {
        Some(acts) => Ok(Act { name: id.to_string(), text: acts.document(id).await? }),
        None => Err(io::Error::other(format!("{id}: {NO_PLACE}"))),
    };
    if let Ok(id) = ActId::parse(argument) {
        return kept(&id).await;
    }
    let (name, text) = if argument == "-" {
        let mut text = String::new();
        io::stdin().take(LONGEST_INPUT).read_to_string(&mut text)?;
        ("standard input".to_owned(), text)
    } else {
        let path = Path::new(argument);
        if !path.exists() {
            let why = "neither an act's id, as `portcullis evidence list` shows it, nor a file";
            return Err(io::Error::other(format!("{}: {why}", words::text(argument))));
        }
        let name = words::path(path);
        (name.clone(), std::fs::read_to_string(path).map_err(|error| io::Error::other(format!("{name}: {error}")))?)
    };
    match act_of_finding(&text) {
        Some(id) => kept(&id).await,
        None => Ok(Act { name, text }),
    }
}

/// What to do where no place is named.
pub const NO_PLACE: &str = "name where the evidence is with --evidence s3://BUCKET or --evidence FOLDER, or in the \
                            variable PORTCULLIS_EVIDENCE";

/// The act that a finding names.
fn act_of_finding(text: &str) -> Option<ActId> {
    let start = text.find('{')?;
    let value: serde_json::Value = serde_json::from_str(text.get(start..)?.trim_end()).ok()?;
    value.get("verdict")?;
    ActId::parse(value.get("act")?.as_str()?).ok()
}

/// The policy with a hash: the one that was given, the built-in one, or the one that is kept beside the evidence.
///
/// # Errors
/// Why there is none.
pub async fn policy_of(given: Option<&Policy>, acts: Option<&Acts>, hash: &str) -> io::Result<Policy> {
    if let Some(given) = given {
        return Ok(given.clone());
    }
    let built_in = Policy::built_in();
    if built_in.hash() == hash {
        return Ok(built_in);
    }
    match acts {
        Some(acts) => acts.policy(hash).await,
        None => Err(io::Error::other(format!(
            "the policy {hash} decided: give it with --policy, or name the evidence's place with --evidence"
        ))),
    }
}

impl Act {
    /// The evidence in it, whose seal must be whole.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn whole(&self) -> io::Result<Evidence> {
        let wrong = |why: String| io::Error::other(format!("{}: {why}", self.name));
        match Evidence::read(&self.text) {
            Ok((evidence, true)) => Ok(evidence),
            Ok((_, false)) => Err(wrong(ALTERED.to_owned())),
            Err(error) => Err(wrong(error.to_string())),
        }
    }
}

/// What a broken seal means.
pub const ALTERED: &str = "the evidence was altered or cut: its text does not have the hash that it ends with";
