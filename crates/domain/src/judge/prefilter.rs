//! Decisions without EC2: which changes need no look, and which prefix lists matter.

use crate::change::{Change, ChangedRules};
use crate::net::{AddressSet, Family};
use crate::policy::{Policy, ProtectedPort};
use crate::rule::{Permission, Reach, Source};

/// Why a change needs no look at EC2. Whatever EC2 shows, the permissions in the record cannot expose a guarded port.
/// `None`: look.
#[must_use]
pub fn harmless(change: &Change, policy: &Policy) -> Option<&'static str> {
    if let ChangedRules::PrefixList { added: Some(added), .. } = &change.changed_rules {
        let counts = |family| !AddressSet::from_cidrs(family, added).intersection(policy.counted(family)).is_empty();
        return (!Family::BOTH.into_iter().any(counts)).then_some("adds no public address to the prefix list");
    }
    let mut reason = "reaches no guarded port";
    for (_, permission) in change.recorded_rules.as_ref()? {
        for guard in policy.guards() {
            if !may_reach(permission, guard) {
                continue;
            }
            let admits_none = match &permission.source {
                Source::Group(_) => true,
                Source::Cidr(cidr) => {
                    let family = cidr.family();
                    let block = AddressSet::from_cidrs(family, [cidr]);
                    block.intersection(policy.counted(family)).is_empty()
                }
                Source::PrefixList(_) | Source::Unknown(_) => false,
            };
            if !admits_none {
                return None;
            }
            reason = "admits no public address to a guarded port";
        }
    }
    Some(reason)
}

/// Whether the entries of a rule's prefix list matter, which is so if the rule may reach a guarded port.
#[must_use]
pub fn needs_prefix_list(permission: &Permission, policy: &Policy) -> bool {
    policy.guards().iter().any(|guard| may_reach(permission, guard))
}

pub(super) fn may_reach(permission: &Permission, guard: &ProtectedPort) -> bool {
    match permission.traffic.reach(guard.transport) {
        Reach::Nothing => false,
        Reach::Ports(ports) => ports.overlaps(guard.ports),
        Reach::Unknown => true,
    }
}
