//! DescribeSecurityGroupRules and DescribeSecurityGroups. Only these calls have the model's eventual consistency.

use super::{Answer, Context, check_id, filter::Filter, page, show};
use crate::{
    ApiError, Direction, Rule, Source,
    params::Params,
    state::{Group, StoredRule, Vpc},
    tree::Tree,
};

pub(super) fn rules(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let known =
        |name: &str| matches!(name, "group-id" | "security-group-rule-id" | "tag-key") || name.starts_with("tag:");
    let filters = Filter::all(params, known)?;
    let ids = params.list("SecurityGroupRuleId");
    for id in &ids {
        check_id("sgr", id, "InvalidSecurityGroupRuleId.Malformed")?;
    }
    let fits = |rule: &Rule| {
        filters.iter().all(|filter| match filter.name.as_str() {
            "group-id" => filter.fits([rule.group.as_str()]),
            "security-group-rule-id" => filter.fits([rule.id.as_str()]),
            _ => filter.fits_tags(&rule.tags).unwrap_or(false),
        })
    };
    // A missing rule that is asked for by id is an error. So rules with these ids are checked even if a filter then
    // hides them.
    let wanted = |rule: &Rule| if ids.is_empty() { fits(rule) } else { ids.contains(&rule.id) };
    let now = ctx.core.now;
    let mut found = ctx.place.groups.iter_mut().flat_map(|group| visible(group, now, wanted)).collect::<Vec<_>>();
    if let Some(id) = ids.iter().find(|id| !found.iter().any(|stored| stored.rule.id == **id)) {
        return Err(ApiError::rule_not_found(id));
    }
    found.retain(|stored| fits(&stored.rule));
    found.sort_by_key(|stored| stored.sequence);
    let (found, token) = page::page(found, |stored| stored.sequence, &page::DESCRIBE, params)?;
    let shown = found.iter().map(|stored| show::rule(ctx.place, &stored.rule)).collect();
    Ok(Tree::map([("securityGroupRuleSet", Some(Tree::List(shown))), ("nextToken", token.map(Into::into))]))
}

/// The rules that a Describe call returns: without the newest, and with those just revoked.
fn visible(group: &mut Group, now: i64, wanted: impl Fn(&Rule) -> bool) -> Vec<StoredRule> {
    let mut seen = Vec::new();
    for stored in group.rules.iter_mut().filter(|stored| wanted(&stored.rule)) {
        if stored.appears.shows(now) {
            seen.push(stored.clone());
        }
    }
    group.ghosts.retain_mut(|ghost| {
        if !wanted(&ghost.rule) {
            return true;
        }
        let over = ghost.appears.shows(now);
        if !over {
            seen.push(ghost.clone());
        }
        !over
    });
    seen
}

pub(super) fn groups(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let filters = Filter::all(params, known_group_filter)?;
    let (ids, names) = (params.list("GroupId"), params.list("GroupName"));
    for id in &ids {
        check_id("sg", id, "InvalidGroupId.Malformed")?;
    }
    let now = ctx.core.now;
    let mut seen = Vec::new();
    for group in &mut ctx.place.groups {
        let asked = (ids.is_empty() && names.is_empty())
            || ids.contains(&group.id)
            || (group.vpc == Vpc::Default && names.contains(&group.name));
        if asked && group.appears.shows(now) {
            let rules = visible(group, now, |_| true).into_iter().map(|stored| stored.rule).collect::<Vec<_>>();
            seen.push((group.clone(), rules));
        }
    }
    if let Some(id) = ids.iter().find(|id| !seen.iter().any(|(group, _)| group.id == **id)) {
        return Err(ApiError::group_not_found(id));
    }
    if let Some(name) = names.iter().find(|name| !seen.iter().any(|(group, _)| group.name == **name)) {
        return Err(super::unnamed(name, &ctx.place.default_vpc));
    }
    let place = &*ctx.place;
    seen.retain(|(group, rules)| filters.iter().all(|filter| group_fits(filter, place, group, rules)));
    let (seen, token) = page::page(seen, |(group, _)| group.sequence, &page::DESCRIBE, params)?;
    let shown = seen.iter().map(|(group, rules)| show::group(place, group, rules)).collect();
    Ok(Tree::map([("securityGroupInfo", Some(Tree::List(shown))), ("nextToken", token.map(Into::into))]))
}

fn known_group_filter(name: &str) -> bool {
    matches!(name, "group-name" | "group-id" | "vpc-id" | "owner-id" | "description" | "tag-key")
        || name.starts_with("tag:")
        || rule_filter(name).is_some_and(|(_, field)| {
            matches!(field, "cidr" | "ipv6-cidr" | "prefix-list-id" | "group-id" | "protocol" | "from-port" | "to-port")
        })
}

/// `ip-permission.…` and `egress.ip-permission.…`.
fn rule_filter(name: &str) -> Option<(Direction, &str)> {
    match name.strip_prefix("egress.ip-permission.") {
        Some(field) => Some((Direction::Egress, field)),
        None => name.strip_prefix("ip-permission.").map(|field| (Direction::Ingress, field)),
    }
}

fn group_fits(filter: &Filter, place: &crate::state::Place, group: &Group, rules: &[Rule]) -> bool {
    if let Some((direction, field)) = rule_filter(&filter.name) {
        return rules.iter().filter(|rule| rule.direction == direction).any(|rule| rule_fits(filter, field, rule));
    }
    match filter.name.as_str() {
        "group-name" => filter.fits([group.name.as_str()]),
        "group-id" => filter.fits([group.id.as_str()]),
        "vpc-id" => filter.fits([place.vpc_id(group.vpc)]),
        "owner-id" => filter.fits([place.account.as_str()]),
        "description" => filter.fits([group.description.as_str()]),
        _ => filter.fits_tags(&group.tags).unwrap_or(false),
    }
}

fn rule_fits(filter: &Filter, field: &str, rule: &Rule) -> bool {
    match (field, &rule.source) {
        ("cidr", Source::Ipv4(text))
        | ("ipv6-cidr", Source::Ipv6(text))
        | ("prefix-list-id", Source::PrefixList(text))
        | ("group-id", Source::Group { id: text, .. }) => filter.fits([text.as_str()]),
        ("protocol", _) => filter.fits([rule.protocol.as_str()]),
        ("from-port", _) => filter.fits([rule.from_port.to_string().as_str()]),
        ("to-port", _) => filter.fits([rule.to_port.to_string().as_str()]),
        _ => false,
    }
}
