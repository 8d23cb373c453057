//! Names of accounts, Regions and principals.

use super::*;

/// The verdict and outcome when this caller opens SSH.
async fn opened_by(policy: &'static str, actor: Actor) -> (Verdict, Outcome, usize) {
    let watch = with_policy(policy).await;
    watch.world.set_actor(actor);
    let finding = watch.finding(&watch.open(&[tcp(22, EVERYONE)])).await;
    (finding.verdict, finding.outcome, watch.ingress().len())
}

#[tokio::test(start_paused = true)]
async fn a_role_whose_name_begins_or_ends_like_the_exempt_one() {
    for role in ["BreakGlassX", "NotBreakGlass", "breakglass", "team/BreakGlass", "BreakGlass/x"] {
        assert_eq!(opened_by(BREAK_GLASS, session(role, "jo")).await, (Exposed, Reverted, 0), "{role}");
    }
    assert_eq!(opened_by(BREAK_GLASS, session("BreakGlass", "jo")).await, (Exempt, None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_user_or_a_session_named_like_the_exempt_role() {
    for actor in [Actor::User("BreakGlass".into()), Actor::User("role/BreakGlass".into()), session("Dev", "BreakGlass")]
    {
        assert_eq!(opened_by(BREAK_GLASS, actor.clone()).await, (Exposed, Reverted, 0), "{actor:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_of_the_exempt_name_in_another_account() {
    let policy = "version: 1\nexempt: [{reason: SEC-1, until: never, principals: [\"arn:aws:iam::111122223333:role/BreakGlass\"]}]";
    let identity = json!({
        "type": "AssumedRole", "accountId": "999988887777",
        "arn": "arn:aws:sts::999988887777:assumed-role/BreakGlass/111122223333",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::999988887777:role/BreakGlass"}},
    });
    assert_eq!(opened_by(policy, Actor::Custom(identity)).await, (Exposed, Reverted, 0));
    assert_eq!(opened_by(policy, session("BreakGlass", "jo")).await, (Exempt, None, 1));
}

#[tokio::test(start_paused = true)]
async fn another_region() {
    let watch = enforcing().await;
    let region = "us-east-1";
    let group = watch.world.create_group(ACCOUNT, region, "web", Vpc::Other);
    let ids = watch.world.authorize(ACCOUNT, region, &group, &[tcp(22, EVERYONE)]).unwrap();
    reported(&watch, &watch.event(), Exposed, Reverted, &[]).await;
    assert!(!watch.world.rules(ACCOUNT, region, &group).iter().any(|rule| ids.contains(&rule.id)));
}

#[tokio::test(start_paused = true)]
async fn an_envelope_of_another_account() {
    let watch = enforcing().await;
    let mut event = watch.open(&[tcp(22, EVERYONE)]);
    event["account"] = json!("999988887777");
    reported(&watch, &event, Undecided, None, &["tcp 22-22 0.0.0.0/0"]).await;
    assert!(watch.world.calls().is_empty());
}

/// What a record names by name is believed for five minutes. A port that it may have opened, and that is open, is no
/// reason to call an older one done.
#[tokio::test(start_paused = true)]
async fn an_old_record_by_name_where_somebody_could_be_exempt() {
    for (minutes, expected, says) in [(1, (Exposed, Failed), "StillOpen"), (6, (Exposed, None), "older than 5 minutes")]
    {
        let watch = Setup { vpc: Vpc::Default, policy: BREAK_GLASS, ..Setup::default() }.start().await;
        watch.world.authorize(ACCOUNT, REGION, "web", &[tcp(22, EVERYONE)]).unwrap();
        let mut event = watch.event();
        event["detail"]["responseElements"] = json!({"_return": true});
        watch.world.set_now(watch.world.now() + minutes * 60_000);
        let answer = watch.deliver(&event).await;
        let finding = &answer.findings[0];
        assert_eq!(((finding.verdict, finding.outcome), watch.ingress().len()), (expected, 1), "{minutes} minutes");
        assert!(finding.needs_retry() && !answer.failed.is_empty(), "{minutes} minutes: {finding:#?}");
        assert!(finding.reason.contains(says), "{}", finding.reason);
    }
}
