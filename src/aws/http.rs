//! The one HTTP client: rustls with ring. The SDK's own choice, aws-lc, spends most of a cold start on CPU-jitter entropy.

use aws_sdk_ec2::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

pub(super) fn client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
