//! Calls that fail, break off or never return.

use ec2_model::{Fault, FaultKind, Lag, Permission, Vpc};
use portcullis::domain::finding::{Outcome, Verdict};
use portcullis::envelope::Kind;

use super::{DESCRIBE, REVOKE, actions, judged, omitted};
use crate::harness::{ACCOUNT, REGION, Setup, enforcing, sqs};

#[tokio::test(start_paused = true)]
async fn what_was_revoked_before_time_ran_out_is_told() {
    let policy = "version: 1\nsweep: {mode: enforce}";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    for n in 0..2 {
        let group = watch.world.create_group(ACCOUNT, REGION, &format!("g{n}"), Vpc::Other);
        watch.world.authorize(ACCOUNT, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    }
    let event = omitted(watch.event());
    for nth in 1..40 {
        watch.world.inject(Fault { action: Some(REVOKE.into()), nth, kind: FaultKind::LostBefore });
    }
    let answer = watch.deliver(&event).await;
    let mut outcomes: Vec<Outcome> = answer.findings.iter().map(|finding| finding.outcome).collect();
    outcomes.sort_by_key(|outcome| format!("{outcome:?}"));
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Reverted], "{:#?}", answer.findings);
    assert_eq!(answer.failed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_subject_that_hangs_does_not_hold_up_the_others_of_its_batch() {
    let watch = enforcing().await;
    let hanging = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]).to_string();
    let region = "us-east-1";
    let group = watch.world.create_group(ACCOUNT, region, "web", Vpc::Other);
    watch.world.authorize(ACCOUNT, region, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let other = watch.event().to_string();
    // The first look is in eu-west-1. It and all later calls in that Region hang.
    for nth in [0, 2, 3, 4, 5, 6, 7, 8] {
        let kind = FaultKind::Slow(std::time::Duration::from_secs(60));
        watch.world.inject(Fault { action: Some(DESCRIBE.into()), nth, kind });
    }
    let answer = watch.deliver(&sqs(&[hanging, other])).await;
    let outcomes: Vec<_> = answer.findings.iter().map(judged).collect();
    assert_eq!(outcomes, [(Verdict::Undecided, Outcome::Failed), (Verdict::Exposed, Outcome::Reverted)]);
    assert_eq!(answer.failed, ["m0".to_owned()].into());
}

/// Every way in which a revoke can fail once, and the expected result.
#[tokio::test(start_paused = true)]
async fn a_revoke_that_goes_wrong_once_is_done_all_the_same() {
    let error = |code: &str| (503, code.to_owned(), "x".to_owned());
    let (status, code, message) = error("InternalError");
    for kind in [
        FaultKind::Throttle,
        FaultKind::LostBefore,
        FaultKind::LostAfter,
        FaultKind::Cut,
        FaultKind::MalformedXml,
        FaultKind::Slow(std::time::Duration::from_secs(20)),
        FaultKind::ErrorBefore { status, code: code.clone(), message: message.clone() },
        FaultKind::ErrorAfter { status, code, message },
    ] {
        let watch = enforcing().await;
        let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(443, "0.0.0.0/0")]);
        watch.world.inject(Fault::next(REVOKE, kind.clone()));
        let answer = watch.deliver(&event).await;
        assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"], "{kind:?}");
        assert_eq!(judged(&answer.findings[0]), (Verdict::Exposed, Outcome::Reverted), "{kind:?}");
        assert!(answer.failed.is_empty(), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_revoke_is_a_failure_that_is_told_and_tried_again() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    watch.world.deny(ACCOUNT, REVOKE);
    let answer = watch.deliver(&event).await;
    let finding = &answer.findings[0];
    assert_eq!(judged(finding), (Verdict::Exposed, Outcome::Failed));
    assert_eq!(finding.rules[0].action.error(), Some("UnauthorizedOperation"));
    assert!(finding.reason.ends_with("not taken back: UnauthorizedOperation"), "{}", finding.reason);
    assert_eq!((answer.failed.len(), watch.world.published().len()), (1, 1));
    watch.world.permit(ACCOUNT, REVOKE);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_someone_else_revokes_meanwhile_does_not_stop_the_others() {
    let watch = enforcing().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(3389, "0.0.0.0/0")]);
    let first = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter().find(|r| r.from_port == 22).unwrap();
    // The first look still shows a rule that is gone when the revoke arrives.
    watch.world.set_visibility_lag(Lag::None, Lag::Calls(1));
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&first.id]).unwrap();
    let finding = watch.finding(&event).await;
    assert!(watch.ingress().is_empty());
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(actions(&finding), ["already_gone", "revoked"], "and what another did is not claimed");
    assert_eq!(watch.ec2_calls(), [DESCRIBE, REVOKE, DESCRIBE, REVOKE]);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_refused_is_undecided_and_nothing_is_touched() {
    let watch = enforcing().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    watch.world.deny(ACCOUNT, DESCRIBE);
    let answer = watch.deliver(&event).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::Failed));
    assert!(answer.findings[0].reason.contains("UnauthorizedOperation"));
    assert_eq!((watch.ingress().len(), answer.failed.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_breaks_off_is_none() {
    for action in [DESCRIBE, "GetManagedPrefixListEntries"] {
        for kind in [FaultKind::MalformedXml, FaultKind::Cut] {
            let watch = enforcing().await;
            let entries = ["9.9.9.9/32", "0.0.0.0/1", "128.0.0.0/1"];
            let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &entries).unwrap();
            let event = watch.open(&[Permission::tcp(443, "0.0.0.0/0"), Permission::tcp(22, &list)]);
            watch.world.inject(Fault::next(action, kind.clone()));
            let answer = watch.deliver(&event).await;
            let finding = &answer.findings[0];
            let reported = finding.verdict == Verdict::Undecided && answer.failed.len() == 1;
            assert!(reported || finding.outcome == Outcome::Reverted, "{action} {kind:?}: {finding:#?}");
            watch.deliver(&event).await;
            assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"], "{action} {kind:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_fault_ends_before_the_deadline_as_a_failure() {
    let watch = enforcing().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    for nth in 0..40 {
        let kind = FaultKind::Slow(std::time::Duration::from_secs(60));
        watch.world.inject(Fault { action: Some(DESCRIBE.into()), nth, kind });
    }
    let started = tokio::time::Instant::now();
    let answer = watch.deliver(&event).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(30));
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::Failed));
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_look_and_one_revoke_for_a_group_and_only_what_failed_comes_again() {
    let watch = enforcing().await;
    let events = [22, 3389, 3306, 443].map(|port| watch.open(&[Permission::tcp(port, "0.0.0.0/0")]).to_string());
    let bodies = [events.to_vec(), vec!["{".to_owned()]].concat();
    let answer = watch.deliver(&sqs(&bodies)).await;
    assert_eq!(watch.ec2_calls(), [DESCRIBE, REVOKE]);
    assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"]);
    assert_eq!((answer.kind, answer.findings.len()), (Kind::ByItem, 5));
    assert_eq!(answer.failed, ["m4".to_owned()].into());
    let reverted = answer.findings.iter().filter(|finding| finding.outcome == Outcome::Reverted);
    assert_eq!(reverted.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_port_is_closed_however_long_every_look_takes() {
    for millis in [900, 1_100, 4_000] {
        for is_by_list in [false, true] {
            let watch = enforcing().await;
            let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &["0.0.0.0/1"]).unwrap();
            let event = watch.open(&[Permission::tcp(22, if is_by_list { &list } else { "0.0.0.0/0" })]);
            for nth in 0..100 {
                let kind = FaultKind::Slow(std::time::Duration::from_millis(millis));
                watch.world.inject(Fault { action: Some(DESCRIBE.into()), nth, kind });
            }
            let finding = watch.finding(&event).await;
            assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{millis} {is_by_list}: {finding:#?}");
            assert!(watch.ingress().is_empty());
            let describes = watch.ec2_calls().iter().filter(|call| *call == DESCRIBE).count();
            assert_eq!(describes, 1, "no second look is any younger");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_is_closed_however_long_every_look_takes() {
    let watch = enforcing().await;
    let event = omitted(watch.open(&[Permission::tcp(22, "0.0.0.0/0")]));
    for nth in 0..100 {
        let kind = FaultKind::Slow(std::time::Duration::from_millis(2_000));
        watch.world.inject(Fault { action: Some(DESCRIBE.into()), nth, kind });
    }
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert!(watch.ingress().is_empty());
    assert_eq!(watch.ec2_calls(), [DESCRIBE, DESCRIBE, REVOKE]);
}
