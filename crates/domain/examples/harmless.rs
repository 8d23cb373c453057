//! Prints as JSON how many nanoseconds it takes to parse and judge a harmless event, and what serde_json alone takes to
//! read the same bytes into a `Value`: `{"portcullis": …, "serde_json": …, "json": …}`, medians over many rounds in
//! turns. The event has 4 KB and opens HTTPS; judging it is from the bytes of the payload to the verdict, and `json` is
//! the part of it that is reading JSON. `make bench` runs it.

use std::hint::black_box;
use std::time::Instant;

use portcullis_domain::exposure::harmless;
use portcullis_domain::json::{self, Json};
use portcullis_domain::policy::Policy;
use portcullis_domain::trail::{EnvelopeOrigin, Reading, read};
use serde_json::Value;

const EVENT: &str = include_str!("../benches/event.json");
const ROUNDS: usize = 20_000;

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
fn nanoseconds<T>(work: impl FnOnce() -> T) -> (u128, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed().as_nanos(), done)
}

fn median(mut samples: Vec<u128>) -> u128 {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

fn main() {
    let policy = Policy::built_in();
    let (mut ours, mut theirs, mut reading) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let payload = black_box(EVENT.as_bytes());
        let (took, judged) = nanoseconds(|| verdict(payload, black_box(&policy)));
        ours.push(took);
        assert_eq!(judged, Some("reaches no guarded port"));
        let (took, value) = nanoseconds(|| drop(black_box(serde_json::from_slice::<Value>(payload).ok())));
        theirs.push(took);
        let () = value;
        reading.push(nanoseconds(|| drop(black_box(json::parse(payload).ok()))).0);
    }
    let (ours, theirs, reading) = (median(ours), median(theirs), median(reading));
    println!(r#"{{"portcullis": {ours}, "serde_json": {theirs}, "json": {reading}}}"#);
}
