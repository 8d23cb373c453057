//! Whether a rule still lets through what the template's does.

use serde_json::{Map, Value};

/// What stands below these names the stack's own resources. The template has functions there, whose values only
/// CloudFormation knows.
const OF_RESOURCES: [&str; 3] = ["requestParameters", "responseElements", "resources"];

/// What the deployed pattern lets through less than the template's; `None` where it is not narrower.
///
/// More words in a list let more through, and so does a key less. A word less, or a key more, lets less through.
pub(super) fn narrower(template: &Value, deployed: &Value) -> Option<String> {
    objects(template.as_object()?, deployed.as_object(), "")
}

fn objects(template: &Map<String, Value>, deployed: Option<&Map<String, Value>>, at: &str) -> Option<String> {
    let Some(deployed) = deployed else { return Some(format!("{} is no object", named(at))) };
    if let Some(key) = deployed.keys().find(|key| !template.contains_key(*key)) {
        return Some(format!("it asks for {} as well", named(&below(at, key))));
    }
    deployed.iter().find_map(|(key, value)| {
        let at = below(at, key);
        match template.get(key)? {
            _ if OF_RESOURCES.contains(&key.as_str()) => is_empty(value).then(|| format!("{} is empty", named(&at))),
            Value::Object(expected) => objects(expected, value.as_object(), &at),
            Value::Array(expected) => words(expected, value.as_array()?, &at),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                (other != value).then(|| format!("{} is {value}", named(&at)))
            }
        }
    })
}

/// Every word of the template's that is not there. An array among them is a condition's: it may be missing.
fn words(template: &[Value], deployed: &[Value], at: &str) -> Option<String> {
    template.iter().filter(|word| !word.is_array()).find_map(|word| {
        let is_there = deployed.iter().any(|other| match (word, other) {
            (Value::Object(one), Value::Object(_)) if at.ends_with("$or") => narrower_of(one, other).is_none(),
            _ => word == other,
        });
        let missing = if at.ends_with("$or") { "one of its alternatives".to_owned() } else { word.to_string() };
        (!is_there).then(|| format!("{} lacks {missing}", named(at)))
    })
}

fn narrower_of(template: &Map<String, Value>, deployed: &Value) -> Option<String> {
    objects(template, deployed.as_object(), "")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty() || map.values().any(is_empty),
        Value::Array(words) => words.is_empty(),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn below(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

fn named(at: &str) -> String {
    if at.is_empty() { "the pattern".to_owned() } else { format!("`{at}`") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_is_narrower_by_a_word_less_or_a_key_more() {
        let template = json!({"source": ["aws.ec2"], "detail": {"eventName": ["A", "B"], "errorCode": [{"exists": false}],
            "$or": [{"eventName": ["C"], "requestParameters": {"name": ["Rule"]}}, ["HasKey", {"eventName": ["D"]}]]}});
        let mut wider = template.clone();
        wider["detail"]["eventName"] = json!(["B", "Z", "A"]);
        wider["detail"]["$or"] = json!([{"eventName": ["C"], "requestParameters": {"name": ["portcullis-Rule-1"]}}]);
        let without_error = wider["detail"].as_object_mut().unwrap().remove("errorCode");
        assert!(without_error.is_some());
        assert_eq!((narrower(&template, &template), narrower(&template, &wider)), (None, None));
        for (pointer, value, why) in [
            ("/detail/eventName", json!(["A"]), "`detail.eventName` lacks \"B\""),
            ("/source", json!([]), "`source` lacks \"aws.ec2\""),
            ("/detail/errorCode", json!(["Client.X"]), "`detail.errorCode` lacks {\"exists\":false}"),
            ("/detail", json!({"userIdentity": {}}), "it asks for `detail.userIdentity` as well"),
            (
                "/detail/$or",
                json!([{"eventName": ["C"], "requestParameters": {"name": []}}]),
                "`detail.$or` lacks one of its alternatives",
            ),
            ("/detail", json!(3), "`detail` is no object"),
        ] {
            let mut changed = template.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert_eq!(narrower(&template, &changed).as_deref(), Some(why), "{pointer}");
        }
    }
}
