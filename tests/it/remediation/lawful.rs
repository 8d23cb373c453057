//! Lawful rules stay, whatever others do in the same group.

use std::time::Duration;

use ec2_model::{Actor, Fault, FaultKind, Permission};
use portcullis::domain::finding::{Outcome, Verdict};
use serde_json::json;

use super::{DESCRIBE, REVOKE, actions, judged};
use crate::harness::{ACCOUNT, REGION, Setup, Watch, enforcing};

fn tcp(port: i32, source: &str) -> Permission {
    Permission::tcp(port, source)
}

fn role(name: &str) -> Actor {
    Actor::Role { role: name.into(), session: "jo".into() }
}

/// A day later.
fn of_old(watch: &Watch) {
    watch.world.set_now(watch.world.now() + 86_400_000);
}

/// Takes out every rule on the port.
fn close(watch: &Watch, port: i32) {
    let rules = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter();
    let ids: Vec<String> = rules.filter(|rule| rule.from_port == port).map(|rule| rule.id).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &ids).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_left_in_a_standing_exposure_is_not_taken_for_a_later_call_once_it_is_lawful() {
    let watch = enforcing().await;
    watch.open(&[tcp(22, "8.0.0.0/8")]);
    of_old(&watch);
    let alice = watch.open(&[tcp(22, "50.0.0.0/9")]);
    assert_eq!(judged(&watch.finding(&alice).await), (Verdict::Exposed, Outcome::None));
    // The old exposure is closed, and what Alice made is half of the limit.
    let old = watch.world.rules(ACCOUNT, REGION, &watch.group);
    let old = old.iter().find(|rule| rule.source.text() == "8.0.0.0/8").unwrap();
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&old.id]).unwrap();
    watch.world.set_now(watch.world.now() + 300_000);
    let bob = watch.open(&[tcp(22, "60.0.0.0/10"), tcp(22, "61.0.0.0/10"), tcp(22, "62.0.0.0/10")]);
    assert_eq!(judged(&watch.finding(&bob).await), (Verdict::Exposed, Outcome::Reverted));
    let left = watch.ingress();
    assert_eq!((left[0].as_str(), left.len()), ("tcp 22-22 50.0.0.0/9", 2), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_without_rule_ids_is_believed_for_five_minutes_in_memory_too() {
    let policy = "version: 1\nexempt:\n- {reason: SEC-1, until: never, groups: [sg-0fff], principals: ['arn:aws:iam::*:role/BreakGlass']}";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    watch.open(&[tcp(22, "8.0.0.0/8")]);
    of_old(&watch);
    let mut by_permission = watch.open(&[tcp(22, "50.0.0.0/9")]);
    by_permission["detail"]["responseElements"] = json!({"_return": true});
    assert_eq!(judged(&watch.finding(&by_permission).await), (Verdict::Exposed, Outcome::None));
    // The rule goes, and somebody else makes the same one, so that it is another's by the time of the next event.
    close(&watch, 22);
    watch.world.set_now(watch.world.now() + 600_000);
    watch.open(&[tcp(22, "50.0.0.0/9"), tcp(22, "8.0.0.0/9")]);
    a_minute_later(&watch);
    let narrow = watch.open(&[tcp(22, "60.0.0.0/10")]);
    assert_eq!(judged(&watch.finding(&narrow).await), (Verdict::Exposed, Outcome::None));
    assert_eq!(watch.ingress().len(), 3);
}

/// A minute later.
fn a_minute_later(watch: &Watch) {
    watch.world.set_now(watch.world.now() + 60_000);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_the_port_is_open_without_is_not_said_to_be_gone() {
    let policy = "version: 1\nexempt:\n- {reason: SEC-1, until: never, sources: [48.0.0.0/6], principals: ['arn:aws:iam::*:role/BreakGlass']}";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    let event = watch.open(&[tcp(22, "8.0.0.0/9"), tcp(22, "9.0.0.0/9")]);
    watch.world.inject(Fault::next(REVOKE, FaultKind::Throttle));
    let exempt = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        watch.world.set_actor(role("BreakGlass"));
        watch.open(&[tcp(22, "50.0.0.0/7")]);
    };
    let (answer, ()) = tokio::join!(watch.deliver(&event), exempt);
    let finding = &answer.findings[0];
    assert_eq!((judged(finding), actions(finding)), ((Verdict::Exposed, Outcome::None), vec!["kept", "kept"]));
    assert_eq!(watch.ingress().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_cap_of_a_sweep_is_one_for_all_looks() {
    let policy = "version: 1\nsweep: {mode: enforce, max_revocations: 2}";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    watch.open(&[tcp(22, "0.0.0.0/0"), tcp(3389, "0.0.0.0/0")]);
    watch.world.inject(Fault::next(REVOKE, FaultKind::LostAfter));
    let more = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        watch.open(&[tcp(3306, "0.0.0.0/0"), tcp(5432, "0.0.0.0/0")]);
    };
    let sweep = json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}});
    let (answer, ()) = tokio::join!(watch.deliver(&sweep), more);
    assert_eq!(watch.ingress().len(), 2, "two went, and no more may");
    assert_eq!(judged(&answer.findings[0]), (Verdict::Exposed, Outcome::WouldRevert), "{:#?}", answer.findings[0]);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_while_rules_change_leaves_what_ec2_does_not_show_yet_undecided() {
    let watch = enforcing().await;
    watch.world.set_visibility_lag(ec2_model::Lag::Calls(1000), ec2_model::Lag::None);
    let event = watch.open(&[tcp(22, "0.0.0.0/0")]);
    watch.world.set_visibility_lag(ec2_model::Lag::None, ec2_model::Lag::None);
    let other = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        watch.open(&[tcp(3389, "0.0.0.0/0")]);
        tokio::time::sleep(Duration::from_millis(600)).await;
        watch.world.deny(ACCOUNT, DESCRIBE);
    };
    let (answer, ()) = tokio::join!(watch.deliver(&event), other);
    assert_eq!(watch.ingress(), ["tcp 22-22 0.0.0.0/0"]);
    assert_eq!(answer.failed.len(), 1, "{:#?}", answer.findings);
}

/// Whoever adds a narrow rule and takes it out again has no part in what has been open for long.
#[tokio::test(start_paused = true)]
async fn a_rule_that_came_and_went_beside_an_old_exposure_costs_one_look_unless_it_was_wide() {
    for (source, is_wide) in [("9.9.0.0/16", false), ("9.9.0.0/15", false), ("9.8.0.0/14", true), ("0.0.0.0/1", true)] {
        let watch = enforcing().await;
        watch.open(&[tcp(22, "0.0.0.0/0")]);
        watch.world.set_now(watch.world.now() + 86_400_000);
        let event = watch.open(&[tcp(22, source)]);
        let rule = watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap().id;
        watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&rule]).unwrap();
        watch.world.set_now(watch.world.now() + 60_000);
        let answer = watch.deliver(&event).await;
        let finding = &answer.findings[0];
        assert_eq!(finding.verdict, Verdict::Exposed, "{source}: it is told");
        assert_eq!(
            (watch.ec2_calls().len() > 1, !answer.failed.is_empty()),
            (is_wide, is_wide),
            "{source}: {finding:#?}"
        );
    }
}
