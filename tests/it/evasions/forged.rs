//! Events that a guardrail must not fall for.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_harmless_oversized_call_to_have_standing_exposures_taken() {
    for (lawful, judged) in [(0, (Exposed, Reverted)), (59, (Exposed, Reverted))] {
        let watch = enforcing().await;
        watch.world.set_rules_per_group(1000);
        let bystander = watch.world.create_group(ACCOUNT, REGION, "bystander", Vpc::Other);
        let old = (0..lawful).map(|n| tcp(10_000 + n, "9.9.9.9/32")).chain([tcp(22, EVERYONE)]);
        watch.world.authorize(ACCOUNT, REGION, &bystander, &old.collect::<Vec<_>>()).unwrap();
        watch.world.set_now(watch.world.now() + 86_400_000);
        let harmless = (0..400).map(|n| tcp(10_000 + n, "9.9.9.9/32").described(&"x".repeat(255)));
        let event = watch.open(&harmless.collect::<Vec<_>>());
        assert_eq!(event.pointer("/detail/responseElements/omitted"), Some(&json!(true)));
        let finding = watch.finding(&event).await;
        assert_eq!((finding.verdict, finding.outcome), judged, "{lawful}: {}", finding.reason);
        assert_eq!(finding.group.as_ref(), Some(&bystander));
        let left = watch.world.rules(ACCOUNT, REGION, &bystander);
        assert!(left.iter().all(|rule| rule.from_port != 22), "it was lawful for nobody, and is bounded by the cap");
        assert_eq!(left.iter().filter(|rule| rule.from_port >= 10_000).count(), usize::try_from(lawful).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn delivered_twice() {
    let watch = enforcing().await;
    let event = watch.open(&[tcp(22, EVERYONE), tcp(443, EVERYONE)]);
    let twice = [event.to_string(), event.to_string()];
    let findings = watch.deliver(&sqs(&twice)).await.findings;
    assert!(findings.iter().all(|finding| (finding.verdict, finding.outcome) == (Exposed, Reverted)), "{findings:#?}");
    reported(&watch, &event, Safe, None, &["tcp 443-443 0.0.0.0/0"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_dry_run() {
    let watch = enforcing().await;
    let call = [
        ("GroupId", watch.group.as_str()),
        ("IpPermissions.1.IpProtocol", "-1"),
        ("IpPermissions.1.IpRanges.1.CidrIp", EVERYONE),
        ("DryRun", "true"),
    ];
    watch.world.user_call(ACCOUNT, REGION, "AuthorizeSecurityGroupIngress", &call).unwrap_err();
    let event = watch.event();
    assert_eq!(event["detail"]["errorCode"], "Client.DryRunOperation");
    reported(&watch, &event, Irrelevant, None, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_failed() {
    let watch = enforcing().await;
    let old = old_rule(&watch, tcp(443, EVERYONE));
    for calls in [[tcp(22, EVERYONE), tcp(443, EVERYONE)], [tcp(22, EVERYONE), tcp(22, "1.2.3.4/0")]] {
        watch.world.authorize(ACCOUNT, REGION, &watch.group, &calls).unwrap_err();
        reported(&watch, &watch.event(), Irrelevant, None, &["tcp 443-443 0.0.0.0/0"]).await;
    }
    assert_eq!(last_rule(&watch), old);
}

/// The event of an old call with another time and another caller. Anyone who may invoke the function can make one.
fn forged(mut event: Value, watch: &Watch) -> Value {
    let now = jiff::Timestamp::from_millisecond(watch.world.now()).unwrap();
    event["detail"]["eventTime"] = json!(now.to_string());
    event["detail"]["eventID"] = json!("00000000-0000-4000-8000-000000000000");
    event["detail"]["userIdentity"] = json!({"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/mallory"});
    event
}

#[tokio::test(start_paused = true)]
async fn a_forged_event_about_a_lawful_rule() {
    let watch = enforcing().await;
    let lawful = watch.open(&[tcp(443, EVERYONE)]);
    let altered = lawful.to_string().replace("\"fromPort\":443,", "\"fromPort\":22,");
    assert_eq!(altered.matches("\"fromPort\":22,").count(), 2, "in the request and in the answer");
    let event = forged(serde_json::from_str(&altered).unwrap(), &watch);
    // Ports 22 to 443 in the record, and 443 in EC2.
    reported(&watch, &event, Safe, AlreadyGone, &["tcp 443-443 0.0.0.0/0"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_forged_event_about_an_old_exposed_rule() {
    let watch = enforcing().await;
    let old = watch.open(&[tcp(22, EVERYONE)]);
    watch.world.set_now(watch.world.now() + 86_400_000);
    reported(&watch, &forged(old, &watch), Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_forged_event_about_an_exempt_rule() {
    let watch = with_policy(BREAK_GLASS).await;
    watch.world.set_actor(session("BreakGlass", "jo"));
    let exempt = watch.open(&[tcp(22, EVERYONE)]);
    reported(&watch, &exempt, Exempt, None, &["tcp 22-22 0.0.0.0/0"]).await;
    reported(&watch, &forged(exempt, &watch), Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_forged_event_that_names_an_exempt_caller() {
    for together in [true, false] {
        let watch = with_policy(BREAK_GLASS).await;
        let real = watch.open(&[tcp(22, EVERYONE)]);
        let mut forged = forged(real.clone(), &watch);
        forged["detail"]["userIdentity"]["arn"] = json!("arn:aws:iam::111122223333:role/BreakGlass");
        if together {
            watch.deliver(&sqs(&[forged.to_string(), real.to_string()])).await;
            assert!(watch.ingress().is_empty(), "who else made it is not exempt");
            continue;
        }
        reported(&watch, &forged, Exempt, None, &["tcp 22-22 0.0.0.0/0"]).await;
        reported(&watch, &real, Exposed, Reverted, &[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_stands_twice() {
    let watch = enforcing().await;
    let event = watch.open(&[tcp(22, EVERYONE)]).to_string();
    let twice = event.replace(r#""cidrIp":"0.0.0.0/0""#, r#""cidrIp":"0.0.0.0/0","cidrIp":"10.0.0.0/8""#);
    assert_ne!(event, twice);
    // The function's runtime reads the payload like this.
    let event = portcullis::domain::json::parse(twice.as_bytes()).unwrap();
    let event = serde_json::to_value(event).unwrap();
    // Nobody knows what the request says, but the answer has the rule's id, and EC2 the rule.
    let finding = watch.finding(&event).await;
    assert_eq!((finding.verdict, finding.outcome, watch.ingress().len()), (Exposed, Reverted, 0));
    assert!(finding.reason.contains("the key cidrIp stands twice"), "{}", finding.reason);
}

#[tokio::test(start_paused = true)]
async fn an_oversized_call_to_have_an_exempt_rule_taken() {
    let policy = "version: 1\nexempt:\n- {reason: SEC-1, until: never, guard: [ssh], principals: ['arn:aws:iam::*:role/BreakGlass']}";
    let watch = with_policy(policy).await;
    watch.world.set_actor(session("BreakGlass", "jo"));
    let exempt = watch.open(&[tcp(22, EVERYONE)]);
    reported(&watch, &exempt, Exempt, None, &["tcp 22-22 0.0.0.0/0"]).await;
    watch.world.set_actor(ec2_model::Actor::User("mallory".into()));
    let mut event = watch.open(&[tcp(3389, EVERYONE)]);
    for part in ["requestParameters", "responseElements"] {
        event["detail"][part] = omitted();
    }
    // What the call opened goes, and what somebody exempt may have made stays.
    reported(&watch, &event, Exposed, Reverted, &["tcp 22-22 0.0.0.0/0"]).await;
}
