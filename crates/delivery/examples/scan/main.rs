//! A benchmark for `make bench`, as an example because it needs a program of its own. It times the reader of log files
//! and libdeflate alone: 200 files of 5,000 records, of which one in a hundred is of a call that is judged. Both read
//! every file from memory, on all cores, in turns.
//!
//!     cargo run --release -p portcullis-delivery --example scan -- [--rounds N] [--json] [--bar]
//!
//! `--json` prints every round's milliseconds for a program; `--bar` ends with an error where the reader takes more than
//! 1.2 times as long as libdeflate.

mod files;

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Instant;

use libdeflater::Decompressor;
use portcullis_delivery::logfile::{self, Scratch};
use serde_json::json;

const BAR: f64 = 1.2;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let after_rounds = arguments.iter().skip_while(|argument| *argument != "--rounds").nth(1);
    let rounds = after_rounds.map_or(Ok(11), |rounds| rounds.parse::<usize>())?.max(1);
    let files = files::made_once()?;
    let threads = std::thread::available_parallelism()?.get();
    let (mut alone, mut reader) = (Vec::new(), Vec::new());
    // The first round fills the caches and is not counted.
    for round in 0..=rounds {
        let times = Times::default();
        let (times_of, files_of) = (&times, files.as_slice());
        std::thread::scope(|scope| {
            for n in 0..threads {
                scope.spawn(move || times_of.of(files_of, round + n));
            }
        });
        let expected = files.len() * (1 + files::RECORDS / files::ONE_IN);
        if times.found.load(Relaxed) != expected {
            return Err(format!("{} were found, {expected} are there", times.found.load(Relaxed)).into());
        }
        if round > 0 {
            let millis = |nanos: &AtomicU64| nanos.load(Relaxed) as f64 / 1e6 / threads as f64;
            alone.push(millis(&times.alone));
            reader.push(millis(&times.reader));
        }
    }
    let ratio = median(&reader) / median(&alone);
    if is_given("--json") {
        println!("{}", json!({"unit": "ms", "reader": reader, "libdeflate": alone, "ratio": ratio}));
    } else {
        println!("{} files of {} records on {threads} threads, {rounds} rounds", files.len(), files::RECORDS);
        println!("libdeflate alone  {:.0} ms", median(&alone));
        println!("the reader        {:.0} ms, {ratio:.3} times as long", median(&reader));
    }
    let is_missed = is_given("--bar") && ratio > BAR;
    Ok(if is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What one round takes, in nanoseconds over all threads.
#[derive(Default)]
struct Times {
    next: AtomicUsize,
    alone: AtomicU64,
    reader: AtomicU64,
    /// How many files libdeflate could unzip, and how many records the reader found.
    found: AtomicUsize,
}

impl Times {
    /// Runs one thread's share of the files. Both read each file in turn, so other work on the machine slows both
    /// equally.
    #[expect(clippy::disallowed_methods, reason = "it measures time")]
    fn of(&self, files: &[Vec<u8>], turn: usize) {
        let (mut inflate, mut scratch) = (Inflate::default(), Scratch::default());
        loop {
            let n = self.next.fetch_add(1, Relaxed);
            let Some(file) = files.get(n) else { return };
            for is_reader in [(turn + n).is_multiple_of(2), !(turn + n).is_multiple_of(2)] {
                let begun = Instant::now();
                let found = if is_reader { read(black_box(file), &mut scratch) } else { inflate.file(black_box(file)) };
                let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or_default();
                if is_reader { &self.reader } else { &self.alone }.fetch_add(nanos, Relaxed);
                self.found.fetch_add(found, Relaxed);
            }
        }
    }
}

#[derive(Default)]
struct Inflate {
    decompressor: Decompressor,
    text: Vec<u8>,
}

impl Inflate {
    fn file(&mut self, file: &[u8]) -> usize {
        let length = file.last_chunk().map_or(0, |length| u32::from_le_bytes(*length)) as usize;
        if self.text.len() < length {
            self.text.resize(length, 0);
        }
        let result = self.decompressor.gzip_decompress(file, &mut self.text);
        black_box(&self.text);
        usize::from(result == Ok(length))
    }
}

fn read(file: &[u8], memory: &mut Scratch) -> usize {
    let mut records = 0;
    logfile::read(file, memory, |found| records += usize::from(black_box(found).is_ok()));
    records
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
