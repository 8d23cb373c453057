//! Stands between each instance and the model: what every delivery has seen of EC2, and whether what it says fits that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ec2_model::{Reply, Request};
use serde_json::Value;

use super::arena::Arena;
use super::instance::Delivered;
use crate::simulation::judge::{Lists, Rule};

/// What a call made.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    /// The groups that it is about.
    pub(super) groups: BTreeSet<String>,
    /// The rules that it made or changed; of a prefix list those that refer to it.
    pub(super) rules: BTreeSet<String>,
    pub(super) by_attacker: bool,
    /// The record opens nothing, whatever EC2 shows: what is safe by the record alone may be told so.
    pub(super) harmless: bool,
}

/// A group as a delivery knows it.
#[derive(Debug, Default)]
struct Look {
    rules: Vec<Rule>,
    /// Of those, the ones that expose.
    exposing: BTreeSet<String>,
    /// All that any look of the delivery showed as exposing.
    ever: BTreeSet<String>,
    /// What it has revoked since its last look.
    revoked: BTreeSet<String>,
}

/// What one delivery has seen.
#[derive(Debug, Default)]
struct Seen {
    looks: BTreeMap<String, Look>,
    /// The prefix lists as it last read them.
    lists: Lists,
}

/// What is counted of the guard's work.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    pub(super) looks: usize,
    pub(super) revokes: usize,
    pub(super) throttled: usize,
    pub(super) messages: usize,
    pub(super) deliveries: usize,
    pub(super) failed: usize,
    pub(super) at_once: usize,
    pub(super) most_at_once: usize,
    /// Milliseconds of all instances together.
    pub(super) busy: u64,
}

pub(super) struct Watch {
    pub(super) arena: Arena,
    /// What each call made, by `eventID`.
    pub(super) made: BTreeMap<String, Made>,
    seen: Vec<Seen>,
    pub(super) counts: Counts,
    /// Words that do not fit what the same delivery saw.
    pub(super) false_words: Vec<String>,
    /// Deliveries that saw the port open at their end and did not fail.
    pub(super) acknowledged: Vec<String>,
    pub(super) rng: fastrand::Rng,
    pub(super) verbose: bool,
}

impl Watch {
    pub(super) fn new(arena: Arena, rng: fastrand::Rng, verbose: bool) -> Self {
        let (made, seen, counts, false_words, acknowledged) = Default::default();
        Self { arena, made, seen, counts, false_words, acknowledged, rng, verbose }
    }

    /// Another instance begins; its number.
    pub(super) fn begin(&mut self) -> usize {
        self.seen.push(Seen::default());
        self.seen.len() - 1
    }

    pub(super) fn say(&self, what: impl FnOnce() -> String) {
        if self.verbose {
            println!("{:>8} {}", self.arena.tick(), what());
        }
    }

    /// A request of an instance's. How long the answer is under way, and what it is.
    pub(super) fn pass(&mut self, instance: usize, request: &Request) -> (Duration, Reply) {
        self.arena.tick();
        let form = form(&request.body);
        let field = |name: &str| form.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value);
        let (action, group) = (field("Action"), field("GroupId").to_owned());
        let before = if action == "RevokeSecurityGroupIngress" { self.arena.rules(&group) } else { Vec::new() };
        let reply = self.arena.world.handle(request);
        let status = match &reply {
            Reply::Answer(answer) => answer.status,
            Reply::Lost | Reply::Cut(_) | Reply::Slow(..) => 0,
        };
        self.counts.throttled += usize::from(status == 503);
        self.say(|| format!("#{instance} {action} {group} {status}"));
        match action {
            "DescribeSecurityGroupRules" => {
                self.counts.looks += 1;
                if status == 200 {
                    let asked = form.iter().filter(|(name, _)| name.starts_with("Filter.1.Value"));
                    self.looked(instance, asked.map(|(_, value)| value.clone()).collect());
                }
            }
            "GetManagedPrefixListEntries" if status == 200 && field("TargetVersion").is_empty() => {
                self.read(instance, field("PrefixListId"));
            }
            "RevokeSecurityGroupIngress" => {
                self.counts.revokes += 1;
                let left: BTreeSet<String> = self.arena.rules(&group).into_iter().map(|rule| rule.id).collect();
                let gone: Vec<Rule> = before.into_iter().filter(|rule| !left.contains(&rule.id)).collect();
                if let Some(look) = self.seen[instance].looks.get_mut(&group) {
                    look.revoked.extend(gone.iter().map(|rule| rule.id.clone()));
                }
                self.arena.revoked(&group, &gone);
            }
            "Publish" => {
                self.counts.messages += 1;
                self.published(instance, field("Subject"), field("Message"));
            }
            _ => {}
        }
        (Duration::from_millis(self.rng.u64(15..60)), reply)
    }

    fn looked(&mut self, instance: usize, mut asked: Vec<String>) {
        if asked.is_empty() {
            asked = self.arena.groups.keys().cloned().collect();
        }
        for group in asked {
            let rules = self.arena.rules(&group);
            let by_list = rules.iter().any(|rule| rule.shape.source.starts_with("pl-"));
            let known = self.arena.groups.get(&group).filter(|_| !by_list).map(|group| group.exposing.clone());
            let seen = &mut self.seen[instance];
            let exposing = known.unwrap_or_else(|| self.arena.exposing(&rules, &seen.lists));
            let look = seen.looks.entry(group).or_default();
            look.ever.extend(exposing.iter().cloned());
            (look.rules, look.exposing, look.revoked) = (rules, exposing, BTreeSet::new());
        }
    }

    /// The instance reads a prefix list: what its last looks showed is read with it.
    fn read(&mut self, instance: usize, list: &str) {
        let Some(entries) = self.arena.lists.get(list).cloned() else { return };
        let seen = &mut self.seen[instance];
        seen.lists.insert(list.to_owned(), entries);
        for look in seen.looks.values_mut().filter(|look| look.rules.iter().any(|rule| rule.shape.source == list)) {
            look.exposing = self.arena.exposing(&look.rules, &seen.lists);
            look.ever.extend(look.exposing.iter().cloned());
        }
    }

    /// The rules through which the group is open as the instance knows it now.
    fn known_open(&self, instance: usize, group: &str) -> BTreeSet<String> {
        let seen = &self.seen[instance];
        let Some(look) = seen.looks.get(group) else { return BTreeSet::new() };
        if look.revoked.is_empty() || look.exposing.is_empty() {
            return look.exposing.clone();
        }
        let left: Vec<Rule> = look.rules.iter().filter(|rule| !look.revoked.contains(&rule.id)).cloned().collect();
        self.arena.exposing(&left, &seen.lists)
    }

    /// A log line: what is said to be revoked is not there.
    pub(super) fn said(&mut self, line: &str) {
        let Ok(finding) = serde_json::from_str::<Value>(line) else { return };
        self.say(|| format!("said: {} {} {}", finding["verdict"], finding["outcome"], finding["reason"]));
        let Some(group) = finding["group"].as_str() else { return };
        let there = self.arena.rules(group);
        for rule in finding["rules"].as_array().into_iter().flatten().filter(|rule| rule["action"] == "revoked") {
            if there.iter().any(|known| rule["id"] == known.id.as_str()) {
                self.false_words.push(format!("revoked, and there: {rule}"));
            }
        }
    }

    /// A message to the topic.
    fn published(&mut self, instance: usize, subject: &str, message: &str) {
        let texts: Value = serde_json::from_str(message).unwrap();
        let finding: Value = serde_json::from_str(texts["default"].as_str().unwrap()).unwrap();
        if finding["verdict"] == "exposed" {
            for (_, known) in self.arena.groups.iter_mut().filter(|(group, _)| message.contains(*group)) {
                known.published = true;
            }
        }
        let Some(group) = finding["group"].as_str() else { return };
        // The words for people: title, reason, next step. What follows is a table of the record.
        let mail: Vec<&str> = texts["email"].as_str().unwrap().split("\n\n").take(3).collect();
        let words = format!("{subject}\n{}", mail.join("\n")).to_lowercase();
        let open = self.known_open(instance, group);
        if open.is_empty() {
            return;
        }
        let ours = self.made.get(finding["id"].as_str().unwrap_or_default()).map(|made| &made.rules);
        let by_ours = ours.is_some_and(|ours| !ours.is_disjoint(&open));
        let without_not = |word: &str| words.match_indices(word).any(|(at, _)| !words[..at].ends_with("not "));
        let closed = by_ours && ["taken back", "closed", "safe", "reverted"].into_iter().any(without_not);
        if closed || ["gone", "before this"].into_iter().any(|word| words.contains(word)) {
            self.false_words.push(format!("#{instance} mail while open: {subject}"));
        }
    }

    /// A delivery has ended. `items` are its messages, each with the event in it.
    pub(super) fn settled(&mut self, instance: usize, items: &[(String, String)], delivered: &Delivered) {
        self.counts.deliveries += 1;
        self.counts.failed += usize::from(!delivered.failed.is_empty());
        for (item, id) in items {
            let Some(made) = self.made.get(id).cloned() else { continue };
            let failed = delivered.failed.contains(item);
            for group in &made.groups {
                self.held_against(instance, id, group, &made, failed, delivered);
            }
        }
    }

    fn held_against(
        &mut self,
        instance: usize,
        id: &str,
        group: &str,
        made: &Made,
        failed: bool,
        delivered: &Delivered,
    ) {
        let open = self.known_open(instance, group);
        let ever = self.seen[instance].looks.get(group).map(|look| look.ever.clone()).unwrap_or_default();
        let (open_by_ours, seen_open) = (!open.is_disjoint(&made.rules), !ever.is_disjoint(&made.rules));
        if !open.is_empty() && made.by_attacker && !made.harmless && !failed {
            self.acknowledged.push(format!("#{instance} {group} open through {open:?}"));
        }
        let of = |finding: &&Value| {
            finding["id"] == id && finding["group"].as_str().is_none_or(|of| of == group) && finding["call"] != "Sweep"
        };
        for finding in delivered.findings.iter().filter(of) {
            let (verdict, outcome) = (finding["verdict"].as_str().unwrap(), finding["outcome"].as_str().unwrap());
            let wrong = match (verdict, outcome) {
                ("safe" | "irrelevant", _) if seen_open && !made.harmless => "what a look saw open",
                (_, "reverted" | "already_gone") if open_by_ours => "what is open at the end",
                _ => continue,
            };
            self.false_words.push(format!("#{instance} {verdict}/{outcome} of {wrong}: {group}"));
        }
    }
}

/// The fields of a form, as AWS's Query protocol sends them.
fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let pair = |field: &str| {
        let (name, value) = field.split_once('=')?;
        Some((decoded(name), decoded(value)))
    };
    text.split('&').filter_map(pair).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_form_is_read() {
    let read = form(b"Action=Publish&Subject=a+b%3D%26c&Empty=");
    let expected = [("Action", "Publish"), ("Subject", "a b=&c"), ("Empty", "")];
    assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
