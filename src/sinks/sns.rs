//! The SNS topic: which findings are published, and how.

use portcullis_domain::finding::{Finding, Outcome};
use tokio::time::Instant;

use super::message;
use crate::aws::{Aws, Message, within};

/// Whether a finding is published. What a sweep finds and leaves open would come again with every sweep: the sweep's
/// summary reports it once.
#[must_use]
pub fn is_published(finding: &Finding) -> bool {
    let is_of_sweep = finding.call.as_deref() == Some("Sweep") && finding.sweep.is_none();
    let is_in_summary = is_of_sweep && !finding.needs_retry() && finding.outcome != Outcome::Reverted;
    finding.is_news() && !is_in_summary && !finding.is_told
}

/// Publishes a finding, and returns whether that worked. A topic that fails is logged, and changes nothing else.
pub async fn publish(aws: &Aws, topic: &str, finding: &Finding, until: Instant) -> bool {
    send(aws, topic, message::of(finding), until).await
}

/// Sends a message, and returns whether that worked.
pub(super) async fn send(aws: &Aws, topic: &str, message: Message, until: Instant) -> bool {
    let answer = within(until, "Publish", aws.publish(topic, message)).await;
    if let Err(error) = &answer {
        tracing::error!(topic, code = %error.code, message = error.message, "the finding was not published");
    }
    answer.is_ok()
}
