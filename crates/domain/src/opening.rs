//! An opening: ports of a group that an operator opened for a while, and that Portcullis closes at the end.
//!
//! Portcullis itself never opens anything. An operator writes a waiver of the kind `open` and adds the rules; at the end
//! the function revokes them. What is decided here is whether an end has come, and which rules it takes. That does not
//! depend on what the rules expose: they were made to be there for a while.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::facts::Facts;
use crate::ids::RuleId;
use crate::memory::{Memory, Waiver, WaiverKind};
use crate::plan::{Plan, Step};
use crate::policy::Mode;
use crate::rule::{Rule, Source};

/// A description says by these words that its rule is part of an opening.
const BEGINS: &str = "portcullis ";

/// And by this, until when.
const UNTIL: &str = " until ";

/// EC2 takes a description of at most so many characters (EC2 API Reference, IpRange).
const LONGEST: usize = 255;

/// EventBridge Scheduler and the function read two clocks of AWS's. They differ by less.
pub const CLOCKS: SignedDuration = SignedDuration::from_secs(5);

/// An opening that has less than this part of its time left when everything is ready is not made.
pub const TOO_LATE: i32 = 4;

/// What a description says of its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker<'a> {
    /// The waiver's id.
    pub waiver: &'a str,
    /// When the opening ends.
    pub until: Timestamp,
}

/// Whether a text is the id of a waiver: `w-` and 4 to 32 lower-case letters and digits.
#[must_use]
pub fn is_waiver_id(text: &str) -> bool {
    text.strip_prefix("w-").is_some_and(|rest| {
        (4..=32).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

/// The description of an opening's rules: `portcullis w-7q2m until 2026-11-26T20:00:00Z INC-123`. What EC2 does not take
/// in a description becomes `-`.
#[must_use]
pub fn description(waiver: &str, until: Timestamp, reason: &str) -> String {
    let takes = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    let text = format!("{BEGINS}{waiver}{UNTIL}{until} {reason}");
    let text: String = text.chars().map(|c| if takes(c) { c } else { '-' }).take(LONGEST).collect();
    text.trim_end().to_owned()
}

/// Reads a description.
#[must_use]
pub fn marker(description: &str) -> Option<Marker<'_>> {
    let (waiver, rest) = description.strip_prefix(BEGINS)?.split_once(UNTIL)?;
    let until = rest.split(' ').next()?.parse().ok()?;
    is_waiver_id(waiver).then_some(Marker { waiver, until })
}

/// What a rule's description says.
#[must_use]
pub fn marker_of(rule: &Rule) -> Option<Marker<'_>> {
    rule.description.as_deref().and_then(marker)
}

/// What is known of an opening when its end is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing<'a> {
    /// Its end has come.
    Over(&'a Waiver),
    /// It holds until later.
    Holds(&'a Waiver),
    /// The waiver belongs to an undo. It covers rules until its end, and nothing was promised about them.
    OfUndo(&'a Waiver),
    /// It was ended before.
    Ended(Timestamp),
    /// The memory knows nothing of it. Its rules' own descriptions may.
    Unknown,
}

/// What a group's memory says of an opening.
#[must_use]
pub fn standing<'a>(memory: &'a Memory, waiver: &str, now: Timestamp) -> Standing<'a> {
    match memory.waivers.get(waiver) {
        Some(it) if it.kind == WaiverKind::Undo => Standing::OfUndo(it),
        Some(it) if it.until.duration_since(now) <= CLOCKS => Standing::Over(it),
        Some(it) => Standing::Holds(it),
        None => memory.ended.get(waiver).map_or(Standing::Unknown, |at| Standing::Ended(*at)),
    }
}

/// The rules that the end of an opening takes: those that were noted under its waiver, whatever they are now, and those
/// whose description says that they are part of it and whose source the waiver is for.
///
/// Without the waiver it takes none. A description alone proves nothing: whoever may write one could have any rule revoked.
#[must_use]
pub fn ending(id: &str, waiver: Option<&Waiver>, facts: &Facts) -> BTreeSet<RuleId> {
    let Some(waiver) = waiver else { return BTreeSet::new() };
    let is_within = |rule: &Rule| match &rule.permission.source {
        Source::Cidr(source) => waiver.sources.iter().any(|block| source.is_within(block)),
        Source::PrefixList(_) | Source::Group(_) | Source::Unknown(_) => false,
    };
    let is_marked = |rule: &Rule| marker_of(rule).is_some_and(|marker| marker.waiver == id) && is_within(rule);
    let rules = facts.rules.iter().filter(|rule| waiver.rules.contains(&rule.id) || is_marked(rule));
    rules.map(|rule| rule.id.clone()).collect()
}

/// The plan of an end: these rules go, in alert mode too.
#[must_use]
pub fn plan(id: &str, waiver: Option<&Waiver>, facts: &Facts) -> Plan {
    let steps = ending(id, waiver, facts).into_iter().map(Step::Revoke).collect();
    Plan { location: facts.location.clone(), mode: Mode::Enforce, cap: usize::MAX, steps }
}

/// The rules that say of themselves that they are part of an opening that is over at this time.
#[must_use]
pub fn claiming(id: &str, facts: &Facts, now: Timestamp) -> BTreeSet<RuleId> {
    let is_over = |rule: &&Rule| marker_of(rule).is_some_and(|marker| marker.waiver == id && marker.until <= now);
    facts.rules.iter().filter(is_over).map(|rule| rule.id.clone()).collect()
}

/// The openings whose end has come, by what the rules of a group say of themselves.
#[must_use]
pub fn overdue(facts: &Facts, now: Timestamp) -> BTreeSet<String> {
    let markers = facts.rules.iter().filter_map(marker_of);
    markers.filter(|marker| marker.until <= now).map(|marker| marker.waiver.to_owned()).collect()
}

#[cfg(test)]
mod tests;
