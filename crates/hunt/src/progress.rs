//! What a person sees on a terminal while the answer is being found.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_hunt::world::World;

/// Shows on standard error how far the reading is, until it is dropped.
pub(crate) struct Progress {
    done: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// So often, after a first time of this length: what is answered at once needs no progress.
const EVERY: Duration = Duration::from_millis(500);

impl Progress {
    pub(crate) fn of(world: &Arc<World>) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let thread = std::io::stderr().is_terminal().then(|| {
            let (done, world) = (Arc::clone(&done), Arc::clone(world));
            std::thread::spawn(move || show(&world, &done))
        });
        Self { done, thread }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A thread that only writes to the terminal has nothing to report.
            let _ = thread.join();
        }
    }
}

fn show(world: &World, done: &AtomicBool) {
    #[expect(clippy::disallowed_methods, reason = "the speed is for the eye alone")]
    let begin = std::time::Instant::now();
    let mut shown = false;
    loop {
        std::thread::park_timeout(EVERY);
        if done.load(Ordering::Relaxed) {
            break;
        }
        let totals = world.inputs.tally.totals();
        let ms = begin.elapsed().as_millis().max(1);
        let speed = u128::from(totals.text) / ms / 1000;
        let bad = if totals.bad > 0 { format!(", {} bad", totals.bad) } else { String::new() };
        eprint!(
            "\r\u{1b}[K{} of {} files, {} MB, {speed} MB/s, {} records{bad}",
            totals.files,
            world.inputs.sources.len(),
            totals.text / 1_000_000,
            totals.records
        );
        // Standard error may be gone, and then nobody looks.
        let _ = std::io::stderr().flush();
        shown = true;
    }
    if shown {
        eprint!("\r\u{1b}[K");
    }
}
