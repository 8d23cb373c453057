//! AWS as the guard needs it: look at a group, revoke rules, publish, read an object. Concrete SDK clients, one EC2
//! client for each (account, Region); errors keep AWS's code.

mod sts;
mod ec2;
mod http;
mod rate_limit;
mod s3;
mod organizations;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region as SdkRegion, SdkConfig};
use aws_sdk_ec2::config::{SharedCredentialsProvider, SharedIdentityCache};
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::RevokedSecurityGroupRule;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use portcullis_domain::ids::{AccountId, GroupId, Region, RuleId, escaped_up_to};
use portcullis_domain::policy::Mode;
use tokio::sync::{Mutex, OnceCell};

pub use ec2::describe::{Facts, KnownLists, Wanted};
use rate_limit::{Api, RateLimiter};
pub use s3::{Body, Bucket, Keys};
pub use sts::{Caller, CallerError};

use crate::config::{Ambient, MemberRole};

/// A call that did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {code}: {message}")]
pub struct AwsError {
    /// The API call.
    pub call: &'static str,
    /// AWS's error code; where there was no answer, one of `Timeout`, `NoAnswer`, `BadAnswer`, `NotSent`.
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// What it means for what was asked.
    pub effect: Effect,
}

/// What is known after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing was done, and asking again will not help.
    Refused,
    /// Nothing was done; ask again later.
    NotYet,
    /// It may have been done: the answer was lost.
    Unknown,
    /// What it was about is not there.
    NotFound,
}

impl AwsError {
    fn from_sdk<E, R>(call: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let without_answer =
            |code: &str, effect| Self { call, code: code.to_owned(), message: message(&plainly(error)), effect };
        if let Some(refusal) = credentials_refused(error) {
            return refusal;
        }
        match error {
            SdkError::ConstructionFailure(_) => without_answer("NotSent", Effect::Refused),
            SdkError::TimeoutError(_) => without_answer("Timeout", Effect::Unknown),
            SdkError::DispatchFailure(failure) if failure.is_user() => without_answer("NotSent", Effect::Refused),
            SdkError::DispatchFailure(_) => without_answer("NoAnswer", Effect::Unknown),
            SdkError::ServiceError(answer) => {
                let error = answer.err();
                let code = error.code().unwrap_or("BadAnswer").to_owned();
                let message = message(error.message().unwrap_or("no message"));
                Self { call, effect: effect_of(&code), code, message }
            }
            // Whatever the SDK may add: an answer that cannot be read says nothing.
            SdkError::ResponseError(_) | _ => without_answer("BadAnswer", Effect::Unknown),
        }
    }
}

/// An error and its causes in words, the first line of each.
fn plainly(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let words = chain.map(|error| error.to_string().lines().next().unwrap_or_default().to_owned());
    words.collect::<Vec<_>>().join(": ")
}

/// AWS's own words in full: they name the caller, the action and the policy that denies it.
fn message(text: &str) -> String {
    escaped_up_to(text, 1000)
}

/// The error of an AssumeRole that was made for the sake of a call. Then the call itself was never sent.
fn credentials_refused(error: &(dyn std::error::Error + 'static)) -> Option<AwsError> {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let assume_role = chain.filter_map(|error| error.downcast_ref::<AssumeRoleError>()).next()?;
    let code = assume_role.code().unwrap_or("BadAnswer").to_owned();
    let effect = if effect_of(&code) == Effect::NotYet { Effect::NotYet } else { Effect::Refused };
    Some(AwsError { call: "AssumeRole", code, message: message(assume_role.message().unwrap_or("no message")), effect })
}

/// EC2 API Reference, "Error codes for the Amazon EC2 API".
fn effect_of(code: &str) -> Effect {
    match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "RequestThrottled"
        | "EC2ThrottledException" => Effect::NotYet,
        "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable" | "BadAnswer" => Effect::Unknown,
        _ if code.ends_with(".NotFound") => Effect::NotFound,
        _ => Effect::Refused,
    }
}

/// Who the function is: whose groups its own credentials show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionIdentity {
    /// Its account.
    pub account: AccountId,
    /// `aws`, `aws-cn`, `aws-us-gov` …: roles of other accounts are of the same.
    pub partition: String,
    /// Where it runs.
    pub region: Region,
}

impl FunctionIdentity {
    /// From the function's ARN, `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME`.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let partition = parts.nth(1).filter(|name| name.starts_with("aws") && !name.contains('/'))?.to_owned();
        let region = Region::parse(parts.nth(1)?).ok()?;
        Some(Self { account: AccountId::parse(parts.next()?).ok()?, partition, region })
    }
}

/// An account and a Region: where a client works.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountRegion {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
}

/// The clients. Made once, in init.
#[derive(Debug)]
pub struct Aws {
    base: SdkConfig,
    member_role: Option<MemberRole>,
    mode: Mode,
    pool: Mutex<Pool>,
    sns: OnceCell<aws_sdk_sns::Client>,
    pace: RateLimiter,
}

/// What is kept from one invocation to the next: a client for each (account, Region), credentials for each account.
#[derive(Debug)]
struct Pool {
    clients: BTreeMap<AccountRegion, aws_sdk_ec2::Client>,
    credentials: BTreeMap<AccountId, SharedCredentialsProvider>,
    /// Keeps the credentials of each provider, and renews them in time.
    identities: SharedIdentityCache,
}

impl Default for Pool {
    fn default() -> Self {
        let identities = IdentityCache::lazy().build();
        Self { clients: BTreeMap::new(), credentials: BTreeMap::new(), identities }
    }
}

/// The right to make one RevokeSecurityGroupIngress call now. Dropped unused, it is another's.
#[derive(Debug)]
pub struct Permit<'a> {
    pace: &'a RateLimiter,
    target: AccountRegion,
    used: bool,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.used {
            self.pace.give_back(&self.target, Api::Revoke);
        }
    }
}

/// The session policy of alert mode: what a look needs.
const LOOK_ONLY: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*","Action":["ec2:DescribeSecurityGroups","ec2:DescribeSecurityGroupRules","ec2:GetManagedPrefixListEntries","ec2:DescribeRegions"]}}"#;

/// More clients than this are not kept: an organisation's busiest (account, Region)s at a time.
const MOST_CLIENTS: usize = 256;

impl Aws {
    /// Clients for the process's own credentials and Region. What the environment holds is taken from there at once; the
    /// SDK would first set up every other place that it could come from, with a connector for each.
    pub async fn new(ambient: Ambient, member_role: Option<MemberRole>, mode: Mode) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http::client());
        if let Some(region) = ambient.region {
            loader = loader.region(SdkRegion::new(region.to_string()));
        }
        if ambient.credentials {
            loader = loader.credentials_provider(EnvironmentVariableCredentialsProvider::new());
        }
        Self::load(loader, member_role, mode).await
    }

    /// Clients over what `loader` has been given: in tests, a transport and credentials of their own.
    pub async fn load(loader: ConfigLoader, member_role: Option<MemberRole>, mode: Mode) -> Self {
        let base = loader.retry_config(retries()).timeout_config(timeouts()).load().await;
        Self { base, member_role, mode, pool: Mutex::default(), sns: OnceCell::new(), pace: RateLimiter::default() }
    }

    async fn ec2(&self, target: &AccountRegion, own: &FunctionIdentity) -> Result<aws_sdk_ec2::Client, AwsError> {
        let mut pool = self.pool.lock().await;
        if let Some(client) = pool.clients.get(target) {
            return Ok(client.clone());
        }
        if pool.clients.len() >= MOST_CLIENTS {
            *pool = Pool::default();
        }
        let region = SdkRegion::new(target.region.to_string());
        let mut config = aws_sdk_ec2::config::Builder::from(&self.base)
            .region(region)
            .identity_cache(pool.identities.clone())
            .interceptor(ec2::whole::OnlyWhole);
        if target.account != own.account {
            let credentials = match pool.credentials.get(&target.account) {
                Some(credentials) => credentials.clone(),
                None => {
                    let role = self.member_role.as_ref().ok_or_else(|| AwsError {
                        call: "AssumeRole",
                        code: "NotSent".to_owned(),
                        message: "no PORTCULLIS_MEMBER_ROLE is set".to_owned(),
                        effect: Effect::Refused,
                    })?;
                    let provider = self.member_credentials(role, &target.account, own).await;
                    let credentials = SharedCredentialsProvider::new(provider);
                    pool.credentials.insert(target.account.clone(), credentials.clone());
                    credentials
                }
            };
            // Set as it is: wrapped anew, it would have a place of its own among the identities.
            config.set_credentials_provider(Some(credentials));
        }
        let client = aws_sdk_ec2::Client::from_conf(config.build());
        pool.clients.insert(target.clone(), client.clone());
        Ok(client)
    }

    /// The member role's credentials, from STS in the function's own Region: they hold in every other, and the member's
    /// may not be enabled here.
    async fn member_credentials(
        &self,
        role: &MemberRole,
        account: &AccountId,
        own: &FunctionIdentity,
    ) -> AssumeRoleProvider {
        let arn = format!("arn:{}:iam::{account}:role/{}", own.partition, role.name);
        let mut provider = AssumeRoleProvider::builder(arn).configure(&self.base).session_name("portcullis-guard");
        if let Some(id) = &role.external_id {
            provider = provider.external_id(id);
        }
        if self.mode == Mode::Alert {
            // Alert mode holds by permission in other accounts as well, whatever the member role may do.
            provider = provider.policy(LOOK_ONLY);
        }
        provider.build().await
    }

    /// Waits until EC2 should not refuse a revoke for want of a token. The look that leads to the revoke comes after it,
    /// so that nothing is revoked on what was seen before a queue.
    pub async fn pass(&self, target: &AccountRegion) -> Permit<'_> {
        self.pace.take(target, Api::Revoke).await;
        Permit { pace: &self.pace, target: target.clone(), used: false }
    }

    /// Revokes ingress rules by id, and returns those that EC2 lists as revoked. Asked once: what to make of a failure
    /// is the caller's to decide, after another look.
    ///
    /// # Errors
    /// [`AwsError`]; one unknown id fails the whole call and revokes nothing (EC2 API Reference,
    /// RevokeSecurityGroupIngress).
    pub async fn revoke(
        &self,
        mut pass: Permit<'_>,
        own: &FunctionIdentity,
        group: &GroupId,
        rules: &BTreeSet<RuleId>,
    ) -> Result<BTreeSet<RuleId>, AwsError> {
        let once = aws_sdk_ec2::config::Builder::new().retry_config(RetryConfig::disabled());
        let ec2 = self.ec2(&pass.target, own).await?;
        pass.used = true;
        let answer = ec2
            .revoke_security_group_ingress()
            .group_id(group.as_str())
            .set_security_group_rule_ids(Some(rules.iter().map(ToString::to_string).collect()))
            .customize()
            .config_override(once)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk("RevokeSecurityGroupIngress", &error))
            .inspect_err(|error| {
                if error.effect == Effect::NotYet {
                    self.pace.empty(&pass.target, Api::Revoke);
                }
            })?;
        let listed = answer.revoked_security_group_rules().iter();
        Ok(listed
            .filter_map(RevokedSecurityGroupRule::security_group_rule_id)
            .filter_map(|id| id.parse().ok())
            .collect())
    }

    /// Publishes a message.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn publish(&self, topic: &str, message: crate::sinks::Message) -> Result<(), AwsError> {
        let sns = self.sns.get_or_init(async || aws_sdk_sns::Client::new(&self.base)).await;
        let publish = sns.publish().topic_arn(topic).subject(message.subject).message(message.body);
        let publish = publish.message_structure("json");
        let with_attributes = message.attributes.into_iter().try_fold(publish, |publish, (name, value)| {
            let value = aws_sdk_sns::types::MessageAttributeValue::builder().data_type("String").string_value(value);
            value.build().map(|value| publish.message_attributes(name, value))
        });
        let publish = with_attributes.map_err(|error| AwsError {
            call: "Publish",
            code: "NotSent".to_owned(),
            message: error.to_string(),
            effect: Effect::Refused,
        })?;
        // The topic may be in another Region than the function.
        let region = topic.split(':').nth(3).map(|region| SdkRegion::new(region.to_owned()));
        let there = aws_sdk_sns::config::Builder::new().set_region(region).to_owned();
        publish
            .customize()
            .config_override(there)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| AwsError::from_sdk("Publish", &error))
    }
}

/// Reads are retried by the SDK; the invocation's deadline bounds them all.
fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(100))
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(1500))
        .operation_attempt_timeout(Duration::from_secs(5))
        .build()
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
            assert_eq!(effect_of(code), effect, "{code}");
        }
    }

    #[test]
    fn the_functions_arn_tells_account_and_partition() {
        let own =
            |arn| FunctionIdentity::of_arn(arn).map(|own| format!("{} {} {}", own.partition, own.account, own.region));
        for (arn, expected) in [
            ("arn:aws:lambda:eu-west-1:111122223333:function:p", "aws 111122223333 eu-west-1"),
            ("arn:aws-cn:lambda:cn-north-1:111122223333:function:p:1", "aws-cn 111122223333 cn-north-1"),
        ] {
            assert_eq!(own(arn).as_deref(), Some(expected));
        }
        for odd in ["", "function-arn", "arn:aws:lambda:eu-west-1:1:function:p", "arn:x:lambda:e:111122223333:f:p"] {
            assert_eq!(own(odd), None, "{odd}");
        }
    }
}
