//! What an undo put back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ActId, ActOutcome, ConfirmedBy, Decided, Evidence, Guard, Kind, Knew, Look, SCHEMA, Taken};
use crate::change::Change;
use crate::facts::Facts;
use crate::finding::{Action, Verdict};
use crate::ids::RuleId;
use crate::memory::Waiver;
use crate::plan::Plan;
use crate::policy::Mode;
use crate::rule::Rule;

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

/// What an undo knew and did, for its evidence.
#[derive(Debug, Clone)]
pub struct UndoAccount<'a> {
    /// Which Portcullis.
    pub guard: Guard,
    /// The operator's change: these rules, by this principal.
    pub change: &'a Change,
    /// The waivers that hold in the group.
    pub waivers: BTreeMap<String, Waiver>,
    /// The group as it was before.
    pub before: &'a Facts,
    /// The rules, as they are put back.
    pub rules: &'a [Rule],
    /// What was done.
    pub undo: Undone,
    /// `Intended` before the calls, then `PutBack` or `Failed`.
    pub outcome: ActOutcome,
    /// What is said of it.
    pub reason: String,
}

impl UndoAccount<'_> {
    /// The evidence of the undo, or of what is about to be done.
    #[must_use]
    pub fn evidence(&self, now: Timestamp) -> Evidence {
        let location = self.before.location.clone();
        let plan = Plan { location: location.clone(), mode: Mode::Alert, cap: 0, steps: Vec::new() };
        let is_there = |rule: &Rule| self.undo.rules.iter().any(|pair| pair.was == rule.id && pair.is.is_some());
        let action = |rule: &Rule| {
            if self.outcome == ActOutcome::Intended {
                Action::WouldRestore
            } else if is_there(rule) {
                Action::Restored
            } else {
                Action::Failed { error: "NotThere".to_owned() }
            }
        };
        let mut evidence = Evidence {
            schema: SCHEMA,
            id: ActId::new(None, &location, &[]),
            kind: Kind::Undo,
            outcome: self.outcome,
            guard: self.guard.clone(),
            who: self.change.event.clone(),
            record: None,
            knew: Knew {
                memory: "none".to_owned(),
                changes: vec![self.change.clone()],
                own: 1,
                change: 0,
                waivers: self.waivers.clone(),
            },
            looks: vec![Look::new(self.before, self.change.event.time.unwrap_or(now), plan)],
            looks_left_out: 0,
            decided: Decided { verdict: Verdict::Safe, exposures: Vec::new(), reason: self.reason.clone() },
            rules: self.rules.iter().map(|rule| Taken { rule: rule.clone(), action: action(rule) }).collect(),
            confirmed_by: if self.outcome == ActOutcome::PutBack { ConfirmedBy::Look } else { ConfirmedBy::Nothing },
            done_at: (self.outcome == ActOutcome::PutBack).then_some(now),
            exposed_ms: None,
            undo: Some(self.undo.clone()),
            opening: None,
            location,
        };
        evidence.id = evidence.made_id();
        evidence
    }
}
