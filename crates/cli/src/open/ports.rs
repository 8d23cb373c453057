//! Which ports are opened: a service's name, a port, or a range.

use portcullis::domain::policy::{Policy, ProtectedPort, services};
use portcullis::domain::rule::{PortRange, Traffic, Transport};

use crate::policy_errors::nearest;
use crate::words;

/// What the operator asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// The traffic of each rule.
    pub traffic: Vec<Traffic>,
    /// The names of the policy's guards that it concerns.
    pub guards: Vec<String>,
}

/// What is accepted.
const ACCEPTED: &str =
    "expected a service such as ssh, a port such as 22, a range such as 8000-8010, or udp/ before either";

/// Reads `ssh`, `22`, `8000-8010`, `udp/3389`. A service is one of the policy's, or a known one. All together name the guards
/// that they concern.
///
/// # Errors
/// What is wrong, with a suggestion.
pub fn ports(texts: &[String], policy: &Policy) -> Result<Ports, String> {
    let mut opened: Vec<(Transport, PortRange)> = Vec::new();
    for text in texts {
        let read = read(text, policy)?;
        opened.extend(read.into_iter().filter(|one| !opened.contains(one)).collect::<Vec<_>>());
    }
    let traffic = opened.iter().map(|(transport, range)| {
        Traffic::new(transport.to_string().as_str().into(), Some(range.from().into()), Some(range.to().into()))
    });
    let concerns = |guard: &ProtectedPort| {
        opened.iter().any(|(transport, range)| guard.transport == *transport && guard.ports.overlaps(*range))
    };
    let mut guards: Vec<String> =
        policy.guards().iter().filter(|guard| concerns(guard)).map(|guard| guard.name.clone()).collect();
    guards.sort_unstable();
    guards.dedup();
    Ok(Ports { traffic: traffic.collect(), guards })
}

fn read(text: &str, policy: &Policy) -> Result<Vec<(Transport, PortRange)>, String> {
    let (transport, rest) = match text.split_once('/') {
        Some((word, rest)) if word.eq_ignore_ascii_case("tcp") => (Transport::Tcp, rest),
        Some((word, rest)) if word.eq_ignore_ascii_case("udp") => (Transport::Udp, rest),
        Some(_) => return Err(wrong(text, "")),
        None => (Transport::Tcp, text),
    };
    let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let range = match rest.split_once('-') {
        Some((from, to)) => port(from).zip(port(to)),
        None => port(rest).map(|port| (port, port)),
    };
    if let Some((from, to)) = range {
        let range = PortRange::new(from, to).filter(|_| from > 0);
        return range.map(|range| vec![(transport, range)]).ok_or_else(|| wrong(text, ""));
    }
    // A name of the policy's own means what the policy says.
    let own = policy.guards().iter().cloned();
    let others = services().filter(|service| !policy.guards().iter().any(|guard| guard.name == service.name));
    let known: Vec<ProtectedPort> = own.chain(others).collect();
    let name = text.to_ascii_lowercase();
    let named: Vec<(Transport, PortRange)> =
        known.iter().filter(|service| service.name == name).map(|service| (service.transport, service.ports)).collect();
    if named.is_empty() {
        let near = nearest(&name, known.iter().map(|service| service.name.as_str()));
        return Err(wrong(text, &near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"))));
    }
    Ok(named)
}

fn wrong(text: &str, near: &str) -> String {
    format!("--port `{}`: {ACCEPTED}{near}", words::text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<(Vec<String>, Vec<String>), String> {
        let policy = Policy::parse("version: 1\nguard: [ssh, rdp, {name: app, protocol: tcp, ports: [8005]}]").unwrap();
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let ports = ports(&texts, &policy)?;
        let traffic = ports.traffic.iter().map(portcullis::domain::evidence::admits).collect();
        Ok((traffic, ports.guards))
    }

    #[test]
    fn a_port_is_a_service_a_number_or_a_range_and_names_the_guards_it_concerns() {
        let is = |texts: &[&str], traffic: &[&str], guards: &[&str]| {
            let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            assert_eq!(read(texts), Ok((owned(traffic), owned(guards))), "{texts:?}");
        };
        is(&["ssh"], &["tcp 22"], &["ssh"]);
        is(&["SSH", "22"], &["tcp 22"], &["ssh"]);
        is(&["8000-8010"], &["tcp 8000-8010"], &["app"]);
        is(&["app"], &["tcp 8005"], &["app"]);
        is(&["rdp"], &["tcp 3389", "udp 3389"], &["rdp"]);
        is(&["udp/3389"], &["udp 3389"], &["rdp"]);
        is(&["udp/22", "443"], &["udp 22", "tcp 443"], &[]);
        is(&["postgres"], &["tcp 5432"], &[]);
    }

    #[test]
    fn an_unknown_word_gets_a_suggestion_and_an_odd_number_what_is_accepted() {
        for (text, part) in [
            ("shh", "(did you mean ssh?)"),
            ("postgress", "(did you mean postgres?)"),
            ("0", "expected a service such as ssh"),
            ("70000", "expected a service such as ssh"),
            ("30-20", "expected a service such as ssh"),
            ("22-", "expected a service such as ssh"),
            ("icmp/8", "expected a service such as ssh"),
            ("", "expected a service such as ssh"),
        ] {
            let why = read(&[text]).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
