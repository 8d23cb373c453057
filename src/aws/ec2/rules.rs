//! Rules: DescribeSecurityGroupRules, and each rule of the answer in the domain's types.

use aws_sdk_ec2::types::{SecurityGroupRule, Tag};
use portcullis_domain::ids::{GroupId, RuleId};
use portcullis_domain::rule::Permission;
use portcullis_domain::rule::Rule;
use portcullis_domain::rule::{Protocol, Source, Traffic};
use portcullis_domain::text::escaped;

use super::{LimitedClient, filter, texts};
use crate::aws::AwsError;
use crate::aws::rate_limit::Api;

pub(super) const DESCRIBE_RULES: &str = "DescribeSecurityGroupRules";

/// All rules of these groups, or of all groups of the Region.
pub(super) async fn rules(
    client: &LimitedClient<'_>,
    groups: Option<&[GroupId]>,
) -> Result<Vec<SecurityGroupRule>, AwsError> {
    let filters = filter("group-id", groups.map(texts));
    let (mut rules, mut token) = (Vec::new(), None);
    loop {
        client.wait(Api::Rules).await;
        let call = client.ec2.describe_security_group_rules().set_filters(filters.clone()).max_results(1000);
        let page = call.set_next_token(token).send().await;
        let page = page.map_err(|error| AwsError::from_sdk(DESCRIBE_RULES, &error))?;
        rules.extend(page.security_group_rules.unwrap_or_default());
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(rules);
        }
    }
}

/// A rule, as far as it matters.
pub(super) enum Described {
    Ingress(Rule),
    Egress(RuleId),
}

/// A rule and its group. A part that cannot be understood stays in the rule as unknown, and the judgement reports it as
/// undecided. Only a rule without usable ids makes the whole answer useless.
pub(super) fn read(rule: &SecurityGroupRule) -> Result<(GroupId, Described), AwsError> {
    let bad = |error| AwsError::bad_answer(DESCRIBE_RULES, &error);
    let id: RuleId = rule.security_group_rule_id().unwrap_or_default().parse().map_err(bad)?;
    let group: GroupId = rule.group_id().unwrap_or_default().parse().map_err(bad)?;
    if rule.is_egress() == Some(true) {
        return Ok((group, Described::Egress(id)));
    }
    let protocol = Protocol::from(rule.ip_protocol().unwrap_or("missing"));
    let traffic = Traffic::new(protocol, rule.from_port().map(i64::from), rule.to_port().map(i64::from));
    let tag = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    let rule = Rule {
        id,
        permission: Permission { traffic, source: source(rule) },
        description: rule.description().map(str::to_owned),
        tags: rule.tags().iter().filter_map(tag).collect(),
    };
    Ok((group, Described::Ingress(rule)))
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
