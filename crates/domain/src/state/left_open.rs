//! The ports that are open at the end although a change's own rules are gone or altered.

use super::RemediationState;
use crate::change::{Change, ChangedRules};
use crate::finding::{Action, ExposureFinding};
use crate::ids::RuleId;
use crate::judge::{Exposure, Judgement};
use crate::net::AddressSet;
use crate::policy::Policy;
use crate::rule::{Permission, Reach, Source};

impl RemediationState {
    /// The ports that the last look shows open and that this change must answer for: its rules are gone or altered, and
    /// a port that they reached is open through other rules. Someone who changes rules faster than events arrive leaves
    /// this behind.
    #[must_use]
    pub fn left_open(&self, change: &Change, n: usize, last: &Judgement, policy: &Policy) -> Vec<ExposureFinding> {
        let concerns = |exposure: &&Exposure| exposure.standing && may_concern(change, exposure, last, policy);
        if !self.has_lost_rules(change, n, last) {
            return Vec::new();
        }
        last.exposures.iter().filter(concerns).map(|exposure| ExposureFinding::of(exposure, last)).collect()
    }

    /// Whether some of the change's rules are altered, or are gone without having been revoked here.
    fn has_lost_rules(&self, change: &Change, n: usize, last: &Judgement) -> bool {
        let is_revoked = |id: &RuleId| matches!(self.done.get(id), Some(Action::Revoked));
        let is_shown = |id: &RuleId| last.rules.iter().any(|judged| judged.rule.id == *id);
        let own = last.attributions.get(n);
        let is_restored = |id: &RuleId| matches!(self.done.get(id), Some(Action::Restored));
        let is_replaced = own.is_some_and(|own| own.replaced.iter().any(|id| !is_restored(id)));
        let is_lost = match &change.changed_rules {
            ChangedRules::Rules(_) => {
                let missing = own.into_iter().flat_map(|own| own.missing.iter().flatten());
                missing.into_iter().any(|id| !is_revoked(id) && !is_shown(id))
            }
            ChangedRules::Permissions(permissions) => {
                let observed =
                    |permission: &Permission| self.observed.values().find(|rule| rule.permission == *permission);
                permissions
                    .iter()
                    .any(|asked| observed(asked).is_none_or(|rule| !is_revoked(&rule.id) && !is_shown(&rule.id)))
            }
            ChangedRules::PrefixList { .. } => own.is_some_and(|own| !own.missing.is_empty()),
            ChangedRules::Any => false,
        };
        is_replaced || is_lost
    }
}

/// A group has 60 rules at most, unless its account's quota is raised (Amazon VPC quotas, "Inbound or outbound rules per
/// security group"). Rules that each admit less than one part in so many of the limit do not reach it together.
const MOST_RULES: u128 = 64;

/// Whether the change's rules reached the port of an exposure, and were wide enough that rules like them can have made it:
/// whoever changes rules faster than events arrive makes the next one like the last. Where the record does not list the
/// rules, the answer is yes.
fn may_concern(change: &Change, exposure: &Exposure, last: &Judgement, policy: &Policy) -> bool {
    if let ChangedRules::PrefixList { list, .. } = &change.changed_rules {
        let refers = |n: &usize| {
            let source = last.rules.get(*n).map(|judged| &judged.rule.permission.source);
            matches!(source, Some(Source::PrefixList(id)) if id == list)
        };
        return exposure.rules.iter().any(refers);
    }
    let Some(recorded) = &change.recorded_rules else { return true };
    let reaches = |permission: &&Permission| match permission.traffic.reach(exposure.transport) {
        Reach::Ports(ports) => ports.overlaps(exposure.ports),
        Reach::Nothing => false,
        Reach::Unknown => true,
    };
    let mut blocks = Vec::new();
    for permission in recorded.iter().map(|(_, permission)| permission).filter(reaches) {
        match &permission.source {
            Source::Cidr(cidr) => blocks.push(*cidr),
            Source::PrefixList(_) | Source::Unknown(_) => return true,
            Source::Group(_) => {}
        }
    }
    let counted = AddressSet::from_cidrs(exposure.family, &blocks).intersection(policy.counted(exposure.family));
    counted.count().saturating_mul(MOST_RULES) >= *last.limit.get(exposure.family)
}
