//! CreateSecurityGroup and DeleteSecurityGroup.

use super::{Answer, Context, group};
use crate::{
    ApiError, Direction, Rule, Source,
    params::Params,
    state::{Group, Pending, StoredRule, Vpc},
    tree::Tree,
};

pub(super) fn create(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let name = params.required("GroupName")?;
    let description = params.required("GroupDescription")?;
    let vpc = match params.get("VpcId") {
        None => Vpc::Default,
        Some(id) if id == ctx.place.default_vpc => Vpc::Default,
        Some(id) if id == ctx.place.other_vpc => Vpc::Other,
        Some(id) => {
            return Err(ApiError::new("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist")));
        }
    };
    if name.starts_with("sg-") {
        return Err(ApiError::invalid_value("Invalid value for groupName. Group names may not be in the format sg-*"));
    }
    if name == "default" {
        return Err(ApiError::invalid_value("Cannot use reserved security group name: default"));
    }
    if ctx.place.groups.iter().any(|group| group.vpc == vpc && group.name == name) {
        let vpc = ctx.place.vpc_id(vpc);
        return Err(ApiError::new(
            "InvalidGroup.Duplicate",
            format!("The security group '{name}' already exists for VPC '{vpc}'"),
        ));
    }
    let id = ctx.core.ids.resource("sg");
    let tags = tags(params, "security-group");
    let appears = Pending::start(ctx.core.created_lag, ctx.core.now);
    let allow_all = Rule {
        id: ctx.core.ids.resource("sgr"),
        group: id.clone(),
        direction: Direction::Egress,
        protocol: "-1".into(),
        from_port: -1,
        to_port: -1,
        source: Source::Ipv4("0.0.0.0/0".into()),
        description: None,
        tags: Vec::new(),
    };
    let arn = arn(&ctx.place.region, &ctx.place.account, "security-group", &id);
    ctx.place.groups.push(Group {
        id: id.clone(),
        name: name.into(),
        description: description.into(),
        vpc,
        tags: tags.clone(),
        rules: vec![StoredRule { rule: allow_all, sequence: ctx.core.next_sequence(), appears }],
        ghosts: Vec::new(),
        sequence: ctx.core.next_sequence(),
        appears,
    });
    Ok(Tree::map([
        ("return", Some(Tree::Bool(true))),
        ("groupId", Some(id.into())),
        ("tagSet", tag_set(&tags)),
        ("securityGroupArn", Some(arn.into())),
    ]))
}

pub(super) fn delete(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let id = group(ctx.place, params)?.id.clone();
    let refers = |source: &Source| matches!(source, Source::Group { id: other, .. } if *other == id);
    let referenced = ctx
        .place
        .groups
        .iter()
        .filter(|group| group.id != id)
        .any(|group| group.rules.iter().any(|stored| refers(&stored.rule.source)));
    if referenced {
        return Err(ApiError::new("DependencyViolation", format!("resource {id} has a dependent object")));
    }
    ctx.place.groups.retain(|group| group.id != id);
    Ok(Tree::Map(vec![("return", Tree::Bool(true)), ("groupId", id.into())]))
}

/// `TagSpecification.N` of this resource type.
pub(super) fn tags(params: &Params, resource_type: &str) -> Vec<(String, String)> {
    params
        .members("TagSpecification")
        .iter()
        .filter(|specification| specification.get("ResourceType") == Some(resource_type))
        .flat_map(|specification| specification.members("Tag"))
        .filter_map(|tag| Some((tag.text("Key")?, tag.text("Value").unwrap_or_default())))
        .collect()
}

/// Absent when there are none.
pub(super) fn tag_set(tags: &[(String, String)]) -> Option<Tree> {
    let tag = |(key, value): &(String, String)| {
        Tree::Map(vec![("key", key.as_str().into()), ("value", value.as_str().into())])
    };
    (!tags.is_empty()).then(|| Tree::List(tags.iter().map(tag).collect()))
}

/// The ARN of an EC2 resource.
pub(super) fn arn(region: &str, account: &str, kind: &str, id: &str) -> String {
    format!("arn:aws:ec2:{region}:{account}:{kind}/{id}")
}
