//! The budget: how many old rules of an account and Region all changes of prefix lists together may take.

use ec2_model::{Fault, FaultKind};
use portcullis::domain::finding::MemoryState;

use super::*;

const SMALL: &str = "version: 1\nbudget: {old_rules: 2, per: 1h}";

fn with_budget() -> Setup {
    Setup { policy: SMALL, topic: true, ..remembering() }
}

/// A group that admits SSH from a list of its own, which is opened to everyone now: the list, and the event.
fn opened_list(watch: &Watch, group: &str) -> (String, Value) {
    let world = &watch.world;
    let list = world.create_prefix_list(ACCOUNT, REGION, "offices", 20, &["203.0.113.0/24"]).unwrap();
    world.authorize(ACCOUNT, REGION, group, &[Permission::tcp(22, &list)]).unwrap();
    world.take_records();
    world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/1", "128.0.0.0/1"], &[]).unwrap();
    (list, watch.event())
}

fn group(watch: &Watch, name: &str) -> String {
    watch.world.create_group(ACCOUNT, REGION, name, Vpc::Other)
}

async fn delivered(watch: &mut Watch, event: &Value) -> Finding {
    watch.start_anew(with_budget()).await;
    watch.finding(event).await
}

fn is_held_back(finding: &Finding) -> bool {
    finding.reason.contains("than the policy's `budget` allows: not touched") && finding.needs_retry()
}

#[tokio::test(start_paused = true)]
async fn past_the_budget_old_rules_are_told_and_not_touched_and_the_next_hour_has_a_budget_of_its_own() {
    let mut watch = with_budget().start().await;
    for (n, closed) in [true, true, false, false].into_iter().enumerate() {
        let group = group(&watch, &format!("g{n}"));
        let (_, event) = opened_list(&watch, &group);
        let told = watch.world.published().len();
        let finding = delivered(&mut watch, &event).await;
        assert_eq!(finding.outcome == Outcome::Reverted, closed, "{n}: {finding:#?}");
        assert_eq!(is_held_back(&finding), !closed, "{n}: {}", finding.reason);
        assert_eq!(watch.world.rules(ACCOUNT, REGION, &group).iter().any(|rule| rule.from_port == 22), !closed, "{n}");
        assert_eq!(watch.world.published().len(), told + 1, "{n}: it is told either way");
        if n == 3 {
            later(&watch, Duration::from_secs(3600));
            assert_eq!(delivered(&mut watch, &event).await.outcome, Outcome::Reverted, "the next hour");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_change_of_a_list_takes_as_many_groups_as_the_budget_has_rules() {
    let watch = with_budget().start().await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "offices", 20, &["203.0.113.0/24"]).unwrap();
    for n in 0..5 {
        let group = group(&watch, &format!("g{n}"));
        watch.world.authorize(ACCOUNT, REGION, &group, &[Permission::tcp(22, &list)]).unwrap();
    }
    watch.world.take_records();
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/1", "128.0.0.0/1"], &[]).unwrap();
    let answer = watch.deliver(&watch.event()).await;
    let closed = answer.findings.iter().filter(|finding| finding.outcome == Outcome::Reverted).count();
    let held_back = answer.findings.iter().filter(|finding| is_held_back(finding)).count();
    // Groups that count at the same moment may each see the budget used up by the other.
    assert!((1..=2).contains(&closed) && closed + held_back == 5, "{closed} {held_back}");
    assert_eq!(watch.world.published().len(), 5);
    assert!(!answer.failed.is_empty(), "somebody looks");
}

#[tokio::test(start_paused = true)]
async fn what_a_call_made_itself_goes_always() {
    let setup = || Setup { policy: "version: 1\nbudget: {old_rules: 0, per: 1h}", ..remembering() };
    let mut watch = setup().start().await;
    for n in 0..4 {
        let event = watch.open(&[Permission::tcp(22, EVERYONE), Permission::new("tcp", 20, 23 + n, &["::/0"])]);
        watch.start_anew(setup()).await;
        assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    }
    // A rule from a list that is open already is made by its call, too.
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "all", 20, &[EVERYONE]).unwrap();
    let event = watch.open(&[Permission::tcp(22, &list)]);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    let (_, event) = opened_list(&watch, &watch.group);
    assert!(is_held_back(&watch.finding(&event).await), "an old one does not");
}

#[tokio::test(start_paused = true)]
async fn a_memory_that_is_lost_holds_nothing_back() {
    let mut watch = with_budget().start().await;
    for n in 0..2 {
        let (_, event) = opened_list(&watch, &group(&watch, &format!("g{n}")));
        assert_eq!(delivered(&mut watch, &event).await.outcome, Outcome::Reverted);
    }
    // The third call is the one that counts, after the note of the groups and the claim.
    let (_, event) = opened_list(&watch, &group(&watch, "uncounted"));
    watch.world.inject(Fault {
        action: Some("UpdateItem".into()),
        nth: 2,
        kind: FaultKind::Slow(Duration::from_secs(20)),
    });
    assert_eq!(delivered(&mut watch, &event).await.outcome, Outcome::Reverted);
    watch.world.deny(ACCOUNT, "UpdateItem");
    let (_, event) = opened_list(&watch, &group(&watch, "denied"));
    let finding = delivered(&mut watch, &event).await;
    assert_eq!((finding.outcome, finding.memory), (Outcome::Reverted, Some(MemoryState::Unavailable)));
}

#[tokio::test(start_paused = true)]
async fn what_was_not_taken_does_not_count() {
    let mut watch = with_budget().start().await;
    let (_, event) = opened_list(&watch, &watch.group);
    for _ in 0..4 {
        watch.world.inject(Fault::next("RevokeSecurityGroupIngress", FaultKind::Denied));
        let finding = delivered(&mut watch, &event).await;
        assert_eq!(finding.outcome, Outcome::Failed);
        assert!(!is_held_back(&finding) || finding.reason.contains("not taken back"), "{}", finding.reason);
    }
    assert_eq!(delivered(&mut watch, &event).await.outcome, Outcome::Reverted, "nothing was taken before");
    // What is held back for its size leaves room for what is small enough.
    let large = group(&watch, "large");
    let (list, event) = opened_list(&watch, &large);
    watch.world.authorize(ACCOUNT, REGION, &large, &[Permission::tcp(3389, &list)]).unwrap();
    assert!(is_held_back(&delivered(&mut watch, &event).await));
    let (_, event) = opened_list(&watch, &group(&watch, "small"));
    assert_eq!(delivered(&mut watch, &event).await.outcome, Outcome::Reverted);
}

#[tokio::test(start_paused = true)]
async fn alert_mode_counts_nothing() {
    let alert = || Setup { mode: Mode::Alert, ..with_budget() };
    let mut watch = alert().start().await;
    for n in 0..3 {
        let (_, event) = opened_list(&watch, &group(&watch, &format!("g{n}")));
        watch.start_anew(alert()).await;
        let finding = watch.finding(&event).await;
        assert_eq!((finding.outcome, is_held_back(&finding)), (Outcome::WouldRevert, false));
    }
    assert!(!watch.world.items(ACCOUNT, REGION, TABLE).keys().any(|key| key.starts_with("budget#")));
}
