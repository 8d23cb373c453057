//! Random records: valid, mutated, damaged, and no records at all.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

use super::*;

/// Every node below the root.
fn pointers(value: &Value) -> Vec<String> {
    let below = |key: String, child: &Value| {
        let deeper = pointers(child).into_iter().map(|rest| format!("/{key}{rest}"));
        std::iter::once(format!("/{key}")).chain(deeper).collect::<Vec<_>>()
    };
    match value {
        Value::Object(fields) => fields.iter().flat_map(|(key, child)| below(key.clone(), child)).collect(),
        Value::Array(elements) => {
            elements.iter().enumerate().flat_map(|(n, child)| below(n.to_string(), child)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Records that open ssh to everyone, in every shape.
fn dangerous() -> Vec<Value> {
    let range = json!({"items": [{"cidrIp": "0.0.0.0/0"}]});
    let ssh = json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": range});
    let all = json!({"ipProtocol": "-1", "ipRanges": range});
    let rule = json!({"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule":
        {"CidrIpv4": "0.0.0.0/0", "FromPort": 22, "ToPort": 22, "IpProtocol": "tcp"}});
    vec![
        ssh_from_anywhere(),
        authorize(flat(), Value::Null),
        authorize(nested(ssh.clone()), Value::Null),
        authorize(nested(ssh), answer(answered_ssh())),
        authorize(nested(all), omitted()),
        authorize(omitted(), answer(answered_ssh())),
        authorize(omitted(), omitted()),
        modify(rule.clone()),
        modify(json!([rule])),
    ]
}

#[test]
fn nothing_that_is_missing_makes_a_dangerous_record_look_harmless() {
    let policy = Policy::built_in();
    for record in dangerous() {
        assert_eq!(harmless(&change(&record), &policy), None);
        for pointer in pointers(&record) {
            for (how, maimed) in [
                ("removed", without(record.clone(), &pointer)),
                ("null", with(record.clone(), &pointer, Value::Null)),
                ("{}", with(record.clone(), &pointer, json!({}))),
            ] {
                match read_alone(&maimed) {
                    Reading::Change(change) => assert_eq!(harmless(&change, &policy), None, "{pointer} {how}"),
                    Reading::Undecided { why, .. } => assert!(!why.is_empty(), "{pointer} {how}"),
                    Reading::Irrelevant { why, .. } => panic!("{pointer} {how}: {why}"),
                }
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    const KEYS: [&str; 8] = ["items", "item", "omitted", "cidrIp", "IpProtocol", "SecurityGroupRule", "groupId", "x"];
    const WORDS: [&str; 17] = [
        "",
        "-1",
        "22",
        "tcp",
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/8",
        "sg-1",
        "sgr-1",
        "pl-1",
        "true",
        "ec2.amazonaws.com",
        "AuthorizeSecurityGroupIngress",
        "ModifySecurityGroupRules",
        "111122223333",
        "eu-west-1",
        "\u{0}\"\\é😀",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-2i64..70_000).prop_map(Value::from),
        select(&WORDS[..]).prop_map(Value::from),
        ".{0,100}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::hash_map(select(&KEYS[..]).prop_map(str::to_owned), inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A mutation of one node.
#[derive(Debug, Clone)]
enum Mutation {
    Replace(Value),
    Remove,
    Duplicate,
    Wrap,
}

fn mutation() -> impl Strategy<Value = (Index, Mutation)> {
    let how = prop_oneof![
        4 => any_json().prop_map(Mutation::Replace),
        2 => Just(Mutation::Remove),
        1 => Just(Mutation::Duplicate),
        1 => Just(Mutation::Wrap),
    ];
    (any::<Index>(), how)
}

fn mutate(record: Value, (index, mutation): (Index, Mutation)) -> Value {
    let pointers = pointers(&record);
    if pointers.is_empty() {
        return record;
    }
    let pointer = index.get(&pointers);
    let node = record.pointer(pointer).unwrap().clone();
    match mutation {
        Mutation::Replace(value) => with(record, pointer, value),
        Mutation::Remove => without(record, pointer),
        Mutation::Duplicate => with(record, pointer, json!([node, node])),
        Mutation::Wrap => with(record, pointer, json!({"items": node})),
    }
}

/// Fields that do not matter for what was opened, and one field that no version knows.
const IMMATERIAL: [&str; 14] = [
    "/eventVersion",
    "/userIdentity",
    "/eventTime",
    "/sourceIPAddress",
    "/userAgent",
    "/requestID",
    "/eventID",
    "/eventType",
    "/managementEvent",
    "/tlsDetails",
    "/additionalEventData",
    "/sharedEventID",
    "/requestParameters/dryRun",
    "/responseElements/requestId",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_record_however_mutated_makes_the_reader_panic(
        record in select(dangerous()),
        mutations in proptest::collection::vec(mutation(), 1..5),
    ) {
        let mutated = mutations.into_iter().fold(record, mutate);
        let envelope_origin = EnvelopeOrigin { account: Some("111122223333".to_owned()), region: None };
        match read(&Json::from(&mutated), &envelope_origin) {
            Reading::Change(change) => _ = harmless(&change, &Policy::built_in()),
            Reading::Undecided { why, .. } | Reading::Irrelevant { why, .. } => {
                prop_assert!(!why.is_empty() && why.len() < 1200 && !why.contains(char::is_control), "{why}");
            }
        }
    }

    #[test]
    fn no_json_at_all_makes_the_reader_panic(value in any_json()) {
        let is_change = matches!(read_alone(&value), Reading::Change(_));
        prop_assert!(!is_change);
    }

    #[test]
    fn fields_that_do_not_matter_leave_the_change_as_it_is(
        record in select(vec![ssh_from_anywhere(), authorize(flat(), Value::Null)]),
        edits in proptest::collection::vec((select(&IMMATERIAL[..]), any_json()), 1..6),
    ) {
        let pristine = change(&record);
        let mut edited = record;
        for (pointer, value) in edits {
            if !pointer.starts_with("/responseElements") || edited["responseElements"].is_object() {
                edited = with(edited, pointer, value);
            }
        }
        let read = change(&edited);
        prop_assert_eq!(Change { event: pristine.event.clone(), ..read }, pristine);
    }
}
