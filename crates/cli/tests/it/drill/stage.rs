//! The model with a guard beside it, and with what the model does not have: the function, and its log.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ec2_model::serve::{Server, serve};
use ec2_model::{Lag, Reply, Request, Response, World, control};
use serde_json::{Value, json};

use crate::cli::{Ran, aws_variables, on_a_terminal, run};
use crate::loopback;

pub(crate) const ACCOUNT: &str = "111122223333";
pub(super) const MEMBER: &str = "444455556666";
const REGION: &str = "eu-west-1";

/// What Portcullis does.
#[derive(Clone, Copy)]
pub(crate) struct Guard {
    /// Whether it does anything.
    pub(crate) acts: bool,
    /// Whether it closes what is opened.
    pub(crate) closes: bool,
    /// After so long.
    pub(crate) delay_millis: u64,
    /// Its own share of that, as its log says.
    pub(crate) own_millis: i64,
    pub(crate) verdict: &'static str,
    pub(crate) outcome: &'static str,
    /// Whether Lambda knows the function.
    pub(crate) function: bool,
    /// Whether its log can be read.
    pub(crate) log: bool,
    /// EC2 shows a rule after so long.
    pub(crate) shown_after_millis: i64,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            acts: true,
            closes: true,
            delay_millis: 100,
            own_millis: 50,
            verdict: "exposed",
            outcome: "reverted",
            function: true,
            log: true,
            shown_after_millis: 0,
        }
    }
}

#[derive(Default)]
struct Seen {
    /// Stream, milliseconds, text.
    lines: Vec<(i64, String)>,
    /// How long each rule was there, in seconds.
    truth: Vec<f64>,
    /// Calls to services that the model does not have.
    calls: Vec<String>,
}

pub(crate) struct Stage {
    pub(crate) world: World,
    server: Server,
    seen: Arc<Mutex<Seen>>,
}

impl Stage {
    pub(crate) fn new(guard: Guard) -> Self {
        let world = World::new(23);
        world.allow_role_for(MEMBER, "Drill", Some("gate-7f3a"), ACCOUNT);
        if guard.shown_after_millis > 0 {
            world.set_visibility_lag(Lag::Millis(guard.shown_after_millis), Lag::None);
        }
        let seen = Arc::new(Mutex::new(Seen::default()));
        let inner = control::handler(world.clone(), || portcullis::now().as_millisecond());
        let (w, s) = (world.clone(), Arc::clone(&seen));
        let handler = move |request: Request| {
            if let Some(answer) = others(&request, guard, &s) {
                return Reply::Answer(answer);
            }
            let body = String::from_utf8_lossy(&request.body).into_owned();
            let reply = inner(request);
            let opens = guard.acts && body.contains("Action=AuthorizeSecurityGroupIngress");
            if let (true, Reply::Answer(answer)) = (opens, &reply) {
                act(guard, &w, &s, &String::from_utf8_lossy(&answer.body));
            }
            reply
        };
        let server = serve(loopback(), None, Arc::new(handler)).unwrap();
        Self { world, server, seen }
    }

    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        aws_variables(&self.server.url(), ACCOUNT, REGION)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.env_clear().envs(self.variables()).arg("drill").args(arguments);
        command
    }

    pub(super) fn drill(&self, arguments: &[&str]) -> Ran {
        run(self.command(&[&["--yes"], arguments].concat()), "")
    }

    /// The same with credentials of a role of the account.
    pub(super) fn drill_of_bob(&self) -> Ran {
        self.world.allow_role(ACCOUNT, "Other", None);
        let credentials = self.world.role_credentials(ACCOUNT, "Other", "bob");
        let mut command = self.command(&["--yes"]);
        command.env("AWS_ACCESS_KEY_ID", &credentials.access_key_id);
        command.env("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key);
        command.env("AWS_SESSION_TOKEN", &credentials.session_token);
        run(command, "")
    }

    pub(super) fn without_yes(&self) -> Ran {
        run(self.command(&[]), "")
    }

    pub(super) fn on_a_terminal(&self, answer: &str) -> (String, String, i32) {
        on_a_terminal(self.command(&[]), answer)
    }

    pub(super) fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(&[&["--yes"], arguments].concat());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Until the program looks at the group that it has opened.
    pub(super) fn wait_for_a_look(&self) {
        let looks = || self.world.call_counts().get("DescribeSecurityGroupRules").copied().unwrap_or_default();
        let before = looks();
        for _ in 0..3000 {
            if looks() > before {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nothing was looked at");
    }

    pub(super) fn truth(&self) -> Vec<f64> {
        self.seen.lock().unwrap().truth.clone()
    }

    pub(super) fn other_calls(&self) -> Vec<String> {
        self.seen.lock().unwrap().calls.clone()
    }

    /// So many groups of drills are there.
    pub(crate) fn groups_left(&self) -> usize {
        let names = [ACCOUNT, MEMBER].into_iter().flat_map(|account| self.world.group_names(account, REGION));
        names.filter(|name| name.starts_with("portcullis-drill-")).count()
    }
}

/// Lambda and CloudWatch Logs.
fn others(request: &Request, guard: Guard, seen: &Mutex<Seen>) -> Option<Response> {
    let header =
        |name: &str| request.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone());
    let answer = |status: u16, kind: Option<&str>, body: Value| {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(kind.map(|kind| ("x-amzn-errortype".to_owned(), kind.to_owned())));
        Some(Response { status, headers, body: body.to_string().into_bytes() })
    };
    let mut seen = seen.lock().unwrap();
    if request.uri.contains("/2015-03-31/functions/portcullis/configuration") {
        seen.calls.push("lambda:GetFunctionConfiguration".to_owned());
        if !guard.function {
            let message = json!({"message": "Function not found"});
            return answer(404, Some("ResourceNotFoundException"), message);
        }
        let mode = if guard.outcome == "would_revert" { "alert" } else { "enforce" };
        return answer(
            200,
            None,
            json!({"FunctionName": "portcullis", "LoggingConfig": {"LogGroup": "portcullis-log"},
            "Environment": {"Variables": {"PORTCULLIS_MODE": mode}}}),
        );
    }
    if header("x-amz-target")? != "Logs_20140328.FilterLogEvents" {
        return None;
    }
    seen.calls.push("logs:FilterLogEvents".to_owned());
    if !guard.log {
        return answer(400, None, json!({"__type": "AccessDeniedException", "message": "not authorized"}));
    }
    let asked: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(asked["logGroupName"], "portcullis-log");
    let pattern = asked["filterPattern"].as_str().unwrap_or_default().trim_matches('"').to_owned();
    let matching = seen.lines.iter().filter(|(_, text)| text.contains(&pattern));
    let events: Vec<Value> = matching
        .map(|(at, text)| json!({"logStreamName": "stream", "timestamp": at, "ingestionTime": at, "message": text}))
        .collect();
    answer(200, None, json!({"events": events, "searchedLogStreams": []}))
}

/// What a tag of XML holds.
fn tag<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    xml.split(&format!("<{name}>")).nth(1)?.split(&format!("</{name}>")).next()
}

/// Portcullis, for one call whose answer is this.
fn act(guard: Guard, world: &World, seen: &Arc<Mutex<Seen>>, answer: &str) {
    let opened = Instant::now();
    let (Some(group), Some(rule)) = (tag(answer, "groupId"), tag(answer, "securityGroupRuleId")) else { return };
    let account = tag(answer, "groupOwnerId").unwrap_or(ACCOUNT);
    let (group, rule, account) = (group.to_owned(), rule.to_owned(), account.to_owned());
    let (world, seen) = (world.clone(), Arc::clone(seen));
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(guard.delay_millis).saturating_sub(opened.elapsed()));
        if guard.closes && guard.outcome == "reverted" {
            let _ = world.revoke(&account, REGION, &group, &[&rule]);
        }
        let mut seen = seen.lock().unwrap();
        seen.truth.push(opened.elapsed().as_secs_f64());
        let now = portcullis::now().as_millisecond();
        let finding = json!({"schema": 1, "id": "e0e0e0e0", "group": group, "call": "AuthorizeSecurityGroupIngress",
            "verdict": guard.verdict, "outcome": guard.outcome, "reason": "the reason"});
        seen.lines.push((now - guard.own_millis, "START RequestId: 1 Version: $LATEST".to_owned()));
        seen.lines.push((now, finding.to_string()));
    });
}
