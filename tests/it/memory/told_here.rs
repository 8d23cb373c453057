//! A memory that does not answer, or takes nothing: an instance knows what it has told itself. So what is delivered again to
//! the same instance is not told again; any other instance tells it.

use ec2_model::DEFAULT_REGIONS;
use serde_json::json;

use super::*;
use crate::harness::sqs;

fn told() -> Setup {
    Setup { topic: true, ..remembering() }
}

/// The calls of the memory are refused, as a role without the permission or a throttled table refuses them.
fn lose(watch: &Watch) {
    ["GetItem", "UpdateItem"].into_iter().for_each(|call| watch.world.deny(ACCOUNT, call));
}

fn sweep() -> Value {
    json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}})
}

/// How many messages a delivery leads to.
async fn mails(watch: &Watch, payload: &Value) -> usize {
    let before = watch.world.published().len();
    watch.deliver(payload).await;
    watch.world.published().len() - before
}

#[tokio::test(start_paused = true)]
async fn a_place_is_told_once_by_an_instance_however_often_its_sweep_is_delivered_again() {
    let mut watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    lose(&watch);
    for (attempt, told) in [1, 0, 0, 0, 0].into_iter().enumerate() {
        assert_eq!(mails(&watch, &sweep()).await, told, "attempt {attempt}");
        later(&watch, Duration::from_secs(60));
    }
    // The next sweeps find the same.
    for hour in 1..23 {
        later(&watch, Duration::from_secs(3600));
        assert_eq!(mails(&watch, &sweep()).await, 0, "hour {hour}");
    }
    later(&watch, Duration::from_secs(7200));
    assert_eq!(mails(&watch, &sweep()).await, 1, "once a day");
    watch.world.authorize(ACCOUNT, REGION, &watch.group, &[Permission::tcp(3389, EVERYONE)]).unwrap();
    assert_eq!(mails(&watch, &sweep()).await, 1, "what has changed is told at once");
    watch.start_anew(told()).await;
    assert_eq!(mails(&watch, &sweep()).await, 1, "another instance cannot know");
}

/// The list of openings cannot be read, so each place's message fails and comes five times.
#[tokio::test(start_paused = true)]
async fn a_sweep_over_the_queue_tells_each_place_once_in_all_attempts_of_an_instance() {
    let watch = told().start().await;
    let regions = &DEFAULT_REGIONS[..4];
    for region in regions {
        let group = watch.world.create_group(ACCOUNT, region, "web", Vpc::Other);
        watch.world.authorize(ACCOUNT, region, &group, &[Permission::tcp(22, EVERYONE)]).unwrap();
    }
    lose(&watch);
    let place =
        |region: &&str| json!({"sweep": {"accounts": [ACCOUNT], "regions": [region], "digest": "news"}}).to_string();
    let messages: Vec<String> = regions.iter().map(place).collect();
    for (attempt, told) in [1, 0, 0, 0, 0].into_iter().enumerate() {
        for message in &messages {
            assert_eq!(mails(&watch, &sqs(std::slice::from_ref(message))).await, told, "attempt {attempt}: {message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fight_is_told_by_an_instance_as_it_is_with_a_memory() {
    let watch = told().start().await;
    lose(&watch);
    let mut told_at = Vec::new();
    for round in 1..=12 {
        let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
        let before = watch.world.published().len();
        let finding = watch.finding(&event).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "round {round}");
        assert_eq!((finding.memory.is_some(), finding.fight.is_some()), (true, round >= 3), "round {round}");
        told_at.extend((watch.world.published().len() > before).then_some(round));
        later(&watch, Duration::from_secs(60));
    }
    assert_eq!(told_at, [1, 3, 6, 12]);
    assert!(watch.ingress().is_empty());
}

/// One record fails, so the delivery comes again, with another of a port that was open before.
#[tokio::test(start_paused = true)]
async fn what_stands_open_is_told_once_by_an_instance_and_what_failed_each_time() {
    let watch = told().start().await;
    let standing = watch.world.create_group(ACCOUNT, REGION, "old", Vpc::Other);
    watch.world.authorize(ACCOUNT, REGION, &standing, &[Permission::tcp(22, EVERYONE)]).unwrap();
    later(&watch, Duration::from_secs(86_400));
    lose(&watch);
    watch.world.deny(ACCOUNT, "RevokeSecurityGroupIngress");
    let failing = watch.open(&[Permission::tcp(3306, EVERYONE)]);
    watch.world.authorize(ACCOUNT, REGION, &standing, &[Permission::tcp(22, "9.9.9.9/32")]).unwrap();
    let narrow = watch.event();
    let both = sqs(&[failing.to_string(), narrow.to_string()]);
    for (attempt, told) in [2, 1, 1].into_iter().enumerate() {
        assert_eq!(mails(&watch, &both).await, told, "attempt {attempt}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_published_is_told_when_it_comes_again() {
    let watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    lose(&watch);
    watch.world.deny(ACCOUNT, "Publish");
    assert_eq!(mails(&watch, &sweep()).await, 0);
    watch.world.permit(ACCOUNT, "Publish");
    assert_eq!((mails(&watch, &sweep()).await, mails(&watch, &sweep()).await), (1, 0));
}

/// The memory answers, and nothing can be written to it.
#[tokio::test(start_paused = true)]
async fn a_memory_that_takes_nothing_does_not_have_an_instance_tell_twice() {
    let watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    watch.world.deny(ACCOUNT, "UpdateItem");
    assert_eq!(mails(&watch, &sweep()).await, 1);
    later(&watch, Duration::from_secs(3600));
    assert_eq!(mails(&watch, &sweep()).await, 0);
}

/// What an instance told while the memory answered it knows when the memory is lost.
#[tokio::test(start_paused = true)]
async fn what_was_told_before_the_memory_was_lost_is_not_told_again() {
    let watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    assert_eq!(mails(&watch, &sweep()).await, 1);
    lose(&watch);
    later(&watch, Duration::from_secs(3600));
    assert_eq!(mails(&watch, &sweep()).await, 0);
}
