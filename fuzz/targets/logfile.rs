//! See `portcullis_checks::logfile`.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    portcullis_checks::logfile(bytes);
});

fuzz_mutator!(|bytes: &mut [u8], size: usize, most: usize, seed: u32| {
    portcullis_fuzz::mutate_zipped(bytes, size, most, seed)
});
