//! A fight in words: a port that somebody opens again and again.

use portcullis_domain::finding::{FightFinding, Finding, Outcome, Verdict};
use portcullis_domain::policy::Mode;
use portcullis_domain::text::for_people;

use super::words::duration;

/// A finding keeps the names of this many actors.
const MOST_ACTORS: usize = 8;

/// What of it a title says, after what happened.
pub(super) fn in_title(finding: &Finding) -> Option<String> {
    let fight = finding.fight.as_ref()?;
    let is_of_fight = finding.verdict == Verdict::Exposed && finding.outcome != Outcome::None;
    is_of_fight.then(|| format!(", fight ({} times)", fight.count))
}

/// How often, since when, how fast and by whom. Names stand between backticks.
pub(super) fn sentence(finding: &Finding) -> Option<String> {
    let FightFinding { count, since, actors, every_seconds, .. } = finding.fight.as_ref()?;
    let what = match finding.mode {
        Mode::Enforce => "This is a fight: the port was opened and closed",
        // Nothing is closed in alert mode.
        Mode::Alert => "This is a fight: the port was opened",
    };
    let since = since.map_or_else(String::new, |since| format!(" since {since}"));
    let every = every_seconds.map_or_else(String::new, |every| format!(", lately every {}", duration(every)));
    let named: Vec<String> = actors.iter().map(|actor| format!("`{}`", for_people(actor))).collect();
    let first = if named.len() >= MOST_ACTORS { " (the first eight)" } else { "" };
    let by = if named.is_empty() { String::new() } else { format!(" Opened by{first}: {}.", named.join(", ")) };
    Some(format!("{what} {count} times{since}{every}.{by}"))
}

/// What ends it. The tool is known by the callers' own word.
pub(super) fn advice(finding: &Finding) -> Option<String> {
    let advice = match finding.fight.as_ref()?.tool {
        Some(tool) => format!(
            "The user agent names {}, which is the caller's own word. If that is so: {}",
            tool.name(),
            for_people(tool.what_to_do())
        ),
        None => "Find out what opens the port each time, and change it there.".to_owned(),
    };
    Some(advice)
}
