//! A layer between the function and the model of these worlds: people act between its calls, calls fail, and what it writes
//! and says is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ec2_model::{Fault, Reply, Request};
use portcullis::domain::finding::{Action, Finding, Outcome};
use portcullis::domain::policy::Mode;

use super::super::judge::{Lists, Rule, exposing};
use super::super::scene::START;
use super::people::{Opening, People, Step};
use crate::memory::lost::kinds;

/// EventBridge Scheduler and the function read two clocks; and this is how early an end may come.
const SKEW: i64 = 5_000;

/// What EC2 may show late, in milliseconds.
const LONGEST_LAG: i64 = 20_000;

/// Which worlds these are.
pub(super) struct Rates {
    pub(super) faults: f64,
    pub(super) between: f64,
    pub(super) lost: f64,
    pub(super) schedules_lost: f64,
    pub(super) verbose: bool,
}

/// A world, and what must hold in it.
pub(super) struct Watch {
    pub(super) people: People,
    pub(super) rates: Rates,
    pub(super) mode: Mode,
    pub(super) deeds_left: usize,
    /// Whether the memory failed in a function's delivery: then it acts as without one.
    pub(super) is_forgetful: [bool; 2],
    pub(super) is_sweep: [bool; 2],
    /// The rules that the function has revoked, and those that it has given back.
    pub(super) revoked: BTreeSet<String>,
    pub(super) given: BTreeSet<String>,
    pub(super) wrong: Vec<String>,
}

pub(super) fn lock(watch: &Mutex<Watch>) -> std::sync::MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    pub(super) fn wrong(&mut self, what: String) {
        self.say(|| format!("WRONG: {what}"));
        self.wrong.push(what);
    }

    pub(super) fn say(&self, what: impl FnOnce() -> String) {
        if self.rates.verbose {
            println!("{:>8} {}", self.people.tick() - START, what());
        }
    }

    pub(super) fn deed(&mut self) {
        if self.deeds_left > 0 {
            self.deeds_left -= 1;
            let before = self.people.tally.clone();
            self.people.deed();
            let done = self.people.tally.iter().filter(|(what, count)| before.get(*what) != Some(count));
            let done: Vec<&String> = done.map(|(what, _)| what).collect();
            self.say(|| format!("somebody: {done:?}"));
        }
    }

    pub(super) fn pass(&mut self, function: usize, request: &Request) -> (Duration, Reply) {
        let now = self.people.tick();
        let is_evidence = request.method == "PUT";
        if !is_evidence && self.people.chance(self.rates.between) {
            self.deed();
        }
        if self.people.chance(self.rates.faults) {
            let kinds = kinds();
            let (name, kind) = kinds[self.people.rng.usize(..kinds.len())].clone();
            self.people.world.inject(Fault { action: None, nth: 0, kind });
            self.people.count(format!("fault: {name}"));
        }
        let is_write = [&b"Action=Revoke"[..], b"Action=Modify"].iter().any(|call| request.body.starts_with(call));
        let before = if is_write { self.people.all() } else { Vec::new() };
        let reply = self.people.world.handle(request);
        let Some(call) = self.people.world.last_call() else { return (Duration::from_millis(1), reply) };
        self.say(|| format!("function {function}: {} {:?}", call.action, call.outcome));
        let is_fault = matches!(call.outcome, ec2_model::Outcome::Fault(_));
        let is_answered = !is_fault && matches!(&reply, Reply::Answer(response) if response.status == 200);
        if call.service == "dynamodb" && !is_answered {
            self.is_forgetful[function] = true;
        }
        let after = if is_write { self.people.all() } else { Vec::new() };
        let after: BTreeMap<String, Rule> = after.into_iter().map(|(.., rule)| (rule.id.clone(), rule)).collect();
        match call.action.as_str() {
            "RevokeSecurityGroupIngress" => {
                for (_, _, rule) in before.iter().filter(|(.., rule)| !after.contains_key(&rule.id)) {
                    self.taken(function, rule, now);
                }
            }
            "ModifySecurityGroupRules" => {
                for (place, group, rule) in
                    before.iter().filter(|(.., rule)| after.get(&rule.id).is_some_and(|it| it != rule))
                {
                    self.given_back(*place, group, rule, now);
                }
            }
            _ => {}
        }
        if !is_evidence && self.people.chance(self.rates.between) {
            self.deed();
        }
        (Duration::from_millis(self.people.rng.u64(1..120)), reply)
    }

    /// Whether a rule is what an opening or a waiver that holds lets be, as far as the function can know it.
    ///
    /// The rule of an undo has no description that names its waiver. Where a group is fought over, it is known within a second
    /// of the last read, and the calls after that.
    fn is_lawful(&self, function: usize, rule: &Rule, now: i64) -> bool {
        const UNKNOWN: i64 = 1_500;
        self.people.openings.values().any(|it| {
            let holds = now < it.waiver.until.as_millisecond() - SKEW && !it.is_closed;
            let is_known = match it.is_open() {
                true => it.step == Some(Step::Noted),
                // Of an undo only the event says who made the rule.
                false => !self.is_sweep[function] && now - it.opened_at > UNKNOWN,
            };
            let is_as_made = rule.shape.source == it.waiver.sources[0].to_string();
            holds && is_known && is_as_made && it.rules.contains(&rule.id) && !self.is_forgetful[function]
        })
    }

    fn taken(&mut self, function: usize, rule: &Rule, now: i64) {
        self.revoked.insert(rule.id.clone());
        self.people.count("rules revoked");
        // What the same operator made within an opening's source was lawful by the opening, and ends with it.
        let of = |id: &String| self.people.openings.values().find(|it| it.rules.contains(id));
        let is_within = |it: &Opening| {
            of(&rule.id).is_some_and(|other| {
                let source = other
                    .waiver
                    .sources
                    .iter()
                    .all(|inner| it.waiver.sources.iter().any(|outer| inner.is_within(outer)));
                (other.place, &other.group, other.port) == (it.place, &it.group, it.port) && source
            })
        };
        let ends = self.people.openings.values().any(|it| {
            it.is_open() && is_within(it) && (it.is_closed || it.waiver.until.as_millisecond() <= now + SKEW)
        });
        if ends {
            self.people.count("rules of openings revoked");
            return;
        }
        if self.is_lawful(function, rule, now) {
            self.wrong(format!("function {function} revoked {rule:?}, which an opening lets be"));
        } else if !self.people.ever_exposing.contains(&rule.id) {
            self.wrong(format!("function {function} revoked {rule:?}, which never exposed anything"));
        } else if self.mode == Mode::Alert {
            self.wrong(format!("function {function} revoked {rule:?} in alert mode"));
        }
    }

    fn given_back(&mut self, place: usize, group: &str, rule: &Rule, now: i64) {
        self.given.insert(rule.id.clone());
        self.people.count("rules given back");
        let rules = self.people.rules(place, group);
        // What it was may be what an opening that holds lets be.
        let is_waived = rules.iter().find(|it| it.id == rule.id).is_some_and(|it| {
            let holds = |of: &Opening| now < of.waiver.until.as_millisecond() && of.rules.contains(&it.id);
            let is_as_made = |of: &Opening| it.shape.source == of.waiver.sources[0].to_string();
            self.people.openings.values().any(|of| of.is_open() && holds(of) && is_as_made(of))
        });
        if exposing(&rules, &Lists::new()).contains(&rule.id) && !is_waived {
            self.wrong(format!("{rule:?} was given a value that exposes something: {rules:?}"));
        }
        if !self.people.ever_exposing.contains(&rule.id) || self.mode == Mode::Alert {
            self.wrong(format!("{rule:?} was lawful, and was changed at {now}"));
        }
    }

    /// What the function says must be so.
    pub(super) fn said(&mut self, line: &str) {
        let Ok(finding) = serde_json::from_str::<Finding>(line) else { return };
        self.say(|| line.to_owned());
        let kind = if finding.is_of_end() { "end" } else { "finding" };
        self.people.count(format!("{kind}: {} {}", finding.verdict.as_str(), finding.outcome.as_str()));
        let there: BTreeSet<String> = self.people.all().into_iter().map(|(.., rule)| rule.id).collect();
        for rule in &finding.rules {
            let id = rule.id.to_string();
            let is_lie = match rule.action {
                // EC2 gives no id twice.
                Action::Revoked => there.contains(&id),
                Action::Restored => !self.given.contains(&id),
                Action::AlreadyGone => finding.is_of_end() && there.contains(&id),
                Action::WouldRevoke | Action::WouldRestore | Action::Kept | Action::Failed { .. } => false,
            };
            if is_lie {
                self.wrong(format!("{id} is said to be {:?}: {line}", rule.action));
            }
        }
        if self.mode == Mode::Alert && !finding.is_of_end() && finding.outcome == Outcome::Reverted {
            self.wrong(format!("reverted in alert mode: {line}"));
        }
    }

    /// After a sweep that succeeded no opening is left whose end had come when it began.
    pub(super) fn after_sweep(&mut self, place: usize, began: i64) {
        let there: BTreeSet<String> = self.people.all().into_iter().map(|(.., rule)| rule.id).collect();
        let mut left = Vec::new();
        for (id, it) in self.people.openings.iter().filter(|(_, it)| it.place == place && it.is_open()) {
            let is_over = it.waiver.until.as_millisecond() <= began;
            let is_shown = it.opened_at + LONGEST_LAG <= began;
            let is_known = it.step.is_some_and(|step| step >= Step::Opened) && !it.is_untraceable();
            if is_over && is_shown && is_known && it.rules.iter().any(|rule| there.contains(rule)) {
                left.push(format!("{id} outlived its end: {it:?}"));
            }
        }
        left.into_iter().for_each(|what| self.wrong(what));
    }
}
