//! An answer that breaks off is refused.
//!
//! The SDK's XML reader takes the end of the bytes for the end of the list that it reads: half an answer becomes a shorter
//! list, and half a group looks safe.

use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;

/// Refuses answers without the end of their root element (`</…Response>`), which every answer of EC2 has.
#[derive(Debug)]
pub(in crate::aws) struct OnlyWhole;

impl Intercept for OnlyWhole {
    fn name(&self) -> &'static str {
        "OnlyWhole"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        if context.output_or_error().is_err() || is_whole(body) {
            return Ok(());
        }
        Err("the answer breaks off".into())
    }
}

fn is_whole(body: &[u8]) -> bool {
    body.trim_ascii_end().ends_with(b"Response>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_root_element_ends() {
        assert!(is_whole(b"<DescribeRegionsResponse><regionInfo/></DescribeRegionsResponse>\n"));
        for broken in ["", "<DescribeRegionsResponse><regionInfo/>", "<DescribeRegionsResponse><reg", "<<&"] {
            assert!(!is_whole(broken.as_bytes()), "{broken}");
        }
    }
}
