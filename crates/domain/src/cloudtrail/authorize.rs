//! AuthorizeSecurityGroupIngress: new ingress rules, in the request's nested or flat form and in the answer.

use super::fields::{At, Part, group_source, is_empty, list, object};
use super::{Described, Unread};
use crate::change::{ChangedRules, Resource};
use crate::ids::{GroupId, RuleId};
use crate::json::{Json, Object};
use crate::rule::{Permission, Protocol, Source, Traffic};
use crate::text::escaped;

pub(super) fn read(request: &Part<'_>, response: &Part<'_>, unread: &mut Unread) -> Result<Described, String> {
    let mut listed = match response {
        Part::Given(fields) => answered_rules(fields, unread),
        Part::Omitted | Part::Absent | Part::Unread => Vec::new(),
    };
    let (group_id, group_name, mut asked) = match request {
        Part::Given(fields) => {
            let at = At::Part("requestParameters");
            let (id, name) = (at.group_id(fields, "groupId"), at.text(fields, "groupName"));
            (unread.or(id, None), unread.or(name, None), asked_permissions(fields, unread))
        }
        Part::Absent if listed.is_empty() => {
            return Err("requestParameters is missing, expected what the call asked for".to_owned());
        }
        // An answer that lists rules is enough by itself.
        Part::Omitted | Part::Absent | Part::Unread => {
            (None, None, Asked { permissions: Vec::new(), all: !listed.is_empty() })
        }
    };
    asked.all &= unread.is_nothing();
    let answered_group = listed.iter_mut().find_map(|rule| rule.group.take());
    let resource = match (group_id.or(answered_group), group_name) {
        (Some(id), _) => Resource::Group(id),
        (None, Some(name)) => Resource::GroupName(name.to_owned()),
        (None, None) if matches!(request, Part::Omitted) => Resource::Region,
        (None, None) => return Err("requestParameters has neither groupId nor groupName".to_owned()),
    };
    if asked.permissions.is_empty() && asked.all && listed.is_empty() {
        return Err(
            "requestParameters asks for no permission: neither ipPermissions nor ipProtocol says any".to_owned()
        );
    }
    let ids: Vec<RuleId> = listed.iter().filter_map(|rule| rule.id.clone()).collect();
    let changed_rules = if !ids.is_empty() && ids.len() == listed.len() {
        ChangedRules::Rules(ids)
    } else if asked.all {
        ChangedRules::Permissions(asked.permissions.clone())
    } else {
        ChangedRules::Any
    };
    let recorded_rules = asked.all.then(|| {
        // The answer is canonical and has the rules' ids. Permissions that were asked for and are missing from the
        // answer are kept too.
        let listed: Vec<_> = listed.into_iter().filter_map(|rule| Some((rule.id, rule.permission?))).collect();
        let is_missing = |asked: &Permission| listed.iter().all(|(_, permission)| permission != asked);
        let missing = asked.permissions.into_iter().filter(is_missing).map(|permission| (None, permission));
        let missing: Vec<_> = missing.collect();
        listed.into_iter().chain(missing).collect()
    });
    Ok(Described { resource, changed_rules, recorded_rules, unread: None })
}

/// The permissions that the request asks for, and whether the record lists all of them.
struct Asked {
    permissions: Vec<Permission>,
    all: bool,
}

/// A rule in the call's answer.
struct Answered {
    id: Option<RuleId>,
    group: Option<GroupId>,
    permission: Option<Permission>,
}

const PERMISSION_FIELDS: [&str; 7] =
    ["ipProtocol", "fromPort", "toPort", "groups", "ipRanges", "ipv6Ranges", "prefixListIds"];

fn asked_permissions(request: &Object<'_>, unread: &mut Unread) -> Asked {
    let mut asked = Asked { permissions: Vec::new(), all: true };
    let whole = At::Part("requestParameters");
    let items = whole.field("ipPermissions");
    let listed = list(request.get("ipPermissions"), &items);
    for (n, item) in unread.or(listed, &[]).iter().enumerate() {
        let read = asked.nested(item, &items.element(n), unread);
        unread.or(read, ());
    }
    let read = asked.flat(request);
    unread.or(read, ());
    asked
}

impl Asked {
    /// A permission of the nested form, with each of its sources.
    fn nested(&mut self, item: &Json<'_>, at: &At<'_>, unread: &mut Unread) -> Result<(), String> {
        let fields = object(item, at)?;
        let traffic = at.traffic(fields, ["ipProtocol", "fromPort", "toPort"])?;
        let mut add = |source| self.permissions.push(Permission { traffic: traffic.clone(), source });
        for (field, key) in [("ipRanges", "cidrIp"), ("ipv6Ranges", "cidrIpv6")] {
            let at = at.field(field);
            for range in unread.or(list(fields.get(field), &at), &[]) {
                let source = object(range, &at).and_then(|range| at.cidr(range, key));
                unread.or(source.map(Some), None).into_iter().for_each(&mut add);
            }
        }
        let lists = at.field("prefixListIds");
        for list_item in unread.or(list(fields.get("prefixListIds"), &lists), &[]) {
            let source = object(list_item, &lists).and_then(|item| lists.prefix_list(item, "prefixListId"));
            unread.or(source.map(Some), None).into_iter().for_each(&mut add);
        }
        let groups = at.field("groups");
        for group in unread.or(list(fields.get("groups"), &groups), &[]) {
            let source = object(group, &groups).map(|group| group_source(group, ["groupId", "groupName", "userId"]));
            unread.or(source.map(Some), None).into_iter().for_each(&mut add);
        }
        // This version does not know this kind of source, so the record does not list everything.
        let unknown = |(key, value): (&str, &Json<'_>)| !PERMISSION_FIELDS.contains(&key) && !is_empty(value);
        self.all &= !fields.iter().any(unknown);
        Ok(())
    }

    /// The flat form. CloudTrail writes an empty ipPermissions next to it.
    fn flat(&mut self, request: &Object<'_>) -> Result<(), String> {
        let whole = At::Part("requestParameters");
        if request.contains_key("ipProtocol") || request.contains_key("cidrIp") || request.contains_key("cidrIpv6") {
            let traffic = whole.traffic(request, ["ipProtocol", "fromPort", "toPort"])?;
            let mut add = |source| self.permissions.push(Permission { traffic: traffic.clone(), source });
            let mut any = false;
            for key in ["cidrIp", "cidrIpv6"] {
                if request.contains_key(key) {
                    any = true;
                    add(whole.cidr(request, key)?);
                }
            }
            let keys = ["sourceSecurityGroupId", "sourceSecurityGroupName", "sourceSecurityGroupOwnerId"];
            if keys.iter().any(|key| request.contains_key(key)) {
                any = true;
                add(group_source(request, keys));
            }
            self.all &= any;
        } else if let Some(owner) = request.get("sourceSecurityGroupName") {
            // Without a protocol: all traffic between the groups (EC2 API Reference, SourceSecurityGroupName).
            let traffic = Traffic::new(Protocol::All, None, None);
            self.permissions
                .push(Permission { traffic, source: Source::Group(escaped(owner.as_str().unwrap_or("?"))) });
        }
        Ok(())
    }
}

fn answered_rules(response: &Object<'_>, unread: &mut Unread) -> Vec<Answered> {
    let whole = At::Part("responseElements");
    let set = whole.field("securityGroupRuleSet");
    let items = unread.or(list(response.get("securityGroupRuleSet"), &set), &[]);
    let rule = |(n, item)| {
        let at = set.element(n);
        let fields = unread.or(object(item, &at).map(Some), None)?;
        let permission = at.traffic(fields, ["ipProtocol", "fromPort", "toPort"]).and_then(|traffic| {
            let source = at.source(fields, ["cidrIpv4", "cidrIpv6", "prefixListId", "referencedGroupInfo"])?;
            Ok(Some(Permission { traffic, source }))
        });
        let id = unread.or(at.rule_id(fields, "securityGroupRuleId").map(Some), None);
        let permission = unread.or(permission, None);
        let group = unread.or(at.group_id(fields, "groupId"), None);
        Some(Answered { id, group, permission })
    };
    items
        .iter()
        .enumerate()
        .map(rule)
        .map(|rule| rule.unwrap_or(Answered { id: None, group: None, permission: None }))
        .collect()
}
