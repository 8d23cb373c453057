use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn item(item: &Value) -> Result<Attributes, AwsError> {
    attribute::item("GetItem", Some(&mut item.clone()))
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let attribute =
        prop_oneof![any::<String>().prop_map(Attribute::S), any::<i64>().prop_map(|n| Attribute::N(n.to_string()))];
    proptest::collection::hash_map(any::<String>(), attribute, 0..6)
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(attributes in attributes()) {
        let wire = serde_json::to_string(&attributes).unwrap();
        prop_assert_eq!(item(&serde_json::from_str(&wire).unwrap()).unwrap(), attributes);
    }

    #[test]
    fn a_kind_that_dynamodb_does_not_have_is_an_error_that_names_the_attribute(
        attributes in attributes(), name in "[a-z#]{1,9}", kind in "[A-Z]{1,5}"
    ) {
        let known = ["S", "N", "B", "BOOL", "BS", "L", "M", "NS", "NULL", "SS"];
        prop_assume!(!known.contains(&kind.as_str()));
        let mut wire = json!(attributes);
        wire[&name] = json!({ &kind: "x" });
        let error = item(&wire).unwrap_err();
        prop_assert!(error.code.as_str() == "BadAnswer" && error.message.contains(&format!("`{name}`")), "{}", error);
    }
}

#[test]
fn kinds_that_nobody_here_writes_are_left_out() {
    let wire = json!({"claim": {"S": "x"}, "ttl": {"N": "5"}, "aws:rep:deleting": {"BOOL": false}, "a": {"B": "eA=="},
        "b": {"SS": ["x"]}, "c": {"NS": ["1"]}, "d": {"BS": ["eA=="]}, "e": {"L": [{"S": "x"}]}, "f": {"M": {"x": {"N": "1"}}},
        "g": {"NULL": true}});
    let read = item(&wire).unwrap();
    let expected = [("claim", Attribute::S("x".into())), ("ttl", Attribute::N("5".into()))];
    assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value)).into());
}

#[test]
fn what_is_no_attribute_is_an_error_that_names_it() {
    for odd in [json!("x"), json!({}), json!(null), json!({"S": 1}), json!({"N": 1}), json!({"S": "x", "N": "1"})] {
        let error = item(&json!({ "claim#1": odd })).unwrap_err();
        assert!(error.message.starts_with("the attribute `claim#1` is "), "{odd}: {error}");
    }
    assert_eq!(item(&json!([])).unwrap_err().code.as_str(), "BadAnswer");
    assert_eq!(item(&json!(null)).unwrap(), Attributes::new(), "no item");
    assert_eq!(attribute::item("GetItem", None).unwrap(), Attributes::new(), "no item");
}

#[test]
fn a_request_has_no_empty_lists() {
    let bare = update_request("t", "k", ItemUpdate { update: "REMOVE a".to_owned(), ..ItemUpdate::default() });
    let expected = json!({"TableName": "t", "Key": {"pk": {"S": "k"}}, "UpdateExpression": "REMOVE a",
        "ReturnValues": "ALL_NEW", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"});
    assert_eq!(bare, expected);
    let update = ItemUpdate {
        update: "SET #0 = :0".to_owned(),
        condition: Some("attribute_exists(#0)".to_owned()),
        names: [("#0".to_owned(), "a".to_owned())].into(),
        values: [(":0".to_owned(), Attribute::N("7".to_owned()))].into(),
    };
    let full = update_request("t", "k", update);
    assert_eq!(full["ConditionExpression"], "attribute_exists(#0)");
    assert_eq!(full["ExpressionAttributeNames"], json!({"#0": "a"}));
    assert_eq!(full["ExpressionAttributeValues"], json!({":0": {"N": "7"}}));
}
