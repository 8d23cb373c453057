//! What the pipeline works with: the context outlives an invocation, the rest belongs to one.

use std::time::Duration;

use jiff::Timestamp;
use portcullis_domain::policy::{Mode, Policy};
use tokio::time::Instant;

use super::former::KnownValues;
use super::permission::RefusedAccounts;
use super::prefix_list::OpenThroughLists;
use super::recent::RecentChanges;
use super::told_here::ToldHere;
use crate::aws::{Aws, FunctionIdentity, KnownLists, Session};
use crate::config::Accounts;
use crate::live_policy::LivePolicy;
use crate::shelf::{Shelf, Unwritten};
use crate::sinks::{Destinations, News, Others, Output, Sinks};
use crate::store::Store;

/// Tells the time.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Everything that outlives an invocation.
pub struct Context {
    /// The clients.
    pub aws: Aws,
    /// The policy.
    pub policy: LivePolicy,
    /// The function's settings.
    pub settings: Settings,
    /// The clock.
    pub clock: Clock,
    /// Standard output.
    pub out: Output,
    /// Whether people will read the findings, and groups need their names.
    pub names_groups: bool,
    /// Whether openings that are over are ended. An operator who only looks ends nothing.
    pub ends_openings: bool,
    /// Where evidence is kept.
    pub shelf: Shelf,
    /// Where findings go beside the log, the metrics and the topic.
    pub destinations: Destinations,
    /// Evidence that could not be written yet.
    pub(super) unwritten: Unwritten,
    /// What this instance remembers of other deliveries.
    pub(super) recent: RecentChanges,
    /// What calls made of rules.
    pub(super) values: KnownValues,
    /// What this instance has told.
    pub(super) told_here: ToldHere,
    /// Whose events were refused a short time ago.
    pub(super) refused: RefusedAccounts,
}

/// The function's settings, apart from the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The function's mode. The weaker of this and the policy's mode holds.
    pub mode: Mode,
    /// The accounts that the function may act in.
    pub accounts: Accounts,
    /// The SNS topic for findings.
    pub topic: Option<String>,
    /// The SQS queue over which a sweep is handed out, and later looks come.
    pub queue: Option<String>,
    /// The memory.
    pub memory: Store,
    /// Whether modified rules are given back what they were, where that is known and lawful.
    pub restores: bool,
}

impl Context {
    /// Puts a context together.
    #[must_use]
    pub fn new(aws: Aws, policy: Policy, settings: Settings, clock: Clock, out: Output) -> Self {
        let names_groups = settings.topic.is_some();
        let (shelf, unwritten, recent) = (Shelf::None, Unwritten::default(), RecentChanges::default());
        let (refused, destinations) = (RefusedAccounts::default(), Destinations::default());
        let policy = LivePolicy::fixed(policy);
        let (values, told_here) = (KnownValues::default(), ToldHere::default());
        Self {
            aws,
            policy,
            settings,
            clock,
            out,
            names_groups,
            ends_openings: true,
            shelf,
            destinations,
            unwritten,
            recent,
            values,
            told_here,
            refused,
        }
    }

    /// The same context, with evidence kept.
    #[must_use]
    pub fn with_shelf(self, shelf: Shelf) -> Self {
        Self { shelf, ..self }
    }

    /// The same context, with findings sent to these destinations too. People read there, so groups need their names.
    #[must_use]
    pub fn with_destinations(self, destinations: Destinations) -> Self {
        let names_groups = self.names_groups || destinations != Destinations::default();
        Self { destinations, names_groups, ..self }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Where findings go.
    pub(super) fn sinks(&self) -> Sinks<'_> {
        let others = Others { destinations: &self.destinations, session: None, now: self.now() };
        Sinks { aws: &self.aws, topic: self.settings.topic.as_deref(), out: &self.out, others }
    }

    /// Where findings go, those about other accounts with the clients of this session.
    pub(super) fn sinks_with<'a>(&'a self, session: Option<Session<'a>>) -> Sinks<'a> {
        let sinks = self.sinks();
        Sinks { others: Others { session, ..sinks.others }, ..sinks }
    }
}

/// What the invocation knows of itself.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Who the function is, if its ARN says so.
    pub identity: Option<FunctionIdentity>,
    /// When it must have answered.
    pub deadline: Instant,
}

/// The time that is kept back to report what was not done.
pub(super) const TIME_TO_REPORT: Duration = Duration::from_millis(1500);

/// The time that is kept back to answer at all.
const TIME_TO_ANSWER: Duration = Duration::from_millis(300);

/// A pre-existing exposure is re-checked only during the first 10 s of an invocation; after that the first answer is
/// reported. A re-check delays the resources that wait for their turn.
const RECHECK_WITHIN: Duration = Duration::from_secs(10);

/// What one invocation works with.
pub(super) struct InvocationScope<'a> {
    /// The clients, as the function; nothing where it does not know who it is.
    pub(super) session: Option<Session<'a>>,
    /// When the invocation must have answered.
    pub(super) deadline: Instant,
    /// When pre-existing exposures are no longer re-checked.
    pub(super) recheck_until: Instant,
    /// The prefix lists that the invocation has read.
    pub(super) known_lists: KnownLists,
    /// The groups that the invocation saw open through a prefix list.
    pub(super) open_through_lists: OpenThroughLists,
    /// What has been published.
    pub(super) news: News,
}

impl<'a> InvocationScope<'a> {
    pub(super) fn new(context: &'a Context, invocation: &'a Invocation) -> Self {
        let until = work_until(invocation.deadline);
        Self {
            session: invocation.identity.as_ref().map(|identity| context.aws.session(identity, until)),
            deadline: invocation.deadline,
            recheck_until: Instant::now() + RECHECK_WITHIN,
            known_lists: KnownLists::default(),
            open_through_lists: OpenThroughLists::default(),
            news: News::default(),
        }
    }

    /// When work ends.
    pub(super) fn work_until(&self) -> Instant {
        work_until(self.deadline)
    }

    /// When reporting ends.
    pub(super) fn report_until(&self) -> Instant {
        self.deadline.checked_sub(TIME_TO_ANSWER).unwrap_or(self.deadline)
    }
}

/// When work ends that must be reported by the deadline.
pub(super) fn work_until(deadline: Instant) -> Instant {
    deadline.checked_sub(TIME_TO_REPORT).unwrap_or(deadline)
}
