//! What Portcullis remembers of one security group, from one delivery to the next.
//!
//! It is one item of a table, or one file of a folder. Each entry stands by itself under a name of its own
//! (`claim#…`, `fight#ssh/ipv4`), so that deliveries that run at the same time write beside each other. The memory may be
//! lost at any time: an entry that is missing, or cannot be read, makes the guard forget, and never makes it wait.
//!
//! Time is an argument here as well. An entry that is over may be there still, so what it says holds up to its own
//! `until` and no longer.

mod claim;
mod digest;
mod fight;
mod opened;
mod sweep;
mod tool;
mod waiver;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use claim::{CLAIM_HOLDS, Claim, ClaimId, ClaimState, LARGEST_SAW, MOST_CLAIMS, Saw};
pub use digest::{DIGEST, DigestOrder, Waiting};
pub use fight::{Close, Fight, FightKey, Telling, Told, tell};
pub use opened::{Listed, OPENINGS, is_ended_name, is_opened_name, opened_name, openings_of};
pub use sweep::{News, SweepMemory, Swept};
pub use tool::Tool;
pub use waiver::{Refused, Waiver, WaiverKind, exemptions};

use crate::ids::{GroupId, RuleId};
use crate::rule::Rule;

/// An entry's name, and what it holds. This is what a store keeps.
pub type Entries = BTreeMap<String, Value>;

/// A rule that was revoked stays revoked: EC2 gives no id twice. A look that shows such a rule within this time, the
/// longest that an invocation may take, is older than the revoke.
pub const CLOSED_HOLDS: SignedDuration = SignedDuration::from_mins(15);

/// Two clocks differ by less.
const SKEW: SignedDuration = SignedDuration::from_mins(1);

/// This many rules are remembered as closed. The oldest make room.
pub const MOST_CLOSED: usize = 256;

/// This many acts are remembered.
pub const MOST_ACTS: usize = 8;

/// An exposure that stands is told again after this time.
pub const TOLD_HOLDS: SignedDuration = SignedDuration::from_hours(24);

/// The right to stand at a group's gate: whoever holds it looks on while rules change, and the others leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it: a text that no two invocations share.
    pub holder: String,
    /// When it ends, unless it is renewed.
    pub until: Timestamp,
}

/// Everything that is remembered of one group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// What deliveries are doing, and what they left standing.
    pub claims: BTreeMap<ClaimId, Claim>,
    /// What may be open for a while.
    pub waivers: BTreeMap<String, Waiver>,
    /// The rules that were made under a waiver, as events and operators noted them. They are among the waiver's rules too.
    pub opened: BTreeMap<String, BTreeSet<RuleId>>,
    /// When a rule was last noted under a waiver.
    pub noted: BTreeMap<String, Timestamp>,
    /// The rules that an end is about to revoke, as a look showed them.
    pub ending: BTreeMap<String, Vec<Rule>>,
    /// The openings that were ended lately, and when.
    pub ended: BTreeMap<String, Timestamp>,
    /// Who opens the group again and again.
    pub fights: BTreeMap<FightKey, Fight>,
    /// When it was last told that an exposure stands.
    pub told: BTreeMap<FightKey, Timestamp>,
    /// The rules that were revoked lately, and when.
    pub closed: BTreeMap<RuleId, Timestamp>,
    /// The latest acts, and where their evidence is.
    pub acts: BTreeMap<String, String>,
    /// Who stands at the gate.
    pub lease: Option<Lease>,
    /// The names of entries that cannot be read. They are left alone.
    pub unreadable: Vec<String>,
}

/// The entry that says who holds the lease. A store compares it.
pub const LEASE_HOLDER: &str = "lease_holder";

/// The entry that says until when, in milliseconds. A store compares it.
pub const LEASE_UNTIL: &str = "lease_until";

/// The prefixes of the entries' names.
mod name {
    pub(super) const CLAIM: &str = "claim#";
    pub(super) const WAIVER: &str = "waiver#";
    pub(super) const OPENED: &str = "opened#";
    pub(super) const ENDING: &str = "ending#";
    pub(super) const ENDED: &str = "ended#";
    pub(super) const FIGHT: &str = "fight#";
    pub(super) const TOLD: &str = "told#";
    pub(super) const CLOSED: &str = "closed#";
    pub(super) const ACT: &str = "act#";
}

/// The name of a claim's entry.
#[must_use]
pub fn claim_name(id: &ClaimId) -> String {
    format!("{}{id}", name::CLAIM)
}

/// Whether an entry of this name is a claim.
#[must_use]
pub fn is_claim(name: &str) -> bool {
    name.starts_with(name::CLAIM)
}

/// The name of a waiver's entry.
#[must_use]
pub fn waiver_name(id: &str) -> String {
    format!("{}{id}", name::WAIVER)
}

/// The name of the entry that keeps what an end is about to revoke.
#[must_use]
pub fn ending_name(waiver: &str) -> String {
    format!("{}{waiver}", name::ENDING)
}

/// The name of the entry that says when an opening was ended.
#[must_use]
pub fn ended_name(waiver: &str) -> String {
    format!("{}{waiver}", name::ENDED)
}

/// The name of a fight's entry.
#[must_use]
pub fn fight_name(key: &FightKey) -> String {
    format!("{}{key}", name::FIGHT)
}

/// The name of the entry that says when a standing exposure was told.
#[must_use]
pub fn told_name(key: &FightKey) -> String {
    format!("{}{key}", name::TOLD)
}

/// The name of the entry that says when a rule was closed.
#[must_use]
pub fn closed_name(rule: &RuleId) -> String {
    format!("{}{rule}", name::CLOSED)
}

/// The name of the entry that says where an act's evidence is.
#[must_use]
pub fn act_name(act: &str) -> String {
    format!("{}{act}", name::ACT)
}

impl Memory {
    /// Reads what a store kept. An entry that cannot be read is named and passed over.
    #[must_use]
    pub fn read(entries: &Entries) -> Self {
        let mut memory = Self { lease: lease(entries), ..Self::default() };
        for (entry, value) in entries.iter().filter(|(name, _)| *name != LEASE_HOLDER && *name != LEASE_UNTIL) {
            if memory.take(entry, value).is_none() {
                memory.unreadable.push(entry.clone());
            }
        }
        memory.list_opened();
        memory
    }

    fn take(&mut self, entry: &str, value: &Value) -> Option<()> {
        if let Some(id) = entry.strip_prefix(name::CLAIM) {
            self.claims.insert(ClaimId::parse(id)?, read(value)?);
        } else if let Some(id) = entry.strip_prefix(name::WAIVER) {
            self.waivers.insert(id.to_owned(), read(value)?);
        } else if let Some(opened) = entry.strip_prefix(name::OPENED) {
            let at = read::<Timestamp>(value)?;
            let (waiver, rule) = opened.split_once('/')?;
            if at > Timestamp::UNIX_EPOCH {
                let last = self.noted.entry(waiver.to_owned()).or_insert(at);
                *last = at.max(*last);
            }
            self.opened.entry(waiver.to_owned()).or_default().insert(RuleId::parse(rule).ok()?);
        } else if let Some(waiver) = entry.strip_prefix(name::ENDING) {
            self.ending.insert(waiver.to_owned(), read(value)?);
        } else if let Some(waiver) = entry.strip_prefix(name::ENDED) {
            self.ended.insert(waiver.to_owned(), read(value)?);
        } else if let Some(key) = entry.strip_prefix(name::FIGHT) {
            self.fights.insert(FightKey::parse(key)?, read::<Fight>(value)?.within_caps());
        } else if let Some(key) = entry.strip_prefix(name::TOLD) {
            self.told.insert(FightKey::parse(key)?, read(value)?);
        } else if let Some(id) = entry.strip_prefix(name::CLOSED) {
            self.closed.insert(RuleId::parse(id).ok()?, read(value)?);
        } else if let Some(act) = entry.strip_prefix(name::ACT) {
            self.acts.insert(act.to_owned(), read(value)?);
        } else {
            return None;
        }
        Some(())
    }

    /// The entries that a store keeps. What could not be read is not among them.
    #[must_use]
    pub fn entries(&self) -> Entries {
        let mut entries = Entries::new();
        let mut put = |name: String, value: Option<Value>| value.and_then(|value| entries.insert(name, value));
        self.claims.iter().for_each(|(id, claim)| _ = put(claim_name(id), written(claim)));
        self.waivers.iter().for_each(|(id, waiver)| _ = put(waiver_name(id), written(waiver)));
        for (waiver, rules) in &self.opened {
            let at = self.noted.get(waiver).unwrap_or(&Timestamp::UNIX_EPOCH);
            rules.iter().for_each(|rule| _ = put(opened_name(waiver, rule), written(at)));
        }
        self.ending.iter().for_each(|(waiver, rules)| _ = put(ending_name(waiver), written(rules)));
        self.ended.iter().for_each(|(waiver, at)| _ = put(ended_name(waiver), written(at)));
        self.fights.iter().for_each(|(key, fight)| _ = put(fight_name(key), written(fight)));
        self.told.iter().for_each(|(key, at)| _ = put(told_name(key), written(at)));
        self.closed.iter().for_each(|(rule, at)| _ = put(closed_name(rule), written(at)));
        self.acts.iter().for_each(|(act, place)| _ = put(act_name(act), written(place)));
        self.lease.iter().for_each(|lease| {
            put(LEASE_HOLDER.to_owned(), written(&lease.holder));
            put(LEASE_UNTIL.to_owned(), written(&lease.until.as_millisecond()));
        });
        entries
    }

    /// The rules that a look may still show although they were revoked.
    #[must_use]
    pub fn closed_lately(&self, now: Timestamp) -> Vec<&RuleId> {
        // A time that is still to come is nobody's honest word.
        let is_late = |at: &Timestamp| (-SKEW..=CLOSED_HOLDS).contains(&now.duration_since(*at));
        self.closed.iter().filter(|(_, at)| is_late(at)).map(|(rule, _)| rule).collect()
    }

    /// The names of the entries that say nothing any more, and of those past the caps, the oldest first.
    #[must_use]
    pub fn over(&self, now: Timestamp) -> Vec<String> {
        let mut over: Vec<String> =
            self.claims.iter().filter(|(_, claim)| !claim.holds(now)).map(|(id, _)| claim_name(id)).collect();
        over.extend(self.waivers.iter().filter(|(_, waiver)| waiver.is_long_over(now)).map(|(id, _)| waiver_name(id)));
        over.extend(self.openings_over(now));
        over.extend(self.fights.iter().filter(|(_, fight)| fight.is_over(now)).map(|(key, _)| fight_name(key)));
        let told = self.told.iter().filter(|(_, at)| now.duration_since(**at) > TOLD_HOLDS);
        over.extend(told.map(|(key, _)| told_name(key)));
        let mut closed: Vec<(&Timestamp, &RuleId)> = self.closed.iter().map(|(rule, at)| (at, rule)).collect();
        closed.sort_unstable();
        let past_the_cap = closed.len().saturating_sub(MOST_CLOSED);
        let closed = closed.into_iter().enumerate();
        let closed = closed.filter(|(n, (at, _))| *n < past_the_cap || now.duration_since(**at) > CLOSED_HOLDS);
        over.extend(closed.map(|(_, (_, rule))| closed_name(rule)));
        // An act's id begins with its time.
        let acts = self.acts.len().saturating_sub(MOST_ACTS);
        over.extend(self.acts.keys().take(acts).map(|act| act_name(act)));
        over
    }

    /// Whether an exposure that stands was told within the last day.
    #[must_use]
    pub fn was_told(&self, key: &FightKey, now: Timestamp) -> bool {
        self.told.get(key).is_some_and(|at| now.duration_since(*at) <= TOLD_HOLDS)
    }
}

/// The key of a group's item: `111122223333/eu-west-1/sg-0a1b2c3d4e5f60718`.
#[must_use]
pub fn item_of(account: &crate::ids::AccountId, region: &crate::ids::Region, group: &GroupId) -> String {
    format!("{account}/{region}/{group}")
}

fn lease(entries: &Entries) -> Option<Lease> {
    let holder = entries.get(LEASE_HOLDER)?.as_str()?.to_owned();
    let until = entries.get(LEASE_UNTIL)?.as_i64()?;
    Some(Lease { holder, until: Timestamp::from_millisecond(until).ok()? })
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

/// A value as a store keeps it.
#[must_use]
pub fn written<T: Serialize>(value: &T) -> Option<Value> {
    serde_json::to_value(value).ok()
}

#[cfg(test)]
mod tests;
