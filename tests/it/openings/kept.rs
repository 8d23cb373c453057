//! How long an item with a waiver is kept. DynamoDB deletes it at its `ttl`, and an opening that nobody knows is never ended.

use super::*;

/// When the group's item goes.
fn goes(watch: &Watch) -> Timestamp {
    let item = watch.world.items(ACCOUNT, REGION, TABLE).remove(&item(watch)).unwrap();
    Timestamp::from_second(item["ttl"].parse().unwrap()).unwrap()
}

/// An opening of ninety days, as a policy may let it be.
async fn long(watch: &Watch) -> Timestamp {
    let until = watch.context.now() + HOUR * (24 * 90);
    let waiver = Waiver { until, ..waiver(watch, OFFICE) };
    let set = Entries::from([(waiver_name("w-long"), written(&waiver).unwrap())]);
    let update = Update { set, ttl: Some(until + HOUR * (24 * 30)), ..Update::default() };
    let patience = tokio::time::Instant::now() + Duration::from_secs(5);
    watch.context.settings.memory.update(&watch.context.aws, &item(watch), &update, patience).await.unwrap();
    until
}

/// A claim is written before anything is known of the item, and the instance may come no further.
#[tokio::test(start_paused = true)]
async fn a_claim_of_an_instance_that_comes_no_further_does_not_shorten_the_life_of_a_waiver() {
    let watch = told().start().await;
    let until = long(&watch).await;
    let before = goes(&watch);
    let event = watch.open(&[Permission::tcp(22, WIDE)]);
    // The claim is written. Nothing after it is.
    for nth in 1..8 {
        watch.world.inject(ec2_model::Fault {
            action: Some("UpdateItem".into()),
            nth,
            kind: ec2_model::FaultKind::LostBefore,
        });
    }
    watch.deliver(&event).await;
    assert_eq!(memory(&watch).claims.len(), 1, "the claim alone: {:?}", memory(&watch));
    assert_eq!(goes(&watch), before);
    assert!(goes(&watch) > until);
    // Where there was no item, the claim has its eight days: the next delivery, or sweep, completes what it says.
    let watch = told().start().await;
    let event = watch.open(&[Permission::tcp(22, WIDE)]);
    watch.world.inject(ec2_model::Fault {
        action: Some("UpdateItem".into()),
        nth: 1,
        kind: ec2_model::FaultKind::LostBefore,
    });
    watch.deliver(&event).await;
    let left = goes(&watch).duration_since(watch.context.now());
    assert!((HOUR * (24 * 8) - left).abs() < HOUR, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_delivery_settles_and_the_end_of_a_shorter_opening_do_not_shorten_it_either() {
    let watch = told().start().await;
    let until = long(&watch).await;
    watch.deliver(&watch.open(&[Permission::tcp(22, WIDE)])).await;
    assert!(watch.ingress().is_empty() && goes(&watch) > until);
    opened(&watch, OFFICE).await;
    later(&watch, HOUR * 2);
    assert_eq!(watch.finding(&end(&watch, ID)).await.outcome, Outcome::Reverted);
    assert!(goes(&watch) > until, "{} {until}", goes(&watch));
    assert!(memory(&watch).waivers.contains_key("w-long"));
}
