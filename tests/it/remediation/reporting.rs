//! What is logged, counted and published.

use ec2_model::{Fault, FaultKind, Permission};
use portcullis::domain::finding::{Outcome, Verdict};
use serde_json::{Value, json};

use super::{judged, lines};
use crate::harness::{ACCOUNT, REGION, Setup, TOPIC, sqs};

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_told_and_the_next_event_works() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    let no_group = json!({"groupId": "sg-!", "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}});
    let mut event = watch.open(&[Permission::tcp(443, "0.0.0.0/0")]);
    event["detail"]["requestParameters"] = no_group;
    event["detail"]["responseElements"] = Value::Null;
    for (payload, reason) in [
        (event, "requestParameters.groupId: `sg-!` is no security group id"),
        (json!(null), "the delivery is `null`"),
        (json!({}), "the delivery is `{}`"),
        (json!("x"), "the delivery is"),
        (json!({"Records": "x"}), "the delivery is"),
        (json!({"detail-type": "AWS API Call via CloudTrail", "detail": null}), "the record is `null`"),
        (json!({"detail-type": "AWS API Call via CloudTrail", "detail": {"eventSource": 5}}), "eventSource is `5`"),
        (
            json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": ""}]}),
            "the SQS message's body is no JSON",
        ),
    ] {
        let answer = watch.deliver(&payload).await;
        assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::None), "{payload}");
        assert!(answer.findings[0].reason.contains(reason), "{}", answer.findings[0].reason);
        assert_eq!(answer.failed.len(), 1);
    }
    assert!(watch.ec2_calls().is_empty());
    assert_eq!(watch.world.published().len(), 8, "every one is alerted");
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
}

#[tokio::test(start_paused = true)]
async fn a_block_that_cannot_be_read_in_the_request_keeps_no_port_open() {
    for answer in [true, false] {
        let watch = Setup::default().start().await;
        let mut event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
        let permission = &mut event["detail"]["requestParameters"]["ipPermissions"]["items"][0];
        permission["ipRanges"]["items"][0]["cidrIp"] = json!("00.0.0.0/0");
        if !answer {
            event["detail"]["responseElements"] = Value::Null;
        }
        let finding = watch.finding(&event).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{}", finding.reason);
        assert!(finding.reason.contains("cidrIp: `00.0.0.0/0` is no CIDR block"), "{}", finding.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn of_very_many_records_that_cannot_be_read_the_first_are_told_and_the_others_counted() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    let good = watch.open(&[Permission::tcp(22, "0.0.0.0/0")])["detail"].clone();
    let mut records = vec![json!({"eventName": 1}); 3000];
    records.push(good);
    for delivery in [json!({"Records": records}), json!(records)] {
        let before = watch.world.published().len();
        let answer = watch.deliver(&delivery).await;
        assert_eq!(answer.findings.len(), 1002, "a thousand, what became of the good one, and how many more there are");
        assert!(answer.findings.iter().any(|finding| finding.group.is_some()));
        let last = answer.findings.last().unwrap();
        assert_eq!(last.reason, "2000 more records of the delivery cannot be read");
        assert_eq!(answer.failed.len(), 1);
        let published = watch.world.published().split_off(before);
        assert_eq!(published.len(), 101, "a hundred, and what the others are");
        let last = published.last().unwrap();
        assert!(last.message.contains("more findings of this delivery are in the log alone"), "{}", last.message);
    }
}

#[tokio::test(start_paused = true)]
async fn people_hear_of_it_in_the_form_that_their_subscription_wants() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let finding = watch.finding(&event).await;
    let published = watch.world.published().pop().unwrap();
    assert_eq!((published.topic.as_str(), published.message_structure.as_deref()), (TOPIC, Some("json")));
    let attributes: Vec<(&str, &str)> = published.attributes.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    for expected in [("verdict", "exposed"), ("outcome", "reverted"), ("account", ACCOUNT), ("region", REGION)] {
        assert!(attributes.contains(&expected), "{attributes:?}");
    }
    let texts: Value = serde_json::from_str(&published.message).unwrap();
    let machine: Value = serde_json::from_str(texts["sqs"].as_str().unwrap()).unwrap();
    assert_eq!(machine, serde_json::to_value(&finding).unwrap());
    assert_eq!(texts["lambda"], texts["sqs"]);
    assert!(texts["email"].as_str().unwrap().contains("SSH was open to the whole internet (IPv4)"));
    assert_eq!(finding.group_name.as_deref(), Some("web"));
    let chat: Value = serde_json::from_str(texts["https"].as_str().unwrap()).unwrap();
    assert_eq!((&chat["version"], &chat["source"]), (&json!("1.0"), &json!("custom")));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_fails_hides_nothing_and_is_counted() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    watch.world.deny(ACCOUNT, "Publish");
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let answer = watch.deliver(&event).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Exposed, Outcome::Reverted));
    assert!(answer.failed.is_empty() && watch.ingress().is_empty());
    let lines = lines(&watch);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["outcome"], "reverted");
    assert_eq!((&lines[1]["PublishFailed"], &lines[1]["Reverted"]), (&json!(1), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_hangs_holds_up_no_work() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    for nth in 0..100 {
        let kind = FaultKind::Slow(std::time::Duration::from_secs(60));
        watch.world.inject(Fault { action: Some("Publish".into()), nth, kind });
    }
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]).to_string();
    let answer = watch.deliver(&sqs(&["not json".to_owned(), event])).await;
    assert_eq!(judged(&answer.findings[1]), (Verdict::Exposed, Outcome::Reverted));
    assert!(watch.ingress().is_empty());
    let metrics = lines(&watch).pop().unwrap();
    assert_eq!(metrics["PublishFailed"], json!(2));
    assert!(metrics["ExposureMillis"][0].as_i64().unwrap() < 1000, "{metrics}");
}
