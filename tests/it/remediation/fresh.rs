//! A revoke rests on a look of just before. Where EC2 takes long to answer, it follows the look at once, or it would never come.

use ec2_model::{Fault, FaultKind};

use super::*;

/// The next looks are answered after three seconds each.
fn slow_looks(watch: &Watch, count: usize) {
    for nth in 0..count {
        let kind = FaultKind::Slow(Duration::from_secs(3));
        watch.world.inject(Fault { action: Some(DESCRIBE.into()), nth, kind });
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_permit_at_hand_a_slow_look_is_followed_by_the_revoke_at_once() {
    let watch = enforcing().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    slow_looks(&watch, 4);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.ec2_calls(), [DESCRIBE, REVOKE]);
}

/// A sweep has no permit when it looks. By the time it has one, the look is three seconds old.
#[tokio::test(start_paused = true)]
async fn a_look_that_a_permit_was_waited_for_after_it_is_made_again_and_only_once() {
    let policy = "version: 1\nsweep: {mode: enforce, max_revocations: 25}";
    for (slow, looks) in [(0, 1), (1, 2), (4, 2)] {
        let watch = Setup { policy, ..Setup::default() }.start().await;
        watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
        slow_looks(&watch, slow);
        watch.deliver(&json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}})).await;
        assert!(watch.ingress().is_empty());
        let calls = watch.ec2_calls();
        let before = calls.iter().position(|call| call == REVOKE).unwrap();
        assert_eq!(calls[..before].iter().filter(|call| *call == DESCRIBE).count(), looks, "{calls:?}");
    }
}
