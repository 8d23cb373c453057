//! The terminal's tests, in one binary: each further one would link the AWS SDK again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test that panics fails, as it should"
)]

mod acts;
mod browser;
mod check;
mod cli;
mod corpus;
mod drill;
mod golden;
mod gone;
mod history;
mod hunt;
mod mails;
mod openings;
mod operator;
mod witness;

/// A free port of this machine.
pub(crate) fn loopback() -> std::net::TcpListener {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap()
}
