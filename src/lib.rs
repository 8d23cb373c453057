//! Portcullis, the gate that drops.
//!
//! A delivery is opened ([`envelope`]) into CloudTrail records, log files and orders for a sweep; each record is read as a
//! change (`domain::trail`), and so is each place of a sweep; changes are grouped by account, Region and subject. For each
//! group the shell looks at EC2 once ([`aws`]), the domain judges and plans, the plan is carried out (enforce) or not
//! (alert), and what was seen, decided and done is told ([`sinks`]). [`pipeline`] is the order of these things and nothing
//! else.

// In the order in which data takes them.
pub mod config;
pub mod function;
pub mod pipeline;
pub mod aws;
pub mod sinks;

pub use portcullis_delivery::envelope;
pub use portcullis_domain as domain;

/// The time now. Everything else takes the time as an argument.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one clock, handed to what needs it")]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
