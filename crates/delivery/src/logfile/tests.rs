use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use portcullis_domain::change::Call;
use portcullis_domain::json;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::around::{Around, Finder, Part};
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
fn gzip_data_that_ends_anywhere_is_an_error_however_it_arrives() {
    let file = [gzip(log(&[relevant("a")]).as_bytes()), gzip(b"\n"), gzip(log(&[relevant("b")]).as_bytes())].concat();
    let first = gzip(log(&[relevant("a")]).as_bytes()).len();
    let joints = [first, first + gzip(b"\n").len()];
    for length in 1..file.len() {
        let cut = &file[..length];
        let found = whole(cut);
        let is_whole = joints.contains(&length);
        assert_eq!(found.iter().all(Result::is_ok), is_whole, "{length}: {found:?}");
        assert_eq!(found, streamed(cut.chunks(1)), "{length}");
        if length >= first {
            assert_eq!(found[0], Ok(relevant("a")));
        }
    }
    assert_eq!(ids(&whole(&file)), ["a", "b"]);
}

#[test]
fn members_are_joined_wherever_the_text_was_cut() {
    let text = log(&[relevant("a"), other("x"), relevant("b")]);
    for cut in 0..=text.len() {
        let (one, two) = text.as_bytes().split_at(cut);
        let file = [gzip(one), gzip(b""), gzip(two)].concat();
        assert_eq!(ids(&whole(&file)), ["a", "b"], "{cut}");
        assert_eq!(ids(&streamed(file.chunks(7))), ["a", "b"], "{cut}");
    }
    let same = gzip(format!("{}\n", relevant("a")).as_bytes());
    for times in [2, 3, 100] {
        assert_eq!(whole(&same.repeat(times)).len(), times);
    }
    // The last member is the shortest, so its length tells nothing about the others.
    let long = log(&vec![relevant("a"); 5000]);
    assert_eq!(whole(&[gzip(long.as_bytes()), gzip(b"\n")].concat()).len(), 5000);
}

#[test]
fn whatever_follows_the_last_member_is_an_error() {
    let good = gzip(log(&[relevant("a")]).as_bytes());
    let length = u32::try_from(log(&[relevant("a")]).len()).unwrap().to_le_bytes();
    let garbage: [&[u8]; 6] = [b"\0", b"{}", &[0x1f], &[0x1f, 0x8b, 8], &length, &good[..good.len() - 1]];
    for garbage in garbage {
        let file = [&good[..], garbage].concat();
        let found = whole(&file);
        assert!(
            matches!(found.as_slice(), [Ok(_), .., Err(Error::Damaged { .. } | Error::Truncated { .. })]),
            "{found:?}"
        );
        assert_eq!(found, streamed(file.chunks(1)));
    }
}

#[test]
fn a_damaged_trailer_is_not_looked_for_elsewhere() {
    let first = gzip(log(&[relevant("a")]).as_bytes());
    let mut damaged = first.clone();
    damaged[first.len() - TRAILER_BYTES] ^= 1;
    // A later trailer matches the first member: after a copy of its data, or after bytes that are no data.
    let copied = [damaged, gzip(log(&[relevant("b")]).as_bytes()), first.clone()].concat();
    let (body, trailer) = first.split_at(first.len() - TRAILER_BYTES);
    let between = [body, b"\"cidrIpv6\":\"::/0\"", trailer].concat();
    for file in [copied, between] {
        let found = whole(&file);
        assert!(matches!(found.as_slice(), [Ok(_), Err(Error::Damaged { .. })]), "{found:?}");
        assert_eq!(ids(&streamed(file.chunks(7)))[0], "a");
    }
}

/// The checksum and the length after each member's data.
const TRAILER_BYTES: usize = 8;

#[test]
fn headers_may_have_everything_that_gzip_knows() {
    let text = log(&[relevant("a")]);
    let builder = flate2::GzBuilder::new().filename("log.json").comment("a comment").extra(vec![1, 2, 3]).mtime(7);
    let mut encoder = builder.write(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    let mut file = encoder.finish().unwrap();
    assert_eq!(ids(&whole(&file)), ["a"]);
    assert_eq!(ids(&streamed(file.chunks(1))), ["a"]);
    file[3] |= 0x20;
    assert!(matches!(whole(&file).as_slice(), [Err(Error::Damaged { .. })]));
}

/// RFC 1952, 2.3.1: the lower half of the header's checksum, which hardly any program writes.
#[test]
fn a_headers_own_check_sum_is_held_against_it() {
    let plain = gzip(log(&[relevant("a")]).as_bytes());
    let (head, body) = plain.split_at(10);
    let mut head = head.to_vec();
    head[3] |= 2;
    let mut sum = flate2::Crc::new();
    sum.update(&head);
    let [low, high, ..] = sum.sum().to_le_bytes();
    let with = |sum: [u8; 2]| [head.as_slice(), &sum, body].concat();
    let (right, wrong) = (with([low, high]), with([low ^ 1, high]));
    assert_eq!((ids(&whole(&right)), ids(&streamed(right.chunks(1)))), (vec!["a".to_owned()], vec!["a".to_owned()]));
    for found in [whole(&wrong), streamed(wrong.chunks(1)), streamed(wrong.chunks(9))] {
        assert!(matches!(found.as_slice(), [Err(Error::Damaged { .. })]), "{found:?}");
    }
}

#[test]
fn flipped_bits_are_errors_or_change_nothing() {
    let text = log(&[relevant("a"), other("x"), relevant("b")]);
    let good = gzip(text.as_bytes());
    for bit in 0..good.len() * 8 {
        let mut file = good.clone();
        file[bit / 8] ^= 1 << (bit % 8);
        let found = whole(&file);
        // The header's time, system and similar fields may change without an error, and so may the unused bits in the
        // last byte of the deflated data.
        assert!(ids(&found) == ["a", "b"] || found.iter().any(Result::is_err), "{bit}: {found:?}");
    }
}

#[test]
fn a_bomb_is_an_error_and_takes_no_memory() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    (0..40).for_each(|_| encoder.write_all(&vec![b' '; 1 << 20]).unwrap());
    let member = encoder.finish().unwrap();
    assert!(member.len() < 50_000);
    assert_eq!(unzip::plain(&member, &mut Scratch::default()), None, "it is left to the stream");
    let mut found = Vec::new();
    let mut stream = Stream::default();
    assert_eq!(stream.unzip.most, MOST_UNZIPPED);
    // A smaller limit, or the test would take minutes.
    stream.unzip.most = 41 << 20;
    for _ in 0..3 {
        stream.push(&member, |each| found.push(parsed(each)));
        assert!(stream.scanner.kept() < 3 << 20);
    }
    stream.finish(|each| found.push(parsed(each)));
    assert_eq!(found, [Err(Error::TooLarge)]);
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

// --- Against a parse of everything -----------------------------------------------------------------------------------

/// Every object with one of the calls' names as its own `eventName`, whatever is around it.
fn all_of_ours(document: &Value, all: &mut Vec<String>) {
    match document {
        Value::Object(fields) => {
            if fields.get("eventName").and_then(Value::as_str).is_some_and(|name| Call::NAMES.contains(&name)) {
                all.push(document.to_string());
            }
            fields.values().for_each(|value| all_of_ours(value, all));
        }
        Value::Array(elements) => elements.iter().for_each(|element| all_of_ours(element, all)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Strings that look like JSON: whole, in part and reversed.
fn nasty() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just("\""),
        Just(":"),
        Just(","),
        Just("\\"),
        Just(" "),
        Just("1"),
        Just("\"eventName\""),
        Just("eventName"),
        Just("AuthorizeSecurityGroupIngress"),
        Just("ModifySecurityGroupRules"),
        Just("{\"eventName\":\"ModifySecurityGroupRules\"}"),
        Just(":1,"),
        Just(":{"),
        Just("},"),
        Just("\\u0041"),
        Just("ü"),
        Just("\n"),
        Just("Modify"),
        Just("x"),
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![Just("eventName".to_owned()), Just("requestParameters".to_owned()), nasty(), "[a-c]"]
}

fn value() -> impl Strategy<Value = Value> {
    let name = proptest::sample::select(Call::NAMES.to_vec()).prop_map(|name| json!(name));
    let scalar =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i32>().prop_map(Value::from)];
    let leaf = prop_oneof![name, scalar, nasty().prop_map(Value::from)];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((key(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The text of a document, in several spellings.
fn document() -> impl Strategy<Value = String> {
    let objects = proptest::collection::vec(proptest::collection::vec((key(), value()), 0..5), 1..6);
    (objects, 0..4).prop_map(|(objects, manner)| {
        let objects: Vec<Value> =
            objects.into_iter().map(|fields| Value::Object(fields.into_iter().collect())).collect();
        match manner {
            0 => json!({"Records": objects}).to_string(),
            1 => serde_json::to_string_pretty(&json!({"Records": objects})).unwrap(),
            2 => objects.iter().map(|object| format!("{object}\n")).collect(),
            // Letters written as escapes, in strings and in keys.
            _ => json!({"Records": objects}).to_string().replace("Sec", "S\\u0065c").replace("eventN", "event\\u004e"),
        }
    })
}

fn expected(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        all_of_ours(&document.unwrap(), &mut all);
    }
    all.sort();
    all
}

fn sorted(found: &[Parsed]) -> Vec<String> {
    let mut all: Vec<String> = found.iter().map(|found| found.as_ref().unwrap().to_string()).collect();
    all.sort();
    all
}

proptest! {
    #[test]
    fn the_scan_finds_what_a_parse_of_everything_finds(text in document()) {
        prop_assert_eq!(sorted(&whole(text.as_bytes())), expected(&text));
    }

    #[test]
    fn however_the_text_is_cut_the_same_is_found(text in document(), cuts in proptest::collection::vec(1_usize..50, 1..9)) {
        let mut sizes = cuts.iter().cycle();
        let mut rest = text.as_bytes();
        let chunks = std::iter::from_fn(|| {
            let (chunk, behind) = rest.split_at(rest.len().min(*sizes.next()?));
            rest = behind;
            (!chunk.is_empty()).then_some(chunk)
        });
        prop_assert_eq!(streamed(chunks), whole(text.as_bytes()));
        let file = gzip(text.as_bytes());
        prop_assert_eq!(streamed(file.chunks(cuts[0])), whole(text.as_bytes()));
        prop_assert_eq!(whole(&file), whole(text.as_bytes()));
    }

    /// Finds the innermost object around every capital letter in a string, one letter after the other, and compares it
    /// with a reader that starts at the beginning of the text.
    #[test]
    fn the_innermost_object_is_found_for_any_place(text in document()) {
        let mut finder = Finder::default();
        let part = Part { bytes: text.as_bytes(), base: 0, is_last: true };
        let mut last = None;
        for (place, around) in capitals(&text) {
            match finder.around(part, place) {
                Around::Object(begin, end) => {
                    prop_assert_eq!(Some((begin, end)), around);
                    last = around;
                }
                Around::Known => prop_assert!(around.is_some_and(|known| last.is_some_and(|last| known.0 <= last.0))),
                Around::TooLong(_) | Around::Unfinished(_) | Around::Pending(_) | Around::Nothing => {
                    prop_assert!(false, "nothing around {}", place);
                }
            }
        }
    }

    #[test]
    fn damaged_texts_end_in_errors_or_records_and_never_in_a_panic(
        text in document(), at in any::<proptest::sample::Index>(), byte in any::<u8>(), chunk in 1_usize..40,
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let found = whole(&bytes);
        prop_assert_eq!(&streamed(bytes.chunks(chunk)), &found);
        // A text that parses as a whole must be read as a whole.
        if let Ok(document) = json::parse(&bytes) {
            let mut all = Vec::new();
            all_of_ours(&serde_json::to_value(document).unwrap(), &mut all);
            all.sort();
            let records = found.iter().filter_map(|found| found.as_ref().ok()).filter(|record| record.is_object());
            let mut records: Vec<String> = records.map(ToString::to_string).collect();
            records.sort();
            prop_assert_eq!(records, all);
        }
    }
}

/// The offsets of the capital letters in strings, each with the innermost object around it.
fn capitals(text: &str) -> Vec<(usize, Option<(usize, usize)>)> {
    let bytes = text.as_bytes();
    let (mut open, mut ends) = (Vec::new(), std::collections::HashMap::new());
    let mut places = Vec::new();
    let (mut in_string, mut at) = (false, 0);
    while at < bytes.len() {
        match (in_string, bytes[at]) {
            (true, b'\\') => at += 1,
            (_, b'"') => in_string = !in_string,
            (true, byte) if byte.is_ascii_uppercase() && byte != b'E' => places.push((at, open.last().copied())),
            (false, b'{') => open.push(at),
            (false, b'}') => {
                ends.insert(open.pop().unwrap(), at + 1);
            }
            _ => {}
        }
        at += 1;
    }
    places.into_iter().map(|(place, begin)| (place, begin.map(|begin| (begin, ends[&begin])))).collect()
}
