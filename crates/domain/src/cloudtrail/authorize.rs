//! AuthorizeSecurityGroupIngress: new ingress rules, in the request's nested or flat form and in the answer.

use super::Described;
use super::fields::{At, Part, group_source, is_empty, list, object};
use crate::change::{ChangedRules, Resource};
use crate::ids::{GroupId, RuleId};
use crate::json::{Json, Object};
use crate::rule::{Permission, Protocol, Source, Traffic};
use crate::text::escaped;

pub(super) fn read(request: &Part<'_>, response: &Part<'_>) -> Result<Described, String> {
    let mut listed = match response {
        Part::Given(fields) => answered_rules(fields)?,
        Part::Omitted | Part::Absent => Vec::new(),
    };
    let (group_id, group_name, asked) = match request {
        Part::Given(fields) => {
            let at = At::Part("requestParameters");
            (at.group_id(fields, "groupId")?, at.text(fields, "groupName")?, asked_permissions(fields)?)
        }
        Part::Absent if listed.is_empty() => {
            return Err("requestParameters is missing, expected what the call asked for".to_owned());
        }
        // An answer that lists rules is enough by itself.
        Part::Omitted | Part::Absent => (None, None, Asked { permissions: Vec::new(), all: !listed.is_empty() }),
    };
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
    let changed_rules = if !listed.is_empty() {
        ChangedRules::Rules(listed.iter().map(|rule| rule.id.clone()).collect())
    } else if asked.all {
        ChangedRules::Permissions(asked.permissions.clone())
    } else {
        ChangedRules::Any
    };
    let recorded_rules = asked.all.then(|| {
        // The answer is canonical and has the rules' ids. Permissions that were asked for and are missing from the
        // answer are kept too.
        let is_missing = |asked: &Permission| listed.iter().all(|rule| rule.permission != *asked);
        let missing = asked.permissions.into_iter().filter(is_missing).map(|permission| (None, permission));
        let missing: Vec<_> = missing.collect();
        listed.into_iter().map(|rule| (Some(rule.id), rule.permission)).chain(missing).collect()
    });
    Ok(Described { resource, changed_rules, recorded_rules })
}

/// The permissions that the request asks for, and whether the record lists all of them.
struct Asked {
    permissions: Vec<Permission>,
    all: bool,
}

/// A rule in the call's answer.
struct Answered {
    id: RuleId,
    group: Option<GroupId>,
    permission: Permission,
}

const PERMISSION_FIELDS: [&str; 7] =
    ["ipProtocol", "fromPort", "toPort", "groups", "ipRanges", "ipv6Ranges", "prefixListIds"];

fn asked_permissions(request: &Object<'_>) -> Result<Asked, String> {
    let mut asked = Asked { permissions: Vec::new(), all: true };
    let whole = At::Part("requestParameters");
    let items = whole.field("ipPermissions");
    for (n, item) in list(request.get("ipPermissions"), &items)?.iter().enumerate() {
        let at = items.element(n);
        let fields = object(item, &at)?;
        let traffic = at.traffic(fields, ["ipProtocol", "fromPort", "toPort"])?;
        let mut add = |source| asked.permissions.push(Permission { traffic: traffic.clone(), source });
        for (field, key) in [("ipRanges", "cidrIp"), ("ipv6Ranges", "cidrIpv6")] {
            let at = at.field(field);
            for range in list(fields.get(field), &at)? {
                add(at.cidr(object(range, &at)?, key)?);
            }
        }
        let lists = at.field("prefixListIds");
        for list_item in list(fields.get("prefixListIds"), &lists)? {
            add(lists.prefix_list(object(list_item, &lists)?, "prefixListId")?);
        }
        let groups = at.field("groups");
        for group in list(fields.get("groups"), &groups)? {
            add(group_source(object(group, &groups)?, ["groupId", "groupName", "userId"]));
        }
        // This version does not know this kind of source, so the record does not list everything.
        let unknown = |(key, value): (&str, &Json<'_>)| !PERMISSION_FIELDS.contains(&key) && !is_empty(value);
        asked.all &= !fields.iter().any(unknown);
    }
    // CloudTrail writes an empty ipPermissions next to the legacy flat form.
    if request.contains_key("ipProtocol") || request.contains_key("cidrIp") || request.contains_key("cidrIpv6") {
        let traffic = whole.traffic(request, ["ipProtocol", "fromPort", "toPort"])?;
        let mut add = |source| asked.permissions.push(Permission { traffic: traffic.clone(), source });
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
        asked.all &= any;
    } else if let Some(owner) = request.get("sourceSecurityGroupName") {
        // Without a protocol: all traffic between the groups (EC2 API Reference, SourceSecurityGroupName).
        let traffic = Traffic::new(Protocol::All, None, None);
        asked.permissions.push(Permission { traffic, source: Source::Group(escaped(owner.as_str().unwrap_or("?"))) });
    }
    Ok(asked)
}

fn answered_rules(response: &Object<'_>) -> Result<Vec<Answered>, String> {
    let whole = At::Part("responseElements");
    let set = whole.field("securityGroupRuleSet");
    let mut rules = Vec::new();
    for (n, item) in list(response.get("securityGroupRuleSet"), &set)?.iter().enumerate() {
        let at = set.element(n);
        let fields = object(item, &at)?;
        let id = at.rule_id(fields, "securityGroupRuleId")?;
        let traffic = at.traffic(fields, ["ipProtocol", "fromPort", "toPort"])?;
        let source = at.source(fields, ["cidrIpv4", "cidrIpv6", "prefixListId", "referencedGroupInfo"])?;
        rules.push(Answered { id, group: at.group_id(fields, "groupId")?, permission: Permission { traffic, source } });
    }
    Ok(rules)
}
