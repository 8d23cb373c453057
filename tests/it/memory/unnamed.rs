//! One delivery sends at most a hundred messages, and one that counts the others. What is only counted was told to nobody.

use serde_json::json;

use super::*;
use crate::harness::sqs;

fn told() -> Setup {
    Setup { mode: Mode::Alert, topic: true, ..remembering() }
}

/// A delivery to an instance of its own: how many messages it led to, and the last one.
async fn mails(watch: &mut Watch, payload: &Value) -> (usize, String) {
    let before = watch.world.published().len();
    watch.start_anew(told()).await;
    watch.deliver(payload).await;
    let published = watch.world.published().split_off(before);
    (published.len(), published.last().map(|message| message.message.clone()).unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn what_a_delivery_only_counted_is_news_the_next_time_and_what_it_named_is_not() {
    let mut watch = told().start().await;
    let groups: Vec<String> =
        (0..110).map(|n| watch.world.create_group(ACCOUNT, REGION, &format!("g{n}"), Vpc::Other)).collect();
    for group in &groups {
        watch.world.authorize(ACCOUNT, REGION, group, &[Permission::tcp(22, EVERYONE)]).unwrap();
    }
    later(&watch, Duration::from_secs(86_400));
    let narrow = |group: &String| {
        watch.world.authorize(ACCOUNT, REGION, group, &[Permission::tcp(22, "9.9.9.9/32")]).unwrap();
        watch.event().to_string()
    };
    let all = sqs(&groups.iter().map(narrow).collect::<Vec<_>>());
    let (count, last) = mails(&mut watch, &all).await;
    assert_eq!(count, 101);
    assert!(last.contains("10 more findings of this delivery are in the log alone"), "{last}");
    assert_eq!(mails(&mut watch, &all).await.0, 10, "those of which nobody has heard");
    assert_eq!(mails(&mut watch, &all).await.0, 0);
}

/// A summary that was only counted comes with the next sweep.
#[tokio::test(start_paused = true)]
async fn a_summary_that_a_delivery_only_counted_is_told_with_the_next_sweep() {
    let mut watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    let sweep = json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}});
    // What cannot be read is told one by one, a few of each message.
    let mut bodies: Vec<String> = (0..100).map(|n| format!("nonsense {n}")).collect();
    bodies.push(sweep.to_string());
    assert_eq!(mails(&mut watch, &sqs(&bodies)).await.0, 101);
    assert_eq!(mails(&mut watch, &sweep).await.0, 1, "nobody has heard of it yet");
    assert_eq!(mails(&mut watch, &sweep).await.0, 0);
}
