//! The hunts, asked about made logs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]

mod athena;
mod browser;
mod corpus;
mod damage;
mod defects;
mod events;
mod lists;
mod made;
mod parquet_files;
mod program;
mod pushed;
mod rules;
mod s3;
mod server;
mod worlds;
