//! The drill: opens a security group that nobody uses, and times how long it stays open. Or, as a marker, sends a harmless
//! change the same way and sees it arrive.

mod group;
mod log;
mod looks;
mod run;

use jiff::Timestamp;
use portcullis::aws::AwsError;
use portcullis_domain::ids::Region;

pub use group::{Leftover, delete, leftovers};
pub use log::{Function, Log, Reported, function};
pub use looks::{Closed, Looks};
pub use run::{Drill, Ended, Run};

/// The tag of a drill's group: what has it is nobody's, and may be deleted.
pub const TAG: (&str, &str) = ("portcullis", "drill");
/// The tag that says who drills: their next drill deletes what a killed one left.
pub const BY: &str = "portcullis-drill-by";
/// The tag that says until when at most the drill goes on: after that anybody's next drill deletes what it left.
pub const UNTIL: &str = "portcullis-drill-until";

/// What is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SSH to the world: what Portcullis is there for.
    Exposure,
    /// SSH to one address of a block for documentation, where nobody can be: a change that Portcullis finds safe.
    Marker,
}

impl Kind {
    /// The source of the rule.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::Exposure => "0.0.0.0/0",
            // RFC 5737, TEST-NET-1.
            Self::Marker => "192.0.2.1/32",
        }
    }
}

/// Where and as whom.
#[derive(Debug, Clone)]
pub struct Place {
    /// EC2 there.
    pub ec2: aws_sdk_ec2::Client,
    /// The Region.
    pub region: Region,
    /// Who drills, as an ARN.
    pub by: String,
    /// The VPC, where it is not the default one.
    pub vpc: Option<String>,
}

/// What kept a drill from its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A call.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The group is still there.
    #[error(
        "the group {group} is still there: {why}; to delete it: aws ec2 delete-security-group --region {region} --group-id {group}"
    )]
    NotDeleted {
        /// The group.
        group: String,
        /// Its Region.
        region: String,
        /// Why.
        why: AwsError,
    },
}

/// The clock: the time of day. Durations are measured with a clock that only goes forward.
pub type Clock = fn() -> Timestamp;
