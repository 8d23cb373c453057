//! Shared by the tests: one account and Region, and EC2 calls over the model's HTTP.

use serde_json::Value;

use crate::{Permission, Reply, Request, Response, Vpc, World};

pub(super) const ACCOUNT: &str = "111122223333";
pub(super) const REGION: &str = "eu-west-1";

pub(super) fn world_with_group(vpc: Vpc) -> (World, String) {
    let world = World::new(7);
    let group = world.create_group(ACCOUNT, REGION, "web", vpc);
    (world, group)
}

/// A request as an SDK would send it, signed with `key`.
pub(super) fn request(key: &str, service: &str, params: &[(&str, &str)]) -> Request {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(params);
    let scope = format!("{key}/20260101/{REGION}/{service}/aws4_request");
    Request {
        method: "POST".into(),
        uri: "/".into(),
        headers: vec![
            ("Host".into(), format!("{service}.{REGION}.amazonaws.com")),
            ("User-Agent".into(), "test/1".into()),
            ("Authorization".into(), format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00")),
        ],
        body: form.finish().into_bytes(),
    }
}

/// A request in the JSON protocol of `service`, such as `AmazonSQS.SendMessage`.
pub(super) fn json_request(key: &str, region: &str, service: &str, target: &str, body: &Value) -> Request {
    let mut request = request(key, service, &[]);
    request.headers[2].1 = request.headers[2].1.replace(REGION, region);
    request.headers.push(("X-Amz-Target".into(), target.into()));
    Request { body: body.to_string().into_bytes(), ..request }
}

/// Status, headers and body of the answer to a request in a JSON protocol.
pub(super) fn json_answer(world: &World, request: &Request) -> (u16, Vec<(String, String)>, Value) {
    let response = send(world, request);
    (response.status, response.headers, serde_json::from_slice(&response.body).unwrap())
}

pub(super) fn send(world: &World, request: &Request) -> Response {
    match world.handle(request) {
        Reply::Answer(response) => response,
        reply @ (Reply::Lost | Reply::Cut(_) | Reply::Slow(..)) => panic!("no plain answer: {reply:?}"),
    }
}

/// An EC2 call. Returns status and body.
pub(super) fn ec2(world: &World, action: &str, params: &[(&str, &str)]) -> (u16, String) {
    let all = [&[("Action", action), ("Version", "2016-11-15")], params].concat();
    let response = send(world, &request(ACCOUNT, "ec2", &all));
    (response.status, String::from_utf8(response.body).unwrap())
}

/// The error code of an EC2 call.
pub(super) fn ec2_error(world: &World, action: &str, params: &[(&str, &str)]) -> String {
    let (status, body) = ec2(world, action, params);
    assert!(status >= 400, "no error: {body}");
    element(&body, "Code")
}

/// The text of the first element `name`. Empty if there is none.
pub(super) fn element(xml: &str, name: &str) -> String {
    elements(xml, name).into_iter().next().unwrap_or_default()
}

pub(super) fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0.to_owned())).collect()
}

/// (protocol, from, to, source) of the inbound rules.
pub(super) fn ingress(world: &World, group: &str) -> Vec<(String, i32, i32, String)> {
    world
        .rules(ACCOUNT, REGION, group)
        .into_iter()
        .filter(|rule| rule.direction == crate::Direction::Ingress)
        .map(|rule| (rule.protocol, rule.from_port, rule.to_port, rule.source.text().to_owned()))
        .collect()
}

pub(super) fn allow(world: &World, group: &str, permission: Permission) -> Vec<String> {
    world.authorize(ACCOUNT, REGION, group, &[permission]).unwrap()
}
