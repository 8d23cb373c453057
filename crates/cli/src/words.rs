//! Words that more than one command uses: counts, places, callers.

use std::path::Path;

pub use portcullis::sinks::message::admits;
use portcullis_domain::arn::Arn;
use portcullis_domain::finding::{ExposureFinding, Finding};
use portcullis_domain::text::{escaped, escaped_up_to};

/// A number of things: `1 Region`, `2 Regions`, `0 Regions`.
#[must_use]
pub fn count(number: usize, thing: &str) -> String {
    count_as(number, thing, &format!("{thing}s"))
}

/// A number of things whose plural is odd: `1 copy`, `2 copies`.
#[must_use]
pub fn count_as(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The same in a sentence: `no guards`, `1 guard`, `2 guards`.
#[must_use]
pub fn amount(number: usize, thing: &str) -> String {
    if number == 0 { format!("no {thing}s") } else { count(number, thing) }
}

/// The place of an input, or another long text, as it may stand in a message.
#[must_use]
pub fn text(text: &str) -> String {
    escaped_up_to(text, 300)
}

/// A path as it may stand in a message.
#[must_use]
pub fn path(path: &Path) -> String {
    text(&path.to_string_lossy())
}

/// Where a finding is, in one line: `111122223333 eu-west-1 sg-0123456789abcdef0`. What is not known is left out.
#[must_use]
pub fn place(finding: &Finding) -> String {
    let parts = [&finding.account, &finding.region, &finding.group].into_iter().flatten();
    parts.map(|part| escaped(part)).collect::<Vec<_>>().join(" ")
}

/// What uses the group: `3 interfaces, 2 public`. Nothing where nobody asked.
#[must_use]
pub fn uses(finding: &Finding) -> Option<String> {
    let all = finding.interfaces?;
    let interfaces = count(usize::try_from(all).unwrap_or(usize::MAX), "interface");
    Some(match (all, finding.public_interfaces.unwrap_or_default()) {
        (0, _) => "nothing uses it".to_owned(),
        (_, 0) => format!("{interfaces}, none public"),
        (_, public) => format!("{interfaces}, {public} public"),
    })
}

/// The caller. The head of its ARN is left out where it only repeats the account of the finding.
#[must_use]
pub fn actor(finding: &Finding) -> String {
    actor_of(finding.actor.as_deref(), finding.account.as_deref(), "unknown")
}

/// The same of a caller's ARN, and what is said where there is none.
#[must_use]
pub fn actor_of(actor: Option<&str>, account: Option<&str>, none: &str) -> String {
    let Some(arn) = actor else { return none.to_owned() };
    let own = || {
        let arn = Arn::parse(arn)?;
        (Some(arn.account) == account).then_some(arn.resource)
    };
    escaped(own().unwrap_or(arn))
}

/// What is open: `tcp 22 (ssh)`.
#[must_use]
pub fn ports(exposure: &ExposureFinding) -> String {
    let to = exposure.to_port.map_or_else(String::new, |to| format!("-{to}"));
    format!("{} {}{to} ({})", exposure.protocol, exposure.port, exposure.guard)
}

/// What is open, and to which sources: `tcp 22 (ssh) 0.0.0.0/0`.
#[must_use]
pub fn exposure(exposure: &ExposureFinding) -> String {
    let sources: Vec<String> = exposure.sources.iter().map(|source| escaped(source)).collect();
    format!("{} {}", ports(exposure), sources.join(", "))
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
