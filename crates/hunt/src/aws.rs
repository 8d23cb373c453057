//! Credentials and the Region of whoever asks, from where the AWS CLI takes them too, and how errors of AWS are told.

use std::fmt;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use portcullis_domain::text::escaped_up_to;

/// What the command line says about who asks.
#[derive(Debug, Clone, Default)]
pub struct Operator {
    /// The profile; else the one that AWS_PROFILE names, or `default`.
    pub profile: Option<String>,
    /// The Region, whatever else names one.
    pub region: Option<String>,
}

/// The Region in which S3 is asked where a bucket is if nothing names one.
const HOME: &str = "us-east-1";

impl Operator {
    /// What clients are made of, and whether anything names a Region.
    pub async fn config(&self) -> (SdkConfig, bool) {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let config = ProviderConfig::without_region().with_http_client(http.clone());
        let mut of_profile = ProfileFileRegionProvider::builder();
        if let Some(name) = &self.profile {
            of_profile = of_profile.profile_name(name);
        }
        let region = RegionProviderChain::first_try(self.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(of_profile.build())
            .or_else(ImdsRegionProvider::builder().configure(&config).build());
        let region = region.region().await;
        let is_named = region.is_some();
        let region = region.unwrap_or_else(|| Region::from_static(HOME));
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http).region(region.clone());
        if let Some(name) = &self.profile {
            // A profile that is named counts more than keys in the environment.
            let config = config.with_region(Some(region));
            let provider = ProfileFileCredentialsProvider::builder().configure(&config).profile_name(name);
            loader = loader.profile_name(name).credentials_provider(provider.build());
        }
        (loader.load().await, is_named)
    }
}

/// A call that AWS refused, or that did not reach it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// The API's name for the call.
    pub call: &'static str,
    /// AWS's code. `None`: there was no answer.
    pub code: Option<String>,
    /// What AWS, or the client, says about it.
    pub message: String,
}

const NO_CREDENTIALS: &str = "no AWS credentials: name a profile with --profile or AWS_PROFILE, or put credentials into the \
    environment; with IAM Identity Center run aws sso login first";

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, code, message } = self;
        match code {
            Some(code) => write!(f, "{call}: {code}: {message}"),
            None if is_for_want_of_credentials(message) => write!(f, "{NO_CREDENTIALS} ({message})"),
            None => write!(f, "{call}: no answer: {message}"),
        }
    }
}

fn is_for_want_of_credentials(message: &str) -> bool {
    ["credential provider", "credentials provider", "no credentials"].iter().any(|words| message.contains(words))
}

impl Refused {
    /// What the client of a service reports.
    pub(crate) fn of<E>(call: &'static str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error.code() {
            Some(code) => Self {
                call,
                code: Some(code.to_owned()),
                message: escaped_up_to(error.message().unwrap_or("no message"), 1000),
            },
            None => Self {
                call,
                code: error.raw_response().map(|answer| format!("HTTP {}", answer.status())),
                message: escaped_up_to(&DisplayErrorContext(error).to_string(), 500),
            },
        }
    }
}
