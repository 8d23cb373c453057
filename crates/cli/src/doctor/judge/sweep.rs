//! The sweep: whether it runs when it should.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::inventory::Resource;
use super::super::mend::word;
use super::{Lines, Scene};

/// CloudWatch shows a metric a little later than it was written.
const LATE: SignedDuration = SignedDuration::from_mins(15);

pub(super) fn judge(scene: &Scene<'_>, resources: &BTreeMap<String, Resource>, lines: &mut Lines) {
    if !resources.contains_key("SweepRule") {
        lines.right("sweep", "no sweep is scheduled: SweepSchedule is empty");
        return;
    }
    let schedule = scene.stack.parameter("SweepSchedule").unwrap_or_default();
    let Some(swept) = lines.seen("sweep", &scene.hub.swept) else { return };
    let now = scene.inventory.now;
    let limit = limit(schedule, scene.stack.parameter("HeartbeatHours"));
    let is_due = |since: Timestamp| now.duration_since(since) > limit;
    match swept {
        Some(last) if !is_due(*last) => lines.right("sweep", format!("{schedule}, last at {}", minute(*last))),
        None if scene.stack.since.is_some_and(|since| !is_due(since)) => {
            lines.right("sweep", format!("{schedule}; the first since the last change of the stack is still to come"));
        }
        last => {
            let last = last.map_or_else(|| "never in 14 days".to_owned(), |last| format!("last at {}", minute(last)));
            let mend = format!(
                "aws lambda invoke --region {} --function-name {} --invocation-type Event --cli-binary-format \
                 raw-in-base64-out --payload '{{\"sweep\":{{}}}}' /dev/stdout",
                scene.region(),
                word(&scene.inventory.stack_name)
            );
            lines.wrong("sweep", None, format!("it is overdue: {schedule}, {last}"), Some(mend));
        }
    }
}

/// After this long without a sweep one is missing: two schedules, or the heartbeat's hours where the schedule is a calendar's.
pub(in super::super) fn limit(schedule: &str, heartbeat: Option<&str>) -> SignedDuration {
    let rate = || {
        let (number, unit) = schedule.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
        let number: i64 = number.parse().ok()?;
        let minutes = match unit.trim_end_matches('s') {
            "minute" => 1,
            "hour" => 60,
            "day" => 60 * 24,
            _ => return None,
        };
        Some(SignedDuration::from_mins(number.checked_mul(minutes)?.checked_mul(2)?.min(MOST_MINUTES)))
    };
    let hours = || heartbeat.and_then(|hours| hours.parse().ok()).filter(|hours| *hours > 0);
    rate().unwrap_or_else(|| SignedDuration::from_hours(hours().unwrap_or(48))) + LATE
}

/// Further back nobody looks: fourteen days.
const MOST_MINUTES: i64 = 14 * 24 * 60;

/// A time without its seconds.
fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%MZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_missing_after_two_schedules() {
        for (schedule, heartbeat, minutes) in [
            ("rate(1 hour)", Some("9"), 135),
            ("rate(30 minutes)", None, 75),
            ("rate(1 day)", None, 48 * 60 + 15),
            ("cron(0 6 * * ? *)", Some("30"), 30 * 60 + 15),
            ("cron(0 6 * * ? *)", Some("0"), 48 * 60 + 15),
            ("rate(99999999999999999 days)", None, 48 * 60 + 15),
        ] {
            assert_eq!(limit(schedule, heartbeat), SignedDuration::from_mins(minutes), "{schedule}");
        }
    }
}
