//! Tests the reader against a second reader, which keeps all fields of an object and looks for duplicate keys
//! afterwards.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

/// The expected value: `serde_json`'s `Value`, corrected where it drops the first of two equal keys.
fn expected(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice::<Fields>(bytes).map(|all| all.value()).map_err(|error| error.to_string())
}

/// A JSON value that keeps all fields of its objects, duplicates too.
#[derive(Debug)]
enum Fields {
    Leaf(Value),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Fields {
    fn value(&self) -> Value {
        match self {
            Self::Leaf(value) => value.clone(),
            Self::Array(elements) => elements.iter().map(Self::value).collect(),
            Self::Object(fields) => {
                let before = |n: usize, key: &String| fields[..n].iter().any(|(before, _)| before == key);
                match fields.iter().enumerate().rfind(|(n, (key, _))| before(*n, key)) {
                    Some((_, (key, _))) => {
                        json!(format!("an object in which the key {} stands twice", crate::text::escaped(key)))
                    }
                    None => {
                        fields.iter().map(|(key, field)| (key.clone(), field.value())).collect::<Map<_, _>>().into()
                    }
                }
            }
        }
    }
}

impl<'de> serde::Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> serde::de::Visitor<'de> for All {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Fields, E> {
                Ok(Fields::Leaf(Value::Null))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Fields, E> {
                Ok(Fields::Leaf(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Fields, E> {
                Ok(Fields::Leaf(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Fields, E> {
                Ok(Fields::Leaf(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Fields, E> {
                Ok(Fields::Leaf(value.into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Fields, E> {
                Ok(Fields::Leaf(value.into()))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut elements: A) -> Result<Fields, A::Error> {
                let mut all = Vec::new();
                while let Some(element) = elements.next_element()? {
                    all.push(element);
                }
                Ok(Fields::Array(all))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut fields: A) -> Result<Fields, A::Error> {
                let mut all = Vec::new();
                while let Some(field) = fields.next_entry()? {
                    all.push(field);
                }
                Ok(Fields::Object(all))
            }
        }
        deserializer.deserialize_any(All)
    }
}

/// Checks that both readers read the same, and that every accessor gives the same answer.
fn agree(bytes: &[u8]) {
    let (read, expected) = (parse(bytes), expected(bytes));
    match (&read, &expected) {
        (Ok(read), Ok(expected)) => {
            assert_eq!(*read, Json::from(expected));
            assert_eq!(read.to_string(), expected.to_string());
            same(read, expected);
            assert_eq!(read.clone().into_owned(), *read);
            let Owned(owned) = serde_json::from_slice(bytes).unwrap();
            assert_eq!(owned, *read);
        }
        (read, expected) => {
            assert_eq!(read.as_ref().map_err(ToString::to_string).err(), expected.as_ref().err().cloned())
        }
    }
}

fn same(read: &Json<'_>, expected: &Value) {
    assert_eq!(read.as_str(), expected.as_str());
    assert_eq!(read.as_i64(), expected.as_i64());
    assert_eq!(read.as_array().map(<[_]>::len), expected.as_array().map(Vec::len));
    for (read, expected) in read.as_array().into_iter().flatten().zip(expected.as_array().into_iter().flatten()) {
        same(read, expected);
    }
    assert_eq!(read.as_object().map(Object::is_empty), expected.as_object().map(Map::is_empty));
    assert_eq!(read.as_object().map(|fields| fields.keys().count()), expected.as_object().map(Map::len));
    for (key, expected) in expected.as_object().into_iter().flatten() {
        same(read.get(key).unwrap(), expected);
        assert!(read.as_object().unwrap().contains_key(key));
    }
    assert_eq!(read.get("no such key"), None);
}

/// JSON as text, and what is nearly JSON: keys twice and in other spellings, every kind of number, nesting.
fn text() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        8 => "[abc]{0,2}",
        1 => Just(r"\u0061".to_owned()),
        1 => Just(r"a\u00e9\n\ud83d\ude00".to_owned()),
        1 => Just("é\u{202e}😀".to_owned()),
        1 => Just(r"\ud800".to_owned()),
    ]
    .prop_map(|key| format!("\"{key}\""));
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| json!(n).to_string()),
        "-?[0-9]{1,25}(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
    ];
    let word = proptest::sample::select(
        &["null", "true", "false", "{}", "[]", "\"\"", " 1 ", "\t\"\\\"\"\n", "nul", "\"\n\""][..],
    );
    let leaf = prop_oneof![4 => key.clone(), 4 => number, 4 => word.prop_map(str::to_owned)];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        let field = (key.clone(), inner.clone()).prop_map(|(key, value)| format!("{key}: {value}"));
        prop_oneof![
            proptest::collection::vec(field, 0..8).prop_map(|fields| format!("{{{}}}", fields.join(" ,"))),
            proptest::collection::vec(inner, 0..5).prop_map(|elements| format!("[{}]", elements.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_document_is_what_a_second_reader_makes_of_it(text in text()) {
        agree(text.as_bytes());
    }

    #[test]
    fn a_document_that_is_damaged_is_refused_by_both_at_the_same_place(
        text in text(),
        at in any::<proptest::sample::Index>(),
        byte in proptest::sample::select(&b"\"\\{}[],:0e-. \n\x00\x80\xc3\xff"[..]),
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        agree(&bytes);
        agree(&bytes[..at]);
    }

    #[test]
    fn of_many_keys_too_the_last_that_stands_twice_is_named(keys in proptest::collection::vec(0..400_u32, 0..120)) {
        let fields: Vec<String> = keys.iter().map(|key| format!("\"k{key}\":{key}")).collect();
        agree(format!("{{{}}}", fields.join(",")).as_bytes());
    }

    #[test]
    fn keys_that_look_alike_are_told_apart(keys in proptest::collection::vec("a[ab]{0,3}z", 0..30)) {
        let fields: Vec<String> = keys.iter().map(|key| format!("\"{key}\":0")).collect();
        agree(format!("{{{}}}", fields.join(",")).as_bytes());
    }
}

#[test]
fn an_object_with_a_key_twice_is_none_wherever_it_is_and_however_the_key_is_written() {
    let twice = "an object in which the key cidrIp stands twice";
    for inner in [r#"{"cidrIp":"10.0.0.0/8","cidrIp":"0.0.0.0/0"}"#, r#"{"cidrIp":1,"x":2,"cidr\u0049p":1}"#] {
        assert_eq!(parse(inner.as_bytes()).unwrap(), Json::from(&json!(twice)));
        assert!(is_ambiguous(twice) && !is_ambiguous(inner));
        let nested = format!(r#"{{"items":[{inner},{{"ok":1}}]}}"#);
        assert_eq!(parse(nested.as_bytes()).unwrap(), Json::from(&json!({"items": [twice, {"ok": 1}]})));
    }
}

#[test]
fn a_text_is_a_copy_only_where_it_has_an_escape_in_it() {
    let document = parse(br#"{"plain":"text","escaped":"te\u0078t","k\u0065y":1}"#).unwrap();
    let text = |key: &str| document.get(key).cloned().unwrap();
    assert!(matches!(text("plain"), Json::String(Cow::Borrowed("text"))));
    assert!(matches!(text("escaped"), Json::String(Cow::Owned(text)) if text == "text"));
    assert!(document.as_object().unwrap().contains_key("key"));
}

#[test]
fn the_order_of_fields_means_nothing_and_all_else_does() {
    let same = parse(br#"{"a":1,"b":[2]}"#).unwrap();
    assert_eq!(same, parse(br#"{"b":[2],"a":1}"#).unwrap());
    for other in [r#"{"a":1}"#, r#"{"a":1,"b":[2],"c":0}"#, r#"{"a":1,"b":[3]}"#, r#"{"a":1,"c":[2]}"#, "[]"] {
        assert_ne!(same, parse(other.as_bytes()).unwrap());
    }
}

#[test]
fn what_is_no_json_is_an_error_and_never_a_panic() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for bytes in [
        &b"{"[..],
        b"\"\xff\"",
        b"{\"a\":\n\"\xff\"}",
        b"",
        b"{\"a\":1} x",
        deep(100_000).as_bytes(),
        deep(128).as_bytes(),
    ] {
        assert!(parse(bytes).is_err());
        agree(bytes);
    }
    agree(deep(127).as_bytes());
    assert!(parse(deep(127).as_bytes()).is_ok());
}

/// A sender chooses the keys. Very many keys that [`object::FEW`]'s quick check cannot distinguish must not take long.
#[test]
fn an_object_of_very_many_keys_takes_little_longer_than_its_text() {
    let fields: Vec<String> = (0..300_000).map(|n| format!("\"a{n:06}z\":0")).collect();
    let mut text = format!("{{{}}}", fields.join(","));
    assert!(matches!(parse(text.as_bytes()).unwrap(), Json::Object(_)));
    text.insert_str(1, "\"a299999z\":0,");
    assert_eq!(parse(text.as_bytes()).unwrap().as_str(), Some("an object in which the key a299999z stands twice"));
}

#[test]
fn an_owned_document_has_a_bound_and_a_borrowed_one_has_none() {
    let of = |count: usize| format!("[{}0]", "0,".repeat(count));
    assert!(serde_json::from_str::<Owned>(&of(999_000)).is_ok());
    let error = serde_json::from_str::<Owned>(&of(1_000_001)).unwrap_err().to_string();
    assert!(error.starts_with("a document of more than 1000000 values"), "{error}");
    let text = of(1_000_001);
    let Json::Array(elements) = parse(text.as_bytes()).unwrap() else { panic!("a list") };
    assert_eq!(elements.len(), 1_000_002);
}
