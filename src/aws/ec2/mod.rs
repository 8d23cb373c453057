//! EC2: what the function reads there, and the one call that it writes with. The command line has others.

mod authorize;
mod describe;
mod groups;
mod interfaces;
mod modify;
mod prefix_lists;
mod regions;
mod revoke;
mod rules;
mod whole;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::Filter;
use portcullis_domain::ids::GroupId;

pub use authorize::Authorized;
pub use describe::{Description, Wanted};
pub use interfaces::Interfaces;
pub use modify::{MODIFY, NewValue};
pub use prefix_lists::{KnownLists, ListAge, PrefixListState};
pub use revoke::{Permit, REVOKE, Revoked};
pub(super) use whole::OnlyWhole;

use super::rate_limit::{Api, RateLimiter};
use super::{AccountRegion, AwsError, Session};

/// A client whose Describe calls keep within EC2's token buckets.
struct LimitedClient<'a> {
    ec2: Client,
    rate_limiter: &'a RateLimiter,
    target: &'a AccountRegion,
}

impl<'a> LimitedClient<'a> {
    async fn of(session: &Session<'a>, target: &'a AccountRegion) -> Result<Self, AwsError> {
        Ok(Self { ec2: session.ec2(target).await?, rate_limiter: &session.aws.rate_limiter, target })
    }

    /// Waits for a token.
    async fn wait(&self, api: Api) {
        self.rate_limiter.take(self.target, api).await;
    }
}

/// A filter takes at most this many values (EC2 User Guide, "List and filter using the CLI and API").
const MOST_VALUES: usize = 200;

fn filter(name: &str, values: Option<Vec<String>>) -> Option<Vec<Filter>> {
    values.map(|values| vec![Filter::builder().name(name).set_values(Some(values)).build()])
}

fn texts(groups: &[GroupId]) -> Vec<String> {
    groups.iter().map(ToString::to_string).collect()
}
