//! The record of what was seen, decided and done: one JSON object that people and machines read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::exposure::Judgement;
use crate::ids::{GroupId, RuleId};
use crate::policy::Mode;
use crate::trail::{Change, EventMetadata};

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The internet reaches a guarded port.
    Exposed,
    /// It would, but for an exemption.
    Exempt,
    /// It does not.
    Safe,
    /// Not a change to ingress.
    Irrelevant,
    /// It cannot be told: someone must look.
    Undecided,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every rule that had to go is gone, as EC2 confirmed.
    Reverted,
    /// Alert mode: what would have gone.
    WouldRevert,
    /// The rules were gone already.
    AlreadyGone,
    /// There was nothing to do.
    None,
    /// Something that had to be done was not.
    Failed,
}

/// What was done about one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// EC2 listed it as revoked, or a second look no longer shows it.
    Revoked,
    /// Alert mode.
    WouldRevoke,
    /// Not touched.
    Kept,
    /// Someone was faster.
    AlreadyGone,
    /// It is still there, or nobody knows.
    Failed {
        /// AWS's error code, or what happened instead of an answer.
        error: String,
    },
}

impl Action {
    /// The word for it in a finding.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::WouldRevoke => "would_revoke",
            Self::Kept => "kept",
            Self::AlreadyGone => "already_gone",
            Self::Failed { .. } => "failed",
        }
    }
}

/// One finding. Its JSON is the product's public surface: keys are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The form of this object: 1.
    pub schema: u8,
    /// The record's `eventID`.
    pub id: Option<String>,
    /// When the call was made.
    pub time: Option<Timestamp>,
    /// The group's account.
    pub account: Option<String>,
    /// Its Region.
    pub region: Option<String>,
    /// The group.
    pub group: Option<String>,
    /// The call.
    pub call: Option<String>,
    /// Who made it.
    pub actor: Option<String>,
    /// From where.
    pub source_ip: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
    /// What was decided.
    pub verdict: Verdict,
    /// What came of it.
    pub outcome: Outcome,
    /// The mode that held for the group.
    pub mode: Mode,
    /// What the internet reaches (or reached, until the rules went).
    pub exposures: Vec<ExposureFinding>,
    /// The change's rules, and every rule that was acted on.
    pub rules: Vec<RuleFinding>,
    /// All that in a sentence.
    pub reason: String,
    /// What a sweep came to: in its summary only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepFinding>,
    /// Something about the group could not be decided, whatever else was found.
    #[serde(skip)]
    pub doubtful: bool,
    /// When what had to be done was done.
    #[serde(skip)]
    pub done_at: Option<Timestamp>,
}

/// What a sweep came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SweepFinding {
    /// How many accounts it covered.
    pub accounts: usize,
    /// How many Regions of accounts: two Regions of three accounts are six.
    pub places: usize,
    /// How many groups were looked at.
    pub groups: usize,
    /// How many of them are exposed, or were.
    pub exposed: usize,
    /// How many of those were closed.
    pub reverted: usize,
    /// How many should have been closed and are not.
    pub failed: usize,
    /// How many could not be decided, at least in part.
    pub undecided: usize,
    /// Which groups are exposed still: account, Region and id, the first fifty.
    pub open: Vec<String>,
    /// Which accounts and Regions could not be looked at, and why.
    pub unreachable: Vec<String>,
}

impl SweepFinding {
    /// Takes in what was found in a place or a group.
    pub fn note(&mut self, finding: &Finding) {
        if finding.group.is_none() && finding.doubtful {
            let known = |part: &Option<String>| part.clone().unwrap_or_else(|| "?".to_owned());
            let (account, region) = (known(&finding.account), known(&finding.region));
            self.unreachable.push(format!("{account} {region}: {}", finding.reason));
            return;
        }
        if finding.verdict == Verdict::Exposed && finding.outcome != Outcome::Reverted && self.open.len() < 50 {
            let parts = [&finding.account, &finding.region, &finding.group];
            self.open.push(parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(" "));
        }
        self.exposed += usize::from(finding.verdict == Verdict::Exposed);
        self.reverted += usize::from(finding.outcome == Outcome::Reverted);
        self.failed += usize::from(finding.outcome == Outcome::Failed);
        self.undecided += usize::from(finding.doubtful);
    }

    fn sentence(&self) -> String {
        let Self { accounts, places, groups, exposed, reverted, failed, undecided, open, unreachable } = self;
        let mut parts = vec![format!(
            "sweep of {places} Region(s) of {accounts} account(s): {groups} groups looked at, {exposed} exposed, \
             {reverted} reverted, {failed} failed, {undecided} undecided"
        )];
        if !open.is_empty() {
            parts.push(format!("open: {}", open.join(", ")));
        }
        if !unreachable.is_empty() {
            parts.push(format!("not looked at: {}", unreachable.join(", ")));
        }
        parts.join("; ")
    }
}

/// One exposed port, or run of ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExposureFinding {
    /// The service.
    pub guard: String,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The port, or the lowest of several.
    pub port: u16,
    /// The highest, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_port: Option<u16>,
    /// The rules that admit it.
    pub rules: Vec<RuleId>,
    /// Their sources.
    pub sources: Vec<String>,
    /// How many public addresses, in decimal: IPv6 goes beyond what JSON numbers hold.
    pub public_addresses: String,
    /// It would be there without this change, and is left to the sweep.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub standing: bool,
}

/// One rule, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleFinding {
    /// Its id.
    pub id: RuleId,
    /// Its protocol; `-1` is all.
    pub protocol: Option<String>,
    /// First port, or ICMP type; `null` where the protocol has none.
    pub from_port: Option<i64>,
    /// Last port, or ICMP code.
    pub to_port: Option<i64>,
    /// CIDR, prefix list or group.
    pub source: Option<String>,
    /// What was done.
    pub action: &'static str,
    /// AWS's error code, when that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What was done about a group: for each planned rule, what became of it.
pub type Done = BTreeMap<RuleId, Action>;

impl Finding {
    /// A finding that rests on the record alone.
    #[must_use]
    pub fn plain(event: &EventMetadata, verdict: Verdict, outcome: Outcome, mode: Mode, reason: String) -> Self {
        let event = event.clone();
        Self {
            schema: 1,
            id: event.id,
            time: event.time,
            account: event.account,
            region: event.region,
            group: None,
            call: event.call,
            actor: event.actor,
            source_ip: event.source_ip,
            user_agent: event.user_agent,
            verdict,
            outcome,
            mode,
            exposures: Vec::new(),
            rules: Vec::new(),
            reason,
            sweep: None,
            doubtful: verdict == Verdict::Undecided,
            done_at: None,
        }
    }

    /// What became of the `n`th change in a group that was looked at.
    #[must_use]
    pub fn judged(change: &Change, n: usize, group: &GroupId, judgement: &Judgement, done: &Done, mode: Mode) -> Self {
        let unclaimed = Default::default();
        let changed_rules = judgement.attributions.get(n).unwrap_or(&unclaimed);
        // What this change has a part in, and what stands without any change.
        let exposures: Vec<_> = judgement
            .exposures
            .iter()
            .filter(|exposure| {
                exposure.standing || exposure.rules.iter().any(|rule| changed_rules.rules.contains(rule))
            })
            .collect();
        let acted = |n: &usize| judgement.rules.get(*n).is_some_and(|judged| done.contains_key(&judged.rule.id));
        let concerned: BTreeSet<usize> = exposures
            .iter()
            .flat_map(|e| e.rules.iter().copied().filter(acted))
            .chain(changed_rules.rules.iter().copied())
            .collect();
        let mut rules: Vec<RuleFinding> = concerned
            .iter()
            .filter_map(|n| judgement.rules.get(*n))
            .map(|judged| {
                let action = done.get(&judged.rule.id).unwrap_or(&Action::Kept);
                RuleFinding::of(&judged.rule, action)
            })
            .collect();
        // What had to go and went before it could be taken back, or a change of which nothing is left.
        let gone = rules.iter().any(|rule| rule.action == Action::AlreadyGone.as_str())
            || (changed_rules.rules.is_empty()
                && !(changed_rules.missing.is_empty() && changed_rules.replaced.is_empty()));
        rules.extend(changed_rules.missing.iter().flatten().map(RuleFinding::gone));
        let verdict = if !exposures.is_empty() {
            Verdict::Exposed
        } else if !judgement.undecided.is_empty() {
            Verdict::Undecided
        } else if changed_rules
            .rules
            .iter()
            .any(|n| judgement.rules.get(*n).is_some_and(|judged| judged.exempt.is_some()))
        {
            Verdict::Exempt
        } else {
            Verdict::Safe
        };
        let exposures: Vec<ExposureFinding> =
            exposures.into_iter().map(|exposure| ExposureFinding::of(exposure, judgement)).collect();
        let outcome = outcome(&rules, gone);
        let reason = reason(verdict, outcome, &exposures, &rules, judgement, changed_rules);
        let plain = Self::plain(&change.event, verdict, outcome, mode, reason);
        let doubtful = !judgement.undecided.is_empty();
        Self { group: Some(group.to_string()), exposures, rules, doubtful, ..plain }
    }

    /// The summary of a sweep. What could not be looked at makes it undecided, however much else was found safe.
    #[must_use]
    pub fn swept(time: Timestamp, sweep: SweepFinding, mode: Mode) -> Self {
        let doubtful = sweep.undecided > 0 || !sweep.unreachable.is_empty();
        let verdict = match (sweep.exposed, doubtful) {
            (1.., _) => Verdict::Exposed,
            (0, true) => Verdict::Undecided,
            (0, false) => Verdict::Safe,
        };
        let left = sweep.exposed.saturating_sub(sweep.reverted);
        let outcome = match (sweep.failed + sweep.unreachable.len(), sweep.reverted, left) {
            (1.., _, _) => Outcome::Failed,
            (0, 1.., _) => Outcome::Reverted,
            (0, 0, 1..) => Outcome::WouldRevert,
            (0, 0, 0) => Outcome::None,
        };
        let event = EventMetadata { time: Some(time), call: Some("Sweep".to_owned()), ..EventMetadata::default() };
        let plain = Self::plain(&event, verdict, outcome, mode, sweep.sentence());
        Self { sweep: Some(sweep), doubtful, ..plain }
    }

    /// Whether the delivery must be tried again, and failing that end where someone sees it.
    #[must_use]
    pub fn needs_retry(&self) -> bool {
        self.outcome == Outcome::Failed || self.doubtful
    }

    /// Whether someone should hear of it: exposures that are or were real, what failed and what cannot be decided.
    #[must_use]
    pub fn is_news(&self) -> bool {
        self.needs_retry() || self.verdict == Verdict::Exposed || self.outcome == Outcome::Reverted
    }
}

impl ExposureFinding {
    fn of(exposure: &crate::exposure::Exposure, judgement: &Judgement) -> Self {
        let rules: Vec<_> = exposure.rules.iter().filter_map(|n| judgement.rules.get(*n)).collect();
        let sources: BTreeSet<String> = rules.iter().map(|judged| judged.rule.permission.source.to_string()).collect();
        Self {
            guard: exposure.guard.clone(),
            protocol: exposure.transport.to_string(),
            port: exposure.ports.from(),
            to_port: (exposure.ports.to() > exposure.ports.from()).then_some(exposure.ports.to()),
            rules: rules.iter().map(|judged| judged.rule.id.clone()).collect(),
            sources: sources.into_iter().collect(),
            public_addresses: exposure.addresses.to_string(),
            standing: exposure.standing,
        }
    }
}

impl RuleFinding {
    fn of(rule: &crate::exposure::Rule, action: &Action) -> Self {
        let traffic = &rule.permission.traffic;
        Self {
            id: rule.id.clone(),
            protocol: Some(traffic.protocol().to_string()),
            from_port: traffic.from_port(),
            to_port: traffic.to_port(),
            source: Some(rule.permission.source.to_string()),
            action: action.as_str(),
            error: match action {
                Action::Failed { error } => Some(error.clone()),
                Action::Revoked | Action::WouldRevoke | Action::Kept | Action::AlreadyGone => None,
            },
        }
    }

    fn gone(id: &RuleId) -> Self {
        let action = Action::AlreadyGone.as_str();
        Self { id: id.clone(), protocol: None, from_port: None, to_port: None, source: None, action, error: None }
    }
}

/// IPv6 counts are too long to read: 3.4e38 for a number of more than 15 digits.
fn few_digits(count: &str) -> String {
    match count.parse::<f64>() {
        Ok(number) if count.len() > 15 => format!("{number:.1e}"),
        _ => count.to_owned(),
    }
}

fn outcome(rules: &[RuleFinding], gone: bool) -> Outcome {
    let any = |action: &Action| rules.iter().any(|rule| rule.action == action.as_str());
    if any(&Action::Failed { error: String::new() }) {
        Outcome::Failed
    } else if any(&Action::Revoked) {
        Outcome::Reverted
    } else if any(&Action::WouldRevoke) {
        Outcome::WouldRevert
    } else if gone {
        Outcome::AlreadyGone
    } else {
        Outcome::None
    }
}

fn reason(
    verdict: Verdict,
    outcome: Outcome,
    exposures: &[ExposureFinding],
    rules: &[RuleFinding],
    judgement: &Judgement,
    changed_rules: &crate::exposure::Attribution,
) -> String {
    let mut parts: Vec<String> = Vec::new();
    match verdict {
        Verdict::Exposed => {
            let verb = if matches!(outcome, Outcome::Reverted | Outcome::AlreadyGone) { "was" } else { "is" };
            parts.extend(exposures.iter().map(|exposure| {
                let ports = exposure.to_port.map_or_else(String::new, |to| format!("-{to}"));
                // A standing exposure stays, whatever was taken back beside it.
                let verb = if exposure.standing { "is" } else { verb };
                let standing = if exposure.standing { " even without this change: left as it is" } else { "" };
                let ExposureFinding { protocol, port, guard, .. } = exposure;
                let addresses = few_digits(&exposure.public_addresses);
                format!("{protocol} {port}{ports} ({guard}) {verb} open to {addresses} public addresses{standing}")
            }));
        }
        Verdict::Exempt => {
            let covered = changed_rules.rules.iter().filter_map(|n| judgement.rules.get(*n)?.exempt.as_ref());
            let reasons: BTreeSet<&String> = covered.collect();
            parts.push(format!("exempt: {}", reasons.into_iter().cloned().collect::<Vec<_>>().join("; ")));
        }
        Verdict::Safe if outcome == Outcome::AlreadyGone => {
            parts.push("the rules of this change are no longer there, or no longer what it made them".to_owned());
        }
        Verdict::Safe => parts.push("no guarded port is open to the internet".to_owned()),
        Verdict::Irrelevant | Verdict::Undecided => {}
    }
    parts.extend(judgement.undecided.iter().map(|doubt| format!("cannot be decided: {doubt}")));
    for error in rules.iter().filter_map(|rule| rule.error.as_ref()).collect::<BTreeSet<_>>() {
        parts.push(format!("not taken back: {error}"));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests;
