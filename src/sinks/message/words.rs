//! What was open, in a sentence for people.

use std::collections::BTreeMap;

use portcullis_domain::finding::{ExposureFinding, Finding, Outcome, RuleFinding, Verdict};
use portcullis_domain::net::{Family, public_addresses};
use portcullis_domain::text::for_people;

/// `SSH, RDP and MySQL were open to the whole internet (IPv4 and IPv6) for 4 s.` Nothing where nothing was open.
pub(super) fn sentence(finding: &Finding) -> Option<String> {
    if finding.verdict != Verdict::Exposed || finding.exposures.is_empty() {
        return None;
    }
    let (standing, own): (Vec<_>, Vec<_>) = finding.exposures.iter().partition(|exposure| exposure.standing);
    let is_over = matches!(finding.outcome, Outcome::Reverted | Outcome::AlreadyGone);
    let time = finding.open_seconds.filter(|_| is_over).map_or_else(String::new, |it| format!(" for {}", duration(it)));
    let mut sentences = Vec::new();
    if !own.is_empty() {
        sentences.push(format!("{}{time}.", of(&own, if is_over { ["was", "were"] } else { ["is", "are"] })));
    }
    if !standing.is_empty() {
        sentences.push(format!("{}, without this change as well.", of(&standing, ["is", "are"])));
    }
    Some(sentences.join(" "))
}

/// `SSH and RDP are open to the whole internet (IPv4)`.
fn of(exposures: &[&ExposureFinding], [one, many]: [&str; 2]) -> String {
    // Services with the same audience share a sentence.
    let mut services: Vec<(&str, Vec<&ExposureFinding>)> = Vec::new();
    for exposure in exposures {
        match services.iter_mut().find(|(guard, _)| *guard == exposure.guard) {
            Some((_, of)) => of.push(exposure),
            None => services.push((&exposure.guard, vec![exposure])),
        }
    }
    let mut audiences: Vec<(String, Vec<String>)> = Vec::new();
    for (guard, exposures) in services {
        let (to, service) = (audience(&exposures), service(guard));
        match audiences.iter_mut().find(|(audience, _)| *audience == to) {
            Some((_, services)) => services.push(service),
            None => audiences.push((to, vec![service])),
        }
    }
    let said = audiences.into_iter().map(|(to, services)| {
        format!("{} {} open to {to}", list(&services), if services.len() == 1 { one } else { many })
    });
    said.collect::<Vec<_>>().join("; ")
}

/// Whom the exposures let in.
fn audience(exposures: &[&ExposureFinding]) -> String {
    let mut most: BTreeMap<&str, u128> = BTreeMap::new();
    for exposure in exposures {
        let is_v6 = exposure.sources.iter().any(|source| source.contains(':'));
        let addresses = exposure.public_addresses.parse().unwrap_or_default();
        let so_far = most.entry(if is_v6 || addresses > u128::from(u32::MAX) { "IPv6" } else { "IPv4" }).or_default();
        *so_far = (*so_far).max(addresses);
    }
    let all = |name: &&str| public_addresses(if *name == "IPv6" { Family::V6 } else { Family::V4 }).count();
    if most.iter().all(|(name, addresses)| *addresses >= all(name)) {
        return format!("the whole internet ({})", most.into_keys().collect::<Vec<_>>().join(" and "));
    }
    let each = most.iter().map(|(name, addresses)| format!("{} public {name} addresses", rough(*addresses)));
    each.collect::<Vec<_>>().join(" and ")
}

/// `3.7 billion`.
fn rough(count: u128) -> String {
    match count {
        0..1_000_000 => count.to_string(),
        1_000_000..1_000_000_000 => format!("{:.1} million", count as f64 / 1e6),
        1_000_000_000..1_000_000_000_000 => format!("{:.1} billion", count as f64 / 1e9),
        _ => format!("{:.1e}", count as f64),
    }
}

/// `4 s`, `3 min`, `2 h 5 min`, `3 days`.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A service as people write it. What the policy names itself stays as it is.
fn service(guard: &str) -> String {
    let known = match guard {
        "mysql" => "MySQL",
        "mssql" => "SQL Server",
        "postgres" => "PostgreSQL",
        "mongodb" => "MongoDB",
        "rabbitmq" => "RabbitMQ",
        "couchdb" => "CouchDB",
        "ssh" | "rdp" | "ftp" | "smb" | "vnc" | "nfs" | "ldap" | "snmp" => return guard.to_ascii_uppercase(),
        other => return for_people(other),
    };
    known.to_owned()
}

/// `a`, `a and b`, `a, b and c`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

/// A rule, what was done about it and what it was before: `tcp 22 from 0.0.0.0/0: revoked; it was tcp 443 from 0.0.0.0/0
/// before, seen by the sweep of 17:30`.
pub(super) fn rule_of(finding: &Finding, one: &RuleFinding) -> String {
    let before = finding.former.get(&one.id).map(|former| format!("; {}", for_people(&former.words("it"))));
    format!("{}{}", rule(one), before.unwrap_or_default())
}

/// A rule and what was done about it: `all traffic from 0.0.0.0/1: revoked`.
pub(super) fn rule(rule: &RuleFinding) -> String {
    let source = rule.source.as_deref().map_or_else(String::new, |source| format!(" from {}", for_people(source)));
    let action = match rule.action.error() {
        Some(error) => format!("failed ({})", for_people(error)),
        None => rule.action.as_str().replace('_', " "),
    };
    format!("{}  {}{source}: {action}", rule.id, admits(rule))
}

/// What a rule admits: `tcp 22`, `tcp 20-25`, `all traffic`. Of a rule that is gone nothing is known.
#[must_use]
pub fn admits(rule: &RuleFinding) -> String {
    let Some(protocol) = &rule.protocol else { return "a rule that is gone".to_owned() };
    match (protocol.as_str(), rule.from_port, rule.to_port) {
        ("-1", ..) => "all traffic".to_owned(),
        ("tcp" | "udp", Some(from), Some(to)) if from == to => format!("{protocol} {from}"),
        ("tcp" | "udp", Some(from), Some(to)) => format!("{protocol} {from}-{to}"),
        ("tcp" | "udp", ..) => format!("{protocol}, all ports"),
        _ => for_people(protocol),
    }
}

/// How many there are of each outcome.
pub(super) fn outcomes(others: &BTreeMap<Outcome, usize>) -> String {
    let each = others.iter().map(|(outcome, count)| format!("{count} {}", outcome.as_str().replace('_', " ")));
    each.collect::<Vec<_>>().join(", ")
}
