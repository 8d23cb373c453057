use super::*;
use serde_json::json;

fn record() -> Value {
    json!({"eventVersion": "1.11", "eventSource": "ec2.amazonaws.com", "eventName": "AuthorizeSecurityGroupIngress"})
}

fn event() -> Value {
    let (account, region) = ("111122223333", "eu-west-1");
    json!({"detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2", "account": account, "region": region, "detail": record()})
}

fn notification(message: &Value) -> Value {
    json!({"Type": "Notification", "MessageId": "m", "Message": message.to_string()})
}

fn sqs(bodies: &[&str]) -> Value {
    let message =
        |(n, body): (usize, &&str)| json!({"messageId": format!("m{n}"), "body": body, "eventSource": "aws:sqs"});
    json!({"Records": bodies.iter().enumerate().map(message).collect::<Vec<_>>()})
}

fn letters_of(payload: &Value) -> Vec<Letter> {
    open(payload).items.into_iter().flat_map(|item| item.letters).collect()
}

#[test]
fn a_record_is_found_however_aws_nests_it() {
    let (bare, stamped) =
        (Postmark::default(), Postmark { account: Some("111122223333".into()), region: Some("eu-west-1".into()) });
    for (what, payload, postmark) in [
        ("a bare record", record(), &bare),
        ("an EventBridge event", event(), &stamped),
        ("a log file", json!({"Records": [record()]}), &bare),
        (
            "an SNS delivery",
            json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": event().to_string()}}]}),
            &stamped,
        ),
        ("SQS of an event", sqs(&[&event().to_string()]), &stamped),
        ("SQS of a record", sqs(&[&record().to_string()]), &bare),
        ("SQS of an SNS notification", sqs(&[&notification(&event()).to_string()]), &stamped),
        ("a looked-up event", json!({"Events": [{"CloudTrailEvent": record().to_string()}]}), &bare),
    ] {
        assert_eq!(letters_of(&payload), [Letter::Record { record: record(), postmark: postmark.clone() }], "{what}");
    }
}

#[test]
fn one_bad_sqs_message_does_not_stop_the_others_and_each_keeps_its_id() {
    let mut payload = sqs(&["not json", &event().to_string(), ""]);
    let without_body = json!({"messageId": "m3", "eventSource": "aws:sqs", "body": null});
    payload["Records"].as_array_mut().unwrap().push(without_body);
    let delivery = open(&payload);
    assert_eq!(delivery.kind, Kind::ByItem);
    let read: Vec<(&str, bool)> =
        delivery.items.iter().map(|i| (i.id.as_str(), matches!(i.letters[..], [Letter::Record { .. }]))).collect();
    assert_eq!(read, [("m0", false), ("m1", true), ("m2", false), ("m3", false)]);
}

#[test]
fn what_is_no_delivery_is_named() {
    for payload in [
        json!(null),
        json!({}),
        json!([]),
        json!("x"),
        json!(1),
        json!({"Records": [{}]}),
        json!({"detail": {}}),
        json!({"sweep": {}}),
    ] {
        let letters = letters_of(&payload);
        assert!(
            matches!(&letters[..], [Letter::Unreadable(why)] if why.contains("expected an EventBridge event")),
            "{letters:?}"
        );
    }
    let notice = json!({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}}}]});
    assert!(matches!(&letters_of(&notice)[..], [Letter::Unreadable(why)] if why.starts_with("an S3 object notice")));
}

#[test]
fn another_kind_of_eventbridge_event_is_ignored() {
    let scheduled = json!({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}});
    assert_eq!(letters_of(&scheduled), [Letter::Ignored("an EventBridge event of type `Scheduled Event`".into())]);
}

#[test]
fn nesting_without_end_is_refused() {
    let deep = (0..12).fold(event(), |inner, _| notification(&inner));
    assert_eq!(letters_of(&deep), [Letter::Unreadable("the delivery is nested deeper than AWS nests".into())]);
}

#[test]
fn a_key_that_stands_twice_in_a_text_inside_is_seen() {
    let event = event().to_string().replace(r#""eventVersion""#, r#""requestParameters":{"a":1,"a":2},"eventVersion""#);
    let message = json!({"Type": "Notification", "Message": event});
    let looked_up = json!({"Events": [{"CloudTrailEvent": event}]});
    for payload in [sqs(&[&event]), message, looked_up, json!({"Records": [{"Sns": {"Message": event}}]})] {
        let letters = letters_of(&payload);
        let [Letter::Record { record, .. }] = &letters[..] else { panic!("{letters:?}") };
        assert_eq!(record["requestParameters"], "an object in which the key a stands twice");
    }
    let letters = letters_of(&sqs(&[r#"{"detail":1,"detail":2}"#]));
    assert!(matches!(&letters[..], [Letter::Unreadable(why)] if why.contains("the key detail stands twice")));
}

#[test]
fn a_document_of_two_kinds_loses_nothing() {
    let both = |more: Value| {
        let mut payload = json!({"Records": [record()]});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        letters_of(&payload).iter().filter(|letter| matches!(letter, Letter::Record { .. })).count()
    };
    assert_eq!(both(json!({"Events": []})), 1);
    assert_eq!(both(json!({"Events": [{"Events": []}]})), 1);
    assert_eq!(both(event()), 2);
    assert_eq!(both(notification(&event())), 2);
    let beside = json!({"Records": [], "eventVersion": "1.11"});
    assert!(matches!(&letters_of(&beside)[..], [Letter::Record { .. }]));
    assert_eq!(letters_of(&json!({"Records": []})), []);
}

#[test]
fn what_is_nested_or_numbered_without_end_is_no_delivery() {
    for body in ["[".repeat(100_000), r#"{"detail":1e999}"#.to_owned(), r#"{"detail":"\ud800"}"#.to_owned()] {
        let letters = letters_of(&sqs(&[&body]));
        assert!(
            matches!(&letters[..], [Letter::Unreadable(why)] if why.starts_with("the SQS message's body is no JSON"))
        );
    }
}
