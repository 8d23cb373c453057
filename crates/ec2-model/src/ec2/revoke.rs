//! RevokeSecurityGroupIngress and RevokeSecurityGroupEgress, by rule ids or by properties.

use super::{Answer, Context, authorize, check_id, group, permissions, show};
use crate::{
    ApiError, Direction,
    params::Params,
    rule::RuleSpec,
    state::{Group, Lag, Pending, Vpc},
    tree::Tree,
};

pub(super) fn revoke(ctx: &mut Context<'_>, params: &Params, direction: Direction) -> Answer {
    let vpc = group(ctx.place, params)?.vpc;
    let by_ids = params.has("SecurityGroupRuleId");
    let flat = ["CidrIp", "IpProtocol", "FromPort", "ToPort", "SourceSecurityGroupName"];
    let by_properties = params.has("IpPermissions") || flat.iter().any(|name| params.has(name));
    let (ids, unknown) = match (by_ids, by_properties) {
        (true, true) => {
            return Err(ApiError::new(
                "InvalidParameterCombination",
                "The parameter 'ipPermissions' may not be used in combination with 'securityGroupRuleIds'",
            ));
        }
        (false, false) => {
            return Err(ApiError::new(
                "MissingParameter",
                "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided.",
            ));
        }
        (true, false) => (known_ids(group(ctx.place, params)?, params, direction)?, Vec::new()),
        (false, true) => {
            let specs = permissions::specs(ctx.place, params, vpc)?;
            matching_ids(group(ctx.place, params)?, &specs, direction)?
        }
    };

    let removed_lag = ctx.core.removed_lag;
    let over = Pending::start(removed_lag, ctx.core.now);
    let group = group(ctx.place, params)?;
    let (gone, kept) = std::mem::take(&mut group.rules).into_iter().partition(|stored| ids.contains(&stored.rule.id));
    group.rules = kept;
    let gone: Vec<crate::state::StoredRule> = gone;
    let shown = gone.iter().map(|stored| show::revoked_rule(&stored.rule)).collect::<Vec<_>>();
    if removed_lag != Lag::None {
        group.ghosts.extend(gone.into_iter().map(|stored| crate::state::StoredRule { appears: over, ..stored }));
    }
    Ok(Tree::map([
        ("return", Some(Tree::Bool(true))),
        ("unknownIpPermissionSet", (!unknown.is_empty()).then(|| show::permissions(&unknown))),
        ("revokedSecurityGroupRuleSet", (!shown.is_empty()).then_some(Tree::List(shown))),
    ]))
}

/// Every id must be a rule of this group in this direction. Otherwise nothing is revoked.
fn known_ids(group: &Group, params: &Params, direction: Direction) -> Result<Vec<String>, ApiError> {
    let ids = params.list("SecurityGroupRuleId");
    for id in &ids {
        check_id("sgr", id, "InvalidSecurityGroupRuleId.Malformed")?;
    }
    let here = |id: &&String| group.rules.iter().any(|s| s.rule.id == **id && s.rule.direction == direction);
    match ids.iter().find(|id| !here(id)) {
        Some(unknown) => Err(ApiError::rule_not_found(unknown)),
        None => Ok(ids),
    }
}

/// The ids of the rules that equal `specs`, and the specs without an equal rule.
///
/// "For a default VPC, if the values you specify do not match the existing rule's values, no error is returned …. For a
/// non-default VPC, … an InvalidPermission.NotFound client error is returned, and no rules are revoked."
fn matching_ids(
    group: &Group,
    specs: &[RuleSpec],
    direction: Direction,
) -> Result<(Vec<String>, Vec<RuleSpec>), ApiError> {
    let unknown = specs.iter().filter(|spec| !authorize::holds(group, direction, spec)).cloned().collect::<Vec<_>>();
    if group.vpc == Vpc::Other && !unknown.is_empty() {
        return Err(ApiError::new(
            "InvalidPermission.NotFound",
            "The specified rule does not exist in this security group.",
        ));
    }
    let ids = group
        .rules
        .iter()
        .filter(|stored| specs.iter().any(|spec| stored.rule.same_as(direction, spec)))
        .map(|stored| stored.rule.id.clone())
        .collect();
    Ok((ids, unknown))
}
