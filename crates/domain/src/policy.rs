//! The policy: what is guarded, what counts as the internet, and who is exempt.
//!
//! A policy is parsed strictly: an unknown key, an unknown word or a bad CIDR is an error that names the place and what
//! is accepted. It is resolved once, so that judging only looks things up.

mod exemption;
mod limits;
mod parse;
#[cfg(feature = "schema")]
mod schema;
mod selector;
mod services;

use std::sync::Arc;

use jiff::Timestamp;

pub use exemption::{Candidate, Exemption};
pub use limits::{BudgetPolicy, WaiverPolicy, time_in_words};
pub use selector::Selector;

use crate::facts::GroupLocation;
use crate::net::{AddressSet, Cidr, Family, PerFamily, public_addresses};
use crate::rule::{PortRange, Transport};
use crate::text::escaped_up_to;
use exemption::Sources;

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
    /// The service's name, as in findings.
    pub name: String,
    /// TCP or UDP.
    pub transport: Transport,
    /// Its ports.
    pub ports: PortRange,
}

/// The services that a policy can name, each with its ports, in the order in which a policy is written: those of the
/// built-in policy first.
pub fn services() -> impl Iterator<Item = ProtectedPort> {
    parse::services()
}

/// The built-in policy as a text.
pub const BUILT_IN: &str = "version: 1\n";

/// A resolved policy.
#[derive(Debug, Clone)]
pub struct Policy {
    hash: String,
    text: Arc<str>,
    mode: Mode,
    guards: Vec<ProtectedPort>,
    internet: PerFamily<u8>,
    trusted: Vec<Cidr>,
    counted: PerFamily<AddressSet>,
    limit: PerFamily<u128>,
    exemptions: Vec<Exemption>,
    scopes: Vec<Scope>,
    sweep: SweepPolicy,
    waivers: WaiverPolicy,
    budget: BudgetPolicy,
}

/// Equal are policies that say the same, however they are written: their hashes may differ.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        let Self { hash: _, text: _, mode, guards, internet, trusted, counted, limit, exemptions, scopes, .. } = self;
        let Self { sweep, waivers, budget, .. } = self;
        (mode, guards, internet, trusted) == (&other.mode, &other.guards, &other.internet, &other.trusted)
            && (counted, limit, exemptions) == (&other.counted, &other.limit, &other.exemptions)
            && (scopes, sweep) == (&other.scopes, &other.sweep)
            && (waivers, budget) == (&other.waivers, &other.budget)
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

/// A mode for some groups, in place of the policy's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The groups that it is for.
    pub place: Selector,
    /// Their mode.
    pub mode: Mode,
    /// The line of the policy where it begins, from 1.
    pub line: u64,
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

    /// The policy as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
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

    /// The exemptions, expired ones included, in the order in which they are tried.
    #[must_use]
    pub fn exemptions(&self) -> &[Exemption] {
        &self.exemptions
    }

    /// The prefix length of the policy's `internet` block, as written.
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

    /// A port is exposed from this many counted addresses on. At least one.
    #[must_use]
    pub fn limit(&self, family: Family) -> u128 {
        *self.limit.get(family)
    }

    /// The policy's `sweep`.
    #[must_use]
    pub fn sweep(&self) -> SweepPolicy {
        self.sweep
    }

    /// The same policy with another `sweep`, for an operator who starts one by hand.
    #[must_use]
    pub fn with_sweep(self, sweep: SweepPolicy) -> Self {
        Self { sweep, ..self }
    }

    /// How long a waiver may last, and who may have one.
    #[must_use]
    pub const fn waivers(&self) -> &WaiverPolicy {
        &self.waivers
    }

    /// How many old rules may be lost to events.
    #[must_use]
    pub const fn budget(&self) -> &BudgetPolicy {
        &self.budget
    }

    /// The same policy with these exemptions of waivers after its own, in place of those that it had. It keeps its hash,
    /// which is that of its text.
    #[must_use]
    pub fn with_waivers(&self, waivers: impl IntoIterator<Item = Exemption>) -> Self {
        let mut policy = self.clone();
        policy.exemptions.retain(|exemption| exemption.waiver.is_none());
        policy.exemptions.extend(waivers);
        policy
    }

    /// Whether an exemption or a scope depends on a group's VPC, which costs a DescribeSecurityGroups call.
    #[must_use]
    pub fn needs_vpc(&self) -> bool {
        let places = self.exemptions.iter().map(|e| &e.place).chain(self.scopes.iter().map(|s| &s.place));
        places.into_iter().any(|place| place.vpcs.is_some())
    }

    /// Whether an exemption depends on a group's VPC.
    #[must_use]
    pub fn exempts_by_vpc(&self) -> bool {
        self.exemptions.iter().any(|exemption| exemption.place.vpcs.is_some())
    }

    /// The mode for a group. The first matching scope wins over the policy's mode, and of that mode and the function's
    /// mode the weaker wins: `alert` beats `enforce`.
    #[must_use]
    pub fn mode(&self, at: &GroupLocation, function: Mode) -> Mode {
        let scope = self.scopes.iter().find(|scope| scope.place.matches(at));
        scope.map_or(self.mode, |scope| scope.mode).min(function)
    }

    /// Whether an exemption by principal would cover a rule if the right caller had made it. If so, a rule whose maker
    /// is not known may be lawful.
    #[must_use]
    pub fn may_be_exempt_by_principal(&self, candidate: Candidate<'_>, now: Timestamp) -> bool {
        let by_principal = self.exemptions.iter().filter(|exemption| exemption.principals.is_some());
        by_principal.into_iter().any(|exemption| exemption.covers_but_for_makers(candidate, now))
    }

    /// The exemption that covers a rule, if one does. A rule of an opening is exempt by its own waiver, though another one
    /// may cover it as well: it ends with its own.
    #[must_use]
    pub fn exemption(&self, candidate: Candidate<'_>, now: Timestamp) -> Option<&Exemption> {
        let covers = |exemption: &&Exemption| exemption.covers(candidate, now);
        let of_its_own =
            |waiver| self.exemptions.iter().filter(move |it| it.waiver.as_deref() == Some(waiver)).find(covers);
        candidate.waiver.and_then(of_its_own).or_else(|| self.exemptions.iter().find(covers))
    }
}

/// Why a text is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}")]
pub struct PolicyError {
    line: String,
    /// The error with the lines of the file around it, for a terminal.
    pub snippet: String,
    /// Where it is in the file: the line and the column, from 1.
    pub place: Option<(u64, u64)>,
}

impl PolicyError {
    /// Escapes and shortens both texts, so that a file cannot control a terminal or bury the error.
    fn new(line: &str, snippet: &str) -> Self {
        let clean = |text: &str| escaped_up_to(text, text.len());
        let snippet: Vec<String> = snippet.lines().take(20).map(|line| escaped_up_to(line, 160)).collect();
        Self { line: cut(&clean(line)), snippet: snippet.join("\n"), place: None }
    }

    fn at(self, place: Option<(u64, u64)>) -> Self {
        Self { place, ..self }
    }
}

/// At most 900 characters. The end is kept, because the line number is there.
fn cut(text: &str) -> String {
    let length = text.chars().count();
    if length <= 900 {
        return text.to_owned();
    }
    let (start, end): (String, String) = (text.chars().take(750).collect(), text.chars().skip(length - 140).collect());
    format!("{start} … {end}")
}

/// The limit of a family: the addresses of one block with this prefix length, or all addresses that count if they are
/// fewer. So `/0` means all of them, and a large `trusted` cannot make the limit unreachable.
fn limit(family: Family, prefix: u8, counted: &AddressSet) -> u128 {
    let host_bits = u32::from(family.bits().saturating_sub(prefix));
    1u128.checked_shl(host_bits).unwrap_or(u128::MAX).min(counted.count())
}

fn counted(trusted: &[Cidr]) -> PerFamily<AddressSet> {
    PerFamily::each(|family| public_addresses(family).difference(&AddressSet::from_cidrs(family, trusted)))
}

#[cfg(test)]
mod tests;
