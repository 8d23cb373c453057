//! AuthorizeSecurityGroupIngress, for the operator's command line. The function never calls it, and its role may not.

use std::collections::BTreeMap;

use aws_config::retry::RetryConfig;
use aws_sdk_ec2::config::Builder;
use aws_sdk_ec2::operation::RequestId;
use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, ResourceType, Tag, TagSpecification, UserIdGroupPair,
};
use portcullis_domain::ids::{GroupId, RuleId};
use portcullis_domain::net::Family;
use portcullis_domain::rule::{Rule, Source};

use crate::aws::{AccountRegion, AwsError, Session, within};

const AUTHORIZE: &str = "AuthorizeSecurityGroupIngress";

/// EC2's answer to an authorize.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorized {
    /// The new rules' ids, in EC2's order.
    pub rules: Vec<RuleId>,
    /// The id of the request.
    pub request: Option<String>,
}

impl Session<'_> {
    /// Adds rules with these tags to a group, each with its own description. Sent once: after a failure the caller looks
    /// at the group. It is all or nothing.
    ///
    /// # Errors
    /// [`AwsError`]; `InvalidPermission.Duplicate` where one of them is there already.
    pub async fn authorize(
        &self,
        target: &AccountRegion,
        group: &GroupId,
        rules: &[Rule],
        tags: &BTreeMap<String, String>,
    ) -> Result<Authorized, AwsError> {
        within(self.until, AUTHORIZE, self.send_authorize(target, group, rules, tags)).await
    }

    async fn send_authorize(
        &self,
        target: &AccountRegion,
        group: &GroupId,
        rules: &[Rule],
        tags: &BTreeMap<String, String>,
    ) -> Result<Authorized, AwsError> {
        let permissions: Result<Vec<IpPermission>, AwsError> = rules.iter().map(permission).collect();
        let ec2 = self.ec2(target).await?;
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let specification = TagSpecification::builder().resource_type(ResourceType::SecurityGroupRule);
        let specification = specification.set_tags(Some(tags.iter().map(tag).collect())).build();
        let once = Builder::new().retry_config(RetryConfig::disabled());
        let answer = ec2
            .authorize_security_group_ingress()
            .group_id(group.as_str())
            .set_ip_permissions(Some(permissions?))
            .set_tag_specifications((!tags.is_empty()).then(|| vec![specification]))
            .customize()
            .config_override(once)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(AUTHORIZE, &error))?;
        let ids = answer.security_group_rules().iter().filter_map(|rule| rule.security_group_rule_id()?.parse().ok());
        Ok(Authorized { rules: ids.collect(), request: answer.request_id().map(str::to_owned) })
    }
}

/// A permission of its own for each rule: each has its own description.
fn permission(rule: &Rule) -> Result<IpPermission, AwsError> {
    let traffic = &rule.permission.traffic;
    let port = |port: Option<i64>| port.and_then(|port| i32::try_from(port).ok());
    let permission = IpPermission::builder()
        .ip_protocol(traffic.protocol().to_string())
        .set_from_port(port(traffic.from_port()))
        .set_to_port(port(traffic.to_port()));
    let description = rule.description.clone();
    let permission = match &rule.permission.source {
        Source::Cidr(cidr) if cidr.family() == Family::V4 => {
            permission.ip_ranges(IpRange::builder().cidr_ip(cidr.to_string()).set_description(description).build())
        }
        Source::Cidr(cidr) => permission
            .ipv6_ranges(Ipv6Range::builder().cidr_ipv6(cidr.to_string()).set_description(description).build()),
        Source::PrefixList(list) => permission.prefix_list_ids(
            PrefixListId::builder().prefix_list_id(list.as_str()).set_description(description).build(),
        ),
        Source::Group(group) => permission
            .user_id_group_pairs(UserIdGroupPair::builder().group_id(group).set_description(description).build()),
        Source::Unknown(what) => {
            let why = format!("{}: this version does not know its source, {what}: it cannot be put back", rule.id);
            return Err(AwsError::not_sent(AUTHORIZE, why));
        }
    };
    Ok(permission.build())
}
