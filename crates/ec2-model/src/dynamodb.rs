//! Amazon DynamoDB: GetItem and UpdateItem of tables whose key is the text `pk`, with attributes that are texts (S) or
//! whole numbers (N).
//!
//! Every call is atomic, as in DynamoDB: "All operations are atomic … UpdateItem … atomic counters" (Developer Guide, "Working
//! with items"). No throughput is counted: a fault throttles.

mod expression;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{ApiError, caller::Caller, params::Params, state::State};
use expression::{Names, condition, update};

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Attribute {
    S(String),
    N(i64),
}

impl Attribute {
    fn json(&self) -> Value {
        match self {
            Self::S(text) => json!({ "S": text }),
            Self::N(number) => json!({ "N": number.to_string() }),
        }
    }

    /// Developer Guide, "DynamoDB Item sizes and formats": UTF-8 bytes; about one byte for two digits, and one more.
    fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.to_string().len().div_ceil(2) + 1,
        }
    }
}

pub(crate) type Item = BTreeMap<String, Attribute>;

/// The items of one table, by key.
pub(crate) type Table = BTreeMap<String, Item>;

/// Account, Region and name of a table.
pub(crate) type TableKey = (String, String, String);

/// Developer Guide, "Service, account, and table quotas": "The maximum item size in DynamoDB is 400 KB".
const LARGEST_ITEM: usize = 400 << 10;

const KEY: &str = "pk";

pub(crate) fn run(
    state: &mut State,
    caller: &Caller,
    region: &str,
    action: &str,
    params: &Params,
) -> Result<Value, ApiError> {
    let operation: fn(&mut Table, &Params) -> Result<Value, ApiError> = match action {
        "GetItem" => get_item,
        "UpdateItem" => update_item,
        unknown => {
            return Err(ApiError::new("UnknownOperationException", format!("The model has no action {unknown}.")));
        }
    };
    let name = params.text("TableName").unwrap_or_default();
    let key = (caller.account.clone(), region.to_owned(), name);
    let table = state.tables.get_mut(&key).ok_or_else(|| {
        ApiError::new("ResourceNotFoundException", "Requested resource not found: Table not found".to_owned())
    })?;
    operation(table, params)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}

/// The value of the key, and that there is no other key.
fn key(params: &Params) -> Result<String, ApiError> {
    let given: Vec<&(String, String)> = params.0.iter().filter(|(name, _)| name.starts_with("Key.")).collect();
    match given.as_slice() {
        [(name, value)] if *name == format!("Key.{KEY}.S") && !value.is_empty() => Ok(value.clone()),
        _ => Err(invalid("The provided key element does not match the schema")),
    }
}

fn shown(item: &Item) -> Value {
    Value::Object(item.iter().map(|(name, value)| (name.clone(), value.json())).collect::<Map<_, _>>())
}

/// GetItem API Reference: "If there is no matching item, GetItem does not return any data and there will be no Item element
/// in the response."
fn get_item(table: &mut Table, params: &Params) -> Result<Value, ApiError> {
    Ok(table.get(&key(params)?).map_or_else(|| json!({}), |item| json!({ "Item": shown(item) })))
}

/// UpdateItem API Reference: "Edits an existing item's attributes, or adds a new item to the table if it does not already
/// exist."
fn update_item(table: &mut Table, params: &Params) -> Result<Value, ApiError> {
    let key = key(params)?;
    let names = Names::of(params)?;
    let before = table.get(&key);
    if let Some(text) = params.get("ConditionExpression")
        && !condition(text, before, &names)?
    {
        let mut problem = ApiError::new("ConditionalCheckFailedException", "The conditional request failed");
        // "Use ReturnValuesOnConditionCheckFailure if you want to get the item attributes if they do not match" .
        if params.get("ReturnValuesOnConditionCheckFailure") == Some("ALL_OLD") {
            problem.item = before.map(shown);
        }
        update(params.get("UpdateExpression").unwrap_or_default(), &Item::new(), &names)?;
        names.check_used()?;
        return Err(problem);
    }
    let fresh = || Item::from([(KEY.to_owned(), Attribute::S(key.clone()))]);
    let before = before.cloned().unwrap_or_else(fresh);
    let after = update(params.get("UpdateExpression").unwrap_or_default(), &before, &names)?;
    names.check_used()?;
    let size: usize = after.iter().map(|(name, value)| name.len() + value.size()).sum();
    if size > LARGEST_ITEM {
        return Err(invalid("Item size to update has exceeded the maximum allowed size"));
    }
    let answer = match params.get("ReturnValues") {
        None | Some("NONE") => json!({}),
        Some("ALL_NEW") => json!({ "Attributes": shown(&after) }),
        Some(other) => return Err(invalid(format!("The model has no ReturnValues {other}."))),
    };
    table.insert(key, after);
    Ok(answer)
}

/// The placeholders that an expression has used.
type Used = std::cell::RefCell<BTreeSet<String>>;
