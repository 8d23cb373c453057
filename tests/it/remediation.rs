//! From the event to the revoked rule, on the model.

mod eventual_consistency;
mod facts;
mod fresh;
mod later_look;
mod two_deliveries;
mod failures;
mod lawful;
mod member_accounts;
mod reporting;

use std::time::Duration;

use ec2_model::{Direction, Permission, RuleChange, Vpc};
use portcullis::domain::finding::{Finding, Outcome, Verdict};
use portcullis::domain::policy::Mode;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Setup, Watch, enforcing, sqs};

const DESCRIBE: &str = "DescribeSecurityGroupRules";
const REVOKE: &str = "RevokeSecurityGroupIngress";

fn judged(finding: &Finding) -> (Verdict, Outcome) {
    (finding.verdict, finding.outcome)
}

fn actions(finding: &Finding) -> Vec<&'static str> {
    finding.rules.iter().map(|rule| rule.action.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn ssh_opened_to_the_world_is_taken_back_with_two_calls_and_https_is_kept() {
    let watch = enforcing().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(443, "0.0.0.0/0")]);
    let finding = watch.finding(&event).await;
    assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"]);
    assert_eq!(watch.ec2_calls(), [DESCRIBE, REVOKE]);
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(finding.reason, "tcp 22 (ssh) was open to 3702258432 public addresses");
    assert_eq!(actions(&finding), ["revoked", "kept"]);
}

#[tokio::test(start_paused = true)]
async fn a_harmless_event_costs_no_call() {
    let watch = enforcing().await;
    for permission in [
        Permission::tcp(443, "0.0.0.0/0"),
        Permission::tcp(22, "10.0.0.0/8"),
        Permission::new("icmp", 3, 22, &["0.0.0.0/0"]),
        Permission::new("udp", 22, 22, &["0.0.0.0/0"]),
        Permission::new("47", -1, -1, &["0.0.0.0/0"]),
        Permission::tcp(22, &watch.group),
    ] {
        let event = watch.open(&[permission]);
        let finding = watch.finding(&event).await;
        assert_eq!(judged(&finding), (Verdict::Safe, Outcome::None), "{}", finding.reason);
    }
    assert!(watch.world.calls().is_empty());
    assert_eq!(watch.ingress().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_named_by_name_needs_no_further_call_when_the_answer_lists_its_id() {
    let watch = Setup { vpc: Vpc::Default, ..Setup::default() }.start().await;
    watch.world.authorize(ACCOUNT, REGION, "web", &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let event = watch.event();
    assert!(event.pointer("/detail/requestParameters/groupId").is_none());
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.ec2_calls(), [DESCRIBE, REVOKE]);
}

#[tokio::test(start_paused = true)]
async fn a_modified_rule_is_taken_back_and_a_modified_egress_rule_is_none_of_ours() {
    let watch = enforcing().await;
    watch.open(&[Permission::tcp(22, "10.0.0.0/8")]);
    let rules = watch.world.rules(ACCOUNT, REGION, &watch.group);
    let change = |direction, permission: Permission| {
        let rule = rules.iter().find(|rule| rule.direction == direction).unwrap().id.clone();
        RuleChange { rule, permission }
    };
    let both = [
        change(Direction::Ingress, Permission::tcp(22, "0.0.0.0/0")),
        change(Direction::Egress, Permission::tcp(22, "0.0.0.0/0")),
    ];
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &both).unwrap();
    let event = watch.event();
    let finding = watch.finding(&event).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted));
    assert!(watch.ingress().is_empty());
    let egress = watch.world.rules(ACCOUNT, REGION, &watch.group);
    assert_eq!(egress.len(), 1, "the egress rule stays: {egress:?}");

    let egress = [change(Direction::Egress, Permission::tcp(3389, "0.0.0.0/0"))];
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &egress).unwrap();
    let event = watch.event();
    assert_eq!(watch.finding(&event).await.verdict, Verdict::Safe);
}

#[tokio::test(start_paused = true)]
async fn a_standing_exposure_is_reported_and_left() {
    let watch = enforcing().await;
    watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let event = watch.open(&[Permission::tcp(22, "198.18.0.0/16"), Permission::tcp(22, "9.9.9.9/32")]);
    let finding = watch.finding(&event).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::None));
    assert!(finding.reason.contains("even without this change: left as it is"), "{}", finding.reason);
    assert_eq!(watch.ingress().len(), 3);
    // The function describes the group again for three seconds, less often each time, and revokes nothing.
    let calls = watch.ec2_calls();
    assert!((4..=8).contains(&calls.len()) && calls.iter().all(|call| call == DESCRIBE), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn what_must_go_goes_at_once_whatever_else_is_looked_at_again() {
    let watch = enforcing().await;
    watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let event = watch.open(&[Permission::tcp(22, "9.9.9.9/32"), Permission::tcp(3389, "0.0.0.0/0")]);
    let begun = tokio::time::Instant::now();
    let finding = watch.finding(&event).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.ec2_calls()[..2], [DESCRIBE, REVOKE]);
    // The reported time is that of the revoke, not of the last look.
    let reported = finding.done_at.unwrap().as_millisecond() - watch.world.now();
    assert!(reported < 500 && begun.elapsed() > Duration::from_secs(2), "{reported} ms, {:?}", begun.elapsed());
}

/// Two deliveries about one group are under way at once. The first finds the port open through the other's change. A
/// second later the other one starts.
async fn beside_an_open_port(first: Permission, age: i64) -> (Watch, [Finding; 2]) {
    let watch = enforcing().await;
    watch.open(&[Permission::tcp(22, "8.0.0.0/9")]);
    let all = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let first = watch.open(&[first]);
    watch.world.set_now(watch.world.now() + age);
    let later = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        watch.finding(&all).await
    };
    let (first, all) = tokio::join!(watch.finding(&first), later);
    (watch, [first, all])
}

#[tokio::test(start_paused = true)]
async fn a_half_beside_what_another_delivery_takes_back_is_no_standing_exposure() {
    // Once as early as possible, and once a minute later.
    for age in [0, 60_000] {
        let (watch, findings) = beside_an_open_port(Permission::tcp(22, "8.128.0.0/9"), age).await;
        for finding in &findings {
            assert_eq!(judged(finding), (Verdict::Exposed, Outcome::Reverted));
        }
        assert_eq!(watch.ingress(), ["tcp 22-22 8.0.0.0/9"]);
        assert_eq!(findings[0].reason, "tcp 22 (ssh) was open to 16777216 public addresses");
        assert!(findings[0].exposures.iter().all(|exposure| !exposure.standing));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lawful_rule_beside_what_another_delivery_takes_back_is_told_as_safe() {
    let (watch, [lawful, all]) = beside_an_open_port(Permission::tcp(22, "9.9.9.9/32"), 0).await;
    assert_eq!(judged(&all), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(judged(&lawful), (Verdict::Safe, Outcome::None), "{}", lawful.reason);
    assert_eq!(watch.ingress(), ["tcp 22-22 8.0.0.0/9", "tcp 22-22 9.9.9.9/32"]);
}

#[tokio::test(start_paused = true)]
async fn a_contest_takes_three_seconds_and_an_invocation_no_more_than_ten_for_all_of_them() {
    let watch = enforcing().await;
    let groups: Vec<String> =
        (0..60).map(|n| watch.world.create_group(ACCOUNT, REGION, &format!("g{n}"), Vpc::Other)).collect();
    let mut bodies = Vec::new();
    for group in &groups {
        watch.world.authorize(ACCOUNT, REGION, group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
        watch.world.authorize(ACCOUNT, REGION, group, &[Permission::tcp(22, "9.9.9.9/32")]).unwrap();
        bodies.push(watch.event().to_string());
    }
    for (count, most) in [(1, 5), (60, 15)] {
        let begun = tokio::time::Instant::now();
        let answer = watch.deliver(&sqs(&bodies[..count])).await;
        assert!(begun.elapsed() < Duration::from_secs(most), "{:?}", begun.elapsed());
        assert!(answer.failed.is_empty());
        for finding in &answer.findings {
            assert_eq!(judged(finding), (Verdict::Exposed, Outcome::None));
        }
    }
    assert!(watch.ec2_calls().iter().all(|call| call == DESCRIBE));
}

#[tokio::test(start_paused = true)]
async fn alert_mode_is_the_same_path_without_the_write() {
    for (function, policy) in [(Mode::Alert, "version: 1"), (Mode::Enforce, "version: 1\nmode: alert")] {
        let watch = Setup { mode: function, policy, ..Setup::default() }.start().await;
        let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
        let finding = watch.finding(&event).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::WouldRevert));
        assert_eq!((finding.mode, actions(&finding)), (Mode::Alert, vec!["would_revoke"]));
        assert_eq!((watch.ingress().len(), watch.ec2_calls()), (1, vec![DESCRIBE.to_owned()]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_deleted_group_needs_nothing() {
    let watch = enforcing().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    watch.deliver(&event).await;
    let again = watch.deliver(&event).await;
    assert_eq!(judged(&again.findings[0]), (Verdict::Safe, Outcome::AlreadyGone));
    assert!(again.failed.is_empty());
    watch.world.delete_group(ACCOUNT, REGION, &watch.group).unwrap();
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Safe, Outcome::AlreadyGone));
}

/// The event of a call so large that CloudTrail omitted its parameters and its answer.
fn omitted(mut event: Value) -> Value {
    let omitted = json!({"reason": "requestParameters too large", "omitted": true, "originalSize": 131_072});
    event["detail"]["requestParameters"] = omitted.clone();
    event["detail"]["responseElements"] = omitted;
    event
}

fn lines(watch: &Watch) -> Vec<Value> {
    watch.lines.lock().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}
