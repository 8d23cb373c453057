//! Times the reader of log files beside libdeflate alone: 200 files of 5,000 records, one in a hundred of them a call to
//! be judged, read from memory on all cores, in turns. `make bench` runs it.
//!
//!     cargo run --release -p portcullis-delivery --example scan -- [--rounds N] [--json] [--bar]
//!
//! `--json` prints every round's milliseconds for a program; `--bar` ends with an error where the reader takes more than
//! 1.2 times as long as libdeflate.

mod files;

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    // The first round fills caches and counts for nothing.
    for round in 0..=rounds {
        let mut turns = [true, false];
        turns.rotate_left(round % 2);
        for is_reader in turns {
            let (millis, found) =
                if is_reader { timed(&files, threads, read) } else { timed(&files, threads, inflate) };
            let expected = if is_reader { files.len() * files::RECORDS / files::ONE_IN } else { files.len() };
            if found != expected {
                return Err(format!("{found} were found, {expected} are there").into());
            }
            match (round, is_reader) {
                (0, _) => {}
                (_, true) => reader.push(millis),
                (_, false) => alone.push(millis),
            }
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

/// How long all files take on so many threads, each with memory of its own, and the sum of what `work` says of each.
#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn timed<M: Default>(files: &[Vec<u8>], threads: usize, work: fn(&[u8], &mut M) -> usize) -> (f64, usize) {
    let (next, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut memory = M::default();
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    sum.fetch_add(work(black_box(file), &mut memory), Ordering::Relaxed);
                }
            });
        }
    });
    (begun.elapsed().as_secs_f64() * 1000.0, sum.into_inner())
}

#[derive(Default)]
struct Inflate {
    decompressor: Decompressor,
    text: Vec<u8>,
}

fn inflate(file: &[u8], memory: &mut Inflate) -> usize {
    let length = file.last_chunk().map_or(0, |length| u32::from_le_bytes(*length)) as usize;
    if memory.text.len() < length {
        memory.text.resize(length, 0);
    }
    let result = memory.decompressor.gzip_decompress(file, &mut memory.text);
    black_box(&memory.text);
    usize::from(result == Ok(length))
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
