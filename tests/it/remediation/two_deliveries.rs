//! Two calls, each of which leaves a standing exposure because of the other.

use ec2_model::Permission;
use portcullis::domain::finding::{Outcome, Verdict};

use super::judged;
use crate::harness::{Watch, enforcing};

fn blocks(first: u32, count: u32) -> Vec<Permission> {
    (first..first + count).map(|n| Permission::tcp(22, &format!("{n}.0.0.0/9"))).collect()
}

fn open_blocks(watch: &Watch) -> usize {
    watch.ingress().len()
}

#[tokio::test(start_paused = true)]
async fn two_calls_before_the_first_look_are_judged_together_by_the_instance_that_sees_both() {
    for count in [2, 30] {
        let watch = enforcing().await;
        let first = watch.open(&blocks(11, count));
        let second = watch.open(&blocks(64, count));
        let begun = tokio::time::Instant::now();
        assert_eq!(
            judged(&watch.finding(&first).await),
            (Verdict::Exposed, Outcome::None),
            "it stands without this call"
        );
        assert_eq!(judged(&watch.finding(&second).await), (Verdict::Exposed, Outcome::Reverted));
        assert_eq!(open_blocks(&watch), 1, "a /9 is under the limit");
        assert!(begun.elapsed() < std::time::Duration::from_secs(60));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lawful_rule_that_another_delivery_left_in_a_standing_exposure_stays() {
    let watch = enforcing().await;
    watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let lawful = watch.open(&[Permission::tcp(22, "9.9.9.0/24")]);
    assert_eq!(judged(&watch.finding(&lawful).await), (Verdict::Exposed, Outcome::None));
    let wide = watch.open(&[Permission::tcp(22, "::/0")]);
    assert_eq!(judged(&watch.finding(&wide).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.ingress(), ["tcp 22-22 0.0.0.0/0", "tcp 22-22 9.9.9.0/24"]);
}
