//! DynamoDB: one item is read, or changed and read in one call.

use std::collections::HashMap;

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::{Aws, AwsError};

/// The attributes of an item.
pub type Attributes = HashMap<String, AttributeValue>;

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
    /// Sent once, and quickly given up: who calls has something better to do than to wait for a memory.
    async fn dynamodb(&self) -> &Client {
        let client = async || {
            let once = Builder::from(&self.base).retry_config(RetryConfig::disabled());
            Client::from_conf(once.build())
        };
        self.dynamodb.get_or_init(client).await
    }

    /// Changes an item and returns all of it.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn update_item(&self, table: &str, key: &str, update: ItemUpdate) -> Result<Updated, AwsError> {
        let ItemUpdate { update, condition, names, values } = update;
        let call = self.dynamodb().await.update_item().table_name(table);
        let call = call
            .key(KEY, AttributeValue::S(key.to_owned()))
            .update_expression(update)
            .set_condition_expression(condition)
            .set_expression_attribute_names((!names.is_empty()).then_some(names))
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call.send().await {
            Ok(answer) => Ok(Updated::Done(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Updated::NotMet(refused.item.clone().unwrap_or_default()))
                }
                _ => Err(AwsError::from_sdk("UpdateItem", &error)),
            },
        }
    }

    /// Reads an item as it is now. Empty where there is none.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn item(&self, table: &str, key: &str) -> Result<Attributes, AwsError> {
        let call = self.dynamodb().await.get_item().table_name(table).consistent_read(true);
        let answer = call.key(KEY, AttributeValue::S(key.to_owned())).send().await;
        let answer = answer.map_err(|error| AwsError::from_sdk("GetItem", &error))?;
        Ok(answer.item.unwrap_or_default())
    }
}
