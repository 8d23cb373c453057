//! Every fault at every call of an end: it fails where AWS tries again, the next attempt closes, nothing is said that is not
//! so, and there is evidence once.

use ec2_model::{Fault, FaultKind};

use super::*;

fn kinds() -> Vec<(&'static str, FaultKind)> {
    let error = |status, code: &str| (status, code.to_owned(), "injected".to_owned());
    let before = |(status, code, message)| FaultKind::ErrorBefore { status, code, message };
    let after = |(status, code, message)| FaultKind::ErrorAfter { status, code, message };
    vec![
        ("throttle", FaultKind::Throttle),
        ("denied", FaultKind::Denied),
        ("lost before", FaultKind::LostBefore),
        ("lost after", FaultKind::LostAfter),
        ("cut", FaultKind::Cut),
        ("5xx before", before(error(500, "InternalServerError"))),
        ("5xx after", after(error(500, "InternalServerError"))),
    ]
}

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
        assert_eq!((memory(&watch).waivers.len(), entries(&watch, &list()).len()), (1, 1));
    }
    assert_eq!(metric(&watch, "Failed"), 3, "an alarm hears it");
    watch.world.permit(ACCOUNT, "RevokeSecurityGroupIngress");
    assert_eq!(watch.finding(&end(&watch, ID)).await.outcome, Outcome::Reverted);
    assert!(watch.ingress().is_empty());
}

/// A memory that does not answer keeps nobody from closing what says of itself that it is over. Whether that is all cannot
/// be told.
#[tokio::test(start_paused = true)]
async fn without_the_memory_what_says_that_it_is_over_is_closed_and_the_end_is_tried_again() {
    let watch = told().start().await;
    opened(&watch, WIDE).await;
    later(&watch, HOUR * 2);
    watch.world.deny(ACCOUNT, "GetItem");
    let answer = watch.deliver(&end(&watch, ID)).await;
    assert_eq!(answer.findings[0].outcome, Outcome::Failed, "{:#?}", answer.findings);
    assert!(answer.findings[0].reason.contains("the memory did not answer (AccessDeniedException): rules of it whose"));
    assert!(watch.ingress().is_empty() && !answer.failed.is_empty());
    watch.world.permit(ACCOUNT, "GetItem");
    assert_eq!(judged(&watch.finding(&end(&watch, ID)).await), (Verdict::Exempt, Outcome::AlreadyGone));
    assert!(memory(&watch).waivers.is_empty());
}
