//! DynamoDB: one item is read, or changed and read in one call.
//!
//! Two calls need no client of their own: see `json_call.rs`.

mod attribute;

use std::collections::HashMap;

use aws_sdk_ec2::error::ProvideErrorMetadata;
use serde_json::{Value, json};

pub use attribute::{Attribute, Attributes};

use super::json_call::{Failure, JsonCall, Protocol, Signer};
use super::{Aws, AwsError};

const GET_ITEM: JsonCall = JsonCall {
    service: "DynamoDB",
    name: "dynamodb",
    operation: "GetItem",
    protocol: Protocol::Json10("DynamoDB_20120810.GetItem"),
};

const UPDATE_ITEM: JsonCall =
    JsonCall { operation: "UpdateItem", protocol: Protocol::Json10("DynamoDB_20120810.UpdateItem"), ..GET_ITEM };

/// The key of every table.
const KEY: &str = "pk";

/// A change of an item, in DynamoDB's words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ItemUpdate {
    /// The update expression.
    pub update: String,
    /// The condition expression.
    pub condition: Option<String>,
    /// What `#n` stands for.
    pub names: HashMap<String, String>,
    /// What `:v` stands for.
    pub values: Attributes,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Updated {
    /// It was made. The item as it is now.
    Done(Attributes),
    /// The condition is not met. The item as it is.
    NotMet(Attributes),
}

impl Aws {
    /// Changes an item and returns all of it.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn update_item(&self, table: &str, key: &str, update: ItemUpdate) -> Result<Updated, AwsError> {
        let call = UPDATE_ITEM.operation;
        match self.dynamodb(UPDATE_ITEM, &update_request(table, key, update)).await? {
            Ok(mut answer) => match answer.get_mut("Attributes") {
                // All that the item has now was asked for, and that is at least its key.
                None => Err(AwsError::bad_answer(call, &"there are no Attributes in it")),
                attributes => Ok(Updated::Done(attribute::item(call, attributes)?)),
            },
            Err(error) => match item_of_refusal(&error) {
                Some(mut item) => Ok(Updated::NotMet(attribute::item(call, item.as_mut())?)),
                None => Err(AwsError::from_sdk(call, &error)),
            },
        }
    }

    /// Reads an item as it is now. Empty where there is none.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn item(&self, table: &str, key: &str) -> Result<Attributes, AwsError> {
        let call = GET_ITEM.operation;
        let request = json!({ "TableName": table, "Key": { KEY: { "S": key } }, "ConsistentRead": true });
        let answer = self.dynamodb(GET_ITEM, &request).await?;
        let mut answer = answer.map_err(|error| AwsError::from_sdk(call, &error))?;
        attribute::item(call, answer.get_mut("Item"))
    }

    /// Sent once, and quickly given up: who calls has something better to do than to wait for a memory.
    async fn dynamodb(&self, call: JsonCall, request: &Value) -> Result<Result<Value, Failure>, AwsError> {
        let region = self.region(call.operation)?;
        call.send_once(&self.base, Signer::of(&self.base, call.operation)?, &region, request).await
    }
}

/// DynamoDB refuses empty lists of names and values, and names and values that no expression has.
fn update_request(table: &str, key: &str, update: ItemUpdate) -> Value {
    let ItemUpdate { update, condition, names, values } = update;
    let mut request = json!({
        "TableName": table,
        "Key": { KEY: { "S": key } },
        "UpdateExpression": update,
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    let mut with = |member: &str, value: Option<Value>| {
        if let (Some(value), Some(members)) = (value, request.as_object_mut()) {
            members.insert(member.to_owned(), value);
        }
    };
    with("ConditionExpression", condition.map(Value::String));
    with("ExpressionAttributeNames", (!names.is_empty()).then(|| json!(names)));
    with("ExpressionAttributeValues", (!values.is_empty()).then(|| json!(values)));
    request
}

/// The item, or that there is none, where the condition is not met.
fn item_of_refusal(error: &Failure) -> Option<Option<Value>> {
    let refused = error.as_service_error()?;
    (refused.code() == Some("ConditionalCheckFailedException")).then(|| refused.body.get("Item").cloned())
}

#[cfg(test)]
mod tests;
