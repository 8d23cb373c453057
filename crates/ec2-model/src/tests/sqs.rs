//! SQS in its JSON protocol.

use serde_json::{Value, json};

use super::kit::*;
use crate::{Fault, FaultKind, World};

struct Sqs {
    world: World,
    url: String,
}

fn sqs() -> Sqs {
    let world = World::new(1);
    let url = world.create_queue(ACCOUNT, REGION, "sweep");
    Sqs { world, url }
}

impl Sqs {
    fn call(&self, action: &str, body: &Value) -> (u16, Vec<(String, String)>, Value) {
        json_answer(&self.world, &json_request(ACCOUNT, REGION, "sqs", &format!("AmazonSQS.{action}"), body))
    }

    fn batch(&self, entries: &[(&str, &str)]) -> (u16, Vec<(String, String)>, Value) {
        let entries = entries.iter().map(|(id, body)| json!({ "Id": id, "MessageBody": body })).collect::<Value>();
        self.call("SendMessageBatch", &json!({ "QueueUrl": self.url, "Entries": entries }))
    }

    /// The code that clients see for a refused batch, and the shape in the body.
    fn refusal(&self, entries: &[(&str, &str)]) -> String {
        let (status, headers, body) = self.batch(entries);
        let (_, code) = headers.iter().find(|(name, _)| name == "x-amzn-query-error").unwrap();
        let (code, fault) = code.split_once(';').unwrap();
        let name = code.strip_prefix("AWS.SimpleQueueService.").unwrap();
        assert_eq!(
            (status, fault, body["__type"].as_str().unwrap()),
            (400, "Sender", &*format!("com.amazonaws.sqs#{name}"))
        );
        assert_eq!(self.world.take_messages(&self.url), [""; 0]);
        name.to_owned()
    }
}

/// SQS API Reference, SendMessage: the response has `MessageId` and `MD5OfMessageBody`, "An MD5 digest of the
/// non-URL-encoded message body string".
#[test]
fn a_message_is_taken_in() {
    let sqs = sqs();
    let (status, headers, body) =
        sqs.call("SendMessage", &json!({ "QueueUrl": sqs.url, "MessageBody": "hello world" }));
    assert_eq!((status, body["MD5OfMessageBody"].as_str()), (200, Some("5eb63bbbe01eeed093cb22bb8f5acdc3")));
    assert!(headers.contains(&("content-type".into(), "application/x-amz-json-1.0".into())));
    assert!(body["MessageId"].is_string());
    assert_eq!(sqs.world.take_messages(&sqs.url), ["hello world"]);
    assert_eq!(sqs.world.take_messages(&sqs.url), [""; 0]);
    let call = sqs.world.calls().pop().unwrap();
    assert_eq!(
        (call.service.as_str(), call.action.as_str(), call.param("MessageBody")),
        ("sqs", "SendMessage", Some("hello world"))
    );
    assert_eq!(sqs.world.take_records(), [Value::Null; 0]);
}

/// SQS API Reference, SendMessageBatch: "You can use SendMessageBatch to send up to 10 messages to the specified queue";
/// `Successful` and `Failed`: "you should check for batch errors even when the call returns an HTTP status code of 200".
#[test]
fn a_batch_is_answered_entry_by_entry() {
    let sqs = sqs();
    let (status, _, body) = sqs.batch(&[("a", "one"), ("b", "\u{1}"), ("c", "three")]);
    assert_eq!(status, 200);
    assert_eq!([&body["Successful"][0]["Id"], &body["Successful"][1]["Id"]], ["a", "c"]);
    assert_eq!(body["Successful"][1]["MD5OfMessageBody"], "35d6d33467aae9a2e3dccb4b6b027878");
    let failed = &body["Failed"][0];
    assert_eq!(
        (&failed["Id"], &failed["Code"], &failed["SenderFault"]),
        (&json!("b"), &json!("InvalidMessageContents"), &json!(true))
    );
    assert_eq!(sqs.world.take_messages(&sqs.url), ["one", "three"]);

    let kind = FaultKind::ErrorBefore { status: 500, code: "InternalError".into(), message: "try again".into() };
    sqs.world.inject(Fault { action: Some("SendMessageBatchEntry".into()), nth: 1, kind });
    let (status, _, body) = sqs.batch(&[("a", "one"), ("b", "two")]);
    assert_eq!((status, &body["Successful"][0]["Id"]), (200, &json!("a")));
    assert_eq!(
        body["Failed"],
        json!([{"Id": "b", "Code": "InternalError", "Message": "try again", "SenderFault": false}])
    );
    assert_eq!(sqs.world.take_messages(&sqs.url), ["one"]);
    assert_eq!(sqs.batch(&[("a", "one")]).2.get("Failed"), None);
}

/// SQS API Reference, SendMessageBatch, errors: AWS.SimpleQueueService.TooManyEntriesInBatchRequest, EmptyBatchRequest,
/// BatchEntryIdsNotDistinct, InvalidBatchEntryId, BatchRequestTooLong, all HTTP 400; "The maximum allowed individual message
/// size and the maximum total payload size … are both 1 MiB 1,048,576 bytes."
#[test]
fn a_bad_batch_is_refused_whole() {
    let sqs = sqs();
    let ids = (0..11).map(|n| format!("id-{n}")).collect::<Vec<_>>();
    let eleven = ids.iter().map(|id| (id.as_str(), "m")).collect::<Vec<_>>();
    assert_eq!(sqs.refusal(&eleven), "TooManyEntriesInBatchRequest");
    assert_eq!(sqs.refusal(&[]), "EmptyBatchRequest");
    assert_eq!(sqs.refusal(&[("a", "m"), ("b", "m"), ("a", "m")]), "BatchEntryIdsNotDistinct");
    assert_eq!(sqs.refusal(&[("a b", "m")]), "InvalidBatchEntryId");
    let half = "m".repeat(524_288);
    assert_eq!(sqs.refusal(&[("a", &half), ("b", &half), ("c", "m")]), "BatchRequestTooLong");
    assert_eq!(sqs.batch(&[("a", &half), ("b", &half)]).0, 200);
    assert_eq!(sqs.batch(&eleven[..10]).0, 200);
    assert_eq!(sqs.world.take_messages(&sqs.url).len(), 12);
}

/// SQS API Reference, SendMessage, errors: QueueDoesNotExist, "The specified queue doesn't exist"; its Query code is
/// AWS.SimpleQueueService.NonExistentQueue. A queue of another account needs a policy that lets the caller in.
#[test]
fn a_queue_must_be_there_and_the_callers_own() {
    let sqs = sqs();
    let message = |url: &str| json!({ "QueueUrl": url, "MessageBody": "m" });
    let (status, headers, body) = sqs.call("SendMessage", &message(&sqs.url.replace("sweep", "swoop")));
    assert_eq!((status, &body["__type"]), (400, &json!("com.amazonaws.sqs#QueueDoesNotExist")));
    let code = ("x-amzn-query-error".to_owned(), "AWS.SimpleQueueService.NonExistentQueue;Sender".to_owned());
    assert!(headers.contains(&code));
    let from = |key: &str, region: &str| {
        let request = json_request(key, region, "sqs", "AmazonSQS.SendMessage", &message(&sqs.url));
        json_answer(&sqs.world, &request).2["__type"].as_str().unwrap().to_owned()
    };
    assert_eq!(from(ACCOUNT, "us-east-1"), "com.amazonaws.sqs#QueueDoesNotExist");
    assert_eq!(from("999988887777", REGION), "com.amazon.coral.service#AccessDeniedException");
    assert_eq!(from("AKIAUNKNOWN", REGION), "com.amazon.coral.service#UnrecognizedClientException");
    let loopback = sqs.url.replace("https://sqs.eu-west-1.amazonaws.com", "http://127.0.0.1:4599");
    assert_eq!(sqs.call("SendMessage", &message(&loopback)).0, 200);
    assert_eq!(sqs.world.take_messages(&sqs.url).len(), 1);
}

/// SQS API Reference, "Common errors", and the codes of SendMessage: RequestThrottled. The model's own: faults and denials
/// are answered in the protocol of the service.
#[test]
fn faults_are_answered_in_json() {
    let sqs = sqs();
    let error = FaultKind::ErrorAfter { status: 500, code: "InternalFailure".into(), message: "oh".into() };
    let cases = [
        (FaultKind::Throttle, 400, "RequestThrottled;Sender"),
        (FaultKind::Denied, 400, "AccessDeniedException;Sender"),
        (FaultKind::ExpiredCredentials, 400, "ExpiredTokenException;Sender"),
        (error, 500, "InternalFailure;Receiver"),
    ];
    for (kind, status, code) in cases {
        sqs.world.inject(Fault::next("SendMessageBatch", kind));
        let (told, headers, body) = sqs.batch(&[("a", "m")]);
        assert_eq!(told, status);
        assert!(headers.contains(&("x-amzn-query-error".into(), code.into())), "{headers:?}");
        assert!(body["message"].is_string());
    }
    assert_eq!(sqs.world.take_messages(&sqs.url).len(), 1);
    sqs.world.deny(ACCOUNT, "SendMessageBatch");
    assert_eq!(sqs.batch(&[("a", "m")]).2["__type"], "com.amazon.coral.service#AccessDeniedException");
}

/// SQS API Reference, SendMessage, `DelaySeconds`: "Valid values: 0 to 900."
#[test]
fn a_delay_is_kept_with_the_message_and_is_at_most_a_quarter_of_an_hour() {
    let sqs = sqs();
    let entry = |id: &str, delay: i64| json!({"Id": id, "MessageBody": id, "DelaySeconds": delay});
    let entries = json!([entry("a", 0), entry("b", 900), entry("c", 901), entry("d", -1)]);
    let (_, _, body) = sqs.call("SendMessageBatch", &json!({"QueueUrl": sqs.url, "Entries": entries}));
    let failed: Vec<_> = body["Failed"].as_array().unwrap().iter().map(|it| (&it["Id"], &it["Code"])).collect();
    let code = json!("InvalidParameterValue");
    assert_eq!(failed, [(&json!("c"), &code), (&json!("d"), &code)]);
    let expected = [("a".to_owned(), 0), ("b".to_owned(), 900)];
    assert_eq!(sqs.world.take_delayed_messages(&sqs.url), expected);
}
