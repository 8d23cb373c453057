//! Without a memory, two calls that hide behind each other come again over the queue, until one instance has seen both.

use std::time::Duration;

use ec2_model::{Fault, FaultKind, Permission};
use portcullis::domain::finding::{Finding, MemoryState, Outcome, Verdict};
use portcullis::domain::policy::Mode;
use portcullis::store::Store;
use serde_json::Value;

use super::judged;
use crate::harness::{REGION, Setup, TABLE, Watch, queue_url, remembering, sqs};

fn queued() -> Setup {
    Setup { queue: true, topic: true, ..Setup::default() }
}

fn blocks(first: u32, count: u32) -> Vec<Permission> {
    (first..first + count).map(|n| Permission::tcp(22, &format!("{n}.0.0.0/9"))).collect()
}

/// The messages in the queue, each with the seconds that it is kept back.
fn messages(watch: &Watch) -> Vec<(String, u64)> {
    watch.world.take_delayed_messages(&queue_url(REGION))
}

/// How often this was called so far.
fn count(watch: &Watch, action: &str) -> usize {
    watch.world.calls().iter().filter(|call| call.action == action).count()
}

/// Delivers the one message in the queue, when its time has come.
async fn next(watch: &Watch) -> Finding {
    let messages = messages(watch);
    let [(message, after)] = &messages[..] else { panic!("{messages:?}") };
    tokio::time::sleep(Duration::from_secs(*after)).await;
    watch.finding(&sqs(std::slice::from_ref(message))).await
}

#[tokio::test(start_paused = true)]
async fn two_calls_that_two_instances_took_for_each_others_are_closed_when_one_instance_has_seen_both() {
    for count in [2, 30] {
        let mut watch = queued().start().await;
        let (first, second) = (watch.open(&blocks(11, count)), watch.open(&blocks(64, count)));
        let finding = watch.finding(&first).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::None));
        assert!(finding.reason.ends_with("looked at again, for another call may have opened the rest"), "{finding:#?}");
        let of_first = messages(&watch);
        let another = watch.another(queued()).await;
        let one = std::mem::replace(&mut watch.context, another);
        assert_eq!(judged(&watch.finding(&second).await), (Verdict::Exposed, Outcome::None));
        let [(message, after)] = &of_first[..] else { panic!("{of_first:?}") };
        assert!((5..=7).contains(after), "{after}");
        tokio::time::sleep(Duration::from_secs(*after)).await;
        // The other instance gets the message.
        let finding = watch.finding(&sqs(std::slice::from_ref(message))).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{finding:#?}");
        assert_eq!(watch.ingress().len(), 1, "a /9 is under the limit");
        // The other message finds nothing to do, whoever gets it.
        watch.context = one;
        assert_eq!(judged(&next(&watch).await).0, Verdict::Safe);
        assert_eq!(messages(&watch), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_comes_again_fifteen_times_and_is_told_once() {
    let watch = queued().start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    let began = tokio::time::Instant::now();
    let event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
    watch.finding(&event).await;
    assert_eq!(count(&watch, "Publish"), 1);
    for time in 1..=15 {
        let before = count(&watch, "DescribeSecurityGroupRules");
        let finding = next(&watch).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::None), "{time}");
        assert!(!finding.reason.contains("looked at again"), "{finding:#?}");
        assert_eq!(count(&watch, "DescribeSecurityGroupRules") - before, 1, "nobody needs to stay");
        assert_eq!(count(&watch, "Publish"), 1, "it was told the first time");
    }
    assert_eq!(messages(&watch), []);
    assert!(began.elapsed() < Duration::from_secs(15 * 60));
    assert_eq!(watch.ingress().len(), 2, "what stood before stays, and what came beside it");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_published_the_first_time_is_published_the_next() {
    let watch = queued().start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    let event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
    watch.world.inject(Fault::next("Publish", FaultKind::Denied));
    watch.finding(&event).await;
    let before = count(&watch, "Publish");
    for _ in 0..2 {
        next(&watch).await;
        assert_eq!(count(&watch, "Publish") - before, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_queue_does_not_take_fails_the_delivery() {
    let watch = queued().start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    let event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
    watch.world.inject(Fault::next("SendMessageBatch", FaultKind::Denied));
    let answer = watch.deliver(&sqs(&[event.to_string()])).await;
    assert_eq!(answer.failed.into_iter().collect::<Vec<_>>(), ["m0"]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_is_only_what_another_call_may_complete() {
    // What is closed, or opens nothing beside what stands.
    let watch = queued().start().await;
    for open in ["0.0.0.0/0", "9.9.9.0/24"] {
        let event = watch.open(&[Permission::tcp(22, open)]);
        watch.finding(&event).await;
        assert_eq!(messages(&watch), [], "{open}");
    }
    // The others know of each other, or nothing is revoked anyway.
    let alert = Setup { mode: Mode::Alert, ..queued() };
    for setup in [Setup { queue: true, ..remembering() }, alert, Setup { queue: false, ..queued() }] {
        let watch = setup.start().await;
        watch.world.create_queue(crate::harness::ACCOUNT, REGION, crate::harness::QUEUE);
        watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
        let event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
        assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::None));
        assert_eq!(messages(&watch), []);
    }
}

/// A record that lists no rule ids is believed for five minutes. It does not come again after them.
#[tokio::test(start_paused = true)]
async fn a_record_comes_again_no_longer_than_it_is_believed() {
    let watch = queued().start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    let mut event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
    event["detail"]["responseElements"] = serde_json::json!({"_return": true});
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::None));
    let mut times = 0;
    let mut waiting = messages(&watch);
    while let Some((message, after)) = waiting.pop() {
        tokio::time::sleep(Duration::from_secs(after)).await;
        assert_eq!(judged(&watch.finding(&sqs(&[message])).await), (Verdict::Exposed, Outcome::None));
        times += 1;
        waiting = messages(&watch);
    }
    assert!((8..=13).contains(&times), "{times}");
}

#[tokio::test(start_paused = true)]
async fn where_the_memory_does_not_answer_the_change_comes_again_or_fails() {
    let lost = |watch: &Watch| {
        watch.world.delete_table(crate::harness::ACCOUNT, REGION, TABLE);
    };
    let opened = async |setup: Setup| {
        let watch = setup.start().await;
        lost(&watch);
        watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
        let event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
        let answer = watch.deliver(&sqs(&[event.to_string()])).await;
        let [finding] = &answer.findings[..] else { panic!("{answer:#?}") };
        assert_eq!(judged(finding), (Verdict::Exposed, Outcome::None));
        assert_eq!(finding.memory, Some(MemoryState::Unavailable));
        (watch, answer)
    };
    let memory = || Store::Table(TABLE.to_owned());
    let (watch, answer) = opened(Setup { memory: memory(), ..queued() }).await;
    assert!(answer.failed.is_empty());
    let (mut last, mut times) = (messages(&watch), 0);
    while let [(message, after)] = &last[..] {
        tokio::time::sleep(Duration::from_secs(*after)).await;
        let answer = watch.deliver(&sqs(std::slice::from_ref(message))).await;
        (last, times) = (messages(&watch), times + 1);
        // The last time it fails, and so ends where somebody sees it.
        assert_eq!(answer.failed.is_empty(), !last.is_empty(), "{answer:#?}");
    }
    assert_eq!(times, 15);
    let (_, answer) = opened(Setup { memory: memory(), queue: false, ..queued() }).await;
    assert_eq!(answer.failed.len(), 1, "{answer:#?}");
    assert!(answer.findings[0].reason.contains("the memory did not answer"), "{answer:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_is_judged_whatever_is_said_of_its_times() {
    let watch = queued().start().await;
    for again in [r#"{"time": 1}"#, r#"{"time": -1, "told": true}"#, r#"{"time": 1, "told": 1}"#, "[]", "7"] {
        let mut event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
        event["again"] = serde_json::from_str::<Value>(again).unwrap();
        let answer = watch.deliver(&sqs(&[event.to_string()])).await;
        let judged: Vec<_> = answer.findings.iter().map(|finding| (finding.verdict, finding.outcome)).collect();
        let expected = [(Verdict::Exposed, Outcome::Reverted), (Verdict::Undecided, Outcome::None)];
        assert_eq!((judged, answer.failed.len()), (expected.to_vec(), 1), "{again}");
    }
}
