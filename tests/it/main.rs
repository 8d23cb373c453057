//! The only integration-test binary. Every further binary would link the AWS SDK again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test that panics fails, as it should"
)]

mod adversary;
mod deliveries;
mod destinations;
mod evasions;
mod evidence;
mod faults;
mod former;
mod function;
mod harness;
mod lambda;
mod log_bucket;
mod memory;
mod neighbours;
mod openings;
mod organisation;
mod prefix_lists;
mod remediation;
mod sample;
mod scale;
mod simulation;
mod sweep;
mod witness;
