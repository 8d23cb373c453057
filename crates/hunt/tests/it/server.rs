//! A small HTTP server for tests, one request a connection: what answers is a function.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;

use ec2_model::{Reply, Request, Response};

/// Serves until the process of the tests ends. The answer is the URL.
pub(crate) fn serve(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            // A client that leaves in the middle is no concern of the server's.
            std::thread::spawn(move || one(stream, &*answer).ok());
        }
    });
    url
}

fn one(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Reply) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = Request { method, uri, ..Request::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        request.headers.push((name.to_owned(), value.to_owned()));
    }
    let length = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    request.body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    reader.read_exact(&mut request.body)?;
    match answer(&request) {
        Reply::Answer(response) => send(&mut stream, &response, response.body.len()),
        Reply::Cut(response) => send(&mut stream, &response, response.body.len() / 2),
        Reply::Slow(time, response) => {
            std::thread::sleep(time);
            send(&mut stream, &response, response.body.len())
        }
        Reply::Lost => Ok(()),
    }
}

fn send(stream: &mut TcpStream, response: &Response, length: usize) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", response.status);
    for (name, value) in response.headers.iter().filter(|(name, _)| name != "content-length") {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", response.body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(&response.body[..length])
}

/// The program, as one that asks AWS there.
pub(crate) fn program(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis-hunt"));
    command.args(arguments).env_clear().envs([
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "111122223333"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL", url),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("HOME", "/nonexistent"),
    ]);
    command
}
