//! One call: its answer, or its error with the permission that it needs. Calls are counted.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use portcullis::aws::AwsError;
use portcullis_domain::ids::Region;

use super::super::api::{ASSUME_ROLE, Api, DESCRIBE_REGIONS};
use super::super::inventory::{CallError, Seen};
use crate::aws::Clients;

/// Counts the calls.
#[derive(Debug, Default)]
pub(super) struct Ask(AtomicUsize);

impl Ask {
    /// One call.
    pub(super) async fn call<T, E, R>(&self, api: Api, sent: impl Future<Output = Result<T, SdkError<E, R>>>) -> Seen<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: Debug + 'static,
    {
        self.count(1);
        // The future holds a whole operation: on the heap it does not weigh on every caller's.
        Box::pin(sent).await.map_err(|error| of_aws(api, AwsError::from_sdk(api.call, &error)))
    }

    /// Calls that something else made.
    pub(super) fn count(&self, calls: usize) {
        self.0.fetch_add(calls, Ordering::Relaxed);
    }

    pub(super) fn counted(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The error of a call, or of the AssumeRole before it.
pub(super) fn of_aws(api: Api, error: AwsError) -> CallError {
    let api = if error.call == ASSUME_ROLE.call { ASSUME_ROLE } else { api };
    CallError { api, code: error.code.as_str().to_owned(), message: error.message }
}

/// The Regions that are enabled in an account.
pub(super) async fn regions(ask: &Ask, clients: &Clients) -> Seen<BTreeSet<Region>> {
    let answer = ask.call(DESCRIBE_REGIONS, clients.ec2().describe_regions().send()).await?;
    let names = answer.regions().iter().filter_map(|region| region.region_name());
    Ok(names.filter_map(|name| Region::parse(name).ok()).collect())
}
