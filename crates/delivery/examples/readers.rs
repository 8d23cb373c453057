//! Times the readers of the hunts beside libdeflate alone, without the SQL engine: one thread, the same files in turns, from
//! memory. Prints milliseconds of the processor and MB of text a second.
//!
//!     cargo run --profile quick -p portcullis-delivery --features every --example readers -- KIND [--rounds N] FILE…
//!
//! KIND is `flows` (every record), `flows=PORT` (those of a port), `call=NAME,…` (the records of some calls), `errors` (records with
//! an error code), or `events` (every record).

use std::error::Error;
use std::hint::black_box;
use std::sync::LazyLock;
use std::time::Instant;

use portcullis_delivery::flowlog::Reader;
use portcullis_delivery::logfile::{Places, Scratch, every, every_with, plain};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.len() < 2 {
        return Err("KIND [--rounds N] FILE…".into());
    }
    let kind = arguments.remove(0);
    let rounds = match arguments.first().map(String::as_str) {
        Some("--rounds") => arguments.drain(..2).nth(1).unwrap_or_default().parse()?,
        _ => 5,
    };
    let files = arguments.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let (mut scratch, mut alone, mut read) = (Scratch::default(), Vec::new(), Vec::new());
    let (mut size, mut found) = (0, 0);
    // The first round fills the caches and is not counted.
    for round in 0..=rounds {
        let (mut of_alone, mut of_read) = (0.0, 0.0);
        (size, found) = (0, 0);
        for file in &files {
            of_alone += millis(|| size += plain(black_box(file), &mut scratch).map_or(0, <[u8]>::len));
            of_read += millis(|| found += plain(black_box(file), &mut scratch).map_or(0, |text| records(&kind, text)));
        }
        if round > 0 {
            alone.push(of_alone);
            read.push(of_read);
        }
    }
    let (alone, read) = (least(&alone), least(&read));
    let speed = |millis: f64| size as f64 / millis / 1000.0;
    println!("{:.1} MB of text, {found} records", size as f64 / 1e6);
    println!("libdeflate alone  {alone:8.1} ms, {:6.0} MB/s", speed(alone));
    println!("{kind:<17} {read:8.1} ms, {:6.0} MB/s, {:.2} times as long", speed(read), read / alone);
    println!("without unzipping {:8.1} ms, {:6.0} MB/s", read - alone, speed(read - alone));
    Ok(())
}

/// What this thread has cost in milliseconds of a processor, where Linux says it.
#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn now() -> f64 {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let on_processor = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = on_processor.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanos.map_or_else(|| BEGUN.elapsed().as_secs_f64() * 1000.0, |nanos| nanos / 1e6)
}

fn millis(work: impl FnOnce()) -> f64 {
    let begun = now();
    work();
    now() - begun
}

/// The round that other work on the machine disturbed least.
fn least(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::INFINITY, f64::min)
}

/// How many records are found.
fn records(kind: &str, text: &[u8]) -> usize {
    let mut count = 0;
    let port = kind.strip_prefix("flows=").map(|port| port.parse::<u16>().ok());
    if kind == "flows" || port.is_some() {
        let mut reader = Reader::new(None);
        let mut one = |flow: Result<&portcullis_delivery::flowlog::Flow<'_>, _>| {
            count += usize::from(black_box(flow).is_ok_and(|flow| port.is_none_or(|port| flow.dst_port == port)));
        };
        reader.push(text, &mut one);
        reader.finish(one);
        return count;
    }
    let places = match kind.strip_prefix("call=") {
        Some(names) => Places::of_calls(&names.split(',').map(str::to_owned).collect(), text),
        None if kind == "errors" => Places::of_key("errorCode", text),
        None => None,
    };
    match places {
        Some(places) if places.is_empty() => {}
        Some(places) => every_with(text, &places, |event| {
            count += usize::from(black_box(event).is_ok_and(|event| event.is_some()));
        }),
        None => every(text, |event| count += usize::from(black_box(event).is_ok())),
    }
    count
}
