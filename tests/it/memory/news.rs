//! News, not noise: a fight is told a few times, a standing exposure once a day, and nothing is lost on the way.

use super::*;

fn told() -> Setup {
    Setup { topic: true, ..remembering() }
}

#[tokio::test(start_paused = true)]
async fn a_round_a_minute_for_a_day_is_closed_each_time_and_told_at_most_fifteen_times() {
    let mut watch = told().start().await;
    let mut fights = 0;
    for round in 0..24 * 60 {
        watch.start_anew(told()).await;
        let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
        let finding = watch.finding(&event).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "round {round}: {finding:#?}");
        fights += usize::from(finding.fight.is_some());
        later(&watch, Duration::from_secs(60));
    }
    assert!(watch.ingress().is_empty());
    assert_eq!(fights, 24 * 60 - 2, "from the third close on it is a fight");
    let messages = watch.world.published().len();
    assert!((3..=15).contains(&messages), "{messages} messages");
    let lines = watch.lines.lock().unwrap();
    let logged = lines.iter().filter(|line| line.contains("\"outcome\":\"reverted\"")).count();
    assert_eq!(logged, 24 * 60, "the log has all");
}

#[tokio::test(start_paused = true)]
async fn a_standing_exposure_is_told_once_and_again_after_a_day() {
    let mut watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    later(&watch, Duration::from_secs(86_400));
    for (hours, messages) in [(0, 1), (1, 1), (22, 1), (2, 2), (1, 2)] {
        later(&watch, Duration::from_secs(hours * 3600));
        watch.start_anew(told()).await;
        let n = watch.world.published().len() + usize::try_from(watch.world.now() % 200).unwrap();
        let narrow = watch.open(&[Permission::tcp(22, &format!("9.9.{}.{}/32", n % 250, hours))]);
        assert_eq!(judged(&watch.finding(&narrow).await), (Verdict::Exposed, Outcome::None));
        assert_eq!(watch.world.published().len(), messages, "after {hours} hours");
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_told_each_time() {
    let mut watch = told().start().await;
    watch.world.deny(ACCOUNT, "RevokeSecurityGroupIngress");
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    for n in 1..=5 {
        watch.start_anew(told()).await;
        assert_eq!(watch.finding(&event).await.outcome, Outcome::Failed);
        assert_eq!(watch.world.published().len(), n);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_published_is_news_the_next_time() {
    let mut watch = told().start().await;
    let round = async |watch: &mut Watch, is_published: bool| {
        watch.start_anew(told()).await;
        if !is_published {
            watch.world.deny(ACCOUNT, "Publish");
        }
        let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
        assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
        watch.world.permit(ACCOUNT, "Publish");
        later(watch, Duration::from_secs(60));
        watch.world.published().len()
    };
    assert_eq!(round(&mut watch, false).await, 0);
    assert_eq!(round(&mut watch, true).await, 1, "nobody has heard of it yet");
    assert_eq!(round(&mut watch, false).await, 1, "the third close is a fight, and nobody hears of that");
    assert_eq!(round(&mut watch, true).await, 2, "so it is told with the fourth");
    assert_eq!(round(&mut watch, true).await, 2, "and no more");
}
