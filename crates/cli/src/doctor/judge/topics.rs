//! The topics: whether anybody hears of it.

use super::super::mend::word;
use super::{Lines, Scene};

pub(super) fn judge(scene: &Scene<'_>, lines: &mut Lines) {
    for (arn, subscriptions) in &scene.hub.topics {
        let Some(subscriptions) = lines.seen("topic", subscriptions) else { continue };
        let confirmed: Vec<&str> =
            subscriptions.iter().filter(|one| one.confirmed).map(|one| one.protocol.as_str()).collect();
        if !confirmed.is_empty() {
            let (many, by) = (crate::words::count(confirmed.len(), "confirmed subscription"), confirmed.join(", "));
            lines.right("topic", format!("{} has {many}: {by}", arn.rsplit(':').next().unwrap_or(arn)));
            continue;
        }
        let why = match subscriptions.first() {
            None => "nobody is subscribed: findings and alarms reach nobody".to_owned(),
            Some(one) => {
                format!("no subscription is confirmed: {} has to follow the link in AWS's mail", one.endpoint)
            }
        };
        let mend = format!(
            "aws sns subscribe --region {} --topic-arn {} --protocol email --notification-endpoint YOU@EXAMPLE.COM",
            scene.region(),
            word(arn)
        );
        lines.wrong("topic", Some(arn), why, Some(mend));
    }
}
