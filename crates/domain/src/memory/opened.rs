//! What the memory keeps of openings beside their waivers: the rules that were made under one, and a list of the openings
//! of an account and Region, in an item of its own. By the list a sweep finds what it must end, whatever became of the
//! rules' descriptions and of the schedule.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Memory, WaiverKind, ended_name, ending_name, name};
use crate::ids::{AccountId, GroupId, Region, RuleId};

/// That an opening was ended is kept for so long: a second end says so.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// An opening whose end did not come is kept for so long after it: sweeps try again until then.
const TRIED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The name of the entry that says that a rule was made under a waiver.
#[must_use]
pub fn opened_name(waiver: &str, rule: &RuleId) -> String {
    format!("{}{waiver}/{rule}", name::OPENED)
}

/// Whether an entry says that a rule was made under a waiver.
#[must_use]
pub fn is_opened_name(entry: &str) -> bool {
    entry.starts_with(name::OPENED)
}

/// Whether an entry says that an opening was ended.
#[must_use]
pub fn is_ended_name(entry: &str) -> bool {
    entry.starts_with(name::ENDED)
}

/// The keys of lists of openings begin so.
pub const OPENINGS: &str = "openings#";

/// The key of the item that lists the openings of an account and Region: an entry for each, by its waiver's id.
#[must_use]
pub fn openings_of(account: &AccountId, region: &Region) -> String {
    format!("{OPENINGS}{account}/{region}")
}

/// An opening in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its group.
    pub group: GroupId,
    /// When it ends.
    pub until: Timestamp,
    /// Who opened it, as an ARN.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What is open, in words: `tcp 22 from 203.0.113.7/32`.
    pub what: String,
}

impl Memory {
    /// Puts the rules that were noted one by one among their waivers' rules.
    pub(super) fn list_opened(&mut self) {
        for (id, rules) in &self.opened {
            let Some(waiver) = self.waivers.get_mut(id) else { continue };
            let more: Vec<RuleId> = rules.iter().filter(|rule| !waiver.rules.contains(rule)).cloned().collect();
            waiver.rules.extend(more);
        }
    }

    /// The entries of all that is left of an opening when it was ended.
    #[must_use]
    pub fn entries_of_opening(&self, waiver: &str) -> Vec<String> {
        let rules = self.opened.get(waiver).into_iter().flatten();
        let mut entries: Vec<String> = rules.map(|rule| opened_name(waiver, rule)).collect();
        entries.extend(self.waivers.contains_key(waiver).then(|| super::waiver_name(waiver)));
        entries.extend(self.ending.contains_key(waiver).then(|| ending_name(waiver)));
        entries
    }

    /// The names of entries of openings that say nothing any more.
    pub(super) fn openings_over(&self, now: Timestamp) -> Vec<String> {
        let ended = self.ended.iter().filter(|(_, at)| now.duration_since(**at) > KEPT);
        let mut over: Vec<String> = ended.map(|(waiver, _)| ended_name(waiver)).collect();
        let is_gone = |id: &String| self.waivers.get(id).is_none_or(|waiver| waiver.is_long_over(now));
        for (waiver, rules) in self.opened.iter().filter(|(id, _)| is_gone(id)) {
            over.extend(rules.iter().map(|rule| opened_name(waiver, rule)));
        }
        over.extend(self.ending.keys().filter(|id| is_gone(id)).map(|id| ending_name(id)));
        over
    }

    /// How long the item is needed: for `usual`, and until the end of every waiver in it, for a sweep may have to try.
    #[must_use]
    pub fn needed_until(&self, usual: Timestamp) -> Timestamp {
        let ends = self.waivers.values().map(|waiver| waiver.until.saturating_add(TRIED).unwrap_or(Timestamp::MAX));
        ends.chain([usual]).max().unwrap_or(usual)
    }
}

/// How long a waiver that is over is kept.
pub(super) const fn kept(kind: WaiverKind, usual: SignedDuration) -> SignedDuration {
    match kind {
        WaiverKind::Undo => usual,
        // The end removes it. One that is still there was not ended yet.
        WaiverKind::Open => TRIED,
    }
}
