//! `portcullis policy`: what a policy says, and whether it is one.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use portcullis::domain::policy::Policy;
use portcullis_cli::notes::{Level, Note};
use portcullis_cli::policy_errors::mistakes;
use portcullis_cli::policy_file::{TEMPLATE, is_stdin, name, read, text};
use portcullis_cli::{explain, when};

use crate::arguments::ProfileAndRegion;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Whether a policy can be used, and what is odd about it, in a line or two
    #[command(after_help = crate::EXAMPLES, after_long_help = CHECK_HELP)]
    Check(Check),
    /// Write a policy to begin with, with an example of everything
    #[command(after_help = crate::EXAMPLES, after_long_help = INIT_HELP)]
    Init,
    /// The services that a policy can name, with their ports
    #[command(after_help = crate::EXAMPLES, after_long_help = SERVICES_HELP)]
    Services,
    /// What a policy means, in words
    #[command(after_help = crate::EXAMPLES, after_long_help = SHOW_HELP)]
    Show(Show),
}

#[derive(clap::Args)]
pub(crate) struct Check {
    /// The policy, - for standard input, or s3://bucket/key
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Warnings fail it too, with status 1
    #[arg(long)]
    strict: bool,
    /// How to show what is odd or wrong
    #[arg(long, short, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    aws: ProfileAndRegion,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people: one line on standard output, the rest on standard error
    Text,
    /// For machines: one mistake or warning a line
    Json,
    /// For a pull request: GitHub shows each mistake and warning at its line
    Github,
}

#[derive(clap::Args)]
pub(crate) struct Show {
    /// The policy, - for standard input, or s3://bucket/key [default: the built-in one]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    aws: ProfileAndRegion,
}

#[derive(clap::Args)]
struct At {
    /// Say which exemptions hold at this time, or at the end of this day
    #[arg(long, value_name = "TIME", value_parser = when::end)]
    at: Option<jiff::Timestamp>,
}

impl At {
    fn time(&self) -> jiff::Timestamp {
        self.at.unwrap_or_else(portcullis::now)
    }
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis policy init > policy.yaml    a policy to begin with
  portcullis policy show policy.yaml      before you sign it off
  portcullis policy check policy.yaml     in a pipeline, before you deploy it
  portcullis policy show                  the built-in policy
  portcullis policy services              what it can guard by name

To see what a policy does to real records: portcullis check --policy policy.yaml PATH...

Exit status: 0 the policy can be used; 2 it cannot.";

const CHECK_HELP: &str = "\
Examples:
  portcullis policy check policy.yaml
  portcullis policy check --strict --at 2027-01-01 policy.yaml
  portcullis policy check s3://bucket/policy.yaml
  portcullis policy check --strict --format github policy.yaml    in a workflow of GitHub Actions

Standard output gets one line. Standard error gets a warning for what is legal and probably a mistake: an exemption that \
has expired, expires within 30 days or never ends; a scope that an earlier one covers; a port guarded twice; trusted \
blocks and sources that never count anyway; a sweep that enforces nothing.

With --format json or github, mistakes and warnings are on standard output, one a line. JSON has the keys level (error or \
warning), file, line, column and message; what is not known is left out.

Exit status: 0 the policy can be used, with or without warnings; 1 with --strict, there are warnings; 2 it cannot be \
used: it does not parse, or could not be read.";

const INIT_HELP: &str = "\
Examples:
  portcullis policy init > policy.yaml

Exit status: 0 written; 2 trouble.";

const SERVICES_HELP: &str = "\
Examples:
  portcullis policy services
  portcullis policy services | grep 5432

Ports that have no name here can be guarded all the same: guard: [{name: kafka-ssl, protocol: tcp, ports: [9093]}]

Exit status: 0 shown; 2 trouble.";

const SHOW_HELP: &str = "\
Examples:
  portcullis policy show
  portcullis policy show policy.yaml | less
  portcullis policy show --at 2027-01-01 s3://bucket/policy.yaml

Exit status: 0 shown; 2 the policy does not parse, or could not be read.";

/// Says what a policy means, or whether it is one; the exit status.
///
/// # Errors
/// The policy's, and those of standard output.
pub(crate) fn run(command: &Command) -> io::Result<u8> {
    let (mut out, mut status) = (io::stdout().lock(), 0);
    match command {
        Command::Check(check) if check.format == Format::Text => {
            let (policy, now) = (read(&check.file, &check.aws.operator())?, check.at.time());
            let name = name(&check.file);
            let warnings = explain::warnings(&policy, now);
            status = check.status(warnings.is_empty());
            for warning in warnings {
                let line = warning.line.map_or_else(String::new, |line| format!(":{line}"));
                eprintln!("{name}{line}: warning: {}", warning.text);
            }
            writeln!(out, "{name}: {}", explain::summary(&policy, now))?;
        }
        Command::Check(check) => {
            let notes = check.notes();
            let is_wrong = notes.iter().any(|note| note.level == Level::Error);
            status = if is_wrong { crate::TROUBLE } else { check.status(notes.is_empty()) };
            let line = if check.format == Format::Json { Note::json } else { Note::github };
            notes.iter().try_for_each(|note| writeln!(out, "{}", line(note)))?;
        }
        Command::Services => out.write_all(explain::services().as_bytes())?,
        Command::Init => out.write_all(TEMPLATE.as_bytes())?,
        Command::Show(Show { file, at, aws }) => {
            let (policy, name) = match file {
                Some(file) => (read(file, &aws.operator())?, name(file)),
                None => (Policy::built_in(), "the built-in policy".to_owned()),
            };
            write!(out, "{name}\n\n{}", explain::page(&policy, at.time()))?;
        }
    }
    out.flush()?;
    Ok(status)
}

impl Check {
    /// The status of a policy that can be used.
    fn status(&self, is_without_warnings: bool) -> u8 {
        if self.strict && !is_without_warnings { crate::EXPOSED } else { 0 }
    }

    /// What is wrong with the policy, or else what is odd about it.
    fn notes(&self) -> Vec<Note> {
        let file = (!is_stdin(&self.file)).then(|| name(&self.file));
        let text = match text(&self.file, &self.aws.operator()) {
            Ok(text) => text,
            Err(why) => return vec![Note::unreadable(file, why)],
        };
        match Policy::parse(&text) {
            Ok(policy) => {
                let warnings = explain::warnings(&policy, self.at.time());
                warnings.iter().map(|warning| Note::warning(file.clone(), warning)).collect()
            }
            Err(_) => mistakes(&text).iter().map(|mistake| Note::mistake(file.clone(), mistake)).collect(),
        }
    }
}
