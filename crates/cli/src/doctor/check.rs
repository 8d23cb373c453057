//! One line of the doctor's: what, right or wrong or cannot tell, why, and the command that mends it.

use serde_json::{Value, json};

use super::inventory::CallError;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Right,
    /// It cannot be told. The reason is in the check.
    CannotTell,
    /// Something is missing, or not as the guard needs it.
    Wrong,
}

impl Verdict {
    /// The word for it in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::CannotTell => "cannot_tell",
            Self::Wrong => "wrong",
        }
    }

    /// The words for it in a table.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::CannotTell => "cannot tell",
            Self::Wrong => "wrong",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was checked.
    pub what: &'static str,
    /// The account, empty where it is not known.
    pub account: String,
    /// The Region, empty where it is none's.
    pub region: String,
    /// The one thing that it is about, where the line is about one.
    pub resource: Option<String>,
    /// What was found.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
    /// The command that mends it.
    pub mend: Option<String>,
    /// The call that failed, where that is why it cannot be told.
    pub error: Option<CallError>,
}

impl Check {
    /// The line as JSON. Keys without a value are left out.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut line = json!({"check": self.what, "result": self.verdict.as_str(), "why": self.why});
        let texts = [("account", Some(&self.account)), ("region", Some(&self.region))];
        let more = [("resource", self.resource.as_ref()), ("mend", self.mend.as_ref())];
        if let Some(keys) = line.as_object_mut() {
            for (key, text) in texts.into_iter().chain(more) {
                keys.extend(text.filter(|text| !text.is_empty()).map(|text| (key.to_owned(), json!(text))));
            }
            keys.extend(self.error.as_ref().map(|error| ("error".to_owned(), error.json())));
        }
        line
    }
}

/// How many lines of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Right.
    pub right: usize,
    /// Wrong.
    pub wrong: usize,
    /// Cannot tell.
    pub cannot_tell: usize,
    /// Of those: because a call failed.
    pub failed_calls: usize,
}

impl Counts {
    /// Those of these lines.
    #[must_use]
    pub fn of(checks: &[Check]) -> Self {
        let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
        Self {
            right: count(Verdict::Right),
            wrong: count(Verdict::Wrong),
            cannot_tell: count(Verdict::CannotTell),
            failed_calls: checks.iter().filter(|check| check.error.is_some()).count(),
        }
    }

    /// The exit status, as every command has it: 2 where something could not be read, whatever else was found; else 1
    /// where something is wrong; else 3 where something cannot be told; else 0.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self { failed_calls: 1.., .. } => 2,
            Self { wrong: 1.., .. } => 1,
            Self { cannot_tell: 1.., .. } => 3,
            Self { .. } => 0,
        }
    }
}
