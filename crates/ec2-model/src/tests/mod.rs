//! Each test quotes the document that describes the behaviour.

mod kit;

mod atomic;
mod authorize;
mod describe;
mod dynamodb;
mod groups;
mod memory;
mod modify;
mod organizations;
mod prefix_lists;
mod regions;
mod revoke;
mod s3;
mod scheduler;
#[cfg(feature = "serve")]
mod serve;
mod sqs;
mod trail;
mod wire;
