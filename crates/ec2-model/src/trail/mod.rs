//! CloudTrail: the record of every call, in the shapes of real records.

mod identity;
mod request;

use serde_json::{Map, Value, json};

pub use identity::Actor;
pub(crate) use identity::session_identity;

use crate::{
    ApiError,
    dispatch::Service,
    ec2,
    params::Params,
    state::{Keeping, State},
    tree::Tree,
};

/// A call to record.
pub(crate) struct Entry<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: Service,
    pub(crate) action: &'a str,
    pub(crate) params: &'a Params,
    pub(crate) identity: Value,
    pub(crate) source_ip: &'a str,
    pub(crate) user_agent: &'a str,
    pub(crate) host: &'a str,
    pub(crate) request_id: &'a str,
}

/// Adds the record of a call. If a role is assumed from another account, both accounts get a record, and the two share
/// a `sharedEventID`.
pub(crate) fn write(state: &mut State, entry: &Entry<'_>, result: Result<&Tree, &ApiError>) {
    if !matches!(entry.service, Service::Ec2 | Service::Sts | Service::Organizations) || state.keeps == Keeping::Counts
    {
        return;
    }
    let record = record(state, entry, result);
    let owner = request::role_owner(entry).filter(|owner| *owner != entry.account && result.is_ok());
    let Some(owner) = owner else {
        state.records.push(record);
        return;
    };
    let (shared, copy_id) = (state.core.ids.uuid(), state.core.ids.uuid());
    let mut mine = record;
    put(&mut mine, "sharedEventID", json!(shared));
    let mut theirs = mine.clone();
    put(&mut theirs, "eventID", json!(copy_id));
    put(&mut theirs, "recipientAccountId", json!(owner));
    state.records.extend([mine, theirs]);
}

fn put(record: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = record {
        members.insert(name.into(), value);
    }
}

fn record(state: &mut State, entry: &Entry<'_>, result: Result<&Tree, &ApiError>) -> Value {
    let read_only =
        ["Describe", "Get", "List"].iter().any(|verb| entry.action.starts_with(verb)) || entry.action == "AssumeRole";
    let response = match result {
        Ok(tree) => response(entry, tree),
        Err(_) => Value::Null,
    };
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": entry.identity,
        "eventTime": time(state.core.now),
        "eventSource": format!("{}.amazonaws.com", entry.service.name()),
        "eventName": entry.action,
        "awsRegion": entry.region,
        "sourceIPAddress": entry.source_ip,
        "userAgent": entry.user_agent,
        "requestParameters": limited("requestParameters", request::parameters(entry)),
        "responseElements": limited("responseElements", response),
        "requestID": entry.request_id,
        "eventID": state.core.ids.uuid(),
        "readOnly": read_only,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": entry.account,
        "eventCategory": "Management",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": entry.host,
        },
    });
    if let Err(problem) = result {
        put(&mut record, "errorCode", json!(code(entry.service, problem)));
        put(&mut record, "errorMessage", json!(problem.message));
    }
    record
}

/// Only EC2's codes have the prefix `Client.` or `Server.`.
fn code(service: Service, problem: &ApiError) -> String {
    match service {
        Service::Ec2 => problem.trail_code(),
        Service::Sts
        | Service::Sns
        | Service::S3
        | Service::Sqs
        | Service::Organizations
        | Service::DynamoDb
        | Service::SecurityHub
        | Service::EventBridge
        | Service::Scheduler => problem.code.clone(),
    }
}

/// Whether CloudTrail writes the call in the camelCase of EC2's first years, instead of as converted XML.
fn is_legacy(action: &str) -> bool {
    match action {
        "CreateSecurityGroup" | "DeleteSecurityGroup" | "DescribeSecurityGroups" | "DescribeRegions" => true,
        _ => action.starts_with("AuthorizeSecurityGroup") || action.starts_with("RevokeSecurityGroup"),
    }
}

fn response(entry: &Entry<'_>, tree: &Tree) -> Value {
    if entry.service == Service::Sts {
        return if entry.action == "AssumeRole" { request::camel(tree) } else { Value::Null };
    }
    if entry.service == Service::Organizations
        || entry.action.starts_with("Describe")
        || entry.action.starts_with("Get")
    {
        return Value::Null;
    }
    let mut members = Map::new();
    members.insert("requestId".into(), json!(entry.request_id));
    let legacy = is_legacy(entry.action);
    if !legacy {
        members.insert("xmlns".into(), json!(ec2::XMLNS));
    }
    if let Value::Object(answer) = if legacy { tree.legacy_json() } else { tree.converted_json() } {
        members.extend(answer);
    }
    if legacy { Value::Object(members) } else { json!({ format!("{}Response", entry.action): members }) }
}

/// CloudTrail User Guide, "CloudTrail record contents": a field "is omitted if the content exceeds 100 KB".
const FIELD_LIMIT: usize = 100 * 1024;

fn limited(name: &str, value: Value) -> Value {
    let size = value.to_string().len();
    if size <= FIELD_LIMIT {
        return value;
    }
    json!({ "reason": format!("{name} too large"), "omitted": true, "originalSize": size })
}

/// RFC 3339 in whole seconds, as CloudTrail and STS write times.
pub(crate) fn time(unix_millis: i64) -> String {
    jiff::Timestamp::from_second(unix_millis.div_euclid(1000)).map(|time| time.to_string()).unwrap_or_default()
}

/// The event that EventBridge makes of a record. Its id is derived from `eventID`, so the same record always gives the
/// same event.
pub fn eventbridge(record: &Value) -> Value {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let source = text("eventSource").split('.').next().unwrap_or_default();
    let id = text("eventID").chars().map(|c| match c {
        '0'..='3' => char::from(b'4' + (c as u8 - b'0')),
        '5'..='7' => char::from(b'1' + (c as u8 - b'5')),
        other => other,
    });
    json!({
        "version": "0",
        "id": id.collect::<String>(),
        "detail-type": "AWS API Call via CloudTrail",
        "source": format!("aws.{source}"),
        "account": text("recipientAccountId"),
        "time": text("eventTime"),
        "region": text("awsRegion"),
        "resources": [],
        "detail": record,
    })
}
