//! `portcullis policy`: what a policy says, and whether it is one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use portcullis::domain::policy::Policy;
use portcullis::domain::text::escaped_up_to;
use portcullis::policy_source::{self, PolicySourceError};
use portcullis_cli::explain;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Whether a policy can be used, and what is odd about it, in a line or two
    #[command(after_help = CHECK_HELP)]
    Check(Check),
    /// What a policy means, in words
    #[command(after_help = SHOW_HELP)]
    Show(Show),
}

#[derive(clap::Args)]
pub(crate) struct Check {
    /// The policy, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    at: At,
}

#[derive(clap::Args)]
pub(crate) struct Show {
    /// The policy, or - for standard input; the built-in one where none is given
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    at: At,
}

#[derive(clap::Args)]
struct At {
    /// Say which exemptions hold then, not now: 2026-12-31 or 2026-12-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<jiff::Timestamp>,
}

impl At {
    fn time(&self) -> jiff::Timestamp {
        self.at.unwrap_or_else(portcullis::now)
    }
}

/// A time, or a day: its first moment in UTC.
fn time(text: &str) -> Result<jiff::Timestamp, String> {
    let time = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse());
    time.map_err(|_| "expected a day such as 2026-12-31, or a time such as 2026-12-31T12:00:00Z".to_owned())
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis policy show                      the built-in policy
  portcullis policy show policy.yaml          before you sign it off
  portcullis policy check policy.yaml         in a pipeline, before you deploy it

What a policy does to real records: portcullis check --policy policy.yaml PATH...

Exit status: 0 the policy can be used; 2 it cannot.";

const CHECK_HELP: &str = "\
Examples:
  portcullis policy check policy.yaml
  portcullis policy check --at 2027-01-01 policy.yaml
  aws s3 cp s3://bucket/policy.yaml - | portcullis policy check -

Standard output gets one line. Standard error gets what is legal and probably a mistake: an
exemption that has expired, expires within 30 days or never ends; a scope that an earlier one
covers; a port guarded twice; trusted blocks and sources that never count anyway; a sweep that
enforces nothing.

Exit status: 0 the policy can be used, whatever the warnings; 2 it cannot: it does not parse, or
could not be read.";

const SHOW_HELP: &str = "\
Examples:
  portcullis policy show
  portcullis policy show policy.yaml | less
  portcullis policy show --at 2027-01-01 policy.yaml

Exit status: 0 shown; 2 the policy does not parse, or could not be read.";

/// Says what a policy means, or whether it is one; the exit status.
///
/// # Errors
/// The policy's, and those of standard output.
pub(crate) fn run(command: &Command) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    match command {
        Command::Check(Check { file, at }) => {
            let (policy, now) = (read(file)?, at.time());
            let name = name(file);
            for warning in explain::warnings(&policy, now) {
                let line = warning.line.map_or_else(String::new, |line| format!(":{line}"));
                eprintln!("{name}{line}: warning: {}", warning.text);
            }
            writeln!(out, "{name}: {}", explain::summary(&policy, now))?;
        }
        Command::Show(Show { file, at }) => {
            let (policy, name) = match file {
                Some(file) => (read(file)?, name(file)),
                None => (Policy::built_in(), "the built-in policy".to_owned()),
            };
            write!(out, "{name}\n\n{}", explain::page(&policy, at.time()))?;
        }
    }
    out.flush()?;
    Ok(0)
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { escaped_up_to(&path.to_string_lossy(), 300) }
}

/// Reads a policy.
///
/// # Errors
/// Why it could not be read, or the policy's own with the lines around it.
pub(crate) fn read(path: &Path) -> io::Result<Policy> {
    let named = |why: String| io::Error::other(format!("{}: {why}", name(path)));
    let policy = match path == Path::new("-") {
        true => policy_source::read_stream(io::stdin()),
        false => policy_source::read_file(path),
    };
    policy.map_err(|error| match error {
        PolicySourceError::Policy(error) => named(error.snippet),
        PolicySourceError::File(_) | PolicySourceError::Object(_) => named(error.to_string()),
    })
}
