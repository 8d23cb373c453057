//! `portcullis check`: CloudTrail records, judged offline.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use portcullis::domain::finding::Verdict;
use portcullis::domain::policy::Policy;
use portcullis_cli::check::input::{self, Input, InputError};
use portcullis_cli::check::{Judge, Judged, objects, show};
use rayon::prelude::*;

use crate::{EXPOSED, TROUBLE};

#[derive(clap::Args)]
pub(crate) struct Check {
    /// Files or folders (.json, .json.gz, .jsonl), s3://bucket/prefix, or - for standard input
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
  portcullis check s3://trail-bucket/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/
  aws cloudtrail lookup-events --output json \\
    --lookup-attributes AttributeKey=EventName,AttributeValue=AuthorizeSecurityGroupIngress \\
    | portcullis check --policy policy.yaml -

Of CloudTrail's log files only the calls that can open a security group are judged and counted.
S3 is read with the credentials and the Region that the AWS command line would use; it takes
s3:ListBucket and s3:GetObject, and nothing is written.

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
    let judge = Arc::new(Judge { policy, now: portcullis::now() });
    let mut told = Told::new(arguments.format)?;
    let is_s3 = |path: &PathBuf| input::s3(path).is_some();
    for paths in arguments.paths.chunk_by(|one, next| is_s3(one) == is_s3(next)) {
        if paths.first().is_some_and(is_s3) {
            paths.iter().try_for_each(|path| in_s3(path, &judge, &mut told))?;
        } else {
            here(paths, &judge, &mut told)?;
        }
    }
    told.finish()
}

/// So many inputs for each thread are read before what they held is told: enough to keep all threads at work, and little
/// enough to keep in memory.
const TURN: usize = 16;

fn here(paths: &[PathBuf], judge: &Judge, told: &mut Told) -> io::Result<()> {
    let inputs = input::expand(paths);
    told.progress = progress(Some(inputs.len()));
    for turn in inputs.chunks(TURN * rayon::current_num_threads()) {
        let progress = &told.progress;
        let one = |input: &Result<Input, InputError>| {
            let judged = match input {
                Ok(input) => input.judge(judge),
                Err(trouble) => trouble.clone().into(),
            };
            progress.inc(1);
            judged
        };
        let judged: Vec<Judged> = turn.par_iter().map(one).collect();
        judged.into_iter().try_for_each(|judged| told.add(judged))?;
    }
    told.progress.finish_and_clear();
    Ok(())
}

fn in_s3(path: &Path, judge: &Arc<Judge>, told: &mut Told) -> io::Result<()> {
    let Some((bucket, prefix)) = input::s3(path) else { return Ok(()) };
    told.progress = progress(None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(objects::judge(bucket, prefix, judge, |judged| {
        told.progress.inc(1);
        told.add(judged)
    }))?;
    told.progress.finish_and_clear();
    Ok(())
}

/// What has been told so far.
struct Told {
    show: show::Show<io::BufWriter<io::StdoutLock<'static>>>,
    progress: ProgressBar,
    inputs: usize,
    input_errors: usize,
    verdicts: Vec<Verdict>,
}

impl Told {
    fn new(format: show::Format) -> io::Result<Self> {
        let show = show::Show::new(format, io::BufWriter::new(io::stdout().lock()))?;
        Ok(Self { show, progress: ProgressBar::hidden(), inputs: 0, input_errors: 0, verdicts: Vec::new() })
    }

    fn add(&mut self, judged: Judged) -> io::Result<()> {
        self.inputs += 1;
        self.input_errors += judged.input_errors.len();
        self.verdicts.extend(judged.findings.iter().map(|finding| finding.verdict));
        let tell = || {
            judged.input_errors.iter().for_each(|error| eprintln!("portcullis: {error}"));
            self.show.add(judged.findings)
        };
        self.progress.suspend(tell)
    }

    fn finish(self) -> io::Result<u8> {
        self.show.finish()?;
        let count = |verdict| self.verdicts.iter().filter(|each| **each == verdict).count();
        let (exposed, undecided) = (count(Verdict::Exposed), count(Verdict::Undecided));
        let s = |number| if number == 1 { "" } else { "s" };
        let (records, inputs) = (self.verdicts.len(), self.inputs);
        eprintln!(
            "{records} record{} in {inputs} file{}: {exposed} exposed, {undecided} undecided, {} exempt, {} safe, \
             {} irrelevant{}",
            s(records),
            s(inputs),
            count(Verdict::Exempt),
            count(Verdict::Safe),
            count(Verdict::Irrelevant),
            if self.input_errors == 0 { String::new() } else { format!("; {} could not be read", self.input_errors) },
        );
        Ok(match (self.input_errors == 0 && undecided == 0, exposed) {
            (false, _) => TROUBLE,
            (true, 0) => 0,
            (true, _) => EXPOSED,
        })
    }
}

/// Over the files, on a terminal only; it shows itself after a second's work or so.
fn progress(files: Option<usize>) -> ProgressBar {
    if !io::stderr().is_terminal() || files.is_some_and(|files| files < 2) {
        return ProgressBar::hidden();
    }
    let template =
        if files.is_some() { "{bar:30} {pos} of {len} files, {eta} left" } else { "{spinner} {pos} objects" };
    let bar = files.map_or_else(ProgressBar::no_length, |files| ProgressBar::new(files.try_into().unwrap_or(u64::MAX)));
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
