//! What a sweep came to, and the finding that says so.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Finding, Outcome, Verdict};
use crate::change::EventMetadata;
use crate::policy::Mode;

/// What a sweep came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Sweep"))]
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

impl Finding {
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
}
