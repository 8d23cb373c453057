//! SQS: messages into a queue.
//!
//! Source: SQS API Reference, SendMessageBatch: at most ten messages a call. A message may fail where the others of its call
//! do not.

use futures_util::{StreamExt, stream};
use portcullis_domain::text::escaped;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::json_call::{JsonCall, Protocol, Signer};
use super::{Aws, AwsError, Code, Effect, within};

const SEND: JsonCall = JsonCall {
    service: "SQS",
    name: "sqs",
    operation: "SendMessageBatch",
    protocol: Protocol::Json10("AmazonSQS.SendMessageBatch"),
};

/// One call takes at most this many messages.
const MOST_ENTRIES: usize = 10;

/// This many batches of messages are sent at a time: a sweep of a thousand accounts is 1,700 of them.
const MOST_SENT_AT_ONCE: usize = 8;

/// A message, and for how many seconds the queue keeps it back, 900 at most.
type Message<'a> = (&'a str, Option<u16>);

impl Aws {
    /// Sends messages to a queue. The messages that the queue did not take come back in their order, each with the reason.
    pub async fn enqueue(&self, queue: &str, messages: &[String]) -> Vec<(String, AwsError)> {
        let messages: Vec<Message<'_>> = messages.iter().map(|body| (body.as_str(), None)).collect();
        let sent = messages.chunks(MOST_ENTRIES).map(|batch| self.enqueue_batch(queue, batch));
        let refused: Vec<_> = stream::iter(sent).buffered(MOST_SENT_AT_ONCE).collect().await;
        refused.into_iter().flatten().collect()
    }

    /// Sends messages that the queue keeps back for so many seconds each, 900 at most.
    ///
    /// # Errors
    /// [`AwsError`]: the queue did not take one of them, or not in time.
    pub async fn enqueue_later(&self, queue: &str, messages: &[(String, u16)], until: Instant) -> Result<(), AwsError> {
        for batch in messages.chunks(MOST_ENTRIES) {
            let batch: Vec<Message<'_>> = batch.iter().map(|(body, after)| (body.as_str(), Some(*after))).collect();
            let sent = Box::pin(self.enqueue_batch(queue, &batch));
            let refused = within(until, SEND.operation, async { Ok(sent.await) }).await?;
            refused.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))?;
        }
        Ok(())
    }

    /// Sends one batch; the messages that were not taken.
    async fn enqueue_batch(&self, queue: &str, batch: &[Message<'_>]) -> Vec<(String, AwsError)> {
        match self.send_batch(queue, batch).await {
            Ok(answer) => refusals(&answer, batch),
            Err(error) => batch.iter().map(|(body, _)| ((*body).to_owned(), error.clone())).collect(),
        }
    }

    async fn send_batch(&self, queue: &str, batch: &[Message<'_>]) -> Result<Value, AwsError> {
        let entry = |(n, (body, after)): (usize, &Message<'_>)| match after {
            None => json!({ "Id": n.to_string(), "MessageBody": body }),
            Some(after) => json!({ "Id": n.to_string(), "MessageBody": body, "DelaySeconds": after }),
        };
        let entries: Vec<Value> = batch.iter().enumerate().map(entry).collect();
        let (region, signer) = (self.region(SEND.operation)?, Signer::of(&self.base, SEND.operation)?);
        SEND.send(&self.base, signer, &region, &json!({ "QueueUrl": queue, "Entries": entries })).await
    }
}

/// The messages that an answer does not say were taken, each with the reason.
fn refusals(answer: &Value, batch: &[Message<'_>]) -> Vec<(String, AwsError)> {
    let named = |list: &str, id: &str| {
        let list = answer.get(list).and_then(Value::as_array)?;
        list.iter().find(|entry| entry.get("Id").and_then(Value::as_str) == Some(id))
    };
    let refused = |(n, (body, _)): (usize, &Message<'_>)| {
        let id = n.to_string();
        if named("Successful", &id).is_some() {
            return None;
        }
        let text = |key: &str| named("Failed", &id)?.get(key)?.as_str();
        let code = text("Code").map_or(Code::NotListed, |code| Code::Aws(code.to_owned()));
        let message = escaped(text("Message").unwrap_or("no message"));
        Some(((*body).to_owned(), AwsError { call: SEND.operation, code, message, effect: Effect::NotYet }))
    };
    batch.iter().enumerate().filter_map(refused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SQS API Reference, SendMessageBatch, "Response Elements".
    #[test]
    fn a_message_that_the_answer_does_not_name_was_not_taken() {
        let batch = ["a", "b", "c"].map(|body| (body, None));
        let failed = json!({"Id": "1", "Code": "InternalError", "Message": "try again", "SenderFault": false});
        let answer = json!({"Successful": [{"Id": "0", "MessageId": "m"}], "Failed": [failed]});
        let refused = refusals(&answer, &batch);
        let told: Vec<_> = refused.iter().map(|(body, error)| (body.as_str(), error.code.as_str())).collect();
        assert_eq!(told, [("b", "InternalError"), ("c", "NotListed")]);
        assert_eq!(refusals(&json!({}), &batch).len(), 3);
    }
}
