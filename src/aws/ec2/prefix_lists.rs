//! The entries of prefix lists: GetManagedPrefixListEntries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use aws_sdk_ec2::Client;
use portcullis_domain::facts::PrefixLists;
use portcullis_domain::ids::PrefixListId;
use portcullis_domain::net::Cidr;
use tokio::time::Instant;

use super::LimitedClient;
use crate::aws::{AccountRegion, AwsError, Session, within};

/// Prefix lists that the invocation has read already, so that a thousand groups that share one list cost one call. A list
/// that could not be read is not kept.
#[derive(Debug, Default)]
pub struct KnownLists(Mutex<BTreeMap<(AccountRegion, PrefixListId), KnownList>>);

/// The entries of a list, and when EC2 was asked for them.
#[derive(Debug, Clone)]
struct KnownList {
    entries: Vec<Cidr>,
    read_at: Instant,
}

impl KnownLists {
    fn get(&self, target: &AccountRegion, list: &PrefixListId) -> Option<KnownList> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(&(target.clone(), list.clone())).cloned()
    }

    fn keep(&self, target: &AccountRegion, list: &PrefixListId, known: KnownList) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.insert((target.clone(), list.clone()), known);
    }
}

const GET_ENTRIES: &str = "GetManagedPrefixListEntries";

impl Session<'_> {
    /// The entries of one version of a prefix list, now or in the past.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn prefix_list_version(
        &self,
        target: &AccountRegion,
        list: &PrefixListId,
        version: i64,
    ) -> Result<Vec<Cidr>, AwsError> {
        let read = async { entries(&self.ec2(target).await?, list, Some(version)).await };
        within(self.until, GET_ENTRIES, read).await
    }
}

/// The entries of prefix lists, those that are known from memory, and when the oldest of them was read. A list that
/// cannot be read has the reason in its place.
pub(super) async fn read(
    client: &LimitedClient<'_>,
    lists: BTreeSet<PrefixListId>,
    known: Option<&KnownLists>,
) -> (PrefixLists, Instant) {
    let (mut prefix_lists, mut oldest) = (PrefixLists::new(), Instant::now());
    for list in lists {
        if let Some(KnownList { entries, read_at }) = known.and_then(|known| known.get(client.target, &list)) {
            oldest = oldest.min(read_at);
            prefix_lists.insert(list, Ok(entries));
            continue;
        }
        let read_at = Instant::now();
        oldest = oldest.min(read_at);
        let entries = entries(&client.ec2, &list, None).await.map_err(|error| error.to_string());
        if let (Some(known), Ok(entries)) = (known, &entries) {
            known.keep(client.target, &list, KnownList { entries: entries.clone(), read_at });
        }
        prefix_lists.insert(list, entries);
    }
    (prefix_lists, oldest)
}

async fn entries(ec2: &Client, list: &PrefixListId, version: Option<i64>) -> Result<Vec<Cidr>, AwsError> {
    let request = ec2.get_managed_prefix_list_entries().prefix_list_id(list.as_str()).set_target_version(version);
    let mut entries = request.into_paginator().items().send();
    let mut cidrs = Vec::new();
    while let Some(entry) = entries.next().await {
        let entry = entry.map_err(|error| AwsError::from_sdk(GET_ENTRIES, &error))?;
        let cidr = entry.cidr().unwrap_or_default().parse();
        cidrs.push(cidr.map_err(|error| AwsError::bad_answer(GET_ENTRIES, &error))?);
    }
    Ok(cidrs)
}
