//! Unzips files with libdeflate and does nothing else, on as many threads as there are processors: what a hunt is measured
//! against (tools/bench/hunt.py). Prints the size of the plain text.

#![expect(clippy::unwrap_used, reason = "a measure that fails must stop")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use portcullis_delivery::logfile::{Scratch, plain};

fn main() {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (next, total) = (AtomicUsize::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                let mut scratch = Scratch::default();
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let bytes = std::fs::read(path).unwrap();
                    total.fetch_add(plain(&bytes, &mut scratch).unwrap().len() as u64, Ordering::Relaxed);
                }
            });
        }
    });
    println!("{}", total.load(Ordering::Relaxed));
}
