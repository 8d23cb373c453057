//! Builds [`Json`] from the events of `serde_json`'s parser.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::object::{Field, Object};
use super::{AMBIGUOUS, Json, Owned};
use crate::text::escaped;

/// Most documents have at most this many open fields at a time.
const LIKELY: usize = 64;

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut read = Vec::with_capacity(LIKELY);
        Reader { read: &mut read, key: Cow::default() }.deserialize(deserializer)?;
        Ok(read.pop().map_or(Self::Null, |(_, value)| value))
    }
}

impl<'de> Deserialize<'de> for Owned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(|value| Self(value.into_owned()))
    }
}

/// Reads one value and appends it to `read` under its key. An element of a list has an empty key.
struct Reader<'r, 'de> {
    /// The values of all objects and lists that are still open: one list that grows, instead of one list for each
    /// object.
    read: &'r mut Vec<Field<'de>>,
    key: Cow<'de, str>,
}

impl<'de> Reader<'_, 'de> {
    // The value goes directly into the list, without a copy on the stack.
    #[expect(clippy::inline_always, reason = "a fifth of the time it takes to read a document")]
    #[inline(always)]
    #[expect(clippy::unnecessary_wraps, reason = "what a visitor answers")]
    fn put<E>(self, value: Json<'de>) -> Result<(), E> {
        self.read.push((self.key, value));
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.put(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.put(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.put(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.put(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        self.put(Json::String(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.put(Json::String(Cow::Owned(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.put(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let first = self.read.len();
        while elements.next_element_seed(Reader { read: self.read, key: Cow::default() })?.is_some() {}
        let elements = self.read.drain(first..).map(|(_, element)| element).collect();
        self.put(Json::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let first = self.read.len();
        while let Some(Key(key)) = entries.next_key()? {
            entries.next_value_seed(Reader { read: self.read, key })?;
        }
        let object = match Object::new(self.read.split_off(first)) {
            Ok(object) => Json::Object(object),
            Err(key) => Json::String(Cow::Owned(format!("{AMBIGUOUS}{} stands twice", escaped(&key)))),
        };
        self.put(object)
    }
}

/// A key, borrowed where possible. serde's own `Cow` never borrows.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyReader)
    }
}

struct KeyReader;

impl<'de> Visitor<'de> for KeyReader {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}
