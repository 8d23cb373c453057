//! The end of an opening may wait, and nothing that a sweep closes waits for it.

use std::sync::{Arc, Mutex};

use ec2_model::Vpc;
use tokio::time::Instant;

use super::*;
use crate::harness::Between;

/// When each revoke came, by its group.
type Revokes = Arc<Mutex<Vec<(String, Duration)>>>;

/// A memory that takes most of what it is given for the items of groups. The list of openings is read at once.
fn slow_items(watch: &Watch) -> (Between, Revokes) {
    let (revokes, world, begun) = (Revokes::default(), watch.world.clone(), Instant::now());
    let kept = Arc::clone(&revokes);
    let between: Between = Arc::new(move |request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let is_item = body.contains(&format!("{ACCOUNT}/{REGION}/sg-"));
        if let Some((_, group)) = body.split_once("GroupId=").filter(|_| body.contains("Action=RevokeSecurity")) {
            let group = group.split('&').next().unwrap().to_owned();
            kept.lock().unwrap().push((group, begun.elapsed()));
        }
        let pause = if is_item { Duration::from_millis(1500) } else { Duration::ZERO };
        (pause, world.handle(request))
    });
    (between, revokes)
}

#[tokio::test(start_paused = true)]
async fn what_a_sweep_closes_does_not_wait_for_an_end() {
    let policy = "version: 1\nsweep: {mode: enforce, max_revocations: 25}";
    let setup = || Setup { policy, ..told() };
    let mut watch = setup().start().await;
    opened(&watch, OFFICE).await;
    // Groups come in the order of their ids: there are some before and behind that of the opening.
    let others: Vec<String> =
        (0..6).map(|n| watch.world.create_group(ACCOUNT, REGION, &format!("g{n}"), Vpc::Other)).collect();
    for group in others.iter().chain([&watch.group]) {
        watch.world.authorize(ACCOUNT, REGION, group, &[Permission::tcp(3389, "0.0.0.0/0")]).unwrap();
    }
    later(&watch, HOUR * 3);
    let (between, revokes) = slow_items(&watch);
    watch.start_behind(setup(), between).await;
    let answer = watch.deliver(&sweep()).await;
    let ended = answer.findings.iter().find(|finding| finding.is_of_end()).unwrap();
    assert_eq!(judged(ended), (Verdict::Exempt, Outcome::Reverted), "{ended:#?}");
    assert!(watch.ingress().is_empty(), "{:?}", watch.ingress());
    let revokes = revokes.lock().unwrap();
    let order: Vec<&String> = revokes.iter().map(|(group, _)| group).collect();
    assert_eq!(order.len(), 8, "{revokes:?}");
    assert!(order[..6].iter().all(|group| others.contains(group)), "{revokes:?}");
    // Each group waits for its own claim only, for 300 ms.
    let first = revokes[0].1;
    assert!(first <= Duration::from_millis(400), "{revokes:?}");
    let summary = answer.findings.last().unwrap().sweep.as_ref().unwrap();
    assert_eq!((summary.exposed, summary.reverted, summary.open.len()), (7, 7, 0));
}
