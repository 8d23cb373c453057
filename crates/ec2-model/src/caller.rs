//! The caller: the credential scope of the SigV4 `Authorization` header. Signatures are not checked.

use crate::{ApiError, Request, dispatch::Service, policy::SessionPolicy, state::State};

/// The credential scope: `Credential=KEY/20260101/eu-west-1/ec2/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) key: String,
    pub(crate) region: String,
    pub(crate) service: String,
}

impl Scope {
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let header = request.header("authorization")?;
        let credential = header.split("Credential=").nth(1)?.split([',', ' ']).next()?;
        let mut parts = credential.split('/');
        let (key, _date, region, service) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self { key: key.into(), region: region.into(), service: service.into() })
    }
}

/// The account of the call, and the identity that CloudTrail writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) identity: Identity,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A 12-digit access key: an IAM user of that account.
    Key(String),
    /// Keys that AssumeRole issued.
    Session(Session),
}

impl Caller {
    pub(crate) fn arn(&self) -> String {
        match &self.identity {
            Identity::Key(_) => format!("arn:aws:iam::{}:user/operator", self.account),
            Identity::Session(session) => session.arn(),
        }
    }

    /// Whether `principal` of a trust policy matches this caller. IAM User Guide, "AWS JSON policy elements:
    /// Principal": an account or its `root`, a user, a role, or one session of a role.
    pub(crate) fn is(&self, principal: &str) -> bool {
        let role = match &self.identity {
            Identity::Key(_) => None,
            Identity::Session(session) => Some(session.role_arn()),
        };
        principal == "*"
            || principal == self.account
            || principal == format!("arn:aws:iam::{}:root", self.account)
            || principal == self.arn()
            || role.as_deref() == Some(principal)
    }

    /// Whether the session's policy, if it has one, allows the call. STS API Reference, GetCallerIdentity: "No permissions
    /// are required to perform this operation."
    pub(crate) fn may(&self, service: Service, action: &str) -> bool {
        match &self.identity {
            Identity::Session(Session { policy: Some(policy), .. }) => {
                action == "GetCallerIdentity" || policy.allows(service, action)
            }
            Identity::Key(_) | Identity::Session(_) => true,
        }
    }
}

/// The callers and the external id that AssumeRole accepts for a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleTrust {
    pub(crate) external_id: Option<String>,
    /// The principal that may assume it. `None`: every principal.
    pub(crate) trusted: Option<String>,
}

/// Credentials that AssumeRole issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) key: String,
    pub(crate) token: String,
    pub(crate) account: String,
    pub(crate) role: String,
    pub(crate) role_id: String,
    pub(crate) name: String,
    pub(crate) began: i64,
    pub(crate) expires: i64,
    pub(crate) policy: Option<SessionPolicy>,
}

/// Credentials as a process finds them in its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`. The model checks no signature.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: String,
}

impl Session {
    pub(crate) fn role_arn(&self) -> String {
        format!("arn:aws:iam::{}:role/{}", self.account, self.role)
    }

    pub(crate) fn arn(&self) -> String {
        // A session's ARN does not contain the role's path.
        let role = self.role.rsplit('/').next().unwrap_or(&self.role);
        format!("arn:aws:sts::{}:assumed-role/{role}/{}", self.account, self.name)
    }
}

pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// EC2 API Reference, error codes: AuthFailure "The provided credentials could not be validated"; RequestExpired.
pub(crate) fn identify(state: &State, scope: &Scope, request: &Request) -> Result<Caller, ApiError> {
    if is_account(&scope.key) {
        return Ok(Caller { account: scope.key.clone(), identity: Identity::Key(scope.key.clone()) });
    }
    let session = state
        .sessions
        .get(&scope.key)
        .filter(|session| request.header("x-amz-security-token") == Some(session.token.as_str()))
        .ok_or_else(|| unknown_credentials(&scope.service))?;
    if session.expires <= state.core.now {
        return Err(expired(&scope.service));
    }
    Ok(Caller { account: session.account.clone(), identity: Identity::Session(session.clone()) })
}

pub(crate) fn unknown_credentials(service: &str) -> ApiError {
    match service {
        "sts" | "sns" => {
            ApiError::with_status(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        }
        "s3" => ApiError::with_status(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        "sqs" | "organizations" | "dynamodb" | "securityhub" | "events" => {
            ApiError::new("UnrecognizedClientException", "The security token included in the request is invalid.")
        }
        _ => ApiError::with_status(401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
    }
}

/// Each service has its own error code for it.
pub(crate) fn expired(service: &str) -> ApiError {
    match service {
        "sts" | "sns" => {
            ApiError::with_status(403, "ExpiredToken", "The security token included in the request is expired")
        }
        "sqs" | "organizations" | "dynamodb" | "securityhub" | "events" => {
            ApiError::new("ExpiredTokenException", "The security token included in the request is expired")
        }
        "s3" => ApiError::new("ExpiredToken", "The provided token has expired."),
        _ => ApiError::new("RequestExpired", "Request has expired."),
    }
}

pub(crate) fn denied(service: &str, action: &str, arn: &str) -> ApiError {
    let sentence = format!("User: {arn} is not authorized to perform: {service}:{action}");
    match service {
        "sts" | "s3" => ApiError::with_status(403, "AccessDenied", sentence),
        "sns" => ApiError::with_status(403, "AuthorizationError", sentence),
        // SQS writes its actions in lower case, and has one action for both ways to send.
        "sqs" => {
            ApiError::new("AccessDeniedException", format!("User: {arn} is not authorized to perform: sqs:sendmessage"))
        }
        "organizations" | "dynamodb" | "events" => ApiError::new("AccessDeniedException", sentence),
        "securityhub" => ApiError::with_status(403, "AccessDeniedException", sentence),
        _ => ApiError::with_status(
            403,
            "UnauthorizedOperation",
            format!(
                "You are not authorized to perform this operation. {sentence} because no identity-based policy allows the ec2:{action} action"
            ),
        ),
    }
}

/// IAM User Guide, "Access denied error messages": "because no session policy allows the … action".
pub(crate) fn denied_by_session(service: &str, action: &str, arn: &str) -> ApiError {
    let mut problem = denied(service, action, arn);
    let (head, _) = problem.message.split_once(" because ").unwrap_or((&problem.message, ""));
    problem.message = format!("{head} because no session policy allows the {service}:{action} action");
    problem
}

pub(crate) fn throttled(service: &str) -> ApiError {
    match service {
        "sts" | "sns" => ApiError::new("Throttling", "Rate exceeded"),
        "sqs" => ApiError::new("RequestThrottled", "Request was throttled."),
        "dynamodb" => ApiError::new("ThrottlingException", "Throughput exceeds the current capacity of your table."),
        "organizations" => {
            ApiError::new("TooManyRequestsException", "You have sent too many requests in too short a period of time.")
        }
        "events" => ApiError::new("ThrottlingException", "Rate exceeded"),
        "securityhub" => ApiError::with_status(429, "TooManyRequestsException", "Too Many Requests"),
        "s3" => ApiError::with_status(503, "SlowDown", "Please reduce your request rate."),
        _ => ApiError::with_status(503, "RequestLimitExceeded", "Request limit exceeded."),
    }
}
