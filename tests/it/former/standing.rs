//! A call that opens no more than was open is no opening; and it hides none.

use super::*;
use crate::harness::TABLE;

#[tokio::test(start_paused = true)]
async fn a_new_description_for_what_a_sweep_saw_open_is_told_and_leaves_it() {
    let mut watch = remembering().start().await;
    let open = rule(&watch, tcp(22, EVERYONE).described("old"));
    sweep(&watch).await;
    let event = modify(&watch, &open, tcp(22, EVERYONE).described("reviewed"));
    let looks = watch.ec2_calls().len();
    let finding = alone(&mut watch, remembering(), &event).await;
    assert_eq!((judged(&finding), action(&finding)), ((Verdict::Exposed, Outcome::None), Action::Kept), "{finding:#?}");
    assert!(finding.exposures.iter().all(|exposure| exposure.standing));
    assert!(finding.reason.ends_with("the call changed the description only"), "{}", finding.reason);
    assert_eq!(watch.ec2_calls().len() - looks, 1, "there is nothing to wait for");
    // It has no part in what stands: nobody is judged together with it later.
    let item = &watch.world.items(ACCOUNT, REGION, TABLE)[&format!("{ACCOUNT}/{REGION}/{}", watch.group)];
    assert!(item.keys().all(|name| !name.starts_with("claim#")), "{item:#?}");
    later(&watch, MINUTES);
    let event = watch.open(&[tcp(22, "::/0")]);
    alone(&mut watch, remembering(), &event).await;
    assert_eq!(watch.ingress(), ["tcp 22-22 0.0.0.0/0"], "only the new one went");
}

#[tokio::test(start_paused = true)]
async fn what_narrows_an_open_rule_leaves_it_and_what_widens_it_is_taken_back() {
    for (before, now, said) in [
        (tcp(22, EVERYONE), tcp(22, "0.0.0.0/1"), Some("the call narrowed the rule")),
        (Permission::new("tcp", 20, 25, &[EVERYONE]), tcp(22, EVERYONE), Some("the call narrowed the rule")),
        (tcp(22, "0.0.0.0/1"), tcp(22, EVERYONE), None),
        (tcp(22, EVERYONE), Permission::new("tcp", 22, 3389, &[EVERYONE]), None),
    ] {
        for setup in [remembering as fn() -> Setup, restoring] {
            let mut watch = setup().start().await;
            let open = rule(&watch, before.clone());
            sweep(&watch).await;
            let event = modify(&watch, &open, now.clone());
            let finding = alone(&mut watch, setup(), &event).await;
            match said {
                Some(said) => {
                    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::None), "{finding:#?}");
                    assert!(finding.reason.ends_with(said), "{}", finding.reason);
                }
                // What it was is never written: it opens a port as well.
                None => {
                    assert_eq!(action(&finding), Action::Revoked, "{finding:#?}");
                    assert_eq!(watch.ingress(), Vec::<String>::new());
                    assert!(
                        finding.reason.ends_with("that opens a port as well, and is not given back"),
                        "{}",
                        finding.reason
                    );
                }
            }
        }
    }
}

/// One call opens a port, the next rewords the rule before anybody looks, or widens its ports. Neither hides behind the
/// other, in whichever order their events come, with and without a sweep in between.
#[tokio::test(start_paused = true)]
async fn a_call_that_rewords_what_another_has_just_opened_does_not_make_it_stand() {
    let second = [tcp(22, EVERYONE).described("reviewed"), Permission::new("tcp", 20, 25, &[EVERYONE])];
    for setup in [remembering as fn() -> Setup, restoring] {
        for (second, is_reversed, is_swept) in [
            (&second[0], false, false),
            (&second[0], true, false),
            (&second[1], false, false),
            (&second[1], true, false),
            (&second[0], false, true),
            (&second[1], false, true),
        ] {
            let mut watch = setup().start().await;
            let web = rule(&watch, tcp(443, EVERYONE).described("shop"));
            sweep(&watch).await;
            let opens = modify(&watch, &web, tcp(22, EVERYONE));
            later(&watch, Duration::from_secs(2));
            let mut events = vec![opens];
            if is_swept {
                later(&watch, 40 * MINUTES);
                sweep(&watch).await;
            }
            events.push(modify(&watch, &web, second.clone()));
            if is_reversed {
                events.reverse();
            }
            let mut actions = Vec::new();
            for event in &events {
                actions.push(judged(&alone(&mut watch, setup(), event).await).1);
            }
            let left = watch.ingress();
            let restored = ["tcp 443-443 0.0.0.0/0".to_owned()];
            assert!(left.is_empty() || left == restored, "{left:?} after {actions:?}, {is_reversed}, {is_swept}");
            assert!(actions.contains(&Outcome::Reverted), "{actions:?}");
        }
    }
}

/// The second event comes first and alone, as if the first were lost: what the sweep saw is what counts.
#[tokio::test(start_paused = true)]
async fn a_call_that_rewords_is_closed_when_the_one_that_opened_is_never_told() {
    let mut watch = restoring().start().await;
    let web = rule(&watch, tcp(443, EVERYONE));
    sweep(&watch).await;
    modify(&watch, &web, tcp(22, EVERYONE));
    later(&watch, Duration::from_secs(2));
    let event = modify(&watch, &web, tcp(22, EVERYONE).described("reviewed"));
    let finding = alone(&mut watch, restoring(), &event).await;
    assert_eq!(action(&finding), Action::Restored);
    assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"]);
}

/// A memory of nobody: what a sweep saw open may have been closed since by a call that another instance saw.
#[tokio::test(start_paused = true)]
async fn without_a_memory_a_new_description_is_an_opening_as_it_always_was() {
    let watch = Setup::default().start().await;
    let open = rule(&watch, tcp(22, EVERYONE));
    sweep(&watch).await;
    let event = modify(&watch, &open, tcp(22, EVERYONE).described("reviewed"));
    let finding = watch.finding(&event).await;
    assert_eq!((judged(&finding), action(&finding)), ((Verdict::Exposed, Outcome::Reverted), Action::Revoked));
}

/// The sweep saw it open, somebody closed it with a Modify, and it is opened again before the next sweep.
#[tokio::test(start_paused = true)]
async fn what_was_closed_by_hand_after_the_sweep_does_not_stand() {
    for setup in [remembering as fn() -> Setup, restoring] {
        let mut watch = setup().start().await;
        let open = rule(&watch, tcp(22, EVERYONE));
        sweep(&watch).await;
        let closes = modify(&watch, &open, tcp(22, "203.0.113.7/32"));
        alone(&mut watch, setup(), &closes).await;
        later(&watch, MINUTES);
        let event = modify(&watch, &open, tcp(22, EVERYONE));
        let finding = alone(&mut watch, setup(), &event).await;
        assert_eq!(finding.outcome, Outcome::Reverted, "{finding:#?}");
        assert_eq!(former(&finding, &open), "tcp 22 203.0.113.7/32 by event");
    }
}
