//! An object's fields, and the search for a duplicate key.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Json;

/// A key and its value.
pub(super) type Field<'a> = (Cow<'a, str>, Json<'a>);

/// The fields of an object, in the document's order. No key is duplicate.
#[derive(Debug, Clone)]
pub struct Object<'a>(Vec<Field<'a>>);

impl<'a> Object<'a> {
    /// An object of these fields. `Err`: the last key that is a duplicate.
    pub(super) fn new(fields: Vec<Field<'a>>) -> Result<Self, Cow<'a, str>> {
        match last_that_stands_twice(&fields) {
            None => Ok(Self(fields)),
            Some(n) => Err(fields.into_iter().nth(n).map(|(key, _)| key).unwrap_or_default()),
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        // Length and last byte alone distinguish most keys.
        let last = key.as_bytes().last();
        let is_it = |own: &str| own.len() == key.len() && own.as_bytes().last() == last && own == key;
        self.0.iter().find(|(own, _)| is_it(own)).map(|(_, value)| value)
    }

    /// Whether the object has this key.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// All fields, in the document's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// All keys, in the document's order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(key, _)| key)
    }

    /// Whether it is `{}`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_owned(self) -> Object<'static> {
        let owned = |(key, value): Field<'a>| (Cow::Owned(key.into_owned()), value.into_owned());
        Object(self.0.into_iter().map(owned).collect())
    }

    /// All fields in order of their keys.
    pub(super) fn in_order(&self) -> Vec<(&str, &Json<'a>)> {
        let mut fields: Vec<_> = self.iter().collect();
        fields.sort_unstable_by_key(|(key, _)| *key);
        fields
    }
}

/// The order of the fields has no meaning.
impl PartialEq for Object<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.in_order() == other.in_order()
    }
}

impl Eq for Object<'_> {}

impl<'a> From<&'a Map<String, Value>> for Object<'a> {
    fn from(fields: &'a Map<String, Value>) -> Self {
        Self(fields.iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

/// Up to this many keys are compared pair by pair. A sender can choose to write more keys, and then comparing all pairs
/// would take too long.
const FEW: usize = 32;

/// The index of the last duplicate key.
fn last_that_stands_twice(fields: &[Field<'_>]) -> Option<usize> {
    if fields.len() > FEW {
        return last_of_many(fields);
    }
    let mut last = None;
    let mut seen = 0_u64;
    for (n, (key, _)) in fields.iter().enumerate() {
        // This bit alone distinguishes most keys from all keys before them.
        let bit = 1 << (mixed(key.as_bytes()) & 63);
        if seen & bit != 0 && fields.iter().take(n).any(|(before, _)| before == key) {
            last = Some(n);
        }
        seen |= bit;
    }
    last
}

fn last_of_many(fields: &[Field<'_>]) -> Option<usize> {
    let mut places: Vec<(&str, usize)> = fields.iter().zip(0..).map(|((key, _), n)| (key.as_ref(), n)).collect();
    places.sort_unstable();
    let twice = places.array_windows().filter(|[(one, _), (other, _)]| one == other);
    twice.map(|[_, (_, later)]| *later).max()
}

/// A number from 0 to 63 that differs between most keys.
fn mixed(key: &[u8]) -> u32 {
    let ends = match key {
        [] => 0,
        [first, .., last] => u32::from(*first) << 8 | u32::from(*last),
        [only] => u32::from(*only),
    };
    // The golden ratio's bits spread the numbers (Knuth, TAOCP 3, 6.4).
    (ends << 16 | (key.len() as u32 & 0xffff)).wrapping_mul(0x9e37_79b9) >> 26
}
