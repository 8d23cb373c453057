//! JSON without duplicate keys, read without copying it.
//!
//! For most parsers the last of two equal keys wins, and for some the first. So a record with two `cidrIp` keys can be
//! harmless to one reader and not to another. This reader replaces an object with a duplicate key by a text that says
//! so. Code that expects an object there then refuses the text and names its path. The rest of the document is read as
//! usual.
//!
//! Texts borrow from the document's bytes; only a text with an escape is copied. `serde_json`'s parser does the
//! reading, so the grammar, the depth limit and the errors are those of `serde_json`.

mod object;
mod reader;

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

pub use object::Object;

/// A JSON value. Its objects have no duplicate key.
// Values are moved often while a document is read. A tag of eight bytes keeps them aligned, which is faster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(u64)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text, or the text that replaces an object with a duplicate key ([`is_ambiguous`]).
    String(Cow<'a, str>),
    /// A list.
    Array(Vec<Self>),
    /// Fields by key.
    Object(Object<'a>),
}

/// Parses a document.
///
/// # Errors
/// What is no JSON, is no UTF-8, or is nested deeper than 128 levels: line, column and why.
pub fn parse(bytes: &[u8]) -> Result<Json<'_>, serde_json::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        // This error says where the bytes are not UTF-8.
        Err(_) => serde_json::from_slice(bytes),
    }
}

/// The beginning of every text that replaces an object with a duplicate key.
const AMBIGUOUS: &str = "an object in which the key ";

/// Whether a text of a parsed document replaces an object with a duplicate key.
#[must_use]
pub fn is_ambiguous(text: &str) -> bool {
    text.starts_with(AMBIGUOUS)
}

impl<'a> Json<'a> {
    /// The value of this key, if this is an object that has the key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The text, if this is a text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The number, if this is an integer that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Number(number) = self { number.as_i64() } else { None }
    }

    /// The elements, if this is a list.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    /// The fields, if this is an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object<'a>> {
        if let Self::Object(fields) = self { Some(fields) } else { None }
    }
}

impl Json<'_> {
    /// The same value with its own copies of all texts.
    #[must_use]
    pub fn into_owned(self) -> Json<'static> {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Number(number) => Json::Number(number),
            Self::String(text) => Json::String(Cow::Owned(text.into_owned())),
            Self::Array(elements) => Json::Array(elements.into_iter().map(Json::into_owned).collect()),
            Self::Object(fields) => Json::Object(fields.into_owned()),
        }
    }
}

/// A document that owns its texts, for readers whose bytes do not live long enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned(pub Json<'static>);

/// The same value, borrowed.
impl<'a> From<&'a Value> for Json<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::String(text.into()),
            Value::Array(elements) => Self::Array(elements.iter().map(Self::from).collect()),
            Value::Object(fields) => Self::Object(fields.into()),
        }
    }
}

/// Compact JSON, with the keys in order.
impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(elements) => serializer.collect_seq(elements),
            Self::Object(fields) => serializer.collect_map(fields.in_order()),
        }
    }
}

#[cfg(test)]
mod tests;
