//! EventBridge Scheduler: schedules that fire once, in groups that are there.

use serde_json::{Value, json};

use super::kit::*;
use crate::{Request, World};

fn call(world: &World, method: &str, uri: &str, body: &Value) -> (u16, String, Value) {
    let request = request(ACCOUNT, "scheduler", &[]);
    let body = if method == "POST" { body.to_string().into_bytes() } else { Vec::new() };
    let request = Request { method: method.into(), uri: uri.into(), body, ..request };
    let (status, headers, body) = json_answer(world, &request);
    let code = headers.into_iter().find(|(name, _)| name == "x-amzn-errortype");
    (status, code.map(|(_, code)| code).unwrap_or_default(), body)
}

fn schedule() -> Value {
    json!({
        "GroupName": "portcullis", "ScheduleExpression": "at(2026-11-26T20:00:00)",
        "FlexibleTimeWindow": {"Mode": "OFF"}, "ActionAfterCompletion": "DELETE",
        "Target": {"Arn": "arn:aws:lambda:eu-west-1:111122223333:function:f", "RoleArn": "arn:aws:iam::111122223333:role/r"},
    })
}

fn world() -> World {
    let world = World::new(1);
    world.create_schedule_group(ACCOUNT, REGION, "portcullis");
    world
}

/// Scheduler API Reference, CreateSchedule: the answer has `ScheduleArn`; "ConflictException: Updating or deleting the
/// resource can cause an inconsistent state … HTTP Status Code: 409"; "ResourceNotFoundException … 404".
#[test]
fn a_schedule_is_made_once_in_a_group_that_is_there() {
    let world = world();
    let (status, _, body) = call(&world, "POST", "/schedules/w-7q2m", &schedule());
    assert_eq!(
        (status, &body["ScheduleArn"]),
        (200, &json!("arn:aws:scheduler:eu-west-1:111122223333:schedule/portcullis/w-7q2m"))
    );
    assert_eq!(world.schedules(ACCOUNT, REGION, "portcullis"), [("w-7q2m".to_owned(), schedule())]);
    let (status, code, _) = call(&world, "POST", "/schedules/w-7q2m", &schedule());
    assert_eq!((status, code.as_str()), (409, "ConflictException"));
    let elsewhere = json!({"GroupName": "other"});
    let (status, code, _) = call(&world, "POST", "/schedules/w-1", &elsewhere);
    assert_eq!((status, code.as_str()), (404, "ResourceNotFoundException"));
}

/// CreateSchedule, "Request Body": `FlexibleTimeWindow`, `ScheduleExpression` and `Target` are required; an at expression is
/// `at(yyyy-mm-ddThh:mm:ss)`.
#[test]
fn a_schedule_that_lacks_something_is_refused() {
    let world = world();
    for (pointer, value) in [
        ("/ScheduleExpression", json!("at(soon)")),
        ("/ScheduleExpression", json!("2026-11-26T20:00:00")),
        ("/FlexibleTimeWindow", json!({})),
        ("/Target/RoleArn", json!("")),
    ] {
        let mut odd = schedule();
        *odd.pointer_mut(pointer).unwrap() = value;
        let (status, code, _) = call(&world, "POST", "/schedules/w-7q2m", &odd);
        assert_eq!((status, code.as_str()), (400, "ValidationException"), "{pointer}");
    }
    let (status, ..) = call(&world, "POST", "/schedules/w%207q2m", &schedule());
    assert_eq!(status, 400);
    assert!(world.schedules(ACCOUNT, REGION, "portcullis").is_empty());
}

/// DeleteSchedule and GetSchedule, "URI Request Parameters": `groupName`; ResourceNotFoundException where there is none.
#[test]
fn a_schedule_is_shown_and_deleted_once() {
    let world = world();
    call(&world, "POST", "/schedules/w-7q2m", &schedule());
    let uri = "/schedules/w-7q2m?groupName=portcullis";
    assert_eq!(call(&world, "GET", uri, &json!({})).2, schedule());
    assert_eq!(call(&world, "DELETE", uri, &json!({})).0, 200);
    for method in ["GET", "DELETE"] {
        let (status, code, _) = call(&world, method, uri, &json!({}));
        assert_eq!((status, code.as_str()), (404, "ResourceNotFoundException"), "{method}");
    }
}

/// User Guide, "Setting up Amazon EventBridge Scheduler": who makes a schedule must be allowed to pass its role.
#[test]
fn who_may_not_pass_the_role_makes_no_schedule() {
    let world = world();
    world.deny(ACCOUNT, "PassRole");
    let (status, code, body) = call(&world, "POST", "/schedules/w-7q2m", &schedule());
    assert_eq!((status, code.as_str()), (403, "AccessDeniedException"));
    assert!(
        body["Message"]
            .as_str()
            .unwrap()
            .contains("is not authorized to perform: iam:PassRole on resource: arn:aws:iam::")
    );
}
