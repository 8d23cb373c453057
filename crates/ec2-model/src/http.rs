//! HTTP requests and answers, and the log of calls.

use std::time::Duration;

use crate::FaultKind;

/// An HTTP request as the model sees it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `POST` or `GET`.
    pub method: String,
    /// Path and query; may be absolute.
    pub uri: String,
    /// Header names in any case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The authority of an absolute URI, else the `Host` header.
    pub(crate) fn host(&self) -> &str {
        match self.uri.split_once("://") {
            Some((_, rest)) => rest.split(['/', '?']).next().unwrap_or_default(),
            None => self.header("host").unwrap_or_default(),
        }
    }

    /// Path (still percent-encoded) and query.
    pub(crate) fn target(&self) -> (&str, &str) {
        let relative = match self.uri.split_once("://") {
            Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
            None => &self.uri,
        };
        relative.split_once('?').unwrap_or((relative, ""))
    }
}

/// An HTTP answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Header names in lower case. The transport adds `content-length`.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    pub(crate) fn new(status: u16, content_type: &str, request_id: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![
            ("content-type".to_owned(), content_type.to_owned()),
            ("x-amzn-requestid".to_owned(), request_id.to_owned()),
        ];
        Self { status, headers, body: body.into() }
    }
}

/// The model's reply on the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The complete answer, at once.
    Answer(Response),
    /// The connection is closed without an answer.
    Lost,
    /// The head (with the full length) and a part of the body are sent, then the connection is closed.
    Cut(Response),
    /// The answer, after this long.
    Slow(Duration, Response),
}

/// One HTTP call that reached the model from a known account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Twelve digits.
    pub account: String,
    /// The Region of the credential scope.
    pub region: String,
    /// `ec2`, `sts`, `sns`, `s3`, `sqs`, `organizations` or `dynamodb`.
    pub service: String,
    /// The API action, such as `DescribeSecurityGroupRules`.
    pub action: String,
    /// The parameters in the order sent. For S3 they are `Bucket` and `Key`, for the JSON services those of a Query
    /// request: `Entries.1.Id`.
    pub params: Vec<(String, String)>,
    /// The result of the call.
    pub outcome: Outcome,
}

impl Call {
    /// The value of the parameter `name`, such as `SecurityGroupRuleId.1`.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered with success.
    Ok,
    /// Answered with this error code.
    Error(String),
    /// It met an injected fault.
    Fault(FaultKind),
}
