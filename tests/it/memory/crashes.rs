//! An invocation that stops at any point, and comes again a minute later in another instance: every act has its evidence,
//! with the rules as they were, somebody hears of it, and no word is false. What stops it is cut off at each of its calls,
//! before the call has its effect and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ec2_model::{Direction, Lag, Reply, RuleChange};
use portcullis::domain::evidence::{ActOutcome, Evidence};
use portcullis::domain::undo::taken;
use serde_json::json;
use tokio::sync::Notify;

use super::*;
use crate::harness::{Between, replayed};

/// A way to open something, and what is special about it.
struct Case {
    name: &'static str,
    setup: fn() -> Setup,
    open: fn(&Watch) -> Value,
    /// What somebody does to the group before the record comes again.
    meanwhile: fn(&Watch),
    /// Whether the rules take more room than a claim has.
    is_large: bool,
}

impl Case {
    const fn of(name: &'static str, open: fn(&Watch) -> Value) -> Self {
        Self { name, setup, open, meanwhile: |_| {}, is_large: false }
    }
}

fn setup() -> Setup {
    Setup { topic: true, ..remembering() }
}

/// Opens the group, with descriptions and tags.
fn described(watch: &Watch, permissions: &[Permission]) -> Value {
    let permissions: Vec<Permission> = permissions.iter().map(|it| it.clone().described("to be put back")).collect();
    let event = watch.open(&permissions);
    let tags = [("owner".to_owned(), "web".to_owned())];
    for rule in watch.world.rules(ACCOUNT, REGION, &watch.group) {
        watch.world.tag_rule(ACCOUNT, REGION, &rule.id, &tags);
    }
    event
}

/// The same record without the ids of the rules.
fn without_ids(mut event: Value) -> Value {
    event["detail"]["responseElements"] = json!({"_return": true});
    event
}

fn omitted() -> Value {
    json!({"reason": "too large", "omitted": true, "originalSize": 131_072})
}

fn both(watch: &Watch) -> Value {
    described(watch, &[Permission::tcp(22, EVERYONE), Permission::tcp(443, EVERYONE)])
}

fn list_is_opened(watch: &Watch) -> Value {
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &["10.0.0.0/8"]).unwrap();
    let other = watch.world.create_group(ACCOUNT, REGION, "other", Vpc::Other);
    for group in [&watch.group, &other] {
        watch.world.authorize(ACCOUNT, REGION, group, &[Permission::tcp(22, &list).described("by list")]).unwrap();
    }
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/1"], &[]).unwrap();
    watch.event()
}

fn cases() -> Vec<Case> {
    let sweeping = || Setup { policy: "version: 1\nsweep: {mode: enforce, max_revocations: 1000}", ..setup() };
    vec![
        Case::of("the record lists the rules", both),
        Case::of("the answer lists no rules", |watch| without_ids(both(watch))),
        Case::of("EC2 does not show the rule at once, and the answer lists no rules", |watch| {
            watch.world.set_visibility_lag(Lag::Millis(300), Lag::None);
            without_ids(both(watch))
        }),
        Case::of("any rule of the group", |watch| {
            let mut event = both(watch);
            event["detail"]["responseElements"] = omitted();
            event["detail"]["requestParameters"]["ipPermissions"]["items"][0]["newKind"] = json!({"items": [{}]});
            event
        }),
        Case {
            setup: || Setup { vpc: Vpc::Default, ..setup() },
            ..Case::of("a group by its name", |watch| {
                watch.world.authorize(ACCOUNT, REGION, "web", &[Permission::tcp(22, EVERYONE)]).unwrap();
                without_ids(watch.event())
            })
        },
        Case::of("two halves", |watch| {
            without_ids(described(watch, &[Permission::tcp(22, "8.0.0.0/9"), Permission::tcp(22, "8.128.0.0/9")]))
        }),
        Case::of("a modified rule", |watch| {
            described(watch, &[Permission::tcp(22, "10.0.0.0/8")]);
            let rule = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter().find(|rule| rule.from_port == 22);
            let change = RuleChange { rule: rule.unwrap().id, permission: Permission::tcp(22, EVERYONE) };
            watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &[change]).unwrap();
            watch.event()
        }),
        Case::of("a prefix list as the source", |watch| {
            let entries = ["0.0.0.0/1", "128.0.0.0/1"];
            let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &entries).unwrap();
            without_ids(described(watch, &[Permission::tcp(22, &list)]))
        }),
        Case {
            meanwhile: |watch| {
                let list = watch.world.create_prefix_list(ACCOUNT, REGION, "none", 10, &[]).unwrap();
                watch.world.authorize(ACCOUNT, REGION, &watch.group, &[Permission::tcp(22, &list)]).unwrap();
            },
            ..Case::of("a prefix list is opened, in two groups", list_is_opened)
        },
        Case {
            setup: sweeping,
            ..Case::of("a record that does not name the group", |watch| {
                let mut event = both(watch);
                event["detail"]["requestParameters"] = omitted();
                event["detail"]["responseElements"] = omitted();
                event
            })
        },
        Case {
            setup: sweeping,
            ..Case::of("a sweep", |watch| {
                both(watch);
                json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}})
            })
        },
        Case {
            meanwhile: |watch| {
                if watch.ingress().iter().all(|rule| rule.contains("443")) {
                    watch.world.delete_group(ACCOUNT, REGION, &watch.group).unwrap();
                }
            },
            ..Case::of("the group is deleted meanwhile", |watch| without_ids(both(watch)))
        },
        Case {
            is_large: true,
            ..Case::of("sixty rules with long tags", |watch| {
                let blocks: Vec<Permission> = (11..71).map(|n| Permission::tcp(22, &format!("{n}.0.0.0/9"))).collect();
                let event = without_ids(described(watch, &blocks));
                let tags: Vec<(String, String)> = (0..4).map(|n| (format!("tag-{n}"), "x".repeat(200))).collect();
                for rule in watch.world.rules(ACCOUNT, REGION, &watch.group) {
                    watch.world.tag_rule(ACCOUNT, REGION, &rule.id, &tags);
                }
                event
            })
        },
    ]
}

/// A layer that lets `calls` calls pass. The next one hangs, after it had its effect or before.
fn cut(watch: &Watch, calls: usize, has_effect: bool) -> (Between, Arc<Notify>) {
    let (world, made, stopped) = (watch.world.clone(), AtomicUsize::new(0), Arc::new(Notify::new()));
    let stops = Arc::clone(&stopped);
    let (start, begun) = (world.now(), tokio::time::Instant::now());
    let between: Between = Arc::new(move |request| {
        world.set_now(start + i64::try_from(begun.elapsed().as_millis()).unwrap());
        let n = made.fetch_add(1, Ordering::Relaxed);
        if n < calls {
            return (Duration::ZERO, world.handle(request));
        }
        if n == calls && has_effect {
            world.handle(request);
        }
        stops.notify_one();
        (Duration::from_secs(86_400), Reply::Lost)
    });
    (between, stopped)
}

type Rules = BTreeMap<String, ec2_model::Rule>;

fn rules(watch: &Watch) -> Rules {
    let all = all_groups(watch).into_iter().flat_map(|group| watch.world.rules(ACCOUNT, REGION, &group));
    let ingress = all.filter(|rule| rule.direction == Direction::Ingress);
    ingress.map(|rule| (rule.id.clone(), rule)).collect()
}

/// The ids of the groups that anything was ever said about.
fn all_groups(watch: &Watch) -> BTreeSet<String> {
    let mut groups = BTreeSet::from([watch.group.clone()]);
    let named = watch.world.calls().into_iter().flat_map(|call| call.params.into_iter().map(|(_, value)| value));
    groups.extend(named.filter(|value| value.starts_with("sg-")));
    groups
}

/// What a crash at one point of a case came to.
struct Crash {
    lost: Vec<String>,
    false_words: Vec<String>,
}

/// Stops the first delivery at a call and delivers again, twice. Nothing where the delivery ends before.
async fn crash(case: &Case, calls: usize, has_effect: bool) -> Option<Crash> {
    fastrand::seed(1);
    let mut watch = (case.setup)().start().await;
    let event = (case.open)(&watch);
    let before = rules(&watch);
    let (between, stopped) = cut(&watch, calls, has_effect);
    watch.start_behind((case.setup)(), between).await;
    tokio::select! {
        biased;
        () = stopped.notified() => {}
        _ = watch.deliver(&event) => return None,
    }
    let mut what = Crash { lost: Vec::new(), false_words: Vec::new() };
    let gone = |watch: &Watch| -> BTreeSet<String> {
        let now = rules(watch);
        before.keys().filter(|id| !now.contains_key(*id)).cloned().collect()
    };
    later(&watch, Duration::from_secs(60));
    let was_gone = gone(&watch);
    (case.meanwhile)(&watch);
    let by_others: BTreeSet<String> = gone(&watch).difference(&was_gone).cloned().collect();
    let mut documents = 0;
    for n in 0..2 {
        watch.start_anew((case.setup)()).await;
        let answer = watch.deliver(&event).await;
        let there = rules(&watch);
        for finding in &answer.findings {
            let is_there = |rule: &&portcullis::domain::finding::RuleFinding| there.contains_key(rule.id.as_str());
            let says_gone = |action: &str| matches!(action, "revoked" | "already_gone");
            let mut revoked = finding.rules.iter().filter(|rule| says_gone(rule.action.as_str()));
            if let Some(rule) = revoked.find(is_there) {
                what.false_words.push(format!("{} is there", rule.id));
            }
            let is_safe = finding.verdict == Verdict::Safe && finding.sweep.is_none();
            if n == 0 && is_safe && !was_gone.is_empty() && watch.world.published().is_empty() {
                what.false_words.push(format!("called safe, and nobody was told: {finding:?}"));
            }
        }
        if !answer.failed.is_empty() {
            what.false_words.push(format!("failed for no reason: {:?}", answer.findings));
        }
        let acts = replayed(&watch.world);
        if n == 1 && acts.len() != documents {
            what.false_words.push(format!("{} acts, and {} after a third delivery", documents, acts.len()));
        }
        documents = acts.len();
        later(&watch, Duration::from_secs(60));
    }
    let acts = replayed(&watch.world);
    for id in gone(&watch).difference(&by_others) {
        what.lost.extend(not_in(&acts, &before[id], case.is_large));
    }
    let told = watch.world.published();
    if !told.iter().any(|message| message.message.contains("exposed")) {
        what.lost.push("nobody was told".to_owned());
    }
    Some(what)
}

/// Why a rule that is gone is not in the evidence as it was.
fn not_in(acts: &[Evidence], rule: &ec2_model::Rule, is_large: bool) -> Option<String> {
    let kept = acts.iter().filter(|act| act.outcome != ActOutcome::Failed).flat_map(taken);
    let Some(kept) = kept.into_iter().find(|kept| kept.id.as_str() == rule.id) else {
        return Some(format!("{} is in no evidence", rule.id));
    };
    let is_whole = kept.description == rule.description && kept.tags.len() == rule.tags.len();
    let is_said = || acts.iter().any(|act| act.decided.reason.contains("not kept: the descriptions and tags"));
    (!(is_whole || is_large && is_said())).then(|| format!("{} is not as it was: {kept:?}", rule.id))
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_point_leaves_no_act_without_evidence_and_no_false_word() {
    let (mut points, mut without, mut false_words) = (0, 0, 0);
    let cases = cases();
    for case in &cases {
        let mut calls = 0;
        loop {
            let mut is_over = false;
            for has_effect in [false, true] {
                let Some(crash) = crash(case, calls, has_effect).await else {
                    is_over = true;
                    break;
                };
                points += 1;
                without += crash.lost.len();
                false_words += crash.false_words.len();
                for wrong in crash.lost.iter().chain(&crash.false_words) {
                    println!("{}, call {calls}, effect {has_effect}: {wrong}", case.name);
                }
            }
            if is_over {
                break;
            }
            calls += 1;
        }
        assert!(calls >= 6, "{}: {calls} calls", case.name);
    }
    println!("{points} points in {} cases: acts without evidence {without}, false words {false_words}", cases.len());
    assert_eq!((without, false_words), (0, 0));
}
