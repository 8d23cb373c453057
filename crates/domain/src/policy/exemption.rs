//! Exemptions: which rules are lawful although they expose a guarded port.

use jiff::Timestamp;

use super::Selector;
use crate::facts::GroupLocation;
use crate::ids::RuleId;
use crate::memory::Waiver;
use crate::net::{AddressSet, Cidr, Family, PerFamily};

/// Rules that are lawful although they expose a guarded port. Every given key must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// The reason, which findings repeat.
    pub reason: String,
    /// The exemption ends at this time. `None`: it never ends.
    pub until: Option<Timestamp>,
    /// The groups that it is for.
    pub place: Selector,
    /// ARN patterns of the callers whose rules it covers. `None`: any caller.
    pub principals: Option<Vec<String>>,
    /// The names of the guards that it is for. `None`: all.
    pub guards: Option<Vec<String>>,
    /// The rules that it is for. `None`: any rule. Only a waiver names rules.
    pub rules: Option<Vec<RuleId>>,
    /// The id of the waiver that it is, if it is one.
    pub waiver: Option<String>,
    /// The line of the policy where it begins, from 1.
    pub line: u64,
    pub(super) sources: Option<Sources>,
}

/// The CIDR blocks of an exemption, as written and as sets of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sources {
    pub(super) blocks: Vec<Cidr>,
    pub(super) addresses: PerFamily<AddressSet>,
}

/// A rule that an exemption may cover: its sources, and the callers who made it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The location of its group.
    pub at: &'a GroupLocation,
    /// The rule's id.
    pub rule: &'a RuleId,
    /// The waiver that its description names.
    pub waiver: Option<&'a str>,
    /// The guard's name. An exemption may be for one service only.
    pub guard: &'a str,
    /// All addresses that the rule admits, not only the public ones. `None` if they could not be looked up. Then no
    /// exemption by source matches, because a failed look-up makes nothing lawful.
    pub sources: Option<&'a PerFamily<AddressSet>>,
    /// For each change that made the rule, the ARNs of its caller. Empty if no change made it.
    pub makers: &'a [Vec<String>],
}

impl Sources {
    pub(super) fn of(blocks: Vec<Cidr>) -> Self {
        let addresses = PerFamily::each(|family| AddressSet::from_cidrs(family, &blocks));
        Self { blocks, addresses }
    }
}

impl Exemption {
    /// The exemptions that a waiver is, for one group: of the rules that its principal made, as events tell, and of those
    /// that it lists, whoever asks.
    pub(crate) fn of_waiver((id, waiver): (&str, &Waiver), place: Selector) -> Vec<Self> {
        let Waiver { kind: _, by, reason, from: _, until, guards, sources, rules } = waiver;
        // A session's ARN does not have its role's path. Without it a role's name is one role of the account.
        let with_path = by.split_once(":role/").filter(|(_, name)| !name.contains('/'));
        let with_path = with_path.map(|(account, name)| format!("{account}:role/*/{name}"));
        let by_principal = Self {
            reason: format!("waiver {id} of {by}: {reason}"),
            until: Some(*until),
            place,
            principals: Some([by.clone()].into_iter().chain(with_path).collect()),
            guards: Some(guards.clone()),
            rules: None,
            waiver: Some(id.to_owned()),
            line: 0,
            sources: Some(Sources::of(sources.clone())),
        };
        let by_rule = Self { principals: None, rules: Some(rules.clone()), ..by_principal.clone() };
        if rules.is_empty() { vec![by_principal] } else { vec![by_rule, by_principal] }
    }

    /// Whether the exemption has not ended.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The CIDR blocks that must contain a rule's source, as written. `None`: any source.
    #[must_use]
    pub fn sources(&self) -> Option<&[Cidr]> {
        self.sources.as_ref().map(|sources| sources.blocks.as_slice())
    }

    pub(super) fn covers(&self, candidate: Candidate<'_>, now: Timestamp) -> bool {
        // If two changes made a rule, the exemption must cover both callers.
        let made_by = |patterns: &Vec<String>| {
            let by_one = |names: &Vec<String>| names.iter().any(|name| patterns.iter().any(|p| arn_like(p, name)));
            !candidate.makers.is_empty() && candidate.makers.iter().all(by_one)
        };
        self.covers_but_for_makers(candidate, now) && self.principals.as_ref().is_none_or(made_by)
    }

    /// Whether every key but `principals` matches.
    pub(super) fn covers_but_for_makers(&self, candidate: Candidate<'_>, now: Timestamp) -> bool {
        let within = |family| {
            self.sources.as_ref().is_none_or(|ours| {
                let ours = ours.addresses.get(family);
                candidate.sources.is_some_and(|its| its.get(family).difference(ours).is_empty())
            })
        };
        self.holds(now)
            && self.place.matches(candidate.at)
            && self.guards.as_ref().is_none_or(|guards| guards.iter().any(|guard| guard == candidate.guard))
            && self.rules.as_ref().is_none_or(|rules| rules.contains(candidate.rule))
            && Family::BOTH.into_iter().all(within)
    }
}

/// IAM's `ArnLike`: each of the six colon-separated parts is matched by itself, `*` for any text and `?` for one
/// character (IAM User Guide, "ARN condition operators").
pub(super) fn arn_like(pattern: &str, arn: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.splitn(6, ':'), arn.splitn(6, ':'));
    loop {
        match (patterns.next(), parts.next()) {
            (Some(pattern), Some(part)) if wild_match(pattern.as_bytes(), part.as_bytes()) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// Linear in practice: after a mismatch only the last star is extended.
fn wild_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') => (p, t) = (p + 1, t + 1),
            Some(wanted) if wanted == byte => (p, t) = (p + 1, t + 1),
            _ => match star {
                // The last star takes one more byte, and the match is tried again from there.
                Some((at, from)) => (p, t) = (at, from + 1),
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}
