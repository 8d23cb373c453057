//! `portcullis check`: CloudTrail records, judged offline.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use portcullis::domain::finding::Verdict;
use portcullis::domain::policy::Mode;
use portcullis_cli::aws::Clients;
use portcullis_cli::check::{Judge, Judged, Mark, Marks};
use portcullis_cli::input::errors::Errors;
use portcullis_cli::input::passed_over::PassedOver;
use portcullis_cli::input::{self, Expanded, Input, InputError, lookup, objects};
use portcullis_cli::operator::Operator;
use portcullis_cli::terminal::Terminal;
use portcullis_cli::when::{self, Window};
use portcullis_cli::words::{count, count_as};
use portcullis_cli::{policy_file, progress, show};
use rayon::prelude::*;

use crate::arguments::{OutputArgs, ProfileAndRegion, QuietArgs};
use crate::status;

#[derive(clap::Args)]
pub(crate) struct Check {
    /// Files or folders (.json, .json.gz, .jsonl), s3://bucket/prefix, or - for standard input
    #[arg(required_unless_present = "last", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Ask CloudTrail for the past days instead of reading files: 7d, 12h
    #[arg(long, value_name = "TIME", value_parser = last, conflicts_with_all = ["paths", "since"])]
    last: Option<SignedDuration>,
    /// The policy, - for standard input, or s3://bucket/key [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    aws: ProfileAndRegion,
    /// Judge only records from this time or day on
    #[arg(long, value_name = "TIME", value_parser = when::beginning)]
    since: Option<Timestamp>,
    /// Judge only records up to this time, or the end of this day
    #[arg(long, value_name = "TIME", value_parser = when::end)]
    until: Option<Timestamp>,
    /// How to show what was found
    #[arg(long, short, value_enum, default_value = "table")]
    format: show::FindingFormat,
    #[command(flatten)]
    output: OutputArgs,
    /// Show what is safe or irrelevant in the table too
    #[arg(long)]
    all: bool,
    /// Name every input that could not be read, not only the first of a kind
    #[arg(long, short, conflicts_with = "quiet")]
    verbose: bool,
    #[command(flatten)]
    quiet: QuietArgs,
}

/// CloudTrail has no older events.
fn last(text: &str) -> Result<SignedDuration, String> {
    let last = when::span(text)?;
    (last <= lookup::KEPT).then_some(last).ok_or_else(|| "CloudTrail's event history has 90 days".to_owned())
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis check events/ssh-open.json
  portcullis check --last 7d
  portcullis check --format json AWSLogs/ | jq -r .actor
  portcullis check s3://trail-bucket/AWSLogs/111122223333/CloudTrail/
  jq '.Records[]' log.json | portcullis check -

Of a CloudTrail log file, only the calls that can open a security group are judged and counted. S3 is read with the \
credentials and the Region that the AWS CLI would use. That takes s3:ListBucket and s3:GetObject. Nothing is written.

--last asks CloudTrail's event history, in every enabled Region or in that of --region. It has the management events of \
your account of the last 90 days; CloudTrail answers two calls a second in a Region. That takes cloudtrail:LookupEvents, \
and ec2:DescribeRegions without --region.

A record is judged by what it says itself. Prefix lists are undecided, and modified rules that would expose something if \
they are ingress rules: only EC2 knows. Rows of the table that differ only in time are one. Below it stands where each is \
recorded. A record that was written twice counts once.

Exit status: 0 nothing exposed; 1 something exposed; 2 trouble: an input that could not be read, or a folder without \
one. The rest is judged all the same. 3 nothing exposed, but a record that cannot be decided.";

/// Judges the records and shows what was found; the exit status.
///
/// # Errors
/// The policy's, and those of standard output.
pub(crate) fn run(arguments: &Check, terminal: Terminal) -> io::Result<u8> {
    let from_input = |path: &PathBuf| policy_file::is_stdin(path);
    if arguments.policy.as_ref().is_some_and(from_input) && arguments.paths.iter().any(from_input) {
        return Err(io::Error::other("standard input can be the policy or the records, not both"));
    }
    let operator = arguments.aws.operator();
    let policy = policy_file::read_or_built_in(arguments.policy.as_deref(), &operator)?;
    let judge = Arc::new(Judge {
        policy,
        now: portcullis::now(),
        window: Window { since: arguments.since, until: arguments.until },
        keeps: if arguments.format == show::FindingFormat::Table && !arguments.all { show::is_row } else { |_| true },
        marks: Marks::default(),
    });
    let mut report = Report::new(arguments, terminal)?;
    if let Some(last) = arguments.last {
        in_history(judge.now - last, (&judge, &operator), &mut report)?;
    }
    let is_s3 = |path: &PathBuf| input::s3(path).is_some();
    for paths in arguments.paths.chunk_by(|one, next| is_s3(one) == is_s3(next)) {
        if paths.first().is_some_and(is_s3) {
            paths.iter().try_for_each(|path| in_s3(path, (&judge, &operator), &mut report))?;
        } else {
            here(paths, &judge, &mut report)?;
        }
    }
    report.finish()
}

/// Inputs for each thread that are read before their findings are shown: enough to keep all threads at work, and little
/// enough to keep in memory.
const TURN: usize = 16;

/// So many findings of an input that is read alone are shown at a time.
const PORTION: usize = 1000;

fn here(paths: &[PathBuf], judge: &Judge, report: &mut Report) -> io::Result<()> {
    let Expanded { inputs, passed_over } = input::expand(paths);
    report.passed_over(passed_over);
    report.follow(progress::over_files(inputs.len()));
    let is_large = |input: &Result<Input, InputError>| input.as_ref().is_ok_and(Input::is_large);
    for run in inputs.chunk_by(|one, next| !is_large(one) && !is_large(next)) {
        match run {
            [Ok(input)] => alone(input, judge, report)?,
            several => side_by_side(several, judge, report)?,
        }
    }
    report.progress.finish_and_clear();
    Ok(())
}

/// Reads an input that may be of any length: what was found is shown while it is read.
fn alone(input: &Input, judge: &Judge, report: &mut Report) -> io::Result<()> {
    let (name, mut judged, mut shown) = (input.name(), Judged::default(), Ok(()));
    input.read(|payload| {
        judge.add(&name, payload, &mut judged);
        if judged.len() >= PORTION && shown.is_ok() {
            shown = report.add_part(std::mem::take(&mut judged));
        }
    });
    report.progress.inc(1);
    shown.and_then(|()| report.add(judged))
}

fn side_by_side(inputs: &[Result<Input, InputError>], judge: &Judge, report: &mut Report) -> io::Result<()> {
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
    Ok(())
}

fn in_s3(path: &Path, (judge, operator): (&Arc<Judge>, &Operator), report: &mut Report) -> io::Result<()> {
    let Some((bucket, prefix)) = input::s3(path) else { return Ok(()) };
    report.follow(progress::over_objects());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let judge = Arc::clone(judge);
    let add: objects::Add<Judged> = Arc::new(move |name, judged, payload| judge.add(name, payload, judged));
    runtime
        .block_on(async {
            let aws = operator.clients(None, Mode::Alert).await.map_err(io::Error::other)?;
            let done = |judged| {
                report.progress.inc(1);
                report.add(judged)
            };
            objects::read(&aws.bucket(bucket), prefix, &add, done).await
        })
        .map(|passed_over| report.passed_over(passed_over))?;
    report.progress.finish_and_clear();
    Ok(())
}

fn in_history(since: Timestamp, (judge, operator): (&Arc<Judge>, &Operator), report: &mut Report) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let judge = Arc::clone(judge);
    let add: objects::Add<Judged> = Arc::new(move |name, judged, payload| judge.add(name, payload, judged));
    runtime.block_on(async {
        let clients = Clients::of(operator).await.map_err(io::Error::other)?;
        let regions = match &operator.region {
            Some(region) => vec![region.clone()],
            None => lookup::regions(&clients).await.map_err(io::Error::other)?,
        };
        report.follow(progress::over_regions(regions.len()));
        let done = |judged| {
            report.progress.inc(1);
            report.add(judged)
        };
        lookup::read(&clients, &regions, since, &add, done).await
    })?;
    report.progress.finish_and_clear();
    if !report.quiet {
        eprintln!("portcullis: {}", lookup::LEFT_OUT);
    }
    Ok(())
}

/// What has been reported so far.
struct Report {
    show: show::Show<io::BufWriter<Box<dyn Write>>>,
    progress: ProgressBar,
    /// Whether nothing is said but errors.
    quiet: bool,
    inputs: usize,
    /// What an input is called.
    input: &'static str,
    errors: Errors,
    verdicts: BTreeMap<&'static str, usize>,
    /// The marks of the findings, to know a copy by: CloudTrail may write a record twice.
    seen: HashSet<Mark>,
    copies: usize,
    /// What was not read, because it holds no records of calls.
    passed_over: PassedOver,
}

impl Report {
    fn new(arguments: &Check, terminal: Terminal) -> io::Result<Self> {
        let view = show::View { terminal: arguments.output.terminal(terminal), all: arguments.all };
        Ok(Self {
            show: show::Show::new(arguments.format, view, io::BufWriter::new(arguments.output.open()?))?,
            progress: ProgressBar::hidden(),
            quiet: arguments.quiet.quiet,
            inputs: 0,
            input: if arguments.last.is_some() { "Region" } else { "file" },
            errors: Errors::new(arguments.verbose),
            verdicts: BTreeMap::new(),
            seen: HashSet::new(),
            copies: 0,
            passed_over: PassedOver::default(),
        })
    }

    /// Shows how far it is.
    fn follow(&mut self, progress: ProgressBar) {
        if !self.quiet {
            self.progress = progress;
        }
    }

    /// Takes in what an input came to, or the last of it.
    fn add(&mut self, judged: Judged) -> io::Result<()> {
        self.inputs += 1;
        self.add_part(judged)
    }

    fn add_part(&mut self, mut judged: Judged) -> io::Result<()> {
        judged.checked.retain(|checked| self.is_first(checked.mark));
        judged.passed.retain(|(_, mark)| self.is_first(*mark));
        let kept = judged.checked.iter().map(|checked| checked.finding.verdict);
        for verdict in kept.chain(judged.passed.iter().map(|(verdict, _)| *verdict)) {
            *self.verdicts.entry(verdict.as_str()).or_default() += 1;
        }
        let named: Vec<String> = judged.input_errors.iter().filter_map(|error| self.errors.add(error)).collect();
        self.progress.suspend(|| {
            named.iter().for_each(|line| eprintln!("{line}"));
            self.show.add(judged.checked)
        })
    }

    /// Whether it is not a copy of a record that was judged before.
    fn is_first(&mut self, mark: Option<Mark>) -> bool {
        let is_first = mark.is_none_or(|mark| self.seen.insert(mark));
        self.copies += usize::from(!is_first);
        is_first
    }

    fn passed_over(&mut self, passed_over: PassedOver) {
        self.passed_over.extend(passed_over);
    }

    fn finish(self) -> io::Result<u8> {
        self.show.finish()?;
        self.errors.not_named().iter().for_each(|line| eprintln!("{line}"));
        let with = |verdict: Verdict| self.verdicts.get(verdict.as_str()).copied().unwrap_or_default();
        let (exposed, undecided) = (with(Verdict::Exposed), with(Verdict::Undecided));
        let not_read = self.errors.count();
        let status = status(not_read > 0, exposed > 0, undecided > 0);
        if self.quiet {
            return Ok(status);
        }
        if let Some(passed_over) = self.passed_over.text() {
            eprintln!("portcullis: not read: {passed_over}");
        }
        let mut more = String::new();
        if self.copies > 0 {
            more += &format!("; {} passed over", count_as(self.copies, "copy", "copies"));
        }
        if not_read > 0 {
            more += &format!("; {not_read} could not be read");
        }
        eprintln!(
            "{} in {}: {exposed} exposed, {undecided} undecided, {} exempt, {} safe, {} irrelevant{more}",
            count(self.verdicts.values().sum(), "record"),
            count(self.inputs, self.input),
            with(Verdict::Exempt),
            with(Verdict::Safe),
            with(Verdict::Irrelevant),
        );
        Ok(status)
    }
}
