//! Checks the JSON reader against `serde_json`.

use portcullis_domain::json::{self, Json, Owned};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::is_clear;

/// Reads a document.
///
/// - The reader refuses exactly what `serde_json` refuses, with the same words.
/// - A document without duplicate keys is read as `serde_json` reads it, and is written the same.
/// - An object with a duplicate key is a text that says so. Nothing else is different.
///
/// Returns `refused`, `ambiguous` or `plain`.
pub fn json(bytes: &[u8]) -> &'static str {
    let (read, expected) = (json::parse(bytes), serde_json::from_slice::<Value>(bytes));
    let (read, expected) = match (read, expected) {
        (Ok(read), Ok(expected)) => (read, expected),
        (Err(read), Err(expected)) => {
            assert_eq!(read.to_string(), expected.to_string(), "refused in other words");
            is_clear(&read.to_string(), 200);
            return "refused";
        }
        (read, expected) => panic!("one of both refuses it: {read:?}, {expected:?}"),
    };
    let owned = serde_json::from_slice::<Owned>(bytes);
    assert!(owned.is_ok_and(|Owned(owned)| owned == read), "owned it is something else");
    if serde_json::from_slice::<Twice>(bytes).is_ok_and(|Twice(twice)| twice) {
        assert_ne!(read, Json::from(&expected), "a key stands twice, and nobody says so");
        assert!(says_so(&read, &expected), "more is different than the objects in which a key stands twice");
        return "ambiguous";
    }
    assert_eq!(read, Json::from(&expected));
    assert_eq!(read.to_string(), expected.to_string());
    "plain"
}

/// Whether both are equal, except for objects that were replaced by a text.
fn says_so(read: &Json<'_>, expected: &Value) -> bool {
    match (read, expected) {
        (Json::String(text), Value::Object(_)) => json::is_ambiguous(text),
        (Json::Array(read), Value::Array(expected)) => {
            read.len() == expected.len() && read.iter().zip(expected).all(|(read, expected)| says_so(read, expected))
        }
        (Json::Object(read), Value::Object(expected)) => {
            read.iter().count() == expected.len()
                && read.iter().all(|(key, read)| expected.get(key).is_some_and(|expected| says_so(read, expected)))
        }
        (read, expected) => *read == Json::from(expected),
    }
}

/// Whether any object of a document has a duplicate key.
struct Twice(bool);

impl<'de> Deserialize<'de> for Twice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Keys).map(Self)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<bool, A::Error> {
        let mut any = false;
        while let Some(Twice(twice)) = elements.next_element()? {
            any |= twice;
        }
        Ok(any)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<bool, A::Error> {
        let (mut any, mut seen) = (false, std::collections::BTreeSet::new());
        while let Some((key, Twice(twice))) = fields.next_entry::<String, Twice>()? {
            any |= twice | !seen.insert(key);
        }
        Ok(any)
    }
}
