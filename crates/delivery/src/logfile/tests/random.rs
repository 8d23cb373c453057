//! Random documents, against a parse of everything.

use portcullis_domain::json;
use proptest::prelude::*;

use super::super::around::{Around, Finder, Part};
use super::*;

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
