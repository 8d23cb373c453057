//! What EC2 shows of one security group, where the group is, and when EC2 was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::ids::{AccountId, GroupId, PrefixListId, Region, RuleId, VpcId};
use crate::net::Cidr;
use crate::rule::Rule;

/// Where a security group is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GroupLocation {
    /// Its account.
    pub account: AccountId,
    /// Its Region.
    pub region: Region,
    /// Its id.
    pub group: GroupId,
    /// Its VPC. Looked up only if `Policy::needs_vpc`. An unknown VPC matches no `vpcs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc: Option<VpcId>,
}

/// The entries of the prefix lists that rules refer to, or why they could not be read.
pub type PrefixLists = BTreeMap<PrefixListId, Result<Vec<Cidr>, String>>;

/// One security group as EC2 showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Where it is.
    pub location: GroupLocation,
    /// All of its ingress rules.
    pub rules: Vec<Rule>,
    /// Rules that an earlier look of the same remediation did not show, or showed differently. They are new, whoever
    /// made them.
    pub appeared: BTreeSet<RuleId>,
    /// Entries of prefix lists that an earlier look of the same remediation did not show.
    pub appeared_entries: BTreeMap<PrefixListId, BTreeSet<Cidr>>,
    /// The ids of its egress rules. A ModifySecurityGroupRules call may name them, and they open nothing.
    pub egress: BTreeSet<RuleId>,
    /// The prefix lists that its rules refer to. All groups of one look share them.
    pub prefix_lists: Arc<PrefixLists>,
    /// When EC2 was asked. Nothing in the facts is older.
    pub observed_at: Timestamp,
}

impl Facts {
    /// A group of which only the ingress rules are known.
    #[must_use]
    pub fn of_rules(location: GroupLocation, rules: Vec<Rule>, observed_at: Timestamp) -> Self {
        Self {
            location,
            rules,
            appeared: BTreeSet::new(),
            appeared_entries: BTreeMap::new(),
            egress: BTreeSet::new(),
            prefix_lists: Arc::default(),
            observed_at,
        }
    }

    /// The same group with these ingress rules instead.
    #[must_use]
    pub fn with_rules(&self, rules: Vec<Rule>) -> Self {
        Self {
            location: self.location.clone(),
            rules,
            appeared: self.appeared.clone(),
            appeared_entries: self.appeared_entries.clone(),
            egress: self.egress.clone(),
            prefix_lists: Arc::clone(&self.prefix_lists),
            observed_at: self.observed_at,
        }
    }
}
