//! See `portcullis_checks::policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    portcullis_checks::policy(bytes);
});
