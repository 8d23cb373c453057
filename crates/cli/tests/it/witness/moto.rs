//! moto's server, and the proxy before it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ec2_model::serve::{Server, serve};
use ec2_model::{Reply, Request, Response};

use crate::loopback;

/// What happens to a call.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Neither this call nor any later one that changes something is made.
    CutBefore(&'static str),
    /// This call is made and its answer is lost, and no later one that changes something is made.
    CutAfter(&'static str),
    /// It is refused.
    Refused(String),
}

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    /// Whether a cut has come.
    is_cut: bool,
    calls: Vec<String>,
}

pub(super) struct Proxy {
    child: Child,
    moto: SocketAddr,
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    pub(super) fn start() -> Self {
        let program = std::env::var_os("PORTCULLIS_TEST_MOTO").expect("PORTCULLIS_TEST_MOTO names a program");
        let moto = loopback().local_addr().unwrap();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &moto.port().to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let server = serve(loopback(), None, Arc::new(move |request| answer(&request, moto, &shared))).unwrap();
        let proxy = Self { child, moto, server, state };
        for _ in 0..300 {
            if TcpStream::connect(moto).is_ok() {
                return proxy;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the mock does not listen on {moto}");
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    /// Everything is gone, as in a new account.
    pub(super) fn reset(&self) {
        let request = Request { method: "POST".into(), uri: "/moto-api/reset".into(), ..Request::default() };
        assert_eq!(forward(&request, self.moto).status, 200);
        *self.state.lock().unwrap() = State::default();
    }

    pub(super) fn set(&self, fault: Option<Fault>) {
        let mut state = self.state.lock().unwrap();
        (state.fault, state.is_cut) = (fault, false);
    }

    /// The calls since this was last called.
    pub(super) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().calls)
    }

    /// Those that change something.
    pub(super) fn take_changes(&self) -> Vec<String> {
        self.take_calls().into_iter().filter(|call| changes(call)).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn changes(call: &str) -> bool {
    !["Get", "List", "Describe", "Head"].iter().any(|reads| call.starts_with(reads))
}

fn answer(request: &Request, moto: SocketAddr, state: &Mutex<State>) -> Reply {
    let mut state = state.lock().unwrap();
    let call = name(request);
    if state.is_cut && changes(&call) {
        return Reply::Lost;
    }
    state.calls.push(call.clone());
    match state.fault.clone() {
        Some(Fault::CutBefore(cut)) if cut == call => {
            state.is_cut = true;
            Reply::Lost
        }
        Some(Fault::CutAfter(cut)) if cut == call => {
            state.is_cut = true;
            carried_out(request, &call, moto);
            Reply::Lost
        }
        Some(Fault::Refused(refused)) if refused == call => Reply::Answer(refusal(request)),
        _ => Reply::Answer(carried_out(request, &call, moto)),
    }
}

/// moto's answer, with the root element that S3's has. It deletes a trail by its name only, and says nothing of an ARN.
fn carried_out(request: &Request, call: &str, moto: SocketAddr) -> Response {
    let mut request = request.clone();
    if call == "DeleteTrail" {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let name = body["Name"].as_str().unwrap().rsplit('/').next().unwrap();
        request.body = serde_json::json!({"Name": name}).to_string().into_bytes();
    }
    let answer = forward(&request, moto);
    if call != "GetBucketVersioning" {
        return answer;
    }
    let body = String::from_utf8(answer.body).unwrap();
    let body = body.replace("GetBucketVersioningResponse", "VersioningConfiguration");
    Response { body: body.into_bytes(), ..answer }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The API's name for a call.
fn name(request: &Request) -> String {
    if let Some(target) = header(request, "x-amz-target") {
        return target.rsplit('.').next().unwrap().to_owned();
    }
    let body = String::from_utf8_lossy(&request.body).into_owned();
    if let Some(action) = body.split('&').find_map(|pair| pair.strip_prefix("Action=")) {
        return action.to_owned();
    }
    if let Some(operation) = request.uri.rsplit("/operation/").next().filter(|_| request.uri.contains("/operation/")) {
        return operation.to_owned();
    }
    let query = request.uri.split_once('?').map_or("", |(_, query)| query);
    let verb = match request.method.as_str() {
        "PUT" => "Put",
        "HEAD" => return "HeadBucket".to_owned(),
        _ => "Get",
    };
    let settings = [
        ("publicAccessBlock", "PublicAccessBlock"),
        ("versioning", "BucketVersioning"),
        ("encryption", "BucketEncryption"),
        ("policy", "BucketPolicy"),
    ];
    let setting = settings.iter().find(|(key, _)| query.contains(key));
    setting.map_or_else(|| "CreateBucket".to_owned(), |(_, setting)| format!("{verb}{setting}"))
}

/// A refusal in the protocol of the call.
fn refusal(request: &Request) -> Response {
    let is_json = header(request, "x-amz-target").is_some();
    let is_query = String::from_utf8_lossy(&request.body).contains("Action=");
    let of = |status, kind: &str, body: &str| Response {
        status,
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: body.as_bytes().to_vec(),
    };
    match (is_json, is_query) {
        (true, _) => of(400, "application/x-amz-json-1.1", r#"{"__type":"AccessDeniedException","message":"refused"}"#),
        (false, true) => of(
            403,
            "text/xml",
            "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>refused</Message></Error>\
             <RequestId>1</RequestId></ErrorResponse>",
        ),
        _ if request.method == "HEAD" => of(403, "application/xml", ""),
        _ => of(403, "application/xml", "<Error><Code>AccessDenied</Code><Message>refused</Message></Error>"),
    }
}

/// What moto answers. It closes the connection after each answer.
fn forward(request: &Request, moto: SocketAddr) -> Response {
    let mut stream = TcpStream::connect(moto).unwrap();
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.uri);
    let ours = ["connection", "content-length", "transfer-encoding", "expect"];
    for (name, value) in request.headers.iter().filter(|(name, _)| !ours.contains(&name.to_lowercase().as_str())) {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {}\r\nconnection: close\r\n\r\n", request.body.len());
    stream.write_all(&[head.as_bytes(), &request.body].concat()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers = headers.filter(|(name, _)| !ours.contains(&name.as_str())).collect();
    Response { status, headers, body: bytes[end + 4..].to_vec() }
}
