//! Judges an act again, from what its own evidence contains.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use super::{ActOutcome, Evidence, Kind, Look, Undone};
use crate::change::{Change, ChangedRules};
use crate::cloudtrail::{self, EnvelopeOrigin, Reading};
use crate::facts::Facts;
use crate::finding::Action;
use crate::ids::RuleId;
use crate::json::Json;
use crate::judge::judge_with_others;
use crate::memory::exemptions;
use crate::plan::{Plan, plan, restoring};
use crate::policy::Policy;
use crate::rule::Rule;
use crate::text::escaped_up_to;
use crate::undo::forbidden;

/// Where an act, judged again, differs from its evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: the evidence says {says}; judged again it is {is}")]
pub struct Mismatch {
    /// The key in the evidence.
    pub place: String,
    /// What the evidence says there.
    pub says: String,
    /// What it must be.
    pub is: String,
}

impl Mismatch {
    pub(super) fn new(place: impl Into<String>, says: impl fmt::Display, is: impl fmt::Display) -> Self {
        // Enough for a plan of some dozens of rules.
        let text = |what: &dyn fmt::Display| escaped_up_to(&what.to_string(), 2000);
        Self { place: place.into(), says: text(&says), is: text(&is) }
    }
}

impl Evidence {
    /// Judges the act again with the policy that it names, and returns its plan: that of the last look. Every look must
    /// lead to the plan that the evidence says, and what was done must be what was planned.
    ///
    /// # Errors
    /// [`Mismatch`]: the first difference.
    pub fn replay(&self, policy: &Policy) -> Result<Plan, Mismatch> {
        if policy.hash() != self.guard.policy {
            return Err(Mismatch::new("guard.policy", &self.guard.policy, policy.hash()));
        }
        let id = self.made_id();
        if self.id != id && self.id != self.again() {
            return Err(Mismatch::new("id", &self.id, id));
        }
        // No change leads to the end of an opening.
        if self.kind != Kind::End {
            self.check_record()?;
        }
        let changes: Vec<&Change> = self.knew.changes.iter().collect();
        for (n, look) in self.looks.iter().enumerate() {
            self.check_look(n, look, (&changes, policy))?;
        }
        self.check_rules()?;
        self.check_outcome()?;
        match self.looks.last() {
            Some(look) => Ok(look.plan.clone()),
            None => Err(Mismatch::new("looks", "no look", "one look at least")),
        }
    }

    /// The change that the act is about.
    #[must_use]
    pub fn change(&self) -> Option<&Change> {
        self.knew.changes.get(self.knew.change)
    }

    /// The record must say what the change says.
    fn check_record(&self) -> Result<(), Mismatch> {
        let place = format!("knew.changes[{}]", self.knew.change);
        let Some(change) = self.change() else { return Err(Mismatch::new(place, "nothing", "a change")) };
        if change.event != self.who {
            return Err(Mismatch::new("who", as_json(&self.who), as_json(&change.event)));
        }
        let Some(record) = &self.record else { return Ok(()) };
        let origin =
            EnvelopeOrigin { account: Some(change.account.to_string()), region: Some(change.region.to_string()) };
        match cloudtrail::read(&Json::from(record), &origin) {
            Reading::Change(read) if is_same(&read, change) => Ok(()),
            Reading::Change(read) => Err(Mismatch::new(place, as_json(change), as_json(&read))),
            Reading::Irrelevant { why, .. } | Reading::Undecided { why, .. } => {
                Err(Mismatch::new("record", "a change", why))
            }
        }
    }

    /// The policy with the waivers that were known at a look and held then.
    fn with_waivers(&self, policy: &Policy, (n, now): (usize, Timestamp)) -> Policy {
        let known = Look::waivers_after(self.looks.get(..=n).unwrap_or(&self.looks), &self.knew.waivers);
        policy.with_waivers(exemptions(known, (&self.location, policy, now)))
    }

    /// What was put back must have been lawful with the group as it was.
    fn check_put_back(
        &self,
        undo: &Undone,
        (n, facts, now): (usize, &Facts, Timestamp),
        policy: &Policy,
    ) -> Result<(), Mismatch> {
        let rules: Vec<Rule> = self.rules.iter().map(|taken| taken.rule.clone()).collect();
        let Some(change) = self.change() else { return Ok(()) };
        match forbidden((facts, &rules), change, policy, now).first() {
            Some(why) => Err(Mismatch::new(format!("looks[{n}]"), format!("{} was undone", undo.act), why)),
            None => Ok(()),
        }
    }

    fn check_look(&self, n: usize, look: &Look, (changes, policy): (&[&Change], &Policy)) -> Result<(), Mismatch> {
        let policy = &self.with_waivers(policy, (n, look.judged_at));
        if let Some(opening) = &self.opening {
            self.check_opening(opening, (n, look), policy)?;
            return check_call(n, look);
        }
        // Whether the VPC was known may differ from look to look.
        let location = &look.plan.location;
        let (here, there) = (&self.location, location);
        if (&here.account, &here.region, &here.group) != (&there.account, &there.region, &there.group) {
            return Err(Mismatch::new(format!("looks[{n}].plan.location"), as_json(there), as_json(here)));
        }
        let facts = look.facts(location);
        if let Some(undo) = &self.undo {
            return self.check_put_back(undo, (n, &facts, look.judged_at), policy);
        }
        let judgement = judge_with_others((changes, self.knew.own), &facts, policy, look.judged_at);
        let mode = policy.mode(location, self.guard.mode);
        let again = plan(&judgement, mode, look.plan.cap);
        let again = match self.guard.restores {
            true => restoring(again, &judgement, &facts, &look.given_up, (policy, look.judged_at)),
            false => again,
        };
        if again != look.plan {
            return Err(Mismatch::new(format!("looks[{n}].plan"), as_json(&look.plan), as_json(&again)));
        }
        check_call(n, look)
    }

    /// What was done must have been planned, and the rules must be those that a look showed.
    fn check_rules(&self) -> Result<(), Mismatch> {
        if self.looks_left_out > 0 {
            return Ok(());
        }
        let planned: BTreeSet<RuleId> = self.looks.iter().flat_map(|look| look.plan.rules()).collect();
        for (n, taken) in self.rules.iter().enumerate().filter(|_| self.undo.is_none()) {
            let id = &taken.rule.id;
            let is_act = match &taken.action {
                Action::Revoked | Action::WouldRevoke | Action::Restored | Action::WouldRestore => true,
                Action::Kept | Action::AlreadyGone | Action::Failed { .. } => false,
            };
            if is_act && !planned.contains(id) {
                return Err(Mismatch::new(format!("rules[{n}]"), taken.action.as_str(), "in no plan"));
            }
            let shown = self.looks.iter().rev().find_map(|look| look.rules.iter().find(|rule| rule.id == *id));
            if let Some(shown) = shown.filter(|shown| is_act && **shown != taken.rule) {
                return Err(Mismatch::new(format!("rules[{n}]"), as_json(&taken.rule), as_json(shown)));
            }
        }
        Ok(())
    }

    /// What is said to be there again must have an id.
    fn check_undone(&self, undo: &Undone) -> Result<(), Mismatch> {
        let is_there = undo.rules.iter().all(|rule| rule.is.is_some());
        let is_intended = self.outcome == ActOutcome::Intended;
        let done = if is_there { ActOutcome::PutBack } else { ActOutcome::Failed };
        let is = if is_intended { ActOutcome::Intended } else { done };
        match (self.kind, self.outcome) {
            (Kind::Undo, says) if says == is => Ok(()),
            (Kind::Undo, says) => Err(Mismatch::new("outcome", says.as_str(), is.as_str())),
            (kind, _) => Err(Mismatch::new("kind", kind.as_str(), Kind::Undo.as_str())),
        }
    }

    /// The outcome must follow from what became of the rules.
    fn check_outcome(&self) -> Result<(), Mismatch> {
        if let Some(undo) = &self.undo {
            return self.check_undone(undo);
        }
        if let Some(opening) = &self.opening {
            return self.check_outcome_of_opening(opening);
        }
        let any = |is: fn(&Action) -> bool| self.rules.iter().any(|taken| is(&taken.action));
        let is = if any(|action| matches!(action, Action::Failed { .. })) {
            ActOutcome::Failed
        } else if any(|action| matches!(action, Action::WouldRevoke | Action::WouldRestore)) {
            ActOutcome::WouldRevert
        } else if any(|action| matches!(action, Action::Revoked | Action::Restored)) {
            ActOutcome::Reverted
        } else {
            ActOutcome::AlreadyGone
        };
        let kind = if is == ActOutcome::WouldRevert { Kind::WouldClose } else { Kind::Close };
        if self.outcome != is {
            return Err(Mismatch::new("outcome", self.outcome.as_str(), is.as_str()));
        }
        if self.kind != kind {
            return Err(Mismatch::new("kind", self.kind.as_str(), kind.as_str()));
        }
        let exposed = |end: Timestamp| super::build::millis(self.who.time?, end);
        match self.exposed_ms {
            Some(says) if self.done_at.and_then(exposed) != Some(says) => {
                let is = self.done_at.and_then(exposed).map_or_else(|| "unknown".to_owned(), |ms| ms.to_string());
                Err(Mismatch::new("exposed_ms", says, is))
            }
            _ => Ok(()),
        }
    }
}

/// What was called must have been planned.
fn check_call(n: usize, look: &Look) -> Result<(), Mismatch> {
    let planned = look.plan.rules();
    let named = look.call.iter().flat_map(|call| &call.rules);
    match named.into_iter().find(|rule| !planned.contains(rule)) {
        Some(rule) => Err(Mismatch::new(format!("looks[{n}].call.rules"), rule, "not in the plan")),
        None => Ok(()),
    }
}

/// Whether the record says what the change says. The blocks of a restored version of a prefix list are not in the record.
fn is_same(read: &Change, change: &Change) -> bool {
    match (&read.changed_rules, &change.changed_rules) {
        (
            ChangedRules::PrefixList { list, added: None, restored: Some(version), .. },
            ChangedRules::PrefixList { list: other, .. },
        ) => list == other && *version >= 0 && read.resource == change.resource && read.event == change.event,
        // What the rules were before is no part of the record.
        _ => *read == Change { former: read.former.clone(), ..change.clone() },
    }
}

pub(super) fn as_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}
