//! A finding as an SNS message, with a text for each kind of subscriber.
//!
//! Sources: SNS Developer Guide, "Publishing with a platform-specific payload" (`MessageStructure: json`; 256 KB with
//! attributes); Amazon Q Developer in chat applications, "Custom notifications" (title at most 250, description 8000).

mod fight;
mod help;
pub mod ocsf;
mod text;
mod title;
mod words;

use std::collections::BTreeMap;

use portcullis_domain::finding::{Finding, MOST_NAMED, Outcome};
use portcullis_domain::text::for_people;
use serde_json::{Value, json};

use crate::aws::Message;
use text::{code, group_id};
use title::{LONGEST_SUBJECT, next_step, title};
pub use words::admits;

/// A message lists at most this many entries, so that it always fits. The log has the whole finding.
const MOST_LISTED: usize = 25;
/// Each place that a sweep could not look at takes at most this many characters of a message.
const LONGEST_NAME: usize = 300;
/// A card's title and description have at most this many characters.
const LONGEST_TITLE: usize = 250;
const LONGEST_DESCRIPTION: usize = 8000;

/// The message for a finding. Its attributes are `verdict`, `outcome`, `account` and `region`; and `exempt_by` where that
/// is why it is published.
#[must_use]
pub fn of(finding: &Finding) -> Message {
    let finding = &brief(finding);
    let texts = Texts {
        machine: super::log::line(finding),
        mail: mail(finding),
        chat: chat(finding),
        short: title(finding, LONGEST_SUBJECT),
    };
    let words = [("verdict", finding.verdict.as_str().to_owned()), ("outcome", finding.outcome.as_str().to_owned())];
    let places = [("account", &finding.account), ("region", &finding.region)];
    let places = places.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    let exempt_by = finding.exempt_by.map(|by| ("exempt_by", by.as_str().to_owned()));
    texts.message(words.into_iter().chain(places).chain(exempt_by).collect())
}

/// The message about findings that were not published each, by their outcomes.
#[must_use]
pub fn of_others(others: &BTreeMap<Outcome, usize>) -> Message {
    let count: usize = others.values().sum();
    let gravest = if others.contains_key(&Outcome::Failed) { Outcome::Failed } else { Outcome::None };
    let what = format!("{count} more findings of this delivery are in the log alone: {}", words::outcomes(others));
    let next = "One delivery sends at most 100 messages. Look in the function's log for all of its findings.";
    let by_outcome: BTreeMap<&str, usize> = others.iter().map(|(outcome, count)| (outcome.as_str(), *count)).collect();
    let card = Card {
        id: None,
        title: &format!("Portcullis: {count} more findings"),
        description: &what,
        next_steps: vec![next.to_owned()],
        keywords: vec!["portcullis"],
        metadata: serde_json::Map::new(),
    };
    let texts = Texts {
        machine: json!({"schema": 1, "reason": what, "not_published": by_outcome}).to_string(),
        mail: format!("Portcullis: {what}.\n\n{next}\n"),
        chat: card.text(),
        short: format!("Portcullis: {count} more findings, in the log"),
    };
    texts.message(vec![("outcome", gravest.as_str().to_owned())])
}

/// What each kind of subscriber gets.
struct Texts {
    machine: String,
    mail: String,
    chat: String,
    short: String,
}

impl Texts {
    fn message(self, attributes: Vec<(&'static str, String)>) -> Message {
        let Self { machine, mail, chat, short } = self;
        let subject: String = short.chars().filter(|c| (' '..='~').contains(c)).take(LONGEST_SUBJECT).collect();
        let body = json!({
            "default": machine,
            "email": mail,
            "email-json": machine,
            "http": chat,
            "https": chat,
            "sqs": machine,
            "lambda": machine,
            "sms": short,
        });
        Message { subject, body: body.to_string(), attributes }
    }
}

/// The end of the reason of a finding of which something is left out.
const SHORTENED: &str = " (shortened: the function's log has the whole finding)";

/// The finding with its lists and its reason cut to a length that always fits.
pub(super) fn brief(finding: &Finding) -> Finding {
    let mut brief = finding.clone();
    let mut cut = brief.exposures.len() > MOST_LISTED || brief.rules.len() > MOST_LISTED;
    brief.exposures.truncate(MOST_LISTED);
    brief.rules.truncate(MOST_LISTED);
    for exposure in &mut brief.exposures {
        cut |= exposure.rules.len() > MOST_LISTED || exposure.sources.len() > MOST_LISTED;
        exposure.rules.truncate(MOST_LISTED);
        exposure.sources.truncate(MOST_LISTED);
    }
    let listed: std::collections::BTreeSet<_> = brief.rules.iter().map(|rule| rule.id.clone()).collect();
    brief.former.retain(|rule, _| listed.contains(rule));
    if let Some(sweep) = &mut brief.sweep {
        // The summary's other lists are short already.
        cut |= sweep.unreachable.len() > MOST_NAMED;
        sweep.unreachable.truncate(MOST_NAMED);
        for why in &mut sweep.unreachable {
            *why = why.chars().take(LONGEST_NAME).collect();
        }
    }
    for actor in brief.fight.iter_mut().flat_map(|fight| &mut fight.actors) {
        cut |= actor.chars().count() > LONGEST_NAME;
        *actor = actor.chars().take(LONGEST_NAME).collect();
    }
    if brief.reason.chars().count() > 2000 {
        cut = true;
        brief.reason = brief.reason.chars().take(2000).collect::<String>() + "…";
    }
    if cut {
        brief.reason.push_str(SHORTENED);
    }
    brief
}

/// What happened, in a sentence or two: what was open to whom, and what could not be done or told.
fn summary(finding: &Finding) -> Vec<String> {
    let sentence = words::sentence(finding);
    let failed = finding.outcome == Outcome::Failed;
    let says_more = sentence.is_none() || finding.doubtful || failed || finding.reason.contains("judged by what");
    let reason = says_more.then(|| finding.reason.clone());
    sentence.into_iter().chain(reason).chain(fight::sentence(finding)).collect()
}

/// What is known of the event, each with its name. What is not known is left out.
fn rows(finding: &Finding) -> Vec<(&'static str, String)> {
    let group = finding.group.as_ref().map(|group| match &finding.group_name {
        Some(name) => format!("{group} ({name})"),
        None => group.clone(),
    });
    let rows = [
        ("Group", group),
        ("Account", finding.account.clone()),
        ("Region", finding.region.clone()),
        ("Call", finding.call.clone()),
        ("By", finding.actor.clone()),
        ("From", finding.source_ip.clone()),
        ("When", finding.time.map(|time| time.to_string())),
        ("Open for", finding.open_seconds.map(words::duration)),
        ("Mode", Some(finding.mode.as_str().to_owned())),
        ("Event", finding.id.clone()),
        ("Console", help::link(finding)),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name, for_people(&value?)))).collect()
}

/// The groups and places that a sweep names, a line each.
fn sweep_lines(finding: &Finding) -> Vec<String> {
    let Some(sweep) = &finding.sweep else { return Vec::new() };
    let lists = [
        ("Open", &sweep.open),
        ("Cannot tell", &sweep.undecided_groups),
        ("Nearly open", &sweep.nearly_open),
        ("Not looked at", &sweep.unreachable),
    ];
    let mut lines = Vec::new();
    for (what, named) in lists.into_iter().filter(|(_, named)| !named.is_empty()) {
        lines.push(format!("\n{what}"));
        lines.extend(named.iter().take(MOST_LISTED).map(|name| format!("  {}", for_people(name))));
        if named.len() > MOST_LISTED {
            // Fifty may be more.
            let or_more = if named.len() >= MOST_NAMED { " or more" } else { "" };
            lines.push(format!("  and {}{or_more} others, which the log names", named.len() - MOST_LISTED));
        }
    }
    lines
}

fn mail(finding: &Finding) -> String {
    let title = title(finding, usize::MAX);
    if finding.exempt_by.is_some() {
        let call = [finding.call.as_deref(), finding.actor.as_deref().map(|_| "by"), finding.actor.as_deref()];
        let call = call.into_iter().flatten().collect::<Vec<_>>().join(" ");
        return for_people(&format!("{title}; {}; {call}", finding.reason)) + "\n";
    }
    let mut text = format!("{title}\n\n");
    if let Some(sweep) = &finding.sweep {
        text.push_str(&format!("{}\n\n{}\n", for_people(&sweep.counts()), next_step(finding)));
        text.push_str(&(sweep_lines(finding).join("\n") + "\n"));
    } else {
        let summary = summary(finding).iter().map(|part| for_people(part)).collect::<Vec<_>>().join("\n");
        let advice = fight::advice(finding).map_or_else(String::new, |advice| format!("{advice}\n"));
        text.push_str(&format!("{summary}\n\n{}\n{advice}", next_step(finding)));
    }
    if let Some(command) = help::command(finding) {
        text.push_str(&format!("\nClose it\n  {command}\n"));
    }
    if let Some(command) = help::behind(finding) {
        text.push_str(&format!("\nSee what is behind it\n  {command}\n"));
    }
    let rules: Vec<String> = finding.rules.iter().map(|rule| words::rule_of(finding, rule)).collect();
    if !rules.is_empty() {
        text.push_str(&format!("\nRules\n  {}\n", rules.join("\n  ")));
    }
    text.push('\n');
    for (name, value) in rows(finding) {
        text.push_str(&format!("{name:<8} {value}\n"));
    }
    if let Some(exemption) = help::exemption(finding) {
        text.push_str(&format!("\nIf it is lawful, add this to the policy\n{exemption}\n"));
    }
    if finding.reason.ends_with(SHORTENED) {
        text.push_str("\nSome of it is left out: the function's log has the whole finding.\n");
    }
    text
}

fn chat(finding: &Finding) -> String {
    let mut description = match &finding.sweep {
        Some(sweep) => text::sentence(&sweep.counts()) + "\n",
        None => summary(finding).iter().map(|part| text::sentence(part) + "\n").collect::<String>() + "\n",
    };
    if let Some(command) = help::command(finding) {
        description.push_str(&format!("Close it: {}\n", code(&command)));
    }
    if let Some(command) = help::behind(finding) {
        description.push_str(&format!("See what is behind it: {}\n", code(&command)));
    }
    for rule in finding.rules.iter().map(|rule| words::rule_of(finding, rule)) {
        description.push_str(&format!("- {}\n", code(&rule)));
    }
    for (name, value) in rows(finding) {
        // A link is ours, and has to be one.
        let value = if name == "Console" { value } else { code(&value) };
        description.push_str(&format!("*{name}*: {value}\n"));
    }
    for line in sweep_lines(finding) {
        let line = line.trim();
        description.push_str(&format!("{line}\n"));
    }
    let summary = summary(finding).first().map(|part| for_people(part)).unwrap_or_default();
    let group = group_id(finding.group.as_ref()).map(|group| group.to_string());
    let place: serde_json::Map<String, Value> = [("account", &finding.account), ("region", &finding.region)]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value.clone()?))))
        .collect();
    let call = finding.call.clone().map(Value::from);
    // The schema knows no null.
    let metadata = [
        ("summary", Some(summary.chars().take(LONGEST_TITLE).collect::<String>().into())),
        ("additionalContext", Some(place.into())),
        ("threadId", group.clone().map(Value::from)),
        ("relatedResources", group.map(|group| json!([group]))),
        ("eventType", call),
    ];
    let card = Card {
        id: finding.id.as_deref().map(for_people),
        title: &title(finding, LONGEST_TITLE),
        description: &description,
        next_steps: [next_step(finding).to_owned()].into_iter().chain(fight::advice(finding)).collect(),
        keywords: vec!["portcullis", finding.verdict.as_str(), finding.outcome.as_str()],
        metadata: metadata.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
    };
    card.text()
}

/// A custom notification.
struct Card<'a> {
    id: Option<String>,
    title: &'a str,
    description: &'a str,
    next_steps: Vec<String>,
    keywords: Vec<&'a str>,
    metadata: serde_json::Map<String, Value>,
}

impl Card<'_> {
    /// Its JSON. A description that is too long ends with a whole line.
    fn text(self) -> String {
        let Self { id, title, description, next_steps, keywords, metadata } = self;
        let mut room = LONGEST_DESCRIPTION;
        let fits = |line: &&str| {
            room = room.saturating_sub(line.chars().count());
            room > 0
        };
        let description: String = description.split_inclusive('\n').take_while(fits).collect();
        let content = json!({
            "textType": "client-markdown",
            "title": title,
            "description": description,
            "nextSteps": next_steps,
            "keywords": keywords,
        });
        let card = [
            ("version", Some("1.0".into())),
            ("source", Some("custom".into())),
            ("id", id.map(Value::from)),
            ("content", Some(content)),
            ("metadata", Some(metadata.into())),
        ];
        let card = card.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(card.collect()).to_string()
    }
}
