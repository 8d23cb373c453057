//! JSON in which no key stands twice, read without copying it.
//!
//! To most parsers the last of two equal keys wins, to some the first: a record with two `cidrIp` is harmless to one
//! reader and not to another. Here an object with a key that stands twice is no object but a text that says so, and
//! whoever expects an object there refuses it by its place. What else is in the document is read all the same.
//!
//! Texts borrow from the document's bytes; only a text with an escape in it is a copy. The grammar, the limit on depth
//! and the errors are those of `serde_json`, whose parser does the reading.

mod object;
mod reader;

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

pub use object::Object;

/// A JSON value, its objects checked for keys that stand twice.
// Its parts are moved about while a document is read. A tag of eight bytes keeps them aligned, which is faster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(u64)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text, or what stands for an object in which a key stands twice ([`is_ambiguous`]).
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
        // Its error says where.
        Err(_) => serde_json::from_slice(bytes),
    }
}

/// What every text that stands for an object with a double key begins with.
const AMBIGUOUS: &str = "an object in which the key ";

/// Whether a text of a parsed document stands for an object in which a key stands twice.
#[must_use]
pub fn is_ambiguous(text: &str) -> bool {
    text.starts_with(AMBIGUOUS)
}

impl<'a> Json<'a> {
    /// The field with this key, if this is an object that has one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The text, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The number, if this is one that fits.
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
    /// The same value, which borrows from nothing.
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

/// A document whose bytes are gone when it has been read.
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

/// As JSON with nothing between, the keys in order.
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
