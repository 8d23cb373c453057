//! ModifyManagedPrefixList and RestoreManagedPrefixListVersion.

use super::*;

/// Both spellings, with and without the wrapper.
fn of_a_list(call: &str, fields: &Value) -> Vec<Value> {
    let lower = |name: &str| {
        let mut payloads = name.chars();
        let first = payloads.next().map(|payload| payload.to_ascii_lowercase());
        first.into_iter().chain(payloads).collect::<String>()
    };
    let lowered: serde_json::Map<String, Value> =
        fields.as_object().unwrap().iter().map(|(key, value)| (lower(key), value.clone())).collect();
    let request = [fields.clone(), Value::Object(lowered)];
    let wrapped = request.clone().map(|fields| json!({ format!("{call}Request"): fields }));
    request.into_iter().chain(wrapped).map(|request| record(call, request, Value::Null)).collect()
}

#[test]
fn a_changed_list_claims_what_was_added_to_it_where_the_record_says_that() {
    let entry = |cidr: &str| json!({"Cidr": cidr, "Description": "x", "tag": 1});
    for (fields, attributed) in [
        (json!({"AddEntry": entry("8.0.0.1/8")}), "pl-1: 8.0.0.0/8"),
        (json!({"AddEntry": [entry("8.0.0.0/8"), entry("::/0")]}), "pl-1: 8.0.0.0/8 ::/0"),
        (json!({"AddEntries": {"items": [{"cidr": "9.0.0.0/8"}]}}), "pl-1: 9.0.0.0/8"),
        (json!({"AddEntry": {}}), "pl-1: "),
        (json!({"RemoveEntry": entry("8.0.0.0/8"), "CurrentVersion": 3, "MaxEntries": 9}), "pl-1: "),
        (json!({"RemoveEntries": [], "PrefixListName": "x", "DryRun": false, "xmlns": "http://…"}), "pl-1: "),
        // Entries that cannot be read, and keys that may be another spelling of an added entry.
        (json!({"AddEntry": entry("8.0.0.0/33")}), "pl-1: any entry"),
        (json!({"AddEntry": [entry("8.0.0.0/8"), {"Description": "x"}]}), "pl-1: any entry"),
        (json!({"AddEntry": 7}), "pl-1: any entry"),
        (json!({"NewEntry": entry("8.0.0.0/8")}), "pl-1: any entry"),
        (json!({"NewEntry": 1, "CurrentVersion": 3}), "pl-1: any entry"),
    ] {
        let mut fields = fields;
        fields["PrefixListId"] = json!("pl-1");
        for record in of_a_list("ModifyManagedPrefixList", &fields) {
            assert_eq!(changed_rules(&record), [attributed], "{}", record["requestParameters"]);
            assert_eq!(resource(&record), Resource::PrefixList(PrefixListId::parse("pl-1").unwrap()));
        }
    }
}

#[test]
fn a_restored_list_claims_the_version_that_was_restored() {
    for (version, attributed) in [
        (json!(2), "pl-1: any entry of version 2"),
        (json!("2"), "pl-1: any entry of version 2"),
        (json!("two"), "pl-1: any entry"),
    ] {
        let fields = json!({"PrefixListId": "pl-1", "PreviousVersion": version, "CurrentVersion": 5});
        for record in of_a_list("RestoreManagedPrefixListVersion", &fields) {
            assert_eq!(changed_rules(&record), [attributed], "{}", record["requestParameters"]);
        }
    }
}

/// The version that a changed list leads to.
fn version(record: &Value) -> Option<i64> {
    let ChangedRules::PrefixList { version, .. } = change(record).changed_rules else { panic!("no list: {record}") };
    version
}

#[test]
fn a_changed_list_leads_to_the_version_after_the_one_that_the_call_names() {
    let entry = json!({"Cidr": "8.0.0.0/8"});
    for (fields, expected) in [
        (json!({"AddEntry": entry, "CurrentVersion": 3}), Some(4)),
        (json!({"AddEntry": [entry], "CurrentVersion": "3"}), Some(4)),
        (json!({"RemoveEntries": {"items": [entry]}, "CurrentVersion": 3}), Some(4)),
        (json!({"AddEntry": 7, "CurrentVersion": 3}), Some(4)),
        (json!({"NewEntry": entry, "CurrentVersion": 3}), Some(4)),
        (json!({"AddEntry": entry}), None),
        (json!({"AddEntry": entry, "CurrentVersion": "three"}), None),
        (json!({"AddEntry": entry, "CurrentVersion": null}), None),
        (json!({"AddEntry": entry, "CurrentVersion": i64::MAX}), None),
        // No other change makes a version.
        (json!({"MaxEntries": 9, "PrefixListName": "x", "CurrentVersion": 3}), None),
        (json!({"IpamPrefixListResolverSyncEnabled": true, "CurrentVersion": 3}), None),
    ] {
        let mut fields = fields;
        fields["PrefixListId"] = json!("pl-1");
        for record in of_a_list("ModifyManagedPrefixList", &fields) {
            assert_eq!(version(&record), expected, "{}", record["requestParameters"]);
        }
    }
    for record in of_a_list("RestoreManagedPrefixListVersion", &json!({"PrefixListId": "pl-1", "CurrentVersion": 5})) {
        assert_eq!(version(&record), Some(6));
    }
}

#[test]
fn the_version_that_the_answer_shows_is_the_least() {
    for (request, shown, expected) in [
        (json!({"PrefixListId": "pl-1", "AddEntry": {}, "CurrentVersion": 3}), json!(3), Some(4)),
        (json!({"PrefixListId": "pl-1", "AddEntry": {}, "CurrentVersion": 3}), json!("5"), Some(5)),
        (json!({"PrefixListId": "pl-1", "AddEntry": {}}), json!(3), Some(3)),
        (json!({"PrefixListId": "pl-1", "AddEntry": {}}), json!(null), None),
        (omitted(), json!(3), Some(3)),
        (omitted(), json!({}), None),
    ] {
        let list = json!({"prefixListId": "pl-1", "version": shown});
        let call = "ModifyManagedPrefixList";
        for answer in [json!({"prefixList": list}), json!({format!("{call}Response"): {"prefixList": list}})] {
            assert_eq!(version(&record(call, request.clone(), answer)), expected, "{request} {shown}");
        }
    }
}

#[test]
fn a_list_that_only_the_answer_names_may_have_any_entry_new() {
    let list = json!({"prefixListId": "pl-1", "prefixListName": "x"});
    for call in ["ModifyManagedPrefixList", "RestoreManagedPrefixListVersion"] {
        for answer in
            [list.clone(), json!({"prefixList": list}), json!({format!("{call}Response"): {"prefixList": list}})]
        {
            for request in [omitted(), Value::Null] {
                assert_eq!(changed_rules(&record(call, request, answer.clone())), ["pl-1: any entry"], "{answer}");
            }
        }
        let unnamed = json!({"prefixList": {"prefixListName": "x"}});
        assert_eq!(changed_rules(&record(call, omitted(), unnamed.clone())), ["any"]);
        assert_eq!(resource(&record(call, omitted(), Value::Null)), Resource::Region);
        let missing = "requestParameters is missing, expected what the call asked for";
        assert_eq!(undecided(&record(call, Value::Null, unnamed)), missing);
        let nameless = record(call, json!({"CurrentVersion": 1}), Value::Null);
        assert_eq!(undecided(&nameless), format!("requestParameters.{call}Request.PrefixListId is missing"));
    }
}
