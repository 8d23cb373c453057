//! ModifySecurityGroupRules: gives rules back what they were before. The function's role may call it only where the stack's
//! parameter `Restore` says so.

use std::collections::BTreeMap;

use aws_config::retry::RetryConfig;
use aws_sdk_ec2::config::Builder;
use aws_sdk_ec2::operation::RequestId;
use aws_sdk_ec2::types::{SecurityGroupRuleRequest, SecurityGroupRuleUpdate};
use portcullis_domain::ids::{GroupId, RuleId};
use portcullis_domain::net::Family;
use portcullis_domain::rule::{Permission, Protocol, Source};

use super::Permit;
use crate::aws::rate_limit::Api;
use crate::aws::{AwsError, Effect, Session, within};

/// The call's name.
pub const MODIFY: &str = "ModifySecurityGroupRules";

/// What a rule becomes: all of it, for the call replaces the whole rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewValue {
    /// Its traffic and its source.
    pub permission: Permission,
    /// Its description. `Some("")` takes away the one that it has.
    pub description: Option<String>,
}

impl Session<'_> {
    /// Changes ingress rules of a group, and returns the id of the request. Sent once: EC2 answers only that it took the call,
    /// so whatever the answer, the caller describes the group again.
    ///
    /// # Errors
    /// [`AwsError`]; `InvalidPermission.Duplicate` where another rule of the group is like that already.
    pub async fn modify(
        &self,
        permit: Permit<'_>,
        group: &GroupId,
        rules: &BTreeMap<RuleId, NewValue>,
    ) -> Result<Option<String>, AwsError> {
        within(self.until, MODIFY, self.send_modify(permit, group, rules)).await
    }

    async fn send_modify(
        &self,
        permit: Permit<'_>,
        group: &GroupId,
        rules: &BTreeMap<RuleId, NewValue>,
    ) -> Result<Option<String>, AwsError> {
        let updates: Result<Vec<SecurityGroupRuleUpdate>, AwsError> = rules.iter().map(update).collect();
        let updates = updates?;
        let once = Builder::new().retry_config(RetryConfig::disabled());
        let target = permit.target().clone();
        let ec2 = self.ec2(&target).await?;
        permit.use_up();
        let answer = ec2
            .modify_security_group_rules()
            .group_id(group.as_str())
            .set_security_group_rules(Some(updates))
            .customize()
            .config_override(once)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(MODIFY, &error))
            .inspect_err(|error| {
                if error.effect == Effect::NotYet {
                    self.aws.rate_limiter.empty(&target, Api::Revoke);
                }
            })?;
        Ok(answer.request_id().map(str::to_owned))
    }
}

/// The whole rule. With the protocol -1 EC2 takes no ports.
fn update((id, value): (&RuleId, &NewValue)) -> Result<SecurityGroupRuleUpdate, AwsError> {
    let traffic = &value.permission.traffic;
    let has_ports = *traffic.protocol() != Protocol::All;
    let port = |port: Option<i64>| port.filter(|_| has_ports).and_then(|port| i32::try_from(port).ok());
    let rule = SecurityGroupRuleRequest::builder()
        .ip_protocol(traffic.protocol().to_string())
        .set_from_port(port(traffic.from_port()))
        .set_to_port(port(traffic.to_port()))
        .set_description(value.description.clone());
    let rule = match &value.permission.source {
        Source::Cidr(cidr) if cidr.family() == Family::V4 => rule.cidr_ipv4(cidr.to_string()),
        Source::Cidr(cidr) => rule.cidr_ipv6(cidr.to_string()),
        Source::PrefixList(list) => rule.prefix_list_id(list.as_str()),
        Source::Group(_) | Source::Unknown(_) => {
            let why = format!("{id}: its source is no block of addresses and no prefix list");
            return Err(AwsError::not_sent(MODIFY, why));
        }
    };
    Ok(SecurityGroupRuleUpdate::builder().security_group_rule_id(id.as_str()).security_group_rule(rule.build()).build())
}
