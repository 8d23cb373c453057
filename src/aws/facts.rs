//! What EC2 shows now: rules, prefix lists, VPCs.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, SecurityGroupRule};
use portcullis_domain::exposure::{GroupFacts, PrefixLists, Rule};
use portcullis_domain::ids::{GroupId, PrefixListId, RuleId, VpcId, shown};
use portcullis_domain::net::{Cidr, Protocol, Source, Traffic};
use portcullis_domain::trail::{Permission, Subject};

use super::{Aws, AwsError, Effect, Own, Target};

/// What a look at a subject found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The groups, each with all of its ingress rules.
    pub groups: Vec<GroupFacts>,
    /// The entries of the prefix lists that matter.
    pub prefix_lists: PrefixLists,
}

/// What a look has to bring.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Whether the groups' VPCs are needed.
    pub vpc: bool,
    /// Whether a rule's prefix list matters.
    pub prefix_list_of: &'a (dyn Fn(&Permission) -> bool + Sync),
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
        target: &Target,
        own: &Own,
        subject: &Subject,
        wanted: Wanted<'_>,
    ) -> Result<Facts, AwsError> {
        let ec2 = self.ec2(target, own).await?;
        let mut groups: BTreeMap<GroupId, GroupFacts> = BTreeMap::new();
        let empty = |group: &GroupId| GroupFacts {
            group: group.clone(),
            vpc: None,
            rules: Vec::new(),
            egress: BTreeSet::new(),
        };
        let looked_at = match subject {
            Subject::Group(group) => Some(vec![group.clone()]),
            Subject::GroupName(name) => Some(groups_named(&ec2, name).await?),
            Subject::PrefixList(list) => Some(groups_that_refer_to(&ec2, list).await?),
            Subject::Region => None,
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
            let entries = prefix_list(&ec2, &list).await.map_err(|error| error.to_string());
            prefix_lists.insert(list, entries);
        }
        Ok(Facts { groups: groups.into_values().collect(), prefix_lists })
    }
}

/// A filter takes at most so many values (EC2 User Guide, "List and filter using the CLI and API").
const MOST_VALUES: usize = 200;

fn filter(name: &str, values: Option<Vec<String>>) -> Option<Vec<Filter>> {
    values.map(|values| vec![Filter::builder().name(name).set_values(Some(values)).build()])
}

fn texts(groups: &[GroupId]) -> Vec<String> {
    groups.iter().map(ToString::to_string).collect()
}

async fn rules(ec2: &Client, groups: Option<&[GroupId]>) -> Result<Vec<SecurityGroupRule>, AwsError> {
    let filters = filter("group-id", groups.map(texts));
    let call = ec2.describe_security_group_rules().set_filters(filters).max_results(1000);
    let mut pages = call.into_paginator().items().send();
    let mut rules = Vec::new();
    while let Some(rule) = pages.next().await {
        rules.push(rule.map_err(|error| AwsError::from_sdk("DescribeSecurityGroupRules", &error))?);
    }
    Ok(rules)
}

/// Groups of the default VPC: only there can a call name a group without its id, and only those does `GroupName` find
/// (EC2 API Reference, DescribeSecurityGroups).
async fn groups_named(ec2: &Client, name: &str) -> Result<Vec<GroupId>, AwsError> {
    let call = "DescribeSecurityGroups";
    let mut pages = ec2.describe_security_groups().group_names(name).into_paginator().items().send();
    let mut groups = Vec::new();
    while let Some(group) = pages.next().await {
        match group.map_err(|error| AwsError::from_sdk(call, &error)) {
            Ok(group) => groups.push(group.group_id().unwrap_or_default().parse().map_err(|error| odd(call, &error))?),
            Err(error) if error.effect == Effect::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
    }
    Ok(groups)
}

/// Groups with an ingress rule whose source is the list.
async fn groups_that_refer_to(ec2: &Client, list: &PrefixListId) -> Result<Vec<GroupId>, AwsError> {
    let call = "DescribeSecurityGroups";
    let filters = filter("ip-permission.prefix-list-id", Some(vec![list.to_string()]));
    let mut pages = ec2.describe_security_groups().set_filters(filters).into_paginator().items().send();
    let mut groups = Vec::new();
    while let Some(group) = pages.next().await {
        let group = group.map_err(|error| AwsError::from_sdk(call, &error))?;
        groups.push(group.group_id().unwrap_or_default().parse().map_err(|error| odd(call, &error))?);
    }
    Ok(groups)
}

async fn vpcs(ec2: &Client, groups: Option<&[GroupId]>) -> Result<Vec<(GroupId, VpcId)>, AwsError> {
    let call = "DescribeSecurityGroups";
    let filters = filter("group-id", groups.map(texts));
    let mut pages = ec2.describe_security_groups().set_filters(filters).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(group) = pages.next().await {
        let group = group.map_err(|error| AwsError::from_sdk(call, &error))?;
        if let Some(vpc) = group.vpc_id() {
            let id = group.group_id().unwrap_or_default().parse().map_err(|error| odd(call, &error))?;
            found.push((id, vpc.parse().map_err(|error| odd(call, &error))?));
        }
    }
    Ok(found)
}

async fn prefix_list(ec2: &Client, list: &PrefixListId) -> Result<Vec<Cidr>, AwsError> {
    let call = "GetManagedPrefixListEntries";
    let entries = ec2.get_managed_prefix_list_entries().prefix_list_id(list.as_str());
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
    let cidr = |text: &str| text.parse().map_or_else(|_| Source::Unknown(shown(text)), Source::Cidr);
    let list = |text: &str| text.parse().map_or_else(|_| Source::Unknown(shown(text)), Source::PrefixList);
    if let Some(text) = rule.cidr_ipv4().or(rule.cidr_ipv6()) {
        cidr(text)
    } else if let Some(text) = rule.prefix_list_id() {
        list(text)
    } else if let Some(group) = rule.referenced_group_info() {
        Source::Group(shown(group.group_id().unwrap_or("a security group")))
    } else {
        Source::Unknown("EC2 shows none".to_owned())
    }
}

fn odd(call: &'static str, error: &impl std::fmt::Display) -> AwsError {
    AwsError { call, code: "BadAnswer".to_owned(), message: error.to_string(), effect: Effect::Unknown }
}
