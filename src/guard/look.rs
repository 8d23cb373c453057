//! Looks at EC2.

use std::time::Duration;

use portcullis_domain::exposure::needs_prefix_list;
use portcullis_domain::trail::{Change, Permission, Subject};
use tokio::time::{Instant, timeout_at};

use super::Guard;
use super::rollback::{Job, backoff, out_of_time};
use crate::aws::{AwsError, Facts, Wanted};

/// How old a change must be for what EC2 does not show of it to count as gone: EC2 is eventually consistent.
const SETTLING: Duration = Duration::from_secs(20);

impl Guard {
    /// One look.
    pub(super) async fn look(&self, job: &Job<'_>, subject: &Subject) -> Result<Facts, AwsError> {
        let prefix_list_of = |permission: &Permission| needs_prefix_list(permission, &self.policy);
        let wanted = Wanted { vpc: self.policy.needs_vpc(), prefix_list_of: &prefix_list_of };
        let look = self.aws.look(job.target, job.own, subject, wanted);
        timeout_at(job.until, look).await.unwrap_or_else(|_| Err(out_of_time("DescribeSecurityGroupRules")))
    }

    /// A look that finds a group, unless the change is old enough for it to be gone.
    pub(super) async fn first_look(&self, job: &Job<'_>, subject: &Subject) -> Result<Facts, AwsError> {
        let mut turn = 0;
        loop {
            let facts = self.look(job, subject).await?;
            turn += 1;
            if !facts.groups.is_empty() || !self.young(job.changes) {
                return Ok(facts);
            }
            let pause = backoff(turn);
            if job.until.duration_since(Instant::now()) <= pause {
                return Err(out_of_time("DescribeSecurityGroups"));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether a change is so young that EC2 may not show it yet. One without a time may be.
    pub(super) fn young(&self, changes: &[&Change]) -> bool {
        let now = (self.clock)();
        let age = |change: &&Change| change.seen.time.map(|time| now.duration_since(time).unsigned_abs());
        changes.iter().map(age).any(|age| age.is_none_or(|age| age < SETTLING))
    }
}
