//! From what was seen and done to the evidence of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ActId, ActOutcome, ConfirmedBy, Decided, Evidence, Kind, Knew, Look, Reply, SCHEMA, Taken};
use crate::change::{Change, ChangedRules, EventMetadata};
use crate::facts::{Facts, GroupLocation};
use crate::finding::{Action, Finding, Outcome};
use crate::ids::{AccountId, Region, RuleId};
use crate::judge::judge;
use crate::memory::Waiver;
use crate::plan::plan;
use crate::policy::{Mode, Policy};
use crate::rule::Rule;

/// Which Portcullis acted, and under which policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Guard {
    /// Its version.
    pub version: String,
    /// The account that it ran in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The Region that it ran in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The most that it was allowed to do: the function's own mode, or a sweep's.
    pub mode: Mode,
    /// The SHA-256 of the policy, in hexadecimal digits. The policy is kept under `policies/`.
    pub policy: String,
    /// Whether modified rules are given their former values back where that is lawful.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restores: bool,
}

/// What one remediation of a group knew, saw and called.
#[derive(Debug, Clone)]
pub struct Account<'a> {
    /// Which Portcullis.
    pub guard: Guard,
    /// The group.
    pub location: &'a GroupLocation,
    /// All changes that were judged together, the delivery's own first.
    pub changes: &'a [&'a Change],
    /// How many are the delivery's own.
    pub own: usize,
    /// What is known of the memory: `none`, `ok`, or `unavailable` and why.
    pub memory: String,
    /// The group's waivers, by their ids.
    pub waivers: BTreeMap<String, Waiver>,
    /// The looks that led to a plan with steps.
    pub looks: &'a [Look],
    /// How many further looks of that kind were not kept.
    pub looks_left_out: usize,
    /// Every rule that any look showed, as the latest look showed it.
    pub observed: &'a BTreeMap<RuleId, Rule>,
}

/// The word in the id of an act that closes something.
const CLOSE: &str = "close";

impl Account<'_> {
    /// The evidence of the `n`th change's act. Nothing where nothing was done, nor should have been.
    #[must_use]
    pub fn of(&self, finding: &Finding, n: usize, record: Option<Value>) -> Option<Evidence> {
        let (kind, outcome) = match finding.outcome {
            Outcome::Reverted => (Kind::Close, ActOutcome::Reverted),
            Outcome::WouldRevert => (Kind::WouldClose, ActOutcome::WouldRevert),
            Outcome::Failed => (Kind::Close, ActOutcome::Failed),
            Outcome::AlreadyGone => (Kind::Close, ActOutcome::AlreadyGone),
            Outcome::None => return None,
        };
        let planned: BTreeSet<RuleId> = self.looks.iter().flat_map(|look| look.plan.rules()).collect();
        let taken = |id: &RuleId, action: &Action| {
            // A rule of the change that went by itself, and need not have gone, is no part of the act.
            let is_of_act = match action {
                Action::Kept => false,
                Action::AlreadyGone => planned.contains(id),
                Action::Revoked
                | Action::WouldRevoke
                | Action::Restored
                | Action::WouldRestore
                | Action::Failed { .. } => true,
            };
            let rule = self.observed.get(id).filter(|_| is_of_act)?;
            // A rule that is there still may have been changed after the last look that led to something.
            let planned = self.looks.iter().rev().find_map(|look| look.rules.iter().find(|rule| rule.id == *id));
            let as_planned = planned.filter(|_| matches!(action, Action::Restored | Action::WouldRestore));
            Some(Taken { rule: as_planned.unwrap_or(rule).clone(), action: action.clone() })
        };
        let rules: Vec<Taken> = finding.rules.iter().filter_map(|rule| taken(&rule.id, &rule.action)).collect();
        let change = self.changes.get(n)?;
        if rules.is_empty() || self.looks.is_empty() {
            return None;
        }
        let mut evidence = Evidence {
            schema: SCHEMA,
            id: ActId::new(None, self.location, &[]),
            kind,
            outcome,
            guard: self.guard.clone(),
            who: change.event.clone(),
            location: self.location.clone(),
            record,
            knew: Knew {
                memory: self.memory.clone(),
                changes: self.changes.iter().map(|change| (*change).clone()).collect(),
                own: self.own,
                change: n,
                waivers: self.waivers.clone(),
            },
            looks: self.looks.to_vec(),
            looks_left_out: self.looks_left_out,
            decided: Decided {
                verdict: finding.verdict,
                exposures: finding.exposures.clone(),
                reason: finding.reason.clone(),
            },
            confirmed_by: confirmed_by(&rules, self.looks),
            rules,
            done_at: finding.done_at.filter(|_| outcome == ActOutcome::Reverted),
            exposed_ms: None,
            undo: None,
            opening: None,
        };
        evidence.id = evidence.made_id();
        if !evidence.is_of_sweep() {
            evidence.exposed_ms = evidence.done_at.and_then(|end| millis(evidence.who.time?, end));
        }
        Some(evidence)
    }
}

/// A look at a group that lacks the rules of a change, with these rules as the record says that they were made. An earlier
/// attempt may have revoked them and have left no evidence. Nothing where the rules would not have had to go.
#[must_use]
pub fn absent(change: &Change, facts: &Facts, policy: &Policy, (mode, now): (Mode, Timestamp)) -> Option<Look> {
    let shown: BTreeSet<&RuleId> = facts.rules.iter().map(|rule| &rule.id).collect();
    let recorded = change.recorded_rules.iter().flatten();
    let missing = recorded.filter_map(|(id, permission)| Some((id.as_ref()?, permission)));
    let missing: Vec<Rule> = missing
        .filter(|(id, _)| !shown.contains(id) && !facts.egress.contains(id))
        .map(|(id, permission)| Rule::new(id.clone(), permission.clone()))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let ids: BTreeSet<RuleId> = missing.iter().map(|rule| rule.id.clone()).collect();
    let whole = facts.with_rules(facts.rules.iter().cloned().chain(missing).collect());
    let judgement = judge(&[change], &whole, policy, now);
    let plan = plan(&judgement, policy.mode(&facts.location, mode), usize::MAX);
    // What is gone cannot be given its former value back.
    let planned = plan.rules();
    (!planned.is_disjoint(&ids)).then(|| Look::new(&whole, now, plan).with_given_up(planned))
}

impl Evidence {
    /// Whether a sweep led to the act.
    #[must_use]
    pub fn is_of_sweep(&self) -> bool {
        self.who.call.as_deref() == Some("Sweep")
    }

    /// Whether something was done: a rule was revoked or restored.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.rules.iter().any(|taken| matches!(taken.action, Action::Revoked | Action::Restored))
    }

    /// The id that follows from the event: a second delivery of it leads to the same id. What failed has an id of its own,
    /// so that the attempt that succeeds has evidence too. What a sweep would revoke has one id a day.
    pub(super) fn made_id(&self) -> ActId {
        let what = match self.outcome {
            ActOutcome::Failed => "failed",
            ActOutcome::Reverted | ActOutcome::AlreadyGone => CLOSE,
            ActOutcome::WouldRevert => "would_close",
            ActOutcome::Intended => "intended",
            ActOutcome::PutBack => "undo",
            ActOutcome::Opened => "open",
        };
        if let Some((what, which)) = self.part_of_opening() {
            return ActId::new(self.who.time, &self.location, &[what, &which]);
        }
        let (time, which) = if self.is_of_sweep() && self.outcome == ActOutcome::WouldRevert {
            (self.who.time.map(day), self.rule_ids())
        } else {
            (self.who.time, self.event())
        };
        ActId::new(time, &self.location, &[what, &which])
    }

    /// The id for what the same event leads to a second time: other rules that it describes were there meanwhile.
    #[must_use]
    pub fn again(&self) -> ActId {
        ActId::new(self.who.time, &self.location, &["again", &self.event(), &self.rule_ids()])
    }

    /// What tells the event from others: its id, or all that is known of it.
    fn event(&self) -> String {
        if let Some((_, waiver)) = self.part_of_opening() {
            return waiver;
        }
        event(&self.who, self.change().map(|change| &change.changed_rules))
    }

    fn rule_ids(&self) -> String {
        self.rules.iter().map(|taken| taken.rule.id.as_str()).collect::<Vec<_>>().join(" ")
    }
}

impl ActId {
    /// The id of the act that closes what a change opened in a group: what [`Evidence`] of it has, however often the record
    /// is delivered. It is known before anything is done.
    #[must_use]
    pub fn of_close(change: &Change, at: &GroupLocation) -> Self {
        Self::new(change.event.time, at, &[CLOSE, &event(&change.event, Some(&change.changed_rules))])
    }
}

/// What tells an event from others.
fn event(who: &EventMetadata, rules: Option<&ChangedRules>) -> String {
    match &who.id {
        Some(id) => id.clone(),
        None => serde_json::to_string(&(&who.time, &who.call, &who.actor, rules)).unwrap_or_default(),
    }
}

/// The beginning of the day.
fn day(time: Timestamp) -> Timestamp {
    const SECONDS: i64 = 24 * 60 * 60;
    let second = time.as_second();
    Timestamp::from_second(second - second.rem_euclid(SECONDS)).unwrap_or(time)
}

pub(super) fn confirmed_by(rules: &[Taken], looks: &[Look]) -> ConfirmedBy {
    let listed: BTreeSet<&RuleId> = looks
        .iter()
        .filter_map(|look| match &look.call.as_ref()?.reply {
            Reply::Revoked(rules) => Some(rules),
            Reply::Accepted | Reply::Failed(_) => None,
        })
        .flatten()
        .collect();
    let mut done = rules.iter().filter(|taken| matches!(taken.action, Action::Revoked | Action::Restored)).peekable();
    let is_gone = |taken: &Taken| taken.action == Action::AlreadyGone;
    if done.peek().is_some() {
        let all = done.all(|taken| listed.contains(&taken.rule.id));
        if all { ConfirmedBy::Answer } else { ConfirmedBy::Look }
    } else if rules.iter().any(is_gone) {
        ConfirmedBy::AbsentAtSecondLook
    } else {
        ConfirmedBy::Nothing
    }
}

/// From the call to the end of the exposure. The clocks of AWS and of the function may differ: never less than nothing.
pub(super) fn millis(from: Timestamp, to: Timestamp) -> Option<u64> {
    u64::try_from(to.duration_since(from).as_millis().max(0)).ok()
}
