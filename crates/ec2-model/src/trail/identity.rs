//! `userIdentity`: the caller.

use serde_json::{Value, json};

use super::time;
use crate::caller::Session;

/// The caller of the model's user calls.
#[derive(Clone, Debug, PartialEq)]
pub enum Actor {
    /// An IAM user of the account.
    User(String),
    /// A session of a role of the account.
    Role {
        /// The role's name.
        role: String,
        /// The session's name; with IAM Identity Center, the person.
        session: String,
    },
    /// An AWS service on the account's behalf, such as `cloudformation.amazonaws.com`. The record has only `invokedBy`.
    Service(String),
    /// Any JSON, used unchanged.
    Custom(Value),
}

impl Default for Actor {
    fn default() -> Self {
        Self::User("operator".into())
    }
}

impl Actor {
    pub(crate) fn identity(&self, account: &str, now: i64) -> Value {
        match self {
            Self::User(name) => json!({
                "type": "IAMUser",
                "principalId": "AIDAMODELOPERATOR0000",
                "arn": format!("arn:aws:iam::{account}:user/{name}"),
                "accountId": account,
                "accessKeyId": "AKIAMODELOPERATOR000",
                "userName": name,
            }),
            Self::Role { role, session } => session_identity(&Session {
                key: "ASIAMODELSESSION0000".into(),
                token: String::new(),
                account: account.into(),
                role: role.clone(),
                role_id: "AROAMODELROLE00000000".into(),
                name: session.clone(),
                began: now,
                expires: now,
                policy: None,
            }),
            Self::Service(name) => json!({ "accountId": account, "invokedBy": name }),
            Self::Custom(value) => value.clone(),
        }
    }
}

pub(crate) fn session_identity(session: &Session) -> Value {
    json!({
        "type": "AssumedRole",
        "principalId": format!("{}:{}", session.role_id, session.name),
        "arn": session.arn(),
        "accountId": session.account,
        "accessKeyId": session.key,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": session.role_id,
                "arn": session.role_arn(),
                "accountId": session.account,
                "userName": session.role.rsplit('/').next().unwrap_or_default(),
            },
            "attributes": { "creationDate": time(session.began), "mfaAuthenticated": "false" },
        },
    })
}
