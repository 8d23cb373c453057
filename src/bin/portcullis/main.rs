//! The operator's command line.

mod check;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use portcullis::domain::policy::Policy;

/// The gate that drops: finds security groups that someone opened to the internet.
#[derive(Parser)]
#[command(version, after_help = EXIT_STATUS, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Judge CloudTrail records offline, without AWS
    #[command(after_help = check::HELP)]
    Check(check::Check),
}

const EXIT_STATUS: &str = "\
Exit status: 0 nothing exposed; 1 something exposed; 2 trouble, whatever else was found.";

fn main() -> ExitCode {
    let status = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
    };
    match status {
        Ok(code) => ExitCode::from(code),
        // Whoever read our output has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(TROUBLE),
        Err(error) => {
            eprintln!("portcullis: {error}");
            ExitCode::from(TROUBLE)
        }
    }
}

const EXPOSED: u8 = 1;
const TROUBLE: u8 = 2;

fn policy(path: Option<&PathBuf>) -> io::Result<Policy> {
    let Some(path) = path else { return Ok(Policy::built_in()) };
    let named = |why: String| io::Error::other(format!("{}: {why}", path.display()));
    let yaml = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    Policy::parse(&yaml).map_err(|error| named(error.snippet))
}
