//! CloudTrail's log files as a second way: whether the queue hears of them.

use std::collections::BTreeMap;

use super::super::inventory::{LogFiles, Resource};
use super::super::mend::word;
use super::{Lines, Scene};

pub(super) fn judge(scene: &Scene<'_>, resources: &BTreeMap<String, Resource>, lines: &mut Lines) {
    let Some(log_files) = &scene.hub.log_files else { return };
    let queue = scene.output("LogQueueArn");
    match log_files {
        LogFiles::Topic(arn, subscriptions) => {
            let Some(subscriptions) = lines.seen("log files", subscriptions) else { return };
            match subscriptions.iter().any(|one| one.confirmed && one.endpoint == queue) {
                true => lines.right("log files", format!("{arn} tells the queue of them")),
                false => {
                    let region = arn.split(':').nth(3).unwrap_or_default();
                    let mend = format!(
                        "aws sns subscribe --region {region} --topic-arn {} --protocol sqs --notification-endpoint {}",
                        word(arn),
                        word(queue)
                    );
                    lines.wrong("log files", Some(arn), "the queue is not subscribed to the topic", Some(mend));
                }
            }
        }
        LogFiles::Bucket(bucket, notified) => {
            let Some(notified) = lines.seen("log files", notified) else { return };
            match notified.contains(queue) {
                true => lines.right("log files", format!("the bucket {bucket} tells the queue of them")),
                false => {
                    let why = "the bucket does not notify the queue: docs/ORGANISATION.md, Log files, has the calls";
                    let mend = format!("aws s3api get-bucket-notification-configuration --bucket {}", word(bucket));
                    lines.wrong("log files", Some(bucket), why, Some(mend));
                }
            }
        }
        LogFiles::Foreign(bucket) => foreign(scene, bucket, resources, lines),
    }
}

/// Only its owner sees what a bucket notifies. The alarm on the silence of the queue tells whether notices come.
fn foreign(scene: &Scene<'_>, bucket: &str, resources: &BTreeMap<String, Resource>, lines: &mut Lines) {
    let alarm = resources.get("LogSilenceAlarm").map(|resource| resource.id.as_str()).unwrap_or_default();
    // Where the alarms could not be read, there is a line that says so.
    let Ok(alarms) = &scene.hub.alarms else { return };
    match alarms.get(alarm) {
        Some(alarm) if alarm.enabled && alarm.raised.is_none() => {
            lines.right("log files", format!("of the bucket {bucket}: the alarm LogSilenceAlarm is not raised"));
        }
        _ => lines.unknown("log files", Some(bucket), "only the bucket's owner sees its notifications", None),
    }
}
