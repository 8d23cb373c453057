//! Builds [`Json`] from the events of `serde_json`'s parser.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::object::{Field, Object};
use super::{AMBIGUOUS, Json, Owned};
use crate::text::escaped;

/// Most documents have at most this many open fields at a time.
const LIKELY: usize = 64;

/// An owned document, which is all that a function gets at a time, has at most this many values: they take some sixty bytes
/// each. A delivery of six megabytes that AWS writes has a fourth of that.
const MOST_VALUES: usize = 1_000_000;

/// Elements of a list are put away by so many, for they need less room there.
const PUT_AWAY: usize = 1024;

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        document(deserializer, usize::MAX)
    }
}

impl<'de> Deserialize<'de> for Owned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        document(deserializer, MOST_VALUES).map(|value| Self(value.into_owned()))
    }
}

/// A document of at most `left` values.
fn document<'de, D: Deserializer<'de>>(deserializer: D, left: usize) -> Result<Json<'de>, D::Error> {
    let mut document = Document { read: Vec::with_capacity(LIKELY), left };
    Reader { document: &mut document, key: Cow::default() }.deserialize(deserializer)?;
    Ok(document.read.pop().map_or(Json::Null, |(_, value)| value))
}

/// A document while it is read.
struct Document<'de> {
    /// The values of all objects and lists that are still open: one list that grows, instead of one list for each
    /// object.
    read: Vec<Field<'de>>,
    /// How many more values it may have.
    left: usize,
}

/// Reads one value and appends it to `read` under its key. An element of a list has an empty key.
struct Reader<'r, 'de> {
    document: &'r mut Document<'de>,
    key: Cow<'de, str>,
}

impl<'de> Reader<'_, 'de> {
    // The value goes directly into the list, without a copy on the stack.
    #[expect(clippy::inline_always, reason = "a fifth of the time it takes to read a document")]
    #[inline(always)]
    fn put<E: de::Error>(self, value: Json<'de>) -> Result<(), E> {
        let Some(left) = self.document.left.checked_sub(1) else {
            return Err(E::custom(format!("a document of more than {MOST_VALUES} values")));
        };
        self.document.left = left;
        self.document.read.push((self.key, value));
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

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.put(Json::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.put(Json::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.put(Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.put(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<(), E> {
        self.put(Json::String(Cow::Borrowed(value)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.put(Json::String(Cow::Owned(value.to_owned())))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.put(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self { document, key } = self;
        let first = document.read.len();
        let mut list = Vec::new();
        let mut put_away = |document: &mut Document<'de>| {
            list.extend(document.read.drain(first..).map(|(_, element)| element));
        };
        while elements.next_element_seed(Reader { document: &mut *document, key: Cow::default() })?.is_some() {
            if document.read.len() - first == PUT_AWAY {
                put_away(document);
            }
        }
        put_away(document);
        Reader { document, key }.put(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { document, key } = self;
        let first = document.read.len();
        while let Some(Key(key)) = entries.next_key()? {
            entries.next_value_seed(Reader { document: &mut *document, key })?;
        }
        let object = match Object::new(document.read.split_off(first)) {
            Ok(object) => Json::Object(object),
            Err(key) => Json::String(Cow::Owned(format!("{AMBIGUOUS}{} stands twice", escaped(&key)))),
        };
        Reader { document, key }.put(object)
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

    fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}
