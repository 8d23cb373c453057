//! The loopback server, byte by byte.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use super::kit::*;
use crate::{
    Fault, FaultKind, Permission, Reply, Request, Response, Vpc, World, control,
    serve::{Handler, Server, serve},
};

fn start(handler: Handler) -> Server {
    serve(TcpListener::bind("127.0.0.1:0").unwrap(), None, handler).unwrap()
}

fn start_world(world: &World) -> Server {
    let (world, now) = (world.clone(), world.now());
    start(control::handler(world, move || now))
}

/// Sends `request` and reads until the server closes the connection.
fn exchange(server: &Server, request: &Request) -> String {
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    let mut head = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", request.method, request.uri);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", request.body.len()));
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&request.body).unwrap();
    let mut answer = Vec::new();
    // A lost answer may look like a reset connection.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn control(server: &Server, method: &str, path: &str, body: &str) -> (String, serde_json::Value) {
    let request = Request {
        method: method.into(),
        uri: format!("/_model/{path}"),
        headers: vec![("host".into(), "localhost".into())],
        body: body.into(),
    };
    let answer = exchange(server, &request);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), serde_json::from_str(body).unwrap())
}

#[test]
fn a_world_is_driven_and_asked_over_loopback() {
    let world = World::new(1);
    let server = start_world(&world);
    let place = format!(r#""account":"{ACCOUNT}","region":"{REGION}""#);
    let (_, made) = control(&server, "POST", "create-group", &format!(r#"{{{place},"name":"web","vpc":"other"}}"#));
    let group = made["groupId"].as_str().unwrap();
    let open = r#"{"protocol":"tcp","fromPort":22,"toPort":22,"sources":["0.0.0.0/0"]}"#;
    let (_, opened) =
        control(&server, "POST", "authorize", &format!(r#"{{{place},"group":"{group}","permissions":[{open}]}}"#));
    let id = opened["ruleIds"][0].as_str().unwrap();
    let look = [("Action", "DescribeSecurityGroupRules"), ("SecurityGroupRuleId.1", id)];
    let answer = exchange(&server, &request(ACCOUNT, "ec2", &look));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("<cidrIpv4>0.0.0.0/0</cidrIpv4>"), "{answer}");
    let (_, rules) = control(&server, "GET", &format!("rules?account={ACCOUNT}&region={REGION}&group={group}"), "");
    assert_eq!((&rules[1]["id"], &rules[1]["direction"]), (&opened["ruleIds"][0], &"ingress".into()));
    let (_, calls) = control(&server, "GET", "calls", "");
    assert_eq!((&calls[0]["action"], &calls[0]["outcome"]), (&"DescribeSecurityGroupRules".into(), &"ok".into()));
    let (_, events) = control(&server, "GET", "events", "");
    assert_eq!(events[1]["detail"]["eventName"], "AuthorizeSecurityGroupIngress");
    let (status, error) = control(&server, "POST", "authorize", "{}");
    assert_eq!(status, "HTTP/1.1 400 Bad Request");
    assert_eq!(error["error"]["message"], "`account` is missing or no text");
}

/// A hub with two member accounts, as the demo sets it up.
#[test]
fn a_hub_and_its_members_are_set_up_over_loopback() {
    let (hub, members) = ("000011112222", [ACCOUNT, "111122224444"]);
    let world = World::new(1);
    let server = start_world(&world);
    let ask = |endpoint: &str, body: &str| {
        let (status, answer) = control(&server, "POST", endpoint, body);
        assert_eq!(status, "HTTP/1.1 200 OK", "{answer}");
        answer
    };
    let accounts = format!(r#"[{{"id":"{}"}},{{"id":"{}","state":"SUSPENDED"}}]"#, members[0], members[1]);
    ask("organization", &format!(r#"{{"managementAccount":"{hub}","accounts":{accounts}}}"#));
    let trusted = format!(r#"["arn:aws:iam::{hub}:role/guard"]"#);
    for member in members {
        let role = format!(r#"{{"account":"{member}","role":"member","externalId":"e","trusted":{trusted}}}"#);
        ask("allow-role", &role);
    }
    let queue = ask("create-queue", &format!(r#"{{"account":"{hub}","region":"{REGION}","name":"sweep"}}"#));
    let keys = ask("credentials", &format!(r#"{{"account":"{hub}","role":"guard"}}"#));
    let signed = |mut call: Request| {
        call.headers.push(("x-amz-security-token".into(), keys["sessionToken"].as_str().unwrap().into()));
        exchange(&server, &call)
    };
    let key = keys["accessKeyId"].as_str().unwrap();

    let list = "AWSOrganizationsV20161128.ListAccounts";
    let listed = signed(json_request(key, "us-east-1", "organizations", list, &serde_json::json!({})));
    assert!([hub, members[0], members[1], "SUSPENDED"].iter().all(|text| listed.contains(text)), "{listed}");
    let message = serde_json::json!({ "QueueUrl": queue["queueUrl"], "MessageBody": "sweep it" });
    let sent = signed(json_request(key, REGION, "sqs", "AmazonSQS.SendMessage", &message));
    assert!(sent.starts_with("HTTP/1.1 200 OK"), "{sent}");
    assert_eq!(ask("take-messages", &queue.to_string()), serde_json::json!(["sweep it"]));

    let arn = format!("arn:aws:iam::{ACCOUNT}:role/member");
    let assume = [("Action", "AssumeRole"), ("RoleArn", &arn), ("RoleSessionName", "s"), ("ExternalId", "e")];
    assert!(signed(request(key, "sts", &assume)).contains("<AccessKeyId>"));
    assert!(exchange(&server, &request(hub, "sts", &assume)).contains("AccessDenied"));

    let place = format!(r#"{{"account":"{ACCOUNT}","region":"{REGION}"}}"#);
    let look = request(ACCOUNT, "ec2", &[("Action", "DescribeRegions")]);
    ask("disable-region", &place);
    assert!(exchange(&server, &look).contains("AuthFailure"));
    ask("enable-region", &place);
    assert!(exchange(&server, &look).contains("opt-in-not-required"));
    ask("prefix-list-lag", r#"{"millis":5}"#);
    let own = format!(r#"{{"region":"{REGION}","name":"x","cidrs":["10.0.0.0/8"]}}"#);
    assert!(ask("create-aws-prefix-list", &own)["prefixListId"].as_str().unwrap().starts_with("pl-"));
    ask("records", r#"{"on":false}"#);
    ask("forget", &place);
    exchange(&server, &look);
    let (_, counts) = control(&server, "GET", "call-counts", "");
    assert_eq!(counts["DescribeRegions"], 3);
    assert_eq!(world.calls().iter().filter(|call| call.action == "DescribeRegions").count(), 2);
}

#[test]
fn lost_and_cut_answers_are_so_on_the_wire() {
    let (world, group) = world_with_group(Vpc::Other);
    allow(&world, &group, Permission::tcp(22, "0.0.0.0/0"));
    let server = start_world(&world);
    let call = request(ACCOUNT, "ec2", &[("Action", "DescribeSecurityGroupRules")]);
    let whole = exchange(&server, &call);
    world.inject(Fault::next("DescribeSecurityGroupRules", FaultKind::LostAfter));
    assert_eq!(exchange(&server, &call), "");
    world.inject(Fault::next("DescribeSecurityGroupRules", FaultKind::Cut));
    let cut = exchange(&server, &call);
    let length = |answer: &str| {
        let head = answer.split_once("content-length: ").unwrap().1;
        head.split_once("\r\n").unwrap().0.parse::<usize>().unwrap()
    };
    assert_eq!(length(&cut), length(&whole));
    assert_eq!(cut.split_once("\r\n\r\n").unwrap().1.len(), length(&whole) / 2);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it is about real time")]
fn slow_answers_are_late() {
    let world = World::new(1);
    let server = start_world(&world);
    world.inject(Fault { action: None, nth: 0, kind: FaultKind::Slow(Duration::from_millis(150)) });
    let began = Instant::now();
    let answer = exchange(&server, &request(ACCOUNT, "ec2", &[("Action", "DescribeRegions")]));
    assert!(answer.contains("regionInfo") && began.elapsed() >= Duration::from_millis(150));
}

#[test]
fn a_handler_that_blocks_holds_up_nobody_and_a_drop_does_not_wait_for_it() {
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    let server = start(Arc::new(move |request| {
        if request.uri == "/poll" {
            let _ = blocked.lock().unwrap().recv();
        }
        Reply::Answer(Response { status: 202, ..Response::default() })
    }));
    let addr = server.addr();
    let mut poll = TcpStream::connect(addr).unwrap();
    poll.write_all(b"GET /poll HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let other = Request { method: "GET".into(), uri: "/".into(), ..Request::default() };
    let other = Request { headers: vec![("host".into(), "x".into())], ..other };
    assert!(exchange(&server, &other).starts_with("HTTP/1.1 202 Accepted"));
    drop(server);
    assert!(TcpStream::connect(addr).is_err());
    drop(release);
}
