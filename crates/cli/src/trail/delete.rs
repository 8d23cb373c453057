//! What `trail delete` takes down: what `trail create` has made, as its tag says. Never the bucket.

use super::plan::Plan;
use super::{Bucket, Found, Logged, Logging, Step, TAG, Trail, Wanted};

/// The plan. Whatever has no tag is kept.
#[must_use]
pub fn delete(wanted: &Wanted, found: &Found) -> Plan {
    let (mut plan, region) = (Plan::default(), wanted.region.to_string());
    let not_ours = |what: &str| format!("{what}: it has no tag {}={}, so `trail create` did not make it", TAG.0, TAG.1);
    let trail_arn = wanted.trail_arn();
    if let Some(trail) = found.trails.iter().find(|trail| trail.arn == trail_arn) {
        match &trail.tagged {
            Ok(true) => {
                let organization = trail.organization;
                plan.steps.push(Step::DeleteTrail { trail_arn, region: region.clone(), organization });
            }
            Ok(false) => plan.kept.push(not_ours(&format!("trail {}", wanted.name()))),
            Err(error) => {
                plan.unclear
                    .push(format!("whether `trail create` made trail {} cannot be told: {error}", wanted.name()));
            }
        }
    }
    // Its home is where it was made. Asked elsewhere, it must not look as if there were none.
    let (account, name) = (&wanted.account, wanted.name());
    let own =
        |trail: &&Trail| trail.arn.contains(&format!(":{account}:")) && trail.arn.ends_with(&format!(":trail/{name}"));
    for trail in found.trails.iter().filter(own).filter(|trail| trail.home != region) {
        plan.kept.push(format!("trail {name} in {}: its home is there, so give --region {}", trail.home, trail.home));
    }
    let mut others = 0;
    if let Some(topic) = &found.topic {
        for (protocol, endpoint, subscription_arn) in &topic.subscriptions {
            let own = protocol == "sqs" && *endpoint == wanted.queue_arn();
            // A subscription that nobody has confirmed has no ARN yet.
            match (own, subscription_arn.starts_with("arn:"), topic.tagged) {
                (true, true, true) => {
                    let subscription_arn = subscription_arn.clone();
                    plan.steps.push(Step::Unsubscribe { subscription_arn, region: region.clone() });
                }
                (true, ..) => {}
                (false, ..) => others += 1,
            }
        }
    }
    match &found.queue {
        Some(queue) if queue.tagged => {
            let (url, messages) = (queue.url.clone(), queue.messages);
            plan.steps.push(Step::DeleteQueue { url, region: region.clone(), messages });
        }
        Some(_) => plan.kept.push(not_ours(&format!("queue {}", wanted.name()))),
        None => {}
    }
    match &found.topic {
        Some(topic) if topic.tagged => {
            plan.steps.push(Step::DeleteTopic { topic_arn: wanted.topic_arn(), region, others });
        }
        Some(_) => plan.kept.push(not_ours(&format!("topic {}", wanted.name()))),
        None => {}
    }
    if matches!(found.bucket, Bucket::There(_)) {
        plan.kept.push(format!("bucket {}, with the log files: they are evidence", wanted.bucket));
    }
    plan
}

impl Found {
    /// Whether a trail goes on that logs the write events of all Regions, without the one of this ARN. None where that
    /// cannot be told.
    #[must_use]
    pub fn serves_without(&self, arn: &str) -> Option<bool> {
        let others = self.trails.iter().filter(|trail| trail.arn != arn && trail.multi_region);
        let serves = |trail: &Trail| match (&trail.logging, &trail.events) {
            (Ok(Logging::Never | Logging::Stopped), _) => Some(false),
            (Ok(Logging::On { .. }), Ok(events)) => Some(events.logged == Logged::Yes),
            _ => None,
        };
        let all: Vec<Option<bool>> = others.map(serves).collect();
        if all.contains(&Some(true)) {
            return Some(true);
        }
        (!all.contains(&None)).then_some(false)
    }
}
