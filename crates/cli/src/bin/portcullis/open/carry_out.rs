//! The order of an opening: the schedule, the list and the waiver, the evidence of what is about to be opened, the rules, a
//! look, the evidence of what was opened. Each crash leaves less open than the next, and what is left ends by itself.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use jiff::Timestamp;
use portcullis::aws::{AccountRegion, Session};
use portcullis::domain::change::Change;
use portcullis::domain::evidence::{self, ActOutcome, Guard, OpenAccount, rules_to_open};
use portcullis::domain::facts::Facts;
use portcullis::domain::ids::RuleId;
use portcullis::domain::memory::{
    Entries, Listed, Memory, Waiver, item_of, opened_name, openings_of, waiver_name, written,
};
use portcullis::domain::net::Cidr;
use portcullis::domain::opening::{TOO_LATE, description, marker_of};
use portcullis::domain::policy::Mode;
use portcullis::domain::rule::Permission;
use portcullis::domain::text::escaped;
use portcullis::domain::undo::{change, forbidden};
use portcullis::shelf::{self, Unwritten};
use portcullis_cli::open::in_words;
use tokio::time::{Instant, sleep};

use super::place::{PATIENCE, Place};
use super::{OpenArgs, described, look, shown};
use crate::arguments::confirmed;

/// An opening that is about to be made.
pub(super) struct Opening<'a> {
    pub(super) place: &'a Place,
    pub(super) session: Session<'a>,
    pub(super) target: AccountRegion,
    pub(super) name: String,
    /// The group as it was before.
    pub(super) facts: Facts,
    pub(super) waiver: Waiver,
    pub(super) id: String,
    /// The sources that the policy calls the internet.
    pub(super) wide: Vec<Cidr>,
    pub(super) opens: Vec<Permission>,
}

/// EC2 is eventually consistent: the new rules are looked for this many times.
const LOOKS: u32 = 6;

/// The pause after the first of these looks. It doubles.
const PAUSE: Duration = Duration::from_millis(250);

impl Opening<'_> {
    /// Makes it, and returns the exit status.
    pub(super) async fn open(&self, arguments: &OpenArgs) -> io::Result<u8> {
        let (policy, location) = (&self.place.policy, &self.facts.location);
        let now = self.waiver.from;
        let refused = |why| io::Error::other(format!("the policy lets no such opening be: {why}; nothing was opened"));
        let exemptions = self.waiver.exemptions(&self.id, location, policy, now).map_err(refused)?;
        let rules = rules_to_open(&self.opens);
        let mut change = change(&rules, &self.facts, &self.waiver.by, now);
        change.event.call = Some("Open".to_owned());
        let why = forbidden((&self.facts, &rules), &change, &policy.with_waivers(exemptions), now);
        self.tell();
        if !why.is_empty() {
            why.iter().for_each(|why| println!("Forbidden: {}", escaped(why)));
            println!("Nothing was opened: a waiver does not cover what other rules open together with these.");
            return Ok(crate::EXPOSED);
        }
        if arguments.dry_run {
            println!("Nothing was opened: --dry-run.");
            return Ok(0);
        }
        if !self.is_wanted(arguments)? {
            eprintln!("portcullis: not confirmed: nothing was opened");
            return Ok(crate::TROUBLE);
        }
        self.prepare().await?;
        if let Err(error) = self.keep(&change, ActOutcome::Intended, &BTreeSet::new()).await {
            return Err(self.taken_back(error).await);
        }
        let asked = self.waiver.until.duration_since(self.waiver.from);
        if self.waiver.until.duration_since(self.place.now()) < asked / TOO_LATE {
            let late = io::Error::other("its time is nearly over before it could be opened; nothing was opened");
            return Err(self.taken_back(late).await);
        }
        self.authorize(&change).await
    }

    /// Asks. What is wide asks for another word than yes.
    fn is_wanted(&self, arguments: &OpenArgs) -> io::Result<bool> {
        let who = escaped(&self.place.caller.arn);
        if !self.wide.is_empty() && !arguments.wide {
            if arguments.yes {
                let wide: Vec<String> = self.wide.iter().map(ToString::to_string).collect();
                let why = format!("{} is what the policy calls the internet: give --wide too", wide.join(", "));
                return Err(io::Error::other(format!("{why}; nothing was opened")));
            }
            return crate::arguments::answered(
                &format!("Open it to the internet, as {who}? Type internet: "),
                "internet",
            );
        }
        Ok(arguments.yes || confirmed(&format!("Open it, as {who}? Type yes: "))?)
    }

    fn tell(&self) {
        let Waiver { until, reason, .. } = &self.waiver;
        let what: Vec<String> = self.opens.iter().map(shown::what).collect();
        let name = escaped(&self.name);
        println!("{} ({name}) in {} {}", self.facts.location.group, self.target.account, self.target.region);
        what.iter().for_each(|what| println!("  open   {what}"));
        println!("  until  {until}, in {}", in_words(until.duration_since(self.waiver.from)));
        println!("  for    {}", escaped(reason));
        println!("  as     {}, by waiver {}", escaped(&self.waiver.by), self.id);
        for block in &self.wide {
            println!("  WIDE   {block} is what the policy calls the internet");
        }
    }

    /// The schedule, the list and the waiver. Alone they open nothing.
    async fn prepare(&self) -> io::Result<()> {
        let nothing = |error: &dyn std::fmt::Display| io::Error::other(format!("{error}; nothing was opened"));
        let (location, openings) = (&self.facts.location, self.place.openings());
        let key = openings_of(&location.account, &location.region);
        if let Some(schedule) = &self.place.schedule {
            schedule.make(&self.id, location, self.waiver.until).await.map_err(|error| nothing(&error))?;
        }
        let what: Vec<String> = self.opens.iter().map(evidence::words).collect();
        let listed = Listed {
            group: location.group.clone(),
            until: self.waiver.until,
            by: self.waiver.by.clone(),
            reason: self.waiver.reason.clone(),
            what: what.join(", "),
        };
        let entry =
            |name: String, value: Option<serde_json::Value>| Entries::from_iter(value.map(|value| (name, value)));
        let listed = entry(self.id.clone(), written(&listed));
        let listed = match openings.change(&key, (listed, Vec::new())).await {
            Ok(listed) => listed,
            Err(error) => return Err(self.taken_back(nothing(&error)).await),
        };
        if let Err(error) = openings.waive(&self.item(), &self.id, &self.waiver).await {
            return Err(self.taken_back(nothing(&error)).await);
        }
        // That an opening was ended is of use for a day.
        let over = Memory::read(&listed).over(self.place.now());
        if !over.is_empty() {
            let _ = openings.change(&key, (Entries::new(), over)).await;
        }
        Ok(())
    }

    fn item(&self) -> String {
        let location = &self.facts.location;
        item_of(&location.account, &location.region, &location.group)
    }

    /// Takes the schedule, the waiver and the list's entry back, where that works: nothing was opened. What is left ends by
    /// itself.
    async fn taken_back(&self, why: io::Error) -> io::Error {
        let (location, openings) = (&self.facts.location, self.place.openings());
        let list = openings_of(&location.account, &location.region);
        let none = Entries::new;
        let _ = openings.change(&self.item(), (none(), vec![waiver_name(&self.id)])).await;
        let _ = openings.change(&list, (none(), vec![self.id.clone()])).await;
        if let Some(schedule) = &self.place.schedule {
            let _ = schedule.delete(&self.id).await;
        }
        why
    }

    /// The call, a look that confirms it, and the evidence.
    async fn authorize(&self, change: &Change) -> io::Result<u8> {
        let words = description(&self.id, self.waiver.until, &self.waiver.reason);
        let rules = described(&rules_to_open(&self.opens), &words);
        let group = &self.facts.location.group;
        let answer = self.session.authorize(&self.target, group, &rules, &Default::default()).await;
        let failed = answer.as_ref().err().map(ToString::to_string);
        let mut is = self.confirm().await?;
        // EC2's answer names them, although it does not show them yet.
        is.extend(answer.into_iter().flat_map(|answer| answer.rules));
        if is.is_empty() {
            let why = failed.unwrap_or_else(|| "EC2 does not show the rule".to_owned());
            let kept = self.keep(change, ActOutcome::Failed, &is).await;
            let why =
                io::Error::other(format!("{}; nothing was opened", portcullis_cli::aws::advice::with(&why, "open")));
            let why = self.taken_back(why).await;
            return kept.and(Err(why));
        }
        let noted = self.note(&is).await;
        let kept = self.keep(change, ActOutcome::Opened, &is).await;
        self.told(&is);
        if let Err(error) = noted {
            eprintln!("portcullis: {error}: it ends by the rule's description");
        }
        kept.map(|()| 0)
    }

    /// The ids of the rules that are there and say that they are this opening's.
    async fn confirm(&self) -> io::Result<BTreeSet<RuleId>> {
        let mut pause = PAUSE;
        for n in 1.. {
            let facts = look(self.place, self.session, &self.target, &self.facts.location.group).await?;
            let own = facts.rules.iter().filter(|rule| marker_of(rule).is_some_and(|it| it.waiver == self.id));
            let own: BTreeSet<RuleId> = own.map(|rule| rule.id.clone()).collect();
            if own.len() >= self.opens.len() || n == LOOKS {
                return Ok(own);
            }
            sleep(pause).await;
            pause *= 2;
        }
        Ok(BTreeSet::new())
    }

    /// Says in the memory which rules are the opening's, whatever becomes of their descriptions.
    async fn note(&self, rules: &BTreeSet<RuleId>) -> io::Result<()> {
        let now = self.place.now();
        let entry = |rule: &RuleId| Some((opened_name(&self.id, rule), written(&now)?));
        let entries = rules.iter().filter_map(entry).collect();
        self.place.openings().change(&self.item(), (entries, Vec::new())).await.map(|_| ())
    }

    async fn keep(&self, change: &Change, outcome: ActOutcome, rules: &BTreeSet<RuleId>) -> io::Result<()> {
        let identity = &self.place.identity;
        let account = OpenAccount {
            guard: Guard {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                account: Some(identity.account.clone()),
                region: Some(identity.region.clone()),
                mode: Mode::Alert,
                restores: false,
                policy: self.place.policy.hash().to_owned(),
            },
            change,
            waiver: &self.waiver,
            before: &self.facts,
            opening: evidence::Opening {
                waiver: self.id.clone(),
                until: self.waiver.until,
                reason: Some(self.waiver.reason.clone()),
                opens: self.opens.clone(),
                rules: rules.clone(),
                ended_by: None,
            },
            outcome,
        };
        let evidence = account.evidence(portcullis::now());
        let Some(acts) = &self.place.kept else {
            // Without a place the log is standard output, as it is the function's.
            println!("{}", evidence.document().map_err(io::Error::other)?.trim_end());
            return Ok(());
        };
        let at: (Timestamp, Instant) = (portcullis::now(), Instant::now() + PATIENCE);
        match shelf::keep(&acts.shelf, &Unwritten::default(), &evidence, &self.place.policy, at).await {
            Ok(_) => Ok(()),
            Err(failure) => {
                println!("{}", failure.document.trim_end());
                let opened = if outcome == ActOutcome::Intended { "nothing was opened" } else { "it is above" };
                Err(io::Error::other(format!("the evidence was not written: {}; {opened}", failure.error)))
            }
        }
    }

    /// What is open now, until when, and how to close it.
    fn told(&self, rules: &BTreeSet<RuleId>) {
        let ids: Vec<&str> = rules.iter().map(RuleId::as_str).collect();
        println!("\nOpen, as {}.", ids.join(", "));
        match self.place.schedule {
            Some(_) => println!(
                "It ends by itself, within a minute of {}. To end it sooner: portcullis close {}",
                self.waiver.until, self.id
            ),
            None => println!(
                "There is no schedule without the stack: the first `portcullis sweep --enforce --memory …` after {}\n\
                 ends it, or portcullis close {}",
                self.waiver.until, self.id
            ),
        }
        println!("Connections that are open then go on until they are closed.");
    }
}
