//! An invocation that stops at any point, and comes again a minute later in another instance: every act has its evidence,
//! with the rules as they were, somebody hears of it, and no word is false. What stops it is cut off at each of its calls,
//! before the call has its effect and after. All of it with modified rules given back, and without.
//!
//! `make test` takes of each test's points the first of each kind (what is called, about which kind of item or object, and
//! whether it has its effect) and every seventh of all. `make proof` takes them all.

pub(super) mod cases;

use std::collections::{BTreeMap, BTreeSet};

use ec2_model::Direction;
use portcullis::domain::evidence::{ActOutcome, Evidence};
use portcullis::domain::finding::{Action, RuleFinding};
use portcullis::domain::rule::Rule;
use serde_json::json;

use super::calls::word;
use super::*;
use crate::harness::replayed;
use crate::sample::{Sample, is_whole};
use cases::{Case, cases, moved};

/// A sweep of the tests' Region.
fn sweep() -> Value {
    json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}})
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
#[derive(Default)]
struct Crash {
    lost: Vec<String>,
    false_words: Vec<String>,
    /// How often a delivery says of a rule that it was given back, or is again what it was.
    back: usize,
}

/// Whether two rules admit the same.
fn is_same(one: &ec2_model::Rule, other: &ec2_model::Rule) -> bool {
    let admits =
        |rule: &ec2_model::Rule| (rule.protocol.clone(), rule.from_port, rule.to_port, rule.source.text().to_owned());
    admits(one) == admits(other)
}

/// EC2 shows a description that was taken away as an empty one.
fn described(rule: &ec2_model::Rule) -> Option<&str> {
    rule.description.as_deref().filter(|text| !text.is_empty())
}

/// The rules that are not there any more as they were.
fn gone(before: &Rules, watch: &Watch) -> BTreeSet<String> {
    let now = rules(watch);
    let is_there = |id: &str, was: &ec2_model::Rule| now.get(id).is_some_and(|rule| is_same(rule, was));
    before.iter().filter(|(id, was)| !is_there(id, was)).map(|(id, _)| id.clone()).collect()
}

/// What is false of what is said of a rule, when it is said.
fn falsehood(rule: &RuleFinding, (lawful, before, now): (&Rules, &Rules, &Rules)) -> Option<String> {
    let id = rule.id.as_str();
    let (was, opened, is) = (lawful.get(id), before.get(id), now.get(id));
    let is_false = match &rule.action {
        Action::Revoked => is.is_some(),
        // It may be something else by now.
        Action::AlreadyGone => is.is_some_and(|is| opened.is_none_or(|opened| is_same(is, opened))),
        Action::Restored => !is.zip(was).is_some_and(|(is, was)| is_same(is, was) && described(is) == described(was)),
        Action::Kept | Action::WouldRevoke | Action::WouldRestore | Action::Failed { .. } => false,
    };
    is_false.then(|| format!("{id} is said to be {}, and is {is:?}", rule.action.as_str()))
}

/// Stops the first delivery at a call and delivers again, twice. Where the delivery ends before, the calls that it made.
async fn crash(case: &Case, restores: bool, (calls, has_effect): (usize, bool)) -> Result<Crash, Vec<String>> {
    fastrand::seed(1);
    let setup = || Setup { restores, ..(case.setup)() };
    let mut watch = setup().start().await;
    if let Some(lawful) = case.lawful {
        lawful(&watch);
        watch.deliver(&sweep()).await;
        later(&watch, Duration::from_secs(15 * 60));
    }
    let lawful = rules(&watch);
    let event = (case.open)(&watch);
    let before = rules(&watch);
    let (between, stopped) = cut(&watch, true, (calls, has_effect));
    watch.start_behind(setup(), between).await;
    let (told_before, made_before) = (watch.world.published().len(), watch.world.calls().len());
    tokio::select! {
        biased;
        () = stopped.notified() => {}
        _ = watch.deliver(&event) => return Err(watch.world.calls().iter().skip(made_before).map(word).collect()),
    }
    let mut what = Crash::default();
    later(&watch, Duration::from_secs(60));
    let was_gone = gone(&before, &watch);
    let then = rules(&watch);
    (case.meanwhile)(&watch);
    // What the evidence of the first attempt says of these was so when it was written.
    let touched = gone(&then, &watch);
    if case.is_swept_meanwhile {
        watch.start_anew(setup()).await;
        watch.deliver(&sweep()).await;
        later(&watch, Duration::from_secs(60));
    }
    let by_others: BTreeSet<String> = gone(&before, &watch).difference(&was_gone).cloned().collect();
    let mut documents = 0;
    for n in 0..2 {
        watch.start_anew(setup()).await;
        let answer = watch.deliver(&event).await;
        let there = rules(&watch);
        for finding in &answer.findings {
            let of_rule = |rule: &RuleFinding| falsehood(rule, (&lawful, &before, &there));
            what.false_words.extend(finding.rules.iter().filter_map(of_rule));
            let says_again = finding.reason.contains("it is again: ");
            let is_back = |rule: &&RuleFinding| rule.action == Action::Restored || says_again;
            what.back += usize::from(n == 0 && finding.rules.iter().any(|rule| is_back(&rule)));
            let is_safe = finding.verdict == Verdict::Safe && finding.sweep.is_none();
            let is_told = watch.world.published().len() > told_before;
            if n == 0 && is_safe && !was_gone.is_empty() && !is_told {
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
    let is_given_back =
        |id: &String| rules(&watch).get(id).zip(lawful.get(id)).is_some_and(|(is, was)| is_same(is, was));
    for act in acts.iter().flat_map(|act| &act.rules).filter(|taken| taken.action == Action::Restored) {
        let id = act.rule.id.to_string();
        if !is_given_back(&id) && !touched.contains(&id) {
            what.false_words.push(format!("{id} is restored in evidence, and is not what it was"));
        }
    }
    for id in gone(&before, &watch).difference(&by_others) {
        what.lost.extend(not_in(&acts, &before[id], case.is_large));
    }
    let told = watch.world.published().split_off(told_before);
    if !told.iter().any(|message| message.message.contains("exposed")) {
        what.lost.push("nobody was told".to_owned());
    }
    Ok(what)
}

/// Why a rule that is gone, or was given back, is not in the evidence as it was.
fn not_in(acts: &[Evidence], rule: &ec2_model::Rule, is_large: bool) -> Option<String> {
    let is_act = |action: &Action| matches!(action, Action::Revoked | Action::AlreadyGone | Action::Restored);
    let acts = acts.iter().filter(|act| act.outcome != ActOutcome::Failed);
    let taken = acts.clone().flat_map(|act| &act.rules).filter(|taken| is_act(&taken.action));
    let kept: Vec<&Rule> = taken.map(|taken| &taken.rule).filter(|kept| kept.id.as_str() == rule.id).collect();
    if kept.is_empty() {
        return Some(format!("{} is in no evidence", rule.id));
    }
    let is_whole = |kept: &&Rule| kept.description == rule.description && kept.tags.len() == rule.tags.len();
    let is_said = || acts.clone().any(|act| act.decided.reason.contains("not kept: the descriptions and tags"));
    (!(kept.iter().any(is_whole) || is_large && is_said())).then(|| format!("{} is not as it was: {kept:?}", rule.id))
}

/// Goes through the points of some cases. How often a rule was given back, or was again what it was.
async fn points(cases: &[Case], restores: bool) -> usize {
    let (mut points, mut without, mut false_words, mut back) = (0, 0, 0, 0);
    let mut sample = Sample::one_in(7);
    for case in cases {
        let calls = crash(case, restores, (usize::MAX, false)).await.err().unwrap();
        assert!(calls.len() >= 6, "{}: {calls:?}", case.name);
        let each = calls.iter().enumerate().flat_map(|(n, call)| [false, true].map(|has_effect| (n, call, has_effect)));
        for (n, call, has_effect) in each {
            if !sample.takes((call.clone(), has_effect)) {
                continue;
            }
            let crash = crash(case, restores, (n, has_effect)).await;
            let crash =
                crash.unwrap_or_else(|calls| panic!("{}: it ends before call {n}, {call}: {calls:?}", case.name));
            points += 1;
            without += crash.lost.len();
            false_words += crash.false_words.len();
            back += crash.back;
            for wrong in crash.lost.iter().chain(&crash.false_words) {
                println!("{}, restores {restores}, call {n}, {call}, effect {has_effect}: {wrong}", case.name);
            }
        }
    }
    println!(
        "{points} points in {} cases, restores {restores}: acts without evidence {without}, false words {false_words}, \
         given back {back}",
        cases.len()
    );
    assert_eq!((without, false_words), (0, 0));
    back
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_point_leaves_no_act_without_evidence_and_no_false_word() {
    assert_eq!(points(&cases(), false).await, 0);
}

#[tokio::test(start_paused = true)]
async fn and_so_where_modified_rules_are_given_back() {
    assert_eq!(points(&cases(), true).await, 0, "there is nothing to give back");
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_point_of_giving_back_leaves_no_act_without_evidence_and_no_false_word() {
    let back = points(&moved(), true).await;
    let least = if is_whole() { 60 } else { 12 };
    assert!(back >= least, "{back}");
}

#[tokio::test(start_paused = true)]
async fn what_could_be_given_back_and_is_revoked_has_its_evidence_too() {
    assert_eq!(points(&moved(), false).await, 0);
}
