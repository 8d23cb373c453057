//! The evidence of an opening: what an operator is about to open and opened, and what its end revoked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::replay::Mismatch;
use super::{ActId, ActOutcome, ConfirmedBy, Decided, Evidence, Guard, Kind, Knew, Look, SCHEMA, Taken};
use crate::change::{Change, EventMetadata};
use crate::facts::{Facts, GroupLocation};
use crate::finding::{Action, Verdict};
use crate::ids::RuleId;
use crate::memory::Waiver;
use crate::opening;
use crate::plan::Plan;
use crate::policy::{Mode, Policy};
use crate::rule::{Permission, Rule, Traffic};
use crate::undo::forbidden;

/// What ended an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// Its schedule.
    Schedule,
    /// A sweep: its schedule was lost, or there was none.
    Sweep,
    /// An operator.
    Close,
}

/// An opening, as its evidence tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Opening {
    /// The id of its waiver.
    pub waiver: String,
    /// When it ends.
    pub until: Timestamp,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is opened. Only of the kind `open`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opens: Vec<Permission>,
    /// The ids of the rules that were opened. Nothing before the call.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rules: BTreeSet<RuleId>,
    /// What ended it. Only of the kind `end`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndedBy>,
}

/// What an operator opened, or is about to open.
#[derive(Debug, Clone)]
pub struct OpenAccount<'a> {
    /// Which Portcullis.
    pub guard: Guard,
    /// The operator's change: these rules, by this principal.
    pub change: &'a Change,
    /// The waiver.
    pub waiver: &'a Waiver,
    /// The group as it was before.
    pub before: &'a Facts,
    /// The opening.
    pub opening: Opening,
    /// `Intended` before the call, then `Opened` or `Failed`.
    pub outcome: ActOutcome,
}

/// What an end knew and did.
#[derive(Debug, Clone)]
pub struct EndAccount<'a> {
    /// Which Portcullis.
    pub guard: Guard,
    /// What asked for the end.
    pub who: EventMetadata,
    /// What is known of the memory: `none`, `ok` or `unavailable`.
    pub memory: String,
    /// The waiver, where it is known.
    pub waiver: Option<&'a Waiver>,
    /// The opening.
    pub opening: Opening,
    /// The looks, and what was called after each.
    pub looks: Vec<Look>,
    /// The rules, and what became of each.
    pub rules: Vec<Taken>,
    /// When what had to be done was done.
    pub done_at: Option<Timestamp>,
}

/// The rules that an opening makes, for the judge: EC2 gives them their ids later.
#[must_use]
pub fn rules_to_open(opens: &[Permission]) -> Vec<Rule> {
    let id = |n: usize| RuleId::parse(&format!("sgr-new{n}")).ok();
    let rules = opens.iter().enumerate();
    rules.filter_map(|(n, permission)| Some(Rule::new(id(n + 1)?, permission.clone()))).collect()
}

impl OpenAccount<'_> {
    /// The evidence of what was opened, or of what is about to be.
    #[must_use]
    pub fn evidence(self, now: Timestamp) -> Evidence {
        let Self { guard, change, waiver, before, opening, outcome } = self;
        let plan = Plan { location: before.location.clone(), mode: Mode::Alert, cap: 0, steps: Vec::new() };
        let verb = if outcome == ActOutcome::Intended {
            "is about to open"
        } else if outcome == ActOutcome::Opened {
            "opened"
        } else {
            "could not open"
        };
        let what: Vec<String> = opening.opens.iter().map(words).collect();
        let reason = format!("{} {verb} {} until {}", waiver.by, what.join(", "), opening.until);
        let is_opened = outcome == ActOutcome::Opened;
        let mut evidence = Evidence {
            schema: SCHEMA,
            id: ActId::new(None, &before.location, &[]),
            kind: Kind::Open,
            outcome,
            guard,
            who: change.event.clone(),
            location: before.location.clone(),
            record: None,
            knew: Knew {
                memory: "ok".to_owned(),
                changes: vec![change.clone()],
                own: 1,
                change: 0,
                waivers: BTreeMap::from([(opening.waiver.clone(), waiver.clone())]),
            },
            looks: vec![Look::new(before, change.event.time.unwrap_or(now), plan)],
            looks_left_out: 0,
            decided: Decided { verdict: Verdict::Exempt, exposures: Vec::new(), reason },
            rules: Vec::new(),
            confirmed_by: if is_opened { ConfirmedBy::Look } else { ConfirmedBy::Nothing },
            done_at: is_opened.then_some(now),
            exposed_ms: None,
            undo: None,
            opening: Some(opening),
        };
        evidence.id = evidence.made_id();
        evidence
    }
}

/// `tcp 22 from 203.0.113.7/32`.
#[must_use]
pub fn words(permission: &Permission) -> String {
    format!("{} from {}", admits(&permission.traffic), permission.source)
}

/// `tcp 22`.
#[must_use]
pub fn admits(traffic: &Traffic) -> String {
    let ports = match (traffic.from_port(), traffic.to_port()) {
        (Some(from), Some(to)) if from == to => format!(" {from}"),
        (Some(from), Some(to)) => format!(" {from}-{to}"),
        _ => String::new(),
    };
    format!("{}{ports}", traffic.protocol())
}

impl EndAccount<'_> {
    /// The evidence of the end. No change led to it.
    #[must_use]
    pub fn evidence(self, location: &GroupLocation, reason: &str) -> Evidence {
        let Self { guard, who, memory, waiver, opening, looks, rules, done_at } = self;
        let mut evidence = Evidence {
            schema: SCHEMA,
            id: ActId::new(None, location, &[]),
            kind: Kind::End,
            outcome: outcome_of(&rules),
            guard,
            who,
            location: location.clone(),
            record: None,
            knew: Knew {
                memory,
                changes: Vec::new(),
                own: 0,
                change: 0,
                waivers: waiver.map(|waiver| (opening.waiver.clone(), waiver.clone())).into_iter().collect(),
            },
            confirmed_by: super::build::confirmed_by(&rules, &looks),
            looks,
            looks_left_out: 0,
            decided: Decided { verdict: Verdict::Exempt, exposures: Vec::new(), reason: reason.to_owned() },
            rules,
            done_at,
            exposed_ms: None,
            undo: None,
            opening: Some(opening),
        };
        evidence.done_at = evidence.done_at.filter(|_| evidence.outcome == ActOutcome::Reverted);
        evidence.id = evidence.made_id();
        evidence
    }
}

/// What the rules of an end come to.
fn outcome_of(rules: &[Taken]) -> ActOutcome {
    let any = |is: fn(&Action) -> bool| rules.iter().any(|taken| is(&taken.action));
    if any(|action| matches!(action, Action::Failed { .. })) {
        ActOutcome::Failed
    } else if any(|action| *action == Action::Revoked) {
        ActOutcome::Reverted
    } else {
        ActOutcome::AlreadyGone
    }
}

impl Evidence {
    /// What of the act's id an opening decides: two ends of one opening are one act.
    pub(super) fn part_of_opening(&self) -> Option<(&'static str, String)> {
        let opening = self.opening.as_ref()?;
        let what = match (self.kind, self.outcome) {
            (_, ActOutcome::Failed) => "failed",
            (Kind::End, _) => "end",
            (_, ActOutcome::Intended) => "intended",
            _ => "open",
        };
        Some((what, opening.waiver.clone()))
    }

    /// A look of an opening must lead to what was done: its rules were lawful under the waiver, or its end takes these.
    pub(super) fn check_opening(
        &self,
        opening: &Opening,
        (n, look): (usize, &Look),
        policy: &Policy,
    ) -> Result<(), Mismatch> {
        let facts = look.facts(&self.location);
        if self.kind == Kind::Open {
            let Some(change) = self.change() else { return Ok(()) };
            let rules = rules_to_open(&opening.opens);
            return match forbidden((&facts, &rules), change, policy, look.judged_at).first() {
                Some(why) => Err(Mismatch::new(format!("looks[{n}]"), format!("{} was opened", opening.waiver), why)),
                None => Ok(()),
            };
        }
        let waiver = self.knew.waivers.get(&opening.waiver);
        let again = opening::plan(&opening.waiver, waiver, &facts, look.judged_at);
        if again != look.plan {
            let (says, is) = (super::replay::as_json(&look.plan), super::replay::as_json(&again));
            return Err(Mismatch::new(format!("looks[{n}].plan"), says, is));
        }
        let is_early = waiver.is_some_and(|waiver| waiver.until.duration_since(look.judged_at) > opening::CLOCKS);
        match is_early && opening.ended_by != Some(EndedBy::Close) {
            true => Err(Mismatch::new(format!("looks[{n}].judged_at"), look.judged_at, "before the opening's end")),
            false => Ok(()),
        }
    }

    /// The outcome of an opening's act must follow from its rules.
    pub(super) fn check_outcome_of_opening(&self, opening: &Opening) -> Result<(), Mismatch> {
        let is = match self.kind {
            Kind::End => outcome_of(&self.rules),
            Kind::Open if self.outcome == ActOutcome::Intended => ActOutcome::Intended,
            Kind::Open if opening.rules.is_empty() => ActOutcome::Failed,
            Kind::Open => ActOutcome::Opened,
            kind @ (Kind::Close | Kind::WouldClose | Kind::Undo) => {
                return Err(Mismatch::new("kind", kind.as_str(), "open or end"));
            }
        };
        match self.outcome == is {
            true => Ok(()),
            false => Err(Mismatch::new("outcome", self.outcome.as_str(), is.as_str())),
        }
    }
}
