//! ModifySecurityGroupRules: rules replaced, ingress and egress alike.

use super::fields::{At, Part, list, object};
use super::{Described, Unread};
use crate::change::{ChangedRules, Resource};
use crate::ids::RuleId;
use crate::json::{Json, Object};
use crate::rule::{Permission, Source};

pub(super) fn read(request: &Part<'_>, unread: &mut Unread) -> Result<Described, String> {
    let outer = match request {
        Part::Given(fields) => *fields,
        Part::Omitted => {
            return Ok(Described {
                resource: Resource::Region,
                changed_rules: ChangedRules::Any,
                recorded_rules: None,
                unread: None,
            });
        }
        Part::Absent | Part::Unread => {
            return Err("requestParameters is missing, expected what the call asked for".to_owned());
        }
    };
    let wrapper = "ModifySecurityGroupRulesRequest";
    let whole = At::Part("requestParameters");
    let at = whole.field(wrapper);
    let fields = match outer.get(wrapper) {
        Some(inner) => object(inner, &at)?,
        None => outer,
    };
    let group = at.group_id(fields, "GroupId")?.ok_or_else(|| format!("{at}.GroupId is missing"))?;
    let mut rules = Vec::new();
    let items = at.field("SecurityGroupRule");
    for (n, item) in unread.or(list(fields.get("SecurityGroupRule"), &items), &[]).iter().enumerate() {
        let read = rule(item, &items.element(n), unread);
        rules.push(unread.or(read.map(Some), None));
    }
    if rules.is_empty() {
        unread.or(Err(format!("{items} names no rule")), ());
    }
    let ids: Option<Vec<RuleId>> = rules.iter().map(|rule| Some(rule.as_ref()?.0.clone())).collect();
    let recorded_rules = rules.into_iter().map(|rule| rule.and_then(|(id, made)| Some((Some(id), made?)))).collect();
    Ok(Described {
        resource: Resource::Group(group),
        changed_rules: ids.filter(|ids| !ids.is_empty()).map_or(ChangedRules::Any, ChangedRules::Rules),
        recorded_rules: if unread.is_nothing() { recorded_rules } else { None },
        unread: None,
    })
}

/// A rule's id, and what it was made, where the record says all of that.
fn rule(item: &Json<'_>, at: &At<'_>, unread: &mut Unread) -> Result<(RuleId, Option<Permission>), String> {
    let outer = object(item, at)?;
    let id = at.rule_id(outer, "SecurityGroupRuleId")?;
    let at = at.field("SecurityGroupRule");
    let made = object(outer.get("SecurityGroupRule").unwrap_or(&Json::Null), &at).and_then(|inner| made(inner, &at));
    Ok((id, unread.or(made, None)))
}

/// A call may change only a part of a rule, such as its description. The record then lacks the rest, and EC2 knows it.
fn made(inner: &Object<'_>, at: &At<'_>) -> Result<Option<Permission>, String> {
    let source = at.source(inner, ["CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId"])?;
    if matches!(source, Source::Unknown(_)) || !inner.contains_key("IpProtocol") {
        return Ok(None);
    }
    let traffic = at.traffic(inner, ["IpProtocol", "FromPort", "ToPort"])?;
    Ok(Some(Permission { traffic, source }))
}
