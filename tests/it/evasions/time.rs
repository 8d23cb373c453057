//! When the calls are made and the events arrive, and in which order.

use super::*;

#[tokio::test(start_paused = true)]
async fn opened_and_closed_before_the_event() {
    let watch = enforcing().await;
    let event = watch.open(&[tcp(22, EVERYONE)]);
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&last_rule(&watch)]).unwrap();
    reported(&watch, &event, Safe, AlreadyGone, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn opened_again_after_the_revert() {
    let watch = enforcing().await;
    for _ in 0..3 {
        let event = watch.open(&[tcp(22, EVERYONE)]);
        reported(&watch, &event, Exposed, Reverted, &[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn changed_back_before_the_look() {
    let watch = enforcing().await;
    let event = watch.open(&[tcp(22, EVERYONE)]);
    let back = modify(&watch, &[(&last_rule(&watch), tcp(22, "10.0.0.0/8"))]);
    reported(&watch, &event, Safe, AlreadyGone, &["tcp 22-22 10.0.0.0/8"]).await;
    reported(&watch, &back, Safe, None, &["tcp 22-22 10.0.0.0/8"]).await;
}

#[tokio::test(start_paused = true)]
async fn made_again_with_a_new_id_before_the_look() {
    let watch = enforcing().await;
    let first = watch.open(&[tcp(22, EVERYONE)]);
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&last_rule(&watch)]).unwrap();
    let second = watch.open(&[tcp(22, EVERYONE)]);
    let finding = reported(&watch, &first, Exposed, Failed, &["tcp 22-22 0.0.0.0/0"]).await;
    assert!(finding.reason.contains("through rules that this event did not make"), "{}", finding.reason);
    reported(&watch, &second, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn events_in_reverse_order() {
    let watch = enforcing().await;
    let first = watch.open(&[tcp(22, "9.9.9.0/24")]);
    let second = modify(&watch, &[(&last_rule(&watch), tcp(22, EVERYONE))]);
    reported(&watch, &second, Exposed, Reverted, &[]).await;
    reported(&watch, &first, Safe, AlreadyGone, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_modify_before_a_late_authorize() {
    let watch = with_policy("version: 1\nsweep: {mode: enforce}").await;
    let late = watch.open(&[tcp(22, "9.9.9.0/24")]);
    modify(&watch, &[(&last_rule(&watch), tcp(22, EVERYONE))]);
    watch.world.set_now(watch.world.now() + 600_000);
    reported(&watch, &late, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_modify_after_a_harmless_authorize() {
    let watch = enforcing().await;
    let event = watch.open(&[tcp(443, EVERYONE)]);
    modify(&watch, &[(&last_rule(&watch), tcp(22, EVERYONE))]);
    reported(&watch, &event, Safe, None, &["tcp 22-22 0.0.0.0/0"]).await;
    assert!(watch.world.calls().is_empty(), "what is harmless by its record costs no look");
    assert_eq!(swept(&watch).await, [(Exposed, WouldRevert)]);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_not_visible_yet() {
    let mut watch = enforcing().await;
    watch.world.set_visibility_lag(Lag::Calls(5), Lag::None);
    watch.group = watch.world.create_group(ACCOUNT, REGION, "new", Vpc::Other);
    let event = watch.open(&[tcp(22, EVERYONE)]);
    reported(&watch, &event, Exposed, Reverted, &[]).await;
    assert!(watch.ec2_calls().len() > 5, "{:?}", watch.ec2_calls());
}

#[tokio::test(start_paused = true)]
async fn a_second_hole_beside_a_standing_one() {
    let watch = enforcing().await;
    old_rule(&watch, tcp(22, EVERYONE));
    let event = watch.open(&[tcp(22, "9.0.0.0/8")]);
    let finding = reported(&watch, &event, Exposed, Reverted, &["tcp 22-22 0.0.0.0/0"]).await;
    assert!(finding.reason.contains("even without this change"), "{}", finding.reason);
}

#[tokio::test(start_paused = true)]
async fn one_gap_closed_by_two_calls_before_the_first_look() {
    let twice = |watch: &Watch| {
        old_rule(watch, tcp(22, "8.0.0.0/9"));
        [tcp(22, "8.128.0.0/9"), rule("tcp", (22, 23), &["8.128.0.0/9"])].map(|half| watch.open(&[half]))
    };
    let watch = with_policy("version: 1\nsweep: {mode: enforce}").await;
    let all = ["tcp 22-22 8.0.0.0/9", "tcp 22-22 8.128.0.0/9", "tcp 22-23 8.128.0.0/9"];
    let [first, second] = twice(&watch);
    let finding = reported(&watch, &first, Exposed, None, &all).await;
    assert!(finding.exposures.iter().all(|exposure| exposure.standing), "{finding:#?}");
    // The instance that handled the first change judges both together.
    reported(&watch, &second, Exposed, Reverted, &["tcp 22-22 8.0.0.0/9"]).await;

    // Changes in one delivery are judged together.
    let watch = enforcing().await;
    let answer = watch.deliver(&sqs(&twice(&watch).map(|event| event.to_string()))).await;
    let reported: Vec<_> = answer.findings.iter().map(|finding| (finding.verdict, finding.outcome)).collect();
    assert_eq!((reported, watch.ingress()), (vec![(Exposed, Reverted); 2], vec!["tcp 22-22 8.0.0.0/9".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn while_revokes_are_throttled() {
    let watch = enforcing().await;
    let event = watch.open(&[tcp(22, EVERYONE)]);
    for _ in 0..4 {
        watch.world.inject(Fault::next("RevokeSecurityGroupIngress", FaultKind::Throttle));
    }
    reported(&watch, &event, Exposed, Reverted, &[]).await;
}
