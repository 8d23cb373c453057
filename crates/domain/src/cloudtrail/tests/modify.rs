//! ModifySecurityGroupRules.

use super::*;

#[test]
fn a_modify_of_one_rule_is_an_object_and_of_several_an_array() {
    let first = json!({"SecurityGroupRuleId": "sgr-1", "tag": 1, "SecurityGroupRule":
        {"CidrIpv4": "0.0.0.0/0", "FromPort": 443, "ToPort": 443, "IpProtocol": "tcp"}});
    let second = json!({"SecurityGroupRuleId": "sgr-2", "tag": 2, "SecurityGroupRule":
        {"CidrIpv6": "::/0", "FromPort": 22, "ToPort": 22, "IpProtocol": "tcp", "Description": true}});
    let one = modify(first.clone());
    assert_eq!(change(&one).call, Call::Modify);
    assert_eq!(resource(&one), the_group());
    assert_eq!(changed_rules(&one), ["sgr-1"]);
    assert_eq!(recorded_rules(&one), ["sgr-1: tcp 443-443 0.0.0.0/0"]);
    for several in [json!([first, second]), json!({"items": [first, second]})] {
        let several = modify(several);
        assert_eq!(changed_rules(&several), ["sgr-1", "sgr-2"]);
        assert_eq!(recorded_rules(&several), ["sgr-1: tcp 443-443 0.0.0.0/0", "sgr-2: tcp 22-22 ::/0"]);
    }
    let bare = without(one.clone(), "/requestParameters/ModifySecurityGroupRulesRequest");
    let inner = one["requestParameters"]["ModifySecurityGroupRulesRequest"].clone();
    assert_eq!(change(&with(bare, "/requestParameters", inner)), change(&one), "the wrapper may be missing");
}

#[test]
fn types_that_the_converter_guessed_are_guessed_back() {
    let rule = |fields: Value| modify(json!({"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": fields}));
    for (fields, said) in [
        (json!({"IpProtocol": -1, "CidrIpv4": "0.0.0.0/0"}), "-1 none-none 0.0.0.0/0"),
        (json!({"IpProtocol": 6, "FromPort": "22", "ToPort": "22", "CidrIpv4": "0.0.0.0/0"}), "tcp 22-22 0.0.0.0/0"),
        (
            json!({"IpProtocol": "TCP", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0", "CidrIpv6": ""}),
            "tcp 22-22 0.0.0.0/0",
        ),
        (
            json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "", "CidrIpv6": "::/0"}),
            "tcp 22-22 ::/0",
        ),
        (json!({"IpProtocol": 17, "FromPort": 1, "ToPort": 2, "PrefixListId": "pl-1"}), "udp 1-2 pl-1"),
        (
            json!({"IpProtocol": "icmp", "FromPort": "-1", "ToPort": "-1", "ReferencedGroupId": "sg-2"}),
            "icmp -1--1 sg-2",
        ),
    ] {
        assert_eq!(recorded_rules(&rule(fields)), [format!("sgr-1: {said}")]);
    }
}

#[test]
fn a_modify_that_gives_only_a_part_leaves_the_rest_to_ec2() {
    let whole =
        json!({"SecurityGroupRuleId": "sgr-2", "SecurityGroupRule": {"CidrIpv4": "10.0.0.0/8", "IpProtocol": -1}});
    for part in [
        json!({"Description": "office"}),
        json!({"Description": 5}),
        json!({}),
        json!({"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}),
        json!({"CidrIpv4": "10.0.0.0/8"}),
    ] {
        let part = json!({"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": part});
        for (rules, ids) in [
            (json!(part), vec!["sgr-1"]),
            (json!([part, whole]), vec!["sgr-1", "sgr-2"]),
            (json!([whole, part]), vec!["sgr-2", "sgr-1"]),
        ] {
            let record = modify(rules);
            assert_eq!(changed_rules(&record), ids);
            assert_eq!(change(&record).recorded_rules, None, "{part}");
            assert_eq!(harmless(&change(&record), &Policy::built_in()), None);
        }
    }
}
