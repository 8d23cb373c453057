//! Lambda: the function. And what its variables name: the policy, the memory, the evidence.

use std::collections::{BTreeMap, BTreeSet};

use portcullis::config::{Config, PolicySource};
use portcullis::policy_source::PolicySourceError;
use portcullis::s3_url::S3Url;
use portcullis_domain::policy::Mode;
use portcullis_domain::text::escaped_up_to;
use serde_json::Value;

use super::super::api::{
    DESCRIBE_TABLE, GET_CONCURRENCY, GET_CONFIGURATION, GET_OBJECT, GET_POLICY, HEAD_BUCKET, LIST_MAPPINGS,
};
use super::super::inventory::{Configuration, Function, Policy, Seen, Store};
use super::ask::of_aws;
use super::{Scene, optional};

pub(super) async fn function(scene: &Scene<'_>) -> Function {
    let (ask, lambda, name) = (scene.ask, scene.clients.lambda(), scene.wanted.stack.as_str());
    let (configuration, concurrency, policy, mappings) = tokio::join!(
        ask.call(GET_CONFIGURATION, lambda.get_function_configuration().function_name(name).send()),
        ask.call(GET_CONCURRENCY, lambda.get_function_concurrency().function_name(name).send()),
        ask.call(GET_POLICY, lambda.get_policy().function_name(name).send()),
        ask.call(LIST_MAPPINGS, lambda.list_event_source_mappings().function_name(name).send()),
    );
    const GONE: &[&str] = &["ResourceNotFoundException"];
    let configuration = optional(configuration, GONE).map(|found| {
        found.map(|it| Configuration {
            arn: it.function_arn().unwrap_or_default().to_owned(),
            state: it.state().map_or_else(String::new, |state| state.as_str().to_owned()),
            reason: it.state_reason().unwrap_or_default().to_owned(),
            update: it.last_update_status().map_or_else(String::new, |status| status.as_str().to_owned()),
            environment: it
                .environment()
                .and_then(|environment| environment.variables())
                .map(|variables| variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
                .unwrap_or_default(),
        })
    });
    Function {
        configuration,
        concurrency: optional(concurrency, GONE).map(|it| it.and_then(|it| it.reserved_concurrent_executions())),
        invokers: optional(policy, GONE).map(|it| it.and_then(|it| it.policy().map(invokers)).unwrap_or_default()),
        mappings: optional(mappings, GONE).map(|it| {
            let mappings = it.map(|it| it.event_source_mappings().to_vec()).unwrap_or_default();
            let enabled =
                |state: Option<&str>| state.is_some_and(|state| matches!(state, "Enabled" | "Enabling" | "Updating"));
            mappings.iter().filter_map(|it| Some((it.event_source_arn()?.to_owned(), enabled(it.state())))).collect()
        }),
    }
}

/// The sources that a function's policy lets invoke it.
fn invokers(policy: &str) -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let allows = |statement: &&Value| statement.get("Effect").is_some_and(|effect| effect == "Allow");
    let statements = policy.get("Statement").and_then(Value::as_array).into_iter().flatten().filter(allows);
    let conditions = statements.filter_map(|statement| statement.get("Condition")?.as_object());
    let keys = conditions.flat_map(|condition| condition.values().filter_map(Value::as_object)).flatten();
    let arns = keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn"));
    arns.filter_map(|(_, arn)| arn.as_str().map(str::to_owned)).collect()
}

/// The policy that the function reads, read as it reads it.
pub(super) async fn policy(scene: &Scene<'_>, environment: &BTreeMap<String, String>) -> Option<Policy> {
    let config = Config::read(|variable| environment.get(variable).cloned()).ok()?;
    let place = config.policy.name();
    if let PolicySource::File(_) = config.policy {
        return Some(Policy::Unseen(place));
    }
    scene.ask.count(usize::from(config.policy != PolicySource::BuiltIn));
    let aws = scene.wanted.operator.clients(None, Mode::Alert).await.ok()?;
    Some(match config.policy.read(&aws).await {
        Ok((policy, _)) => Policy::Read { place, mode: policy.mode_elsewhere(), guards: policy.guards().len() },
        Err(PolicySourceError::Policy(error)) => Policy::Bad(place, escaped_up_to(&error.to_string(), 300)),
        Err(PolicySourceError::File(error)) => Policy::Bad(place, error.to_string()),
        Err(PolicySourceError::Object(error)) if matches!(error.code.as_str(), "NoSuchKey" | "NoSuchBucket") => {
            Policy::Missing(place)
        }
        Err(PolicySourceError::Object(error)) => Policy::Unreadable(place, of_aws(GET_OBJECT, error)),
    })
}

/// The table of `PORTCULLIS_MEMORY`.
pub(super) async fn memory(scene: &Scene<'_>, environment: &BTreeMap<String, String>) -> Option<(String, Store)> {
    let name = environment.get("PORTCULLIS_MEMORY").filter(|name| !name.is_empty())?.clone();
    if name.contains('/') {
        return Some((name, Store::Unseen));
    }
    let asked = scene.clients.dynamodb().describe_table().table_name(&name).send();
    let table = optional(scene.ask.call(DESCRIBE_TABLE, asked).await, &["ResourceNotFoundException"]);
    let store = match table {
        Err(error) => Store::Unreadable(error),
        Ok(None) => Store::Missing,
        Ok(Some(answer)) => {
            let status = answer.table().and_then(|table| table.table_status()).map_or("", |status| status.as_str());
            match status {
                "ACTIVE" | "UPDATING" => Store::There,
                other => Store::Unusable(other.to_owned()),
            }
        }
    };
    Some((name, store))
}

/// The bucket of `PORTCULLIS_EVIDENCE`.
pub(super) async fn evidence(scene: &Scene<'_>, environment: &BTreeMap<String, String>) -> Option<(String, Store)> {
    let place = environment.get("PORTCULLIS_EVIDENCE").filter(|place| !place.is_empty())?.clone();
    let Some(S3Url { bucket, .. }) = S3Url::parse(&place) else { return Some((place, Store::Unseen)) };
    let asked = scene.clients.s3().head_bucket().bucket(bucket).send();
    let answer: Seen<Option<_>> = optional(scene.ask.call(HEAD_BUCKET, asked).await, &["NotFound", "NoSuchBucket"]);
    let store = match answer {
        Ok(Some(_)) => Store::There,
        Ok(None) => Store::Missing,
        Err(error) => Store::Unreadable(error),
    };
    Some((place, store))
}
