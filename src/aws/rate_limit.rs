//! Keeps the function's calls within the token buckets of EC2 and Security Hub. A burst waits here instead of being refused.
//! Nobody has said whether a refused call takes a token. Here it is taken to do so, but where a holder insists.
//!
//! Source: EC2 API Reference, "Request throttling": bucket size and refill a second, for each API, account and Region.
//! Security Hub API Reference, BatchImportFindings.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::AccountRegion;

/// The calls that are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::aws) enum Api {
    Rules,
    Groups,
    Interfaces,
    Revoke,
    Findings,
}

impl Api {
    /// How many calls at once, and how many more each second.
    const fn bucket(self) -> (f64, f64) {
        match self {
            Self::Rules | Self::Interfaces => (100.0, 20.0),
            Self::Groups => (50.0, 10.0),
            Self::Revoke => (50.0, 5.0),
            // Security Hub API Reference, BatchImportFindings.
            Self::Findings => (30.0, 10.0),
        }
    }
}

/// An estimate of EC2's buckets. Other callers use them too; EC2's answers correct the estimate.
#[derive(Debug, Default)]
pub(in crate::aws) struct RateLimiter(Mutex<BTreeMap<(AccountRegion, Api), Bucket>>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// At this many buckets, those that are full by now are dropped.
const MOST_BUCKETS: usize = 1024;

impl RateLimiter {
    /// Waits for a token and takes it. Callers bound the wait.
    pub(in crate::aws) async fn take(&self, target: &AccountRegion, api: Api) {
        while let Some(wait) = self.try_take(target, api) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes a token if there is one by the estimate. Returns whether there was.
    pub(in crate::aws) fn take_now(&self, target: &AccountRegion, api: Api) -> bool {
        self.try_take(target, api).is_none()
    }

    /// Takes a token, or says how long to wait for one.
    fn try_take(&self, target: &AccountRegion, api: Api) -> Option<Duration> {
        self.with(target, api, |tokens, refill| {
            if *tokens >= 1.0 {
                *tokens -= 1.0;
                return None;
            }
            Some(Duration::from_secs_f64((1.0 - *tokens) / refill) + Duration::from_millis(1))
        })
    }

    /// Returns a token that was taken and not used.
    pub(in crate::aws) fn give_back(&self, target: &AccountRegion, api: Api) {
        self.with(target, api, |tokens, _| *tokens += 1.0);
    }

    /// EC2 refused a call: its bucket has no token.
    pub(in crate::aws) fn empty(&self, target: &AccountRegion, api: Api) {
        self.with(target, api, |tokens, _| *tokens = 0.0);
    }

    fn with<T>(&self, target: &AccountRegion, api: Api, change: impl FnOnce(&mut f64, f64) -> T) -> T {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (size, refill) = api.bucket();
        let level = |bucket: &Bucket, (size, refill): (f64, f64)| {
            (bucket.tokens + now.duration_since(bucket.at).as_secs_f64() * refill).min(size)
        };
        if buckets.len() >= MOST_BUCKETS {
            buckets.retain(|(_, api), bucket| level(bucket, api.bucket()) < api.bucket().0);
        }
        let bucket = buckets.entry((target.clone(), api)).or_insert(Bucket { tokens: size, at: now });
        bucket.tokens = level(bucket, (size, refill));
        bucket.at = now;
        change(&mut bucket.tokens, refill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(account: &str) -> AccountRegion {
        AccountRegion { account: account.parse().unwrap(), region: "eu-west-1".parse().unwrap() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_what_is_over_it_at_the_rate_of_the_refill() {
        let (limiter, here, start) = (RateLimiter::default(), target("111122223333"), Instant::now());
        for _ in 0..50 {
            limiter.take(&here, Api::Revoke).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            limiter.take(&here, Api::Revoke).await;
        }
        let took = start.elapsed().as_secs_f64();
        assert!((1.9..2.2).contains(&took), "{took}");
        // Another account has a bucket of its own, and so has another API.
        let start = Instant::now();
        limiter.take(&target("444455556666"), Api::Revoke).await;
        limiter.take(&here, Api::Rules).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_by_ec2_empties_the_bucket_and_an_unused_token_goes_back() {
        let (limiter, here, start) = (RateLimiter::default(), target("111122223333"), Instant::now());
        limiter.empty(&here, Api::Revoke);
        limiter.take(&here, Api::Revoke).await;
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(200), "{took:?}");
        limiter.give_back(&here, Api::Revoke);
        let start = Instant::now();
        limiter.take(&here, Api::Revoke).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn buckets_that_have_filled_up_are_forgotten() {
        let limiter = RateLimiter::default();
        for n in 0..3000 {
            limiter.take(&target(&format!("{n:012}")), Api::Revoke).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(limiter.0.lock().unwrap().len() <= MOST_BUCKETS + 1);
    }
}
