//! The EventBridge bus: every finding that is news as an event, for automations and tickets.

use portcullis_domain::finding::Finding;
use portcullis_domain::ids::{AccountId, GroupId, Region};
use tokio::time::Instant;

use super::{log, message};
use crate::aws::{Aws, AwsError, BusEvent, within};

/// Whether a finding becomes an event. A group that a sweep found becomes one of its own, unlike in the topic, where the
/// sweep's summary names it. What was told before does not come again.
fn is_sent(finding: &Finding) -> bool {
    finding.is_news() && !finding.is_told
}

/// The events of findings.
pub(super) fn events<'a>(findings: impl Iterator<Item = &'a Finding>, partition: Option<&str>) -> Vec<BusEvent> {
    let event = |finding: &Finding| BusEvent {
        detail_type: finding.outcome.as_str().to_owned(),
        detail: log::line(&message::brief(finding)),
        resources: partition.and_then(|partition| group_arn(finding, partition)).into_iter().collect(),
    };
    findings.filter(|finding| is_sent(finding)).map(event).collect()
}

/// The group's ARN, where all parts of it are known.
fn group_arn(finding: &Finding, partition: &str) -> Option<String> {
    let account = AccountId::parse(finding.account.as_deref()?).ok()?;
    let region = Region::parse(finding.region.as_deref()?).ok()?;
    let group = GroupId::parse(finding.group.as_deref()?).ok()?;
    Some(format!("arn:{partition}:ec2:{region}:{account}:security-group/{group}"))
}

/// Puts events onto the bus, and returns how many it did not take.
pub(super) async fn send(aws: &Aws, bus: &str, events: Vec<BusEvent>, until: Instant) -> usize {
    if events.is_empty() {
        return 0;
    }
    let put = async { Ok(aws.put_events(bus, &events).await) };
    let refused = within(until, "PutEvents", put).await;
    let refused = refused.unwrap_or_else(|error: AwsError| vec![error; events.len()]);
    for error in &refused {
        tracing::error!(bus, code = %error.code, message = error.message, "the finding was not put onto the bus");
    }
    refused.len()
}
