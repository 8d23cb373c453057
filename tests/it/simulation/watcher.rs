//! A layer between the function and the model. Between the function's calls it lets people act and makes calls fail. It
//! checks every write (`writes`) and every message (`words`) of the function against the naive judge.

mod answers;
mod words;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use answers::{any_fault, escaped, readable, values};
use ec2_model::{Call, Fault, Reply, Request};
use serde_json::Value;

use super::crash::{Crashes, Passes};
use super::judge::{Change, ChangedRules, Lists, Rule, exposing};
use super::rates::Rates;
use super::scene::{HOME, MEMBER, Resource, Scene};
use crate::harness::TABLE;

/// One look at a group, as the function saw it.
struct Look {
    rules: Vec<Rule>,
    lists: Lists,
    /// How often people had changed something by then.
    version: u64,
    /// How many rules the other function had revoked by then.
    others: usize,
    at: i64,
    /// Whether a write has followed the look.
    used: bool,
}

/// All changes of one delivery to one resource, which are judged together.
struct Job {
    place: usize,
    subject: Resource,
    changes: Vec<Change>,
}

/// The state of one function's current delivery.
#[derive(Default)]
struct InHand {
    jobs: Vec<Job>,
    looks: BTreeMap<String, Vec<Look>>,
    /// The rules that EC2 has confirmed to the function as revoked.
    gone: BTreeSet<String>,
    /// Which versions of which prefix lists the function has read.
    versions: BTreeSet<(String, String)>,
    /// The changes that the memory had claims of when the function last called it, by group.
    claimed: BTreeMap<String, Vec<Change>>,
}

/// How many rules each of the two functions has revoked, over all deliveries.
type Writes = [usize; 2];

pub(crate) struct Watcher {
    pub(crate) scene: Scene,
    pub(crate) rates: Rates,
    in_hand: [InHand; 2],
    /// The changes that each function left in a standing exposure of a group. It judges them again with later changes.
    unsettled: BTreeMap<(usize, String), Vec<Change>>,
    writes: Writes,
    pub(crate) wrong: Vec<String>,
    trace: DefaultHasher,
    /// How many more things people may do between calls.
    pub(crate) deeds_left: usize,
    pub(crate) crashes: Crashes,
}

/// Longer than any delivery lasts.
const NEVER: Duration = Duration::from_secs(86_400);

impl Watcher {
    pub(crate) fn new(scene: Scene, rates: Rates, deeds_left: usize, crashes: Crashes) -> Self {
        let (in_hand, unsettled, writes, wrong, trace) = Default::default();
        Self { scene, rates, in_hand, unsettled, writes, wrong, trace, deeds_left, crashes }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.trace.finish()
    }

    /// Adds a line to the trace. Region names are replaced, because each run has its own.
    fn note(&mut self, what: &str) {
        let mut what = what.to_owned();
        for (n, place) in self.scene.places.iter().enumerate() {
            what = what.replace(&place.region, &format!("region-{n}"));
        }
        if self.rates.verbose {
            println!("{:>8} {what}", self.scene.tick() - super::scene::START);
        }
        what.hash(&mut self.trace);
    }

    fn wrong(&mut self, what: String) {
        self.note(&format!("WRONG: {what}"));
        self.wrong.push(what);
    }

    pub(crate) fn deed(&mut self) {
        if self.deeds_left > 0 {
            self.deeds_left -= 1;
            self.scene.deed();
        }
    }

    pub(crate) fn alert(&self, place: usize) -> bool {
        self.rates.member_alert && self.scene.places[place].account == MEMBER
    }

    /// A delivery begins.
    pub(crate) fn begin(&mut self, function: usize, ids: &[String]) {
        self.note(&format!("function {function} gets {ids:?}"));
        let mut jobs: BTreeMap<(usize, Resource), Vec<Change>> = BTreeMap::new();
        for record in ids.iter().filter_map(|id| self.scene.records.get(id)) {
            jobs.entry((record.place, record.subject.clone())).or_default().push(record.change.clone());
        }
        let jobs = jobs.into_iter().map(|((place, subject), changes)| Job { place, subject, changes });
        self.in_hand[function] = InHand { jobs: jobs.collect(), ..InHand::default() };
    }

    /// Passes on a request of the function. Returns the reply and how long it takes.
    pub(crate) fn pass(&mut self, function: usize, request: &Request) -> (Duration, Reply) {
        self.scene.tick();
        let passes = self.crashes.call(function);
        if passes == Passes::Never {
            return (NEVER, Reply::Lost);
        }
        // Evidence is written after the last look: what is done meanwhile is another delivery's.
        if request.method != "PUT" && self.scene.chance(self.rates.between) {
            self.deed();
        }
        if self.scene.chance(self.rates.faults) {
            let (name, kind) = any_fault(&mut self.scene.rng);
            self.scene.world.inject(Fault { action: None, nth: 0, kind });
            self.scene.count(format!("fault: {name}"));
        }
        let writes = [&b"Action=Revoke"[..], b"Action=ModifySecurityGroupRules"];
        let before: BTreeMap<String, Vec<Rule>> = if writes.iter().any(|call| request.body.starts_with(call)) {
            let groups = self.scene.groups.iter();
            groups.map(|group| (group.id.clone(), self.scene.rules(group.place, &group.id))).collect()
        } else {
            BTreeMap::new()
        };
        let reply = self.scene.world.handle(request);
        let reply = if passes == Passes::Unheard { Reply::Lost } else { reply };
        let call = self.scene.world.calls().pop();
        if let Some(call) = call {
            // The checksum of evidence differs from run to run, for it names the run's own Regions; and so does the hash of
            // what a sweep told.
            let is_hash = |value: &str| value.contains("\\\"told\\\":") || value.contains("\"told\":\"");
            let mut params: Vec<_> =
                call.params.iter().filter(|(name, value)| name != "ChecksumCRC32" && !is_hash(value)).collect();
            // DynamoDB's expressions come in no order.
            params.sort();
            self.note(&format!("function {function}: {} {params:?} {:?}", call.action, call.outcome));
            self.scene.count(format!("call: {}", call.action));
            let place = self.scene.places.iter().position(|p| p.account == call.account && p.region == call.region);
            match (call.action.as_str(), place) {
                ("DescribeSecurityGroupRules", Some(place)) => self.looked(function, place, &call, &reply),
                ("GetManagedPrefixListEntries", Some(place)) => self.read_list(function, place, &call, &reply),
                ("RevokeSecurityGroupIngress", Some(place)) => {
                    let group = call.param("GroupId").unwrap().to_owned();
                    let before = before.get(&group).cloned().unwrap_or_default();
                    self.written(function, (place, &group), (&call, &reply), &before);
                }
                ("ModifySecurityGroupRules", Some(place)) => {
                    let group = call.param("GroupId").unwrap().to_owned();
                    let before = before.get(&group).cloned().unwrap_or_default();
                    self.given_back(function, (place, &group), &call, &before);
                }
                ("UpdateItem" | "GetItem", _) => self.remembered(function, &call),
                _ => {}
            }
        }
        // Evidence is written after the last look: what is done meanwhile is another delivery's.
        if request.method != "PUT" && self.scene.chance(self.rates.between) {
            self.deed();
        }
        let under_way = Duration::from_millis(self.scene.rng.u64(1..120));
        (if passes == Passes::Unheard { NEVER } else { under_way }, reply)
    }

    /// A delivery has stopped. Nobody has heard anything of it.
    pub(crate) fn stopped(&mut self, function: usize) {
        self.note(&format!("function {function} stops"));
        self.scene.count("deliveries that stopped");
        self.in_hand[function] = InHand::default();
    }

    /// The memory is called. The function knows what is claimed and closed in the group, if it gets the answer.
    fn remembered(&mut self, function: usize, call: &Call) {
        let key = call.params.iter().find(|(name, _)| name.starts_with("Key")).map(|(_, key)| key.clone());
        let items = self.scene.world.items(HOME, &self.scene.places[0].region, TABLE);
        let Some((key, item)) = key.and_then(|key| items.into_iter().find(|(known, _)| *known == key)) else { return };
        let Some((_, group)) = key.rsplit_once('/') else { return };
        let hand = &mut self.in_hand[function];
        let closed = item.keys().filter_map(|name| name.strip_prefix("closed#"));
        hand.gone.extend(closed.map(str::to_owned));
        let claims = item.iter().filter(|(name, _)| name.starts_with("claim#"));
        let claims = claims.map(|(_, text)| serde_json::from_str::<Value>(text).unwrap());
        let claimed = claims.filter_map(|claim| {
            let id = claim["change"]["event"]["id"].as_str()?.to_owned();
            self.scene.records.get(&id).map(|record| record.change.clone())
        });
        let is_believed = |change: &Change| !matches!(change.changed_rules, ChangedRules::Any);
        hand.claimed.insert(group.to_owned(), claimed.filter(is_believed).collect());
        self.scene.count("calls of the memory");
    }

    fn looked(&mut self, function: usize, place: usize, call: &Call, reply: &Reply) {
        let Some(body) = readable(reply) else { return };
        let mut shown = escaped(std::str::from_utf8(body).unwrap());
        let asked: Vec<String> = values(call, "Filter.1.Value").collect();
        let asked = match asked.is_empty() {
            false => asked,
            true => self.scene.groups_of(place, &Resource::Region).into_iter().collect(),
        };
        let (version, others, at) = (self.scene.versions[place].0, self.writes[1 - function], self.scene.tick());
        for group in asked {
            let rules = shown.remove(&group).unwrap_or_default();
            let look = Look { rules, lists: Lists::new(), version, others, at, used: false };
            self.in_hand[function].looks.entry(group).or_default().push(look);
        }
    }

    fn read_list(&mut self, function: usize, place: usize, call: &Call, reply: &Reply) {
        let Some(body) = readable(reply) else { return };
        let list = call.param("PrefixListId").unwrap();
        if let Some(version) = call.param("TargetVersion") {
            self.in_hand[function].versions.insert((list.to_owned(), version.to_owned()));
            return;
        }
        let xml = std::str::from_utf8(body).unwrap();
        let entries: Vec<String> =
            xml.split("<cidr>").skip(1).map(|rest| rest.split_once('<').unwrap().0.to_owned()).collect();
        let here = self.scene.groups_of(place, &Resource::Region);
        for (_, looks) in self.in_hand[function].looks.iter_mut().filter(|(group, _)| here.contains(*group)) {
            for look in looks.iter_mut().rev().take(1) {
                look.lists.entry(list.to_owned()).or_insert_with(|| entries.clone());
            }
        }
    }

    /// The ports that the internet reaches in accounts where the function may write.
    pub(crate) fn exposed(&self) -> BTreeSet<String> {
        let mut exposed = BTreeSet::new();
        for group in self.scene.groups.iter().filter(|group| !self.alert(group.place)) {
            exposed.extend(exposing(&self.scene.rules(group.place, &group.id), &self.scene.lists(group.place)));
        }
        exposed
    }
}
