//! Session policies: which actions they allow. Resources and conditions are not checked.

use serde_json::Value;

use crate::{ApiError, dispatch::Service, ec2::filter::glob};

/// The `Policy` parameter of AssumeRole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionPolicy(Vec<Statement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    allows: bool,
    /// `NotAction`: all but these.
    except: bool,
    actions: Vec<String>,
}

impl SessionPolicy {
    /// STS API Reference, AssumeRole, `Policy`: "The plaintext that you use for both inline and managed session policies
    /// can't exceed 2,048 characters." Errors: MalformedPolicyDocument.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        if !(1..=2048).contains(&text.chars().count()) {
            return Err(ApiError::new(
                "ValidationError",
                "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length \
                 less than or equal to 2048",
            ));
        }
        let malformed = || ApiError::new("MalformedPolicyDocument", "This policy contains invalid Json");
        let document = serde_json::from_str::<Value>(text).map_err(|_| malformed())?;
        let statements = one_or_many(document.get("Statement").ok_or_else(malformed)?);
        statements.map(|value| Statement::read(value).ok_or_else(malformed)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a statement allows the action and none denies it.
    pub(crate) fn allows(&self, service: Service, action: &str) -> bool {
        let name = format!("{}:{}", service.name(), permission(service, action));
        let covering = || self.0.iter().filter(|statement| statement.covers(&name));
        covering().any(|statement| statement.allows) && covering().all(|statement| statement.allows)
    }
}

/// The IAM action of an API call, if it has another name.
fn permission(service: Service, action: &str) -> &str {
    match (service, action) {
        (Service::S3, "ListObjectsV2") => "ListBucket",
        (Service::Sqs, "SendMessageBatch") => "SendMessage",
        (_, action) => action,
    }
}

fn one_or_many(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter()
}

impl Statement {
    fn read(value: &Value) -> Option<Self> {
        let allows = match value.get("Effect")?.as_str()? {
            "Allow" => true,
            "Deny" => false,
            _ => return None,
        };
        let (except, actions) = match (value.get("Action"), value.get("NotAction")) {
            (Some(actions), None) => (false, actions),
            (None, Some(actions)) => (true, actions),
            _ => return None,
        };
        let actions = one_or_many(actions).map(|action| Some(action.as_str()?.to_lowercase()));
        Some(Self { allows, except, actions: actions.collect::<Option<_>>()? })
    }

    /// Action names match in any case.
    fn covers(&self, name: &str) -> bool {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        let name = letters(&name.to_lowercase());
        self.actions.iter().any(|pattern| glob(&letters(pattern), &name)) != self.except
    }
}
