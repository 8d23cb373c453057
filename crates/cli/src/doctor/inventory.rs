//! What AWS showed, or the error of each call.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_domain::ids::{AccountId, GroupId, Region};
use portcullis_domain::policy::Mode;
use serde_json::{Value, json};

use super::Api;
use crate::trail::{Logged, WriteEvents};

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The call.
    pub api: Api,
    /// AWS's code, or ours where AWS gave none.
    pub code: String,
    /// AWS's message.
    pub message: String,
}

impl CallError {
    /// Whether the caller lacks the permission.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        let words =
            ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "Forbidden"];
        words.contains(&self.code.as_str())
    }

    /// Why it cannot be told.
    #[must_use]
    pub fn why(&self) -> String {
        let Self { api, code, message } = self;
        let needs = if self.is_denied() { format!(": needs {}", api.permission) } else { String::new() };
        format!("{code} on {}{needs} ({message})", api.call)
    }

    pub(super) fn json(&self) -> Value {
        let Self { api, code, message } = self;
        json!({"call": api.call, "permission": api.permission, "code": code, "message": message})
    }
}

/// What a call showed.
pub type Seen<T> = Result<T, CallError>;

/// Everything that was looked at.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// When.
    pub now: Timestamp,
    /// The program's own version.
    pub version: String,
    /// The stack's name.
    pub stack_name: String,
    /// Who looks.
    pub caller: Result<Who, String>,
    /// The stack; `None` within where there is no such stack.
    pub stack: Seen<Option<Stack>>,
    /// What belongs to the stack. Nothing where there is none.
    pub hub: Option<Hub>,
    /// What was seen in each guarded Region of the stack's own account.
    pub regions: BTreeMap<Region, Trails>,
    /// The accounts of the organisation, where the stack guards one.
    pub members: Option<Members>,
}

/// Who looks, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The caller's ARN.
    pub arn: String,
    /// Its account.
    pub account: AccountId,
    /// Its partition.
    pub partition: String,
    /// The Region in which the stack is looked for.
    pub region: Region,
}

/// A stack.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    /// Such as `UPDATE_COMPLETE`.
    pub status: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// When it was made, and when it was last changed.
    pub since: Option<Timestamp>,
}

impl Stack {
    /// A parameter that has a value.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// What belongs to a stack.
#[derive(Debug, Clone)]
pub struct Hub {
    /// Type and physical id of each resource, by its logical id.
    pub resources: Seen<BTreeMap<String, Resource>>,
    /// The rules of the default bus and of the stack's own, by name.
    pub rules: Seen<BTreeMap<String, Rule>>,
    /// The policy of the stack's own bus, where it has one.
    pub bus: Option<Seen<String>>,
    /// The rule in the Region in which IAM tells of its calls, where that is not the stack's own.
    pub abroad: Option<(Region, Seen<BTreeMap<String, Rule>>)>,
    /// The function.
    pub function: Function,
    /// The policy, where the function's environment could be read.
    pub policy: Option<Policy>,
    /// The table of `PORTCULLIS_MEMORY`: its status.
    pub memory: Option<(String, Store)>,
    /// The bucket of `PORTCULLIS_EVIDENCE`.
    pub evidence: Option<(String, Store)>,
    /// The topics: the stack's own, and the second where there is one.
    pub topics: BTreeMap<String, Seen<Vec<Subscription>>>,
    /// The queues, by their logical id: how many messages are in them.
    pub queues: BTreeMap<String, Queue>,
    /// The alarms, by name.
    pub alarms: Seen<BTreeMap<String, Alarm>>,
    /// When the metric `Swept` was last above zero.
    pub swept: Seen<Option<Timestamp>>,
    /// What the function wrote of its last sweeps.
    pub sweeps: Option<Seen<Sweeps>>,
    /// How log files are announced, where the stack reads them.
    pub log_files: Option<LogFiles>,
    /// Openings, where the stack makes them.
    pub openings: Option<Openings>,
}

/// Openings that end by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Openings {
    /// The group of their schedules.
    pub group: String,
    /// The names of the schedules; `None` within where there is no such group.
    pub schedules: Seen<Option<BTreeSet<String>>>,
    /// The openings that the memory lists. Nothing where there is no memory to ask.
    pub listed: Option<Seen<Vec<Opening>>>,
    /// The ends that did not succeed, by the function's own words: where and why, by the waiver.
    pub failed: Seen<BTreeMap<String, (AccountId, Region, String)>>,
}

/// An opening that the memory lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The account of its group.
    pub account: AccountId,
    /// The Region of its group.
    pub region: Region,
    /// Its group.
    pub group: GroupId,
    /// The id of its waiver.
    pub waiver: String,
    /// When it ends.
    pub until: Timestamp,
    /// What is left of it.
    pub left: Left,
}

/// What is left of an opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// Its end is still to come, or has just come.
    NotDue,
    /// It is past its end, and so many of its rules are there.
    Rules(Seen<usize>),
    /// It is past its end, and nobody could look into its account.
    NotLookedAt,
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Such as `AWS::Events::Rule`.
    pub kind: String,
    /// Its name, ARN or URL.
    pub id: String,
}

/// An EventBridge rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Whether it is enabled.
    pub enabled: bool,
    /// Its pattern.
    pub pattern: Option<Value>,
    /// Its schedule.
    pub schedule: Option<String>,
    /// Its targets: the ARN of each, with that of its dead-letter queue.
    pub targets: Seen<Vec<(String, Option<String>)>>,
}

/// A Lambda function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its configuration; `None` within where there is no such function.
    pub configuration: Seen<Option<Configuration>>,
    /// Its reserved concurrency.
    pub concurrency: Seen<Option<i32>>,
    /// The ARNs of the rules that may invoke it.
    pub invokers: Seen<BTreeSet<String>>,
    /// Its event source mappings: the queue's ARN, and whether it is enabled.
    pub mappings: Seen<BTreeMap<String, bool>>,
}

/// A function's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Its ARN.
    pub arn: String,
    /// Such as `Active`.
    pub state: String,
    /// Why it is so.
    pub reason: String,
    /// Such as `Successful`.
    pub update: String,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
}

/// The policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// It parses.
    Read {
        /// Its place.
        place: String,
        /// Its mode.
        mode: Mode,
        /// The number of its guards.
        guards: usize,
    },
    /// It is there, and does not parse.
    Bad(String, String),
    /// It is not there.
    Missing(String),
    /// In a file of the function's package, which nobody can see from here.
    Unseen(String),
    /// It could not be read.
    Unreadable(String, CallError),
}

/// A table or a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// It answers.
    There,
    /// It is not there.
    Missing,
    /// It is there, in a state in which it cannot be used.
    Unusable(String),
    /// It is a folder, which nobody can see from here.
    Unseen,
    /// It could not be asked.
    Unreadable(CallError),
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Such as `email`.
    pub protocol: String,
    /// To whom.
    pub endpoint: String,
    /// Whether it is confirmed.
    pub confirmed: bool,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its URL.
    pub url: String,
    /// How many messages are in it, roughly; `None` within where there is no such queue.
    pub messages: Seen<Option<u64>>,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Whether its actions are enabled.
    pub enabled: bool,
    /// Whom it tells.
    pub actions: Vec<String>,
    /// Whether it is in the state `ALARM`, and AWS's reason.
    pub raised: Option<String>,
}

/// What the function wrote of the sweeps of the last hours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sweeps {
    /// From when on the log was read.
    pub since: Timestamp,
    /// How many accounts and Regions were looked at.
    pub places: usize,
    /// Each that could not be looked at, with the reason: `444455556666 eu-west-1: …`.
    pub unreachable: BTreeSet<String>,
}

/// How the queue of log files hears of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFiles {
    /// Through a topic: its subscriptions.
    Topic(String, Seen<Vec<Subscription>>),
    /// From the bucket: the queues that it notifies of new objects.
    Bucket(String, Seen<BTreeSet<String>>),
    /// From a bucket of another account, whose notifications its owner alone sees.
    Foreign(String),
}

/// The trails that a Region shows.
pub type Trails = Seen<Vec<Trail>>;

/// A trail, as one Region shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// Its ARN.
    pub arn: String,
    /// Its home Region.
    pub home: String,
    /// Whether it is the organisation's.
    pub organization: bool,
    /// Whether it logs there, and the error of its last delivery.
    pub status: Seen<(bool, Option<String>)>,
    /// Which write events its selectors let through.
    pub writes: Seen<WriteEvents>,
}

impl Trail {
    /// Whether it logs EC2's write events here, and delivers.
    #[must_use]
    pub fn serves(&self) -> bool {
        let writes = self.writes.as_ref().is_ok_and(|events| events.logged == Logged::Yes);
        writes && matches!(self.status, Ok((true, None)))
    }
}

/// The accounts that the stack guards beside its own.
#[derive(Debug, Clone)]
pub struct Members {
    /// The accounts of the organisation, where they were listed.
    pub listed: Option<Seen<BTreeSet<AccountId>>>,
    /// The accounts that the function may act in, beside the stack's own. With `*` those of the organisation.
    pub guarded: BTreeSet<AccountId>,
    /// The role through which the accounts were looked at. Without one only the function's own words are known.
    pub role: Option<String>,
    /// What was seen there, and in the other Regions of the stack's own account.
    pub seen: BTreeMap<AccountId, Member>,
}

/// A member.
#[derive(Debug, Clone)]
pub struct Member {
    /// The Regions that are enabled there; the error too where the role could not be assumed.
    pub enabled: Seen<BTreeSet<Region>>,
    /// What was seen in each guarded Region that is enabled.
    pub regions: BTreeMap<Region, MemberRegion>,
}

/// One Region of a member.
#[derive(Debug, Clone)]
pub struct MemberRegion {
    /// The rules whose names begin as the member's do, by name.
    pub rules: Seen<BTreeMap<String, Rule>>,
    /// The dead letters of the rule that forwards: the queue's name, and how many are in it.
    pub dead_letters: Option<Queue>,
    /// The trails. `None` where the organisation's own trail logs already.
    pub trails: Option<Trails>,
}
