//! STS: who the caller is. And clients for an operator at a terminal, with the credentials and the Region that the SDK
//! finds.

use std::sync::{Arc, Mutex, PoisonError};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::config::ProvideCredentials;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use jiff::{SignedDuration, Timestamp};
use portcullis_domain::arn::Arn;
use portcullis_domain::ids::{AccountId, IdError, Region};
use portcullis_domain::policy::Mode;

use super::error::{causes, message};
use super::{Aws, AwsError, FunctionIdentity, http, sdk_region};
use crate::config::MemberRole;

/// The date of an answer. STS API Reference, "Common response headers": it is AWS's own time, to the second.
#[derive(Debug, Clone, Default)]
struct Date(Arc<Mutex<Option<Timestamp>>>);

/// What an answer's date, which has whole seconds, and the way of the answer may take.
const EXACT: SignedDuration = SignedDuration::from_secs(5);

impl Date {
    fn ahead(&self, now: Timestamp) -> SignedDuration {
        let date = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = date.map(|date| now.duration_since(date));
        ahead.filter(|ahead| ahead.abs() > EXACT).unwrap_or(SignedDuration::ZERO)
    }
}

impl Intercept for Date {
    fn name(&self) -> &'static str {
        "Date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

const GET_CALLER: &str = "GetCallerIdentity";

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user or the role's session, as an ARN.
    pub arn: String,
    /// Its account and partition, and the Region that is configured.
    pub identity: FunctionIdentity,
    /// How far this machine's clock is ahead of AWS's, where AWS says what time it is and they differ by seconds.
    pub ahead: SignedDuration,
}

/// Why it is not known who calls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    /// No Region is configured.
    #[error("no Region is configured")]
    NoRegion,
    /// The Region that is configured is no Region code.
    #[error("the Region that is configured: {0}")]
    OddRegion(#[from] IdError),
    /// No credentials were found, or their source failed.
    #[error("no credentials: {0}")]
    NoCredentials(String),
    /// STS did not answer.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Aws {
    /// Clients with the credentials of the environment, the profile, the container or the instance. `fallback` is the
    /// Region where none of them names one.
    pub async fn of_operator(fallback: Option<&Region>, member_role: Option<MemberRole>, mode: Mode) -> Self {
        let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http::client());
        let mut aws = Self::load(loader, member_role, mode).await;
        if let (None, Some(region)) = (aws.base.region(), fallback) {
            aws.base = aws.base.into_builder().region(sdk_region(region)).build();
        }
        aws
    }

    /// Who the credentials belong to.
    ///
    /// # Errors
    /// [`CallerError`].
    pub async fn caller(&self) -> Result<Caller, CallerError> {
        caller(&self.base).await
    }
}

/// Who the credentials belong to (STS API Reference, GetCallerIdentity: no permission is needed for it).
///
/// # Errors
/// [`CallerError`].
pub async fn caller(config: &SdkConfig) -> Result<Caller, CallerError> {
    let region = config.region().ok_or(CallerError::NoRegion)?;
    let region = Region::parse(region.as_ref())?;
    // Credentials are asked for first: the call's own error would not say that it was never sent for want of them.
    let missing = |why: &str| CallerError::NoCredentials(message(why.trim_end_matches(" Attempted:").trim_end()));
    let credentials = config.credentials_provider().ok_or_else(|| missing("nothing provides any"))?;
    let found = credentials.provide_credentials().await;
    found.map_err(|error| missing(&causes(&error)))?;
    let date = Date::default();
    let asked = aws_sdk_sts::Client::new(config).get_caller_identity().customize().interceptor(date.clone());
    let answer = asked.send().await;
    let answer = answer.map_err(|error| AwsError::from_sdk(GET_CALLER, &error))?;
    let text = answer.arn().unwrap_or_default();
    let account = AccountId::parse(answer.account().unwrap_or_default());
    let account = account.map_err(|error| AwsError::bad_answer(GET_CALLER, &error))?;
    let no_arn = || AwsError::bad_answer(GET_CALLER, &format!("`{}` is no ARN", message(text)));
    let partition = Arn::parse(text).ok_or_else(no_arn)?.partition.to_owned();
    let identity = FunctionIdentity { account, partition, region };
    Ok(Caller { arn: text.to_owned(), identity, ahead: date.ahead(crate::now()) })
}
