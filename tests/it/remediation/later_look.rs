//! Without a memory, two calls that hide behind each other come again over the queue, until one instance has seen both.

use std::time::Duration;

use ec2_model::{Fault, FaultKind, Permission, RuleChange};
use portcullis::domain::finding::{Finding, MemoryState, Outcome, Verdict};
use portcullis::domain::policy::Mode;
use portcullis::pipeline::Answer;
use portcullis::store::Store;
use serde_json::Value;
use tokio::time::Instant;

use super::judged;
use crate::harness::{ACCOUNT, REGION, Setup, TABLE, Watch, queue_url, remembering, sqs};

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

/// Delivers a message when its time has come, counted from `began`.
async fn arrives(watch: &Watch, (message, after): &(String, u64), began: Instant) -> Answer {
    tokio::time::sleep_until(began + Duration::from_secs(*after)).await;
    watch.deliver(&sqs(std::slice::from_ref(message))).await
}

fn only(answer: &Answer) -> &Finding {
    let [finding] = &answer.findings[..] else { panic!("{answer:#?}") };
    finding
}

/// Nothing was done, and there is nothing to tell.
fn is_quiet(answer: &Answer) -> bool {
    answer.findings.is_empty() && answer.failed.is_empty()
}

/// A function that leaves a change beside an exposure that stands, with the messages for later looks at it.
async fn left_beside(setup: Setup, standing: &str, permissions: &[Permission]) -> (Watch, Value, Vec<(String, u64)>) {
    let watch = setup.start().await;
    watch.open(&[Permission::tcp(22, standing)]);
    let event = watch.open(permissions);
    watch.deliver(&event).await;
    let all = messages(&watch);
    (watch, event, all)
}

#[tokio::test(start_paused = true)]
async fn two_calls_that_two_instances_took_for_each_others_are_closed_when_one_instance_has_seen_both() {
    for count in [2, 30] {
        let mut watch = queued().start().await;
        let began = Instant::now();
        let (first, second) = (watch.open(&blocks(11, count)), watch.open(&blocks(64, count)));
        let finding = watch.finding(&first).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::None));
        assert!(finding.reason.ends_with("so it is to come again over the queue"), "{finding:#?}");
        let of_first = messages(&watch);
        let another = watch.another(queued()).await;
        let one = std::mem::replace(&mut watch.context, another);
        assert_eq!(judged(&watch.finding(&second).await), (Verdict::Exposed, Outcome::None));
        let of_second = messages(&watch);
        // The other instance gets the message.
        let answer = arrives(&watch, &of_first[0], began).await;
        assert_eq!(judged(only(&answer)), (Verdict::Exposed, Outcome::Reverted), "{answer:#?}");
        assert_eq!(watch.ingress().len(), 1, "a /9 is under the limit");
        // The other messages find nothing to do, whoever gets them.
        watch.context = one;
        for message in of_first[1..].iter().chain(&of_second) {
            let answer = arrives(&watch, message, began).await;
            assert!(is_quiet(&answer), "{answer:#?}");
        }
        assert_eq!((messages(&watch), watch.ingress().len()), (vec![], 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_comes_again_ten_times_for_one_look_each_and_is_told_once() {
    let began = Instant::now();
    let (watch, _, all) = left_beside(queued(), "8.0.0.0/8", &[Permission::tcp(22, "9.0.0.0/9")]).await;
    assert_eq!((count(&watch, "Publish"), count(&watch, "SendMessageBatch")), (1, 1));
    assert_eq!(all.len(), 10);
    assert!(all.iter().all(|(_, after)| (6..900).contains(after)), "{all:?}");
    assert!(all[..5].iter().all(|(_, after)| *after <= 60), "{all:?}");
    let is_last: Vec<bool> = all.iter().map(|(message, _)| message.contains(r#""last":true"#)).collect();
    assert_eq!(is_last, [[false; 9].as_slice(), &[true]].concat());
    let lines = watch.lines.lock().unwrap().len();
    for message in &all {
        let before = count(&watch, "DescribeSecurityGroupRules");
        assert!(is_quiet(&arrives(&watch, message, began).await));
        assert_eq!(count(&watch, "DescribeSecurityGroupRules") - before, 1, "nobody needs to stay");
    }
    assert_eq!(count(&watch, "Publish"), 1);
    assert_eq!(watch.lines.lock().unwrap().len(), lines, "a change is counted once");
    // A function that calls itself again and again is stopped by Lambda.
    assert_eq!(messages(&watch), []);
    assert_eq!(watch.ingress().len(), 2, "what stood before stays, and what came beside it");
}

/// Whoever made the rule takes it back, makes it lawful or deletes the group: nothing is told of that, and nothing fails.
#[tokio::test(start_paused = true)]
async fn a_later_look_at_a_rule_that_was_taken_back_or_changed_since_comes_to_nothing() {
    for what in ["changed", "revoked", "deleted"] {
        let began = Instant::now();
        let (watch, _, all) = left_beside(queued(), "8.0.0.0/8", &[Permission::tcp(22, "9.0.0.0/9")]).await;
        let rule = watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap().id;
        if what == "deleted" {
            watch.world.delete_group(ACCOUNT, REGION, &watch.group).unwrap();
        } else if what == "changed" {
            let changes = [RuleChange { rule, permission: Permission::tcp(443, "9.0.0.0/9") }];
            watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &changes).unwrap();
        } else {
            watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&rule]).unwrap();
        }
        for message in &all {
            let before = count(&watch, "DescribeSecurityGroupRules");
            let answer = arrives(&watch, message, began).await;
            assert!(is_quiet(&answer), "{what}: {answer:#?}");
            assert!(count(&watch, "DescribeSecurityGroupRules") - before <= 1, "{what}");
        }
        assert_eq!(count(&watch, "Publish"), 1);
    }
}

/// Of one call the widest rule goes at once, and the others stay in an exposure that is there without them.
#[tokio::test(start_paused = true)]
async fn a_later_look_at_a_change_of_which_a_part_was_revoked_comes_to_nothing() {
    let began = Instant::now();
    let both = [Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(22, "9.0.0.0/9")];
    let (watch, _, all) = left_beside(queued(), "8.0.0.0/8", &both).await;
    assert_eq!((all.len(), watch.ingress()), (10, vec!["tcp 22-22 8.0.0.0/8".into(), "tcp 22-22 9.0.0.0/9".into()]));
    for message in &all {
        let answer = arrives(&watch, message, began).await;
        assert!(is_quiet(&answer), "{answer:#?}");
    }
}

/// An attempt at a later look that stops after its revoke tells nobody. The message is received again.
#[tokio::test(start_paused = true)]
async fn a_later_look_that_is_delivered_again_says_what_became_of_it() {
    let began = Instant::now();
    let watch = queued().start().await;
    let events = [11, 64].map(|first| watch.open(&blocks(first, 2)));
    assert_eq!(judged(&watch.finding(&events[0]).await), (Verdict::Exposed, Outcome::None));
    let of_first = messages(&watch);
    for rule in watch.world.rules(ACCOUNT, REGION, &watch.group) {
        if rule.direction == ec2_model::Direction::Ingress {
            watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&rule.id]).unwrap();
        }
    }
    tokio::time::sleep_until(began + Duration::from_secs(60)).await;
    for (received, is_told) in [("1", false), ("2", true)] {
        let mut payload = sqs(std::slice::from_ref(&of_first[0].0));
        payload["Records"][0]["attributes"] = serde_json::json!({"ApproximateReceiveCount": received});
        let answer = watch.deliver(&payload).await;
        assert_eq!(!answer.findings.is_empty(), is_told, "received {received} times: {answer:#?}");
        assert!(answer.findings.iter().all(|finding| finding.outcome == Outcome::AlreadyGone), "{answer:#?}");
    }
}

/// What is not told by a later look does not count as told: the next delivery says it.
#[tokio::test(start_paused = true)]
async fn what_a_later_look_sees_and_does_not_tell_is_news_for_the_next_delivery() {
    let setup = || Setup { queue: true, topic: true, ..remembering() };
    let mut watch = setup().start().await;
    let began = Instant::now();
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    let event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
    watch.world.inject(Fault::next("UpdateItem", FaultKind::Denied));
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::None));
    let all = messages(&watch);
    // Meanwhile another port was opened, whose event is still to come.
    watch.open(&[Permission::tcp(3389, "8.0.0.0/8")]);
    let beside = watch.open(&[Permission::tcp(3389, "9.0.0.0/9")]);
    watch.start_anew(setup()).await;
    assert!(is_quiet(&arrives(&watch, &all[0], began).await));
    watch.start_anew(setup()).await;
    let before = count(&watch, "Publish");
    assert_eq!(judged(&watch.finding(&beside).await), (Verdict::Exposed, Outcome::None));
    assert_eq!(count(&watch, "Publish") - before, 1);
}

/// A developer's rule waits for its later looks. Somebody opens the group meanwhile, so that it stands open without that rule.
#[tokio::test(start_paused = true)]
async fn a_lawful_rule_that_comes_again_stays_whatever_is_opened_beside_it() {
    let began = Instant::now();
    let (watch, _, all) = left_beside(queued(), "8.0.0.0/8", &[Permission::tcp(22, "9.0.0.0/9")]).await;
    let old = watch.world.rules(ACCOUNT, REGION, &watch.group);
    let old = old.iter().find(|rule| rule.source.text() == "8.0.0.0/8").unwrap();
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&old.id]).unwrap();
    for (message, attack) in all.iter().zip(["0.0.0.0/0", "16.0.0.0/8", "9.0.0.0/8", "9.128.0.0/9"]) {
        let opened = watch.open(&[Permission::tcp(22, attack)]);
        let answer = arrives(&watch, message, began).await;
        let is_ours = |rule: &str| rule == "tcp 22-22 9.0.0.0/9";
        // The last attack is the other half: then the developer's rule did not open the port, and the other call is judged.
        assert!(answer.failed.is_empty() || attack == "9.128.0.0/9", "{attack}: {answer:#?}");
        watch.finding(&opened).await;
        assert!(watch.ingress().iter().any(|rule| is_ours(rule)), "{attack}: {:?}", watch.ingress());
    }
}

/// One half by a list's change, which does not come again; the other by a block, which does.
#[tokio::test(start_paused = true)]
async fn a_block_that_hides_behind_a_lists_change_is_closed_by_the_instance_that_has_seen_both() {
    let watch = queued().start().await;
    let began = Instant::now();
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "central", 20, &["10.0.0.0/8"]).unwrap();
    watch.open(&[Permission::tcp(22, &list), Permission::tcp(22, "8.0.0.0/9")]);
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["8.128.0.0/9"], &[]).unwrap();
    let of_list = watch.event();
    let of_block = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
    let other = watch.another(queued()).await;
    let mut watch = watch;
    let first = std::mem::replace(&mut watch.context, other);
    assert_eq!(judged(&watch.finding(&of_block).await), (Verdict::Exposed, Outcome::None));
    let all = messages(&watch);
    watch.context = first;
    assert_eq!(judged(&watch.finding(&of_list).await), (Verdict::Exposed, Outcome::None));
    let answer = arrives(&watch, &all[0], began).await;
    assert_eq!(judged(only(&answer)), (Verdict::Exposed, Outcome::Reverted), "{answer:#?}");
    assert!(watch.ingress().contains(&"tcp 22-22 8.0.0.0/9".to_owned()), "{:?}", watch.ingress());
}

#[tokio::test(start_paused = true)]
async fn of_the_changes_of_a_delivery_those_come_again_that_may_hide() {
    let watch = queued().start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    let events =
        [Permission::tcp(3389, "0.0.0.0/0"), Permission::tcp(22, "9.0.0.0/9"), Permission::tcp(22, "9.9.9.0/24")]
            .map(|permission| watch.open(&[permission]).to_string());
    let answer = watch.deliver(&sqs(&events)).await;
    let says: Vec<bool> = answer.findings.iter().map(|finding| finding.reason.contains("come again")).collect();
    assert_eq!(says, [false, true, false], "a /24 is next to nothing: {answer:#?}");
    let all = messages(&watch);
    let id = answer.findings[1].id.clone().unwrap();
    assert!(all.len() == 10 && all.iter().all(|(message, _)| message.contains(&id)), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_published_the_first_time_is_published_later() {
    let watch = queued().start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    let began = Instant::now();
    let event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
    watch.world.inject(Fault::next("Publish", FaultKind::Denied));
    watch.finding(&event).await;
    // Not by each of them, and not by the first: EC2 may not show the rule yet.
    for (n, message) in messages(&watch).iter().enumerate() {
        let before = count(&watch, "Publish");
        let answer = arrives(&watch, message, began).await;
        assert_eq!(count(&watch, "Publish") - before, usize::from([2, 9].contains(&n)), "{n}: {answer:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_the_queue_does_not_take_fail_the_delivery() {
    let watch = queued().start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    let lawful = watch.open(&[Permission::tcp(443, "9.0.0.0/9")]);
    let event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
    let both = sqs(&[lawful.to_string(), event.to_string()]);
    for action in ["SendMessageBatch", "SendMessageBatchEntry"] {
        let code = "InvalidParameterValue".to_owned();
        let kind = FaultKind::ErrorBefore { status: 400, code, message: "no".to_owned() };
        watch.world.inject(Fault::next(action, kind));
        let answer = watch.deliver(&both).await;
        assert_eq!(answer.failed.into_iter().collect::<Vec<_>>(), ["m1"], "{action}");
    }
    assert!(watch.deliver(&both).await.failed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_is_only_what_may_hide_and_does_not_come_again_anyway() {
    // What is closed, or adds next to nothing to what stands.
    for (standing, open) in [("9.9.9.0/24", "0.0.0.0/0"), ("8.0.0.0/8", "9.9.9.0/24")] {
        let (_, _, all) = left_beside(queued(), standing, &[Permission::tcp(22, open)]).await;
        assert_eq!(all, [], "{open}");
    }
    // The others know of each other, or nothing is revoked anyway.
    let alert = Setup { mode: Mode::Alert, ..queued() };
    for setup in [Setup { queue: true, ..remembering() }, alert, Setup { queue: false, ..queued() }] {
        let (watch, _, all) = left_beside(setup, "8.0.0.0/8", &[Permission::tcp(22, "9.0.0.0/9")]).await;
        assert_eq!((all, watch.ingress().len()), (vec![], 2));
    }
    // What fails.
    let watch = queued().start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    watch.world.deny(ACCOUNT, "RevokeSecurityGroupIngress");
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(22, "9.0.0.0/9")]);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Failed));
    assert_eq!(messages(&watch), []);
    watch.world.permit(ACCOUNT, "RevokeSecurityGroupIngress");
    watch.world.deny(ACCOUNT, "PutObject");
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(messages(&watch), [], "without evidence it is delivered again");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_too_long_to_come_again_fails() {
    let watch = queued().start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    let mut event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
    event["detail"]["requestParameters"]["tags"] = serde_json::json!("x".repeat(65_536));
    let answer = watch.deliver(&sqs(&[event.to_string()])).await;
    assert!(only(&answer).reason.ends_with("not known: its record is too long to come again"), "{answer:#?}");
    assert_eq!((answer.failed.len(), count(&watch, "Publish")), (1, 1));
    // Nothing is asked of it where there is no queue.
    let watch = Setup { queue: false, ..queued() }.start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
    assert!(watch.deliver(&sqs(&[event.to_string()])).await.failed.is_empty());
}

/// A record that lists no rule ids is believed for five minutes. It does not come again after them.
#[tokio::test(start_paused = true)]
async fn a_record_comes_again_no_longer_than_it_is_believed() {
    let watch = queued().start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    let began = Instant::now();
    let mut event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
    event["detail"]["responseElements"] = serde_json::json!({"_return": true});
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::None));
    let all = messages(&watch);
    assert!(all.len() == 7 && all[6].0.contains(r#""last":true"#), "{all:?}");
    for message in &all {
        assert!(is_quiet(&arrives(&watch, message, began).await));
    }
}

/// SQS takes no U+FFFE. It stands in the message as JSON escapes it.
#[tokio::test(start_paused = true)]
async fn a_record_comes_again_whatever_characters_are_in_it() {
    let watch = queued().start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
    let mut event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
    event["detail"]["userAgent"] = serde_json::json!("a\u{fffe}\u{1f}b");
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::None));
    let all = messages(&watch);
    let sent: Value = serde_json::from_str(&all[0].0).unwrap();
    assert_eq!((&sent["detail"], &sent["account"]), (&event["detail"], &event["account"]));
}

#[tokio::test(start_paused = true)]
async fn where_the_memory_does_not_answer_the_change_comes_again_and_fails_the_last_time() {
    let opened = async |setup: Setup| {
        let watch = Setup { memory: Store::Table(TABLE.to_owned()), ..setup }.start().await;
        watch.world.delete_table(ACCOUNT, REGION, TABLE);
        watch.open(&[Permission::tcp(22, "8.0.0.0/8")]);
        let event = watch.open(&[Permission::tcp(22, "9.0.0.0/9")]);
        let answer = watch.deliver(&sqs(&[event.to_string()])).await;
        assert_eq!(judged(only(&answer)), (Verdict::Exposed, Outcome::None));
        assert_eq!(only(&answer).memory, Some(MemoryState::Unavailable));
        (watch, answer)
    };
    let began = Instant::now();
    let (watch, answer) = opened(queued()).await;
    assert!(answer.failed.is_empty());
    let mut all = messages(&watch);
    let last = all.pop().unwrap();
    for message in all {
        assert!(is_quiet(&arrives(&watch, &message, began).await));
    }
    assert_eq!(count(&watch, "Publish"), 1);
    let answer = arrives(&watch, &last, began).await;
    assert!(only(&answer).reason.ends_with("not known: the memory did not answer"), "{answer:#?}");
    assert_eq!((answer.failed.len(), count(&watch, "Publish")), (1, 2), "what fails is told");
    // Where there is no queue, the delivery itself fails: by the next attempt the memory may answer.
    let (_, answer) = opened(Setup { queue: false, ..queued() }).await;
    assert!(only(&answer).reason.ends_with("not known: the memory did not answer"), "{answer:#?}");
    assert_eq!(answer.failed.len(), 1);
}

/// The memory does not answer the one call, and knows nothing of it when the other comes. The next look finds it again.
#[tokio::test(start_paused = true)]
async fn when_the_memory_answers_again_the_next_look_closes_both_calls_whoever_takes_it() {
    let setup = || Setup { queue: true, topic: true, ..remembering() };
    let mut watch = setup().start().await;
    let began = Instant::now();
    let (first, second) = (watch.open(&blocks(11, 30)), watch.open(&blocks(64, 30)));
    watch.world.inject(Fault::next("UpdateItem", FaultKind::Denied));
    assert_eq!(judged(&watch.finding(&first).await), (Verdict::Exposed, Outcome::None));
    watch.start_anew(setup()).await;
    assert_eq!(judged(&watch.finding(&second).await), (Verdict::Exposed, Outcome::None));
    let all = messages(&watch);
    assert_eq!(all.len(), 10, "the second left its claim");
    watch.start_anew(setup()).await;
    assert_eq!(judged(only(&arrives(&watch, &all[0], began).await)), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.ingress().len(), 1, "a /9 is under the limit");
}

#[tokio::test(start_paused = true)]
async fn a_record_is_judged_whatever_is_said_of_a_later_look() {
    let watch = queued().start().await;
    let mut said = Vec::new();
    for look in [r#"{"last": true}"#, r#"{"last": 1, "told": true}"#, r#"{"last": true, "told": true, "x": 1}"#, "7"] {
        let mut event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
        event["later_look"] = serde_json::from_str::<Value>(look).unwrap();
        let answer = watch.deliver(&sqs(&[event.to_string()])).await;
        let judged: Vec<_> = answer.findings.iter().map(|finding| (finding.verdict, finding.outcome)).collect();
        let expected = [(Verdict::Exposed, Outcome::Reverted), (Verdict::Undecided, Outcome::None)];
        assert_eq!((judged, answer.failed.len()), (expected.to_vec(), 1), "{look}");
        said.push(answer.findings[1].reason.clone());
    }
    let expected = [
        "later_look.told is missing",
        "later_look.last is `1`: expected true or false",
        "later_look.x is not known: expected last and told",
        "later_look is `7`: expected an object",
    ];
    assert_eq!(said, expected);
}
