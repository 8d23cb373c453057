//! The model's state: accounts and Regions with their groups and prefix lists, and the world's settings.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    BusEvent, Call, Published, Rule,
    caller::{RoleTrust, Session},
    dynamodb::{Table, TableKey},
    fault::Faults,
    ids::Ids,
    organizations::Organization,
    s3::Object,
    scheduler,
    security_hub::{self, Hub},
    sqs::Queue,
    throttle::{Buckets, Throttling},
    trail::Actor,
};

/// The VPC of a group. It decides how RevokeSecurityGroupIngress treats rules that do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vpc {
    /// The Region's default VPC: no error, and `UnknownIpPermissions` lists such rules. Groups can be named.
    Default,
    /// Any other VPC: `InvalidPermission.NotFound`. Groups have only their id.
    Other,
}

/// How long Describe calls do not see a change (Amazon EC2 Developer Guide, "Eventual consistency").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lag {
    /// Visible at once.
    #[default]
    None,
    /// Not visible for this many Describe calls that would show the change.
    Calls(u32),
    /// Not visible for this long on the model's clock.
    Millis(i64),
}

/// The countdown of one [`Lag`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pending {
    Calls(u32),
    Until(i64),
}

impl Pending {
    pub(crate) fn start(lag: Lag, now: i64) -> Self {
        match lag {
            Lag::None => Self::Calls(0),
            Lag::Calls(calls) => Self::Calls(calls),
            Lag::Millis(millis) => Self::Until(now.saturating_add(millis)),
        }
    }

    /// Counts one Describe call. Returns true once the change is visible.
    pub(crate) fn shows(&mut self, now: i64) -> bool {
        match self {
            Self::Calls(0) => true,
            Self::Calls(left) => {
                *left -= 1;
                false
            }
            Self::Until(then) => now >= *then,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct StoredRule {
    pub(crate) rule: Rule,
    /// Position in the order of creation: the cursor of pages.
    pub(crate) sequence: u64,
    pub(crate) appears: Pending,
}

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) vpc: Vpc,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) rules: Vec<StoredRule>,
    /// Revoked rules that Describe calls still show, until their `appears` is over.
    pub(crate) ghosts: Vec<StoredRule>,
    pub(crate) sequence: u64,
    pub(crate) appears: Pending,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) cidr: String,
    pub(crate) description: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct PrefixList {
    pub(crate) id: String,
    /// The account, or `AWS`.
    pub(crate) owner: String,
    pub(crate) name: String,
    /// `IPv4` or `IPv6`.
    pub(crate) family: String,
    pub(crate) max_entries: usize,
    /// Entries by version. The last version is current.
    pub(crate) versions: BTreeMap<i64, Vec<Entry>>,
    /// The last change, as the first word of EC2's state names: `create`, `modify`, `restore`.
    pub(crate) change: &'static str,
    /// The last change is in progress until this time.
    pub(crate) settles: i64,
    /// The current version while the last change is in progress.
    pub(crate) before: i64,
}

/// The owner of the lists that AWS manages.
pub(crate) const AWS: &str = "AWS";

impl PrefixList {
    /// The current version at time `now`, and its entries.
    pub(crate) fn current(&self, now: i64) -> (i64, &[Entry]) {
        let version = if now < self.settles {
            self.before
        } else {
            self.versions.last_key_value().map_or(0, |(version, _)| *version)
        };
        (version, self.versions.get(&version).map(Vec::as_slice).unwrap_or_default())
    }

    /// EC2 API Reference, ManagedPrefixList, `state`: `modify-in-progress`, `modify-complete` …
    pub(crate) fn state(&self, now: i64) -> String {
        format!("{}-{}", self.change, if now < self.settles { "in-progress" } else { "complete" })
    }
}

/// A network interface, as far as a security group has to do with it.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) id: String,
    pub(crate) groups: Vec<String>,
    pub(crate) public_ip: Option<String>,
    pub(crate) ipv6: Option<String>,
    pub(crate) sequence: u64,
}

/// One account in one Region. EC2 User Guide, "Regions": "Each Region is isolated from the other Regions".
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) default_vpc: String,
    pub(crate) other_vpc: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) prefix_lists: Vec<PrefixList>,
}

impl Place {
    pub(crate) fn vpc_id(&self, vpc: Vpc) -> &str {
        match vpc {
            Vpc::Default => &self.default_vpc,
            Vpc::Other => &self.other_vpc,
        }
    }

    pub(crate) fn prefix_list(&self, id: &str) -> Option<&PrefixList> {
        self.prefix_lists.iter().find(|list| list.id == id)
    }
}

/// The state that every operation may use and change besides its place.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) ids: Ids,
    /// Unix milliseconds.
    pub(crate) now: i64,
    pub(crate) created_lag: Lag,
    pub(crate) removed_lag: Lag,
    pub(crate) rules_per_group: usize,
    /// For each choice of an account, whether the Region is enabled.
    pub(crate) region_choices: BTreeMap<(String, String), bool>,
    /// How long a change of a prefix list is in progress, in milliseconds.
    pub(crate) prefix_list_lag: i64,
    /// AWS's own prefix lists, with their Region; each place has its copy.
    pub(crate) aws_prefix_lists: Vec<(String, PrefixList)>,
    sequence: u64,
}

impl Core {
    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }
}

/// Whether a world keeps calls and records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    Everything,
    Counts,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) core: Core,
    pub(crate) places: BTreeMap<(String, String), Place>,
    pub(crate) roles: BTreeMap<(String, String), Vec<RoleTrust>>,
    pub(crate) sessions: BTreeMap<String, Session>,
    /// The denied calls: account and action.
    pub(crate) denied: BTreeSet<(String, String)>,
    pub(crate) faults: Faults,
    pub(crate) buckets: Buckets,
    pub(crate) throttling: Throttling,
    pub(crate) calls: Vec<Call>,
    pub(crate) call_counts: BTreeMap<String, usize>,
    /// Whether calls and CloudTrail records are kept.
    pub(crate) keeps: Keeping,
    pub(crate) records: Vec<Value>,
    pub(crate) published: Vec<Published>,
    pub(crate) bus_events: Vec<BusEvent>,
    /// Where Security Hub is enabled.
    pub(crate) schedules: BTreeMap<scheduler::GroupKey, scheduler::Group>,
    pub(crate) security_hubs: BTreeMap<security_hub::Place, Hub>,
    pub(crate) objects: BTreeMap<(String, String), Object>,
    pub(crate) s3_buckets: BTreeSet<String>,
    /// The Regions of buckets; of others any will do.
    pub(crate) bucket_regions: BTreeMap<String, String>,
    /// The only roles that may read from these buckets.
    pub(crate) bucket_readers: BTreeMap<String, String>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) tables: BTreeMap<TableKey, Table>,
    pub(crate) organization: Option<Organization>,
    pub(crate) actor: Actor,
}

/// 2026-01-01T00:00:00Z: the time in a new world.
const START: i64 = 1_767_225_600_000;

impl State {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            core: Core {
                ids: Ids::new(seed),
                now: START,
                created_lag: Lag::None,
                removed_lag: Lag::None,
                // Amazon VPC User Guide, "Amazon VPC quotas": inbound or outbound rules per security group, 60.
                rules_per_group: 60,
                region_choices: BTreeMap::new(),
                prefix_list_lag: 0,
                aws_prefix_lists: Vec::new(),
                sequence: 0,
            },
            places: BTreeMap::new(),
            roles: BTreeMap::new(),
            sessions: BTreeMap::new(),
            denied: BTreeSet::new(),
            faults: Faults::default(),
            buckets: Buckets::default(),
            throttling: Throttling::default(),
            calls: Vec::new(),
            call_counts: BTreeMap::new(),
            keeps: Keeping::Everything,
            records: Vec::new(),
            published: Vec::new(),
            bus_events: Vec::new(),
            schedules: BTreeMap::new(),
            security_hubs: BTreeMap::new(),
            objects: BTreeMap::new(),
            s3_buckets: BTreeSet::new(),
            bucket_regions: BTreeMap::new(),
            bucket_readers: BTreeMap::new(),
            queues: Vec::new(),
            tables: BTreeMap::new(),
            organization: None,
            actor: Actor::default(),
        }
    }

    /// The account in the Region, with its two VPCs. Both are made on first use.
    pub(crate) fn place(&mut self, account: &str, region: &str) -> (&mut Core, &mut Place) {
        let core = &mut self.core;
        let place = self.places.entry((account.to_owned(), region.to_owned())).or_insert_with(|| Place {
            account: account.to_owned(),
            region: region.to_owned(),
            default_vpc: core.ids.resource("vpc"),
            other_vpc: core.ids.resource("vpc"),
            groups: Vec::new(),
            interfaces: Vec::new(),
            prefix_lists: core
                .aws_prefix_lists
                .iter()
                .filter(|(r, _)| r == region)
                .map(|(_, list)| list.clone())
                .collect(),
        });
        (core, place)
    }
}
