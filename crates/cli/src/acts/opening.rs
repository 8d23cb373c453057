//! An opening, or its end, told in words.

use std::fmt::Write as _;

use portcullis::domain::evidence::{self, ActOutcome, EndedBy, Evidence, Kind, Opening};
use portcullis::domain::text::{escaped, escaped_up_to};

use super::page::{became, done, rule, section, time};

/// The page of an opening's act.
pub(super) fn write(evidence: &Evidence, opening: &Opening, out: &mut String) -> std::fmt::Result {
    let location = &evidence.location;
    writeln!(out, "{}\nAct        {}\n", title(evidence), evidence.id)?;
    writeln!(out, "Where      security group {}", location.group)?;
    writeln!(out, "           account {}, Region {}", location.account, location.region)?;
    writeln!(out, "When       {}", evidence.who.time.map_or_else(|| "unknown".to_owned(), time))?;
    writeln!(out, "Who        {}", who(evidence, opening))?;
    writeln!(out, "Waiver     {}, until {}", escaped(&opening.waiver), time(opening.until))?;
    if let Some(reason) = &opening.reason {
        writeln!(out, "Reason     {}", escaped_up_to(reason, 500))?;
    }
    if !opening.opens.is_empty() {
        section(out, "What was asked for")?;
        for permission in &opening.opens {
            writeln!(out, "  {}", escaped(&evidence::words(permission)))?;
        }
    }
    section(out, "What was done")?;
    for line in done(evidence) {
        writeln!(out, "  {line}")?;
    }
    if evidence.kind == Kind::Open {
        for id in &opening.rules {
            writeln!(out, "  {id} is there.")?;
        }
    }
    if !evidence.rules.is_empty() {
        section(out, "The rules, as they were")?;
        for taken in &evidence.rules {
            writeln!(out, "  {}: {}", became(&taken.action), rule(&taken.rule))?;
        }
    }
    section(out, "Why")?;
    writeln!(out, "  {}.", escaped_up_to(&evidence.decided.reason, 2000))?;
    section(out, "What you can do")?;
    if evidence.outcome == ActOutcome::Opened {
        writeln!(out, "  portcullis close {}", opening.waiver)?;
        writeln!(out, "      ends it before its time")?;
    }
    writeln!(out, "  portcullis evidence verify {}", evidence.id)?;
    writeln!(out, "      judges the act again from its evidence")
}

fn title(evidence: &Evidence) -> &'static str {
    match (evidence.kind, evidence.outcome) {
        (Kind::Open, ActOutcome::Intended) => "An operator was about to open a port for a while",
        (Kind::Open, ActOutcome::Opened) => "An operator opened a port for a while",
        (Kind::Open, _) => "An operator could not open a port for a while",
        (_, ActOutcome::Reverted) => "An opening was ended",
        (_, ActOutcome::Failed) => "An opening could not be ended",
        _ => "An opening was ended, and nothing of it was there any more",
    }
}

/// Who opened or ended it.
fn who(evidence: &Evidence, opening: &Opening) -> String {
    match (opening.ended_by, &evidence.who.actor) {
        (Some(EndedBy::Schedule), _) => "its schedule ended it".to_owned(),
        (Some(EndedBy::Sweep), _) => "a sweep ended it: its schedule did not come".to_owned(),
        (_, Some(actor)) => escaped_up_to(actor, 300),
        (_, None) => "unknown".to_owned(),
    }
}
