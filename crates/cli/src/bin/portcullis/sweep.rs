//! `portcullis sweep`: the function's sweep, from an operator's terminal and with the operator's own credentials.

mod advice;
mod tell;

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use portcullis::aws::{AccountRegion, Aws, Caller};
use portcullis::config::{Accounts, MemberRole};
use portcullis::domain::finding::Finding;
use portcullis::domain::ids::{AccountId, Region};
use portcullis::domain::policy::{Mode, Policy, SweepPolicy};
use portcullis::domain::text::escaped;
use portcullis::pipeline::{self, Context, Invocation, Places, Settings};
use portcullis::sinks;
use portcullis_cli::check::show::Format;
use serde_json::json;
use tokio::time::Instant;

use tell::Tally;

#[derive(clap::Args)]
pub(crate) struct SweepArgs {
    /// Look at this account; may be given several times [default: the one of your credentials]
    #[arg(long = "account", value_name = "ID", value_parser = account, conflicts_with = "organization")]
    accounts: Vec<AccountId>,
    /// Look at all accounts of the organisation
    #[arg(long, requires = "role")]
    organization: bool,
    /// Look at this Region; may be given several times [default: all that are enabled in the account]
    #[arg(long = "region", value_name = "CODE", value_parser = region)]
    regions: Vec<Region>,
    /// The role to assume in accounts other than the one of your credentials
    #[arg(long, value_name = "NAME", value_parser = role)]
    role: Option<String>,
    /// The external id that the role asks for
    #[arg(long, value_name = "ID", requires = "role", value_parser = external_id)]
    external_id: Option<String>,
    /// The policy, or - for standard input; the built-in one where none is given
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How to show what was found
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Revoke what is exposed, once you have typed yes; without it nothing is changed
    #[arg(long)]
    enforce: bool,
    /// Revoke at most so many rules in each account and Region [default: the policy's, 25]
    #[arg(long, value_name = "N", requires = "enforce", value_parser = clap::value_parser!(u32).range(1..))]
    max_revocations: Option<u32>,
    /// Do not ask before revoking
    #[arg(long, requires = "enforce")]
    yes: bool,
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis sweep                              your account, every enabled Region; only looks
  portcullis sweep --region eu-west-1 --region us-east-1 --policy policy.yaml
  portcullis sweep --organization --role portcullis --external-id gate-7f3a --format csv > open.csv
  portcullis sweep --account 111122223333 --enforce

It takes the path of the function's own sweep: every group of a Region is looked at, judged by the
policy, and told of where a guarded port is exposed or an exemption holds.

Credentials and Region come from the environment, the profile (AWS_PROFILE), the container or the
instance. With IAM Identity Center (SSO), or a credential_process, put them into the environment:
  eval \"$(aws configure export-credentials --format env)\"

Without --enforce nothing is changed; roles are assumed with a session policy that only lets it look.
With --enforce it revokes, even where the policy's `sweep` says alert: that word is for the schedule.
Where the policy's `mode` or `scopes` say alert it still only alerts, and says so. The same in every
account and Region past so many revocations as --max-revocations, or the policy's, says.

A look needs ec2:DescribeRegions (without --region), ec2:DescribeSecurityGroupRules,
ec2:DescribeSecurityGroups and ec2:GetManagedPrefixListEntries; --organization
organizations:ListAccounts; --role sts:AssumeRole; --enforce ec2:RevokeSecurityGroupIngress.

Exit status: 0 nothing exposed; 1 something exposed, whether it was revoked or not; 2 trouble: an
account or Region that could not be looked at, a revoke that failed, something undecided, no yes to
--enforce. The rest is done all the same.";

fn account(text: &str) -> Result<AccountId, &'static str> {
    AccountId::parse(text).map_err(|_| "expected the twelve digits of an account id, such as 012345678901")
}

fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).map_err(|error| format!("expected {}", error.accepted))
}

fn role(text: &str) -> Result<String, String> {
    MemberRole::is_name(text).then(|| text.to_owned()).ok_or_else(|| format!("expected {}", MemberRole::NAME))
}

fn external_id(text: &str) -> Result<String, String> {
    let accepted = || format!("expected {}", MemberRole::EXTERNAL_ID);
    MemberRole::is_external_id(text).then(|| text.to_owned()).ok_or_else(accepted)
}

/// How long an account's Region may take: its groups one after the other, at EC2's pace.
const PATIENCE: Duration = Duration::from_secs(300);

/// So many accounts and Regions are looked at at a time.
const MOST_AT_ONCE: usize = 8;

/// Sweeps and shows what was found; the exit status.
///
/// # Errors
/// What keeps it from beginning, and those of standard output.
pub(crate) fn run(arguments: &SweepArgs) -> io::Result<u8> {
    if arguments.enforce && !arguments.yes {
        if arguments.policy.as_ref().is_some_and(|path| path.as_os_str() == "-") {
            return Err(io::Error::other("--enforce asks on standard input, which is the policy here: give --yes"));
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            let why =
                "--enforce asks before it revokes, and there is no terminal to ask on: give --yes; nothing was done";
            return Err(io::Error::other(why));
        }
    }
    let policy = arguments.policy.as_deref().map_or_else(|| Ok(Policy::built_in()), crate::policy::read)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(sweep(arguments, policy))
}

async fn sweep(arguments: &SweepArgs, policy: Policy) -> io::Result<u8> {
    let (context, caller, accounts) = context(arguments, policy).await?;
    let session = context.aws.session(&caller.identity, Instant::now() + PATIENCE);
    let places = pipeline::places(session, &accounts, &arguments.regions).await;
    if arguments.enforce && !arguments.yes && !places.targets.is_empty() && !confirmed(&context, &caller, &places)? {
        eprintln!("portcullis: not confirmed: nothing was changed");
        return Ok(crate::TROUBLE);
    }
    let mut tally = Tally::of(accounts.len(), &places);
    let written = look(arguments, &context, &caller, places.targets, &mut tally).await;
    tally.show(arguments.format, &context, &mut io::stdout().lock())?;
    written?;
    Ok(tally.status())
}

/// The function's context for the operator, who the operator is, and the accounts to look at.
async fn context(arguments: &SweepArgs, policy: Policy) -> io::Result<(Context, Caller, BTreeSet<AccountId>)> {
    let mode = if arguments.enforce { Mode::Enforce } else { Mode::Alert };
    let external_id = arguments.external_id.clone();
    let member_role = arguments.role.clone().map(|name| MemberRole { name, external_id });
    let has_role = member_role.is_some();
    let aws = Aws::of_operator(arguments.regions.first(), member_role, mode).await;
    let caller = aws.caller().await.map_err(|error| io::Error::other(advice::on_caller(&error)))?;
    let own = &caller.identity.account;
    let accounts: BTreeSet<AccountId> = if arguments.organization {
        let listed = aws.accounts().await;
        listed.map_err(|error| io::Error::other(advice::with(&error.to_string())))?.into_iter().collect()
    } else if arguments.accounts.is_empty() {
        [own.clone()].into()
    } else {
        arguments.accounts.iter().cloned().collect()
    };
    if let Some(other) = accounts.iter().find(|account| !has_role && *account != own) {
        let why =
            format!("your credentials are those of account {own}: to look at {other}, name the role to assume there");
        return Err(io::Error::other(format!("{why}, --role NAME")));
    }
    let policy = match mode {
        Mode::Alert => policy,
        Mode::Enforce => {
            let max_revocations = arguments.max_revocations.unwrap_or(policy.sweep().max_revocations);
            policy.with_sweep(SweepPolicy { mode, max_revocations })
        }
    };
    let settings = Settings { mode, accounts: Accounts::Listed(accounts.clone()), topic: None, queue: None };
    let context = Context::new(aws, policy, settings, Box::new(portcullis::now), Box::new(|_: &str| {}));
    Ok((context, caller, accounts))
}

/// Tells what is going to be done and where, and asks.
fn confirmed(context: &Context, caller: &Caller, places: &Places) -> io::Result<bool> {
    let accounts: BTreeSet<&AccountId> = places.targets.iter().map(|target| &target.account).collect();
    let mut err = io::stderr().lock();
    writeln!(err, "This revokes the ingress rules that expose guarded ports, as\n  {}", escaped(&caller.arn))?;
    for account in &accounts {
        let there = places.targets.iter().filter(|target| target.account == **account);
        let regions: Vec<&str> = there.map(|target| target.region.as_str()).collect();
        writeln!(err, "  in account {account}: {}", regions.join(" "))?;
    }
    let most = context.policy.sweep().max_revocations;
    writeln!(err, "At most {most} in each account and Region, and none where the policy says alert.")?;
    let (accounts, regions) = (tell::count(accounts.len(), "account"), tell::count(places.targets.len(), "Region"));
    write!(err, "Revoke in {accounts}, {regions}? Type yes: ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

/// Sweeps each account and Region. Findings go to the tally; as JSON, they are written at once. What was revoked is reported
/// at once too, so that an operator who interrupts the sweep knows.
async fn look(
    arguments: &SweepArgs,
    context: &Context,
    caller: &Caller,
    targets: Vec<AccountRegion>,
    tally: &mut Tally,
) -> io::Result<()> {
    let progress = tell::progress(targets.len());
    let work = targets.into_iter().map(|AccountRegion { account, region }| {
        let progress = &progress;
        async move {
            progress.set_message(format!("{account} {region}"));
            let order = json!({"sweep": {"accounts": [&account], "regions": [&region]}});
            let invocation =
                Invocation { identity: Some(caller.identity.clone()), deadline: Instant::now() + PATIENCE };
            pipeline::handle(context, &order, &invocation).await.findings
        }
    });
    let mut done = stream::iter(work).buffer_unordered(MOST_AT_ONCE);
    let mut written = Ok(());
    while let Some(findings) = done.next().await {
        progress.suspend(|| findings.iter().for_each(tell::revoked));
        if arguments.format == Format::Json && written.is_ok() {
            written = progress.suspend(|| lines(&findings));
        }
        // Nobody reads on. What only looks can stop here; a revoke that is under way must be heard of.
        if written.is_err() && !arguments.enforce {
            return written;
        }
        tally.take(findings, context.policy.sweep().max_revocations);
        progress.inc(1);
    }
    progress.finish_and_clear();
    written
}

/// The findings of a place, but for its own summary: there will be one for all.
fn lines(findings: &[Finding]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let findings = findings.iter().filter(|finding| finding.sweep.is_none());
    findings.into_iter().try_for_each(|finding| writeln!(out, "{}", sinks::log::line(finding)))?;
    out.flush()
}
