//! `portcullis check`: CloudTrail records, judged offline.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use portcullis::check::{self, input, show};
use portcullis::domain::finding::{Finding, Verdict};
use portcullis::domain::policy::Policy;

use crate::{EXPOSED, TROUBLE};

#[derive(clap::Args)]
pub(crate) struct Check {
    /// Files or folders (.json, .json.gz, .jsonl), or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The policy; the built-in one where none is given
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How to show what was found
    #[arg(long, value_enum, default_value = "table")]
    format: show::Format,
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis check events/ssh-open.json
  portcullis check --format json AWSLogs/ | jq -r 'select(.verdict == \"exposed\") | .actor'
  aws cloudtrail lookup-events --output json \\
    --lookup-attributes AttributeKey=EventName,AttributeValue=AuthorizeSecurityGroupIngress \\
    | portcullis check --policy policy.yaml -

Only what a record itself holds is judged: prefix lists and modified rules are undecided here.

Exit status: 0 nothing exposed; 1 something exposed; 2 trouble: an input that could not be read,
a record that cannot be decided. The rest is judged all the same.";

/// Judges the records and shows what was found; the exit status.
///
/// # Errors
/// The policy's, and those of standard output.
pub(crate) fn run(arguments: &Check) -> io::Result<u8> {
    let from_input = |path: &PathBuf| path.as_os_str() == "-";
    if arguments.policy.as_ref().is_some_and(from_input) && arguments.paths.iter().any(from_input) {
        return Err(io::Error::other("standard input can be the policy or the records, not both"));
    }
    let policy = arguments.policy.as_deref().map_or_else(|| Ok(Policy::built_in()), crate::policy::read)?;
    let now = portcullis::now();
    let inputs = input::expand(&arguments.paths);
    let progress = progress(inputs.len());
    let mut findings: Vec<Finding> = Vec::new();
    let mut troubles = Vec::new();
    for input in &inputs {
        match input {
            Ok(input) => {
                for document in input.documents() {
                    match document {
                        Ok(document) => {
                            for judged in check::document(&document, &policy, now) {
                                let named = |why| input::Trouble { place: input.name(), why };
                                judged.map_err(named).map_or_else(|t| troubles.push(t), |f| findings.push(f));
                            }
                        }
                        Err(trouble) => troubles.push(trouble),
                    }
                }
            }
            Err(trouble) => troubles.push(trouble.clone()),
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    let mut out = io::BufWriter::new(io::stdout().lock());
    show::write(&findings, arguments.format, &mut out)?;
    out.flush()?;
    troubles.iter().for_each(|trouble| eprintln!("portcullis: {trouble}"));
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (exposed, undecided) = (count(Verdict::Exposed), count(Verdict::Undecided));
    eprintln!(
        "{} record{} in {} file{}: {exposed} exposed, {undecided} undecided, {} exempt, {} safe, {} irrelevant{}",
        findings.len(),
        if findings.len() == 1 { "" } else { "s" },
        inputs.len(),
        if inputs.len() == 1 { "" } else { "s" },
        count(Verdict::Exempt),
        count(Verdict::Safe),
        count(Verdict::Irrelevant),
        if troubles.is_empty() { String::new() } else { format!("; {} could not be read", troubles.len()) },
    );
    Ok(match (troubles.is_empty() && undecided == 0, exposed) {
        (false, _) => TROUBLE,
        (true, 0) => 0,
        (true, _) => EXPOSED,
    })
}

/// Over the files, on a terminal only; it shows itself after a second's work or so.
fn progress(files: usize) -> ProgressBar {
    if !io::stderr().is_terminal() || files < 2 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(files.try_into().unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} files, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
