//! Calls that people make. Each has the effect of the API call and leaves its CloudTrail record, but it is not an HTTP
//! call, is not logged as one, and meets no fault and no throttle.

use crate::{
    ApiError, Permission, RuleChange, Source, Vpc, World,
    dispatch::Service,
    ec2,
    params::Params,
    trail::{self, Entry},
    tree::Tree,
};

impl World {
    /// CreateSecurityGroup. Returns the id of the group, or an empty id when EC2 refuses, which for a test's own name
    /// means that the name exists. [`World::try_create_group`] returns the reason.
    pub fn create_group(&self, account: &str, region: &str, name: &str, vpc: Vpc) -> String {
        self.try_create_group(account, region, name, vpc).unwrap_or_default()
    }

    /// CreateSecurityGroup. Returns the id of the group.
    pub fn try_create_group(&self, account: &str, region: &str, name: &str, vpc: Vpc) -> Result<String, ApiError> {
        let vpc = self.vpc_id(account, region, vpc);
        let mut params = Params::default();
        params.push("GroupName", name);
        params.push("GroupDescription", name);
        params.push("VpcId", vpc);
        let answer = self.user(account, region, "CreateSecurityGroup", params)?;
        Ok(answer.get("groupId").and_then(Tree::text).unwrap_or_default())
    }

    /// DeleteSecurityGroup.
    pub fn delete_group(&self, account: &str, region: &str, group: &str) -> Result<(), ApiError> {
        self.user(account, region, "DeleteSecurityGroup", named(group)).map(drop)
    }

    /// AuthorizeSecurityGroupIngress with `IpPermissions`. Returns the ids of the new rules. `group` is an id or, in
    /// the default VPC, a name.
    pub fn authorize(
        &self,
        account: &str,
        region: &str,
        group: &str,
        permissions: &[Permission],
    ) -> Result<Vec<String>, ApiError> {
        let answer = self.user(account, region, "AuthorizeSecurityGroupIngress", nested(group, permissions))?;
        Ok(rule_ids(&answer, "securityGroupRuleSet"))
    }

    /// AuthorizeSecurityGroupEgress with `IpPermissions`. Returns the ids of the new rules.
    pub fn authorize_egress(
        &self,
        account: &str,
        region: &str,
        group: &str,
        permissions: &[Permission],
    ) -> Result<Vec<String>, ApiError> {
        let answer = self.user(account, region, "AuthorizeSecurityGroupEgress", nested(group, permissions))?;
        Ok(rule_ids(&answer, "securityGroupRuleSet"))
    }

    /// AuthorizeSecurityGroupIngress with the flat parameters of EC2's first years, which have one IPv4 source. Returns
    /// the id of the new rule.
    pub fn authorize_flat(
        &self,
        account: &str,
        region: &str,
        group: &str,
        permission: &Permission,
    ) -> Result<Vec<String>, ApiError> {
        let mut params = named(group);
        params.push("IpProtocol", &permission.protocol);
        params.push_some("FromPort", permission.from_port);
        params.push_some("ToPort", permission.to_port);
        params.push_some("CidrIp", permission.sources.first().map(Source::text));
        let answer = self.user(account, region, "AuthorizeSecurityGroupIngress", params)?;
        Ok(rule_ids(&answer, "securityGroupRuleSet"))
    }

    /// ModifySecurityGroupRules.
    pub fn modify_rules(
        &self,
        account: &str,
        region: &str,
        group: &str,
        changes: &[RuleChange],
    ) -> Result<(), ApiError> {
        let mut params = named(group);
        for (change, number) in changes.iter().zip(1..) {
            let prefix = format!("SecurityGroupRule.{number}");
            params.push(format!("{prefix}.SecurityGroupRuleId"), &change.rule);
            let prefix = format!("{prefix}.SecurityGroupRule");
            let permission = &change.permission;
            params.push(format!("{prefix}.IpProtocol"), &permission.protocol);
            params.push_some(format!("{prefix}.FromPort"), permission.from_port);
            params.push_some(format!("{prefix}.ToPort"), permission.to_port);
            for source in &permission.sources {
                let field = match source {
                    Source::Ipv4(_) => "CidrIpv4",
                    Source::Ipv6(_) => "CidrIpv6",
                    Source::PrefixList(_) => "PrefixListId",
                    Source::Group { .. } => "ReferencedGroupId",
                };
                params.push(format!("{prefix}.{field}"), source.text());
            }
            params.push_some(format!("{prefix}.Description"), permission.description.as_ref());
        }
        self.user(account, region, "ModifySecurityGroupRules", params).map(drop)
    }

    /// RevokeSecurityGroupIngress by rule ids. Returns the ids that were revoked.
    pub fn revoke(&self, account: &str, region: &str, group: &str, rules: &[&str]) -> Result<Vec<String>, ApiError> {
        let mut params = named(group);
        for (rule, number) in rules.iter().zip(1..) {
            params.push(format!("SecurityGroupRuleId.{number}"), rule);
        }
        let answer = self.user(account, region, "RevokeSecurityGroupIngress", params)?;
        Ok(rule_ids(&answer, "revokedSecurityGroupRuleSet"))
    }

    /// RevokeSecurityGroupIngress by properties. Returns the ids that were revoked.
    pub fn revoke_permissions(
        &self,
        account: &str,
        region: &str,
        group: &str,
        permissions: &[Permission],
    ) -> Result<Vec<String>, ApiError> {
        let answer = self.user(account, region, "RevokeSecurityGroupIngress", nested(group, permissions))?;
        Ok(rule_ids(&answer, "revokedSecurityGroupRuleSet"))
    }

    /// CreateManagedPrefixList. Returns the id of the list. The family is that of the first CIDR, or IPv4 without a
    /// CIDR.
    pub fn create_prefix_list(
        &self,
        account: &str,
        region: &str,
        name: &str,
        max_entries: usize,
        cidrs: &[&str],
    ) -> Result<String, ApiError> {
        let mut params = Params::default();
        let ipv6 = cidrs.first().is_some_and(|cidr| cidr.contains(':'));
        params.push("PrefixListName", name);
        params.push("AddressFamily", if ipv6 { "IPv6" } else { "IPv4" });
        params.push("MaxEntries", max_entries);
        push_entries(&mut params, "Entry", cidrs);
        let answer = self.user(account, region, "CreateManagedPrefixList", params)?;
        Ok(answer.get("prefixList").and_then(|list| list.get("prefixListId")?.text()).unwrap_or_default())
    }

    /// ModifyManagedPrefixList at the current version: adds and removes entries.
    pub fn modify_prefix_list(
        &self,
        account: &str,
        region: &str,
        list: &str,
        add: &[&str],
        remove: &[&str],
    ) -> Result<(), ApiError> {
        let version = self.version(account, region, list);
        let mut params = Params::default();
        params.push("PrefixListId", list);
        params.push_some("CurrentVersion", version);
        push_entries(&mut params, "AddEntry", add);
        push_entries(&mut params, "RemoveEntry", remove);
        self.user(account, region, "ModifyManagedPrefixList", params).map(drop)
    }

    /// RestoreManagedPrefixListVersion at the current version.
    pub fn restore_prefix_list(&self, account: &str, region: &str, list: &str, version: i64) -> Result<(), ApiError> {
        let current = self.version(account, region, list);
        let mut params = Params::default();
        params.push("PrefixListId", list);
        params.push("PreviousVersion", version);
        params.push_some("CurrentVersion", current);
        self.user(account, region, "RestoreManagedPrefixListVersion", params).map(drop)
    }

    fn version(&self, account: &str, region: &str, list: &str) -> Option<i64> {
        let mut state = self.state();
        let (core, place) = state.place(account, region);
        place.prefix_list(list).map(|list| list.current(core.now).0)
    }

    /// Any EC2 call with its Query parameters, for requests that the other methods cannot make: `DryRun`, mixed forms,
    /// nonsense. Returns only whether the call succeeded.
    pub fn user_call(
        &self,
        account: &str,
        region: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<(), ApiError> {
        let owned = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.user(account, region, action, Params(owned.collect())).map(drop)
    }

    fn user(&self, account: &str, region: &str, action: &str, params: Params) -> Result<Tree, ApiError> {
        let mut state = self.state();
        if let Some(refusal) = ec2::regions::refusal(&state.core, account, region) {
            return Err(refusal);
        }
        let (core, place) = state.place(account, region);
        let result = ec2::run(&mut ec2::Context { core, place }, action, &params);
        let request_id = state.core.ids.uuid();
        let identity = state.actor.identity(account, state.core.now);
        let entry = Entry {
            account,
            region,
            service: Service::Ec2,
            action,
            params: &params,
            identity,
            source_ip: "203.0.113.10",
            user_agent: "aws-cli/2.32.0",
            host: &format!("ec2.{region}.amazonaws.com"),
            request_id: &request_id,
        };
        trail::write(&mut state, &entry, result.as_ref());
        result
    }
}

/// An id is sent as `GroupId`, any other text as `GroupName`.
fn named(group: &str) -> Params {
    let mut params = Params::default();
    params.push(if group.starts_with("sg-") { "GroupId" } else { "GroupName" }, group);
    params
}

fn nested(group: &str, permissions: &[Permission]) -> Params {
    let mut params = named(group);
    for (permission, number) in permissions.iter().zip(1..) {
        permission.write(number, &mut params);
    }
    params
}

fn push_entries(params: &mut Params, name: &str, cidrs: &[&str]) {
    for (cidr, number) in cidrs.iter().zip(1..) {
        params.push(format!("{name}.{number}.Cidr"), cidr);
    }
}

fn rule_ids(answer: &Tree, set: &str) -> Vec<String> {
    let rules = answer.get(set).map(Tree::items).unwrap_or_default();
    rules.iter().filter_map(|rule| rule.get("securityGroupRuleId")?.text()).collect()
}
