//! What goes over the wire, and the log of it.

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
    /// Header names in small letters. `content-length` is left to the transport.
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

/// What comes back over the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The answer, whole and at once.
    Answer(Response),
    /// The connection is closed without an answer.
    Lost,
    /// The head (with the full length) and a part of the body come, then the connection is closed.
    Cut(Response),
    /// Nothing for this long, then the answer.
    Slow(Duration, Response),
}

/// One HTTP call that reached the model and named its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Twelve digits.
    pub account: String,
    /// The Region of the credential scope.
    pub region: String,
    /// `ec2`, `sts`, `sns`, `s3`, `sqs` or `organizations`.
    pub service: String,
    /// The API action, such as `DescribeSecurityGroupRules`.
    pub action: String,
    /// The parameters in the order sent; for S3 `Bucket` and `Key`, for the JSON services as a
    /// Query request would have them: `Entries.1.Id`.
    pub params: Vec<(String, String)>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Call {
    /// The value of the parameter `name`, such as `SecurityGroupRuleId.1`.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered with success.
    Ok,
    /// Answered with this error code.
    Error(String),
    /// Met an injected fault.
    Fault(FaultKind),
}
