//! The one integration-test binary: each further one would link the AWS SDK again.

mod cli;
mod corpus;
mod function;
mod harness;
mod lambda;
mod remediation;
mod witness;
