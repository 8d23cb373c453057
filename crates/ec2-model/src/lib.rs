//! A small, faithful model of EC2's security-group API at the HTTP level, with the other AWS calls that a guard of
//! security groups makes: `sts:AssumeRole`, `sns:Publish`, `sqs:SendMessage`, `s3:GetObject`,
//! `organizations:ListAccounts`, `dynamodb:UpdateItem`, `scheduler:CreateSchedule`, and with CloudTrail.
//!
//! A [`World`] holds accounts and Regions, answers HTTP requests as AWS documents it ([`World::handle`]), and writes
//! the CloudTrail record of every call. It does no I/O, reads no clock and generates its ids from a seed, so a test
//! that fails once always fails. The feature `serve` serves it on a loopback port.
//!
//! Every behaviour has a test that quotes its source. Behaviour that AWS does not document is marked *inferred* in the
//! code. [`World`] lists what is not modelled.

mod caller;
mod canonical;
mod dispatch;
mod dynamodb;
mod ec2;
mod error;
mod event_bridge;
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
mod scheduler;
mod security_hub;
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
pub use ec2::regions::DEFAULT_REGIONS;
pub use error::ApiError;
pub use event_bridge::BusEvent;
pub use fault::{Fault, FaultKind};
pub use http::{Call, Outcome, Reply, Request, Response};
pub use rule::{Direction, Permission, Rule, RuleChange, Source};
pub use sns::Published;
pub use state::{Lag, Vpc};
pub use trail::{Actor, eventbridge};
pub use world::World;
