//! A waiver: an exemption that lives in a group's memory. It is for one group, and has a reason, a name and an end.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::facts::GroupLocation;
use crate::ids::RuleId;
use crate::net::Cidr;
use crate::policy::{Exemption, Policy, Selector, time_in_words};

/// A waiver that is over is kept for this long, so that its end can still be read.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// What a waiver was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum WaiverKind {
    /// For what an undo put back. When it is over, the sweep finds what is open.
    #[default]
    Undo,
    /// For an opening. When it is over, what was made under it is revoked.
    Open,
}

impl WaiverKind {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
    const fn is_undo(&self) -> bool {
        matches!(self, Self::Undo)
    }
}

/// What may be open in one group for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// What it was written for.
    #[serde(default, skip_serializing_if = "WaiverKind::is_undo")]
    pub kind: WaiverKind,
    /// The ARN of whoever may open. Only rules that CloudTrail says this principal made are covered.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// The guards that it is for.
    pub guards: Vec<String>,
    /// All of a rule's source must lie within these blocks.
    pub sources: Vec<Cidr>,
    /// The rules that were made under it.
    #[serde(default)]
    pub rules: Vec<RuleId>,
}

/// Why a waiver does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has not begun, or is over.
    #[error("it holds from {from} until {until}")]
    NotNow {
        /// When it begins.
        from: Timestamp,
        /// When it ends.
        until: Timestamp,
    },
    /// It is longer than the policy allows.
    #[error("it lasts {asked}, and the policy's `waivers.most` is {most}")]
    TooLong {
        /// How long it lasts.
        asked: String,
        /// How long it may last.
        most: String,
    },
    /// It covers nothing, or says too little.
    #[error("it names no {0}")]
    Names(&'static str),
    /// The principal is none, or is a pattern.
    #[error("`{0}` is no principal's ARN")]
    NoPrincipal(String),
    /// The policy lets others have waivers, and not this principal.
    #[error("`{0}` is not among the policy's `waivers.by`")]
    NotAllowed(String),
}

/// The exemptions that waivers are, as far as they hold. Those that hold for longest come first: a rule that more than one
/// covers is lawful until the last of them ends.
#[must_use]
pub fn exemptions(
    waivers: &BTreeMap<String, Waiver>,
    (at, policy, now): (&GroupLocation, &Policy, Timestamp),
) -> Vec<Exemption> {
    let mut all: Vec<(&String, &Waiver)> = waivers.iter().collect();
    all.sort_by_key(|(_, waiver)| Reverse(waiver.until));
    all.into_iter().filter_map(|(id, waiver)| waiver.exemptions(id, at, policy, now).ok()).flatten().collect()
}

impl Waiver {
    /// The exemptions that it is, where the policy allows it.
    ///
    /// # Errors
    /// Why it does not hold. Then it covers nothing.
    pub fn exemptions(
        &self,
        id: &str,
        at: &GroupLocation,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Vec<Exemption>, Refused> {
        let Self { kind, by, reason, from, until, guards, sources, rules: _ } = self;
        if !(*from <= now && now < *until) {
            return Err(Refused::NotNow { from: *from, until: *until });
        }
        let (asked, most) = (until.duration_since(*from), policy.waivers().most());
        if asked > most {
            return Err(Refused::TooLong { asked: time_in_words(asked), most: time_in_words(most) });
        }
        // Ports that nobody guards may be opened for a while too: such a waiver covers nothing, and ends all the same.
        let needs_guard = *kind == WaiverKind::Undo;
        for (is_empty, what) in [
            (reason.trim().is_empty(), "reason"),
            (needs_guard && guards.is_empty(), "guard"),
            (sources.is_empty(), "source"),
        ] {
            if is_empty {
                return Err(Refused::Names(what));
            }
        }
        // A star in it would make the waiver one for everybody.
        if !by.starts_with("arn:") || by.splitn(6, ':').count() != 6 || by.contains(['*', '?']) {
            return Err(Refused::NoPrincipal(crate::text::escaped(by)));
        }
        if !policy.waivers().allow(by) {
            return Err(Refused::NotAllowed(crate::text::escaped(by)));
        }
        let groups = Some(vec![at.group.clone()]);
        let place = Selector { accounts: Some(vec![at.account.clone()]), groups, ..Selector::default() };
        Ok(Exemption::of_waiver((id, self), place))
    }

    /// Whether it has been over for so long that nobody needs it.
    pub(super) fn is_long_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.until) > super::opened::kept(self.kind, KEPT)
    }
}
