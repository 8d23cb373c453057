//! Prints how many microseconds it takes to parse and judge a harmless event: the median over many rounds of a 4 KB
//! EventBridge event that opens HTTPS, from the bytes of its payload to the verdict. `make bench` runs it.

use std::hint::black_box;
use std::time::Instant;

use portcullis_domain::cloudtrail::{EnvelopeOrigin, Reading, read};
use portcullis_domain::json;
use portcullis_domain::judge::harmless;
use portcullis_domain::policy::Policy;
use serde_json::Value;

const EVENT: &str = include_str!("../benches/event.json");
const ROUNDS: usize = 20_000;

fn verdict(payload: &[u8], policy: &Policy) -> Option<&'static str> {
    let event = json::parse(payload).ok()?;
    let text = |key: &str| event.get(key).and_then(Value::as_str).map(str::to_owned);
    let envelope_origin = EnvelopeOrigin { account: text("account"), region: text("region") };
    match read(event.get("detail")?, &envelope_origin) {
        Reading::Change(change) => harmless(&change, policy),
        Reading::Irrelevant { .. } | Reading::Undecided { .. } => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn main() {
    let policy = Policy::built_in();
    let mut micros: Vec<f64> = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let judged = verdict(black_box(EVENT.as_bytes()), black_box(&policy));
        micros.push(start.elapsed().as_secs_f64() * 1e6);
        assert_eq!(judged, Some("reaches no guarded port"));
    }
    micros.sort_by(f64::total_cmp);
    println!("{:.1}", micros.get(ROUNDS / 2).copied().unwrap_or_default());
}
