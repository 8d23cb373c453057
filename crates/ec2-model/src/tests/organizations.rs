//! Organizations in its JSON protocol.

use serde_json::{Value, json};

use super::kit::*;
use crate::{Fault, FaultKind, World};

const MANAGEMENT: &str = "000011112222";

fn list(world: &World, key: &str, body: &Value) -> (u16, Value) {
    let request = json_request(key, "us-east-1", "organizations", "AWSOrganizationsV20161128.ListAccounts", body);
    let (status, headers, body) = json_answer(world, &request);
    assert!(headers.contains(&("content-type".into(), "application/x-amz-json-1.1".into())));
    (status, body)
}

fn world_with_members(count: usize) -> (World, Vec<String>) {
    let world = World::new(1);
    let ids = (0..count).map(|n| format!("1111222233{n:02}")).collect::<Vec<_>>();
    let accounts = ids.iter().map(|id| (id.as_str(), "ACTIVE")).collect::<Vec<_>>();
    world.set_organization(MANAGEMENT, &accounts);
    (world, ids)
}

/// Organizations API Reference, Account: `Id`, `Arn`, `Email`, `Name`, `Status` (ACTIVE, SUSPENDED, PENDING_CLOSURE) and
/// `State`, which has PENDING_ACTIVATION and CLOSED besides.
#[test]
fn accounts_show_their_members() {
    let world = World::new(1);
    let suspended = "111122223333";
    world.set_organization(MANAGEMENT, &[(suspended, "SUSPENDED"), ("111122224444", "CLOSED")]);
    let (status, body) = list(&world, MANAGEMENT, &json!({}));
    assert_eq!((status, body["Accounts"].as_array().unwrap().len()), (200, 3));
    assert_eq!(body["Accounts"][0]["Id"], MANAGEMENT);
    assert_eq!(
        body["Accounts"][1],
        json!({
            "Id": suspended, "Arn": format!("arn:aws:organizations::{MANAGEMENT}:account/o-exampleorgid/{suspended}"),
            "Email": "account-111122223333@example.com", "Name": "account-111122223333",
            "Status": "SUSPENDED", "State": "SUSPENDED", "JoinedMethod": "CREATED", "JoinedTimestamp": 1_704_067_200,
        })
    );
    assert_eq!(
        (&body["Accounts"][2]["Status"], &body["Accounts"][2]["State"]),
        (&json!("SUSPENDED"), &json!("CLOSED"))
    );
    let record = world.take_records().pop().unwrap();
    assert_eq!((&record["eventSource"], &record["readOnly"]), (&json!("organizations.amazonaws.com"), &json!(true)));
}

/// Organizations API Reference, ListAccounts: "Always check the NextToken response parameter for a null value when calling
/// a List* operation"; `MaxResults`: valid range, minimum 1, maximum 20.
#[test]
fn accounts_come_in_pages() {
    let (world, ids) = world_with_members(44);
    let (mut seen, mut sizes, mut token) = (Vec::new(), Vec::new(), Value::Null);
    loop {
        let body = if token.is_null() { json!({}) } else { json!({ "NextToken": token }) };
        let (_, body) = list(&world, MANAGEMENT, &body);
        let page = body["Accounts"].as_array().unwrap();
        sizes.push(page.len());
        seen.extend(page.iter().map(|account| account["Id"].as_str().unwrap().to_owned()));
        token = body["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!((sizes, &seen[1..]), (vec![20, 20, 5], &ids[..]));
    assert_eq!(list(&world, MANAGEMENT, &json!({ "MaxResults": 3 })).1["Accounts"].as_array().unwrap().len(), 3);
    for bad in [json!({ "MaxResults": 21 }), json!({ "MaxResults": 0 }), json!({ "NextToken": "x" })] {
        assert_eq!(list(&world, MANAGEMENT, &bad).1["__type"], "InvalidInputException");
    }
}

/// Organizations API Reference, ListAccounts, errors: AccessDeniedException "You don't have permissions to perform the
/// requested operation"; AWSOrganizationsNotInUseException "Your account isn't a member of an organization". "This operation
/// can be called only from the organization's management account or by a member account that is a delegated administrator".
#[test]
fn only_the_management_account_may_list() {
    let (world, ids) = world_with_members(2);
    let code = |world: &World, key: &str| {
        let (status, body) = list(world, key, &json!({}));
        (status, body["__type"].as_str().unwrap().to_owned())
    };
    assert_eq!(code(&world, &ids[0]), (400, "AccessDeniedException".into()));
    assert_eq!(code(&world, "999988887777"), (400, "AWSOrganizationsNotInUseException".into()));
    assert_eq!(code(&World::new(1), MANAGEMENT), (400, "AWSOrganizationsNotInUseException".into()));
    world.inject(Fault::next("ListAccounts", FaultKind::Throttle));
    assert_eq!(code(&world, MANAGEMENT), (400, "TooManyRequestsException".into()));
    world.deny(MANAGEMENT, "ListAccounts");
    assert_eq!(code(&world, MANAGEMENT), (400, "AccessDeniedException".into()));
}

/// AWS General Reference, "AWS Organizations endpoints and quotas": one endpoint, in us-east-1.
#[test]
fn the_call_is_signed_for_us_east_1() {
    let (world, _) = world_with_members(1);
    let request =
        json_request(MANAGEMENT, REGION, "organizations", "AWSOrganizationsV20161128.ListAccounts", &json!({}));
    let (status, _, body) = json_answer(&world, &request);
    assert_eq!((status, &body["__type"]), (400, &json!("InvalidSignatureException")));
}
