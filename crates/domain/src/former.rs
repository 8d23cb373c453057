//! What a rule was before a change, from memories of our own: the calls that were seen, and what sweeps saw.
//!
//! The value before a change is the newest that is strictly older than the change, never simply the latest: events come out
//! of order, and a sweep may look between a call and its event. What cannot be told is unknown, with the reason, and then
//! the rule is judged as if it had not been there.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::RuleId;
use crate::memory::CLAIM_HOLDS;
use crate::rule::Permission;

/// A sweep's look counts as older than a call only by so much: two clocks differ by less. What was called within this time
/// before the look may not show in it.
const MARGIN: SignedDuration = SignedDuration::from_mins(1);

/// This many values of a rule are remembered.
pub const MOST_SEEN: usize = 8;

/// How a value is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "FormerFrom"))]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// By the record of the call that set it.
    Event,
    /// By a sweep, which saw it.
    Sweep,
}

/// What a rule admits, and its description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// Its traffic and its source.
    #[serde(flatten)]
    pub permission: Permission,
    /// Its description, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What was seen of a rule at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When the call was made, or the sweep looked.
    pub at: Timestamp,
    /// Who says it.
    pub from: Source,
    /// What the rule was from then on. `None`: the record does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Whether the rule was made then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_new: bool,
}

impl Seen {
    /// Whether the two say the same of what the rule admits.
    fn says_as(&self, other: &Self) -> bool {
        let permission = |seen: &Self| seen.value.as_ref().map(|value| value.permission.clone());
        permission(self) == permission(other)
    }
}

/// A value that a rule had before a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Was {
    /// Its traffic and its source.
    #[serde(flatten)]
    pub permission: Permission,
    /// Its description, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How that is known.
    pub from: Source,
    /// When the call was made that set it, or the sweep saw it.
    pub as_of: Timestamp,
    /// Whether it opens a port of the group, or has a part in that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exposes: bool,
    /// Why it is only told: nothing is decided by it, and it is not given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// What the rule was before a call opened it, not a day ago: the value above opens a port, and the call that set it has
    /// no lawful standing of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Former>>,
}

/// What a rule was before a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Former {
    /// This.
    Was(Was),
    /// Nobody can tell, for this reason.
    Unknown(String),
}

/// For each rule that a change names, what it was before.
pub type Formers = BTreeMap<RuleId, Former>;

impl Former {
    /// The value that counts as the rule's own before the change, and before a run of calls that opened it. Nothing where it
    /// is not known, or doubtful.
    #[must_use]
    pub fn settled(&self) -> Option<&Was> {
        match self {
            Self::Unknown(_) => None,
            Self::Was(Was { doubt: Some(_), .. }) => None,
            Self::Was(Was { before: Some(before), .. }) => before.settled(),
            Self::Was(was) => Some(was),
        }
    }
}

/// Everything that was seen of one rule, and what it is worth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// What was seen, in any order.
    pub seen: Vec<Seen>,
    /// Why the value is unknown where nothing was seen before a change.
    pub nothing: String,
    /// Why a value is only told: something that happened since may be missing.
    pub doubt: Option<String>,
    /// A sweep's value of before this time is only told, and why.
    pub sweeps_since: Option<(Timestamp, String)>,
}

impl History {
    /// What the rule was before a change at this time. `exposes` says whether a value opens a port in the group.
    #[must_use]
    pub fn before(&self, time: Option<Timestamp>, exposes: impl Fn(&Permission) -> bool) -> Former {
        let Some(time) = time else { return Former::Unknown("the record has no time".to_owned()) };
        let mut earlier: Vec<&Seen> = self.seen.iter().filter(|seen| self.counts(seen, time)).collect();
        // The newest first; of the same second, in any order that is always the same.
        earlier.sort_by_key(|seen| Reverse((seen.at, seen.from)));
        let mut values = Values { earlier: &earlier };
        let Some(newest) = values.next() else { return Former::Unknown(self.nothing.clone()) };
        let (seen, value) = match newest {
            Ok(newest) => newest,
            Err(why) => return Former::Unknown(why),
        };
        let mut was = self.was(seen, value);
        was.exposes = exposes(&value.permission);
        if was.exposes {
            was.before = self.run(seen, values, (time, exposes)).map(Box::new);
        }
        Former::Was(was)
    }

    fn was(&self, seen: &Seen, value: &Value) -> Was {
        let is_old = |since: &&(Timestamp, String)| seen.from == Source::Sweep && seen.at < since.0;
        let old = self.sweeps_since.as_ref().filter(is_old).map(|(_, why)| why.clone());
        Was {
            permission: value.permission.clone(),
            description: value.description.clone(),
            from: seen.from,
            as_of: seen.at,
            exposes: false,
            doubt: self.doubt.clone().or(old),
            before: None,
        }
    }

    /// What the rule was before a run of values that open a port. `None`: the run stands. A sweep saw it, and it began with
    /// that, or more than a day ago. What only calls say never stands: somebody acts on these calls, or may have forged them.
    fn run<'a>(
        &self,
        newest: &'a Seen,
        values: Values<'_, 'a>,
        (time, exposes): (Timestamp, impl Fn(&Permission) -> bool),
    ) -> Option<Former> {
        let mut oldest = newest;
        let mut is_swept = newest.from == Source::Sweep;
        let mut lawful = None;
        for value in values {
            match value {
                Ok((seen, value)) if exposes(&value.permission) => {
                    oldest = seen;
                    is_swept |= seen.from == Source::Sweep;
                }
                Ok((seen, value)) => {
                    lawful = Some(Former::Was(self.was(seen, value)));
                    break;
                }
                Err(why) => {
                    lawful = Some(Former::Unknown(why));
                    break;
                }
            }
        }
        let is_old = oldest.from == Source::Sweep || time.duration_since(oldest.at) > CLAIM_HOLDS;
        if is_swept && is_old {
            return None;
        }
        let made = || match oldest.is_new {
            true => format!("it was made so at {}", oldest.at),
            false => format!("a call made it so at {}, and what it was before that is not known", oldest.at),
        };
        Some(lawful.unwrap_or_else(|| Former::Unknown(made())))
    }

    /// Whether it was seen strictly before the time. A look may be younger than its clock says, and it may not show what was
    /// called just before it: then the call is believed.
    fn counts(&self, seen: &Seen, time: Timestamp) -> bool {
        match seen.from {
            Source::Event => seen.at < time,
            Source::Sweep => {
                let is_just_before = |call: &Seen| {
                    let age = seen.at.duration_since(call.at);
                    call.from == Source::Event && (SignedDuration::ZERO..=MARGIN).contains(&age) && !call.says_as(seen)
                };
                time.duration_since(seen.at) >= MARGIN && !self.seen.iter().any(is_just_before)
            }
        }
    }
}

/// The values, the newest first. Where calls of one second set different values, nobody knows which came last.
struct Values<'s, 'a> {
    earlier: &'s [&'a Seen],
}

impl<'a> Iterator for Values<'_, 'a> {
    type Item = Result<(&'a Seen, &'a Value), String>;

    fn next(&mut self) -> Option<Self::Item> {
        let (newest, rest) = self.earlier.split_first()?;
        let same = rest.iter().take_while(|seen| seen.at == newest.at).count();
        let (twins, older) = rest.split_at_checked(same)?;
        self.earlier = older;
        if twins.iter().any(|twin| !twin.says_as(newest)) {
            return Some(Err(format!("two calls of {} set it to different values", newest.at)));
        }
        let unread = || format!("a call of {} set it, and the record does not say to what", newest.at);
        Some(newest.value.as_ref().map(|value| (*newest, value)).ok_or_else(unread))
    }
}

#[cfg(test)]
mod tests;
