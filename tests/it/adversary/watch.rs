//! A layer between each instance and the model. It records what every delivery has seen of EC2, and checks the
//! delivery's messages against it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ec2_model::{Fault, FaultKind, Reply, Request};
use serde_json::Value;

use super::arena::Arena;
use super::instance::Delivered;
use crate::simulation::judge::{Lists, Rule};

/// The effect of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    /// The groups that the call is about.
    pub(super) groups: BTreeSet<String>,
    /// The rules that the call made or changed. For a prefix list, the rules that refer to it.
    pub(super) rules: BTreeSet<String>,
    pub(super) by_attacker: bool,
    /// Whether the record opens nothing, whatever EC2 shows. Then the record alone is enough for the verdict `safe`.
    pub(super) harmless: bool,
    /// Whether it adds at most a /24, which is next to nothing: beside an exposure of others it may be called safe once that
    /// is gone.
    pub(super) slight: bool,
}

/// A group as a delivery has seen it.
#[derive(Debug, Default)]
struct Look {
    rules: Vec<Rule>,
    /// Those of the rules that expose a port.
    exposing: BTreeSet<String>,
    /// All rules that any look of the delivery showed as exposing.
    ever: BTreeSet<String>,
    /// The rules that the delivery has revoked since its last look.
    revoked: BTreeSet<String>,
}

/// Everything that one delivery has seen.
#[derive(Debug, Default)]
struct View {
    looks: BTreeMap<String, Look>,
    /// The prefix lists as the delivery last read them.
    lists: Lists,
    /// For each finding, by event and group, the rules that a look had shown as exposing when it was reported. The delivery
    /// may look again later, for another event of its batch.
    reported: BTreeMap<(String, String), BTreeSet<String>>,
}

/// Counts of the function's work.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    pub(super) looks: usize,
    pub(super) revokes: usize,
    pub(super) throttled: usize,
    pub(super) messages: usize,
    /// Calls to the memory.
    pub(super) memory: usize,
    pub(super) deliveries: usize,
    pub(super) failed: usize,
    pub(super) at_once: usize,
    pub(super) most_at_once: usize,
    /// Milliseconds of all instances together.
    pub(super) busy: u64,
}

pub(super) struct Watch {
    pub(super) arena: Arena,
    /// The effect of each call, by `eventID`.
    pub(super) made: BTreeMap<String, Made>,
    views: Vec<View>,
    pub(super) counts: Counts,
    /// Messages that do not match what the same delivery saw.
    pub(super) false_words: Vec<String>,
    /// Deliveries that last saw the port open, did not fail and do not come again.
    pub(super) acknowledged: Vec<String>,
    /// The events of the messages for later looks that are still to come.
    pub(super) still_to_come: Vec<String>,
    pub(super) rng: fastrand::Rng,
    pub(super) verbose: bool,
    /// The share of calls to the memory that fail.
    pub(super) memory_faults: f64,
}

impl Watch {
    pub(super) fn new(arena: Arena, rng: fastrand::Rng, verbose: bool) -> Self {
        let (made, views, counts, false_words, acknowledged, still_to_come) = Default::default();
        let memory_faults = 0.0;
        Self { arena, made, views, counts, false_words, acknowledged, still_to_come, rng, verbose, memory_faults }
    }

    /// A delivery begins, at this instance or at another one. Returns the instance's number.
    pub(super) fn begin(&mut self, instance: Option<usize>) -> usize {
        if let Some(instance) = instance {
            self.views[instance] = View::default();
            return instance;
        }
        self.views.push(View::default());
        self.views.len() - 1
    }

    /// A message for a later look at this event has come.
    pub(super) fn forget_message(&mut self, id: &String) {
        if let Some(at) = self.still_to_come.iter().position(|known| known == id) {
            self.still_to_come.swap_remove(at);
        }
    }

    pub(super) fn say(&self, what: impl FnOnce() -> String) {
        if self.verbose {
            println!("{:>8} {}", self.arena.tick(), what());
        }
    }

    /// Passes on a request of an instance. Returns the answer and how long it takes.
    pub(super) fn pass(&mut self, instance: usize, request: &Request) -> (Duration, Reply) {
        self.arena.tick();
        let target = request.headers.iter().find(|(name, _)| name == "x-amz-target").map(|(_, target)| target.as_str());
        if let Some(action) = target.and_then(|target| target.strip_prefix("DynamoDB_20120810.")) {
            return self.remembered(instance, action, request);
        }
        // Evidence.
        if request.method == "PUT" {
            return (Duration::from_millis(self.rng.u64(20..120)), self.arena.world.handle(request));
        }
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
            "DescribeSecurityGroups" if status == 200 && field("Filter.1.Name") == "ip-permission.prefix-list-id" => {
                self.asked_who_refers_to(instance, field("Filter.1.Value.1"));
            }
            "GetManagedPrefixListEntries" if status == 200 && field("TargetVersion").is_empty() => {
                self.read(instance, field("PrefixListId"));
            }
            "RevokeSecurityGroupIngress" => {
                self.counts.revokes += 1;
                let left: BTreeSet<String> = self.arena.rules(&group).into_iter().map(|rule| rule.id).collect();
                let gone: Vec<Rule> = before.into_iter().filter(|rule| !left.contains(&rule.id)).collect();
                if let Some(look) = self.views[instance].looks.get_mut(&group) {
                    look.revoked.extend(gone.iter().map(|rule| rule.id.clone()));
                }
                self.arena.revoked(instance, &group, &gone);
            }
            "Publish" => {
                self.counts.messages += 1;
                self.published(instance, field("Subject"), field("Message"));
            }
            _ => {}
        }
        (Duration::from_millis(self.rng.u64(15..60)), reply)
    }

    /// A call to the memory. What it says is closed was revoked by another instance, as EC2 listed it.
    fn remembered(&mut self, instance: usize, action: &str, request: &Request) -> (Duration, Reply) {
        self.counts.memory += 1;
        if self.memory_faults > 0.0 && self.rng.f64() < self.memory_faults {
            let kinds = [
                FaultKind::Throttle,
                FaultKind::LostBefore,
                FaultKind::LostAfter,
                FaultKind::Denied,
                FaultKind::Slow(Duration::from_millis(self.rng.u64(400..20_000))),
            ];
            let kind = kinds[self.rng.usize(..kinds.len())].clone();
            self.arena.world.inject(Fault::next(action, kind));
        }
        let reply = self.arena.world.handle(request);
        if let Reply::Answer(answer) = &reply {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let closed = text.split("\"closed#").skip(1).filter_map(|rest| rest.split('"').next());
            let closed: BTreeSet<String> = closed.map(str::to_owned).collect();
            for look in self.views[instance].looks.values_mut() {
                let known = look.rules.iter().map(|rule| &rule.id).filter(|id| closed.contains(*id));
                look.revoked.extend(known.cloned().collect::<Vec<_>>());
            }
        }
        self.say(|| format!("#{instance} memory"));
        (Duration::from_millis(self.rng.u64(3..15)), reply)
    }

    fn looked(&mut self, instance: usize, mut asked: Vec<String>) {
        if asked.is_empty() {
            asked = self.arena.groups.keys().cloned().collect();
        }
        for group in asked {
            let rules = self.arena.rules(&group);
            let by_list = rules.iter().any(|rule| rule.shape.source.starts_with("pl-"));
            let known = self.arena.groups.get(&group).filter(|_| !by_list).map(|group| group.exposing.clone());
            let view = &mut self.views[instance];
            let exposing = known.unwrap_or_else(|| self.arena.exposing(&rules, &view.lists));
            let look = view.looks.entry(group).or_default();
            look.ever.extend(exposing.iter().cloned());
            (look.rules, look.exposing, look.revoked) = (rules, exposing, BTreeSet::new());
        }
    }

    /// An instance asks which groups refer to a prefix list. A group that is not named has no such rule any more.
    fn asked_who_refers_to(&mut self, instance: usize, list: &str) {
        let refers = |rule: &Rule| rule.shape.source == list;
        let view = &mut self.views[instance];
        for (group, look) in view.looks.iter_mut().filter(|(_, look)| look.rules.iter().any(refers)) {
            if !self.arena.rules(group).iter().any(refers) {
                look.rules.retain(|rule| !refers(rule));
                look.exposing = self.arena.exposing(&look.rules, &view.lists);
            }
        }
    }

    /// An instance reads a prefix list, which belongs to what its last looks showed.
    fn read(&mut self, instance: usize, list: &str) {
        let Some(entries) = self.arena.lists.get(list).cloned() else { return };
        let view = &mut self.views[instance];
        view.lists.insert(list.to_owned(), entries);
        for look in view.looks.values_mut().filter(|look| look.rules.iter().any(|rule| rule.shape.source == list)) {
            look.exposing = self.arena.exposing(&look.rules, &view.lists);
            look.ever.extend(look.exposing.iter().cloned());
        }
    }

    /// The rules through which the group is open, as far as the instance knows.
    fn known_open(&self, instance: usize, group: &str) -> BTreeSet<String> {
        let view = &self.views[instance];
        let Some(look) = view.looks.get(group) else { return BTreeSet::new() };
        if look.revoked.is_empty() || look.exposing.is_empty() {
            return look.exposing.clone();
        }
        let left: Vec<Rule> = look.rules.iter().filter(|rule| !look.revoked.contains(&rule.id)).cloned().collect();
        self.arena.exposing(&left, &view.lists)
    }

    /// Checks a log line: rules that it reports as revoked must be gone.
    pub(super) fn log_line(&mut self, instance: usize, line: &str) {
        let Ok(finding) = serde_json::from_str::<Value>(line) else { return };
        self.say(|| format!("reported: {} {} {}", finding["verdict"], finding["outcome"], finding["reason"]));
        let Some(group) = finding["group"].as_str() else { return };
        if let (Some(id), Some(look)) = (finding["id"].as_str(), self.views[instance].looks.get(group)) {
            let ever = look.ever.clone();
            self.views[instance].reported.insert((id.to_owned(), group.to_owned()), ever);
        }
        let there = self.arena.rules(group);
        for rule in finding["rules"].as_array().into_iter().flatten().filter(|rule| rule["action"] == "revoked") {
            if there.iter().any(|known| rule["id"] == known.id.as_str()) {
                self.false_words.push(format!("revoked, and there: {rule}"));
            }
        }
    }

    /// Checks a message to the topic.
    fn published(&mut self, instance: usize, subject: &str, message: &str) {
        let texts: Value = serde_json::from_str(message).unwrap();
        let finding: Value = serde_json::from_str(texts["default"].as_str().unwrap()).unwrap();
        if finding["verdict"] == "exposed" {
            for (_, known) in self.arena.groups.iter_mut().filter(|(group, _)| message.contains(*group)) {
                known.published = true;
            }
        }
        let Some(group) = finding["group"].as_str() else { return };
        // The text for people has a title, a reason and the next step. A table of the record follows.
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
        // The text of a fight says how often the group was closed.
        let says_open = subject.contains("OPEN") || subject.contains("NOT CLOSED");
        if closed && !says_open || ["gone", "before this"].into_iter().any(|word| words.contains(word)) {
            self.false_words.push(format!("#{instance} mail while open: {subject}"));
        }
    }

    /// A delivery has ended. `items` are its messages, each with its event.
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
        let reported = self.views[instance].reported.get(&(id.to_owned(), group.to_owned()));
        let ever = reported.or_else(|| self.views[instance].looks.get(group).map(|look| &look.ever)).cloned();
        let ever = ever.unwrap_or_default();
        let (open_by_ours, seen_open) = (!open.is_disjoint(&made.rules), !ever.is_disjoint(&made.rules));
        let is_left = !failed && !self.still_to_come.iter().any(|known| known == id);
        if !open.is_empty() && made.by_attacker && !made.harmless && is_left {
            self.acknowledged.push(format!("#{instance} {group} open through {open:?}"));
        }
        let of = |finding: &&Value| {
            finding["id"] == id && finding["group"].as_str().is_none_or(|of| of == group) && finding["call"] != "Sweep"
        };
        for finding in delivered.findings.iter().filter(of) {
            let (verdict, outcome) = (finding["verdict"].as_str().unwrap(), finding["outcome"].as_str().unwrap());
            let wrong = match (verdict, outcome) {
                ("safe" | "irrelevant", _) if seen_open && !made.harmless && !made.slight => "what a look saw open",
                (_, "reverted" | "already_gone") if open_by_ours && !says_open(finding) => "what is open at the end",
                _ => continue,
            };
            self.false_words.push(format!("#{instance} {verdict}/{outcome} of {wrong}: {group}"));
        }
    }
}

/// Whether a finding says that a port stays open: what it took back was a part of that.
fn says_open(finding: &Value) -> bool {
    finding["exposures"].as_array().into_iter().flatten().any(|exposure| exposure["standing"] == true)
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
