//! Checks the reader of CloudTrail log files against a parse of the whole file.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use portcullis_delivery::logfile::{Error, Found, Scratch, Stream, read};
use portcullis_domain::change::Call;
use portcullis_domain::json::{self, Json};
use serde_json::Value;

use crate::is_clear;

/// A record in full, or what could not be read.
type Parsed = Result<Json<'static>, Error>;

/// At most this many bytes are unzipped and parsed to compare. No record in them is too long to be read.
const MOST: u64 = 1 << 20;

/// Reads a file, gzip or plain.
///
/// - The whole file and its chunks, however they are cut, give the same.
/// - If the text is JSON as a whole, the reader finds exactly the objects with a relevant call's name as `eventName`,
///   and no error.
/// - If the gzip data is damaged, there is an error.
///
/// Returns `damaged` if there was an error, else `found` or `nothing`.
pub fn logfile(bytes: &[u8]) -> &'static str {
    let mut found: Vec<Parsed> = Vec::new();
    read(bytes, &mut Scratch::default(), |record| found.push(roughly(record)));
    let seed = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut is_odd = false;
    for most in [3, 100, 70_000] {
        let streamed = streamed(bytes, seed, most);
        // If gzip data is damaged, the chunks decide how much is read before the error. The error itself does not
        // depend on them.
        if streamed.iter().any(is_odd_deflate) && !found.iter().any(is_damage) {
            is_odd = true;
        } else if found.iter().any(is_damage) {
            assert!(streamed.iter().any(is_damage), "damaged as a whole, and not in chunks of up to {most} bytes");
        } else {
            assert_eq!(streamed, found, "in chunks of up to {most} bytes, and as a whole");
        }
    }
    for error in found.iter().filter_map(|found| found.as_ref().err()) {
        is_clear(&error.to_string(), 400);
    }
    let damaged = found.iter().any(Result::is_err);

    let mut text = Vec::new();
    let unzipped = if bytes.starts_with(&[0x1f, 0x8b]) {
        MultiGzDecoder::new(bytes).take(MOST + 1).read_to_end(&mut text).is_ok()
    } else {
        text.extend_from_slice(bytes);
        true
    };
    assert!(unzipped || damaged || is_odd, "damaged gzip data, and no error");
    assert!(!is_odd || !unzipped || text.len() as u64 > MOST, "gzip data that another inflater takes is refused");
    let document = json::parse(&text).ok().filter(|_| unzipped && text.len() as u64 <= MOST);
    // The reader reports a name in no object as damage, because it does not know the text before the name.
    let of_objects = |document: &Json<'_>| {
        let is_object = |value: &Json<'_>| value.as_object().is_some();
        is_object(document) || document.as_array().is_some_and(|elements| elements.iter().all(is_object))
    };
    if let Some(document) = document.filter(of_objects) {
        assert!(!damaged, "all of it is JSON, and there is an error: {found:?}");
        let mut expected = Vec::new();
        relevant(&document, &mut expected);
        let records = found.iter().flatten().filter(|record| record.as_object().is_some());
        let mut records: Vec<String> = records.map(Json::to_string).collect();
        for record in expected {
            let place = records.iter().position(|found| *found == record);
            let place = place.unwrap_or_else(|| panic!("a parse of everything finds more: {record}"));
            records.swap_remove(place);
        }
        // An object with a duplicate key is a text that says so. It hides its content from the parse, but not from the
        // reader.
        let no_double_key =
            serde_json::from_slice::<Value>(&text).is_ok_and(|last_wins| Json::from(&last_wins) == document);
        assert!(records.is_empty() || !no_double_key, "a parse of everything does not find {records:?}");
    }
    match (damaged, found.is_empty()) {
        (true, _) => "damaged",
        (false, true) => "nothing",
        (false, false) => "found",
    }
}

fn streamed(bytes: &[u8], mut seed: u64, most: usize) -> Vec<Parsed> {
    let mut all = Vec::new();
    let mut stream = Stream::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let size = usize::try_from(seed >> 33).unwrap_or_default() % most + 1;
        let (chunk, behind) = rest.split_at(size.min(rest.len()));
        stream.push(chunk, |found| all.push(roughly(found)));
        rest = behind;
    }
    stream.finish(|found| all.push(roughly(found)));
    all
}

/// libdeflate unzips whole files and accepts some codes that deflate does not define and that other inflaters refuse.
/// Their result has still been checked against the checksum and the length.
fn is_odd_deflate(found: &Parsed) -> bool {
    matches!(found, Err(Error::Damaged { why: "this cannot be inflated", .. }))
}

fn is_damage(found: &Parsed) -> bool {
    matches!(found, Err(Error::Damaged { .. } | Error::Truncated { .. }))
}

/// The offset of an error in gzip data depends on the chunks, so it is compared only roughly.
fn roughly(found: Found<'_>) -> Parsed {
    match found.and_then(|record| record.parse().map(Json::into_owned)) {
        Err(Error::Damaged { why, .. }) => Err(Error::Damaged { offset: 0, why }),
        other => other,
    }
}

/// Every object with a relevant call's name as its own `eventName`, whatever is around it.
fn relevant(value: &Json<'_>, all: &mut Vec<String>) {
    match value {
        Json::Object(fields) => {
            if fields.get("eventName").and_then(Json::as_str).is_some_and(|name| Call::NAMES.contains(&name)) {
                all.push(value.to_string());
            }
            fields.iter().for_each(|(_, field)| relevant(field, all));
        }
        Json::Array(elements) => elements.iter().for_each(|element| relevant(element, all)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}
