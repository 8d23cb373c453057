//! Tests every AWS call of every remediation with everything that can go wrong in it. A run without faults finds the
//! calls of a scenario. Then each call meets each kind of fault. In the simplest scenarios each pair of calls meets
//! each pair of kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ec2_model::{Fault, FaultKind, Lag, Outcome as CallOutcome, Permission, RuleChange, Vpc};
use portcullis::config::{Accounts, MemberRole};
use portcullis::domain::finding::{Outcome, Verdict};
use portcullis::domain::policy::Mode;
use portcullis::pipeline::Answer;
use portcullis::store::Store;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, EVIDENCE, REGION, Setup, TABLE, Watch, sqs};
use crate::simulation;
use crate::simulation::judge::{Change, ChangedRules, Known, Lists, Rule, plan};

const MEMBER: &str = "444455556666";

/// A way to open a group.
struct Scenario {
    name: &'static str,
    setup: fn() -> Setup,
    arrange: fn(&Watch) -> Case,
}

/// An account and the id of a group in it.
type GroupOf = (&'static str, String);

/// A delivery, and what the judge needs to know about it.
struct Case {
    payload: Value,
    /// The item of each change, and the groups that the change is about: account and id.
    items: Vec<(String, Vec<GroupOf>, Change)>,
    lists: Lists,
    /// Whether nothing may be revoked, whatever is open.
    alert: bool,
}

impl Case {
    /// One event that is answered as a whole and is about the one group.
    fn one(watch: &Watch, payload: Value, changed_rules: ChangedRules) -> Self {
        let items = vec![(String::new(), vec![(ACCOUNT, watch.group.clone())], Change::of(changed_rules))];
        Self { payload, items, lists: Lists::new(), alert: false }
    }

    fn groups(&self) -> BTreeSet<&GroupOf> {
        self.items.iter().flat_map(|(_, groups, _)| groups).collect()
    }

    fn changes(&self, group: &GroupOf) -> Vec<Change> {
        let concerning = self.items.iter().filter(|(_, groups, _)| groups.contains(group));
        concerning.map(|(.., change)| change.clone()).collect()
    }
}

fn rules(watch: &Watch, (account, group): &GroupOf) -> Vec<Rule> {
    Rule::all(watch.world.rules(account, REGION, group))
}

/// The current rules of a group, as the rules of a change.
fn made(watch: &Watch, account: &'static str, group: &str) -> ChangedRules {
    let rules = rules(watch, &(account, group.to_owned())).into_iter();
    ChangedRules::Made(rules.map(|rule| (rule.id, rule.shape)).collect())
}

fn tcp(port: i32, source: &str) -> Permission {
    Permission::tcp(port, source)
}

/// Opens the group and reports it in one event.
fn opened(watch: &Watch, permissions: &[Permission]) -> Case {
    let event = watch.open(permissions);
    Case::one(watch, event, made(watch, ACCOUNT, &watch.group))
}

fn modified(watch: &Watch, egress: bool) -> Case {
    let before = watch.open(&[tcp(22, "10.0.0.0/8"), tcp(443, "0.0.0.0/0")]);
    assert!(before.is_object());
    let all = watch.world.rules(ACCOUNT, REGION, &watch.group);
    let change = |rule: &ec2_model::Rule| RuleChange { rule: rule.id.clone(), permission: tcp(22, "0.0.0.0/0") };
    let concerned = |rule: &&ec2_model::Rule| match rule.direction {
        ec2_model::Direction::Ingress => rule.from_port == 22,
        ec2_model::Direction::Egress => egress,
    };
    let changes: Vec<RuleChange> = all.iter().filter(concerned).map(change).collect();
    assert_eq!(changes.len(), 1 + usize::from(egress));
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &changes).unwrap();
    let ChangedRules::Made(made) = made(watch, ACCOUNT, &watch.group) else { unreachable!() };
    let changed_rules = ChangedRules::Made(made.into_iter().filter(|(_, shape)| shape.ports == (22, 22)).collect());
    Case::one(watch, watch.event(), changed_rules)
}

/// Two groups that refer to a list, which is then opened.
fn list_opened(watch: &Watch, restore: bool) -> Case {
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &["10.0.0.0/8"]).unwrap();
    let other = watch.world.create_group(ACCOUNT, REGION, "other", Vpc::Other);
    for group in [&watch.group, &other] {
        watch.world.authorize(ACCOUNT, REGION, group, &[tcp(22, &list), tcp(443, &list)]).unwrap();
    }
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/1"], &[]).unwrap();
    let mut added = Some(vec!["0.0.0.0/1".to_owned()]);
    if restore {
        watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &[], &["0.0.0.0/1"]).unwrap();
        watch.world.restore_prefix_list(ACCOUNT, REGION, &list, 2).unwrap();
        added = None;
    }
    let groups = vec![(ACCOUNT, watch.group.clone()), (ACCOUNT, other)];
    let items = vec![(String::new(), groups, Change::of(ChangedRules::List { list: list.clone(), added }))];
    let lists = Lists::from([(list, vec!["10.0.0.0/8".to_owned(), "0.0.0.0/1".to_owned()])]);
    Case { payload: watch.event(), items, lists, alert: false }
}

/// Opens several groups, with one message for each.
fn batch(watch: &Watch, opened: &[(&str, i32)]) -> Case {
    let (mut bodies, mut items, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (name, port) in opened {
        let group = match *name {
            "web" => watch.group.clone(),
            name => watch.world.create_group(ACCOUNT, REGION, name, Vpc::Other),
        };
        watch.world.authorize(ACCOUNT, REGION, &group, &[tcp(*port, "0.0.0.0/0")]).unwrap();
        let ChangedRules::Made(all) = made(watch, ACCOUNT, &group) else { unreachable!() };
        let new = all.into_iter().filter(|(id, _)| seen.insert(id.clone())).collect();
        items.push((format!("m{}", bodies.len()), vec![(ACCOUNT, group)], Change::of(ChangedRules::Made(new))));
        bodies.push(watch.event().to_string());
    }
    Case { payload: sqs(&bodies), items, lists: Lists::new(), alert: false }
}

fn omitted() -> Value {
    json!({"reason": "too large", "omitted": true, "originalSize": 131_072})
}

fn member() -> Setup {
    let role = MemberRole { name: "PortcullisMember".into(), external_id: None };
    Setup { accounts: Accounts::Any, member_role: Some(role), ..Setup::default() }
}

/// Rules that a sweep has seen on 443 and above are moved to 22, by a function that gives them back.
fn moved(watch: &Watch, count: i32) -> Case {
    let sources = ["0.0.0.0/0", "0.0.0.0/1"];
    let before: Vec<Permission> = (0..count).map(|n| tcp(443 + n, sources[n as usize])).collect();
    watch.open(&before);
    watch.world.set_now(watch.world.now() + 1_200_000);
    let ingress = |rule: &ec2_model::Rule| rule.direction == ec2_model::Direction::Ingress;
    let rules: Vec<_> = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter().filter(ingress).collect();
    let looked_at = jiff::Timestamp::from_millisecond(watch.world.now() - 600_000).unwrap();
    let header = json!({"schema": 1, "account": ACCOUNT, "region": REGION, "looked_at": looked_at, "sha256": "", "rules": count});
    let line = |rule: &ec2_model::Rule| {
        json!({"id": rule.id, "group": watch.group, "protocol": "tcp", "from_port": rule.from_port,
               "to_port": rule.to_port, "source": {"cidr": rule.source.text()}})
        .to_string()
    };
    // serde_json sorts keys, and a reader finds its rules by what comes first.
    let line = |rule: &ec2_model::Rule| {
        let id = format!("{{\"id\":\"{}\",", rule.id);
        line(rule).replace(&format!("\"id\":\"{}\",", rule.id), "").replacen('{', &id, 1)
    };
    let text = std::iter::once(header.to_string()).chain(rules.iter().map(line)).collect::<Vec<_>>().join("\n") + "\n";
    watch.world.put_object(EVIDENCE, &format!("rules/v1/{ACCOUNT}/{REGION}.json.gz"), text);
    let change =
        |(rule, source): (&ec2_model::Rule, &str)| RuleChange { rule: rule.id.clone(), permission: tcp(22, source) };
    let changes: Vec<RuleChange> = rules.iter().zip(sources).map(change).collect();
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &changes).unwrap();
    let event = watch.event();
    Case::one(watch, event, made(watch, ACCOUNT, &watch.group))
}

fn restoring() -> Setup {
    Setup { restores: true, ..Setup::default() }
}

const SCENARIOS: [Scenario; 22] = [
    Scenario {
        name: "group by id",
        setup: Setup::default,
        arrange: |watch| opened(watch, &[tcp(22, "0.0.0.0/0"), tcp(443, "0.0.0.0/0")]),
    },
    Scenario {
        name: "group by name",
        setup: || Setup { vpc: Vpc::Default, ..Setup::default() },
        arrange: |watch| {
            watch.world.authorize(ACCOUNT, REGION, "web", &[tcp(22, "0.0.0.0/0"), tcp(80, "0.0.0.0/0")]).unwrap();
            let mut event = watch.event();
            event["detail"]["responseElements"] = json!({"_return": true});
            let asked = rules(watch, &(ACCOUNT, watch.group.clone())).into_iter().map(|rule| rule.shape);
            Case::one(watch, event, ChangedRules::Asked(asked.collect()))
        },
    },
    Scenario {
        name: "split over a call",
        setup: Setup::default,
        arrange: |watch| opened(watch, &[tcp(22, "8.0.0.0/9"), tcp(22, "8.128.0.0/9"), tcp(22, "9.9.9.9/32")]),
    },
    Scenario {
        name: "split over calls",
        setup: Setup::default,
        arrange: |watch| {
            watch.open(&[tcp(22, "8.0.0.0/9")]);
            let event = watch.open(&[tcp(22, "8.128.0.0/9")]);
            let ChangedRules::Made(all) = made(watch, ACCOUNT, &watch.group) else { unreachable!() };
            Case::one(watch, event, ChangedRules::Made(all.into_iter().skip(1).collect()))
        },
    },
    Scenario {
        name: "batch, one group",
        setup: Setup::default,
        arrange: |watch| batch(watch, &[("web", 22), ("web", 3389), ("web", 443)]),
    },
    Scenario {
        name: "batch, groups",
        setup: Setup::default,
        arrange: |watch| batch(watch, &[("web", 22), ("b", 3389), ("c", 3306), ("d", 443)]),
    },
    Scenario { name: "modify", setup: Setup::default, arrange: |watch| modified(watch, false) },
    Scenario { name: "modify, mixed", setup: Setup::default, arrange: |watch| modified(watch, true) },
    Scenario { name: "modify, given back", setup: restoring, arrange: |watch| moved(watch, 1) },
    Scenario { name: "modify, several given back", setup: restoring, arrange: |watch| moved(watch, 2) },
    Scenario {
        name: "prefix list as source",
        setup: Setup::default,
        arrange: |watch| {
            let entries = ["0.0.0.0/1", "128.0.0.0/1"];
            let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &entries).unwrap();
            let case = opened(watch, &[tcp(22, &list), tcp(443, &list)]);
            Case { lists: Lists::from([(list, entries.map(str::to_owned).to_vec())]), ..case }
        },
    },
    Scenario { name: "prefix list modified", setup: Setup::default, arrange: |watch| list_opened(watch, false) },
    Scenario { name: "prefix list restored", setup: Setup::default, arrange: |watch| list_opened(watch, true) },
    Scenario {
        name: "answer omitted",
        setup: Setup::default,
        arrange: |watch| {
            let mut event = watch.open(&[tcp(22, "0.0.0.0/0"), tcp(3389, "::/0"), tcp(443, "::/0")]);
            event["detail"]["responseElements"] = omitted();
            let asked = rules(watch, &(ACCOUNT, watch.group.clone())).into_iter().map(|rule| rule.shape);
            Case::one(watch, event, ChangedRules::Asked(asked.collect()))
        },
    },
    Scenario {
        name: "any rule of a group",
        setup: Setup::default,
        arrange: |watch| {
            watch.open(&[tcp(3389, "0.0.0.0/0"), tcp(443, "0.0.0.0/0")]);
            let mut event = watch.open(&[tcp(22, "0.0.0.0/0")]);
            event["detail"]["responseElements"] = omitted();
            // A kind of source that this version does not know.
            event["detail"]["requestParameters"]["ipPermissions"]["items"][0]["newKind"] = json!({"items": [{}]});
            Case::one(watch, event, ChangedRules::Everything)
        },
    },
    Scenario {
        name: "whole Region",
        setup: || Setup { policy: "version: 1\nsweep: {mode: enforce, max_revocations: 1000}", ..Setup::default() },
        arrange: |watch| {
            watch.open(&[tcp(443, "0.0.0.0/0"), tcp(22, "10.0.0.0/8")]);
            let other = watch.world.create_group(ACCOUNT, REGION, "other", Vpc::Other);
            for group in [&watch.group, &other] {
                let open = [tcp(3389, "0.0.0.0/0"), tcp(22, "2000::/3")];
                watch.world.authorize(ACCOUNT, REGION, group, &open).unwrap();
            }
            let mut event = watch.event();
            event["detail"]["requestParameters"] = omitted();
            event["detail"]["responseElements"] = omitted();
            let groups = vec![(ACCOUNT, watch.group.clone()), (ACCOUNT, other)];
            let items = vec![(String::new(), groups, Change::of(ChangedRules::Everything))];
            Case { payload: event, items, lists: Lists::new(), alert: false }
        },
    },
    Scenario {
        name: "member account",
        setup: member,
        arrange: |watch| {
            watch.world.set_now(portcullis::now().as_millisecond());
            watch.world.allow_role(MEMBER, "PortcullisMember", None);
            let group = watch.world.create_group(MEMBER, REGION, "theirs", Vpc::Other);
            watch.world.authorize(MEMBER, REGION, &group, &[tcp(22, "0.0.0.0/0"), tcp(80, "::/0")]).unwrap();
            let items = vec![(String::new(), vec![(MEMBER, group.clone())], Change::of(made(watch, MEMBER, &group)))];
            Case { payload: watch.event(), items, lists: Lists::new(), alert: false }
        },
    },
    Scenario {
        name: "exemption by VPC",
        setup: || {
            let policy = "version: 1\nexempt:\n- {reason: lab, until: never, vpcs: [vpc-0]}";
            Setup { policy, ..Setup::default() }
        },
        arrange: |watch| opened(watch, &[tcp(22, "0.0.0.0/0"), tcp(443, "0.0.0.0/0")]),
    },
    Scenario {
        name: "alert mode",
        setup: || Setup { mode: Mode::Alert, ..Setup::default() },
        arrange: |watch| Case { alert: true, ..opened(watch, &[tcp(22, "0.0.0.0/0")]) },
    },
    Scenario {
        name: "alert scope",
        setup: || {
            let policy = "version: 1\nscopes: [{mode: alert, accounts: ['111122223333']}]";
            Setup { policy, ..Setup::default() }
        },
        arrange: |watch| Case { alert: true, ..opened(watch, &[tcp(22, "0.0.0.0/0")]) },
    },
    Scenario {
        name: "rule gone meanwhile",
        setup: Setup::default,
        arrange: |watch| {
            let case = opened(watch, &[tcp(22, "0.0.0.0/0"), tcp(3389, "0.0.0.0/0"), tcp(443, "::/0")]);
            let first = rules(watch, &(ACCOUNT, watch.group.clone())).remove(0).id;
            // The first look still shows the rule.
            watch.world.set_visibility_lag(Lag::None, Lag::Calls(1));
            watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&first]).unwrap();
            watch.world.set_visibility_lag(Lag::None, Lag::None);
            case
        },
    },
    Scenario {
        name: "with a topic",
        setup: || Setup { topic: true, ..Setup::default() },
        arrange: |watch| opened(watch, &[tcp(22, "0.0.0.0/0"), tcp(443, "0.0.0.0/0")]),
    },
];

fn kinds() -> Vec<(&'static str, FaultKind)> {
    let error = |status, code: &str| (status, code.to_owned(), "injected".to_owned());
    let before = |(status, code, message)| FaultKind::ErrorBefore { status, code, message };
    let after = |(status, code, message)| FaultKind::ErrorAfter { status, code, message };
    vec![
        ("internal error before", before(error(500, "InternalError"))),
        ("internal error after", after(error(500, "InternalError"))),
        ("unavailable before", before(error(503, "Unavailable"))),
        ("unavailable after", after(error(503, "Unavailable"))),
        ("an error nobody knows", before(error(400, "SomethingNew"))),
        ("throttled", FaultKind::Throttle),
        ("connection lost before", FaultKind::LostBefore),
        ("connection lost after", FaultKind::LostAfter),
        ("answer cut", FaultKind::Cut),
        ("answer malformed", FaultKind::MalformedXml),
        ("slow past the time-out", FaultKind::Slow(Duration::from_secs(20))),
        ("denied", FaultKind::Denied),
        ("credentials expired", FaultKind::ExpiredCredentials),
    ]
}

/// How many cases of a mode were done at the first delivery, and how many at the second.
#[derive(Default)]
struct Count {
    at_once: usize,
    again: usize,
}

/// The same for each scenario and kind of fault.
type Modes = BTreeMap<(&'static str, &'static str), Count>;

struct Run<'a> {
    scenario: &'a Scenario,
    watch: Watch,
    case: Case,
    before: BTreeMap<GroupOf, Vec<Rule>>,
    what: String,
}

impl<'a> Run<'a> {
    async fn start(scenario: &'a Scenario, what: String, has_memory: bool) -> Self {
        fastrand::seed(1);
        let setup = (scenario.setup)();
        // Nothing is given back without a memory.
        let has_memory = has_memory || setup.restores;
        let memory = if has_memory { Store::Table(TABLE.to_owned()) } else { Store::None };
        let watch = Setup { memory, ..setup }.start().await;
        let case = (scenario.arrange)(&watch);
        let before = case.groups().into_iter().map(|group| (group.clone(), rules(&watch, group))).collect();
        Self { scenario, watch, case, before, what }
    }

    /// AWS delivers again after a minute. By then EC2 shows the current state.
    fn a_minute_later(&self) {
        self.watch.world.set_now(self.watch.world.now() + 60_000);
    }

    fn hits(&self) -> usize {
        let hit = |call: &ec2_model::Call| matches!(call.outcome, CallOutcome::Fault(_));
        self.watch.world.calls().iter().filter(|call| hit(call)).count()
    }

    /// Delivers and checks the answer against the world. Returns whether nothing of the change is left open.
    async fn deliver(&self) -> bool {
        let answer = self.watch.deliver(&self.case.payload).await;
        let what = || format!("{}, {}: {answer:#?}", self.scenario.name, self.what);
        let mut done = true;
        for (group, before) in &self.before {
            let after = rules(&self.watch, group);
            let changes = self.case.changes(group);
            let lawful = plan(before, Known { lists: &self.case.lists, break_glass: false }, &changes);
            for rule in before.iter().filter(|rule| !after.contains(rule)) {
                assert!(!self.case.alert && lawful.contains(&rule.id), "{rule:?} was lawful: {}", what());
            }
            let left = plan(&after, Known { lists: &self.case.lists, break_glass: false }, &changes);
            for (item, _, change) in self.case.items.iter().filter(|(_, groups, _)| groups.contains(group)) {
                let open = after.iter().any(|rule| left.contains(&rule.id) && change.made_rule(rule));
                done &= !open;
                let reported = self.reported(&answer, item);
                if open && !self.case.alert {
                    assert!(answer.failed.contains(item), "left open without another delivery: {}", what());
                    assert!(
                        reported.iter().any(|finding| finding.needs_retry()),
                        "left open and not reported: {}",
                        what()
                    );
                }
                if open {
                    let safe = |finding: &&&_| Self::is_of(finding, group) && Self::says_done(finding);
                    assert!(!reported.iter().any(|finding| safe(&finding)), "reported as done, and open: {}", what());
                }
            }
            for finding in answer.findings.iter().filter(|finding| finding.group.as_ref() == Some(&group.1)) {
                for rule in finding.rules.iter().filter(|rule| rule.action.as_str() == "revoked") {
                    assert!(after.iter().all(|there| there.id != rule.id.as_str()), "{} is there: {}", rule.id, what());
                }
                for rule in finding.rules.iter().filter(|rule| rule.action.as_str() == "restored") {
                    let now = after.iter().find(|there| there.id == rule.id.as_str());
                    assert!(
                        now.is_some_and(|rule| rule.shape.ports.0 >= 443),
                        "{} is not as it was: {}",
                        rule.id,
                        what()
                    );
                }
            }
        }
        assert!(!answer.findings.is_empty(), "nothing reported: {}", what());
        let revokes = |call: &ec2_model::Call| call.action == "RevokeSecurityGroupIngress";
        assert!(!self.case.alert || !self.watch.world.calls().iter().any(revokes), "a write in alert mode: {}", what());
        for id in &answer.failed {
            assert!(
                self.reported(&answer, id).iter().any(|finding| finding.needs_retry()),
                "failed for no reason: {}",
                what()
            );
        }
        done && answer.failed.is_empty()
    }

    /// The findings for an item: those of one SQS message by its number, or all.
    fn reported<'f>(&self, answer: &'f Answer, item: &str) -> Vec<&'f portcullis::domain::finding::Finding> {
        let of_item = |(id, record): (&str, &Value)| {
            let event = record.pointer("/body").and_then(Value::as_str).map(|body| body.parse::<Value>().unwrap());
            (id == item).then(|| event.unwrap()["detail"]["eventID"].as_str().unwrap().to_owned())
        };
        let messages = self.case.payload["Records"].as_array();
        let ids = messages.into_iter().flatten().filter_map(|m| of_item((m["messageId"].as_str().unwrap(), m)));
        let ids: Vec<String> = ids.collect();
        let concerns = |id: &Option<String>| ids.is_empty() || id.as_ref().is_some_and(|id| ids.contains(id));
        answer.findings.iter().filter(|finding| concerns(&finding.id)).collect()
    }

    fn is_of(finding: &portcullis::domain::finding::Finding, group: &GroupOf) -> bool {
        finding.group.as_ref().is_none_or(|id| *id == group.1)
    }

    fn says_done(finding: &portcullis::domain::finding::Finding) -> bool {
        finding.verdict == Verdict::Safe || matches!(finding.outcome, Outcome::Reverted | Outcome::AlreadyGone)
    }

    /// Delivers with the faults, and again until nothing is left open. Returns how many deliveries that took.
    async fn to_the_end(&self, faults: usize) -> Option<usize> {
        let mut deliveries = 1;
        let mut done = self.deliver().await;
        if self.hits() == 0 {
            return None;
        }
        // A fault that the first delivery did not meet may hit the next delivery.
        while !done || self.hits() < faults {
            let met = self.hits();
            deliveries += 1;
            self.a_minute_later();
            assert!(deliveries <= 2 + faults, "{}, {}: never done", self.scenario.name, self.what);
            done = self.deliver().await;
            if self.hits() == met && met < faults && done {
                break;
            }
            let done_or_hit = done || self.case.alert || self.hits() > met;
            assert!(done_or_hit, "{}, {}: not done without a fault", self.scenario.name, self.what);
            if self.case.alert && self.hits() == met {
                break;
            }
        }
        Some(deliveries)
    }
}

/// The calls of a delivery without faults: the action, and its number among the calls of that action.
async fn calls(scenario: &Scenario, has_memory: bool) -> Vec<(String, usize)> {
    let run = Run::start(scenario, "no fault".to_owned(), has_memory).await;
    assert!(run.deliver().await || run.case.alert, "{}: not done without a fault", scenario.name);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let calls = run.watch.world.calls().into_iter().map(|call| {
        let count = counts.entry(call.action.clone()).or_default();
        *count += 1;
        (call.action, *count - 1)
    });
    calls.collect()
}

/// Every call that is `hit` in every scenario with every kind of fault: how that went, and the actions.
async fn every_fault(has_memory: bool, is_hit: fn(&str) -> bool) -> (Modes, BTreeSet<String>) {
    let (mut modes, mut actions) = (Modes::new(), BTreeSet::new());
    for scenario in &SCENARIOS {
        for (action, nth) in calls(scenario, has_memory).await.into_iter().filter(|(action, _)| is_hit(action)) {
            actions.insert(action.clone());
            for (name, kind) in kinds() {
                let run = Run::start(scenario, format!("{name} at {action} {nth}"), has_memory).await;
                run.watch.world.inject(Fault { action: Some(action.clone()), nth, kind });
                let deliveries = run.to_the_end(1).await;
                let count = modes.entry((scenario.name, name)).or_default();
                match deliveries {
                    Some(1) => count.at_once += 1,
                    Some(_) => count.again += 1,
                    None => panic!("{}, {}: the fault was not met", scenario.name, run.what),
                }
            }
        }
    }
    (modes, actions)
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_every_call_leaves_no_lie_and_no_gap() {
    let (modes, actions) = every_fault(false, |_| true).await;
    for ((scenario, kind), Count { at_once, again }) in &modes {
        let cases = at_once + again;
        println!(
            "{:<48} {cases:>3} cases: {at_once:>3} done at once, {again:>3} with one more delivery",
            format!("{scenario}: {kind}")
        );
    }
    println!("{} failure modes, {} cases", modes.len(), modes.values().map(|c| c.at_once + c.again).sum::<usize>());
    assert_eq!(modes.len(), SCENARIOS.len() * kinds().len());
    let met = ["AssumeRole", "DescribeSecurityGroupRules", "DescribeSecurityGroups", "GetManagedPrefixListEntries"];
    let of_former = ["ModifySecurityGroupRules", "GetObject", "GetItem", "UpdateItem", "PutObject"];
    for action in met.into_iter().chain(of_former).chain(["Publish", "RevokeSecurityGroupIngress"]) {
        assert!(actions.contains(action), "no scenario calls {action}");
    }
}

/// A fault of the memory is no reason for another delivery: the close is as it is without a memory.
#[tokio::test(start_paused = true)]
async fn every_fault_of_every_call_to_the_memory_leaves_no_lie_and_no_gap() {
    let (modes, actions) = every_fault(true, |action| matches!(action, "UpdateItem" | "GetItem")).await;
    assert!(actions.contains("UpdateItem"), "{actions:?}");
    let scenarios: BTreeSet<&str> = modes.keys().map(|(scenario, _)| *scenario).collect();
    assert_eq!(modes.len(), scenarios.len() * kinds().len());
    let cases = modes.values().map(|count| count.at_once + count.again).sum::<usize>();
    println!("{} scenarios, {cases} cases, calls {actions:?}", scenarios.len());
    // Nothing is ever done in alert mode.
    for ((scenario, kind), count) in modes.into_iter().filter(|((scenario, _), _)| !scenario.starts_with("alert")) {
        assert_eq!(count.again, 0, "{scenario}: {kind}: {} done at once", count.at_once);
    }
    assert!(scenarios.len() >= 15, "{scenarios:?}");
}

#[tokio::test(start_paused = true)]
async fn every_pair_of_faults_leaves_no_lie_and_no_gap() {
    // All kinds if many seeds are run, otherwise one of each sort: done without an answer, not done, unreadable,
    // refused.
    let few = ["internal error after", "connection lost before", "answer malformed", "denied"];
    let many = simulation::number("PORTCULLIS_SEEDS").is_some_and(|seeds| seeds >= 1000);
    let kinds: Vec<_> = kinds().into_iter().filter(|(name, _)| many || few.contains(name)).collect();
    let (mut met, mut deliveries_needed) = (0, BTreeMap::<usize, usize>::new());
    for scenario in SCENARIOS
        .iter()
        .filter(|scenario| scenario.name == "group by id" || (many && scenario.name == "prefix list as source"))
    {
        let calls = calls(scenario, false).await;
        // The call after an action's last call is a retry.
        let actions: BTreeSet<&String> = calls.iter().map(|(action, _)| action).collect();
        let retries =
            actions.into_iter().map(|action| (action.clone(), calls.iter().filter(|(a, _)| a == action).count()));
        let points: Vec<(String, usize)> = calls.iter().cloned().chain(retries).collect();
        for (n, first) in points.iter().enumerate() {
            for second in points.iter().skip(n + 1) {
                for (one, first_kind) in kinds.clone() {
                    for (other, second_kind) in kinds.clone() {
                        let what = format!("{one} at {first:?}, then {other} at {second:?}");
                        let run = Run::start(scenario, what, false).await;
                        run.a_minute_later();
                        for ((action, nth), kind) in [(first, first_kind.clone()), (second, second_kind)] {
                            run.watch.world.inject(Fault { action: Some(action.clone()), nth: *nth, kind });
                        }
                        if let Some(deliveries) = run.to_the_end(2).await {
                            met += usize::from(run.hits() == 2);
                            *deliveries_needed.entry(deliveries).or_default() += 1;
                        }
                    }
                }
            }
        }
    }
    println!("{met} pairs of faults met; deliveries needed: {deliveries_needed:?}");
    assert!(met > 50, "{met}");
}
