//! `portcullis check --last`, by the real command line, against a small stand-in for CloudTrail.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Ran, event, run};

/// A call that arrived: when, and its body.
pub(crate) type Calls = Arc<Mutex<Vec<(Instant, Value)>>>;

/// Answers LookupEvents on loopback: with `answers` in turn, then with no events.
pub(crate) fn cloudtrail(answers: Vec<(u16, Value)>) -> (String, Calls) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Calls::default();
    let (kept, mut answers) = (Arc::clone(&calls), answers.into_iter());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            while let Some(body) = body(&mut stream) {
                kept.lock().unwrap().push((Instant::now(), body));
                let (status, answer) = answers.next().unwrap_or((200, json!({"Events": []})));
                let answer = answer.to_string();
                let head = format!(
                    "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
                    answer.len()
                );
                stream.get_mut().write_all((head + &answer).as_bytes()).unwrap();
            }
        }
    });
    (url, calls)
}

/// The JSON of the next request on a connection.
fn body(stream: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
            Some((name, value)) if name.eq_ignore_ascii_case("x-amz-target") => {
                assert!(value.ends_with(".LookupEvents"))
            }
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn check(url: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args([&["check", "--region", "eu-west-1"], arguments].concat()).env_clear();
    command.envs([
        ("AWS_ACCESS_KEY_ID", "111122223333"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("HOME", "/nonexistent"),
    ]);
    command.env("AWS_ENDPOINT_URL", url);
    run(command, "")
}

pub(crate) fn looked_up(name: &str) -> Value {
    let event: Value = serde_json::from_str(&event(name)).unwrap();
    json!({"EventId": "e", "CloudTrailEvent": event["detail"].to_string()})
}

#[test]
fn the_event_history_is_read_page_by_page_at_the_pace_that_cloudtrail_allows() {
    let first = json!({"Events": [looked_up("ssh-open"), looked_up("https-open")], "NextToken": "next"});
    let (url, calls) = cloudtrail(vec![(200, first), (200, json!({"Events": [looked_up("everything-open")]}))]);
    let ran = check(&url, &["--last", "7d", "--format", "json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("3 records in 1 Region: 2 exposed, 0 undecided, 0 exempt, 1 safe"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the last 90 days"), "it says what it leaves out: {}", ran.stderr);
    let calls = calls.lock().unwrap();
    let asked: Vec<(&str, Option<&str>)> = calls
        .iter()
        .map(|(_, call)| (call["LookupAttributes"][0]["AttributeValue"].as_str().unwrap(), call["NextToken"].as_str()))
        .collect();
    assert_eq!(
        asked,
        [
            ("AuthorizeSecurityGroupIngress", None),
            ("AuthorizeSecurityGroupIngress", Some("next")),
            ("ModifySecurityGroupRules", None),
            ("ModifyManagedPrefixList", None),
            ("RestoreManagedPrefixListVersion", None),
        ]
    );
    assert!(calls.windows(2).all(|two| two[1].0 - two[0].0 >= Duration::from_millis(500)), "two calls a second");
}

#[test]
fn a_refusal_is_trouble_and_a_time_that_cloudtrail_does_not_keep_is_none() {
    let denied = json!({"__type": "AccessDeniedException", "message": "no"});
    let (url, calls) = cloudtrail(vec![(400, denied)]);
    let ran = check(&url, &["--last", "1d"]);
    assert_eq!((ran.code, calls.lock().unwrap().len()), (2, 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("CloudTrail eu-west-1: LookupEvents: AccessDeniedException: no"), "{}", ran.stderr);
    for (arguments, why) in [
        (&["--last", "91d"][..], "CloudTrail's event history has 90 days"),
        (&["--last", "soon"], "expected a number and a unit"),
        (&["--last", "1d", "events/ssh-open.json"], "cannot be used with"),
        (&[], "required"),
    ] {
        let ran = check(&url, arguments);
        assert!(ran.code == 2 && ran.stderr.contains(why), "{arguments:?}: {}", ran.stderr);
    }
}
