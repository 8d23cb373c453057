//! A policy in words: what it guards, against whom, where it enforces, what it exempts and until when.
//!
//! Nothing here decides anything. The page is for a person who reads or reviews a policy; [`warnings`] are for a pipeline.

mod principals;
mod regions;
mod warnings;
mod words;

pub use warnings::{Warning, summary, warnings};

use jiff::Timestamp;
use portcullis_domain::net::Family;
use portcullis_domain::policy::{Exemption, Mode, Policy, time_in_words};
use portcullis_domain::text::{escaped, escaped_up_to};

use words::{Page, ends, list, number, place, reason, rough};

/// An exemption that ends within this many days ends soon.
pub const SOON_DAYS: i64 = 30;

/// Where an exemption stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// It no longer holds.
    Expired,
    /// It holds, for [`SOON_DAYS`] at most.
    Soon,
    /// It holds for longer.
    Holds,
    /// It holds for ever.
    Endless,
}

impl Life {
    fn of(exemption: &Exemption, now: Timestamp) -> Self {
        match exemption.until {
            None => Self::Endless,
            Some(_) if !exemption.holds(now) => Self::Expired,
            Some(until) if until.duration_since(now) <= jiff::SignedDuration::from_hours(SOON_DAYS * 24) => Self::Soon,
            Some(_) => Self::Holds,
        }
    }
}

/// The policy on one page, at most 80 columns wide where no single word is wider.
#[must_use]
pub fn page(policy: &Policy, now: Timestamp) -> String {
    let mut page = Page::default();
    guards(policy, &mut page);
    internet(policy, &mut page);
    trusted(policy, &mut page);
    modes(policy, &mut page);
    sweep(policy, &mut page);
    waivers(policy, &mut page);
    budget(policy, &mut page);
    exemptions(policy, now, &mut page);
    let mistakes = warnings::mistakes(policy);
    if !mistakes.is_empty() {
        page.heading("Probably a mistake");
        for mistake in mistakes {
            let line = mistake.line.map_or_else(String::new, |line| format!(" (line {line})"));
            page.text("  - ", &format!("{}{line}", mistake.text));
        }
    }
    page.finish()
}

fn guards(policy: &Policy, page: &mut Page) {
    page.heading("What is guarded");
    let mut rows: Vec<(String, String, Vec<String>)> = Vec::new();
    for guard in policy.guards() {
        let (name, protocol, ports) =
            (escaped_up_to(&guard.name, 30), guard.transport.to_string(), guard.ports.to_string());
        match rows.iter_mut().find(|row| (&row.0, &row.1) == (&name, &protocol)) {
            Some(row) => row.2.push(ports),
            None => rows.push((name, protocol, vec![ports])),
        }
    }
    let width = rows.iter().map(|row| row.0.chars().count()).chain(["service".len()]).max().unwrap_or(0);
    page.text(&format!("  {:<width$}  protocol  ", "service"), "ports");
    for (name, protocol, ports) in rows {
        page.text(&format!("  {name:<width$}  {protocol:<8}  "), &ports.join(", "));
    }
}

fn internet(policy: &Policy, page: &mut Page) {
    page.heading("What counts as the internet");
    let exposed = "A port counts as exposed when one security group's ingress rules together let in at least this \
                   many public addresses that are not trusted:";
    page.text("  ", exposed);
    for family in Family::BOTH {
        let (limit, all, prefix) = (policy.limit(family), policy.counted(family).count(), policy.internet(family));
        let amount = match (limit == all, prefix) {
            (true, 0) => format!("all {}", number(all)),
            (true, _) => format!("all {}, which are no more than one /{prefix}", number(all)),
            (false, _) => {
                let share = rough(all.saturating_add(limit / 2).checked_div(limit).unwrap_or(all));
                format!("{}, as many as one /{prefix}: about 1 in {share} of them", number(limit))
            }
        };
        page.text(&format!("    {family}  "), &amount);
    }
}

fn trusted(policy: &Policy, page: &mut Page) {
    page.heading("What is trusted");
    if policy.trusted().is_empty() {
        return page.text("  ", "Nothing: every public address counts.");
    }
    page.text("  ", "These sources never count:");
    policy.trusted().iter().for_each(|block| page.text("    ", &block.to_string()));
    let left = Family::BOTH.map(|family| format!("{} {family}", number(policy.counted(family).count())));
    page.text("  ", &format!("That leaves {} addresses that do.", left.join(" and ")));
}

fn mode_in_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Alert => "alert only",
        Mode::Enforce => "enforce",
    }
}

fn modes(policy: &Policy, page: &mut Page) {
    page.heading("Where it enforces, and where it only alerts");
    let elsewhere = mode_in_words(policy.mode_elsewhere());
    if policy.scopes().is_empty() {
        page.text("  ", &format!("Everywhere: {elsewhere}."));
    } else {
        page.text("  ", "The first that matches:");
        for (scope, n) in policy.scopes().iter().zip(1..) {
            page.text(&format!("  {n:>3}. "), &format!("{}: {}", place(&scope.place), mode_in_words(scope.mode)));
        }
        page.text("       ", &format!("everywhere else: {elsewhere}"));
    }
    page.text(
        "  ",
        match warnings::enforces_somewhere(policy) {
            true => {
                "Enforcing takes two: rules are revoked only where the policy says enforce and the function's \
                 PORTCULLIS_MODE says enforce too. Otherwise it alerts."
            }
            false => "Nothing is revoked anywhere, even where the function's PORTCULLIS_MODE says enforce.",
        },
    );
}

fn sweep(policy: &Policy, page: &mut Page) {
    page.heading("What the sweep does");
    let sweep = policy.sweep();
    let does = match sweep.mode {
        Mode::Alert => "It only alerts: what is open is reported and left as it is.".to_owned(),
        Mode::Enforce => format!(
            "It revokes what is open where policy and function both enforce, at most {} rules in each account and \
             Region; past that it only alerts.",
            sweep.max_revocations
        ),
    };
    page.text("  ", &format!("{does} The same holds for an event that does not say which group it changed."));
}

fn waivers(policy: &Policy, page: &mut Page) {
    page.heading("What an operator may open for a while");
    let waivers = policy.waivers();
    if waivers.most().is_zero() {
        return page.text("  ", "Nothing: no waiver holds.");
    }
    let most = time_in_words(waivers.most());
    let who = match waivers.by() {
        [] => "anyone who may write to the memory".to_owned(),
        by => list(by.iter().map(|pattern| escaped_up_to(pattern, 200)), "or"),
    };
    page.text("  ", &format!("One group with a waiver, which lasts {most} at most. Who may have one: {who}."));
}

fn budget(policy: &Policy, page: &mut Page) {
    page.heading("What events may take");
    let (most, per) = (policy.budget().old_rules(), time_in_words(policy.budget().per()));
    let taken = format!(
        "What a call itself made goes always. Of the rules that a changed prefix list makes harmful, events take at \
         most {most} in {per} in each account and Region; past that they are only reported. Counting takes a memory."
    );
    page.text("  ", &taken);
}

fn exemptions(policy: &Policy, now: Timestamp, page: &mut Page) {
    page.heading(&format!("What is exempt at {}", now.strftime("%F %H:%M UTC")));
    if policy.exemptions().is_empty() {
        return page.text("  ", "Nothing.");
    }
    let lives = [
        (Life::Expired, "No longer holds, and is not exempt:"),
        (Life::Soon, "Holds, and ends within 30 days:"),
        (Life::Holds, "Holds for longer:"),
        (Life::Endless, "Holds and never ends:"),
    ];
    for (life, title) in lives {
        let mut all =
            policy.exemptions().iter().zip(1..).filter(|(exemption, _)| Life::of(exemption, now) == life).peekable();
        if all.peek().is_some() {
            page.text("  ", title);
        }
        for (exemption, n) in all {
            page.text(&format!("  {n:>3}. "), &format!("{} (line {})", reason(exemption, 200), exemption.line));
            if let Some(until) = exemption.until {
                page.text("       ", &format!("until {until}, {}", ends(until, now)));
            }
            page.text("       ", &covers(exemption));
        }
    }
}

fn covers(exemption: &Exemption) -> String {
    let names = |names: &Vec<String>| list(names.iter().map(|name| escaped(name)), "and");
    let guards = exemption.guards.as_ref().map_or_else(|| "every guarded service".to_owned(), names);
    let sources =
        exemption.sources().map_or_else(String::new, |blocks| format!(", from within {}", list(blocks, "or")));
    let makers = exemption.principals.as_ref().map_or_else(String::new, |patterns| {
        let patterns = list(patterns.iter().map(|pattern| escaped_up_to(pattern, 200)), "or");
        format!(", in rules that {patterns} made; not in a sweep, which does not know who made a rule")
    });
    format!("covers {guards} {}{sources}{makers}", place(&exemption.place))
}
/// The services that a policy can name, one a line with its ports; those that are guarded without a policy are marked.
#[must_use]
pub fn services() -> String {
    let built_in = Policy::built_in();
    let is_built_in = |name: &str| built_in.guards().iter().any(|guard| guard.name == name);
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for port in portcullis_domain::policy::services() {
        let ports = format!("{} {}", port.transport, port.ports);
        match rows.last_mut().filter(|(name, _)| *name == port.name) {
            Some((_, of)) => of.push(ports),
            None => rows.push((port.name, vec![ports])),
        }
    }
    let row = |(name, ports): &(String, Vec<String>)| {
        let mark = if is_built_in(name) { "  (guarded without a policy)" } else { "" };
        format!("{name:<14} {}{mark}\n", ports.join(", "))
    };
    rows.iter().map(row).collect()
}
