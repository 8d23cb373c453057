//! Queries that people copy for these questions, and where they err. Each test shows what the copied query reads, and what the
//! hunt answers. The copied queries are for another engine, so what they read is written out: the path into the record, or
//! the filter over the flow log's columns.

use serde_json::{Value, json};

use crate::made::{
    Line, Logs, Version, at, call, create_group, create_interface, items, launch, modify, only, open, set_groups,
};

const WEB: (&str, &str) = ("eni-1", "10.0.0.1");

fn name(name: &str) -> Value {
    json!({"key": "Name", "value": name})
}

fn web(logs: &mut Logs) -> Value {
    let record =
        launch(at("09:00"), "i-1", items(vec![json!({"key": "team", "value": "a"}), name("web")]), WEB, &["sg-1"]);
    logs.trail(std::slice::from_ref(&record));
    record
}

fn ssh(start: &str) -> Line {
    Line::new("eni-1", ("203.0.113.5", 40000), ("10.0.0.1", 22), at(start))
}

/// What `SELECT count(*) … WHERE dstport = 22` counts.
fn naive(logs: &Logs) -> i64 {
    logs.ask("SELECT count(*) AS n FROM flow_logs WHERE dst_port = 22")[0]["n"].as_i64().unwrap()
}

#[test]
fn an_attempt_is_tcp_to_the_instance_and_no_answer_to_it() {
    let mut logs = Logs::new();
    web(&mut logs);
    let out = Line { ingress: false, ..Line::new("eni-1", ("10.0.0.1", 50000), ("198.51.100.1", 22), at("10:00")) };
    let answer = Line { flags: 18, ..Line::new("eni-1", ("198.51.100.1", 5000), ("10.0.0.1", 22), at("10:01")) };
    let udp = Line { protocol: 17, flags: 0, ..ssh("10:02") };
    logs.flows(Version::Five, &[ssh("10:00"), out, answer, udp].map(|line| line.text(Version::Five)));
    assert_eq!(naive(&logs), 4);
    let found = logs.ask("ssh-attempts");
    assert_eq!(only(&found, &["name", "src_addr", "records"]), ["web 203.0.113.5 1"]);
}

#[test]
fn the_direction_is_known_from_the_interfaces_address_where_the_format_does_not_say() {
    let mut logs = Logs::new();
    web(&mut logs);
    let out = Line::new("eni-1", ("10.0.0.1", 50000), ("198.51.100.1", 22), at("10:00"));
    let unknown = Line::new("eni-9", ("10.0.0.7", 50000), ("198.51.100.1", 22), at("10:00"));
    logs.flows(Version::Two, &[ssh("10:00"), out, unknown].map(|line| line.text(Version::Two)));
    let found = logs.ask("ssh-attempts");
    assert_eq!(
        only(&found, &["interface_id", "direction", "src_addr"]),
        ["eni-9 null 10.0.0.7", "eni-1 ingress 203.0.113.5"],
        "what cannot be told is shown as such"
    );
}

#[test]
fn accepted_and_refused_are_counted_apart_and_records_are_no_attempts() {
    let mut logs = Logs::new();
    web(&mut logs);
    let refused = Line { accepted: false, ..ssh("10:05") };
    let long =
        (0..3).map(|minute| Line { start: at("10:00") + minute * 60, end: at("10:01") + minute * 60, ..ssh("10:00") });
    let lines: Vec<String> = long.chain([refused]).map(|line| line.text(Version::Five)).collect();
    logs.flows(Version::Five, &lines);
    assert_eq!(naive(&logs), 4);
    assert_eq!(only(&logs.ask("ssh-attempts"), &["records", "source_ports", "accepted", "rejected"]), ["4 1 3 1"]);
}

#[test]
fn every_interface_of_an_instance_counts_and_one_that_is_attached_later() {
    let mut logs = Logs::new();
    let mut record = web(&mut logs);
    let second = json!({"networkInterfaceId": "eni-2", "privateIpAddress": "10.0.0.2", "groupSet": {}});
    let set = &mut record["responseElements"]["instancesSet"]["items"][0]["networkInterfaceSet"]["items"];
    set.as_array_mut().unwrap().push(second);
    record["eventID"] = json!("with-two");
    logs.trail(&[
        record.clone(),
        create_interface(at("09:30"), "eni-3", "10.0.0.3", &["sg-1"]),
        call(
            at("09:40"),
            "AttachNetworkInterface",
            json!({"networkInterfaceId": "eni-3", "instanceId": "i-1", "deviceIndex": 2}),
            json!({"attachmentId": "attach-3"}),
        ),
        call(at("11:00"), "DetachNetworkInterface", json!({"attachmentId": "attach-3"}), json!({"_return": true})),
    ]);
    let to = |interface: &str, dst: &str, start: &str| {
        Line::new(interface, ("203.0.113.5", 40000), (dst, 22), at(start)).text(Version::Five)
    };
    logs.flows(
        Version::Five,
        &[to("eni-2", "10.0.0.2", "10:00"), to("eni-3", "10.0.0.3", "10:00"), to("eni-3", "10.0.0.3", "12:00")],
    );
    let first = &record["responseElements"]["instancesSet"]["items"][0]["networkInterfaceSet"]["items"][0]["networkInterfaceId"];
    assert_eq!(first, "eni-1", "items[0] is neither of the interfaces that were tried");
    let found = logs.ask_with("ssh-attempts", &[("name", "web")]);
    assert_eq!(only(&found, &["interface_id", "records"]), ["eni-2 1", "eni-3 1"], "and not when it was detached");
}

#[test]
fn the_name_is_the_tag_called_name_also_if_it_is_given_later() {
    let mut logs = Logs::new();
    let record = web(&mut logs);
    let first = &record["responseElements"]["instancesSet"]["items"][0]["tagSet"]["items"][0]["value"];
    assert_eq!(first, "a", "items[0] is another tag");
    logs.flows(Version::Five, &[ssh("10:00").text(Version::Five)]);
    assert_eq!(logs.ask_with("ssh-attempts", &[("name", "web")]).len(), 1);
    logs.trail(&[call(
        at("09:30"),
        "CreateTags",
        json!({"resourcesSet": items(vec![json!({"resourceId": "i-1"})]),
        "tagSet": items(vec![name("shop")])}),
        json!({"_return": true}),
    )]);
    assert_eq!(logs.ask_with("ssh-attempts", &[("name", "shop")]).len(), 1);
    assert_eq!(logs.ask_with("ssh-attempts", &[("name", "sho%")]).len(), 0, "a name is a name and no pattern");
}

#[test]
fn a_launch_that_failed_launched_nothing() {
    let mut logs = Logs::new();
    let mut record = web(&mut Logs::new());
    record["errorCode"] = json!("Client.VcpuLimitExceeded");
    logs.trail(&[record]);
    assert_eq!(logs.ask("SELECT instance_id FROM instances").len(), 0);
}

#[test]
fn a_call_may_modify_several_rules_of_any_kind_of_source() {
    let mut logs = Logs::new();
    let rule = |id: &str, key: &str, source: &str| {
        json!({"SecurityGroupRuleId": id, "SecurityGroupRule":
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": "25", key: source}})
    };
    let record = modify(
        at("10:00"),
        "sg-1",
        json!([
            rule("sgr-1", "CidrIpv4", "0.0.0.0/0"),
            rule("sgr-2", "CidrIpv6", "::/0"),
            rule("sgr-3", "PrefixListId", "pl-1"),
            rule("sgr-4", "ReferencedGroupId", "sg-2"),
        ]),
    );
    let path = "/requestParameters/ModifySecurityGroupRulesRequest/SecurityGroupRule/SecurityGroupRule/CidrIpv4";
    assert_eq!(record.pointer(path), None, "the copied query reads an array as an object: nothing");
    logs.trail(&[record]);
    let found = logs.ask("rules-changed");
    assert_eq!(
        only(&found, &["rule_id", "from_port", "to_port", "source", "actor"])
            .iter()
            .map(|row| row.rsplit_once(' ').unwrap().0.to_owned())
            .collect::<Vec<_>>(),
        ["sgr-1 22 25 0.0.0.0/0", "sgr-2 22 25 ::/0", "sgr-3 22 25 pl-1", "sgr-4 22 25 sg-2"]
    );
    assert!(found.iter().all(|row| row["direction"] == Value::Null), "nothing says whether they are ingress rules");
}

#[test]
fn an_interface_is_named_in_the_answer_of_its_creation() {
    let mut logs = Logs::new();
    let record = create_interface(at("09:00"), "eni-1", "10.0.0.1", &["sg-1"]);
    assert_eq!(record.pointer("/requestParameters/networkInterfaceId"), None, "the copied query drops every such row");
    logs.trail(&[record]);
    assert_eq!(
        only(&logs.ask("SELECT interface_id, group_id FROM interface_groups"), &["interface_id", "group_id"]),
        ["eni-1 sg-1"]
    );
}

#[test]
fn a_range_of_ports_matches_every_port_in_it_and_a_scanner_is_use_too() {
    let mut logs = Logs::new();
    logs.trail(&[
        create_group(at("09:00"), "sg-1"),
        create_interface(at("09:00"), "eni-1", "10.0.0.1", &["sg-1"]),
        open(at("09:01"), "sg-1", "sgr-1", (20, 30), "0.0.0.0/0"),
        open(at("09:01:01"), "sg-1", "sgr-2", (8443, 8443), "0.0.0.0/0"),
        call(at("12:00"), "DescribeInstances", json!({}), json!(null)),
    ]);
    // A scanner's address: the copied query throws away every source that begins with 167.
    let line = Line::new("eni-1", ("167.94.138.40", 40000), ("10.0.0.1", 22), at("10:00")).text(Version::Five);
    logs.flows(Version::Five, &[line]);
    let reversed =
        "SELECT r.rule_id FROM sg_rules r JOIN flow_logs f ON f.dst_port >= r.to_port AND f.dst_port <= r.from_port";
    assert_eq!(logs.ask(reversed).len(), 0, "with the bounds reversed 22 is not between 20 and 30");
    let found = logs.ask("unused-rules");
    let used: Vec<String> = only(&found, &["rule_id", "answer"]);
    assert!(used.contains(&"sgr-1 used".to_owned()), "{used:?}");
    assert!(
        used.iter().any(|row| row.starts_with("sgr-2 cannot tell")),
        "a rule without any flow is listed as well: {used:?}"
    );
}

#[test]
fn what_is_refused_comes_from_elsewhere_or_by_another_protocol_is_no_use() {
    let mut logs = Logs::new();
    logs.trail(&[
        create_group(at("09:00"), "sg-1"),
        create_interface(at("09:00"), "eni-1", "10.0.0.1", &["sg-1"]),
        open(at("09:01"), "sg-1", "sgr-1", (22, 22), "198.51.100.0/24"),
        call(at("12:00"), "DescribeInstances", json!({}), json!(null)),
    ]);
    let refused = Line { accepted: false, from: ("198.51.100.1".to_owned(), 4000), ..ssh("10:00") };
    let udp = Line { protocol: 17, flags: 0, from: ("198.51.100.1".to_owned(), 4000), ..ssh("10:01") };
    logs.flows(Version::Five, &[refused, udp, ssh("10:02")].map(|line| line.text(Version::Five)));
    assert_eq!(naive(&logs), 3, "three records for port 22");
    let found = logs.ask("unused-rules");
    assert_eq!(only(&found, &["certain", "perhaps"]), ["0 0"]);
}

#[test]
fn the_groups_of_an_interface_count_as_they_were_at_the_time() {
    let mut logs = Logs::new();
    logs.trail(&[
        create_group(at("08:00"), "sg-1"),
        create_group(at("08:01"), "sg-2"),
        create_interface(at("09:00"), "eni-1", "10.0.0.1", &["sg-1"]),
        open(at("09:01"), "sg-1", "sgr-1", (22, 22), "0.0.0.0/0"),
        open(at("09:01:30"), "sg-2", "sgr-2", (22, 22), "0.0.0.0/0"),
        set_groups(at("11:00"), "eni-1", &["sg-2"]),
        call(at("13:00"), "DescribeInstances", json!({}), json!(null)),
    ]);
    logs.flows(Version::Five, &[ssh("10:00").text(Version::Five)]);
    let found = logs.ask("unused-rules");
    let used = only(&found, &["rule_id", "certain"]);
    assert!(used.contains(&"sgr-1 1".to_owned()) && used.contains(&"sgr-2 0".to_owned()), "{used:?}");
}
