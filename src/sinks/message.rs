//! A finding as an SNS message, with a text for each kind of subscriber.
//!
//! Sources: SNS Developer Guide, "Publishing with a platform-specific payload" (`MessageStructure: json`; 256 KB with
//! attributes); Amazon Q Developer in chat applications, "Custom notifications" (title at most 250, description 8000).

use std::collections::BTreeSet;

use portcullis_domain::finding::{Finding, MOST_NAMED, Outcome, SweepFinding, Verdict};
use serde_json::json;

use crate::aws::Message;

/// A message lists at most this many entries, so that it always fits. The log has the whole finding.
const MOST_LISTED: usize = 25;

/// Each place that a sweep could not look at takes at most this many characters of a message.
const LONGEST_NAME: usize = 300;

/// The message for a finding. Its attributes are `verdict`, `outcome`, `account` and `region`; and `exempt_by` where that
/// is why it is published.
#[must_use]
pub fn of(finding: &Finding) -> Message {
    let finding = &brief(finding);
    let machine = super::log::line(finding);
    let body = json!({
        "default": machine,
        "email": mail(finding),
        "email-json": machine,
        "http": chat(finding),
        "https": chat(finding),
        "sqs": machine,
        "lambda": machine,
        "sms": title(finding),
    });
    let words = [("verdict", finding.verdict.as_str().to_owned()), ("outcome", finding.outcome.as_str().to_owned())];
    let places = [("account", &finding.account), ("region", &finding.region)];
    let places = places.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    let exempt_by = finding.exempt_by.map(|by| ("exempt_by", by.as_str().to_owned()));
    Message {
        subject: title(finding).chars().filter(|c| (' '..='~').contains(c)).take(100).collect(),
        body: body.to_string(),
        attributes: words.into_iter().chain(places).chain(exempt_by).collect(),
    }
}

/// The finding with its lists and its reason cut to a length that always fits.
fn brief(finding: &Finding) -> Finding {
    let mut brief = finding.clone();
    let mut cut = brief.exposures.len() > MOST_LISTED || brief.rules.len() > MOST_LISTED;
    brief.exposures.truncate(MOST_LISTED);
    brief.rules.truncate(MOST_LISTED);
    for exposure in &mut brief.exposures {
        cut |= exposure.rules.len() > MOST_LISTED || exposure.sources.len() > MOST_LISTED;
        exposure.rules.truncate(MOST_LISTED);
        exposure.sources.truncate(MOST_LISTED);
    }
    if let Some(sweep) = &mut brief.sweep {
        // The summary's other lists are short already.
        cut |= sweep.unreachable.len() > MOST_NAMED;
        sweep.unreachable.truncate(MOST_NAMED);
        for why in &mut sweep.unreachable {
            *why = why.chars().take(LONGEST_NAME).collect();
        }
    }
    if brief.reason.chars().count() > 2000 {
        cut = true;
        brief.reason = brief.reason.chars().take(2000).collect::<String>() + "…";
    }
    if cut {
        brief.reason.push_str(" (shortened: the function's log has the whole finding)");
    }
    brief
}

fn or_unknown(value: Option<&String>) -> &str {
    value.map_or("unknown", String::as_str)
}

/// What the subject says: whether a port is open now, and what happened.
struct Headline {
    /// Whether a port is open that nobody has made lawful.
    is_open: bool,
    what: &'static str,
    next_step: &'static str,
}

/// The headline of a finding about a group or a place.
fn headline(finding: &Finding) -> Headline {
    let open = |what, next_step| Headline { is_open: true, what, next_step };
    let over = |what, next_step| Headline { is_open: false, what, next_step };
    match (finding.verdict, finding.outcome) {
        (Verdict::Undecided, _) => {
            over("cannot be decided", "Look at the group by hand: Portcullis could not tell what this change did.")
        }
        (_, Outcome::Failed) => open(
            "NOT taken back",
            "Close it by hand now, then find out why: the error names AWS's reason. The function tries again.",
        ),
        (_, Outcome::WouldRevert) => open(
            "not touched (alert mode)",
            "Close it, or add an exemption with a reason. Nothing is touched in alert mode.",
        ),
        (Verdict::Exposed, Outcome::Reverted) if finding.is_open() => open(
            "STILL OPEN through other rules, own rules taken back",
            "Close it by hand: it is open through rules that this event did not make. Then tell whoever opened it.",
        ),
        (_, Outcome::Reverted) => over(
            "opened and taken back",
            "Tell whoever opened it. If it is lawful, add an exemption with a reason to the policy.",
        ),
        (Verdict::Exposed, Outcome::AlreadyGone) if !finding.is_open() => over(
            "was open, and is closed now, not by Portcullis",
            "It is closed. Ask whoever opened it, and look in the flow logs who came in meanwhile.",
        ),
        (Verdict::Exposed, Outcome::AlreadyGone | Outcome::None) => open(
            "not by this change's rules alone: not touched",
            "Close it by hand: it is open through rules that this event did not make, and an event takes back its own only.",
        ),
        (Verdict::Exempt, _) if finding.exempt_by.is_some() => over(
            "open by an exemption for who made it",
            "Nothing to do where that was expected. Where it was not, ask who used the exempt principal.",
        ),
        (Verdict::Exempt | Verdict::Safe | Verdict::Irrelevant, Outcome::AlreadyGone) => {
            over("no longer there", "Nothing to do.")
        }
        (Verdict::Exempt | Verdict::Safe | Verdict::Irrelevant, Outcome::None) => over("looked at", "Nothing to do."),
    }
}

/// The headline says first whether a port is open now.
fn title(finding: &Finding) -> String {
    if let Some(sweep) = &finding.sweep {
        return sweep_title(sweep);
    }
    let Headline { is_open, what, .. } = headline(finding);
    let group = finding.group.as_deref().unwrap_or("a security group");
    let place = format!("{}/{}", or_unknown(finding.account.as_ref()), or_unknown(finding.region.as_ref()));
    // Of a port that others keep open nothing is said of the ports that are closed.
    let stands = is_open && finding.exposures.iter().any(|exposure| exposure.standing);
    let named = finding.exposures.iter().filter(|exposure| exposure.standing || !stands || is_own(finding.outcome));
    let guards: BTreeSet<&str> = named.map(|exposure| exposure.guard.as_str()).collect();
    let guards = guards.into_iter().collect::<Vec<_>>().join(", ");
    let what = if guards.is_empty() { what.to_owned() } else { format!("{guards} {what}") };
    let open = if is_open { "OPEN: " } else { "" };
    format!("Portcullis: {open}{group} in {place}: {what}")
}

/// Whether what is open is open through the change's own rules too.
const fn is_own(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::WouldRevert)
}

/// What a sweep found, the gravest first.
fn sweep_title(sweep: &SweepFinding) -> String {
    let parts = [
        // Those that the summary names: fifty may be more.
        (sweep.open.len(), if sweep.open.len() < MOST_NAMED { "OPEN" } else { "or more OPEN" }),
        (sweep.failed, "NOT taken back"),
        (sweep.undecided, "undecided"),
        (
            sweep.unreachable.len(),
            if sweep.unreachable.len() < MOST_NAMED { "not looked at" } else { "or more not looked at" },
        ),
        (sweep.reverted, "taken back"),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let found = if parts.is_empty() { "nothing open".to_owned() } else { parts.join(", ") };
    format!("Portcullis: sweep: {found}")
}

/// What the reader should do about it.
fn next_step(finding: &Finding) -> &'static str {
    match &finding.sweep {
        None => headline(finding).next_step,
        Some(sweep) if !sweep.open.is_empty() => {
            "Close what is open by hand, or add an exemption with a reason. The sentence above names the groups."
        }
        Some(sweep) if !sweep.unreachable.is_empty() => {
            "Find out why a place could not be looked at. The function tries again."
        }
        Some(sweep) if sweep.undecided > 0 => "Look by hand at the groups that could not be decided.",
        Some(sweep) if sweep.reverted > 0 => "Tell whoever opened it. The log has a finding for each group.",
        Some(_) => "Nothing to do.",
    }
}

fn rows(finding: &Finding) -> Vec<(&'static str, String)> {
    let text = |value: &Option<String>| or_unknown(value.as_ref()).to_owned();
    let open_for = finding.open_seconds.map(|seconds| ("Open for", format!("{seconds} s")));
    let rows = [
        ("Group", text(&finding.group)),
        ("Account", text(&finding.account)),
        ("Region", text(&finding.region)),
        ("Call", text(&finding.call)),
        ("By", text(&finding.actor)),
        ("From", text(&finding.source_ip)),
        ("When", finding.time.map_or_else(|| "unknown".to_owned(), |time| time.to_string())),
        ("Mode", finding.mode.as_str().to_owned()),
        ("Event", text(&finding.id)),
    ];
    rows.into_iter().chain(open_for).collect()
}

fn rule_lines(finding: &Finding) -> Vec<String> {
    let part = |value: &Option<String>| value.clone().unwrap_or_default();
    let number = |value: Option<i64>| value.map_or_else(|| "all".to_owned(), |value| value.to_string());
    let line = |rule: &portcullis_domain::finding::RuleFinding| {
        let ports = format!("{} to {}", number(rule.from_port), number(rule.to_port));
        let error = rule.action.error().map_or_else(String::new, |error| format!(" ({error})"));
        format!(
            "{} {} ports {ports} from {}: {}{error}",
            rule.id,
            part(&rule.protocol),
            part(&rule.source),
            rule.action.as_str()
        )
    };
    finding.rules.iter().map(line).collect()
}

fn mail(finding: &Finding) -> String {
    if finding.exempt_by.is_some() {
        let (actor, call) = (or_unknown(finding.actor.as_ref()), or_unknown(finding.call.as_ref()));
        return one_line(&format!("{}; {}; {call} by {actor}", title(finding), finding.reason)) + "\n";
    }
    let mut text = format!("{}\n\n{}\n\n{}\n\n", title(finding), finding.reason, next_step(finding));
    for (name, value) in rows(finding) {
        text.push_str(&format!("{name:<8} {}\n", one_line(&value)));
    }
    let rules = rule_lines(finding);
    if !rules.is_empty() {
        text.push_str(&format!("\nRules\n  {}\n", rules.join("\n  ")));
    }
    text
}

/// Text out of an event, which the caller chose: control characters become spaces, so that it stays on its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The same as code in markdown, so that it cannot become a link or a heading.
fn code(text: &str) -> String {
    format!("`{}`", one_line(text).replace('`', "'"))
}

fn chat(finding: &Finding) -> String {
    let mut description = format!("{}\n\n", finding.reason);
    for (name, value) in rows(finding) {
        description.push_str(&format!("*{name}*: {}\n", code(&value)));
    }
    for line in rule_lines(finding) {
        description.push_str(&format!("- {}\n", code(&line)));
    }
    let group = or_unknown(finding.group.as_ref());
    json!({
        "version": "1.0",
        "source": "custom",
        // The schema knows no null.
        "id": or_unknown(finding.id.as_ref()),
        "content": {
            "textType": "client-markdown",
            "title": title(finding).chars().take(250).collect::<String>(),
            "description": description.chars().take(8000).collect::<String>(),
            "nextSteps": [next_step(finding)],
            "keywords": ["portcullis", finding.verdict.as_str(), finding.outcome.as_str()],
        },
        "metadata": {
            "threadId": group,
            "summary": finding.reason.chars().take(250).collect::<String>(),
            "eventType": or_unknown(finding.call.as_ref()),
            "relatedResources": [group],
            "additionalContext": {
                "account": or_unknown(finding.account.as_ref()),
                "region": or_unknown(finding.region.as_ref()),
            },
        },
    })
    .to_string()
}
