//! For each Region, whether write events are logged, by which trail, and what waits in its queue.

use jiff::Timestamp;
use portcullis::aws::AwsError;
use portcullis_domain::arn::Arn;
use portcullis_domain::ids::Region;

use super::read::{attributes, subscriptions, trails};
use super::{Logged, Logging, Trail};
use crate::aws::Clients;

/// What one Region shows.
#[derive(Debug)]
pub struct RegionRow {
    /// The Region.
    pub region: Region,
    /// Its trails.
    pub trails: Result<Vec<Trail>, AwsError>,
}

/// Whether a Region's write events are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// They are.
    Logged,
    /// Some of them are.
    Partly,
    /// They are not.
    NotLogged,
    /// It cannot be told.
    Unknown,
}

impl Status {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logged => "yes",
            Self::Partly => "partly",
            Self::NotLogged => "no",
            Self::Unknown => "unknown",
        }
    }

    /// What a trail does in the Region that shows it.
    #[must_use]
    pub fn of(trail: &Trail) -> Self {
        match (&trail.logging, &trail.events) {
            (Ok(Logging::Never | Logging::Stopped), _) => Self::NotLogged,
            (_, Ok(events)) if events.logged == Logged::No => Self::NotLogged,
            (Ok(Logging::On { .. }), Ok(events)) if events.logged == Logged::Yes => Self::Logged,
            (Ok(Logging::On { .. }), Ok(_)) => Self::Partly,
            (Err(_), _) | (_, Err(_)) => Self::Unknown,
        }
    }
}

impl RegionRow {
    /// What its trails do together: the best of them counts.
    #[must_use]
    pub fn status(&self) -> Status {
        let Ok(trails) = &self.trails else { return Status::Unknown };
        let all: Vec<Status> = trails.iter().map(Status::of).collect();
        let order = [Status::Logged, Status::Unknown, Status::Partly];
        order.into_iter().find(|status| all.contains(status)).unwrap_or(Status::NotLogged)
    }
}

/// What waits in a queue that a trail's topic sends to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The queue's ARN.
    pub queue: String,
    /// About how many messages, or why nobody knows.
    pub messages: Result<u64, AwsError>,
    /// The age of the oldest in seconds, as CloudWatch saw it last. None where it has no figure, which is so for a queue that
    /// nobody has used for six hours.
    pub oldest_seconds: Option<u64>,
}

/// Each Region's trails, all Regions at a time.
pub async fn regions(clients: &Clients, regions: &[Region]) -> Vec<RegionRow> {
    let rows = regions.iter().map(|region| async move {
        RegionRow { region: region.clone(), trails: trails(&clients.in_region(region)).await }
    });
    futures_util::StreamExt::collect(futures_util::StreamExt::buffered(futures_util::stream::iter(rows), MOST_AT_ONCE))
        .await
}

/// So many Regions are asked at a time.
const MOST_AT_ONCE: usize = 8;

/// The queues of this account that a topic sends to.
///
/// # Errors
/// [`AwsError`].
pub async fn waiting(clients: &Clients, topic: &str, now: Timestamp) -> Result<Vec<Waiting>, AwsError> {
    let Some(place) = Arn::parse(topic).and_then(|arn| Region::parse(arn.region).ok()) else { return Ok(Vec::new()) };
    let there = clients.in_region(&place);
    let mut found = Vec::new();
    for (protocol, endpoint, _) in subscriptions(&there.sns(), topic).await? {
        let Some(arn) = Arn::parse(&endpoint).filter(|_| protocol == "sqs") else { continue };
        let clients = match Region::parse(arn.region) {
            Ok(region) => clients.in_region(&region),
            Err(_) => continue,
        };
        let messages = depth(&clients, arn.account, arn.resource).await;
        let oldest_seconds = oldest(&clients, arn.resource, now).await;
        found.push(Waiting { queue: endpoint.clone(), messages, oldest_seconds });
    }
    Ok(found)
}

async fn depth(clients: &Clients, account: &str, name: &str) -> Result<u64, AwsError> {
    let sqs = clients.sqs();
    let url = sqs.get_queue_url().queue_name(name).queue_owner_aws_account_id(account).send().await;
    let url = url.map_err(|error| AwsError::from_sdk("GetQueueUrl", &error))?;
    let said = attributes(&sqs, url.queue_url().unwrap_or_default()).await?;
    Ok(said.get("ApproximateNumberOfMessages").and_then(|count| count.parse().ok()).unwrap_or_default())
}

/// SQS itself does not say how old its messages are; CloudWatch does, once a minute.
async fn oldest(clients: &Clients, name: &str, now: Timestamp) -> Option<u64> {
    use aws_sdk_cloudwatch::primitives::DateTime;
    use aws_sdk_cloudwatch::types::{Dimension, Statistic};
    let ask = clients.cloudwatch().get_metric_statistics().namespace("AWS/SQS");
    let ask = ask.metric_name("ApproximateAgeOfOldestMessage").statistics(Statistic::Maximum).period(60);
    let ask = ask.dimensions(Dimension::builder().name("QueueName").value(name).build());
    let ask = ask.start_time(DateTime::from_secs(now.as_second() - 900)).end_time(DateTime::from_secs(now.as_second()));
    let said = ask.send().await.ok()?;
    let last = said.datapoints().iter().max_by_key(|point| point.timestamp().map_or(0, |at| at.secs()))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an age in whole seconds")]
    last.maximum().map(|age| age.max(0.0) as u64)
}
