//! Words that more than one command uses: counts, places, callers.

use std::path::Path;

use portcullis_domain::finding::{Finding, Verdict};
use portcullis_domain::text::{escaped, escaped_up_to};

/// A number of things: `1 Region`, `2 Regions`, `0 Regions`.
#[must_use]
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// The same in a sentence: `no guards`, `1 guard`, `2 guards`.
#[must_use]
pub fn amount(number: usize, thing: &str) -> String {
    if number == 0 { format!("no {thing}s") } else { count(number, thing) }
}

/// A path as it may stand in a message.
#[must_use]
pub fn path(path: &Path) -> String {
    escaped_up_to(&path.to_string_lossy(), 300)
}

/// Where a finding is, in one line: `111122223333 eu-west-1 sg-0123456789abcdef0`. What is not known is left out.
#[must_use]
pub fn place(finding: &Finding) -> String {
    let parts = [&finding.account, &finding.region, &finding.group].into_iter().flatten();
    parts.map(|part| escaped(part)).collect::<Vec<_>>().join(" ")
}

/// The caller. The head of its ARN is left out where it only repeats the account of the finding.
#[must_use]
pub fn actor(finding: &Finding) -> String {
    let Some(arn) = &finding.actor else { return "unknown".to_owned() };
    let own = || {
        let mut parts = arn.splitn(6, ':');
        let (head, account) = (parts.next()?, parts.nth(3)?);
        (head == "arn" && Some(account) == finding.account.as_deref()).then(|| parts.next())?
    };
    escaped(own().unwrap_or(arn))
}

/// The word of a verdict, as in JSON.
#[must_use]
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Exposed => "exposed",
        Verdict::Exempt => "exempt",
        Verdict::Safe => "safe",
        Verdict::Irrelevant => "irrelevant",
        Verdict::Undecided => "undecided",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_everything_else_is_plural() {
        assert_eq!([0, 1, 2].map(|n| count(n, "Region")), ["0 Regions", "1 Region", "2 Regions"]);
        assert_eq!([0, 1, 2].map(|n| amount(n, "guard")), ["no guards", "1 guard", "2 guards"]);
    }
}
