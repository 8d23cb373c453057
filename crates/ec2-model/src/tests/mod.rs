//! Each test quotes where the behaviour is written down.

mod kit;

mod atomic;
mod authorize;
mod describe;
mod groups;
mod memory;
mod modify;
mod organizations;
mod prefix_lists;
mod regions;
mod revoke;
mod s3;
#[cfg(feature = "serve")]
mod serve;
mod sqs;
mod trail;
mod wire;
