//! The evidence of an act: everything that somebody needs who was not there, to tell what was seen, decided, done and
//! confirmed, to judge it again, and to put it back.
//!
//! One act is one document, written once. It contains what EC2 showed and what was known, so that [`Evidence::replay`]
//! reaches the same plan offline, with the same policy. A document carries the SHA-256 of itself ([`seal`]), so that a
//! changed byte shows.

mod build;
mod id;
mod left;
mod look;
mod opening;
mod read;
mod replay;
mod seal;
mod undone;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use build::{Account, Guard, absent};
pub use id::ActId;
pub use left::LeftAct;
pub use look::{Call, Look, PrefixListLook, Reply};
pub use opening::{EndAccount, EndedBy, OpenAccount, Opening, admits, rules_to_open, words};
pub use read::ReadError;
pub use replay::Mismatch;
pub use undone::UndoAccount;
pub use undone::{PutBack, Undone};

use crate::change::{Change, EventMetadata};
use crate::facts::GroupLocation;
use crate::finding::{Action, ExposureFinding, Verdict};
use crate::memory::Waiver;
use crate::omitted::is_zero;
use crate::rule::Rule;

/// The form of a document that this version writes.
pub const SCHEMA: u32 = 1;

/// What an act is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Rules were revoked, or should have been.
    Close,
    /// Alert mode: rules would have been revoked.
    WouldClose,
    /// What an act took away was put back by an operator.
    Undo,
    /// A port was opened for a while by an operator.
    Open,
    /// An opening came to its end.
    End,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::WouldClose => "would_close",
            Self::Undo => "undo",
            Self::Open => "open",
            Self::End => "end",
        }
    }
}

/// What came of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActOutcome {
    /// Every rule that had to go is gone, as EC2 confirmed.
    Reverted,
    /// Alert mode: nothing was touched.
    WouldRevert,
    /// The rules were gone before they could be revoked. Whether an earlier attempt of the same act revoked them, or
    /// somebody else did, cannot be told.
    AlreadyGone,
    /// Something that had to go is still there, or nobody knows.
    Failed,
    /// The document was written before the calls that it announces.
    Intended,
    /// The rules are there again, as EC2 confirmed.
    PutBack,
    /// The ports are open for a while, as EC2 confirmed.
    Opened,
}

impl ActOutcome {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reverted => "reverted",
            Self::WouldRevert => "would_revert",
            Self::AlreadyGone => "already_gone",
            Self::Failed => "failed",
            Self::Intended => "intended",
            Self::PutBack => "put_back",
            Self::Opened => "opened",
        }
    }
}

/// How it is known what became of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConfirmedBy {
    /// EC2's answer to the call lists them.
    Answer,
    /// A later look shows it.
    Look,
    /// The first look of this delivery did not show them any more.
    AbsentAtSecondLook,
    /// Nothing was done that could be confirmed.
    Nothing,
}

/// What was known beside what EC2 showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Knew {
    /// `none`: there is no memory. `ok`, or `unavailable` and why.
    pub memory: String,
    /// The changes that were judged together. The first `own` are the delivery's own; the others are what other deliveries
    /// left unsettled in the group.
    pub changes: Vec<Change>,
    /// How many of the changes are the delivery's own.
    pub own: usize,
    /// The index of the change that this act is about.
    pub change: usize,
    /// The group's waivers, by their ids, as they were known before the first look. A look says where they had changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waivers: BTreeMap<String, Waiver>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Decided {
    /// The verdict.
    pub verdict: Verdict,
    /// What the internet reached.
    pub exposures: Vec<ExposureFinding>,
    /// All of it in a sentence.
    pub reason: String,
}

/// A rule as it was before the act, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Taken {
    /// The rule, with its description and its tags.
    #[serde(flatten)]
    pub rule: Rule,
    /// What became of it.
    #[serde(flatten)]
    pub action: Action,
}

/// The evidence of one act. Keys are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(title = "Portcullis evidence"))]
pub struct Evidence {
    /// The form of this object: 1.
    #[cfg_attr(feature = "schema", schemars(extend("const" = 1)))]
    pub schema: u32,
    /// The act's id. It contains the place where the document is kept.
    pub id: ActId,
    /// What the act is.
    pub kind: Kind,
    /// What came of it.
    pub outcome: ActOutcome,
    /// Which Portcullis acted, and under which policy.
    pub guard: Guard,
    /// Who made the change that led to the act.
    pub who: EventMetadata,
    /// The group.
    pub location: GroupLocation,
    /// The CloudTrail record as it came, where there was one of at most 64 KB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Value>,
    /// What was known beside what EC2 showed.
    pub knew: Knew,
    /// The looks that led to a plan with steps: what EC2 showed, what was planned, what was called and answered.
    pub looks: Vec<Look>,
    /// How many further looks of that kind are left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub looks_left_out: usize,
    /// What was decided.
    pub decided: Decided,
    /// The rules that something was to be done about, as they were, and what became of each.
    pub rules: Vec<Taken>,
    /// How that is known.
    pub confirmed_by: ConfirmedBy,
    /// When what had to be done was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
    /// The time from the call to the end of the exposure, in milliseconds. CloudTrail's times are whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposed_ms: Option<u64>,
    /// What was put back. Only of an undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undone>,
    /// The opening that was made, or that ended. Only of the kinds `open` and `end`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Opening>,
}

#[cfg(test)]
pub(crate) mod tests;
