//! What EC2 shows now: rules, prefix lists, VPCs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, SecurityGroup, SecurityGroupRule};
use portcullis_domain::exposure::{GroupFacts, PrefixLists, Rule};
use portcullis_domain::ids::{GroupId, PrefixListId, RuleId, VpcId, escaped};
use portcullis_domain::net::{Cidr, Protocol, Source, Traffic};
use portcullis_domain::trail::{Permission, Resource};
use tokio::time::Instant;

use crate::aws::rate_limit::Api;
use crate::aws::{AccountRegion, Aws, AwsError, Effect, FunctionIdentity};

/// What a look at a subject found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The groups, each with all of its ingress rules.
    pub groups: Vec<GroupFacts>,
    /// The entries of the prefix lists that matter.
    pub prefix_lists: PrefixLists,
    /// When the look began: nothing in it is older.
    pub at: Instant,
}

/// Prefix lists that the invocation has read already, so that a thousand groups that share one cost one call. What could
/// not be read is not kept.
#[derive(Debug, Default)]
pub struct KnownLists(Mutex<BTreeMap<(AccountRegion, PrefixListId), Vec<Cidr>>>);

impl KnownLists {
    fn get(&self, target: &AccountRegion, list: &PrefixListId) -> Option<Vec<Cidr>> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(&(target.clone(), list.clone())).cloned()
    }

    fn keep(&self, target: &AccountRegion, list: &PrefixListId, entries: &[Cidr]) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.insert((target.clone(), list.clone()), entries.to_vec());
    }
}

/// What a look has to bring.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Whether the groups' VPCs are needed.
    pub vpc: bool,
    /// Whether a rule's prefix list matters.
    pub prefix_list_of: &'a (dyn Fn(&Permission) -> bool + Sync),
    /// Prefix lists that need not be read again; `None`: read afresh.
    pub known: Option<&'a KnownLists>,
}

impl Aws {
    /// Looks at a subject: one DescribeSecurityGroupRules (every page), and only where they are needed one
    /// DescribeSecurityGroups and a GetManagedPrefixListEntries for each prefix list.
    ///
    /// # Errors
    /// [`AwsError`]: a look that is not complete is none. A prefix list that cannot be read is no error but stands as
    /// such in the facts.
    pub async fn look(
        &self,
        target: &AccountRegion,
        own: &FunctionIdentity,
        resource: &Resource,
        wanted: Wanted<'_>,
    ) -> Result<Facts, AwsError> {
        let at = Instant::now();
        let ec2 = Paced { ec2: self.ec2(target, own).await?, aws: self, target };
        let mut groups: BTreeMap<GroupId, GroupFacts> = BTreeMap::new();
        let empty = |group: &GroupId| GroupFacts {
            group: group.clone(),
            vpc: None,
            rules: Vec::new(),
            egress: BTreeSet::new(),
        };
        let looked_at = match resource {
            Resource::Group(group) => Some(vec![group.clone()]),
            Resource::GroupName(name) => Some(groups_named(&ec2, name).await?),
            Resource::PrefixList(list) => Some(groups_that_refer_to(&ec2, list).await?),
            Resource::Region => None,
        };
        for group in looked_at.iter().flatten() {
            groups.insert(group.clone(), empty(group));
        }
        let portions =
            looked_at.as_deref().map_or_else(|| vec![None], |all| all.chunks(MOST_VALUES).map(Some).collect());
        for portion in &portions {
            for rule in rules(&ec2, *portion).await? {
                let (group, rule) = read_rule(&rule)?;
                let facts = groups.entry(group.clone()).or_insert_with(|| empty(&group));
                match rule {
                    Direction::Ingress(rule) => facts.rules.push(rule),
                    Direction::Egress(id) => _ = facts.egress.insert(id),
                }
            }
        }
        if wanted.vpc {
            for portion in portions {
                for (group, vpc) in vpcs(&ec2, portion).await? {
                    if let Some(facts) = groups.get_mut(&group) {
                        facts.vpc = Some(vpc);
                    }
                }
            }
            // Right after its creation a group may not be listed yet. Not knowing its VPC must not make us bolder.
            if let Some(unknown) = groups.values().find(|group| group.vpc.is_none() && !group.rules.is_empty()) {
                let message = format!("{} has rules, but its VPC is not listed", unknown.group);
                let (call, code) = ("DescribeSecurityGroups", "Incomplete".to_owned());
                return Err(AwsError { call, code, message, effect: Effect::NotYet });
            }
        }
        let rules = groups.values().flat_map(|group| &group.rules).map(|rule| &rule.permission);
        let lists: BTreeSet<PrefixListId> = rules
            .filter(|permission| (wanted.prefix_list_of)(permission))
            .filter_map(|permission| match &permission.source {
                Source::PrefixList(id) => Some(id.clone()),
                Source::Cidr(_) | Source::Group(_) | Source::Unknown(_) => None,
            })
            .collect();
        let mut prefix_lists = PrefixLists::new();
        for list in lists {
            let entries = match wanted.known.and_then(|known| known.get(target, &list)) {
                Some(entries) => Ok(entries),
                None => prefix_list(&ec2.ec2, &list, None).await.map_err(|error| error.to_string()),
            };
            if let (Some(known), Ok(entries)) = (wanted.known, &entries) {
                known.keep(target, &list, entries);
            }
            prefix_lists.insert(list, entries);
        }
        Ok(Facts { groups: groups.into_values().collect(), prefix_lists, at })
    }

    /// What a version of a prefix list holds, now or in the past.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn prefix_list_version(
        &self,
        target: &AccountRegion,
        own: &FunctionIdentity,
        list: &PrefixListId,
        version: i64,
    ) -> Result<Vec<Cidr>, AwsError> {
        prefix_list(&self.ec2(target, own).await?, list, Some(version)).await
    }
}

/// A client whose Describe calls keep within EC2's token buckets.
struct Paced<'a> {
    ec2: Client,
    aws: &'a Aws,
    target: &'a AccountRegion,
}

/// A filter takes at most so many values (EC2 User Guide, "List and filter using the CLI and API").
const MOST_VALUES: usize = 200;

fn filter(name: &str, values: Option<Vec<String>>) -> Option<Vec<Filter>> {
    values.map(|values| vec![Filter::builder().name(name).set_values(Some(values)).build()])
}

fn texts(groups: &[GroupId]) -> Vec<String> {
    groups.iter().map(ToString::to_string).collect()
}

async fn rules(paced: &Paced<'_>, groups: Option<&[GroupId]>) -> Result<Vec<SecurityGroupRule>, AwsError> {
    let filters = filter("group-id", groups.map(texts));
    let (mut rules, mut token) = (Vec::new(), None);
    loop {
        paced.aws.pace.take(paced.target, Api::Rules).await;
        let call = paced.ec2.describe_security_group_rules().set_filters(filters.clone()).max_results(1000);
        let page = call.set_next_token(token).send().await;
        let page = page.map_err(|error| AwsError::from_sdk("DescribeSecurityGroupRules", &error))?;
        rules.extend(page.security_group_rules.unwrap_or_default());
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(rules);
        }
    }
}

const DESCRIBE_GROUPS: &str = "DescribeSecurityGroups";

/// Every page of a DescribeSecurityGroups. What asks for one name is one page.
async fn groups(
    paced: &Paced<'_>,
    name: Option<&str>,
    filters: Option<Vec<Filter>>,
) -> Result<Vec<SecurityGroup>, AwsError> {
    let (mut groups, mut token) = (Vec::new(), None);
    loop {
        paced.aws.pace.take(paced.target, Api::Groups).await;
        let call = paced.ec2.describe_security_groups().set_filters(filters.clone());
        let call = call.set_group_names(name.map(|name| vec![name.to_owned()])).set_next_token(token);
        let page = call.send().await.map_err(|error| AwsError::from_sdk(DESCRIBE_GROUPS, &error))?;
        groups.extend(page.security_groups.unwrap_or_default());
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(groups);
        }
    }
}

fn group_id(group: &SecurityGroup) -> Result<GroupId, AwsError> {
    group.group_id().unwrap_or_default().parse().map_err(|error| odd(DESCRIBE_GROUPS, &error))
}

/// Groups of the default VPC: only there can a call name a group without its id, and only those does `GroupName` find
/// (EC2 API Reference, DescribeSecurityGroups).
async fn groups_named(paced: &Paced<'_>, name: &str) -> Result<Vec<GroupId>, AwsError> {
    match groups(paced, Some(name), None).await {
        Ok(groups) => groups.iter().map(group_id).collect(),
        Err(error) if error.effect == Effect::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Groups with an ingress rule whose source is the list.
async fn groups_that_refer_to(paced: &Paced<'_>, list: &PrefixListId) -> Result<Vec<GroupId>, AwsError> {
    let filters = filter("ip-permission.prefix-list-id", Some(vec![list.to_string()]));
    groups(paced, None, filters).await?.iter().map(group_id).collect()
}

async fn vpcs(paced: &Paced<'_>, looked_at: Option<&[GroupId]>) -> Result<Vec<(GroupId, VpcId)>, AwsError> {
    let mut found = Vec::new();
    for group in groups(paced, None, filter("group-id", looked_at.map(texts))).await? {
        if let Some(vpc) = group.vpc_id() {
            found.push((group_id(&group)?, vpc.parse().map_err(|error| odd(DESCRIBE_GROUPS, &error))?));
        }
    }
    Ok(found)
}

async fn prefix_list(ec2: &Client, list: &PrefixListId, version: Option<i64>) -> Result<Vec<Cidr>, AwsError> {
    let call = "GetManagedPrefixListEntries";
    let entries = ec2.get_managed_prefix_list_entries().prefix_list_id(list.as_str()).set_target_version(version);
    let mut pages = entries.into_paginator().items().send();
    let mut cidrs = Vec::new();
    while let Some(entry) = pages.next().await {
        let entry = entry.map_err(|error| AwsError::from_sdk(call, &error))?;
        cidrs.push(entry.cidr().unwrap_or_default().parse().map_err(|error| odd(call, &error))?);
    }
    Ok(cidrs)
}

/// A rule, as far as it matters.
enum Direction {
    Ingress(Rule),
    Egress(RuleId),
}

/// A rule and its group. What cannot be understood stays in it as unknown and is the judge's to doubt; only a rule
/// without usable ids makes the whole look useless.
fn read_rule(rule: &SecurityGroupRule) -> Result<(GroupId, Direction), AwsError> {
    let call = "DescribeSecurityGroupRules";
    let id: RuleId = rule.security_group_rule_id().unwrap_or_default().parse().map_err(|error| odd(call, &error))?;
    let group: GroupId = rule.group_id().unwrap_or_default().parse().map_err(|error| odd(call, &error))?;
    if rule.is_egress() == Some(true) {
        return Ok((group, Direction::Egress(id)));
    }
    let protocol = Protocol::from(rule.ip_protocol().unwrap_or("missing"));
    let traffic = Traffic::new(protocol, rule.from_port().map(i64::from), rule.to_port().map(i64::from));
    Ok((group, Direction::Ingress(Rule { id, permission: Permission { traffic, source: source(rule) } })))
}

fn source(rule: &SecurityGroupRule) -> Source {
    let cidr = |text: &str| text.parse().map_or_else(|_| Source::Unknown(escaped(text)), Source::Cidr);
    let list = |text: &str| text.parse().map_or_else(|_| Source::Unknown(escaped(text)), Source::PrefixList);
    if let Some(text) = rule.cidr_ipv4().or(rule.cidr_ipv6()) {
        cidr(text)
    } else if let Some(text) = rule.prefix_list_id() {
        list(text)
    } else if let Some(group) = rule.referenced_group_info() {
        Source::Group(escaped(group.group_id().unwrap_or("a security group")))
    } else {
        Source::Unknown("EC2 shows none".to_owned())
    }
}

fn odd(call: &'static str, error: &impl std::fmt::Display) -> AwsError {
    AwsError { call, code: "BadAnswer".to_owned(), message: error.to_string(), effect: Effect::Unknown }
}
