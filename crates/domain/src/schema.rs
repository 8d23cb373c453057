//! How the JSON Schemas are made.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use crate::evidence::Evidence;
use crate::finding::Finding;

/// Draft 7: every editor knows it.
pub(crate) fn draft07() -> SchemaSettings {
    SchemaSettings::draft07()
        .with_transform(RecursiveTransform(without_widths))
        .with_transform(RecursiveTransform(absent_or_given))
        .with_transform(RecursiveTransform(in_one_line))
}

/// `uint64` is a word of Rust's, and no format that a schema knows. What it means is in `minimum` and `maximum`.
fn without_widths(schema: &mut Schema) {
    let is_width = |format: &str| format.starts_with("uint") || format.starts_with("int");
    if schema.get("format").and_then(Value::as_str).is_some_and(is_width) {
        schema.remove("format");
    }
}

/// A key that may be left out is never there as `null`.
fn absent_or_given(schema: &mut Schema) {
    let required: Vec<Value> = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    let optional = properties.into_iter().flatten().filter(|(name, _)| !required.contains(&json!(name)));
    for (_, property) in optional {
        if let Some(types) = property.get_mut("type").and_then(Value::as_array_mut) {
            types.retain(|one| one != "null");
        }
        if let Some(any) = property.get_mut("anyOf").and_then(Value::as_array_mut) {
            any.retain(|one| *one != json!({"type": "null"}));
        }
    }
}

/// A description is a paragraph; where its lines end in the source is nobody's concern.
fn in_one_line(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

impl Evidence {
    /// The JSON Schema of an act's evidence as it is written.
    #[must_use]
    pub fn json_schema() -> Schema {
        draft07().for_serialize().into_generator().into_root_schema_for::<Self>()
    }
}

impl Finding {
    /// The JSON Schema of a finding as it is written.
    #[must_use]
    pub fn json_schema() -> Schema {
        draft07().for_serialize().into_generator().into_root_schema_for::<Self>()
    }
}
