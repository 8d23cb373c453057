//! The result of a fight, and the table of many results.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Fight;
use super::attacks::{ATTACKS, Attack};
use super::watch::{Counts, Watch};
use crate::harness::replayed;

/// The result of a fight.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) seed: u64,
    pub(super) attack: Attack,
    /// Whether the instances had a memory.
    pub(super) memory: bool,
    /// Starting one second after the first event arrived: the share of the time in which a port was open, all groups
    /// together.
    pub(super) share: Option<f64>,
    /// Whether a port was open at all.
    opened: bool,
    /// Whether a port is open after everything has ended, retries included.
    pub(super) left_open: bool,
    pub(super) lost: Vec<String>,
    /// Others' rules that were revoked while a list made them exposures.
    pub(super) cut: usize,
    raced: usize,
    pub(super) false_words: Vec<String>,
    pub(super) acknowledged: Vec<String>,
    /// Groups that were open for a second or more without a message about them.
    pub(super) unseen: usize,
    pub(super) counts: Counts,
    /// Whether some message reported a group as exposed.
    pub(super) reported: bool,
    /// How long the fight was, in milliseconds.
    length: u64,
    trace: u64,
}

/// The SDK counts its retries for each Region of the whole process, so each run has a Region name of its own.
static RUNS: AtomicUsize = AtomicUsize::new(0);

pub(super) fn fresh_region() -> String {
    format!("eu-foe{:010}-1", RUNS.fetch_add(1, Ordering::Relaxed))
}

/// For this long after its first event a port may be open.
const GRACE: u64 = 1_000;

impl Outcome {
    pub(super) fn of(fight: &Fight, seed: u64, watch: &Watch, until: u64) -> Self {
        let (mut open, mut window, mut unseen) = (0, 0, 0);
        for group in watch.arena.groups.values() {
            let Some(first) = group.first_event else { continue };
            let from = first + GRACE;
            if group.changes.is_empty() {
                continue;
            }
            let here = group.open_between(from, until);
            open += here;
            window += until.saturating_sub(from);
            unseen += usize::from(here >= 1_000 && !group.published);
        }
        let mut false_words = watch.false_words.clone();
        // Evidence of a fight must be judged again as it was.
        let world = &watch.arena.world;
        if std::panic::catch_unwind(AssertUnwindSafe(|| replayed(world))).is_err() {
            false_words.push("evidence that is judged otherwise".to_owned());
        }
        let share = (window > 0).then(|| Duration::from_millis(open).div_duration_f64(Duration::from_millis(window)));
        let trace = watch.arena.groups.values().flat_map(|group| &group.changes);
        let trace = trace.fold(0_u64, |sum, (at, open)| sum.wrapping_mul(31).wrapping_add(at * 2 + u64::from(*open)));
        Self {
            seed,
            attack: fight.attack,
            memory: fight.travel.memory,
            share,
            opened: watch.arena.groups.values().any(|group| !group.changes.is_empty()),
            left_open: watch.arena.groups.values().any(|group| !group.exposing.is_empty()),
            lost: watch.arena.lost.clone(),
            cut: watch.arena.cut,
            raced: watch.arena.raced,
            false_words,
            acknowledged: watch.acknowledged.clone(),
            unseen,
            counts: watch.counts.clone(),
            reported: watch.arena.groups.values().any(|group| group.published),
            length: until,
            trace,
        }
    }

    /// Numbers that differ if two fights differ.
    pub(super) fn trace(&self) -> (u64, usize, usize, u64) {
        (self.trace, self.counts.looks, self.counts.messages, self.counts.busy)
    }
}

/// Runs `count` fights or worlds on all processors. Returns the outcomes in their order.
pub(crate) fn in_parallel<T: Send>(count: usize, fight: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    let outcome = fight(n);
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(n, outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The median, and the largest with its seed.
fn spread(outcomes: &[&Outcome]) -> (f64, f64, u64) {
    let mut shares: Vec<(f64, u64)> = outcomes.iter().filter_map(|o| Some((o.share?, o.seed))).collect();
    shares.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (worst, seed) = shares.last().copied().unwrap_or_default();
    (shares.get(shares.len() / 2).copied().unwrap_or_default().0, worst, seed)
}

/// One line for each attack, and the meaning of the columns.
pub(super) fn table(outcomes: &[Outcome]) -> String {
    let mut by_attack: BTreeMap<Attack, Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        by_attack.entry(outcome.attack).or_default().push(outcome);
    }
    let mut text = String::from(
        "attack     fights   open: median  worst (seed)  left open   lost  raced   cut  false  unfailed  unseen | instances at once  busy s/fight  looks  revokes  throttled  mails\n",
    );
    for attack in ATTACKS {
        let Some(all) = by_attack.get(&attack) else { continue };
        let (median, worst, seed) = spread(all);
        let sum = |of: &dyn Fn(&Outcome) -> usize| all.iter().map(|outcome| of(outcome)).sum::<usize>();
        let most = |of: &dyn Fn(&Outcome) -> usize| all.iter().map(|outcome| of(outcome)).max().unwrap_or_default();
        let each = |n: usize| n / all.len();
        let busy: u64 = all.iter().map(|outcome| outcome.counts.busy).sum();
        _ = writeln!(
            text,
            "{:<10} {:>6}  {:>13} {:>6} ({:>4})  {:>9} {:>6}  {:>5} {:>5}  {:>5}  {:>8}  {:>6} | {:>17}  {:>12}  {:>5}  {:>7}  {:>9}  {:>5}",
            format!("{attack:?}").to_lowercase(),
            all.len(),
            percent(median),
            percent(worst),
            seed,
            sum(&|o| usize::from(o.left_open)),
            sum(&|o| o.lost.len()),
            sum(&|o| o.raced),
            most(&|o| o.cut),
            sum(&|o| o.false_words.len()),
            sum(&|o| o.acknowledged.len()),
            sum(&|o| o.unseen),
            most(&|o| o.counts.most_at_once),
            busy / 1_000 / u64::try_from(all.len()).unwrap_or(1),
            each(sum(&|o| o.counts.looks)),
            each(sum(&|o| o.counts.revokes)),
            each(sum(&|o| o.counts.throttled)),
            each(sum(&|o| o.counts.messages)),
        );
    }
    text
}

/// Checks that every attack was fought and opened something. Otherwise the figures mean nothing.
pub(super) fn assert_fought(outcomes: &[Outcome]) {
    for attack in ATTACKS {
        let all = || outcomes.iter().filter(|outcome| outcome.attack == attack);
        assert!(all().count() > 0, "{attack:?} was never fought");
        assert!(all().any(|outcome| outcome.opened), "{attack:?} never opened anything");
        assert!(all().all(|outcome| outcome.length > 0 && outcome.counts.deliveries > 0), "{attack:?}: no delivery");
    }
}
