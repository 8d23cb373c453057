//! Who waits beside the holder for rules that are still to come reads the memory and leaves EC2's tokens to the holder.

use super::holder::held_by_another;
use super::*;

fn looks(watch: &Watch) -> usize {
    watch.ec2_calls().iter().filter(|call| *call == "DescribeSecurityGroupRules").count()
}

/// EC2 does not show the record's rule, which counts as gone in five seconds.
async fn looks_for_a_rule_to_come(is_held: bool) -> usize {
    let watch = remembering().start().await;
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    let rules = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter();
    let own: Vec<String> = rules.filter(|rule| rule.from_port == 22).map(|rule| rule.id).collect();
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&own[0]]).unwrap();
    later(&watch, Duration::from_secs(15));
    if is_held {
        held_by_another(&watch).await;
    }
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Safe, Outcome::AlreadyGone));
    looks(&watch)
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_rule_to_come_looks_at_the_beginning_and_at_the_end_where_somebody_else_looks_on() {
    for _ in 0..8 {
        assert_eq!(looks_for_a_rule_to_come(true).await, 2);
        assert!(looks_for_a_rule_to_come(false).await > 3);
    }
}

/// A port that was open before, and that another delivery may be closing, is looked at again all the same.
#[tokio::test(start_paused = true)]
async fn what_is_rechecked_is_looked_at_beside_a_holder_too() {
    let watch = remembering().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    later(&watch, Duration::from_secs(60));
    // Two rules: EC2 hides one of them.
    let event = watch.open(&[Permission::tcp(22, "9.9.9.9/32"), Permission::tcp(3389, "9.9.9.9/32")]);
    let rules = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter();
    let hidden: Vec<String> = rules.filter(|rule| rule.from_port == 3389).map(|rule| rule.id).collect();
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&hidden[0]]).unwrap();
    held_by_another(&watch).await;
    watch.finding(&event).await;
    assert!(looks(&watch) > 3, "{}", looks(&watch));
}
