//! Attacks that keep changing the group.

use std::rc::Rc;

use ec2_model::{Permission, Vpc};
use tokio::time::sleep;

use super::{ANYONE, Pace, group, millis, ssh_from, state};
use crate::adversary::run::{Run, Who};
use crate::harness::ACCOUNT;

/// Opens a rule again and again, and makes a new one whenever the rule is gone.
pub(super) async fn flip(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    flip_in(run, &group, pace).await;
    run.now()
}

pub(super) async fn flip_in(run: &Rc<Run>, group: &str, pace: Pace) {
    flip_through(run, group, pace, state).await;
}

async fn flip_through(run: &Rc<Run>, group: &str, pace: Pace, state: impl Fn(u64) -> Permission) {
    let mut rule = String::new();
    for n in 0..pace.moves {
        // If the function has revoked the rule, a new one is made.
        if rule.is_empty() || !run.modify(group, &rule, state(n)).await {
            rule = run.authorize(Who::Attacker, group, &[state(n)]).await.pop().unwrap_or_default();
        }
        sleep(millis(pace.every)).await;
    }
}

pub(super) async fn replace(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    replace_through(run, &group, pace, state).await;
    run.now()
}

async fn replace_through(run: &Rc<Run>, group: &str, pace: Pace, state: impl Fn(u64) -> Permission) {
    let mut old: Vec<String> = Vec::new();
    for n in 0..pace.moves {
        let new = run.authorize(Who::Attacker, group, &[state(n)]).await;
        if !old.is_empty() {
            run.revoke(group, &old).await;
        }
        old = new;
        sleep(millis(pace.every)).await;
    }
}

pub(super) async fn marked(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    let marked = |n| {
        state(n).described(&format!("portcullis w-{:04} until 2100-01-02T00:00:00Z INC-{n}", 1_000 + pace.variant + n))
    };
    match pace.variant % 2 {
        0 => replace_through(run, &group, pace, marked).await,
        _ => flip_through(run, &group, pace, marked).await,
    }
    run.now()
}

pub(super) async fn react(run: &Rc<Run>, pace: Pace) -> u64 {
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

pub(super) async fn pulse(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    let open_for = run.travel.late.saturating_sub(100 + pace.variant * 50).max(200);
    for n in 0..pace.moves {
        let rules = run.authorize(Who::Attacker, &group, &[state(n)]).await;
        sleep(millis(open_for)).await;
        run.revoke(&group, &rules).await;
        // The event finds nothing. Then the attacker opens the group again.
        sleep(millis(300)).await;
    }
    run.now()
}

/// After 20 s the function is sure that a rule is gone that EC2 does not show, so it looks this long for the first
/// event's rule.
pub(super) async fn silence(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    let every = pace.every.max(1_500);
    let moves = (19_000 - 500 * (pace.variant % 4)) / every;
    flip_in(run, &group, Pace { every, moves, ..pace }).await;
    let now = run.now();
    let rules: Vec<String> = run.watch().arena.groups[&group].exposing.iter().cloned().collect();
    for rule in rules {
        run.modify(&group, &rule, Permission::tcp(443, ANYONE)).await;
    }
    now
}

pub(super) async fn starve(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    let until = run.now() + pace.every * pace.moves;
    let hungry = Rc::clone(run);
    tokio::task::spawn_local(async move {
        // Calls that fail take a token as well, and need no permission.
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

pub(super) async fn borrow(run: &Rc<Run>, pace: Pace) -> u64 {
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

/// Two rules, of which only one is open at a time. Each call is about a rule that the next call makes lawful.
pub(super) async fn twins(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    let lawful = |n: u64| Permission::tcp(443, &format!("9.9.9.{n}/32"));
    let mut rules = vec![String::new(); 2];
    for n in 0..pace.moves {
        let (open, shut) = (usize::from(n % 2 == 1), usize::from(n % 2 == 0));
        if rules[open].is_empty() || !run.modify(&group, &rules[open], state(n)).await {
            rules[open] = run.authorize(Who::Attacker, &group, &[state(n)]).await.pop().unwrap_or_default();
        }
        if !rules[shut].is_empty() && !run.modify(&group, &rules[shut], lawful(n)).await {
            rules[shut].clear();
        }
        sleep(millis(pace.every)).await;
    }
    run.now()
}

/// One rule and a list of the attacker's, which has the same addresses in other blocks each time.
pub(super) async fn swap(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    let entries = |n: u64| {
        let octet = 11 + n % 80;
        [format!("{octet}.0.0.0/8"), format!("{}.0.0.0/8", octet + 100)]
    };
    let list = run.create_list(&["9.9.9.9/32"]).await;
    run.authorize(Who::Attacker, &group, &[Permission::tcp(22, &list)]).await;
    let mut before: Vec<String> = Vec::new();
    for n in 0..pace.moves {
        let after = entries(n).to_vec();
        let (add, remove): (Vec<&str>, Vec<&str>) =
            (after.iter().map(String::as_str).collect(), before.iter().map(String::as_str).collect());
        run.change_list(&list, &add, &remove, 0).await;
        before = after;
        // Rules that the function revoked are made again.
        let gone = run.watch().arena.rules(&group).iter().all(|rule| rule.shape.source != list);
        if gone {
            run.authorize(Who::Attacker, &group, &[Permission::tcp(22, &list)]).await;
        }
        sleep(millis(pace.every)).await;
    }
    run.now()
}

/// From group to group: when an event arrives, the port is open in another group.
pub(super) async fn hop(run: &Rc<Run>, pace: Pace) -> u64 {
    let mut groups = Vec::new();
    for n in 0..4 {
        groups.push(group(run, &format!("web-{n}")).await);
    }
    let mut rules: Vec<Vec<String>> = vec![Vec::new(); groups.len()];
    for n in 0..pace.moves {
        let here = usize::try_from(n).unwrap() % groups.len();
        if !rules[here].is_empty() {
            run.revoke(&groups[here], &rules[here]).await;
        }
        rules[here] = run.authorize(Who::Attacker, &groups[here], &[state(n)]).await;
        sleep(millis(pace.every)).await;
    }
    run.now()
}

pub(super) async fn pile(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    for n in 0..pace.moves {
        run.authorize(Who::Attacker, &group, &[state(n)]).await;
        sleep(millis(pace.every)).await;
    }
    run.now()
}

/// Random moves, at moments derived from the function's timings: its backoff, its settling time, the second look at a
/// standing exposure, the delay of events, the pauses between deliveries.
pub(super) async fn improvise(run: &Rc<Run>, pace: Pace) -> u64 {
    let group = group(run, "web").await;
    let late = run.travel.late;
    let waits = [100, 200, 400, 800, 1_000, 2_900, 3_100, 4_000, 19_800, 20_200, late - 100, late + 100, 60_000];
    let one_of = |count: usize| run.rng.borrow_mut().usize(..count);
    let mut rules: Vec<String> = Vec::new();
    for n in 0..pace.moves.min(12) {
        match (one_of(6), rules.last().cloned()) {
            (0 | 1, Some(rule)) => _ = run.modify(&group, &rule, state(n)).await,
            (2, Some(rule)) => _ = run.modify(&group, &rule, Permission::tcp(443, "9.9.9.9/32")).await,
            (3, Some(_)) => _ = run.revoke(&group, &[rules.pop().unwrap_or_default()]).await,
            (4, _) => {
                let halves = ssh_from(&["11.0.0.0/9".to_owned(), format!("{}.0.0.0/9", 12 + n)]);
                rules.extend(run.authorize(Who::Attacker, &group, &halves).await);
            }
            _ => rules.extend(run.authorize(Who::Attacker, &group, &[state(n)]).await),
        }
        let most = if n % 4 == 3 { waits.len() } else { 8 };
        sleep(millis(waits[one_of(most)])).await;
    }
    run.now()
}
