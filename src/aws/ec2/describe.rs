//! What EC2 shows now of a resource: its groups, their rules, their VPCs and the prefix lists that matter.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_domain::exposure::{GroupFacts, PrefixLists};
use portcullis_domain::ids::{GroupId, PrefixListId, VpcId};
use portcullis_domain::net::Source;
use portcullis_domain::trail::{Permission, Resource};
use tokio::time::Instant;

use super::groups::{groups_named, groups_that_refer_to, vpcs};
use super::rules::{DESCRIBE_RULES, Described, read, rules};
use super::{KnownLists, LimitedClient, MOST_VALUES, prefix_lists};
use crate::aws::{AccountRegion, AwsError, Session, within};

/// What EC2 shows of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The groups, each with all of its ingress rules.
    pub groups: Vec<GroupFacts>,
    /// The entries of the prefix lists that matter.
    pub prefix_lists: PrefixLists,
    /// When the first call was sent: nothing in the facts is older.
    pub observed_at: Instant,
}

/// What the facts must contain.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Whether the groups' VPCs are needed.
    pub vpc: bool,
    /// Whether a rule's prefix list matters.
    pub prefix_list_of: &'a (dyn Fn(&Permission) -> bool + Sync),
    /// Prefix lists that need not be read again; `None`: all are read.
    pub known: Option<&'a KnownLists>,
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
    ) -> Result<Facts, AwsError> {
        let observed_at = Instant::now();
        let read = async {
            let client = LimitedClient::of(self, target).await?;
            let groups = groups_of(&client, resource, wanted.vpc).await?;
            let lists = prefix_lists::read(&client, lists_of(&groups, wanted), wanted.known).await;
            Ok(Facts { groups, prefix_lists: lists, observed_at })
        };
        within(self.until, DESCRIBE_RULES, read).await
    }
}

/// The groups of a resource, with their rules.
async fn groups_of(
    client: &LimitedClient<'_>,
    resource: &Resource,
    wants_vpc: bool,
) -> Result<Vec<GroupFacts>, AwsError> {
    let named = match resource {
        Resource::Group(group) => Some(vec![group.clone()]),
        Resource::GroupName(name) => Some(groups_named(client, name).await?),
        Resource::PrefixList(list) => Some(groups_that_refer_to(client, list).await?),
        Resource::Region => None,
    };
    let named_facts = named.iter().flatten().map(|group| (group.clone(), without_rules(group)));
    let mut groups: BTreeMap<GroupId, GroupFacts> = named_facts.collect();
    let portions: Vec<Option<&[GroupId]>> =
        named.as_deref().map_or_else(|| vec![None], |all| all.chunks(MOST_VALUES).map(Some).collect());
    for portion in &portions {
        for rule in rules(client, *portion).await? {
            let (group, rule) = read(&rule)?;
            let facts = groups.entry(group.clone()).or_insert_with(|| without_rules(&group));
            match rule {
                Described::Ingress(rule) => facts.rules.push(rule),
                Described::Egress(id) => _ = facts.egress.insert(id),
            }
        }
    }
    if wants_vpc {
        for portion in portions {
            add_vpcs(&mut groups, vpcs(client, portion).await?);
        }
        // Right after its creation a group may not be listed yet. Its VPC may be exempt, so nothing is decided without it.
        if let Some(unknown) = groups.values().find(|group| group.vpc.is_none() && !group.rules.is_empty()) {
            let message = format!("{} has rules, but its VPC is not listed", unknown.group);
            return Err(AwsError::incomplete("DescribeSecurityGroups", message));
        }
    }
    Ok(groups.into_values().collect())
}

fn without_rules(group: &GroupId) -> GroupFacts {
    GroupFacts { group: group.clone(), vpc: None, rules: Vec::new(), egress: BTreeSet::new() }
}

fn add_vpcs(groups: &mut BTreeMap<GroupId, GroupFacts>, vpcs: Vec<(GroupId, VpcId)>) {
    for (group, vpc) in vpcs {
        if let Some(facts) = groups.get_mut(&group) {
            facts.vpc = Some(vpc);
        }
    }
}

/// The prefix lists that matter in the rules of the groups.
fn lists_of(groups: &[GroupFacts], wanted: Wanted<'_>) -> BTreeSet<PrefixListId> {
    let rules = groups.iter().flat_map(|group| &group.rules).map(|rule| &rule.permission);
    let matter = rules.filter(|permission| (wanted.prefix_list_of)(permission));
    let list = |permission: &Permission| match &permission.source {
        Source::PrefixList(id) => Some(id.clone()),
        Source::Cidr(_) | Source::Group(_) | Source::Unknown(_) => None,
    };
    matter.filter_map(list).collect()
}
