//! Clients for an operator at a terminal: credentials and Region from wherever the SDK finds them, and whose they are.

use aws_config::{BehaviorVersion, Region as SdkRegion};
use aws_sdk_sts::config::ProvideCredentials;
use portcullis_domain::ids::{AccountId, IdError, Region};
use portcullis_domain::policy::Mode;

use super::{Aws, AwsError, Effect, FunctionIdentity, http, message, plainly};
use crate::config::MemberRole;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user or the role's session, as an ARN.
    pub arn: String,
    /// Its account and partition, and the Region that is configured.
    pub own: FunctionIdentity,
}

/// Why nobody can say who calls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    /// No Region is configured.
    #[error("no Region is configured")]
    NoRegion,
    /// What is configured is none.
    #[error("the Region that is configured: {0}")]
    OddRegion(#[from] IdError),
    /// No credentials were found, or those that were could not be had.
    #[error("no credentials: {0}")]
    NoCredentials(String),
    /// STS did not say.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Aws {
    /// Clients for what the environment, the profile, the container or the instance gives; `fallback` is the Region where
    /// none of them names one.
    pub async fn of_operator(fallback: Option<&Region>, member_role: Option<MemberRole>, mode: Mode) -> Self {
        let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http::client());
        let mut aws = Self::load(loader, member_role, mode).await;
        if let (None, Some(region)) = (aws.base.region(), fallback) {
            aws.base = aws.base.into_builder().region(SdkRegion::new(region.to_string())).build();
        }
        aws
    }

    /// Whose credentials these are (STS API Reference, GetCallerIdentity: no permission is needed for it).
    ///
    /// # Errors
    /// [`CallerError`].
    pub async fn caller(&self) -> Result<Caller, CallerError> {
        let call = "GetCallerIdentity";
        let region = self.base.region().ok_or(CallerError::NoRegion)?;
        let odd =
            |what: String| AwsError { call, code: "BadAnswer".to_owned(), message: what, effect: Effect::Unknown };
        let region = Region::parse(region.as_ref())?;
        // Asked for by themselves: an error of the call would not tell that it was never sent for want of them.
        let missing = |why: &str| CallerError::NoCredentials(message(why.trim_end_matches(" Attempted:").trim_end()));
        let credentials = self.base.credentials_provider().ok_or_else(|| missing("nothing provides any"))?;
        let found = credentials.provide_credentials().await;
        found.map_err(|error| missing(&plainly(&error)))?;
        let answer = aws_sdk_sts::Client::new(&self.base).get_caller_identity().send().await;
        let answer = answer.map_err(|error| AwsError::from_sdk(call, &error))?;
        let arn = answer.arn().unwrap_or_default().to_owned();
        let account = AccountId::parse(answer.account().unwrap_or_default()).map_err(|error| odd(error.to_string()))?;
        let partition = arn.split(':').nth(1).filter(|name| name.starts_with("aws") && !name.contains('/'));
        let partition = partition.ok_or_else(|| odd(format!("`{}` is no ARN", message(&arn))))?.to_owned();
        Ok(Caller { arn, own: FunctionIdentity { account, partition, region } })
    }
}
