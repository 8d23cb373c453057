//! What EC2 shows now of one security group.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{GroupId, PrefixListId, RuleId, VpcId};
use crate::net::Cidr;
use crate::rule::Rule;

/// One security group as EC2 shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFacts {
    /// Its id.
    pub group: GroupId,
    /// Its VPC, if it was looked up.
    pub vpc: Option<VpcId>,
    /// All of its ingress rules.
    pub rules: Vec<Rule>,
    /// The ids of its egress rules: a Modify may name them, and they open nothing.
    pub egress: BTreeSet<RuleId>,
}

/// The entries of the prefix lists that rules refer to, or why they could not be read.
pub type PrefixLists = BTreeMap<PrefixListId, Result<Vec<Cidr>, String>>;
