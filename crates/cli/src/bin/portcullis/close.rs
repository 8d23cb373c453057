//! `portcullis close`: ends an opening now, with the operator's own credentials.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis::aws::AccountRegion;
use portcullis::config::Accounts;
use portcullis::domain::finding::{Action, Finding, Outcome};
use portcullis::domain::ids::GroupId;
use portcullis::domain::opening::is_waiver_id;
use portcullis::domain::policy::Mode;
use portcullis::domain::text::escaped;
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

Connections that are open go on until they are closed.

Needs what the stack's output OperatorPolicy allows.

Exit status: 0 it is closed, or was already; 2 trouble: something may be open still.";

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
    let identity = &place.caller.identity;
    let target = AccountRegion { account: identity.account.clone(), region: identity.region.clone() };
    let listed = place.openings().all(&target.account, &target.region).await?;
    let named: Vec<(String, GroupId)> = match what {
        What::Waiver(id) => listed.into_iter().filter(|(it, _)| it == id).map(|(id, it)| (id, it.group)).collect(),
        What::Group(group) => {
            listed.into_iter().filter(|(_, it)| it.group == *group).map(|(id, it)| (id, it.group)).collect()
        }
    };
    if named.is_empty() {
        let AccountRegion { account, region } = &target;
        match what {
            What::Waiver(id) => {
                println!("{id} is no opening in {account} {region}, or was ended before: nothing to do.")
            }
            What::Group(group) => println!("No opening of {group} in {account} {region}: nothing to do."),
        }
        return Ok(0);
    }
    let Place { aws, caller, store, kept, schedule, policy } = place;
    let settings = Settings {
        mode: Mode::Enforce,
        accounts: Accounts::Own,
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
    let mut is_trouble = false;
    for (waiver, group) in named {
        let AccountRegion { account, region } = target.clone();
        let request = EndRequest { account, region, group, waiver: waiver.clone() };
        let invocation = Invocation { identity: Some(caller.identity.clone()), deadline: Instant::now() + PATIENCE };
        let findings = pipeline::close(&context, request, &caller.arn, &invocation).await;
        findings.iter().for_each(told);
        let failed = findings.iter().any(Finding::needs_retry) || findings.is_empty();
        is_trouble |= failed;
        if let (Some(schedule), false) = (&schedule, failed)
            && let Err(error) = schedule.delete(&waiver).await
        {
            eprintln!("portcullis: the schedule of {waiver} is there still, and will find nothing to end: {error}");
        }
    }
    lines.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|line| println!("{line}"));
    Ok(if is_trouble { crate::TROUBLE } else { 0 })
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
        Outcome::None => println!("{}.", escaped(&finding.reason)),
        Outcome::Failed | Outcome::WouldRevert => eprintln!("portcullis: {}", finding.reason),
    }
}
