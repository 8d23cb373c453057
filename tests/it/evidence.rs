//! The evidence of what was done: that there is one of each act, that it tells everything, and that a shelf that fails
//! delays and prevents nothing.

use std::time::Duration;

use ec2_model::{Fault, FaultKind, Permission};
use portcullis::domain::evidence::{ActOutcome, ConfirmedBy, Evidence, Kind};
use portcullis::domain::finding::{Action, Outcome, Verdict};
use portcullis::domain::policy::Mode;

use crate::harness::{ACCOUNT, EVIDENCE, REGION, Setup, Watch, enforcing, replayed};

fn everyone(port: i32) -> Permission {
    Permission::tcp(port, "0.0.0.0/0")
}

/// Opens another group, so that nothing looks like a fight. Returns the event.
fn open_another(watch: &Watch, name: &str, port: i32) -> serde_json::Value {
    let group = watch.world.create_group(ACCOUNT, REGION, name, ec2_model::Vpc::Other);
    watch.world.authorize(ACCOUNT, REGION, &group, &[everyone(port)]).unwrap();
    watch.event()
}

/// How many calls there were of each kind: Describe, Revoke and PutObject.
fn calls(watch: &Watch) -> [usize; 3] {
    let counts = watch.world.call_counts();
    ["DescribeSecurityGroupRules", "RevokeSecurityGroupIngress", "PutObject"]
        .map(|action| counts.get(action).copied().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn a_violation_costs_two_calls_and_one_object_and_what_is_harmless_or_safe_costs_no_object() {
    let watch = enforcing().await;
    let harmless = watch.open(&[everyone(443)]);
    watch.finding(&harmless).await;
    assert_eq!(calls(&watch), [0, 0, 0]);
    let safe = watch.open(&[Permission::tcp(22, "9.9.9.9/32")]);
    watch.finding(&safe).await;
    assert_eq!(calls(&watch), [1, 0, 0]);
    // The first evidence of an instance brings the policy with it.
    for (n, port) in [22, 3389, 3306].into_iter().enumerate() {
        let event = open_another(&watch, &format!("g{n}"), port);
        let finding = watch.finding(&event).await;
        assert!(finding.act.is_some() && finding.outcome == Outcome::Reverted, "{finding:?}");
        assert_eq!(calls(&watch), [2 + n, 1 + n, 2 + n]);
    }
    assert_eq!(watch.world.call_counts().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn without_a_shelf_nothing_is_written_and_no_finding_names_an_act() {
    let watch = Setup { evidence: false, ..Setup::default() }.start().await;
    let event = watch.open(&[everyone(22)]);
    let finding = watch.finding(&event).await;
    assert_eq!((finding.act, finding.outcome), (None, Outcome::Reverted));
    assert_eq!(calls(&watch), [1, 1, 0]);
    assert!(!watch.lines.lock().unwrap().iter().any(|line| line.contains("\"act\"")));
}

#[tokio::test(start_paused = true)]
async fn the_evidence_tells_who_did_what_what_was_seen_decided_done_and_confirmed() {
    let watch = enforcing().await;
    let event = watch.open(&[everyone(22), everyone(443)]);
    let finding = watch.finding(&event).await;
    let evidence = the_one(&watch);
    assert_eq!(Some(&evidence.id), finding.act.as_ref());
    assert_eq!((evidence.kind, evidence.outcome), (Kind::Close, ActOutcome::Reverted));
    assert_eq!(evidence.record.as_ref(), Some(&event["detail"]));
    assert_eq!(evidence.who.id.as_deref(), event["detail"]["eventID"].as_str());
    assert_eq!(evidence.location.group.as_str(), watch.group);
    assert_eq!(evidence.looks.len(), 1);
    assert_eq!(evidence.looks[0].rules.len(), 2, "the whole group is in it");
    let call = evidence.looks[0].call.as_ref().unwrap();
    assert_eq!((call.name.as_str(), call.rules.len()), ("RevokeSecurityGroupIngress", 1));
    assert!(call.request.as_ref().is_some_and(|id| !id.is_empty()));
    assert_eq!(evidence.rules.len(), 1);
    assert_eq!(evidence.rules[0].action, Action::Revoked);
    assert_eq!(evidence.confirmed_by, ConfirmedBy::Answer);
    assert_eq!(evidence.decided.reason, finding.reason);
    assert!(evidence.exposed_ms.is_some());
    // The object is locked, and its name says where and when.
    let key = evidence.id.key();
    assert!(
        key.starts_with(&format!("evidence/v1/account={ACCOUNT}/region={REGION}/date=2026-11-18/20261118T")),
        "{key}"
    );
    let (mode, until) = watch.world.retention(EVIDENCE, &key).unwrap();
    assert_eq!((mode.as_str(), &until[..10]), ("GOVERNANCE", "2027-12-23"));
    // The policy is kept once, and is not locked.
    let policy = format!("policies/{}.yaml", evidence.guard.policy);
    assert_eq!(watch.world.objects(EVIDENCE).last().map(|(key, _)| key.clone()), Some(policy.clone()));
    assert_eq!(watch.world.retention(EVIDENCE, &policy), None);
}

fn the_one(watch: &Watch) -> Evidence {
    let mut all = replayed(&watch.world);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

#[tokio::test(start_paused = true)]
async fn what_alert_mode_would_have_done_is_evidence_too() {
    let watch = Setup { mode: Mode::Alert, ..Setup::default() }.start().await;
    let event = watch.open(&[everyone(22)]);
    let finding = watch.finding(&event).await;
    let evidence = the_one(&watch);
    assert_eq!((evidence.kind, evidence.outcome), (Kind::WouldClose, ActOutcome::WouldRevert));
    assert_eq!(finding.act, Some(evidence.id));
    assert_eq!(watch.ingress().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_delivery_of_an_event_writes_no_second_evidence() {
    let watch = enforcing().await;
    let event = watch.open(&[everyone(22)]);
    let first = watch.finding(&event).await;
    watch.world.set_now(watch.world.now() + 60_000);
    let second = watch.finding(&event).await;
    assert_eq!((second.verdict, second.outcome), (Verdict::Safe, Outcome::AlreadyGone));
    assert_eq!(second.act, first.act);
    assert_eq!(the_one(&watch).outcome, ActOutcome::Reverted);
}

/// The attempt revoked the rule and came no further. Another instance gets the event again.
#[tokio::test(start_paused = true)]
async fn what_an_attempt_left_without_evidence_gets_it_at_the_second_look() {
    let watch = enforcing().await;
    let event = watch.open(&[everyone(22), everyone(443)]);
    let rules = watch.world.rules(ACCOUNT, REGION, &watch.group);
    let ssh = rules.iter().find(|rule| rule.from_port == 22).unwrap().id.clone();
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&ssh]).unwrap();
    watch.world.set_now(watch.world.now() + 60_000);
    watch.finding(&event).await;
    let evidence = the_one(&watch);
    assert_eq!((evidence.outcome, evidence.confirmed_by), (ActOutcome::AlreadyGone, ConfirmedBy::AbsentAtSecondLook));
    assert_eq!(evidence.rules.len(), 1, "the rule for HTTPS need not have gone");
    assert_eq!(evidence.rules[0].rule.id.as_str(), ssh);
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_and_the_one_that_succeeds_have_evidence_each() {
    let watch = enforcing().await;
    let event = watch.open(&[everyone(22)]);
    watch.world.inject(Fault::next("RevokeSecurityGroupIngress", FaultKind::Denied));
    assert_eq!(watch.finding(&event).await.outcome, Outcome::Failed);
    assert_eq!(watch.finding(&event).await.outcome, Outcome::Reverted);
    let outcomes: Vec<ActOutcome> = replayed(&watch.world).into_iter().map(|evidence| evidence.outcome).collect();
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.contains(&ActOutcome::Failed) && outcomes.contains(&ActOutcome::Reverted));
}

/// Every way in which PutObject fails, for good or for a moment: the rule goes at once in all of them.
#[tokio::test(start_paused = true)]
async fn a_shelf_that_fails_delays_no_close_and_its_evidence_is_completed_later() {
    let error = |status, code: &str| FaultKind::ErrorBefore { status, code: code.into(), message: "injected".into() };
    let after = FaultKind::ErrorAfter { status: 500, code: "InternalError".into(), message: "injected".into() };
    // The fault, how many attempts it hits, and whether the evidence is written all the same.
    for (fault, times, is_written) in [
        (FaultKind::Throttle, 1, true),
        (FaultKind::Throttle, 3, false),
        (error(500, "InternalError"), 2, true),
        (error(503, "SlowDown"), 3, false),
        (FaultKind::LostBefore, 1, true),
        (FaultKind::LostBefore, 3, false),
        (FaultKind::LostAfter, 1, true),
        (FaultKind::LostAfter, 2, true),
        (after, 1, true),
        (FaultKind::Denied, 1, false),
        (FaultKind::Slow(Duration::from_secs(60)), 1, true),
        // Written at the first attempt, and no answer says so.
        (FaultKind::Slow(Duration::from_secs(60)), 3, false),
    ] {
        let what = format!("{fault:?} x {times}");
        let watch = enforcing().await;
        // The policy is there already, so that only the evidence meets the fault.
        let first = open_another(&watch, "another", 3389);
        watch.finding(&first).await;
        let event = watch.open(&[everyone(22)]);
        (0..times).for_each(|_| watch.world.inject(Fault::next("PutObject", fault.clone())));
        let begun = tokio::time::Instant::now();
        let answer = watch.deliver(&event).await;
        assert!(begun.elapsed() < Duration::from_secs(6), "{what}: {:?}", begun.elapsed());
        assert!(watch.ingress().is_empty(), "{what}");
        let finding = &answer.findings[0];
        assert_eq!((finding.verdict, finding.outcome), (Verdict::Exposed, Outcome::Reverted), "{what}");
        assert_eq!(answer.failed.is_empty(), is_written, "{what}: {finding:?}");
        assert_eq!(finding.act.is_some(), is_written, "{what}");
        let is_there = is_written || matches!(fault, FaultKind::Slow(_));
        assert_eq!(replayed(&watch.world).len(), if is_there { 2 } else { 1 }, "{what}");
        let log = watch.lines.lock().unwrap().clone();
        let documents: Vec<&String> = log.iter().filter(|line| line.contains("\"sha256\"")).collect();
        let metrics = |name: &str| log.iter().any(|line| line.contains("_aws") && line.contains(name));
        assert_eq!((documents.len(), metrics("EvidenceFailed")), (usize::from(!is_written), !is_written), "{what}");
        if is_written {
            continue;
        }
        assert!(finding.reason.contains("its evidence was not written"), "{}", finding.reason);
        let (logged, is_whole) = Evidence::read(documents[0]).unwrap();
        assert!(is_whole);
        // The same instance completes it as it was.
        let again = watch.deliver(&event).await;
        assert!(again.failed.is_empty() && again.findings[0].act == Some(logged.id.clone()), "{what}");
        let all = replayed(&watch.world);
        assert!(all.contains(&logged) && all.len() == 2, "{what}");
    }
}

/// A slow shelf that never answers in time: the findings are told within the invocation's time.
#[tokio::test(start_paused = true)]
async fn a_shelf_that_never_answers_takes_no_more_than_the_invocations_time() {
    let watch = enforcing().await;
    let event = watch.open(&[everyone(22)]);
    (0..20).for_each(|_| watch.world.inject(Fault::next("PutObject", FaultKind::LostBefore)));
    let begun = tokio::time::Instant::now();
    let answer = watch.deliver(&event).await;
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert!(!answer.failed.is_empty() && watch.ingress().is_empty());
}

/// An event that names its rules by what they admit, and is delivered again after somebody else opened the port anew.
#[tokio::test(start_paused = true)]
async fn what_the_same_event_leads_to_a_second_time_has_evidence_of_its_own() {
    let watch = enforcing().await;
    let mut event = watch.open(&[everyone(22)]);
    event["detail"]["responseElements"] = serde_json::json!({"_return": true});
    assert_eq!(watch.finding(&event).await.outcome, Outcome::Reverted);
    watch.open(&[everyone(22)]);
    let second = watch.finding(&event).await;
    assert_eq!(second.outcome, Outcome::Reverted);
    let all = replayed(&watch.world);
    assert_eq!(all.len(), 2);
    assert!(all.iter().any(|evidence| Some(&evidence.id) == second.act.as_ref() && evidence.id == evidence.again()));
}

/// The first act could not be written. The same instance does more for the same event, and then the bucket answers again.
#[tokio::test(start_paused = true)]
async fn what_could_not_be_written_and_what_was_done_since_have_evidence_each() {
    let watch = enforcing().await;
    let mut event = watch.open(&[everyone(22)]);
    event["detail"]["responseElements"] = serde_json::json!({"_return": true});
    // Of the evidence and of the policy, which are written at the same time, each three times.
    (0..6).for_each(|_| watch.world.inject(Fault::next("PutObject", FaultKind::LostBefore)));
    assert!(!watch.deliver(&event).await.failed.is_empty());
    assert_eq!(replayed(&watch.world).len(), 0);
    watch.open(&[everyone(22)]);
    assert_eq!(watch.finding(&event).await.outcome, Outcome::Reverted);
    let rules: std::collections::BTreeSet<_> =
        replayed(&watch.world).into_iter().map(|act| act.rules[0].rule.id.clone()).collect();
    assert_eq!(rules.len(), 2, "each of the two rules is in the evidence");
}

/// A sweep in alert mode comes back every hour and finds the same.
#[tokio::test(start_paused = true)]
async fn what_a_sweep_would_revoke_is_one_act_a_day() {
    let watch = enforcing().await;
    watch.open(&[everyone(22)]);
    let sweep = serde_json::json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}});
    for _ in 0..3 {
        watch.deliver(&sweep).await;
        watch.world.set_now(watch.world.now() + 1000);
    }
    assert_eq!(the_one(&watch).kind, Kind::WouldClose);
    watch.world.set_now(watch.world.now() + 24 * 3600 * 1000);
    watch.deliver(&sweep).await;
    assert_eq!(replayed(&watch.world).len(), 2);
}
