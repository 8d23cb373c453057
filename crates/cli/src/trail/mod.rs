//! One CloudTrail trail for all Regions, with its bucket, topic and queue: what is there ([`read`]), what should be there
//! ([`plan`]), and the calls between the two ([`Step`]). A plan is a value; [`make`] carries a step out and chooses nothing.

mod command;
mod delete;
mod events;
mod found;
mod make;
mod plan;
mod policies;
mod read;
mod show;
mod step;

#[cfg(test)]
mod tests;

use portcullis_domain::ids::{AccountId, Region};

pub use delete::delete;
pub use events::{Logged, WriteEvents};
pub use found::{Bucket, BucketFacts, Encryption, Found, Logging, Queue, Topic, Trail, Versioning};
pub use make::make;
pub use plan::{Plan, Wrong, plan};
pub use read::read;
pub use show::{RegionRow, Status, Waiting, regions, waiting};
pub use step::{CreateTrail, Step};

/// The tag of what `trail create` has made: `trail delete` takes down nothing without it.
pub const TAG: (&str, &str) = ("portcullis", "trail");

/// What should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The account that owns it.
    pub account: AccountId,
    /// `aws`, `aws-cn` and so on.
    pub partition: String,
    /// The trail's home Region, with the topic and the queue.
    pub region: Region,
    /// The bucket of the log files.
    pub bucket: String,
    /// The ARN of the KMS key that the log files are encrypted with; else S3's own key.
    pub kms_key: Option<String>,
    /// The organisation, where the trail is for all its accounts.
    pub organization: Option<Organization>,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// `o-…`.
    pub id: String,
    /// Its management account, which owns every trail of the organisation.
    pub management_account: AccountId,
}

impl Wanted {
    /// The bucket's name where nobody names one. It begins with the account, as everything does.
    #[must_use]
    pub fn usual_bucket(account: &AccountId) -> String {
        format!("{account}-cloudtrail")
    }

    /// The name of trail, topic and queue.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-cloudtrail", self.account)
    }

    /// The trail's ARN. That of an organisation's trail names the management account, whoever has made it (CloudTrail User
    /// Guide, "Amazon S3 bucket policy for CloudTrail").
    #[must_use]
    pub fn trail_arn(&self) -> String {
        let owner = self.organization.as_ref().map_or(&self.account, |organization| &organization.management_account);
        format!("arn:{}:cloudtrail:{}:{owner}:trail/{}", self.partition, self.region, self.name())
    }

    /// The topic's ARN.
    #[must_use]
    pub fn topic_arn(&self) -> String {
        format!("arn:{}:sns:{}:{}:{}", self.partition, self.region, self.account, self.name())
    }

    /// The queue's ARN.
    #[must_use]
    pub fn queue_arn(&self) -> String {
        format!("arn:{}:sqs:{}:{}:{}", self.partition, self.region, self.account, self.name())
    }

    /// The bucket's ARN.
    #[must_use]
    pub fn bucket_arn(&self) -> String {
        format!("arn:{}:s3:::{}", self.partition, self.bucket)
    }
}
