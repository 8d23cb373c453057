//! `portcullis open`: opens a port of a group for a while, with the operator's own credentials.

pub(crate) mod accounts;
mod carry_out;
pub(crate) mod place;
mod shown;

use std::io;

use jiff::{SignedDuration, Timestamp};
use portcullis::aws::{AccountRegion, KnownLists, ListAge, Session, Wanted};
use portcullis::domain::change::Resource;
use portcullis::domain::evidence::rules_to_open;
use portcullis::domain::facts::Facts;
use portcullis::domain::ids::GroupId;
use portcullis::domain::judge::needs_prefix_list;
use portcullis::domain::memory::{Waiver, WaiverKind};
use portcullis::domain::net::{AddressSet, Cidr};
use portcullis::domain::rule::{Permission, Rule, Source};
use portcullis::domain::undo;
use portcullis_cli::open::{ADDRESS_SERVICE, From, address, ports};
use portcullis_cli::operator::explained;
use portcullis_cli::terminal::Terminal;
use portcullis_cli::when;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::arguments;
use carry_out::Opening;
use place::{PATIENCE, Place, PlaceArgs};

#[derive(clap::Args)]
pub(crate) struct OpenArgs {
    /// The security group
    #[arg(value_name = "GROUP", value_parser = group, required_unless_present = "list")]
    group: Option<GroupId>,
    /// What to open: ssh, 22, 8000-8010, udp/3389; may be repeated
    #[arg(long = "port", value_name = "PORT", required_unless_present = "list")]
    ports: Vec<String>,
    /// From where: a block, an address, or me for this machine's public address; may be repeated
    #[arg(long = "from", value_name = "CIDR|me", required_unless_present = "list", value_parser = source)]
    sources: Vec<From>,
    /// For how long: 30m, 2h, at most the policy's `waivers.most`
    #[arg(long = "for", value_name = "TIME", required_unless_present = "list", value_parser = duration)]
    time: Option<SignedDuration>,
    /// Why, such as a ticket: it is kept in the evidence, and stands in the rule's description
    #[arg(long, value_name = "TEXT", required_unless_present = "list", value_parser = crate::undo::reason)]
    reason: Option<String>,
    /// Show what is open until when, and open nothing
    #[arg(long, conflicts_with_all = ["group", "ports", "sources", "time", "reason", "dry_run", "yes", "wide"])]
    list: bool,
    /// How to show the list
    #[arg(long, value_enum, default_value = "table", requires = "list")]
    format: shown::Format,
    /// Let it be open to as many addresses as the policy calls the internet
    #[arg(long)]
    wide: bool,
    /// The service that tells this machine's public address, for --from me
    #[arg(long, value_name = "URL", default_value = ADDRESS_SERVICE)]
    address_service: String,
    /// Only say what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Do it without asking
    #[arg(long, short = 'y')]
    yes: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis open sg-0a1b2c3d4e5f60718 --port ssh --from me --for 2h --reason INC-123
  portcullis open sg-0a1b2c3d4e5f60718 --port 8000-8010 --from 203.0.113.0/24 --for 30m --reason \"load test\" --dry-run
  portcullis open sg-0a1b2c3d4e5f60718 --port ssh --from me --for 2h --reason INC-123 --profile shop --hub-profile hub
  portcullis open --list
  portcullis close w-7q2m0a1b

The port is open until its time and no longer: a schedule wakes the function within a minute of it, and the function \
revokes the rules, in alert mode too. If the schedule is lost, the next sweep does it. `portcullis close` ends it sooner. \
Connections that are open at the end go on until they are closed.

The order is: the schedule, a waiver in the function's memory, the evidence of what is about to be opened, the rule, a look \
that confirms it, the evidence of what was opened. So whatever stops the command leaves less open. The waiver covers what \
your credentials open in this group, on these ports and from these sources; everything else is judged as ever.

The stack must have been deployed with Openings=yes, and its parameters Accounts and Regions must cover the \
group. A group in a member account needs Openings=yes in member.yaml too. Then give the \
credentials of both accounts, --profile and --hub-profile; or those of the stack's account, and --account and --role for a \
role of yours in the other. Schedule, waiver and evidence are the stack's; only the rule is made in the member's account.

With --memory and --evidence it does without the stack: then there is \
no schedule, and `portcullis sweep --enforce --memory …` ends what is over.

--from me asks checkip.amazonaws.com, a service of AWS's, from which address you come. A source that the policy calls the \
internet needs --wide, or the word internet when it asks.

Needs what the stack's output OperatorPolicy allows: attach that policy to your role.

Exit status: 0 it is open, or was already; 1 the policy forbids it: nothing was opened; 2 trouble, or no yes.";

fn group(text: &str) -> Result<GroupId, String> {
    GroupId::parse(text).map_err(|error| format!("expected {}", error.accepted))
}

/// Seconds too: whoever tries it does not want to wait for a minute.
fn duration(text: &str) -> Result<SignedDuration, String> {
    let seconds = text.strip_suffix('s').and_then(|number| number.parse::<u32>().ok()).filter(|it| *it >= SHORTEST);
    seconds.map_or_else(|| when::span(text), |seconds| Ok(SignedDuration::from_secs(seconds.into())))
}

/// In less time no end comes.
const SHORTEST: u32 = 10;

fn source(text: &str) -> Result<From, String> {
    text.parse()
}

/// Opens; the exit status.
///
/// # Errors
/// What keeps it from being opened.
pub(crate) fn run(arguments: &OpenArgs, terminal: Terminal) -> io::Result<u8> {
    if !arguments.list && !arguments.yes && !arguments.dry_run && !arguments::can_ask() {
        let why =
            "open asks before it opens anything, and there is no terminal to ask on: give --yes; nothing was opened";
        return Err(io::Error::other(why));
    }
    let policy = arguments.place.given_policy()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let place = arguments.place.find(policy, "open").await?;
        match arguments.list {
            true => shown::list(&place, arguments.format, terminal).await,
            false => opened(arguments, &place).await,
        }
    })
}

async fn opened(arguments: &OpenArgs, place: &Place) -> io::Result<u8> {
    let (Some(group), Some(time), Some(reason)) = (&arguments.group, arguments.time, &arguments.reason) else {
        return Err(io::Error::other("GROUP, --for and --reason are required"));
    };
    if let Err(why) = &place.ends_here {
        return Err(io::Error::other(format!("{why}; nothing was opened")));
    }
    let ports = ports(&arguments.ports, &place.policy).map_err(io::Error::other)?;
    let mut sources: Vec<Cidr> = Vec::new();
    for source in &arguments.sources {
        let block = match source {
            From::Block(block) => *block,
            From::Me => address(&arguments.address_service).await.map_err(io::Error::other)?,
        };
        if !sources.contains(&block) {
            sources.push(block);
        }
    }
    place.tell_clock();
    place.tell_events().await;
    let permissions = ports.traffic.iter().flat_map(|traffic| {
        sources.iter().map(|block| Permission { traffic: traffic.clone(), source: Source::Cidr(*block) })
    });
    let permissions: Vec<Permission> = permissions.collect();
    let session = place.aws.session(&place.identity, Instant::now() + PATIENCE);
    let target = place.target();
    let name = name_of(session, &target, group).await?;
    let facts = look(place, session, &target, group).await?;
    let now = whole_second(place.now());
    let waiver = Waiver {
        kind: WaiverKind::Open,
        by: place.principal(),
        reason: reason.clone(),
        from: now,
        until: now.checked_add(time).map_err(io::Error::other)?,
        guards: ports.guards,
        sources: sources.clone(),
        rules: Vec::new(),
    };
    let id = id(&[group.as_str(), &place.caller.arn, &portcullis::now().to_string()]);
    let wide = sources.iter().filter(|block| is_internet(place, block)).copied().collect();
    let rules = rules_to_open(&permissions);
    let missing = undo::missing(&rules, &facts);
    let opening = Opening {
        place,
        session,
        target,
        name,
        facts,
        waiver,
        id,
        wide,
        opens: missing.rules.iter().map(|rule| rule.permission.clone()).collect(),
    };
    for (rule, is) in &missing.there {
        if let Some(rule) = rules.iter().find(|it| it.id == *rule) {
            println!("{} is open already, as {is}: that rule stays as it is.", shown::what(&rule.permission));
        }
    }
    if missing.rules.is_empty() {
        println!("Nothing to do: nothing was opened.");
        return Ok(0);
    }
    opening.open(arguments).await
}

/// The group's name.
async fn name_of(session: Session<'_>, target: &AccountRegion, group: &GroupId) -> io::Result<String> {
    let names = session.group_names(target, std::slice::from_ref(group)).await;
    let names = names
        .map_err(|error| io::Error::other(portcullis_cli::aws::advice::with(&explained(&error.to_string()), "open")))?;
    names.get(group).cloned().ok_or_else(|| {
        let AccountRegion { account, region } = target;
        io::Error::other(format!(
            "{group} is not in account {account}, Region {region}: another Region is named with --region, another account with \
             --account and --role, or by its own credentials and those of the stack's account with --hub-profile; nothing was \
             opened"
        ))
    })
}

/// The group as EC2 shows it now.
async fn look(place: &Place, session: Session<'_>, target: &AccountRegion, group: &GroupId) -> io::Result<Facts> {
    let prefix_list_of = |permission: &Permission| needs_prefix_list(permission, &place.policy);
    let lists = KnownLists::default();
    let wanted = Wanted {
        vpc: place.policy.needs_vpc(),
        prefix_list_of: &prefix_list_of,
        lists: (&lists, ListAge::Now),
        now: place.now(),
    };
    let looked = session.describe(target, &Resource::Group(group.clone()), wanted).await;
    let looked = looked.map_err(|error| io::Error::other(explained(&error.to_string())))?;
    let facts = looked.groups.into_iter().find(|facts| facts.location.group == *group);
    facts.ok_or_else(|| io::Error::other(format!("{group} is no longer there")))
}

/// Whether a block alone is what the policy calls the internet.
fn is_internet(place: &Place, block: &Cidr) -> bool {
    let family = block.family();
    let counted = AddressSet::from_cidrs(family, std::slice::from_ref(block));
    counted.intersection(place.policy.counted(family)).count() >= place.policy.limit(family)
}

/// EventBridge Scheduler knows whole seconds. The end is rounded with the beginning: an opening is as long as it was asked
/// for.
fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// An id that tells the waiver from others: `w-` and eight letters and digits.
fn id(parts: &[&str]) -> String {
    let hash = Sha256::digest(parts.join(" "));
    let digits: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("w-{digits}")
}

/// The rules as EC2 gets them.
fn described(rules: &[Rule], description: &str) -> Vec<Rule> {
    rules.iter().map(|rule| Rule { description: Some(description.to_owned()), ..rule.clone() }).collect()
}
