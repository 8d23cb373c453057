//! `--from me`: a stand-in for the service that tells the address.

use std::io::{Read, Write};

use super::*;
use crate::loopback;

/// Answers every request with this. Its URL.
fn service(status: &'static str, body: &'static str) -> String {
    let listener = loopback();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer);
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    url
}

fn open_from_me(stack: &Stack, group: &str, service: &str) -> Ran {
    stack.open(group, &["--port", "ssh", "--from", "me", "--for", "1h", "--reason", "x", "--address-service", service])
}

#[test]
fn me_is_the_address_that_awss_service_tells_whichever_family() {
    let stack = Stack::new();
    let web = stack.group("web");
    for (answer, source) in [("54.1.2.3\n", "54.1.2.3/32"), ("2606:4700::7\n", "2606:4700::7/128")] {
        let ran = open_from_me(&stack, &web, &service("200 OK", answer));
        assert!(is(&ran, 0).stdout.contains(&format!("tcp 22 from {source}")), "{}", ran.stdout);
    }
    let sources: Vec<String> = stack.rules(&web).iter().map(|rule| rule.source.text().to_owned()).collect();
    assert_eq!(sources, ["54.1.2.3/32", "2606:4700::7/128"]);
}

#[test]
fn an_address_that_cannot_be_told_opens_nothing_and_says_how_to_give_it() {
    let stack = Stack::new();
    let web = stack.group("web");
    let nobody = {
        let listener = loopback();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for (url, part) in [
        (service("200 OK", "10.0.0.7"), "answered `10.0.0.7`, which is no public address"),
        (service("200 OK", "<html>sign in</html>"), "which is no public address"),
        (service("200 OK", ""), "which is no public address"),
        (service("503 Slow Down", "54.1.2.3"), "HttpStatus503"),
        (nobody, "did not say from which address you come"),
        ("not a url".to_owned(), "did not say from which address you come"),
    ] {
        let ran = open_from_me(&stack, &web, &url);
        assert!(ran.code == 2 && ran.stderr.contains(part), "{url}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("--from 203.0.113.7"), "{}", ran.stderr);
    }
    assert!(stack.rules(&web).is_empty() && !stack.called("CreateSchedule"));
}
