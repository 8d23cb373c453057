//! The policy's bounds on what may be open for a while, and on what events may take.

use std::fmt;

use jiff::SignedDuration;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::exemption::arn_like;
use crate::text::escaped;

/// How long a waiver may last, and who may have one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(Serialize, schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct WaiverPolicy {
    /// How long a waiver lasts at most. `0`: no waiver holds. What must be open for longer belongs into `exempt`.
    most: Time,
    /// ARN patterns of who may have one: `*` stands for any text, `?` for one character. Empty: anyone who may write to
    /// the memory.
    #[serde(deserialize_with = "patterns")]
    #[cfg_attr(feature = "schema", schemars(transform = super::schema::arn_patterns))]
    by: Vec<String>,
}

impl Default for WaiverPolicy {
    fn default() -> Self {
        Self { most: Time(SignedDuration::from_hours(24)), by: Vec::new() }
    }
}

impl WaiverPolicy {
    /// How long a waiver lasts at most. Zero: none holds.
    #[must_use]
    pub const fn most(&self) -> SignedDuration {
        self.most.0
    }

    /// ARN patterns of who may have one. Empty: anyone.
    #[must_use]
    pub fn by(&self) -> &[String] {
        &self.by
    }

    /// Whether this principal may have one.
    #[must_use]
    pub fn allow(&self, principal: &str) -> bool {
        self.by.is_empty() || self.by.iter().any(|pattern| arn_like(pattern, principal))
    }
}

/// How many old rules one account and Region may lose to events.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(Serialize, schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BudgetPolicy {
    /// So many rules that were there before a prefix list changed. Past that they are only reported. Rules that a call made
    /// go always.
    #[cfg_attr(feature = "schema", schemars(range(max = u32::MAX)))]
    old_rules: u32,
    /// In so long a time.
    #[serde(deserialize_with = "not_zero")]
    per: Time,
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        Self { old_rules: 25, per: Time(SignedDuration::from_hours(1)) }
    }
}

impl BudgetPolicy {
    /// So many old rules may go.
    #[must_use]
    pub const fn old_rules(&self) -> u32 {
        self.old_rules
    }

    /// In so long a time.
    #[must_use]
    pub const fn per(&self) -> SignedDuration {
        self.per.0
    }
}

/// A time that is written `30m`, `2h` or `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Time(SignedDuration);

/// Nothing is longer than this.
const LONGEST_DAYS: i64 = 366;

impl Time {
    fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self(SignedDuration::ZERO));
        }
        let unit = text.chars().last()?;
        let digits = text.strip_suffix(unit)?;
        let minutes = match unit {
            'm' => 1,
            'h' => 60,
            'd' => 24 * 60,
            _ => return None,
        };
        let is_number = !digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: i64 = is_number.then(|| digits.parse().ok())??;
        let minutes = number.checked_mul(minutes)?;
        (minutes <= LONGEST_DAYS * 24 * 60).then(|| Self(SignedDuration::from_mins(minutes)))
    }
}

/// As a policy writes it.
#[must_use]
pub fn time_in_words(time: SignedDuration) -> String {
    let minutes = time.as_mins();
    match minutes {
        0 => "0".to_owned(),
        _ if minutes % (24 * 60) == 0 => format!("{}d", minutes / (24 * 60)),
        _ if minutes % 60 == 0 => format!("{}h", minutes / 60),
        _ => format!("{minutes}m"),
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as 30m, 2h or 7d")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Time, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
        Time::parse(text).ok_or_else(|| {
            let accepted = format!("expected minutes, hours or days, such as 30m, 2h or 7d, up to {LONGEST_DAYS}d");
            E::custom(format!("`{}` is no time: {accepted}", escaped(text)))
        })
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeVisitor)
    }
}

/// For the defaults that a schema shows.
impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time_in_words(self.0))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Minutes, hours or days, such as 30m, 2h or 7d.",
            "anyOf": [{"type": "string", "pattern": "^(0|[0-9]{1,6}[mhd])$"}, {"type": "integer", "const": 0}],
        })
    }
}

fn not_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let time = Time::deserialize(deserializer)?;
    if time.0.is_zero() {
        return Err(de::Error::custom("`0` is no time in which rules go: expected at least 1m"));
    }
    Ok(time)
}

fn patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let patterns = Vec::<String>::deserialize(deserializer)?;
    let is_arn = |pattern: &&String| pattern.starts_with("arn:") && pattern.splitn(6, ':').count() == 6;
    match patterns.iter().find(|pattern| !is_arn(pattern)) {
        None => Ok(patterns),
        Some(odd) => {
            let accepted = "expected an ARN such as arn:aws:iam::111122223333:role/OnCall";
            Err(de::Error::custom(format!("`{}` is no principal: {accepted}", escaped(odd))))
        }
    }
}
