//! Rules for prefix lists: what the lists held, and when.

use serde_json::{Value, json};

use crate::made::{ACCOUNT, Line, Logs, REGION, Version, at, call, create_group, create_interface, items, only, open};

const LIST: &str = "pl-0123456789abcdef0";

fn open_to_list(seconds: i64, rule: &str, port: u16) -> Value {
    let listed = json!({"groupId": "sg-1", "securityGroupRuleId": rule, "isEgress": false, "ipProtocol": "tcp",
        "fromPort": port, "toPort": port, "prefixListId": LIST});
    let answer = json!({"_return": true, "securityGroupRuleSet": items(vec![listed])});
    call(seconds, "AuthorizeSecurityGroupIngress", json!({"groupId": "sg-1", "ipPermissions": {}, "x": rule}), answer)
}

fn change(seconds: i64) -> Value {
    let request =
        json!({"PrefixListId": LIST, "CurrentVersion": 1, "AddEntry": [{"Cidr": "198.51.100.0/24", "tag": 1}]});
    call(seconds, "ModifyManagedPrefixList", json!({"ModifyManagedPrefixListRequest": request}), json!({}))
}

fn owner(owner: &str) -> Vec<u8> {
    let list = json!({"PrefixListId": LIST, "AddressFamily": "IPv4", "PrefixListName": "offices", "OwnerId": owner,
        "PrefixListArn": format!("arn:aws:ec2:{REGION}:{owner}:prefix-list/{LIST}")});
    json!({ "PrefixLists": [list] }).to_string().into_bytes()
}

fn entries(blocks: &[&str]) -> Vec<u8> {
    let entries: Vec<Value> = blocks.iter().map(|block| json!({"Cidr": block, "Description": ""})).collect();
    json!({ "Entries": entries }).to_string().into_bytes()
}

/// A group whose rules admit a list, an interface in it, and a connection from inside and one from outside of the list.
fn logs() -> Logs {
    let mut logs = Logs::new();
    logs.trail(&[
        create_group(at("09:00"), "sg-1"),
        create_interface(at("09:01"), "eni-1", "10.0.0.1", &["sg-1"]),
        open_to_list(at("09:02"), "sgr-list", 22),
        open_to_list(at("09:02"), "sgr-idle", 443),
        call(at("13:00"), "DescribeInstances", json!({}), json!(null)),
    ]);
    let mut lines: Vec<String> = (0..24)
        .map(|n| {
            let line = Line::new("eni-1", ("192.0.2.1", 1), ("10.0.0.1", 9), at("09:00") + n * 600);
            Line { end: at("09:00") + n * 600 + 590, accepted: false, ..line }.text(Version::Five)
        })
        .collect();
    lines.push(Line::new("eni-1", ("203.0.113.7", 40000), ("10.0.0.1", 22), at("10:00")).text(Version::Five));
    lines.push(Line::new("eni-1", ("192.0.2.7", 40001), ("10.0.0.1", 443), at("10:05")).text(Version::Five));
    logs.flows(Version::Five, &lines);
    logs
}

fn answers(logs: &Logs) -> Vec<String> {
    let mut found = only(&logs.ask("unused-rules"), &["rule_id", "answer", "certain", "perhaps"]);
    found.sort();
    found
}

#[test]
fn what_a_list_held_decides_what_its_rules_admitted() {
    let mut logs = logs();
    let unknown = ["sgr-idle perhaps used 0 1", "sgr-list perhaps used 0 1"];
    assert_eq!(answers(&logs), unknown, "without a snapshot nobody knows what the list held");
    logs.file(&format!("{LIST}.json"), &entries(&["203.0.113.0/24", "10.0.0.0/8"]));
    assert_eq!(answers(&logs), unknown, "nobody knows who may have changed it");
    logs.file("lists.json", &owner("AWS"));
    assert_eq!(answers(&logs), unknown, "no record tells when AWS changes its own");
    logs.file("lists.json", &owner(ACCOUNT));
    assert_eq!(answers(&logs), ["sgr-idle unused 0 0", "sgr-list used 1 0"]);
    assert_eq!(only(&logs.ask("unexplained"), &["src_addr", "dst_port"]), ["192.0.2.7 443"]);
}

#[test]
fn what_a_list_held_before_a_change_is_not_known() {
    let mut logs = logs();
    logs.file(&format!("{LIST}.json"), &entries(&["203.0.113.0/24"])).file("lists.json", &owner(ACCOUNT));
    logs.trail(&[change(at("10:02"))]);
    assert_eq!(answers(&logs), ["sgr-idle unused 0 0", "sgr-list perhaps used 0 1"]);
}

#[test]
fn exposure_through_a_list_is_known_with_its_entries() {
    let mut logs = Logs::new();
    logs.trail(&[
        create_group(at("09:00"), "sg-1"),
        open_to_list(at("09:02"), "sgr-list", 22),
        open(at("09:03"), "sg-1", "sgr-half", (22, 22), "128.0.0.0/1"),
        call(at("13:00"), "DescribeInstances", json!({}), json!(null)),
    ]);
    let verdicts = |logs: &Logs| only(&logs.ask("dangerous-rules"), &["rule_id", "verdict", "guard"]);
    assert_eq!(verdicts(&logs), ["sgr-list undecided null", "sgr-half exposed ssh"]);
    logs.file(
        "prefix-lists.json",
        json!({"PrefixLists": [{"PrefixListId": LIST, "Cidrs": ["0.0.0.0/1"]}]}).to_string().as_bytes(),
    );
    logs.file("lists.json", &owner(ACCOUNT));
    assert_eq!(verdicts(&logs), ["sgr-list exposed ssh", "sgr-half exposed ssh"]);
    let flags = logs.ask("SELECT rule_id, guarded, internet FROM sg_rules ORDER BY rule_id");
    assert_eq!(only(&flags, &["rule_id", "guarded", "internet"]), ["sgr-half true true", "sgr-list true true"]);
    // Before the change nobody knows; from it on the rule is one that is open to the internet.
    logs.trail(&[change(at("10:02"))]);
    assert_eq!(verdicts(&logs), ["sgr-list undecided null", "sgr-half exposed ssh"]);
    let flags = logs.ask("SELECT rule_id, guarded FROM sg_rules ORDER BY rule_id");
    assert_eq!(only(&flags, &["rule_id", "guarded"]), ["sgr-half true", "sgr-list true"]);
}

#[test]
fn entries_of_a_list_that_nothing_names_are_told() {
    let mut logs = logs();
    logs.file("offices.json", &entries(&["203.0.113.0/24"]));
    let world = logs.world(2);
    let _ = world.knowledge();
    let told: Vec<String> = world.inputs.tally.troubled().into_iter().flat_map(|(_, file)| file.errors).collect();
    assert_eq!(told, ["it holds the entries of a prefix list, and its name does not say of which: call it pl-….json"]);
}
