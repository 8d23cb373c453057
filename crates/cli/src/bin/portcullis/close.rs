//! `portcullis close`: ends an opening now, with the operator's own credentials.

mod found;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use found::Found;
use portcullis::aws::AccountRegion;
use portcullis::config::Accounts;
use portcullis::domain::finding::{Action, Finding, Outcome, Verdict};
use portcullis::domain::ids::GroupId;
use portcullis::domain::opening::is_waiver_id;
use portcullis::domain::policy::Mode;
use portcullis::domain::text::{escaped, for_people};
use portcullis::envelope::EndRequest;
use portcullis::pipeline::{self, Context, Invocation, Settings};
use portcullis::shelf::Shelf;
use portcullis_cli::words;
use tokio::time::Instant;

use crate::open::place::{PATIENCE, Place, PlaceArgs};

#[derive(clap::Args)]
pub(crate) struct CloseArgs {
    /// The waiver's id, as `portcullis open` showed it, or a security group: then all openings of it
    #[arg(value_name = "WAIVER|GROUP", value_parser = what)]
    what: What,
    #[command(flatten)]
    place: PlaceArgs,
}

/// What is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Waiver(String),
    Group(GroupId),
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis close w-7q2m0a1b
  portcullis close sg-0a1b2c3d4e5f60718     every opening of the group
  portcullis open --list                    what is open until when

It revokes the rules of the opening, writes the evidence, ends the waiver, and deletes the schedule. It asks nothing: it only \
closes. Closing twice is harmless. Rules that no opening made stay.

A waiver that is not in the list of openings is looked for by its schedule, and by the descriptions of the Region's rules. \
With a group it also closes what only the group's own memory knows, and tells of what only its rules' descriptions name.

Connections that are open go on until they are closed.

Needs what the stack's output OperatorPolicy allows.

Exit status: 0 it is closed, or was already; 2 trouble: something may be open still; 3 it cannot be told: it says what to do.";

fn what(text: &str) -> Result<What, &'static str> {
    match GroupId::parse(text) {
        Ok(group) => Ok(What::Group(group)),
        Err(_) if is_waiver_id(text) => Ok(What::Waiver(text.to_owned())),
        Err(_) => Err("expected a waiver's id such as w-7q2m0a1b, or a group's such as sg-0a1b2c3d4e5f60718"),
    }
}

/// Closes; the exit status.
///
/// # Errors
/// What keeps it from being closed.
pub(crate) fn run(arguments: &CloseArgs) -> io::Result<u8> {
    let policy = arguments.place.given_policy()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let place = arguments.place.find(policy, "close").await?;
        closed(&arguments.what, place).await
    })
}

async fn closed(what: &What, place: Place) -> io::Result<u8> {
    let target = place.target();
    let named = match found::openings(what, &place, &target).await? {
        Found::Openings(named) => named,
        Found::Nothing(why) => {
            println!("{why}");
            return Ok(0);
        }
        Found::CannotTell(why) => {
            eprintln!("portcullis: {why}");
            return Ok(crate::UNDECIDED);
        }
    };
    let Place { aws, identity, caller, store, kept, schedule, policy, ends_here: _, .. } = place;
    let settings = Settings {
        mode: Mode::Enforce,
        accounts: Accounts::Listed([target.account.clone()].into()),
        topic: None,
        queue: None,
        memory: store,
        restores: false,
    };
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&lines);
    // The findings are shown otherwise. Evidence that could not be written is nowhere else.
    let out = Box::new(move |line: &str| {
        if line.contains("\"sha256\":\"") {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        }
    });
    let ahead = caller.ahead;
    let clock = Box::new(move || portcullis::now().saturating_sub(ahead).unwrap_or_else(|_| portcullis::now()));
    let shelf = kept.map_or(Shelf::None, |acts| acts.shelf);
    let policy = Arc::unwrap_or_clone(policy);
    let context = Context::new(aws, policy, settings, clock, out).with_shelf(shelf);
    let (mut is_trouble, mut is_undecided) = (false, false);
    for (waiver, group) in named {
        let AccountRegion { account, region } = target.clone();
        let request = EndRequest { account, region, group, waiver: waiver.clone() };
        let invocation = Invocation { identity: Some(identity.clone()), deadline: Instant::now() + PATIENCE };
        let findings = pipeline::close(&context, request, &caller.arn, &invocation).await;
        findings.iter().for_each(told);
        let failed = findings.iter().any(Finding::needs_retry) || findings.is_empty();
        is_trouble |= failed;
        is_undecided |= findings.iter().any(|finding| finding.verdict == Verdict::Undecided);
        if let (Some(schedule), false) = (&schedule, failed)
            && let Err(error) = schedule.delete(&waiver).await
        {
            eprintln!("portcullis: the schedule of {waiver} is there still, and will find nothing to end: {error}");
        }
    }
    lines.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|line| println!("{line}"));
    Ok(match (is_trouble, is_undecided) {
        (true, _) => crate::TROUBLE,
        (false, true) => crate::UNDECIDED,
        (false, false) => 0,
    })
}

/// What became of an opening.
fn told(finding: &Finding) {
    let group = finding.group.as_deref().map(escaped).unwrap_or_default();
    let waiver = finding.waiver.as_deref().map(escaped).unwrap_or_default();
    match finding.outcome {
        Outcome::Reverted => {
            let revoked = finding.rules.iter().filter(|rule| rule.action == Action::Revoked);
            let rules: BTreeSet<String> = revoked.map(|rule| rule.id.to_string()).collect();
            let count = words::count(rules.len(), "rule");
            let ids = rules.into_iter().collect::<Vec<_>>().join(", ");
            println!("Closed {waiver} in {group}: {count} revoked, {ids}.");
            println!("Connections that are open go on until they are closed.");
        }
        Outcome::AlreadyGone => println!("Closed {waiver} in {group}: no rule of it was there any more."),
        Outcome::None => println!("{}.", for_people(&finding.reason)),
        Outcome::Failed | Outcome::WouldRevert => eprintln!("portcullis: {}", finding.reason),
    }
}
