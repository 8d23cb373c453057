//! `portcullis sweep`: the function's sweep, from an operator's terminal and with the operator's own credentials.

mod question;
mod tally;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use indicatif::ProgressBar;
use jiff::Timestamp;
use portcullis::aws::{AccountRegion, Caller};
use portcullis::config::{Accounts, EvidencePlace, MemberRole};
use portcullis::domain::finding::{Finding, Verdict};
use portcullis::domain::ids::{AccountId, GroupId, Region};
use portcullis::domain::policy::{Mode, Policy, SweepPolicy};
use portcullis::pipeline::{self, Context, Invocation, Settings};
use portcullis::shelf::Shelf;
use portcullis::store::Store;
use portcullis_cli::aws::advice;
use portcullis_cli::interrupt::Interrupt;
use portcullis_cli::operator::Operator;
use portcullis_cli::show::FindingFormat as Format;
use portcullis_cli::terminal::Terminal;
use portcullis_cli::{policy_file, progress, show};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::arguments::{self, OutputArgs, QuietArgs};
use question::Question;
use tally::{Page, Tally, Unseen};

#[derive(clap::Args)]
pub(crate) struct SweepArgs {
    /// Look at this account; may be repeated [default: your credentials' own]
    #[arg(long = "account", value_name = "ID", value_parser = arguments::account, conflicts_with = "organization")]
    accounts: Vec<AccountId>,
    /// Look at all accounts of the organisation
    #[arg(long, requires = "role")]
    organization: bool,
    /// Look at this Region; may be repeated [default: every enabled one]
    #[arg(long = "region", value_name = "CODE", value_parser = arguments::region)]
    regions: Vec<Region>,
    /// Leave out this Region; may be repeated
    #[arg(long = "exclude-region", value_name = "CODE", value_parser = arguments::region, conflicts_with = "regions")]
    excluded_regions: Vec<Region>,
    /// Use this profile of the AWS configuration
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The role to assume in accounts other than the one of your credentials
    #[arg(long, value_name = "NAME", value_parser = arguments::role)]
    role: Option<String>,
    /// The external id that the role asks for
    #[arg(long, value_name = "ID", requires = "role", value_parser = arguments::external_id)]
    external_id: Option<String>,
    /// The policy, - for standard input, or s3://bucket/key [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How to show what was found
    #[arg(long, short, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    quiet: QuietArgs,
    /// Revoke what is exposed, after a look and your yes; else nothing is changed
    #[arg(long)]
    enforce: bool,
    /// Revoke at most N rules in each account and Region [default: the policy's, 25]
    #[arg(long, value_name = "N", requires = "enforce", value_parser = clap::value_parser!(u32).range(1..))]
    max_revocations: Option<u32>,
    /// Revoke at once, without asking
    #[arg(long, short = 'y', requires = "enforce")]
    yes: bool,
    /// Keep the evidence of what is revoked here: s3://bucket/prefix or a folder [default: the variable PORTCULLIS_EVIDENCE]
    #[arg(long, value_name = "PLACE", requires = "enforce", value_parser = crate::arguments::evidence_place)]
    evidence: Option<EvidencePlace>,
}

impl SweepArgs {
    fn operator(&self) -> Operator {
        Operator { profile: self.profile.clone(), region: None, fallback: self.regions.first().cloned() }
    }
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis sweep                          your account, every enabled Region
  portcullis sweep --region eu-west-1 --policy policy.yaml
  portcullis sweep --exclude-region eu-north-1 --exclude-region sa-east-1
  portcullis sweep --organization --role portcullis --format csv > open.csv
  portcullis sweep --account 111122223333 --enforce

The sweep looks at every group of a Region, judges it by the policy, and shows the groups where a guarded port is \
exposed or an exemption holds. The function's scheduled sweep does the same.

Credentials come from the environment, the profile (--profile, AWS_PROFILE), the container or the instance. A profile may \
have keys, a role, IAM Identity Center (after aws sso login), or a credential_process. Where it names no Region, us-east-1 \
is asked which are enabled.

Without --enforce nothing is changed: roles are assumed with a session policy that only lets it look. With --enforce it \
looks, shows what it found, and asks before it revokes; with --yes it revokes at once. It revokes even where the policy's \
`sweep` says alert, which is for the schedule. It only alerts where the policy's `mode` or `scopes` say alert, and in an \
account and Region after --max-revocations rules. After Ctrl-C it says what it has done.

Of an open group it says on how many network interfaces it is, and how many of them have a public address.

Looking needs ec2:DescribeRegions (without --region), ec2:DescribeSecurityGroupRules, ec2:DescribeSecurityGroups, \
ec2:GetManagedPrefixListEntries, and ec2:DescribeNetworkInterfaces, without which it is not known what uses a group. --organization needs organizations:ListAccounts, --role needs sts:AssumeRole, and \
--enforce needs ec2:RevokeSecurityGroupIngress.

Exit status: 0 nothing exposed; 1 something exposed, whether it was revoked or not; 2 trouble: an account or Region that \
could not be looked at, a revoke that failed, or no yes to --enforce. The rest is done all the same. 3 nothing exposed, but \
something undecided. 130 interrupted.";

/// How long the sweep of one account's Region may take. Its groups are looked at one after the other, at EC2's pace.
const PATIENCE: Duration = Duration::from_secs(300);

/// This many Regions of accounts are swept at a time.
const MOST_AT_ONCE: usize = 8;

/// How long an interrupt may go unnoticed.
const TICK: Duration = Duration::from_millis(100);

/// Sweeps and shows what was found; the exit status.
///
/// # Errors
/// What keeps it from beginning, and those of standard output.
pub(crate) fn run(arguments: &SweepArgs, terminal: Terminal) -> io::Result<u8> {
    if arguments.enforce && !arguments.yes {
        if arguments.policy.as_ref().is_some_and(|path| policy_file::is_stdin(path)) {
            return Err(io::Error::other("--enforce asks on standard input, which is the policy here: give --yes"));
        }
        if !arguments::can_ask() {
            let why =
                "--enforce asks before it revokes, and there is no terminal to ask on: give --yes; nothing was done";
            return Err(io::Error::other(why));
        }
    }
    let policy = policy_file::read_or_built_in(arguments.policy.as_deref(), &arguments.operator())?;
    // Before anything is revoked it is known that what was done can be written.
    let page = Page {
        format: arguments.format,
        terminal: arguments.output.terminal(terminal),
        quiet: arguments.quiet.quiet,
        out: arguments.output.open()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(sweep(arguments, policy, terminal, page))
}

async fn sweep(arguments: &SweepArgs, policy: Policy, terminal: Terminal, mut page: Page) -> io::Result<u8> {
    let asks = arguments.enforce && !arguments.yes;
    let first = if arguments.enforce && !asks { Mode::Enforce } else { Mode::Alert };
    let (context, caller, accounts) = context(arguments, policy.clone(), first).await?;
    let session = context.aws.session(&caller.identity, Instant::now() + PATIENCE);
    let mut places = pipeline::places(session, &accounts, &arguments.regions).await;
    for region in &arguments.excluded_regions {
        // A name that is misspelt leaves out nothing.
        if !places.targets.iter().any(|target| target.region == *region) {
            eprintln!("portcullis: --exclude-region {region}: no account has that Region enabled");
        }
    }
    places.targets.retain(|target| !arguments.excluded_regions.contains(&target.region));
    if places.targets.is_empty() && places.unknown.is_empty() {
        return Err(io::Error::other("--exclude-region leaves no Region to look at"));
    }
    let mut tally = Tally::of(accounts.len(), &places);
    let interrupt = Interrupt::new()?;
    let streams = arguments.format == Format::Json && !asks;
    let look = Look::new(&context, &caller, &interrupt, streams);
    let written = look.at(places.targets, &mut tally, &mut page).await;
    if !asks || tally.is_interrupted() {
        return shown(written.and(tally.show(&mut page, &context, streams)), &tally);
    }
    // The table is part of the question; standard output gets what came of it.
    tally.table(terminal, &mut io::stderr().lock())?;
    let (enforcing, caller, _) = self::context(arguments, policy, Mode::Enforce).await?;
    let question = Question::of(tally.findings(), &enforcing.policy.now());
    interrupt.ends_at_once();
    if question.is_empty() {
        // The table has been shown, but not to a file.
        if page.format == Format::Table && !arguments.output.is_file() {
            tally.conclude(&context, page.quiet);
            return Ok(tally.status());
        }
        return shown(tally.show(&mut page, &context, false), &tally);
    }
    if !arguments::confirmed(&question.text(&caller.arn))? {
        eprintln!("portcullis: not confirmed: nothing was changed");
        return Ok(crate::TROUBLE);
    }
    let look = Look::new(&enforcing, &caller, &interrupt, false);
    look.at(question.targets(), &mut tally, &mut page).await?;
    shown(tally.show(&mut page, &enforcing, false), &tally)
}

/// The status of what was found, also where nobody read all of it: what was found does not depend on that.
fn shown(written: io::Result<()>, tally: &Tally) -> io::Result<u8> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(tally.status()),
    }
}

/// The function's context with the operator's credentials, who the operator is, and the accounts to look at.
async fn context(
    arguments: &SweepArgs,
    policy: Policy,
    mode: Mode,
) -> io::Result<(Context, Caller, BTreeSet<AccountId>)> {
    let external_id = arguments.external_id.clone();
    let member_role = arguments.role.clone().map(|name| MemberRole { name, external_id });
    let has_role = member_role.is_some();
    let aws = arguments.operator().clients(member_role, mode).await.map_err(io::Error::other)?;
    let caller = aws.caller().await.map_err(|error| io::Error::other(advice::on_caller(&error, "sweep")))?;
    let own = &caller.identity.account;
    let accounts: BTreeSet<AccountId> = if arguments.organization {
        let listed = aws.accounts().await;
        listed.map_err(|error| io::Error::other(advice::with(&error.to_string(), "sweep")))?.into_iter().collect()
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
    let (accounts_of, memory) = (Accounts::Listed(accounts.clone()), Store::None);
    let settings = Settings { mode, accounts: accounts_of, topic: None, queue: None, memory, restores: false };
    // Looking is no act.
    let place = match mode {
        Mode::Alert => None,
        Mode::Enforce => match &arguments.evidence {
            Some(place) => Some(place.clone()),
            None => crate::arguments::evidence_of_environment()?,
        },
    };
    let shelf = Shelf::at(place.as_ref(), &aws);
    let mut context = Context::new(aws, policy, settings, Box::new(now), Box::new(log)).with_shelf(shelf);
    context.names_groups = true;
    context.ends_openings = mode == Mode::Enforce;
    Ok((context, caller, accounts))
}

/// The pipeline's log: findings are shown otherwise. Evidence that could not be written is nowhere else.
fn log(line: &str) {
    if line.contains("\"sha256\":\"") {
        eprintln!("{line}");
    }
}

/// The time, to the second: nobody reads on.
fn now() -> Timestamp {
    let now = portcullis::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// What looks at accounts and Regions.
struct Look<'a> {
    context: &'a Context,
    caller: &'a Caller,
    interrupt: &'a Interrupt,
    /// Whether findings are written as JSON as they come.
    streams: bool,
    /// Why it is not known what uses the groups of some place.
    unseen: RefCell<Unseen>,
}

impl<'a> Look<'a> {
    fn new(context: &'a Context, caller: &'a Caller, interrupt: &'a Interrupt, streams: bool) -> Self {
        Self { context, caller, interrupt, streams, unseen: RefCell::default() }
    }

    /// Sweeps each account and Region. Findings go to the tally. What was revoked is reported at once too, so that an
    /// operator who interrupts knows it.
    async fn at(&self, targets: Vec<AccountRegion>, tally: &mut Tally, page: &mut Page) -> io::Result<()> {
        let total = targets.len();
        let progress = if page.quiet { ProgressBar::hidden() } else { progress::over_regions(total) };
        let enforces = self.context.settings.mode == Mode::Enforce;
        self.interrupt.begin();
        let work = targets.into_iter().map(|target| self.one(target, &progress));
        // After an interrupt no other is begun. A revoke that was sent is waited for: its answer must be reported.
        let work = stream::iter(work).take_while(|_| std::future::ready(!self.interrupt.came()));
        let mut done = std::pin::pin!(work.buffer_unordered(MOST_AT_ONCE));
        let (mut written, mut looked_at) = (Ok(()), 0);
        loop {
            let Ok(next) = timeout(TICK, done.next()).await else {
                if self.interrupt.came() && !enforces {
                    break;
                }
                continue;
            };
            let Some((target, findings)) = next else { break };
            progress.suspend(|| findings.iter().for_each(tally::revoked));
            if self.streams && written.is_ok() {
                written = progress.suspend(|| lines(&findings, &mut page.out));
            }
            tally.take(target, findings);
            looked_at += 1;
            progress.inc(1);
            // Nobody reads the output any more. A sweep that only looks can stop here.
            if written.is_err() && !enforces {
                break;
            }
        }
        progress.finish_and_clear();
        tally.unseen(self.unseen.take());
        if self.interrupt.came() && looked_at < total {
            tally.interrupted(looked_at, total);
        }
        written
    }

    async fn one(&self, target: AccountRegion, progress: &ProgressBar) -> (AccountRegion, Vec<Finding>) {
        progress.set_message(format!("{} {}", target.account, target.region));
        let order = json!({"sweep": {"accounts": [&target.account], "regions": [&target.region]}});
        let invocation =
            Invocation { identity: Some(self.caller.identity.clone()), deadline: Instant::now() + PATIENCE };
        let mut findings = pipeline::handle(self.context, &order, &invocation).await.findings;
        self.add_uses(&target, &mut findings).await;
        (target, findings)
    }

    /// Says of groups that are or were open whether anything is behind the port. Where that is refused, the rest is shown.
    async fn add_uses(&self, target: &AccountRegion, findings: &mut [Finding]) {
        let id = |finding: &Finding| GroupId::parse(finding.group.as_deref()?).ok();
        let open = findings.iter().filter(|finding| finding.verdict == Verdict::Exposed);
        let groups: Vec<GroupId> = open.filter_map(id).collect();
        if groups.is_empty() {
            return;
        }
        let session = self.context.aws.session(&self.caller.identity, Instant::now() + PATIENCE);
        match session.interfaces(target, &groups).await {
            Ok(interfaces) => {
                for finding in findings {
                    let of = id(finding).and_then(|id| interfaces.get(&id));
                    (finding.interfaces, finding.public_interfaces) = (of.map(|it| it.count), of.map(|it| it.public));
                }
            }
            Err(error) => {
                let words = error.to_string();
                self.unseen.borrow_mut().entry(error.code.as_str().to_owned()).or_insert_with(|| (0, words)).0 += 1;
            }
        }
    }
}

/// The findings of an account's Region, without the summary that is for the function's log.
fn lines(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    show::json(findings.iter().filter(|finding| finding.sweep.is_none()), out)?;
    out.flush()
}
