//! JSON objects without what says nothing: other people's formats refuse a null, and an empty text.

use serde_json::Value;

/// An object of those entries that have a value.
pub(super) fn object<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    let entries = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(entries.collect())
}
