//! A fight: a port of a group that is closed and opened again and again. The closing never stops; the mails do.

use std::collections::BTreeSet;
use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Tool;
use crate::net::Family;

/// This many closes are remembered by their time.
const MOST_TIMES: usize = 16;

/// This many actors are remembered.
const MOST_ACTORS: usize = 8;

/// This many closes within a day, or on this many days of a week, are a fight.
const FIGHT: usize = 3;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// While a fight lasts, it is told this often at least.
const DIGEST: SignedDuration = SignedDuration::from_hours(6);

/// Which port is fought about: the guard and the address family. Neither the principal nor the exact permission, for both
/// can change each time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FightKey {
    /// The guard's name.
    pub guard: String,
    /// The address family.
    pub family: Family,
}

impl FightKey {
    /// Reads a key. A guard's name may hold any character that prints.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (guard, family) = text.rsplit_once('/')?;
        let family = match family {
            "ipv4" => Family::V4,
            "ipv6" => Family::V6,
            _ => return None,
        };
        Some(Self { guard: guard.to_owned(), family })
    }
}

impl fmt::Display for FightKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        write!(f, "{}/{family}", self.guard)
    }
}

/// What was last told of a fight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How many closes there were by then.
    pub count: u64,
    /// How many actors were known by then.
    pub actors: usize,
    /// When.
    pub at: Timestamp,
    /// Whether it was told as a fight.
    pub as_fight: bool,
}

/// A port that was closed, perhaps again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Fight {
    /// How many closes there were since it began.
    pub count: u64,
    /// When it began.
    pub since: Option<Timestamp>,
    /// The times of the latest closes, the newest last.
    pub times: Vec<Timestamp>,
    /// Who opened it: roles where there are roles, for a session's name is the caller's choice.
    pub actors: Vec<String>,
    /// The tool that the latest user agent names.
    pub tool: Option<Tool>,
    /// What was last told.
    pub told: Option<Told>,
}

/// One close, for [`Fight::note`].
#[derive(Debug, Clone, Copy)]
pub struct Close<'a> {
    /// When the port was closed.
    pub at: Timestamp,
    /// Who had opened it.
    pub actor: Option<&'a str>,
    /// With which program, by its own word.
    pub user_agent: Option<&'a str>,
}

/// Whether somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// As a close by itself.
    Now,
    /// As a fight, for the first time.
    Escalate,
    /// As a fight that goes on.
    Digest,
    /// Not by a message. The log and the evidence have it.
    Silent,
}

/// Whether the latest close is told. A new actor always is.
#[must_use]
pub fn tell(fight: &Fight, now: Timestamp) -> Telling {
    let Some(told) = fight.told else { return Telling::Now };
    let is_new_actor = fight.actors.len() > told.actors;
    if !fight.is_fight(now) {
        let is_alone = fight.within(now, DAY) <= 1;
        return if is_alone || is_new_actor { Telling::Now } else { Telling::Silent };
    }
    if !told.as_fight {
        return Telling::Escalate;
    }
    let has_doubled = fight.count >= told.count.saturating_mul(2);
    let is_time = now.duration_since(told.at) >= DIGEST;
    if has_doubled || is_time || is_new_actor { Telling::Digest } else { Telling::Silent }
}

impl Fight {
    /// Takes in a close.
    pub fn note(&mut self, close: Close<'_>) {
        let Close { at, actor, user_agent } = close;
        let is_long_ago = self.times.last().is_some_and(|last| at.duration_since(*last) > DAY);
        self.times.retain(|time| at.duration_since(*time) <= WEEK);
        self.times.push(at);
        let past_the_cap = self.times.len().saturating_sub(MOST_TIMES);
        self.times.drain(..past_the_cap);
        if is_long_ago && !self.is_fight(at) {
            (self.count, self.since, self.told) = (0, None, None);
            self.actors.clear();
        }
        self.count = self.count.saturating_add(1);
        self.since = self.since.or(Some(at));
        self.note_actor(actor);
        self.tool = user_agent.and_then(Tool::of).or(self.tool);
    }

    /// Takes in that the port was closed so many times more in one go.
    pub fn note_more(&mut self, closes: usize) {
        self.count = self.count.saturating_add(u64::try_from(closes).unwrap_or(u64::MAX));
    }

    /// Takes in somebody else who opened the port meanwhile.
    pub fn note_actor(&mut self, actor: Option<&str>) {
        if let Some(actor) = actor
            && self.actors.len() < MOST_ACTORS
            && !self.actors.iter().any(|known| known == actor)
        {
            self.actors.push(actor.to_owned());
        }
    }

    /// Takes in that it was told.
    pub fn note_told(&mut self, now: Timestamp) {
        let (count, actors, as_fight) = (self.count, self.actors.len(), self.is_fight(now));
        self.told = Some(Told { count, actors, at: now, as_fight });
    }

    /// Whether it is a fight: three closes within a day, or on three days of a week.
    #[must_use]
    pub fn is_fight(&self, now: Timestamp) -> bool {
        let day = |time: &Timestamp| time.to_zoned(TimeZone::UTC).date();
        let of_a_week = self.times.iter().filter(|time| now.duration_since(**time) <= WEEK);
        self.within(now, DAY) >= FIGHT || of_a_week.map(day).collect::<BTreeSet<_>>().len() >= FIGHT
    }

    /// The mean time between the latest closes, where there are several.
    #[must_use]
    pub fn cadence(&self) -> Option<SignedDuration> {
        let (first, last) = (self.times.first()?, self.times.last()?);
        let gaps = i32::try_from(self.times.len().saturating_sub(1)).ok().filter(|gaps| *gaps > 0)?;
        Some(last.duration_since(*first) / gaps)
    }

    fn within(&self, now: Timestamp, time: SignedDuration) -> usize {
        self.times.iter().filter(|at| now.duration_since(**at) <= time).count()
    }

    /// Whether nothing of it matters any more.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.times.last().is_none_or(|last| now.duration_since(*last) > WEEK)
    }

    /// What somebody else wrote may be longer.
    pub(super) fn within_caps(mut self) -> Self {
        let past_the_cap = self.times.len().saturating_sub(MOST_TIMES);
        self.times.drain(..past_the_cap);
        self.actors.truncate(MOST_ACTORS);
        self
    }
}
