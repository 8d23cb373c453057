//! From payloads to a batch: each record is read, and a change that EC2 must be asked about is put with the other changes
//! of its resource.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_domain::change::{Call, Change, ChangedRules, EventMetadata, Resource};
use portcullis_domain::cloudtrail;
use portcullis_domain::cloudtrail::{EnvelopeOrigin, Reading};
use portcullis_domain::finding::{Finding, Outcome, Verdict};
use portcullis_domain::json::Json;
use portcullis_domain::judge::harmless;
use serde_json::Value;

use super::context::Context;
use super::later_look;
use super::region::Aftermath;
use crate::aws::AccountRegion;
use crate::envelope::{LaterLook, MOST_UNREADABLE};

/// Where a payload came from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// Its index among all payloads of the delivery.
    pub(super) index: usize,
    /// The item that is delivered again if the payload fails.
    pub(super) item: String,
    /// The record, for the evidence of what it leads to, and for later looks.
    pub(super) record: Option<Arc<Value>>,
    /// The record comes for a later look.
    pub(super) later_look: Option<LaterLook>,
}

/// A value and the payload that it came from.
pub(super) struct Tracked<T> {
    pub(super) origin: Origin,
    pub(super) value: T,
}

impl<T> Tracked<T> {
    /// Another value from the same payload.
    pub(super) fn with<U>(&self, value: U) -> Tracked<U> {
        Tracked { origin: self.origin.clone(), value }
    }
}

/// What is worked on together: an account's Region, a resource in it, and why nothing may be revoked, where something
/// speaks against it.
pub(super) type ResourceKey = (AccountRegion, Resource, Option<&'static str>);

/// What is worked on together: changes by resource, and findings that need no call to EC2.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) resources: BTreeMap<ResourceKey, Vec<Tracked<Change>>>,
    pub(super) findings: Vec<Tracked<Finding>>,
    /// What is left to do when the findings were reported.
    pub(super) aftermath: Aftermath,
    /// How many records of each item could not be read.
    unreadable: BTreeMap<String, usize>,
}

/// This many records are worked on at a time. A delivery or a log file that holds more is worked on in parts, so that memory
/// is bounded.
const PORTION: usize = 2000;

impl Batch {
    /// Whether it is time to work on what it holds.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= PORTION
    }

    /// Takes out what is to be worked on.
    pub(super) fn take(&mut self) -> Self {
        let Self { resources, findings, aftermath, unreadable: _ } = self;
        Self {
            resources: std::mem::take(resources),
            findings: std::mem::take(findings),
            aftermath: std::mem::take(aftermath),
            unreadable: BTreeMap::new(),
        }
    }

    /// Adds what is only counted of the records that could not be read.
    pub(super) fn add_more_unreadable(&mut self, context: &Context) {
        for (item, count) in std::mem::take(&mut self.unreadable) {
            if let Some(more @ 1..) = count.checked_sub(MOST_UNREADABLE) {
                let why = format!("{more} more records of the delivery cannot be read");
                let origin = Origin { index: usize::MAX, item, record: None, later_look: None };
                let event = EventMetadata::default();
                self.add_finding(origin, from_record(context, &event, Verdict::Undecided, why));
            }
        }
    }

    /// Counts records that cannot be read.
    pub(super) fn count_unreadable(&mut self, item: &str, count: usize) {
        match self.unreadable.get_mut(item) {
            Some(so_far) => *so_far += count,
            None => _ = self.unreadable.insert(item.to_owned(), count),
        }
    }

    /// Adds a record that cannot be read, if not too many came before it.
    fn add_undecided(&mut self, origin: Origin, finding: impl FnOnce() -> Finding) {
        self.count_unreadable(&origin.item, 1);
        if self.unreadable.get(&origin.item).is_some_and(|count| *count <= MOST_UNREADABLE) {
            self.add_finding(origin, finding());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.findings.len() + self.resources.values().map(Vec::len).sum::<usize>()
    }

    pub(super) fn add_change(&mut self, context: &Context, origin: Origin, change: Change) {
        let target = AccountRegion { account: change.account.clone(), region: change.region.clone() };
        let key = (target, change.resource.clone(), outdated(context, &change));
        let changes = self.resources.entry(key).or_default();
        changes.push(Tracked { origin, value: change });
    }

    pub(super) fn add_finding(&mut self, origin: Origin, finding: Finding) {
        self.findings.push(Tracked { origin, value: finding });
    }

    /// Adds an event that has nothing to do with security groups.
    pub(super) fn add_unrelated(&mut self, context: &Context, origin: Origin, why: String) {
        self.add_finding(origin, from_record(context, &EventMetadata::default(), Verdict::Irrelevant, why));
    }

    /// Adds what could not be opened or read.
    pub(super) fn add_unreadable(&mut self, context: &Context, origin: Origin, why: String) {
        self.add_undecided(origin, || from_record(context, &EventMetadata::default(), Verdict::Undecided, why));
    }

    /// Adds a record: as a change where EC2 must be asked, as a finding where the record alone decides.
    pub(super) fn add_record(
        &mut self,
        context: &Context,
        origin: Origin,
        record: &Json<'_>,
        envelope_origin: &EnvelopeOrigin,
    ) {
        match cloudtrail::read(record, envelope_origin) {
            Reading::Irrelevant { event, why } => {
                self.add_finding(origin, from_record(context, &event, Verdict::Irrelevant, why));
            }
            Reading::Undecided { event, why } => {
                self.add_undecided(origin, || from_record(context, &event, Verdict::Undecided, why));
            }
            Reading::Change(change) => {
                context.values.note(context, &change, record);
                match harmless(&change, &context.policy.now()) {
                    Some(why) => {
                        let finding = from_record(context, &change.event, Verdict::Safe, why.to_owned());
                        self.add_finding(origin, Finding { group: group_name(&change.resource), ..finding });
                    }
                    None => {
                        let is_kept = context.shelf.is_there() || later_look::may_be_needed(context);
                        let record = is_kept.then(|| kept(record)).flatten();
                        self.add_change(context, Origin { record, ..origin }, *change);
                    }
                }
            }
        }
    }
}

/// A longer record is left out of the evidence, which has what was read from it, and comes for no later look.
const LONGEST_RECORD: usize = 64 << 10;

/// The record as evidence and the queue keep it.
fn kept(record: &Json<'_>) -> Option<Arc<Value>> {
    let text = record.to_string();
    (text.len() <= LONGEST_RECORD).then(|| serde_json::from_str(&text).ok().map(Arc::new)).flatten()
}

/// A group's name, or a rule's permission, is believed to be the record's own for this long.
const NAMES_HOLD: Duration = Duration::from_secs(5 * 60);

/// Why a record says no longer whose the rules are: it names the group by a name, or the rules by what they admit, and
/// somebody else may have a group or a rule like that by now. A change without a time may be of any age.
pub(super) fn outdated(context: &Context, change: &Change) -> Option<&'static str> {
    outdated_at(context.now(), change)
}

/// The same at another time.
pub(super) fn outdated_at(now: Timestamp, change: &Change) -> Option<&'static str> {
    let is_young = |time: Timestamp| now.duration_since(time).unsigned_abs() <= NAMES_HOLD;
    if change.call == Call::Sweep || change.event.time.is_some_and(is_young) {
        return None;
    }
    match (&change.resource, &change.changed_rules) {
        (_, ChangedRules::Rules(_)) => None,
        (Resource::GroupName(_), _) => Some(
            "the record is older than 5 minutes and names the group by its name, which another group may have by now",
        ),
        (_, ChangedRules::Permissions(_)) => Some(
            "the record is older than 5 minutes and lists no rule ids: a rule like that may be somebody else's by now",
        ),
        _ => None,
    }
}

/// A finding that rests on the record alone: nothing was done.
fn from_record(context: &Context, event: &EventMetadata, verdict: Verdict, why: String) -> Finding {
    Finding::plain(event, verdict, Outcome::None, context.settings.mode, why)
}

/// The group that a record names, by id or by name.
pub(super) fn group_name(resource: &Resource) -> Option<String> {
    match resource {
        Resource::Group(id) => Some(id.to_string()),
        Resource::GroupName(name) => Some(name.clone()),
        Resource::PrefixList(_) | Resource::Region => None,
    }
}
