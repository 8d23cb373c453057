//! The model with a stack of Portcullis beside it, as CloudFormation describes it.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

use ec2_model::serve::{Server, serve};
use ec2_model::{Direction, Reply, Request, Response, Rule, Vpc, World, control};
use jiff::SignedDuration;
use portcullis_domain::evidence::Evidence;
use portcullis_domain::memory::{Entries, Memory};
use serde_json::{Value, json};

use crate::cli::{Ran, aws_variables, on_a_terminal, run};
use crate::loopback;

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-west-1";
pub(super) const OFFICE: &str = "54.1.2.3/32";
pub(super) const WIDE: &str = "54.0.0.0/7";
pub(super) const ROLE: &str = "arn:aws:iam::111122223333:role/portcullis-SchedulerRole";
pub(super) const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:portcullis";
pub(super) const TABLE: &str = "memory";

type Outputs = Arc<Mutex<BTreeMap<String, String>>>;

pub(crate) struct Stack {
    pub(crate) world: World,
    pub(super) server: Server,
    outputs: Outputs,
}

impl Stack {
    pub(crate) fn new() -> Self {
        Self::with_clock(SignedDuration::ZERO)
    }

    /// AWS's clock is so far ahead of this machine's.
    pub(super) fn with_clock(ahead: SignedDuration) -> Self {
        let world = World::new(31);
        world.create_table(ACCOUNT, REGION, TABLE);
        world.create_bucket("kept");
        world.create_schedule_group(ACCOUNT, REGION, "portcullis");
        let outputs = [
            ("FunctionArn", FUNCTION),
            ("MemoryTableName", TABLE),
            ("EvidenceLocation", "s3://kept"),
            ("ScheduleGroupName", "portcullis"),
            ("SchedulerRoleArn", ROLE),
        ];
        let outputs = outputs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let outputs: Outputs = Arc::new(Mutex::new(outputs.into()));
        let inner = control::handler(world.clone(), move || (portcullis::now() + ahead).as_millisecond());
        let described = Arc::clone(&outputs);
        let handler = move |request: Request| {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            if body.contains("Action=DescribeStacks") {
                return Reply::Answer(stacks(&body, &described.lock().unwrap()));
            }
            if request.headers.iter().any(|(_, value)| value == "AWSEvents.DescribeRule") {
                return Reply::Answer(rule(&body, &described.lock().unwrap()));
            }
            let date = (portcullis::now() + ahead).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            match inner(request) {
                Reply::Answer(mut response) => {
                    response.headers.push(("date".to_owned(), date));
                    Reply::Answer(response)
                }
                other @ (Reply::Lost | Reply::Cut(_) | Reply::Slow(..)) => other,
            }
        };
        let server = serve(loopback(), None, Arc::new(handler)).unwrap();
        Self { world, server, outputs }
    }

    /// Sets an output, or a parameter: what does not begin like an output is one.
    pub(super) fn set(&self, name: &str, value: &str) {
        self.outputs.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn unset(&self, name: &str) {
        self.outputs.lock().unwrap().remove(name);
    }

    pub(crate) fn group(&self, name: &str) -> String {
        self.world.create_group(ACCOUNT, REGION, name, Vpc::Other)
    }

    pub(super) fn rules(&self, group: &str) -> Vec<Rule> {
        let rules = self.world.rules(ACCOUNT, REGION, group).into_iter();
        rules.filter(|rule| rule.direction == Direction::Ingress).collect()
    }

    pub(super) fn schedules(&self) -> Vec<(String, Value)> {
        self.world.schedules(ACCOUNT, REGION, "portcullis")
    }

    pub(super) fn entries(&self, key: &str) -> Entries {
        let item = self.world.items(ACCOUNT, REGION, TABLE).remove(key).unwrap_or_default();
        let entry = |(name, text): (String, String)| {
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            (name, value)
        };
        item.into_iter().filter(|(name, _)| name != "pk" && name != "ttl").map(entry).collect()
    }

    pub(super) fn memory(&self, group: &str) -> Memory {
        Memory::read(&self.entries(&format!("{ACCOUNT}/{REGION}/{group}")))
    }

    pub(super) fn listed(&self) -> Entries {
        let mut list = self.entries(&format!("openings#{ACCOUNT}/{REGION}"));
        // What was ended stays in it for a day.
        list.retain(|name, _| !name.starts_with("ended#"));
        list
    }

    pub(super) fn evidence(&self) -> Vec<Evidence> {
        super::evidence_of(&self.world)
    }

    pub(super) fn called(&self, action: &str) -> bool {
        self.world.call_counts().contains_key(action)
    }

    /// The id of the waiver that an opening printed.
    pub(super) fn waiver(&self, ran: &Ran) -> String {
        let start = ran.stdout.find("by waiver ").unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr));
        ran.stdout[start + "by waiver ".len()..].lines().next().unwrap().to_owned()
    }

    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        aws_variables(&self.server.url(), ACCOUNT, REGION)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.env_clear().envs(self.variables()).args(arguments);
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments), "")
    }

    /// The same, with more variables.
    pub(super) fn run_with(&self, variables: &[(&str, String)], arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        command.envs(variables.iter().map(|(name, value)| (*name, value)));
        run(command, "")
    }

    pub(super) fn open(&self, group: &str, more: &[&str]) -> Ran {
        self.run(&[&["open", group, "--yes"], more].concat())
    }

    pub(super) fn on_a_terminal(&self, arguments: &[&str], answer: &str) -> (String, String, i32) {
        on_a_terminal(self.command(arguments), answer)
    }
}

/// EventBridge's answer about a rule: its state is set as that of `rule NAME`, or `DENIED`.
fn rule(body: &str, outputs: &BTreeMap<String, String>) -> Response {
    let asked: Value = serde_json::from_str(body).unwrap();
    let name = asked["Name"].as_str().unwrap();
    let (status, answer) = match outputs.get(&format!("rule {name}")).map(String::as_str) {
        None => {
            (400, json!({"__type": "ResourceNotFoundException", "message": format!("Rule {name} does not exist.")}))
        }
        Some("DENIED") => (400, json!({"__type": "AccessDeniedException", "message": "not authorized"})),
        Some(state) => (200, json!({"Name": name, "State": state})),
    };
    let headers = vec![("content-type".to_owned(), "application/x-amz-json-1.1".to_owned())];
    Response { status, headers, body: answer.to_string().into_bytes() }
}

/// CloudFormation's answer, or that there is no such stack.
fn stacks(body: &str, outputs: &BTreeMap<String, String>) -> Response {
    let xml = |status: u16, text: String| Response {
        status,
        headers: vec![("content-type".to_owned(), "text/xml".to_owned())],
        body: text.into_bytes(),
    };
    if !body.contains("StackName=portcullis") {
        let error =
            "<Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id other does not exist</Message>";
        return xml(400, format!("<ErrorResponse><Error>{error}</Error><RequestId>r</RequestId></ErrorResponse>"));
    }
    const PARAMETERS: [&str; 6] = ["PolicyLocation", "EvidenceDays", "Accounts", "Regions", "MemberRole", "LogBucket"];
    let is_parameter = |name: &str| PARAMETERS.contains(&name);
    let member = |what: &str, name: &str, value: &str| {
        format!("<member><{what}Key>{name}</{what}Key><{what}Value>{value}</{what}Value></member>")
    };
    let parameters = outputs.iter().filter(|(name, _)| is_parameter(name));
    let parameters: String = parameters.map(|(name, value)| member("Parameter", name, value)).collect();
    let others = outputs.iter().filter(|(name, _)| !is_parameter(name));
    let others: String = others.map(|(name, value)| member("Output", name, value)).collect();
    let stack = format!(
        "<member><StackName>portcullis</StackName><StackStatus>CREATE_COMPLETE</StackStatus>\
         <CreationTime>2026-01-01T00:00:00Z</CreationTime><Parameters>{parameters}</Parameters>\
         <Outputs>{others}</Outputs></member>"
    );
    let result = format!("<DescribeStacksResult><Stacks>{stack}</Stacks></DescribeStacksResult>");
    xml(
        200,
        format!(
            "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">{result}<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeStacksResponse>"
        ),
    )
}
