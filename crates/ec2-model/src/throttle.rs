//! Request throttling by token buckets.
//!
//! Amazon EC2 Developer Guide, "Request throttling for the Amazon EC2 API": "each API is evaluated individually, and
//! you are throttled on the number of requests you make on a per-API basis", for each account on a per-Region basis.

use std::collections::BTreeMap;

use crate::params::Params;

/// Whether calls are throttled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Throttling {
    On,
    #[default]
    Off,
}

#[derive(Debug)]
struct Bucket {
    /// Thousandths of a token, so that whole milliseconds refill exactly.
    millitokens: i64,
    filled_at: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Buckets(BTreeMap<(String, String, String), Bucket>);

/// Capacity in tokens and refill per second. The guide's table: non-mutating 100 and 20, but 50 and 10 for
/// DescribeSecurityGroups when unfiltered and unpaginated; mutating and resource-intensive 50 and 5.
fn limits(action: &str, params: &Params) -> (i64, i64) {
    let narrowed = ["Filter", "MaxResults", "GroupId", "GroupName"].iter().any(|name| params.has(name));
    match action {
        "DescribeSecurityGroups" if !narrowed => (50, 10),
        _ if action.starts_with("Describe") || action.starts_with("Get") => (100, 20),
        _ => (50, 5),
    }
}

impl Buckets {
    /// Drops the buckets of an account in a Region, so that they are full again.
    pub(crate) fn forget(&mut self, account: &str, region: &str) {
        self.0.retain(|(a, r, _), _| a != account || r != region);
    }

    /// Takes a token at time `now` (milliseconds). Returns false if there is none.
    pub(crate) fn take(&mut self, account: &str, region: &str, action: &str, params: &Params, now: i64) -> bool {
        let (capacity, refill) = limits(action, params);
        let key = (account.to_owned(), region.to_owned(), action.to_owned());
        let full = capacity.saturating_mul(1000);
        let bucket = self.0.entry(key).or_insert(Bucket { millitokens: full, filled_at: now });
        let passed = now.saturating_sub(bucket.filled_at).max(0);
        bucket.millitokens = bucket.millitokens.saturating_add(passed.saturating_mul(refill)).min(full);
        bucket.filled_at = now;
        if bucket.millitokens < 1000 {
            return false;
        }
        bucket.millitokens -= 1000;
        true
    }
}
