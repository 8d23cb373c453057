//! From a judgement and what was done to a finding.

use std::collections::{BTreeMap, BTreeSet};

use super::former;
use super::words::{Open, reason};
use super::{Action, ExemptBy, ExposureFinding, Finding, Outcome, RuleFinding, Verdict};
use crate::change::Change;
use crate::ids::RuleId;
use crate::judge::{AppliedExemption, Attribution, Exposure, JudgedRule, Judgement};
use crate::policy::Mode;
use crate::rule::Rule;
use crate::state::{PastExposure, Remediation};

impl Finding {
    /// What became of the `n`th change in a group that was looked at.
    #[must_use]
    pub fn judged(change: &Change, n: usize, remediation: &Remediation) -> Self {
        let Remediation { judgement, own: _, done, mode, done_at, past, open } = remediation;
        let unattributed = Attribution::default();
        let attribution = judgement.attributions.get(n).unwrap_or(&unattributed);
        let open: &[ExposureFinding] = open.get(n).map(Vec::as_slice).unwrap_or_default();
        // What this change has a part in, what appeared between two looks, and what stands without any change.
        let is_new = |n: &usize| judgement.rules.get(*n).is_some_and(|judged| judged.appeared);
        // What others made was judged with it, and is told by nobody else where it was acted upon here.
        let of_others = acted_of_others(remediation);
        let is_of_others = |n: &usize| judgement.rules.get(*n).is_some_and(|it| of_others.contains(&it.rule.id));
        // A rule of this change that somebody altered since, in a form that another delivery answers for, was open all the
        // same.
        let is_altered = |n: &usize| {
            let is_replaced = |judged: &JudgedRule| attribution.replaced.contains(&judged.rule.id);
            judgement.rules.get(*n).is_some_and(is_replaced) && !is_own(remediation, n)
        };
        let has_a_part = |n: &usize| attribution.rules.contains(n) || is_new(n) || is_of_others(n) || is_altered(n);
        let concerns = |exposure: &&Exposure| exposure.rules.iter().any(has_a_part);
        let exposures: Vec<&Exposure> =
            judgement.exposures.iter().filter(|exposure| exposure.standing || concerns(exposure)).collect();
        let own = own_ids(attribution, judgement);
        let is_told = |past: &&PastExposure| {
            past.appeared || past.exposure.rules.iter().any(|id| own.contains(id) || of_others.contains(id))
        };
        let past: Vec<&PastExposure> = past.iter().filter(is_told).collect();
        let acted = |n: &usize| judgement.rules.get(*n).is_some_and(|judged| done.contains_key(&judged.rule.id));
        // A rule was revoked, and after that another one changed by itself: the port is closed, and the two are no exposure
        // any more.
        let of_past: BTreeSet<&RuleId> = past.iter().flat_map(|past| &past.exposure.rules).collect();
        let is_of_past = |n: &usize| judgement.rules.get(*n).is_some_and(|judged| of_past.contains(&judged.rule.id));
        let concerned: BTreeSet<usize> = exposures
            .iter()
            .flat_map(|exposure| exposure.rules.iter().copied())
            .chain((0..judgement.rules.len()).filter(is_of_past))
            .filter(acted)
            .chain(attribution.rules.iter().copied())
            .collect();
        let action = |rule: &Rule| done.get(&rule.id).cloned().unwrap_or(Action::Kept);
        let mut rules: Vec<RuleFinding> = concerned
            .iter()
            .filter_map(|n| judgement.rules.get(*n))
            .map(|judged| RuleFinding::of(&judged.rule, action(&judged.rule)))
            .collect();
        // What had to go and went before it could be taken back, or a change of which nothing is left.
        let nothing_left =
            attribution.rules.is_empty() && !(attribution.missing.is_empty() && attribution.replaced.is_empty());
        let gone = nothing_left || rules.iter().any(|rule| rule.action == Action::AlreadyGone);
        rules.extend(attribution.missing.iter().flatten().map(RuleFinding::gone));
        let mut exposures: Vec<ExposureFinding> =
            exposures.into_iter().map(|exposure| ExposureFinding::of(exposure, judgement)).collect();
        let of_now = exposures.len();
        let is_there = |past: &PastExposure, told: &[ExposureFinding]| {
            told.iter().any(|now| (&now.guard, &now.protocol, now.port) == past.key())
        };
        for past in past {
            if !is_there(past, &exposures) {
                exposures.push(ExposureFinding { standing: false, ..past.exposure.clone() });
            }
        }
        let past = exposures.len() - of_now;
        if *mode == Mode::Enforce {
            still_open(open, judgement, &mut rules);
        }
        let verdict = verdict(&exposures, open, judgement, attribution);
        let outcome = outcome(&rules, gone, open);
        let plain = Self::plain(&change.event, verdict, outcome, *mode, String::new());
        let mut finding = Self {
            group: Some(judgement.location.group.to_string()),
            exposures,
            rules,
            doubtful: !judgement.undecided.is_empty(),
            done_at: *done_at,
            nearly: judgement.nearly.iter().map(|exposure| nearly(exposure, judgement)).collect(),
            ..plain
        };
        finding.open_seconds = open_seconds(&finding);
        let is_by_principal = |exemption: &AppliedExemption| exemption.is_by_principal;
        if verdict == Verdict::Exempt && exemptions(attribution, judgement).any(is_by_principal) {
            finding.exempt_by = Some(ExemptBy::Principal);
        }
        finding.former = former::formers(change, &finding.rules);
        finding.waiver = exemptions(attribution, judgement).find_map(|exemption| exemption.waiver.clone());
        finding.reason = reason(&finding, judgement, attribution, Open { open, past });
        for words in former::words(change, &finding.rules, judgement) {
            finding.reason.push_str(&format!("; {words}"));
        }
        if let Some(unread) = &change.unread {
            finding
                .reason
                .push_str(&format!("; judged by what EC2 shows, for the record cannot be read in full: {unread}"));
        }
        finding
    }
}

/// The rules that something was done about and that none of the delivery's own changes made.
fn acted_of_others(remediation: &Remediation) -> BTreeSet<&RuleId> {
    let Remediation { judgement, done, .. } = remediation;
    let acted = |id: &RuleId| matches!(done.get(id), Some(Action::Revoked | Action::Restored | Action::Failed { .. }));
    let rules =
        judgement.rules.iter().enumerate().filter(|(n, judged)| acted(&judged.rule.id) && !is_own(remediation, n));
    rules.map(|(_, judged)| &judged.rule.id).collect()
}

/// Whether one of the delivery's own changes made a rule.
fn is_own(Remediation { judgement, own, .. }: &Remediation, n: &usize) -> bool {
    judgement.attributions.iter().take(*own).any(|own| own.rules.contains(n))
}

/// The ids of the change's rules, whatever has become of them.
fn own_ids<'a>(attribution: &'a Attribution, judgement: &'a Judgement) -> BTreeSet<&'a RuleId> {
    let rules = attribution.rules.iter().filter_map(|n| Some(&judgement.rules.get(*n)?.rule.id));
    rules.chain(attribution.missing.iter().flatten()).chain(&attribution.replaced).collect()
}

/// The exemptions that cover the change's rules.
pub(super) fn exemptions<'a>(
    attribution: &'a Attribution,
    judgement: &'a Judgement,
) -> impl Iterator<Item = &'a AppliedExemption> {
    attribution.rules.iter().filter_map(|n| judgement.rules.get(*n)?.exempt.as_ref())
}

fn verdict(
    exposures: &[ExposureFinding],
    open: &[ExposureFinding],
    judgement: &Judgement,
    attribution: &Attribution,
) -> Verdict {
    if !exposures.is_empty() || !open.is_empty() {
        Verdict::Exposed
    } else if !judgement.undecided.is_empty() {
        Verdict::Undecided
    } else if exemptions(attribution, judgement).next().is_some() {
        Verdict::Exempt
    } else {
        Verdict::Safe
    }
}

/// The rules through which a port is still open did not go: the delivery has failed.
fn still_open(open: &[ExposureFinding], judgement: &Judgement, rules: &mut Vec<RuleFinding>) {
    let failed = Action::Failed { error: STILL_OPEN.to_owned() };
    let through: BTreeSet<&RuleId> = open.iter().flat_map(|exposure| &exposure.rules).collect();
    for rule in rules.iter_mut().filter(|rule| through.contains(&rule.id)) {
        rule.action = failed.clone();
    }
    let known: BTreeSet<RuleId> = rules.iter().map(|rule| rule.id.clone()).collect();
    let others = judgement.rules.iter().map(|judged| &judged.rule);
    let others = others.filter(|rule| through.contains(&rule.id) && !known.contains(&rule.id));
    rules.extend(others.map(|rule| RuleFinding::of(rule, failed.clone())));
}

/// The code of a rule through which a port is open at the end, although the rules of the change are gone.
const STILL_OPEN: &str = "StillOpen";

/// From the call to the end of the exposure, where it has ended; at least a second, for CloudTrail's times are whole
/// seconds.
fn open_seconds(finding: &Finding) -> Option<u64> {
    let has_ended = matches!(finding.outcome, Outcome::Reverted | Outcome::AlreadyGone);
    let is_call = finding.call.as_deref() != Some("Sweep");
    if finding.verdict != Verdict::Exposed || !has_ended || !is_call {
        return None;
    }
    let open = finding.done_at?.duration_since(finding.time?).as_millis();
    u64::try_from(open).ok().map(|millis| millis.div_ceil(1000).max(1))
}

fn nearly(exposure: &Exposure, judgement: &Judgement) -> String {
    let percent = exposure.addresses.saturating_mul(100) / judgement.limit.get(exposure.family).max(&1);
    format!("{} {} ({}) at {percent} % of the limit", exposure.transport, exposure.ports, exposure.guard)
}

impl ExposureFinding {
    pub(crate) fn of(exposure: &Exposure, judgement: &Judgement) -> Self {
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
    /// A rule as EC2 showed it, and what was done about it.
    #[must_use]
    pub fn of(rule: &Rule, action: Action) -> Self {
        let traffic = &rule.permission.traffic;
        Self {
            id: rule.id.clone(),
            protocol: Some(traffic.protocol().to_string()),
            from_port: traffic.from_port(),
            to_port: traffic.to_port(),
            source: Some(rule.permission.source.to_string()),
            description: rule.description.clone(),
            tags: rule.tags.clone(),
            action,
        }
    }

    /// A rule that EC2 did not show: nothing but its id is known.
    pub(super) fn gone(id: &RuleId) -> Self {
        Self {
            id: id.clone(),
            protocol: None,
            from_port: None,
            to_port: None,
            source: None,
            description: None,
            tags: BTreeMap::new(),
            action: Action::AlreadyGone,
        }
    }
}

fn outcome(rules: &[RuleFinding], gone: bool, open: &[ExposureFinding]) -> Outcome {
    let any = |is: fn(&Action) -> bool| rules.iter().any(|rule| is(&rule.action));
    if any(|action| matches!(action, Action::Failed { .. })) {
        Outcome::Failed
    } else if any(|action| matches!(action, Action::WouldRevoke | Action::WouldRestore)) {
        // Whatever was revoked before the cap was reached: something that had to go is there.
        Outcome::WouldRevert
    } else if any(|action| matches!(action, Action::Revoked | Action::Restored)) {
        Outcome::Reverted
    } else if gone && open.is_empty() {
        Outcome::AlreadyGone
    } else {
        // In alert mode: open, and not touched.
        Outcome::None
    }
}
