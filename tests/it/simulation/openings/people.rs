//! The people of these worlds: operators who open for a while, step by step, and whoever gets in their way.

use std::collections::{BTreeMap, BTreeSet};

use ec2_model::{Actor, Permission, RuleChange, Vpc, World};
use jiff::{SignedDuration, Timestamp};
use portcullis::domain::ids::RuleId;
use portcullis::domain::memory::{Listed, Waiver, WaiverKind, item_of, opened_name, openings_of, waiver_name, written};
use portcullis::domain::opening::description;
use serde_json::{Value, json};

use super::super::judge::{Lists, Rule, exposing};
use super::super::scene::{HOME, MEMBER, Place, START};
use crate::harness::{EVIDENCE, TABLE};

pub(super) const ONCALL: &str = "oncall";

/// How far an operator has come. Each step leaves less open than the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Scheduled,
    Listed,
    Waived,
    Opened,
    Noted,
}

const STEPS: [Step; 5] = [Step::Scheduled, Step::Listed, Step::Waived, Step::Opened, Step::Noted];

/// An opening, or the waiver of an undo.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) place: usize,
    pub(super) group: String,
    pub(super) waiver: Waiver,
    pub(super) port: i32,
    /// The last step that was taken.
    pub(super) step: Option<Step>,
    pub(super) rules: BTreeSet<String>,
    /// When its rule was made, in milliseconds.
    pub(super) opened_at: i64,
    /// An operator closes it, or it was ended.
    pub(super) is_closed: bool,
    /// Neither the list nor a description names it any more.
    pub(super) is_unlisted: bool,
    pub(super) is_reworded: bool,
}

impl Opening {
    /// Whether nothing but its schedule can end it, or nothing at all: what nobody noted in time is known by its description
    /// alone.
    pub(super) fn is_untraceable(&self) -> bool {
        self.is_reworded && (self.is_unlisted || self.step != Some(Step::Noted))
    }

    pub(super) fn is_open(&self) -> bool {
        self.waiver.kind == WaiverKind::Open
    }
}

/// Everybody but the function.
pub(super) struct People {
    pub(super) rng: fastrand::Rng,
    pub(super) world: World,
    started: tokio::time::Instant,
    pub(super) places: Vec<Place>,
    pub(super) groups: Vec<(usize, String)>,
    pub(super) openings: BTreeMap<String, Opening>,
    /// Events, and the ends that schedules send: each with its time where it has one of its own.
    pub(super) outbox: Vec<(Value, Option<i64>)>,
    /// Every rule that had a part in an exposure at some time.
    pub(super) ever_exposing: BTreeSet<String>,
    pub(super) tally: BTreeMap<String, usize>,
}

const DEEDS: [&str; 15] = [
    "opens for a while",
    "opens for a while",
    "opens for a while",
    "goes on with what was interrupted",
    "waives an undo",
    "opens for good",
    "opens for good",
    "widens an opening",
    "rewords an opening",
    "says that a lawful rule is an opening's",
    "moves a lawful rule",
    "moves a lawful rule",
    "loses a list",
    "closes a rule",
    "does something lawful",
];

pub(super) const HAPPENS: &[&str] = &DEEDS;

impl People {
    pub(super) fn new(seed: u64, regions: &[String; 2], lag: i64) -> Self {
        let world = World::new(seed);
        world.create_bucket(EVIDENCE);
        world.set_now(START);
        for role in ["PortcullisMember", "PortcullisMember-end"] {
            world.allow_role(MEMBER, role, None);
        }
        world.create_table(HOME, &regions[0], TABLE);
        let place = |account, region: &String| Place { account, region: region.clone() };
        let places = vec![place(HOME, &regions[0]), place(MEMBER, &regions[1])];
        let groups = (0..4).map(|n| {
            let Place { account, region } = &places[n % 2];
            (n % 2, world.create_group(account, region, &format!("g{n}"), Vpc::Other))
        });
        let groups: Vec<(usize, String)> = groups.collect();
        // Each group has a rule that somebody may move to a port where it exposes something.
        for (port, (place, group)) in (8000..).zip(&groups) {
            let (Place { account, region }, web) = (&places[*place], Permission::tcp(port, "0.0.0.0/0"));
            world.authorize(account, region, group, &[web]).unwrap();
        }
        world.take_records();
        let lag = ec2_model::Lag::Millis(lag);
        world.set_visibility_lag(lag, lag);
        let (openings, outbox, ever_exposing, tally) = Default::default();
        let (rng, started) = (fastrand::Rng::with_seed(seed), tokio::time::Instant::now());
        Self { rng, world, started, places, groups, openings, outbox, ever_exposing, tally }
    }

    /// Moves the world's clock to now, in milliseconds.
    pub(super) fn tick(&self) -> i64 {
        let now = START + i64::try_from(self.started.elapsed().as_millis()).unwrap();
        self.world.set_now(now);
        now
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.tick()).unwrap()
    }

    pub(super) fn chance(&mut self, of: f64) -> bool {
        self.rng.f64() < of
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.rng.usize(..all.len())].clone())
    }

    pub(super) fn count(&mut self, what: impl Into<String>) {
        *self.tally.entry(what.into()).or_default() += 1;
    }

    pub(super) fn rules(&self, place: usize, group: &str) -> Vec<Rule> {
        let Place { account, region } = &self.places[place];
        Rule::all(self.world.rules(account, region, group))
    }

    /// Every rule there is, with its group.
    pub(super) fn all(&self) -> Vec<(usize, String, Rule)> {
        let of = |(place, group): &(usize, String)| {
            self.rules(*place, group).into_iter().map(|rule| (*place, group.clone(), rule)).collect::<Vec<_>>()
        };
        self.groups.iter().flat_map(of).collect()
    }

    /// Remembers which rules expose anything now.
    pub(super) fn observe(&mut self) {
        for (place, group) in self.groups.clone() {
            let exposed = exposing(&self.rules(place, &group), &Lists::new());
            self.ever_exposing.extend(exposed);
        }
    }

    fn table(&self) -> (&'static str, String) {
        (HOME, self.places[0].region.clone())
    }

    fn write(&self, key: &str, name: String, value: Option<Value>) {
        let (account, region) = self.table();
        let set = [(name, value.unwrap().to_string())];
        self.world.change_item((account, &region, TABLE), key, (&set, &[]));
    }

    fn remove(&self, key: &str, name: String) {
        let (account, region) = self.table();
        self.world.change_item((account, &region, TABLE), key, (&[], &[name]));
    }

    fn list(&self, place: usize) -> String {
        let Place { account, region } = &self.places[place];
        openings_of(&account.parse().unwrap(), &region.parse().unwrap())
    }

    fn item(&self, place: usize, group: &str) -> String {
        let Place { account, region } = &self.places[place];
        item_of(&account.parse().unwrap(), &region.parse().unwrap(), &group.parse().unwrap())
    }

    /// Puts the event of the last call into the outbox.
    fn send(&mut self) -> Option<()> {
        let event = ec2_model::eventbridge(self.world.take_records().last()?);
        self.outbox.push((event, None));
        self.observe();
        Some(())
    }

    /// Somebody does something.
    pub(super) fn deed(&mut self) {
        self.tick();
        self.world.take_records();
        self.world.set_actor(Actor::default());
        let kind = self.one_of(&DEEDS).unwrap();
        if self.act(kind).is_some() {
            self.count(kind);
        }
    }

    fn act(&mut self, kind: &str) -> Option<()> {
        let groups = self.groups.clone();
        let (place, group) = self.one_of(&groups)?;
        let Place { account, region } = self.places[place].clone();
        let rules = self.rules(place, &group);
        let authorize = |people: &mut Self, permission: Permission| {
            people.world.authorize(account, &region, &group, &[permission]).ok()?;
            people.send()
        };
        match kind {
            "opens for a while" | "waives an undo" => {
                let is_undo = kind == "waives an undo";
                self.begin(place, &group, is_undo)
            }
            "goes on with what was interrupted" => {
                let is_left =
                    |opening: &Opening| opening.step.is_some_and(|step| step < Step::Noted) && !opening.is_closed;
                let left = self.openings.iter().filter(|(_, it)| is_left(it)).map(|(id, _)| id.clone());
                let id = left.collect::<Vec<_>>();
                let id = self.one_of(&id)?;
                self.go_on(&id, Step::Noted);
                Some(())
            }
            "opens for good" => {
                let (port, source) = (self.one_of(&[22, 3389, 3306])?, self.one_of(&["0.0.0.0/0", "8.0.0.0/7"])?);
                authorize(self, Permission::tcp(port, source))
            }
            "widens an opening" => {
                let rule = self.rule_of_an_opening(place, &group)?;
                let port = rules.iter().find(|it| it.id == rule)?.shape.ports.0;
                // The call replaces the description as well.
                self.reworded(&rule);
                self.modify(place, &group, rule, Permission::tcp(port, "0.0.0.0/0"))
            }
            "rewords an opening" => {
                let rule = self.rule_of_an_opening(place, &group)?;
                let shape = rules.iter().find(|it| it.id == rule)?.shape.clone();
                self.reworded(&rule);
                let words = Permission::tcp(shape.ports.0, &shape.source).described("for ever");
                self.modify(place, &group, rule, words)
            }
            "says that a lawful rule is an opening's" => {
                let id = self.openings.keys().next_back().cloned().unwrap_or_else(|| "w-0000".to_owned());
                let words = description(&id, self.now() - SignedDuration::from_mins(5), "x");
                authorize(self, Permission::tcp(443, "9.8.7.6/32").described(&words))
            }
            "moves a lawful rule" => {
                let is_web = |rule: &&Rule| rule.shape.ports.0 >= 8000 && rule.shape.source == "0.0.0.0/0";
                let web: Vec<String> = rules.iter().filter(is_web).map(|rule| rule.id.clone()).collect();
                let to = self.one_of(&[22, 3389, 8443])?;
                let Some(rule) = self.one_of(&web) else {
                    let port = self.rng.i32(8000..9000);
                    return authorize(self, Permission::tcp(port, "0.0.0.0/0"));
                };
                self.modify(place, &group, rule, Permission::tcp(to, "0.0.0.0/0"))
            }
            "loses a list" => {
                let (of, table_region) = self.table();
                self.world.lose_item(of, &table_region, TABLE, &self.list(place));
                let there = self.openings.values_mut().filter(|it| it.place == place && it.step >= Some(Step::Listed));
                there.for_each(|it| it.is_unlisted = true);
                Some(())
            }
            "closes a rule" => {
                let ids: Vec<String> = rules.iter().map(|rule| rule.id.clone()).collect();
                let rule = self.one_of(&ids)?;
                self.world.revoke(account, &region, &group, &[&rule]).ok().map(|_| ())
            }
            _ => {
                let (port, source) = (self.one_of(&[443, 22, 3389])?, self.one_of(&["10.1.0.0/16", "9.9.9.9/32"])?);
                authorize(self, Permission::tcp(port, source))
            }
        }
    }

    fn rule_of_an_opening(&mut self, place: usize, group: &str) -> Option<String> {
        let here = self.openings.values().filter(|it| it.place == place && it.group == group && it.is_open());
        let rules: Vec<String> = here.flat_map(|it| it.rules.iter().cloned()).collect();
        self.one_of(&rules)
    }

    fn reworded(&mut self, rule: &str) {
        self.openings.values_mut().filter(|it| it.rules.contains(rule)).for_each(|it| it.is_reworded = true);
    }

    fn modify(&mut self, place: usize, group: &str, rule: String, permission: Permission) -> Option<()> {
        let Place { account, region } = self.places[place].clone();
        self.world.modify_rules(account, &region, group, &[RuleChange { rule, permission }]).ok()?;
        self.send()
    }

    /// An operator opens, and may be interrupted after any step.
    fn begin(&mut self, place: usize, group: &str, is_undo: bool) -> Option<()> {
        let id = format!("w-{:08x}", self.rng.u32(..));
        let seconds = self.one_of(&[60, 120, 300, 900])?;
        let (port, source) =
            (self.one_of(&[22, 3389, 443])?, self.one_of(&["54.1.2.3/32", "54.0.0.0/7", "54.2.0.0/16"])?);
        let guards = match port {
            22 => vec!["ssh".to_owned()],
            3389 => vec!["rdp".to_owned()],
            _ => Vec::new(),
        };
        let from = Timestamp::from_second(self.now().as_second()).unwrap();
        let until = from + SignedDuration::from_secs(seconds);
        let kind = if is_undo { WaiverKind::Undo } else { WaiverKind::Open };
        let by = format!("arn:aws:iam::{}:role/{ONCALL}", self.places[place].account);
        let (reason, sources) = ("INC-123".to_owned(), vec![source.parse().unwrap()]);
        let waiver = Waiver { kind, by, reason, from, until, guards, sources, rules: Vec::new() };
        let opening = Opening {
            place,
            group: group.to_owned(),
            waiver,
            port,
            step: None,
            rules: BTreeSet::new(),
            opened_at: 0,
            is_closed: false,
            is_unlisted: false,
            is_reworded: false,
        };
        self.openings.insert(id.clone(), opening);
        let last = if self.chance(0.35) { self.one_of(&STEPS)? } else { Step::Noted };
        if last != Step::Noted {
            self.count(format!("crash after {last:?}"));
        }
        self.go_on(&id, last);
        Some(())
    }

    /// Takes the steps up to one. They are those of `portcullis open`, in its order.
    fn go_on(&mut self, id: &str, last: Step) {
        while let Some(next) = self.openings.get(id).map(|it| it.step.map_or(0, |step| step as usize + 1)) {
            let Some(step) = STEPS.get(next).copied().filter(|step| *step <= last) else { return };
            if self.take(id, step).is_none() {
                return;
            }
            self.openings.get_mut(id).unwrap().step = Some(step);
        }
    }

    fn take(&mut self, id: &str, step: Step) -> Option<()> {
        let opening = self.openings[id].clone();
        let Opening { place, group, waiver, port, .. } = &opening;
        let Place { account, region } = self.places[*place].clone();
        let (list, item, until) = (self.list(*place), self.item(*place, group), waiver.until);
        match step {
            // An undo has neither schedule nor list.
            Step::Scheduled if opening.is_open() => {
                let end = json!({"end": {"account": account, "region": region, "group": group, "waiver": id}});
                let late = self.rng.i64(0..60_000);
                self.outbox.push((end, Some(until.as_millisecond() + late)));
            }
            Step::Listed if opening.is_open() => {
                let (by, reason) = (waiver.by.clone(), waiver.reason.clone());
                let what = format!("tcp {port}");
                let listed = Listed { group: group.parse().unwrap(), until, by, reason, what };
                self.write(&list, id.to_owned(), written(&listed));
            }
            Step::Scheduled | Step::Listed => {}
            Step::Waived => self.write(&item, waiver_name(id), written(waiver)),
            Step::Opened => {
                // The command opens nothing that is nearly over.
                if until.duration_since(self.now()) < until.duration_since(waiver.from) / 4 {
                    self.remove(&item, waiver_name(id));
                    self.remove(&list, id.to_owned());
                    self.openings.get_mut(id).unwrap().is_closed = true;
                    self.count("too late to open");
                    return None;
                }
                let permission = Permission::tcp(*port, &waiver.sources[0].to_string());
                let permission = match opening.is_open() {
                    true => permission.described(&description(id, until, &waiver.reason)),
                    false => permission,
                };
                self.world.set_actor(Actor::Role { role: ONCALL.into(), session: "jo".into() });
                let made = self.world.authorize(account, &region, group, &[permission]);
                self.world.set_actor(Actor::default());
                let Ok(ids) = made else {
                    // It is open already: nothing is left behind.
                    self.remove(&item, waiver_name(id));
                    self.remove(&list, id.to_owned());
                    self.openings.get_mut(id).unwrap().is_closed = true;
                    return None;
                };
                let now = self.tick();
                let it = self.openings.get_mut(id).unwrap();
                (it.rules, it.opened_at) = (ids.into_iter().collect(), now);
                self.send();
            }
            Step::Noted if opening.is_open() => {
                // What is noted after the end, or after it was closed, and was reworded before, was ended without it.
                if (self.now() >= until || opening.is_closed) && opening.is_reworded {
                    self.openings.get_mut(id).unwrap().is_unlisted = true;
                }
                for rule in &opening.rules {
                    let rule: RuleId = rule.parse().unwrap();
                    self.write(&item, opened_name(id, &rule), written(&self.now()));
                }
            }
            Step::Noted => {}
        }
        Some(())
    }
}
