//! What rules, groups, interfaces and instances were at any time, rebuilt from the calls that made, changed and removed them,
//! and from snapshots of state.
//!
//! The facts of all files are put in order first ([`facts`]), then followed once ([`fold`]). So neither the order of the
//! files nor the number of threads matters. What was before the first record is not known, and stays so: a rule that is
//! first seen when it is revoked was there before, nobody knows since when.

pub mod facts;
pub mod fold;
mod calls;
mod gather;
pub mod judge;
pub mod lists;
mod shape;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use lists::PrefixList;
use portcullis_domain::ids::PrefixListId;
use portcullis_domain::rule::{Permission, Source};

pub use calls::CALLS;
pub use gather::gather;
pub(crate) use snapshot::list_in;

/// Which way a rule's traffic goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// To the members of the group.
    Ingress,
    /// From them.
    Egress,
}

impl Direction {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// Who made a call, and which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct By {
    /// The record's id.
    pub event: Option<String>,
    /// The caller's ARN, or what the record has instead.
    pub actor: Option<String>,
    /// The address that the call came from.
    pub source_ip: Option<String>,
}

/// One rule as it was from one time to another. A modified rule has one life before and one after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleLife {
    /// `sgr-…`; for a rule whose records have no id, what it admits.
    pub id: String,
    /// Its group.
    pub group: String,
    /// The group's account.
    pub account: Option<String>,
    /// The group's Region.
    pub region: Option<String>,
    /// `None`: a ModifySecurityGroupRules call does not say, and nothing else does.
    pub direction: Option<Direction>,
    /// What it admits.
    pub permission: Permission,
    /// Since when. `None`: it was there before the records begin.
    pub from: Option<i64>,
    /// Who opened it.
    pub opened: By,
    /// `authorized`, `modified` or `before the records`.
    pub opened_how: &'static str,
    /// Until when. `None`: it is still there, as far as the records go.
    pub to: Option<i64>,
    /// Who closed it.
    pub closed: By,
    /// `revoked`, `modified` or `group deleted`.
    pub closed_how: Option<&'static str>,
}

impl RuleLife {
    /// The prefix list that its source is, if it is one.
    #[must_use]
    pub const fn list(&self) -> Option<&PrefixListId> {
        match &self.permission.source {
            Source::PrefixList(list) => Some(list),
            Source::Cidr(_) | Source::Group(_) | Source::Unknown(_) => None,
        }
    }
}

/// One security group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Option<String>,
    /// Its VPC.
    pub vpc: Option<String>,
    /// Its account.
    pub account: Option<String>,
    /// Its Region.
    pub region: Option<String>,
    /// When it was created. `None`: before the records begin.
    pub created: Option<i64>,
    /// Who created it.
    pub created_by: By,
    /// When it was deleted.
    pub deleted: Option<i64>,
    /// Whether a snapshot shows its rules.
    pub in_snapshot: bool,
    /// Before this time some of its rules are not known: a call changed or removed a rule that nothing describes.
    pub unknown_before: Option<i64>,
}

impl Group {
    /// Whether all its rules are known at a time, provided that the records are complete.
    #[must_use]
    pub fn rules_are_known_at(&self, time: i64) -> bool {
        (self.created.is_some() || self.in_snapshot) && self.unknown_before.is_none_or(|before| time >= before)
    }
}

/// The groups of an interface from one time to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// `None`: since before the records begin.
    pub from: Option<i64>,
    /// `None`: still, as far as the records go.
    pub to: Option<i64>,
    /// The groups.
    pub groups: BTreeSet<String>,
    /// Who attached them.
    pub by: By,
}

/// A time of an interface at an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The instance.
    pub instance: String,
    /// `None`: since before the records begin.
    pub from: Option<i64>,
    /// `None`: still.
    pub to: Option<i64>,
    /// `eni-attach-…`, by which it is detached.
    pub id: Option<String>,
    /// 0 is the instance's first interface.
    pub device: Option<i64>,
}

/// One network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its account.
    pub account: Option<String>,
    /// Its Region.
    pub region: Option<String>,
    /// Its VPC.
    pub vpc: Option<String>,
    /// Its subnet.
    pub subnet: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// The service that made it for itself, if one did.
    pub requester: Option<String>,
    /// Its private addresses, of both families.
    pub addresses: BTreeSet<IpAddr>,
    /// When it was created. `None`: before the records begin.
    pub created: Option<i64>,
    /// When it was deleted.
    pub deleted: Option<i64>,
    /// Its groups over time, in order.
    pub groups: Vec<Membership>,
    /// Its instances over time, in order.
    pub attachments: Vec<Attachment>,
}

/// One instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instance {
    /// Its account.
    pub account: Option<String>,
    /// Its Region.
    pub region: Option<String>,
    /// The value of its tag `Name`, as last given.
    pub name: Option<String>,
    /// When it was launched.
    pub launched: Option<i64>,
    /// When it was terminated.
    pub terminated: Option<i64>,
    /// Its Auto Scaling group.
    pub asg: Option<String>,
    /// Its image.
    pub image: Option<String>,
}

/// Everything that the records and snapshots tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// All lives of all rules.
    pub rules: Vec<RuleLife>,
    /// By id.
    pub groups: BTreeMap<String, Group>,
    /// By id.
    pub interfaces: BTreeMap<String, Interface>,
    /// By id.
    pub instances: BTreeMap<String, Instance>,
    /// By id.
    pub lists: BTreeMap<PrefixListId, PrefixList>,
    /// Accounts of which a snapshot shows the interfaces. The empty text is an account that the snapshot does not name.
    pub interface_snapshots: BTreeSet<String>,
    /// The first and last record of each account and Region.
    pub spans: BTreeMap<(String, String), (i64, i64)>,
    /// Calls whose parameters CloudTrail left out, so that nobody knows what they changed.
    pub omitted: u64,
    /// Calls about rules that could not be understood, with why.
    pub not_understood: Vec<String>,
    /// The facts themselves, in order.
    pub facts: Vec<facts::Fact>,
}

impl Knowledge {
    /// The time that the records of an account and Region cover. If the Region is not known, that of all its Regions.
    #[must_use]
    pub fn span(&self, account: Option<&str>, region: Option<&str>) -> Option<(i64, i64)> {
        let of = self.spans.iter().filter(|((a, r), _)| {
            account.is_none_or(|account| account == a) && region.is_none_or(|region| region == r)
        });
        // What is common to all of them.
        of.map(|(_, span)| *span).reduce(|one, other| (one.0.max(other.0), one.1.min(other.1)))
    }
}
