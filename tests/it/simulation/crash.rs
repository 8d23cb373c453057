//! Instances that stop in the middle of a delivery: cut off at one of their calls, before it has its effect or after. AWS
//! delivers again, to an instance that knows nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Notify;

/// A delivery that stops does so at one of this many calls. Most end before.
const MOST_CALLS: usize = 14;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passes {
    /// It passes.
    Through,
    /// It has its effect, and nobody hears of it.
    Unheard,
    /// It is never made.
    Never,
}

/// When instances stop. It draws from numbers of its own, so that worlds in which none stops go as they went before.
#[derive(Debug)]
pub(crate) struct Crashes {
    rng: fastrand::Rng,
    is_on: bool,
    /// For each instance, how many calls are still to pass, and whether the next has its effect.
    due: [Option<(usize, bool)>; 2],
    stopped: [Arc<Notify>; 2],
    /// The instances that have stopped and were not replaced yet.
    dead: BTreeSet<usize>,
    /// The rules that were revoked or given back.
    pub(crate) taken: BTreeSet<String>,
}

impl Crashes {
    pub(crate) fn new(seed: u64, is_on: bool) -> Self {
        let rng = fastrand::Rng::with_seed(seed ^ 0xdead);
        let (due, stopped, dead, taken) = Default::default();
        Self { rng, is_on, due, stopped, dead, taken }
    }

    pub(crate) fn end(&mut self) {
        self.is_on = false;
    }

    /// A delivery begins. What tells that it has stopped, where it may.
    pub(crate) fn begin(&mut self, instance: usize) -> Option<Arc<Notify>> {
        let stops = self.is_on && self.rng.u8(..3) == 0;
        self.due[instance] = stops.then(|| (self.rng.usize(..MOST_CALLS), self.rng.bool()));
        self.stopped[instance] = Arc::default();
        stops.then(|| Arc::clone(&self.stopped[instance]))
    }

    /// The instance makes a call.
    pub(crate) fn call(&mut self, instance: usize) -> Passes {
        match &mut self.due[instance] {
            None => Passes::Through,
            Some((0, has_effect)) => {
                let passes = if *has_effect { Passes::Unheard } else { Passes::Never };
                // Whatever else is under way is never made.
                self.due[instance] = Some((0, false));
                self.dead.insert(instance);
                self.stopped[instance].notify_one();
                passes
            }
            Some((calls, _)) => {
                *calls -= 1;
                Passes::Through
            }
        }
    }

    /// The instances that have stopped.
    pub(crate) fn take_dead(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.dead)
    }
}
