use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::*;

fn call(name: &'static str) -> JsonCall {
    JsonCall {
        service: "DynamoDB",
        name,
        operation: "GetItem",
        protocol: Protocol::Json10("DynamoDB_20120810.GetItem"),
    }
}

fn region(name: &str) -> Region {
    Region::parse(name).unwrap()
}

/// Source: the endpoint tests of the SDK crates of these services.
#[test]
fn a_host_is_the_one_that_the_sdks_own_clients_ask() {
    for (name, region_name, fips, dual_stack, host) in [
        ("dynamodb", "eu-west-1", false, false, "dynamodb.eu-west-1.amazonaws.com"),
        ("dynamodb", "us-east-1", true, false, "dynamodb-fips.us-east-1.amazonaws.com"),
        ("dynamodb", "us-east-1", true, true, "dynamodb-fips.us-east-1.api.aws"),
        ("dynamodb", "us-east-1", false, true, "dynamodb.us-east-1.api.aws"),
        ("dynamodb", "cn-north-1", false, false, "dynamodb.cn-north-1.amazonaws.com.cn"),
        ("dynamodb", "cn-north-1", true, true, "dynamodb-fips.cn-north-1.api.amazonwebservices.com.cn"),
        ("dynamodb", "cn-north-1", false, true, "dynamodb.cn-north-1.api.amazonwebservices.com.cn"),
        ("dynamodb", "us-gov-west-1", false, false, "dynamodb.us-gov-west-1.amazonaws.com"),
        ("dynamodb", "us-gov-west-1", true, false, "dynamodb.us-gov-west-1.amazonaws.com"),
        ("dynamodb", "us-gov-east-1", true, true, "dynamodb-fips.us-gov-east-1.api.aws"),
        ("dynamodb", "us-iso-east-1", true, false, "dynamodb-fips.us-iso-east-1.c2s.ic.gov"),
        ("dynamodb", "us-isob-east-1", false, false, "dynamodb.us-isob-east-1.sc2s.sgov.gov"),
        ("events", "us-east-1", true, false, "events-fips.us-east-1.amazonaws.com"),
        ("events", "us-gov-east-1", true, false, "events.us-gov-east-1.amazonaws.com"),
        ("events", "us-gov-east-1", false, true, "events.us-gov-east-1.api.aws"),
        ("sqs", "af-south-1", false, false, "sqs.af-south-1.amazonaws.com"),
        ("sqs", "us-east-2", true, false, "sqs-fips.us-east-2.amazonaws.com"),
        ("sqs", "us-east-1", true, true, "sqs-fips.us-east-1.api.aws"),
        ("sqs", "us-gov-east-1", true, false, "sqs.us-gov-east-1.amazonaws.com"),
        ("sqs", "us-gov-east-1", true, true, "sqs-fips.us-gov-east-1.api.aws"),
        ("sqs", "cn-northwest-1", false, false, "sqs.cn-northwest-1.amazonaws.com.cn"),
        ("organizations", "us-east-1", false, false, "organizations.us-east-1.amazonaws.com"),
        ("organizations", "us-east-1", true, true, "organizations-fips.us-east-1.api.aws"),
        ("organizations", "cn-northwest-1", true, false, "organizations-fips.cn-northwest-1.amazonaws.com.cn"),
        ("organizations", "eusc-de-east-1", false, false, "organizations.eusc-de-east-1.amazonaws.eu"),
        ("organizations", "us-isob-east-1", false, false, "organizations.us-isob-east-1.sc2s.sgov.gov"),
        ("organizations", "eu-isoe-west-1", false, false, "organizations.eu-isoe-west-1.cloud.adc-e.uk"),
        ("organizations", "us-isof-south-1", true, false, "organizations-fips.us-isof-south-1.csp.hci.ic.gov"),
        ("organizations", "us-gov-west-1", true, false, "organizations.us-gov-west-1.amazonaws.com"),
        ("organizations", "us-gov-west-1", true, true, "organizations.us-gov-west-1.api.aws"),
        ("securityhub", "us-gov-west-1", true, false, "securityhub-fips.us-gov-west-1.amazonaws.com"),
    ] {
        let config = SdkConfig::builder().use_fips(fips).use_dual_stack(dual_stack).build();
        assert_eq!(call(name).endpoint(&config, &region(region_name)).unwrap(), format!("https://{host}"));
    }
}

/// Settings as they stand in the environment.
#[derive(Debug)]
struct Variables(&'static [(&'static str, &'static str)]);

impl LoadServiceConfig for Variables {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let name = format!("{}_{}", key.env(), key.service_id().to_uppercase().replace(' ', "_"));
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }
}

#[test]
fn a_configured_endpoint_comes_before_the_services_own() {
    let of_service = Variables(&[("AWS_ENDPOINT_URL_DYNAMODB", "http://table")]);
    let endpoint = |config: SdkConfig| call("dynamodb").endpoint(&config, &region("eu-west-1"));
    assert_eq!(endpoint(SdkConfig::builder().service_config(of_service).build()).unwrap(), "http://table");
    let of_another = || SdkConfig::builder().service_config(Variables(&[("AWS_ENDPOINT_URL_S3", "http://bucket")]));
    assert_eq!(endpoint(of_another().endpoint_url("http://all").build()).unwrap(), "http://all");
    for both in [
        of_another().endpoint_url("http://all").use_fips(true),
        of_another().endpoint_url("http://all").use_dual_stack(true),
    ] {
        let error = endpoint(both.build()).unwrap_err();
        assert!(error.message.contains("FIPS or dual stack"), "{error}");
    }
}

#[test]
fn a_request_names_its_call_as_its_protocol_does() {
    for (protocol, path, content_type, target) in [
        (Protocol::Json10("A.B"), "/", "application/x-amz-json-1.0", Some("A.B")),
        (Protocol::Json11("A.B"), "/", "application/x-amz-json-1.1", Some("A.B")),
        (Protocol::RestJson1("/a/b"), "/a/b", "application/json", None),
    ] {
        let request = JsonCall { protocol, ..call("dynamodb") }.request("{}".to_owned()).unwrap();
        let header = |name| request.headers().get(name);
        assert_eq!((request.method(), request.uri()), ("POST", path));
        assert_eq!((header("content-type"), header("x-amz-target")), (Some(content_type), target));
    }
}

/// Code, message and body of an answer that is an error.
fn refused(status: u16, header: Option<&'static str>, body: &str) -> (Option<String>, Option<String>, Value) {
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    if let Some(value) = header {
        response.headers_mut().insert("x-amzn-errortype", value);
    }
    let error = answer(&response).unwrap_err();
    let error = error.as_operation_error().unwrap();
    (error.code().map(str::to_owned), error.message().map(str::to_owned), (*error.body).clone())
}

#[test]
fn an_error_keeps_its_code_its_message_and_all_that_comes_with_it() {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"no","Item":{"pk":{"S":"k"}}}"#;
    let (code, message, body) = refused(400, None, body);
    assert_eq!((code.as_deref(), message.as_deref()), (Some("ConditionalCheckFailedException"), Some("no")));
    assert_eq!(body["Item"]["pk"]["S"], "k");
    let (code, message, body) = refused(503, Some("Busy:http://internal/"), "<html>");
    assert_eq!((code.as_deref(), message, body), (Some("Busy"), None, Value::Null));
    assert_eq!(refused(500, None, "").0, None);
}
