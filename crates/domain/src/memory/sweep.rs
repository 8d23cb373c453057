//! What sweeps of the same places found open before, so that a sweep's message can say what is new.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// This many open ports are remembered.
const MOST_OPEN: usize = 2000;

/// A summary is sent this often although nothing has changed. A schedule of one day may come a little early.
const DAILY: SignedDuration = SignedDuration::from_mins(24 * 60 - 10);

/// A port that a sweep found open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Open {
    /// Account, Region and group, and the port: what makes it the same port in the next sweep.
    pub key: String,
}

/// What the last sweep of some places found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SweepMemory {
    /// Since when each port has been open, as far as sweeps know.
    pub open: BTreeMap<String, Timestamp>,
    /// What was last told: the ports, and what could not be decided or looked at.
    pub told: Vec<String>,
    /// When.
    pub told_at: Option<Timestamp>,
}

/// What is new in a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// Since when each port has been open.
    pub since: BTreeMap<String, Timestamp>,
    /// How many ports are open that the last sweep did not find open.
    pub new: usize,
    /// Whether the summary is sent.
    pub is_told: bool,
}

impl SweepMemory {
    /// Takes in a sweep: what is open, and what else would be told. Something that changed is told, and everything once a
    /// day.
    pub fn note(&mut self, open: &[Open], other: &[String], now: Timestamp) -> News {
        let is_first = self.told_at.is_none();
        let since = |open: &Open| (open.key.clone(), self.open.get(&open.key).copied().unwrap_or(now));
        let since: BTreeMap<String, Timestamp> = open.iter().map(since).collect();
        let new = since.keys().filter(|key| !self.open.contains_key(*key)).count();
        let mut told: Vec<String> = since.keys().chain(other).cloned().collect();
        told.sort_unstable();
        told.truncate(MOST_OPEN);
        let is_due = self.told_at.is_none_or(|at| now.duration_since(at) >= DAILY);
        let is_told = is_due || told != self.told;
        self.open = since.iter().take(MOST_OPEN).map(|(key, at)| (key.clone(), *at)).collect();
        if is_told {
            (self.told, self.told_at) = (told, Some(now));
        }
        // The first sweep cannot tell what is new.
        News { since, new: if is_first { 0 } else { new }, is_told }
    }
}
