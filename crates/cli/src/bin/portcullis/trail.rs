//! `portcullis trail create|show|delete`.

mod show;

use std::io::{self, Write};

use portcullis::aws::{AwsError, Caller};
use portcullis::domain::ids::Region;
use portcullis_cli::aws::{Clients, advice};
use portcullis_cli::show::Format;
use portcullis_cli::terminal::Terminal;
use portcullis_cli::trail::{self, Organization, Plan, Step, Wanted};
use portcullis_cli::words::count;
use portcullis_domain::ids::AccountId;
use portcullis_domain::text::{escaped, escaped_up_to};

use crate::arguments::ProfileAndRegion;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make one trail for all Regions, with its bucket, topic and queue
    #[command(after_help = MORE, after_long_help = CREATE_HELP)]
    Create(Create),
    /// For each Region, show whether write events are logged, by which trail, and where to
    #[command(after_help = MORE, after_long_help = SHOW_HELP)]
    Show(Show),
    /// Take down what `trail create` has made, except the bucket
    #[command(after_help = MORE, after_long_help = DELETE_HELP)]
    Delete(Delete),
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// The bucket of the log files [default: ACCOUNT-cloudtrail]
    #[arg(long, value_name = "NAME", value_parser = bucket)]
    bucket: Option<String>,
    /// Encrypt the log files with this KMS key [default: S3's own key]
    #[arg(long, value_name = "ARN", value_parser = kms_key)]
    kms_key: Option<String>,
    /// For all accounts of the organisation
    #[arg(long)]
    organization: bool,
    #[command(flatten)]
    how: How,
}

#[derive(clap::Args)]
pub(crate) struct Delete {
    /// The trail is one for all accounts of the organisation
    #[arg(long)]
    organization: bool,
    #[command(flatten)]
    how: How,
}

/// What both have that change something.
#[derive(clap::Args)]
struct How {
    /// Print the calls as AWS CLI commands, and make none of them
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Ask nothing
    #[arg(short = 'y', long)]
    yes: bool,
    #[command(flatten)]
    aws: ProfileAndRegion,
}

#[derive(clap::Args)]
pub(crate) struct Show {
    /// Look at this Region; may be repeated [default: every enabled one]
    #[arg(long = "region", value_name = "CODE", value_parser = crate::arguments::region)]
    regions: Vec<Region>,
    /// Use this profile of the AWS configuration
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// How to show it
    #[arg(long, short, value_enum, default_value = "table")]
    format: Format,
}

const MORE: &str = "--help says more, with examples and permissions.";

pub(crate) const HELP: &str = "\
Examples:
  portcullis trail create        make the trail that Portcullis needs
  portcullis trail show          what is logged, in every Region
  portcullis trail delete        take down what was made, but not the bucket

EventBridge tells Portcullis of an open port only where a trail logs the account's write events.";

const CREATE_HELP: &str = "\
Examples:
  portcullis trail create                         shows its plan, and asks
  portcullis trail create --region eu-west-1 -y   in this home Region
  portcullis trail create -n > trail.sh           the calls, for the AWS CLI
  portcullis trail create --organization --profile management

It makes one trail for all Regions, with the events of global services and log file validation; a bucket that is private, \
versioned, encrypted and refuses calls without TLS; and in the home Region a topic to which CloudTrail tells new log \
files, and a queue that is subscribed to it. Each has the account in its name. The policies hold for this trail alone. Trail, topic and \
queue have the tag portcullis=trail.

What is missing is made. What is there and right is kept. What is there and differs is told, with the command that mends \
it, and left as it is. So a second run makes nothing, and a run that was interrupted is gone on with by running it again. \
Where another trail already logs the write events of all Regions, it is named and nothing is made: a second copy of the \
same events costs money.

The key of --kms-key must be in the bucket's Region, and its policy must let cloudtrail.amazonaws.com use \
kms:GenerateDataKey* and kms:DescribeKey. --organization needs credentials of the management account or of a delegated \
administrator for CloudTrail.

-n reads what is there and prints the calls that are missing. Lines for people begin with #.

It needs cloudtrail:DescribeTrails, GetTrailStatus, GetEventSelectors, ListTags, CreateTrail, AddTags, StartLogging; \
s3:ListBucket, GetBucketPublicAccessBlock, GetBucketVersioning, GetBucketPolicy, GetEncryptionConfiguration, CreateBucket, \
PutBucketPublicAccessBlock, PutBucketVersioning, PutBucketPolicy, PutEncryptionConfiguration, PutBucketOwnershipControls; \
sns:GetTopicAttributes, ListTagsForResource, ListSubscriptionsByTopic, CreateTopic, TagResource, SetTopicAttributes, \
Subscribe; sqs:GetQueueUrl, GetQueueAttributes, ListQueueTags, CreateQueue, TagQueue, SetQueueAttributes. --organization \
needs organizations:DescribeOrganization, and CloudTrail's own calls there: organizations:ListAWSServiceAccessForOrganization, \
iam:CreateServiceLinkedRole, iam:GetRole.

Exit status: 0 a trail serves; 1 it does, or will, but something that is there differs; 2 trouble, something that is there keeps it \
from being made, or no yes. 130 interrupted.";

const SHOW_HELP: &str = "\
Examples:
  portcullis trail show                          every enabled Region
  portcullis trail show --region eu-west-1 --format json

For each Region it shows whether write events are logged, by which trail, in which bucket, when a log file came last and \
why the last one did not, what the trail's selectors leave out, and how many messages wait in the queue of the trail's \
topic. It only reads.

It needs ec2:DescribeRegions (without --region); cloudtrail:DescribeTrails, GetTrailStatus, GetEventSelectors; \
sns:ListSubscriptionsByTopic; sqs:GetQueueUrl, GetQueueAttributes; cloudwatch:GetMetricStatistics.

Exit status: 0 every Region's write events are logged; 1 those of a Region are not, or not all; 2 trouble; 3 it cannot be told \
of a Region.";

const DELETE_HELP: &str = "\
Examples:
  portcullis trail delete                        shows its plan, and asks
  portcullis trail delete -n                     the calls, for the AWS CLI

It takes down the trail, the topic and the queue if they have the tag portcullis=trail, which `trail create` gives them. It \
never deletes the bucket: the log files are evidence. Without a trail EventBridge tells Portcullis of nothing.

It needs what `trail create` needs to read, and cloudtrail:DeleteTrail, sns:Unsubscribe, sns:DeleteTopic, sqs:DeleteQueue.

Exit status: 0 gone, or never there; 2 trouble, or no yes. 130 interrupted.";

/// S3 User Guide, "General purpose bucket naming rules", as far as they guard a shell and an ARN.
fn bucket(text: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let fits = (3..=63).contains(&text.len()) && text.chars().all(plain);
    fits.then(|| text.to_owned()).ok_or("expected a bucket's name: 3 to 63 small letters, digits, - and .")
}

fn kms_key(text: &str) -> Result<String, &'static str> {
    let arn = portcullis_domain::arn::Arn::parse(text);
    let fits = arn.is_some_and(|arn| arn.service == "kms" && arn.resource.starts_with("key/"));
    fits.then(|| text.to_owned()).ok_or("expected a key's ARN, such as arn:aws:kms:eu-west-1:111122223333:key/…")
}

/// Runs one of them; the exit status.
///
/// # Errors
/// What keeps it from beginning, and those of standard output.
pub(crate) fn run(command: &Command, terminal: Terminal) -> io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Create(arguments) => create(arguments).await,
            Command::Show(arguments) => show::run(arguments, terminal).await,
            Command::Delete(arguments) => delete(arguments).await,
        }
    })
}

/// The clients, and who calls.
async fn begin(how: &How) -> io::Result<(Clients, Caller)> {
    if !how.yes && !how.dry_run && !crate::arguments::can_ask() {
        let why = "it asks before it changes anything, and there is no terminal to ask on: give --yes or --dry-run";
        return Err(io::Error::other(why));
    }
    let clients = Clients::of(&how.aws.operator()).await.map_err(io::Error::other)?;
    let caller = clients.caller().await.map_err(|error| io::Error::other(advice::on_caller(&error, "trail create")))?;
    Ok((clients, caller))
}

/// What should be there.
async fn wanted(clients: &Clients, caller: &Caller, organization: bool) -> io::Result<Wanted> {
    let organization = match organization {
        false => None,
        true => Some(self::organization(clients).await.map_err(trouble)?),
    };
    let identity = &caller.identity;
    Ok(Wanted {
        bucket: Wanted::usual_bucket(&identity.account),
        account: identity.account.clone(),
        partition: identity.partition.clone(),
        region: identity.region.clone(),
        kms_key: None,
        organization,
    })
}

async fn organization(clients: &Clients) -> Result<Organization, AwsError> {
    let call = "DescribeOrganization";
    let answer = clients.organizations().describe_organization().send().await;
    let answer = answer.map_err(|error| AwsError::from_sdk(call, &error))?;
    let said = answer.organization().and_then(|said| Some((said.id()?.to_owned(), said.master_account_id()?)));
    let (id, account) = said.ok_or_else(|| AwsError::bad_answer(call, &"it names no organisation"))?;
    let management_account = AccountId::parse(account).map_err(|error| AwsError::bad_answer(call, &error))?;
    Ok(Organization { id, management_account })
}

fn trouble(error: AwsError) -> io::Error {
    io::Error::other(advice::with(&error.to_string(), "trail create"))
}

async fn create(arguments: &Create) -> io::Result<u8> {
    let (clients, caller) = begin(&arguments.how).await?;
    let mut wanted = wanted(&clients, &caller, arguments.organization).await?;
    wanted.kms_key.clone_from(&arguments.kms_key);
    if let Some(bucket) = &arguments.bucket {
        wanted.bucket.clone_from(bucket);
    }
    let found = trail::read(&clients, &wanted).await.map_err(trouble)?;
    let plan = trail::plan(&wanted, &found);
    say_found(&plan, arguments.how.dry_run)?;
    let status = match (plan.is_blocked(), plan.wrong.is_empty()) {
        (true, _) => crate::TROUBLE,
        (false, false) => crate::EXPOSED,
        (false, true) => 0,
    };
    if plan.steps.is_empty() {
        let what = match (plan.is_blocked(), &plan.serving) {
            (true, _) => "nothing was made: what differs keeps the rest from being made",
            (false, Some(_)) => "nothing to make: that trail serves",
            (false, None) if plan.wrong.is_empty() => "nothing to make: everything is there",
            (false, None) => "nothing else was changed",
        };
        say(what, arguments.how.dry_run)?;
    } else if let Some(status) = carry_out(&clients, &caller, &plan.steps, &arguments.how).await? {
        return Ok(status);
    }
    if plan.serving.is_none() && !plan.is_blocked() && !arguments.how.dry_run {
        let mut out = io::stdout().lock();
        writeln!(out, "trail   {}\nbucket  {}", wanted.trail_arn(), wanted.bucket)?;
        writeln!(out, "topic   {}\nqueue   {}", wanted.topic_arn(), wanted.queue_arn())?;
    }
    Ok(status)
}

async fn delete(arguments: &Delete) -> io::Result<u8> {
    let (clients, caller) = begin(&arguments.how).await?;
    let wanted = wanted(&clients, &caller, arguments.organization).await?;
    let found = trail::read(&clients, &wanted).await.map_err(trouble)?;
    let plan = trail::delete(&wanted, &found);
    say_found(&plan, arguments.how.dry_run)?;
    let status = if plan.unclear.is_empty() { 0 } else { crate::TROUBLE };
    if plan.steps.is_empty() {
        say("nothing to take down", arguments.how.dry_run)?;
        return Ok(status);
    }
    let deletes = plan.steps.iter().any(|step| matches!(step, Step::DeleteTrail { .. }));
    let goes_blind = "EventBridge tells Portcullis of nothing without one";
    match found.serves_without(&wanted.trail_arn()).filter(|_| deletes) {
        Some(false) => {
            let why = format!("warning: no other trail logs the write events of all Regions: {goes_blind}");
            say(&why, arguments.how.dry_run)?;
        }
        None if deletes => {
            let why = format!(
                "warning: whether another trail logs the write events of all Regions cannot be told: {goes_blind}"
            );
            say(&why, arguments.how.dry_run)?;
        }
        Some(true) | None => {}
    }
    Ok(carry_out(&clients, &caller, &plan.steps, &arguments.how).await?.unwrap_or(status))
}

/// A line for people: on standard error, or among the commands as a comment.
fn say(line: &str, as_comment: bool) -> io::Result<()> {
    let line = escaped_up_to(line, usize::MAX);
    match as_comment {
        true => writeln!(io::stdout().lock(), "# {line}"),
        false => writeln!(io::stderr().lock(), "{line}"),
    }
}

fn say_found(plan: &Plan, as_comment: bool) -> io::Result<()> {
    for what in &plan.kept {
        say(&format!("kept:    {what}"), as_comment)?;
    }
    for what in &plan.unclear {
        say(&format!("unclear: {what}"), as_comment)?;
    }
    for wrong in &plan.wrong {
        say(&format!("differs: {}", wrong.what), as_comment)?;
        if let Some(mend) = &wrong.mend {
            say(&format!("         to mend it: {mend}"), as_comment)?;
        }
    }
    Ok(())
}

/// Asks, and makes the calls in their order. A status where they were not all made.
async fn carry_out(clients: &Clients, caller: &Caller, steps: &[Step], how: &How) -> io::Result<Option<u8>> {
    if how.dry_run {
        let mut out = io::stdout().lock();
        for step in steps {
            writeln!(out, "# {}\n{}", step.says(), step.cli(how.aws.profile()))?;
        }
        return Ok(None);
    }
    let mut err = io::stderr();
    writeln!(err, "As {}, in this order, it will", escaped(&caller.arn))?;
    for (step, n) in steps.iter().zip(1..) {
        writeln!(err, "{n:>3}. {}", step.says())?;
    }
    if !how.yes && !crate::arguments::confirmed("Do it? Type yes: ")? {
        writeln!(err, "portcullis: not confirmed: nothing was changed")?;
        return Ok(Some(crate::TROUBLE));
    }
    for (step, n) in steps.iter().zip(1..) {
        if let Err(error) = trail::make(clients, step).await {
            writeln!(err, "portcullis: {}", advice::with(&error.to_string(), "trail create"))?;
            let made = count(n - 1, "call");
            writeln!(err, "portcullis: {made} of {} made; run it again to go on from there", steps.len())?;
            return Ok(Some(crate::TROUBLE));
        }
        writeln!(err, "{n:>3}. {}: done", step.call())?;
    }
    Ok(None)
}
