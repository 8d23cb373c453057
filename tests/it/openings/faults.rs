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
