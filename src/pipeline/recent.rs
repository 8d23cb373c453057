//! What this instance remembers of other deliveries: changes that it left unsettled, because a port was exposed even
//! without them, and groups that it closed.
//!
//! Two changes can be each other's reason for that: each alone is not what exposes the port, and together they are. A
//! later delivery about the same group judges them together. An instance remembers for minutes only, and no other
//! instance knows; where nothing is remembered, such an exposure is reported and left to the sweep.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portcullis_domain::change::Change;
use portcullis_domain::facts::GroupLocation;
use portcullis_domain::ids::GroupId;
use tokio::time::Instant;

use crate::aws::AccountRegion;

/// Changes are remembered for this long.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// This many groups are remembered, and this many changes of each.
const MOST_GROUPS: usize = 256;
const MOST_CHANGES: usize = 64;

/// Whoever opens a group again this soon after it was closed is fighting.
const FIGHT: Duration = Duration::from_secs(10 * 60);

/// A change, and when it was left.
type Left = (Instant, Change);

type Group = (AccountRegion, GroupId);

/// What other deliveries left unsettled or closed, by group.
#[derive(Debug, Default)]
pub(super) struct RecentChanges {
    unsettled: Mutex<BTreeMap<Group, Vec<Left>>>,
    closed: Mutex<BTreeMap<Group, Instant>>,
}

impl RecentChanges {
    /// Whether this instance closed the group a short time ago.
    pub(super) fn is_fight(&self, location: &GroupLocation) -> bool {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.get(&key(location)).is_some_and(|at| at.elapsed() < FIGHT)
    }

    /// Remembers that the group was closed.
    pub(super) fn note_closed(&self, location: &GroupLocation) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.retain(|_, at| at.elapsed() < FIGHT);
        if closed.len() < MOST_GROUPS {
            closed.insert(key(location), Instant::now());
        }
    }

    /// What other deliveries left unsettled in a group, but for these events.
    pub(super) fn of(&self, location: &GroupLocation, events: &[&Change]) -> Vec<Change> {
        let all = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        let is_another = |change: &Change| events.iter().all(|own| own.event.id != change.event.id);
        let left = all.get(&key(location)).into_iter().flatten();
        left.filter(|(at, change)| at.elapsed() < REMEMBERED && is_another(change))
            .map(|(_, change)| change.clone())
            .collect()
    }

    /// Remembers changes of a group that were left unsettled.
    pub(super) fn keep(&self, location: &GroupLocation, changes: &[&Change]) {
        let mut all = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, left| {
            left.retain(|(at, _)| at.elapsed() < REMEMBERED);
            !left.is_empty()
        });
        if all.len() >= MOST_GROUPS && !all.contains_key(&key(location)) {
            return;
        }
        let left = all.entry(key(location)).or_default();
        for change in changes {
            left.retain(|(_, other)| other.event.id != change.event.id);
            if left.len() < MOST_CHANGES {
                left.push((Instant::now(), (*change).clone()));
            }
        }
    }
}

fn key(location: &GroupLocation) -> Group {
    let target = AccountRegion { account: location.account.clone(), region: location.region.clone() };
    (target, location.group.clone())
}
