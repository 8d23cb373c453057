//! What calls made of rules, as this instance has seen it, and as the memory keeps it for all.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::SignedDuration;
use lru::LruCache;
use portcullis_domain::change::{Call, Change};
use portcullis_domain::cloudtrail;
use portcullis_domain::former::{MOST_SEEN, Seen};
use portcullis_domain::ids::{AccountId, RuleId};
use portcullis_domain::json::Json;
use portcullis_domain::memory::{Entries, written};
use serde::Deserialize;
use tokio::time::Instant;

use crate::aws::{AccountRegion, Session};
use crate::pipeline::context::Context;
use crate::pipeline::permission;
use crate::store::Update;

/// This many rules are remembered by an instance: some megabytes.
const MOST_RULES: usize = 10_000;

/// This many values wait for being written. More come of log files of a whole organisation; the instance knows them still.
const MOST_UNKEPT: usize = 1000;

/// This many items are written or read at a time.
const MOST_AT_ONCE: usize = 16;

/// What is kept may take this long at the end of an invocation: nobody waits for it.
const KEEP_WITHIN: Duration = Duration::from_secs(2);

/// An item goes when nothing was written to it for so long. A sweep has seen the rule many times by then.
const KEPT: SignedDuration = SignedDuration::from_hours(8 * 24);

/// A rule of an account's Region.
type Place = (AccountRegion, RuleId);

/// What this instance knows.
#[derive(Debug)]
pub(in crate::pipeline) struct KnownValues {
    values: Mutex<LruCache<Place, Vec<Seen>>>,
    /// What is still to be written to the memory.
    unkept: Mutex<Vec<(Place, Seen)>>,
}

impl Default for KnownValues {
    fn default() -> Self {
        // A cache with a bound takes all of its room at once.
        Self { values: Mutex::new(LruCache::unbounded()), unkept: Mutex::default() }
    }
}

impl KnownValues {
    /// Takes in what a record says that its call made of rules.
    pub(in crate::pipeline) fn note(&self, context: &Context, change: &Change, record: &Json<'_>) {
        let target = AccountRegion { account: change.account.clone(), region: change.region.clone() };
        // A rule is known by a sweep until somebody modifies it. What is made after the sweep is revoked if it is opened,
        // unless it can be given back.
        let is_kept = context.settings.memory.is_some() && (change.call == Call::Modify || context.settings.restores);
        for (rule, seen) in cloudtrail::values(change, record) {
            if is_kept {
                let mut unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner);
                if unkept.len() < MOST_UNKEPT {
                    unkept.push(((target.clone(), rule.clone()), seen.clone()));
                }
            }
            self.add((target.clone(), rule), seen);
        }
    }

    fn add(&self, place: Place, seen: Seen) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let of_rule = values.get_or_insert_mut(place, Vec::new);
        if !of_rule.contains(&seen) {
            of_rule.push(seen);
            of_rule.sort_by_key(|seen| seen.at);
            let over = of_rule.len().saturating_sub(MOST_SEEN);
            of_rule.drain(..over);
        }
        if values.len() > MOST_RULES {
            values.pop_lru();
        }
    }

    /// What this instance has seen of a rule.
    pub(super) fn of(&self, target: &AccountRegion, rule: &RuleId) -> Vec<Seen> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.get(&(target.clone(), rule.clone())).cloned().unwrap_or_default()
    }

    /// Writes to the memory what is still to be written of accounts in which the function may act: anybody can send a record
    /// that names another one. What cannot be written is tried again at the end of the next invocation.
    pub(in crate::pipeline) async fn keep(&self, context: &Context, session: Option<Session<'_>>, until: Instant) {
        let mut unkept = std::mem::take(&mut *self.unkept.lock().unwrap_or_else(PoisonError::into_inner));
        let identity = session.map(|session| session.identity());
        let may_act =
            |account: &AccountId| identity.is_some_and(|own| permission::check(context, own, account).is_ok());
        unkept.retain(|((target, _), _)| may_act(&target.account));
        if unkept.is_empty() {
            return;
        }
        let until = until.min(Instant::now() + KEEP_WITHIN);
        let write = |(place, seen): (Place, Seen)| async move {
            let is_kept = write(context, &place, &seen, until).await;
            (!is_kept).then_some((place, seen))
        };
        let left: Vec<_> = stream::iter(unkept)
            .map(write)
            .buffer_unordered(MOST_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if !left.is_empty() {
            tracing::warn!(values = left.len(), "what calls made of rules was not remembered");
            let mut unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner);
            let room = MOST_UNKEPT.saturating_sub(unkept.len());
            unkept.extend(left.into_iter().take(room));
        }
    }
}

/// The key of a rule's item.
fn key((target, rule): &Place) -> String {
    format!("rule#{}/{}/{rule}", target.account, target.region)
}

/// The entries' names begin so, then with the time.
const SEEN: &str = "seen#";

/// Writes a value, and whether that worked. An item keeps the latest values only.
async fn write(context: &Context, place: &Place, seen: &Seen, until: Instant) -> bool {
    let (store, key) = (&context.settings.memory, key(place));
    let Some(value) = written(seen) else { return true };
    let name = format!("{SEEN}{}#{:016x}", seen.at, hash(&value.to_string()));
    let ttl = context.now().checked_add(KEPT).ok();
    let update = Update { set: Entries::from([(name, value)]), ttl, ..Update::default() };
    let Ok(entries) = store.update(&context.aws, &key, &update, until).await else { return false };
    let names: Vec<&String> = entries.keys().filter(|name| name.starts_with(SEEN)).collect();
    let over = names.len().saturating_sub(MOST_SEEN);
    if over > 0 {
        let remove = names.into_iter().take(over).cloned().collect();
        let update = Update { remove, ttl, ..Update::default() };
        // The next value makes room as well.
        let _ = store.update(&context.aws, &key, &update, until).await;
    }
    true
}

/// Tells values of the same second apart.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What the memory keeps of some rules.
pub(super) async fn read(
    context: &Context,
    target: &AccountRegion,
    rules: &BTreeSet<RuleId>,
    until: Instant,
) -> Result<Vec<(RuleId, Seen)>, String> {
    if !context.settings.memory.is_some() {
        return Err("there is no memory of calls since".to_owned());
    }
    let read = |rule: &RuleId| {
        let (rule, key) = (rule.clone(), key(&(target.clone(), rule.clone())));
        async move {
            let entries = context.settings.memory.read(&context.aws, &key, until).await;
            entries.map(|entries| (rule, entries)).map_err(|error| error.code().to_owned())
        }
    };
    let mut answers = stream::iter(rules.iter().map(read)).buffer_unordered(MOST_AT_ONCE);
    let mut all = Vec::new();
    while let Some(answer) = answers.next().await {
        let (rule, entries) = answer.map_err(|code| format!("the memory of calls since did not answer: {code}"))?;
        let seen = entries.iter().filter(|(name, _)| name.starts_with(SEEN));
        for (_, value) in seen {
            let unreadable = |error| format!("the memory of calls since cannot be read: {error}");
            all.push((rule.clone(), Seen::deserialize(value).map_err(unreadable)?));
        }
    }
    Ok(all)
}
