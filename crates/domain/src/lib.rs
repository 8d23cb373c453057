//! What counts as exposed, and what is done about it.
//!
//! Facts in, verdict out: this crate reads no clock, no environment and no network, and logs nothing. The shell brings
//! a CloudTrail record ([`cloudtrail`]), the [`policy`] and what EC2 shows now ([`facts`]). [`judge::judge`] decides
//! which ports are exposed, [`plan::plan`] says which rules go, and [`state`] follows one remediation to its end. The
//! result is a [`finding`], which people and machines read.

pub mod arn;
pub mod change;
pub mod cloudtrail;
pub mod evidence;
pub mod facts;
pub mod finding;
pub mod former;
pub mod ids;
pub mod json;
pub mod judge;
pub mod memory;
pub mod net;
mod omitted;
pub mod opening;
pub mod plan;
pub mod policy;
pub mod rule;
#[cfg(feature = "schema")]
mod schema;
pub mod state;
pub mod text;
pub mod undo;
