//! The shapes in which CloudTrail writes lists, numbers and rules.

use portcullis_domain::json::Json;
use portcullis_domain::rule::{Permission, Protocol, Source, Traffic};

use super::Direction;
use super::facts::RulePart;

/// A list: `{"items":[…]}`, `{"item":…}`, an array, or one element without brackets.
pub(super) fn list<'a>(value: Option<&'a Json<'a>>) -> Vec<&'a Json<'a>> {
    let Some(value) = value else { return Vec::new() };
    match value {
        Json::Array(elements) => elements.iter().collect(),
        Json::Object(fields) => match fields.get("items").or_else(|| fields.get("item")) {
            Some(inner) => list(Some(inner)),
            None if fields.is_empty() => Vec::new(),
            None => vec![value],
        },
        Json::Null => Vec::new(),
        Json::String(text) if text.is_empty() => Vec::new(),
        Json::String(_) | Json::Bool(_) | Json::Number(_) => vec![value],
    }
}

/// A text; a number counts as its text.
pub(super) fn text(value: Option<&Json<'_>>) -> Option<String> {
    match value? {
        Json::String(text) if !text.is_empty() => Some(text.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::Null | Json::Bool(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// The text of a field.
pub(super) fn field(object: &Json<'_>, key: &str) -> Option<String> {
    text(object.get(key))
}

/// A number; a text counts as its number.
pub(super) fn number(value: Option<&Json<'_>>) -> Option<i64> {
    let value = value?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// The ids of a list of objects, or of texts.
pub(super) fn ids(value: Option<&Json<'_>>, key: &str) -> Vec<String> {
    list(value).into_iter().filter_map(|element| field(element, key).or_else(|| text(Some(element)))).collect()
}

/// Whether CloudTrail left a part of the record out for its size.
pub(super) fn is_omitted(part: Option<&Json<'_>>) -> bool {
    match part.and_then(|part| part.get("omitted")) {
        Some(Json::Bool(omitted)) => *omitted,
        Some(Json::String(word)) => word.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

fn traffic(object: &Json<'_>, keys: [&str; 3]) -> Traffic {
    let [protocol, from, to] = keys;
    let protocol = text(object.get(protocol)).unwrap_or_else(|| "-1".to_owned());
    Traffic::new(Protocol::from(protocol.as_str()), number(object.get(from)), number(object.get(to)))
}

fn cidr(text: &str) -> Source {
    text.parse().map_or_else(|_| Source::Unknown(text.to_owned()), Source::Cidr)
}

fn prefix_list(text: &str) -> Source {
    portcullis_domain::ids::PrefixListId::parse(text)
        .map_or_else(|_| Source::Unknown(text.to_owned()), Source::PrefixList)
}

fn named_group(object: &Json<'_>) -> Source {
    let keys = ["groupId", "GroupId", "groupName", "GroupName", "userId"];
    Source::Group(keys.iter().find_map(|key| field(object, key)).unwrap_or_else(|| "a security group".to_owned()))
}

/// The rules that a request asks for, in its nested form or its flat one.
pub(super) fn asked(request: &Json<'_>, direction: Direction) -> Vec<RulePart> {
    let mut parts = Vec::new();
    let mut add = |traffic: &Traffic, source| {
        let permission = Permission { traffic: traffic.clone(), source };
        parts.push(RulePart { id: None, direction: Some(direction), permission });
    };
    for item in list(request.get("ipPermissions")) {
        let traffic = traffic(item, ["ipProtocol", "fromPort", "toPort"]);
        for (field_of, key) in [("ipRanges", "cidrIp"), ("ipv6Ranges", "cidrIpv6")] {
            for range in list(item.get(field_of)) {
                if let Some(block) = field(range, key) {
                    add(&traffic, cidr(&block));
                }
            }
        }
        ids(item.get("prefixListIds"), "prefixListId").iter().for_each(|id| add(&traffic, prefix_list(id)));
        list(item.get("groups")).into_iter().for_each(|group| add(&traffic, named_group(group)));
    }
    let flat = traffic(request, ["ipProtocol", "fromPort", "toPort"]);
    for key in ["cidrIp", "cidrIpv6"] {
        if let Some(block) = field(request, key) {
            add(&flat, cidr(&block));
        }
    }
    let group = ["sourceSecurityGroupId", "sourceSecurityGroupName"].iter().find_map(|key| field(request, key));
    if let Some(group) = group {
        add(&flat, Source::Group(group));
    }
    parts
}

/// The rules that an answer lists, with the group that it names.
pub(super) fn answered(answer: &Json<'_>, key: &str) -> (Vec<RulePart>, Option<String>) {
    let items = list(answer.get(key));
    let group = items.iter().find_map(|item| field(item, "groupId"));
    let keys = Keys {
        id: "securityGroupRuleId",
        egress: "isEgress",
        traffic: ["ipProtocol", "fromPort", "toPort"],
        sources: ["cidrIpv4", "cidrIpv6", "prefixListId", "referencedGroupInfo"],
    };
    (items.into_iter().filter_map(|item| rule(item, &keys)).collect(), group)
}

/// How the fields of a rule are spelled.
pub(super) struct Keys {
    pub(super) id: &'static str,
    pub(super) egress: &'static str,
    pub(super) traffic: [&'static str; 3],
    pub(super) sources: [&'static str; 4],
}

/// A rule with an id.
pub(super) fn rule(item: &Json<'_>, keys: &Keys) -> Option<RulePart> {
    let direction = match item.get(keys.egress) {
        Some(Json::Bool(true)) => Some(Direction::Egress),
        Some(Json::Bool(false)) => Some(Direction::Ingress),
        Some(Json::String(word)) if word == "true" => Some(Direction::Egress),
        Some(Json::String(word)) if word == "false" => Some(Direction::Ingress),
        _ => None,
    };
    let permission = Permission { traffic: traffic(item, keys.traffic), source: source(item, keys.sources)? };
    Some(RulePart { id: Some(field(item, keys.id)?), direction, permission })
}

fn source(item: &Json<'_>, keys: [&str; 4]) -> Option<Source> {
    let [v4, v6, list_id, group] = keys;
    let block = field(item, v4).or_else(|| field(item, v6)).map(|block| cidr(&block));
    let listed = || field(item, list_id).map(|id| prefix_list(&id));
    let grouped = || match item.get(group)? {
        object @ Json::Object(_) => Some(named_group(object)),
        id => text(Some(id)).map(Source::Group),
    };
    block.or_else(listed).or_else(grouped)
}

/// What a ModifySecurityGroupRules call makes of a rule: the parts that it names.
pub(super) struct Modified {
    pub(super) id: String,
    /// `None`: the call leaves the traffic as it is.
    pub(super) traffic: Option<Traffic>,
    pub(super) source: Option<Source>,
}

pub(super) fn modified(request: &Json<'_>) -> (Option<String>, Vec<Modified>) {
    let inner = request.get("ModifySecurityGroupRulesRequest").unwrap_or(request);
    let rules = list(inner.get("SecurityGroupRule")).into_iter().filter_map(|item| {
        let new = item.get("SecurityGroupRule").unwrap_or(&Json::Null);
        let traffic = new.get("IpProtocol").map(|_| traffic(new, ["IpProtocol", "FromPort", "ToPort"]));
        let source = source(new, ["CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId"]);
        Some(Modified { id: field(item, "SecurityGroupRuleId")?, traffic, source })
    });
    (field(inner, "GroupId"), rules.collect())
}
