//! SNS: a message for a topic.

use aws_sdk_sns::Client;
use aws_sdk_sns::config::Builder;
use aws_sdk_sns::types::MessageAttributeValue;
use portcullis_domain::arn::Arn;

use super::{Aws, AwsError};

/// What a topic is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The e-mail's subject: at most 100 printable ASCII characters.
    pub subject: String,
    /// A JSON object with a text for each protocol.
    pub body: String,
    /// Attributes for subscription filters.
    pub attributes: Vec<(&'static str, String)>,
}

const PUBLISH: &str = "Publish";

impl Aws {
    /// Publishes a message.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn publish(&self, topic: &str, message: Message) -> Result<(), AwsError> {
        let sns = self.sns.get_or_init(async || Client::new(&self.base)).await;
        let publish = sns.publish().topic_arn(topic).subject(message.subject).message(message.body);
        let publish = publish.message_structure("json");
        let with_attributes = message.attributes.into_iter().try_fold(publish, |publish, (name, value)| {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build()?;
            Ok(publish.message_attributes(name, value))
        });
        let not_sent = |error: aws_sdk_sns::error::BuildError| AwsError::not_sent(PUBLISH, error.to_string());
        let publish = with_attributes.map_err(not_sent)?;
        // The topic may be in another Region than the function.
        let region = Arn::parse(topic).map(|topic| aws_config::Region::new(topic.region.to_owned()));
        let in_region = Builder::new().set_region(region).to_owned();
        let answer = publish.customize().config_override(in_region).send().await;
        answer.map(|_| ()).map_err(|error| AwsError::from_sdk(PUBLISH, &error))
    }
}
