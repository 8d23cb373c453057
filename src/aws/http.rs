//! The one HTTP client: rustls with ring. The SDK's default, aws-lc, spends most of a cold start on CPU-jitter entropy.

use std::time::Duration;

use aws_sdk_ec2::config::SharedHttpClient;
use aws_sdk_ec2::error::{ErrorMetadata, ProvideErrorMetadata};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use tokio::time::Instant;

use super::{AwsError, within};

/// Hands out connectors and skips validation. The SDK validates its HTTP client whenever a service's client is made, and
/// this one validates by building a connector, with the whole trust store, and dropping it.
#[derive(Debug)]
struct Unvalidated(SharedHttpClient);

impl HttpClient for Unvalidated {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }
}

pub(super) fn client() -> impl HttpClient + 'static {
    Unvalidated(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
}

/// An answer that is none of success.
#[derive(Debug, thiserror::Error)]
#[error("HTTP status {0}")]
struct Status(u16, ErrorMetadata);

impl ProvideErrorMetadata for Status {
    fn meta(&self) -> &ErrorMetadata {
        &self.1
    }
}

/// Gets a short text from an address, unsigned: for the one service of AWS's that asks for no signature.
///
/// # Errors
/// [`AwsError`].
pub async fn http_get(url: &str, patience: Duration) -> Result<String, AwsError> {
    const GET: &str = "GET";
    let operation = Operation::builder()
        .service_name("http")
        .operation_name(GET)
        .http_client(client())
        .endpoint_url(url)
        .no_auth()
        .no_retry()
        .serializer(|()| {
            let mut request = HttpRequest::new(SdkBody::empty());
            request.set_method("GET")?;
            request.set_uri("/")?;
            Ok(request)
        })
        .deserializer(|response: &HttpResponse| -> Result<String, OrchestratorError<Status>> {
            let text = String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned();
            match response.status().as_u16() {
                200 => Ok(text),
                status => {
                    let error =
                        ErrorMetadata::builder().code(format!("HttpStatus{status}")).message("no answer of success");
                    Err(OrchestratorError::operation(Status(status, error.build())))
                }
            }
        })
        .build();
    let answer = async { operation.invoke(()).await.map_err(|error| AwsError::from_sdk(GET, &error)) };
    within(Instant::now() + patience, GET, answer).await
}
