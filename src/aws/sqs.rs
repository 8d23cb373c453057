//! SQS: messages into a queue.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::{StreamExt, stream};
use portcullis_domain::text::escaped;

use super::{Aws, AwsError, Code, Effect};

/// This many batches of messages are sent at a time: a sweep of a thousand accounts is 1,700 of them.
const MOST_SENT_AT_ONCE: usize = 8;

impl Aws {
    /// Sends messages to a queue. The messages that the queue did not take come back in their order, each with the reason.
    pub async fn enqueue(&self, queue: &str, messages: &[String]) -> Vec<(String, AwsError)> {
        let sqs = Client::new(&self.base);
        // SQS takes ten at a time (SQS API Reference, SendMessageBatch).
        let sent = messages.chunks(10).map(|batch| enqueue_batch(&sqs, queue, batch, 0));
        let refused: Vec<_> = stream::iter(sent).buffered(MOST_SENT_AT_ONCE).collect().await;
        refused.into_iter().flatten().collect()
    }

    /// Sends a message that the queue keeps back for so many seconds, 900 at most.
    ///
    /// # Errors
    /// [`AwsError`]: the queue did not take it.
    pub async fn enqueue_later(&self, queue: &str, message: String, seconds: i32) -> Result<(), AwsError> {
        let refused = enqueue_batch(&Client::new(&self.base), queue, &[message], seconds).await;
        refused.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }
}

/// Sends one batch; the messages that were not taken.
async fn enqueue_batch(sqs: &Client, queue: &str, batch: &[String], seconds: i32) -> Vec<(String, AwsError)> {
    let call = "SendMessageBatch";
    let entry = |(n, body): (usize, &String)| {
        let entry = SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(body);
        let entry = if seconds > 0 { entry.delay_seconds(seconds) } else { entry };
        entry.build().ok()
    };
    let entries: Vec<_> = batch.iter().enumerate().filter_map(entry).collect();
    let answer = match sqs.send_message_batch().queue_url(queue).set_entries(Some(entries)).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let error = AwsError::from_sdk(call, &error);
            return batch.iter().map(|body| (body.clone(), error.clone())).collect();
        }
    };
    let refused = |(n, body): (usize, &String)| {
        let id = n.to_string();
        if answer.successful().iter().any(|taken| taken.id() == id) {
            return None;
        }
        let why = answer.failed().iter().find(|failed| failed.id() == id);
        let code = why.map_or(Code::NotListed, |why| Code::Aws(why.code().to_owned()));
        let message = escaped(why.and_then(|why| why.message()).unwrap_or("no message"));
        Some((body.clone(), AwsError { call, code, message, effect: Effect::NotYet }))
    };
    batch.iter().enumerate().filter_map(refused).collect()
}
