//! What this instance remembers of other deliveries: changes that it left unsettled, because a port was exposed even
//! without them, and groups that it closed.
//!
//! Two changes can be each other's reason for that: each alone is not what exposes the port, and together they are. A
//! later delivery about the same group judges them together. An instance remembers for minutes only, and no other
//! instance knows; so where there is a queue, such a change comes for later looks (`later_look`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portcullis_domain::change::Change;
use portcullis_domain::facts::GroupLocation;
use portcullis_domain::ids::GroupId;
use tokio::time::Instant;

use crate::aws::AccountRegion;

/// Changes are remembered for this long after they were last judged.
pub(super) const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// This many groups are remembered, and this many changes of each. The oldest makes room: who fills the memory with other
/// groups would otherwise keep the next fight out of it.
const MOST_GROUPS: usize = 256;
const MOST_CHANGES: usize = 64;

/// Whoever opens a group again this soon after it was closed is fighting.
const FIGHT: Duration = Duration::from_secs(10 * 60);

/// A change, and when it was left. The newest is the last.
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
        make_room(&mut closed, &key(location), |at| Some(*at));
        closed.insert(key(location), Instant::now());
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
        make_room(&mut all, &key(location), |left| left.last().map(|(at, _)| *at));
        let left = all.entry(key(location)).or_default();
        for change in changes {
            left.retain(|(_, other)| other.event.id != change.event.id);
            if left.len() >= MOST_CHANGES {
                left.remove(0);
            }
            left.push((Instant::now(), (*change).clone()));
        }
    }
}

/// Makes room for a group that is not remembered yet: the one without news for the longest goes.
fn make_room<T>(groups: &mut BTreeMap<Group, T>, group: &Group, news: impl Fn(&T) -> Option<Instant>) {
    if groups.len() < MOST_GROUPS || groups.contains_key(group) {
        return;
    }
    let oldest = groups.iter().min_by_key(|(_, remembered)| news(remembered)).map(|(oldest, _)| oldest.clone());
    if let Some(oldest) = oldest {
        groups.remove(&oldest);
    }
}

fn key(location: &GroupLocation) -> Group {
    let target = AccountRegion { account: location.account.clone(), region: location.region.clone() };
    (target, location.group.clone())
}

#[cfg(test)]
mod tests {
    use portcullis_domain::ids::{AccountId, Region};

    use super::*;

    fn location(n: usize) -> GroupLocation {
        let account = AccountId::parse("111122223333").unwrap_or_else(|error| unreachable!("{error}"));
        let region = Region::parse("eu-west-1").unwrap_or_else(|error| unreachable!("{error}"));
        let group = GroupId::parse(&format!("sg-{n:017x}")).unwrap_or_else(|error| unreachable!("{error}"));
        GroupLocation { account, region, group, vpc: None }
    }

    fn change(event: &str) -> Change {
        let GroupLocation { account, region, .. } = location(0);
        Change::sweep(Some(event.to_owned()), None, account, region)
    }

    /// An attacker with many groups of its own would otherwise use up the memory before the fight that matters.
    #[test]
    fn many_other_groups_do_not_keep_a_fight_from_being_remembered() {
        let recent = RecentChanges::default();
        (0..=MOST_GROUPS).for_each(|n| recent.note_closed(&location(n)));
        assert!(recent.is_fight(&location(MOST_GROUPS)));
        // The group without news for the longest is forgotten for it.
        assert!(!recent.is_fight(&location(0)));
        assert!(recent.is_fight(&location(1)));
        // Who is remembered already takes nobody's place.
        recent.note_closed(&location(1));
        assert!(recent.is_fight(&location(2)));
        recent.note_closed(&location(0));
        assert!(recent.is_fight(&location(1)) && !recent.is_fight(&location(2)));
    }

    #[test]
    fn many_other_groups_do_not_keep_an_unsettled_change_from_being_remembered() {
        let recent = RecentChanges::default();
        (0..=MOST_GROUPS).for_each(|n| recent.keep(&location(n), &[&change("first")]));
        assert_eq!(recent.of(&location(MOST_GROUPS), &[]), [change("first")]);
        assert_eq!(recent.of(&location(0), &[]), []);
        assert_eq!(recent.of(&location(1), &[]), [change("first")]);
    }

    #[test]
    fn many_unsettled_changes_of_a_group_do_not_keep_the_next_from_being_remembered() {
        let recent = RecentChanges::default();
        (0..=MOST_CHANGES).for_each(|n| recent.keep(&location(0), &[&change(&n.to_string())]));
        let left = recent.of(&location(0), &[]);
        assert_eq!(
            (left.len(), left.first(), left.last()),
            (MOST_CHANGES, Some(&change("1")), Some(&change(&MOST_CHANGES.to_string())))
        );
    }
}
