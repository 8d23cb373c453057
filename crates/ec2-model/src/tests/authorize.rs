//! AuthorizeSecurityGroupIngress and AuthorizeSecurityGroupEgress.

use super::kit::*;
use crate::{Direction, Permission, Vpc};

/// EC2 API Reference, AuthorizeSecurityGroupIngress: "if you specify 100.68.0.18/18 for the CIDR block, Amazon Web
/// Services canonicalizes the CIDR block to 100.68.0.0/18. Any subsequent DescribeSecurityGroups and
/// DescribeSecurityGroupRules calls will return the canonicalized form of the CIDR block."
#[test]
fn cidrs_are_kept_in_canonical_form() {
    let (world, group) = world_with_group(Vpc::Other);
    allow(&world, &group, Permission::new("tcp", 22, 22, &["100.68.0.18/18", "1.2.3.4/0", "2001:db8::1/32"]));
    let sources = ingress(&world, &group).into_iter().map(|rule| rule.3).collect::<Vec<_>>();
    assert_eq!(sources, ["100.68.0.0/18", "0.0.0.0/0", "2001:db8::/32"]);
    let (_, body) =
        ec2(&world, "DescribeSecurityGroupRules", &[("Filter.1.Name", "group-id"), ("Filter.1.Value.1", &group)]);
    assert_eq!(elements(&body, "cidrIpv4"), ["0.0.0.0/0", "100.68.0.0/18", "0.0.0.0/0"]);
}

/// EC2 API Reference, AuthorizeSecurityGroupIngress: "if you attempt to add another rule with the non-canonical form of
/// the CIDR (such as 100.68.0.18/18) and there is already a rule for the canonicalized form of the CIDR block (such as
/// 100.68.0.0/18), the API throws an duplicate rule error."
#[test]
fn a_duplicate_is_refused_and_nothing_else_of_the_call_is_added() {
    let (world, group) = world_with_group(Vpc::Other);
    allow(&world, &group, Permission::tcp(22, "100.68.0.0/18"));
    let call = [Permission::tcp(80, "10.0.0.0/8"), Permission::tcp(22, "100.68.0.18/18")];
    let error = world.authorize(ACCOUNT, REGION, &group, &call).unwrap_err();
    assert_eq!(error.code, "InvalidPermission.Duplicate");
    assert_eq!(
        error.message,
        "the specified rule \"peer: 100.68.0.0/18, TCP, from port: 22, to port: 22, ALLOW\" already exists"
    );
    assert_eq!(ingress(&world, &group).len(), 1);
}

/// EC2's answer to a rule that stands twice in one call: "The same permission must not appear multiple times".
#[test]
fn the_same_rule_twice_in_one_call_is_refused() {
    let (world, group) = world_with_group(Vpc::Other);
    let call = [Permission::tcp(22, "1.2.3.4/0"), Permission::tcp(22, "0.0.0.0/0")];
    let error = world.authorize(ACCOUNT, REGION, &group, &call).unwrap_err();
    assert_eq!(error.code, "InvalidParameterValue");
    assert_eq!(error.message, "The same permission must not appear multiple times");
}

/// EC2 API Reference, IpPermission: "The IP protocol name (tcp, udp, icmp, icmpv6) or number. Use -1 to specify all
/// protocols."
#[test]
fn protocols_are_kept_by_name_where_they_have_one() {
    let (world, group) = world_with_group(Vpc::Other);
    for protocol in ["6", "UDP", "1", "58", "47", "-1"] {
        allow(&world, &group, Permission::new(protocol, 8, 8, &["::/0"]));
    }
    let kept = ingress(&world, &group).into_iter().map(|rule| rule.0).collect::<Vec<_>>();
    assert_eq!(kept, ["tcp", "udp", "icmp", "icmpv6", "47", "-1"]);
    let error = world.authorize(ACCOUNT, REGION, &group, &[Permission::new("gre", 0, 0, &["::/0"])]).unwrap_err();
    assert_eq!(error.code, "InvalidParameterValue");
}

/// EC2 API Reference, IpPermission: "specifying -1 or a protocol number other than tcp, udp, icmp, or icmpv6 allows
/// traffic on all ports, regardless of any port range you specify."
#[test]
fn other_protocols_have_no_ports() {
    let (world, group) = world_with_group(Vpc::Other);
    allow(&world, &group, Permission::new("47", 22, 22, &["0.0.0.0/0"]));
    allow(&world, &group, Permission::new("-1", 22, 22, &["0.0.0.0/0"]));
    let ports = ingress(&world, &group).into_iter().map(|rule| (rule.1, rule.2)).collect::<Vec<_>>();
    assert_eq!(ports, [(-1, -1), (-1, -1)]);
}

/// EC2 API Reference, AuthorizeSecurityGroupIngress: "If the protocol is TCP or UDP, you must also specify a port or port
/// range."
#[test]
fn tcp_needs_a_port_range_that_is_one() {
    let (world, group) = world_with_group(Vpc::Other);
    let code = |from_port, to_port| {
        let permission = Permission { from_port, to_port, ..Permission::tcp(0, "10.0.0.0/8") };
        world.authorize(ACCOUNT, REGION, &group, &[permission]).map_err(|error| error.code)
    };
    assert_eq!(code(None, None), Err("InvalidParameterValue".into()));
    assert_eq!(code(Some(22), None), Err("InvalidParameterValue".into()));
    assert_eq!(code(Some(-1), Some(22)), Err("InvalidPermission.Malformed".into()));
    assert_eq!(code(Some(22), Some(65536)), Err("InvalidPermission.Malformed".into()));
    assert_eq!(code(Some(443), Some(80)), Err("InvalidPermission.Malformed".into()));
    assert!(code(Some(0), Some(65535)).is_ok());
}

/// EC2 API Reference, IpPermission: "If the protocol is ICMP or ICMPv6, this is the ICMP type or -1 (all ICMP types). …
/// If the start port is -1 (all ICMP types), then the end port must be -1 (all ICMP codes)." "For icmpv6, the port range
/// is optional; if you omit the port range, traffic for all types and codes is allowed."
#[test]
fn icmp_has_type_and_code_in_the_port_fields() {
    let (world, group) = world_with_group(Vpc::Other);
    allow(&world, &group, Permission::new("icmp", 8, 0, &["0.0.0.0/0"]));
    allow(&world, &group, Permission { protocol: "icmpv6".into(), ..Permission::all("::/0") });
    let kept = ingress(&world, &group).into_iter().map(|rule| (rule.0, rule.1, rule.2)).collect::<Vec<_>>();
    assert_eq!(kept, [("icmp".into(), 8, 0), ("icmpv6".into(), -1, -1)]);
    for (kind, code) in [(-1, 0), (256, 0), (0, 256)] {
        let error =
            world.authorize(ACCOUNT, REGION, &group, &[Permission::new("icmp", kind, code, &["::/0"])]).unwrap_err();
        assert_eq!(error.code, "InvalidPermission.Malformed");
    }
}

/// EC2 API Reference, AuthorizeSecurityGroupIngress, response elements: `securityGroupRuleSet` has one rule for each
/// source, each with its own id.
#[test]
fn one_permission_with_several_sources_becomes_several_rules() {
    let (world, group) = world_with_group(Vpc::Other);
    let (status, body) = ec2(
        &world,
        "AuthorizeSecurityGroupIngress",
        &[
            ("GroupId", &group),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "22"),
            ("IpPermissions.1.ToPort", "22"),
            ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8"),
            ("IpPermissions.1.IpRanges.1.Description", "a <b> & \"c\""),
            ("IpPermissions.1.IpRanges.2.CidrIp", "0.0.0.0/0"),
            ("IpPermissions.1.Ipv6Ranges.1.CidrIpv6", "::/0"),
        ],
    );
    assert_eq!(status, 200);
    assert_eq!(element(&body, "return"), "true");
    assert_eq!(element(&body, "description"), "a &lt;b&gt; &amp; &quot;c&quot;");
    let ids = elements(&body, "securityGroupRuleId");
    let known = world.rules(ACCOUNT, REGION, &group);
    let known = known.iter().filter(|r| r.direction == Direction::Ingress).map(|r| r.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids, known);
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| id.len() == "sgr-".len() + 17));
}

/// EC2 API Reference, AuthorizeSecurityGroupIngress: "You must specify exactly one of the following sources: an IPv4 or
/// IPv6 address range, a prefix list, or a security group." and error codes, InvalidParameterValue.
#[test]
fn sources_that_are_none_are_refused() {
    let (world, group) = world_with_group(Vpc::Other);
    let code = |sources: &[&str]| {
        world.authorize(ACCOUNT, REGION, &group, &[Permission::new("tcp", 22, 22, sources)]).unwrap_err().code
    };
    assert_eq!(code(&[]), "MissingParameter");
    assert_eq!(code(&["1.2.3.4"]), "InvalidParameterValue");
    assert_eq!(code(&["1.2.3.4/33"]), "InvalidParameterValue");
    assert_eq!(code(&["::/129"]), "InvalidParameterValue");
    assert_eq!(code(&["pl-0123456789abcdef0"]), "InvalidPrefixListID.NotFound");
    assert_eq!(code(&["sg-0123456789abcdef0"]), "InvalidGroup.NotFound");
    assert_eq!(ingress(&world, &group), []);
}

/// Amazon VPC User Guide, "Amazon VPC quotas": "Inbound or outbound rules per security group: 60. … This quota is
/// enforced separately for IPv4 rules and IPv6 rules."
#[test]
fn sixty_rules_of_each_family_fit_into_a_group() {
    let (world, group) = world_with_group(Vpc::Other);
    let cidrs = |family: &str| match family {
        "v4" => (0..60).map(|n| format!("10.0.{n}.0/24")).collect::<Vec<_>>(),
        _ => (0..60).map(|n| format!("2001:db8:{n:x}::/48")).collect(),
    };
    for family in ["v4", "v6"] {
        let cidrs = cidrs(family);
        let sources = cidrs.iter().map(String::as_str).collect::<Vec<_>>();
        allow(&world, &group, Permission::new("tcp", 22, 22, &sources));
    }
    let error = world.authorize(ACCOUNT, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap_err();
    assert_eq!(error.code, "RulesPerSecurityGroupLimitExceeded");
    world.set_rules_per_group(61);
    allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
}

/// Amazon VPC User Guide, "Amazon VPC quotas": "if you create a prefix list with 20 maximum entries and you reference that
/// prefix list in a security group rule, this counts as 20 security group rules."
#[test]
fn a_prefix_list_counts_with_its_maximum() {
    let (world, group) = world_with_group(Vpc::Other);
    let list = world.create_prefix_list(ACCOUNT, REGION, "offices", 59, &["10.0.0.0/8"]).unwrap();
    allow(&world, &group, Permission::tcp(22, &list));
    allow(&world, &group, Permission::tcp(22, "10.0.0.0/8"));
    let error = world.authorize(ACCOUNT, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap_err();
    assert_eq!(error.code, "RulesPerSecurityGroupLimitExceeded");
    allow(&world, &group, Permission::tcp(22, "::/0"));
}

/// EC2 API Reference, AuthorizeSecurityGroupIngress, `CidrIp`, `IpProtocol`, `FromPort`, `ToPort`: one rule without
/// `IpPermissions`; and `GroupName`: "For security groups for a default VPC you can specify either the ID or the name of
/// the security group. For security groups for a nondefault VPC, you must specify the ID of the security group."
#[test]
fn flat_parameters_and_names_work_in_the_default_vpc() {
    let (world, group) = world_with_group(Vpc::Default);
    world.authorize_flat(ACCOUNT, REGION, "web", &Permission::tcp(22, "0.0.0.0/0")).unwrap();
    assert_eq!(ingress(&world, &group), [("tcp".into(), 22, 22, "0.0.0.0/0".into())]);

    world.create_group(ACCOUNT, REGION, "inner", Vpc::Other);
    let error = world.authorize(ACCOUNT, REGION, "inner", &[Permission::tcp(22, "0.0.0.0/0")]).unwrap_err();
    assert_eq!(error.code, "InvalidGroup.NotFound");
}

/// EC2 API Reference, AuthorizeSecurityGroupIngress, `SourceSecurityGroupName`: "The rule grants full ICMP, UDP, and TCP
/// access."
#[test]
fn a_source_group_by_name_grants_three_protocols() {
    let (world, group) = world_with_group(Vpc::Default);
    let source = world.create_group(ACCOUNT, REGION, "clients", Vpc::Default);
    let params = [("GroupId", group.as_str()), ("SourceSecurityGroupName", "clients")];
    assert_eq!(ec2(&world, "AuthorizeSecurityGroupIngress", &params).0, 200);
    let kept = ingress(&world, &group);
    assert_eq!(kept.iter().map(|rule| rule.0.as_str()).collect::<Vec<_>>(), ["icmp", "tcp", "udp"]);
    assert!(kept.iter().all(|rule| rule.3 == source));
}

/// EC2 API Reference, AuthorizeSecurityGroupEgress: "Adds the specified outbound (egress) rules to a security group."
#[test]
fn egress_rules_are_apart_from_ingress_rules() {
    let (world, group) = world_with_group(Vpc::Other);
    world.authorize_egress(ACCOUNT, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    assert_eq!(ingress(&world, &group), []);
    allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    assert_eq!(ingress(&world, &group).len(), 1);
}
