//! The stack's own Region: all that belongs to the stack.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Metric, MetricDataQuery, MetricStat, StateValue};
use aws_sdk_s3::types::Event;
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use portcullis::sinks::metrics;
use portcullis_domain::finding::Finding;
use portcullis_domain::ids::Region;

use super::super::api::{
    DESCRIBE_ALARMS, DESCRIBE_EVENT_BUS, FILTER_LOG_EVENTS, GET_METRIC_DATA, GET_NOTIFICATION, GET_QUEUE_ATTRIBUTES,
    LIST_SUBSCRIPTIONS,
};
use super::super::inventory::{Alarm, Hub, LogFiles, Queue, Resource, Rule, Seen, Subscription, Sweeps};
use super::super::judge::sweep_limit;
use super::ask::Ask;
use super::{Scene, events, function, optional, stack};
use crate::aws::Clients;

pub(super) async fn hub(scene: &Scene<'_>) -> Hub {
    let (ask, clients) = (scene.ask, scene.clients);
    let resources = stack::resources(ask, clients, &scene.wanted.stack);
    let (resources, rules, bus, abroad, function, topics, alarms, swept, sweeps, log_files) = tokio::join!(
        resources,
        rules(scene),
        bus(scene),
        abroad(scene),
        function::function(scene),
        topics(scene),
        alarms(scene),
        swept(scene),
        sweeps(scene),
        log_files(scene),
    );
    let empty = BTreeMap::new();
    let environment =
        function.configuration.as_ref().ok().and_then(Option::as_ref).map_or(&empty, |it| &it.environment);
    let none = BTreeMap::new();
    let (policy, memory, evidence, queues) = tokio::join!(
        function::policy(scene, environment),
        function::memory(scene, environment),
        function::evidence(scene, environment),
        queues(scene, resources.as_ref().unwrap_or(&none)),
    );
    Hub {
        resources,
        rules,
        bus,
        abroad,
        function,
        policy,
        memory,
        evidence,
        topics,
        queues,
        alarms,
        swept,
        sweeps,
        log_files,
        // They are looked for in the members too.
        openings: None,
    }
}

/// The rules of both buses.
async fn rules(scene: &Scene<'_>) -> Seen<BTreeMap<String, Rule>> {
    let (ask, clients, name) = (scene.ask, scene.clients, scene.wanted.stack.as_str());
    let mut rules = events::rules(ask, clients, None, name).await?;
    if !scene.output("BusArn").is_empty() {
        rules.extend(events::rules(ask, clients, Some(name), name).await?);
    }
    Ok(rules)
}

/// The policy of the stack's bus.
async fn bus(scene: &Scene<'_>) -> Option<Seen<String>> {
    if scene.output("BusArn").is_empty() {
        return None;
    }
    let asked = scene.clients.eventbridge().describe_event_bus().name(&scene.wanted.stack).send();
    let bus = optional(scene.ask.call(DESCRIBE_EVENT_BUS, asked).await, &["ResourceNotFoundException"]);
    Some(bus.map(|bus| bus.and_then(|bus| bus.policy().map(str::to_owned)).unwrap_or_default()))
}

/// The rule in the Region in which IAM tells of its calls, where that is another one (IAM User Guide, "Logging IAM and AWS
/// STS API calls with AWS CloudTrail").
async fn abroad(scene: &Scene<'_>) -> Option<(Region, Seen<BTreeMap<String, Rule>>)> {
    let region = match scene.who.partition.as_str() {
        "aws" => "us-east-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-cn" => "cn-north-1",
        _ => return None,
    };
    let region = Region::parse(region).ok().filter(|region| *region != scene.who.region)?;
    let name = format!("{}-tamper-us-east-1", scene.wanted.stack);
    let rules = events::rules(scene.ask, &scene.clients.in_region(&region), None, &name).await;
    Some((region, rules))
}

/// The stack's topic, and the second one.
async fn topics(scene: &Scene<'_>) -> BTreeMap<String, Seen<Vec<Subscription>>> {
    let names = [Some(scene.output("TopicArn")), scene.stack.parameter("AlarmTopicArn")];
    let mut topics = BTreeMap::new();
    for arn in names.into_iter().flatten().filter(|arn| !arn.is_empty()) {
        topics.insert(arn.to_owned(), subscriptions(scene.ask, scene.clients, arn).await);
    }
    topics
}

async fn subscriptions(ask: &Ask, clients: &Clients, topic: &str) -> Seen<Vec<Subscription>> {
    let (client, mut found, mut next) = (clients.sns(), Vec::new(), None);
    loop {
        let asked = client.list_subscriptions_by_topic().topic_arn(topic).set_next_token(next).send();
        let page = ask.call(LIST_SUBSCRIPTIONS, asked).await?;
        found.extend(page.subscriptions().iter().map(|it| Subscription {
            protocol: it.protocol().unwrap_or_default().to_owned(),
            endpoint: it.endpoint().unwrap_or_default().to_owned(),
            // Until then it is `PendingConfirmation`, and `Deleted` afterwards.
            confirmed: it.subscription_arn().is_some_and(|arn| arn.starts_with("arn:")),
        }));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}

async fn alarms(scene: &Scene<'_>) -> Seen<BTreeMap<String, Alarm>> {
    let (client, mut found, mut next) = (scene.clients.cloudwatch(), BTreeMap::new(), None);
    loop {
        let asked = client.describe_alarms().alarm_name_prefix(format!("{}-", scene.wanted.stack)).set_next_token(next);
        let page = scene.ask.call(DESCRIBE_ALARMS, asked.send()).await?;
        found.extend(page.metric_alarms().iter().filter_map(|it| {
            let raised = matches!(it.state_value(), Some(StateValue::Alarm));
            let alarm = Alarm {
                enabled: it.actions_enabled().unwrap_or_default(),
                actions: it.alarm_actions().to_vec(),
                raised: raised.then(|| it.state_reason().unwrap_or("no reason given").to_owned()),
            };
            Some((it.alarm_name()?.to_owned(), alarm))
        }));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// Further back nobody looks: what was swept before that is overdue for any schedule.
const PAST: SignedDuration = SignedDuration::from_hours(14 * 24);

/// When a sweep last looked at something.
async fn swept(scene: &Scene<'_>) -> Seen<Option<Timestamp>> {
    let metric = Metric::builder().namespace(metrics::NAMESPACE).metric_name("Swept").build();
    let stat = MetricStat::builder().metric(metric).period(300).stat("Sum").build();
    let query = MetricDataQuery::builder().id("swept").metric_stat(stat).build();
    let now = scene.wanted.now;
    let from = now.checked_sub(PAST).unwrap_or(now);
    let asked = scene.clients.cloudwatch().get_metric_data().metric_data_queries(query);
    // The newest come first.
    let asked = asked.start_time(DateTime::from_secs(from.as_second())).end_time(DateTime::from_secs(now.as_second()));
    let answer = scene.ask.call(GET_METRIC_DATA, asked.send()).await?;
    let results = answer.metric_data_results().iter();
    let points = results.flat_map(|result| result.timestamps().iter().zip(result.values()));
    let last = points.filter(|(_, value)| **value > 0.0).map(|(time, _)| time.secs()).max();
    Ok(last.and_then(|last| Timestamp::from_second(last).ok()))
}

/// No more pages of the log than these are read.
const MOST_PAGES: usize = 50;

/// What the function wrote of its last sweeps, where it sweeps other accounts.
async fn sweeps(scene: &Scene<'_>) -> Option<Seen<Sweeps>> {
    scene.stack.parameter("Accounts")?;
    let limit = sweep_limit(scene.stack.parameter("SweepSchedule")?, scene.stack.parameter("HeartbeatHours"));
    let since = scene.wanted.now.checked_sub(limit).ok()?;
    Some(sweeps_since(scene, since).await)
}

async fn sweeps_since(scene: &Scene<'_>, since: Timestamp) -> Seen<Sweeps> {
    let (client, mut next) = (scene.clients.logs(), None);
    let mut sweeps = Sweeps { since, ..Sweeps::default() };
    for _ in 0..MOST_PAGES {
        let asked = client.filter_log_events().log_group_name(scene.output("LogGroupName"));
        let asked = asked.filter_pattern("{ $.call = \"Sweep\" }").start_time(since.as_millisecond());
        let page = scene.ask.call(FILTER_LOG_EVENTS, asked.set_next_token(next).send()).await?;
        let lines = page.events().iter().filter_map(|event| event.message());
        for summary in lines.filter_map(|line| serde_json::from_str::<Finding>(line).ok()?.sweep) {
            sweeps.places += summary.places;
            sweeps.unreachable.extend(summary.unreachable);
        }
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    Ok(sweeps)
}

/// The queues of dead letters.
async fn queues(scene: &Scene<'_>, resources: &BTreeMap<String, Resource>) -> BTreeMap<String, Queue> {
    let of = |(id, it): &(&String, &Resource)| it.kind == "AWS::SQS::Queue" && id.ends_with("DeadLetters");
    let asked = resources.iter().filter(of).map(|(id, resource)| async move {
        let queue = queue(scene.ask, scene.clients, &resource.id).await;
        (id.clone(), queue)
    });
    stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(4).collect().await
}

/// A queue, and how many messages are in it.
pub(super) async fn queue(ask: &Ask, clients: &Clients, url: &str) -> Queue {
    let asked = clients.sqs().get_queue_attributes().queue_url(url);
    let names =
        [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible];
    let answer = ask.call(GET_QUEUE_ATTRIBUTES, asked.set_attribute_names(Some(names.to_vec())).send()).await;
    let gone = ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];
    let messages = optional(answer, &gone).map(|answer| {
        answer.map(|answer| {
            let attributes = answer.attributes().into_iter().flatten();
            attributes.filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
        })
    });
    Queue { url: url.to_owned(), messages }
}

/// How the queue of log files hears of them.
async fn log_files(scene: &Scene<'_>) -> Option<LogFiles> {
    let bucket = scene.stack.parameter("LogBucket")?.to_owned();
    if let Some(topic) = scene.stack.parameter("LogTopicArn") {
        let region = topic.split(':').nth(3).and_then(|code| Region::parse(code).ok());
        let there = region.map_or_else(|| scene.clients.clone(), |region| scene.clients.in_region(&region));
        return Some(LogFiles::Topic(topic.to_owned(), subscriptions(scene.ask, &there, topic).await));
    }
    if scene.stack.parameter("LogBucketAccount").is_some_and(|account| account != scene.who.account.as_str()) {
        return Some(LogFiles::Foreign(bucket));
    }
    let asked = scene.clients.s3().get_bucket_notification_configuration().bucket(&bucket).send();
    let answer = scene.ask.call(GET_NOTIFICATION, asked).await;
    let created = |events: &[Event]| events.iter().any(|event| event.as_str().starts_with("s3:ObjectCreated:"));
    let queues = answer.map(|answer| {
        let queues = answer.queue_configurations().iter().filter(|queue| created(queue.events()));
        queues.map(|queue| queue.queue_arn().to_owned()).collect::<BTreeSet<String>>()
    });
    Some(LogFiles::Bucket(bucket, queues))
}
