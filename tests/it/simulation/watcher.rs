//! A layer between the function and the model. Between the function's calls it lets people act and makes calls fail. It
//! checks every write and every message of the function against the naive judge.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use ec2_model::{Call, Fault, FaultKind, Reply, Request, Response};
use portcullis::domain::finding::Finding;
use portcullis::pipeline::Answer;
use serde_json::Value;

use super::Rates;
use super::crash::{Crashes, Passes};
use super::judge::{Change, ChangedRules, Known, Lists, Rule, Shape, exposing, plan};
use super::scene::{HOME, MEMBER, Record, Resource, SWEEP, Scene};
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

/// Longer than the SDK waits for an answer.
const TOO_SLOW: Duration = Duration::from_secs(5);

fn any_fault(rng: &mut fastrand::Rng) -> (&'static str, FaultKind) {
    let (status, code, message) = (500, "InternalError".to_owned(), "injected".to_owned());
    match rng.usize(..11) {
        0 => ("an error before the effect", FaultKind::ErrorBefore { status, code, message }),
        1 => ("an error after the effect", FaultKind::ErrorAfter { status, code, message }),
        2 => ("throttled", FaultKind::Throttle),
        3 => ("connection lost before the effect", FaultKind::LostBefore),
        4 => ("connection lost after the effect", FaultKind::LostAfter),
        5 => ("answer cut", FaultKind::Cut),
        6 => ("answer malformed", FaultKind::MalformedXml),
        7 => ("denied", FaultKind::Denied),
        8 => ("credentials expired", FaultKind::ExpiredCredentials),
        9 => ("slow past the time-out", FaultKind::Slow(Duration::from_millis(rng.u64(5_100..30_000)))),
        _ => ("slow", FaultKind::Slow(Duration::from_millis(rng.u64(200..4_900)))),
    }
}

/// The body of an answer that the function can read.
fn readable(reply: &Reply) -> Option<&[u8]> {
    let whole = |response: &Response| response.status == 200 && response.body.trim_ascii_end().ends_with(b"Response>");
    match reply {
        Reply::Answer(response) if whole(response) => Some(&response.body),
        Reply::Slow(pause, response) if whole(response) && *pause < TOO_SLOW => Some(&response.body),
        Reply::Answer(_) | Reply::Slow(..) | Reply::Cut(_) | Reply::Lost => None,
    }
}

/// The text of the first element with this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// The ingress rules of an answer to DescribeSecurityGroupRules, by group.
fn escaped(xml: &str) -> BTreeMap<String, Vec<Rule>> {
    let mut groups: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
    for item in xml.split("<securityGroupRuleId>").skip(1) {
        let text = |name| element(item, name).unwrap_or_default();
        if text("isEgress") == "true" {
            continue;
        }
        let id = item.split_once('<').unwrap().0.to_owned();
        // The group's id comes before the rule's id. The rule's ARN does not name the group.
        let source = ["cidrIpv4", "cidrIpv6", "prefixListId", "groupId"].into_iter().find_map(|name| {
            // Text after the rule's end belongs to the next rule.
            element(item.split("</item>").next().unwrap(), name)
        });
        let port = |name| text(name).parse().unwrap();
        let shape = Shape {
            protocol: text("ipProtocol").to_owned(),
            ports: (port("fromPort"), port("toPort")),
            source: source.unwrap().to_owned(),
        };
        let before = &xml[..xml.find(&format!("<securityGroupRuleId>{id}<")).unwrap()];
        let group = before.rsplit_once("<groupId>").unwrap().1.split_once('<').unwrap().0;
        groups.entry(group.to_owned()).or_default().push(Rule { id, shape });
    }
    groups
}

fn values<'a>(call: &'a Call, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    call.params.iter().filter(move |(name, _)| name.starts_with(prefix)).map(|(_, value)| value.clone())
}

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
                    self.written(function, place, &group, &call, &before, &reply);
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

    /// Never touch a lawful rule.
    fn written(&mut self, function: usize, place: usize, group: &str, call: &Call, before: &[Rule], reply: &Reply) {
        let ids: BTreeSet<String> = values(call, "SecurityGroupRuleId.").collect();
        let after = self.scene.rules(place, group);
        let removed: Vec<&Rule> = before.iter().filter(|rule| !after.contains(rule)).collect();
        for rule in &removed {
            self.scene.count("rules revoked");
            self.crashes.taken.insert(rule.id.clone());
        }
        self.writes[function] += removed.len();
        if !removed.is_empty() {
            // EC2 may still show rules that are gone.
            self.scene.versions[place].1 = self.scene.tick();
        }
        let others = self.writes[1 - function];
        let name = self.scene.groups.iter().find(|known| known.id == group).map(|known| known.name.clone());
        let hand = &mut self.in_hand[function];
        let jobs: Vec<&Job> = hand.jobs.iter().filter(|job| job.place == place).collect();
        let concerned = |job: &&&Job| match &job.subject {
            Resource::Group(id) => id == group,
            Resource::Name(called) => name.as_ref().is_none_or(|name| name == called),
            Resource::List(_) | Resource::Region => true,
        };
        let jobs: Vec<&&Job> = jobs.iter().filter(concerned).collect();
        let alone = jobs.len() == 1;
        let looks = hand.looks.entry(group.to_owned()).or_default();
        let left = self.unsettled.get(&(function, group.to_owned())).cloned().unwrap_or_default();
        let looks_of_group: Vec<Vec<Rule>> = looks.iter().map(|look| look.rules.clone()).collect();
        let known_gone = |look: &Look, heard: bool| {
            let there = look.rules.iter().filter(|rule| !heard || !hand.gone.contains(&rule.id));
            there.cloned().collect::<Vec<_>>()
        };
        let break_glass = self.scene.break_glass;
        // Together with what other deliveries claimed, as far as it is believed: a record without ids is for minutes only.
        let claimed = hand.claimed.get(group).cloned();
        let by_id = |change: &&Change| !matches!(change.changed_rules, ChangedRules::Asked(_));
        let of_young: Option<Vec<Change>> = claimed.as_ref().map(|all| all.iter().filter(by_id).cloned().collect());
        let alone_or_not = claimed.is_some().then(Vec::new);
        let together: Vec<Vec<Change>> = [Some(left), claimed, of_young, alone_or_not].into_iter().flatten().collect();
        let may_go = |n: usize, look: &Look, changes: &[Change]| {
            // A rule appeared if the first look did not show it, or if some look showed it differently, unless a lawful
            // caller may have made it.
            let is_new = |rule: &&Rule| {
                let shown = |look: &Vec<Rule>| look.iter().find(|other| other.id == rule.id).cloned();
                let others = looks_of_group[..=n].iter().filter_map(shown).any(|other| other != **rule);
                !break_glass && n > 0 && (shown(&looks_of_group[0]).is_none() || others)
            };
            let appeared = look.rules.iter().filter(is_new).map(|rule| rule.id.clone()).collect();
            let appeared = [Change::of(ChangedRules::Appeared(appeared))];
            let known = Known { lists: &look.lists, break_glass };
            together.iter().any(|others| {
                let changes = [changes, others, &appeared].concat();
                [true, false].into_iter().any(|heard| ids.is_subset(&plan(&known_gone(look, heard), known, &changes)))
            })
        };
        let planned = jobs.iter().any(|job| {
            let unread: Vec<Change> = job.changes.iter().map(|change| change.unread(&hand.versions)).collect();
            let looks = || looks.iter().enumerate().rev().take(jobs.len());
            looks().any(|(n, look)| may_go(n, look, &job.changes) || may_go(n, look, &unread))
        });
        let fresh = looks.last().is_some_and(|look| !look.used);
        let seen = looks.last().map_or((0, 0), |look| (look.version, look.others));
        if let Some(look) = looks.last_mut() {
            look.used = true;
        }
        if let Some(body) = readable(reply) {
            let xml = std::str::from_utf8(body).unwrap();
            let listed = xml.split("<securityGroupRuleId>").skip(1);
            hand.gone.extend(listed.map(|rest| rest.split_once('<').unwrap().0.to_owned()));
        }
        if self.alert(place) {
            self.wrong(format!("a write in alert mode: {ids:?}"));
        }
        if alone && !fresh {
            self.wrong(format!("a write without a look of the same turn: {ids:?} of {group}"));
        }
        if !planned {
            // With two looks under way at a time, nobody can tell which list entries belong to which look.
            match alone || self.scene.lists(place).is_empty() {
                true => self.wrong(format!("more than had to go by what the guard saw: {ids:?} of {group}")),
                false => self.scene.count("writes not held against the look"),
            }
        }
        let unlawful = exposing(before, &self.scene.lists(place));
        // EC2 has no conditional revoke. So a rule that is lawful now may be revoked only if something has changed
        // since the look.
        let unseen = seen != (self.scene.versions[place].0, others) || self.rates.lag > 0;
        for rule in removed.iter().filter(|rule| !unlawful.contains(&rule.id)) {
            match unseen {
                true => self.scene.count("rules made lawful between look and write"),
                false => self.wrong(format!("lawful at that moment: {rule:?} of {group}")),
            }
        }
        for rule in removed.iter().filter(|rule| !ids.contains(&rule.id)) {
            self.wrong(format!("not asked for: {rule:?} of {group}"));
        }
    }

    /// Never write a value that exposes, and give back only what had to go.
    fn given_back(&mut self, function: usize, (place, group): (usize, &str), call: &Call, before: &[Rule]) {
        let named = call.params.iter().filter(|(name, _)| name.ends_with(".SecurityGroupRuleId"));
        let ids: BTreeSet<String> = named.map(|(_, id)| id.clone()).collect();
        let after = self.scene.rules(place, group);
        let changed: Vec<(&Rule, &Rule)> = before
            .iter()
            .filter_map(|was| Some((was, after.iter().find(|rule| rule.id == was.id && rule.shape != was.shape)?)))
            .collect();
        for (was, _) in &changed {
            self.scene.count("rules given back");
            self.crashes.taken.insert(was.id.clone());
        }
        self.writes[function] += changed.len();
        if !changed.is_empty() {
            self.scene.versions[place].1 = self.scene.tick();
        }
        if self.alert(place) {
            self.wrong(format!("a rule changed in alert mode: {ids:?}"));
        }
        if before.len() != after.len() {
            self.wrong(format!("a rule came or went: {ids:?} of {group}"));
        }
        let others = self.writes[1 - function];
        let version = self.scene.versions[place].0;
        let looks = self.in_hand[function].looks.entry(group.to_owned()).or_default();
        let seen = looks.last().map_or((0, 0), |look| (look.version, look.others));
        if let Some(look) = looks.last_mut() {
            look.used = true;
        }
        let is_unseen = seen != (version, others) || self.rates.lag > 0;
        let (lists, unlawful) = (self.scene.lists(place), exposing(before, &self.scene.lists(place)));
        let open = exposing(&after, &lists);
        for (was, is) in changed {
            if !ids.contains(&is.id) {
                self.wrong(format!("not asked for: {is:?} of {group}"));
            }
            if !exposing(std::slice::from_ref(is), &lists).is_empty() || open.contains(&is.id) && !is_unseen {
                self.wrong(format!("a value that exposes was written: {is:?} of {group}"));
            }
            match (unlawful.contains(&was.id), is_unseen) {
                (true, _) => {}
                (false, true) => self.scene.count("rules made lawful between look and write"),
                (false, false) => self.wrong(format!("lawful at that moment: {was:?} of {group}")),
            }
        }
    }

    /// Never report falsely: checks a line of the function's log.
    pub(crate) fn log_line(&mut self, line: &str) {
        self.scene.tick();
        let finding: Value = serde_json::from_str(line).unwrap();
        if finding.get("verdict").is_none() {
            return;
        }
        self.note(line);
        self.scene.count(format!(
            "finding: {} {}",
            finding["verdict"].as_str().unwrap(),
            finding["outcome"].as_str().unwrap()
        ));
        if finding["memory"] == "unavailable" {
            self.scene.count("finding without memory");
        }
        let (account, region) = (finding["account"].as_str(), finding["region"].as_str());
        let place =
            self.scene.places.iter().position(|p| Some(p.account) == account && Some(p.region.as_str()) == region);
        let (Some(place), Some(group)) = (place, finding["group"].as_str()) else { return };
        let there = self.scene.rules(place, group);
        let rules = finding["rules"].as_array().unwrap();
        for rule in rules.iter().filter(|rule| rule["action"] == "revoked") {
            if there.iter().any(|known| rule["id"] == known.id.as_str()) {
                self.wrong(format!("reported as revoked, and is there: {rule}"));
            }
        }
        for former in finding["former"].as_object().into_iter().flat_map(|all| all.values()) {
            let is_known = former.get("unknown").is_none();
            self.scene.count(if is_known { "former: known" } else { "former: unknown" });
        }
        let revoked = rules.iter().any(|rule| rule["action"] == "revoked" || rule["action"] == "restored");
        if (finding["outcome"] == "reverted") != (revoked && finding["outcome"] != "failed") {
            self.wrong(format!("the outcome does not fit the rules: {finding}"));
        }
    }

    /// Never lose a signal: a delivery has ended. `items` are its messages, each with its event.
    pub(crate) fn settled(&mut self, function: usize, items: &[(String, String)], answer: &Answer) {
        self.scene.tick();
        for (_, id) in items {
            let of = |finding: &&Finding| finding.id.as_ref().map_or(id.starts_with(SWEEP), |of| of == id);
            let reported: Vec<&Finding> = answer.findings.iter().filter(of).collect();
            let again = reported.iter().any(|finding| finding.needs_retry());
            if reported.is_empty() {
                self.wrong(format!("dropped in silence: {id}"));
            }
            // One delivery may hold a record twice, and the attempt at either is enough.
            let mut copies = items.iter().filter(|(_, other)| other == id);
            if again && !copies.any(|(item, _)| answer.failed.contains(item)) {
                self.wrong(format!("needs another delivery and asks for none: {id}"));
            }
            let Some(record) = self.scene.records.get(id).cloned() else { continue };
            for finding in reported.iter().filter(|finding| finding.exposures.iter().any(|exposure| exposure.standing))
            {
                let group = finding.group.clone().unwrap_or_default();
                self.unsettled.entry((function, group)).or_default().push(record.change.clone());
            }
            if !again && !self.alert(record.place) {
                self.left(function, id, &record);
            }
        }
    }

    /// Checks that nothing that the change exposes is left when the function reports it as done.
    fn left(&mut self, function: usize, id: &str, record: &Record) {
        let Record { place, subject, change } = record;
        let break_glass = self.scene.break_glass;
        let changes: Vec<Change> = {
            let jobs = self.in_hand[function].jobs.iter();
            jobs.filter(|job| job.place == *place && job.subject == *subject)
                .flat_map(|job| job.changes.clone())
                .collect()
        };
        for group in self.scene.groups_of(*place, subject) {
            let (mut rules, mut lists) = (self.scene.rules(*place, &group), self.scene.lists(*place));
            let (version, touched) = self.scene.versions[*place];
            let hand = &self.in_hand[function];
            let looks = hand.looks.get(&group).map_or(&[][..], Vec::as_slice);
            let Some(look) = looks.last() else {
                // The function did not look. That is correct only for a change that can expose nothing.
                if !plan(&rules, Known { lists: &lists, break_glass }, &changes)
                    .iter()
                    .any(|id| rules.iter().any(|r| r.id == *id && change.made_rule(r)))
                {
                    continue;
                }
                if version == 0 || matches!(subject, Resource::Group(_)) {
                    self.wrong(format!("reported as done without a look: {id} in {group}"));
                }
                continue;
            };
            if look.version != version {
                self.scene.count("deliveries that people worked against");
                continue;
            }
            let lag = self.rates.lag;
            if lag > 0 && look.at - touched <= lag {
                // EC2 may not have shown everything yet, but it has shown the rules of the change.
                let made = match &change.changed_rules {
                    ChangedRules::Made(made) => made.clone(),
                    ChangedRules::Asked(_)
                    | ChangedRules::List { .. }
                    | ChangedRules::Restored { .. }
                    | ChangedRules::Everything
                    | ChangedRules::Any
                    | ChangedRules::Appeared(_) => Vec::new(),
                };
                let unseen = |rule: &&Rule| {
                    made.iter().any(|(id, shape)| *id == rule.id && *shape == rule.shape)
                        && looks.iter().all(|look| !look.rules.contains(rule))
                };
                if let Some(rule) = rules.iter().find(unseen).cloned() {
                    let known = Known { lists: &lists, break_glass };
                    if !plan(std::slice::from_ref(&rule), known, &changes).is_empty() {
                        self.wrong(format!("reported as done before it was seen: {rule:?} of {id} in {group}"));
                    }
                    continue;
                }
                // The function saw nothing to do. A rule that is gone and still shown may have made the rest a standing
                // exposure, which is reported as standing and left to the sweep.
                rules = look.rules.iter().filter(|rule| !hand.gone.contains(&rule.id)).cloned().collect();
                lists = look.lists.clone();
            }
            let planned = plan(&rules, Known { lists: &lists, break_glass }, &changes);
            if let Some(rule) = rules.iter().find(|rule| planned.contains(&rule.id) && change.made_rule(rule)) {
                let rule = rule.clone();
                self.wrong(format!("reported as done, and open: {rule:?} of {id} in {group}"));
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
