//! The policy: what is guarded, what counts as the internet, and who is exempt.
//!
//! Parsed strictly (an unknown key, an unknown word, a bad CIDR are errors that name the place and what is accepted) and
//! resolved once, so that judging only looks things up.

mod parse;
#[cfg(feature = "schema")]
mod schema;
mod services;

use jiff::Timestamp;

use crate::facts::GroupLocation;
use crate::ids::{AccountId, GroupId, Region, VpcId};
use crate::net::{AddressSet, Cidr, Family, PerFamily, public_addresses};
use crate::rule::{PortRange, Transport};
use crate::text::escaped_up_to;

/// Whether rules are revoked or only reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Only report.
    Alert,
    /// Revoke, and report.
    Enforce,
}

impl Mode {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Enforce => "enforce",
        }
    }
}

/// Ports of one transport that the internet must not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedPort {
    /// The service's name, as findings say it.
    pub name: String,
    /// TCP or UDP.
    pub transport: Transport,
    /// Its ports.
    pub ports: PortRange,
}

/// The built-in policy as a text.
pub const BUILT_IN: &str = "version: 1\n";

/// A resolved policy.
#[derive(Debug, Clone)]
pub struct Policy {
    hash: String,
    mode: Mode,
    guards: Vec<ProtectedPort>,
    internet: PerFamily<u8>,
    trusted: Vec<Cidr>,
    counted: PerFamily<AddressSet>,
    limit: PerFamily<u128>,
    exemptions: Vec<Exemption>,
    scopes: Vec<Scope>,
    sweep: SweepPolicy,
}

/// Equal are policies that say the same, however they are written: their hashes may differ.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        let Self { hash: _, mode, guards, internet, trusted, counted, limit, exemptions, scopes, sweep } = self;
        (mode, guards, internet, trusted) == (&other.mode, &other.guards, &other.internet, &other.trusted)
            && (counted, limit, exemptions) == (&other.counted, &other.limit, &other.exemptions)
            && (scopes, sweep) == (&other.scopes, &other.sweep)
    }
}

/// The scheduled look at every group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(serde::Serialize, schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SweepPolicy {
    /// Whether a sweep revokes, or only reports.
    pub mode: Mode,
    /// How many rules one sweep revokes at most in one account and Region. It also bounds a change of a prefix list, and a
    /// record that does not say which group it changed.
    #[cfg_attr(feature = "schema", schemars(range(max = u32::MAX)))]
    pub max_revocations: u32,
}

impl Default for SweepPolicy {
    fn default() -> Self {
        Self { mode: Mode::Alert, max_revocations: 25 }
    }
}

/// Rules that are lawful although they expose a guarded port: every key that is given must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// Why, for the finding.
    pub reason: String,
    /// From when on it no longer holds; `None`: never ends.
    pub until: Option<Timestamp>,
    /// Where it holds.
    pub place: Selector,
    /// ARN patterns of the callers whose rules it covers; `None`: whoever made the rule.
    pub principals: Option<Vec<String>>,
    /// The names of the guards that it holds for; `None`: all.
    pub guards: Option<Vec<String>>,
    /// The line of the policy that it begins on, from 1.
    pub line: u64,
    sources: Option<Sources>,
}

/// The CIDR blocks of an exemption, as written and joined.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sources {
    blocks: Vec<Cidr>,
    addresses: PerFamily<AddressSet>,
}

/// A mode for some groups, in place of the policy's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The groups that it is for.
    pub place: Selector,
    /// Their mode.
    pub mode: Mode,
    /// The line of the policy that it begins on, from 1.
    pub line: u64,
}

/// Which groups something holds for: every list that is given must match, an absent list matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// The accounts.
    pub accounts: Option<Vec<AccountId>>,
    /// The Regions.
    pub regions: Option<Vec<Region>>,
    /// The security groups.
    pub groups: Option<Vec<GroupId>>,
    /// The VPCs.
    pub vpcs: Option<Vec<VpcId>>,
}

impl Selector {
    fn matches(&self, at: &GroupLocation) -> bool {
        fn among<T: PartialEq>(list: Option<&Vec<T>>, value: Option<&T>) -> bool {
            list.is_none_or(|list| value.is_some_and(|value| list.contains(value)))
        }
        among(self.accounts.as_ref(), Some(&at.account))
            && among(self.regions.as_ref(), Some(&at.region))
            && among(self.groups.as_ref(), Some(&at.group))
            && among(self.vpcs.as_ref(), at.vpc.as_ref())
    }

    /// Whether nothing can be in this place that is not in one of the others.
    #[must_use]
    pub fn is_within(&self, others: &[&Self]) -> bool {
        self.parts().iter().all(|part| others.iter().any(|other| part.is_within_one(other)))
    }

    /// The place for each account, Region, group and VPC that it names: together they are the place.
    fn parts(&self) -> Vec<Self> {
        fn split<T: Clone>(places: Vec<Selector>, list: Option<&Vec<T>>, set: fn(&mut Selector, T)) -> Vec<Selector> {
            let Some(list) = list else { return places };
            let one = |place: &Selector, value: &T| {
                let mut place = place.clone();
                set(&mut place, value.clone());
                place
            };
            places.iter().flat_map(|place| list.iter().map(|value| one(place, value))).collect()
        }
        let parts = split(vec![Self::default()], self.accounts.as_ref(), |part, one| part.accounts = Some(vec![one]));
        let parts = split(parts, self.regions.as_ref(), |part, one| part.regions = Some(vec![one]));
        let parts = split(parts, self.groups.as_ref(), |part, one| part.groups = Some(vec![one]));
        split(parts, self.vpcs.as_ref(), |part, one| part.vpcs = Some(vec![one]))
    }

    fn is_within_one(&self, other: &Self) -> bool {
        fn among<T: PartialEq>(ours: Option<&Vec<T>>, theirs: Option<&Vec<T>>) -> bool {
            theirs.is_none_or(|theirs| ours.is_some_and(|ours| ours.iter().all(|one| theirs.contains(one))))
        }
        among(self.accounts.as_ref(), other.accounts.as_ref())
            && among(self.regions.as_ref(), other.regions.as_ref())
            && among(self.groups.as_ref(), other.groups.as_ref())
            && among(self.vpcs.as_ref(), other.vpcs.as_ref())
    }
}

/// What an exemption may cover: a rule's sources, and who made it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Where its group is.
    pub at: &'a GroupLocation,
    /// The guard's name: an exemption may hold for one service and not for another.
    pub guard: &'a str,
    /// All addresses that the rule admits, not only the public ones; `None` where they could not be looked up, and then
    /// no exemption by source holds: a failed look-up makes nothing lawful.
    pub sources: Option<&'a PerFamily<AddressSet>>,
    /// For each change that made the rule, the ARNs its caller goes by. Empty: not made by any change at hand.
    pub makers: &'a [Vec<String>],
}

impl Policy {
    /// The built-in policy.
    #[must_use]
    pub fn built_in() -> Self {
        parse::built_in()
    }

    /// Parses and resolves a policy.
    ///
    /// # Errors
    /// [`PolicyError`], which names line, place, value and what is accepted.
    pub fn parse(yaml: &str) -> Result<Self, PolicyError> {
        parse::parse(yaml)
    }

    /// The SHA-256 of the policy's text, in hexadecimal digits. The built-in policy's text is [`BUILT_IN`].
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What the internet must not reach.
    #[must_use]
    pub fn guards(&self) -> &[ProtectedPort] {
        &self.guards
    }

    /// The mode where no scope matches.
    #[must_use]
    pub const fn mode_elsewhere(&self) -> Mode {
        self.mode
    }

    /// The scopes, in the order in which they are tried.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// The exemptions, those that no longer hold among them, in the order in which they are tried.
    #[must_use]
    pub fn exemptions(&self) -> &[Exemption] {
        &self.exemptions
    }

    /// The prefix length of the block that the limit is measured in, as written.
    #[must_use]
    pub fn internet(&self, family: Family) -> u8 {
        *self.internet.get(family)
    }

    /// The CIDR blocks whose addresses never count, as written.
    #[must_use]
    pub fn trusted(&self) -> &[Cidr] {
        &self.trusted
    }

    /// The addresses that count: public and not trusted.
    #[must_use]
    pub fn counted(&self, family: Family) -> &AddressSet {
        self.counted.get(family)
    }

    /// From how many counted addresses on a port is exposed. At least one.
    #[must_use]
    pub fn limit(&self, family: Family) -> u128 {
        *self.limit.get(family)
    }

    /// What the sweep does.
    #[must_use]
    pub fn sweep(&self) -> SweepPolicy {
        self.sweep
    }

    /// The same policy with another word on the sweep: an operator's, who starts one by hand.
    #[must_use]
    pub fn with_sweep(self, sweep: SweepPolicy) -> Self {
        Self { sweep, ..self }
    }

    /// Whether something depends on a group's VPC, which costs a DescribeSecurityGroups call.
    #[must_use]
    pub fn needs_vpc(&self) -> bool {
        let places = self.exemptions.iter().map(|e| &e.place).chain(self.scopes.iter().map(|s| &s.place));
        places.into_iter().any(|place| place.vpcs.is_some())
    }

    /// Whether what is lawful depends on a group's VPC.
    #[must_use]
    pub fn exempts_by_vpc(&self) -> bool {
        self.exemptions.iter().any(|exemption| exemption.place.vpcs.is_some())
    }

    /// The mode for a group: the function's own, unless the policy is the meeker one. First matching scope wins.
    #[must_use]
    pub fn mode(&self, at: &GroupLocation, function: Mode) -> Mode {
        let scope = self.scopes.iter().find(|scope| scope.place.matches(at));
        scope.map_or(self.mode, |scope| scope.mode).min(function)
    }

    /// Whether an exemption by principal would cover a rule if the right caller had made it. Of a rule whose maker is
    /// not known this says that it may be lawful.
    #[must_use]
    pub fn may_be_exempt_by_principal(&self, candidate: Candidate<'_>, now: Timestamp) -> bool {
        let by_principal = self.exemptions.iter().filter(|exemption| exemption.principals.is_some());
        by_principal.into_iter().any(|exemption| exemption.covers_but_for_makers(candidate, now))
    }

    /// The exemption that covers a rule, if one does.
    #[must_use]
    pub fn exemption(&self, candidate: Candidate<'_>, now: Timestamp) -> Option<&Exemption> {
        self.exemptions.iter().find(|exemption| exemption.covers(candidate, now))
    }
}

impl Exemption {
    /// Whether it still holds.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The CIDR blocks that a rule's source must lie within, as written; `None`: any source.
    #[must_use]
    pub fn sources(&self) -> Option<&[Cidr]> {
        self.sources.as_ref().map(|sources| sources.blocks.as_slice())
    }

    fn covers(&self, candidate: Candidate<'_>, now: Timestamp) -> bool {
        // A rule that two changes made is exempt only if both callers are.
        let made_by = |patterns: &Vec<String>| {
            let by_one = |names: &Vec<String>| names.iter().any(|name| patterns.iter().any(|p| arn_like(p, name)));
            !candidate.makers.is_empty() && candidate.makers.iter().all(by_one)
        };
        self.covers_but_for_makers(candidate, now) && self.principals.as_ref().is_none_or(made_by)
    }

    /// Whether every key but `principals` matches.
    fn covers_but_for_makers(&self, candidate: Candidate<'_>, now: Timestamp) -> bool {
        let within = |family| {
            self.sources.as_ref().is_none_or(|ours| {
                let ours = ours.addresses.get(family);
                candidate.sources.is_some_and(|its| its.get(family).difference(ours).is_empty())
            })
        };
        self.holds(now)
            && self.place.matches(candidate.at)
            && self.guards.as_ref().is_none_or(|guards| guards.iter().any(|guard| guard == candidate.guard))
            && Family::BOTH.into_iter().all(within)
    }
}

/// IAM's `ArnLike`: each of the six colon-separated parts is matched by itself, `*` for any text and `?` for one
/// character (IAM User Guide, "ARN condition operators").
fn arn_like(pattern: &str, arn: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.splitn(6, ':'), arn.splitn(6, ':'));
    loop {
        match (patterns.next(), parts.next()) {
            (Some(pattern), Some(part)) if wild_match(pattern.as_bytes(), part.as_bytes()) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// Linear in practice: on a mismatch only the last star is extended.
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
                // There it is seen again, with one byte more behind it.
                Some((at, from)) => (p, t) = (at, from + 1),
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}")]
pub struct PolicyError {
    line: String,
    /// The same with the lines of the file around it, for a terminal.
    pub snippet: String,
}

impl PolicyError {
    /// Bounds both, so that nothing in a file plays tricks on a terminal or drowns what is wrong with it.
    fn new(line: &str, snippet: &str) -> Self {
        let clean = |text: &str| escaped_up_to(text, text.len());
        let snippet: Vec<String> = snippet.lines().take(20).map(|line| escaped_up_to(line, 160)).collect();
        Self { line: cut(&clean(line)), snippet: snippet.join("\n") }
    }
}

/// At most 900 characters: the end stays, because the place stands there.
fn cut(text: &str) -> String {
    let length = text.chars().count();
    if length <= 900 {
        return text.to_owned();
    }
    let (start, end): (String, String) = (text.chars().take(750).collect(), text.chars().skip(length - 140).collect());
    format!("{start} … {end}")
}

/// The limit of a family: one block of the given prefix length, or all that counts where that is less (so `/0` means
/// all of it, and a large `trusted` cannot make the limit unreachable).
fn limit(family: Family, prefix: u8, counted: &AddressSet) -> u128 {
    let host_bits = u32::from(family.bits().saturating_sub(prefix));
    1u128.checked_shl(host_bits).unwrap_or(u128::MAX).min(counted.count())
}

fn counted(trusted: &[Cidr]) -> PerFamily<AddressSet> {
    PerFamily::each(|family| public_addresses(family).difference(&AddressSet::from_cidrs(family, trusted)))
}

#[cfg(test)]
mod tests;
