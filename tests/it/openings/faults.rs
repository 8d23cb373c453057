//! Every fault at every call of an end: it fails where AWS tries again, the next attempt closes, nothing is said that is not
//! so, and there is evidence once.

use ec2_model::Fault;

use super::*;
use crate::memory::lost::kinds;

#[tokio::test(start_paused = true)]
async fn every_fault_of_every_call_ends_in_a_closed_opening_with_evidence_once() {
    for action in ["GetItem", "DescribeSecurityGroupRules", "UpdateItem", "RevokeSecurityGroupIngress", "PutObject"] {
        for (what, kind) in kinds() {
            let mut watch = told().start().await;
            opened(&watch, WIDE).await;
            later(&watch, HOUR * 2);
            // One attempt of the SDK after the other.
            for nth in 0..4 {
                watch.world.inject(Fault { action: Some(action.into()), nth, kind: kind.clone() });
            }
            let mut attempts = 0;
            loop {
                attempts += 1;
                let answer = watch.deliver(&end(&watch, ID)).await;
                let is_said = answer.findings[0].outcome == Outcome::Reverted;
                assert!(!is_said || watch.ingress().is_empty(), "{action} {what}: a lie: {:#?}", answer.findings);
                if answer.failed.is_empty() {
                    break;
                }
                assert!(attempts < 8, "{action} {what}: {:#?}", answer.findings);
                later(&watch, SignedDuration::from_secs(60));
                watch.start_anew(told()).await;
            }
            assert!(watch.ingress().is_empty(), "{action} {what}");
            let of_success: Vec<Evidence> =
                ends(&watch).into_iter().filter(|it| it.outcome != ActOutcome::Failed).collect();
            assert!((1..=2).contains(&of_success.len()), "{action} {what}: {of_success:#?}");
            let taken: Vec<&str> = of_success.iter().flat_map(|it| &it.rules).map(|it| it.rule.id.as_str()).collect();
            assert_eq!(taken.len(), 1, "{action} {what}: the rule as it was, once");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_refused_fails_each_time_and_is_told_and_the_waiver_stays() {
    let watch = told().start().await;
    opened(&watch, WIDE).await;
    later(&watch, HOUR * 2);
    watch.world.deny(ACCOUNT, "RevokeSecurityGroupIngress");
    for attempt in 1..=3 {
        let answer = watch.deliver(&end(&watch, ID)).await;
        let finding = &answer.findings[0];
        assert_eq!(judged(finding), (Verdict::Exempt, Outcome::Failed), "{finding:#?}");
        assert!(finding.reason.contains("its end did not succeed; not revoked: UnauthorizedOperation"), "{finding:?}");
        assert!(!answer.failed.is_empty(), "AWS tries again");
        assert_eq!(watch.world.published().len(), attempt);
        assert!(subject(&watch).contains("OPENING NOT ENDED"));
        assert_eq!((memory(&watch).waivers.len(), listed(&watch).len()), (1, 1));
    }
    assert_eq!(metric(&watch, "Failed"), 3, "an alarm hears it");
    watch.world.permit(ACCOUNT, "RevokeSecurityGroupIngress");
    assert_eq!(watch.finding(&end(&watch, ID)).await.outcome, Outcome::Reverted);
    assert!(watch.ingress().is_empty());
}

/// What was not looked at is not said to be gone.
#[tokio::test(start_paused = true)]
async fn an_end_that_could_not_look_says_of_no_rule_that_it_is_gone() {
    let watch = told().start().await;
    opened(&watch, WIDE).await;
    later(&watch, HOUR * 2);
    watch.world.deny(ACCOUNT, "DescribeSecurityGroupRules");
    let answer = watch.deliver(&end(&watch, ID)).await;
    let finding = &answer.findings[0];
    assert_eq!((finding.outcome, finding.rules.len()), (Outcome::Failed, 0), "{finding:#?}");
    assert!(finding.reason.contains("DescribeSecurityGroupRules: UnauthorizedOperation"), "{}", finding.reason);
}

/// An operator closes what was just opened, and EC2 does not show it yet. Only after twenty seconds it is gone.
#[tokio::test(start_paused = true)]
async fn what_ec2_does_not_show_yet_is_waited_for_and_not_said_to_be_gone() {
    for step in [Step::Opened, Step::Noted] {
        for (looks, outcome, left) in [(9, Outcome::Reverted, 0), (1000, Outcome::AlreadyGone, 1)] {
            let watch = told().start().await;
            watch.world.set_visibility_lag(ec2_model::Lag::Calls(looks), ec2_model::Lag::None);
            opened_up_to(&watch, OFFICE, step).await;
            let begun = tokio::time::Instant::now();
            let group = watch.group.parse().unwrap();
            let (account, region) = (ACCOUNT.parse().unwrap(), REGION.parse().unwrap());
            let request = portcullis::envelope::EndRequest { account, region, group, waiver: ID.to_owned() };
            let invocation = portcullis::pipeline::Invocation {
                identity: portcullis::aws::FunctionIdentity::of_arn("arn:aws:lambda:eu-west-1:111122223333:function:p"),
                deadline: begun + Duration::from_secs(60),
            };
            let findings = portcullis::pipeline::close(&watch.context, request, ONCALL, &invocation).await;
            assert_eq!(findings[0].outcome, outcome, "{step:?} {looks}: {findings:#?}");
            assert_eq!(watch.ingress().len(), left, "{step:?} {looks}");
            assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
            assert!(
                outcome == Outcome::Reverted || begun.elapsed() >= Duration::from_secs(20),
                "{:?}",
                begun.elapsed()
            );
        }
    }
    // Where there is no time to wait, nothing is said to be gone, and AWS tries again.
    let watch = told().start().await;
    watch.world.set_visibility_lag(ec2_model::Lag::Calls(1000), ec2_model::Lag::None);
    let made = opened_up_to(&watch, OFFICE, Step::Waived).await;
    later(&watch, HOUR * 2);
    let rule: RuleId = "sgr-0a1b2c3d4e5f60718".parse().unwrap();
    let noted = (opened_name(ID, &rule), written(&watch.context.now()).unwrap());
    write(&watch, &item(&watch), Entries::from([noted])).await;
    assert!(made.until <= watch.context.now());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let identity = portcullis::aws::FunctionIdentity::of_arn("arn:aws:lambda:eu-west-1:111122223333:function:p");
    let invocation = portcullis::pipeline::Invocation { identity, deadline };
    let answer = portcullis::pipeline::handle(&watch.context, &end(&watch, ID), &invocation).await;
    assert_eq!(answer.findings[0].outcome, Outcome::Failed, "{:#?}", answer.findings);
    assert!(answer.findings[0].reason.contains("there was no time to wait") && !answer.failed.is_empty());
}

/// Nobody noted the rule, and the first end did not succeed. Then the rule is widened and reworded: it is the opening's still.
#[tokio::test(start_paused = true)]
async fn a_rule_that_an_end_was_about_to_revoke_stays_the_openings_whatever_becomes_of_it() {
    let watch = told().start().await;
    let made = opened_up_to(&watch, WIDE, Step::Opened).await;
    later(&watch, HOUR * 2);
    watch.world.deny(ACCOUNT, "RevokeSecurityGroupIngress");
    assert_eq!(watch.deliver(&end(&watch, ID)).await.findings[0].outcome, Outcome::Failed);
    reworded(&watch, &made.rules[0], "0.0.0.0/0", "for ever");
    watch.world.permit(ACCOUNT, "RevokeSecurityGroupIngress");
    later(&watch, SignedDuration::from_mins(1));
    let answer = watch.deliver(&end(&watch, ID)).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Exempt, Outcome::Reverted), "{:#?}", answer.findings);
    assert!(watch.ingress().is_empty() && answer.failed.is_empty());
}
