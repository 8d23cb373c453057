//! Where findings go: the log ([`log`]), the metrics ([`metrics`]) and the SNS topic ([`sns`]); and where they are set,
//! Security Hub and an EventBridge bus ([`Destinations`]).
//!
//! A sink takes what is finished. It decides nothing about a finding, and a sink that fails changes nothing else.

mod destinations;
mod event_bus;
pub mod log;
pub mod message;
pub mod metrics;
mod news;
mod security_hub;
pub mod sns;

#[cfg(test)]
mod tests;

pub use destinations::{Destinations, Others};
use futures_util::future::join;
pub use news::News;
use portcullis_domain::finding::Finding;
use tokio::time::Instant;

use crate::aws::Aws;

/// Takes the lines of standard output, each as soon as it is known.
pub type Output = Box<dyn Fn(&str) + Send + Sync>;

/// The sinks of a function.
#[derive(Clone, Copy)]
pub struct Sinks<'a> {
    /// The clients.
    pub aws: &'a Aws,
    /// The topic for findings.
    pub topic: Option<&'a str>,
    /// Standard output.
    pub out: &'a Output,
    /// Where else findings go.
    pub others: Others<'a>,
}

/// What came of reporting.
#[derive(Debug)]
pub struct Reported<'a> {
    /// How many messages could not be sent.
    pub failures: usize,
    /// The findings that are news and are only counted in a message: nobody was told of them by name.
    pub unnamed: Vec<&'a Finding>,
}

impl Sinks<'_> {
    /// Writes findings to the log, which cannot fail, and publishes those that are news. Past a number of them they are only
    /// counted in `news`.
    pub async fn report<'a>(
        &self,
        findings: impl Iterator<Item = &'a Finding> + Clone,
        news: &News,
        until: Instant,
    ) -> Reported<'a> {
        findings.clone().for_each(|finding| (self.out)(&log::line(finding)));
        let others = self.others.send(self.aws, self.out, findings.clone(), until);
        let to_topic = async {
            let (mut failures, mut unnamed) = (0, Vec::new());
            let Some(topic) = self.topic else { return (failures, unnamed) };
            for finding in findings.filter(|finding| sns::is_published(finding)) {
                if !news.has_room_for(finding) {
                    unnamed.push(finding);
                    continue;
                }
                failures += usize::from(!sns::publish(self.aws, topic, finding, until).await);
                if self.others.destinations.topic_ocsf
                    && let Some(message) = message::ocsf::of(finding, self.others.now)
                {
                    failures += usize::from(!sns::send(self.aws, topic, message, until).await);
                }
            }
            (failures, unnamed)
        };
        let ((not_published, unnamed), not_sent) = join(to_topic, others).await;
        Reported { failures: not_published + not_sent, unnamed }
    }
}
