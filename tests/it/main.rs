//! The one integration-test binary: each further one would link the AWS SDK again.

mod harness;
mod remediation;
