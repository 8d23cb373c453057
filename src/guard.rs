//! The order of things: open, read, group, look, judge, plan, act, tell.

mod look;
mod rollback;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_domain::exposure::harmless;
use portcullis_domain::finding::{Finding, Outcome, Verdict};
use portcullis_domain::ids::AccountId;
use portcullis_domain::policy::{Mode, Policy};
use portcullis_domain::trail::{self, Change, Reading, Seen, Subject};
use serde_json::Value;
use tokio::time::Instant;

use crate::aws::{Aws, AwsError, Target};
use crate::config::Accounts;
use crate::envelope::{self, Kind, Letter};
use crate::report::{self, Message};

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
    /// The function's own account, if its ARN tells.
    pub own_account: Option<AccountId>,
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

/// A change and the item it came in.
struct Received {
    change: Change,
    item: String,
}

impl Guard {
    /// Handles one delivery to the end. What fails is in the answer; nothing is lost on the way.
    pub async fn handle(&self, payload: &Value, invocation: &Invocation) -> Answer {
        let delivery = envelope::open(payload);
        let mut told: Vec<(Finding, String)> = Vec::new();
        let mut subjects: BTreeMap<(Target, Subject), Vec<Received>> = BTreeMap::new();
        for item in delivery.items {
            for letter in item.letters {
                match self.read(letter) {
                    Ok(change) => {
                        let target = Target { account: change.account.clone(), region: change.region.clone() };
                        let received = Received { item: item.id.clone(), change: *change };
                        subjects.entry((target, received.change.subject.clone())).or_default().push(received);
                    }
                    Err(finding) => told.push((*finding, item.id.clone())),
                }
            }
        }
        for ((target, subject), received) in subjects {
            told.extend(self.subject(&target, &subject, received, invocation).await);
        }
        // The log first: it costs nothing and cannot fail.
        told.iter().for_each(|(finding, _)| (self.out)(&report::line(finding)));
        let mut publish_failures = 0;
        for (finding, _) in told.iter().filter(|(finding, _)| finding.is_news()) {
            publish_failures += usize::from(!self.publish(finding, invocation).await);
        }
        let failed = told.iter().filter(|(finding, _)| finding.needs_retry()).map(|(_, item)| item.clone()).collect();
        let findings: Vec<Finding> = told.into_iter().map(|(finding, _)| finding).collect();
        if let Some(metrics) = report::metrics(&findings, publish_failures, (self.clock)()) {
            (self.out)(&metrics);
        }
        Answer { kind: delivery.kind, findings, failed }
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
                    if let Subject::Group(group) = &change.subject {
                        finding.group = Some(group.to_string());
                    }
                    finding
                }),
                None => Ok(change),
            },
        }
    }

    /// The function's own account, unless the target's is none of ours to act in: then why.
    fn permitted<'a>(&self, account: &AccountId, own: Option<&'a AccountId>) -> Result<&'a AccountId, String> {
        // Without it nobody could tell whose groups our own credentials show.
        let own = own.ok_or("the function's own account is not known: its ARN names none")?;
        let allowed = match &self.accounts {
            Accounts::Own => own == account,
            Accounts::Any => true,
            Accounts::Listed(listed) => listed.contains(account),
        };
        let why = || format!("account {account} is not one that this function of account {own} may act in: refused");
        allowed.then_some(own).ok_or_else(why)
    }

    async fn subject(
        &self,
        target: &Target,
        subject: &Subject,
        received: Vec<Received>,
        invocation: &Invocation,
    ) -> Vec<(Finding, String)> {
        let undecided = |outcome, why: &str| {
            let finding = |received: &Received| {
                let mut finding =
                    Finding::plain(&received.change.seen, Verdict::Undecided, outcome, self.mode, why.to_owned());
                if let Subject::Group(group) = subject {
                    finding.group = Some(group.to_string());
                }
                (finding, received.item.clone())
            };
            received.iter().map(finding).collect()
        };
        let own = match self.permitted(&target.account, invocation.own_account.as_ref()) {
            Ok(own) => own,
            Err(why) => return undecided(Outcome::None, &why),
        };
        let work = self.work(target, own, subject, &received);
        let until = invocation.deadline.checked_sub(TO_TELL).unwrap_or(invocation.deadline);
        match tokio::time::timeout_at(until, work).await {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => undecided(Outcome::Failed, &error.to_string()),
            Err(_) => undecided(Outcome::Failed, "the invocation ran out of time before this was done"),
        }
    }

    async fn work(
        &self,
        target: &Target,
        own: &AccountId,
        subject: &Subject,
        received: &[Received],
    ) -> Result<Vec<(Finding, String)>, AwsError> {
        let changes: Vec<&Change> = received.iter().map(|received| &received.change).collect();
        let facts = self.settled_look(target, own, subject, &changes).await?;
        let mut told = Vec::new();
        if facts.groups.is_empty() {
            let why = "the group is no longer there";
            told.extend(received.iter().map(|received| {
                let seen = &received.change.seen;
                let finding = Finding::plain(seen, Verdict::Safe, Outcome::AlreadyGone, self.mode, why.to_owned());
                (finding, received.item.clone())
            }));
        }
        for group in &facts.groups {
            let (judgement, done, mode) = self.roll_back(target, own, &changes, group, &facts.prefix_lists).await;
            for (n, received) in received.iter().enumerate() {
                let finding = Finding::judged(&received.change, n, &group.group, &judgement, &done, mode);
                told.push((finding, received.item.clone()));
            }
        }
        if *subject == Subject::Region {
            // Of a whole Region only what matters is told, and one finding where nothing does.
            let (news, quiet): (Vec<_>, Vec<_>) = told.into_iter().partition(|(f, _)| f.verdict != Verdict::Safe);
            told = if news.is_empty() { quiet.into_iter().take(received.len()).collect() } else { news };
        }
        Ok(told)
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
