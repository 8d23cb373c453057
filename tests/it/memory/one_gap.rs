//! Two changes that are each other's standing exposure, each delivered to an instance of its own.

use ec2_model::{Fault, FaultKind, Lag};

use super::*;

#[tokio::test(start_paused = true)]
async fn two_calls_that_hide_behind_each_other_are_closed_in_either_order_hours_apart() {
    for (count, is_reversed) in [(2, false), (2, true), (30, false), (30, true)] {
        let mut watch = remembering().start().await;
        let mut events = [11, 64].map(|first| watch.open(&blocks(first, count)));
        if is_reversed {
            events.reverse();
        }
        let first = alone(&mut watch, &events[0]).await;
        assert_eq!(judged(&first), (Verdict::Exposed, Outcome::None), "{first:#?}");
        assert_eq!(memory(&watch).claims.len(), 1);
        later(&watch, Duration::from_secs(5 * 3600));
        let second = alone(&mut watch, &events[1]).await;
        assert_eq!(judged(&second), (Verdict::Exposed, Outcome::Reverted), "{second:#?}");
        assert_eq!(watch.ingress().len(), 1, "a /9 is under the limit");
    }
}

#[tokio::test(start_paused = true)]
async fn three_calls_of_which_any_two_close_the_gap_are_closed() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut watch = remembering().start().await;
        let events = [11, 64, 128].map(|first| watch.open(&blocks(first, 2)));
        for n in order {
            alone(&mut watch, &events[n]).await;
        }
        assert_eq!(watch.ingress().len(), 1, "{order:?}: {:?}", watch.ingress());
    }
}

#[tokio::test(start_paused = true)]
async fn what_alert_mode_saw_is_not_taken_when_the_function_is_armed() {
    let mut watch = Setup { mode: Mode::Alert, ..remembering() }.start().await;
    let events = [11, 64].map(|first| watch.open(&blocks(first, 2)));
    assert_eq!(judged(&watch.finding(&events[0]).await), (Verdict::Exposed, Outcome::None));
    assert_eq!(judged(&alone(&mut watch, &events[1]).await), (Verdict::Exposed, Outcome::None));
    assert_eq!(watch.ingress().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_yesterday_takes_nothing() {
    let mut watch = remembering().start().await;
    let events = [11, 64].map(|first| watch.open(&blocks(first, 2)));
    alone(&mut watch, &events[0]).await;
    later(&watch, Duration::from_secs(24 * 3600 + 1));
    assert_eq!(judged(&alone(&mut watch, &events[1]).await), (Verdict::Exposed, Outcome::None));
}

#[tokio::test(start_paused = true)]
async fn what_was_judged_safe_never_becomes_a_candidate() {
    let mut watch = remembering().start().await;
    let lawful = watch.open(&[Permission::tcp(22, "9.9.9.0/24")]);
    assert_eq!(judged(&alone(&mut watch, &lawful).await), (Verdict::Safe, Outcome::None));
    watch.open(&blocks(64, 2));
    let event = watch.open(&blocks(11, 2));
    alone(&mut watch, &event).await;
    assert!(watch.ingress().contains(&"tcp 22-22 9.9.9.0/24".to_owned()), "{:?}", watch.ingress());
}

/// The look of the second delivery is older than the revoke of the first, whose claim is settled by then.
#[tokio::test(start_paused = true)]
async fn a_look_that_still_shows_what_another_delivery_closed_leaves_nothing_standing() {
    let mut watch = remembering().start().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/9")]);
    later(&watch, Duration::from_secs(86_400));
    let first = watch.open(&[Permission::tcp(22, "8.128.0.0/9")]);
    // EC2 shows the revoked rule for some looks more.
    watch.world.set_visibility_lag(Lag::None, Lag::Calls(3));
    assert_eq!(judged(&alone(&mut watch, &first).await), (Verdict::Exposed, Outcome::Reverted));
    let second = watch.open(&[Permission::new("tcp", 22, 23, &["8.128.0.0/9"])]);
    let finding = alone(&mut watch, &second).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{finding:#?}");
    assert_eq!(watch.ingress(), ["tcp 22-22 8.0.0.0/9"]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_comes_again_finds_its_own_claim_and_does_no_harm() {
    let mut watch = remembering().start().await;
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    watch.world.inject(Fault::next("RevokeSecurityGroupIngress", FaultKind::Denied));
    assert_eq!(judged(&alone(&mut watch, &event).await), (Verdict::Exposed, Outcome::Failed));
    assert_eq!(judged(&alone(&mut watch, &event).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(memory(&watch).claims.len(), 0);
    let again = alone(&mut watch, &event).await;
    assert_eq!(judged(&again), (Verdict::Safe, Outcome::AlreadyGone));
    assert!(watch.ingress().is_empty());
}

#[tokio::test(start_paused = true)]
async fn groups_of_the_same_id_in_other_places_have_memories_of_their_own() {
    let watch = remembering().start().await;
    watch.world.create_group(ACCOUNT, REGION, "other", Vpc::Other);
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    watch.finding(&event).await;
    let items = watch.world.items(ACCOUNT, REGION, TABLE);
    assert_eq!(items.keys().collect::<Vec<_>>(), [&format!("{ACCOUNT}/{REGION}/{}", watch.group)]);
}
