//! From payloads to a batch: each record is read, and a change that EC2 must be asked about is put with the other changes
//! of its resource.

use std::collections::BTreeMap;

use portcullis_domain::exposure::harmless;
use portcullis_domain::finding::{Finding, Outcome, Verdict};
use portcullis_domain::trail::{self, Change, EnvelopeOrigin, EventMetadata, Reading, Resource};
use serde_json::Value;

use super::context::Context;
use crate::aws::AccountRegion;

/// Where a payload came from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// Its index among all payloads of the delivery.
    pub(super) index: usize,
    /// The item that is delivered again if the payload fails.
    pub(super) item: String,
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

/// What is worked on together: changes by resource, and findings that need no call to EC2.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) resources: BTreeMap<(AccountRegion, Resource), Vec<Tracked<Change>>>,
    pub(super) findings: Vec<Tracked<Finding>>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.findings.len() + self.resources.values().map(Vec::len).sum::<usize>()
    }

    pub(super) fn add_change(&mut self, origin: Origin, change: Change) {
        let target = AccountRegion { account: change.account.clone(), region: change.region.clone() };
        let changes = self.resources.entry((target, change.resource.clone())).or_default();
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
        self.add_finding(origin, from_record(context, &EventMetadata::default(), Verdict::Undecided, why));
    }

    /// Adds a record: as a change where EC2 must be asked, as a finding where the record alone decides.
    pub(super) fn add_record(
        &mut self,
        context: &Context,
        origin: Origin,
        record: &Value,
        envelope_origin: &EnvelopeOrigin,
    ) {
        match trail::read(record, envelope_origin) {
            Reading::Irrelevant { event, why } => {
                self.add_finding(origin, from_record(context, &event, Verdict::Irrelevant, why));
            }
            Reading::Undecided { event, why } => {
                self.add_finding(origin, from_record(context, &event, Verdict::Undecided, why));
            }
            Reading::Change(change) => match harmless(&change, &context.policy) {
                Some(why) => {
                    let finding = from_record(context, &change.event, Verdict::Safe, why.to_owned());
                    self.add_finding(origin, Finding { group: group_name(&change.resource), ..finding });
                }
                None => self.add_change(origin, *change),
            },
        }
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
