//! Where openings are kept, and what ends them: the stack's, or folders of one's own.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use portcullis::aws::{AccountRegion, Aws, Caller, FunctionIdentity};
use portcullis::config::EvidencePlace;
use portcullis::domain::policy::Policy;
use portcullis::store::Store;
use portcullis_cli::acts::Acts;
use portcullis_cli::aws::advice;
use portcullis_cli::open::{Events, Openings, Schedule, Stack};
use portcullis_cli::policy_file;
use tokio::time::Instant;

use super::accounts::{AccountArgs, Sides};
use crate::arguments::EvidenceArgs;
use crate::undo::store_named;

/// How long a command may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Where openings are kept.
#[derive(clap::Args)]
pub(crate) struct PlaceArgs {
    /// The stack of Portcullis: its outputs name all that is needed
    #[arg(long, value_name = "NAME", default_value = "portcullis")]
    stack: String,
    #[command(flatten)]
    accounts: AccountArgs,
    /// Without the stack: the memory, a table's name or a folder [default: the variable PORTCULLIS_MEMORY]
    #[arg(long, value_name = "TABLE|DIR")]
    memory: Option<String>,
    /// The policy that holds, or s3://bucket/key [default: the stack's; without the stack the built-in one]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) evidence: EvidenceArgs,
}

/// What an opening is made and ended with.
pub(crate) struct Place {
    pub(crate) aws: Aws,
    /// The stack's account, and who the operator is there.
    pub(crate) identity: FunctionIdentity,
    /// Who changes the group's rules, in the group's account and Region.
    pub(crate) caller: Caller,
    pub(crate) store: Store,
    pub(crate) kept: Option<Acts>,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) policy: Arc<Policy>,
    /// Whether openings end in the group's account and Region; else why not, and what to do.
    pub(crate) ends_here: Result<(), String>,
    /// How events come to the function from there.
    events: Events,
}

impl PlaceArgs {
    /// The policy that was named, read before anything is asked of AWS: it may be read from standard input.
    pub(crate) fn given_policy(&self) -> io::Result<Option<Policy>> {
        let operator = self.evidence.aws.operator();
        self.policy.as_ref().map(|path| policy_file::read(path, &operator)).transpose()
    }

    /// Finds it. `command` is the one whose help lists the permissions.
    pub(crate) async fn find(&self, given: Option<Policy>, command: &str) -> io::Result<Place> {
        let trouble = |why: String| io::Error::other(advice::with(&why, command));
        let sides = self.accounts.sides(&self.evidence.aws.operator(), command).await?;
        let aws = sides.aws().await?;
        let Sides { hub, operator, identity, caller, group } = sides;
        let memory = self.memory.clone().unwrap_or_else(crate::undo::memory_of_environment);
        if !memory.is_empty() {
            let kept = match self.evidence.place()? {
                Some(place) => Some(Acts::at(&place, &operator).await?),
                None => None,
            };
            let (store, policy) = (store_named(&memory), given.unwrap_or_else(Policy::built_in).into());
            let (schedule, ends_here, events) = (None, Ok(()), Events::Come);
            return Ok(Place { aws, identity, caller, store, kept, schedule, policy, ends_here, events });
        }
        let stack = Stack::find(&hub, &self.stack).await.map_err(|error| trouble(error.to_string()))?;
        let output = |name, advice| stack.output(name, advice).map(str::to_owned).map_err(io::Error::other);
        const UPDATE: &str = "deploy the stack again with Openings=yes";
        let schedule = Schedule {
            client: hub.scheduler(),
            group: output("ScheduleGroupName", UPDATE)?,
            role: output("SchedulerRoleArn", UPDATE)?,
            function: output("FunctionArn", UPDATE)?,
        };
        let own = || stack.optional("EvidenceLocation").and_then(EvidencePlace::parse);
        let place = match (self.evidence.place()?, own(), stack.parameter("EvidenceDays")) {
            (Some(place), ..) => Some(place),
            // The stack's own is locked as the function locks it.
            (None, Some(place), Some(days)) => Some(place.locked_for(days).map_err(io::Error::other)?),
            (None, place, _) => place,
        };
        let kept = match &place {
            Some(place) => Some(Acts::at(place, &operator).await?),
            None => None,
        };
        let policy = match (given, stack.parameter("PolicyLocation")) {
            (Some(policy), _) => policy,
            (None, None) => Policy::built_in(),
            (None, Some(url)) => policy_file::read_with(url, &aws).await?,
        };
        let store = Store::Table(output("MemoryTableName", "the stack has no memory: deploy it again")?);
        let of_stack = AccountRegion {
            account: identity.account.clone(),
            region: operator.region.clone().unwrap_or_else(|| identity.region.clone()),
        };
        let FunctionIdentity { account, region, .. } = caller.identity.clone();
        let of_group = AccountRegion { account, region };
        let ends_here = stack.ends(&of_group, &of_stack);
        let events = Events::of(&stack, (&of_group, &of_stack), || group.eventbridge());
        let (schedule, policy) = (Some(schedule), policy.into());
        Ok(Place { aws, identity, caller, store, kept, schedule, policy, ends_here, events })
    }
}

impl Place {
    /// The memory of openings.
    pub(crate) fn openings(&self) -> Openings<'_> {
        Openings { store: &self.store, aws: &self.aws, until: Instant::now() + PATIENCE }
    }

    /// The account and the Region of the group.
    pub(crate) fn target(&self) -> AccountRegion {
        let FunctionIdentity { account, region, .. } = self.caller.identity.clone();
        AccountRegion { account, region }
    }

    /// AWS's time.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        portcullis::now().saturating_sub(self.caller.ahead).unwrap_or_else(|_| portcullis::now())
    }

    /// Says that this machine's clock is wrong, where it is.
    pub(crate) fn tell_clock(&self) {
        let ahead = self.caller.ahead;
        if ahead == SignedDuration::ZERO {
            return;
        }
        let how = if ahead.is_positive() { "ahead of" } else { "behind" };
        let ahead = SignedDuration::from_secs(ahead.abs().as_secs());
        eprintln!("portcullis: this machine's clock is {ahead:#} {how} AWS's: AWS's time is used");
    }

    /// Says where the function does not hear of what is called in the group's account and Region.
    pub(crate) async fn tell_events(&self) {
        if let Some(why) = self.events.warning().await {
            eprintln!("portcullis: {why}");
        }
    }

    /// The principal by which CloudTrail knows the caller's rules.
    pub(crate) fn principal(&self) -> String {
        portcullis_cli::operator::principal(&self.caller.arn)
    }
}
