//! Runs the real Lambda binary with a Runtime API that sends events and keeps the answers.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use ec2_model::serve::{Server, serve};
use ec2_model::{Reply, Request, Response};
use serde_json::Value;

/// The function's answer to one event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answered {
    Response(Value),
    Error(Value),
}

/// A running function.
pub(crate) struct Lambda {
    child: Child,
    api: Server,
    events: mpsc::Sender<String>,
    answers: mpsc::Receiver<Answered>,
}

/// The output of a function that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The trace of each invocation. Lambda follows calls by it.
pub(crate) const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=557abcec3ee5a047;Sampled=0";

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn runtime_api(account: String, events: mpsc::Receiver<String>, answers: mpsc::Sender<Answered>) -> Server {
    let (events, answers) = (Mutex::new(events), Mutex::new(answers));
    let count = Mutex::new(0);
    serve(
        loopback(),
        None,
        Arc::new(move |request: Request| {
            if request.uri.ends_with("/invocation/next") {
                let Ok(body) = events.lock().unwrap().recv() else { return Reply::Lost };
                let mut count = count.lock().unwrap();
                *count += 1;
                let deadline = portcullis::now().as_millisecond() + 30_000;
                let arn = format!("arn:aws:lambda:eu-west-1:{account}:function:portcullis");
                let headers = [
                    ("Lambda-Runtime-Aws-Request-Id", format!("request-{count}")),
                    ("Lambda-Runtime-Deadline-Ms", deadline.to_string()),
                    ("Lambda-Runtime-Invoked-Function-Arn", arn),
                    ("Lambda-Runtime-Trace-Id", TRACE.to_owned()),
                ];
                let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
                return Reply::Answer(Response { status: 200, headers, body: body.into_bytes() });
            }
            let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
            let answer =
                if request.uri.ends_with("/response") { Answered::Response(body) } else { Answered::Error(body) };
            answers.lock().unwrap().send(answer).unwrap();
            Reply::Answer(Response { status: 202, headers: Vec::new(), body: Vec::new() })
        }),
    )
    .unwrap()
}

impl Lambda {
    /// Starts the function of an account. Its environment is Lambda's own variables and these.
    pub(crate) fn start(account: &str, endpoint: &str, variables: &[(&str, &str)]) -> Self {
        let (events, next) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let api = runtime_api(account.to_owned(), next, answer);
        let mut environment: BTreeMap<&str, String> = [
            ("AWS_LAMBDA_RUNTIME_API", api.addr().to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", "portcullis".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "log".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "log".to_owned()),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", account.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ]
        .into();
        environment.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let child = Command::new(env!("CARGO_BIN_EXE_portcullis-lambda"))
            .env_clear()
            .envs(environment)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, api, events, answers }
    }

    /// Sends a payload and waits for the function's answer.
    pub(crate) fn invoke(&self, payload: &str) -> Answered {
        self.events.send(payload.to_owned()).unwrap();
        self.answers.recv_timeout(PATIENCE).expect("the function answers")
    }

    /// Kills the function if it still runs, and returns its output.
    pub(crate) fn end(mut self) -> Ended {
        let _ = self.child.kill();
        self.ended()
    }

    /// Waits until the function ends by itself.
    pub(crate) fn ended(mut self) -> Ended {
        let read = |pipe: Option<&mut dyn Read>| {
            let mut text = String::new();
            pipe.unwrap().read_to_string(&mut text).unwrap();
            text
        };
        let stdout = read(self.child.stdout.as_mut().map(|pipe| pipe as &mut dyn Read));
        let stderr = read(self.child.stderr.as_mut().map(|pipe| pipe as &mut dyn Read));
        let code = self.child.wait().unwrap().code();
        drop(self.events);
        drop(self.api);
        Ended { code, stdout, stderr }
    }
}
