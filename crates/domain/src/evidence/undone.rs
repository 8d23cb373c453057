//! What an undo put back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::ActId;
use crate::ids::RuleId;

/// What an undo put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Undone {
    /// The act that was undone.
    pub act: ActId,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The id of the waiver that was written for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<String>,
    /// The rules, by the ids that they had and the ids that they have now.
    pub rules: Vec<PutBack>,
}

/// A rule that was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PutBack {
    /// The id that it had.
    pub was: RuleId,
    /// The id that it has now. Nothing where it is not there, or before the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<RuleId>,
    /// The keys of its tags that nobody but AWS can set.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags_left_out: BTreeSet<String>,
}
