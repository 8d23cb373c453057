//! Runs the pipeline over the model of EC2: the real SDK client, with a transport that calls the model.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::config::Credentials;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use ec2_model::{Call, Reply, Request, Response, Vpc, World};
use portcullis::aws::{Aws, FunctionIdentity};
use portcullis::config::{Accounts, EvidencePlace, LogRole, MemberRole};
use portcullis::domain::evidence::Evidence;
use portcullis::domain::finding::Finding;
use portcullis::domain::policy::{Mode, Policy};
use portcullis::pipeline::{self, Answer, Clock, Context, Invocation, Settings};
use portcullis::shelf::{Shelf, policy_key};
use portcullis::sinks::Output;
use portcullis::store::Store;
use serde_json::{Value, json};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:portcullis";

/// A layer between the SDK and the model: returns the reply to a request, and how long it takes.
pub(crate) type Between = Arc<dyn Fn(&Request) -> (Duration, Reply) + Send + Sync>;

/// The SDK's connection to the model.
#[derive(Clone)]
pub(crate) struct Wire(pub(crate) Between);

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let asked = Request {
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            headers,
            body: request.body().bytes().unwrap_or_default().to_vec(),
        };
        let between = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let (under_way, reply) = between(&asked);
            if !under_way.is_zero() {
                tokio::time::sleep(under_way).await;
            }
            match reply {
                Reply::Answer(response) => Ok(answer(response)),
                Reply::Slow(pause, response) => {
                    tokio::time::sleep(pause).await;
                    Ok(answer(response))
                }
                Reply::Lost => Err(ConnectorError::io("connection closed before an answer".into())),
                // The length in the head tells the HTTP client that bytes are missing, so reading the body fails.
                Reply::Cut(response) => Ok(answer(Response { body: Vec::new(), ..response }).map(|_| SdkBody::taken())),
            }
        })
    }
}

/// A layer that changes nothing.
pub(crate) fn straight(world: World) -> Between {
    Arc::new(move |request| (Duration::ZERO, world.handle(request)))
}

fn answer(response: Response) -> HttpResponse {
    let status = response.status.try_into().unwrap();
    let mut answer = HttpResponse::new(status, response.body.into());
    for (name, value) in response.headers {
        answer.headers_mut().append(name, value);
    }
    answer
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A world with one group, and a function that watches it.
pub(crate) struct Watch {
    pub(crate) world: World,
    pub(crate) context: Context,
    pub(crate) group: String,
    pub(crate) lines: Arc<Mutex<Vec<String>>>,
    start: tokio::time::Instant,
}

/// The bucket that every function of the tests keeps its evidence in.
pub(crate) const EVIDENCE: &str = "evidence";

impl Drop for Watch {
    /// Whatever a test is about: the evidence of all that was done must lead to the same plan again.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            replayed(&self.world);
        }
    }
}

/// Judges every act of a world again, and returns the evidence.
pub(crate) fn replayed(world: &World) -> Vec<Evidence> {
    let objects: std::collections::BTreeMap<String, Vec<u8>> = world.objects(EVIDENCE).into_iter().collect();
    let acts = objects.iter().filter(|(key, _)| key.starts_with("evidence/v1/"));
    let judge = |(key, bytes): (&String, &Vec<u8>)| {
        let text = std::str::from_utf8(bytes).unwrap();
        let (evidence, is_whole) = Evidence::read(text).unwrap_or_else(|error| panic!("{key}: {error}: {text}"));
        assert!(is_whole && evidence.id.key() == *key, "{key}");
        assert_eq!(evidence.document().unwrap(), text);
        let policy = &objects[&policy_key(&evidence.guard.policy)];
        let policy = Policy::parse(std::str::from_utf8(policy).unwrap()).unwrap();
        evidence.replay(&policy).unwrap_or_else(|mismatch| panic!("{key}: {mismatch}: {text}"));
        evidence
    };
    acts.map(judge).collect()
}

/// How the function is set up.
pub(crate) struct Setup {
    pub(crate) mode: Mode,
    pub(crate) policy: &'static str,
    pub(crate) vpc: Vpc,
    pub(crate) topic: bool,
    pub(crate) accounts: Accounts,
    pub(crate) member_role: Option<MemberRole>,
    pub(crate) evidence: bool,
    pub(crate) log_role: Option<LogRole>,
    pub(crate) end_role: Option<String>,
    pub(crate) member_end_role: Option<MemberRole>,
    pub(crate) memory: Store,
    /// Whether the function has the queue [`queue_url`].
    pub(crate) queue: bool,
    pub(crate) restores: bool,
}

impl Default for Setup {
    fn default() -> Self {
        let policy = "version: 1";
        let accounts = Accounts::Own;
        let (mode, memory, evidence) = (Mode::Enforce, Store::None, true);
        let (vpc, topic, restores, queue) = (Vpc::Other, false, false, false);
        let (member_role, log_role, end_role, member_end_role) = (None, None, None, None);
        Self {
            mode,
            policy,
            vpc,
            topic,
            accounts,
            member_role,
            evidence,
            log_role,
            end_role,
            member_end_role,
            memory,
            queue,
            restores,
        }
    }
}

impl Setup {
    pub(crate) async fn start(self) -> Watch {
        let world = World::new(7);
        world.set_now(1_795_000_000_000);
        let group = world.create_group(ACCOUNT, REGION, "web", self.vpc);
        world.create_bucket(EVIDENCE);
        world.take_records();
        if let Store::Table(name) = &self.memory {
            world.create_table(ACCOUNT, REGION, name);
        }
        if self.queue {
            world.create_queue(ACCOUNT, REGION, QUEUE);
        }
        let (lines, start) = (Arc::new(Mutex::new(Vec::new())), tokio::time::Instant::now());
        let context = self.instance(&world, start, &lines, straight(world.clone())).await;
        Watch { world, context, group, lines, start }
    }

    async fn instance(
        self,
        world: &World,
        start: tokio::time::Instant,
        lines: &Arc<Mutex<Vec<String>>>,
        between: Between,
    ) -> Context {
        let (kept, clock) = (Arc::clone(lines), world.clone());
        // The world's time, which does not move, plus the time that tokio has slept since.
        let clock = Box::new(move || jiff::Timestamp::from_millisecond(clock.now()).unwrap() + start.elapsed());
        let out = Box::new(move |line: &str| kept.lock().unwrap().push(line.to_owned()));
        self.context(REGION, between, clock, out).await
    }

    /// Only the context of a function in `region`.
    pub(crate) async fn context(self, region: &str, between: Between, clock: Clock, out: Output) -> Context {
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Wire(between))
            .region(Region::new(region.to_owned()))
            .credentials_provider(Credentials::new(ACCOUNT, "secret", None, None, "test"));
        let aws = Aws::load(loader, self.member_role, self.mode).await;
        let aws = aws.with_log_role(self.log_role).with_end_role(self.end_role);
        let aws = aws.with_member_end_role(self.member_end_role);
        let place = EvidencePlace::S3 { bucket: EVIDENCE.to_owned(), prefix: String::new(), days: Some(400) };
        let shelf = if self.evidence { Shelf::at(Some(&place), &aws) } else { Shelf::None };
        let topic = self.topic.then(|| TOPIC.to_owned());
        let queue = self.queue.then(|| queue_url(region));
        let Self { mode, accounts, memory, restores, .. } = self;
        let settings = Settings { mode, accounts, topic, queue, memory, restores };
        Context::new(aws, Policy::parse(self.policy).unwrap(), settings, clock, out).with_shelf(shelf)
    }
}

/// The queue of a function that has one.
pub(crate) const QUEUE: &str = "sweeps";

/// The queue's URL.
pub(crate) fn queue_url(region: &str) -> String {
    format!("https://sqs.{region}.amazonaws.com/{ACCOUNT}/{QUEUE}")
}

/// The table of a function with a memory.
pub(crate) const TABLE: &str = "memory";

/// A function in enforce mode with the built-in policy and a memory.
pub(crate) fn remembering() -> Setup {
    Setup { memory: Store::Table(TABLE.to_owned()), ..Setup::default() }
}

/// A function in enforce mode with the built-in policy.
pub(crate) async fn enforcing() -> Watch {
    Setup::default().start().await
}

impl Watch {
    /// From now on another instance of the function, which knows nothing, takes what is delivered.
    pub(crate) async fn start_anew(&mut self, setup: Setup) {
        self.start_behind(setup, straight(self.world.clone())).await;
    }

    /// The same, with a layer between the instance and the model.
    pub(crate) async fn start_behind(&mut self, setup: Setup, between: Between) {
        self.context = setup.instance(&self.world, self.start, &self.lines, between).await;
    }

    /// Another instance beside the one that takes what is delivered.
    pub(crate) async fn another(&self, setup: Setup) -> Context {
        setup.instance(&self.world, self.start, &self.lines, straight(self.world.clone())).await
    }

    /// The names of the calls to DynamoDB so far.
    pub(crate) fn memory_calls(&self) -> Vec<String> {
        let calls = self.world.calls().into_iter();
        calls.filter(|call: &Call| call.service == "dynamodb").map(|call| call.action).collect()
    }

    /// Opens the group. Returns EventBridge's event of it.
    pub(crate) fn open(&self, permissions: &[ec2_model::Permission]) -> Value {
        self.world.authorize(ACCOUNT, REGION, &self.group, permissions).unwrap();
        self.event()
    }

    /// The event of the last call.
    pub(crate) fn event(&self) -> Value {
        ec2_model::eventbridge(self.world.take_records().last().unwrap())
    }

    pub(crate) async fn deliver(&self, payload: &Value) -> Answer {
        let invocation = Invocation {
            identity: FunctionIdentity::of_arn("arn:aws:lambda:eu-west-1:111122223333:function:portcullis"),
            deadline: tokio::time::Instant::now() + Duration::from_secs(30),
        };
        // Boxed: a test with many deliveries would be large on the stack.
        Box::pin(pipeline::handle(&self.context, payload, &invocation)).await
    }

    /// Delivers, expects one finding and returns it.
    pub(crate) async fn finding(&self, payload: &Value) -> Finding {
        let mut answer = self.deliver(payload).await;
        assert_eq!(answer.findings.len(), 1, "{:#?}", answer.findings);
        answer.findings.remove(0)
    }

    /// The group's ingress rules: protocol, ports and source of each.
    pub(crate) fn ingress(&self) -> Vec<String> {
        let rules = self.world.rules(ACCOUNT, REGION, &self.group).into_iter();
        let ingress = rules.filter(|rule| rule.direction == ec2_model::Direction::Ingress);
        ingress.map(|r| format!("{} {}-{} {}", r.protocol, r.from_port, r.to_port, r.source.text())).collect()
    }

    /// The names of the EC2 calls so far.
    pub(crate) fn ec2_calls(&self) -> Vec<String> {
        let calls = self.world.calls().into_iter();
        calls.filter(|call: &Call| call.service == "ec2").map(|call| call.action).collect()
    }
}

/// An SQS delivery of these bodies, with the message ids `m0`, `m1` …
pub(crate) fn sqs(bodies: &[String]) -> Value {
    let message = |(n, body): (usize, &String)| json!({"messageId": format!("m{n}"), "body": body, "eventSource": "aws:sqs", "awsRegion": REGION});
    json!({"Records": bodies.iter().enumerate().map(message).collect::<Vec<_>>()})
}
