//! From the records of calls to facts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use portcullis_delivery::logfile::Event;
use portcullis_domain::ids::PrefixListId;
use portcullis_domain::json::{self, Json};

use super::facts::{Fact, InstanceSeen, InterfaceSeen, ModifiedPart, What};
use super::shape::{answered, asked, field, ids, is_omitted, list, modified, number};
use super::{By, Direction};
use crate::trail::seconds;

/// The calls that say what rules, groups, interfaces and instances are.
pub const CALLS: [&str; 23] = [
    "AuthorizeSecurityGroupIngress",
    "AuthorizeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
    "RevokeSecurityGroupEgress",
    "ModifySecurityGroupRules",
    "CreateSecurityGroup",
    "DeleteSecurityGroup",
    "RunInstances",
    "TerminateInstances",
    "CreateNetworkInterface",
    "DeleteNetworkInterface",
    "AttachNetworkInterface",
    "DetachNetworkInterface",
    "ModifyNetworkInterfaceAttribute",
    "ModifyInstanceAttribute",
    "CreateTags",
    "DeleteTags",
    "CreateDefaultVpc",
    "DeleteVpc",
    "CreateManagedPrefixList",
    "ModifyManagedPrefixList",
    "RestoreManagedPrefixListVersion",
    "DeleteManagedPrefixList",
];

/// The fact in a record, if it is a successful call of [`CALLS`].
///
/// # Errors
/// Why the record of such a call cannot be understood.
pub(super) fn fact(event: &Event<'_>, time: Option<i64>) -> Result<Option<Fact>, String> {
    let name = event.event_name.get().unwrap_or_default();
    let is_failed = event.error_code.get().is_some();
    if event.event_source.get() != Some("ec2.amazonaws.com") || is_failed || !CALLS.contains(&name) {
        return Ok(None);
    }
    // The copy that a VPC endpoint's owner gets names the call and not what it did.
    if event.event_category.get() == Some("NetworkActivity") {
        return Ok(None);
    }
    let id = event.event_id.get().unwrap_or("without an id");
    let Some(time) = time else { return Err(format!("event {id} ({name}) has no time")) };
    let part = |raw: Option<&serde_json::value::RawValue>| match raw {
        None => Ok(Json::Null),
        Some(raw) => json::parse(raw.get().as_bytes()).map(Json::into_owned).map_err(|error| error.to_string()),
    };
    let (request, answer) = (part(event.request_parameters)?, part(event.response_elements)?);
    let what = if is_omitted(Some(&request)) || (is_omitted(Some(&answer)) && needs_answer(name)) {
        Some(What::Omitted { group: field(&request, "groupId"), call: name.to_owned() })
    } else {
        what(name, &request, &answer).map_err(|why| format!("event {id} ({name}): {why}"))?
    };
    let who = event.user_identity.as_ref();
    let actor = who.and_then(|who| {
        [&who.arn, &who.invoked_by, &who.user_name, &who.principal_id].into_iter().find_map(|text| text.get())
    });
    let by = By {
        event: event.event_id.get().map(str::to_owned),
        actor: actor.map(str::to_owned),
        source_ip: event.source_ip.get().map(str::to_owned),
    };
    let account = crate::trail::account(event).map(str::to_owned);
    let region = event.aws_region.get().map(str::to_owned);
    Ok(what.map(|what| Fact { time, what, by, account, region, is_dated: true }))
}

fn needs_answer(call: &str) -> bool {
    matches!(call, "RunInstances" | "CreateNetworkInterface" | "CreateSecurityGroup")
}

fn what(call: &str, request: &Json<'_>, answer: &Json<'_>) -> Result<Option<What>, String> {
    let direction = if call.ends_with("Egress") { Direction::Egress } else { Direction::Ingress };
    let need = |key: &str| field(request, key).ok_or_else(|| format!("its request has no {key}"));
    Ok(Some(match call {
        "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress" => {
            let (mut rules, answered_group) = answered(answer, "securityGroupRuleSet");
            if rules.is_empty() {
                rules = asked(request, direction);
            }
            if rules.is_empty() {
                return Err("it names no rule".to_owned());
            }
            rules.iter_mut().for_each(|rule| rule.direction = rule.direction.or(Some(direction)));
            let group = field(request, "groupId").or(answered_group);
            let named = || field(request, "groupName").map(|name| format!("name:{name}"));
            What::Opened { group: group.or_else(named).ok_or("it names no group")?, rules }
        }
        "RevokeSecurityGroupIngress" | "RevokeSecurityGroupEgress" => {
            let (mut rules, answered_group) = answered(answer, "revokedSecurityGroupRuleSet");
            let ids = ids(request.get("securityGroupRuleIds"), "securityGroupRuleId");
            if rules.is_empty() {
                rules = asked(request, direction);
            }
            rules.iter_mut().for_each(|rule| rule.direction = rule.direction.or(Some(direction)));
            let group = field(request, "groupId").or(answered_group);
            let named = || field(request, "groupName").map(|name| format!("name:{name}"));
            What::Closed { group: group.or_else(named), rules, ids }
        }
        "ModifySecurityGroupRules" => {
            let (group, rules) = modified(request);
            if rules.is_empty() {
                return Err("it names no rule".to_owned());
            }
            let part = |m: super::shape::Modified| ModifiedPart { id: m.id, traffic: m.traffic, source: m.source };
            What::Modified { group, rules: rules.into_iter().map(part).collect() }
        }
        "CreateSecurityGroup" => What::GroupCreated {
            group: field(answer, "groupId").ok_or("its answer has no groupId")?,
            name: field(request, "groupName"),
            vpc: field(request, "vpcId"),
        },
        "DeleteSecurityGroup" => match field(request, "groupId").or_else(|| field(answer, "groupId")) {
            Some(group) => What::GroupDeleted { group },
            None => What::GroupDeleted { group: format!("name:{}", need("groupName")?) },
        },
        "RunInstances" => {
            let instances: Vec<_> = list(answer.get("instancesSet")).into_iter().filter_map(instance).collect();
            if instances.is_empty() {
                return Err("its answer names no instance".to_owned());
            }
            What::Launched(instances)
        }
        "TerminateInstances" => {
            let either = [answer, request].map(|part| ids(part.get("instancesSet"), "instanceId"));
            What::Terminated { instances: either.into_iter().find(|ids| !ids.is_empty()).unwrap_or_default() }
        }
        "CreateNetworkInterface" => {
            let seen = answer.get("networkInterface").and_then(interface);
            What::InterfaceCreated(seen.ok_or("its answer has no networkInterface")?)
        }
        "DeleteNetworkInterface" => What::InterfaceDeleted { interface: need("networkInterfaceId")? },
        "AttachNetworkInterface" => What::Attached {
            interface: need("networkInterfaceId")?,
            instance: need("instanceId")?,
            id: field(answer, "attachmentId"),
            device: number(request.get("deviceIndex")),
        },
        "DetachNetworkInterface" => What::Detached { id: need("attachmentId")? },
        "ModifyNetworkInterfaceAttribute" => match ids(request.get("groupSet"), "groupId") {
            groups if groups.is_empty() => return Ok(None),
            groups => {
                What::InterfaceGroups { interface: need("networkInterfaceId")?, groups: groups.into_iter().collect() }
            }
        },
        "ModifyInstanceAttribute" => match ids(request.get("groupSet"), "groupId") {
            groups if groups.is_empty() => return Ok(None),
            groups => What::InstanceGroups { instance: need("instanceId")?, groups: groups.into_iter().collect() },
        },
        "CreateTags" | "DeleteTags" => return Ok(named(call, request)),
        "CreateManagedPrefixList"
        | "ModifyManagedPrefixList"
        | "RestoreManagedPrefixListVersion"
        | "DeleteManagedPrefixList" => {
            let list = list_of(call, request, answer).ok_or("it names no prefix list")?;
            What::ListChanged { list }
        }
        _ => return Ok(None),
    }))
}

/// A call may tag several resources; only the first instance's name is a fact of its own here, the others follow below.
/// The prefix list of a call. Few records of these have been seen, so it is looked for with and without the wrapper.
fn list_of(call: &str, request: &Json<'_>, answer: &Json<'_>) -> Option<PrefixListId> {
    let (asked, answered) = (format!("{call}Request"), format!("{call}Response"));
    let request = request.get(&asked).unwrap_or(request);
    let answer = answer.get(&answered).unwrap_or(answer);
    let answer = answer.get("prefixList").unwrap_or(answer);
    let named = |part: &Json<'_>| field(part, "PrefixListId").or_else(|| field(part, "prefixListId"));
    named(request).or_else(|| named(answer)).and_then(|id| PrefixListId::parse(&id).ok())
}

fn named(call: &str, request: &Json<'_>) -> Option<What> {
    let tags = list(request.get("tagSet"));
    let tag = tags.into_iter().find(|tag| field(tag, "key").as_deref() == Some("Name"))?;
    let name = if call == "CreateTags" { field(tag, "value") } else { None };
    let resources = ids(request.get("resourcesSet"), "resourceId");
    let instances: Vec<_> = resources.into_iter().filter(|id| id.starts_with("i-")).collect();
    (!instances.is_empty()).then(|| What::Named { resource: instances.join(" "), name })
}

fn tag(tags: Option<&Json<'_>>, wanted: &str) -> Option<String> {
    list(tags).into_iter().find(|tag| field(tag, "key").as_deref() == Some(wanted)).and_then(|tag| field(tag, "value"))
}

fn instance(item: &Json<'_>) -> Option<InstanceSeen> {
    let id = field(item, "instanceId")?;
    let tags = item.get("tagSet");
    let own = |seen: InterfaceSeen| InterfaceSeen { instance: Some(id.clone()), ..seen };
    Some(InstanceSeen {
        name: tag(tags, "Name"),
        asg: tag(tags, "aws:autoscaling:groupName"),
        image: field(item, "imageId"),
        launched: None,
        interfaces: list(item.get("networkInterfaceSet")).into_iter().filter_map(interface).map(own).collect(),
        id,
    })
}

/// An interface in an answer of CloudTrail.
fn interface(item: &Json<'_>) -> Option<InterfaceSeen> {
    let mut addresses: BTreeSet<IpAddr> = BTreeSet::new();
    let mut add = |text: Option<String>| addresses.extend(text.and_then(|text| text.parse::<IpAddr>().ok()));
    add(field(item, "privateIpAddress"));
    list(item.get("privateIpAddressesSet")).into_iter().for_each(|item| add(field(item, "privateIpAddress")));
    list(item.get("ipv6AddressesSet")).into_iter().for_each(|item| add(field(item, "ipv6Address")));
    let attachment = item.get("attachment");
    let groups = item.get("groupSet").map(|set| ids(Some(set), "groupId").into_iter().collect());
    Some(InterfaceSeen {
        id: field(item, "networkInterfaceId")?,
        vpc: field(item, "vpcId"),
        subnet: field(item, "subnetId"),
        description: field(item, "description"),
        requester: field(item, "requesterId"),
        addresses,
        groups,
        instance: attachment.and_then(|attachment| field(attachment, "instanceId")),
        attachment: attachment.and_then(|attachment| field(attachment, "attachmentId")),
        device: attachment.and_then(|attachment| number(attachment.get("deviceIndex"))),
    })
}

/// The time in a snapshot's field.
pub(super) fn time_in(item: &Json<'_>, key: &str) -> Option<i64> {
    seconds(item.get(key)?.as_str()?)
}
