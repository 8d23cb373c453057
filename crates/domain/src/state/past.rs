//! The ports that earlier looks of a remediation showed open.

use std::collections::BTreeSet;

use super::RemediationState;
use crate::finding::ExposureFinding;
use crate::ids::RuleId;
use crate::judge::{Exposure, Judgement};
use crate::net::Family;
use crate::rule::Transport;

/// A port that a look showed open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastExposure {
    /// The exposure, as a finding lists it.
    pub exposure: ExposureFinding,
    /// The address family.
    pub family: Family,
    /// Whether some of its rules appeared between two looks.
    pub appeared: bool,
}

/// A guarded port in one family: the guard's name, TCP or UDP, the lowest port.
pub(super) type PortKey = (String, Transport, u16, Family);

impl PastExposure {
    /// What a look showed open through rules of the changes.
    #[must_use]
    pub fn of_look(judgement: &Judgement) -> Vec<Self> {
        let own: BTreeSet<usize> = judgement.attributions.iter().flat_map(|own| own.rules.iter().copied()).collect();
        let concerns = |exposure: &&Exposure| exposure.rules.iter().any(|n| own.contains(n));
        let past = |exposure: &Exposure| Self {
            exposure: ExposureFinding::of(exposure, judgement),
            family: exposure.family,
            appeared: true,
        };
        judgement.exposures.iter().filter(concerns).map(past).collect()
    }

    /// The guard's name, the protocol and the lowest port.
    #[must_use]
    pub const fn key(&self) -> (&String, &String, u16) {
        (&self.exposure.guard, &self.exposure.protocol, self.exposure.port)
    }
}

/// For each port that was open, at most this many rules are remembered.
const MOST_PAST_RULES: usize = 1000;

impl RemediationState {
    /// Remembers the exposures of a look that a rule of the changes has a part in, as it was made or as it is now. An
    /// exposure that no such rule has a part in is not this remediation's, nor is one that is there without the changes and
    /// to which their rules add next to nothing. Those are reported only if they are there at the end.
    pub fn remember(&mut self, judgement: &Judgement) {
        let replaced: BTreeSet<&RuleId> = judgement.attributions.iter().flat_map(|own| &own.replaced).collect();
        let is_replaced = |n: &usize| judgement.rules.get(*n).is_some_and(|judged| replaced.contains(&judged.rule.id));
        let own: BTreeSet<usize> = judgement.attributions.iter().flat_map(|own| own.rules.iter().copied()).collect();
        let concerns = |exposure: &&Exposure| {
            let has_a_part = |n: &usize| {
                let counted = judgement.rules.get(*n).map_or(0, |judged| judged.counted.get(exposure.family).count());
                own.contains(n) && counted > judgement.slack(exposure.family)
            };
            !exposure.standing || exposure.rules.iter().any(|n| is_replaced(n) || has_a_part(n))
        };
        for exposure in judgement.exposures.iter().filter(concerns) {
            let key = (exposure.guard.clone(), exposure.transport, exposure.ports.from(), exposure.family);
            let is_new = |n: &usize| judgement.rules.get(*n).is_some_and(|rule| rule.appeared);
            let latest = PastExposure {
                exposure: ExposureFinding::of(exposure, judgement),
                family: exposure.family,
                appeared: exposure.rules.iter().any(is_new),
            };
            let past = self.past.entry(key).or_insert_with(|| latest.clone());
            let known: BTreeSet<RuleId> = past.exposure.rules.iter().cloned().collect();
            let others = latest.exposure.rules.iter().filter(|id| !known.contains(id)).cloned();
            let room = MOST_PAST_RULES.saturating_sub(known.len());
            past.exposure.rules.extend(others.take(room));
            past.appeared |= latest.appeared;
            past.exposure.standing &= latest.exposure.standing;
        }
    }

    /// Whether a rule that appeared during the remediation opened a port.
    #[must_use]
    pub fn is_contested(&self) -> bool {
        self.past.values().any(|past| past.appeared)
    }

    /// What earlier looks showed open.
    #[must_use]
    pub fn past(&self) -> Vec<PastExposure> {
        self.past.values().cloned().collect()
    }
}
