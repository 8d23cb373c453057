//! ModifySecurityGroupRules: rules replaced, ingress and egress alike.

use super::Described;
use super::fields::{At, Part, list, object};
use crate::change::{ChangedRules, Resource};
use crate::json::Json;
use crate::rule::{Permission, Source};

pub(super) fn read(request: &Part<'_>) -> Result<Described, String> {
    let outer = match request {
        Part::Given(fields) => *fields,
        Part::Omitted => {
            return Ok(Described {
                resource: Resource::Region,
                changed_rules: ChangedRules::Any,
                recorded_rules: None,
            });
        }
        Part::Absent => return Err("requestParameters is missing, expected what the call asked for".to_owned()),
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
    let mut recorded_rules = Some(Vec::new());
    let items = at.field("SecurityGroupRule");
    for (n, item) in list(fields.get("SecurityGroupRule"), &items)?.iter().enumerate() {
        let at = items.element(n);
        let outer = object(item, &at)?;
        let id = at.rule_id(outer, "SecurityGroupRuleId")?;
        rules.push(id.clone());
        let at = at.field("SecurityGroupRule");
        let inner = object(outer.get("SecurityGroupRule").unwrap_or(&Json::Null), &at)?;
        let source = at.source(inner, ["CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId"])?;
        // A call may change only a part of a rule, such as its description. The record then lacks the rest, and EC2
        // knows it.
        if matches!(source, Source::Unknown(_)) || !inner.contains_key("IpProtocol") {
            recorded_rules = None;
        } else if let Some(recorded_rules) = recorded_rules.as_mut() {
            let traffic = at.traffic(inner, ["IpProtocol", "FromPort", "ToPort"])?;
            recorded_rules.push((Some(id), Permission { traffic, source }));
        }
    }
    if rules.is_empty() {
        return Err(format!("{items} names no rule"));
    }
    Ok(Described { resource: Resource::Group(group), changed_rules: ChangedRules::Rules(rules), recorded_rules })
}
