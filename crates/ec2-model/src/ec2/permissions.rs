//! Reads the rules of a request: `IpPermissions.N`, or the flat parameters of EC2's first years.

use super::check_id;
use crate::{
    ApiError, Source, canonical,
    params::Params,
    rule::RuleSpec,
    state::{Place, Vpc},
};

/// One spec for each source: "exactly one of the following sources: an IPv4 or IPv6 address range, a prefix list, or a
/// security group".
pub(super) fn specs(place: &Place, params: &Params, vpc: Vpc) -> Result<Vec<RuleSpec>, ApiError> {
    let flat = ["CidrIp", "IpProtocol", "FromPort", "ToPort", "SourceSecurityGroupName"];
    let flat = flat.iter().find(|name| params.has(name));
    match (params.has("IpPermissions"), flat) {
        (true, Some(name)) => Err(ApiError::new(
            "InvalidParameterCombination",
            format!("The parameter 'ipPermissions' may not be used in combination with '{name}'"),
        )),
        (true, None) => {
            let mut specs = Vec::new();
            for permission in params.members("IpPermissions") {
                nested(place, &permission, vpc, &mut specs)?;
            }
            Ok(specs)
        }
        (false, Some(_)) => flat_specs(place, params),
        (false, None) => Err(ApiError::missing("ipPermissions")),
    }
}

fn nested(place: &Place, permission: &Params, vpc: Vpc, specs: &mut Vec<RuleSpec>) -> Result<(), ApiError> {
    let protocol = canonical::protocol(permission.get("IpProtocol"))?;
    let ports = canonical::ports(&protocol, permission.int("FromPort")?, permission.int("ToPort")?)?;
    let before = specs.len();
    let mut add = |source: Source, member: &Params| {
        specs.push(RuleSpec { protocol: protocol.clone(), ports, source, description: member.text("Description") });
    };
    for range in permission.members("IpRanges") {
        add(canonical::ipv4(range.required("CidrIp")?)?, &range);
    }
    for range in permission.members("Ipv6Ranges") {
        add(canonical::ipv6(range.required("CidrIpv6")?)?, &range);
    }
    for list in permission.members("PrefixListIds") {
        add(prefix_list(place, list.required("PrefixListId")?)?, &list);
    }
    for group in permission.members("Groups") {
        add(referenced_group(place, &group, vpc)?, &group);
    }
    if specs.len() == before { Err(no_source()) } else { Ok(()) }
}

fn flat_specs(place: &Place, params: &Params) -> Result<Vec<RuleSpec>, ApiError> {
    if let Some(name) = params.get("SourceSecurityGroupName") {
        // "The rule grants full ICMP, UDP, and TCP access."
        let named = Params(vec![("GroupName".into(), name.into())]);
        let source = referenced_group(place, &named, Vpc::Default)?;
        let spec = |protocol: &str, ports| RuleSpec {
            protocol: protocol.into(),
            ports,
            source: source.clone(),
            description: None,
        };
        return Ok(vec![spec("icmp", (-1, -1)), spec("tcp", (0, 65535)), spec("udp", (0, 65535))]);
    }
    let protocol = canonical::protocol(params.get("IpProtocol"))?;
    let ports = canonical::ports(&protocol, params.int("FromPort")?, params.int("ToPort")?)?;
    let source = canonical::ipv4(params.get("CidrIp").ok_or_else(no_source)?)?;
    Ok(vec![RuleSpec { protocol, ports, source, description: None }])
}

/// The new rule in ModifySecurityGroupRules (SecurityGroupRuleRequest), which has only this shape.
pub(super) fn rule_request(place: &Place, request: &Params, vpc: Vpc) -> Result<RuleSpec, ApiError> {
    let protocol = canonical::protocol(request.get("IpProtocol"))?;
    let (from, to) = (request.int::<i32>("FromPort")?, request.int::<i32>("ToPort")?);
    if protocol == "-1" && [from, to].into_iter().flatten().any(|port| port != -1) {
        return Err(ApiError::invalid_value(
            "You may not specify all protocols and specific ports. Please specify each protocol and port range \
             combination individually, or all protocols and no port range.",
        ));
    }
    let ports = canonical::ports(&protocol, from, to)?;
    let mut sources = Vec::new();
    if let Some(cidr) = request.get("CidrIpv4") {
        sources.push(canonical::ipv4(cidr)?);
    }
    if let Some(cidr) = request.get("CidrIpv6") {
        sources.push(canonical::ipv6(cidr)?);
    }
    if let Some(list) = request.get("PrefixListId") {
        sources.push(prefix_list(place, list)?);
    }
    if let Some(group) = request.get("ReferencedGroupId") {
        sources.push(referenced_group(place, &Params(vec![("GroupId".into(), group.into())]), vpc)?);
    }
    match <[Source; 1]>::try_from(sources) {
        Ok([source]) => Ok(RuleSpec { protocol, ports, source, description: request.text("Description") }),
        Err(sources) if sources.is_empty() => Err(no_source()),
        Err(_) => Err(ApiError::new(
            "InvalidParameterCombination",
            "Only one of cidrIpv4, cidrIpv6, prefixListId, or referencedGroupId can be specified",
        )),
    }
}

fn no_source() -> ApiError {
    ApiError::new("MissingParameter", "Missing source specification: include source security group or CIDR information")
}

fn prefix_list(place: &Place, id: &str) -> Result<Source, ApiError> {
    place
        .prefix_list(id)
        .map(|list| Source::PrefixList(list.id.clone()))
        .ok_or_else(|| ApiError::prefix_list_not_found(id))
}

/// A group of another account is accepted without a check, because peering is not modelled.
fn referenced_group(place: &Place, pair: &Params, vpc: Vpc) -> Result<Source, ApiError> {
    let owner = pair.get("UserId").unwrap_or(&place.account);
    let id = pair.get("GroupId");
    if owner != place.account {
        let id = id.ok_or_else(|| ApiError::new("MissingParameter", "Source group ID missing."))?;
        return Ok(Source::Group { id: id.into(), account: Some(owner.into()) });
    }
    let found = match (id, pair.get("GroupName")) {
        (Some(id), _) => {
            check_id("sg", id, "InvalidGroupId.Malformed")?;
            place.groups.iter().find(|group| group.id == id).ok_or_else(|| ApiError::group_not_found(id))?
        }
        (None, Some(name)) => place
            .groups
            .iter()
            .find(|group| group.vpc == Vpc::Default && group.name == name)
            .ok_or_else(|| super::unnamed(name, &place.default_vpc))?,
        (None, None) => return Err(ApiError::new("MissingParameter", "Source group ID missing.")),
    };
    if found.vpc != vpc {
        return Err(ApiError::new(
            "InvalidGroup.NotFound",
            "You have specified two resources that belong to different networks.",
        ));
    }
    Ok(Source::Group { id: found.id.clone(), account: Some(owner.into()) })
}
