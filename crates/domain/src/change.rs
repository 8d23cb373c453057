//! What was changed, where, and by whom: what a record of CloudTrail comes to, and what is judged.

use jiff::Timestamp;

use crate::ids::{AccountId, GroupId, PrefixListId, Region, RuleId};
use crate::net::Cidr;
use crate::rule::Permission;

/// What a record says of itself, for people: as it stands there, unchecked, absent where absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventMetadata {
    /// `eventID`.
    pub id: Option<String>,
    /// `eventTime`.
    pub time: Option<Timestamp>,
    /// `recipientAccountId`, or else the caller's account.
    pub account: Option<String>,
    /// `awsRegion`.
    pub region: Option<String>,
    /// `eventName`.
    pub call: Option<String>,
    /// Who: the caller's ARN, or the next best that the identity holds.
    pub actor: Option<String>,
    /// The ARN of the role behind an assumed-role session.
    pub issuer: Option<String>,
    /// `sourceIPAddress`.
    pub source_ip: Option<String>,
    /// `userAgent`.
    pub user_agent: Option<String>,
}

/// What makes Portcullis look: the calls that open ingress, and the sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// AuthorizeSecurityGroupIngress: new ingress rules.
    Authorize,
    /// ModifySecurityGroupRules: rules replaced, ingress and egress alike.
    Modify,
    /// ModifyManagedPrefixList: the rules stay, and what they admit changes.
    ModifyPrefixList,
    /// RestoreManagedPrefixListVersion: likewise.
    RestorePrefixList,
    /// No call at all: the look at everything.
    Sweep,
}

impl Call {
    /// The names of the calls, as records have them. No other record matters.
    pub const NAMES: [&'static str; 4] = [
        "AuthorizeSecurityGroupIngress",
        "ModifySecurityGroupRules",
        "ModifyManagedPrefixList",
        "RestoreManagedPrefixListVersion",
    ];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let calls = [Self::Authorize, Self::Modify, Self::ModifyPrefixList, Self::RestorePrefixList];
        Self::NAMES.into_iter().zip(calls).find(|(known, _)| *known == name).map(|(_, call)| call)
    }
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// One security group.
    Group(GroupId),
    /// A group of the default VPC, known by name only.
    GroupName(String),
    /// Every group of the Region with a rule that refers to this prefix list.
    PrefixList(PrefixListId),
    /// Every group of the Region: the record does not say which.
    Region,
}

/// Which rules of the subject are this change's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedRules {
    /// These.
    Rules(Vec<RuleId>),
    /// Those that admit exactly this.
    Permissions(Vec<Permission>),
    /// Those whose source is this prefix list, as far as they admit what was added to it.
    PrefixList {
        /// The list.
        list: PrefixListId,
        /// The blocks that were added. `None`: the record does not say, so it may be any.
        added: Option<Vec<Cidr>>,
        /// The version that was restored: all of its blocks were added, and EC2 knows them.
        restored: Option<i64>,
        /// The version that the list has, at least, when the change is done. `None`: the record does not say.
        version: Option<i64>,
    },
    /// Any ingress rule: the record does not say.
    Any,
}

/// A change to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The record, for people.
    pub event: EventMetadata,
    /// The account whose group was changed.
    pub account: AccountId,
    /// The group's Region.
    pub region: Region,
    /// Which call.
    pub call: Call,
    /// Where to look.
    pub resource: Resource,
    /// Which rules are its own.
    pub changed_rules: ChangedRules,
    /// All that the record says its rules admit, with the rules' ids where it lists them. `None`: it does not say all.
    pub recorded_rules: Option<Vec<(Option<RuleId>, Permission)>>,
}

impl Change {
    /// The sweep of an account's Region: everything in it is looked at, and any rule may have to go.
    #[must_use]
    pub fn sweep(id: Option<String>, time: Option<Timestamp>, account: AccountId, region: Region) -> Self {
        let event = EventMetadata {
            id,
            time,
            account: Some(account.to_string()),
            region: Some(region.to_string()),
            call: Some("Sweep".to_owned()),
            ..EventMetadata::default()
        };
        let (call, resource, changed_rules) = (Call::Sweep, Resource::Region, ChangedRules::Any);
        Self { event, account, region, call, resource, changed_rules, recorded_rules: None }
    }
}
