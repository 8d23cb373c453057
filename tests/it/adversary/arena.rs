//! One account in one Region: the attacker's rules and everyone else's, since when each group is open, and which rules
//! the function revokes.

use std::collections::{BTreeMap, BTreeSet};

use ec2_model::World;

use super::instance::START;
use crate::harness::{ACCOUNT, EVIDENCE, QUEUE, TABLE};
use crate::simulation::judge::{Lists, Rule, Shape, exposing};

/// A rule that was lawful this long before its revoke was lawful at the look that the revoke rests on: a look may be
/// one second old (`FRESH` in src/pipeline/remediate.rs).
const FRESH: u64 = 1_000;

/// What the arena knows about a group.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Rules that the attacker did not make, as they were made.
    lawful: BTreeMap<String, Shape>,
    /// The rules that open a guarded port now, without those that are exempt.
    pub(super) exposing: BTreeSet<String>,
    /// When the group was opened and closed, in milliseconds of the run.
    pub(super) changes: Vec<(u64, bool)>,
    /// When the first event about the group arrived.
    pub(super) first_event: Option<u64>,
    /// Whether a message reported the group as exposed.
    pub(super) published: bool,
}

/// The world, and everything that is known about it from outside.
pub(super) struct Arena {
    pub(super) world: World,
    pub(super) region: String,
    started: tokio::time::Instant,
    pub(super) groups: BTreeMap<String, Group>,
    /// The current entries of the prefix lists.
    pub(super) lists: Lists,
    /// For each list, when a rule that refers to it was last an exposure by itself.
    wide: BTreeMap<String, u64>,
    /// Rules that an exemption covers.
    exempt: BTreeSet<String>,
    /// Lawful rules that are altered now, and when a group last had one.
    astray: BTreeSet<String>,
    strayed: BTreeMap<String, u64>,
    /// When a rule was last part of an exposure that has ended.
    exposed: BTreeMap<String, u64>,
    /// In which second a rule was first there. CloudTrail's times are whole seconds.
    born: BTreeMap<String, u64>,
    /// For each instance, the rules that its events tell of.
    heard: BTreeMap<usize, BTreeSet<String>>,
    /// Lawful rules that the guard revoked.
    pub(super) lost: Vec<String>,
    /// Others' rules that the function revoked while a prefix list of the attacker's made them exposures.
    pub(super) cut: usize,
    /// Lawful rules that the function revoked less than a second after they had been unlawful (two instances may each close
    /// one half of an exposure), or while they were one half of
    /// an exposure whose other half no event of that instance told of, or was made in the same second: it cannot tell which of
    /// the two came last.
    pub(super) raced: usize,
}

impl Arena {
    pub(super) fn new(seed: u64, region: String) -> Self {
        let world = World::new(seed);
        world.set_now(START);
        world.set_throttling(true);
        world.create_table(ACCOUNT, &region, TABLE);
        world.create_bucket(EVIDENCE);
        world.create_queue(ACCOUNT, &region, QUEUE);
        let started = tokio::time::Instant::now();
        let (groups, lists, wide, exempt, exposed, born, heard, lost) = Default::default();
        let (astray, strayed, cut, raced) = Default::default();
        Self {
            world,
            region,
            started,
            groups,
            lists,
            wide,
            exempt,
            astray,
            strayed,
            exposed,
            born,
            heard,
            lost,
            cut,
            raced,
        }
    }

    /// Milliseconds since the run began. Moves the model's clock with tokio's.
    pub(super) fn tick(&self) -> u64 {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap();
        self.world.set_now(START + i64::try_from(now).unwrap());
        now
    }

    pub(super) fn rules(&self, group: &str) -> Vec<Rule> {
        Rule::all(self.world.rules(ACCOUNT, &self.region, group))
    }

    /// The rules of a group through which the internet reaches a guarded port.
    pub(super) fn exposing(&self, rules: &[Rule], lists: &Lists) -> BTreeSet<String> {
        let counted: Vec<Rule> = rules.iter().filter(|rule| !self.exempt.contains(&rule.id)).cloned().collect();
        exposing(&counted, lists)
    }

    /// Adds the group's current state to its history.
    pub(super) fn note(&mut self, group: &str) {
        let (now, rules) = (self.tick(), self.rules(group));
        let exposing = self.exposing(&rules, &self.lists);
        let Some(known) = self.groups.get_mut(group) else { return };
        for rule in &rules {
            self.born.entry(rule.id.clone()).or_insert(now / 1_000);
            if known.lawful.get(&rule.id).is_some_and(|lawful| *lawful != rule.shape) {
                self.astray.insert(rule.id.clone());
            } else if self.astray.remove(&rule.id) {
                self.strayed.insert(rule.id.clone(), now);
            }
        }
        self.exposed.extend(known.exposing.difference(&exposing).map(|rule| (rule.clone(), now)));
        if exposing.is_empty() == known.exposing.is_empty() {
            known.exposing = exposing;
            return;
        }
        known.changes.push((now, !exposing.is_empty()));
        known.exposing = exposing;
    }

    /// Marks these rules of the group as lawful.
    pub(super) fn lawful(&mut self, group: &str, rules: &[String], exempt: bool) {
        let made: Vec<Rule> = self.rules(group).into_iter().filter(|rule| rules.contains(&rule.id)).collect();
        if exempt {
            self.exempt.extend(rules.iter().cloned());
        }
        let known = self.groups.entry(group.to_owned()).or_default();
        known.lawful.extend(made.into_iter().map(|rule| (rule.id, rule.shape)));
        self.note(group);
    }

    /// Notes the new entries of a prefix list.
    pub(super) fn list_holds(&mut self, list: &str, entries: Vec<String>) {
        let now = self.tick();
        if self.is_wide(list) {
            self.wide.insert(list.to_owned(), now);
        }
        self.lists.insert(list.to_owned(), entries);
        for group in self.groups.keys().cloned().collect::<Vec<_>>() {
            self.note(&group);
        }
    }

    /// Whether a rule that refers to this source is an exposure by itself.
    fn is_wide(&self, list: &str) -> bool {
        let shape = Shape { protocol: "tcp".to_owned(), ports: (22, 22), source: list.to_owned() };
        !exposing(&[Rule { id: "sgr".to_owned(), shape }], &self.lists).is_empty()
    }

    /// Notes that the function has revoked these rules of a group.
    pub(super) fn revoked(&mut self, instance: usize, group: &str, gone: &[Rule]) {
        let now = self.tick();
        for rule in gone {
            let made = self.groups.get(group).and_then(|known| known.lawful.get(&rule.id));
            if made != Some(&rule.shape) {
                continue;
            }
            let source = &rule.shape.source;
            let lately = |at: Option<&u64>| at.is_some_and(|at| now - at < FRESH);
            if self.exempt.contains(&rule.id) {
                self.lost.push(format!("{now}: {group} exempt {rule:?}"));
            } else if self.is_wide(source) {
                self.cut += 1;
            } else if lately(self.wide.get(source))
                || lately(self.strayed.get(&rule.id))
                || lately(self.exposed.get(&rule.id))
                || self.is_half_of_the_unheard(instance, group, &rule.id)
            {
                self.raced += 1;
            } else {
                self.lost.push(format!("{now}: {group} {rule:?}"));
            }
        }
        self.note(group);
    }

    /// Whether the rule was part of an exposure together with a rule of the attacker's that no event of this instance
    /// tells of, or that was made in the same second.
    fn is_half_of_the_unheard(&self, instance: usize, group: &str, rule: &str) -> bool {
        let Some(known) = self.groups.get(group) else { return false };
        let heard = self.heard.get(&instance);
        let is_heard = |id: &String| heard.is_some_and(|heard| heard.contains(id));
        let is_twin = |id: &String| self.born.get(id) == self.born.get(rule);
        let unheard = |id: &String| !known.lawful.contains_key(id) && (!is_heard(id) || is_twin(id));
        known.exposing.contains(rule) && known.exposing.iter().any(unheard)
    }

    /// The open groups whose event has arrived, each with the attacker's rules that open it.
    pub(super) fn attacked(&self) -> Vec<(String, Vec<String>)> {
        let heard = self.groups.iter().filter(|(_, known)| known.first_event.is_some());
        let attackers = |known: &Group| -> Vec<String> {
            let lawful = |id: &&String| known.lawful.contains_key(*id) && !self.astray.contains(*id);
            known.exposing.iter().filter(|id| !lawful(id)).cloned().collect()
        };
        let open = heard.map(|(group, known)| (group.clone(), attackers(known)));
        open.filter(|(_, rules)| !rules.is_empty()).collect()
    }

    /// Notes that an event about these rules has arrived at an instance.
    pub(super) fn heard_of(&mut self, instance: usize, rules: BTreeSet<String>) {
        self.heard.entry(instance).or_default().extend(rules);
    }

    /// Notes that an event about these groups has arrived.
    pub(super) fn arrived<'a>(&mut self, groups: impl IntoIterator<Item = &'a String>) {
        let now = self.tick();
        for group in groups {
            if let Some(known) = self.groups.get_mut(group) {
                known.first_event.get_or_insert(now);
            }
        }
    }
}

impl Group {
    /// For how long the group was open between two times.
    pub(super) fn open_between(&self, from: u64, to: u64) -> u64 {
        let ends = self.changes.iter().skip(1).map(|(at, _)| *at).chain([u64::MAX]);
        let spans = self.changes.iter().zip(ends).filter(|((_, open), _)| *open);
        spans.map(|((began, _), ended)| ended.min(to).saturating_sub((*began).max(from))).sum()
    }
}

#[test]
fn the_time_that_a_group_was_open_is_counted_within_the_window() {
    let group = Group { changes: vec![(100, true), (300, false), (700, true)], ..Group::default() };
    assert_eq!(group.open_between(0, 1_000), 200 + 300);
    assert_eq!(group.open_between(200, 800), 100 + 100);
    assert_eq!(group.open_between(300, 700), 0);
    assert_eq!(Group::default().open_between(0, 1_000), 0);
}
