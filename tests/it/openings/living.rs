//! While an opening lives: what is the waiver's and what is not, and that each use is told.

use super::*;

async fn delivered(watch: &mut Watch, setup: Setup) -> Finding {
    let event = watch.event();
    watch.start_anew(setup).await;
    watch.finding(&event).await
}

#[tokio::test(start_paused = true)]
async fn an_opening_is_let_be_told_and_noted_and_no_sweep_takes_it() {
    let enforcing = || Setup { policy: "version: 1\nsweep: {mode: enforce}", ..told() };
    let mut watch = enforcing().start().await;
    let made = opened_up_to(&watch, WIDE, Step::Opened).await;
    let finding = delivered(&mut watch, enforcing()).await;
    assert_eq!(judged(&finding), (Verdict::Exempt, Outcome::None), "{finding:#?}");
    assert_eq!(finding.waiver.as_deref(), Some(ID));
    assert_eq!(watch.world.published().len(), 1, "each use of a waiver is told");
    let noted: Vec<String> = memory(&watch).opened[ID].iter().map(ToString::to_string).collect();
    assert_eq!(noted, made.rules, "the operator's command may have stopped before it did so");
    // A sweep knows no maker.
    watch.start_anew(enforcing()).await;
    watch.deliver(&sweep()).await;
    assert_eq!(watch.ingress().len(), 1);
    assert_eq!(watch.world.published().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_lived_under_the_waiver_ends_with_it_although_no_command_made_it() {
    let mut watch = told().start().await;
    opened_up_to(&watch, WIDE, Step::Waived).await;
    watch.world.set_actor(ec2_model::Actor::Role { role: "oncall".into(), session: "jo".into() });
    watch.world.authorize(ACCOUNT, REGION, &watch.group, &[Permission::tcp(22, WIDE)]).unwrap();
    assert_eq!(judged(&delivered(&mut watch, told()).await), (Verdict::Exempt, Outcome::None));
    later(&watch, HOUR * 2);
    assert_eq!(judged(&watch.finding(&end(&watch, ID)).await), (Verdict::Exempt, Outcome::Reverted));
    assert!(watch.ingress().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_widened_under_a_waiver_is_closed_like_any_other() {
    let mut watch = told().start().await;
    let made = opened(&watch, WIDE).await;
    watch.world.take_records();
    reworded(&watch, &made.rules[0], "52.0.0.0/6", "wider");
    let finding = delivered(&mut watch, told()).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{finding:#?}");
    assert!(watch.ingress().is_empty());
    later(&watch, HOUR * 2);
    assert_eq!(judged(&watch.finding(&end(&watch, ID)).await), (Verdict::Exempt, Outcome::AlreadyGone));
}

#[tokio::test(start_paused = true)]
async fn nobody_but_its_principal_has_a_waiver_and_it_is_over_at_its_second() {
    let mut watch = told().start().await;
    opened_up_to(&watch, WIDE, Step::Waived).await;
    for (role, wait, expected) in [
        ("dev", SignedDuration::ZERO, Outcome::Reverted),
        ("oncall", HOUR * 2 - SignedDuration::from_secs(1), Outcome::None),
        ("oncall", SignedDuration::from_secs(1), Outcome::Reverted),
    ] {
        later(&watch, wait);
        watch.world.take_records();
        watch.world.set_actor(ec2_model::Actor::Role { role: role.into(), session: "jo".into() });
        let rule = watch.world.authorize(ACCOUNT, REGION, &watch.group, &[Permission::tcp(22, WIDE)]).unwrap();
        let finding = delivered(&mut watch, told()).await;
        assert_eq!(finding.outcome, expected, "{role}: {finding:#?}");
        let _ = watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&rule[0]]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_is_longer_than_the_policy_allows_covers_nothing_is_said_and_ends_all_the_same() {
    let short = || Setup { policy: "version: 1\nwaivers: {most: 1h}", ..told() };
    let mut watch = short().start().await;
    opened_up_to(&watch, WIDE, Step::Opened).await;
    let finding = delivered(&mut watch, short()).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{finding:#?}");
    let why = format!("waiver {ID} does not hold: it lasts 2h, and the policy's `waivers.most` is 1h");
    assert!(finding.reason.contains(&why), "{}", finding.reason);

    let others = || Setup { policy: "version: 1\nwaivers: {by: ['arn:aws:iam::*:role/admin']}", ..told() };
    let mut watch = others().start().await;
    opened_up_to(&watch, WIDE, Step::Opened).await;
    let finding = delivered(&mut watch, others()).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted));
    assert!(finding.reason.contains("is not among the policy's `waivers.by`"), "{}", finding.reason);
}

/// If the note were lost, nothing would end a rule that no command made.
#[tokio::test(start_paused = true)]
async fn a_delivery_that_cannot_note_a_rule_under_its_waiver_is_tried_again() {
    let mut watch = told().start().await;
    opened_up_to(&watch, WIDE, Step::Opened).await;
    let event = watch.event();
    // The claim is the first update, and what is settled the second.
    let (action, kind) = (Some("UpdateItem".into()), ec2_model::FaultKind::Denied);
    watch.world.inject(ec2_model::Fault { action, nth: 1, kind });
    let answer = watch.deliver(&event).await;
    assert_eq!(answer.findings[0].outcome, Outcome::None);
    assert!(!answer.failed.is_empty(), "{:#?}", answer.findings);
    watch.start_anew(told()).await;
    assert!(watch.deliver(&event).await.failed.is_empty());
    assert_eq!(memory(&watch).opened[ID].len(), 1);
}
