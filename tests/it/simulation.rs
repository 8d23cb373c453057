//! A simulation in which everything happens at once. People open, change and close groups while the function works;
//! deliveries get lost, doubled, late and out of order; calls fail in every way; EC2 shows changes late. Each run is
//! generated from one seed and is repeatable. docs/SEMANTICS.md must hold at every call and in every message
//! (`watcher`). After a run, one sweep leaves nothing open.

mod crash;
pub(crate) mod judge;
mod openings;
mod posts;
mod rates;
mod run;
mod scene;
mod watcher;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use rates::losses;
use run::{Outcome, run};
use scene::DEEDS;

/// The command that repeats one seed and prints everything that happens.
const AGAIN: &str =
    "cargo test --workspace --features ec2-model/serve --locked --test it simulation::whatever -- --nocapture";

/// A number in the environment.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect(variable))
}

/// The first of many seeds: a long proof can be run in parts.
pub(crate) fn first_seed() -> u64 {
    number("PORTCULLIS_FIRST_SEED").unwrap_or_default()
}

/// `PORTCULLIS_SEED` runs one seed and prints everything; `PORTCULLIS_SEEDS` is the number of seeds, from
/// `PORTCULLIS_FIRST_SEED` on.
#[test]
fn whatever_happens_nothing_lawful_is_touched_no_lie_is_told_and_nothing_is_lost() {
    if let Some(seed) = number("PORTCULLIS_SEED") {
        let Outcome { trace, wrong, .. } = run(seed, true);
        println!("trace {trace:016x}");
        assert!(wrong.is_empty(), "{wrong:#?}");
        return;
    }
    let seeds = number("PORTCULLIS_SEEDS").unwrap_or(180);
    let first = first_seed();
    let started = std::time::Instant::now();
    let next = AtomicU64::new(first);
    let (tally, wrong) = (Mutex::new(BTreeMap::<String, usize>::new()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        break;
                    }
                    let outcome = run(seed, false);
                    for (what, count) in outcome.tally {
                        *tally.lock().unwrap().entry(what).or_default() += count;
                    }
                    if let Some(first) = outcome.wrong.first() {
                        println!("seed {seed}: {first}");
                        println!("  again: PORTCULLIS_SEED={seed} {AGAIN}");
                        wrong.lock().unwrap().insert(seed, outcome.wrong);
                    }
                }
            });
        }
    });
    let (tally, wrong) = (tally.into_inner().unwrap(), wrong.into_inner().unwrap());
    for (what, count) in &tally {
        println!("{count:>8} {what}");
    }
    println!("{seeds} seeds from {first} on in {:.1?}", started.elapsed());
    assert!(wrong.is_empty(), "{} of {seeds} seeds went wrong: {:?}", wrong.len(), wrong.keys());
    if seeds >= 100 {
        let faults = tally.keys().filter(|what| what.starts_with("fault: ")).count();
        assert_eq!(faults, 11, "every kind of fault happens");
        let happened = ["events lost", "events doubled", "events delayed", "rules revoked", "dead letters", "sweeps"];
        let found =
            ["finding: exposed reverted", "finding: safe none", "finding: exempt none", "finding: exposed failed"];
        let former = ["rules given back", "former: known", "former: unknown", "deliveries that stopped"];
        for what in former {
            assert!(tally.contains_key(what), "never: {what}");
        }
        let memory = ["calls of the memory", "finding without memory", "functions at the same time"];
        for what in DEEDS.into_iter().chain(happened).chain(found).chain(memory) {
            assert!(tally.contains_key(what), "never: {what}");
        }
    }
}

#[test]
fn a_seed_goes_the_same_way_each_time() {
    let traces = |seeds: std::ops::Range<u64>| seeds.map(|seed| run(seed, false).trace).collect::<Vec<_>>();
    let first = traces(0..8);
    assert_eq!(first, traces(0..8));
    assert!(first.windows(2).all(|pair| pair[0] != pair[1]));
}
