//! `requestParameters`: EC2's first calls have their own camelCase, later calls an XML-to-JSON copy of the request.

use serde_json::{Map, Value, json};

use super::{Entry, is_legacy};
use crate::{
    dispatch::Service,
    params::Params,
    tree::{Tree, guess, legacy_list},
};

pub(super) fn parameters(entry: &Entry<'_>) -> Value {
    let params = entry.params;
    match (entry.service, entry.action) {
        (Service::Sts, "AssumeRole") => fields(
            params,
            &[
                ("roleArn", "RoleArn", text),
                ("roleSessionName", "RoleSessionName", text),
                ("externalId", "ExternalId", text),
                ("durationSeconds", "DurationSeconds", guess),
            ],
        )
        .into(),
        (Service::Sts, _) => Value::Null,
        (Service::Organizations, _) if params.0.is_empty() => Value::Null,
        (Service::Organizations, _) => {
            fields(params, &[("maxResults", "MaxResults", guess), ("nextToken", "NextToken", text)]).into()
        }
        (_, "CreateSecurityGroup") => create_group(params),
        (_, "DeleteSecurityGroup") => {
            fields(params, &[("groupId", "GroupId", text), ("groupName", "GroupName", text)]).into()
        }
        (_, "DescribeSecurityGroups") => describe_groups(params),
        (_, "DescribeRegions") => json!({ "regionSet": named_list(params, "RegionName", "regionName") }),
        (_, action) if is_legacy(action) => rules(params),
        (_, action) => json!({ format!("{action}Request"): converted(params) }),
    }
}

fn text(value: &str) -> Value {
    json!(value)
}

type Field = (&'static str, &'static str, fn(&str) -> Value);

/// The fields whose parameter is present, as (name in the record, parameter, type).
fn fields(params: &Params, fields: &[Field]) -> Map<String, Value> {
    fields
        .iter()
        .filter_map(|(name, parameter, convert)| Some(((*name).to_owned(), convert(params.get(parameter)?))))
        .collect()
}

fn named_list(params: &Params, parameter: &str, name: &str) -> Value {
    legacy_list(params.list(parameter).iter().map(|value| json!({ name: value })).collect())
}

/// AuthorizeSecurityGroup… and RevokeSecurityGroup…: the flat parameters are next to an empty `ipPermissions`. That
/// rule ids are in `securityGroupRuleIds` is inferred from the other lists.
fn rules(params: &Params) -> Value {
    let mut record = fields(
        params,
        &[
            ("groupId", "GroupId", text),
            ("groupName", "GroupName", text),
            ("ipProtocol", "IpProtocol", text),
            ("fromPort", "FromPort", guess),
            ("toPort", "ToPort", guess),
            ("cidrIp", "CidrIp", text),
            ("sourceSecurityGroupName", "SourceSecurityGroupName", text),
            ("dryRun", "DryRun", guess),
        ],
    );
    let permissions = params.members("IpPermissions").iter().map(permission).collect();
    record.insert("ipPermissions".into(), legacy_list(permissions));
    if params.has("SecurityGroupRuleId") {
        let ids = named_list(params, "SecurityGroupRuleId", "securityGroupRuleId");
        record.insert("securityGroupRuleIds".into(), ids);
    }
    record.into()
}

fn permission(permission: &Params) -> Value {
    let list = |name: &str, members: &[Field]| {
        legacy_list(permission.members(name).iter().map(|member| fields(member, members).into()).collect())
    };
    let mut record = fields(
        permission,
        &[("ipProtocol", "IpProtocol", text), ("fromPort", "FromPort", guess), ("toPort", "ToPort", guess)],
    );
    let group: &[Field] = &[
        ("userId", "UserId", text),
        ("groupId", "GroupId", text),
        ("groupName", "GroupName", text),
        ("description", "Description", text),
    ];
    record.insert("groups".into(), list("Groups", group));
    for (name, parameter, field, value) in [
        ("ipRanges", "IpRanges", "cidrIp", "CidrIp"),
        ("ipv6Ranges", "Ipv6Ranges", "cidrIpv6", "CidrIpv6"),
        ("prefixListIds", "PrefixListIds", "prefixListId", "PrefixListId"),
    ] {
        record.insert(name.into(), list(parameter, &[(field, value, text), ("description", "Description", text)]));
    }
    record.into()
}

fn create_group(params: &Params) -> Value {
    let mut record = fields(
        params,
        &[("groupName", "GroupName", text), ("groupDescription", "GroupDescription", text), ("vpcId", "VpcId", text)],
    );
    let tag = |tag: &Params| Value::from(fields(tag, &[("key", "Key", text), ("value", "Value", text)]));
    let specification = |specification: &Params| {
        let tags = specification.members("Tag").iter().map(tag).collect::<Vec<_>>();
        json!({ "resourceType": specification.get("ResourceType"), "tags": tags })
    };
    let specifications = params.members("TagSpecification").iter().map(specification).collect::<Vec<_>>();
    if !specifications.is_empty() {
        record.insert("tagSpecificationSet".into(), legacy_list(specifications));
    }
    record.into()
}

fn describe_groups(params: &Params) -> Value {
    let filter =
        |filter: &Params| json!({ "name": filter.get("Name"), "valueSet": named_list(filter, "Value", "value") });
    json!({
        "securityGroupSet": named_list(params, "GroupName", "groupName"),
        "securityGroupIdSet": named_list(params, "GroupId", "groupId"),
        "filterSet": legacy_list(params.members("Filter").iter().map(filter).collect()),
    })
}

/// The request as CloudTrail's converter writes it: names as sent, types guessed. One member of a list becomes an
/// object and several an array, each with its number as `tag`. A scalar member becomes `{"tag":1,"content":…}`.
fn converted(params: &Params) -> Value {
    let mut record = Map::new();
    for (name, value) in &params.0 {
        let first = name.split('.').next().unwrap_or_default();
        if record.contains_key(first) {
            continue;
        }
        let members = params.members(first);
        let converted = if first == name.as_str() {
            guess(value)
        } else if members.is_empty() {
            converted(&params.under(first))
        } else {
            one_or_many(members.iter().zip(1..).map(|(member, tag)| tagged(member, tag)).collect())
        };
        record.insert(first.to_owned(), converted);
    }
    record.into()
}

fn tagged(member: &Params, tag: i32) -> Value {
    if let Some(value) = member.get("") {
        return json!({ "tag": tag, "content": guess(value) });
    }
    let mut member = converted(member);
    super::put(&mut member, "tag", json!(tag));
    member
}

fn one_or_many(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.remove(0) } else { Value::Array(values) }
}

/// An answer of STS in camelCase, without the secret.
pub(super) fn camel(tree: &Tree) -> Value {
    match tree {
        Tree::Map(members) => members
            .iter()
            .filter(|(name, _)| *name != "SecretAccessKey")
            .map(|(name, tree)| {
                let mut letters = name.chars();
                let first = letters.next().map(|c| c.to_ascii_lowercase()).into_iter();
                (first.chain(letters).collect::<String>(), camel(tree))
            })
            .collect::<Map<_, _>>()
            .into(),
        Tree::Text(_) | Tree::Int(_) | Tree::Bool(_) | Tree::List(_) => tree.legacy_json(),
    }
}

/// The account whose role an AssumeRole call names.
pub(super) fn role_owner<'a>(entry: &Entry<'a>) -> Option<&'a str> {
    match (entry.service, entry.action) {
        (Service::Sts, "AssumeRole") => entry.params.get("RoleArn")?.split(':').nth(4),
        _ => None,
    }
}
