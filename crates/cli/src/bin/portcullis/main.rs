//! The operator's command line.

mod check;
mod policy;
mod sweep;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The gate that drops: finds security groups that someone opened to the internet.
#[derive(Parser)]
#[command(name = "portcullis", version, after_help = HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Judge CloudTrail records offline, without AWS
    #[command(after_help = check::HELP)]
    Check(check::Check),
    /// Explain a policy, or see whether it can be used
    #[command(subcommand, after_help = policy::HELP)]
    Policy(policy::Command),
    /// Look at all security groups of accounts and Regions, and revoke what is exposed if told to
    #[command(after_help = sweep::HELP)]
    Sweep(sweep::SweepArgs),
}

const HELP: &str = "\
Examples:
  portcullis check events/ssh-open.json       what a recorded call would have opened
  portcullis policy show                      what is guarded where no policy is given
  portcullis sweep --region eu-west-1         what is open in your account now
  portcullis help check                       everything about one command

Exit status: 0 nothing exposed; 1 something exposed; 2 trouble, whatever else was found.";

fn main() -> ExitCode {
    let status = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Policy(command) => policy::run(&command),
        Command::Sweep(arguments) => sweep::run(&arguments),
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
