//! The world of a simulation: its people, what they do, and the changes that this makes.

use std::collections::{BTreeMap, BTreeSet};

use ec2_model::{Actor, Direction, Permission, RuleChange, Source, Vpc, World};
use serde_json::{Value, json};

use crate::harness::EVIDENCE;

use super::judge::{Change, ChangedRules, Lists, Rule};

pub(crate) const HOME: &str = "111122223333";
pub(crate) const MEMBER: &str = "444455556666";

/// Where the clock of every simulation starts. It is far in the future, because the SDK compares sessions with the
/// machine's clock.
pub(crate) const START: i64 = 4_102_444_800_000;

/// An account in a Region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) account: &'static str,
    pub(crate) region: String,
}

/// The resource that a record names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resource {
    Group(String),
    Name(String),
    List(String),
    Region,
}

/// The content of a record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) place: usize,
    pub(crate) subject: Resource,
    pub(crate) change: Change,
}

#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) place: usize,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) by_name: bool,
}

#[derive(Debug, Clone)]
struct List {
    place: usize,
    id: String,
    /// The last version is current.
    versions: Vec<Vec<String>>,
}

/// What people do.
pub(crate) const DEEDS: [&str; 19] = [
    "opens, nested",
    "opens, flat",
    "opens by name",
    "opens in two halves",
    "opens in two calls",
    "opens IPv6",
    "opens a range or all",
    "opens to a prefix list",
    "modifies",
    "modifies both directions",
    "closes",
    "opens again",
    "changes a prefix list",
    "restores a prefix list",
    "deletes a group",
    "makes a call too large to record",
    "makes a call whose answer lists no rules",
    "does something lawful",
    "makes a call that fails",
];

/// The world and everyone in it, without the function.
pub(crate) struct Scene {
    pub(crate) rng: fastrand::Rng,
    pub(crate) world: World,
    started: tokio::time::Instant,
    pub(crate) places: Vec<Place>,
    pub(crate) groups: Vec<Group>,
    lists: Vec<List>,
    closed: Vec<(Group, Permission)>,
    /// The content of each record, by `eventID`.
    pub(crate) records: BTreeMap<String, Record>,
    /// Events that have not been sent yet.
    pub(crate) outbox: Vec<Value>,
    /// For each place, how often people changed something, and when they last did.
    pub(crate) versions: Vec<(u64, i64)>,
    pub(crate) tally: BTreeMap<String, usize>,
    pub(crate) break_glass: bool,
    /// Whether people like to move lawful rules to guarded ports, which is what can be given back.
    pub(crate) moves: bool,
}

/// What people do beside that in worlds whose functions give rules back.
pub(crate) const MOVES: &str = "moves a lawful rule to a guarded port";

const PORTS: [(&str, i32, i32); 9] = [
    ("tcp", 22, 22),
    ("6", 22, 22),
    ("tcp", 3389, 3389),
    ("udp", 3389, 3389),
    ("tcp", 3306, 3306),
    ("tcp", 1433, 1433),
    ("tcp", 22, 22),
    ("tcp", 443, 443),
    ("icmp", 8, 0),
];
const SOURCES: [&str; 10] = [
    "0.0.0.0/0",
    "1.2.3.4/0",
    "0.0.0.0/1",
    "8.0.0.0/9",
    "8.128.0.0/9",
    "9.0.0.0/8",
    "9.9.9.9/32",
    "10.0.0.0/8",
    "198.51.100.0/24",
    "0.0.0.0/0",
];
const SOURCES_V6: [&str; 6] = ["::/0", "2000::/3", "2600::/32", "2600::/33", "2600:0:8000::/33", "fc00::/7"];

impl Scene {
    pub(crate) fn new(seed: u64, region: [String; 2], break_glass: bool) -> Self {
        let world = World::new(seed);
        world.create_bucket(EVIDENCE);
        world.set_now(START);
        world.allow_role(MEMBER, "PortcullisMember", None);
        let [first, second] = region;
        let places = vec![
            Place { account: HOME, region: first.clone() },
            Place { account: HOME, region: second },
            Place { account: MEMBER, region: first },
        ];
        let mut scene = Self {
            rng: fastrand::Rng::with_seed(seed),
            world,
            started: tokio::time::Instant::now(),
            versions: vec![(0, 0); places.len()],
            places,
            groups: Vec::new(),
            lists: Vec::new(),
            closed: Vec::new(),
            records: BTreeMap::new(),
            outbox: Vec::new(),
            tally: BTreeMap::new(),
            break_glass,
            moves: false,
        };
        for place in 0..scene.places.len() {
            scene.create_group(place);
            scene.create_group(place);
            let Place { account, region } = scene.places[place].clone();
            let entries = ["10.0.0.0/8".to_owned(), "9.9.9.0/24".to_owned()];
            let texts: Vec<&str> = entries.iter().map(String::as_str).collect();
            let id = scene.world.create_prefix_list(account, &region, "list", 5, &texts).unwrap();
            scene.lists.push(List { place, id, versions: vec![entries.to_vec()] });
        }
        scene
    }

    pub(crate) fn chance(&mut self, of: f64) -> bool {
        self.rng.f64() < of
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.rng.usize(..all.len())].clone()
    }

    pub(crate) fn count(&mut self, what: impl Into<String>) {
        *self.tally.entry(what.into()).or_default() += 1;
    }

    /// Moves the model's clock with tokio's.
    pub(crate) fn tick(&self) -> i64 {
        let now = START + i64::try_from(self.started.elapsed().as_millis()).unwrap();
        self.world.set_now(now);
        now
    }

    pub(crate) fn rules(&self, place: usize, group: &str) -> Vec<Rule> {
        let Place { account, region } = &self.places[place];
        Rule::all(self.world.rules(account, region, group))
    }

    /// The entries of all prefix lists of a place.
    pub(crate) fn lists(&self, place: usize) -> Lists {
        let here = self.lists.iter().filter(|list| list.place == place);
        here.map(|list| (list.id.clone(), list.versions.last().unwrap().clone())).collect()
    }

    /// The groups that a record may be about.
    pub(crate) fn groups_of(&self, place: usize, subject: &Resource) -> BTreeSet<String> {
        let here = self.groups.iter().filter(|group| group.place == place);
        let concerned = here.filter(|group| match subject {
            Resource::Group(id) => group.id == *id,
            Resource::Name(name) => group.by_name && group.name == *name,
            Resource::List(_) | Resource::Region => true,
        });
        concerned.map(|group| group.id.clone()).collect()
    }

    fn create_group(&mut self, place: usize) {
        let Place { account, region } = self.places[place].clone();
        let name = format!("g{}", self.groups.len());
        let by_name = self.rng.bool();
        let vpc = if by_name { Vpc::Default } else { Vpc::Other };
        let id = self.world.try_create_group(account, &region, &name, vpc).unwrap_or_default();
        // A name that was used before counts only while its group exists.
        if !id.is_empty() {
            self.groups.push(Group { place, id, name, by_name });
        }
        self.world.take_records();
    }

    fn permission(&mut self) -> Permission {
        let (protocol, from, to) = self.one_of(&PORTS);
        let source = self.one_of(&SOURCES);
        Permission::new(protocol, from, to, &[source])
    }

    /// Someone does something.
    pub(crate) fn deed(&mut self) {
        self.tick();
        self.world.take_records();
        let kind = self.one_of(&DEEDS);
        if self.groups.is_empty() {
            self.create_group(0);
        }
        let exempt = self.break_glass && self.chance(0.3);
        self.world.set_actor(match exempt {
            true => Actor::Role { role: "BreakGlass".into(), session: "jo".into() },
            false => Actor::default(),
        });
        let groups = self.groups.clone();
        let group = self.one_of(&groups);
        let kind = if self.closed.is_empty() || !self.chance(0.15) { kind } else { "opens again" };
        let kind = if self.moves && self.chance(0.7) { MOVES } else { kind };
        if self.act(kind, &group, exempt).is_some() {
            self.count(kind);
            self.touched(group.place);
        }
    }

    fn touched(&mut self, place: usize) {
        let now = self.tick();
        let (version, at) = &mut self.versions[place];
        (*version, *at) = (*version + 1, now);
    }

    fn act(&mut self, kind: &'static str, group: &Group, exempt: bool) -> Option<()> {
        let Place { account, region } = self.places[group.place].clone();
        let list = self.lists.iter().position(|list| list.place == group.place)?;
        let open = |scene: &mut Self, permissions: &[Permission]| scene.open(group, &group.id, permissions, exempt);
        match kind {
            "opens, nested" => {
                let permissions: Vec<Permission> = (0..self.rng.usize(1..4)).map(|_| self.permission()).collect();
                open(self, &permissions)
            }
            "opens, flat" => {
                let permission = self.permission();
                let ids = self.world.authorize_flat(account, &region, &group.id, &permission).ok()?;
                self.opened(group, &ids, exempt)
            }
            "opens by name" => {
                let permission = self.permission();
                group.by_name.then(|| self.open(group, &group.name, &[permission], exempt))?
            }
            "opens in two halves" => {
                open(self, &[Permission::tcp(22, "8.0.0.0/9"), Permission::tcp(22, "8.128.0.0/9")])
            }
            "opens in two calls" => {
                // One half may exist already. The other half is still made.
                let halves = ["8.0.0.0/9", "8.128.0.0/9"].map(|half| open(self, &[Permission::tcp(3306, half)]));
                halves.into_iter().flatten().next()
            }
            "opens IPv6" => {
                let (source, port) = (self.one_of(&SOURCES_V6), self.one_of(&[22, 3389, 443]));
                open(self, &[Permission::tcp(port, source)])
            }
            "opens a range or all" => {
                let source = self.one_of(&SOURCES);
                let ranges = [Permission::new("tcp", 20, 25, &[source]), Permission::new("tcp", 0, 65535, &[source])];
                let all = [Permission::all(source), Permission::new("-1", 0, 0, &[source])];
                let permission = self.one_of(&[ranges, all].concat());
                open(self, &[permission])
            }
            "opens to a prefix list" => {
                let (list, port) = (self.lists[list].id.clone(), self.one_of(&[22, 3389, 443]));
                open(self, &[Permission::tcp(port, &list)])
            }
            "modifies" | "modifies both directions" => self.modify(group, kind == "modifies both directions", exempt),
            "closes" => {
                let rules = self.world.rules(account, &region, &group.id);
                let ingress: Vec<_> = rules.into_iter().filter(|rule| rule.direction == Direction::Ingress).collect();
                if ingress.is_empty() {
                    return None;
                }
                let rule = self.one_of(&ingress);
                self.world.revoke(account, &region, &group.id, &[&rule.id]).ok()?;
                let (from, to) = (rule.from_port, rule.to_port);
                self.closed.push((group.clone(), Permission::new(&rule.protocol, from, to, &[rule.source.text()])));
                Some(())
            }
            "opens again" => {
                let there = |of: &Group| self.groups.iter().any(|known| known.id == of.id);
                let closed: Vec<_> = self.closed.iter().filter(|(of, _)| there(of)).cloned().collect();
                let (group, permission) = (!closed.is_empty()).then(|| self.one_of(&closed))?;
                self.open(&group, &group.id, &[permission], exempt)?;
                self.touched(group.place);
                Some(())
            }
            MOVES => {
                let is_web = |rule: &ec2_model::Rule| rule.direction == Direction::Ingress && rule.from_port >= 8000;
                let all = self.world.rules(account, &region, &group.id);
                let web: Vec<String> = all.into_iter().filter(is_web).map(|rule| rule.id).collect();
                let port = self.rng.i32(8000..9000);
                if web.is_empty() || self.chance(0.4) {
                    return open(self, &[Permission::tcp(port, "0.0.0.0/0")]);
                }
                let (rule, guarded) = (self.one_of(&web), self.one_of(&[22, 3389, port]));
                let permission = Permission::tcp(guarded, self.one_of(&["0.0.0.0/0", "0.0.0.0/1", "9.9.9.9/32"]));
                self.changed(group, vec![RuleChange { rule, permission }], exempt)
            }
            "changes a prefix list" => self.change_list(list, exempt),
            "restores a prefix list" => {
                let List { id, versions, .. } = self.lists[list].clone();
                let version = self.rng.usize(..versions.len());
                let number = i64::try_from(version).unwrap() + 1;
                self.world.restore_prefix_list(account, &region, &id, number).ok()?;
                self.lists[list].versions.push(versions[version].clone());
                let changed_rules =
                    ChangedRules::Restored { list: id.clone(), version: number, entries: versions[version].clone() };
                self.send(group.place, Resource::List(id), Change { changed_rules, exempt }, |_| {})
            }
            "deletes a group" => {
                self.world.delete_group(account, &region, &group.id).ok()?;
                self.groups.retain(|known| known.id != group.id);
                self.create_group(group.place);
                Some(())
            }
            "makes a call too large to record" => {
                let permission = self.permission();
                self.world.authorize(account, &region, &group.id, &[permission]).ok()?;
                let change = Change { changed_rules: ChangedRules::Any, exempt };
                self.send(group.place, Resource::Region, change, |event| {
                    event["detail"]["requestParameters"] = omitted();
                    event["detail"]["responseElements"] = omitted();
                })
            }
            "makes a call whose answer lists no rules" => {
                let permission = self.permission();
                let name = if group.by_name { &group.name } else { &group.id };
                let ids = self.world.authorize(account, &region, name, &[permission]).ok()?;
                let made = self.rules(group.place, &group.id).into_iter().filter(|rule| ids.contains(&rule.id));
                let changed_rules = ChangedRules::Asked(made.map(|rule| rule.shape).collect());
                let subject =
                    if group.by_name { Resource::Name(group.name.clone()) } else { Resource::Group(group.id.clone()) };
                let stripped = if self.rng.bool() { omitted() } else { json!({"_return": true}) };
                self.send(group.place, subject, Change { changed_rules, exempt }, |event| {
                    event["detail"]["responseElements"] = stripped;
                })
            }
            "does something lawful" => {
                let lawful = [
                    Permission::tcp(443, "0.0.0.0/0"),
                    Permission::tcp(22, "10.1.0.0/16"),
                    Permission::tcp(22, &group.id),
                    Permission::tcp(3389, "9.9.9.9/32"),
                ];
                let permission = self.one_of(&lawful);
                open(self, &[permission])
            }
            _ => {
                let permission = Permission::tcp(22, "0.0.0.0/0");
                if self.world.authorize(account, &region, &group.id, std::slice::from_ref(&permission)).is_ok() {
                    let id = self.rules(group.place, &group.id).pop()?.id;
                    return self.opened(group, &[id], exempt);
                }
                let changed_rules = ChangedRules::Made(Vec::new());
                self.send(group.place, Resource::Group(group.id.clone()), Change { changed_rules, exempt }, |_| {})
            }
        }
    }

    fn open(&mut self, group: &Group, name: &str, permissions: &[Permission], exempt: bool) -> Option<()> {
        let Place { account, region } = self.places[group.place].clone();
        let ids = self.world.authorize(account, &region, name, permissions).ok()?;
        self.opened(group, &ids, exempt)
    }

    fn opened(&mut self, group: &Group, ids: &[String], exempt: bool) -> Option<()> {
        let made = self.rules(group.place, &group.id).into_iter().filter(|rule| ids.contains(&rule.id));
        let changed_rules = ChangedRules::Made(made.map(|rule| (rule.id, rule.shape)).collect());
        self.send(group.place, Resource::Group(group.id.clone()), Change { changed_rules, exempt }, |_| {})
    }

    fn modify(&mut self, group: &Group, both: bool, exempt: bool) -> Option<()> {
        let Place { account, region } = self.places[group.place].clone();
        let mut changes = Vec::new();
        for rule in self.world.rules(account, &region, &group.id) {
            let wanted = rule.direction == Direction::Ingress || both;
            if !wanted || !matches!(rule.source, Source::Ipv4(_)) || self.rng.bool() {
                continue;
            }
            changes.push(RuleChange { rule: rule.id, permission: self.permission() });
        }
        if changes.is_empty() {
            return None;
        }
        self.changed(group, changes, exempt)
    }

    fn changed(&mut self, group: &Group, changes: Vec<RuleChange>, exempt: bool) -> Option<()> {
        let Place { account, region } = self.places[group.place].clone();
        self.world.modify_rules(account, &region, &group.id, &changes).ok()?;
        let changed = |id: &String| changes.iter().any(|change| change.rule == *id);
        let made = self.rules(group.place, &group.id).into_iter().filter(|rule| changed(&rule.id));
        let changed_rules = ChangedRules::Made(made.map(|rule| (rule.id, rule.shape)).collect());
        self.send(group.place, Resource::Group(group.id.clone()), Change { changed_rules, exempt }, |_| {})
    }

    fn change_list(&mut self, list: usize, exempt: bool) -> Option<()> {
        let List { place, id, versions } = self.lists[list].clone();
        let Place { account, region } = self.places[place].clone();
        let current = versions.last()?.clone();
        let entry = self.one_of(&["0.0.0.0/0", "0.0.0.0/1", "8.0.0.0/9", "8.128.0.0/9", "9.9.9.9/32", "10.2.0.0/16"]);
        let (add, remove) = match current.iter().any(|known| known == entry) {
            true => (vec![], vec![entry]),
            false => (vec![entry], vec![]),
        };
        self.world.modify_prefix_list(account, &region, &id, &add, &remove).ok()?;
        let mut next = current;
        next.retain(|known| !remove.contains(&known.as_str()));
        next.extend(add.iter().map(|&entry| entry.to_owned()));
        self.lists[list].versions.push(next);
        let added = Some(add.into_iter().map(str::to_owned).collect());
        let changed_rules = ChangedRules::List { list: id.clone(), added };
        self.send(place, Resource::List(id), Change { changed_rules, exempt }, |_| {})
    }

    /// Puts the record of the last call into the outbox.
    fn send(&mut self, place: usize, subject: Resource, change: Change, cut: impl FnOnce(&mut Value)) -> Option<()> {
        let mut event = ec2_model::eventbridge(self.world.take_records().last()?);
        cut(&mut event);
        self.records.insert(id_of(&event), Record { place, subject, change });
        self.outbox.push(event);
        Some(())
    }

    /// A sweep request for a whole place.
    pub(crate) fn sweep(&mut self, place: usize) -> Value {
        let Place { account, region } = &self.places[place];
        let order = json!({"sweep": {"accounts": [account], "regions": [region]}});
        let change = Change::of(ChangedRules::Everything);
        self.records.insert(id_of(&order), Record { place, subject: Resource::Region, change });
        order
    }
}

/// The id that findings have for a delivery: the record's `eventID`. A sweep's findings have none.
pub(crate) fn id_of(event: &Value) -> String {
    match event.get("sweep") {
        Some(order) => format!("{SWEEP}{order}"),
        None => event["detail"]["eventID"].as_str().unwrap_or_default().to_owned(),
    }
}

/// The prefix of a sweep request, in place of an id.
pub(crate) const SWEEP: &str = "sweep ";

fn omitted() -> Value {
    json!({"reason": "too large", "omitted": true, "originalSize": 131_072})
}
