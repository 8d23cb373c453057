//! A change: what was changed, where, and by whom. A CloudTrail record is read into it, and it is judged.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::former::Formers;
use crate::ids::{AccountId, GroupId, PrefixListId, Region, RuleId};
use crate::net::Cidr;
use crate::rule::Permission;

/// What a record says about itself, for people: unchecked text as in the record, and `None` where the record has none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventMetadata {
    /// `eventID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `eventTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// `recipientAccountId`, or else the caller's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// `awsRegion`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `eventName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The caller's ARN, or the next best name that the identity has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The ARN of the role behind an assumed-role session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `sourceIPAddress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// `userAgent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// What makes Portcullis check a group: the calls that can open ingress, and the sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Call {
    /// AuthorizeSecurityGroupIngress: new ingress rules.
    #[serde(rename = "AuthorizeSecurityGroupIngress")]
    Authorize,
    /// ModifySecurityGroupRules: rules replaced, ingress and egress alike.
    #[serde(rename = "ModifySecurityGroupRules")]
    Modify,
    /// ModifyManagedPrefixList: the rules stay, and what they admit changes.
    #[serde(rename = "ModifyManagedPrefixList")]
    ModifyPrefixList,
    /// RestoreManagedPrefixListVersion: the rules stay, and what they admit changes.
    #[serde(rename = "RestoreManagedPrefixListVersion")]
    RestorePrefixList,
    /// No call: the scheduled check of everything.
    Sweep,
}

impl Call {
    /// The names of the calls, as CloudTrail writes them. Records of other calls do not matter.
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

/// Which groups must be checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// One security group.
    Group(GroupId),
    /// A group of the default VPC, known by name only.
    GroupName(String),
    /// Every group of the Region with a rule that refers to this prefix list.
    PrefixList(PrefixListId),
    /// Every group of the Region: the record does not name the group.
    Region,
}

/// Which rules of the resource this change made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChangedRules {
    /// These rules.
    Rules(Vec<RuleId>),
    /// The rules that admit exactly these permissions.
    Permissions(Vec<Permission>),
    /// The rules whose source is this prefix list, as far as they admit the added entries.
    PrefixList {
        /// The list.
        list: PrefixListId,
        /// The blocks that were added. `None`: the record does not list them, so any entry may be new.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        added: Option<Vec<Cidr>>,
        /// The version that was restored. EC2 knows its blocks, and all of them count as added.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restored: Option<i64>,
        /// The version that the list has, at least, when the change is done. `None`: the record does not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<i64>,
    },
    /// Any ingress rule: the record does not list the rules.
    Any,
}

/// A change to judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// What the record says about itself, for people.
    pub event: EventMetadata,
    /// The account whose group was changed.
    pub account: AccountId,
    /// The group's Region.
    pub region: Region,
    /// Which call.
    pub call: Call,
    /// Which groups must be checked.
    pub resource: Resource,
    /// Which rules the change made.
    pub changed_rules: ChangedRules,
    /// All permissions that the record lists, with the rules' ids where it has them. `None`: the record does not list
    /// all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_rules: Option<Vec<(Option<RuleId>, Permission)>>,
    /// What of the record could not be read: the field, its value and what is accepted. It stops nothing: EC2 tells what
    /// the rules are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// What the rules were before that the record names, as far as it was asked for: of a Modify that is about to be acted
    /// on. It is no part of the record.
    #[serde(default, skip_serializing_if = "Formers::is_empty")]
    pub former: Formers,
}

impl Change {
    /// The sweep of one Region of an account: every group is checked, and any rule may have to go.
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
        let (recorded_rules, unread, former) = (None, None, Formers::new());
        Self { event, account, region, call, resource, changed_rules, recorded_rules, unread, former }
    }
}
