//! The groups that an exemption or a scope is for.

use crate::facts::GroupLocation;
use crate::ids::{AccountId, GroupId, Region, VpcId};

/// Selects groups. Every given list must match, and an absent list matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// The accounts.
    pub accounts: Option<Vec<AccountId>>,
    /// The Regions.
    pub regions: Option<Vec<Region>>,
    /// The security groups.
    pub groups: Option<Vec<GroupId>>,
    /// The VPCs.
    pub vpcs: Option<Vec<VpcId>>,
}

impl Selector {
    pub(super) fn matches(&self, at: &GroupLocation) -> bool {
        fn among<T: PartialEq>(list: Option<&Vec<T>>, value: Option<&T>) -> bool {
            list.is_none_or(|list| value.is_some_and(|value| list.contains(value)))
        }
        among(self.accounts.as_ref(), Some(&at.account))
            && among(self.regions.as_ref(), Some(&at.region))
            && among(self.groups.as_ref(), Some(&at.group))
            && among(self.vpcs.as_ref(), at.vpc.as_ref())
    }

    /// Whether every group that this selector matches is matched by one of the others.
    #[must_use]
    pub fn is_within(&self, others: &[&Self]) -> bool {
        self.parts().iter().all(|part| others.iter().any(|other| part.is_within_one(other)))
    }

    /// One selector for each account, Region, group and VPC that this selector names. Together they match the same
    /// groups.
    fn parts(&self) -> Vec<Self> {
        fn split<T: Clone>(places: Vec<Selector>, list: Option<&Vec<T>>, set: fn(&mut Selector, T)) -> Vec<Selector> {
            let Some(list) = list else { return places };
            let one = |place: &Selector, value: &T| {
                let mut place = place.clone();
                set(&mut place, value.clone());
                place
            };
            places.iter().flat_map(|place| list.iter().map(|value| one(place, value))).collect()
        }
        let parts = split(vec![Self::default()], self.accounts.as_ref(), |part, one| part.accounts = Some(vec![one]));
        let parts = split(parts, self.regions.as_ref(), |part, one| part.regions = Some(vec![one]));
        let parts = split(parts, self.groups.as_ref(), |part, one| part.groups = Some(vec![one]));
        split(parts, self.vpcs.as_ref(), |part, one| part.vpcs = Some(vec![one]))
    }

    fn is_within_one(&self, other: &Self) -> bool {
        fn among<T: PartialEq>(ours: Option<&Vec<T>>, theirs: Option<&Vec<T>>) -> bool {
            theirs.is_none_or(|theirs| ours.is_some_and(|ours| ours.iter().all(|one| theirs.contains(one))))
        }
        among(self.accounts.as_ref(), other.accounts.as_ref())
            && among(self.regions.as_ref(), other.regions.as_ref())
            && among(self.groups.as_ref(), other.groups.as_ref())
            && among(self.vpcs.as_ref(), other.vpcs.as_ref())
    }
}
