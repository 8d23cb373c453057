//! Attacks of one call, or of a few.

use std::rc::Rc;

use ec2_model::{Permission, Vpc};
use tokio::time::sleep;

use super::{ANYONE, Pace, millis, ssh_from, state};
use crate::adversary::run::{Left, Run, Who};

/// For this long after the attack the port should be closed.
const AFTERMATH: u64 = 60_000;

/// `count` blocks of /9, beginning at a /8.
fn ninths(first: u8, count: usize) -> Vec<String> {
    let halves = (first..).flat_map(|octet| [format!("{octet}.0.0.0/9"), format!("{octet}.128.0.0/9")]);
    halves.take(count).collect()
}

pub(super) async fn split(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = run.create_group("web", Vpc::Other).await;
    let count = [30, 2, 1, 30][usize::try_from(pace.variant % 4).unwrap()];
    let first = run.authorize(Who::Attacker, &group, &ssh_from(&ninths(11, count))).await;
    let other = if count == 1 { vec!["11.128.0.0/9".to_owned()] } else { ninths(40, count) };
    run.authorize(Who::Attacker, &group, &ssh_from(&other)).await;
    assert!(!first.is_empty(), "EC2 takes the first call");
    run.now() + AFTERMATH
}

pub(super) async fn fill(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = run.create_group("web", Vpc::Other).await;
    // A /8 without its last address.
    let parts = (9..=32).map(|length| {
        let first = (8_u32 << 24) | ((1_u32 << 24) - (1_u32 << (33 - length)));
        format!("{}/{length}", std::net::Ipv4Addr::from(first))
    });
    run.authorize(Who::Attacker, &group, &ssh_from(&parts.collect::<Vec<_>>())).await;
    sleep(millis(1_000 * (1 + pace.variant % 4))).await;
    for host in 1..=3 {
        let permission = Permission::tcp(22, &format!("9.9.9.{host}/32"));
        run.authorize(Who::Developer, &group, &[permission]).await;
        sleep(millis(pace.every)).await;
    }
    run.now() + AFTERMATH
}

pub(super) async fn list(run: &Rc<Run>, pace: Pace) -> u64 {
    let list = run.create_list(&["10.0.0.0/8", "172.16.0.0/12"]).await;
    let groups = if pace.variant.is_multiple_of(4) { 40 } else { 9 };
    for n in 0..groups {
        let group = run.create_group(&format!("web-{n}"), Vpc::Other).await;
        run.authorize(Who::Developer, &group, &[Permission::tcp(3306, &list)]).await;
    }
    let lag = [0, 0, 1_000, 30_000][usize::try_from(pace.variant / 4 % 4).unwrap()];
    for _ in 0..pace.moves {
        run.change_list(&list, &[ANYONE], &[], lag).await;
        sleep(millis(pace.every)).await;
        run.change_list(&list, &[], &[ANYONE], lag).await;
        sleep(millis(pace.every / 2)).await;
    }
    run.now()
}

pub(super) async fn name(run: &Rc<Run>, pace: Pace) -> u64 {
    let old = run.create_group("web", Vpc::Default).await;
    let halves = ssh_from(&["8.0.0.0/9".to_owned(), "8.128.0.0/9".to_owned()]);
    run.held_back.set(if (pace.variant / 2).is_multiple_of(2) { 600_000 } else { 0 });
    run.authorize_as(Who::Attacker, (&old, "web"), &halves, Left::Answer).await;
    run.delete_group(&old).await;
    let new = run.create_group("web", Vpc::Default).await;
    if pace.variant.is_multiple_of(2) {
        // Lawful, because the policy exempts the caller.
        run.authorize(Who::Exempt, &new, &halves).await;
    } else {
        // Lawful by itself. The attacker's other half makes it part of an exposure.
        run.authorize(Who::Developer, &new, &ssh_from(&["8.0.0.0/9".to_owned()])).await;
        run.authorize(Who::Attacker, &new, &ssh_from(&["8.128.0.0/9".to_owned()])).await;
    }
    run.now() + AFTERMATH
}

pub(super) async fn ballast(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = run.create_group("web", Vpc::Other).await;
    let hosts: Vec<String> = (1..60).map(|n| format!("9.9.9.{n}/32")).collect();
    let ballast = run.authorize(Who::Attacker, &group, &ssh_from(&hosts)).await;
    sleep(millis(30_000)).await;
    run.authorize_as(Who::Attacker, (&group, &group), &[state(pace.variant)], Left::Everything).await;
    run.revoke(&group, &ballast).await;
    run.now() + AFTERMATH
}

pub(super) async fn burst(run: &Rc<Run>, pace: Pace) -> u64 {
    let mut groups = Vec::new();
    for n in 0..pace.moves {
        groups.push(run.create_group(&format!("web-{n}"), Vpc::Other).await);
    }
    for (group, n) in groups.iter().zip(0..) {
        run.authorize(Who::Attacker, group, &[state(n)]).await;
    }
    run.now() + AFTERMATH / 3
}
