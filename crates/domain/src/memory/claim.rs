//! A claim: what a delivery says about a change before it acts, so that other deliveries judge the change with theirs.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Memory;
use crate::change::{Change, ChangedRules};
use crate::evidence::{ActId, PrefixListLook};
use crate::ids::{GroupId, PrefixListId};
use crate::policy::Mode;
use crate::rule::Rule;

/// A claim holds for this long after its change was first claimed.
pub const CLAIM_HOLDS: SignedDuration = SignedDuration::from_hours(24);

/// A delivery whose claim is younger may be at work still.
const AT_WORK: SignedDuration = SignedDuration::from_secs(20);

/// This many claims of a group are kept.
pub const MOST_CLAIMS: usize = 32;

/// What a claim keeps of the rules that were seen takes at most this many bytes.
pub const LARGEST_SAW: usize = 16 << 10;

/// A change takes at most this many bytes of a claim.
const LARGEST_CHANGE: usize = 24 << 10;

/// Which change of which group: two deliveries of one record have the same id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(String);

impl ClaimId {
    /// The id of a change's claim in a group.
    #[must_use]
    pub fn of(change: &Change, group: &GroupId) -> Self {
        let mut hash = Sha256::new();
        let event = &change.event;
        let parts = [event.id.as_deref(), event.call.as_deref(), Some(group.as_str())];
        for part in parts {
            hash.update(part.unwrap_or_default());
            hash.update([0]);
        }
        hash.update(event.time.map(|time| time.to_string()).unwrap_or_default());
        // Whoever can send a record of his own under another record's id must not take its place.
        if let Ok(rules) = serde_json::to_vec(&change.recorded_rules) {
            hash.update(rules);
        }
        Self(hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Reads an id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_id = text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimState {
    /// A delivery is at work, or was when it stopped.
    InFlight,
    /// The change has a part in an exposure that was left standing.
    Standing,
}

/// What a delivery says about a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The change.
    pub change: Change,
    /// The mode that holds for the group. In alert mode nothing is taken: when the function is armed later, a change of
    /// before is no candidate.
    pub mode: Mode,
    /// Where it stands.
    pub state: ClaimState,
    /// When it was made.
    pub at: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// The id of the act, the same for every delivery of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<ActId>,
    /// The rules that opened a port together with rules of the change, as the first look showed them: what the act can be
    /// judged again from. Whoever finds the change's own rules gone has them from here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub saw: Vec<Rule>,
    /// The prefix lists that these rules refer to, as they were read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub saw_lists: BTreeMap<PrefixListId, PrefixListLook>,
    /// What of that is left out, because it takes too much room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// What the first look showed of an exposure: the rules, and the prefix lists that they refer to.
pub type Saw = (Vec<Rule>, BTreeMap<PrefixListId, PrefixListLook>);

impl Claim {
    /// A claim, made now. Nothing where the change takes more room than a claim may: it is judged without memory then.
    #[must_use]
    pub fn new(change: &Change, mode: Mode, now: Timestamp) -> Option<Self> {
        let size = serde_json::to_vec(change).ok()?.len();
        (size <= LARGEST_CHANGE).then(|| Self {
            change: change.clone(),
            mode,
            state: ClaimState::InFlight,
            at: now,
            until: now.saturating_add(CLAIM_HOLDS).unwrap_or(Timestamp::MAX),
            act: None,
            saw: Vec::new(),
            saw_lists: BTreeMap::new(),
            left_out: None,
        })
    }

    /// The same claim with the id of its act.
    #[must_use]
    pub fn of_act(self, act: ActId) -> Self {
        Self { act: Some(act), ..self }
    }

    /// The same claim with what was seen, where there is room for it. What is left out is said.
    #[must_use]
    pub fn with_saw(self, (saw, saw_lists): Saw) -> Self {
        let fits = |saw: &Saw| serde_json::to_vec(saw).is_ok_and(|text| text.len() <= LARGEST_SAW);
        let bare = |rule: &Rule| Rule::new(rule.id.clone(), rule.permission.clone());
        let whole = (saw, saw_lists);
        if fits(&whole) {
            let (saw, saw_lists) = whole;
            return Self { saw, saw_lists, left_out: None, ..self };
        }
        let (saw, saw_lists) = (whole.0.iter().map(bare).collect(), whole.1);
        let (what, (saw, saw_lists)) = match (saw, saw_lists) {
            bare if fits(&bare) => ("the descriptions and tags of the rules", bare),
            _ => ("the rules", Saw::default()),
        };
        Self { saw, saw_lists, left_out: Some(format!("{what}: more than {LARGEST_SAW} bytes")), ..self }
    }

    /// The same claim without what was seen: nobody needs it when the act has its evidence.
    #[must_use]
    pub fn standing(&self) -> Self {
        let (saw, saw_lists, left_out) = (Vec::new(), BTreeMap::new(), None);
        Self { state: ClaimState::Standing, saw, saw_lists, left_out, ..self.clone() }
    }

    /// Whether the delivery that made it came no further: it is neither settled nor young. AWS delivers a record again
    /// half a minute after it failed, at the soonest.
    #[must_use]
    pub fn is_left(&self, now: Timestamp) -> bool {
        self.state == ClaimState::InFlight && self.holds(now) && now.duration_since(self.at) >= AT_WORK
    }

    /// Whether it holds still.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

impl Memory {
    /// The claims of other deliveries with which a change of this mode is judged together. What was claimed in alert mode
    /// counts for alert mode only. A change that may have made any rule is none: its own delivery leaves nothing standing,
    /// and to others every lawful rule would be a candidate.
    #[must_use]
    pub fn co_defendants(&self, own: &[ClaimId], mode: Mode, now: Timestamp) -> Vec<&Claim> {
        let is_any = |claim: &Claim| matches!(claim.change.changed_rules, ChangedRules::Any);
        let counts =
            |claim: &&Claim| claim.holds(now) && (mode == Mode::Alert || claim.mode == Mode::Enforce) && !is_any(claim);
        let others = self.claims.iter().filter(|(id, _)| !own.contains(id)).map(|(_, claim)| claim);
        others.filter(counts).take(MOST_CLAIMS).collect()
    }
}
