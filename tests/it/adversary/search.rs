//! Searches for a schedule that is worse than the named attacks: a cycle of a few calls, at moments derived from the
//! function's timings, made worse step by step.

use std::rc::Rc;
use std::time::Duration;

use ec2_model::Permission;
use tokio::time::sleep;

use super::Fight;
use super::attacks::{Attack, Pace, group, state};
use super::figures::{Outcome, in_parallel};
use super::run::{Run, Travel, Who};
use crate::simulation::number;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A new rule, open.
    New,
    /// The newest rule, changed to another open form.
    Flip,
    /// The newest rule, changed to a lawful form.
    Lawful,
    /// The oldest rule is removed.
    Drop,
}

/// Steps, each with the pause after it in milliseconds, repeated.
type Cycle = Vec<(Step, u64)>;

/// How long a schedule runs.
const LENGTH: u64 = 60_000;

/// The function's timings in milliseconds: 200 and its doubles for the backoff, 1,000 between looks in a fight, 3,000
/// for the second look at a standing exposure, 20,000 until a missing rule counts as gone, 60,000 for Lambda's first
/// pause. Events arrive after `late`.
fn pauses(late: u64) -> Vec<u64> {
    let event = [late.saturating_sub(250), late.saturating_sub(100), late, late + 150, late + 400];
    [50, 200, 400, 500, 800, 1_000, 1_600, 2_900, 3_100, 4_000, 19_500, 20_500].into_iter().chain(event).collect()
}

fn draw(rng: &mut fastrand::Rng, late: u64) -> (Step, u64) {
    let pauses = pauses(late);
    ([Step::New, Step::Flip, Step::Lawful, Step::Drop][rng.usize(..4)], pauses[rng.usize(..pauses.len())])
}

fn worse(cycle: &Cycle, rng: &mut fastrand::Rng, late: u64) -> Cycle {
    let mut next = cycle.clone();
    match rng.u8(..4) {
        0 if next.len() < 6 => next.insert(rng.usize(..=next.len()), draw(rng, late)),
        1 if next.len() > 1 => _ = next.remove(rng.usize(..next.len())),
        _ => {
            let at = rng.usize(..next.len());
            next[at] = draw(rng, late);
        }
    }
    next
}

async fn play(run: &Rc<Run>, cycle: &Cycle) -> u64 {
    let group = group(run, "web").await;
    let (until, mut n, mut rules) = (run.now() + LENGTH, 0, Vec::<String>::new());
    while run.now() < until {
        for (step, pause) in cycle {
            n += 1;
            let newest = rules.last().cloned();
            match (step, newest) {
                (Step::Flip, Some(rule)) if run.modify(&group, &rule, state(n)).await => {}
                (Step::Lawful, Some(rule)) => {
                    if !run.modify(&group, &rule, Permission::tcp(443, "9.9.9.9/32")).await {
                        rules.pop();
                    }
                }
                (Step::Lawful, None) => {}
                (Step::Drop, _) => {
                    if !rules.is_empty() {
                        run.revoke(&group, &[rules.remove(0)]).await;
                    }
                }
                (Step::New | Step::Flip, _) => rules.extend(run.authorize(Who::Attacker, &group, &[state(n)]).await),
            }
            sleep(Duration::from_millis(*pause)).await;
        }
    }
    until
}

/// How bad a schedule is: for how long the group is open, and whether nobody is notified.
fn badness(outcome: &Outcome, unreported: bool) -> f64 {
    let share = outcome.share.unwrap_or_default();
    if unreported && outcome.reported { 0.0 } else { share }
}

fn fought(cycle: &Cycle, late: u64) -> Outcome {
    let pace = Pace { every: 0, moves: 0, variant: 0 };
    let travel = Travel::alone(late, Duration::from_secs(30));
    let fight = Fight { attack: Attack::Improvise, pace, travel, policy: 0 };
    fight.fight_by(11, false, async |run| play(run, cycle).await)
}

/// `PORTCULLIS_SEEDS` is the number of schedules for each delay of events and each aim.
#[test]
#[ignore = "a search, which asserts nothing but that it can look: run it by name"]
fn a_worse_schedule_is_looked_for() {
    let tries = number("PORTCULLIS_SEEDS").unwrap_or(60);
    let aims: Vec<(u64, bool)> =
        [500, 1_500, 5_000].into_iter().flat_map(|late| [(late, false), (late, true)]).collect();
    let best = std::sync::Mutex::new(Vec::new());
    in_parallel(aims.len(), |n| {
        let (late, unreported) = aims[n];
        let mut rng = fastrand::Rng::with_seed(n as u64);
        let mut cycle: Cycle = match unreported {
            false => vec![(Step::New, late), (Step::Flip, 1_000)],
            true => vec![(Step::New, late - 250), (Step::Drop, 400)],
        };
        let mut worst = fought(&cycle, late);
        for _ in 0..tries {
            let next = worse(&cycle, &mut rng, late);
            let outcome = fought(&next, late);
            if badness(&outcome, unreported) >= badness(&worst, unreported) {
                (cycle, worst) = (next, outcome);
            }
        }
        best.lock().unwrap().push((late, unreported, cycle, worst.clone()));
        worst
    });
    let mut best = best.into_inner().unwrap();
    best.sort_by_key(|(late, unreported, ..)| (*late, *unreported));
    for (late, unreported, cycle, outcome) in best {
        let aim = if unreported { "open and unreported" } else { "open" };
        println!(
            "events {late} ms late, {aim}: open {:.0} %, reported: {}, unfailed {}, {} deliveries, {} looks, {cycle:?}",
            outcome.share.unwrap_or_default() * 100.0,
            outcome.reported,
            outcome.acknowledged.len(),
            outcome.counts.deliveries,
            outcome.counts.looks,
        );
        assert!(outcome.counts.deliveries > 0);
    }
}
