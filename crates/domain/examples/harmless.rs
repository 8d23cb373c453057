//! A benchmark for `make bench`, as an example because it needs a program of its own. Prints as JSON how many
//! nanoseconds it takes to parse and judge a harmless event, and how long serde_json alone takes to read the same bytes
//! into a `Value`: `{"portcullis": …, "json": …, "serde_json": …}`. The numbers are medians over many rounds. The event
//! has 4 KB and opens HTTPS. `portcullis` is from the bytes of the payload to the verdict, and `json` is the part of it
//! that is reading JSON.

use std::hint::black_box;
use std::time::Instant;

use portcullis_domain::cloudtrail::{EnvelopeOrigin, Reading, read};
use portcullis_domain::json::{self, Json};
use portcullis_domain::judge::harmless;
use portcullis_domain::policy::Policy;
use serde_json::Value;

const EVENT: &str = include_str!("../benches/event.json");
/// Each measurement runs this often in a row, so that none starts with the heap that another left, and there are this
/// many turns.
const ROUNDS: usize = 1_000;
const TURNS: usize = 20;

fn verdict(payload: &[u8], policy: &Policy) -> Option<&'static str> {
    let event = json::parse(payload).ok()?;
    let text = |key: &str| event.get(key).and_then(Json::as_str).map(str::to_owned);
    let envelope_origin = EnvelopeOrigin { account: text("account"), region: text("region") };
    match read(event.get("detail")?, &envelope_origin) {
        Reading::Change(change) => harmless(&change, policy),
        Reading::Irrelevant { .. } | Reading::Undecided { .. } => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn measure<T>(samples: &mut Vec<u128>, work: impl Fn(&[u8]) -> T) {
    for _ in 0..ROUNDS {
        let start = Instant::now();
        drop(black_box(work(black_box(EVENT.as_bytes()))));
        samples.push(start.elapsed().as_nanos());
    }
}

fn median(mut samples: Vec<u128>) -> u128 {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

fn main() {
    let policy = Policy::built_in();
    assert_eq!(verdict(EVENT.as_bytes(), &policy), Some("reaches no guarded port"));
    let [mut ours, mut reading, mut theirs] = [const { Vec::new() }; 3];
    for _ in 0..TURNS {
        measure(&mut ours, |payload| verdict(payload, black_box(&policy)));
        measure(&mut reading, |payload| json::parse(payload).map(drop));
        measure(&mut theirs, |payload| serde_json::from_slice::<Value>(payload).map(drop));
    }
    let (ours, reading, theirs) = (median(ours), median(reading), median(theirs));
    println!(r#"{{"portcullis": {ours}, "json": {reading}, "serde_json": {theirs}}}"#);
}
