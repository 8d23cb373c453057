//! An attacker who knows the function's timings, rates and limits fights it in virtual time over the model of EC2.
//! Every event gets an instance of its own, late, sometimes twice and out of order. All instances share EC2's buckets
//! for the account and Region. For each attack the tests measure the share of time that a port is open, the lawful
//! rules that are lost, and the messages that do not match what the instance saw.

mod arena;
mod attacks;
mod bars;
pub(crate) mod figures;
mod instance;
mod run;
mod search;
mod watch;

use std::rc::Rc;
use std::time::Duration;

use attacks::{ATTACKS, Attack, Pace};
use figures::Outcome;
use run::{Run, Travel};

/// The policies of the runs: the built-in one, and one that exempts a role, which an attacker might be mistaken for.
const POLICIES: [&str; 2] = [
    "version: 1",
    "version: 1\nexempt:\n- {reason: SEC-1, until: never, principals: ['arn:aws:iam::111122223333:role/BreakGlass']}",
];

/// A fight, chosen or generated from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Fight {
    attack: Attack,
    pace: Pace,
    travel: Travel,
    policy: usize,
}

impl Fight {
    fn draw(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0xad7e);
        let attack = ATTACKS[usize::try_from(seed).unwrap() % ATTACKS.len()];
        let mut one_of = |choices: &[u64]| choices[rng.usize(..choices.len())];
        let late = one_of(&[500, 1_500, 5_000]);
        // Late events are fought more slowly, because the time of a seed grows with the number of its events.
        let every = one_of(if late < 5_000 { &[250, 500, 750, 1_500, 3_000] } else { &[750, 1_500, 3_000] });
        let concurrency = usize::try_from(one_of(&[10, 1_000, 1_000, 1_000])).unwrap();
        let batch = usize::try_from(one_of(&[0, 0, 0, 1, 10])).unwrap();
        let (spread, doubled) = ([0.0, 0.4, 1.8][rng.usize(..3)], [0.0, 0.0, 0.3][rng.usize(..3)]);
        let pace = Pace { every, moves: attack.moves(every, late, &mut rng), variant: rng.u64(..64) };
        let policy = usize::from(attack == Attack::Name || rng.u8(..4) == 0);
        // Every attack is fought with a memory as often as without, and the memory fails in half of these fights.
        let memory = (usize::try_from(seed).unwrap() / ATTACKS.len()) % 2 == 1;
        let memory_faults = if memory { [0.0, 0.0, 0.1, 0.5][rng.usize(..4)] } else { 0.0 };
        let alone = Travel::alone(late, Duration::from_secs(30));
        let travel = Travel { spread, doubled, batch, concurrency, memory, memory_faults, ..alone };
        Self { attack, pace, travel, policy }
    }

    /// Runs the fight.
    fn fight(&self, seed: u64, verbose: bool) -> Outcome {
        self.fight_by(seed, verbose, async |run| self.attack.fight(run, self.pace).await)
    }

    /// Runs another attack. `attack` returns the time up to which open time counts.
    fn fight_by(&self, seed: u64, verbose: bool, attack: impl AsyncFnOnce(&Rc<Run>) -> u64) -> Outcome {
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let region = figures::fresh_region();
            let run = Run::new(seed, region, POLICIES[self.policy], self.travel.clone(), verbose);
            let tasks = tokio::task::LocalSet::new();
            let until = tasks.run_until(attack(&run)).await;
            run.until.set(until);
            // Waits for all deliveries, retries included.
            tasks.await;
            Outcome::of(self, seed, &run.watch(), until)
        })
    }
}
