//! The digest: what places of a sweep that was handed out leave to be told, so that one message brings it together.
//!
//! It is one item for all sweeps. Each place that has something to tell leaves a part of it under a name of its own, and the
//! part goes when somebody has told it. DynamoDB's items have at most 400 KB, and each change of one is charged for all of
//! it: the more there is, the less each further place says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sweep::{DAILY, sha256};
use super::{Entries, written};
use crate::finding::{DigestFinding, MOST_NAMED, SweepFinding};
use crate::omitted::is_zero;

/// The key of the item.
pub const DIGEST: &str = "digest";

/// The beginning of a part's name.
const PART: &str = "part#";

/// When everything that is open was last asked for.
const DAILY_AT: &str = "daily_at";

/// The beginning of what says that a further place had something to tell, which only the log has. Its second is in the name, so
/// that whoever has told of it takes none that came later.
const MORE: &str = "more#";

/// A place names this many open groups at most.
const MOST_LINES: usize = 10;

/// With this many lines in the item, each further place has one.
const MANY_LINES: usize = MOST_NAMED;

/// With this many, it has none.
const FULL_OF_LINES: usize = 200;

/// With this many parts in the item, of a further place nothing is kept but that there is one.
const MOST_PARTS: usize = 1500;

/// What a message of a sweep that was handed out has to do with the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestOrder {
    /// What is new in the place is left to the digest.
    News,
    /// So is everything that is open there and was not told since this time: it is time to say it again.
    AllSince(Timestamp),
    /// There is no place. What was left is told.
    Tell,
}

impl DigestOrder {
    /// Reads one: `news`, `tell` or a time.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "news" => Some(Self::News),
            "tell" => Some(Self::Tell),
            time => time.parse().ok().map(Self::AllSince),
        }
    }
}

impl fmt::Display for DigestOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::News => f.write_str("news"),
            Self::AllSince(time) => time.fmt(f),
            Self::Tell => f.write_str("tell"),
        }
    }
}

/// What one place leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    at: Timestamp,
    groups: usize,
    exposed: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    reverted: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    undecided: usize,
    /// How many groups are open, named or not.
    #[serde(default, skip_serializing_if = "is_zero")]
    open: usize,
    /// How many of them are new, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    new: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    undecided_lines: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    nearly_open_lines: Vec<String>,
}

impl Part {
    fn count_lines(&self) -> usize {
        self.lines.len() + self.undecided_lines.len() + self.nearly_open_lines.len()
    }
}

/// What waits to be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waiting {
    /// The parts, by their names.
    parts: BTreeMap<String, Part>,
    /// The names of what stands for places of which nothing else is known: there was no room, or the part cannot be read.
    more: Vec<String>,
    daily_at: Option<Timestamp>,
}

impl Waiting {
    /// Reads the item. Of a part that cannot be read it is told that there is one.
    #[must_use]
    pub fn read(entries: &Entries) -> Self {
        let daily_at = entries.get(DAILY_AT).and_then(|at| Timestamp::deserialize(at).ok());
        let mut waiting = Self { daily_at, ..Self::default() };
        for (name, value) in entries {
            match Part::deserialize(value) {
                Ok(part) if name.starts_with(PART) => {
                    waiting.parts.insert(name.clone(), part);
                }
                _ if name.starts_with(PART) || name.starts_with(MORE) => waiting.more.push(name.clone()),
                _ => {}
            }
        }
        waiting
    }

    /// What a place leaves. The more waits already, the fewer lines it has. The same findings of a place have the same name: a
    /// message that is delivered twice leaves one part.
    #[must_use]
    pub fn part(&self, place: &str, sweep: &SweepFinding, at: Timestamp) -> Entries {
        if self.parts.len() >= MOST_PARTS {
            return Entries::from([(format!("{MORE}{}", at.as_second()), Value::from(1))]);
        }
        let lines: usize = self.parts.values().map(Part::count_lines).sum();
        let most = match lines {
            FULL_OF_LINES.. => 0,
            MANY_LINES.. => 1,
            _ => MOST_LINES,
        };
        let first = |lines: &[String]| lines.iter().take(most).cloned().collect::<Vec<_>>();
        let part = Part {
            at,
            groups: sweep.groups,
            exposed: sweep.exposed,
            reverted: sweep.reverted,
            undecided: sweep.undecided,
            open: sweep.open_groups.len().max(sweep.open.len()),
            new: sweep.new,
            lines: first(&sweep.open),
            undecided_lines: first(&sweep.undecided_groups),
            nearly_open_lines: first(&sweep.nearly_open),
        };
        // All that it says is in its name: whoever tells a part and removes it takes none that says something else.
        let says = written(&Part { at: Timestamp::UNIX_EPOCH, ..part.clone() }).map(|part| part.to_string());
        let lines = sweep.open.iter().chain(&sweep.undecided_groups).cloned().chain(sweep.open_lines());
        let all: Vec<String> = says.into_iter().chain(lines).collect();
        let name = format!("{PART}{place}#{:.16}", sha256(all.iter().map(String::as_bytes)));
        written(&part).map(|part| (name, part)).into_iter().collect()
    }

    /// What is written when everything that is open was asked for.
    #[must_use]
    pub fn asked_for_all(at: Timestamp) -> Entries {
        written(&at).map(|at| (DAILY_AT.to_owned(), at)).into_iter().collect()
    }

    /// Whether it is time to say everything again that is open.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.daily_at.is_none_or(|at| now.duration_since(at) >= DAILY)
    }

    /// The names of what goes when it was told.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.parts.keys().chain(&self.more).cloned().collect()
    }

    /// All of it in one summary. Of each place the latest part counts. Nothing where nothing waits.
    #[must_use]
    pub fn together(&self) -> Option<SweepFinding> {
        let mut latest: BTreeMap<&str, &Part> = BTreeMap::new();
        for (name, part) in &self.parts {
            let place = name.strip_prefix(PART).and_then(|name| name.rsplit_once('#')).map_or("", |(place, _)| place);
            let known = latest.entry(place).or_insert(part);
            if known.at < part.at {
                *known = part;
            }
        }
        if latest.is_empty() && self.more.is_empty() {
            return None;
        }
        let accounts: BTreeSet<&str> = latest.keys().filter_map(|place| place.split(',').next()).collect();
        let mut all = SweepFinding { accounts: accounts.len(), places: latest.len(), ..SweepFinding::default() };
        // Where something is new comes first.
        let mut parts: Vec<&Part> = latest.into_values().collect();
        parts.sort_by_key(|part| part.new == Some(0));
        for part in &parts {
            all.groups += part.groups;
            all.exposed += part.exposed;
            all.reverted += part.reverted;
            all.undecided += part.undecided;
        }
        all.new = parts.iter().map(|part| part.new).sum();
        all.open = in_turn(parts.iter().map(|part| &part.lines));
        all.undecided_groups = in_turn(parts.iter().map(|part| &part.undecided_lines));
        all.nearly_open = in_turn(parts.iter().map(|part| &part.nearly_open_lines));
        let open: usize = parts.iter().map(|part| part.open).sum();
        all.digest = Some(DigestFinding { unnamed: open.saturating_sub(all.open.len()), more: !self.more.is_empty() });
        Some(all)
    }
}

/// The first line of each, then the second of each: no place keeps the others out.
fn in_turn<'a>(lists: impl Iterator<Item = &'a Vec<String>> + Clone) -> Vec<String> {
    let turns = (0..MOST_LINES).flat_map(|n| lists.clone().filter_map(move |list| list.get(n).cloned()));
    turns.take(MOST_NAMED).collect()
}
