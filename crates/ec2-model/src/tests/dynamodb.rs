//! DynamoDB in its JSON protocol: one item at a time, with the expressions that a memory needs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kit::*;
use crate::{Fault, FaultKind, World};

const TABLE: &str = "memory";

fn world() -> World {
    let world = World::new(1);
    world.create_table(ACCOUNT, REGION, TABLE);
    world
}

fn call(world: &World, action: &str, body: &Value) -> (u16, Value) {
    let request = json_request(ACCOUNT, REGION, "dynamodb", &format!("DynamoDB_20120810.{action}"), body);
    let (status, headers, body) = json_answer(world, &request);
    assert!(headers.contains(&("content-type".into(), "application/x-amz-json-1.0".into())));
    (status, body)
}

/// An UpdateItem of the item `a`, with these expressions and these placeholders.
fn update(world: &World, expression: &str, condition: Option<&str>, names: Value, values: Value) -> (u16, Value) {
    let mut body = json!({
        "TableName": TABLE, "Key": {"pk": {"S": "a"}}, "UpdateExpression": expression, "ReturnValues": "ALL_NEW",
    });
    let members = body.as_object_mut().unwrap();
    for (name, value) in [("ExpressionAttributeNames", names), ("ExpressionAttributeValues", values)] {
        if value.as_object().is_some_and(|value| !value.is_empty()) {
            members.insert(name.to_owned(), value);
        }
    }
    if let Some(condition) = condition {
        members.insert("ConditionExpression".to_owned(), condition.into());
        members.insert("ReturnValuesOnConditionCheckFailure".to_owned(), "ALL_OLD".into());
    }
    call(world, "UpdateItem", &body)
}

fn error(answer: (u16, Value)) -> String {
    assert_eq!(answer.0, 400, "{answer:?}");
    answer.1["__type"].as_str().unwrap().rsplit('#').next().unwrap().to_owned()
}

fn item(world: &World) -> BTreeMap<String, String> {
    world.items(ACCOUNT, REGION, TABLE).remove("a").unwrap_or_default()
}

/// UpdateItem API Reference: "Edits an existing item's attributes, or adds a new item to the table if it does not already
/// exist"; `ALL_NEW`: "Returns all of the attributes of the item, as they appear after the UpdateItem operation."
#[test]
fn an_update_makes_the_item_and_returns_all_of_it() {
    let world = world();
    let (status, body) = update(
        &world,
        "SET #a = :a, #n = :n",
        None,
        json!({"#a": "claim#1", "#n": "ttl"}),
        json!({":a": {"S": "x"}, ":n": {"N": "5"}}),
    );
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["Attributes"], json!({"pk": {"S": "a"}, "claim#1": {"S": "x"}, "ttl": {"N": "5"}}));
    let names = json!({"#a": "claim#1", "#b": "b", "#n": "ttl"});
    let values = json!({":b": {"S": "y"}, ":k": {"N": "2"}});
    let (_, body) = update(&world, "SET #b = if_not_exists(#a, :b) REMOVE #a ADD #n :k", None, names, values);
    // "all actions see the item as it was before"
    assert_eq!(body["Attributes"], json!({"pk": {"S": "a"}, "b": {"S": "x"}, "ttl": {"N": "7"}}));
    let read = call(&world, "GetItem", &json!({"TableName": TABLE, "Key": {"pk": {"S": "a"}}, "ConsistentRead": true}));
    assert_eq!(read.1["Item"], body["Attributes"]);
    let none = call(&world, "GetItem", &json!({"TableName": TABLE, "Key": {"pk": {"S": "b"}}}));
    assert_eq!(none, (200, json!({})));
    assert!(world.take_records().is_empty(), "items are data events, which a trail does not record by default");
}

/// Developer Guide, "if_not_exists": the first write stays.
#[test]
fn what_was_written_first_stays() {
    let world = world();
    for text in ["first", "second"] {
        update(&world, "SET #a = if_not_exists(#a, :a)", None, json!({"#a": "a"}), json!({":a": {"S": text}}));
    }
    assert_eq!(item(&world)["a"], "first");
}

/// UpdateItem API Reference: ConditionalCheckFailedException, and `ReturnValuesOnConditionCheckFailure`.
#[test]
fn a_condition_that_is_not_met_changes_nothing_and_shows_the_item() {
    let world = world();
    let lease = |holder: &str, now: i64| {
        let condition = "attribute_not_exists(#u) OR #u < :now OR #h = :h";
        let names = json!({"#u": "until", "#h": "holder"});
        let values = json!({":h": {"S": holder}, ":now": {"N": now.to_string()}, ":u": {"N": (now + 10).to_string()}});
        update(&world, "SET #h = :h, #u = :u", Some(condition), names, values)
    };
    assert_eq!(lease("one", 0).0, 200);
    let refused = lease("two", 5);
    assert_eq!(refused.1["Item"]["holder"], json!({"S": "one"}));
    assert_eq!(error(refused), "ConditionalCheckFailedException");
    assert_eq!(lease("one", 8).0, 200, "the holder renews");
    assert_eq!(error(lease("two", 18)), "ConditionalCheckFailedException");
    assert_eq!(lease("two", 19).0, 200, "it is over");
    let gone = update(&world, "REMOVE #a", Some("attribute_exists(#a)"), json!({"#a": "a"}), json!({}));
    assert_eq!(error(gone), "ConditionalCheckFailedException");
}

#[test]
fn what_dynamodb_refuses_is_refused() {
    let world = world();
    let one = || json!({":a": {"S": "x"}});
    for (expression, names, values) in [
        ("SET #a = :a", json!({"#a": "a", "#b": "b"}), one()),
        ("SET #a = :a, #a = :a", json!({"#a": "a"}), one()),
        ("SET #a = :a REMOVE #b", json!({"#a": "a", "#b": "a"}), one()),
        ("SET #a = :a SET #b = :a", json!({"#a": "a", "#b": "b"}), one()),
        ("SET #a = :b", json!({"#a": "a"}), one()),
        ("SET #a = :a", json!({"#a": "pk"}), one()),
        ("ADD #a :a", json!({"#a": "a"}), one()),
        ("SET #a = :a", json!({"#a": "a"}), json!({":a": {"S": "x".repeat(400 << 10)}})),
    ] {
        assert_eq!(error(update(&world, expression, None, names, values)), "ValidationException", "{expression}");
    }
    assert_eq!(item(&world), BTreeMap::new());
    let no_table = call(&world, "GetItem", &json!({"TableName": "other", "Key": {"pk": {"S": "a"}}}));
    assert_eq!(error(no_table), "ResourceNotFoundException");
    let no_key = call(&world, "GetItem", &json!({"TableName": TABLE, "Key": {"id": {"S": "a"}}}));
    assert_eq!(error(no_key), "ValidationException");
    world.delete_table(ACCOUNT, REGION, TABLE);
    assert_eq!(error(update(&world, "SET #a = :a", None, json!({"#a": "a"}), one())), "ResourceNotFoundException");
}

#[test]
fn faults_hit_a_table_as_they_hit_any_service() {
    let world = world();
    let write = || update(&world, "SET #a = :a", None, json!({"#a": "a"}), json!({":a": {"S": "x"}}));
    for (kind, code) in [(FaultKind::Throttle, "ThrottlingException"), (FaultKind::Denied, "AccessDeniedException")] {
        world.inject(Fault::next("UpdateItem", kind));
        assert_eq!(error(write()), code);
    }
    assert_eq!(item(&world), BTreeMap::new());
    world.deny(ACCOUNT, "UpdateItem");
    assert_eq!(error(write()), "AccessDeniedException");
    world.permit(ACCOUNT, "UpdateItem");
    assert_eq!(write().0, 200);
}
