//! AWS STS: AssumeRole and GetCallerIdentity.

use crate::{
    ApiError,
    caller::{self, Caller, Identity, RoleTrust, Session},
    params::Params,
    policy::SessionPolicy,
    state::State,
    tree::Tree,
};

/// The namespace of STS's answers.
pub(crate) const XMLNS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

pub(crate) fn run(state: &mut State, caller: &Caller, action: &str, params: &Params) -> Result<Tree, ApiError> {
    match action {
        "AssumeRole" => assume_role(state, caller, params),
        "GetCallerIdentity" => Ok(Tree::Map(vec![
            ("Arn", caller.arn().into()),
            ("UserId", user_id(caller).into()),
            ("Account", caller.account.as_str().into()),
        ])),
        unknown => {
            Err(ApiError::new("InvalidAction", format!("Could not find operation {unknown} for version 2011-06-15")))
        }
    }
}

fn user_id(caller: &Caller) -> String {
    match &caller.identity {
        Identity::Key(_) => "AIDAMODELOPERATOR0000".into(),
        Identity::Session(session) => format!("{}:{}", session.role_id, session.name),
    }
}

fn assume_role(state: &mut State, caller: &Caller, params: &Params) -> Result<Tree, ApiError> {
    let arn = params.required("RoleArn").map_err(|_| validation("roleArn"))?;
    let name = params.required("RoleSessionName").map_err(|_| validation("roleSessionName"))?;
    let seconds = params.int::<i64>("DurationSeconds")?.unwrap_or(3600);
    // "The value can range from 900 seconds (15 minutes) up to the maximum session duration set for the role", which is
    // one hour unless someone changed it.
    if !(900..=3600).contains(&seconds) {
        return Err(ApiError::new(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    let denied = || {
        let mut problem = caller::denied("sts", "AssumeRole", &caller.arn());
        problem.message.push_str(&format!(" on resource: {arn}"));
        problem
    };
    let (account, role) = role_of(arn).ok_or_else(|| ApiError::new("ValidationError", format!("{arn} is invalid")))?;
    let fits = |trust: &RoleTrust| {
        trust.trusted.as_deref().is_none_or(|principal| caller.is(principal))
            && trust.external_id.as_deref().is_none_or(|wanted| params.get("ExternalId") == Some(wanted))
    };
    let trusts = state.roles.get(&(account.to_owned(), role.to_owned())).map(Vec::as_slice).unwrap_or_default();
    if !trusts.iter().any(fits) {
        return Err(denied());
    }
    let policy = params.get("Policy").map(SessionPolicy::parse).transpose()?;
    let session = open_session(state, account, role, name, seconds, policy);
    let credentials = Tree::Map(vec![
        ("AccessKeyId", session.key.as_str().into()),
        ("SecretAccessKey", state.core.ids.secret().into()),
        ("SessionToken", session.token.as_str().into()),
        ("Expiration", crate::trail::time(session.expires).into()),
    ]);
    let user =
        Tree::Map(vec![("AssumedRoleId", format!("{}:{name}", session.role_id).into()), ("Arn", session.arn().into())]);
    Ok(Tree::Map(vec![("Credentials", credentials), ("AssumedRoleUser", user)]))
}

/// A new session of a role, whose keys are valid from now on.
pub(crate) fn open_session(
    state: &mut State,
    account: &str,
    role: &str,
    name: &str,
    seconds: i64,
    policy: Option<SessionPolicy>,
) -> Session {
    let began = state.core.now;
    let session = Session {
        key: state.core.ids.key("ASIA"),
        token: state.core.ids.secret(),
        account: account.into(),
        role: role.into(),
        role_id: state.core.ids.key("AROA"),
        name: name.into(),
        began,
        expires: began.saturating_add(seconds.saturating_mul(1000)),
        policy,
    };
    state.sessions.insert(session.key.clone(), session.clone());
    session
}

fn validation(parameter: &str) -> ApiError {
    ApiError::new(
        "ValidationError",
        format!(
            "1 validation error detected: Value null at '{parameter}' failed to satisfy constraint: Member must not be null"
        ),
    )
}

/// Account and role of `arn:aws:iam::123456789012:role/path/name`, any partition.
fn role_of(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("arn"), Some(_), Some("iam"), Some(""), Some(account), Some(resource)) => {
            Some((account, resource.strip_prefix("role/")?)).filter(|(account, _)| caller::is_account(account))
        }
        _ => None,
    }
}
