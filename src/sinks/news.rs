//! How much one delivery may publish: a hundred messages, and one that says what the others are.

use std::collections::BTreeMap;
use std::sync::Mutex;

use portcullis_domain::finding::{Finding, Outcome};
use tokio::time::Instant;

use super::{Sinks, message, sns};

/// One delivery publishes at most this many findings: whoever can fill a delivery could fill a mailbox otherwise.
const MOST_PUBLISHED: usize = 100;

/// What one delivery has published, and what it has not.
#[derive(Debug, Default)]
pub struct News(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    published: usize,
    /// How many findings were not published, by their outcome.
    others: BTreeMap<Outcome, usize>,
}

impl News {
    /// Whether the finding is published. Where not, it is counted.
    pub(super) fn has_room_for(&self, finding: &Finding) -> bool {
        let Ok(mut counted) = self.0.lock() else { return true };
        let has_room = counted.published < MOST_PUBLISHED;
        if has_room {
            counted.published += 1;
        } else {
            *counted.others.entry(finding.outcome).or_default() += 1;
        }
        has_room
    }

    /// Publishes one message about all that was not published.
    pub async fn report_the_others(&self, sinks: &Sinks<'_>, until: Instant) {
        let others = self.0.lock().map(|mut counted| std::mem::take(&mut counted.others)).unwrap_or_default();
        if let Some(topic) = sinks.topic.filter(|_| !others.is_empty()) {
            sns::send(sinks.aws, topic, message::of_others(&others), until).await;
        }
    }
}
