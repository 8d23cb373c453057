//! The policy that holds now. It is read again at most once a minute, when something is about to be acted on.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use portcullis_domain::policy::Policy;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::aws::{Aws, Effect};
use crate::config::PolicySource;
use crate::policy_source::{Mark, PolicySourceError};

/// A policy is as young as this.
const FRESH: Duration = Duration::from_secs(60);

/// Nothing waits longer for a policy: the one at hand holds for a minute more.
const PATIENCE: Duration = Duration::from_millis(300);

/// This many policies of before are kept: an invocation takes 15 minutes at most, and a policy is asked for once a minute.
const MOST_EARLIER: usize = 16;

/// The policy, and where it came from.
pub struct LivePolicy {
    current: RwLock<Arc<Policy>>,
    /// Those of before, the latest last: what was judged by one of them may still have to be written down.
    earlier: RwLock<VecDeque<Arc<Policy>>>,
    source: PolicySource,
    read: Mutex<LastRead>,
}

/// When the policy was last asked for, and what it was.
struct LastRead {
    at: Instant,
    mark: Option<Mark>,
    /// Whether it was no policy then, or was not there.
    is_stale: bool,
}

/// What asking for the policy again came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// It is young, or has not changed, or could not be asked for in time.
    AsBefore,
    /// It is another one now.
    Changed,
    /// It is no policy any more, or is not there. The one of before holds.
    Stale,
}

impl LivePolicy {
    /// A policy that does not change.
    #[must_use]
    pub fn fixed(policy: Policy) -> Self {
        Self::of(PolicySource::BuiltIn, policy, None)
    }

    /// A policy that was just read.
    #[must_use]
    pub fn of(source: PolicySource, policy: Policy, mark: Option<Mark>) -> Self {
        let read = Mutex::new(LastRead { at: Instant::now(), mark, is_stale: false });
        Self { current: RwLock::new(Arc::new(policy)), earlier: RwLock::default(), source, read }
    }

    /// The policy that holds.
    #[must_use]
    pub fn now(&self) -> Arc<Policy> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The policy that has this hash; the one that holds where none has it any more.
    #[must_use]
    pub fn of_hash(&self, hash: &str) -> Arc<Policy> {
        let now = self.now();
        if now.hash() == hash {
            return now;
        }
        let earlier = self.earlier.read().unwrap_or_else(PoisonError::into_inner);
        earlier.iter().rev().find(|policy| policy.hash() == hash).cloned().unwrap_or(now)
    }

    fn replace(&self, policy: Policy) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, Arc::new(policy));
        let mut earlier = self.earlier.write().unwrap_or_else(PoisonError::into_inner);
        earlier.push_back(before);
        if earlier.len() > MOST_EARLIER {
            earlier.pop_front();
        }
    }

    /// Asks for the policy, unless that was done a short time ago or is being done.
    pub async fn refresh(&self, aws: &Aws) -> Refreshed {
        if self.source == PolicySource::BuiltIn {
            return Refreshed::AsBefore;
        }
        let Ok(mut read) = self.read.try_lock() else { return Refreshed::AsBefore };
        if read.at.elapsed() < FRESH {
            return if read.is_stale { Refreshed::Stale } else { Refreshed::AsBefore };
        }
        let again = timeout_at(Instant::now() + PATIENCE, self.source.read_again(aws, read.mark.as_ref())).await;
        let place = self.source.name();
        match again {
            // The next delivery asks again.
            Err(_) => {
                tracing::warn!(place, "the policy was not read again in time");
                Refreshed::AsBefore
            }
            Ok(Err(PolicySourceError::Object(error))) if error.effect != Effect::Refused => {
                tracing::warn!(place, code = %error.code, error.message, "the policy was not read again");
                Refreshed::AsBefore
            }
            Ok(Err(error)) => {
                (read.at, read.is_stale) = (Instant::now(), true);
                tracing::error!(place, %error, "the policy cannot be used any more: the one of before holds");
                Refreshed::Stale
            }
            Ok(Ok(None)) => {
                (read.at, read.is_stale) = (Instant::now(), false);
                Refreshed::AsBefore
            }
            Ok(Ok(Some((policy, mark)))) => {
                *read = LastRead { at: Instant::now(), mark, is_stale: false };
                let sha256 = policy.hash();
                tracing::info!(place, sha256, "the policy was read again and has changed");
                self.replace(policy);
                Refreshed::Changed
            }
        }
    }
}
