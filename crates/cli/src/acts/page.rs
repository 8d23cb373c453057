//! One act, told in words: for whoever was not there.

use std::fmt::Write as _;

use jiff::Timestamp;
use portcullis::domain::evidence::{ActOutcome, ConfirmedBy, Evidence, Reply};
use portcullis::domain::finding::{Action, ExposureFinding, RuleFinding};
use portcullis::domain::rule::{Rule, Source};
use portcullis::domain::text::{escaped, escaped_up_to};
use portcullis::domain::undo;

use crate::words;

/// The page has at most this many rules in each of its lists. The evidence has them all.
const MOST_RULES: usize = 20;

/// The page of an act.
#[must_use]
pub fn page(evidence: &Evidence) -> String {
    let mut page = String::new();
    // A text takes everything.
    let _ = write(evidence, &mut page);
    page
}

fn write(evidence: &Evidence, out: &mut String) -> std::fmt::Result {
    if let Some(opening) = &evidence.opening {
        return super::opening::write(evidence, opening, out);
    }
    let location = &evidence.location;
    writeln!(out, "{}\n", title(evidence))?;
    writeln!(out, "Where      security group {}", location.group)?;
    let vpc = location.vpc.as_ref().map_or_else(String::new, |vpc| format!(", {vpc}"));
    writeln!(out, "           account {}, Region {}{vpc}", location.account, location.region)?;
    writeln!(out, "When       {}", evidence.who.time.map_or_else(|| "unknown".to_owned(), time))?;
    let unknown = || "unknown".to_owned();
    let text = |text: &Option<String>| text.as_deref().map_or_else(unknown, |text| escaped_up_to(text, 300));
    if evidence.is_of_sweep() {
        writeln!(out, "Who        a sweep of Portcullis found it: who opened the port is not known")?;
    } else {
        writeln!(out, "Who        {}", text(&evidence.who.actor))?;
        writeln!(
            out,
            "           from {}, with {} by its own word",
            text(&evidence.who.source_ip),
            text(&evidence.who.user_agent)
        )?;
        writeln!(out, "Call       {} (event {})", text(&evidence.who.call), text(&evidence.who.id))?;
    }
    section(out, "What was open")?;
    if evidence.decided.exposures.is_empty() {
        writeln!(out, "  What the change made is known from its record alone: the group did not show it any more.")?;
    }
    for exposure in &evidence.decided.exposures {
        writeln!(out, "  {}", exposed(exposure))?;
    }
    section(
        out,
        if evidence.outcome == ActOutcome::WouldRevert { "What would have been done" } else { "What was done" },
    )?;
    for line in done(evidence) {
        writeln!(out, "  {line}")?;
    }
    section(out, "The rules, as they were")?;
    for taken in evidence.rules.iter().take(MOST_RULES) {
        writeln!(out, "  {}: {}", became(&taken.action), rule(&taken.rule))?;
    }
    more(out, evidence.rules.len())?;
    let shown = evidence.looks.last().map(|look| look.rules.len()).unwrap_or_default();
    let planned = evidence.looks.last().map(|look| look.plan.steps.len()).unwrap_or_default();
    writeln!(out, "  {} of the group stayed as they were.", words::count(shown.saturating_sub(planned), "other rule"))?;
    section(out, "Why")?;
    writeln!(out, "  {}.", escaped_up_to(&evidence.decided.reason, 2000))?;
    writeln!(
        out,
        "  The policy with the SHA-256 {} decided, in {} mode,",
        evidence.guard.policy,
        evidence.guard.mode.as_str()
    )?;
    writeln!(out, "  as version {} of Portcullis reads it.", escaped(&evidence.guard.version))?;
    section(out, "What you can do")?;
    if !undo::taken(evidence).is_empty() {
        writeln!(out, "  portcullis undo {}", evidence.id)?;
        writeln!(out, "      puts the rules back, where the policy lets them be")?;
    }
    writeln!(out, "  portcullis evidence verify {}", evidence.id)?;
    writeln!(out, "      judges the act again from its evidence")
}

fn title(evidence: &Evidence) -> String {
    let what = match evidence.outcome {
        ActOutcome::Reverted => "Portcullis closed a port that was open to the internet",
        ActOutcome::WouldRevert => "Portcullis would have closed a port that is open to the internet (alert mode)",
        ActOutcome::AlreadyGone => "A port was open to the internet, and was closed before Portcullis could close it",
        ActOutcome::Failed => "Portcullis could not close a port that is open to the internet",
        ActOutcome::Intended => "An operator was about to put rules back",
        ActOutcome::PutBack | ActOutcome::Opened => "An operator put rules back",
    };
    format!("{what}\nAct        {}", evidence.id)
}

pub(super) fn section(out: &mut String, title: &str) -> std::fmt::Result {
    writeln!(out, "\n{title}")
}

fn more(out: &mut String, all: usize) -> std::fmt::Result {
    match all.saturating_sub(MOST_RULES) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more, in the evidence"),
    }
}

/// `2026-11-25 18:00:02 UTC`
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn exposed(exposure: &ExposureFinding) -> String {
    let sources: Vec<String> = exposure.sources.iter().map(|source| escaped(source)).collect();
    let standing = if exposure.standing { "; it was open without this change too" } else { "" };
    format!(
        "{} to {} public addresses, from {}{standing}",
        words::ports(exposure),
        exposure.public_addresses,
        sources.join(", ")
    )
}

pub(super) fn done(evidence: &Evidence) -> Vec<String> {
    let count = |is: fn(&Action) -> bool| evidence.rules.iter().filter(|taken| is(&taken.action)).count();
    let mut lines = Vec::new();
    for call in evidence.looks.iter().filter_map(|look| look.call.as_ref()) {
        let request = call.request.as_deref().map_or_else(String::new, |id| format!(", AWS's request {}", escaped(id)));
        let answer = match &call.reply {
            Reply::Revoked(rules) => format!("EC2 listed {} as revoked", words::count(rules.len(), "rule")),
            Reply::Accepted => "EC2 took the call".to_owned(),
            Reply::Failed(code) => format!("it failed with {}", escaped(code)),
        };
        let rules = words::count(call.rules.len(), "rule");
        lines.push(format!("{} {} for {rules}: {answer}{request}.", time(call.at), escaped(&call.name)));
    }
    match evidence.outcome {
        ActOutcome::Reverted => {
            let how = match evidence.confirmed_by {
                ConfirmedBy::Answer => "EC2's answer confirms it",
                ConfirmedBy::Look => "a later look at the group confirms it",
                ConfirmedBy::AbsentAtSecondLook | ConfirmedBy::Nothing => "nothing confirms it",
            };
            let counts = [
                (count(|action| *action == Action::Revoked), "revoked"),
                (count(|action| *action == Action::Restored), "restored"),
            ];
            let done = counts.into_iter().filter(|(rules, _)| *rules > 0);
            let done: Vec<String> =
                done.map(|(rules, what)| format!("{} {what}", words::count(rules, "rule"))).collect();
            lines.push(format!("{}: {how}.", done.join(", ")));
        }
        ActOutcome::WouldRevert => lines.push("Nothing was changed.".to_owned()),
        ActOutcome::AlreadyGone => lines.push(
            "The rules were gone. Whether an earlier attempt of the same act revoked them, or somebody else did, cannot \
             be told."
                .to_owned(),
        ),
        ActOutcome::Failed => {
            lines.push("Something that had to go is there still, or nobody knows.".to_owned());
        }
        ActOutcome::Intended => lines.push("This was written before the calls.".to_owned()),
        ActOutcome::PutBack => lines.extend(put_back(evidence)),
        ActOutcome::Opened => lines.push("The rules are there: a later look at the group confirms it.".to_owned()),
    }
    if let Some(ms) = evidence.exposed_ms {
        let (seconds, tenths) = (ms / 1000, ms % 1000 / 100);
        lines.push(format!(
            "The port was open for {seconds}.{tenths} seconds after the call (CloudTrail's times are whole seconds)."
        ));
    }
    lines
}

fn put_back(evidence: &Evidence) -> Vec<String> {
    let Some(undo) = &evidence.undo else { return Vec::new() };
    let mut lines = vec![format!("It undid the act {}.", undo.act)];
    lines.extend(undo.reason.iter().map(|reason| format!("Reason: {}", escaped_up_to(reason, 300))));
    lines.extend(undo.rules.iter().map(|rule| match &rule.is {
        Some(is) => format!("{} is there again as {is}.", rule.was),
        None => format!("{} is not there.", rule.was),
    }));
    lines
}

pub(super) fn became(action: &Action) -> String {
    match action {
        Action::Failed { error } => format!("not revoked ({})", escaped(error)),
        other @ (Action::Revoked
        | Action::WouldRevoke
        | Action::Restored
        | Action::WouldRestore
        | Action::Kept
        | Action::AlreadyGone) => other.as_str().replace('_', " "),
    }
}

/// A rule in a line: `sgr-… tcp 22 from 0.0.0.0/0, "office", 2 tags`.
#[must_use]
pub fn rule(rule: &Rule) -> String {
    let mut line = format!(
        "{} {} from {}",
        rule.id,
        words::admits(&RuleFinding::of(rule, Action::Kept)),
        source(&rule.permission.source)
    );
    if let Some(description) = &rule.description {
        let _ = write!(line, ", \"{}\"", escaped_up_to(description, 100));
    }
    if !rule.tags.is_empty() {
        let tag = |(key, value): (&String, &String)| format!("{}={}", escaped(key), escaped(value));
        let tags: Vec<String> = rule.tags.iter().take(5).map(tag).collect();
        let more = if rule.tags.len() > 5 { ", …" } else { "" };
        let _ = write!(line, ", tags {}{more}", tags.join(", "));
    }
    line
}

fn source(source: &Source) -> String {
    escaped(&source.to_string())
}
