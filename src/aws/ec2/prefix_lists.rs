//! The entries of prefix lists: GetManagedPrefixListEntries. How far a change of a list is: DescribeManagedPrefixLists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::ManagedPrefixList;
use portcullis_domain::facts::PrefixLists;
use portcullis_domain::ids::PrefixListId;
use portcullis_domain::net::Cidr;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::LimitedClient;
use crate::aws::{AccountRegion, AwsError, Effect, Session, within};

/// Prefix lists that the invocation has read already, so that a thousand groups that share one list cost one call, and are
/// all judged by the same entries. Who asks while a list is being read waits for that answer. A list that could not be read
/// is not kept.
#[derive(Debug, Default)]
pub struct KnownLists(Mutex<BTreeMap<(AccountRegion, PrefixListId), Place>>);

/// Where a list is kept when it has been read.
type Place = Arc<OnceCell<KnownList>>;

/// How old the entries of a list may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListAge {
    /// What the invocation has read already will do.
    Known,
    /// They are read again.
    Now,
}

/// The entries of a list, and when EC2 was asked for them.
#[derive(Debug, Clone)]
struct KnownList {
    entries: Vec<Cidr>,
    read_at: Instant,
}

impl KnownLists {
    /// The place of a list. Nobody has filled it yet, or it holds what was read.
    fn place(&self, target: &AccountRegion, list: &PrefixListId) -> Place {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lists.entry((target.clone(), list.clone())).or_default())
    }

    /// Replaces what was read before.
    fn replace(&self, target: &AccountRegion, list: &PrefixListId, known: KnownList) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.insert((target.clone(), list.clone()), Arc::new(OnceCell::new_with(Some(known))));
    }
}

const GET_ENTRIES: &str = "GetManagedPrefixListEntries";
const DESCRIBE_LISTS: &str = "DescribeManagedPrefixLists";

/// How far EC2 is with the changes of a prefix list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixListState {
    /// EC2's word, such as `modify-in-progress`.
    pub state: String,
    /// The current version. Lists of AWS have none.
    pub version: Option<i64>,
}

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

    /// How far EC2 is with the changes of a prefix list; nothing where there is no such list.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn prefix_list_state(
        &self,
        target: &AccountRegion,
        list: &PrefixListId,
    ) -> Result<Option<PrefixListState>, AwsError> {
        let read = async {
            let request = self.ec2(target).await?.describe_managed_prefix_lists().prefix_list_ids(list.as_str());
            match request.send().await.map_err(|error| AwsError::from_sdk(DESCRIBE_LISTS, &error)) {
                Ok(answer) => state_of(answer.prefix_lists(), list).map(Some),
                Err(error) if error.effect == Effect::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        };
        within(self.until, DESCRIBE_LISTS, read).await
    }
}

/// The entries of prefix lists, and when the oldest of them was read. A list that cannot be read has the reason in its
/// place.
pub(super) async fn read(
    client: &LimitedClient<'_>,
    lists: BTreeSet<PrefixListId>,
    (known, age): (&KnownLists, ListAge),
) -> (PrefixLists, Instant) {
    let (mut prefix_lists, mut oldest) = (PrefixLists::new(), Instant::now());
    for list in lists {
        let read_now = async {
            let read_at = Instant::now();
            Ok::<_, AwsError>(KnownList { entries: entries(&client.ec2, &list, None).await?, read_at })
        };
        let read = match age {
            ListAge::Known => known.place(client.target, &list).get_or_try_init(|| read_now).await.cloned(),
            ListAge::Now => read_now.await.inspect(|read| known.replace(client.target, &list, read.clone())),
        };
        oldest = oldest.min(read.as_ref().map_or_else(|_| Instant::now(), |read| read.read_at));
        prefix_lists.insert(list, read.map(|read| read.entries).map_err(|error| error.to_string()));
    }
    (prefix_lists, oldest)
}

/// The state of the list among those of an answer, which has it if it is whole.
fn state_of(lists: &[ManagedPrefixList], list: &PrefixListId) -> Result<PrefixListState, AwsError> {
    let found = lists.iter().find(|it| it.prefix_list_id() == Some(list.as_str()));
    let state = found.and_then(|it| Some((it.state()?.as_str().to_owned(), it.version())));
    let (state, version) =
        state.ok_or_else(|| AwsError::incomplete(DESCRIBE_LISTS, format!("it does not show the state of {list}")))?;
    Ok(PrefixListState { state, version })
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
