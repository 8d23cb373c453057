//! What EC2 shows now of a resource: its groups, their rules, their VPCs and the prefix lists that matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_domain::change::Resource;
use portcullis_domain::facts::{Facts, GroupLocation};
use portcullis_domain::ids::{GroupId, PrefixListId, VpcId};
use portcullis_domain::rule::{Permission, Source};
use tokio::time::Instant;

use super::groups::{groups_named, groups_that_refer_to, vpcs};
use super::rules::{DESCRIBE_RULES, Described, read, rules};
use super::{KnownLists, LimitedClient, ListAge, MOST_VALUES, prefix_lists};
use crate::aws::{AccountRegion, AwsError, Session, within};

/// What EC2 shows of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The groups, each with all of its ingress rules.
    pub groups: Vec<Facts>,
    /// When the first call was sent: no rule in the facts is older.
    pub observed_at: Instant,
    /// When the oldest of the prefix lists was read.
    pub lists_read_at: Instant,
}

/// What the facts must contain.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Whether the groups' VPCs are needed.
    pub vpc: bool,
    /// Whether a rule's prefix list matters.
    pub prefix_list_of: &'a (dyn Fn(&Permission) -> bool + Sync),
    /// Prefix lists that were read before, and whether they will do.
    pub lists: (&'a KnownLists, ListAge),
    /// The time now.
    pub now: Timestamp,
}

impl Session<'_> {
    /// Describes a resource: one DescribeSecurityGroupRules (every page), and only where they are needed one
    /// DescribeSecurityGroups and a GetManagedPrefixListEntries for each prefix list.
    ///
    /// # Errors
    /// [`AwsError`]: incomplete facts are an error. A prefix list that cannot be read is none: the facts say why.
    pub async fn describe(
        &self,
        target: &AccountRegion,
        resource: &Resource,
        wanted: Wanted<'_>,
    ) -> Result<Description, AwsError> {
        let observed_at = Instant::now();
        let read = async {
            let client = LimitedClient::of(self, target).await?;
            let groups = Groups { target, now: wanted.now, facts: BTreeMap::new() };
            let mut groups = groups.read(&client, resource, wanted.vpc).await?;
            let (lists, lists_read_at) = prefix_lists::read(&client, lists_of(&groups, wanted), wanted.lists).await;
            let lists = Arc::new(lists);
            groups.iter_mut().for_each(|facts| facts.prefix_lists = Arc::clone(&lists));
            Ok(Description { groups, observed_at, lists_read_at })
        };
        within(self.until, DESCRIBE_RULES, read).await
    }
}

/// The groups of one account and Region, while they are read.
struct Groups<'a> {
    target: &'a AccountRegion,
    now: Timestamp,
    facts: BTreeMap<GroupId, Facts>,
}

impl Groups<'_> {
    /// The groups of a resource, with their rules.
    async fn read(
        mut self,
        client: &LimitedClient<'_>,
        resource: &Resource,
        wants_vpc: bool,
    ) -> Result<Vec<Facts>, AwsError> {
        let named = match resource {
            Resource::Group(group) => Some(vec![group.clone()]),
            Resource::GroupName(name) => Some(groups_named(client, name).await?),
            Resource::PrefixList(list) => Some(groups_that_refer_to(client, list).await?),
            Resource::Region => None,
        };
        named.iter().flatten().for_each(|group| _ = self.group(group));
        let portions: Vec<Option<&[GroupId]>> =
            named.as_deref().map_or_else(|| vec![None], |all| all.chunks(MOST_VALUES).map(Some).collect());
        for portion in &portions {
            for rule in rules(client, *portion).await? {
                let (group, rule) = read(&rule)?;
                let facts = self.group(&group);
                match rule {
                    Described::Ingress(rule) => facts.rules.push(rule),
                    Described::Egress(id) => _ = facts.egress.insert(id),
                }
            }
        }
        if wants_vpc {
            for portion in portions {
                self.add_vpcs(vpcs(client, portion).await?);
            }
            return self.with_all_vpcs();
        }
        Ok(self.facts.into_values().collect())
    }

    fn group(&mut self, group: &GroupId) -> &mut Facts {
        let AccountRegion { account, region } = self.target;
        let location =
            || GroupLocation { account: account.clone(), region: region.clone(), group: group.clone(), vpc: None };
        self.facts.entry(group.clone()).or_insert_with(|| Facts::of_rules(location(), Vec::new(), self.now))
    }

    fn add_vpcs(&mut self, vpcs: Vec<(GroupId, VpcId)>) {
        for (group, vpc) in vpcs {
            if let Some(facts) = self.facts.get_mut(&group) {
                facts.location.vpc = Some(vpc);
            }
        }
    }

    /// Right after its creation a group may not be listed yet. Its VPC may be exempt, so nothing is decided without it.
    fn with_all_vpcs(self) -> Result<Vec<Facts>, AwsError> {
        let is_unknown = |facts: &&Facts| facts.location.vpc.is_none() && !facts.rules.is_empty();
        if let Some(facts) = self.facts.values().find(is_unknown) {
            let message = format!("{} has rules, but its VPC is not listed", facts.location.group);
            return Err(AwsError::incomplete("DescribeSecurityGroups", message));
        }
        Ok(self.facts.into_values().collect())
    }
}

/// The prefix lists that matter in the rules of the groups.
fn lists_of(groups: &[Facts], wanted: Wanted<'_>) -> BTreeSet<PrefixListId> {
    let rules = groups.iter().flat_map(|group| &group.rules).map(|rule| &rule.permission);
    let matter = rules.filter(|permission| (wanted.prefix_list_of)(permission));
    let list = |permission: &Permission| match &permission.source {
        Source::PrefixList(id) => Some(id.clone()),
        Source::Cidr(_) | Source::Group(_) | Source::Unknown(_) => None,
    };
    matter.filter_map(list).collect()
}
