//! Opens what arrives, down to single CloudTrail records.
//!
//! Bytes and JSON in, records out: this crate reads no clock, no environment and no network, and logs nothing. So it
//! can be fuzzed and measured without the AWS SDK. [`envelope`] opens the payloads that invoke the function, [`documents`]
//! reads texts, [`logfile`] CloudTrail's log files, and [`flowlog`] VPC flow logs.

pub mod documents;
pub mod envelope;
#[cfg(feature = "every")]
pub mod flowlog;
pub mod logfile;
#[cfg(feature = "every")]
mod marks;
