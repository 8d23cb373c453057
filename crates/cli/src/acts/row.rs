//! An act in a line: the columns of `evidence list`, and the keys of its JSON.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis::domain::evidence::{ActId, ActOutcome, Evidence, Kind, admits};
use portcullis::domain::finding::ExposureFinding;
use portcullis::domain::rule::Permission;
use serde::Serialize;

use crate::words;

/// An act in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// When the change was made, or the operator acted.
    pub time: Option<Timestamp>,
    /// The account of the group.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// Its id.
    pub group: String,
    /// What was open, each as `tcp 22 (ssh)`.
    pub ports: Vec<String>,
    /// To whom.
    pub sources: Vec<String>,
    /// Who made the change.
    pub actor: Option<String>,
    /// What the act is.
    pub kind: Kind,
    /// What came of it.
    pub outcome: ActOutcome,
    /// How many rules something was, or would have been, done about.
    pub rules: usize,
    /// How long the port was open, in seconds, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_seconds: Option<u64>,
    /// The id.
    pub act: ActId,
}

impl Row {
    /// The row of an act.
    #[must_use]
    pub fn of(evidence: &Evidence) -> Self {
        let exposures = &evidence.decided.exposures;
        let sources: BTreeSet<&String> = exposures.iter().flat_map(|exposure| &exposure.sources).collect();
        let ports: BTreeSet<String> =
            exposures.iter().map(|exposure: &ExposureFinding| words::ports(exposure)).collect();
        // An opening is told by what it opened, exposed or not.
        let opened = evidence.opening.iter().flat_map(|opening| &opening.opens);
        let ended = evidence.rules.iter().map(|taken| &taken.rule.permission);
        let opened: Vec<&Permission> = opened.chain(ended.filter(|_| evidence.opening.is_some())).collect();
        let own = |part: fn(&Permission) -> String| opened.iter().map(|it| part(it)).collect::<BTreeSet<String>>();
        let ports: BTreeSet<String> = ports.into_iter().chain(own(|it| admits(&it.traffic))).collect();
        let from = own(|it| it.source.to_string());
        Self {
            time: evidence.who.time,
            account: evidence.location.account.to_string(),
            region: evidence.location.region.to_string(),
            group: evidence.location.group.to_string(),
            ports: ports.into_iter().collect(),
            sources: sources.into_iter().cloned().chain(from).collect(),
            actor: evidence.who.actor.clone(),
            kind: evidence.kind,
            outcome: evidence.outcome,
            rules: evidence.rules.len(),
            open_seconds: evidence.exposed_ms.map(|ms| ms.div_ceil(1000).max(1)),
            act: evidence.id.clone(),
        }
    }

    /// Who made the change, without the head of the ARN where that only repeats the account.
    #[must_use]
    pub fn actor(&self) -> String {
        words::actor_of(self.actor.as_deref(), Some(&self.account), self.kind_of_call())
    }

    fn kind_of_call(&self) -> &'static str {
        match (&self.actor, self.kind) {
            (None, Kind::End) => "its end",
            (None, _) => "a sweep",
            (Some(_), _) => "unknown",
        }
    }
}
