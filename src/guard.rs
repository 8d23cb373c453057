//! The order of things: open, read, group, look, judge, plan, act, tell.

mod look;
mod rollback;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use portcullis_domain::exposure::harmless;
use portcullis_domain::finding::{Action, Finding, Outcome, Verdict};
use portcullis_domain::ids::AccountId;
use portcullis_domain::policy::{Mode, Policy};
use portcullis_domain::trail::{self, Change, Reading, Seen, Subject};
use serde_json::Value;
use tokio::time::Instant;

use crate::aws::{Aws, Own, Target};
use crate::config::Accounts;
use crate::envelope::{self, Kind, Letter};
use crate::report::{self, Message};
use rollback::{Job, Settled};

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
    /// The clock.
    pub clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where log and metric lines go, each as soon as it is known.
    pub out: Box<dyn Fn(&str) + Send + Sync>,
}

/// What the invocation knows of itself.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Who the function is, if its ARN tells.
    pub own: Option<Own>,
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

/// What is kept back to answer at all.
const TO_ANSWER: Duration = Duration::from_millis(300);

/// So many subjects are worked on at a time: EC2's token buckets hold 50 revokes and 100 looks.
const MOST_AT_ONCE: usize = 8;

/// So many subjects are told of at a time. More than are worked on, so that a slow topic holds up no work.
const MOST_TOLD_AT_ONCE: usize = 64;

/// A change, the item it came in, and its place among all letters of the delivery.
struct Received {
    place: usize,
    item: String,
    change: Change,
}

impl Received {
    fn told(&self, finding: Finding) -> Told {
        Told { place: self.place, item: self.item.clone(), finding }
    }
}

/// A finding and the letter that it answers.
struct Told {
    place: usize,
    item: String,
    finding: Finding,
}

fn named(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Group(id) => Some(id.to_string()),
        Subject::GroupName(name) => Some(name.clone()),
        Subject::PrefixList(_) | Subject::Region => None,
    }
}

impl Guard {
    /// Handles one delivery to the end. What fails is in the answer; nothing is lost on the way.
    pub async fn handle(&self, payload: &Value, invocation: &Invocation) -> Answer {
        let delivery = envelope::open(payload);
        let mut told: Vec<Told> = Vec::new();
        let mut subjects: BTreeMap<(Target, Subject), Vec<Received>> = BTreeMap::new();
        let letters = delivery.items.into_iter().flat_map(|item| {
            let id = item.id;
            item.letters.into_iter().map(move |letter| (id.clone(), letter))
        });
        for (place, (item, letter)) in letters.enumerate() {
            match self.read(letter) {
                Ok(change) => {
                    let target = Target { account: change.account.clone(), region: change.region.clone() };
                    let subject = (target, change.subject.clone());
                    subjects.entry(subject).or_default().push(Received { place, item, change: *change });
                }
                Err(finding) => told.push(Told { place, item, finding: *finding }),
            }
        }
        let work = subjects.into_iter().map(|((target, subject), received)| async move {
            self.subject(&target, &subject, received, invocation).await
        });
        let work = stream::iter(work).buffer_unordered(MOST_AT_ONCE);
        // Each subject is told of as soon as it is done; no work waits for another that hangs, nor for a topic that does.
        let mut telling = stream::iter([std::mem::take(&mut told)])
            .chain(work)
            .map(|told| async move {
                let failures = self.tell(&told, invocation).await;
                (told, failures)
            })
            .buffer_unordered(MOST_TOLD_AT_ONCE);
        let mut publish_failures = 0;
        while let Some((done, failures)) = telling.next().await {
            told.extend(done);
            publish_failures += failures;
        }
        told.sort_by_key(|told| told.place);
        let failed = told.iter().filter(|told| told.finding.needs_retry()).map(|told| told.item.clone()).collect();
        let findings: Vec<Finding> = told.into_iter().map(|told| told.finding).collect();
        if let Some(metrics) = report::metrics(&findings, publish_failures, (self.clock)()) {
            (self.out)(&metrics);
        }
        Answer { kind: delivery.kind, findings, failed }
    }

    /// Writes findings to the log, which cannot fail, and publishes the news in them. How many were not published.
    async fn tell(&self, told: &[Told], invocation: &Invocation) -> usize {
        told.iter().for_each(|told| (self.out)(&report::line(&told.finding)));
        let mut failures = 0;
        for told in told.iter().filter(|told| told.finding.is_news()) {
            failures += usize::from(!self.publish(&told.finding, invocation).await);
        }
        failures
    }

    /// A letter that needs a look, or the finding where it needs none.
    fn read(&self, letter: Letter) -> Result<Box<Change>, Box<Finding>> {
        let plain = |seen: &Seen, verdict, why: String| {
            Err(Box::new(Finding::plain(seen, verdict, Outcome::None, self.mode, why)))
        };
        let (record, postmark) = match letter {
            Letter::Record { record, postmark } => (record, postmark),
            Letter::Ignored(why) => return plain(&Seen::default(), Verdict::Irrelevant, why),
            Letter::Unreadable(why) => return plain(&Seen::default(), Verdict::Undecided, why),
        };
        match trail::read(&record, &postmark) {
            Reading::Irrelevant { seen, why } => plain(&seen, Verdict::Irrelevant, why),
            Reading::Undecided { seen, why } => plain(&seen, Verdict::Undecided, why),
            Reading::Change(change) => match harmless(&change, &self.policy) {
                Some(why) => plain(&change.seen, Verdict::Safe, why.to_owned()).map_err(|mut finding| {
                    finding.group = named(&change.subject);
                    finding
                }),
                None => Ok(change),
            },
        }
    }

    /// Who the function is, unless the target's account is none of ours to act in: then why.
    fn permitted<'a>(&self, account: &AccountId, own: Option<&'a Own>) -> Result<&'a Own, String> {
        // Without it nobody could tell whose groups our own credentials show.
        let own = own.ok_or("the function's own account is not known: its ARN names none")?;
        let allowed = match &self.accounts {
            Accounts::Own => own.account == *account,
            Accounts::Any => true,
            Accounts::Listed(listed) => listed.contains(account),
        };
        let Own { account: home, .. } = own;
        let why = || format!("account {account} is not one that this function of account {home} may act in: refused");
        allowed.then_some(own).ok_or_else(why)
    }

    async fn subject(
        &self,
        target: &Target,
        subject: &Subject,
        received: Vec<Received>,
        invocation: &Invocation,
    ) -> Vec<Told> {
        let alike = |verdict, outcome, why: &str| {
            let finding = |received: &Received| {
                let plain = Finding::plain(&received.change.seen, verdict, outcome, self.mode, why.to_owned());
                received.told(Finding { group: named(subject), ..plain })
            };
            received.iter().map(finding).collect()
        };
        let own = match self.permitted(&target.account, invocation.own.as_ref()) {
            Ok(own) => own,
            Err(why) => return alike(Verdict::Undecided, Outcome::None, &why),
        };
        let changes: Vec<&Change> = received.iter().map(|received| &received.change).collect();
        let until = invocation.deadline.checked_sub(TO_TELL).unwrap_or(invocation.deadline);
        // A record that does not say where it changed something makes everything in the Region a candidate, as in a
        // sweep: then the sweep's rules hold.
        let sweep = self.policy.sweep();
        let (mode, mut most) = match subject {
            Subject::Region => {
                (self.mode.min(sweep.mode), usize::try_from(sweep.max_revocations).unwrap_or(usize::MAX))
            }
            Subject::Group(_) | Subject::GroupName(_) | Subject::PrefixList(_) => (self.mode, usize::MAX),
        };
        let job = Job { target, own, changes: &changes, mode, until };
        let facts = match self.first_look(&job, subject).await {
            Ok(facts) => facts,
            Err(error) => return alike(Verdict::Undecided, Outcome::Failed, &error.to_string()),
        };
        if facts.groups.is_empty() && *subject != Subject::Region {
            return alike(Verdict::Safe, Outcome::AlreadyGone, "the group is no longer there");
        }
        let mut told = Vec::new();
        for group in facts.groups {
            let id = group.group.clone();
            let Settled { judgement, done, mode } = self.roll_back(&job, group, facts.prefix_lists.clone(), most).await;
            most = most.saturating_sub(done.values().filter(|action| **action == Action::Revoked).count());
            let done_at = Some((self.clock)());
            for (n, received) in received.iter().enumerate() {
                let finding = Finding::judged(&received.change, n, &id, &judgement, &done, mode);
                told.push(received.told(Finding { done_at, ..finding }));
            }
        }
        if *subject == Subject::Region {
            // Of a whole Region only what matters is told, and one finding for each record where nothing does.
            told.retain(|told| told.finding.verdict != Verdict::Safe);
            if told.is_empty() {
                return alike(Verdict::Safe, Outcome::None, "no guarded port is open to the internet in the Region");
            }
        }
        told
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
