//! The policies of bucket, topic and queue, each narrowed to this one trail (CloudTrail User Guide, "Amazon S3 bucket policy
//! for CloudTrail" and "Amazon SNS topic policy for CloudTrail"; SNS Developer Guide, "Subscribing an Amazon SQS queue").

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Wanted;

/// A policy of these statements.
fn document(statements: Vec<Value>) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// What CloudTrail needs of the bucket.
pub(super) fn bucket_writes(wanted: &Wanted) -> Vec<Value> {
    let (bucket, trail) = (wanted.bucket_arn(), wanted.trail_arn());
    let service = json!({"Service": "cloudtrail.amazonaws.com"});
    let (owner, organization) = match &wanted.organization {
        None => (&wanted.account, None),
        Some(organization) => (&organization.management_account, Some(&organization.id)),
    };
    let mut places = vec![json!(format!("{bucket}/AWSLogs/{owner}/*"))];
    places.extend(organization.map(|id| json!(format!("{bucket}/AWSLogs/{id}/*"))));
    vec![
        json!({"Sid": "CloudTrailAclCheck", "Effect": "Allow", "Principal": service, "Action": "s3:GetBucketAcl",
            "Resource": bucket, "Condition": {"StringEquals": {"aws:SourceArn": trail}}}),
        json!({"Sid": "CloudTrailWrite", "Effect": "Allow", "Principal": service, "Action": "s3:PutObject",
            "Resource": places, "Condition": {"StringEquals": {"aws:SourceArn": trail,
                "s3:x-amz-acl": "bucket-owner-full-control"}}}),
    ]
}

/// What refuses calls without TLS.
pub(super) fn bucket_tls(wanted: &Wanted) -> Value {
    let bucket = wanted.bucket_arn();
    json!({"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [bucket, format!("{bucket}/*")], "Condition": {"Bool": {"aws:SecureTransport": "false"}}})
}

/// The bucket's policy.
pub(super) fn bucket(wanted: &Wanted) -> Value {
    let mut statements = bucket_writes(wanted);
    statements.push(bucket_tls(wanted));
    document(statements)
}

/// The topic's: CloudTrail may publish for this trail.
pub(super) fn topic(wanted: &Wanted) -> Value {
    document(vec![
        json!({"Sid": "CloudTrailPublish", "Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": "sns:Publish", "Resource": wanted.topic_arn(),
            "Condition": {"StringEquals": {"aws:SourceArn": wanted.trail_arn()}}}),
    ])
}

/// The queue's: this topic may send.
pub(super) fn queue(wanted: &Wanted) -> Value {
    document(vec![json!({"Sid": "TopicSends", "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": wanted.queue_arn(),
            "Condition": {"ArnEquals": {"aws:SourceArn": wanted.topic_arn()}}})])
}

/// Which of these statements a policy lacks. A statement is there if one says the same, in whatever form: a text or a list of
/// one, keys of conditions in any case, with or without a Sid.
pub(super) fn lacks(policy: &Value, wanted: &[Value]) -> Vec<Value> {
    let there: Vec<Value> = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().map(normal).collect(),
        Some(statement) => vec![normal(statement)],
        None => Vec::new(),
    };
    wanted.iter().filter(|statement| !there.contains(&normal(statement))).cloned().collect()
}

/// The statements of a policy that this crate has written.
pub(super) fn statements(policy: &Value) -> Vec<Value> {
    policy.get("Statement").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// A policy with these statements as well.
pub(super) fn with(policy: Option<&Value>, more: &[Value]) -> Value {
    let mut statements = match policy.and_then(|policy| policy.get("Statement")) {
        Some(Value::Array(statements)) => statements.clone(),
        Some(statement) => vec![statement.clone()],
        None => Vec::new(),
    };
    statements.extend_from_slice(more);
    let mut whole = policy.cloned().unwrap_or_else(|| document(Vec::new()));
    if let Some(root) = whole.as_object_mut() {
        root.insert("Statement".to_owned(), statements.into());
    }
    whole
}

fn normal(statement: &Value) -> Value {
    let Some(fields) = statement.as_object() else { return statement.clone() };
    let field = |(key, value): (&String, &Value)| match key.as_str() {
        "Sid" => None,
        "Condition" => Some((key.clone(), conditions(value))),
        _ => Some((key.clone(), lists(value))),
    };
    Value::Object(fields.iter().filter_map(field).collect())
}

/// Lists as sorted lists, and a text as a list of one.
fn lists(value: &Value) -> Value {
    match value {
        Value::Array(values) => {
            let texts: BTreeSet<String> = values.iter().map(text).collect();
            json!(texts)
        }
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), lists(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json!([text(value)]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Operators keep their case, keys have none (IAM User Guide, "IAM JSON policy elements: Condition").
fn conditions(value: &Value) -> Value {
    let Some(operators) = value.as_object() else { return value.clone() };
    let keys = |keys: &Value| {
        let fields = keys.as_object().cloned().unwrap_or_default();
        fields.iter().map(|(key, value)| (key.to_lowercase(), lists(value))).collect::<Map<_, _>>()
    };
    operators.iter().map(|(operator, value)| (operator.clone(), Value::Object(keys(value)))).collect()
}
