//! Checks that a policy is parsed or refused cleanly.

use std::time::{Duration, Instant};

use portcullis_domain::net::Family;
use portcullis_domain::policy::Policy;

use crate::is_clear;

/// Parses a policy.
///
/// - A refusal is one short line that names the line of the file.
/// - An accepted policy guards something, against some internet, from at least one address on.
/// - Any 64 KB take less than a second (ten in a build without optimisation).
///
/// Returns `no text`, `refused` or `taken`.
pub fn policy(bytes: &[u8]) -> &'static str {
    let Ok(text) = std::str::from_utf8(bytes) else { return "no text" };
    let parsed = in_time(text);
    assert_eq!(parsed, Policy::parse(text), "the same policy, parsed twice");
    match parsed {
        Err(error) => {
            let line = error.to_string();
            is_clear(&line, 1000);
            let named = line.split(" line ").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            assert!(named, "no line is named: {line}");
            let snippet = error.snippet;
            let odd = |c: char| c.is_control() && c != '\n';
            assert!(!snippet.contains(odd), "a control character in what a terminal shows: {snippet:?}");
            assert!(snippet.chars().count() <= 4000, "{snippet}");
            "refused"
        }
        Ok(policy) => {
            assert!(!policy.guards().is_empty(), "it guards nothing");
            for guard in policy.guards() {
                is_clear(&guard.name, 100);
            }
            for family in Family::BOTH {
                assert!(policy.limit(family) >= 1, "nothing at all is exposed");
                assert!(!policy.counted(family).is_empty(), "no address counts");
                assert!(policy.limit(family) <= policy.counted(family).count(), "nothing can reach the limit");
            }
            "taken"
        }
    }
}

/// Fifty times as long as the worst input so far takes in an optimised build, for machines that are slow or busy. A
/// quadratic parser takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A busy machine may be slow once or twice, but not three times.
#[expect(clippy::disallowed_methods, reason = "what is measured here is time")]
fn in_time(text: &str) -> Result<Policy, portcullis_domain::policy::PolicyError> {
    let mut tries = 3;
    loop {
        let start = Instant::now();
        let parsed = Policy::parse(text);
        let took = start.elapsed();
        tries -= 1;
        if took < PATIENCE || text.len() > 65_536 {
            return parsed;
        }
        assert!(tries > 0, "{took:?} for {} bytes", text.len());
    }
}
