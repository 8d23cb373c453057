//! The sweep: a scheduled or manual scan of every group. It takes the path of an event whose record names only the account
//! and the Region.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use portcullis_domain::change::{Change, EventMetadata};
use portcullis_domain::finding::{Finding, MemoryState, Outcome, SweepFinding, Verdict};
use portcullis_domain::ids::{AccountId, Region};
use portcullis_domain::memory::{DigestOrder, Entries, SweepMemory, Swept, written};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::batch::{self, DeliveryResult};
use super::context::{Context, InvocationScope, work_until};
use super::digest::{self, Digest, KEPT, Left, When};
use super::intake::{Batch, Origin};
use super::permission;
use super::recall::{PATIENCE, SWEEPS, Settlement};
use super::telling::Told;
use crate::aws::{AccountRegion, AwsError, FunctionIdentity, Session, within};
use crate::config::Accounts;
use crate::envelope::SweepRequest;
use crate::store::{StoreError, Update};

/// This many accounts are asked for their Regions at a time.
const MOST_ASKED_AT_ONCE: usize = 16;

/// What a sweep covers.
#[derive(Debug, Default)]
pub struct Places {
    /// The accounts and Regions.
    pub targets: Vec<AccountRegion>,
    /// Accounts whose Regions are not known, and why.
    pub unknown: Vec<(AccountId, AwsError)>,
}

/// Carries out a sweep, or hands it out over the queue, and reports its summary.
pub(super) async fn run(
    context: &Context,
    scope: &InvocationScope<'_>,
    (origin, request): (Origin, SweepRequest),
    result: &mut DeliveryResult,
) {
    let mut batch = Batch::default();
    let done = match request.digest {
        Some(DigestOrder::Tell) => tell(context).await,
        Some(DigestOrder::News | DigestOrder::AllSince(_)) | None => {
            carry_out(context, scope, (&origin, request), result).await
        }
    };
    match done {
        Ok(Done { findings, settlements }) => {
            settlements.into_iter().for_each(|settlement| batch.aftermath.add(Some(settlement), false));
            findings.into_iter().for_each(|finding| batch.add_finding(origin.clone(), finding));
        }
        Err((outcome, why)) => batch.add_finding(origin, plain(context, Verdict::Undecided, outcome, why)),
    }
    batch::work(context, scope, batch, result).await;
}

/// What came of a request.
#[derive(Default)]
struct Done {
    findings: Vec<Finding>,
    settlements: Vec<Settlement>,
}

impl Done {
    fn add(&mut self, digest: Option<Digest>) {
        let Some(Digest { finding, settlements }) = digest else { return };
        self.findings.push(finding);
        self.settlements.extend(settlements);
    }
}

/// Tells what places of sweeps have left. Where that cannot be read, the message has failed and comes again.
async fn tell(context: &Context) -> Result<Done, (Outcome, String)> {
    let mut done = Done::default();
    match digest::waiting(context).await {
        Ok(waiting) => done.add(digest::told(context, &waiting)),
        Err(StoreError::None) => {}
        Err(error) => {
            let why = format!("what places of the sweep left to be told cannot be read: {}", error.code());
            return Err((Outcome::Failed, why));
        }
    }
    if done.findings.is_empty() {
        let nothing = "nothing of a sweep waits to be told".to_owned();
        done.findings.push(plain(context, Verdict::Irrelevant, Outcome::None, nothing));
    }
    Ok(done)
}

fn plain(context: &Context, verdict: Verdict, outcome: Outcome, why: String) -> Finding {
    let (time, call) = (Some(context.now()), Some("Sweep".to_owned()));
    let event = EventMetadata { time, call, ..EventMetadata::default() };
    Finding::plain(&event, verdict, outcome, context.settings.mode, why)
}

async fn carry_out(
    context: &Context,
    scope: &InvocationScope<'_>,
    (origin, request): (&Origin, SweepRequest),
    result: &mut DeliveryResult,
) -> Result<Done, (Outcome, String)> {
    let refused = |why: String| (Outcome::None, why);
    let session = permission::known(scope.session).map_err(refused)?;
    let accounts = accounts_of(context, &request, session).await?;
    for account in &accounts {
        permission::check(context, session.identity(), account).map_err(refused)?;
    }
    let queue = context.settings.queue.as_ref();
    let places = places(asking_session(context, scope, session), &accounts, &request.regions).await;
    if let Some(queue) = queue.filter(|_| places.targets.len() + places.unknown.len() > 1) {
        return Box::pin(hand_out(context, (queue, request.digest), &places, session.until())).await;
    }
    let summary = SweepFinding {
        accounts: accounts.len(),
        places: places.targets.len(),
        unreachable: places.unknown.iter().map(|(account, why)| format!("{account}: {why}")).collect(),
        ..SweepFinding::default()
    };
    result.sweeps.insert(origin.index, summary);
    let mut batch = Batch::default();
    let now = context.now();
    for AccountRegion { account, region } in places.targets {
        batch.add_change(context, origin.clone(), Change::sweep(None, Some(now), account, region));
    }
    batch::work(context, scope, batch, result).await;
    let mut summary = result.sweeps.remove(&origin.index).unwrap_or_default();
    let place = scope_of(&request, &accounts);
    let due_since = match request.digest {
        Some(DigestOrder::AllSince(since)) => Some(since),
        Some(DigestOrder::News | DigestOrder::Tell) | None => None,
    };
    let (heard, settlement) = news(context, &mut summary, (&place, due_since), session.until()).await;
    let mut finding = Finding::swept(now, summary, context.settings.mode.min(context.policy.now().sweep().mode));
    match heard {
        Heard::Lost { was_told } => {
            finding.memory = Some(MemoryState::Unavailable);
            finding.is_told = was_told && !finding.needs_retry() && finding.outcome != Outcome::Reverted;
        }
        Heard::Old => finding.is_told = !finding.needs_retry() && finding.outcome != Outcome::Reverted,
        Heard::News | Heard::Again => {}
    }
    let mut done = Done { findings: Vec::new(), settlements: settlement.into_iter().collect() };
    if request.digest.is_some() && !finding.is_told && !matches!(heard, Heard::Lost { .. }) {
        let when = if matches!(heard, Heard::Again) { When::AtTheEnd } else { When::Now };
        done.add(Box::pin(leave(context, &place, &mut finding, when)).await);
    }
    done.findings.insert(0, finding);
    Ok(done)
}

/// Leaves what there is to tell of a place to the digest, and returns what is told now. A place that could not be looked at
/// tells that itself, at once.
async fn leave(context: &Context, place: &str, finding: &mut Finding, when: When) -> Option<Digest> {
    let sweep = finding.sweep.clone()?;
    if !context.names_groups || !finding.is_news() || finding.needs_retry() {
        return None;
    }
    match digest::leave(context, place, &sweep, when).await {
        Left::Lost => {
            finding.memory = Some(MemoryState::Unavailable);
            None
        }
        Left::Waits => {
            finding.is_told = true;
            None
        }
        Left::Told(digest) => {
            finding.is_told = true;
            Some(*digest)
        }
    }
}

/// What the sweep covers: sweeps of the same places are compared with each other.
fn scope_of(request: &SweepRequest, accounts: &BTreeSet<AccountId>) -> String {
    let words = accounts.iter().map(ToString::to_string).chain(request.regions.iter().map(ToString::to_string));
    // DynamoDB's keys have at most 2,048 bytes.
    words.collect::<Vec<_>>().join(",").chars().take(1800).collect()
}

/// What the memory makes of a sweep.
enum Heard {
    /// Something has changed, or there is no memory.
    News,
    /// Nothing has changed, and it is time to say it again.
    Again,
    /// All of it was told before.
    Old,
    /// The memory did not answer.
    Lost {
        /// This instance has told it before.
        was_told: bool,
    },
}

/// Says what is new since the last sweep of the same places, and whether that is told: when something has changed, and once
/// a day. Without a memory everything is told. What the memory is to keep of it is written when it was published.
async fn news(
    context: &Context,
    sweep: &mut SweepFinding,
    (scope, due_since): (&str, Option<Timestamp>),
    until: Instant,
) -> (Heard, Option<Settlement>) {
    let (store, now, key) = (&context.settings.memory, context.now(), format!("{SWEEPS}{scope}"));
    if !store.is_some() {
        return (Heard::News, None);
    }
    let read = store.read(&context.aws, &key, until.min(Instant::now() + PATIENCE)).await;
    let known = |entries: &Entries| -> SweepMemory {
        entries.get(SWEEP).and_then(|known| serde_json::from_value(known.clone()).ok()).unwrap_or_default()
    };
    let here = known(&context.told_here.of(&key));
    let is_lost = read.is_err();
    // The memory may not have taken what this instance told.
    let mut memory = read.map(|entries| known(&entries)).unwrap_or_default().or_newer(here);
    let counts = [sweep.exposed, sweep.reverted, sweep.failed, sweep.undecided].map(|count| count.to_string());
    let undecided = sweep.undecided_groups.iter().cloned();
    // A port that is open to others than before has changed.
    let other: Vec<String> = [counts.join(" ")].into_iter().chain(undecided).chain(sweep.open_lines()).collect();
    let unseen: Vec<&str> = sweep.unreachable.iter().filter_map(|why| Some(why.split_once(':')?.0)).collect();
    let news = memory.note(Swept { open: &sweep.open_ports(), other: &other, unseen: &unseen, due_since }, now);
    let entry = |memory: &SweepMemory| -> Entries {
        written(memory).map(|memory| (SWEEP.to_owned(), memory)).into_iter().collect()
    };
    let here = entry(&memory.without_ports());
    if is_lost {
        // What is new cannot be told: what earlier sweeps found open is not known here.
        let told = Told { heard: here, ..Told::default() };
        return (Heard::Lost { was_told: !news.is_told }, Some(Settlement::for_here(key, told)));
    }
    sweep.note_news(&news);
    let heard = entry(&memory);
    let update = Update { ttl: now.checked_add(KEPT).ok(), ..Update::default() };
    let settlement = Settlement { heard, here, ..Settlement::new(key, update) };
    let word = match (news.is_changed, news.is_told) {
        (true, _) => Heard::News,
        (false, true) => Heard::Again,
        (false, false) => Heard::Old,
    };
    (word, Some(settlement))
}

/// The entry of a sweep's memory.
const SWEEP: &str = "sweep";

/// The session for the question about Regions. Where there is a queue, it takes at most half of the time, so that accounts
/// that have not answered by then still get their message.
fn asking_session<'a>(context: &'a Context, scope: &InvocationScope<'_>, session: Session<'a>) -> Session<'a> {
    let deadline = match context.settings.queue {
        Some(_) => Instant::now() + scope.deadline.duration_since(Instant::now()) / 2,
        None => scope.deadline,
    };
    context.aws.session(session.identity(), work_until(deadline))
}

/// The accounts of a request; every account that the function may act in where it names none.
async fn accounts_of(
    context: &Context,
    request: &SweepRequest,
    session: Session<'_>,
) -> Result<BTreeSet<AccountId>, (Outcome, String)> {
    if !request.accounts.is_empty() {
        return Ok(request.accounts.iter().cloned().collect());
    }
    match &context.settings.accounts {
        Accounts::Own => {
            let FunctionIdentity { account, .. } = session.identity();
            Ok(BTreeSet::from([account.clone()]))
        }
        Accounts::Listed(listed) => Ok(listed.clone()),
        Accounts::Any => {
            let listed = within(session.until(), "ListAccounts", context.aws.accounts()).await;
            let failed = |error: AwsError| (Outcome::Failed, format!("the organisation's accounts: {error}"));
            Ok(listed.map_err(failed)?.into_iter().collect())
        }
    }
}

/// The Regions of each account: those that are given, or else all that are enabled there.
pub async fn places(session: Session<'_>, accounts: &BTreeSet<AccountId>, regions: &[Region]) -> Places {
    let asked = accounts.iter().map(|account| async move {
        match regions {
            [] => (account, session.regions(account).await),
            given => (account, Ok(given.to_vec())),
        }
    });
    let mut answers = stream::iter(asked).buffered(MOST_ASKED_AT_ONCE);
    let mut places = Places::default();
    while let Some((account, enabled)) = answers.next().await {
        let target = |region| AccountRegion { account: account.clone(), region };
        match enabled {
            Ok(regions) => places.targets.extend(regions.into_iter().map(target)),
            Err(error) => places.unknown.push((account.clone(), error)),
        }
    }
    places
}

/// Sends one message for each account and Region. An account whose Regions are not known gets one message, and with it
/// attempts and, if need be, a dead letter of its own. What the last sweep's places have left is told.
async fn hand_out(
    context: &Context,
    (queue, digest): (&str, Option<DigestOrder>),
    places: &Places,
    until: Instant,
) -> Result<Done, (Outcome, String)> {
    let mut done = Done::default();
    // A part of a sweep does with the digest what the whole does.
    let waiting = if digest.is_none() { digest::waiting(context).await.ok() } else { None };
    let order = digest.or_else(|| waiting.as_ref().map(|waiting| digest::order(context, waiting)));
    let message = |account: &AccountId, region: Option<&Region>| {
        let mut sweep = serde_json::Map::from_iter([("accounts".to_owned(), json!([account]))]);
        sweep.extend(region.map(|region| ("regions".to_owned(), json!([region]))));
        sweep.extend(order.map(|order| ("digest".to_owned(), json!(order.to_string()))));
        json!({"sweep": sweep}).to_string()
    };
    let mut messages: Vec<String> =
        places.targets.iter().map(|AccountRegion { account, region }| message(account, Some(region))).collect();
    messages.extend(places.unknown.iter().map(|(account, _)| message(account, None)));
    let Ok(refused) = timeout_at(until, context.aws.enqueue(queue, &messages)).await else {
        let late = "time ran out while the sweep was handed out: order it in parts, by accounts";
        return Err((Outcome::Failed, late.to_owned()));
    };
    if let Some((_, error)) = refused.first() {
        let (failed, all) = (refused.len(), messages.len());
        return Err((Outcome::Failed, format!("{failed} of {all} messages were not handed out: {error}")));
    }
    let mut why = format!("sweep handed out: {} messages, one for each account and Region", messages.len());
    for (account, error) in &places.unknown {
        why.push_str(&format!("; {account} is tried again: {error}"));
    }
    done.findings.push(plain(context, Verdict::Irrelevant, Outcome::None, why));
    if let Some((waiting, order)) = waiting.zip(order) {
        digest::tell_later(context, queue, until).await;
        done.settlements.extend(digest::handed_out(context, order));
        // Meanwhile a place may have told it.
        let waiting = if waiting.names().is_empty() { None } else { digest::waiting(context).await.ok() };
        done.add(waiting.and_then(|waiting| digest::told(context, &waiting)));
    }
    Ok(done)
}
