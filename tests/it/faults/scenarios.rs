//! The ways to open a group, and what the judge needs to know about each.

use std::collections::BTreeSet;

use ec2_model::{Lag, Permission, RuleChange, Vpc};
use portcullis::config::{Accounts, MemberRole};
use portcullis::domain::policy::Mode;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, EVIDENCE, REGION, Setup, Watch, sqs};
use crate::simulation::judge::{Change, ChangedRules, Lists, Rule};

const MEMBER: &str = "444455556666";

/// A way to open a group.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) setup: fn() -> Setup,
    pub(super) arrange: fn(&Watch) -> Case,
}

/// An account and the id of a group in it.
pub(super) type GroupOf = (&'static str, String);

/// A delivery, and what the judge needs to know about it.
pub(super) struct Case {
    pub(super) payload: Value,
    /// The item of each change, and the groups that the change is about: account and id.
    pub(super) items: Vec<(String, Vec<GroupOf>, Change)>,
    pub(super) lists: Lists,
    /// Whether nothing may be revoked, whatever is open.
    pub(super) alert: bool,
}

impl Case {
    /// One event that is answered as a whole and is about the one group.
    fn one(watch: &Watch, payload: Value, changed_rules: ChangedRules) -> Self {
        let items = vec![(String::new(), vec![(ACCOUNT, watch.group.clone())], Change::of(changed_rules))];
        Self { payload, items, lists: Lists::new(), alert: false }
    }

    pub(super) fn groups(&self) -> BTreeSet<&GroupOf> {
        self.items.iter().flat_map(|(_, groups, _)| groups).collect()
    }

    pub(super) fn changes(&self, group: &GroupOf) -> Vec<Change> {
        let concerning = self.items.iter().filter(|(_, groups, _)| groups.contains(group));
        concerning.map(|(.., change)| change.clone()).collect()
    }
}

pub(super) fn rules(watch: &Watch, (account, group): &GroupOf) -> Vec<Rule> {
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

pub(super) const SCENARIOS: [Scenario; 22] = [
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
