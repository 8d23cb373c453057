//! `portcullis drill`.

mod shown;

use std::io;
use std::time::Duration;

use jiff::SignedDuration;
use portcullis::aws::{AwsError, Caller};
use portcullis::config::MemberRole;
use portcullis::domain::ids::{AccountId, Region};
use portcullis_cli::aws::{Clients, advice};
use portcullis_cli::drill::{self, Drill, Ended, Failure, Function, Kind, Leftover, Log, Place, Run};
use portcullis_cli::interrupt::Interrupt;
use portcullis_cli::terminal::Terminal;
use portcullis_cli::words::count;
use portcullis_domain::text::escaped;

use crate::arguments::{self, ProfileAndRegion};

#[derive(clap::Args)]
pub(crate) struct DrillArgs {
    /// Drill so many times, one after the other
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100))]
    count: u32,
    /// Wait so long for each, such as 90s or 10m
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    timeout: Duration,
    /// Open nothing: send one harmless change the same way, and see it arrive
    #[arg(long)]
    watch: bool,
    /// Drill in this account, through the role --role
    #[arg(long, value_name = "ID", value_parser = arguments::account, requires = "role")]
    account: Option<AccountId>,
    /// The role to assume there
    #[arg(long, value_name = "NAME", value_parser = arguments::role, requires = "account")]
    role: Option<String>,
    /// The external id that the role asks for
    #[arg(long, value_name = "ID", requires = "role", value_parser = arguments::external_id)]
    external_id: Option<String>,
    /// Make the group in this VPC [default: the default VPC]
    #[arg(long, value_name = "ID", value_parser = vpc)]
    vpc: Option<String>,
    /// The function of Portcullis
    #[arg(long, value_name = "NAME", default_value = "portcullis")]
    function: String,
    /// The function's Region [default: the drill's]
    #[arg(long, value_name = "CODE", value_parser = arguments::region)]
    hub_region: Option<Region>,
    /// How to show it
    #[arg(long, short, value_enum, default_value = "table")]
    format: Format,
    /// Ask nothing
    #[arg(short = 'y', long)]
    yes: bool,
    #[command(flatten)]
    aws: ProfileAndRegion,
}

/// How the drill is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For machines: one drill a line
    Json,
}

pub(crate) const MORE: &str = "\
Exit status: 0 closed, or reported in alert mode; 2 nothing came, or trouble. --help says more.";

pub(crate) const HELP: &str = "\
Examples:
  portcullis drill                          says what it will do, and asks
  portcullis drill --count 5 --format json -y
  portcullis drill --account 444455556666 --role DrillRole --hub-region eu-west-1
  portcullis drill --watch                  opens nothing: do events still arrive?

It creates a security group that nothing uses, opens SSH (tcp 22) in it to 0.0.0.0/0, and looks ten times a second until the rule is \
gone. What it measures goes from the answer of the call that opened the group to the end of the rule. The own share of Portcullis \
goes from the beginning of its invocation to its finding, as the function's log says; the rest is \
delivery, which is CloudTrail's and EventBridge's. In alert mode the rule stays: the drill waits for the finding. Then it deletes the group, \
also after Ctrl-C and after an error.

The group has the tag portcullis=drill. Where a drill was killed, your next one deletes what it left.

--watch adds SSH from 192.0.2.1, where nobody can be, in place of 0.0.0.0/0. Portcullis finds that safe, and the finding in its log \
shows that the event arrived.

With --account the group is made in that account with the role's credentials, and the log is read with your own.

In the account of the group it needs ec2:CreateSecurityGroup, ec2:CreateTags, ec2:AuthorizeSecurityGroupIngress, \
ec2:DescribeSecurityGroups, ec2:DescribeSecurityGroupRules and ec2:DeleteSecurityGroup; in the function's account \
lambda:GetFunctionConfiguration and logs:FilterLogEvents; sts:AssumeRole for --account. docs/CLI.md has them as a policy.

Exit status: 0 closed, or reported in alert mode, or the marker arrived; 2 nothing came within --timeout, the finding says \
that the rule may stay, a call failed, the group could not be deleted, or no yes. 130 interrupted.";

fn duration(text: &str) -> Result<Duration, &'static str> {
    let wrong = "expected a time such as 90s, 10m or 1h";
    let parsed: SignedDuration = text.parse().map_err(|_| wrong)?;
    Duration::try_from(parsed).ok().filter(|it| (1..=86_400).contains(&it.as_secs())).ok_or(wrong)
}

fn vpc(text: &str) -> Result<String, &'static str> {
    let digits = text.strip_prefix("vpc-").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    digits
        .filter(|digits| !digits.is_empty())
        .map(|_| text.to_owned())
        .ok_or("expected a VPC's id, such as vpc-0123456789abcdef0")
}

/// Drills; the exit status.
///
/// # Errors
/// What keeps it from beginning, and those of standard output.
pub(crate) fn run(arguments: &DrillArgs, terminal: Terminal) -> io::Result<u8> {
    if !arguments.yes && !arguments::can_ask() {
        let why = "it asks before it opens anything, and there is no terminal to ask on: give --yes";
        return Err(io::Error::other(why));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(drill(arguments, terminal))
}

/// What a drill is done with.
struct Stage {
    /// Who drills, where the group is made.
    caller: Caller,
    place: Place,
    log: Option<Log>,
    function: Result<Function, AwsError>,
}

async fn stage(arguments: &DrillArgs) -> io::Result<Stage> {
    let operator = Clients::of(&arguments.aws.operator()).await.map_err(io::Error::other)?;
    let caller = |clients: &Clients| {
        let clients = clients.clone();
        async move { clients.caller().await.map_err(|error| io::Error::other(advice::on_caller(&error, "drill"))) }
    };
    let own = caller(&operator).await?;
    let hub = match &arguments.hub_region {
        Some(region) => operator.in_region(region),
        None => operator.clone(),
    };
    let function = drill::function(&hub, &arguments.function).await;
    let log = function.as_ref().ok().map(|function| Log { client: hub.logs(), group: function.log_group.clone() });
    let (there, caller) = match (&arguments.account, &arguments.role) {
        (Some(account), Some(name)) => {
            let role = MemberRole { name: name.clone(), external_id: arguments.external_id.clone() };
            let there = operator.assuming(&own.identity.partition, account, &role).await;
            let as_role = caller(&there).await?;
            (there, as_role)
        }
        _ => (operator, own),
    };
    let region = caller.identity.region.clone();
    let place = Place { ec2: there.ec2(), region, by: caller.arn.clone(), vpc: arguments.vpc.clone() };
    Ok(Stage { caller, place, log, function })
}

async fn drill(arguments: &DrillArgs, terminal: Terminal) -> io::Result<u8> {
    let interrupt = Interrupt::or_end()?;
    let stage = stage(arguments).await?;
    if let Err(error) = &stage.function {
        let error = advice::with(&error.to_string(), "drill");
        if arguments.watch {
            return Err(io::Error::other(format!("without the function's log no marker can be seen: {error}")));
        }
        eprintln!("portcullis: the function's log cannot be read, so only looks tell: {error}");
    }
    let left = drill::leftovers(&stage.place, portcullis::now()).await.map_err(|error| trouble(&error))?;
    eprint!("{}", question(arguments, &stage, &left));
    if !arguments.yes && !arguments::confirmed("Do it? Type yes: ")? {
        eprintln!("portcullis: not confirmed: nothing was opened");
        return Ok(crate::TROUBLE);
    }
    interrupt.begin();
    for group in left.iter().filter(|left| left.is_over) {
        drill::delete(&stage.place, &group.group).await.map_err(|failure| told(&failure))?;
        eprintln!("deleted {}, which an earlier drill left", group.group);
    }
    let kind = if arguments.watch { Kind::Marker } else { Kind::Exposure };
    let (log, timeout) = (stage.log.as_ref(), arguments.timeout);
    let drill = Drill { place: &stage.place, log, kind, timeout, interrupt: &interrupt, clock: portcullis::now };
    let mut runs = Vec::new();
    for _ in 0..arguments.count {
        let run = match drill.run().await {
            Ok(run) => run,
            Err(failure) => {
                shown::finish(&runs, arguments.format, terminal)?;
                return Err(told(&failure));
            }
        };
        if arguments.format == Format::Json {
            shown::line(&run, &stage.caller, &stage.function)?;
        }
        let came = run.ended;
        if let Some(error) = &run.log_error {
            eprintln!(
                "portcullis: the function's log could not be read: {}",
                advice::with(&error.to_string(), "drill")
            );
        }
        runs.push(run);
        if came == Ended::Interrupted || interrupt.came() {
            break;
        }
    }
    shown::finish(&runs, arguments.format, terminal)?;
    if interrupt.came() {
        eprintln!("portcullis: interrupted; the drill's group is deleted");
    }
    Ok(status(&runs, interrupt.came()))
}

fn status(runs: &[Run], interrupted: bool) -> u8 {
    let came = |run: &Run| matches!(run.ended, Ended::Closed | Ended::Reported);
    match (interrupted, runs.iter().all(came)) {
        (true, _) => crate::INTERRUPTED,
        (false, true) => 0,
        (false, false) => crate::TROUBLE,
    }
}

fn trouble(error: &AwsError) -> io::Error {
    io::Error::other(advice::with(&error.to_string(), "drill"))
}

fn told(failure: &Failure) -> io::Error {
    match failure {
        Failure::Aws(error) => trouble(error),
        Failure::NotDeleted { .. } => io::Error::other(failure.to_string()),
    }
}

/// What it will do, to be read before it is done.
fn question(arguments: &DrillArgs, stage: &Stage, left: &[Leftover]) -> String {
    let Caller { arn, identity, .. } = &stage.caller;
    let mut text = format!("As {}, in {} {}, it will\n", escaped(arn), identity.account, identity.region);
    let (over, going_on): (Vec<&Leftover>, Vec<&Leftover>) = left.iter().partition(|left| left.is_over);
    let mut n = 0;
    let mut step = |what: String| {
        n += 1;
        text += &format!("{n:>3}. {what}\n");
    };
    if !over.is_empty() {
        let names: Vec<&str> = over.iter().map(|left| left.group.as_str()).collect();
        step(format!("delete {} that an earlier drill left: {}", count(over.len(), "group"), names.join(", ")));
    }
    step("create a security group that nothing uses".to_owned());
    let mode = stage.function.as_ref().ok().and_then(|function| function.mode.as_deref());
    let timeout = format!("{:#}", SignedDuration::try_from(arguments.timeout).unwrap_or_default());
    step(match (arguments.watch, mode) {
        (true, _) => format!(
            "allow SSH (tcp 22) from 192.0.2.1 in it, where nobody can be, and wait for the finding, at most {timeout}"
        ),
        (false, Some("alert")) => format!(
            "open SSH (tcp 22) to the world in it, and wait for the finding, at most {timeout}: Portcullis is in alert mode"
        ),
        (false, _) => format!("open SSH (tcp 22) to the world in it, and wait until that is closed, at most {timeout}"),
    });
    step(match arguments.count {
        1 => "delete the group".to_owned(),
        times => format!("delete the group, and do all this {times} times"),
    });
    if !arguments.watch {
        text += "Whoever gets the findings of Portcullis gets one of each drill.\n";
    }
    for left in going_on {
        text += &format!("It leaves {} alone, of a drill that may be going on: by {}\n", left.group, escaped(&left.of));
    }
    text
}
