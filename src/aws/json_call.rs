//! One signed JSON POST: a call of a service whose SDK crate is not worth its size. It is made of the parts that the SDK's own
//! clients are made of, so that signing, credentials, retries and time limits are the same.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::recursion_detection::RecursionDetectionInterceptor;
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::service_clock_skew::{ServiceClockSkewClassifier, ServiceClockSkewInterceptor};
use aws_sdk_ec2::config::{SharedCredentialsProvider, SharedIdentityCache};
use aws_sdk_ec2::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionResolverParams;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{FrozenLayer, Layer};
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use aws_types::service_config::ServiceConfigKey;
use portcullis_domain::ids::Region;
use serde_json::Value;

use super::{AwsError, sdk_region};

/// A call of a service, but for who makes it and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonCall {
    /// The service's id in the SDK's settings, as in `AWS_ENDPOINT_URL_SECURITYHUB`.
    pub(super) service: &'static str,
    /// Its name in signatures, which is also what its host's name begins with.
    pub(super) name: &'static str,
    /// The API's name for the call.
    pub(super) operation: &'static str,
    /// What the request says besides its body.
    pub(super) protocol: Protocol,
}

/// How a request names its call (Smithy, "AWS protocols").
#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    /// AWS JSON 1.0: by this header.
    Json10(&'static str),
    /// AWS JSON 1.1: by this header.
    Json11(&'static str),
    /// AWS restJson1: by this path.
    RestJson1(&'static str),
}

/// Who makes a call.
#[derive(Debug, Clone)]
pub(super) struct Signer {
    pub(super) credentials: SharedCredentialsProvider,
    /// Where credentials are kept until they end.
    pub(super) identities: SharedIdentityCache,
}

impl Signer {
    /// The process itself.
    ///
    /// # Errors
    /// [`AwsError`], for this call, where it has no credentials.
    pub(super) fn of(base: &SdkConfig, call: &'static str) -> Result<Self, AwsError> {
        let missing = |what: &str| AwsError::not_sent(call, format!("no {what} is configured"));
        let credentials = base.credentials_provider().ok_or_else(|| missing("source of credentials"))?;
        let identities = base.identity_cache().ok_or_else(|| missing("cache of credentials"))?;
        Ok(Self { credentials, identities })
    }
}

/// An answer that is an error.
#[derive(Debug, thiserror::Error)]
#[error("{}", .metadata.message().unwrap_or("no message"))]
pub(super) struct Refused {
    metadata: ErrorMetadata,
    /// All that the answer says. `null` where it is no JSON.
    pub(super) body: Box<Value>,
}

impl ProvideErrorMetadata for Refused {
    fn meta(&self) -> &ErrorMetadata {
        &self.metadata
    }
}

/// What the SDK tells of a call that did not do what was asked.
pub(super) type Failure = SdkError<Refused, HttpResponse>;

impl JsonCall {
    /// Makes the call, and returns its answer.
    ///
    /// # Errors
    /// [`AwsError`].
    pub(super) async fn send(
        self,
        base: &SdkConfig,
        signer: Signer,
        region: &Region,
        body: &Value,
    ) -> Result<Value, AwsError> {
        let retries = base.retry_config().ok_or_else(|| self.not_sent("no retry is configured"))?;
        let answer = self.invoke(base, retries, signer, region, body).await?;
        answer.map_err(|error| AwsError::from_sdk(self.operation, &error))
    }

    /// Makes the call once, and returns its answer, or what the SDK tells where there is none.
    ///
    /// # Errors
    /// [`AwsError`] where the call was not made.
    pub(super) async fn send_once(
        self,
        base: &SdkConfig,
        signer: Signer,
        region: &Region,
        body: &Value,
    ) -> Result<Result<Value, Failure>, AwsError> {
        self.invoke(base, &RetryConfig::disabled(), signer, region, body).await
    }

    fn not_sent(self, why: &str) -> AwsError {
        AwsError::not_sent(self.operation, why.to_owned())
    }

    async fn invoke(
        self,
        base: &SdkConfig,
        retries: &RetryConfig,
        signer: Signer,
        region: &Region,
        body: &Value,
    ) -> Result<Result<Value, Failure>, AwsError> {
        let http = base.http_client().ok_or_else(|| self.not_sent("no HTTP client is configured"))?;
        let timeouts = base.timeout_config().ok_or_else(|| self.not_sent("no time limit is configured"))?;
        let sleep = base.sleep_impl().ok_or_else(|| self.not_sent("no timer is configured"))?;
        let auth =
            StaticRuntimePlugin::new().with_config(self.signing(region)).with_runtime_components(components(signer));
        let mut operation = Operation::builder()
            .service_name(self.service)
            .operation_name(self.operation)
            .http_client(http)
            .endpoint_url(&self.endpoint(base, region)?)
            .standard_retry(retries)
            .timeout_config(timeouts.clone())
            .sleep_impl(sleep)
            .with_connection_poisoning()
            // Those that every client of the SDK has.
            .retry_classifier(HttpStatusCodeClassifier::default())
            .retry_classifier(TransientErrorClassifier::<Refused>::new())
            .retry_classifier(AwsErrorCodeClassifier::<Refused>::new())
            .retry_classifier(ServiceClockSkewClassifier::<Refused>::new())
            .interceptor(ServiceClockSkewInterceptor::new())
            // Lambda stops a function that calls itself over a queue again and again: by this header it knows.
            .interceptor(RecursionDetectionInterceptor::new())
            .runtime_plugin(auth);
        if let Some(time) = base.time_source() {
            operation = operation.time_source(time);
        }
        let operation = operation.serializer(move |body| self.request(body)).deserializer(answer).build();
        Ok(operation.invoke(body.to_string()).await)
    }

    fn request(self, body: String) -> Result<HttpRequest, aws_sdk_ec2::error::BoxError> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        let (path, content_type, target) = match self.protocol {
            Protocol::Json10(target) => ("/", "application/x-amz-json-1.0", Some(target)),
            Protocol::Json11(target) => ("/", "application/x-amz-json-1.1", Some(target)),
            Protocol::RestJson1(path) => (path, "application/json", None),
        };
        request.set_method("POST")?;
        request.set_uri(path)?;
        let headers = request.headers_mut();
        headers.try_insert("user-agent", concat!("portcullis/", env!("CARGO_PKG_VERSION")))?;
        headers.try_insert("content-type", content_type)?;
        if let Some(target) = target {
            headers.try_insert("x-amz-target", target)?;
        }
        Ok(request)
    }

    /// The endpoint that is configured for the service, or for all; else the service's own.
    ///
    /// # Errors
    /// [`AwsError`] where one is configured and FIPS or dual stack is asked for as well: nobody knows what that one speaks.
    fn endpoint(self, base: &SdkConfig, region: &Region) -> Result<String, AwsError> {
        let key = ServiceConfigKey::builder().service_id(self.service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        let of_service = || base.service_config()?.load_config(key.build().ok()?);
        let of_code = base.endpoint_url().filter(|_| base.get_origin("endpoint_url").is_client_config());
        let configured = of_code.map(str::to_owned).or_else(of_service);
        let configured = configured.or_else(|| base.endpoint_url().map(str::to_owned));
        let (fips, dual_stack) = (base.use_fips() == Some(true), base.use_dual_stack() == Some(true));
        match configured {
            Some(_) if fips || dual_stack => {
                Err(self.not_sent("an endpoint is configured, and FIPS or dual stack as well: leave out one of them"))
            }
            Some(endpoint) => Ok(endpoint),
            None => Ok(self.host(region, fips, dual_stack)),
        }
    }

    /// The service's own endpoint in a Region.
    fn host(self, region: &Region, fips: bool, dual_stack: bool) -> String {
        let (suffix, dual) = dns_suffixes(region);
        // In GovCloud the usual endpoints of these are the FIPS ones, and there is no host of the other name.
        let usual: &[&str] =
            if dual_stack { &["organizations"] } else { &["dynamodb", "events", "organizations", "sqs"] };
        let is_usual = region.as_str().starts_with("us-gov-") && usual.contains(&self.name);
        let fips = if fips && !is_usual { "-fips" } else { "" };
        format!("https://{}{fips}.{region}.{}", self.name, if dual_stack { dual } else { suffix })
    }

    fn signing(self, region: &Region) -> FrozenLayer {
        let signing = SigV4OperationSigningConfig {
            region: Some(SigningRegion::from(sdk_region(region))),
            region_set: None,
            name: Some(SigningName::from(self.name)),
            signing_options: SigningOptions::default(),
        };
        let mut layer = Layer::new("signing");
        layer.store_put(signing).store_put(AuthSchemeOptionResolverParams::new(()));
        layer.freeze()
    }
}

fn components(signer: Signer) -> RuntimeComponentsBuilder {
    let mut components = RuntimeComponentsBuilder::new("signing");
    components.set_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])));
    components.push_auth_scheme(SigV4AuthScheme::new());
    components.set_identity_cache(Some(signer.identities));
    components.set_identity_resolver(SCHEME_ID, signer.credentials);
    components
}

/// The answer's JSON, or its error: the code is in a header or in the body, with a namespace before it or an address behind it
/// (Smithy, "AWS restJson1 protocol", "Operation error serialization").
fn answer(response: &HttpResponse) -> Result<Value, OrchestratorError<Refused>> {
    let body = response.body().bytes().unwrap_or_default();
    let json: Result<Value, _> = serde_json::from_slice(body);
    if response.status().is_success() {
        return json.map_err(OrchestratorError::other);
    }
    let body = Box::new(json.unwrap_or_default());
    let text = |keys: [&str; 2]| keys.iter().find_map(|key| body.get(key)?.as_str());
    let code = response.headers().get("x-amzn-errortype").or_else(|| text(["__type", "code"]));
    let mut error = ErrorMetadata::builder();
    if let Some(code) = code {
        let code = code.split(':').next().unwrap_or_default();
        error = error.code(code.rsplit('#').next().unwrap_or_default());
    }
    if let Some(message) = ["message", "Message", "errorMessage"].iter().find_map(|key| body.get(key)?.as_str()) {
        error = error.message(message);
    }
    let metadata = error.build();
    Err(OrchestratorError::operation(Refused { metadata, body }))
}

/// What the hosts' names of a Region's partition end with, and those that have an IPv6 address too (AWS SDKs,
/// `partitions.json`).
fn dns_suffixes(region: &Region) -> (&'static str, &'static str) {
    let suffixes = [
        ("cn-", ("amazonaws.com.cn", "api.amazonwebservices.com.cn")),
        ("eusc-", ("amazonaws.eu", "api.amazonwebservices.eu")),
        ("us-iso-", ("c2s.ic.gov", "api.aws.ic.gov")),
        ("us-isob-", ("sc2s.sgov.gov", "api.aws.scloud")),
        ("eu-isoe-", ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk")),
        ("us-isof-", ("csp.hci.ic.gov", "api.aws.hci.ic.gov")),
    ];
    let found = suffixes.into_iter().find(|(prefix, _)| region.as_str().starts_with(prefix));
    found.map_or(("amazonaws.com", "api.aws"), |(_, suffixes)| suffixes)
}

#[cfg(test)]
mod tests;
