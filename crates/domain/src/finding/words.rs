//! What a finding says in words.

use std::collections::BTreeSet;

use super::build::exemptions;
use super::{ExposureFinding, Finding, Outcome, Verdict};
use crate::judge::{Attribution, Judgement};

/// IPv6 counts are too long to read: 3.4e38 for a number of more than 15 digits.
pub(super) fn few_digits(count: &str) -> String {
    match count.parse::<f64>() {
        Ok(number) if count.len() > 15 => format!("{number:.1e}"),
        _ => count.to_owned(),
    }
}

/// What of a finding's exposures is open when, where it is not simply over or there.
pub(super) struct Open<'a> {
    /// Open at the end, although the rules of the change are gone.
    pub(super) open: &'a [ExposureFinding],
    /// How many of the finding's exposures, the last ones, only earlier looks saw.
    pub(super) past: usize,
}

pub(super) fn reason(finding: &Finding, judgement: &Judgement, attribution: &Attribution, when: Open<'_>) -> String {
    let outcome = finding.outcome;
    let mut parts: Vec<String> = Vec::new();
    match finding.verdict {
        Verdict::Exposed => {
            let key = |it: &ExposureFinding| (it.guard.clone(), it.protocol.clone(), it.port);
            let (now, past) = finding.exposures.split_at(finding.exposures.len().saturating_sub(when.past));
            let told = now.iter().filter(|exposure| !when.open.iter().any(|open| key(open) == key(exposure)));
            parts.extend(told.map(|exposure| sentence(exposure, outcome)));
            parts.extend(when.open.iter().map(open_sentence));
            parts.extend(past.iter().map(|exposure| sentence(exposure, Outcome::AlreadyGone)));
        }
        Verdict::Exempt => {
            let reasons = exemptions(attribution, judgement).map(|exemption| exemption.reason.as_str());
            let reasons: BTreeSet<&str> = reasons.collect();
            parts.push(format!("exempt: {}", reasons.into_iter().collect::<Vec<_>>().join("; ")));
        }
        Verdict::Safe if outcome == Outcome::AlreadyGone => {
            parts.push("the rules of this change are no longer there, or no longer what it made them".to_owned());
        }
        Verdict::Safe => parts.push("no guarded port is open to the internet".to_owned()),
        Verdict::Irrelevant | Verdict::Undecided => {}
    }
    parts.extend(judgement.undecided.iter().map(|why| format!("cannot be decided: {why}")));
    for error in finding.rules.iter().filter_map(|rule| rule.action.error()).collect::<BTreeSet<_>>() {
        parts.push(format!("not taken back: {error}"));
    }
    parts.join("; ")
}

/// A port that is open at the end, although the rules of the change are gone.
fn open_sentence(exposure: &ExposureFinding) -> String {
    let ExposureFinding { protocol, port, guard, .. } = exposure;
    let ports = exposure.to_port.map_or_else(String::new, |to| format!("-{to}"));
    let addresses = few_digits(&exposure.public_addresses);
    format!(
        "{protocol} {port}{ports} ({guard}) is open to {addresses} public addresses through rules that this event did not \
         make, or that were changed since"
    )
}

impl ExposureFinding {
    /// `tcp 22 (ssh) was open to 3702258432 public addresses`.
    pub(crate) fn was_open(&self) -> String {
        sentence(&Self { standing: false, ..self.clone() }, Outcome::AlreadyGone)
    }
}

/// `tcp 22 (ssh) was open to 3702258432 public addresses`.
fn sentence(exposure: &ExposureFinding, outcome: Outcome) -> String {
    let ports = exposure.to_port.map_or_else(String::new, |to| format!("-{to}"));
    let is_over = matches!(outcome, Outcome::Reverted | Outcome::AlreadyGone);
    // A standing exposure stays, whatever was taken back beside it.
    let verb = if is_over && !exposure.standing { "was" } else { "is" };
    let standing = if exposure.standing { " even without this change: left as it is" } else { "" };
    let ExposureFinding { protocol, port, guard, .. } = exposure;
    let addresses = few_digits(&exposure.public_addresses);
    format!("{protocol} {port}{ports} ({guard}) {verb} open to {addresses} public addresses{standing}")
}
