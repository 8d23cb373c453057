//! The model's values as the control endpoints write them.

use serde_json::{Value, json};

use crate::{Call, Outcome, Published, Rule};

pub(super) fn rule(rule: &Rule) -> Value {
    json!({
        "id": rule.id, "direction": format!("{:?}", rule.direction).to_lowercase(), "protocol": rule.protocol,
        "fromPort": rule.from_port, "toPort": rule.to_port, "source": rule.source.text(),
        "description": rule.description,
    })
}

pub(super) fn call(call: &Call) -> Value {
    let outcome = match &call.outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Error(code) => code.clone(),
        Outcome::Fault(kind) => format!("fault: {kind:?}"),
    };
    let params = call.params.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    json!({
        "account": call.account, "region": call.region, "service": call.service, "action": call.action,
        "params": params.collect::<Value>(), "outcome": outcome,
    })
}

pub(super) fn message(message: &Published) -> Value {
    let attributes = message.attributes.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    json!({
        "topic": message.topic, "subject": message.subject, "message": message.message,
        "messageStructure": message.message_structure, "attributes": attributes.collect::<Value>(),
    })
}
