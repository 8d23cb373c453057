mod gzip;
mod random;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use portcullis_domain::change::Call;
use serde_json::{Value, json};

use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

type Parsed = Result<Value, Error>;

fn parsed(found: Found<'_>) -> Parsed {
    found.and_then(|record| record.parse()).map(|record| serde_json::to_value(record).unwrap())
}

fn whole(file: &[u8]) -> Vec<Parsed> {
    let mut all = Vec::new();
    read(file, &mut Scratch::default(), |found| all.push(parsed(found)));
    all
}

fn streamed<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<Parsed> {
    let mut all = Vec::new();
    let mut stream = Stream::default();
    chunks.for_each(|chunk| stream.push(chunk, |found| all.push(parsed(found))));
    stream.finish(|found| all.push(parsed(found)));
    all
}

/// The ids of the records found, or the error.
fn ids(found: &[Parsed]) -> Vec<String> {
    let id = |record: &Value| record["eventID"].as_str().unwrap_or("a record without an id").to_owned();
    found.iter().map(|found| found.as_ref().map_or_else(ToString::to_string, id)).collect()
}

fn relevant(id: &str) -> Value {
    json!({"eventVersion": "1.11", "eventName": "AuthorizeSecurityGroupIngress", "eventID": id})
}

fn other(id: &str) -> Value {
    json!({"eventVersion": "1.11", "eventName": "DescribeSecurityGroups", "eventID": id, "requestParameters": {"a": {}}})
}

fn log(records: &[Value]) -> String {
    json!({"Records": records}).to_string()
}

#[test]
fn the_names_are_such_as_the_search_relies_on() {
    for name in Call::NAMES {
        assert!(name.len() <= scan::LONGEST_NEEDLE);
        // A byte that can also stand outside strings would let a brace in a string mislead the search.
        assert!(name.starts_with(|c: char| c.is_ascii_uppercase() && c != 'E'), "{name}");
        assert!(name.len() >= scan::SHORTEST);
    }
}

#[test]
fn records_of_ours_are_found_among_others_in_order() {
    let names = Call::NAMES.map(|name| json!({"eventName": name, "eventID": name}));
    let text = log(&[&[other("a")], &names[..], &[other("b")]].concat());
    assert_eq!(ids(&whole(text.as_bytes())), Call::NAMES);
    assert_eq!(ids(&whole(&gzip(text.as_bytes()))), Call::NAMES);
    assert_eq!(whole(text.as_bytes())[0].as_ref().unwrap(), &names[0]);
}

#[test]
fn key_order_white_space_and_lines_do_not_matter() {
    for text in [
        r#"{"Records":[{"eventID":"1","requestParameters":{"x":{"y":[{}]}},"eventName":"ModifySecurityGroupRules"}]}"#,
        "{\r\n\t\"Records\" :\n[ { \"eventID\"\n:\t\"1\" , \"eventName\" : \"ModifySecurityGroupRules\" } ] }\n",
        "{\"eventName\":\"X\"}\n{\"eventName\":\"ModifySecurityGroupRules\",\"eventID\":\"1\"}\n{}\n",
        r#"[{"deep":{"er":[[{"eventName":"ModifySecurityGroupRules","eventID":"1"}]]}}]"#,
        r#"{"Records":[{"event\u004eame":"ModifySecurityGroupRules","eventID":"1"}]}"#,
        r#"{"Records":[{"eventName":"\u004dodif\u0079SecurityGroupRules","eventID":"1"}]}"#,
    ] {
        assert_eq!(ids(&whole(text.as_bytes())), ["1"], "{text}");
    }
}

#[test]
fn a_name_that_is_no_event_name_is_text() {
    let name = "AuthorizeSecurityGroupIngress";
    for text in [
        json!({"Records": [{"eventName": format!("{name}X")}, {"eventName": [name]}, {"eventname": name}, {name: 1}]}),
        json!({"Records": [{"eventName": "PutRule", "requestParameters": {"pattern": {"n": [name, "{\"eventName\":"]}}}]}),
        json!({"Records": [{"eventName": "X", "userAgent": format!("{{\"eventName\":\"{name}\"}}")}]}),
        json!({"Records": [{"eventName": "X", "a": ["{", ":1,", ":{", name, "}"]}]}),
    ] {
        assert_eq!(whole(text.to_string().as_bytes()), [], "{text}");
    }
}

#[test]
fn a_record_with_many_names_in_it_comes_once() {
    let request = json!({"ModifySecurityGroupRulesRequest": {"GroupId": "sg-1", "x": "ModifySecurityGroupRules"}});
    let record = json!({"a": request, "eventName": "ModifySecurityGroupRules", "eventID": "1", "z": request});
    assert_eq!(ids(&whole(log(&[record.clone(), other("x"), record]).as_bytes())), ["1", "1"]);
}

/// At any offset between two checked bytes, up to the last offset.
#[test]
fn a_name_in_no_object_is_found_at_any_offset() {
    for name in Call::NAMES {
        for before in 0..200 {
            for after in ["", "\"", "\"}"] {
                let text = format!("{}{name}{after}", " ".repeat(before));
                let mut astray = Vec::new();
                scan(text.as_bytes(), |found| astray.extend(found.err()));
                assert_eq!(astray.first(), Some(&Error::Astray { offset: before }), "{text:?}");
            }
        }
    }
}

#[test]
fn empty_files_digests_and_insights_hold_nothing_of_ours() {
    for text in [
        r#"{"Records":[]}"#,
        r#"{"awsAccountId":"111122223333","digestS3Bucket":"b","previousDigestHashValue":null,"logFiles":[{"a":1}]}"#,
        r#"{"Records":[{"eventCategory":"Insight","insightDetails":{"state":"Start","eventName":"RunInstances"}}]}"#,
    ] {
        assert_eq!(whole(text.as_bytes()), [], "{text}");
        assert_eq!(whole(&gzip(text.as_bytes())), [], "{text}");
    }
    for empty in [&b""[..], b" \n", &gzip(b"")] {
        assert!(matches!(whole(empty).as_slice(), [Err(Error::EndsEarly { .. })]), "{empty:?}");
    }
}

#[test]
fn double_keys_are_marked_and_never_hide_a_record() {
    for text in [
        r#"{"Records":[{"eventName":"X","eventName":"ModifySecurityGroupRules"}]}"#,
        r#"{"Records":[{"eventName":"ModifySecurityGroupRules","eventName":"X"}]}"#,
    ] {
        let twice = json!("an object in which the key eventName stands twice");
        assert_eq!(whole(text.as_bytes()), [Ok(twice)]);
    }
}

#[test]
fn invalid_utf_8_is_an_error_in_a_record_of_ours_only() {
    let text = log(&[relevant("a"), other("damage-1"), relevant("damage-2"), relevant("b")]);
    let damaged = |n: &str| {
        let at = text.find(n).unwrap() + n.len() - 1;
        let mut bytes = text.clone().into_bytes();
        bytes[at] = 0xff;
        whole(&bytes)
    };
    assert_eq!(ids(&damaged("damage-1")), ["a", "damage-2", "b"]);
    let inside = damaged("damage-2");
    assert!(matches!(inside.as_slice(), [Ok(_), Err(Error::Object { .. }), Ok(_)]), "{inside:?}");
}

#[test]
fn damage_before_a_record_is_told_and_the_others_still_come() {
    let good = log(&[relevant("a"), relevant("b"), relevant("c")]);
    for (from, to) in [
        ("\"eventID\":\"b\"", "\"eventID:\"b\""),
        ("\"eventID\":\"b\"", "\"eventID\":\\\"b\""),
        ("\"eventID\":\"b\",", "\"eventID\":\"b\"}},"),
        ("\"eventID\":\"b\",", "\"eventID\":\"b\"],"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good);
        let found = whole(text.as_bytes());
        assert_eq!(found.first().and_then(|found| found.as_ref().ok()), Some(&relevant("a")), "{text}");
        assert!(found.iter().any(Result::is_err), "{text}: {found:?}");
        assert_eq!(found.iter().filter_map(|found| found.as_ref().ok()).next_back(), Some(&relevant("c")), "{text}");
    }
}

#[test]
fn a_text_that_ends_anywhere_is_an_error_and_what_is_before_the_end_comes() {
    let text = log(&[relevant("a"), other("x"), relevant("b")]);
    let ends: Vec<usize> =
        ["a", "b"].map(|id| text.find(&relevant(id).to_string()).unwrap() + relevant(id).to_string().len()).into();
    for length in 0..text.len() {
        let found = whole(&text.as_bytes()[..length]);
        let there = ends.iter().filter(|end| **end <= length).count();
        assert_eq!(found.iter().filter(|found| found.is_ok()).count(), there, "{length}");
        // After a whole object the text may also be one document a line.
        if !matches!(text.as_bytes()[..length].last(), Some(b'}' | b']')) {
            assert!(found.iter().any(Result::is_err), "{length}");
        }
    }
}

#[test]
fn an_object_that_goes_on_and_on_is_an_error_and_the_next_record_comes() {
    let long = json!({"eventName": "AuthorizeSecurityGroupIngress", "x": "y".repeat(LONGEST_RECORD)});
    for text in [log(&[long.clone(), relevant("b")]), log(&[relevant("a"), long, relevant("b")])] {
        let found = whole(text.as_bytes());
        let is_long = |found: &&Parsed| matches!(found, Err(Error::TooLong { .. }));
        assert_eq!(found.iter().filter(is_long).count(), 1, "{:?}", ids(&found));
        assert_eq!(found.last(), Some(&Ok(relevant("b"))));
        assert_eq!(found, streamed(text.as_bytes().chunks(100_000)));
    }
    // The longest record that is read.
    let frame = json!({"eventName": "AuthorizeSecurityGroupIngress", "x": ""}).to_string().len();
    let fits = json!({"eventName": "AuthorizeSecurityGroupIngress", "x": "y".repeat(LONGEST_RECORD - frame)});
    assert_eq!(whole(log(&[fits.clone(), relevant("b")]).as_bytes()), [Ok(fits.clone()), Ok(relevant("b"))]);
    assert_eq!(streamed(log(&[fits.clone(), relevant("b")]).as_bytes().chunks(999)), [Ok(fits), Ok(relevant("b"))]);
}

#[test]
fn texts_made_to_take_long_do_not() {
    let name = "AuthorizeSecurityGroupIngress";
    let many = 100_000;
    let nested = format!("{{\"a\":{}\"{name}\"{}}}", "{\"a\":".repeat(many / 2), "}".repeat(many / 2));
    let names = json!({"a": vec![name; many / 10], "b": "{".repeat(many), "c": vec![name; many / 10]}).to_string();
    let inverted = json!({"a": "{", "b": vec![":{"; many], "c": vec![name; many / 10]}).to_string();
    let array = json!({"a": (["{", ":[{"].repeat(many / 4)), "c": vec![name; many / 10]}).to_string();
    let escapes = "\\u0041{".repeat(many / 10);
    for text in [nested, names, inverted, array, escapes, format!("{{\"{name}").repeat(many / 10)] {
        // A quadratic search would take hours. The limit leaves room for a slow machine.
        let begun = now();
        whole(text.as_bytes());
        streamed(text.as_bytes().chunks(1000));
        assert!(begun.elapsed().as_secs() < 60);
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[test]
fn a_log_file_is_told_by_its_beginning() {
    for text in
        [log(&[relevant("a")]), log(&[other("a")]), "\n{ \"Records\" : [ ] }".to_owned(), log(&[relevant("a")]) + "cut"]
    {
        assert!(is_log_file(text.as_bytes()), "{text}");
    }
    let notice = json!({"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}}]});
    let batch = json!({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": "{}"}]});
    let notification = json!({"Records": [{"EventVersion": "1.0", "EventSource": "aws:sns", "Sns": {}}]});
    for other in
        [notice, batch, notification, json!({"A": 1, "Records": []}), relevant("a"), json!([]), json!({"Records": [1]})]
    {
        assert!(!is_log_file(other.to_string().as_bytes()), "{other}");
    }
    let zipped = gzip(log(&[other("x"), relevant("a")]).as_bytes());
    assert!(begins_log_file(&zipped) && begins_log_file(&zipped[..zipped.len() - 9]));
    let mut count = 0;
    let mut scratch = Scratch::default();
    assert_eq!(read_log_file(&zipped, &mut scratch, |_| count += 1), Content::LogFile);
    assert_eq!(read_log_file(&zipped[..zipped.len() - 1], &mut scratch, |_| count += 1), Content::LogFile);
    assert_eq!(count, 3, "the record, the record, the damage");
    let event = relevant("a").to_string();
    let zipped = gzip(event.as_bytes());
    assert_eq!(read_log_file(&zipped, &mut scratch, |_| panic!("it is no log file")), Content::Other(event.as_bytes()));
    assert_eq!(read_log_file(&zipped[..20], &mut scratch, |_| panic!("it is no log file")), Content::Unclear);
    assert!(!is_log_file(b"") && !is_log_file(b"{\"Records\":[{\"eventVersion\":"));
}
