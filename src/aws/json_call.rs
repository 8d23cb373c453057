//! One signed JSON POST: a call of a service whose SDK crate is not worth its size. It is made of the parts that the SDK's own
//! clients are made of, so that signing, credentials, retries and time limits are the same.

use aws_config::SdkConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_sdk_ec2::config::{SharedCredentialsProvider, SharedIdentityCache};
use aws_sdk_ec2::error::{ErrorMetadata, ProvideErrorMetadata};
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
    /// The path of the request.
    pub(super) path: &'static str,
    /// The header that names the call, where the path does not.
    pub(super) target: Option<&'static str>,
}

/// Who makes a call.
#[derive(Debug, Clone)]
pub(super) struct Signer {
    pub(super) credentials: SharedCredentialsProvider,
    /// Where credentials are kept until they end.
    pub(super) identities: SharedIdentityCache,
}

/// An answer that is an error.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message().unwrap_or("no message"))]
struct Refused(ErrorMetadata);

impl ProvideErrorMetadata for Refused {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

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
        let missing = |what: &str| AwsError::not_sent(self.operation, format!("no {what} is configured"));
        let http = base.http_client().ok_or_else(|| missing("HTTP client"))?;
        let retries = base.retry_config().ok_or_else(|| missing("retry"))?;
        let timeouts = base.timeout_config().ok_or_else(|| missing("time limit"))?;
        let sleep = base.sleep_impl().ok_or_else(|| missing("timer"))?;
        let auth =
            StaticRuntimePlugin::new().with_config(self.signing(region)).with_runtime_components(components(signer));
        let mut operation = Operation::builder()
            .service_name(self.service)
            .operation_name(self.operation)
            .http_client(http)
            .endpoint_url(&self.endpoint(base, region))
            .standard_retry(retries)
            .timeout_config(timeouts.clone())
            .sleep_impl(sleep)
            .with_connection_poisoning()
            // Those that every client of the SDK has.
            .retry_classifier(HttpStatusCodeClassifier::default())
            .retry_classifier(TransientErrorClassifier::<Refused>::new())
            .retry_classifier(AwsErrorCodeClassifier::<Refused>::new())
            .runtime_plugin(auth);
        if let Some(time) = base.time_source() {
            operation = operation.time_source(time);
        }
        let operation = operation.serializer(move |body| self.request(body)).deserializer(answer).build();
        let answer = operation.invoke(body.to_string()).await;
        answer.map_err(|error| AwsError::from_sdk(self.operation, &error))
    }

    fn request(self, body: String) -> Result<HttpRequest, aws_sdk_ec2::error::BoxError> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST")?;
        request.set_uri(self.path)?;
        let headers = request.headers_mut();
        headers.try_insert("user-agent", concat!("portcullis/", env!("CARGO_PKG_VERSION")))?;
        match self.target {
            Some(target) => {
                headers.try_insert("content-type", "application/x-amz-json-1.1")?;
                headers.try_insert("x-amz-target", target)?;
            }
            None => {
                headers.try_insert("content-type", "application/json")?;
            }
        }
        Ok(request)
    }

    /// The endpoint that is configured for the service, or for all; else the service's own.
    fn endpoint(self, base: &SdkConfig, region: &Region) -> String {
        let key = ServiceConfigKey::builder().service_id(self.service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        let of_service = || base.service_config()?.load_config(key.build().ok()?);
        let of_code = base.endpoint_url().filter(|_| base.get_origin("endpoint_url").is_client_config());
        let configured = of_code.map(str::to_owned).or_else(of_service);
        let configured = configured.or_else(|| base.endpoint_url().map(str::to_owned));
        let fips = if base.use_fips() == Some(true) { "-fips" } else { "" };
        configured.unwrap_or_else(|| format!("https://{}{fips}.{region}.{}", self.name, dns_suffix(region)))
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
    let json = json.unwrap_or_default();
    let text = |keys: [&str; 2]| keys.iter().find_map(|key| json.get(key)?.as_str());
    let code = response.headers().get("x-amzn-errortype").or_else(|| text(["__type", "code"]));
    let mut error = ErrorMetadata::builder();
    if let Some(code) = code {
        let code = code.split(':').next().unwrap_or_default();
        error = error.code(code.rsplit('#').next().unwrap_or_default());
    }
    if let Some(message) = text(["message", "Message"]) {
        error = error.message(message);
    }
    Err(OrchestratorError::operation(Refused(error.build())))
}

/// What the hosts' names of a Region's partition end with (AWS SDKs, `partitions.json`).
fn dns_suffix(region: &Region) -> &'static str {
    let suffixes = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("us-isof-", "csp.hci.ic.gov"),
    ];
    let found = suffixes.into_iter().find(|(prefix, _)| region.as_str().starts_with(prefix));
    found.map_or("amazonaws.com", |(_, suffix)| suffix)
}
