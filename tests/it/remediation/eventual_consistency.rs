//! Changes that EC2 does not show yet, shows too late, or shows differently the second time.

use ec2_model::{Actor, Fault, FaultKind, Lag, Permission, RuleChange};
use portcullis::domain::finding::{Outcome, Verdict};
use serde_json::{Value, json};

use super::{DESCRIBE, REVOKE, actions, judged};
use crate::harness::{ACCOUNT, REGION, Setup, enforcing, sqs};

#[tokio::test(start_paused = true)]
async fn a_late_event_does_not_touch_what_was_made_since() {
    let watch = enforcing().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let rule = watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap().id;
    let closed = RuleChange { rule, permission: Permission::tcp(22, "10.0.0.0/8") };
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &[closed]).unwrap();
    watch.world.set_now(watch.world.now() + 600_000);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Safe, Outcome::AlreadyGone));
    assert_eq!(watch.ingress(), ["tcp 22-22 10.0.0.0/8"]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_ec2_does_not_show_yet_is_waited_for() {
    let watch = enforcing().await;
    watch.world.set_visibility_lag(Lag::Calls(5), Lag::None);
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert!(watch.ingress().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_ec2_shows_already_is_taken_back_before_the_rest_is_waited_for() {
    let watch = enforcing().await;
    let first = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]).to_string();
    watch.world.set_visibility_lag(Lag::Calls(3), Lag::None);
    let second = watch.open(&[Permission::tcp(3389, "0.0.0.0/0")]).to_string();
    let answer = watch.deliver(&sqs(&[first, second])).await;
    assert!(answer.findings.iter().all(|finding| finding.outcome == Outcome::Reverted), "{:#?}", answer.findings);
    assert_eq!(watch.ec2_calls()[..2], [DESCRIBE, REVOKE]);
    assert!(watch.ingress().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_ec2_does_not_show_while_it_is_too_early_to_believe_that_it_is_gone_is_undecided() {
    let watch = enforcing().await;
    watch.world.set_visibility_lag(Lag::Calls(1000), Lag::None);
    let mut event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    event["detail"]["eventTime"] = Value::Null;
    let answer = watch.deliver(&event).await;
    assert_eq!(answer.findings[0].verdict, Verdict::Undecided, "{:#?}", answer.findings);
    assert_eq!(answer.failed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_was_made_lawful_between_two_attempts_is_not_revoked() {
    for kind in [FaultKind::Throttle, FaultKind::LostBefore] {
        let watch = enforcing().await;
        let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
        let rule = watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap().id;
        watch.world.inject(Fault::next(REVOKE, kind.clone()));
        let owner = async {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            let closed = RuleChange { rule: rule.clone(), permission: Permission::tcp(22, "10.0.0.0/8") };
            watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &[closed]).unwrap();
        };
        let (answer, ()) = tokio::join!(watch.deliver(&event), owner);
        assert_eq!(watch.ingress(), ["tcp 22-22 10.0.0.0/8"], "{kind:?}");
        let finding = &answer.findings[0];
        assert_eq!(judged(finding), (Verdict::Exposed, Outcome::AlreadyGone), "{kind:?}: {finding:#?}");
        assert!(!finding.reason.contains("is open"), "{}", finding.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_event_does_not_claim_a_rule_that_another_change_has_made_since() {
    let policy = "version: 1\nexempt:\n- {reason: SEC-1, until: never, principals: ['arn:aws:iam::*:role/BreakGlass']}";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    let late = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let rule = watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap().id;
    watch.world.set_actor(Actor::Role { role: "BreakGlass".into(), session: "jo".into() });
    let lawful = RuleChange { rule, permission: Permission::tcp(3389, "0.0.0.0/0") };
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &[lawful]).unwrap();
    assert_eq!(watch.finding(&watch.event()).await.verdict, Verdict::Exempt);
    watch.world.set_now(watch.world.now() + 120_000);
    let finding = watch.finding(&late).await;
    assert_eq!(watch.ingress(), ["tcp 3389-3389 0.0.0.0/0"]);
    assert!(finding.exposures.iter().all(|exposure| exposure.standing), "{finding:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_only_the_second_look_shows_is_told_as_well() {
    let watch = enforcing().await;
    watch.world.deny(ACCOUNT, REVOKE);
    let first = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]).to_string();
    let mut second = watch.open(&[Permission::tcp(3389, "0.0.0.0/0")]);
    watch.world.permit(ACCOUNT, REVOKE);
    // The second record is too old to be waited for, and EC2 shows its rule late.
    second["detail"]["eventTime"] = json!("2026-01-01T00:00:00Z");
    let rule = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter().find(|r| r.from_port == 3389).unwrap().id;
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&rule]).unwrap();
    watch.world.set_visibility_lag(Lag::Calls(1), Lag::None);
    let late = watch.open(&[Permission::tcp(3389, "0.0.0.0/0")]);
    second["detail"]["responseElements"] = late["detail"]["responseElements"].clone();
    watch.world.inject(Fault::next(REVOKE, FaultKind::LostBefore));
    let answer = watch.deliver(&sqs(&[first, second.to_string()])).await;
    assert!(watch.ingress().is_empty());
    let outcomes: Vec<Outcome> = answer.findings.iter().map(|finding| finding.outcome).collect();
    assert_eq!(outcomes, [Outcome::Reverted, Outcome::Reverted], "{:#?}", answer.findings);
    assert_eq!(actions(&answer.findings[1]), ["revoked"]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_a_second_look_cannot_decide_is_not_said_to_be_gone() {
    let watch = enforcing().await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &["0.0.0.0/1"]).unwrap();
    let event = watch.open(&[Permission::tcp(22, &list)]);
    watch.world.inject(Fault::next(REVOKE, FaultKind::LostBefore));
    let kind = FaultKind::Denied;
    watch.world.inject(Fault { action: Some("GetManagedPrefixListEntries".into()), nth: 1, kind });
    let answer = watch.deliver(&event).await;
    let finding = &answer.findings[0];
    assert_eq!((judged(finding), actions(finding)), ((Verdict::Exposed, Outcome::Failed), vec!["failed"]));
    assert_eq!((watch.ingress().len(), answer.failed.len()), (1, 1));
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
}

#[tokio::test(start_paused = true)]
async fn a_change_does_not_come_of_age_while_an_answer_is_under_way() {
    let watch = enforcing().await;
    watch.world.set_visibility_lag(Lag::Calls(1), Lag::None);
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    // The look starts 17 seconds after the change, and its answer arrives 4 seconds later.
    watch.world.set_now(watch.world.now() + 17_000);
    watch.world.inject(Fault::next(DESCRIBE, FaultKind::Slow(std::time::Duration::from_secs(4))));
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert!(watch.ingress().is_empty());
}
