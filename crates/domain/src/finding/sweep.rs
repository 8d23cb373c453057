//! What a sweep came to, and the finding that says so.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Finding, Outcome, Verdict};
use crate::change::EventMetadata;
use crate::memory::News;
use crate::omitted::is_zero;
use crate::policy::Mode;

/// What a sweep came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Sweep"))]
pub struct SweepFinding {
    /// How many accounts it covered.
    pub accounts: usize,
    /// How many Regions of accounts: two Regions of three accounts are six.
    pub places: usize,
    /// How many groups were looked at.
    pub groups: usize,
    /// How many of them are exposed, or were.
    pub exposed: usize,
    /// How many of those were closed.
    pub reverted: usize,
    /// How many should have been closed and are not.
    pub failed: usize,
    /// How many could not be decided, at least in part.
    pub undecided: usize,
    /// Which groups are exposed still: account, Region and id, the open ports, from where, and since when that was seen: the
    /// first fifty.
    pub open: Vec<String>,
    /// How many groups have a port open that the last sweep of the same places did not find open. Only where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<usize>,
    /// The groups that are exposed still, port by port.
    #[serde(skip)]
    pub open_groups: Vec<OpenGroup>,
    /// Which groups could not be decided, and why: the first fifty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided_groups: Vec<String>,
    /// Which groups are open to at least half as many addresses as an exposure, and to how many: the first fifty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nearly_open: Vec<String>,
    /// Which accounts and Regions could not be looked at, and why.
    pub unreachable: Vec<String>,
    /// It brings together what places of sweeps have left to be told: the counts are theirs. A place with nothing to tell is
    /// none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestFinding>,
}

/// What a digest leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Digest"))]
pub struct DigestFinding {
    /// How many groups are open beside those that it names. The log has a finding for each.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unnamed: usize,
    /// Whether further places had something to tell, which only the log has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A summary names this many groups of a kind. It counts them all.
pub const MOST_NAMED: usize = 50;

/// A summary keeps this many open groups to tell what is new.
const MOST_KEPT: usize = 1000;

/// An open group takes at most this many characters of a summary.
const LONGEST_LINE: usize = 250;

/// And its name so many of them, so that the ports have room.
const LONGEST_NAME: usize = 80;

/// Of each open port this many sources are named.
const MOST_SOURCES: usize = 3;

/// A group's reason takes at most this many characters of a summary.
const LONGEST_REASON: usize = 200;

impl SweepFinding {
    /// Takes in what was found in a place or a group, but for what is nearly open.
    pub fn note(&mut self, finding: &Finding) {
        // The end of an opening is none of the groups that the sweep looked at. It is told by itself. That the list of
        // openings was not read is about no group: it fails the delivery, and a summary for each place would be too many.
        if finding.is_of_end() {
            self.failed += usize::from(finding.outcome == Outcome::Failed && finding.group.is_some());
            return;
        }
        if finding.group.is_none() && finding.doubtful {
            let known = |part: &Option<String>| part.clone().unwrap_or_else(|| "?".to_owned());
            let (account, region) = (known(&finding.account), known(&finding.region));
            self.unreachable.push(format!("{account} {region}: {}", finding.reason));
            return;
        }
        if finding.is_open() {
            let group = OpenGroup::of(finding);
            name(&mut self.open, || group.line(|_| None));
            if self.open_groups.len() < MOST_KEPT {
                self.open_groups.push(group);
            }
        }
        if finding.doubtful {
            let reason = || finding.reason.chars().take(LONGEST_REASON).collect::<String>();
            name(&mut self.undecided_groups, || format!("{}: {}", group(finding), reason()));
        }
        self.exposed += usize::from(finding.verdict == Verdict::Exposed);
        self.reverted += usize::from(finding.outcome == Outcome::Reverted);
        self.failed += usize::from(finding.outcome == Outcome::Failed);
        self.undecided += usize::from(finding.doubtful);
    }

    /// Takes in what is nearly open, as [`Finding::nearly_open`] says it.
    pub fn note_nearly_open(&mut self, groups: &[String]) {
        groups.iter().for_each(|group| name(&mut self.nearly_open, || group.clone()));
    }

    /// Each open port: account, Region, id and port.
    #[must_use]
    pub fn open_ports(&self) -> BTreeSet<String> {
        self.open_groups.iter().flat_map(OpenGroup::keys).collect()
    }

    /// The line of each open group, whether it is named or not.
    pub fn open_lines(&self) -> impl Iterator<Item = String> {
        self.open_groups.iter().map(|group| group.line(|_| None))
    }

    /// Says which open groups are new, and names them first; of the others it says since when they have been seen.
    pub fn note_news(&mut self, news: &News) {
        let is_new =
            |group: &OpenGroup| news.new.as_ref().is_some_and(|new| group.keys().any(|key| new.contains(&key)));
        self.new = news.new.as_ref().map(|_| self.open_groups.iter().filter(|group| is_new(group)).count());
        self.open_groups.sort_by_cached_key(|group| (!is_new(group), group.place.clone()));
        let when = |key: &str| match news.since.get(key) {
            Some(since) => Some(format!("seen since {since}")),
            None => news.new.as_ref().filter(|new| new.contains(key)).map(|_| "new".to_owned()),
        };
        self.open = self.open_groups.iter().take(MOST_NAMED).map(|group| group.line(when)).collect();
    }

    /// What was looked at and found, in numbers.
    #[must_use]
    pub fn counts(&self) -> String {
        let Self { accounts, places, groups, exposed, reverted, failed, undecided, .. } = self;
        let count = |n: &usize, one: &str| format!("{n} {one}{}", if *n == 1 { "" } else { "s" });
        let new = self.new.filter(|_| !self.open.is_empty());
        let new = new.map_or_else(String::new, |new| format!(", {new} new since the last sweep"));
        let (what, more) = match &self.digest {
            None => ("sweep of", ""),
            Some(DigestFinding { more: false, .. }) => ("digest of", ""),
            Some(DigestFinding { more: true, .. }) => {
                ("digest of", "; further Regions have more to tell than fits, and the log has it")
            }
        };
        format!(
            "{what} {} of {}: {} looked at, {exposed} exposed, {reverted} reverted, {failed} failed, {undecided} undecided{new}{more}",
            count(places, "Region"),
            count(accounts, "account"),
            count(groups, "group"),
        )
    }

    /// How many groups are open, as far as the summary knows; and whether there may be more.
    #[must_use]
    pub fn count_open(&self) -> (usize, bool) {
        match &self.digest {
            None => (self.open.len(), self.open.len() >= MOST_NAMED),
            Some(DigestFinding { unnamed, more }) => (self.open.len() + unnamed, *more),
        }
    }

    fn sentence(&self) -> String {
        let mut parts = vec![self.counts()];
        for (what, named) in [
            ("open", &self.open),
            ("cannot be decided", &self.undecided_groups),
            ("nearly open", &self.nearly_open),
            ("not looked at", &self.unreachable),
        ] {
            if !named.is_empty() {
                parts.push(format!("{what}: {}", named.join(", ")));
            }
        }
        parts.join("; ")
    }
}

/// A group that a sweep found open and left open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenGroup {
    /// Account, Region and id.
    place: String,
    name: Option<String>,
    /// The sources of each open port.
    ports: BTreeMap<String, BTreeSet<String>>,
}

impl OpenGroup {
    fn of(finding: &Finding) -> Self {
        let parts = [&finding.account, &finding.region, &finding.group];
        let place = parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        // What was taken back is not open.
        let is_over = matches!(finding.outcome, Outcome::Reverted | Outcome::AlreadyGone);
        let mut ports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for exposure in finding.exposures.iter().filter(|exposure| exposure.standing || !is_over) {
            let to = exposure.to_port.map_or_else(String::new, |to| format!("-{to}"));
            let port = format!("{} {}{to} ({})", exposure.protocol, exposure.port, exposure.guard);
            ports.entry(port).or_default().extend(exposure.sources.iter().cloned());
        }
        Self { place, name: finding.group_name.clone(), ports }
    }

    /// What makes each port the same port in the next sweep.
    fn keys(&self) -> impl Iterator<Item = String> {
        self.ports.keys().map(|port| self.key(port))
    }

    fn key(&self, port: &str) -> String {
        format!("{}: {port}", self.place)
    }

    /// The group in a line, with what `when` says of each port.
    fn line(&self, when: impl Fn(&str) -> Option<String>) -> String {
        let ports = self.ports.iter().map(|(port, sources)| {
            let named: Vec<&str> = sources.iter().take(MOST_SOURCES).map(String::as_str).collect();
            let more = sources.len().saturating_sub(MOST_SOURCES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let from = if named.is_empty() { String::new() } else { format!(" from {}{more}", named.join(", ")) };
            let when = when(&self.key(port)).map_or_else(String::new, |when| format!(", {when}"));
            format!("{port}{from}{when}")
        });
        let ports = ports.collect::<Vec<_>>().join("; ");
        let short = |name: &String| name.chars().take(LONGEST_NAME).collect::<String>();
        let name = self.name.as_ref().map_or_else(String::new, |name| format!(" ({})", short(name)));
        let line =
            if ports.is_empty() { format!("{}{name}", self.place) } else { format!("{}{name}: {ports}", self.place) };
        match line.chars().nth(LONGEST_LINE) {
            Some(_) => line.chars().take(LONGEST_LINE).collect::<String>() + "…",
            None => line,
        }
    }
}

/// Adds to a list, unless it is full.
fn name(list: &mut Vec<String>, what: impl FnOnce() -> String) {
    if list.len() < MOST_NAMED {
        list.push(what());
    }
}

/// Account, Region and id, with the name where it is known.
fn group(finding: &Finding) -> String {
    let name = finding.group_name.as_ref().map(|name| format!("({name})"));
    let parts = [&finding.account, &finding.region, &finding.group, &name];
    parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")
}

impl Finding {
    /// What is nearly open in the group, for a sweep's summary: account, Region, id and what.
    pub fn nearly_open(&self) -> impl Iterator<Item = String> {
        self.nearly.iter().map(|what| format!("{}: {what}", group(self)))
    }

    /// The summary of a sweep. What could not be decided or looked at makes it undecided, however much else was found
    /// safe. Only what could not be looked at is tried again: a group that cannot be decided now will not be in a minute.
    #[must_use]
    pub fn swept(time: Timestamp, sweep: SweepFinding, mode: Mode) -> Self {
        let doubtful = !sweep.unreachable.is_empty();
        let verdict = match (sweep.exposed, doubtful || sweep.undecided > 0) {
            (1.., _) => Verdict::Exposed,
            (0, true) => Verdict::Undecided,
            (0, false) => Verdict::Safe,
        };
        let outcome = match (sweep.failed + sweep.unreachable.len(), sweep.reverted, sweep.count_open().0) {
            (1.., _, _) => Outcome::Failed,
            (0, 1.., _) => Outcome::Reverted,
            (0, 0, 1..) => Outcome::WouldRevert,
            // Somebody else was faster.
            (0, 0, 0) if sweep.exposed > 0 => Outcome::AlreadyGone,
            (0, 0, 0) => Outcome::None,
        };
        let event = EventMetadata { time: Some(time), call: Some("Sweep".to_owned()), ..EventMetadata::default() };
        let plain = Self::plain(&event, verdict, outcome, mode, sweep.sentence());
        Self { sweep: Some(sweep), doubtful, ..plain }
    }
}
