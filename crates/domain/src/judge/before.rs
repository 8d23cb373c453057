//! What a rule was before the changes at hand, where that is known.

use crate::change::{Call, Change};
use crate::former::{Former, Was};
use crate::ids::RuleId;
use crate::net::{AddressSet, Family, PerFamily};
use crate::policy::Policy;
use crate::rule::{Permission, Reach};

/// What is known of a rule before the changes that made it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Before<'a> {
    /// What it was before the first of the changes. Nothing where one of them made it, or where that is not known.
    pub(super) stood: Option<&'a Was>,
    /// What it was before the last of the changes, which is what it may be given back.
    pub(super) last: Option<&'a Was>,
}

impl<'a> Before<'a> {
    /// A change that made the rule anew, or of which nothing is known, makes all of it the changes' own.
    pub(super) fn of(rule: &RuleId, made_by: &[&'a Change], altered_by: &[&'a Change]) -> Self {
        let mut all: Vec<&'a Change> = made_by.iter().chain(altered_by).copied().collect();
        // The order of the changes must not matter, so those of one second are told apart by what they say.
        all.sort_by_key(|change| (change.event.time, change.event.id.as_deref()));
        let settled = |change: &&'a Change| match change.call {
            Call::Modify => change.former.get(rule).and_then(Former::settled),
            Call::Authorize | Call::ModifyPrefixList | Call::RestorePrefixList | Call::Sweep => None,
        };
        let is_all = all.iter().all(|change| settled(change).is_some());
        let last = all.iter().rev().find(|change| change.former.contains_key(rule));
        Self { stood: all.first().filter(|_| is_all).and_then(settled), last: last.and_then(settled) }
    }
}

/// Whether a rule that is so now reaches no guarded port that it did not reach before.
pub(super) fn reaches_no_more(now: &Permission, before: &Permission, policy: &Policy) -> bool {
    policy.guards().iter().all(|guard| {
        match (now.traffic.reach(guard.transport), before.traffic.reach(guard.transport)) {
            (Reach::Nothing, _) => true,
            (Reach::Ports(now), _) if !now.overlaps(guard.ports) => true,
            (Reach::Ports(now), Reach::Ports(before)) => {
                before.contains(now.from().max(guard.ports.from())) && before.contains(now.to().min(guard.ports.to()))
            }
            (Reach::Ports(_), Reach::Nothing | Reach::Unknown) | (Reach::Unknown, _) => false,
        }
    })
}

/// The part of `now` that was admitted before; nothing where more than next to nothing was added.
pub(super) fn kept(
    now: &PerFamily<AddressSet>,
    before: &PerFamily<AddressSet>,
    slack: impl Fn(Family) -> u128,
) -> PerFamily<AddressSet> {
    let adds = |family| now.get(family).difference(before.get(family)).count() > slack(family);
    match Family::BOTH.into_iter().any(adds) {
        true => PerFamily::default(),
        false => PerFamily::each(|family| now.get(family).intersection(before.get(family))),
    }
}
