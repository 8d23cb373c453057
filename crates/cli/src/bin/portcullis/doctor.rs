//! `portcullis doctor`: whether everything is there that the guard needs.

use std::io::{self, Write};

use indicatif::ProgressBar;
use portcullis::config::MemberRole;
use portcullis_cli::doctor::look::{Wanted, look};
use portcullis_cli::doctor::{Counts, judge, show};
use portcullis_cli::progress;
use portcullis_cli::terminal::Terminal;
use tokio::time::Instant;

use crate::arguments::{self, ProfileAndRegion, QuietArgs};

#[derive(clap::Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    aws: ProfileAndRegion,
    /// The name of the stack
    #[arg(long, value_name = "NAME", default_value = "portcullis")]
    stack: String,
    /// A role in the members that you may assume, to look at their rules
    #[arg(long, value_name = "NAME", value_parser = arguments::role)]
    role: Option<String>,
    /// The external id that the role asks for
    #[arg(long, value_name = "ID", requires = "role", value_parser = arguments::external_id)]
    external_id: Option<String>,
    /// How to show what was found
    #[arg(long, short, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    quiet: QuietArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people: one row a check, and the commands that mend what is wrong
    Table,
    /// For machines: one check a line
    Json,
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis doctor                         the stack portcullis in the configured Region
  portcullis doctor --region eu-west-1 --profile audit
  portcullis doctor --stack guard --role OrganizationAccountAccessRole
  portcullis doctor --format json | jq -r 'select(.result != \"right\") | [.check, .why] | @tsv'

It looks at everything that the guard needs where it is deployed: the trail, the stack and its version, the rules with \
their patterns and targets, the function with its variables, policy, memory and evidence, the topic's subscriptions, dead \
letters, the sweep, the log files, the alarms, and the rules that tell of calls against the guard. In an organisation also \
the members: the Regions, the rules that forward, the trails.

It only reads. What is wrong is told with the reason and the command that mends it. docs/CLI.md has the permissions that it \
needs as an IAM policy. A call that is refused makes `cannot tell` of one line, and the rest is looked at all the same.

The member role trusts the function alone. Whether it can be assumed is taken from the function's own last sweeps. The rules \
in the members are looked at with --role, which you must be allowed to assume there.

Exit status: 0 all is right; 1 something is wrong; 2 something could not be read, whatever else was found; 3 nothing is wrong, \
but something cannot be told.";

/// Looks at everything, and shows what was found; the exit status.
///
/// # Errors
/// What keeps it from beginning, and those of standard output.
pub(crate) fn run(arguments: &DoctorArgs, terminal: Terminal) -> io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let external_id = arguments.external_id.clone();
    let wanted = Wanted {
        stack: arguments.stack.clone(),
        role: arguments.role.clone().map(|name| MemberRole { name, external_id }),
        operator: arguments.aws.operator(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now: portcullis::now(),
    };
    let quiet = arguments.quiet.quiet;
    let bar = if quiet { ProgressBar::hidden() } else { progress::over_calls() };
    let (looked, seconds) = runtime.block_on(async {
        let started = Instant::now();
        (look(&wanted).await, started.elapsed().as_secs_f64())
    });
    bar.finish_and_clear();
    let (inventory, calls) = looked.map_err(io::Error::other)?;
    let checks = judge(&inventory);
    let mut out = io::stdout().lock();
    match arguments.format {
        Format::Table => show::table(&checks, terminal, &mut out)?,
        Format::Json => show::json(&checks, &mut out)?,
    }
    out.flush()?;
    let counts = Counts::of(&checks);
    if !quiet {
        eprintln!("{}", show::summary(counts, calls, seconds));
    }
    Ok(counts.status())
}
