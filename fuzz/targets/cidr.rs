//! See `portcullis_checks::cidr`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    portcullis_checks::cidr(bytes);
});
