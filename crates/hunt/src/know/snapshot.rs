//! Snapshots of state, as the AWS CLI prints them: `aws ec2 describe-security-group-rules`, `describe-security-groups`,
//! `describe-network-interfaces`, `describe-instances`, `describe-managed-prefix-lists`, `describe-prefix-lists` and
//! `get-managed-prefix-list-entries`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use portcullis_domain::ids::PrefixListId;
use portcullis_domain::json::Json;

use super::calls::time_in;
use super::facts::{Fact, InstanceSeen, InterfaceSeen, RulePart, What};
use super::shape::{Keys, field, list, number, rule};
use super::{By, Direction};
use crate::trail::Sweep;

/// The facts in a snapshot that was taken at `time`. `name` is the file's.
pub(super) fn facts(snapshot: &Json<'_>, name: &str, time: i64, is_dated: bool) -> Vec<Fact> {
    let mut found = Vec::new();
    let mut add = |what, owner: Option<String>, region| {
        found.push(Fact { time, what, by: By::default(), account: owner, region, is_dated });
    };
    let rules = list(snapshot.get("SecurityGroupRules"));
    if !rules.is_empty() {
        let keys = Keys {
            id: "SecurityGroupRuleId",
            egress: "IsEgress",
            traffic: ["IpProtocol", "FromPort", "ToPort"],
            sources: ["CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupInfo"],
        };
        let region = rules.iter().find_map(|rule| {
            field(rule, "SecurityGroupRuleArn").and_then(|arn| arn.split(':').nth(3).map(str::to_owned))
        });
        let owner = rules.iter().find_map(|rule| field(rule, "GroupOwnerId"));
        let rules = rules.into_iter().filter_map(|item| Some((field(item, "GroupId")?, rule(item, &keys)?)));
        add(What::RulesSeen { rules: rules.collect() }, owner, region);
    }
    let groups = list(snapshot.get("SecurityGroups"));
    if !groups.is_empty() {
        let owner = groups.iter().find_map(|group| field(group, "OwnerId"));
        let seen =
            |group: &Json<'_>| Some((field(group, "GroupId")?, field(group, "GroupName"), field(group, "VpcId")));
        add(What::GroupsSeen { groups: groups.into_iter().filter_map(seen).collect() }, owner, None);
    }
    if let Some(interfaces) = snapshot.get("NetworkInterfaces") {
        let interfaces = list(Some(interfaces));
        let owner = interfaces.iter().find_map(|item| field(item, "OwnerId"));
        add(What::InterfacesSeen(interfaces.into_iter().filter_map(interface).collect()), owner, None);
    }
    for item in list(snapshot.get("PrefixLists")) {
        let Some(id) = field(item, "PrefixListId").and_then(|id| PrefixListId::parse(&id).ok()) else { continue };
        let region = field(item, "PrefixListArn").and_then(|arn| arn.split(':').nth(3).map(str::to_owned));
        if let Some(owner) = field(item, "OwnerId") {
            add(What::ListOwned { list: id.clone(), owner }, None, region.clone());
        }
        if let Some(blocks) = item.get("Cidrs") {
            let entries = list(Some(blocks)).into_iter().filter_map(|block| block.as_str()?.parse().ok()).collect();
            add(What::ListSeen { list: id, entries }, None, region);
        }
    }
    if let (Some(entries), Some(id)) = (snapshot.get("Entries"), list_in(name)) {
        let entries = list(Some(entries)).into_iter().filter_map(|entry| field(entry, "Cidr")?.parse().ok());
        add(What::ListSeen { list: id, entries: entries.collect() }, None, None);
    }
    for reservation in list(snapshot.get("Reservations")) {
        let instances = list(reservation.get("Instances")).into_iter().filter_map(instance).collect();
        add(What::InstancesSeen(instances), field(reservation, "OwnerId"), None);
    }
    found
}

/// The fact in what a sweep saw: all ingress rules, at a time that it says itself.
pub(super) fn of_sweep(sweep: Sweep) -> Fact {
    let rules = sweep.rules.into_iter().map(|(group, id, permission)| {
        (group, RulePart { id: Some(id), direction: Some(Direction::Ingress), permission })
    });
    Fact {
        time: sweep.looked_at,
        what: What::RulesSeen { rules: rules.collect() },
        by: By::default(),
        account: Some(sweep.account),
        region: Some(sweep.region),
        is_dated: true,
    }
}

/// The prefix list that the name of a file says: what get-managed-prefix-list-entries prints does not say it.
pub(crate) fn list_in(name: &str) -> Option<PrefixListId> {
    let name = name.rsplit('/').next()?;
    name.match_indices("pl-").find_map(|(at, _)| {
        let digits = name.get(at + 3..)?.split(|c: char| !c.is_ascii_hexdigit()).next()?;
        PrefixListId::parse(&format!("pl-{digits}")).ok()
    })
}

fn interface(item: &Json<'_>) -> Option<InterfaceSeen> {
    let mut addresses: BTreeSet<IpAddr> = BTreeSet::new();
    let mut add = |text: Option<String>| addresses.extend(text.and_then(|text| text.parse::<IpAddr>().ok()));
    add(field(item, "PrivateIpAddress"));
    list(item.get("PrivateIpAddresses")).into_iter().for_each(|item| add(field(item, "PrivateIpAddress")));
    list(item.get("Ipv6Addresses")).into_iter().for_each(|item| add(field(item, "Ipv6Address")));
    let attachment = item.get("Attachment");
    let groups = item.get("Groups").map(|groups| {
        list(Some(groups)).into_iter().filter_map(|group| field(group, "GroupId")).collect::<BTreeSet<_>>()
    });
    Some(InterfaceSeen {
        id: field(item, "NetworkInterfaceId")?,
        vpc: field(item, "VpcId"),
        subnet: field(item, "SubnetId"),
        description: field(item, "Description"),
        requester: field(item, "RequesterId"),
        addresses,
        groups,
        instance: attachment.and_then(|attachment| field(attachment, "InstanceId")),
        attachment: attachment.and_then(|attachment| field(attachment, "AttachmentId")),
        device: attachment.and_then(|attachment| number(attachment.get("DeviceIndex"))),
    })
}

fn instance(item: &Json<'_>) -> Option<InstanceSeen> {
    let id = field(item, "InstanceId")?;
    let tag = |wanted: &str| {
        let tags = list(item.get("Tags"));
        let tag = tags.into_iter().find(|tag| field(tag, "Key").as_deref() == Some(wanted))?;
        field(tag, "Value")
    };
    let own = |seen: InterfaceSeen| InterfaceSeen { instance: Some(id.clone()), ..seen };
    Some(InstanceSeen {
        name: tag("Name"),
        asg: tag("aws:autoscaling:groupName"),
        image: field(item, "ImageId"),
        launched: time_in(item, "LaunchTime"),
        interfaces: list(item.get("NetworkInterfaces")).into_iter().filter_map(interface).map(own).collect(),
        id,
    })
}
