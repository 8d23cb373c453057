//! `portcullis check`: CloudTrail records, judged offline.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressBar;
use portcullis::aws::Aws;
use portcullis::domain::finding::Verdict;
use portcullis::domain::policy::Mode;
use portcullis_cli::check::{Judge, Judged};
use portcullis_cli::input::{self, Input, InputError, objects};
use portcullis_cli::terminal::Terminal;
use portcullis_cli::words::count;
use portcullis_cli::{policy_file, progress, show};
use rayon::prelude::*;

use crate::{EXPOSED, TROUBLE};

#[derive(clap::Args)]
pub(crate) struct Check {
    /// Files or folders (.json, .json.gz, .jsonl), s3://bucket/prefix, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The policy [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How to show what was found
    #[arg(long, value_enum, default_value = "table")]
    format: show::Format,
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis check events/ssh-open.json
  portcullis check --format json AWSLogs/ | jq -r .actor
  portcullis check s3://trail-bucket/AWSLogs/111122223333/CloudTrail/
  aws cloudtrail lookup-events --output json | portcullis check -

Of a CloudTrail log file, only the calls that can open a security group are judged and counted. S3 is read with the \
credentials and the Region that the AWS CLI would use. That takes s3:ListBucket and s3:GetObject. Nothing is written.

A record is judged by what it says itself. Prefix lists and modified rules are undecided, because only EC2 knows them.

Exit status: 0 nothing exposed; 1 something exposed; 2 trouble: an input that could not be read, or a record that \
cannot be decided. The rest is judged all the same.";

/// Judges the records and shows what was found; the exit status.
///
/// # Errors
/// The policy's, and those of standard output.
pub(crate) fn run(arguments: &Check, terminal: Terminal) -> io::Result<u8> {
    let from_input = |path: &PathBuf| policy_file::is_stdin(path);
    if arguments.policy.as_ref().is_some_and(from_input) && arguments.paths.iter().any(from_input) {
        return Err(io::Error::other("standard input can be the policy or the records, not both"));
    }
    let policy = policy_file::read_or_built_in(arguments.policy.as_deref())?;
    let judge = Arc::new(Judge { policy, now: portcullis::now() });
    let mut report = Report::new(arguments.format, terminal)?;
    let is_s3 = |path: &PathBuf| input::s3(path).is_some();
    for paths in arguments.paths.chunk_by(|one, next| is_s3(one) == is_s3(next)) {
        if paths.first().is_some_and(is_s3) {
            paths.iter().try_for_each(|path| in_s3(path, &judge, &mut report))?;
        } else {
            here(paths, &judge, &mut report)?;
        }
    }
    report.finish()
}

/// Inputs for each thread that are read before their findings are shown: enough to keep all threads at work, and little
/// enough to keep in memory.
const TURN: usize = 16;

fn here(paths: &[PathBuf], judge: &Judge, report: &mut Report) -> io::Result<()> {
    let inputs = input::expand(paths);
    report.progress = progress::over_files(inputs.len());
    for turn in inputs.chunks(TURN * rayon::current_num_threads()) {
        let progress = &report.progress;
        let one = |input: &Result<Input, InputError>| {
            let mut judged = Judged::default();
            match input {
                Ok(input) => {
                    let name = input.name();
                    input.read(|payload| judge.add(&name, payload, &mut judged));
                }
                Err(error) => judged.input_errors.push(error.clone()),
            }
            progress.inc(1);
            judged
        };
        let judged: Vec<Judged> = turn.par_iter().map(one).collect();
        judged.into_iter().try_for_each(|judged| report.add(judged))?;
    }
    report.progress.finish_and_clear();
    Ok(())
}

fn in_s3(path: &Path, judge: &Arc<Judge>, report: &mut Report) -> io::Result<()> {
    let Some((bucket, prefix)) = input::s3(path) else { return Ok(()) };
    report.progress = progress::over_objects();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let judge = Arc::clone(judge);
    let add: objects::Add<Judged> = Arc::new(move |name, judged, payload| judge.add(name, payload, judged));
    runtime.block_on(async {
        let aws = Aws::of_operator(None, None, Mode::Alert).await;
        let done = |judged| {
            report.progress.inc(1);
            report.add(judged)
        };
        objects::read(&aws.bucket(bucket), prefix, &add, done).await
    })?;
    report.progress.finish_and_clear();
    Ok(())
}

/// What has been reported so far.
struct Report {
    show: show::Show<io::BufWriter<io::StdoutLock<'static>>>,
    progress: ProgressBar,
    inputs: usize,
    input_errors: usize,
    verdicts: Vec<Verdict>,
}

impl Report {
    fn new(format: show::Format, terminal: Terminal) -> io::Result<Self> {
        let show = show::Show::new(format, terminal, io::BufWriter::new(io::stdout().lock()))?;
        Ok(Self { show, progress: ProgressBar::hidden(), inputs: 0, input_errors: 0, verdicts: Vec::new() })
    }

    fn add(&mut self, judged: Judged) -> io::Result<()> {
        self.inputs += 1;
        self.input_errors += judged.input_errors.len();
        self.verdicts.extend(judged.findings.iter().map(|finding| finding.verdict));
        let report = || {
            judged.input_errors.iter().for_each(|error| eprintln!("portcullis: {error}"));
            self.show.add(judged.findings)
        };
        self.progress.suspend(report)
    }

    fn finish(self) -> io::Result<u8> {
        self.show.finish()?;
        let with = |verdict| self.verdicts.iter().filter(|each| **each == verdict).count();
        let (exposed, undecided) = (with(Verdict::Exposed), with(Verdict::Undecided));
        let not_read = match self.input_errors {
            0 => String::new(),
            errors => format!("; {errors} could not be read"),
        };
        eprintln!(
            "{} in {}: {exposed} exposed, {undecided} undecided, {} exempt, {} safe, {} irrelevant{not_read}",
            count(self.verdicts.len(), "record"),
            count(self.inputs, "file"),
            with(Verdict::Exempt),
            with(Verdict::Safe),
            with(Verdict::Irrelevant),
        );
        Ok(match (self.input_errors == 0 && undecided == 0, exposed) {
            (false, _) => TROUBLE,
            (true, 0) => 0,
            (true, _) => EXPOSED,
        })
    }
}
