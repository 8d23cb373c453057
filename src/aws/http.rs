//! The one HTTP client: rustls with ring. The SDK's default, aws-lc, spends most of a cold start on CPU-jitter entropy.

use aws_sdk_ec2::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

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
