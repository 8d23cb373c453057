//! The alarms: whether each is there and armed, and whether one is raised.

use std::collections::BTreeMap;

use super::super::inventory::Resource;
use super::super::mend;
use super::{Lines, Scene};

pub(super) fn judge(scene: &Scene<'_>, resources: &BTreeMap<String, Resource>, lines: &mut Lines) {
    let Some(alarms) = lines.seen("alarm", &scene.hub.alarms) else { return };
    let topic = scene.output("TopicArn");
    let mut armed = 0;
    for (id, resource) in resources.iter().filter(|(_, resource)| resource.kind == "AWS::CloudWatch::Alarm") {
        match alarms.get(&resource.id) {
            None => lines.wrong("alarm", Some(id), "the alarm is not there", Some(scene.revert())),
            Some(alarm) if !alarm.enabled => {
                let mend = mend::enable_alarm(&resource.id, scene.region());
                lines.wrong("alarm", Some(id), "its actions are disabled: it tells nobody", Some(mend));
            }
            Some(alarm) if !alarm.actions.iter().any(|action| action == topic) => {
                lines.wrong("alarm", Some(id), "it does not tell the stack's topic", Some(scene.revert()));
            }
            Some(alarm) => match &alarm.raised {
                Some(why) => {
                    let history = format!(
                        "aws cloudwatch describe-alarm-history --region {} --alarm-name {}",
                        scene.region(),
                        mend::word(&resource.id)
                    );
                    lines.wrong("alarm", Some(id), format!("it is raised: {why}"), Some(history));
                }
                None => armed += 1,
            },
        }
    }
    if armed > 0 {
        lines.right("alarm", format!("{armed} alarms are armed, and none of them is raised"));
    }
}
