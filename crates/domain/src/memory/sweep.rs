//! What sweeps of the same places found open before, so that a sweep's message can say what is new.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// This many open ports are remembered: an item of DynamoDB has at most 400 KB.
const MOST_OPEN: usize = 1000;

/// A summary is sent this often although nothing has changed. A schedule of one day may come a little early.
pub(super) const DAILY: SignedDuration = SignedDuration::from_mins(24 * 60 - 10);

/// What a sweep found, for [`SweepMemory::note`].
#[derive(Debug, Clone, Copy)]
pub struct Swept<'a> {
    /// The open ports: account, Region, group and port make it the same port in the next sweep.
    pub open: &'a BTreeSet<String>,
    /// What else is told.
    pub other: &'a [String],
    /// Which accounts, or Regions of accounts, could not be looked at.
    pub unseen: &'a [&'a str],
    /// It is time to say it again, unless it was said since then.
    pub due_since: Option<Timestamp>,
}

/// What the last sweep of some places found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SweepMemory {
    /// Since when each port has been open, as far as sweeps know.
    pub open: BTreeMap<String, Timestamp>,
    /// The SHA-256 hash of what was last told.
    pub told: String,
    /// When.
    pub told_at: Option<Timestamp>,
}

/// What is new in a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// For each port that earlier sweeps found open: since when.
    pub since: BTreeMap<String, Timestamp>,
    /// Which ports are open that the last sweep did not find open. Nothing where that cannot be told.
    pub new: Option<BTreeSet<String>>,
    /// Whether the summary is sent.
    pub is_told: bool,
    /// Whether anything is different from what was told last.
    pub is_changed: bool,
}

impl SweepMemory {
    /// The same, with what `other` last told, where that is newer.
    #[must_use]
    pub fn or_newer(self, other: Self) -> Self {
        match self.told_at < other.told_at {
            true => Self { told: other.told, told_at: other.told_at, ..self },
            false => self,
        }
    }

    /// What was told alone: the ports can be many.
    #[must_use]
    pub fn without_ports(&self) -> Self {
        Self { open: BTreeMap::new(), ..self.clone() }
    }

    /// Takes in a sweep. Something that changed is told, and everything once a day.
    pub fn note(&mut self, swept: Swept<'_>, now: Timestamp) -> News {
        let Swept { open, other, unseen, due_since } = swept;
        let is_first = self.told_at.is_none();
        let since: BTreeMap<String, Timestamp> =
            open.iter().filter_map(|key| Some((key.clone(), *self.open.get(key)?))).collect();
        let new = open.iter().filter(|key| !since.contains_key(*key)).cloned().collect();
        let told: BTreeSet<&String> = open.iter().chain(other).collect();
        let told = sha256(told.iter().flat_map(|line| [line.as_bytes(), b"\n".as_slice()]));
        let is_old = |at: Timestamp| now.duration_since(at) >= DAILY || due_since.is_some_and(|since| at < since);
        let is_due = self.told_at.is_none_or(is_old);
        let is_changed = told != self.told;
        let is_told = is_due || is_changed;
        // What could not be looked at has not closed.
        let is_unseen =
            |key: &String| unseen.iter().any(|place| key.strip_prefix(place).is_some_and(|rest| rest.starts_with(' ')));
        let unseen = self.open.iter().filter(|(key, _)| is_unseen(key)).map(|(key, at)| (key.clone(), *at));
        let seen = open.iter().map(|key| (key.clone(), since.get(key).copied().unwrap_or(now)));
        // Of a port that both have, the first sweep to see it counts.
        let all: BTreeMap<String, Timestamp> = seen.chain(unseen).collect();
        // The first sweep, and one of which not all was kept, cannot tell what is new.
        let knows = !is_first && self.open.len() < MOST_OPEN;
        self.open = all.into_iter().take(MOST_OPEN).collect();
        if is_told {
            (self.told, self.told_at) = (told, Some(now));
        }
        News { since, new: knows.then_some(new), is_told, is_changed }
    }
}

pub(super) fn sha256<'a>(parts: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    parts.for_each(|part| hash.update(part));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
