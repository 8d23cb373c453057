//! Rules, groups and interfaces over time.

use serde_json::json;

use crate::made::{
    Line, Logs, Version, at, call, close, create_group, create_interface, gzip, launch, modify, nodata, only, open,
    set_groups,
};

#[test]
fn a_rule_lives_from_its_opening_over_its_changes_to_its_end() {
    let mut logs = Logs::new();
    let new =
        |port: u16, source: &str| json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIpv4": source});
    logs.trail(&[
        create_group(at("09:00"), "sg-1"),
        open(at("10:00"), "sg-1", "sgr-1", (22, 22), "10.0.0.0/8"),
        modify(at("11:00"), "sg-1", json!({"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": new(22, "0.0.0.0/0")})),
        close(at("12:00"), "sg-1", "sgr-1"),
    ]);
    let lives = logs
        .ask("SELECT opened_how, source, closed_how, opened_at, closed_at, guarded FROM sg_rules ORDER BY opened_at");
    assert_eq!(
        only(&lives, &["opened_how", "source", "closed_how", "guarded"]),
        ["authorized 10.0.0.0/8 modified false", "modified 0.0.0.0/0 revoked true"]
    );
    let changes = logs.ask("rules-changed");
    assert_eq!(
        only(&changes, &["kind", "direction", "source", "old_source"]),
        ["open ingress 10.0.0.0/8 null", "modify ingress 0.0.0.0/0 10.0.0.0/8", "close ingress 0.0.0.0/0 null"]
    );
    assert_eq!(only(&logs.ask("dangerous-rules"), &["rule_id", "verdict", "guard"]), ["sgr-1 exposed ssh"]);
}

#[test]
fn two_changes_of_one_second_follow_each_other() {
    let mut logs = Logs::new();
    let change = |event: &str, source: &str| {
        let new = json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": source});
        let rules = json!({"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": new});
        let mut record = modify(at("11:00"), "sg-1", rules);
        record["eventID"] = event.into();
        record
    };
    logs.trail(&[
        open(at("10:00"), "sg-1", "sgr-1", (22, 22), "10.0.0.0/8"),
        change("e-2", "10.1.0.0/16"),
        change("e-1", "172.16.0.0/12"),
    ]);
    assert_eq!(
        only(&logs.ask("rules-changed"), &["kind", "source", "old_source"]),
        ["open 10.0.0.0/8 null", "modify 172.16.0.0/12 10.0.0.0/8", "modify 10.1.0.0/16 172.16.0.0/12"]
    );
}

#[test]
fn two_changes_of_groups_in_one_second_are_followed_by_their_events_ids() {
    let change = |event: &str, of: &[&str]| {
        let mut record = set_groups(at("11:00"), "eni-1", of);
        record["eventID"] = event.into();
        record
    };
    let by_instance = |event: &str, of: &[&str]| {
        let mut record = change(event, of);
        record["eventName"] = "ModifyInstanceAttribute".into();
        record["requestParameters"]["instanceId"] = "i-1".into();
        record
    };
    // By their content, and by which call it is, they would be in another order.
    let records = [
        launch(at("10:00"), "i-1", json!({}), ("eni-1", "10.0.0.1"), &["sg-0"]),
        change("e-3", &["sg-1"]),
        by_instance("e-2", &["sg-2"]),
        change("e-1", &["sg-3"]),
    ];
    let query =
        "SELECT event_id, group_id, change FROM group_changes WHERE event_id LIKE 'e-_' ORDER BY event_id, change";
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let mut logs = Logs::new();
        for n in order {
            logs.trail(std::slice::from_ref(&records[n]));
        }
        assert_eq!(
            only(&logs.ask(query), &["event_id", "group_id", "change"]),
            [
                "e-1 sg-3 attached",
                "e-1 sg-0 detached",
                "e-2 sg-2 attached",
                "e-2 sg-3 detached",
                "e-3 sg-1 attached",
                "e-3 sg-2 detached"
            ]
        );
    }
}

#[test]
fn rules_without_ids_are_followed_by_what_they_admit() {
    let mut logs = Logs::new();
    let flat = json!({"groupId": "sg-1", "ipPermissions": {}, "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIp": "1.2.3.4/0"});
    logs.trail(&[
        call(at("10:00"), "AuthorizeSecurityGroupIngress", flat.clone(), json!({"_return": true})),
        call(
            at("10:30"),
            "RevokeSecurityGroupIngress",
            json!({"groupId": "sg-1", "ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
            "cidrIp": "10.0.0.0/8"}),
            json!({"_return": true}),
        ),
        call(at("11:00"), "RevokeSecurityGroupIngress", flat, json!({"_return": true})),
    ]);
    let lives = logs.ask("SELECT source, opened_at, closed_at FROM sg_rules");
    assert_eq!(
        only(&lives, &["source", "opened_at", "closed_at"]),
        ["0.0.0.0/0 2026-11-20T10:00:00Z 2026-11-20T11:00:00Z"],
        "the call that matched nothing closed nothing"
    );
}

#[test]
fn two_halves_of_the_internet_are_dangerous_together() {
    let mut logs = Logs::new();
    logs.trail(&[
        create_group(at("09:00"), "sg-1"),
        open(at("10:00"), "sg-1", "sgr-1", (20, 25), "0.0.0.0/1"),
        open(at("10:01"), "sg-1", "sgr-2", (22, 22), "128.0.0.0/1"),
        open(at("10:02"), "sg-1", "sgr-3", (443, 443), "0.0.0.0/0"),
        open(at("10:03"), "sg-1", "sgr-4", (22, 22), "::/0"),
    ]);
    let found = logs.ask("dangerous-rules");
    // A search for the text 0.0.0.0/0 and port 22 finds none of them.
    assert_eq!(
        only(&found, &["rule_id", "family", "with_rules"]),
        ["sgr-1 IPv4 null", "sgr-2 IPv4 sgr-1", "sgr-4 IPv6 null"]
    );
}

#[test]
fn what_is_attached_is_the_difference_from_the_set_before() {
    let mut logs = Logs::new();
    logs.trail(&[
        create_interface(at("09:00"), "eni-1", "10.0.0.1", &["sg-1", "sg-2"]),
        set_groups(at("10:00"), "eni-1", &["sg-1", "sg-3"]),
        set_groups(at("10:30"), "eni-old", &["sg-4"]),
        call(
            at("11:00"),
            "ModifyNetworkInterfaceAttribute",
            json!({"networkInterfaceId": "eni-1",
            "sourceDestCheck": {"value": false}}),
            json!({"_return": true}),
        ),
        call(
            at("11:00"),
            "ModifyInstanceAttribute",
            json!({"instanceId": "i-1", "userData": "x"}),
            json!({"_return": true}),
        ),
    ]);
    let found = logs.ask("groups-attached");
    assert_eq!(
        only(&found, &["interface_id", "group_id", "change", "how"]),
        [
            "eni-1 sg-1 attached created with it",
            "eni-1 sg-2 attached created with it",
            "eni-1 sg-2 detached modified",
            "eni-1 sg-3 attached modified",
            "eni-old sg-4 attached, or there before modified",
        ]
    );
}

#[test]
fn a_group_is_used_by_interfaces_and_by_rules_that_name_it() {
    let mut logs = Logs::new();
    let from_group = json!({"groupId": "sg-web", "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 80, "toPort": 80,
        "groups": {"items": [{"groupId": "sg-lb"}]}, "ipRanges": {}, "ipv6Ranges": {}, "prefixListIds": {}}]}});
    logs.trail(&[
        create_group(at("09:00"), "sg-web"),
        create_group(at("09:01"), "sg-lb"),
        create_group(at("09:02"), "sg-idle"),
        create_group(at("09:03"), "sg-gone"),
        call(at("09:04"), "DeleteSecurityGroup", json!({"groupId": "sg-gone"}), json!({"_return": true})),
        launch(at("09:10"), "i-1", json!({}), ("eni-1", "10.0.0.1"), &["sg-web"]),
        call(at("09:20"), "AuthorizeSecurityGroupIngress", from_group, json!({"_return": true})),
        open(at("09:30"), "sg-old", "sgr-9", (80, 80), "10.0.0.0/8"),
    ]);
    assert_eq!(only(&logs.ask("unused-groups"), &["group_id", "answer"]), ["sg-idle unused", "sg-old cannot tell"]);
    logs.file(
        "eni.json",
        json!({"NetworkInterfaces": [{"NetworkInterfaceId": "eni-9", "OwnerId": crate::made::ACCOUNT,
        "Groups": [{"GroupId": "sg-idle"}], "PrivateIpAddress": "10.0.0.9"}]})
        .to_string()
        .as_bytes(),
    );
    assert_eq!(only(&logs.ask("unused-groups"), &["group_id", "answer"]), ["sg-old unused"], "a snapshot tells");
}

/// A group with four rules, an interface, and logs that cover the day.
fn four_rules(version: Version) -> Logs {
    let mut logs = Logs::new();
    logs.trail(&[
        create_group(at("09:00"), "sg-1"),
        create_interface(at("09:00"), "eni-1", "10.0.0.1", &["sg-1"]),
        open(at("09:01"), "sg-1", "sgr-alone", (22, 22), "203.0.113.0/24"),
        open(at("09:01:01"), "sg-1", "sgr-one", (443, 443), "0.0.0.0/0"),
        open(at("09:01:02"), "sg-1", "sgr-both", (400, 500), "0.0.0.0/0"),
        open(at("09:01:03"), "sg-1", "sgr-idle", (20, 30), "198.51.100.0/24"),
        call(at("12:00"), "DescribeInstances", json!({}), json!(null)),
    ]);
    let mut lines: Vec<String> = (0..180)
        .map(|minute| nodata(version, "eni-1", at("09:00") + minute * 60, at("09:01") + minute * 60, "NODATA"))
        .collect();
    lines.push(Line::new("eni-1", ("203.0.113.7", 40000), ("10.0.0.1", 22), at("10:00")).text(version));
    lines.push(Line::new("eni-1", ("203.0.113.7", 40001), ("10.0.0.1", 443), at("10:05")).text(version));
    logs.flows(version, &lines);
    logs
}

#[test]
fn a_rule_is_used_perhaps_used_or_unused() {
    let logs = four_rules(Version::Five);
    assert_eq!(
        only(&logs.ask("unused-rules"), &["rule_id", "answer", "certain", "perhaps", "reason"]),
        [
            "sgr-idle unused 0 0 null",
            "sgr-both perhaps used 0 1 several rules admit it",
            "sgr-one perhaps used 0 1 several rules admit it",
            "sgr-alone used 1 0 null",
        ]
    );
}

#[test]
fn a_format_without_flags_cannot_tell_who_began() {
    let logs = four_rules(Version::Two);
    assert_eq!(
        only(&logs.ask("unused-rules"), &["rule_id", "answer", "reason"]),
        [
            "sgr-idle unused null",
            "sgr-alone perhaps used the format has no tcp-flags",
            "sgr-both perhaps used the format has no tcp-flags",
            "sgr-one perhaps used the format has no tcp-flags",
        ]
    );
}

#[test]
fn unused_needs_logs_of_the_whole_time_and_rules_and_interfaces_that_are_all_known() {
    let answer = |change: &dyn for<'a> Fn(&'a mut Logs) -> &'a mut Logs| {
        let mut logs = four_rules(Version::Five);
        change(&mut logs);
        let rows = logs.ask("unused-rules");
        only(&rows, &["rule_id", "answer", "reason"]).into_iter().find(|row| row.starts_with("sgr-idle")).unwrap()
    };
    assert_eq!(answer(&|logs| logs), "sgr-idle unused null");
    let skip = nodata(Version::Five, "eni-1", at("10:00"), at("10:01"), "SKIPDATA");
    assert!(
        answer(&|logs| logs.flows(Version::Five, std::slice::from_ref(&skip)))
            .contains("cannot tell the flow log of eni-1 skipped")
    );
    let other = nodata(Version::Five, "eni-2", at("10:00"), at("10:01"), "NODATA");
    assert!(
        answer(&|logs| logs.flows(Version::Five, std::slice::from_ref(&other)))
            .contains("the groups of eni-2 are not known")
    );
    let second = create_interface(at("09:30"), "eni-3", "10.0.0.3", &["sg-1"]);
    assert!(answer(&|logs| logs.trail(std::slice::from_ref(&second))).contains("eni-3 has no flow log"));
    let late = nodata(Version::Five, "eni-1", at("12:30"), at("12:31"), "NODATA");
    assert!(
        answer(&|logs| logs.flows(Version::Five, std::slice::from_ref(&late)))
            .contains("does not cover the whole time")
    );
}

#[test]
fn exposure_tells_who_got_in_and_who_is_still_connected() {
    let mut logs = Logs::new();
    logs.trail(&[
        create_group(at("09:00"), "sg-1"),
        launch(
            at("09:00"),
            "i-1",
            json!({"items": [{"key": "x", "value": "y"}, {"key": "Name", "value": "web"}]}),
            ("eni-1", "10.0.0.1"),
            &["sg-1"],
        ),
        open(at("10:00"), "sg-1", "sgr-1", (22, 22), "0.0.0.0/0"),
        close(at("10:10"), "sg-1", "sgr-1"),
        call(at("12:00"), "DescribeInstances", json!({}), json!(null)),
    ]);
    let connection = |src: &str, port, start: &str, flags| {
        let line = Line { flags, ..Line::new("eni-1", (src, port), ("10.0.0.1", 22), at(start)) };
        line.text(Version::Five)
    };
    let refused = Line { accepted: false, ..Line::new("eni-1", ("198.51.100.9", 1), ("10.0.0.1", 22), at("10:20")) };
    let answer = Line { flags: 18, ..Line::new("eni-1", ("198.51.100.77", 22), ("10.0.0.1", 22), at("10:06")) };
    logs.flows(
        Version::Five,
        &[
            connection("198.51.100.5", 40000, "10:01", 2),
            connection("198.51.100.5", 40000, "10:30", 0),
            connection("198.51.100.5", 40000, "11:30", 1),
            connection("198.51.100.6", 40001, "10:05", 3),
            refused.text(Version::Five),
            answer.text(Version::Five),
        ],
    );
    let found = logs.ask("exposure");
    assert_eq!(
        only(&found, &["src_addr", "instance_name", "answer", "connections", "connected_after_close", "last_seen"]),
        ["198.51.100.5 web got in 1 1 2026-11-20T11:30:50Z", "198.51.100.6 web got in 1 0 2026-11-20T10:05:50Z",]
    );
}

#[test]
fn what_could_not_be_read_may_have_been_anything() {
    let answers = |change: &dyn for<'a> Fn(&'a mut Logs) -> &'a mut Logs| {
        let mut logs = four_rules(Version::Five);
        change(&mut logs);
        only(&logs.ask("unused-rules"), &["rule_id", "answer"])
    };
    let has = |answers: &[String], one: &str| answers.iter().any(|row| row == one);
    let whole = answers(&|logs| logs);
    assert!(has(&whole, "sgr-alone used") && has(&whole, "sgr-idle unused"));
    let broken = answers(&|logs| logs.file("x.json", br#"{"Records":[{"eventID":]}"#));
    assert!(has(&broken, "sgr-alone perhaps used") && has(&broken, "sgr-idle cannot tell"), "{broken:?}");
    let odd = call(at("09:10"), "AuthorizeSecurityGroupIngress", json!({"groupId": "sg-1"}), json!({"_return": true}));
    let odd = answers(&|logs| logs.trail(std::slice::from_ref(&odd)));
    assert!(has(&odd, "sgr-alone perhaps used") && has(&odd, "sgr-idle cannot tell"), "{odd:?}");
    let line = answers(&|logs| logs.flows(Version::Five, &["2 short".to_owned()]));
    assert!(has(&line, "sgr-alone used") && has(&line, "sgr-idle cannot tell"), "{line:?}");
}

/// The output of describe-security-group-rules with one rule.
fn rules_file(rule: &str, port: u16) -> Vec<u8> {
    json!({"SecurityGroupRules": [{"SecurityGroupRuleId": rule, "GroupId": "sg-old", "GroupOwnerId": crate::made::ACCOUNT,
        "IsEgress": false, "IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIpv4": "0.0.0.0/0"}]}).to_string().into_bytes()
}

#[test]
fn a_snapshot_tells_what_is_older_than_the_records() {
    let mut logs = Logs::new();
    logs.trail(&[
        call(at("09:00"), "DescribeInstances", json!({}), json!(null)),
        set_groups(at("10:00"), "eni-1", &["sg-old"]),
        close(at("11:00"), "sg-old", "sgr-gone"),
    ]);
    let unknown = logs.ask("SELECT rule_id FROM sg_rules");
    assert_eq!(unknown.len(), 0, "nothing says what the revoked rule admitted");
    logs.file("rules.json", &rules_file("sgr-old", 22));
    let known = logs.ask("SELECT rule_id, opened_at, opened_how, guarded FROM sg_rules");
    assert_eq!(
        only(&known, &["rule_id", "opened_at", "opened_how", "guarded"]),
        ["sgr-old null before the records true"]
    );
}

#[test]
fn a_snapshot_that_is_older_than_its_file_brings_no_rule_back() {
    let mut logs = Logs::new();
    logs.trail(&[open(at("10:00"), "sg-old", "sgr-1", (22, 22), "0.0.0.0/0"), close(at("11:00"), "sg-old", "sgr-1")]);
    logs.file("rules.json", &rules_file("sgr-1", 22));
    let lives = logs.ask("SELECT rule_id, closed_at FROM sg_rules");
    assert_eq!(only(&lives, &["rule_id", "closed_at"]), ["sgr-1 2026-11-20T11:00:00Z"]);
    assert!(logs.world(1).knowledge().not_understood[0].contains("older than its file says"));
}

#[test]
fn without_knowing_all_rules_of_a_group_no_use_is_certain() {
    let mut logs = Logs::new();
    logs.trail(&[
        create_interface(at("09:00"), "eni-1", "10.0.0.1", &["sg-old"]),
        open(at("09:01"), "sg-old", "sgr-1", (22, 22), "0.0.0.0/0"),
        call(at("12:00"), "DescribeInstances", json!({}), json!(null)),
    ]);
    logs.flows(
        Version::Five,
        &[Line::new("eni-1", ("203.0.113.7", 40000), ("10.0.0.1", 22), at("10:00")).text(Version::Five)],
    );
    let found = only(&logs.ask("unused-rules"), &["answer", "reason"]);
    assert_eq!(found, ["perhaps used not all rules of the interface's groups are known at that time"]);
}

/// What a sweep keeps of an account's Region: two members of gzip that are one text.
fn sweep_file(lines: usize) -> Vec<u8> {
    let first = json!({"schema": 1, "account": crate::made::ACCOUNT, "region": crate::made::REGION,
        "looked_at": "2026-11-20T12:00:00Z", "sha256": "0".repeat(64), "rules": 2});
    let rules = [
        json!({"id": "sgr-web", "protocol": "tcp", "from_port": 443, "to_port": 443, "source": {"cidr": "0.0.0.0/0"},
            "description": "shop", "tags": {"team": "web"}, "group": "sg-old"}),
        json!({"id": "sgr-ssh", "protocol": "tcp", "from_port": 22, "to_port": 22, "source": {"cidr": "::/0"}, "group": "sg-old"}),
    ];
    let text: String = rules.iter().take(lines).map(|rule| format!("{rule}\n")).collect();
    [gzip(format!("{first}\n").as_bytes()), gzip(text.as_bytes())].concat()
}

#[test]
fn what_a_sweep_saw_is_a_snapshot_of_its_own_time() {
    let mut logs = Logs::new();
    logs.trail(&[
        call(at("09:00"), "DescribeInstances", json!({}), json!(null)),
        create_interface(at("09:01"), "eni-1", "10.0.0.1", &["sg-old"]),
        close(at("13:00"), "sg-old", "sgr-ssh"),
    ]);
    logs.flows(
        Version::Five,
        &[Line::new("eni-1", ("203.0.113.7", 40000), ("10.0.0.1", 443), at("10:00")).text(Version::Five)],
    );
    logs.file("rules/v1/111122223333/eu-west-1.json.gz", &sweep_file(2));
    let known = logs.ask("SELECT rule_id, source, opened_how, guarded, closed_at FROM sg_rules ORDER BY rule_id");
    assert_eq!(
        only(&known, &["rule_id", "source", "opened_how", "guarded", "closed_at"]),
        [
            "sgr-ssh ::/0 before the records true 2026-11-20T13:00:00Z",
            "sgr-web 0.0.0.0/0 before the records false null"
        ]
    );
    let answers = only(&logs.ask("unused-rules"), &["rule_id", "answer"]);
    assert!(answers.contains(&"sgr-web used".to_owned()), "the sweep shows all rules of the group: {answers:?}");
    let world = logs.world(2);
    let _ = world.knowledge();
    assert_eq!(world.inputs.tally.totals().bad, 0);
    logs.file("rules/v1/111122223333/eu-west-1.json.gz", &sweep_file(1));
    let world = logs.world(2);
    let _ = world.knowledge();
    let told: Vec<String> = world.inputs.tally.troubled().into_iter().flat_map(|(_, file)| file.errors).collect();
    assert_eq!(told, ["what a sweep saw ends early: 1 of 2 rules"]);
}

#[test]
fn a_group_is_known_by_any_call_about_a_rule_of_it() {
    let listed = json!({"groupId": "sg-closed", "securityGroupRuleId": "sgr-1", "isEgress": false, "ipProtocol": "tcp",
        "fromPort": 22, "toPort": 22, "cidrIpv4": "0.0.0.0/0"});
    let mut logs = Logs::new();
    logs.trail(&[
        call(
            at("09:00"),
            "RevokeSecurityGroupIngress",
            json!({"groupId": "sg-closed"}),
            json!({"_return": true, "revokedSecurityGroupRuleSet": {"items": [listed]}}),
        ),
        modify(
            at("09:10"),
            "sg-modified",
            json!([{"SecurityGroupRuleId": "sgr-2", "SecurityGroupRule":
            {"IpProtocol": "icmp", "FromPort": 8, "ToPort": 0, "CidrIpv4": "192.0.2.0/24"}}]),
        ),
    ]);
    let found = logs.ask("unused-groups");
    assert_eq!(only(&found, &["group_id", "answer"]), ["sg-closed cannot tell", "sg-modified cannot tell"]);
    let changes = logs.ask("SELECT rule_id, from_port, icmp_type, icmp_code FROM rule_changes ORDER BY event_time");
    assert_eq!(
        only(&changes, &["rule_id", "from_port", "icmp_type", "icmp_code"]),
        ["sgr-1 22 null null", "sgr-2 null 8 0"]
    );
}
