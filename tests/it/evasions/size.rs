//! Calls so large that CloudTrail omits a part of the record.

use super::*;

/// A call of 400 harmless rules and a bad one, and the event that CloudTrail makes of it.
async fn oversized(description: &str) -> (Watch, Value) {
    let watch = enforcing().await;
    watch.world.set_rules_per_group(1000);
    let harmless = (0..400).map(|n| tcp(10_000 + n, "9.9.9.9/32").described(description));
    let event = watch.open(&harmless.chain([tcp(22, EVERYONE)]).collect::<Vec<_>>());
    (watch, event)
}

/// The verdict and outcome, and the harmless rules that are left when the bad one is gone.
async fn all_but_the_bad_one(watch: &Watch, event: &Value) -> (Verdict, Outcome, usize) {
    let finding = watch.finding(event).await;
    assert!(!watch.ingress().contains(&"tcp 22-22 0.0.0.0/0".to_owned()), "{}", finding.reason);
    (finding.verdict, finding.outcome, watch.ingress().len())
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_answer_is_left_out() {
    let (watch, event) = oversized("").await;
    assert_eq!(event.pointer("/detail/responseElements/omitted"), Some(&json!(true)));
    assert!(event.pointer("/detail/requestParameters/omitted").is_none());
    assert_eq!(all_but_the_bad_one(&watch, &event).await, (Exposed, Reverted, 400));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_request_is_left_out() {
    let watch = enforcing().await;
    let mut event = watch.open(&[tcp(22, EVERYONE), tcp(443, EVERYONE)]);
    event["detail"]["requestParameters"] = omitted();
    reported(&watch, &event, Exposed, Reverted, &["tcp 443-443 0.0.0.0/0"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_of_which_all_is_left_out() {
    let (watch, event) = oversized(&"x".repeat(255)).await;
    for part in ["requestParameters", "responseElements"] {
        assert_eq!(event["detail"][part]["omitted"], json!(true), "{part}");
    }
    assert_eq!(all_but_the_bad_one(&watch, &event).await, (Exposed, Reverted, 400));
}

#[tokio::test(start_paused = true)]
async fn a_record_without_parameters_in_a_region_of_small_groups() {
    let watch = enforcing().await;
    let mut event = watch.open(&[tcp(22, EVERYONE)]);
    for part in ["requestParameters", "responseElements"] {
        event["detail"][part] = omitted();
    }
    reported(&watch, &event, Exposed, Reverted, &[]).await;
}
