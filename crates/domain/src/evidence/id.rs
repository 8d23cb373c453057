//! The id of an act: when and where it was, and a hash that tells it from others of the same second.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use crate::facts::GroupLocation;
use crate::ids::{AccountId, GroupId, IdError, Region};
use crate::text::escaped;

/// `TIME-ACCOUNT-REGION-GROUP-HASH`, such as `20261125T180002Z-111122223333-eu-west-1-sg-0a1b2c3d-9f3c1e77a2b0`. The
/// place of the act's document follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = r"^[0-9]{8}T[0-9]{6}Z-[0-9]{12}-[a-z0-9-]+-sg-[a-z0-9]{1,40}-[0-9a-f]{12}$"))
)]
#[serde(transparent)]
pub struct ActId(String);

/// The time of a change without one.
const NO_TIME: Timestamp = Timestamp::UNIX_EPOCH;

/// `20261125T180002Z`
const TIME: usize = 16;

/// Hexadecimal digits of the hash.
const HASH: usize = 12;

impl ActId {
    /// The id of an act on a group. `parts` tell it from other acts on the group in the same second: the same parts make
    /// the same id.
    #[must_use]
    pub fn new(time: Option<Timestamp>, at: &GroupLocation, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        // Each part with its length: `ab`, `c` and `a`, `bc` are not the same.
        for part in [at.group.as_str()].iter().chain(parts) {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let mut digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        digits.truncate(HASH);
        let time = time.unwrap_or(NO_TIME).strftime("%Y%m%dT%H%M%SZ");
        let GroupLocation { account, region, group, .. } = at;
        Self(format!("{time}-{account}-{region}-{group}-{digits}"))
    }

    /// Parses the text.
    ///
    /// # Errors
    /// [`IdError`], which names the text and what is accepted.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let id = Self(text.to_owned());
        if id.parts().is_some() {
            return Ok(id);
        }
        let accepted = "TIME-ACCOUNT-REGION-GROUP-HASH as `portcullis evidence list` shows it";
        Err(IdError { what: "act", value: escaped(text), accepted })
    }

    fn parts(&self) -> Option<(Timestamp, AccountId, Region, GroupId)> {
        let (time, rest) = self.0.split_at_checked(TIME)?;
        let (rest, hash) = rest.strip_prefix('-')?.rsplit_once('-')?;
        if hash.len() != HASH || !hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let (account, rest) = rest.split_once('-')?;
        let (region, group) = rest.rsplit_once("-sg-")?;
        let group = GroupId::parse(&format!("sg-{group}")).ok()?;
        Some((instant(time)?, AccountId::parse(account).ok()?, Region::parse(region).ok()?, group))
    }

    /// When the change was made, to the second. The beginning of 1970 stands for a change without a time.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.parts().map_or(NO_TIME, |(time, ..)| time)
    }

    /// Whether the id is of this group.
    #[must_use]
    pub fn is_of(&self, at: &GroupLocation) -> bool {
        let own = |(_, account, region, group)| (account, region, group);
        self.parts().map(own) == Some((at.account.clone(), at.region.clone(), at.group.clone()))
    }

    /// Where the act's document is kept, below the evidence's root.
    #[must_use]
    pub fn key(&self) -> String {
        let Some((time, account, region, _)) = self.parts() else { return format!("evidence/v1/{}.json", self.0) };
        format!("{}{}.json", folder(&account, &region, time), self.0)
    }

    /// The id in a document's place; nothing where the place is not the id's own.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        let id = Self::parse(key.rsplit('/').next()?.strip_suffix(".json")?).ok()?;
        key.ends_with(&id.key()).then_some(id)
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The folder of a day's documents of an account and Region, as Athena's partitions are named.
#[must_use]
pub(super) fn folder(account: &AccountId, region: &Region, day: Timestamp) -> String {
    format!("evidence/v1/account={account}/region={region}/date={}/", day.strftime("%Y-%m-%d"))
}

/// The time of `20261125T180002Z`, and of nothing that is written otherwise.
fn instant(text: &str) -> Option<Timestamp> {
    let part = |from: usize, to: usize| text.get(from..to);
    let (date, time) = (part(0, 8)?, part(9, 15)?);
    if !date.bytes().chain(time.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(9, 11)?, part(11, 13)?, part(13, 15)?);
    let instant: Timestamp = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()?;
    (instant.strftime("%Y%m%dT%H%M%SZ").to_string() == text).then_some(instant)
}

impl fmt::Display for ActId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for ActId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for ActId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
