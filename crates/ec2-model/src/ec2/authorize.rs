//! AuthorizeSecurityGroupIngress and AuthorizeSecurityGroupEgress: adds all rules of a call, or none.

use super::{Answer, Context, group, groups::tags, permissions, show};
use crate::{
    ApiError, Direction, Rule, Source,
    params::Params,
    rule::RuleSpec,
    state::{Group, Pending, Place, StoredRule},
    tree::Tree,
};

pub(super) fn authorize(ctx: &mut Context<'_>, params: &Params, direction: Direction) -> Answer {
    let vpc = group(ctx.place, params)?.vpc;
    let specs = permissions::specs(ctx.place, params, vpc)?;
    refuse_repeats(&specs)?;
    let tags = tags(params, "security-group-rule");
    let limit = ctx.core.rules_per_group;
    let group_id = group(ctx.place, params)?.id.clone();
    let weights = specs.iter().map(|spec| weight(ctx.place, &spec.source)).collect::<Vec<_>>();
    let used = used(ctx.place, &group_id, direction);

    let group = group(ctx.place, params)?;
    for spec in &specs {
        if holds(group, direction, spec) {
            return Err(duplicate(spec));
        }
    }
    let (ipv4, ipv6) = weights.iter().fold(used, |(a, b), (c, d)| (a + c, b + d));
    if ipv4 > limit || ipv6 > limit {
        return Err(ApiError::new(
            "RulesPerSecurityGroupLimitExceeded",
            "The maximum number of rules per security group has been reached.",
        ));
    }

    let appears = Pending::start(ctx.core.created_lag, ctx.core.now);
    let mut shown = Vec::new();
    for spec in specs {
        let rule = Rule {
            id: ctx.core.ids.resource("sgr"),
            group: group.id.clone(),
            direction,
            protocol: spec.protocol,
            from_port: spec.ports.0,
            to_port: spec.ports.1,
            source: spec.source,
            description: spec.description,
            tags: tags.clone(),
        };
        shown.push(rule.clone());
        group.rules.push(StoredRule { rule, sequence: ctx.core.next_sequence(), appears });
    }
    let shown = shown.iter().map(|rule| show::rule(ctx.place, rule)).collect();
    Ok(Tree::Map(vec![("return", Tree::Bool(true)), ("securityGroupRuleSet", Tree::List(shown))]))
}

/// Refuses a call that names the same rule twice.
fn refuse_repeats(specs: &[RuleSpec]) -> Result<(), ApiError> {
    let mut rest = specs;
    while let [spec, later @ ..] = rest {
        if later.iter().any(|other| spec.same_as(other)) {
            return Err(ApiError::invalid_value("The same permission must not appear multiple times"));
        }
        rest = later;
    }
    Ok(())
}

pub(super) fn holds(group: &Group, direction: Direction, spec: &RuleSpec) -> bool {
    group.rules.iter().any(|stored| stored.rule.same_as(direction, spec))
}

pub(super) fn duplicate(spec: &RuleSpec) -> ApiError {
    ApiError::new("InvalidPermission.Duplicate", format!("the specified rule \"{}\" already exists", spec.peer()))
}

/// How many rules a source uses of the IPv4 and of the IPv6 quota. A prefix list uses its maximum number of entries:
/// "if you create a prefix list with 20 maximum entries and you reference that prefix list in a security group rule,
/// this counts as 20 security group rules".
fn weight(place: &Place, source: &Source) -> (usize, usize) {
    match source {
        Source::Ipv4(_) => (1, 0),
        Source::Ipv6(_) => (0, 1),
        Source::Group { .. } => (1, 1),
        Source::PrefixList(id) => match place.prefix_list(id) {
            Some(list) if list.family == "IPv6" => (0, list.max_entries),
            Some(list) => (list.max_entries, 0),
            None => (1, 1),
        },
    }
}

fn used(place: &Place, group: &str, direction: Direction) -> (usize, usize) {
    place
        .groups
        .iter()
        .filter(|candidate| candidate.id == group)
        .flat_map(|group| &group.rules)
        .filter(|stored| stored.rule.direction == direction)
        .map(|stored| weight(place, &stored.rule.source))
        .fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
}
