//! Portcullis takes back AWS security-group rules that open sensitive ports to the internet.
//!
//! This crate is the shell around `domain`, which decides. [`function`] receives a delivery from Lambda and hands it to
//! [`pipeline`]: the delivery is opened ([`envelope`]) into CloudTrail records, log files and sweep requests; each record
//! is read as a change; changes are grouped by account, Region and resource. For each resource the pipeline describes the
//! groups in EC2 ([`aws`]), the domain judges and plans, and in enforce mode the pipeline revokes. Findings go to the
//! [`sinks`]: log, metrics, SNS.
//!
//! What outlives an invocation is in the [`store`]. The evidence of what was done goes to the [`shelf`].
//!
//! Modules depend on each other in one direction: `function`, then `pipeline`, then `sinks`, `store` and `shelf`, then
//! `aws`.

// In the order in which a delivery passes through them.
pub mod config;
pub mod live_policy;
pub mod policy_source;
pub mod s3_url;
pub mod function;
pub mod pipeline;
pub mod store;
pub mod aws;
pub mod sinks;
pub mod shelf;

pub use portcullis_delivery::envelope;
pub use portcullis_domain as domain;

/// The time now. Everything else takes the time as an argument.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
