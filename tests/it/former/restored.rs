//! A known and lawful value is given back on the same rule, and `restored` is said only after a look.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ec2_model::{Fault, FaultKind, Reply};
use portcullis::domain::evidence::{ActOutcome, ConfirmedBy};
use portcullis::domain::policy::Mode;
use tokio::sync::Notify;

use super::*;
use crate::harness::{Between, replayed};

/// The group with a rule that a sweep has seen.
async fn swept(setup: Setup, before: Permission) -> (Watch, String) {
    let watch = setup.start().await;
    let rule = rule(&watch, before);
    watch.world.tag_rule(ACCOUNT, REGION, &rule, &[("team".to_owned(), "web".to_owned())]);
    sweep(&watch).await;
    (watch, rule)
}

#[tokio::test(start_paused = true)]
async fn a_modified_rule_gets_back_what_it_was_in_three_calls() {
    let (mut watch, web) = swept(restoring(), tcp(443, EVERYONE).described("shop")).await;
    let event = modify(&watch, &web, tcp(22, EVERYONE).described("nothing to see"));
    let before = watch.ec2_calls().len();
    let finding = alone(&mut watch, restoring(), &event).await;
    assert_eq!(
        (judged(&finding), action(&finding)),
        ((Verdict::Exposed, Outcome::Reverted), Action::Restored),
        "{finding:#?}"
    );
    let calls = watch.ec2_calls().split_off(before);
    assert_eq!(calls, ["DescribeSecurityGroupRules", "ModifySecurityGroupRules", "DescribeSecurityGroupRules"]);
    let rule = watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap();
    assert_eq!((rule.id.as_str(), rule.description.as_deref()), (web.as_str(), Some("shop")));
    assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"]);
    // The finding tells of the rule as it was when it had to go.
    assert_eq!((finding.rules[0].from_port, finding.open_seconds.is_some()), (Some(22), true));
    let acts = replayed(&watch.world);
    assert_eq!((acts.len(), acts[0].outcome, acts[0].confirmed_by), (1, ActOutcome::Reverted, ConfirmedBy::Look));
    assert_eq!(acts[0].rules[0].action, Action::Restored);
    // Its own call comes back as an event, and needs none.
    let records = watch.world.take_records();
    let own = records.iter().rfind(|record| record["eventName"] == "ModifySecurityGroupRules").unwrap();
    let own = ec2_model::eventbridge(own);
    let before = watch.world.calls().iter().filter(|call| call.service == "ec2").count();
    let finding = alone(&mut watch, restoring(), &own).await;
    assert_eq!(judged(&finding), (Verdict::Safe, Outcome::None));
    assert_eq!(watch.world.calls().iter().filter(|call| call.service == "ec2").count(), before);
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_lawful_value_is_given_back() {
    for (before, now) in [
        (tcp(443, EVERYONE), tcp(22, EVERYONE)),
        (tcp(22, "203.0.113.7/32"), tcp(22, EVERYONE)),
        (tcp(22, "2001:db8::/64"), tcp(22, "::/0")),
        (Permission::new("-1", -1, -1, &["10.0.0.0/8"]), Permission::new("-1", -1, -1, &[EVERYONE])),
        (Permission::new("icmp", 8, -1, &[EVERYONE]), tcp(3389, EVERYONE)),
        (Permission::new("udp", 53, 53, &[EVERYONE]), Permission::new("-1", -1, -1, &[EVERYONE])),
    ] {
        let (mut watch, id) = swept(restoring(), before.clone()).await;
        let was = watch.ingress();
        let event = modify(&watch, &id, now);
        let finding = alone(&mut watch, restoring(), &event).await;
        assert_eq!(action(&finding), Action::Restored, "{before:?}: {finding:#?}");
        assert_eq!(watch.ingress(), was);
    }
}

#[tokio::test(start_paused = true)]
async fn a_description_that_was_not_there_is_taken_away_again() {
    let (mut watch, web) = swept(restoring(), tcp(443, EVERYONE)).await;
    let event = modify(&watch, &web, tcp(22, EVERYONE).described("mine now"));
    alone(&mut watch, restoring(), &event).await;
    let rule = watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap();
    assert_eq!(rule.description.filter(|text| !text.is_empty()), None);
}

#[tokio::test(start_paused = true)]
async fn in_alert_mode_it_would_be_given_back() {
    let alert = || Setup { mode: Mode::Alert, ..restoring() };
    let (mut watch, web) = swept(alert(), tcp(443, EVERYONE)).await;
    let event = modify(&watch, &web, tcp(22, EVERYONE));
    let finding = alone(&mut watch, alert(), &event).await;
    assert_eq!((finding.outcome, action(&finding)), (Outcome::WouldRevert, Action::WouldRestore));
    assert_eq!(watch.ingress(), ["tcp 22-22 0.0.0.0/0"]);
}

/// An error of EC2's own, and whether the call had its effect.
fn error(has_effect: bool) -> FaultKind {
    let (status, code, message) = (500, "InternalError".to_owned(), "oops".to_owned());
    match has_effect {
        true => FaultKind::ErrorAfter { status, code, message },
        false => FaultKind::ErrorBefore { status, code, message },
    }
}

/// What a prefix list admits is known only where a rule refers to it still.
#[tokio::test(start_paused = true)]
async fn a_rule_of_a_prefix_list_is_given_back_where_the_list_is_known() {
    let list = |watch: &Watch, name: &str, cidr: &str| {
        watch.world.create_prefix_list(ACCOUNT, REGION, name, 5, &[cidr]).unwrap()
    };
    for (to_another, done) in [(false, Action::Restored), (true, Action::Revoked)] {
        let mut watch = restoring().start().await;
        let (all, office) = (list(&watch, "all", "0.0.0.0/1"), list(&watch, "office", "203.0.113.0/24"));
        let before = if to_another { tcp(22, &office) } else { tcp(443, &all) };
        let id = rule(&watch, before);
        sweep(&watch).await;
        let event = modify(&watch, &id, tcp(22, &all));
        let finding = alone(&mut watch, restoring(), &event).await;
        assert_eq!(action(&finding), done, "{finding:#?}");
    }
}

/// Whatever becomes of the call, the port is closed, and nobody says that the rule was given back when it was not.
#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_looked_at_again_and_the_port_is_closed() {
    for (kind, done) in [
        (FaultKind::Throttle, Action::Restored),
        (FaultKind::Denied, Action::Revoked),
        (FaultKind::LostBefore, Action::Revoked),
        (FaultKind::LostAfter, Action::Restored),
        (FaultKind::MalformedXml, Action::Restored),
        (FaultKind::Slow(Duration::from_secs(1)), Action::Restored),
        (error(false), Action::Revoked),
        (error(true), Action::Restored),
    ] {
        let (mut watch, web) = swept(restoring(), tcp(443, EVERYONE)).await;
        let event = modify(&watch, &web, tcp(22, EVERYONE));
        watch.world.inject(Fault::next("ModifySecurityGroupRules", kind.clone()));
        let finding = alone(&mut watch, restoring(), &event).await;
        assert_eq!((finding.outcome, action(&finding)), (Outcome::Reverted, done.clone()), "{kind:?}: {finding:#?}");
        let left = if done == Action::Restored { vec!["tcp 443-443 0.0.0.0/0".to_owned()] } else { vec![] };
        assert_eq!(watch.ingress(), left, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_another_rule_has_by_now_leads_to_a_revoke() {
    let (mut watch, web) = swept(restoring(), tcp(443, EVERYONE)).await;
    let event = modify(&watch, &web, tcp(22, EVERYONE));
    watch.open(&[tcp(443, EVERYONE)]);
    let finding = alone(&mut watch, restoring(), &event).await;
    assert_eq!(action(&finding), Action::Revoked);
    assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"]);
}

/// EC2 says so itself where the look did not show the other rule.
#[tokio::test(start_paused = true)]
async fn a_duplicate_that_only_ec2_knows_of_leads_to_a_revoke() {
    let (mut watch, web) = swept(restoring(), tcp(443, EVERYONE)).await;
    let event = modify(&watch, &web, tcp(22, EVERYONE));
    let (code, message) = ("InvalidPermission.Duplicate".to_owned(), "already exists".to_owned());
    let code = FaultKind::ErrorBefore { status: 400, code, message };
    watch.world.inject(Fault::next("ModifySecurityGroupRules", code));
    let finding = alone(&mut watch, restoring(), &event).await;
    assert_eq!((finding.outcome, action(&finding)), (Outcome::Reverted, Action::Revoked));
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_gone_when_it_is_to_be_given_back_is_already_gone() {
    for age in [Duration::ZERO, MINUTES] {
        let (mut watch, web) = swept(restoring(), tcp(443, EVERYONE)).await;
        let event = modify(&watch, &web, tcp(22, EVERYONE));
        watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&web]).unwrap();
        later(&watch, age);
        let finding = alone(&mut watch, restoring(), &event).await;
        assert_eq!(finding.outcome, Outcome::AlreadyGone, "{finding:#?}");
        // An earlier attempt may have done it, and so there is evidence, which is judged again as it was.
        assert_eq!(replayed(&watch.world).len(), 1, "{age:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restored_rule_that_is_opened_again_is_closed_again_under_its_id() {
    let (mut watch, web) = swept(restoring(), tcp(443, EVERYONE)).await;
    for round in 0..4 {
        let event = modify(&watch, &web, tcp(22, EVERYONE));
        let finding = alone(&mut watch, restoring(), &event).await;
        assert_eq!((finding.outcome, action(&finding)), (Outcome::Reverted, Action::Restored), "{round}: {finding:#?}");
        assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"]);
        later(&watch, MINUTES);
    }
}

#[tokio::test(start_paused = true)]
async fn several_rules_of_one_call_are_given_back_in_one_call() {
    let mut watch = restoring().start().await;
    let ids = [(443, EVERYONE), (8443, EVERYONE), (80, "::/0")].map(|(port, from)| rule(&watch, tcp(port, from)));
    sweep(&watch).await;
    let was = watch.ingress();
    let sources = [EVERYONE, "0.0.0.0/1", "::/0"];
    let changes: Vec<RuleChange> = ids
        .iter()
        .zip(sources)
        .map(|(rule, from)| RuleChange { rule: rule.clone(), permission: tcp(22, from) })
        .collect();
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &changes).unwrap();
    let event = watch.event();
    let before = watch.ec2_calls().len();
    let finding = alone(&mut watch, restoring(), &event).await;
    assert!(finding.rules.iter().all(|rule| rule.action == Action::Restored), "{finding:#?}");
    assert_eq!((watch.ingress(), watch.ec2_calls().len() - before), (was, 3));
}

#[tokio::test(start_paused = true)]
async fn one_rule_is_given_back_and_the_other_revoked() {
    let mut watch = restoring().start().await;
    let web = rule(&watch, tcp(443, EVERYONE));
    sweep(&watch).await;
    let new = rule(&watch, tcp(8443, EVERYONE));
    later(&watch, MINUTES);
    let changes = [(web, EVERYONE), (new, "0.0.0.0/1")];
    let changes = changes.map(|(rule, from)| RuleChange { rule, permission: tcp(22, from) });
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &changes).unwrap();
    let event = watch.event();
    let finding = alone(&mut watch, restoring(), &event).await;
    let mut actions: Vec<&str> = finding.rules.iter().map(|rule| rule.action.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["restored", "revoked"], "{finding:#?}");
    assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_sweep_saw_more_than_two_intervals_ago_is_told_and_not_given_back() {
    let (mut watch, web) = swept(restoring(), tcp(443, EVERYONE)).await;
    later(&watch, 120 * MINUTES);
    let event = modify(&watch, &web, tcp(22, EVERYONE));
    let finding = alone(&mut watch, restoring(), &event).await;
    assert_eq!(action(&finding), Action::Revoked);
    assert_eq!(former(&finding, &web), "tcp 443 0.0.0.0/0 by sweep");
    assert!(finding.reason.contains("older than two of its intervals"), "{}", finding.reason);
}

#[tokio::test(start_paused = true)]
async fn what_the_call_before_made_is_given_back_whatever_the_sweeps_age() {
    let (mut watch, web) = swept(restoring(), tcp(443, EVERYONE)).await;
    later(&watch, 300 * MINUTES);
    let lawful = modify(&watch, &web, tcp(8443, EVERYONE).described("new shop"));
    alone(&mut watch, restoring(), &lawful).await;
    later(&watch, MINUTES);
    let event = modify(&watch, &web, tcp(22, EVERYONE));
    let finding = alone(&mut watch, restoring(), &event).await;
    assert_eq!(action(&finding), Action::Restored, "{finding:#?}");
    assert_eq!(watch.ingress(), ["tcp 8443-8443 0.0.0.0/0"]);
}

/// A rule that was made since the sweep and opened by a Modify: the record of its making says what it was.
#[tokio::test(start_paused = true)]
async fn a_rule_that_is_newer_than_the_sweep_gets_back_what_it_was_made() {
    let mut watch = restoring().start().await;
    let made = watch.open(&[tcp(443, EVERYONE).described("shop")]);
    let web = watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap().id;
    alone(&mut watch, restoring(), &made).await;
    later(&watch, MINUTES);
    let event = modify(&watch, &web, tcp(22, EVERYONE));
    let finding = alone(&mut watch, restoring(), &event).await;
    assert_eq!(action(&finding), Action::Restored, "{finding:#?}");
    assert_eq!(former(&finding, &web), "tcp 443 0.0.0.0/0 by event");
}

/// An attempt that gives the rule back and comes no further leaves a claim. The next one says what was done, with evidence,
/// although the rule is lawful by then.
#[tokio::test(start_paused = true)]
async fn a_crash_at_any_call_leaves_the_port_closed_with_evidence_and_somebody_told() {
    let setup = || Setup { topic: true, ..restoring() };
    let (mut points, mut changed) = (0, 0);
    'calls: for calls in 0.. {
        for has_effect in [false, true] {
            let (mut watch, web) = swept(setup(), tcp(443, EVERYONE).described("shop")).await;
            let event = modify(&watch, &web, tcp(22, EVERYONE));
            let (world, made, stopped) = (watch.world.clone(), AtomicUsize::new(0), Arc::new(Notify::new()));
            let stops = Arc::clone(&stopped);
            let between: Between = Arc::new(move |request| {
                let n = made.fetch_add(1, Ordering::Relaxed);
                if n < calls || n == calls && has_effect {
                    let reply = world.handle(request);
                    if n < calls {
                        return (Duration::ZERO, reply);
                    }
                }
                stops.notify_one();
                (Duration::from_secs(86_400), Reply::Lost)
            });
            watch.start_behind(setup(), between).await;
            tokio::select! {
                biased;
                () = stopped.notified() => {}
                _ = watch.deliver(&event) => break 'calls,
            }
            points += 1;
            let is_changed = watch.ingress() != ["tcp 22-22 0.0.0.0/0"];
            changed += usize::from(is_changed);
            later(&watch, MINUTES);
            let finding = alone(&mut watch, setup(), &event).await;
            let what = format!("call {calls}, {has_effect}: {finding:#?}");
            assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"], "{what}");
            assert!(!finding.needs_retry(), "{what}");
            let acts = replayed(&watch.world);
            assert!(acts.iter().any(|act| act.rules.iter().any(|taken| taken.rule.id.as_str() == web)), "{what}");
            assert!(!watch.world.published().is_empty(), "nobody was told: {what}");
        }
    }
    assert!(points >= 10 && changed >= 4, "{points} points, {changed} after the call");
}
