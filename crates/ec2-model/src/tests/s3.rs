//! S3: reading and listing objects.

use super::kit::*;
use crate::{Fault, FaultKind, Request, World};

const SIGNED: &str = "000011112222";

/// Amazon S3 User Guide, "Methods for accessing a bucket": path-style and virtual-hosted-style requests. API Reference,
/// error responses: NoSuchKey and NoSuchBucket, 404.
#[test]
fn objects_are_read_in_both_styles() {
    let world = World::new(1);
    world.put_object("logs", "a b/c+d=e&f.json", b"{}".to_vec());
    let get = |host: &str, uri: &str| {
        let mut request = Request { method: "GET".into(), uri: uri.into(), ..request(SIGNED, "s3", &[]) };
        request.headers[0].1 = host.into();
        let response = send(&world, &request);
        (response.status, String::from_utf8(response.body).unwrap())
    };
    let found = (200, "{}".to_owned());
    assert_eq!(get("s3.eu-west-1.amazonaws.com", "/logs/a%20b/c%2Bd=e&f.json?x-id=GetObject"), found);
    assert_eq!(get("logs.s3.eu-west-1.amazonaws.com", "/a%20b/c+d%3De%26f.json"), found);
    assert_eq!(get("", "https://logs.s3.eu-west-1.amazonaws.com/a%20b/c+d=e&f.json"), found);
    let (status, body) = get("s3.eu-west-1.amazonaws.com", "/logs/none");
    assert_eq!((status, element(&body, "Code").as_str()), (404, "NoSuchKey"));
    let (status, body) = get("s3.eu-west-1.amazonaws.com", "/none/none");
    assert_eq!((status, element(&body, "Code").as_str()), (404, "NoSuchBucket"));
}

fn list(world: &World, query: &str) -> (u16, String) {
    let uri = format!("/logs/?list-type=2{query}");
    let call = Request { method: "GET".into(), uri, ..request(SIGNED, "s3", &[]) };
    let response = send(world, &call);
    (response.status, String::from_utf8(response.body).unwrap())
}

/// S3 API Reference, ListObjectsV2: "Objects are returned sorted in an ascending order of the respective key names" by their
/// UTF-8 bytes; "By default, the action returns up to 1,000 key names"; `continuation-token`, `start-after`, `prefix`.
#[test]
fn objects_are_listed_in_order_and_in_pages() {
    let world = World::new(1);
    for n in (0..1200).rev() {
        world.put_object("logs", &format!("a/{n:04}.json"), b"x".to_vec());
    }
    world.put_object("logs", "a.json", b"hello world".to_vec());
    world.put_object("logs", "b/1", b"".to_vec());
    world.put_object("lofs", "a/0", b"".to_vec());
    world.put_object("logt", "a/0", b"".to_vec());

    let (status, first) = list(&world, "&prefix=a%2F");
    let keys = elements(&first, "Key");
    assert_eq!((status, keys.len(), keys[0].as_str(), keys[999].as_str()), (200, 1000, "a/0000.json", "a/0999.json"));
    assert_eq!((element(&first, "IsTruncated").as_str(), element(&first, "KeyCount").as_str()), ("true", "1000"));
    let (_, second) =
        list(&world, &format!("&prefix=a%2F&continuation-token={}", element(&first, "NextContinuationToken")));
    let keys = elements(&second, "Key");
    assert_eq!((keys.len(), keys[0].as_str()), (200, "a/1000.json"));
    assert_eq!(
        (element(&second, "IsTruncated").as_str(), element(&second, "NextContinuationToken").as_str()),
        ("false", "")
    );

    let (_, few) = list(&world, "&max-keys=2");
    assert_eq!(elements(&few, "Key"), ["a.json", "a/0000.json"]);
    assert_eq!(elements(&few, "Size"), ["11", "1"]);
    assert_eq!(elements(&few, "ETag")[0], "&quot;5eb63bbbe01eeed093cb22bb8f5acdc3&quot;");
    assert_eq!(elements(&few, "LastModified")[0], "2026-01-01T00:00:00.000Z");
    assert_eq!(element(&list(&world, "&max-keys=5000").1, "MaxKeys"), "1000");
    assert_eq!(elements(&list(&world, "&start-after=a%2F1199.json").1, "Key"), ["b/1"]);
    assert_eq!(elements(&list(&world, "&prefix=c").1, "Key"), [""; 0]);
    assert_eq!(element(&list(&world, "&continuation-token=zz").1, "Code"), "InvalidArgument");
    assert_eq!(list(&world, "&delimiter=%2F").0, 501);
    assert_eq!(world.calls().pop().map(|call| call.action), Some("ListObjectsV2".into()));
}

/// S3 API Reference, ListObjectsV2, `encoding-type`: "Encoding type used by Amazon S3 to encode the object keys in the
/// response. … Valid Values: url". Without it, XML 1.0 cannot carry every key.
#[test]
fn keys_are_encoded_when_asked() {
    let world = World::new(1);
    world.put_object("logs", "a b/c+d&e\u{1}.json", b"".to_vec());
    let (_, plain) = list(&world, "");
    assert_eq!(element(&plain, "Key"), "a b/c+d&amp;e\u{fffd}.json");
    let (_, body) = list(&world, "&encoding-type=url&prefix=a+b%2F");
    assert_eq!(element(&body, "Key"), "a+b/c%2Bd%26e%01.json");
    assert_eq!((element(&body, "EncodingType").as_str(), element(&body, "Prefix").as_str()), ("url", "a+b/"));
    assert_eq!(element(&list(&world, "&encoding-type=xml").1, "Code"), "InvalidArgument");
}

/// S3 API Reference, ListObjectsV2, errors: NoSuchBucket, 404; "Error responses": SlowDown, 503; AccessDenied, 403.
#[test]
fn listing_fails_in_the_words_of_s3() {
    let world = World::new(1);
    assert_eq!(list(&world, "").0, 404);
    world.put_object("logs", "a", b"".to_vec());
    let virtual_host = |host: &str| {
        let mut call = Request { method: "GET".into(), uri: "/?list-type=2".into(), ..request(SIGNED, "s3", &[]) };
        call.headers[0].1 = host.into();
        String::from_utf8(send(&world, &call).body).unwrap()
    };
    assert_eq!(element(&virtual_host("logs.s3.eu-west-1.amazonaws.com"), "Key"), "a");
    assert_eq!(element(&virtual_host("none.s3.eu-west-1.amazonaws.com"), "Code"), "NoSuchBucket");
    for (kind, code) in [(FaultKind::Throttle, "SlowDown"), (FaultKind::Denied, "AccessDenied")] {
        world.inject(Fault::next("ListObjectsV2", kind));
        assert_eq!(element(&list(&world, "").1, "Code"), code);
    }
}

fn put(world: &World, key: &str, body: &[u8], headers: &[(&str, &str)]) -> (u16, String) {
    let mut call = Request {
        method: "PUT".into(),
        uri: format!("/safe/{key}?x-id=PutObject"),
        body: body.to_vec(),
        ..request(SIGNED, "s3", &[])
    };
    call.headers.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let response = send(world, &call);
    (response.status, element(&String::from_utf8(response.body).unwrap(), "Code"))
}

/// S3 User Guide, "How to prevent object overwrites with conditional writes".
#[test]
fn an_object_is_written_once_where_the_call_asks_for_that() {
    let world = World::new(1);
    assert_eq!(put(&world, "a", b"1", &[]), (404, "NoSuchBucket".into()));
    world.create_bucket("safe");
    let once = [("If-None-Match", "*")];
    assert_eq!(put(&world, "a%2Fb", b"1", &once).0, 200);
    assert_eq!(put(&world, "a%2Fb", b"2", &once), (412, "PreconditionFailed".into()));
    assert_eq!(world.objects("safe"), [("a/b".to_owned(), b"1".to_vec())]);
    assert_eq!(put(&world, "a%2Fb", b"3", &[]).0, 200);
    assert_eq!(world.objects("safe"), [("a/b".to_owned(), b"3".to_vec())]);
    // The headers of a conditional write with an ETag are another feature.
    assert_eq!(put(&world, "a%2Fb", b"3", &[("If-None-Match", "\"x\"")]).0, 501);
}

/// S3 User Guide, "Object Lock": the mode and the end of a retention come together, and the body's checksum with them.
#[test]
fn a_retention_has_a_mode_an_end_and_a_checksum() {
    let world = World::new(1);
    world.create_bucket("safe");
    let until = ("x-amz-object-lock-retain-until-date", "2027-01-01T00:00:00Z");
    let mode = ("x-amz-object-lock-mode", "GOVERNANCE");
    let checksum = ("x-amz-checksum-crc32", "AAAAAA==");
    assert_eq!(put(&world, "a", b"1", &[until, checksum]), (400, "InvalidArgument".into()));
    assert_eq!(put(&world, "a", b"1", &[mode, checksum]), (400, "InvalidArgument".into()));
    assert_eq!(put(&world, "a", b"1", &[mode, until]), (400, "InvalidRequest".into()));
    assert_eq!(put(&world, "a", b"1", &[mode, until, checksum]).0, 200);
    assert_eq!(world.retention("safe", "a"), Some(("GOVERNANCE".to_owned(), "2027-01-01T00:00:00Z".to_owned())));
}

/// A fault before the effect leaves nothing, one after it leaves the object.
#[test]
fn writing_meets_faults() {
    for (kind, status, written) in [
        (FaultKind::Throttle, 503, false),
        (FaultKind::Denied, 403, false),
        (FaultKind::ErrorAfter { status: 500, code: "InternalError".into(), message: String::new() }, 500, true),
    ] {
        let world = World::new(1);
        world.create_bucket("safe");
        world.inject(Fault::next("PutObject", kind));
        assert_eq!(put(&world, "a", b"1", &[]).0, status);
        assert_eq!(world.objects("safe").len(), usize::from(written));
    }
}
