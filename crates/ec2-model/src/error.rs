//! The error answer of an AWS call: code, message and HTTP status.

use std::fmt;

/// An error answer of the model, as AWS words it.
///
/// Codes and messages are those of the EC2 API Reference, "Error codes for the Amazon EC2 API". Where the reference
/// gives no message, the model uses the message that callers report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The code without CloudTrail's `Client.` prefix, such as `InvalidGroup.NotFound`.
    pub code: String,
    /// The message for people.
    pub message: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The item that did not meet a condition, as DynamoDB shows it when asked.
    pub item: Option<serde_json::Value>,
}

impl ApiError {
    /// An error with HTTP status 400, like nearly all client errors of EC2.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self::with_status(400, code, message)
    }

    /// An error with another HTTP status.
    pub fn with_status(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), status, item: None }
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }

    pub(crate) fn invalid_value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub(crate) fn group_not_found(group: &str) -> Self {
        Self::new("InvalidGroup.NotFound", format!("The security group '{group}' does not exist"))
    }

    pub(crate) fn rule_not_found(rule: &str) -> Self {
        Self::new("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{rule}' does not exist"))
    }

    pub(crate) fn prefix_list_not_found(list: &str) -> Self {
        Self::new("InvalidPrefixListID.NotFound", format!("The prefix list ID '{list}' does not exist."))
    }

    /// The code as CloudTrail writes it: `Client.…` for errors of the caller, `Server.…` for errors of AWS.
    pub(crate) fn trail_code(&self) -> String {
        match (self.status, self.code.as_str()) {
            (_, "RequestLimitExceeded") => "Client.RequestLimitExceeded".into(),
            (500.., code) => format!("Server.{code}"),
            (_, code) => format!("Client.{code}"),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ApiError {}
