//! Where findings go beside the log, the metrics and the topic: Security Hub and an EventBridge bus; and to the topic a second
//! time, as OCSF events. All are off unless they are set, and then nothing is made for them.

use futures_util::future::join;
use jiff::Timestamp;
use portcullis_domain::finding::Finding;
use tokio::time::Instant;

use super::{Output, event_bus, metrics, security_hub};
use crate::aws::{Aws, Session};

/// Which of them are set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Destinations {
    /// `PORTCULLIS_EVENT_BUS`: the bus's name or ARN.
    pub event_bus: Option<String>,
    /// `PORTCULLIS_SECURITY_HUB`.
    pub security_hub: bool,
    /// `PORTCULLIS_TOPIC_OCSF`: whether each finding goes to the topic a second time, as an OCSF event.
    pub topic_ocsf: bool,
}

/// The destinations of one invocation.
#[derive(Clone, Copy)]
pub struct Others<'a> {
    /// Which are set.
    pub destinations: &'a Destinations,
    /// The clients for the accounts that findings are about.
    pub session: Option<Session<'a>>,
    /// The time now.
    pub now: Timestamp,
}

impl Others<'_> {
    /// Sends findings, and returns how many the bus did not take. What Security Hub did not take is in a metric of its own: it
    /// may not be enabled in a member's account, and that is the member's decision.
    pub(super) async fn send(
        &self,
        aws: &Aws,
        out: &Output,
        findings: impl Iterator<Item = &Finding> + Clone,
        until: Instant,
    ) -> usize {
        let Self { destinations, session, now } = *self;
        let to_bus = async {
            let Some(bus) = &destinations.event_bus else { return 0 };
            let partition = session.map(|session| session.identity().partition.as_str());
            event_bus::send(aws, bus, event_bus::events(findings.clone(), partition), until).await
        };
        let to_hub = async {
            let Some(session) = session.filter(|_| destinations.security_hub) else { return };
            let came =
                security_hub::import(session, security_hub::documents(findings.clone(), session, now), until).await;
            if let Some(line) = metrics::of_security_hub(came.not_enabled, came.failed, now) {
                out(&line);
            }
        };
        join(to_bus, to_hub).await.0
    }
}
