//! Facts: what one call, or one line of a snapshot, says.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::net::IpAddr;

use portcullis_domain::ids::PrefixListId;
use portcullis_domain::net::Cidr;
use portcullis_domain::rule::{Permission, Source, Traffic};

use super::{By, Direction};

/// A rule in a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RulePart {
    /// Its id, where the record has it.
    pub id: Option<String>,
    /// Which way, where the record says it.
    pub direction: Option<Direction>,
    /// What it admits.
    pub permission: Permission,
}

/// What a call makes of a rule. `None`: it stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModifiedPart {
    /// The rule's id.
    pub id: String,
    /// The new traffic.
    pub traffic: Option<Traffic>,
    /// The new source.
    pub source: Option<Source>,
}

/// An interface as a call or a snapshot shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
#[expect(missing_docs, reason = "as in Interface")]
pub struct InterfaceSeen {
    pub id: String,
    pub vpc: Option<String>,
    pub subnet: Option<String>,
    pub description: Option<String>,
    pub requester: Option<String>,
    pub addresses: BTreeSet<IpAddr>,
    /// `None`: not shown.
    pub groups: Option<BTreeSet<String>>,
    pub instance: Option<String>,
    pub attachment: Option<String>,
    pub device: Option<i64>,
}

/// An instance as a call or a snapshot shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
#[expect(missing_docs, reason = "as in Instance")]
pub struct InstanceSeen {
    pub id: String,
    pub name: Option<String>,
    pub asg: Option<String>,
    pub image: Option<String>,
    pub launched: Option<i64>,
    pub interfaces: Vec<InterfaceSeen>,
}

/// What happened. The order of the variants is the order in which facts of one second are followed: what is made comes
/// before what changes it, and that before what removes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the fields are those of the calls")]
pub enum What {
    GroupCreated {
        group: String,
        name: Option<String>,
        vpc: Option<String>,
    },
    Opened {
        group: String,
        rules: Vec<RulePart>,
    },
    Modified {
        group: Option<String>,
        rules: Vec<ModifiedPart>,
    },
    Closed {
        group: Option<String>,
        rules: Vec<RulePart>,
        ids: Vec<String>,
    },
    Launched(Vec<InstanceSeen>),
    InterfaceCreated(InterfaceSeen),
    Attached {
        interface: String,
        instance: String,
        id: Option<String>,
        device: Option<i64>,
    },
    InterfaceGroups {
        interface: String,
        groups: BTreeSet<String>,
    },
    InstanceGroups {
        instance: String,
        groups: BTreeSet<String>,
    },
    Named {
        resource: String,
        name: Option<String>,
    },
    Detached {
        id: String,
    },
    /// The entries of a prefix list were perhaps changed.
    ListChanged {
        list: PrefixListId,
    },
    InterfaceDeleted {
        interface: String,
    },
    Terminated {
        instances: Vec<String>,
    },
    GroupDeleted {
        group: String,
    },
    /// CloudTrail left the parameters out.
    Omitted {
        group: Option<String>,
        call: String,
    },
    RulesSeen {
        rules: Vec<(String, RulePart)>,
    },
    GroupsSeen {
        groups: Vec<(String, Option<String>, Option<String>)>,
    },
    ListOwned {
        list: PrefixListId,
        owner: String,
    },
    ListSeen {
        list: PrefixListId,
        entries: Vec<Cidr>,
    },
    InterfacesSeen(Vec<InterfaceSeen>),
    InstancesSeen(Vec<InstanceSeen>),
}

/// A fact, and where it is from. Facts are ordered by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// In seconds since 1970.
    pub time: i64,
    /// What happened.
    pub what: What,
    /// Who did it.
    pub by: By,
    /// The account.
    pub account: Option<String>,
    /// The Region.
    pub region: Option<String>,
    /// Whether its time is certain: a record's is, a snapshot's only if someone said when it was taken.
    pub is_dated: bool,
}

impl Fact {
    /// The order in which facts are followed. Records have whole seconds, so nothing tells which of two changes of rules, or of
    /// interfaces' groups, in one second came first: they are in the order of their events' ids, as in the views for Athena.
    #[must_use]
    pub fn followed(&self, other: &Self) -> Ordering {
        let changes = self.what.changes().filter(|_| self.what.changes() == other.what.changes());
        let by_event = changes.map_or(Ordering::Equal, |_| self.by.event.cmp(&other.by.event));
        self.time.cmp(&other.time).then(by_event).then_with(|| self.cmp(other))
    }
}

/// What a call changes, one way or the other.
#[derive(Debug, PartialEq, Eq)]
enum Changes {
    Rules,
    /// Of an interface, or of the instance that it is at. These two are neighbours in the order of [`What`].
    Groups,
}

impl What {
    const fn changes(&self) -> Option<Changes> {
        match self {
            Self::Modified { .. } => Some(Changes::Rules),
            Self::InterfaceGroups { .. } | Self::InstanceGroups { .. } => Some(Changes::Groups),
            _ => None,
        }
    }
}
