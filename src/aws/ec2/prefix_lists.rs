//! The entries of prefix lists: GetManagedPrefixListEntries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use aws_sdk_ec2::Client;
use portcullis_domain::exposure::PrefixLists;
use portcullis_domain::ids::PrefixListId;
use portcullis_domain::net::Cidr;

use super::LimitedClient;
use crate::aws::{AccountRegion, AwsError, Session, within};

/// Prefix lists that the invocation has read already, so that a thousand groups that share one list cost one call. A list
/// that could not be read is not kept.
#[derive(Debug, Default)]
pub struct KnownLists(Mutex<BTreeMap<(AccountRegion, PrefixListId), Vec<Cidr>>>);

impl KnownLists {
    fn get(&self, target: &AccountRegion, list: &PrefixListId) -> Option<Vec<Cidr>> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(&(target.clone(), list.clone())).cloned()
    }

    fn keep(&self, target: &AccountRegion, list: &PrefixListId, entries: &[Cidr]) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.insert((target.clone(), list.clone()), entries.to_vec());
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

/// The entries of prefix lists, those that are known from memory. A list that cannot be read has the reason in its place.
pub(super) async fn read(
    client: &LimitedClient<'_>,
    lists: BTreeSet<PrefixListId>,
    known: Option<&KnownLists>,
) -> PrefixLists {
    let mut prefix_lists = PrefixLists::new();
    for list in lists {
        let entries = match known.and_then(|known| known.get(client.target, &list)) {
            Some(entries) => Ok(entries),
            None => entries(&client.ec2, &list, None).await.map_err(|error| error.to_string()),
        };
        if let (Some(known), Ok(entries)) = (known, &entries) {
            known.keep(client.target, &list, entries);
        }
        prefix_lists.insert(list, entries);
    }
    prefix_lists
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
