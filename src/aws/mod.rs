//! AWS as the function needs it. The clients are the SDK's own, or made of its parts; errors keep AWS's code.
//!
//! [`Aws`] is made once, in init. A [`Session`] is made from it for each invocation: it knows who the function is and how
//! long its calls may take.

mod dynamodb;
mod ec2;
mod error;
mod event_bridge;
mod http;
mod identity;
mod json_call;
mod organizations;
mod rate_limit;
mod s3;
mod security_hub;
mod session;
mod sns;
mod sqs;
mod sts;

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region as SdkRegion, SdkConfig};
use aws_sdk_ec2::config::SharedCredentialsProvider;
use portcullis_domain::ids::{AccountId, Region};
use portcullis_domain::policy::Mode;
use tokio::sync::{Mutex, OnceCell};

pub use dynamodb::{Attribute, Attributes, ItemUpdate, Updated};
pub use ec2::{
    Authorized, Description, Interfaces, KnownLists, ListAge, MODIFY, NewValue, Permit, PrefixListState, REVOKE,
    Revoked, Wanted,
};
pub use error::{AwsError, Code, Effect, within};
pub use event_bridge::{BusEvent, EVENT_SOURCE};
pub use http::http_get;
pub use identity::{AccountRegion, FunctionIdentity};
pub use organizations::is_usable;
use rate_limit::RateLimiter;
pub use s3::{Body, Bucket, Keys};
pub use security_hub::{MOST_IMPORTED, is_not_enabled};
pub use session::Session;
pub use sns::Message;
pub use sts::{Caller, CallerError, caller};

use crate::config::{Ambient, LogRole, MemberRole};

/// The clients. Made once, in init.
#[derive(Debug)]
pub struct Aws {
    base: SdkConfig,
    member_role: Option<MemberRole>,
    mode: Mode,
    pool: Mutex<session::Pool>,
    sns: OnceCell<aws_sdk_sns::Client>,
    rate_limiter: RateLimiter,
    log_role: Option<LogRole>,
    end_role: Option<String>,
    member_end_role: Option<MemberRole>,
    /// The credentials of an operator in the account of a group, where that is not the account of the memory.
    of_group: Option<(AccountId, SharedCredentialsProvider)>,
    imports_findings: bool,
    buckets: s3::Buckets,
}

impl Aws {
    /// Clients for the process's own credentials and Region. What the environment holds is taken from it directly: the SDK
    /// would first set up every other source of credentials, with a connector for each.
    pub async fn new(ambient: Ambient, member_role: Option<MemberRole>, mode: Mode) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http::client());
        if let Some(region) = ambient.region {
            loader = loader.region(sdk_region(&region));
        }
        if ambient.credentials {
            loader = loader.credentials_provider(EnvironmentVariableCredentialsProvider::new());
        }
        Self::load(loader, member_role, mode).await
    }

    /// Clients over what `loader` was given. Tests give it a transport and credentials of their own.
    pub async fn load(loader: ConfigLoader, member_role: Option<MemberRole>, mode: Mode) -> Self {
        let base = loader.retry_config(retries()).timeout_config(timeouts()).load().await;
        let (pool, rate_limiter) = (Mutex::default(), RateLimiter::default());
        let (sns, buckets) = (OnceCell::new(), s3::Buckets::default());
        Self {
            base,
            member_role,
            mode,
            pool,
            sns,
            rate_limiter,
            log_role: None,
            end_role: None,
            member_end_role: None,
            of_group: None,
            imports_findings: false,
            buckets,
        }
    }

    /// The process's own Region.
    ///
    /// # Errors
    /// [`AwsError`], for this call, where none is configured.
    fn region(&self, call: &'static str) -> Result<Region, AwsError> {
        let not_sent = |why: String| AwsError::not_sent(call, why);
        let region = self.base.region().ok_or_else(|| not_sent("no Region is configured".to_owned()))?;
        Region::parse(region.as_ref()).map_err(|error| not_sent(error.to_string()))
    }

    /// The same clients, that read log files as this role.
    #[must_use]
    pub fn with_log_role(self, log_role: Option<LogRole>) -> Self {
        Self { log_role, ..self }
    }

    /// The same clients, that end openings as this role.
    #[must_use]
    pub fn with_end_role(self, end_role: Option<String>) -> Self {
        Self { end_role, ..self }
    }

    /// The same clients, that end openings in other accounts as the role of this name there.
    #[must_use]
    pub fn with_member_end_role(self, member_end_role: Option<MemberRole>) -> Self {
        Self { member_end_role, ..self }
    }

    /// The same clients, that work in this account with these credentials.
    #[must_use]
    pub fn with_account(self, account: AccountId, credentials: SharedCredentialsProvider) -> Self {
        Self { of_group: Some((account, credentials)), ..self }
    }

    /// The same clients. Where findings go to Security Hub, alert mode's sessions in other accounts may import them.
    #[must_use]
    pub fn with_security_hub(self, imports_findings: bool) -> Self {
        Self { imports_findings, ..self }
    }
}

fn sdk_region(region: &Region) -> SdkRegion {
    SdkRegion::new(region.to_string())
}

/// How often a read is tried: the SDK retries it. The invocation's deadline bounds all attempts together.
#[must_use]
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(100))
}

/// How long an attempt may take.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(1500))
        .operation_attempt_timeout(Duration::from_secs(5))
        .build()
}
