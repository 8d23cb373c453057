//! What the attacker does. Each attack knows the guard's timings, and tells until when it fights: in that window the time
//! counts that a port is open.

use std::rc::Rc;
use std::time::Duration;

use ec2_model::{Permission, Vpc};
use tokio::time::sleep;

use super::run::{Left, Run, Who};
use crate::harness::ACCOUNT;

/// The kinds of attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attack {
    /// One rule is modified again and again, each state different and wide open.
    Flip,
    /// A new rule is authorized and the old one revoked, again and again.
    Replace,
    /// The attacker looks, and opens again as soon as it is closed.
    React,
    /// Open from the call until just before its event arrives, again and again.
    Pulse,
    /// Two calls, each of which finds the port open without it.
    Split,
    /// A group filled to one address under the limit; then a developer's narrow rule.
    Fill,
    /// A list that many groups take is opened and closed again.
    List,
    /// A group is deleted, and its name is another's.
    Name,
    /// A record without parameters; the rules that made the group large enough for it are taken out.
    Ballast,
    /// Many groups at once.
    Burst,
    /// Flips, and is lawful just before the last look.
    Silence,
    /// Flips, and uses up the account's buckets of looks and revokes.
    Starve,
    /// A developer's rule is opened and given back its value.
    Borrow,
}

pub(super) const ATTACKS: [Attack; 13] = [
    Attack::Flip,
    Attack::Replace,
    Attack::React,
    Attack::Pulse,
    Attack::Split,
    Attack::Fill,
    Attack::List,
    Attack::Name,
    Attack::Ballast,
    Attack::Burst,
    Attack::Silence,
    Attack::Starve,
    Attack::Borrow,
];

/// How fast and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Milliseconds between two moves.
    pub(super) every: u64,
    pub(super) moves: u64,
    /// What else an attack has to choose.
    pub(super) variant: u64,
}

/// So long after an attack that is one blow the port should be closed.
const AFTERMATH: u64 = 60_000;

const ANYONE: &str = "0.0.0.0/0";

/// SSH to anyone, in another form for each number.
pub(super) fn state(n: u64) -> Permission {
    let number = i32::try_from(n).unwrap();
    Permission::new("tcp", number % 23, 1_000 + number, &[ANYONE])
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// So many blocks of /9 from a /8 on.
fn ninths(first: u8, count: usize) -> Vec<String> {
    let halves = (first..).flat_map(|octet| [format!("{octet}.0.0.0/9"), format!("{octet}.128.0.0/9")]);
    halves.take(count).collect()
}

fn ssh_from(sources: &[String]) -> Vec<Permission> {
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    vec![Permission::new("tcp", 22, 22, &sources)]
}

/// A group that somebody works with.
async fn group(run: &Rc<Run>, name: &str) -> String {
    let group = run.create_group(name, Vpc::Other).await;
    let lawful = [Permission::tcp(443, ANYONE), Permission::tcp(22, "198.51.100.0/24")];
    run.authorize(Who::Developer, &group, &lawful).await;
    group
}

impl Attack {
    /// Fights to the end; until when the time counts.
    pub(super) async fn fight(self, run: &Rc<Run>, pace: Pace) -> u64 {
        match self {
            Self::Flip => flip(run, pace).await,
            Self::Replace => replace(run, pace).await,
            Self::React => react(run, pace).await,
            Self::Pulse => pulse(run, pace).await,
            Self::Split => split(run, pace).await,
            Self::Fill => fill(run, pace).await,
            Self::List => list(run, pace).await,
            Self::Name => name(run, pace).await,
            Self::Ballast => ballast(run, pace).await,
            Self::Burst => burst(run, pace).await,
            Self::Silence => silence(run, pace).await,
            Self::Starve => starve(run, pace).await,
            Self::Borrow => borrow(run, pace).await,
        }
    }

    /// For how long an attack of this kind is drawn, in moves.
    pub(super) fn moves(self, rng: &mut fastrand::Rng) -> u64 {
        match self {
            Self::Burst => rng.u64(20..60),
            Self::List => rng.u64(2..5),
            Self::Split | Self::Fill | Self::Name | Self::Ballast => 1,
            _ => rng.u64(8..17),
        }
    }
}

/// What `make` opens anew whenever its rule is gone, every so often.
async fn flip(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    flip_in(run, &group, pace).await;
    run.now()
}

async fn flip_in(run: &Rc<Run>, group: &str, pace: Pace) {
    let mut rule = String::new();
    for n in 0..pace.moves {
        // A rule that the guard has taken is made anew.
        if rule.is_empty() || !run.modify(group, &rule, state(n)).await {
            rule = run.authorize(Who::Attacker, group, &[state(n)]).await.pop().unwrap_or_default();
        }
        sleep(millis(pace.every)).await;
    }
}

async fn replace(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    let mut old: Vec<String> = Vec::new();
    for n in 0..pace.moves {
        let new = run.authorize(Who::Attacker, &group, &[state(n)]).await;
        if !old.is_empty() {
            run.revoke(&group, &old).await;
        }
        old = new;
        sleep(millis(pace.every)).await;
    }
    run.now()
}

async fn react(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    let (until, mut n) = (run.now() + pace.every * pace.moves, 0);
    while run.now() < until {
        run.token("DescribeSecurityGroupRules").await;
        let open = run.watch().arena.groups.get(&group).is_some_and(|group| !group.exposing.is_empty());
        if !open {
            run.authorize(Who::Attacker, &group, &[state(n)]).await;
            n += 1;
        }
        sleep(millis(100)).await;
    }
    run.now()
}

async fn pulse(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    let open_for = run.travel.late.saturating_sub(100 + pace.variant * 50).max(200);
    for n in 0..pace.moves {
        let rules = run.authorize(Who::Attacker, &group, &[state(n)]).await;
        sleep(millis(open_for)).await;
        run.revoke(&group, &rules).await;
        // The event finds nothing; the next one is opened behind its back.
        sleep(millis(300)).await;
    }
    run.now()
}

async fn split(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = run.create_group("web", Vpc::Other).await;
    let count = [30, 2, 1, 30][usize::try_from(pace.variant % 4).unwrap()];
    let first = run.authorize(Who::Attacker, &group, &ssh_from(&ninths(11, count))).await;
    let other = if count == 1 { vec!["11.128.0.0/9".to_owned()] } else { ninths(40, count) };
    run.authorize(Who::Attacker, &group, &ssh_from(&other)).await;
    assert!(!first.is_empty(), "EC2 takes the first call");
    run.now() + AFTERMATH
}

async fn fill(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = run.create_group("web", Vpc::Other).await;
    // A /8 less its last address.
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

async fn list(run: &Rc<Run>, pace: Pace) -> u64 {
    let list = run.create_list(&["10.0.0.0/8", "172.16.0.0/12"]).await;
    let groups = if pace.variant % 4 == 0 { 40 } else { 9 };
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

async fn name(run: &Rc<Run>, pace: Pace) -> u64 {
    let old = run.create_group("web", Vpc::Default).await;
    let halves = ssh_from(&["8.0.0.0/9".to_owned(), "8.128.0.0/9".to_owned()]);
    run.authorize_as(Who::Attacker, (&old, "web"), &halves, Left::Answer).await;
    run.delete_group(&old).await;
    let new = run.create_group("web", Vpc::Default).await;
    if pace.variant.is_multiple_of(2) {
        // Lawful, for the policy exempts who makes it.
        run.authorize(Who::Exempt, &new, &halves).await;
    } else {
        // Lawful by itself; the attacker's other half makes it an exposure.
        run.authorize(Who::Developer, &new, &ssh_from(&["8.0.0.0/9".to_owned()])).await;
        run.authorize(Who::Attacker, &new, &ssh_from(&["8.128.0.0/9".to_owned()])).await;
    }
    run.now() + AFTERMATH
}

async fn ballast(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = run.create_group("web", Vpc::Other).await;
    let hosts: Vec<String> = (1..60).map(|n| format!("9.9.9.{n}/32")).collect();
    let ballast = run.authorize(Who::Attacker, &group, &ssh_from(&hosts)).await;
    sleep(millis(30_000)).await;
    run.authorize_as(Who::Attacker, (&group, &group), &[state(pace.variant)], Left::Everything).await;
    run.revoke(&group, &ballast).await;
    run.now() + AFTERMATH
}

async fn burst(run: &Rc<Run>, pace: Pace) -> u64 {
    let mut groups = Vec::new();
    for n in 0..pace.moves {
        groups.push(run.create_group(&format!("web-{n}"), Vpc::Other).await);
    }
    for (group, n) in groups.iter().zip(0..) {
        run.authorize(Who::Attacker, group, &[state(n)]).await;
    }
    run.now() + AFTERMATH / 3
}

/// The guard believes after 20 s that what EC2 does not show is gone: so long the first event is looked at.
async fn silence(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    let moves = (19_000 - 500 * (pace.variant % 4)) / pace.every.max(1_000);
    flip_in(run, &group, Pace { every: pace.every.max(1_000), moves, ..pace }).await;
    let now = run.now();
    let rules: Vec<String> = run.watch().arena.groups[&group].exposing.iter().cloned().collect();
    for rule in rules {
        run.modify(&group, &rule, Permission::tcp(443, ANYONE)).await;
    }
    now
}

async fn starve(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    let until = run.now() + pace.every * pace.moves;
    let hungry = Rc::clone(run);
    tokio::task::spawn_local(async move {
        // Calls that fail take a token as well, and need no right to anything.
        while hungry.now() < until {
            {
                let watch = hungry.watch();
                for _ in 0..10 {
                    watch.arena.world.draw(ACCOUNT, &hungry.region, "RevokeSecurityGroupIngress");
                    watch.arena.world.draw(ACCOUNT, &hungry.region, "DescribeSecurityGroupRules");
                }
            }
            sleep(millis(100)).await;
        }
    });
    flip_in(run, &group, pace).await;
    run.now()
}

async fn borrow(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = run.create_group("web", Vpc::Other).await;
    let lawful = Permission::tcp(22, "198.51.100.0/24");
    let rule = run.authorize(Who::Developer, &group, std::slice::from_ref(&lawful)).await.pop().unwrap();
    for n in 0..pace.moves {
        if !run.modify(&group, &rule, state(n)).await {
            break;
        }
        let open_for = if pace.variant.is_multiple_of(2) { 200 } else { run.travel.late.saturating_sub(200).max(200) };
        sleep(millis(open_for)).await;
        run.modify(&group, &rule, lawful.clone()).await;
        sleep(millis(pace.every)).await;
    }
    run.now()
}
