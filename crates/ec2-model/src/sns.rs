//! Amazon SNS: Publish, to any topic.

use crate::{ApiError, params::Params, state::State, tree::Tree};

/// The namespace of SNS's answers.
pub(crate) const XMLNS: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// One message that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The topic's ARN.
    pub topic: String,
    /// The subject, if any.
    pub subject: Option<String>,
    /// The message as sent.
    pub message: String,
    /// `json` if the message has one text for each protocol.
    pub message_structure: Option<String>,
    /// Name and string value of the message attributes.
    pub attributes: Vec<(String, String)>,
}

pub(crate) fn run(state: &mut State, action: &str, params: &Params) -> Result<Tree, ApiError> {
    if action != "Publish" {
        return Err(ApiError::new("InvalidAction", format!("The action {action} is not valid for this endpoint.")));
    }
    let message = read(params)?;
    check(&message)?;
    state.published.push(message);
    Ok(Tree::Map(vec![("MessageId", state.core.ids.uuid().into())]))
}

fn read(params: &Params) -> Result<Published, ApiError> {
    let topic = params.text("TopicArn").or_else(|| params.text("TargetArn"));
    let attribute = |entry: Params| Some((entry.text("Name")?, entry.text("Value.StringValue").unwrap_or_default()));
    Ok(Published {
        topic: topic.ok_or_else(|| invalid("TopicArn or TargetArn Reason: no value for required parameter"))?,
        subject: params.text("Subject"),
        message: params.text("Message").unwrap_or_default(),
        message_structure: params.text("MessageStructure"),
        attributes: params.members("MessageAttributes.entry").into_iter().filter_map(attribute).collect(),
    })
}

/// Amazon SNS API Reference, Publish.
fn check(message: &Published) -> Result<(), ApiError> {
    let topic = message.topic.split(':').collect::<Vec<_>>();
    if !matches!(topic.as_slice(), ["arn", _, "sns", _, _, name] if !name.is_empty()) {
        return Err(invalid("TopicArn"));
    }
    if message.message.is_empty() {
        return Err(invalid("Empty message"));
    }
    // "the maximum message size is 262,144 bytes"
    if message.message.len() > 262_144 {
        return Err(invalid("Message too long"));
    }
    // "Subjects must be UTF-8 text with no line breaks or control characters, and less than 100 characters long."
    let bad =
        |subject: &String| subject.is_empty() || subject.chars().count() > 100 || subject.chars().any(char::is_control);
    if message.subject.as_ref().is_some_and(bad) {
        return Err(invalid("Subject"));
    }
    if message.message_structure.as_deref() == Some("json") {
        let parsed = serde_json::from_str::<serde_json::Value>(&message.message)
            .map_err(|_| invalid("Message Structure - JSON message body failed to parse"))?;
        // "contain at least a top-level JSON key of "default" with a value that is a string"
        if !parsed.get("default").is_some_and(serde_json::Value::is_string) {
            return Err(invalid("Message Structure - No default entry in JSON message body"));
        }
    }
    Ok(())
}

fn invalid(what: &str) -> ApiError {
    ApiError::new("InvalidParameter", format!("Invalid parameter: {what}"))
}
