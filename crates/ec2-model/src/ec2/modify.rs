//! ModifySecurityGroupRules: replaces whole rules in place, all or none.

use super::{Answer, Context, authorize, check_id, group, permissions};
use crate::{ApiError, Direction, params::Params, rule::RuleSpec, state::Group, tree::Tree};

pub(super) fn modify(ctx: &mut Context<'_>, params: &Params) -> Answer {
    params.required("GroupId")?;
    let changes = params.members("SecurityGroupRule");
    if changes.is_empty() {
        return Err(ApiError::missing("securityGroupRules"));
    }
    let vpc = group(ctx.place, params)?.vpc;
    let mut specs = Vec::new();
    for change in &changes {
        let id = change.required("SecurityGroupRuleId")?.to_owned();
        check_id("sgr", &id, "InvalidSecurityGroupRuleId.Malformed")?;
        specs.push((id, permissions::rule_request(ctx.place, &change.under("SecurityGroupRule"), vpc)?));
    }
    let group = group(ctx.place, params)?;
    // The call works on a copy first, so a call that fails half way changes nothing.
    let mut changed = group.clone();
    for (id, spec) in specs {
        replace(&mut changed, &id, spec)?;
    }
    *group = changed;
    Ok(Tree::Map(vec![("return", Tree::Bool(true))]))
}

fn replace(group: &mut Group, id: &str, spec: RuleSpec) -> Result<(), ApiError> {
    let direction = check(group, id, &spec)?;
    // The rule itself may stay as it is and only get another description.
    let others = |group: &Group| Group {
        rules: group.rules.iter().filter(|stored| stored.rule.id != id).cloned().collect(),
        ..group.clone()
    };
    if authorize::holds(&others(group), direction, &spec) {
        return Err(authorize::duplicate(&spec));
    }
    for stored in group.rules.iter_mut().filter(|stored| stored.rule.id == id) {
        stored.rule.protocol.clone_from(&spec.protocol);
        (stored.rule.from_port, stored.rule.to_port) = spec.ports;
        stored.rule.source = spec.source.clone();
        stored.rule.description.clone_from(&spec.description);
    }
    Ok(())
}

/// Checks that the rule exists and keeps the type of its source.
fn check(group: &Group, id: &str, spec: &RuleSpec) -> Result<Direction, ApiError> {
    let stored = group.rules.iter().find(|stored| stored.rule.id == id).ok_or_else(|| ApiError::rule_not_found(id))?;
    let (old, new) = (&stored.rule.source, &spec.source);
    if std::mem::discriminant(old) != std::mem::discriminant(new) {
        return Err(ApiError::invalid_value(format!(
            "You may not specify a {} for an existing {} rule.",
            new.kind(),
            old.kind()
        )));
    }
    Ok(stored.rule.direction)
}
