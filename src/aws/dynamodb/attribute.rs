//! An item's attributes, as DynamoDB writes them in JSON.
//!
//! Source: DynamoDB API Reference, AttributeValue: an object with one member, whose name is the kind.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use super::AwsError;

/// The attributes of an item, by name.
pub type Attributes = HashMap<String, Attribute>;

/// An attribute's value, of the kinds that the function writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Attribute {
    /// A text.
    S(String),
    /// A number, in digits.
    N(String),
}

/// DynamoDB's other kinds. Nobody here writes them; a replicated table may have some of its own.
const OTHER_KINDS: [&str; 8] = ["B", "BOOL", "BS", "L", "M", "NS", "NULL", "SS"];

/// The attributes of an item in an answer; none where there is no item. Those of kinds that the function does not write are
/// left out.
///
/// # Errors
/// [`AwsError`] that names the attribute which is of no kind that DynamoDB has.
pub(super) fn item(call: &'static str, item: Option<&mut Value>) -> Result<Attributes, AwsError> {
    let attributes = match item.map(Value::take) {
        None | Some(Value::Null) => return Ok(Attributes::new()),
        Some(Value::Object(attributes)) => attributes,
        Some(other) => return Err(AwsError::bad_answer(call, &format!("an item is {other}, expected attributes"))),
    };
    let read = |(name, value): (String, Value)| match Attribute::parse(value) {
        Ok(attribute) => attribute.map(|attribute| Ok((name, attribute))),
        Err(value) => {
            let why = format!("the attribute `{name}` is {value}, expected one of DynamoDB's kinds");
            Some(Err(AwsError::bad_answer(call, &why)))
        }
    };
    attributes.into_iter().filter_map(read).collect()
}

impl Attribute {
    /// Nothing where it is of a kind that the function does not write.
    ///
    /// # Errors
    /// The value, where it is of no kind that DynamoDB has.
    fn parse(value: Value) -> Result<Option<Self>, Value> {
        let Value::Object(kinds) = &value else { return Err(value) };
        let mut kinds = kinds.iter();
        match (kinds.next(), kinds.next()) {
            (Some((kind, Value::String(text))), None) if kind == "S" => Ok(Some(Self::S(text.clone()))),
            (Some((kind, Value::String(digits))), None) if kind == "N" => Ok(Some(Self::N(digits.clone()))),
            (Some((kind, _)), None) if OTHER_KINDS.contains(&kind.as_str()) => Ok(None),
            _ => Err(value),
        }
    }
}
