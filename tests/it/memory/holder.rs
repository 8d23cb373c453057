//! Whoever holds the lease may have died. Who waits for it closes what it sees open, and soon.

use portcullis::domain::memory::Lease;
use portcullis::store::Update;
use tokio::time::{Instant, sleep};

use super::*;

/// Another instance holds the lease for a minute, and does nothing.
pub(super) async fn held_by_another(watch: &Watch) {
    let lease = Lease { holder: "another".to_owned(), until: watch.context.now() + Duration::from_secs(60) };
    let set = Memory { lease: Some(lease), ..Memory::default() }.entries();
    let (key, update) = (format!("{ACCOUNT}/{REGION}/{}", watch.group), Update { set, ..Update::default() });
    let until = Instant::now() + Duration::from_secs(5);
    watch.context.settings.memory.update(&watch.context.aws, &key, &update, until).await.unwrap();
}

/// The only ingress rule.
fn only_rule(watch: &Watch) -> String {
    let mut rules = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter();
    rules.find(|rule| rule.direction == ec2_model::Direction::Ingress).unwrap().id
}

/// The first look shows nothing to call for, and the second a rule that no record at hand names.
#[tokio::test(start_paused = true)]
async fn what_appears_beside_a_holder_that_does_nothing_is_closed_within_its_time() {
    for _ in 0..8 {
        let watch = remembering().start().await;
        let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
        let rule = only_rule(&watch);
        watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&rule]).unwrap();
        later(&watch, Duration::from_secs(15));
        held_by_another(&watch).await;
        let opens_again = async {
            sleep(Duration::from_secs(1)).await;
            watch.open(&[Permission::tcp(22, "::/0")]);
        };
        let begun = Instant::now();
        let (finding, ()) = tokio::join!(watch.finding(&event), opens_again);
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{finding:#?}");
        assert!(watch.ingress().is_empty(), "{:?}", watch.ingress());
        // Five seconds until the record's own rule counts as gone, and twice the holder's time.
        assert!(begun.elapsed() <= Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}

/// The first look shows the record's rule as something else that is open.
#[tokio::test(start_paused = true)]
async fn a_rule_that_was_replaced_is_closed_beside_a_holder_that_does_nothing() {
    let watch = remembering().start().await;
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    let rule = only_rule(&watch);
    let change = ec2_model::RuleChange { rule, permission: Permission::tcp(22, "54.0.0.0/8") };
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &[change]).unwrap();
    held_by_another(&watch).await;
    let begun = Instant::now();
    let finding = watch.finding(&event).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{finding:#?}");
    assert!(watch.ingress().is_empty(), "{:?}", watch.ingress());
    assert!(begun.elapsed() <= Duration::from_secs(6), "{:?}", begun.elapsed());
}
