//! AWS's services as the commands that look after a deployment need them. The clients are the SDK's own, made when they are
//! asked for, with the operator's credentials and Region.

pub mod advice;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{Region as SdkRegion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use portcullis::aws::{Caller, CallerError, caller, retries, timeouts};
use portcullis::config::MemberRole;
use portcullis_domain::ids::{AccountId, Region};

use crate::operator::Operator;

/// The clients of one account and Region.
#[derive(Debug, Clone)]
pub struct Clients {
    config: SdkConfig,
}

/// One function for each service: the client for it, in this account and Region.
macro_rules! services {
    ($($name:ident $of:ident $what:literal;)*) => {
        impl Clients {
            $(
                #[doc = $what]
                #[must_use]
                pub fn $name(&self) -> $of::Client {
                    $of::Client::new(&self.config)
                }
            )*
        }
    };
}

services! {
    cloudformation aws_sdk_cloudformation "AWS CloudFormation.";
    cloudtrail aws_sdk_cloudtrail "AWS CloudTrail.";
    cloudwatch aws_sdk_cloudwatch "Amazon CloudWatch.";
    dynamodb aws_sdk_dynamodb "Amazon DynamoDB.";
    ec2 aws_sdk_ec2 "Amazon EC2.";
    eventbridge aws_sdk_eventbridge "Amazon EventBridge.";
    lambda aws_sdk_lambda "AWS Lambda.";
    logs aws_sdk_cloudwatchlogs "Amazon CloudWatch Logs.";
    organizations aws_sdk_organizations "AWS Organizations.";
    scheduler aws_sdk_scheduler "Amazon EventBridge Scheduler.";
    sns aws_sdk_sns "Amazon SNS.";
    sqs aws_sdk_sqs "Amazon SQS.";
    sts aws_sdk_sts "AWS STS.";
}

impl Clients {
    /// Those of an operator.
    ///
    /// # Errors
    /// Why the profile cannot be used.
    pub async fn of(operator: &Operator) -> Result<Self, String> {
        let loader = operator.loader().await?;
        Ok(Self { config: loader.retry_config(retries()).timeout_config(timeouts()).load().await })
    }

    /// Amazon S3.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        // An endpoint that is not AWS's has no host name for each bucket.
        let path_style = self.config.endpoint_url().is_some();
        let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(path_style);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// The Region that they are in.
    #[must_use]
    pub fn region(&self) -> &str {
        self.config.region().map(AsRef::as_ref).unwrap_or_default()
    }

    /// The URL of a queue of this Region (SQS Developer Guide, "Queue and message identifiers"); of the endpoint that is set,
    /// where that is not AWS's.
    #[must_use]
    pub fn queue_url(&self, account: &str, name: &str) -> String {
        let region = self.region();
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let host = || format!("https://sqs.{region}.amazonaws.com{suffix}");
        let endpoint = self.config.endpoint_url().map_or_else(host, |url| url.trim_end_matches('/').to_owned());
        format!("{endpoint}/{account}/{name}")
    }

    /// The same account's, in another Region.
    #[must_use]
    pub fn in_region(&self, region: &Region) -> Self {
        let region = SdkRegion::new(region.to_string());
        Self { config: self.config.clone().into_builder().region(region).build() }
    }

    /// Those of a role in another account of the same partition, in the same Region.
    pub async fn assuming(&self, partition: &str, account: &AccountId, role: &MemberRole) -> Self {
        self.assuming_as(partition, (account, role), "portcullis-operator").await
    }

    /// The same, in a session of this name, by which CloudTrail tells who it was.
    pub async fn assuming_as(
        &self,
        partition: &str,
        (account, role): (&AccountId, &MemberRole),
        session: &str,
    ) -> Self {
        let arn = role.arn(partition, account);
        let mut provider = AssumeRoleProvider::builder(arn).configure(&self.config).session_name(session);
        if let Some(id) = &role.external_id {
            provider = provider.external_id(id);
        }
        let credentials = SharedCredentialsProvider::new(provider.build().await);
        // An identity cache of its own: that of the configuration may hold the operator's credentials.
        let config = self.config.clone().into_builder().credentials_provider(credentials);
        Self { config: config.identity_cache(aws_config::identity::IdentityCache::lazy().build()).build() }
    }

    /// The credentials themselves.
    #[must_use]
    pub fn credentials(&self) -> Option<SharedCredentialsProvider> {
        self.config.credentials_provider()
    }

    /// Whose credentials these are.
    ///
    /// # Errors
    /// [`CallerError`]; [`advice::on_caller`] says what to do about it.
    pub async fn caller(&self) -> Result<Caller, CallerError> {
        caller(&self.config).await
    }
}
