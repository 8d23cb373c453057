//! AWS Security Hub: BatchImportFindings, in accounts and Regions where it is enabled.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{ApiError, caller::Caller, state::State};

/// Account and Region.
pub(crate) type Place = (String, String);

/// What Security Hub has in one account and Region: the findings by their ids, and every version that was taken, in order.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    pub(crate) findings: BTreeMap<String, Value>,
    pub(crate) imported: Vec<Value>,
}

/// AwsSecurityFinding, "Required: Yes".
const REQUIRED: [&str; 10] = [
    "SchemaVersion",
    "Id",
    "ProductArn",
    "GeneratorId",
    "AwsAccountId",
    "CreatedAt",
    "UpdatedAt",
    "Title",
    "Description",
    "Resources",
];

/// The API's path, where other services have a header.
pub(crate) fn action(path: &str) -> &'static str {
    if path == "/findings/import" { "BatchImportFindings" } else { "" }
}

pub(crate) fn run(
    state: &mut State,
    caller: &Caller,
    region: &str,
    action: &str,
    body: &[u8],
) -> Result<Value, ApiError> {
    let invalid = |message: &str| ApiError::new("InvalidInputException", message);
    if action != "BatchImportFindings" {
        return Err(invalid("the model has no such action"));
    }
    let place = (caller.account.clone(), region.to_owned());
    let Some(hub) = state.security_hubs.get_mut(&place) else {
        let message = format!("Account {} is not subscribed to AWS Security Hub", caller.account);
        return Err(ApiError::with_status(401, "InvalidAccessException", message));
    };
    let body: Value = serde_json::from_slice(body).map_err(|_| invalid("the body is no JSON"))?;
    let findings = body.get("Findings").and_then(Value::as_array).ok_or_else(|| invalid("Findings is missing"))?;
    // "To import findings … The maximum number of findings is 100."
    if !(1..=100).contains(&findings.len()) {
        return Err(invalid("Findings must have 1 to 100 members"));
    }
    let (mut taken, mut failed) = (0, Vec::new());
    for finding in findings {
        match refusal(finding, &caller.account, region) {
            None => {
                take(hub, finding);
                taken += 1;
            }
            Some(why) => failed.push(json!({
                "Id": finding.get("Id"), "ErrorCode": "InvalidInput", "ErrorMessage": why,
            })),
        }
    }
    Ok(json!({"SuccessCount": taken, "FailedCount": failed.len(), "FailedFindings": failed}))
}

/// Why a finding is not taken. Times are compared as texts: ours all have the same digits. "The caller … must be the account that is associated with the findings."
fn refusal(finding: &Value, account: &str, region: &str) -> Option<String> {
    let text = |key: &str| finding.get(key).and_then(Value::as_str).unwrap_or_default();
    let is_missing = |key: &&&str| finding.get(**key).is_none_or(|value| value.as_str() == Some(""));
    if let Some(missing) = REQUIRED.iter().find(is_missing) {
        return Some(format!("Finding does not adhere to the Amazon Finding Format: {missing} is missing"));
    }
    let product = format!("arn:aws:securityhub:{region}:{account}:product/{account}/default");
    if text("AwsAccountId") != account || text("ProductArn") != product {
        return Some("the finding belongs to another account or Region".to_owned());
    }
    (text("CreatedAt") > text("UpdatedAt")).then(|| "UpdatedAt is before CreatedAt".to_owned())
}

/// A version that is older than the one that is known changes nothing.
fn take(hub: &mut Hub, finding: &Value) {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    hub.imported.push(finding.clone());
    let id = text(finding, "Id");
    let is_older = |known: &Value| text(known, "UpdatedAt") > text(finding, "UpdatedAt");
    if !hub.findings.get(&id).is_some_and(is_older) {
        hub.findings.insert(id, finding.clone());
    }
}
