//! From a judgement and what was done to a finding.

use std::collections::{BTreeMap, BTreeSet};

use super::words::reason;
use super::{Action, ExposureFinding, Finding, Outcome, RuleFinding, Verdict};
use crate::change::Change;
use crate::ids::RuleId;
use crate::judge::{Attribution, Exposure, Judgement};
use crate::rule::Rule;
use crate::state::Remediation;

impl Finding {
    /// What became of the `n`th change in a group that was looked at.
    #[must_use]
    pub fn judged(change: &Change, n: usize, remediation: &Remediation) -> Self {
        let Remediation { judgement, done, mode, done_at } = remediation;
        let unattributed = Attribution::default();
        let attribution = judgement.attributions.get(n).unwrap_or(&unattributed);
        // What this change has a part in, and what stands without any change.
        let exposures: Vec<&Exposure> = judgement
            .exposures
            .iter()
            .filter(|exposure| exposure.standing || exposure.rules.iter().any(|rule| attribution.rules.contains(rule)))
            .collect();
        let acted = |n: &usize| judgement.rules.get(*n).is_some_and(|judged| done.contains_key(&judged.rule.id));
        let concerned: BTreeSet<usize> = exposures
            .iter()
            .flat_map(|exposure| exposure.rules.iter().copied().filter(acted))
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
        let is_exempt = |n: &usize| judgement.rules.get(*n).is_some_and(|judged| judged.exempt.is_some());
        let verdict = if !exposures.is_empty() {
            Verdict::Exposed
        } else if !judgement.undecided.is_empty() {
            Verdict::Undecided
        } else if attribution.rules.iter().any(is_exempt) {
            Verdict::Exempt
        } else {
            Verdict::Safe
        };
        let exposures = exposures.into_iter().map(|exposure| ExposureFinding::of(exposure, judgement)).collect();
        let outcome = outcome(&rules, gone);
        let plain = Self::plain(&change.event, verdict, outcome, *mode, String::new());
        let mut finding = Self {
            group: Some(judgement.location.group.to_string()),
            exposures,
            rules,
            doubtful: !judgement.undecided.is_empty(),
            done_at: *done_at,
            ..plain
        };
        finding.reason = reason(&finding, judgement, attribution);
        finding
    }
}

impl ExposureFinding {
    fn of(exposure: &Exposure, judgement: &Judgement) -> Self {
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
    fn of(rule: &Rule, action: Action) -> Self {
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
    fn gone(id: &RuleId) -> Self {
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

fn outcome(rules: &[RuleFinding], gone: bool) -> Outcome {
    let any = |is: fn(&Action) -> bool| rules.iter().any(|rule| is(&rule.action));
    if any(|action| matches!(action, Action::Failed { .. })) {
        Outcome::Failed
    } else if any(|action| matches!(action, Action::Revoked | Action::Restored)) {
        Outcome::Reverted
    } else if any(|action| matches!(action, Action::WouldRevoke | Action::WouldRestore)) {
        Outcome::WouldRevert
    } else if gone {
        Outcome::AlreadyGone
    } else {
        Outcome::None
    }
}
