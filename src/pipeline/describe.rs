//! Looks at EC2.

use std::time::Duration;

use portcullis_domain::exposure::needs_prefix_list;
use portcullis_domain::trail::{Call, Change, ChangedRules, Permission, Resource};
use tokio::time::{Instant, timeout_at};

use super::Guard;
use super::remediate::{Job, backoff, out_of_time};
use crate::aws::{AwsError, Facts, KnownLists, Wanted};

/// How old a change must be for what EC2 does not show of it to count as gone: EC2 is eventually consistent.
const SETTLING: Duration = Duration::from_secs(20);

impl Guard {
    /// One look. Prefix lists that are known need not be read again.
    pub(super) async fn look(
        &self,
        job: &Job<'_>,
        resource: &Resource,
        known: Option<&KnownLists>,
    ) -> Result<Facts, AwsError> {
        let prefix_list_of = |permission: &Permission| needs_prefix_list(permission, &self.policy);
        let wanted = Wanted { vpc: self.policy.needs_vpc(), prefix_list_of: &prefix_list_of, known };
        let look = self.aws.look(job.target, job.own, resource, wanted);
        timeout_at(job.until, look).await.unwrap_or_else(|_| Err(out_of_time("DescribeSecurityGroupRules")))
    }

    /// A look that shows what was changed, unless the change is old enough for it to be gone: the group, or in the
    /// prefix list what was added to it. A list that shows enough for something to be done is not waited for.
    pub(super) async fn first_look(&self, job: &Job<'_>, resource: &Resource) -> Result<Facts, AwsError> {
        let mut turn = 0;
        loop {
            // A list that was changed is not the one that was read before.
            let known = (turn == 0 && !matches!(resource, Resource::PrefixList(_))).then_some(job.known);
            let facts = self.look(job, resource, known).await?;
            turn += 1;
            let shown = match resource {
                Resource::PrefixList(_) => {
                    job.changes.iter().all(|change| shows_added(change, &facts))
                        || facts.groups.iter().any(|group| self.calls_for_action(job, group, &facts.prefix_lists))
                }
                Resource::Group(_) | Resource::GroupName(_) | Resource::Region => !facts.groups.is_empty(),
            };
            if shown || !self.young(job.changes, facts.at) {
                return Ok(facts);
            }
            let pause = backoff(turn);
            if job.until.duration_since(Instant::now()) <= pause {
                return Err(out_of_time("DescribeSecurityGroups"));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether a change was so young at a look that EC2 may not have shown it. One without a time may have been. What
    /// counts is when EC2 was asked: the answer may have been long under way.
    pub(super) fn young(&self, changes: &[&Change], at: Instant) -> bool {
        let then = (self.clock)() - at.elapsed();
        let age = |change: &&Change| change.event.time.map(|time| then.duration_since(time).unsigned_abs());
        let calls = changes.iter().filter(|change| change.call != Call::Sweep);
        calls.map(age).any(|age| age.is_none_or(|age| age < SETTLING))
    }
}

/// Whether the prefix list has in it what the change added, where some rule makes that matter.
fn shows_added(change: &Change, facts: &Facts) -> bool {
    let ChangedRules::PrefixList { list, added, .. } = &change.changed_rules else { return true };
    match facts.prefix_lists.get(list) {
        Some(Ok(entries)) => added.as_ref().is_some_and(|added| added.iter().all(|cidr| entries.contains(cidr))),
        None | Some(Err(_)) => true,
    }
}
