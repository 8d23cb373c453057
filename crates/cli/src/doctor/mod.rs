//! `portcullis doctor`: whether everything is there that the guard needs.
//!
//! [`look`] asks AWS, and only reads. What came of it is an [`inventory::Inventory`]: what AWS showed, or the error of
//! each call. [`judge`] makes [`Check`]s of it, without AWS and without a clock.

mod api;
mod check;
pub mod inventory;
mod judge;
pub mod look;
mod mend;
mod pattern;
pub mod show;
mod template;

#[cfg(test)]
mod tests;

pub use api::{ALL as CALLS, Api};
pub use check::{Check, Counts, Verdict};
pub use judge::judge;
