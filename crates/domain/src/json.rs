//! JSON in which no key stands twice.
//!
//! To most parsers the last of two equal keys wins, to some the first: a record with two `cidrIp` is harmless to one
//! reader and not to another. Here an object with a key that stands twice is no object but a text that says so, and
//! whoever expects an object there refuses it by its place. What else is in the document is read all the same.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::{Entry, Map};
use serde_json::{Number, Value};

use crate::text::escaped;

/// A JSON value, its objects checked for keys that stand twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unambiguous(pub Value);

/// Parses a document.
///
/// # Errors
/// What is no JSON, is no UTF-8, or is nested deeper than 128 levels: line, column and why.
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice::<Unambiguous>(bytes).map(|value| value.0)
}

/// What every text that stands for an object with a double key begins with.
const AMBIGUOUS: &str = "an object in which the key ";

/// Whether a text of a parsed document stands for an object in which a key stands twice.
#[must_use]
pub fn is_ambiguous(text: &str) -> bool {
    text.starts_with(AMBIGUOUS)
}

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unambiguous(element)) = elements.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut twice = None;
        while let Some((key, Unambiguous(value))) = entries.next_entry::<String, Unambiguous>()? {
            match object.entry(key) {
                Entry::Vacant(place) => _ = place.insert(value),
                Entry::Occupied(place) => {
                    twice = Some(format!("{AMBIGUOUS}{} stands twice", escaped(place.key())));
                }
            }
        }
        Ok(twice.map_or(Value::Object(object), Value::String))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_without_double_keys_is_what_serde_json_makes_of_it() {
        for text in ["null", "[1,-2,3.5,true,\"\\u0041\",{}]", r#"{"a":{"b":[{"c":null}]},"d":18446744073709551615}"#] {
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(parse(text.as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn an_object_with_a_key_twice_is_none_wherever_it_is_and_however_the_key_is_written() {
        let twice = "an object in which the key cidrIp stands twice";
        for inner in [r#"{"cidrIp":"10.0.0.0/8","cidrIp":"0.0.0.0/0"}"#, r#"{"cidrIp":1,"x":2,"cidr\u0049p":1}"#] {
            assert_eq!(parse(inner.as_bytes()).unwrap(), json!(twice));
            assert!(is_ambiguous(twice) && !is_ambiguous(inner));
            let nested = format!(r#"{{"items":[{inner},{{"ok":1}}]}}"#);
            assert_eq!(parse(nested.as_bytes()).unwrap(), json!({"items": [twice, {"ok": 1}]}));
        }
    }

    #[test]
    fn what_is_no_json_is_an_error_and_never_a_panic() {
        let deep = "[".repeat(100_000);
        for bytes in [&b"{"[..], b"\"\xff\"", b"", b"{\"a\":1} x", deep.as_bytes()] {
            assert!(parse(bytes).is_err());
        }
    }
}
