//! From the event to the revoked rule, on the model.

use std::time::Duration;

use ec2_model::{Actor, Direction, Fault, FaultKind, Lag, Permission, RuleChange, Vpc};
use portcullis::config::{Accounts, MemberRole};
use portcullis::domain::finding::{Finding, Outcome, Verdict};
use portcullis::domain::ids::AccountId;
use portcullis::domain::policy::Mode;
use portcullis::envelope::Kind;
use portcullis::pipeline::{self, Invocation};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Setup, TOPIC, Watch, enforcing, sqs};

const DESCRIBE: &str = "DescribeSecurityGroupRules";
const REVOKE: &str = "RevokeSecurityGroupIngress";

fn judged(finding: &Finding) -> (Verdict, Outcome) {
    (finding.verdict, finding.outcome)
}

fn actions(finding: &Finding) -> Vec<&'static str> {
    finding.rules.iter().map(|rule| rule.action).collect()
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
async fn every_way_to_write_the_whole_internet_is_taken_back() {
    for permissions in [
        vec![Permission::tcp(22, "1.2.3.4/0")],
        vec![Permission::new("tcp", 22, 22, &["0.0.0.0/1", "128.0.0.0/1"])],
        vec![Permission::tcp(3389, "::/0")],
        vec![Permission::tcp(3389, "2000::/3")],
        vec![Permission::new("tcp", 20, 25, &["0.0.0.0/0"])],
        vec![Permission::new("6", 0, 65535, &["0.0.0.0/0"])],
        vec![Permission::all("0.0.0.0/0")],
        vec![Permission::new("-1", 0, 0, &["::/0"])],
        vec![Permission::new("udp", 3389, 3389, &["0.0.0.0/0"])],
        vec![Permission::new("tcp", 1433, 3306, &["8.0.0.0/6"])],
        vec![Permission::tcp(22, "8.0.0.0/9"), Permission::tcp(22, "8.128.0.0/9")],
    ] {
        let watch = enforcing().await;
        let event = watch.open(&permissions);
        let finding = watch.finding(&event).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{permissions:?}");
        assert!(watch.ec2_calls().len() <= 2);
        let left = watch.ingress();
        assert!(left.iter().all(|rule| rule.contains("/9")) && left.len() < 2, "{permissions:?}: {left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_named_only_by_name_is_found() {
    let watch = Setup { vpc: Vpc::Default, ..Setup::default() }.start().await;
    watch.world.authorize(ACCOUNT, REGION, "web", &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let event = watch.event();
    assert!(event.pointer("/detail/requestParameters/groupId").is_none());
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.ec2_calls(), [DESCRIBE, REVOKE], "its id is in the answer");

    watch.world.authorize(ACCOUNT, REGION, "web", &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let mut event = watch.event();
    event["detail"]["responseElements"] = json!({"_return": true});
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert!(watch.ingress().is_empty(), "an older record lists no rules and no id");
}

#[tokio::test(start_paused = true)]
async fn the_legacy_flat_call_is_read() {
    let watch = enforcing().await;
    let permission = Permission::tcp(22, "0.0.0.0/0");
    watch.world.authorize_flat(ACCOUNT, REGION, &watch.group, &permission).unwrap();
    let event = watch.event();
    assert_eq!(event.pointer("/detail/requestParameters/cidrIp"), Some(&json!("0.0.0.0/0")));
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
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
async fn a_split_over_two_calls_is_taken_back_when_it_reaches_the_limit() {
    let watch = enforcing().await;
    let first = watch.open(&[Permission::tcp(22, "8.0.0.0/9")]);
    assert_eq!(judged(&watch.finding(&first).await), (Verdict::Safe, Outcome::None), "half a /8 is not the internet");
    let second = watch.open(&[Permission::tcp(22, "8.128.0.0/9")]);
    assert_eq!(judged(&watch.finding(&second).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.ingress(), ["tcp 22-22 8.0.0.0/9"]);
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
    // It is looked at again for three seconds, less often each time, and never written to.
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
    // And the time that is told is that of the revoke, not of the last look.
    let told = finding.done_at.unwrap().as_millisecond() - watch.world.now();
    assert!(told < 500 && begun.elapsed() > Duration::from_secs(2), "{told} ms, {:?}", begun.elapsed());
}

/// Two deliveries about one group are under way at once. The first sees the port open to all, as it was opened by the
/// other's change; a second later the other is at work.
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
    // As soon as can be, and for the second time, a minute later.
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
async fn a_second_delivery_is_harmless() {
    let watch = enforcing().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    watch.deliver(&event).await;
    let again = watch.deliver(&event).await;
    assert_eq!(judged(&again.findings[0]), (Verdict::Safe, Outcome::AlreadyGone));
    assert!(again.failed.is_empty());
    watch.world.delete_group(ACCOUNT, REGION, &watch.group).unwrap();
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Safe, Outcome::AlreadyGone));
}

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
        assert_eq!(judged(finding), (Verdict::Safe, Outcome::AlreadyGone), "{kind:?}: {finding:#?}");
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
    // The first look is that of eu-west-1; it and all that follow in that Region hang.
    for nth in [0, 2, 3, 4, 5, 6, 7, 8] {
        let kind = FaultKind::Slow(std::time::Duration::from_secs(60));
        watch.world.inject(Fault { action: Some(DESCRIBE.into()), nth, kind });
    }
    let answer = watch.deliver(&sqs(&[hanging, other])).await;
    let outcomes: Vec<_> = answer.findings.iter().map(judged).collect();
    assert_eq!(outcomes, [(Verdict::Undecided, Outcome::Failed), (Verdict::Exposed, Outcome::Reverted)]);
    assert_eq!(answer.failed, ["m0".to_owned()].into());
}

#[tokio::test(start_paused = true)]
async fn a_group_with_more_rules_than_a_page_is_seen_whole() {
    let watch = enforcing().await;
    watch.world.set_rules_per_group(5000);
    let many: Vec<Permission> = (0..1200).map(|n| Permission::tcp(10_000 + n, "9.9.9.9/32")).collect();
    watch.open(&many);
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.ec2_calls(), [DESCRIBE, DESCRIBE, REVOKE]);
}

/// The event of a call so large that CloudTrail left out what was asked and what was answered.
fn omitted(mut event: Value) -> Value {
    let omitted = json!({"reason": "requestParameters too large", "omitted": true, "originalSize": 131_072});
    event["detail"]["requestParameters"] = omitted.clone();
    event["detail"]["responseElements"] = omitted;
    event
}

#[tokio::test(start_paused = true)]
async fn an_event_that_leaves_out_what_was_changed_makes_the_whole_region_looked_at_by_the_sweeps_rules() {
    for (policy, outcome) in
        [("version: 1", Outcome::WouldRevert), ("version: 1\nsweep: {mode: enforce}", Outcome::Reverted)]
    {
        let watch = Setup { policy, ..Setup::default() }.start().await;
        watch.open(&[Permission::tcp(443, "0.0.0.0/0")]);
        let other = watch.world.create_group(ACCOUNT, REGION, "other", Vpc::Other);
        watch.world.authorize(ACCOUNT, REGION, &other, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
        let finding = watch.finding(&omitted(watch.event())).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, outcome));
        assert_eq!(finding.group, Some(other));
        assert_eq!(watch.ingress().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn past_the_sweeps_cap_it_only_alerts() {
    let policy = "version: 1\nsweep: {mode: enforce, max_revocations: 2}";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    for n in 0..5 {
        let group = watch.world.create_group(ACCOUNT, REGION, &format!("g{n}"), Vpc::Other);
        watch.world.authorize(ACCOUNT, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    }
    let answer = watch.deliver(&omitted(watch.event())).await;
    let count = |outcome| answer.findings.iter().filter(|finding| finding.outcome == outcome).count();
    assert_eq!((count(Outcome::Reverted), count(Outcome::WouldRevert)), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_is_judged_by_its_entries_and_undecided_when_they_cannot_be_read() {
    for (entries, verdict) in
        [(["0.0.0.0/1", "128.0.0.0/1"], Verdict::Exposed), (["203.0.113.0/24", "9.9.9.0/24"], Verdict::Safe)]
    {
        let watch = enforcing().await;
        let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &entries).unwrap();
        let event = watch.open(&[Permission::tcp(22, &list)]);
        assert_eq!(watch.finding(&event).await.verdict, verdict, "{entries:?}");
        assert_eq!(watch.ingress().is_empty(), verdict == Verdict::Exposed);
    }
    let watch = enforcing().await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &["0.0.0.0/0"]).unwrap();
    let event = watch.open(&[Permission::tcp(22, &list), Permission::tcp(3389, "0.0.0.0/0")]);
    watch.world.deny(ACCOUNT, "GetManagedPrefixListEntries");
    let answer = watch.deliver(&event).await;
    let finding = &answer.findings[0];
    assert_eq!(judged(finding), (Verdict::Exposed, Outcome::Reverted), "what can be decided is done");
    assert_eq!(answer.failed.len(), 1, "and what cannot is tried again");
    let metrics = lines(&watch).pop().unwrap();
    assert_eq!((&metrics["Undecided"], &metrics["Reverted"]), (&json!(1), &json!(1)));
    assert!(finding.reason.contains("UnauthorizedOperation"), "{}", finding.reason);
    assert_eq!(watch.ingress().len(), 1);
    let event = watch.open(&[Permission::tcp(3306, &list)]);
    let answer = watch.deliver(&event).await;
    assert_eq!(answer.findings[0].verdict, Verdict::Undecided);
    assert_eq!(answer.failed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_exemption_is_told_and_nothing_is_touched() {
    let policy = "version: 1\nexempt:\n- {reason: 'bastion, SEC-1', until: never, principals: ['arn:aws:iam::*:role/BreakGlass']}";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    watch.world.set_actor(Actor::Role { role: "BreakGlass".into(), session: "jo".into() });
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let finding = watch.finding(&event).await;
    assert_eq!(judged(&finding), (Verdict::Exempt, Outcome::None));
    assert_eq!(finding.reason, "exempt: bastion, SEC-1");
    assert_eq!(watch.ingress().len(), 1);
    let other = watch.world.create_group(ACCOUNT, REGION, "other", Vpc::Other);
    watch.world.authorize(ACCOUNT, REGION, &other, &[Permission::tcp(22, "9.9.9.9/32")]).unwrap();
    assert_eq!(watch.finding(&watch.event()).await.verdict, Verdict::Safe, "what exposes nothing needs no exemption");
}

#[tokio::test(start_paused = true)]
async fn an_exemption_by_vpc_is_looked_up_and_a_failed_look_up_exempts_nothing_and_touches_nothing() {
    let policy = "version: 1\nexempt:\n- {reason: lab, until: never, vpcs: [vpc-0]}";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    watch.world.deny(ACCOUNT, "DescribeSecurityGroups");
    let answer = watch.deliver(&event).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::Failed));
    assert_eq!((watch.ingress().len(), answer.failed.len()), (1, 1));
    watch.world.permit(ACCOUNT, "DescribeSecurityGroups");
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_vpc_is_not_listed_yet_is_not_judged_as_if_it_had_none() {
    let policy = "version: 1\nscopes: [{mode: alert, vpcs: [vpc-0]}]";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    watch.world.set_visibility_lag(Lag::Calls(1000), Lag::None);
    let group = watch.world.create_group(ACCOUNT, REGION, "new", Vpc::Other);
    watch.world.set_visibility_lag(Lag::None, Lag::None);
    watch.world.authorize(ACCOUNT, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let answer = watch.deliver(&watch.event()).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::Failed), "{:#?}", answer.findings);
    assert!(answer.findings[0].reason.contains("its VPC is not listed"), "{}", answer.findings[0].reason);
    assert!(!watch.ec2_calls().contains(&REVOKE.to_owned()));
}

/// Every way in which the revoke can go wrong once, and what must come of it.
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
    assert_eq!(finding.rules[0].error.as_deref(), Some("UnauthorizedOperation"));
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
    // The first look still shows a rule that is gone by the time of the revoke.
    watch.world.set_visibility_lag(Lag::None, Lag::Calls(1));
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&first.id]).unwrap();
    let finding = watch.finding(&event).await;
    assert!(watch.ingress().is_empty());
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(actions(&finding), ["already_gone", "revoked"], "and what another did is not claimed");
    assert_eq!(watch.ec2_calls(), [DESCRIBE, REVOKE, DESCRIBE, REVOKE]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_only_the_second_look_shows_is_told_as_well() {
    let watch = enforcing().await;
    watch.world.deny(ACCOUNT, REVOKE);
    let first = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]).to_string();
    let mut second = watch.open(&[Permission::tcp(3389, "0.0.0.0/0")]);
    watch.world.permit(ACCOUNT, REVOKE);
    // The second record is old enough not to be waited for, and EC2 shows its rule late.
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
            let told = finding.verdict == Verdict::Undecided && answer.failed.len() == 1;
            assert!(told || finding.outcome == Outcome::Reverted, "{action} {kind:?}: {finding:#?}");
            watch.deliver(&event).await;
            assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"], "{action} {kind:?}");
        }
    }
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
    assert_eq!((judged(finding), actions(finding)), ((Verdict::Undecided, Outcome::Failed), vec!["failed"]));
    assert_eq!((watch.ingress().len(), answer.failed.len()), (1, 1));
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
}

#[tokio::test(start_paused = true)]
async fn a_change_does_not_come_of_age_while_an_answer_is_under_way() {
    let watch = enforcing().await;
    watch.world.set_visibility_lag(Lag::Calls(1), Lag::None);
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    // The look comes 17 seconds after the change, and its answer 4 seconds later.
    watch.world.set_now(watch.world.now() + 17_000);
    watch.world.inject(Fault::next(DESCRIBE, FaultKind::Slow(std::time::Duration::from_secs(4))));
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert!(watch.ingress().is_empty());
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
async fn an_event_of_another_account_is_refused_without_a_call() {
    let watch = enforcing().await;
    let group = watch.world.create_group("999988887777", REGION, "theirs", Vpc::Other);
    watch.world.authorize("999988887777", REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let event = watch.event();
    let answer = watch.deliver(&event).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::None));
    assert!(answer.findings[0].reason.contains("account 999988887777 is not one"), "{}", answer.findings[0].reason);
    assert!(watch.world.calls().is_empty());
    let mut forged = event;
    forged["account"] = json!(ACCOUNT);
    let answer = watch.deliver(&forged).await;
    assert!(answer.findings[0].reason.contains("refused"), "{}", answer.findings[0].reason);
    assert!(watch.world.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_function_that_does_not_know_its_own_account_calls_nobody() {
    let watch = Setup { accounts: Accounts::Any, ..Setup::default() }.start().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    let answer = pipeline::handle(&watch.context, &event, &Invocation { identity: None, deadline }).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::None));
    assert_eq!(answer.findings[0].reason, "the function's own account is not known: its ARN names none");
    assert!(watch.world.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_member_account_is_guarded_through_its_role() {
    let member = "444455556666";
    let accounts = Accounts::Listed([AccountId::parse(member).unwrap()].into());
    let role = MemberRole { name: "PortcullisMember".into(), external_id: Some("org-1".into()) };
    let watch = Setup { accounts, member_role: Some(role), ..Setup::default() }.start().await;
    watch.world.set_now(portcullis::now().as_millisecond());
    watch.world.allow_role(member, "PortcullisMember", Some("org-1"));
    let group = watch.world.create_group(member, "us-east-1", "theirs", Vpc::Other);
    watch.world.authorize(member, "us-east-1", &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let event = watch.event();
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.world.rules(member, "us-east-1", &group).len(), 1, "its egress rule");
    let calls: Vec<_> = watch.world.calls().into_iter().map(|call| (call.account, call.action)).collect();
    let expected = [(ACCOUNT, "AssumeRole"), (member, DESCRIBE), (member, REVOKE)];
    assert_eq!(calls, expected.map(|(account, action)| (account.to_owned(), action.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn in_alert_mode_a_member_role_is_assumed_for_looking_only() {
    for (mode, may_revoke) in [(Mode::Alert, false), (Mode::Enforce, true)] {
        let member = "444455556666";
        let role = MemberRole { name: "PortcullisMember".into(), external_id: None };
        let watch = Setup { mode, accounts: Accounts::Any, member_role: Some(role), ..Setup::default() }.start().await;
        watch.world.set_now(portcullis::now().as_millisecond());
        watch.world.allow_role(member, "PortcullisMember", None);
        let group = watch.world.create_group(member, REGION, "theirs", Vpc::Other);
        watch.world.authorize(member, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
        watch.deliver(&watch.event()).await;
        let calls = watch.world.calls();
        let policy = calls.iter().find(|call| call.action == "AssumeRole").unwrap().param("Policy");
        assert_eq!(policy.is_none(), may_revoke);
        assert!(policy.is_none_or(|policy| policy.contains("ec2:Describe") && !policy.contains("Revoke")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_be_assumed_is_a_failure_with_awss_code() {
    let member = "444455556666";
    let role = MemberRole { name: "PortcullisMember".into(), external_id: None };
    let watch = Setup { accounts: Accounts::Any, member_role: Some(role), ..Setup::default() }.start().await;
    let group = watch.world.create_group(member, REGION, "theirs", Vpc::Other);
    watch.world.authorize(member, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let event = watch.event();
    let answer = watch.deliver(&event).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::Failed));
    assert!(answer.findings[0].reason.starts_with("AssumeRole: AccessDenied: "), "{}", answer.findings[0].reason);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_told_and_the_next_event_works() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    let bad_cidr = json!({"groupId": watch.group, "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": {"items": [{"cidrIp": "300.0.0.0/0"}]}}]}});
    let mut event = watch.open(&[Permission::tcp(443, "0.0.0.0/0")]);
    event["detail"]["requestParameters"] = bad_cidr;
    event["detail"]["responseElements"] = Value::Null;
    for (payload, reason) in [
        (event, "requestParameters.ipPermissions[0].ipRanges.cidrIp: `300.0.0.0/0` is no CIDR block"),
        (json!(null), "the delivery is `null`"),
        (json!({}), "the delivery is `{}`"),
        (json!("x"), "the delivery is"),
        (json!({"Records": "x"}), "the delivery is"),
        (json!({"detail-type": "AWS API Call via CloudTrail", "detail": null}), "the record is `null`"),
        (json!({"detail-type": "AWS API Call via CloudTrail", "detail": {"eventSource": 5}}), "eventSource is `5`"),
        (
            json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": ""}]}),
            "the SQS message's body is no JSON",
        ),
    ] {
        let answer = watch.deliver(&payload).await;
        assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::None), "{payload}");
        assert!(answer.findings[0].reason.contains(reason), "{}", answer.findings[0].reason);
        assert_eq!(answer.failed.len(), 1);
    }
    assert!(watch.ec2_calls().is_empty());
    assert_eq!(watch.world.published().len(), 8, "every one is alerted");
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
}

#[tokio::test(start_paused = true)]
async fn people_hear_of_it_in_the_form_that_their_subscription_wants() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let finding = watch.finding(&event).await;
    let published = watch.world.published().pop().unwrap();
    assert_eq!((published.topic.as_str(), published.message_structure.as_deref()), (TOPIC, Some("json")));
    let attributes: Vec<(&str, &str)> = published.attributes.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    for expected in [("verdict", "exposed"), ("outcome", "reverted"), ("account", ACCOUNT), ("region", REGION)] {
        assert!(attributes.contains(&expected), "{attributes:?}");
    }
    let texts: Value = serde_json::from_str(&published.message).unwrap();
    let machine: Value = serde_json::from_str(texts["sqs"].as_str().unwrap()).unwrap();
    assert_eq!(machine, serde_json::to_value(&finding).unwrap());
    assert_eq!(texts["lambda"], texts["sqs"]);
    assert!(texts["email"].as_str().unwrap().contains("tcp 22 (ssh) was open to 3702258432 public addresses"));
    let chat: Value = serde_json::from_str(texts["https"].as_str().unwrap()).unwrap();
    assert_eq!((&chat["version"], &chat["source"]), (&json!("1.0"), &json!("custom")));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_fails_hides_nothing_and_is_counted() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    watch.world.deny(ACCOUNT, "Publish");
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let answer = watch.deliver(&event).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Exposed, Outcome::Reverted));
    assert!(answer.failed.is_empty() && watch.ingress().is_empty());
    let lines = lines(&watch);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["outcome"], "reverted");
    assert_eq!((&lines[1]["PublishFailed"], &lines[1]["Reverted"]), (&json!(1), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_hangs_holds_up_no_work() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    for nth in 0..100 {
        let kind = FaultKind::Slow(std::time::Duration::from_secs(60));
        watch.world.inject(Fault { action: Some("Publish".into()), nth, kind });
    }
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]).to_string();
    let answer = watch.deliver(&sqs(&["not json".to_owned(), event])).await;
    assert_eq!(judged(&answer.findings[1]), (Verdict::Exposed, Outcome::Reverted));
    assert!(watch.ingress().is_empty());
    let metrics = lines(&watch).pop().unwrap();
    assert_eq!(metrics["PublishFailed"], json!(2));
    assert!(metrics["ExposureMillis"][0].as_i64().unwrap() < 1000, "{metrics}");
}

fn lines(watch: &Watch) -> Vec<Value> {
    watch.lines.lock().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}
