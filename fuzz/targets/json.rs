//! See `portcullis_checks::json`.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    portcullis_checks::json(bytes);
});

fuzz_mutator!(|bytes: &mut [u8], size: usize, most: usize, seed: u32| {
    portcullis_fuzz::mutate_json(bytes, size, most, seed)
});
