//! Amazon EventBridge Scheduler: CreateSchedule, GetSchedule and DeleteSchedule, for schedules that fire once. Nothing fires
//! by itself: a test does what a schedule says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{ApiError, Request, caller::Caller, params::Params, state::State};

/// Account, Region and name of a group.
pub(crate) type GroupKey = (String, String, String);

/// The schedules of a group, by name: each as it was asked for.
pub(crate) type Group = BTreeMap<String, Value>;

/// The action and what it names, from the method and the path (Scheduler API Reference: `/schedules/{Name}`).
pub(crate) fn read(request: &Request) -> (String, Params) {
    let (path, query) = request.target();
    let action = match (path.strip_prefix("/schedules/"), request.method.as_str()) {
        (Some(_), "POST") => "CreateSchedule",
        (Some(_), "DELETE") => "DeleteSchedule",
        (Some(_), "GET") => "GetSchedule",
        _ => "",
    };
    let mut params = Params::default();
    let name = path.strip_prefix("/schedules/").unwrap_or_default();
    params.push("Name", name);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        params.push(key, value);
    }
    (action.to_owned(), params)
}

pub(crate) fn run(
    state: &mut State,
    caller: &Caller,
    (region, action): (&str, &str),
    params: &Params,
    body: &[u8],
) -> Result<Value, ApiError> {
    let body: Value = match action {
        "CreateSchedule" => serde_json::from_slice(body).map_err(|_| invalid("the body is no JSON"))?,
        _ => json!({}),
    };
    let name = params.text("Name").unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let group = [text(&body, "GroupName"), params.text("groupName").unwrap_or_default(), "default".to_owned()];
    let group = group.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    let key = (caller.account.clone(), region.to_owned(), group.clone());
    // "To create a schedule you must have permission to pass the role" (User Guide, "Setting up").
    if action == "CreateSchedule" && state.denied.contains(&(caller.account.clone(), "PassRole".to_owned())) {
        let role = body.get("Target").map(|target| text(target, "RoleArn")).unwrap_or_default();
        let message = format!("User: {} is not authorized to perform: iam:PassRole on resource: {role}", caller.arn());
        return Err(ApiError::with_status(403, "AccessDeniedException", message));
    }
    let missing =
        |what: &str| ApiError::with_status(404, "ResourceNotFoundException", format!("{what} does not exist."));
    let schedules = state.schedules.get_mut(&key).ok_or_else(|| missing(&format!("Schedule group {group}")))?;
    match action {
        "CreateSchedule" if schedules.contains_key(&name) => {
            let message = format!("Schedule {name} already exists.");
            Err(ApiError::with_status(409, "ConflictException", message))
        }
        "CreateSchedule" => {
            check(&name, &body)?;
            schedules.insert(name.clone(), body);
            let (account, region, group) = key;
            Ok(json!({ "ScheduleArn": format!("arn:aws:scheduler:{region}:{account}:schedule/{group}/{name}") }))
        }
        "GetSchedule" => schedules.get(&name).cloned().ok_or_else(|| missing(&format!("Schedule {name}"))),
        "DeleteSchedule" => {
            schedules.remove(&name).map(|_| json!({})).ok_or_else(|| missing(&format!("Schedule {name}")))
        }
        unknown => Err(invalid(&format!("the model has no action {unknown}"))),
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::with_status(400, "ValidationException", message)
}

/// CreateSchedule API Reference, "URI Request Parameters" and "Request Body": what is required, and the form of `at()`.
fn check(name: &str, body: &Value) -> Result<(), ApiError> {
    let is_name = !name.is_empty() && name.len() <= 64;
    if !is_name || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err(invalid("the name does not match [0-9a-zA-Z-_.]+"));
    }
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    for required in ["/ScheduleExpression", "/FlexibleTimeWindow/Mode", "/Target/Arn", "/Target/RoleArn"] {
        if text(required).is_empty() {
            return Err(invalid(&format!("{required} is missing")));
        }
    }
    let at = text("/ScheduleExpression").strip_prefix("at(").and_then(|at| at.strip_suffix(')'));
    let is_time = at.is_some_and(|at| format!("{at}Z").parse::<jiff::Timestamp>().is_ok());
    if is_time { Ok(()) } else { Err(invalid("Invalid Schedule Expression")) }
}
