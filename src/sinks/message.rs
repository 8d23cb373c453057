//! A finding as an SNS message, with a text for each kind of subscriber.
//!
//! Sources: SNS Developer Guide, "Publishing with a platform-specific payload" (`MessageStructure: json`; 256 KB with
//! attributes); Amazon Q Developer in chat applications, "Custom notifications" (title at most 250, description 8000).

use portcullis_domain::finding::{Finding, Outcome, Verdict};
use serde_json::json;

use crate::aws::Message;

/// A message lists at most this many entries, so that it always fits. The log has the whole finding.
const MOST_LISTED: usize = 25;

/// The message for a finding. Its attributes are `verdict`, `outcome`, `account` and `region`.
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
    Message {
        subject: title(finding).chars().filter(|c| (' '..='~').contains(c)).take(100).collect(),
        body: body.to_string(),
        attributes: words.into_iter().chain(places).collect(),
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

/// What happened, in few words.
fn happened(finding: &Finding) -> &'static str {
    match (finding.verdict, finding.outcome) {
        (Verdict::Undecided, _) => "cannot be decided",
        (_, Outcome::Failed) => "open and NOT taken back",
        (_, Outcome::Reverted) => "opened and taken back",
        (_, Outcome::WouldRevert) => "open (alert mode: not touched)",
        (Verdict::Exposed, Outcome::None) => "OPEN, and not by this change's rules alone: not touched",
        (Verdict::Exposed, Outcome::AlreadyGone) => "was open, and is closed now, not by Portcullis",
        (_, Outcome::AlreadyGone) => "already gone",
        (_, Outcome::None) => "looked at",
    }
}

fn title(finding: &Finding) -> String {
    let group = finding.group.as_deref().unwrap_or("a security group");
    let place = format!("{}/{}", or_unknown(finding.account.as_ref()), or_unknown(finding.region.as_ref()));
    let guards: std::collections::BTreeSet<&str> = finding.exposures.iter().map(|e| e.guard.as_str()).collect();
    let guards = guards.into_iter().collect::<Vec<_>>().join(", ");
    let what = if guards.is_empty() { happened(finding).to_owned() } else { format!("{guards} {}", happened(finding)) };
    format!("Portcullis: {group} in {place}: {what}")
}

/// What the reader should do about it.
fn next_step(finding: &Finding) -> &'static str {
    match (finding.verdict, finding.outcome) {
        (Verdict::Undecided, _) => "Look at the group by hand: Portcullis could not tell what this change did.",
        (_, Outcome::Failed) => {
            "Close it by hand now, then find out why: the error names AWS's reason. The function tries again."
        }
        (_, Outcome::Reverted) => {
            "Tell whoever opened it. If it is lawful, add an exemption with a reason to the policy."
        }
        (_, Outcome::WouldRevert) => "Close it, or add an exemption with a reason. Nothing is touched in alert mode.",
        (Verdict::Exposed, Outcome::AlreadyGone) => {
            "It is closed. Ask whoever opened it, and look in the flow logs who came in meanwhile."
        }
        (Verdict::Exposed, _) => {
            "Close it by hand: it is open through rules that this event did not make, and an event takes back its own only."
        }
        (Verdict::Exempt | Verdict::Safe | Verdict::Irrelevant, _) => "Nothing to do.",
    }
}

fn rows(finding: &Finding) -> Vec<(&'static str, String)> {
    let text = |value: &Option<String>| or_unknown(value.as_ref()).to_owned();
    vec![
        ("Group", text(&finding.group)),
        ("Account", text(&finding.account)),
        ("Region", text(&finding.region)),
        ("Call", text(&finding.call)),
        ("By", text(&finding.actor)),
        ("From", text(&finding.source_ip)),
        ("When", finding.time.map_or_else(|| "unknown".to_owned(), |time| time.to_string())),
        ("Mode", finding.mode.as_str().to_owned()),
        ("Event", text(&finding.id)),
    ]
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
