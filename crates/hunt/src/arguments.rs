//! The command line.

use std::path::PathBuf;

use clap::Parser;
use portcullis_hunt::ddl::FlowFiles;
use portcullis_hunt::show::Format;

/// Ask CloudTrail and VPC flow logs what happened
#[derive(Debug, Parser)]
#[command(name = "portcullis hunt", bin_name = "portcullis hunt", version, after_help = MORE, after_long_help = HELP)]
pub(crate) struct Arguments {
    /// A hunt by name (--list), or a file with a query of your own: FILE.sql
    #[arg(value_name = "NAME|FILE.sql", required_unless_present_any = ["list", "ddl", "self_test"])]
    pub(crate) hunt: Option<String>,
    /// Log files, folders and s3://bucket/prefix: CloudTrail, VPC flow logs, and what aws ec2 describe-… printed
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// List the hunts
    #[arg(long)]
    pub(crate) list: bool,
    /// Show what a hunt asks, what can be set, and its query, instead of asking; with PATHs also the plan
    #[arg(long)]
    pub(crate) explain: bool,
    /// Check a query: whether it would also run on Athena, and if not, the spelling that does
    #[arg(long, conflicts_with_all = ["explain", "list"])]
    pub(crate) check: bool,
    /// Not before: a day, a time, or how long ago: 2026-12-31, 2026-12-31T12:00:00Z, 2h, 7d
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Not after: the same
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Set a parameter of the hunt: --where port=3389
    #[arg(long = "where", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) parameters: Vec<(String, String)>,
    /// How the answer is shown
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
    /// The format of flow logs without a header, as describe-flow-logs shows it: '${version} ${account-id} …'
    #[arg(long, value_name = "FORMAT")]
    pub(crate) flow_format: Option<String>,
    /// When the snapshots (describe-…) were taken; without, when their files were written
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// What counts as dangerous: a policy file; without, the built-in policy
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// How many files are read at a time; without, as many as there are processors
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// The most memory that a query may take, in MB
    #[arg(long, value_name = "MB", default_value_t = 512)]
    pub(crate) memory: usize,
    /// For s3:// and --athena: the AWS profile; without, AWS_PROFILE, or the environment's credentials
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// For s3:// and --athena: the Region; without, that of the environment or the profile
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Write the statements that make tables for these logs on Athena: --ddl s3://bucket/prefix
    #[arg(long, value_name = "LOCATION", conflicts_with_all = ["check", "explain", "list"])]
    pub(crate) ddl: Option<String>,
    /// For --ddl: the accounts, with commas
    #[arg(long, value_name = "IDS", value_delimiter = ',', requires = "ddl")]
    pub(crate) accounts: Vec<String>,
    /// For --ddl: the Regions, with commas
    #[arg(long, value_name = "REGIONS", value_delimiter = ',', requires = "ddl")]
    pub(crate) regions: Vec<String>,
    /// For --ddl: the organisation's id, if the trail is an organisation's
    #[arg(long, value_name = "ID", requires = "ddl")]
    pub(crate) organisation: Option<String>,
    /// For --ddl: the trail is the one that Control Tower made (o-…/AWSLogs/o-…/); needs --organisation
    #[arg(long, requires = "organisation")]
    pub(crate) control_tower: bool,
    /// For --ddl: where the flow logs are, if not beside the trail's: s3://bucket/prefix
    #[arg(long, value_name = "LOCATION", requires = "ddl")]
    pub(crate) flow_location: Option<String>,
    /// For --ddl: how the flow logs are written
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) flow_files: FlowFiles,
    /// For --ddl and --athena: the flow logs are in folders such as year=2026/month=12/day=31
    #[arg(long)]
    pub(crate) hive_compatible_partitions: bool,
    /// For --ddl: the flow logs have a folder for each hour
    #[arg(long)]
    pub(crate) per_hour_partition: bool,
    /// Ask Athena instead of reading files, in the views that --ddl makes; it bills what it reads
    #[arg(long, requires = "database", conflicts_with_all = ["check", "explain", "list", "ddl", "paths"])]
    pub(crate) athena: bool,
    /// For --athena: the database
    #[arg(long, value_name = "NAME", requires = "athena")]
    pub(crate) database: Option<String>,
    /// For --athena: the workgroup; without, primary
    #[arg(long, value_name = "NAME", requires = "athena")]
    pub(crate) workgroup: Option<String>,
    /// For --athena: where Athena puts results, if the workgroup does not say it: s3://bucket/prefix
    #[arg(long, value_name = "LOCATION", requires = "athena")]
    pub(crate) output: Option<String>,
    /// For --athena: have it check every view and hunt, without reading any log
    #[arg(long, requires = "athena", conflicts_with = "hunt")]
    pub(crate) self_test: bool,
    /// Taken, and of no effect: nothing here has colours
    #[arg(long, value_name = "WHEN", hide = true)]
    pub(crate) color: Option<String>,
}

const MORE: &str = "\
Exit status: 0 answered, 1 answered and something to act on was found, 2 trouble. --help says more.";

const HELP: &str = "\
Examples:
  portcullis hunt --list                                     the questions
  portcullis hunt logins-without-mfa logs/                   ask one
  portcullis hunt ssh-attempts logs/ --where name=web        with a parameter
  portcullis hunt unused-rules logs/ flows/ eni.json         eni.json is what aws ec2 describe-network-interfaces printed
  portcullis hunt exposure logs/ flows/ --format html > exposure.html
  portcullis hunt mine.sql s3://bucket/AWSLogs/              your own query, of logs in S3
  portcullis hunt errors --athena --database logs --from 7d  Athena reads them

Exit status: 0 answered; 1 answered, and a hunt for something to act on (--list marks them with !) has rows; 2 trouble: \
something could not be read, whatever else was found.";

/// What the command line says.
pub(crate) fn parse() -> Arguments {
    Arguments::parse()
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
