//! A small, faithful model of EC2's security-group API at the HTTP level, with the neighbours a guard of security
//! groups talks to: `sts:AssumeRole`, `sns:Publish`, `sqs:SendMessage`, `s3:GetObject`, `organizations:ListAccounts`, and
//! CloudTrail.
//!
//! A [`World`] holds accounts and Regions, answers HTTP requests as AWS documents it ([`World::handle`]), and writes
//! the CloudTrail record of every call. It does no I/O, reads no clock and draws its ids from a seed, so a test that
//! fails once fails always. The feature `serve` puts it on a loopback port.
//!
//! Every behaviour has a test that quotes its source. What AWS does not document is marked *inferred* where it is
//! decided; what is left out is listed at [`World`].

mod caller;
mod canonical;
mod dispatch;
mod ec2;
mod error;
mod fault;
mod http;
mod ids;
mod json;
mod organizations;
mod params;
mod policy;
mod render;
mod rule;
mod s3;
mod sns;
mod sqs;
mod state;
mod sts;
mod throttle;
mod trail;
mod tree;
mod user;
mod world;

#[cfg(feature = "serve")]
pub mod control;
#[cfg(feature = "serve")]
pub mod serve;

#[cfg(test)]
mod tests;

pub use caller::Credentials;
pub use error::ApiError;
pub use fault::{Fault, FaultKind};
pub use http::{Call, Outcome, Reply, Request, Response};
pub use rule::{Direction, Permission, Rule, RuleChange, Source};
pub use sns::Published;
pub use state::{Lag, Vpc};
pub use trail::{Actor, eventbridge};
pub use world::World;
