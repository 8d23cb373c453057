//! The order of things: open, read, group, look, judge, plan, act, tell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_domain::exposure::{GroupFacts, Judgement, PrefixLists, harmless, judge, needs_prefix_list};
use portcullis_domain::finding::{Action, Done, Finding, Outcome, Verdict};
use portcullis_domain::ids::{AccountId, RuleId};
use portcullis_domain::plan::plan;
use portcullis_domain::policy::{Mode, Policy, Whereabouts};
use portcullis_domain::trail::{self, Change, Reading, Seen, Subject};
use serde_json::Value;
use tokio::time::Instant;

use crate::aws::{Aws, AwsError, Effect, Facts, Target, Wanted};
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

/// How often a revoke is asked for, with a look between.
const MOST_REVOKES: u32 = 5;
/// How long a rule that the record lists may stay unseen before it counts as gone: EC2 is eventually consistent.
const SETTLING: Duration = Duration::from_secs(20);
/// The pauses between looks for such a rule.
const SETTLING_LOOKS: [Duration; 2] = [Duration::from_millis(400), Duration::from_millis(1600)];
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
            let (judgement, done, mode) = self.group(target, own, &changes, group, &facts.prefix_lists).await;
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

    async fn look(&self, target: &Target, own: &AccountId, subject: &Subject) -> Result<Facts, AwsError> {
        let prefix_list_of = |permission: &trail::Permission| needs_prefix_list(permission, &self.policy);
        let wanted = Wanted { vpc: self.policy.needs_vpc(), prefix_list_of: &prefix_list_of };
        self.aws.look(target, own, subject, wanted).await
    }

    /// A look that shows the rules of a young change: right after the call EC2 may not show them yet, and what is not
    /// seen yet must not pass for gone.
    async fn settled_look(
        &self,
        target: &Target,
        own: &AccountId,
        subject: &Subject,
        changes: &[&Change],
    ) -> Result<Facts, AwsError> {
        let mut facts = self.look(target, own, subject).await?;
        for pause in SETTLING_LOOKS {
            let now = (self.clock)();
            let unsettled = changes.iter().any(|change| {
                let age = change.seen.time.map(|time| now.duration_since(time));
                let young = age.is_none_or(|age| age.unsigned_abs() < SETTLING);
                young && !facts.agree_with(change)
            });
            if !unsettled {
                break;
            }
            tokio::time::sleep(pause).await;
            facts = self.look(target, own, subject).await?;
        }
        Ok(facts)
    }

    /// Judges a group and does what the plan says, looking again whenever EC2 leaves doubt about what was done.
    async fn group(
        &self,
        target: &Target,
        own: &AccountId,
        changes: &[&Change],
        facts: &GroupFacts,
        prefix_lists: &PrefixLists,
    ) -> (Judgement, Done, Mode) {
        let mode = self.policy.mode(whereabouts(target, facts), self.mode);
        let assess = |facts: &GroupFacts, lists: &PrefixLists| {
            let judgement = judge(changes, facts, lists, &self.policy, whereabouts(target, facts), (self.clock)());
            let ids = plan(&judgement).into_iter().filter_map(|n| Some(judgement.rules.get(n)?.rule.id.clone()));
            let ids: BTreeSet<RuleId> = ids.collect();
            (judgement, ids)
        };
        let (judgement, mut left) = assess(facts, prefix_lists);
        if mode == Mode::Alert {
            return (judgement, left.into_iter().map(|id| (id, Action::WouldRevoke)).collect(), mode);
        }
        let mut done = Done::new();
        // A call of ours may have taken effect without our hearing of it: what is gone then is our doing.
        let mut unheard = false;
        let mut error = String::new();
        for attempt in 0..MOST_REVOKES {
            if left.is_empty() {
                break;
            }
            if attempt > 0 {
                tokio::time::sleep(backoff(attempt)).await;
            }
            match self.aws.revoke(target, own, &facts.group, &left).await {
                Ok(listed) => {
                    let (revoked, silent) = left.into_iter().partition(|id| listed.contains(id));
                    left = silent;
                    done.extend(BTreeSet::into_iter(revoked).map(|id| (id, Action::Revoked)));
                    (unheard, error) = (true, "NotListed".to_owned());
                }
                Err(failure) => {
                    tracing::warn!(group = %facts.group, code = failure.code, message = failure.message, "revoke failed");
                    error = failure.code;
                    match failure.effect {
                        Effect::Refused => break,
                        Effect::NotYet => continue,
                        Effect::Unknown => unheard = true,
                        Effect::NotFound => {}
                    }
                }
            }
            if left.is_empty() {
                break;
            }
            match self.look(target, own, &Subject::Group(facts.group.clone())).await {
                Ok(second) => {
                    let rules = second.groups.iter().flat_map(|group| &group.rules);
                    let shown: BTreeSet<&RuleId> = rules.map(|rule| &rule.id).collect();
                    let gone = if unheard { Action::Revoked } else { Action::AlreadyGone };
                    done.extend(left.iter().filter(|id| !shown.contains(id)).map(|id| (id.clone(), gone.clone())));
                    // What is left is judged anew: it may have been closed by a change of the rule itself meanwhile.
                    left = second.groups.iter().flat_map(|group| assess(group, &second.prefix_lists).1).collect();
                }
                Err(failure) => error = failure.code,
            }
        }
        done.extend(left.into_iter().map(|id| (id, Action::Failed { error: error.clone() })));
        (judgement, done, mode)
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

fn whereabouts<'a>(target: &'a Target, facts: &'a GroupFacts) -> Whereabouts<'a> {
    Whereabouts { account: &target.account, region: &target.region, group: &facts.group, vpc: facts.vpc.as_ref() }
}

/// 200 ms, doubled each time.
fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(100).saturating_mul(2u32.saturating_pow(attempt))
}
