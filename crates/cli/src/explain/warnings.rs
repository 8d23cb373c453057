//! What is legal in a policy and probably a mistake, and the policy in one line.

use jiff::Timestamp;
use portcullis_domain::net::{AddressSet, Family, public_addresses};
use portcullis_domain::policy::{Exemption, Mode, Policy, Scope, Selector};
use portcullis_domain::rule::PortRange;
use portcullis_domain::text::escaped_up_to;

use super::words::{ends, place, reason};
use super::{Life, principals, regions};
use crate::words::amount;

/// Something legal that its author probably did not mean, or will want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The line of the policy, where it belongs to one.
    pub line: Option<u64>,
    /// What is odd, and what follows from it.
    pub text: String,
}

/// Everything that is odd about a policy now.
#[must_use]
pub fn warnings(policy: &Policy, now: Timestamp) -> Vec<Warning> {
    let mut warnings = mistakes(policy);
    warnings.extend(policy.exemptions().iter().filter_map(|exemption| expiry(exemption, now)));
    warnings
}

/// What is odd whatever the time.
pub(super) fn mistakes(policy: &Policy) -> Vec<Warning> {
    let everywhere = |text| Warning { line: None, text };
    let mut warnings: Vec<Warning> = guarded_twice(policy).into_iter().map(everywhere).collect();
    warnings.extend(trusted_for_nothing(policy).map(everywhere));
    let scopes = policy.scopes().iter().enumerate();
    warnings.extend(scopes.filter_map(|(n, scope)| {
        let earlier = policy.scopes().get(..n)?;
        Some(Warning { line: Some(scope.line), text: unreachable(scope, earlier)? })
    }));
    warnings.extend(idle_sweep(policy).map(|text| everywhere(text.to_owned())));
    warnings.extend(policy.exemptions().iter().filter(|exemption| exempts_nothing(exemption, policy)).map(
        |exemption| {
            let text = format!("{} covers nothing: none of its sources is public and not trusted", named(exemption));
            Warning { line: Some(exemption.line), text }
        },
    ));
    warnings.extend(policy.exemptions().iter().flat_map(|exemption| {
        let all = principals::mistakes(exemption).into_iter();
        all.map(|what| Warning { line: Some(exemption.line), text: format!("{} {what}", named(exemption)) })
    }));
    warnings.extend(regions::unknown(policy));
    warnings
}

/// Whether there is a place where the policy lets rules be revoked.
pub(super) fn enforces_somewhere(policy: &Policy) -> bool {
    let scopes = policy.scopes().iter().enumerate();
    let reached = |(n, scope): (usize, &Scope)| {
        let earlier = policy.scopes().get(..n).unwrap_or_default();
        scope.mode == Mode::Enforce && unreachable(scope, earlier).is_none()
    };
    policy.mode_elsewhere() == Mode::Enforce || scopes.into_iter().any(reached)
}

/// The policy in one line, with the exemptions to look after.
#[must_use]
pub fn summary(policy: &Policy, now: Timestamp) -> String {
    let mut services: Vec<&str> = policy.guards().iter().map(|guard| guard.name.as_str()).collect();
    services.dedup();
    let exemptions = policy.exemptions();
    let of = |life| exemptions.iter().filter(move |exemption| Life::of(exemption, now) == life);
    let part = |life, one: &str, many: &str| {
        let reasons: Vec<String> = of(life).map(|exemption| format!("`{}`", reason(exemption, 60))).collect();
        let verb = if reasons.len() == 1 { one } else { many };
        (!reasons.is_empty()).then(|| format!("{} {verb}: {}", reasons.len(), reasons.join(", ")))
    };
    let parts = [
        part(Life::Expired, "has expired", "have expired"),
        part(Life::Soon, "expires within 30 days", "expire within 30 days"),
        part(Life::Endless, "never ends", "never end"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) };
    format!("{}, {}{parts}", amount(services.len(), "guard"), amount(exemptions.len(), "exemption"))
}

fn named(exemption: &Exemption) -> String {
    format!("exemption `{}`", reason(exemption, 60))
}

fn expiry(exemption: &Exemption, now: Timestamp) -> Option<Warning> {
    let named = named(exemption);
    let text = match (Life::of(exemption, now), exemption.until) {
        (Life::Expired, Some(until)) => {
            format!("{named} ended at {until}, {}, and no longer holds: renew it, or remove it", ends(until, now))
        }
        (Life::Soon, Some(until)) => format!("{named} ends at {until}, {}: renew it in time", ends(until, now)),
        (Life::Endless, _) => format!("{named} never ends: give it a day on which someone looks at it again"),
        (Life::Holds | Life::Expired | Life::Soon, _) => return None,
    };
    Some(Warning { line: Some(exemption.line), text })
}

fn guarded_twice(policy: &Policy) -> Vec<String> {
    let guards = policy.guards();
    let pairs = guards.iter().zip(1..).flat_map(|(one, n)| guards.iter().skip(n).map(move |other| (one, other)));
    pairs
        .filter(|(one, other)| one.transport == other.transport)
        .filter_map(|(one, other)| {
            let (from, to) = (one.ports.from().max(other.ports.from()), one.ports.to().min(other.ports.to()));
            let shared = PortRange::new(from, to)?;
            let transport = one.transport;
            let [one, other] = [one, other].map(|guard| escaped_up_to(&guard.name, 30));
            let names = if one == other { format!("both times by {one}") } else { format!("by {one} and by {other}") };
            Some(format!("guard: {transport} {shared} is guarded twice, {names}"))
        })
        .collect()
}

fn trusted_for_nothing(policy: &Policy) -> impl Iterator<Item = String> {
    policy.trusted().iter().filter_map(|block| {
        let family = block.family();
        let addresses = AddressSet::from_cidrs(family, [block]);
        let public = !addresses.intersection(public_addresses(family)).is_empty();
        (!public).then(|| format!("trusted: {block} is not public, so it never counts anyway and does nothing here"))
    })
}

fn unreachable(scope: &Scope, earlier: &[Scope]) -> Option<String> {
    let places: Vec<&Selector> = earlier.iter().map(|scope| &scope.place).collect();
    if !scope.place.is_within(&places) {
        return None;
    }
    let wider: Vec<usize> =
        places.iter().zip(1..).filter(|(one, _)| scope.place.is_within(&[one])).map(|(_, n)| n).collect();
    let by = match wider.first() {
        Some(n) => format!("scope {n} comes first and is as wide"),
        None => "those before it leave nothing of it".to_owned(),
    };
    Some(format!("scope {} ({}) never matches: {by}", earlier.len() + 1, place(&scope.place)))
}

fn idle_sweep(policy: &Policy) -> Option<&'static str> {
    let sweep = policy.sweep();
    match sweep.mode {
        Mode::Enforce if !enforces_somewhere(policy) => {
            Some("sweep: says enforce and revokes nothing, because the policy enforces nowhere")
        }
        Mode::Enforce if sweep.max_revocations == 0 => {
            Some("sweep: says enforce and revokes nothing, because max_revocations is 0")
        }
        Mode::Enforce | Mode::Alert => None,
    }
}

/// Rules without a source that counts are no exposure, exempt or not.
fn exempts_nothing(exemption: &Exemption, policy: &Policy) -> bool {
    exemption.sources().is_some_and(|blocks| {
        let counts = |family| {
            let addresses = AddressSet::from_cidrs(family, blocks);
            !addresses.intersection(policy.counted(family)).is_empty()
        };
        !Family::BOTH.into_iter().any(counts)
    })
}
