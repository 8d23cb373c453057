//! AuthorizeSecurityGroupIngress: what it claims, also where CloudTrail omits parts of the record.

use super::*;

#[test]
fn a_nested_request_without_an_answer_claims_what_it_asks_for() {
    let permission = json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "groups": {}, "ipv6Ranges": {},
        "prefixListIds": {}, "ipRanges": {"items": [{"cidrIp": "203.0.113.0/24", "description": "vpn"}]}});
    let record = authorize(nested(permission), json!({"requestId": "r", "_return": true}));
    assert_eq!(resource(&record), the_group());
    assert_eq!(changed_rules(&record), ["tcp 22-22 203.0.113.0/24"]);
    assert_eq!(recorded_rules(&record), changed_rules(&record), "an older record has no rules in its answer");
    for nothing in [Value::Null, json!({}), omitted(), json!({"securityGroupRuleSet": {}})] {
        assert_eq!(change(&with(record.clone(), "/responseElements", nothing)), change(&record));
    }
}

#[test]
fn the_legacy_flat_form_stands_beside_an_empty_ip_permissions() {
    let record = authorize(flat(), Value::Null);
    assert_eq!(resource(&record), the_group());
    assert_eq!(changed_rules(&record), ["tcp 22-22 0.0.0.0/0"]);
    let record = without(record, "/requestParameters/ipPermissions");
    assert_eq!(changed_rules(&record), ["tcp 22-22 0.0.0.0/0"]);
    let v6 = with(without(record, "/requestParameters/cidrIp"), "/requestParameters/cidrIpv6", json!("::/0"));
    assert_eq!(changed_rules(&v6), ["tcp 22-22 ::/0"]);
}

#[test]
fn an_answer_that_lists_rules_is_the_claim_and_what_it_does_not_answer_for_stays_in_sight() {
    let rules = json!([
        {"groupId": GROUP, "securityGroupRuleId": "sgr-1", "ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
            "cidrIpv4": "100.64.0.0/10", "description": "x", "tagSet": {}},
        {"groupId": GROUP, "securityGroupRuleId": "sgr-2", "ipProtocol": "-1", "fromPort": -1, "toPort": -1,
            "cidrIpv6": "::/0"},
        {"groupId": GROUP, "securityGroupRuleId": "sgr-3", "ipProtocol": "udp", "fromPort": 1, "toPort": 2,
            "prefixListId": "pl-1"},
        {"groupId": GROUP, "securityGroupRuleId": "sgr-4", "ipProtocol": "icmp", "fromPort": 8, "toPort": -1,
            "referencedGroupInfo": {"groupId": "sg-2", "userId": "111122223333"}},
    ]);
    let record = authorize(flat(), answer(rules));
    assert_eq!(changed_rules(&record), ["sgr-1", "sgr-2", "sgr-3", "sgr-4"]);
    assert_eq!(
        recorded_rules(&record),
        [
            "sgr-1: tcp 22-22 100.64.0.0/10",
            "sgr-2: -1 none-none ::/0",
            "sgr-3: udp 1-2 pl-1",
            "sgr-4: icmp 8--1 sg-2",
            "tcp 22-22 0.0.0.0/0"
        ]
    );
}

#[test]
fn an_answered_rule_without_a_known_source_is_said_to_be_unknown() {
    let rules = json!([{"securityGroupRuleId": "sgr-1", "ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
        "satelliteId": "sat-1"}]);
    let record = authorize(flat(), answer(rules));
    assert_eq!(recorded_rules(&record), ["sgr-1: tcp 22-22 unknown: no source that is known", "tcp 22-22 0.0.0.0/0"]);
    assert_eq!(harmless(&change(&record), &Policy::built_in()), None);
}

#[test]
fn a_group_that_is_asked_for_by_name_is_known_by_the_id_in_the_answer() {
    let by_name = with(without(flat(), "/groupId"), "/groupName", json!("web"));
    assert_eq!(resource(&authorize(by_name.clone(), answer(answered_ssh()))), the_group());
    let record = authorize(by_name, json!({"requestId": "r", "_return": true}));
    assert_eq!(resource(&record), Resource::GroupName("web".to_owned()));
    assert_eq!(changed_rules(&record), ["tcp 22-22 0.0.0.0/0"]);
}

#[test]
fn minus_one_has_no_ports_whatever_the_client_sent() {
    let all = |ports: Value| {
        let mut permission = json!({"ipProtocol": "-1", "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}});
        permission.as_object_mut().unwrap().extend(ports.as_object().unwrap().clone());
        authorize(nested(permission), Value::Null)
    };
    for ports in [json!({}), json!({"fromPort": 0, "toPort": 0}), json!({"fromPort": -1, "toPort": -1})] {
        assert_eq!(changed_rules(&all(ports)), ["-1 none-none 0.0.0.0/0"]);
    }
}

#[test]
fn every_source_of_a_permission_is_read() {
    let permission = json!({
        "ipProtocol": "6", "fromPort": 20, "toPort": 25,
        "ipRanges": {"items": [{"cidrIp": "1.2.3.4/0"}, {"cidrIp": "10.0.0.0/8"}]},
        "ipv6Ranges": {"items": [{"cidrIpv6": "2001:DB8::1/32"}]},
        "prefixListIds": {"items": [{"prefixListId": "pl-1"}]},
        "groups": {"items": [{"groupId": "sg-2", "userId": "111122223333"}, {"groupName": "web"}, {"userId": "9"}, {}]},
    });
    let asked = [
        "tcp 20-25 0.0.0.0/0",
        "tcp 20-25 10.0.0.0/8",
        "tcp 20-25 2001:db8::/32",
        "tcp 20-25 pl-1",
        "tcp 20-25 sg-2",
        "tcp 20-25 web",
        "tcp 20-25 9",
        "tcp 20-25 a security group",
    ];
    assert_eq!(changed_rules(&authorize(nested(permission), Value::Null)), asked);
}

#[test]
fn several_permissions_and_the_flat_form_beside_them_all_count() {
    let item = |protocol: &str| json!({"ipProtocol": protocol, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}});
    let request = with(flat(), "/ipPermissions", json!({"items": [item("17"), item("47")]}));
    let asked = ["udp 0-65535 0.0.0.0/0", "47 none-none 0.0.0.0/0", "tcp 22-22 0.0.0.0/0"];
    assert_eq!(changed_rules(&authorize(request, Value::Null)), asked);
}

#[test]
fn a_flat_request_may_name_a_source_group() {
    let by_group = json!({"groupId": GROUP, "sourceSecurityGroupName": "web", "sourceSecurityGroupOwnerId": "1"});
    assert_eq!(
        changed_rules(&authorize(by_group.clone(), Value::Null)),
        ["-1 none-none web"],
        "without a protocol: all"
    );
    let tcp = with(by_group, "/ipProtocol", json!("tcp"));
    assert_eq!(changed_rules(&authorize(tcp, Value::Null)), ["tcp 0-65535 web"]);
}

#[test]
fn lists_are_read_as_converters_write_them() {
    let item = json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": [{"cidrIp": "0.0.0.0/0"}]});
    for list in [
        json!({"items": [item]}),
        json!({"item": [item]}),
        json!({"items": item}),
        json!({"item": item}),
        json!([item]),
        item.clone(),
    ] {
        let request = json!({"groupId": GROUP, "ipPermissions": list});
        assert_eq!(changed_rules(&authorize(request, Value::Null)), ["tcp 22-22 0.0.0.0/0"], "{list}");
    }
    for empty in [json!({}), json!([]), json!(""), Value::Null, json!({"items": []}), json!({"items": null})] {
        let request = with(flat(), "/ipPermissions", empty.clone());
        assert_eq!(changed_rules(&authorize(request, Value::Null)), ["tcp 22-22 0.0.0.0/0"], "{empty}");
    }
}

#[test]
fn a_kind_of_source_that_is_not_known_leaves_the_claim_open() {
    let permission = json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
        "ipRanges": {"items": [{"cidrIp": "10.0.0.0/8"}]}, "satelliteRanges": {"items": [{"satellite": "any"}]}});
    let record = authorize(nested(permission), Value::Null);
    assert_eq!((change(&record).changed_rules, change(&record).recorded_rules), (ChangedRules::Any, None));
    let answered = with(record.clone(), "/responseElements", answer(answered_ssh()));
    assert_eq!(
        (changed_rules(&answered), change(&answered).recorded_rules),
        (vec!["sgr-1".to_owned()], None),
        "the ids are known"
    );
    for empty in [json!({}), json!([]), json!(""), Value::Null] {
        let record = with(record.clone(), "/requestParameters/ipPermissions/items/0/satelliteRanges", empty.clone());
        assert_eq!(changed_rules(&record), ["tcp 22-22 10.0.0.0/8"], "{empty}");
    }
    for some in [json!(0), json!(false), json!("x")] {
        let record = with(record.clone(), "/requestParameters/ipPermissions/items/0/satelliteRanges", some.clone());
        assert_eq!(changed_rules(&record), ["any"], "{some}");
    }
    let flat = authorize(without(flat(), "/cidrIp"), Value::Null);
    assert_eq!(changed_rules(&flat), ["any"], "a flat request without a source that is known");
}

// Parts that CloudTrail omits.

#[test]
fn omitted_parameters_leave_the_answer_to_say_all() {
    let record = authorize(omitted(), answer(answered_ssh()));
    assert_eq!(resource(&record), the_group());
    assert_eq!(changed_rules(&record), ["sgr-1"]);
    assert_eq!(recorded_rules(&record), ["sgr-1: tcp 22-22 0.0.0.0/0"]);
    let absent = without(record, "/requestParameters");
    assert_eq!(changed_rules(&absent), ["sgr-1"]);
}

#[test]
fn an_omitted_answer_leaves_the_request_to_say_all() {
    let record = authorize(flat(), omitted());
    assert_eq!(resource(&record), the_group());
    assert_eq!(changed_rules(&record), ["tcp 22-22 0.0.0.0/0"]);
}

#[test]
fn a_record_without_both_is_about_the_whole_region() {
    for word in [json!(true), json!("true"), json!("True")] {
        let omitted = with(omitted(), "/omitted", word);
        for record in [
            authorize(omitted.clone(), omitted.clone()),
            authorize(omitted.clone(), json!({"requestId": "r", "_return": true})),
            authorize(omitted.clone(), Value::Null),
            with(modify(json!({})), "/requestParameters", omitted.clone()),
        ] {
            let change = change(&record);
            assert_eq!(
                (change.resource, change.changed_rules, change.recorded_rules),
                (Resource::Region, ChangedRules::Any, None)
            );
        }
    }
}

#[test]
fn parameters_that_are_not_said_to_be_omitted_are_taken_at_their_word() {
    for word in [json!(false), json!("false"), json!(1), Value::Null] {
        let record = authorize(with(flat(), "/omitted", word), Value::Null);
        assert_eq!(changed_rules(&record), ["tcp 22-22 0.0.0.0/0"]);
    }
}
