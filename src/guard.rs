//! The order of things: open, read, group, look, judge, plan, act, tell.

mod log_file;
mod look;
mod rollback;
mod resource;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use portcullis_domain::exposure::harmless;
use portcullis_domain::finding::{Finding, Outcome, Verdict};
use portcullis_domain::ids::AccountId;
use portcullis_domain::json::Json;
use portcullis_domain::policy::{Mode, Policy};
use portcullis_domain::trail::{self, Change, EventMetadata, Reading, Resource};
use tokio::time::Instant;

use crate::aws::{AccountRegion, Aws, FunctionIdentity, KnownLists};
use crate::config::Accounts;
use crate::envelope::{self, Kind, Payload};
use crate::report::{self, Counts, Message};
pub use sweep::Places;
use sweep::Sweeps;

/// Everything that outlives an invocation.
pub struct Guard {
    /// The clients.
    pub aws: Aws,
    /// The policy.
    pub policy: Policy,
    /// The function's mode.
    pub mode: Mode,
    /// Where it may act.
    pub accounts: Accounts,
    /// Where findings go.
    pub topic: Option<String>,
    /// Over which queue a sweep is handed out.
    pub queue: Option<String>,
    /// The clock.
    pub clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where log and metric lines go, each as soon as it is known.
    pub out: Box<dyn Fn(&str) + Send + Sync>,
}

/// What the invocation knows of itself.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Who the function is, if its ARN tells.
    pub own: Option<FunctionIdentity>,
    /// When it must have answered.
    pub deadline: Instant,
}

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// How it is answered.
    pub kind: Kind,
    /// All findings.
    pub findings: Vec<Finding>,
    /// The items that must be delivered again.
    pub failed: BTreeSet<String>,
}

/// What is kept back of the deadline, to tell of what was not done.
const TO_TELL: Duration = Duration::from_millis(1500);

/// Later than this after its beginning an invocation believes that what stands will stand.
const MOST_CONTESTED: Duration = Duration::from_secs(10);

/// What is kept back to answer at all.
const TO_ANSWER: Duration = Duration::from_millis(300);

/// So many subjects are worked on at a time: EC2's token buckets hold 50 revokes and 100 looks.
const MOST_AT_ONCE: usize = 8;

/// So many subjects are told of at a time. More than are worked on, so that a slow topic holds up no work.
const MOST_TOLD_AT_ONCE: usize = 64;

/// So many findings are kept for the answer; the log has them all.
const MOST_ANSWERED: usize = 10_000;

/// Where a letter came from: its place among all letters of the delivery, and the item that is delivered again if it
/// fails.
#[derive(Debug, Clone)]
struct Origin {
    place: usize,
    item: String,
}

/// A change and where it came from.
struct Received {
    origin: Origin,
    change: Change,
}

impl Received {
    fn told(&self, finding: Finding) -> Told {
        Told { origin: self.origin.clone(), finding }
    }
}

/// A finding and the letter that it answers.
struct Told {
    origin: Origin,
    finding: Finding,
}

/// What came of a subject.
#[derive(Default)]
struct Worked {
    told: Vec<Told>,
    /// How many groups were looked at, and for which sweeps.
    groups: usize,
    sweeps: Vec<usize>,
}

/// What is worked on at once: changes by subject, and findings that need no look.
#[derive(Default)]
struct Batch {
    resources: BTreeMap<(AccountRegion, Resource), Vec<Received>>,
    told: Vec<Told>,
}

impl Batch {
    fn len(&self) -> usize {
        self.told.len() + self.resources.values().map(Vec::len).sum::<usize>()
    }

    fn change(&mut self, origin: Origin, change: Change) {
        let target = AccountRegion { account: change.account.clone(), region: change.region.clone() };
        self.resources.entry((target, change.resource.clone())).or_default().push(Received { origin, change });
    }
}

/// What the delivery has come to so far.
#[derive(Default)]
struct Tally {
    told: Vec<Told>,
    failed: BTreeSet<String>,
    sweeps: Sweeps,
}

/// What is known for the length of an invocation.
struct Run<'a> {
    invocation: &'a Invocation,
    lists: KnownLists,
    /// Until when standing exposures are contested: it holds up what waits for its turn.
    contest_until: Instant,
}

impl Run<'_> {
    /// Until when work may go on: what is left is for telling what was not done.
    fn until(&self) -> Instant {
        self.invocation.deadline.checked_sub(TO_TELL).unwrap_or(self.invocation.deadline)
    }
}

fn named(resource: &Resource) -> Option<String> {
    match resource {
        Resource::Group(id) => Some(id.to_string()),
        Resource::GroupName(name) => Some(name.clone()),
        Resource::PrefixList(_) | Resource::Region => None,
    }
}

impl Guard {
    /// Handles one delivery to the end. What fails is in the answer; nothing is lost on the way.
    pub async fn handle<'a>(&self, payload: impl Into<Json<'a>>, invocation: &Invocation) -> Answer {
        let payload = payload.into();
        let delivery = envelope::open(&payload);
        let run = Run { invocation, lists: KnownLists::default(), contest_until: Instant::now() + MOST_CONTESTED };
        let (mut batch, mut tally) = (Batch::default(), Tally::default());
        let (mut sweeps, mut files, mut place) = (Vec::new(), Vec::new(), 0);
        for item in delivery.items {
            for payload in item.payloads {
                let origin = Origin { place, item: item.id.clone() };
                place += 1;
                match payload {
                    Payload::Control(what) => tracing::debug!(what, "passed over"),
                    Payload::SweepRequest(order) => sweeps.push((origin, order)),
                    Payload::LogFile(file) => files.push((origin, file)),
                    payload @ (Payload::Record { .. } | Payload::Unrelated(_) | Payload::Unreadable(_)) => {
                        self.receive(&mut batch, origin, payload);
                    }
                }
            }
        }
        // Log files are read one after the other: how much of them is in memory does not depend on how many there are.
        for (origin, file) in files {
            self.log_file(&mut batch, &origin, &file, &run, &mut tally).await;
        }
        self.work(batch, &run, &mut tally).await;
        for (origin, order) in sweeps {
            self.sweep(&origin, order, &run, &mut tally).await;
        }
        tally.told.sort_by_key(|told| told.origin.place);
        let findings: Vec<Finding> = tally.told.into_iter().map(|told| told.finding).collect();
        Answer { kind: delivery.kind, findings, failed: tally.failed }
    }

    /// Puts a letter where it belongs.
    fn receive(&self, batch: &mut Batch, origin: Origin, payload: Payload<'_>) {
        match self.read(payload) {
            Ok(change) => batch.change(origin, *change),
            Err(finding) => batch.told.push(Told { origin, finding: *finding }),
        }
    }

    /// Works on every subject of a batch and tells what came of it. Each is told of as soon as it is done; no work waits
    /// for another that hangs, nor for a topic that does.
    async fn work(&self, batch: Batch, run: &Run<'_>, tally: &mut Tally) {
        let work = batch.resources.into_iter().map(|((target, resource), received)| async move {
            self.resource(&target, &resource, received, run).await
        });
        let work = stream::iter(work).buffer_unordered(MOST_AT_ONCE);
        let mut telling = stream::iter([Worked { told: batch.told, ..Worked::default() }])
            .chain(work)
            .map(|worked| async move {
                let failures = self.tell(&worked.told, run.invocation).await;
                (worked, failures)
            })
            .buffer_unordered(MOST_TOLD_AT_ONCE);
        let (mut counts, mut publish_failures) = (Counts::default(), 0);
        while let Some((worked, failures)) = telling.next().await {
            publish_failures += failures;
            worked.told.iter().for_each(|told| counts.note(&told.finding, (self.clock)()));
            sweep::note(&mut tally.sweeps, &worked);
            let told = worked.told;
            let failed = told.iter().filter(|told| told.finding.needs_retry());
            tally.failed.extend(failed.map(|told| told.origin.item.clone()));
            tally.told.extend(told.into_iter().take(MOST_ANSWERED.saturating_sub(tally.told.len())));
        }
        if let Some(metrics) = report::metrics(&counts, publish_failures, (self.clock)()) {
            (self.out)(&metrics);
        }
    }

    /// Writes findings to the log, which cannot fail, and publishes the news in them. How many were not published.
    async fn tell(&self, told: &[Told], invocation: &Invocation) -> usize {
        told.iter().for_each(|told| (self.out)(&report::line(&told.finding)));
        let mut failures = 0;
        // What a sweep finds and leaves as it is comes again with every sweep: its summary tells of it, once.
        let in_summary = |f: &Finding| f.call.as_deref() == Some("Sweep") && f.sweep.is_none() && !f.needs_retry();
        let news = |f: &Finding| f.is_news() && !(in_summary(f) && f.outcome != Outcome::Reverted);
        for told in told.iter().filter(|told| news(&told.finding)) {
            failures += usize::from(!self.publish(&told.finding, invocation).await);
        }
        failures
    }

    /// A letter that needs a look, or the finding where it needs none.
    fn read(&self, payload: Payload<'_>) -> Result<Box<Change>, Box<Finding>> {
        let plain = |event: &EventMetadata, verdict, why: String| {
            Err(Box::new(Finding::plain(event, verdict, Outcome::None, self.mode, why)))
        };
        let (record, envelope_origin) = match payload {
            Payload::Record { record, envelope_origin } => (record, envelope_origin),
            Payload::Unrelated(why) | Payload::Control(why) => {
                return plain(&EventMetadata::default(), Verdict::Irrelevant, why);
            }
            Payload::Unreadable(why) => return plain(&EventMetadata::default(), Verdict::Undecided, why),
            Payload::LogFile(_) | Payload::SweepRequest(_) => {
                return plain(&EventMetadata::default(), Verdict::Undecided, "no record of a call".to_owned());
            }
        };
        match trail::read(&record, &envelope_origin) {
            Reading::Irrelevant { event, why } => plain(&event, Verdict::Irrelevant, why),
            Reading::Undecided { event, why } => plain(&event, Verdict::Undecided, why),
            Reading::Change(change) => match harmless(&change, &self.policy) {
                Some(why) => plain(&change.event, Verdict::Safe, why.to_owned()).map_err(|mut finding| {
                    finding.group = named(&change.resource);
                    finding
                }),
                None => Ok(change),
            },
        }
    }

    /// Who the function is, unless the target's account is none of ours to act in: then why.
    fn permitted<'a>(
        &self,
        account: &AccountId,
        own: Option<&'a FunctionIdentity>,
    ) -> Result<&'a FunctionIdentity, String> {
        // Without it nobody could tell whose groups our own credentials show.
        let own = own.ok_or("the function's own account is not known: its ARN names none")?;
        let allowed = match &self.accounts {
            Accounts::Own => own.account == *account,
            Accounts::Any => true,
            Accounts::Listed(listed) => listed.contains(account),
        };
        let FunctionIdentity { account: home, .. } = own;
        let why = || format!("account {account} is not one that this function of account {home} may act in: refused");
        allowed.then_some(own).ok_or_else(why)
    }

    /// Publishes a finding; a topic that fails is logged and counted and changes nothing else.
    async fn publish(&self, finding: &Finding, invocation: &Invocation) -> bool {
        let Some(topic) = &self.topic else { return true };
        let until = invocation.deadline.checked_sub(TO_ANSWER).unwrap_or(invocation.deadline);
        match tokio::time::timeout_at(until, self.aws.publish(topic, Message::of(finding))).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(topic, code = error.code, message = error.message, "the finding was not published");
                false
            }
            Err(_) => {
                tracing::error!(topic, code = "Timeout", "the finding was not published");
                false
            }
        }
    }
}
