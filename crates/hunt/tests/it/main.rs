//! The hunts, asked about made logs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]

mod browser;
mod corpus;
mod damage;
mod defects;
mod events;
mod made;
mod program;
mod rules;
mod worlds;
