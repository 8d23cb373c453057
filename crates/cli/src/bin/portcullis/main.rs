//! The operator's command line.

mod arguments;
mod check;
mod close;
mod doctor;
mod evidence;
mod drill;
mod hunt;
mod open;
mod pages;
mod policy;
mod report;
mod sweep;
mod undo;
mod trail;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use portcullis_cli::terminal::Terminal;

/// Find AWS security groups that someone opened to the internet, and close them
#[derive(Parser)]
#[command(name = "portcullis", version = VERSION, after_help = MORE, after_long_help = HELP)]
struct Arguments {
    /// When to use colours
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        global = true,
        hide_possible_values = true,
        display_order = 900
    )]
    #[arg(
        long_help = "When to use colours: auto, always or never. With auto they are used on a terminal, unless NO_COLOR is set"
    )]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Judge CloudTrail records offline, without AWS
    #[command(after_help = MORE, after_long_help = check::HELP)]
    Check(check::Check),
    /// Explain a policy, or see whether it can be used
    #[command(subcommand, after_help = EXAMPLES, after_long_help = policy::HELP)]
    Policy(policy::Command),
    /// Look at every security group of an account; with --enforce, revoke what is exposed
    #[command(after_help = MORE, after_long_help = sweep::HELP)]
    Sweep(sweep::SweepArgs),
    /// Read the evidence of what was done, and judge it again
    #[command(subcommand, after_help = EXAMPLES, after_long_help = evidence::HELP)]
    Evidence(evidence::Command),
    /// What was, or would have been, taken back: by caller, group and port
    #[command(after_help = EXAMPLES, after_long_help = report::HELP)]
    Report(report::ReportArgs),
    /// Put back what an act took away, where the policy lets it be
    #[command(after_help = EXAMPLES, after_long_help = undo::HELP)]
    Undo(undo::UndoArgs),
    /// Open a port of a group for a while: it ends by itself
    #[command(after_help = EXAMPLES, after_long_help = open::HELP)]
    Open(open::OpenArgs),
    /// End an opening now
    #[command(after_help = EXAMPLES, after_long_help = close::HELP)]
    Close(close::CloseArgs),
    /// Create, show or delete the CloudTrail trail that Portcullis needs
    #[command(subcommand, after_help = EXAMPLES, after_long_help = trail::HELP)]
    Trail(trail::Command),
    /// Check everything that the guard needs, where it is deployed
    #[command(after_help = LOOKS, after_long_help = doctor::HELP)]
    Doctor(doctor::DoctorArgs),
    /// Open a security group that nothing uses, and time how long it stays open
    #[command(after_help = drill::MORE, after_long_help = drill::HELP)]
    Drill(drill::DrillArgs),
    /// Ask CloudTrail and VPC flow logs what happened
    Hunt(hunt::Hunt),
    /// Write the completions of a shell
    #[command(after_help = EXAMPLES, after_long_help = pages::COMPLETIONS_HELP)]
    Completions(pages::Completions),
    /// Write the manual page
    #[command(after_help = EXAMPLES, after_long_help = pages::MAN_HELP)]
    Man,
}

/// With the commit where the build knows it.
const VERSION: &str = match env!("PORTCULLIS_BUILT_FROM").is_empty() {
    true => concat!(env!("CARGO_PKG_VERSION"), " (development build)"),
    false => concat!(env!("CARGO_PKG_VERSION"), " (", env!("PORTCULLIS_BUILT_FROM"), ")"),
};

/// Below the short help of what looks for exposures.
const MORE: &str = "\
Exit status: 0 nothing exposed, 1 exposed, 2 trouble, 3 undecided. --help says more.";

/// The same, for what looks at a deployment.
const LOOKS: &str = "\
Exit status: 0 all right, 1 something wrong, 2 something could not be read, 3 something cannot be told. --help says more.";

/// The same, for what looks for nothing.
const EXAMPLES: &str = "--help says more, with examples.";

const HELP: &str = "\
Examples:
  portcullis check events/ssh-open.json    what a recorded call would have opened
  portcullis policy show                   what is guarded without a policy
  portcullis sweep --region eu-west-1      what is open in your account now
  portcullis doctor                        whether the guard works where it is deployed
  portcullis help check                    everything about one command

Exit status: 0 nothing exposed or found; 1 something exposed or found; 2 trouble, whatever else was found; 3 nothing \
exposed, but something undecided.";

fn main() -> ExitCode {
    let color = color(std::env::args_os().skip(1));
    let matches = Arguments::command().color(color).get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let terminal = Terminal::new(arguments.color);
    let status = match arguments.command {
        Command::Check(arguments) => check::run(&arguments, terminal),
        Command::Policy(command) => policy::run(&command),
        Command::Sweep(arguments) => sweep::run(&arguments, terminal),
        Command::Doctor(arguments) => doctor::run(&arguments, terminal),
        Command::Evidence(command) => evidence::run(&command, terminal),
        Command::Report(arguments) => report::run(&arguments, terminal),
        Command::Undo(arguments) => undo::run(&arguments),
        Command::Open(arguments) => open::run(&arguments, terminal),
        Command::Close(arguments) => close::run(&arguments),
        Command::Trail(command) => trail::run(&command, terminal),
        Command::Drill(arguments) => drill::run(&arguments, terminal),
        Command::Hunt(arguments) => hunt::run(&arguments),
        Command::Completions(arguments) => pages::completions(&arguments),
        Command::Man => pages::man(),
    };
    match status {
        Ok(code) => ExitCode::from(code),
        // The reader of the output has left: that is no trouble.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(NOT_READ),
        Err(error) => {
            eprintln!("portcullis: {error}");
            ExitCode::from(TROUBLE)
        }
    }
}

/// What `--color` says, for the help and the errors that are written before the arguments are parsed.
fn color(arguments: impl Iterator<Item = OsString>) -> ColorChoice {
    let words: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let joined = words.iter().find_map(|word| word.strip_prefix("--color="));
    let apart = || words.iter().zip(words.iter().skip(1)).find_map(|(one, next)| (one == "--color").then_some(next));
    joined.or_else(|| apart().map(String::as_str)).and_then(|word| word.parse().ok()).unwrap_or_default()
}

const EXPOSED: u8 = 1;
const TROUBLE: u8 = 2;
const UNDECIDED: u8 = 3;
/// As a shell reports a program that SIGINT ended.
const INTERRUPTED: u8 = 130;
/// As a shell reports a program that SIGPIPE ended.
const NOT_READ: u8 = 141;

/// The exit status of what looks for exposures: trouble, whatever else was found; else what was found.
fn status(trouble: bool, exposed: bool, undecided: bool) -> u8 {
    match (trouble, exposed, undecided) {
        (true, ..) => TROUBLE,
        (false, true, _) => EXPOSED,
        (false, false, true) => UNDECIDED,
        (false, false, false) => 0,
    }
}
