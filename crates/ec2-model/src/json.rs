//! The AWS JSON protocols of SQS and DynamoDB (1.0), Organizations and EventBridge (1.1): `X-Amz-Target` names the action, the
//! body is JSON. And the errors of Security Hub and Scheduler, whose paths name the
//! action.

use serde_json::{Value, json};

use crate::{ApiError, Request, Response, dispatch::Service, params::Params, tree::Tree};

/// The action and its members, flattened as in a Query request: `Entries.1.Id`.
pub(crate) fn read(request: &Request) -> (String, Params) {
    let target = request.header("x-amz-target").unwrap_or_default();
    let action = target.split_once('.').map_or("", |(_, action)| action);
    let mut params = Params::default();
    if let Ok(Value::Object(members)) = serde_json::from_slice(&request.body) {
        members.iter().for_each(|(name, value)| flatten(name, value, &mut params));
    }
    (action.into(), params)
}

fn flatten(name: &str, value: &Value, params: &mut Params) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, v)| flatten(&format!("{name}.{key}"), v, params)),
        Value::Array(items) => {
            items.iter().zip(1..).for_each(|(item, number)| flatten(&format!("{name}.{number}"), item, params));
        }
        Value::String(text) => params.push(name, text),
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => params.push(name, value),
    }
}

fn content_type(service: Service) -> &'static str {
    match service {
        Service::Sqs | Service::DynamoDb => "application/x-amz-json-1.0",
        Service::SecurityHub | Service::Scheduler => "application/json",
        Service::Ec2 | Service::Sts | Service::Sns | Service::S3 | Service::Organizations | Service::EventBridge => {
            "application/x-amz-json-1.1"
        }
    }
}

pub(crate) fn success(service: Service, tree: &Tree, request_id: &str) -> Response {
    answer(service, &tree.json(), request_id)
}

pub(crate) fn answer(service: Service, body: &Value, request_id: &str) -> Response {
    Response::new(200, content_type(service), request_id, body.to_string())
}

/// The shape's name in a header (Smithy, "AWS restJson1 protocol").
fn rest_error(problem: &ApiError, request_id: &str) -> Response {
    let body = json!({"Code": problem.code, "Message": problem.message}).to_string();
    let mut response = Response::new(problem.status, "application/json", request_id, body);
    response.headers.push(("x-amzn-errortype".into(), problem.code.clone()));
    response
}

/// The shape's name in `__type`. SQS once used the Query protocol and still sends the code of that protocol in a
/// header. Its clients see that code (AWS Query protocol compatibility of JSON services).
pub(crate) fn error(service: Service, problem: &ApiError, request_id: &str) -> Response {
    let fault = if problem.status < 500 { "Sender" } else { "Receiver" };
    let shape = match (service, problem.code.strip_prefix("AWS.SimpleQueueService.")) {
        (Service::Sqs, Some("NonExistentQueue")) => "com.amazonaws.sqs#QueueDoesNotExist".into(),
        (Service::Sqs, Some(name)) => format!("com.amazonaws.sqs#{name}"),
        (Service::Sqs, None) => format!("com.amazon.coral.service#{}", problem.code),
        (Service::SecurityHub | Service::Scheduler, _) => return rest_error(problem, request_id),
        (Service::DynamoDb, _) => format!("com.amazonaws.dynamodb.v20120810#{}", problem.code),
        _ => problem.code.clone(),
    };
    let mut body = json!({ "__type": shape, "message": problem.message });
    if let (Some(item), Value::Object(members)) = (&problem.item, &mut body) {
        members.insert("Item".to_owned(), item.clone());
    }
    let mut response = Response::new(problem.status, content_type(service), request_id, body.to_string());
    if service == Service::Sqs {
        response.headers.push(("x-amzn-query-error".into(), format!("{};{fault}", problem.code)));
    }
    response
}
