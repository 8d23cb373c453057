use super::*;
use portcullis_domain::memory::DigestOrder;
use serde_json::{Value, json};

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

fn payloads_of(payload: &Value) -> Vec<Payload<'static>> {
    payloads_of_json(&Json::from(payload))
}

fn payloads_of_json(payload: &Json<'_>) -> Vec<Payload<'static>> {
    open(payload).items.into_iter().flat_map(|item| item.payloads).map(Payload::into_owned).collect()
}

fn borrowing_nothing(value: &Value) -> Record<'static> {
    Record::Read(Json::from(value).into_owned())
}

#[test]
fn a_record_is_found_however_aws_nests_it() {
    let (bare, stamped) = (
        EnvelopeOrigin::default(),
        EnvelopeOrigin { account: Some("111122223333".into()), region: Some("eu-west-1".into()) },
    );
    for (what, payload, envelope_origin) in [
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
        ("a list of records", json!([record()]), &bare),
        ("a list of texts", json!([record().to_string()]), &bare),
        ("a list of looked-up events", json!([{"EventId": "1", "CloudTrailEvent": record().to_string()}]), &bare),
        ("a text", json!(record().to_string()), &bare),
        ("a list of SNS notifications", json!([{"Sns": {"Message": event().to_string()}}]), &stamped),
        ("SQS of a list", sqs(&[&json!([record()]).to_string()]), &bare),
        ("SQS of a text with a byte order mark", sqs(&[&format!("\u{feff}{}", record())]), &bare),
        ("a batch of EventBridge Pipes", sqs(&[&event().to_string()])["Records"].clone(), &stamped),
        ("a looked-up event", json!({"Events": [{"CloudTrailEvent": record().to_string()}]}), &bare),
    ] {
        assert_eq!(
            payloads_of(&payload),
            [Payload::Record {
                record: borrowing_nothing(&record()),
                envelope_origin: envelope_origin.clone(),
                later_look: None
            }],
            "{what}"
        );
    }
}

#[test]
fn one_bad_sqs_message_does_not_stop_the_others_and_each_keeps_its_id() {
    let mut payload = sqs(&["not json", &event().to_string(), ""]);
    let without_body = json!({"messageId": "m3", "eventSource": "aws:sqs", "body": null});
    payload["Records"].as_array_mut().unwrap().push(without_body);
    let payload = Json::from(&payload);
    let delivery = open(&payload);
    assert_eq!(delivery.kind, Kind::ByItem);
    let read: Vec<(&str, bool)> =
        delivery.items.iter().map(|i| (i.id.as_str(), matches!(i.payloads[..], [Payload::Record { .. }]))).collect();
    assert_eq!(read, [("m0", false), ("m1", true), ("m2", false), ("m3", false)]);
}

#[test]
fn what_is_no_delivery_is_named() {
    for payload in
        [json!(null), json!({}), json!([{}]), json!("x"), json!(1), json!({"Records": [{}]}), json!({"detail": {}})]
    {
        let payloads = payloads_of(&payload);
        assert!(
            matches!(&payloads[..], [Payload::Unreadable(why)] if why.contains("expected an EventBridge event")),
            "{payloads:?}"
        );
    }
    let notice = json!({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}}}]});
    assert!(matches!(&payloads_of(&notice)[..], [Payload::Unreadable(why)] if why.starts_with("the S3 object notice")));
}

#[test]
fn a_batch_of_eventbridge_pipes_is_answered_by_item() {
    let batch = sqs(&[&event().to_string(), "not json"])["Records"].clone();
    let payload = Json::from(&batch);
    let delivery = open(&payload);
    let items: Vec<&str> = delivery.items.iter().map(|item| item.id.as_str()).collect();
    assert_eq!((delivery.kind, items), (Kind::ByItem, vec!["m0", "m1"]));
}

#[test]
fn a_text_may_have_several_documents_one_after_the_other() {
    let (one, broken) = (event().to_string(), r#"{"detail": }"#);
    let payloads = payloads_of(&sqs(&[&format!("{one}\n{broken}\n{one}{one}")]));
    let kinds: Vec<bool> = payloads.iter().map(|payload| matches!(payload, Payload::Record { .. })).collect();
    assert_eq!(kinds, [true, false, true, true]);
}

#[test]
fn of_very_many_unreadable_parts_the_first_are_named_and_the_others_counted() {
    let numbers: Vec<u8> = vec![0; 5000];
    let texts: Vec<&str> = vec!["[1]"; 5000];
    for delivery in [json!(numbers), json!({"Records": numbers}), json!(texts), json!({"Events": texts})] {
        let delivery = Json::from(&delivery);
        let items = open(&delivery).items;
        assert_eq!((items[0].payloads.len(), items[0].more_unreadable), (1000, 4000));
    }
}

const KEY: &str = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/21/a b+c.json.gz";

fn object_notice(event: &str, key: &str) -> Value {
    let s3 = json!({"bucket": {"name": "trail"}, "object": {"key": key, "size": 1}});
    json!({"Records": [{"eventSource": "aws:s3", "eventName": event, "awsRegion": "eu-west-1", "s3": s3}]})
}

fn log_file(key: &str) -> Payload<'static> {
    Payload::LogFile(LogFile { bucket: "trail".into(), key: key.into() })
}

#[test]
fn a_log_file_is_found_however_its_name_comes() {
    let encoded = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/21/a+b%2Bc.json.gz";
    let created = object_notice("ObjectCreated:Put", encoded);
    let own = json!({"s3Bucket": "trail", "s3ObjectKey": [KEY, "AWSLogs/second.json.gz"]});
    let bus = json!({"detail-type": "Object Created", "source": "aws.s3",
        "detail": {"bucket": {"name": "trail"}, "object": {"key": KEY}}});
    for (what, payload) in [
        ("an S3 notice", created.clone()),
        ("an EventBridge event, whose key is not encoded", bus),
        ("SQS of an S3 notice", sqs(&[&created.to_string()])),
        ("SQS of SNS of an S3 notice", sqs(&[&notification(&created).to_string()])),
        ("SNS of an S3 notice", json!({"Records": [{"Sns": {"Message": created.to_string()}}]})),
    ] {
        assert_eq!(payloads_of(&payload), [log_file(KEY)], "{what}");
    }
    for payload in [own.clone(), sqs(&[&notification(&own).to_string()])] {
        assert_eq!(payloads_of(&payload), [log_file(KEY), log_file("AWSLogs/second.json.gz")]);
    }
}

#[test]
fn test_and_control_messages_digests_and_insights_are_passed_over() {
    let validation = json!({"Type": "Notification", "Message": "CloudTrail validation message."});
    let control = json!({"messageType": "CONTROL_MESSAGE", "logEvents": []});
    for payload in [
        json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "trail"}),
        sqs(&[&json!({"Service": "Amazon S3", "Event": "s3:TestEvent"}).to_string()]),
        validation,
        json!({"Type": "SubscriptionConfirmation", "Message": "You have chosen …", "Token": "t"}),
        object_notice("ObjectRemoved:Delete", "AWSLogs/x.json.gz"),
        object_notice("ObjectCreated:Put", "AWSLogs/1/CloudTrail-Digest/eu-west-1/x.json.gz"),
        json!({"s3Bucket": "trail", "s3ObjectKey": ["AWSLogs/1/CloudTrail-Insight/eu-west-1/x.json.gz"]}),
        subscription(&control),
    ] {
        assert!(matches!(&payloads_of(&payload)[..], [Payload::Control(_)]), "{payload}: {:?}", payloads_of(&payload));
    }
    let config = object_notice("ObjectCreated:Put", "AWSLogs/1/Config/history.csv");
    assert!(matches!(&payloads_of(&config)[..], [Payload::Unrelated(why)] if why.contains("no CloudTrail log file")));
}

fn subscription(data: &Value) -> Value {
    use std::io::Write;
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    zip.write_all(data.to_string().as_bytes()).unwrap();
    json!({"awslogs": {"data": BASE64_STANDARD.encode(zip.finish().unwrap())}})
}

#[test]
fn a_logs_subscription_gives_the_records_that_may_be_ours_and_names_what_it_cannot_open() {
    let message = |message: &str| json!({"id": "1", "timestamp": 1, "message": message});
    let other = json!({"eventSource": "s3.amazonaws.com", "eventName": "GetObject"}).to_string();
    let escaped = record().to_string().replace("Authorize", "\\u0041uthorize");
    let events = [message(&record().to_string()), message(&other), message(&escaped)];
    let data = json!({"messageType": "DATA_MESSAGE", "owner": "111122223333", "logEvents": events});
    let payload = Payload::Record {
        record: borrowing_nothing(&record()),
        envelope_origin: EnvelopeOrigin::default(),
        later_look: None,
    };
    assert_eq!(payloads_of(&subscription(&data)), [payload.clone(), payload.clone()]);
    let broken = record().to_string().replace(r#"":"ec2"#, r#"":ec2"#);
    let data = json!({"messageType": "DATA_MESSAGE", "logEvents": [message(&broken), message(&record().to_string())]});
    let payloads = payloads_of(&subscription(&data));
    assert!(
        matches!(&payloads[..], [Payload::Unreadable(why), second] if why.contains("no JSON") && *second == payload)
    );
    for payload in [
        json!({"awslogs": {}}),
        json!({"awslogs": {"data": "?"}}),
        json!({"awslogs": {"data": "AAAA"}}),
        subscription(&json!({"messageType": "DATA_MESSAGE"})),
    ] {
        assert!(matches!(&payloads_of(&payload)[..], [Payload::Unreadable(_)]), "{payload}");
    }
}

#[test]
fn a_sweep_is_an_order_with_accounts_and_regions_both_optional() {
    let sweep = |accounts: &[&str], regions: &[&str]| {
        let accounts = accounts.iter().map(|id| id.parse().unwrap()).collect();
        [Payload::SweepRequest(SweepRequest {
            accounts,
            regions: regions.iter().map(|code| code.parse().unwrap()).collect(),
            digest: None,
        })]
    };
    assert_eq!(payloads_of(&json!({"sweep": {}})), sweep(&[], &[]));
    for word in ["news", "tell", "2026-11-26T08:00:00Z"] {
        let order = SweepRequest { digest: DigestOrder::parse(word), ..SweepRequest::default() };
        assert!(order.digest.is_some());
        assert_eq!(payloads_of(&json!({"sweep": {"digest": word}})), [Payload::SweepRequest(order)]);
    }
    let one = json!({"sweep": {"accounts": ["111122223333"], "regions": ["eu-west-1"]}});
    assert_eq!(payloads_of(&one), sweep(&["111122223333"], &["eu-west-1"]));
    assert_eq!(payloads_of(&sqs(&[&one.to_string()])), sweep(&["111122223333"], &["eu-west-1"]));
    for (bad, why) in [
        (json!({"sweep": true}), "sweep is `true`: expected an object"),
        (json!({"sweep": {"acounts": []}}), "sweep.acounts is not known: expected accounts, regions and digest"),
        (json!({"sweep": {"digest": "some"}}), "sweep.digest is `\"some\"`: expected news, tell or a time"),
        (json!({"sweep": {"digest": {}}}), "sweep.digest is `{}`: expected news, tell or a time"),
        (
            json!({"sweep": {"accounts": "111122223333"}}),
            "sweep.accounts is `\"111122223333\"`: expected a list of texts",
        ),
        (
            json!({"sweep": {"accounts": [111122223333_i64]}}),
            "sweep.accounts is `111122223333`: expected a list of texts",
        ),
        (
            json!({"sweep": {"regions": ["../x"]}}),
            "sweep.regions: `../x` is no Region: expected a Region code such as eu-west-1",
        ),
    ] {
        assert_eq!(payloads_of(&bad), [Payload::Unreadable(why.to_owned())]);
    }
    let short = payloads_of(&json!({"sweep": {"accounts": ["123"]}}));
    assert!(
        matches!(&short[..], [Payload::Unreadable(why)] if why.starts_with("sweep.accounts: `123` is no account id"))
    );
}

#[test]
fn another_kind_of_eventbridge_event_is_ignored() {
    let scheduled = json!({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}});
    assert_eq!(payloads_of(&scheduled), [Payload::Unrelated("an EventBridge event of type `Scheduled Event`".into())]);
}

#[test]
fn nesting_without_end_is_refused() {
    let deep = (0..12).fold(event(), |inner, _| notification(&inner));
    assert_eq!(payloads_of(&deep), [Payload::Unreadable("the delivery is nested deeper than AWS nests".into())]);
}

#[test]
fn a_key_that_stands_twice_in_a_text_inside_is_seen() {
    let event = event().to_string().replace(r#""eventVersion""#, r#""requestParameters":{"a":1,"a":2},"eventVersion""#);
    let message = json!({"Type": "Notification", "Message": event});
    let looked_up = json!({"Events": [{"CloudTrailEvent": event}]});
    for payload in [sqs(&[&event]), message, looked_up, json!({"Records": [{"Sns": {"Message": event}}]})] {
        let payloads = payloads_of(&payload);
        let [Payload::Record { record, .. }] = &payloads[..] else { panic!("{payloads:?}") };
        assert_eq!(text(record, "requestParameters"), Some("an object in which the key a stands twice"));
    }
    let payloads = payloads_of(&sqs(&[r#"{"detail":1,"detail":2}"#]));
    assert!(matches!(&payloads[..], [Payload::Unreadable(why)] if why.contains("the key detail stands twice")));
}

#[test]
fn a_document_of_two_kinds_loses_nothing() {
    let both = |more: Value| {
        let mut payload = json!({"Records": [record()]});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        payloads_of(&payload).iter().filter(|payload| matches!(payload, Payload::Record { .. })).count()
    };
    assert_eq!(both(json!({"Events": []})), 1);
    assert_eq!(both(json!({"Events": [{"Events": []}]})), 1);
    assert_eq!(both(event()), 2);
    assert_eq!(both(notification(&event())), 2);
    let beside = json!({"Records": [], "eventVersion": "1.11"});
    assert!(matches!(&payloads_of(&beside)[..], [Payload::Record { .. }]));
    assert_eq!(payloads_of(&json!({"Records": []})), []);
    assert_eq!(payloads_of(&json!([])), []);
}

#[test]
fn what_is_nested_or_numbered_without_end_is_no_delivery() {
    for body in ["[".repeat(100_000), r#"{"detail":1e999}"#.to_owned(), r#"{"detail":"\ud800"}"#.to_owned()] {
        let payloads = payloads_of(&sqs(&[&body]));
        assert!(
            matches!(&payloads[..], [Payload::Unreadable(why)] if why.starts_with("the SQS message's body is no JSON"))
        );
    }
}

#[test]
fn what_may_hold_records_beside_an_empty_list_is_not_passed_over() {
    let empty = [json!({"Records": []}), json!({"Events": [], "NextToken": "n"}), json!({"Event": "s3:TestEvent"})];
    let silent_json =
        |payload: &Json<'_>| payloads_of_json(payload).iter().all(|payload| matches!(payload, Payload::Control(_)));
    let silent = |payload: &Value| silent_json(&Json::from(payload));
    for payload in empty {
        assert!(silent(&payload), "{payload}");
        let text = json!([record()]).to_string();
        let zipped = json!("H4sIAAAAAAAA/6uuBQBDv6ajAgAAAA==");
        for other in [json!([record()]), json!({"a": record()}), json!(text), json!(json!(text).to_string()), zipped] {
            for key in ["Records", "Events", "Message", "CloudTrailEvents"] {
                let mut strange = payload.clone();
                strange[key] = other.clone();
                assert!(!silent(&strange), "{strange}");
            }
        }
    }
    let attributes = json!({"a": {"Type": "String", "Value": "{}"}});
    let test = json!({"Type": "Notification", "Message": "{\"Records\": []}", "MessageAttributes": attributes});
    assert!(silent(&test), "attributes hold no records");
    let double = json::parse(br#"{"Records": [], "Events": {"a": 1, "a": 2}}"#).unwrap();
    assert!(!silent_json(&double), "nobody knows what is in an object with a double key");
    let beside = json!({"Records": [record()], "Events": json!([record()]).to_string()});
    assert!(matches!(payloads_of(&beside)[..], [Payload::Record { .. }, Payload::Unreadable(_)]));
    // Real keys, with the other files that AWS writes.
    let key = "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/11/21/x.json.gz";
    let created = json!({"version": "0", "id": "1", "detail-type": "Object Created", "source": "aws.s3",
        "account": "111122223333", "time": "2026-11-21T10:00:00Z", "region": "eu-west-1",
        "resources": ["arn:aws:s3:::logs"], "detail": {"bucket": {"name": "logs"}, "object": {"key": key, "size": 5}}});
    let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-21T10:00:00.000Z",
        "Bucket": "logs", "RequestId": "R", "HostId": "H="});
    let none = json!({"Events": [], "NextToken": "x", "ResponseMetadata": {"HTTPStatusCode": 200}});
    for payload in [created, test, none] {
        assert!(silent(&payload), "{payload}");
    }
}

#[test]
fn the_end_of_an_opening_names_its_place_and_its_waiver_and_nothing_else() {
    let end = |keys: Value| payloads_of(&json!({"end": keys}));
    let whole = json!({"account": "111122223333", "region": "eu-west-1", "group": "sg-1", "waiver": "w-7q2m"});
    let expected = Payload::EndRequest(EndRequest {
        account: "111122223333".parse().unwrap(),
        region: "eu-west-1".parse().unwrap(),
        group: "sg-1".parse().unwrap(),
        waiver: "w-7q2m".to_owned(),
    });
    assert_eq!(end(whole.clone()), std::slice::from_ref(&expected));
    assert_eq!(payloads_of(&sqs(&[&json!({"end": whole}).to_string()])), [expected]);
    for (key, value, why) in [
        ("waiver", json!("7q2m"), "end.waiver: `7q2m` is no waiver's id: expected one such as w-7q2m"),
        ("waiver", json!(7), "end.waiver is `7`: expected a text"),
        ("group", json!("sg-../x"), "end.group: `sg-../x` is no security group id"),
        ("account", json!("1"), "end.account: `1` is no account id"),
        ("region", json!("x"), "end.region: `x` is no Region"),
        ("until", json!("now"), "end.until is not known: expected account, region, group and waiver"),
    ] {
        let mut bad = whole.clone();
        bad[key] = value;
        let opened = end(bad);
        assert!(matches!(&opened[..], [Payload::Unreadable(said)] if said.starts_with(why)), "{opened:?}");
    }
    let missing = end(json!({"account": "111122223333"}));
    assert_eq!(missing, [Payload::Unreadable("end.waiver is missing".to_owned())]);
    assert_eq!(end(json!([])), [Payload::Unreadable("end is `[]`: expected an object".to_owned())]);
}

#[test]
fn a_record_that_comes_for_a_later_look_says_which_and_is_read_whatever_it_says() {
    let look = |said: Value| {
        let mut event = event();
        event["later_look"] = said;
        payloads_of(&sqs(&[&event.to_string()]))
    };
    let known = |payload: &Payload<'_>| {
        let Payload::Record { later_look, .. } = payload else { panic!("{payload:?}") };
        *later_look
    };
    for (last, told) in [(false, true), (true, false)] {
        let opened = look(json!({"last": last, "told": told}));
        assert_eq!(opened.iter().map(known).collect::<Vec<_>>(), [Some(LaterLook { last, told })]);
    }
    assert_eq!(payloads_of(&event()).iter().map(known).collect::<Vec<_>>(), [None]);
    for (said, why) in [
        (json!({"last": true}), "later_look.told is missing"),
        (json!({"last": 1, "told": true}), "later_look.last is `1`: expected true or false"),
        (json!({"last": true, "told": true, "time": 1}), "later_look.time is not known: expected last and told"),
        (json!(null), "later_look is `null`: expected an object"),
    ] {
        let opened = look(said);
        let [record, Payload::Unreadable(said)] = &opened[..] else { panic!("{opened:?}") };
        assert_eq!((known(record), said.as_str()), (None, why));
    }
}
