//! Another instance takes the lease while this one is at work. Who has nothing left to do leaves at once; who has stays.

use std::sync::Mutex;

use ec2_model::{Fault, FaultKind};
use tokio::time::{Instant, sleep};

use super::holder::held_by_another;
use super::*;

/// EC2 refuses one revoke for want of a token. A rule appears meanwhile, and another instance takes the lease. Then EC2 confirms
/// the revoke of both, and nothing else is open: nobody has to close anything, so nobody is waited for.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_holder_after_a_revoke_that_leaves_nothing_open() {
    for _ in 0..8 {
        let mut watch = remembering().start().await;
        let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
        watch.world.inject(Fault::next("RevokeSecurityGroupIngress", FaultKind::Throttle));
        let (world, last) = (watch.world.clone(), Arc::new(Mutex::new(Instant::now())));
        let noted = Arc::clone(&last);
        let between: Between = Arc::new(move |request| {
            if request.body.starts_with(b"Action=RevokeSecurityGroupIngress") {
                *noted.lock().unwrap() = Instant::now();
            }
            (Duration::ZERO, world.handle(request))
        });
        watch.start_behind(remembering(), between).await;
        let opens_more = async {
            sleep(Duration::from_millis(50)).await;
            watch.open(&[Permission::tcp(22, "::/0")]);
            held_by_another(&watch).await;
        };
        let (finding, ()) = tokio::join!(watch.finding(&event), opens_more);
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{finding:#?}");
        assert!(watch.ingress().is_empty(), "{:?}", watch.ingress());
        let waited = last.lock().unwrap().elapsed();
        assert!(waited < Duration::from_millis(500), "{waited:?}");
    }
}

/// EC2 refuses two revokes for want of a token. A rule appears meanwhile, and another instance takes the lease and does
/// nothing. What is left to revoke is nobody else's.
#[tokio::test(start_paused = true)]
async fn nobody_leaves_what_is_still_to_be_revoked_to_a_holder_that_does_nothing() {
    for _ in 0..8 {
        let watch = remembering().start().await;
        let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
        for nth in [0, 1] {
            let action = Some("RevokeSecurityGroupIngress".into());
            watch.world.inject(Fault { action, nth, kind: FaultKind::Throttle });
        }
        let opens_more = async {
            sleep(Duration::from_millis(50)).await;
            watch.open(&[Permission::tcp(22, "::/0")]);
            held_by_another(&watch).await;
        };
        let (finding, ()) = tokio::join!(watch.finding(&event), opens_more);
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{finding:#?}");
        assert!(watch.ingress().is_empty(), "{:?}", watch.ingress());
    }
}
