//! Sources in a managed prefix list.

use super::*;

/// A group that has long admitted SSH from a list with these entries.
async fn with_list(entries: &[&str]) -> (Watch, String) {
    let watch = enforcing().await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "offices", 20, entries).unwrap();
    old_rule(&watch, tcp(22, &list));
    (watch, list)
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_with_everyone_in_it() {
    for entries in [&["0.0.0.0/0"][..], &["0.0.0.0/1", "128.0.0.0/1"], &["::/0"]] {
        let watch = enforcing().await;
        let list = watch.world.create_prefix_list(ACCOUNT, REGION, "offices", 20, entries).unwrap();
        let event = watch.open(&[tcp(22, &list), tcp(443, &list)]);
        reported(&watch, &event, Exposed, Reverted, &[&format!("tcp 443-443 {list}")]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_opened_under_an_old_rule() {
    let (watch, list) = with_list(&["9.9.9.0/24"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
    reported(&watch, &watch.event(), Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_filled_bit_by_bit() {
    let (watch, list) = with_list(&["9.9.9.0/24"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["8.0.0.0/9"], &[]).unwrap();
    reported(&watch, &watch.event(), Safe, None, &[&format!("tcp 22-22 {list}")]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["8.128.0.0/9"], &[]).unwrap();
    reported(&watch, &watch.event(), Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_and_a_block_that_add_up() {
    let (watch, list) = with_list(&["8.0.0.0/9"]).await;
    let event = watch.open(&[tcp(22, "8.128.0.0/9")]);
    reported(&watch, &event, Exposed, Reverted, &[&format!("tcp 22-22 {list}")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_of_exempt_sources_widened() {
    let watch = with_policy("version: 1\nexempt: [{reason: partner, until: never, sources: [8.0.0.0/8]}]").await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "partner", 20, &["8.0.0.0/8"]).unwrap();
    let event = watch.open(&[tcp(22, &list)]);
    reported(&watch, &event, Exempt, None, &[&format!("tcp 22-22 {list}")]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["16.0.0.0/4", "128.0.0.0/2"], &[]).unwrap();
    reported(&watch, &watch.event(), Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_from_which_a_decoy_is_taken_before_the_look() {
    let (watch, list) = with_list(&["9.9.9.0/24"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0", "7.7.7.7/32"], &[]).unwrap();
    let event = watch.event();
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &[], &["7.7.7.7/32"]).unwrap();
    let started = tokio::time::Instant::now();
    reported(&watch, &event, Exposed, Reverted, &[]).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(1), "what the list shows is enough to act on");
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_closed_between_look_and_revoke_and_opened_after() {
    let watch = enforcing().await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "offices", 20, &["9.9.9.0/24", "0.0.0.0/0"]).unwrap();
    let event = watch.open(&[tcp(22, &list)]);
    watch.world.inject(Fault::next("RevokeSecurityGroupIngress", FaultKind::Throttle));
    let swap = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &[], &["0.0.0.0/0"]).unwrap();
    };
    let left = format!("tcp 22-22 {list}");
    let left = [left.as_str()];
    let (finding, ()) = tokio::join!(reported(&watch, &event, Exposed, AlreadyGone, &left), swap);
    assert!(!finding.reason.contains("is open"), "{}", finding.reason);
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
    reported(&watch, &watch.event(), Exposed, Reverted, &[]).await;
}
