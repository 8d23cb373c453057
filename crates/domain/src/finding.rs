//! The record of what was seen, decided and done: one JSON object that people and machines read.

mod build;
mod sweep;
mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use sweep::{MOST_NAMED, SweepFinding};

use crate::change::EventMetadata;
use crate::ids::RuleId;
use crate::policy::Mode;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

impl Verdict {
    /// The word for it in a finding.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exposed => "exposed",
            Self::Exempt => "exempt",
            Self::Safe => "safe",
            Self::Irrelevant => "irrelevant",
            Self::Undecided => "undecided",
        }
    }
}

impl Outcome {
    /// The word for it in a finding.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reverted => "reverted",
            Self::WouldRevert => "would_revert",
            Self::AlreadyGone => "already_gone",
            Self::None => "none",
            Self::Failed => "failed",
        }
    }
}

/// By what a change is exempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExemptBy {
    /// By who made it: whoever can become such a principal may open the port.
    Principal,
}

impl ExemptBy {
    /// The word for it in a finding.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
        }
    }
}

/// What was done about one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// EC2 listed it as revoked, or a second look no longer shows it.
    Revoked,
    /// Alert mode: it would have been revoked.
    WouldRevoke,
    /// It was given back what it was before.
    Restored,
    /// Alert mode: it would have been given back what it was before.
    WouldRestore,
    /// Not touched.
    Kept,
    /// It went before it could be revoked.
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
            Self::Restored => "restored",
            Self::WouldRestore => "would_restore",
            Self::Kept => "kept",
            Self::AlreadyGone => "already_gone",
            Self::Failed { .. } => "failed",
        }
    }

    /// AWS's error code, where it failed.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Failed { error } => Some(error),
            Self::Revoked
            | Self::WouldRevoke
            | Self::Restored
            | Self::WouldRestore
            | Self::Kept
            | Self::AlreadyGone => None,
        }
    }
}

/// One finding. Its JSON is the product's public surface: keys are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// From the call to the end of the exposure, in seconds, rounded up. Only where it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_seconds: Option<u64>,
    /// By what an exempt change is exempt, where that is news.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exempt_by: Option<ExemptBy>,
    /// The hash of the policy that decided: SHA-256, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What a sweep came to: in its summary only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepFinding>,
    /// What is nearly open in the group, for a sweep's summary: each as `tcp 22 (ssh) at 90 % of the limit`.
    #[serde(skip)]
    pub nearly: Vec<String>,
    /// Something about the group could not be decided, whatever else was found.
    #[serde(skip)]
    pub doubtful: bool,
    /// When what had to be done was done.
    #[serde(skip)]
    pub done_at: Option<Timestamp>,
}

/// One exposed port, or run of ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub standing: bool,
}

/// One rule, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Its description, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What was done, as `action`; and AWS's error code as `error`, where that failed.
    #[serde(flatten)]
    pub action: Action,
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
            open_seconds: None,
            exempt_by: None,
            policy: None,
            sweep: None,
            nearly: Vec::new(),
            doubtful: verdict == Verdict::Undecided,
            done_at: None,
        }
    }

    /// Whether the delivery must be tried again, and failing that end where someone sees it. A group that a sweep cannot
    /// decide is not tried again: the sweep's summary names it, and the next sweep looks at it.
    #[must_use]
    pub fn needs_retry(&self) -> bool {
        self.outcome == Outcome::Failed || self.doubtful && !self.is_of_swept_group()
    }

    /// Whether a sweep found it in a group.
    fn is_of_swept_group(&self) -> bool {
        self.call.as_deref() == Some("Sweep") && self.group.is_some()
    }

    /// Whether someone should hear of it: exposures that are or were real, what failed, what cannot be decided, and what an
    /// exempt principal opened.
    #[must_use]
    pub fn is_news(&self) -> bool {
        let is_of_weight = matches!(self.verdict, Verdict::Exposed | Verdict::Undecided);
        self.needs_retry()
            || self.doubtful
            || is_of_weight
            || self.outcome == Outcome::Reverted
            || self.exempt_by.is_some()
    }
}

#[cfg(test)]
mod tests;
