//! The calls of each kind of record that reaches the memory, by name and in their order. Each is the first that its instance
//! takes, so that the policy is written with the first act.

mod expected;

use ec2_model::{Call, RuleChange};
use serde_json::json;

use expected::{Calls, HANDED_OUT, MOVES, OPENS, OTHERS};

use super::*;
use crate::harness::sqs;
use crate::memory::crashes::cases::{Case, cases, moved};

fn told() -> Setup {
    Setup { topic: true, ..remembering() }
}

/// A call in a word, with the kind of item or object that it is about.
fn word(call: &Call) -> String {
    let about = match call.service.as_str() {
        "dynamodb" => {
            let key = call.params.iter().find(|(name, _)| name.starts_with("Key")).map_or("", |(_, key)| key.as_str());
            let kind = key.split(['#', '/']).next().unwrap();
            if kind == ACCOUNT { " group".to_owned() } else { format!(" {kind}") }
        }
        "s3" => format!(" {}", call.param("Key").unwrap().split('/').next().unwrap()),
        _ => String::new(),
    };
    format!("{}{about}", call.action)
}

/// The calls since so many of them.
fn since(watch: &Watch, before: usize) -> Vec<String> {
    watch.world.calls().iter().skip(before).map(word).collect()
}

fn count(watch: &Watch) -> usize {
    watch.world.calls().len()
}

/// The calls of a delivery to an instance of its own.
async fn of(watch: &mut Watch, setup: Setup, event: &Value) -> Vec<String> {
    watch.start_anew(setup).await;
    let before = count(watch);
    let answer = watch.deliver(event).await;
    assert!(answer.failed.is_empty(), "{:#?}", answer.findings);
    since(watch, before)
}

async fn of_case(case: &Case, restores: bool) -> Vec<String> {
    fastrand::seed(1);
    let setup = || Setup { restores, ..(case.setup)() };
    let mut watch = setup().start().await;
    if let Some(lawful) = case.lawful {
        lawful(&watch);
        watch.deliver(&json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}})).await;
        later(&watch, Duration::from_secs(15 * 60));
    }
    let event = (case.open)(&watch);
    of(&mut watch, setup(), &event).await
}

/// How often it looks until EC2 shows something depends on the time.
fn waits(case: &Case) -> bool {
    case.name.starts_with("EC2 ")
}

/// Compares lists of calls, and shows all that differ.
fn same(made: &[(String, Vec<String>)], expected: Calls) {
    let mut wrong = String::new();
    for (name, calls) in made {
        let known = expected.iter().find(|(known, _)| known == name);
        if known.is_none_or(|(_, known)| known != calls) {
            wrong.push_str(&format!("(\n    {name:?},\n    &{calls:?},\n),\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(made.len(), expected.len());
}

#[tokio::test(start_paused = true)]
async fn of_each_record_that_opens_something() {
    let mut made = Vec::new();
    for case in cases().iter().filter(|case| !waits(case)) {
        made.push((case.name.to_owned(), of_case(case, false).await));
    }
    same(&made, OPENS);
}

#[tokio::test(start_paused = true)]
async fn of_each_record_that_moves_a_rule_which_is_given_back() {
    let mut made = Vec::new();
    // Of the others, what matters happens between two attempts.
    for case in moved().iter().filter(|case| !waits(case)).take(6) {
        made.push((case.name.to_owned(), of_case(case, true).await));
    }
    same(&made, MOVES);
}

#[tokio::test(start_paused = true)]
async fn of_what_is_harmless_safe_gone_or_left_alone() {
    let mut made: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |name: &str, calls: Vec<String>| made.push((name.to_owned(), calls));

    let mut watch = told().start().await;
    let harmless = watch.open(&[Permission::tcp(443, EVERYONE)]);
    add("harmless", of(&mut watch, told(), &harmless).await);
    let safe = watch.open(&[Permission::tcp(22, "9.9.9.0/24")]);
    add("safe", of(&mut watch, told(), &safe).await);
    let web = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter().find(|rule| rule.from_port == 443).unwrap();
    let change = RuleChange { rule: web.id, permission: Permission::tcp(8443, EVERYONE) };
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &[change]).unwrap();
    let moved = watch.event();
    add("a harmless Modify", of(&mut watch, told(), &moved).await);

    let mut watch = told().start().await;
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    let rule = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter().find(|rule| rule.from_port == 22).unwrap();
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&rule.id]).unwrap();
    later(&watch, Duration::from_secs(60));
    add("its rule is gone", of(&mut watch, told(), &event).await);
    watch.world.delete_group(ACCOUNT, REGION, &watch.group).unwrap();
    add("its group is gone", of(&mut watch, told(), &event).await);

    let mut watch = told().start().await;
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    of(&mut watch, told(), &event).await;
    later(&watch, Duration::from_secs(60));
    add("the same record again", of(&mut watch, told(), &event).await);

    let alert = || Setup { mode: Mode::Alert, ..told() };
    let mut watch = alert().start().await;
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    add("alert mode", of(&mut watch, alert(), &event).await);

    let mut watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    let sweep = json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}});
    add("a sweep that only looks", of(&mut watch, told(), &sweep).await);
    later(&watch, Duration::from_secs(3600));
    add("the same sweep again", of(&mut watch, told(), &sweep).await);
    same(&made, OTHERS);
}

#[tokio::test(start_paused = true)]
async fn of_a_sweep_that_is_handed_out() {
    let mut watch = told().start().await;
    let queue = watch.world.create_queue(ACCOUNT, REGION, "sweep");
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    let other = watch.world.create_group(ACCOUNT, "us-east-1", "other", Vpc::Other);
    watch.world.authorize(ACCOUNT, "us-east-1", &other, &[Permission::tcp(22, EVERYONE)]).unwrap();
    let sweep = json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION, "us-east-1", "us-west-2"]}});
    let mut made: Vec<(String, Vec<String>)> = Vec::new();
    let mut deliver = async |watch: &mut Watch, name: &str, payload: &Value| {
        watch.start_anew(told()).await;
        watch.context.settings.queue = Some(queue.clone());
        let before = count(watch);
        watch.deliver(payload).await;
        made.push((name.to_owned(), since(watch, before)));
    };
    deliver(&mut watch, "it is handed out", &sweep).await;
    let messages: Vec<Value> = watch.world.take_messages(&queue).into_iter().map(|it| sqs(&[it])).collect();
    deliver(&mut watch, "the first place with news", &messages[0]).await;
    deliver(&mut watch, "another one soon after", &messages[1]).await;
    deliver(&mut watch, "a place with nothing to tell", &messages[2]).await;
    deliver(&mut watch, "the last message", &messages[3]).await;
    deliver(&mut watch, "the last message once more", &messages[3]).await;
    deliver(&mut watch, "a place that says the same", &messages[0]).await;
    later(&watch, Duration::from_secs(3600));
    deliver(&mut watch, "the next sweep", &sweep).await;
    let waits: Vec<bool> = watch
        .world
        .calls()
        .iter()
        .filter(|call| call.action == "SendMessageBatch")
        .map(|call| call.params.iter().any(|(name, value)| name.ends_with("DelaySeconds") && value == "300"))
        .collect();
    assert_eq!(waits, [false, true, false, true], "the last message comes after the places");
    same(&made, HANDED_OUT);
}
