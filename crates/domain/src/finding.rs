//! The record of what was seen, decided and done: one JSON object that people and machines read.

pub mod asff;
mod build;
pub mod ended;
mod former;
mod object;
pub mod ocsf;
mod sweep;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use former::{FormerFinding, FormerValue};
pub use sweep::{DigestFinding, MOST_NAMED, OpenGroup, SweepFinding};

use crate::change::EventMetadata;
use crate::evidence::{ActId, Evidence};
use crate::ids::RuleId;
use crate::memory::{Fight, Tool};
use crate::policy::Mode;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The internet reaches a guarded port.
    Exposed,
    /// The internet would reach a guarded port, but an exemption covers the rules.
    Exempt,
    /// The internet reaches no guarded port.
    Safe,
    /// The call changes no ingress rule.
    Irrelevant,
    /// It cannot be decided: someone must look.
    Undecided,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every rule that had to be revoked is gone, as EC2 confirmed.
    Reverted,
    /// Alert mode: rules would have been revoked or restored.
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// EC2 listed it as revoked, or a second look no longer shows it.
    Revoked,
    /// Alert mode: it would have been revoked.
    WouldRevoke,
    /// It was changed back to what it was before.
    Restored,
    /// Alert mode: it would have been changed back to what it was before.
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

/// A finding of Portcullis: what was seen, decided and done. Keys are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(title = "Portcullis finding"))]
pub struct Finding {
    /// The form of this object: 1.
    #[cfg_attr(feature = "schema", schemars(extend("const" = 1)))]
    pub schema: u8,
    /// The CloudTrail record's `eventID`. `null` where there is no record, as in a sweep.
    pub id: Option<String>,
    /// When the call was made. For a sweep, when it looked.
    pub time: Option<Timestamp>,
    /// The id of the account that the security group is in.
    pub account: Option<String>,
    /// The Region that it is in.
    pub region: Option<String>,
    /// The security group's id; its name, where the record has no id. `null` where the finding is about no one group.
    pub group: Option<String>,
    /// The security group's name, where something is or was open in it. It may change, and more than one group may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    /// How many network interfaces the group is on: nothing is behind the port where it is 0. Only where somebody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<u64>,
    /// How many of them have a public address, IPv4 or IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_interfaces: Option<u64>,
    /// The EC2 call, such as `AuthorizeSecurityGroupIngress`; `Sweep` for a finding of a sweep.
    pub call: Option<String>,
    /// The ARN of whoever made the call.
    pub actor: Option<String>,
    /// The address, or the AWS service, that the call came from.
    pub source_ip: Option<String>,
    /// The program that made the call, by its own word.
    pub user_agent: Option<String>,
    /// What was decided.
    pub verdict: Verdict,
    /// What came of it.
    pub outcome: Outcome,
    /// The mode that held for the group.
    pub mode: Mode,
    /// What the internet reaches (or reached, until the rules went).
    pub exposures: Vec<ExposureFinding>,
    /// The rules of the change, and every rule that something was done about.
    pub rules: Vec<RuleFinding>,
    /// All of it in a sentence.
    pub reason: String,
    /// The time from the call to the end of the exposure, in seconds, rounded up. Only where it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_seconds: Option<u64>,
    /// The id of the act's evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<ActId>,
    /// By what an exempt change is exempt, where that is news.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exempt_by: Option<ExemptBy>,
    /// The SHA-256 hash of the policy that decided, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = "^[0-9a-f]{64}$")))]
    pub policy: Option<String>,
    /// What the rules were before a Modify, or why that is not known: by their ids.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub former: BTreeMap<RuleId, FormerFinding>,
    /// The fight, where the port was closed again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fight: Option<FightFinding>,
    /// The id of the waiver that covers the change's rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<String>,
    /// What became of the memory, where it failed: it was judged as if nothing had been before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryState>,
    /// What a sweep came to. Only in its summary.
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
    /// It was told before, and nothing is new: the log has it, and no message says it again.
    #[serde(skip)]
    pub is_told: bool,
    /// Another delivery took the rules back.
    #[serde(skip)]
    pub closed_by_another: bool,
    /// An earlier attempt saw it open and came no further: whether that attempt closed it or somebody else cannot be told.
    #[serde(skip)]
    pub is_by_nobody_known: bool,
    /// The evidence of what was done, until it is written: that of the finding's own act is the last. An act that an
    /// earlier attempt left without evidence comes before.
    #[serde(skip)]
    pub evidence: Vec<Evidence>,
    /// The evidence of the act could not be written.
    #[serde(skip)]
    pub is_without_evidence: bool,
}

/// A port of a group that is opened and closed again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Fight"))]
pub struct FightFinding {
    /// How often it was closed since the fight began.
    pub count: u64,
    /// When it began.
    pub since: Option<Timestamp>,
    /// Who opened it: the first eight.
    pub actors: Vec<String>,
    /// The tool that the caller says it is. Advice only: a caller can say anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// The mean time between the latest closes, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_seconds: Option<u64>,
}

impl FightFinding {
    /// What a finding says of a fight.
    #[must_use]
    pub fn of(fight: &Fight) -> Self {
        let Fight { count, since, actors, tool, .. } = fight;
        let every_seconds = fight.cadence().and_then(|cadence| u64::try_from(cadence.as_secs()).ok());
        Self { count: *count, since: *since, actors: actors.clone(), tool: *tool, every_seconds }
    }
}

/// What became of the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MemoryState {
    /// It did not answer, or refused.
    Unavailable,
}

/// A guarded port, or range of ports, that the internet reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Exposure"))]
pub struct ExposureFinding {
    /// The guarded service, as the policy names it.
    pub guard: String,
    /// `tcp` or `udp`.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["tcp", "udp"])))]
    pub protocol: String,
    /// The port, or the lowest of a range.
    pub port: u16,
    /// The highest port, where it is a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_port: Option<u16>,
    /// The ids of the rules that let it in.
    pub rules: Vec<RuleId>,
    /// The sources of these rules: CIDR blocks, prefix lists or security groups.
    pub sources: Vec<String>,
    /// How many public addresses reach it. It is a text of digits, for IPv6 has more than a JSON number can hold.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = "^[0-9]+$")))]
    pub public_addresses: String,
    /// The port is open without this change, too. An event leaves it as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub standing: bool,
}

/// A security group rule, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Rule"))]
pub struct RuleFinding {
    /// The rule's id.
    pub id: RuleId,
    /// Its protocol, in EC2's words: `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1` for all. `null` where the rule is gone and
    /// only its id is known.
    pub protocol: Option<String>,
    /// The first port, or the ICMP type. `null` where the protocol has none.
    pub from_port: Option<i64>,
    /// The last port, or the ICMP code. `null` where the protocol has none.
    pub to_port: Option<i64>,
    /// Whom it lets in: a CIDR block, a prefix list or a security group.
    pub source: Option<String>,
    /// Its description, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its tags, where it has any.
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
            group_name: None,
            interfaces: None,
            public_interfaces: None,
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
            act: None,
            exempt_by: None,
            policy: None,
            former: BTreeMap::new(),
            fight: None,
            waiver: None,
            memory: None,
            sweep: None,
            nearly: Vec::new(),
            doubtful: verdict == Verdict::Undecided,
            done_at: None,
            is_told: false,
            closed_by_another: false,
            is_by_nobody_known: false,
            evidence: Vec::new(),
            is_without_evidence: false,
        }
    }

    /// Says that another delivery took the rules back, where that is what became of all of them. `closed` are the rules that
    /// other deliveries took.
    pub fn note_closed_by_another(&mut self, closed: &BTreeSet<RuleId>) {
        let mut gone = self.rules.iter().filter(|rule| rule.action == Action::AlreadyGone).peekable();
        let is_theirs = gone.peek().is_some() && gone.all(|rule| closed.contains(&rule.id));
        if self.outcome == Outcome::AlreadyGone && is_theirs {
            self.closed_by_another = true;
            self.reason.push_str("; another delivery took the rules back");
        }
    }

    /// Whether the delivery must be tried again, and failing that end where someone sees it. A group that a sweep cannot
    /// decide is not tried again: the sweep's summary names it, and the next sweep looks at it.
    #[must_use]
    pub fn needs_retry(&self) -> bool {
        self.outcome == Outcome::Failed || self.is_without_evidence || self.doubtful && !self.is_of_swept_group()
    }

    /// Whether a sweep found it in a group.
    fn is_of_swept_group(&self) -> bool {
        self.call.as_deref() == Some("Sweep") && self.group.is_some()
    }

    /// Whether a port is open at the end that nobody has made lawful. Other rules keep a standing exposure open, whatever
    /// became of the change's own.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let stands = self.exposures.iter().any(|exposure| exposure.standing);
        let is_over = matches!(self.outcome, Outcome::Reverted | Outcome::AlreadyGone);
        self.verdict == Verdict::Exposed && (stands || !is_over)
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
            || self.waiver.is_some()
    }
}

#[cfg(test)]
mod tests;
