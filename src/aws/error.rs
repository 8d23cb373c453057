//! A call that did not do what was asked: AWS's code, AWS's message, and what is known of the effect.

use std::fmt;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
pub use portcullis_domain::state::Effect;
use portcullis_domain::text::escaped_up_to;
use tokio::time::{Instant, timeout_at};

/// A call that did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {code}: {message}")]
pub struct AwsError {
    /// The API call.
    pub call: &'static str,
    /// AWS's error code, or ours where AWS gave none.
    pub code: Code,
    /// AWS's message.
    pub message: String,
    /// What the error means for what was asked.
    pub effect: Effect,
}

/// The code of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// AWS's own.
    Aws(String),
    /// No answer came in time.
    Timeout,
    /// The connection was not made, or it broke off.
    NoAnswer,
    /// The answer cannot be read.
    BadAnswer,
    /// The request was never sent.
    NotSent,
    /// The answer lacks something that must be in it.
    Incomplete,
    /// The object is larger than the caller allows.
    TooLarge,
    /// The answer does not list what was asked for as done.
    NotListed,
}

impl Code {
    /// The word for it in a message or a finding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Aws(code) => code,
            Self::Timeout => "Timeout",
            Self::NoAnswer => "NoAnswer",
            Self::BadAnswer => "BadAnswer",
            Self::NotSent => "NotSent",
            Self::Incomplete => "Incomplete",
            Self::TooLarge => "TooLarge",
            Self::NotListed => "NotListed",
        }
    }

    /// The code of an answer that reports an error.
    fn of_answer(code: Option<&str>) -> Self {
        code.map_or(Self::BadAnswer, |code| Self::Aws(code.to_owned()))
    }

    /// What a code in an answer says about the effect of the call (EC2 API Reference, "Error codes for the Amazon EC2
    /// API").
    fn effect(&self) -> Effect {
        let Self::Aws(code) = self else { return Effect::Unknown };
        match code.as_str() {
            "RequestLimitExceeded"
            | "Throttling"
            | "ThrottlingException"
            | "RequestThrottled"
            // S3's word, and what it says of two writes under one key at the same time.
            | "SlowDown"
            | "ConditionalRequestConflict"
            | "EC2ThrottledException" => Effect::NotYet,
            "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable" => Effect::Unknown,
            _ if code.ends_with(".NotFound") => Effect::NotFound,
            _ => Effect::Refused,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AwsError {
    /// Time ran out before the answer came. The call may have taken effect.
    #[must_use]
    pub fn out_of_time(call: &'static str) -> Self {
        let message = "the invocation ran out of time".to_owned();
        Self { call, code: Code::Timeout, message, effect: Effect::Unknown }
    }

    /// The request was never sent.
    #[must_use]
    pub fn not_sent(call: &'static str, message: String) -> Self {
        Self { call, code: Code::NotSent, message, effect: Effect::Refused }
    }

    /// The answer cannot be read. The call may have taken effect.
    #[must_use]
    pub fn bad_answer(call: &'static str, error: &impl fmt::Display) -> Self {
        Self { call, code: Code::BadAnswer, message: error.to_string(), effect: Effect::Unknown }
    }

    /// The answer lacks something that AWS will show later.
    pub(super) fn incomplete(call: &'static str, message: String) -> Self {
        Self { call, code: Code::Incomplete, message, effect: Effect::NotYet }
    }

    /// What the SDK tells of a call.
    #[must_use]
    pub fn from_sdk<E, R>(call: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: fmt::Debug + 'static,
    {
        let without_answer = |code, effect| Self { call, code, message: message(&causes(error)), effect };
        if let Some(refusal) = credentials_refused(error) {
            return refusal;
        }
        match error {
            SdkError::ConstructionFailure(_) => without_answer(Code::NotSent, Effect::Refused),
            SdkError::TimeoutError(_) => without_answer(Code::Timeout, Effect::Unknown),
            SdkError::DispatchFailure(failure) if failure.is_user() => without_answer(Code::NotSent, Effect::Refused),
            SdkError::DispatchFailure(_) => without_answer(Code::NoAnswer, Effect::Unknown),
            SdkError::ServiceError(answer) => {
                let error = answer.err();
                let code = Code::of_answer(error.code());
                let message = message(error.message().unwrap_or("no message"));
                Self { call, effect: code.effect(), code, message }
            }
            // The SDK may add variants. An answer that cannot be read says nothing about the effect.
            SdkError::ResponseError(_) | _ => without_answer(Code::BadAnswer, Effect::Unknown),
        }
    }
}

/// The result of a call, or [`AwsError::out_of_time`] where it takes too long.
///
/// # Errors
/// The call's own, or that time ran out.
pub async fn within<T>(
    until: Instant,
    call: &'static str,
    work: impl Future<Output = Result<T, AwsError>>,
) -> Result<T, AwsError> {
    timeout_at(until, work).await.unwrap_or_else(|_| Err(AwsError::out_of_time(call)))
}

/// An error and its causes in words, the first line of each.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let words = chain.map(|error| error.to_string().lines().next().unwrap_or_default().to_owned());
    words.collect::<Vec<_>>().join(": ")
}

/// AWS's message with room for all of it: it names the caller, the action and the policy that denies it.
pub(super) fn message(text: &str) -> String {
    escaped_up_to(text, 1000)
}

/// The error of the AssumeRole that the SDK makes before a call. The call itself was never sent then.
fn credentials_refused(error: &(dyn std::error::Error + 'static)) -> Option<AwsError> {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let assume_role = chain.filter_map(|error| error.downcast_ref::<AssumeRoleError>()).next()?;
    let code = Code::of_answer(assume_role.code());
    let effect = if code.effect() == Effect::NotYet { Effect::NotYet } else { Effect::Refused };
    Some(AwsError { call: "AssumeRole", code, message: message(assume_role.message().unwrap_or("no message")), effect })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_code_tells_what_is_known_of_the_effect() {
        for (code, effect) in [
            ("RequestLimitExceeded", Effect::NotYet),
            ("InvalidGroup.NotFound", Effect::NotFound),
            ("InvalidSecurityGroupRuleId.NotFound", Effect::NotFound),
            ("UnauthorizedOperation", Effect::Refused),
            ("InternalError", Effect::Unknown),
            ("SomethingNew", Effect::Refused),
        ] {
            assert_eq!(Code::of_answer(Some(code)).effect(), effect, "{code}");
        }
        assert_eq!(Code::of_answer(None).effect(), Effect::Unknown);
    }

    #[test]
    fn an_error_shows_call_code_and_message() {
        let error = AwsError::out_of_time("RevokeSecurityGroupIngress");
        assert_eq!(error.to_string(), "RevokeSecurityGroupIngress: Timeout: the invocation ran out of time");
    }
}
