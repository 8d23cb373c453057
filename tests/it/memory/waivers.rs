//! A waiver in the group's memory: it covers what its principal made, and nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};

use ec2_model::Actor;
use portcullis::domain::memory::{Waiver, WaiverKind, waiver_name, written};
use portcullis::domain::opening::description;
use portcullis::store::Update;

use super::*;

const ONCALL: &str = "arn:aws:iam::111122223333:role/oncall";

async fn grant(watch: &Watch, waiver: &Waiver) {
    let key = format!("{ACCOUNT}/{REGION}/{}", watch.group);
    let update = Update { set: [(waiver_name("w-1"), written(waiver).unwrap())].into(), ..Update::default() };
    let until = tokio::time::Instant::now() + Duration::from_secs(5);
    let store = &watch.context.settings.memory;
    store.update(&watch.context.aws, &key, &update, until).await.unwrap();
}

fn waiver(watch: &Watch, hours: i64) -> Waiver {
    let from = watch.context.now();
    Waiver {
        kind: WaiverKind::Undo,
        by: ONCALL.to_owned(),
        reason: "INC-123".to_owned(),
        from,
        until: from + jiff::SignedDuration::from_hours(hours),
        guards: vec!["ssh".to_owned()],
        sources: vec!["54.0.0.0/8".parse().unwrap()],
        rules: Vec::new(),
    }
}

async fn opened(watch: &mut Watch, role: &str, permission: Permission) -> Finding {
    watch.world.set_actor(Actor::Role { role: role.into(), session: "jo".into() });
    let event = watch.open(&[permission]);
    alone(watch, &event).await
}

#[tokio::test(start_paused = true)]
async fn a_waiver_covers_its_principals_rules_until_its_end() {
    let mut watch = remembering().start().await;
    grant(&watch, &waiver(&watch, 2)).await;
    let finding = opened(&mut watch, "oncall", Permission::tcp(22, "54.0.0.0/8")).await;
    assert_eq!(judged(&finding), (Verdict::Exempt, Outcome::None), "{finding:#?}");
    assert_eq!(finding.waiver.as_deref(), Some("w-1"));
    assert!(finding.reason.contains("INC-123"), "{}", finding.reason);
    assert_eq!(memory(&watch).claims.len(), 0, "what is lawful is no candidate");
    later(&watch, Duration::from_secs(2 * 3600));
    let after = opened(&mut watch, "oncall", Permission::tcp(22, "54.0.0.0/7")).await;
    assert_eq!(judged(&after), (Verdict::Exposed, Outcome::Reverted), "{after:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_waiver_covers_nobody_else_no_other_port_and_no_wider_source() {
    for (role, permission) in [
        ("dev", Permission::tcp(22, "54.0.0.0/8")),
        ("oncall", Permission::tcp(3389, "54.0.0.0/8")),
        ("oncall", Permission::tcp(22, "54.0.0.0/7")),
    ] {
        let mut watch = remembering().start().await;
        grant(&watch, &waiver(&watch, 2)).await;
        let finding = opened(&mut watch, role, permission).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{finding:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiver_that_is_longer_than_the_policy_allows_covers_nothing_and_the_finding_says_so() {
    let mut watch = remembering().start().await;
    grant(&watch, &waiver(&watch, 25)).await;
    let finding = opened(&mut watch, "oncall", Permission::tcp(22, "54.0.0.0/8")).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted));
    assert!(
        finding.reason.contains("waiver w-1 does not hold: it lasts 25h, and the policy's `waivers.most` is 1d"),
        "{}",
        finding.reason
    );
}

/// Who may write to the memory may waive, and who may not can at most be forgotten: a lost memory covers nothing.
#[tokio::test(start_paused = true)]
async fn a_waiver_in_a_memory_that_does_not_answer_covers_nothing() {
    let mut watch = remembering().start().await;
    grant(&watch, &waiver(&watch, 2)).await;
    watch.world.deny(ACCOUNT, "UpdateItem");
    let finding = opened(&mut watch, "oncall", Permission::tcp(22, "54.0.0.0/8")).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted));
}

/// A delivery waits for a rule that EC2 does not show. Meanwhile an operator opens: waiver first, then the rule.
#[tokio::test(start_paused = true)]
async fn what_is_opened_under_a_waiver_while_a_delivery_waits_is_let_be() {
    for (kind, is_marked) in [(WaiverKind::Open, true), (WaiverKind::Undo, false)] {
        let mut watch = remembering().start().await;
        let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
        let own = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter().find(|it| it.from_port == 22);
        watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&own.unwrap().id]).unwrap();
        let waiver = Waiver { kind, ..waiver(&watch, 2) };
        let (world, group, looks) = (watch.world.clone(), watch.group.clone(), AtomicUsize::new(0));
        let between: Between = Arc::new(move |request| {
            let is_look = request.body.starts_with(b"Action=DescribeSecurityGroupRules");
            if is_look && looks.fetch_add(1, Ordering::SeqCst) == 5 {
                let set = [(waiver_name("w-1234"), serde_json::to_string(&waiver).unwrap())];
                world.change_item((ACCOUNT, REGION, TABLE), &format!("{ACCOUNT}/{REGION}/{group}"), (&set, &[]));
                world.set_actor(Actor::Role { role: "oncall".into(), session: "jo".into() });
                let words = description("w-1234", waiver.until, &waiver.reason);
                let opened = Permission::tcp(22, "54.0.0.0/8");
                let opened = if is_marked { opened.described(&words) } else { opened };
                world.authorize(ACCOUNT, REGION, &group, &[opened]).unwrap();
            }
            (Duration::from_millis(5), world.handle(request))
        });
        watch.start_behind(remembering(), between).await;
        let finding = watch.finding(&event).await;
        let calls: Vec<String> = watch.world.calls().into_iter().map(|call| call.action).collect();
        assert_eq!(watch.ingress().len(), 1, "{kind:?}: {calls:?}: {finding:#?}");
        assert_ne!(finding.outcome, Outcome::Reverted, "{finding:#?}");
    }
}

/// The instance remembers a change that it left open, because the port was open anyway. By now it is open through that change
/// alone, and a waiver covers it: a delivery that has no part in it asks the memory before it takes it along.
#[tokio::test(start_paused = true)]
async fn what_the_instance_remembers_of_another_change_is_not_revoked_against_a_waiver() {
    for is_waived in [true, false] {
        let watch = remembering().start().await;
        let standing = ["0.0.0.0/0", "54.128.0.0/9"].map(|source| Permission::tcp(22, source));
        let old = watch.world.authorize(ACCOUNT, REGION, &watch.group, &standing).unwrap();
        watch.world.set_actor(Actor::Role { role: "oncall".into(), session: "jo".into() });
        let finding = watch.finding(&watch.open(&[Permission::tcp(22, "54.0.0.0/9")])).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::None), "{finding:#?}");
        watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&old[0]]).unwrap();
        if is_waived {
            grant(&watch, &waiver(&watch, 2)).await;
        }
        watch.finding(&watch.open(&[Permission::tcp(3389, "9.9.9.9/32")])).await;
        assert_eq!(watch.ingress().len(), if is_waived { 3 } else { 2 });
    }
}

/// Whoever opens names a waiver that nobody has written, and the memory hangs by then. The rule goes within the time that a
/// claim may take.
#[tokio::test(start_paused = true)]
async fn a_description_that_names_no_waiver_holds_up_a_revoke_for_no_longer_than_a_claim() {
    let mut watch = remembering().start().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let own = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter().find(|it| it.from_port == 22).unwrap();
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&own.id]).unwrap();
    let words = description("w-9999", watch.context.now() + jiff::SignedDuration::from_hours(1), "INC-123");
    let (world, group, looks) = (watch.world.clone(), watch.group.clone(), AtomicUsize::new(0));
    let times = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&times);
    let between: Between = Arc::new(move |request| {
        let is_look = request.body.starts_with(b"Action=DescribeSecurityGroupRules");
        if is_look && looks.fetch_add(1, Ordering::SeqCst) == 5 {
            let opened = Permission::tcp(22, "0.0.0.0/0").described(&words);
            world.authorize(ACCOUNT, REGION, &group, &[opened]).unwrap();
            noted.lock().unwrap().push(tokio::time::Instant::now());
        }
        if request.body.starts_with(b"Action=RevokeSecurityGroupIngress") {
            noted.lock().unwrap().push(tokio::time::Instant::now());
        }
        let reply = world.handle(request);
        let is_memory = world.last_call().is_some_and(|call| call.service == "dynamodb");
        let hangs = is_memory && looks.load(Ordering::SeqCst) > 5;
        (if hangs { Duration::from_secs(60) } else { Duration::from_millis(5) }, reply)
    });
    watch.start_behind(remembering(), between).await;
    watch.finding(&event).await;
    assert!(watch.ingress().is_empty());
    let times = times.lock().unwrap();
    assert!(times[1].duration_since(times[0]) < Duration::from_millis(400), "{times:?}");
}
