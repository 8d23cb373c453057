//! The policy is read again within a minute, where something is about to be acted on.

use portcullis::config::PolicySource;
use portcullis::live_policy::LivePolicy;

use super::*;

const BUCKET: &str = "policies";
const STRICT: &str = "version: 1\nguard: [ssh, postgres]\n";
const LAX: &str = "version: 1\nguard: [postgres]\n";

/// A function whose policy is an object in S3.
async fn with_policy(text: &str) -> Watch {
    let mut watch = remembering().start().await;
    watch.world.put_object(BUCKET, "policy.yaml", text);
    let source = PolicySource::S3 { bucket: BUCKET.into(), key: "policy.yaml".into() };
    let (policy, mark) = source.read(&watch.context.aws).await.unwrap();
    watch.context.policy = LivePolicy::of(source, policy, mark);
    watch
}

fn reads(watch: &Watch) -> usize {
    watch.world.calls().iter().filter(|call| call.action == "GetObject").count() - 1
}

async fn minute() {
    tokio::time::sleep(Duration::from_secs(61)).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_policy_holds_within_a_minute_and_is_asked_for_no_oftener() {
    let watch = with_policy(STRICT).await;
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(reads(&watch), 0, "it is young");
    watch.world.put_object(BUCKET, "policy.yaml", LAX);
    minute().await;
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    let before = watch.context.policy.now().hash().to_owned();
    let finding = watch.finding(&event).await;
    assert_eq!(judged(&finding), (Verdict::Safe, Outcome::None), "{finding:#?}");
    assert_ne!(finding.policy, Some(before));
    assert_eq!(reads(&watch), 1);
    for _ in 0..3 {
        let event = watch.open(&[Permission::tcp(5432, EVERYONE)]);
        assert_eq!(watch.finding(&event).await.outcome, Outcome::Reverted);
    }
    assert_eq!(reads(&watch), 1);
    minute().await;
    let event = watch.open(&[Permission::tcp(5432, EVERYONE)]);
    watch.finding(&event).await;
    assert_eq!(reads(&watch), 2, "304: it has not changed");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_has_nothing_to_act_on_learns_of_a_stricter_policy() {
    let watch = with_policy(LAX).await;
    watch.world.put_object(BUCKET, "policy.yaml", STRICT);
    minute().await;
    let harmless = watch.open(&[Permission::tcp(22, EVERYONE)]);
    assert_eq!(watch.finding(&harmless).await.verdict, Verdict::Safe, "by the policy of before");
    let next = watch.open(&[Permission::tcp(22, "::/0")]);
    assert_eq!(judged(&watch.finding(&next).await), (Verdict::Exposed, Outcome::Reverted));
}

#[tokio::test(start_paused = true)]
async fn a_policy_with_a_mistake_keeps_the_one_of_before_and_is_counted() {
    for wrong in ["version: 1\ngaurd: [ssh]\n", ""] {
        let watch = with_policy(STRICT).await;
        watch.world.put_object(BUCKET, "policy.yaml", wrong);
        minute().await;
        for _ in 0..2 {
            let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
            assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
        }
        let lines = watch.lines.lock().unwrap().join("\n");
        assert_eq!(lines.matches("\"PolicyStale\":1").count(), 2, "{lines}");
        watch.world.put_object(BUCKET, "policy.yaml", LAX);
        minute().await;
        let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
        assert_eq!(watch.finding(&event).await.verdict, Verdict::Safe);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_bucket_delays_no_close() {
    use ec2_model::{Fault, FaultKind};
    let watch = with_policy(STRICT).await;
    minute().await;
    watch.world.inject(Fault::next("GetObject", FaultKind::Slow(Duration::from_secs(20))));
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    let begun = tokio::time::Instant::now();
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

/// One delivery is at work by the old policy while another reads the new one.
#[tokio::test(start_paused = true)]
async fn an_act_is_kept_with_the_policy_by_which_it_was_judged() {
    use ec2_model::{Fault, FaultKind};
    let watch = with_policy(STRICT).await;
    let old = watch.context.policy.now().hash().to_owned();
    tokio::time::sleep(Duration::from_secs(59)).await;
    let slow = watch.open(&[Permission::tcp(22, EVERYONE)]);
    let other = watch.world.create_group(ACCOUNT, REGION, "other", Vpc::Other);
    watch.world.authorize(ACCOUNT, REGION, &other, &[Permission::tcp(5432, EVERYONE)]).unwrap();
    let next = watch.event();
    watch.world.put_object(BUCKET, "policy.yaml", LAX);
    watch.world.inject(Fault::next("RevokeSecurityGroupIngress", FaultKind::Slow(Duration::from_secs(4))));
    let later = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        watch.finding(&next).await
    };
    let (first, second) = tokio::join!(watch.finding(&slow), later);
    assert_eq!([first.outcome, second.outcome], [Outcome::Reverted; 2]);
    assert_ne!(watch.context.policy.now().hash(), old, "the other delivery has read the new one meanwhile");
    let acts = crate::harness::replayed(&watch.world);
    let of_first = acts.iter().find(|act| Some(&act.id) == first.act.as_ref()).unwrap();
    assert_eq!(of_first.guard.policy, old);
}
