//! What arrives, opened down to single CloudTrail records.
//!
//! Bytes and JSON in, records out: this crate reads no clock, no environment and no network, and logs nothing, so that it
//! can be fuzzed and measured without the AWS SDK. [`envelope`] opens what wakes the function, [`logfile`] reads
//! CloudTrail's log files.

pub mod envelope;
pub mod logfile;
