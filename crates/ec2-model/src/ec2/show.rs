//! Rules and groups as EC2's answers write them.

use super::groups::{arn, tag_set};
use crate::{
    Direction, Rule, Source,
    rule::RuleSpec,
    state::{Group, Place},
    tree::Tree,
};

/// SecurityGroupRule. The members have the order of real answers.
pub(super) fn rule(place: &Place, rule: &Rule) -> Tree {
    let (ipv4, ipv6, list, group) = sources(&rule.source);
    let referenced =
        group.map(|(id, account)| Tree::map([("groupId", Some(id.into())), ("userId", account.map(Into::into))]));
    Tree::map([
        ("groupOwnerId", Some(place.account.as_str().into())),
        ("groupId", Some(rule.group.as_str().into())),
        ("securityGroupRuleId", Some(rule.id.as_str().into())),
        ("securityGroupRuleArn", Some(arn(&place.region, &place.account, "security-group-rule", &rule.id).into())),
        ("description", rule.description.as_deref().map(Into::into)),
        ("isEgress", Some(Tree::Bool(rule.direction == Direction::Egress))),
        ("ipProtocol", Some(rule.protocol.as_str().into())),
        ("fromPort", Some(rule.from_port.into())),
        ("toPort", Some(rule.to_port.into())),
        ("cidrIpv4", ipv4.map(Into::into)),
        ("cidrIpv6", ipv6.map(Into::into)),
        ("prefixListId", list.map(Into::into)),
        ("referencedGroupInfo", referenced),
        ("tagSet", tag_set(&rule.tags)),
    ])
}

/// RevokedSecurityGroupRule.
pub(super) fn revoked_rule(rule: &Rule) -> Tree {
    let (ipv4, ipv6, list, group) = sources(&rule.source);
    Tree::map([
        ("securityGroupRuleId", Some(rule.id.as_str().into())),
        ("groupId", Some(rule.group.as_str().into())),
        ("isEgress", Some(Tree::Bool(rule.direction == Direction::Egress))),
        ("ipProtocol", Some(rule.protocol.as_str().into())),
        ("fromPort", Some(rule.from_port.into())),
        ("toPort", Some(rule.to_port.into())),
        ("cidrIpv4", ipv4.map(Into::into)),
        ("cidrIpv6", ipv6.map(Into::into)),
        ("prefixListId", list.map(Into::into)),
        ("referencedGroupId", group.map(|(id, _)| id.into())),
        ("description", rule.description.as_deref().map(Into::into)),
    ])
}

type Sources<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, Option<(&'a str, Option<&'a str>)>);

fn sources(source: &Source) -> Sources<'_> {
    match source {
        Source::Ipv4(cidr) => (Some(cidr), None, None, None),
        Source::Ipv6(cidr) => (None, Some(cidr), None, None),
        Source::PrefixList(id) => (None, None, Some(id), None),
        Source::Group { id, account } => (None, None, None, Some((id, account.as_deref()))),
    }
}

/// SecurityGroup.
pub(super) fn group(place: &Place, group: &Group, rules: &[Rule]) -> Tree {
    let of = |direction| {
        let specs = rules.iter().filter(|rule| rule.direction == direction).map(spec).collect::<Vec<_>>();
        permissions(&specs)
    };
    Tree::map([
        ("ownerId", Some(place.account.as_str().into())),
        ("groupId", Some(group.id.as_str().into())),
        ("groupName", Some(group.name.as_str().into())),
        ("groupDescription", Some(group.description.as_str().into())),
        ("vpcId", Some(place.vpc_id(group.vpc).into())),
        ("securityGroupArn", Some(arn(&place.region, &place.account, "security-group", &group.id).into())),
        ("ipPermissions", Some(of(Direction::Ingress))),
        ("ipPermissionsEgress", Some(of(Direction::Egress))),
        ("tagSet", tag_set(&group.tags)),
    ])
}

fn spec(rule: &Rule) -> RuleSpec {
    RuleSpec {
        protocol: rule.protocol.clone(),
        ports: (rule.from_port, rule.to_port),
        source: rule.source.clone(),
        description: rule.description.clone(),
    }
}

/// IpPermissions: rules with the same protocol and port range become one permission with several sources.
pub(super) fn permissions(specs: &[RuleSpec]) -> Tree {
    let mut keys: Vec<(&str, (i32, i32))> = Vec::new();
    for spec in specs {
        let key = (spec.protocol.as_str(), spec.ports);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let permission = |(protocol, ports): &(&str, (i32, i32))| {
        let same = specs.iter().filter(|spec| spec.protocol == *protocol && spec.ports == *ports);
        one_permission(protocol, *ports, &same.collect::<Vec<_>>())
    };
    Tree::List(keys.iter().map(permission).collect())
}

fn one_permission(protocol: &str, (from, to): (i32, i32), specs: &[&RuleSpec]) -> Tree {
    let mut lists: [Vec<Tree>; 4] = Default::default();
    let [groups, ipv4_ranges, ipv6_ranges, prefix_lists] = &mut lists;
    for spec in specs {
        let description = ("description", spec.description.as_deref().map(Tree::from));
        let source = Some(spec.source.text().into());
        match &spec.source {
            Source::Ipv4(_) => ipv4_ranges.push(Tree::map([("cidrIp", source), description])),
            Source::Ipv6(_) => ipv6_ranges.push(Tree::map([("cidrIpv6", source), description])),
            Source::PrefixList(_) => prefix_lists.push(Tree::map([("prefixListId", source), description])),
            Source::Group { account, .. } => {
                let account = ("userId", account.as_deref().map(Tree::from));
                groups.push(Tree::map([account, ("groupId", source), description]));
            }
        }
    }
    let [groups, ipv4_ranges, ipv6_ranges, prefix_lists] = lists.map(|list| Some(Tree::List(list)));
    // "All protocols" has no ports. That other protocol numbers have none either is inferred.
    let has_ports = matches!(protocol, "tcp" | "udp" | "icmp" | "icmpv6");
    Tree::map([
        ("ipProtocol", Some(protocol.into())),
        ("fromPort", has_ports.then(|| from.into())),
        ("toPort", has_ports.then(|| to.into())),
        ("groups", groups),
        ("ipRanges", ipv4_ranges),
        ("ipv6Ranges", ipv6_ranges),
        ("prefixListIds", prefix_lists),
    ])
}
