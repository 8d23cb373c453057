//! `portcullis evidence`: what was done, told from its evidence, and judged again.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use portcullis::domain::evidence::ActId;
use portcullis::domain::policy::Policy;
use portcullis_cli::acts::{self, Act, Row, Verified};
use portcullis_cli::show::{self, Format, View};
use portcullis_cli::terminal::Terminal;
use portcullis_cli::{policy_file, words};

use crate::arguments::{EvidenceArgs, WindowArgs};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// What was done, and what would have been done in alert mode
    #[command(after_help = crate::EXAMPLES, after_long_help = LIST_HELP)]
    List(List),
    /// One act, told in words
    #[command(after_help = crate::EXAMPLES, after_long_help = SHOW_HELP)]
    Show(Show),
    /// Judge acts again from their own evidence
    #[command(after_help = crate::EXAMPLES, after_long_help = VERIFY_HELP)]
    Verify(Verify),
}

#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    window: WindowArgs,
    /// How to show it
    #[arg(long, short, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    evidence: EvidenceArgs,
}

#[derive(clap::Args)]
pub(crate) struct Show {
    /// The act's id, a file with its evidence or with a line of the log, or - for standard input
    #[arg(value_name = "ACT")]
    act: String,
    #[command(flatten)]
    evidence: EvidenceArgs,
}

#[derive(clap::Args)]
pub(crate) struct Verify {
    /// The acts' ids, files with their evidence, or - for standard input [default: all that are kept]
    #[arg(value_name = "ACT")]
    acts: Vec<String>,
    #[command(flatten)]
    window: WindowArgs,
    /// The policy that decided [default: the one that is kept beside the evidence]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    evidence: EvidenceArgs,
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis evidence list --evidence s3://my-evidence --last 7d
  portcullis evidence show 20261125T180002Z-111122223333-eu-west-1-sg-0a1b2c3d-9f3c1e77a2b0
  portcullis evidence verify

The function keeps the evidence of each act where PORTCULLIS_EVIDENCE says, and so does `portcullis sweep --enforce`. The \
same variable, or --evidence, tells these commands where it is.

Exit status: 0 all is well; 2 trouble.";

const LIST_HELP: &str = "\
Examples:
  portcullis evidence list --last 7d
  portcullis evidence list --since 2026-11-01 --until 2026-11-30 --format csv > november.csv
  portcullis evidence list --evidence ./portcullis --format json | jq .act

One row an act, the oldest first: what was closed (reverted), what alert mode would have closed (would revert), what was \
gone already, what failed, and what an operator put back.

Needs s3:ListBucket and s3:GetObject on the bucket.

Exit status: 0 listed; 2 trouble: some evidence could not be read. The rest is listed all the same.";

const SHOW_HELP: &str = "\
Examples:
  portcullis evidence show 20261125T180002Z-111122223333-eu-west-1-sg-0a1b2c3d-9f3c1e77a2b0
  portcullis evidence show finding.json      a finding names its act
  portcullis evidence show - < line-of-the-log

Needs s3:GetObject on the bucket. A file that has the evidence itself needs nothing.

Exit status: 0 shown; 2 trouble: there is no such act, or its evidence was altered, is cut, or is of a newer version.";

const VERIFY_HELP: &str = "\
Examples:
  portcullis evidence verify --last 30d
  portcullis evidence verify 20261125T180002Z-111122223333-eu-west-1-sg-0a1b2c3d-9f3c1e77a2b0
  portcullis evidence verify --policy policy.yaml act.json

The act is judged again, without AWS, from what its evidence says that EC2 showed, and by the policy with the hash that it \
names. It must reach the same plan, and what was done must be what was planned. What differs is named.

Needs s3:GetObject on the bucket, and s3:ListBucket without an ACT.

Exit status: 0 every act is what its evidence says; 2 trouble: one differs, was altered or cut, is of a newer version, or \
could not be read. The rest is judged all the same.";

/// Reads evidence; the exit status.
///
/// # Errors
/// What keeps it from beginning, and those of standard output.
pub(crate) fn run(command: &Command, terminal: Terminal) -> io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Command::List(arguments) => runtime.block_on(list(arguments, terminal)),
        Command::Show(arguments) => runtime.block_on(show(arguments)),
        Command::Verify(arguments) => {
            let policy = match &arguments.policy {
                Some(path) => Some(policy_file::read(path, &arguments.evidence.aws.operator())?),
                None => None,
            };
            runtime.block_on(verify(arguments, policy.as_ref()))
        }
    }
}

async fn list(arguments: &List, terminal: Terminal) -> io::Result<u8> {
    let acts = arguments.evidence.acts().await?;
    let ids = acts.ids(arguments.window.window(None)).await?;
    let (mut rows, mut status) = (Vec::new(), 0);
    for (id, text) in acts.read(ids).await {
        let read = text.and_then(|text| Act { name: id.to_string(), text }.whole());
        match read {
            Ok(evidence) => rows.push(Row::of(&evidence)),
            Err(error) => {
                eprintln!("portcullis: {error}");
                status = crate::TROUBLE;
            }
        }
    }
    let mut out = io::stdout().lock();
    show::acts(&rows, arguments.format, View { terminal, all: true }, &mut out)?;
    out.flush()?;
    if arguments.format == Format::Table && rows.is_empty() {
        eprintln!("No acts in {}.", acts.name);
    }
    Ok(status)
}

async fn show(arguments: &Show) -> io::Result<u8> {
    let acts = arguments.evidence.acts_if_named().await?;
    let evidence = acts::load(&arguments.act, acts.as_ref()).await?.whole()?;
    let mut out = io::stdout().lock();
    write!(out, "{}", acts::page(&evidence))?;
    out.flush()?;
    Ok(0)
}

async fn verify(arguments: &Verify, policy: Option<&Policy>) -> io::Result<u8> {
    let acts = match arguments.acts.is_empty() {
        true => Some(arguments.evidence.acts().await?),
        false => arguments.evidence.acts_if_named().await?,
    };
    let mut texts: Vec<(String, Option<ActId>, io::Result<String>)> = Vec::new();
    match &acts {
        Some(acts) if arguments.acts.is_empty() => {
            let ids = acts.ids(arguments.window.window(None)).await?;
            let read = acts.read(ids).await.into_iter();
            texts.extend(read.map(|(id, text)| (id.to_string(), Some(id), text)));
        }
        _ => {
            for argument in &arguments.acts {
                let id = ActId::parse(argument).ok();
                texts.push(match acts::load(argument, acts.as_ref()).await {
                    Ok(act) => (act.name, id, Ok(act.text)),
                    Err(error) => (words::text(argument), id, Err(error)),
                });
            }
        }
    }
    let (mut same, mut wrong) = (0, 0);
    let mut out = io::stdout().lock();
    for (name, id, text) in texts {
        let found = match text {
            Ok(text) => {
                acts::verify(&text, id.as_ref(), async |hash| acts::policy_of(policy, acts.as_ref(), hash).await).await
            }
            Err(error) => Verified::Differs(error.to_string()),
        };
        match found {
            Verified::Same(_, plan) => {
                same += 1;
                let steps = words::count(plan.steps.len(), "rule");
                writeln!(out, "{name}: the same plan, in {} mode: {steps} to go", plan.mode.as_str())?;
            }
            Verified::Differs(why) => {
                wrong += 1;
                let why = why.strip_prefix(&format!("{name}: ")).unwrap_or(&why);
                writeln!(out, "{name}: NOT THE SAME: {why}")?;
            }
        }
    }
    out.flush()?;
    eprintln!("{} judged again: {same} the same, {wrong} not", words::count(same + wrong, "act"));
    Ok(if wrong > 0 { crate::TROUBLE } else { 0 })
}
