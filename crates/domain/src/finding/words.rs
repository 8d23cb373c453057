//! What a finding says in words.

use std::collections::BTreeSet;

use super::{ExposureFinding, Finding, Outcome, Verdict};
use crate::judge::{Attribution, Judgement};

/// IPv6 counts are too long to read: 3.4e38 for a number of more than 15 digits.
pub(super) fn few_digits(count: &str) -> String {
    match count.parse::<f64>() {
        Ok(number) if count.len() > 15 => format!("{number:.1e}"),
        _ => count.to_owned(),
    }
}

pub(super) fn reason(finding: &Finding, judgement: &Judgement, attribution: &Attribution) -> String {
    let outcome = finding.outcome;
    let mut parts: Vec<String> = Vec::new();
    match finding.verdict {
        Verdict::Exposed => parts.extend(finding.exposures.iter().map(|exposure| sentence(exposure, outcome))),
        Verdict::Exempt => {
            let covered = attribution.rules.iter().filter_map(|n| judgement.rules.get(*n)?.exempt.as_ref());
            let reasons: BTreeSet<&String> = covered.collect();
            parts.push(format!("exempt: {}", reasons.into_iter().cloned().collect::<Vec<_>>().join("; ")));
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
