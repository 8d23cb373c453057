//! The order of an undo: the judge, the waiver, the evidence of what is about to be done, the calls, a look, the evidence of
//! what was done. Each crash leaves less than open, or evidence of what is open.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use portcullis::aws::{AccountRegion, Aws, Caller, Session};
use portcullis::domain::change::Change;
use portcullis::domain::evidence::{ActOutcome, Evidence, Guard, PutBack, UndoAccount, Undone};
use portcullis::domain::facts::Facts;
use portcullis::domain::ids::RuleId;
use portcullis::domain::policy::{Mode, Policy};
use portcullis::domain::rule::{Rule, Source};
use portcullis::domain::text::escaped;
use portcullis::domain::undo::{self, Missing};
use portcullis::shelf::{self, Unwritten};
use portcullis_cli::acts::{self, Acts};
use portcullis_cli::operator::principal;
use portcullis_cli::words;
use tokio::time::{Instant, sleep};

use super::waive::Named;
use super::{PATIENCE, UndoArgs};
use crate::arguments::confirmed;

/// What an undo works with.
pub(super) struct Back<'a> {
    pub(super) arguments: &'a UndoArgs,
    pub(super) kept: Option<&'a Acts>,
    pub(super) session: Session<'a>,
    pub(super) aws: &'a Aws,
    pub(super) target: AccountRegion,
    pub(super) caller: &'a Caller,
    pub(super) evidence: &'a Evidence,
    pub(super) policy: &'a Policy,
    pub(super) how: How,
}

/// How rules come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// As new rules.
    Anew,
    /// The rules that are there become what they were.
    InPlace,
}

impl How {
    /// What is done to the rules.
    const fn verb(self) -> &'static str {
        match self {
            Self::Anew => "put back",
            Self::InPlace => "set back",
        }
    }
}

/// EC2 is eventually consistent: the new rules are looked for this many times.
const LOOKS: u32 = 6;

/// The pause after the first of these looks. It doubles.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

impl Back<'_> {
    /// Puts the missing rules back, and returns the exit status.
    pub(super) async fn put(&self, facts: &Facts, missing: &Missing) -> io::Result<u8> {
        let now = portcullis::now();
        let change = undo::change(&missing.rules, facts, &self.principal(), now);
        let mut why = undo::forbidden((facts, &missing.rules), &change, self.policy, now);
        let (mut waiver, mut waiving) = (None, None);
        if !why.is_empty() {
            let needs = undo::waived((facts, &missing.rules), &change, self.policy, now);
            if let Some((named, exemptions)) = self.waiver(needs, facts, now)? {
                let policy = self.policy_with(exemptions);
                why = undo::forbidden((facts, &missing.rules), &change, &policy, now);
                (waiver, waiving) = (Some(named), Some(policy));
            }
        }
        self.tell(missing, waiver.as_ref());
        if !why.is_empty() {
            return Ok(self.refuse(&why));
        }
        if self.arguments.dry_run {
            println!("Nothing was done: --dry-run.");
            return Ok(0);
        }
        let rules = words::count(missing.rules.len(), "rule");
        let group = &self.evidence.location.group;
        let who = escaped(&self.caller.arn);
        let question = match self.how {
            How::Anew => format!("Put {rules} back into {group}, as {who}? Type yes: "),
            How::InPlace => format!("Set {rules} of {group} back to what they were, as {who}? Type yes: "),
        };
        let now_shown;
        let facts = if self.arguments.yes {
            facts
        } else if confirmed(&question)? {
            // Whoever is asked may take their time.
            now_shown = self.look().await?;
            if !self.is_as_asked(&now_shown, &missing.rules) {
                let why = "somebody has changed it since you were asked: nothing was changed; run the command again";
                return Err(io::Error::other(format!("{group}: {why}")));
            }
            let policy = waiving.as_ref().unwrap_or(self.policy);
            let why = undo::forbidden((&now_shown, &missing.rules), &change, policy, portcullis::now());
            if !why.is_empty() {
                return Ok(self.refuse(&why));
            }
            &now_shown
        } else {
            eprintln!("portcullis: not confirmed: nothing was changed");
            return Ok(crate::TROUBLE);
        };
        if let Some(waiver) = &waiver {
            self.write_waiver(waiver).await?;
        }
        let paper = Paper { change: &change, facts, rules: &missing.rules, waiver, missing };
        // Opening never happens without evidence.
        self.keep(&paper, ActOutcome::Intended, &BTreeMap::new()).await?;
        let failed = match self.how {
            How::Anew => self.authorize(&missing.rules).await,
            How::InPlace => self.modify(&missing.rules).await,
        };
        let is = self.confirm(&missing.rules).await?;
        let is_done = missing.rules.iter().all(|rule| is.contains_key(&rule.id));
        let outcome = if is_done { ActOutcome::PutBack } else { ActOutcome::Failed };
        let kept = self.keep(&paper, outcome, &is).await;
        self.told(&missing.rules, &is);
        if let (Some(why), false) = (failed, is_done) {
            return Err(io::Error::other(why));
        }
        kept?;
        Ok(if is_done { 0 } else { crate::TROUBLE })
    }

    /// Whether these rules are still the ones to put back, or to set back.
    fn is_as_asked(&self, facts: &Facts, rules: &[Rule]) -> bool {
        match self.how {
            How::Anew => undo::missing(rules, facts).there.is_empty(),
            How::InPlace => undo::set_back(self.evidence, facts).rules == rules,
        }
    }

    /// Says what forbids it; the exit status.
    fn refuse(&self, why: &[String]) -> u8 {
        why.iter().for_each(|why| println!("Forbidden: {}", escaped(why)));
        println!("Nothing was done. {}", self.advice());
        crate::EXPOSED
    }

    /// The principal by which CloudTrail knows the caller's rules: the role behind a session, for its name is anybody's.
    pub(super) fn principal(&self) -> String {
        principal(&self.caller.arn)
    }

    fn tell(&self, missing: &Missing, waiver: Option<&Named>) {
        println!("Act {} on {}", self.evidence.id, self.evidence.location.group);
        for rule in &missing.rules {
            println!("  {}: {}", self.how.verb(), acts::rule(rule));
        }
        for (rule, tags) in &missing.tags_left_out {
            let tags: Vec<String> = tags.iter().map(|tag| escaped(tag)).collect();
            println!("  {rule}: only AWS can set these tags, and they are left out: {}", tags.join(", "));
        }
        if let Some((id, waiver)) = waiver {
            println!("  waiver {id}: until {}, for {}: {}", waiver.until, escaped(&waiver.by), escaped(&waiver.reason));
        }
    }

    fn advice(&self) -> &'static str {
        match self.arguments.waive {
            Some(_) => "The waiver does not cover it.",
            None => "To let it be for a while: --waive 8h --reason TEXT. For longer: an exemption in the policy.",
        }
    }

    /// Makes the calls. Returns why one failed: a look says what is there, whatever the answer.
    async fn authorize(&self, rules: &[Rule]) -> Option<String> {
        let group = &self.evidence.location.group;
        let mut failed = None;
        for call in undo::calls(rules) {
            let done = self.session.authorize(&self.target, group, &call.rules, &call.tags).await;
            if let Err(error) = done.as_ref().map_err(ToString::to_string) {
                failed = Some(error.clone());
            }
        }
        failed
    }

    /// The new ids of the rules that are there, found by what they admit.
    async fn confirm(&self, rules: &[Rule]) -> io::Result<BTreeMap<RuleId, RuleId>> {
        let mut pause = PAUSE;
        let mut look = 1;
        loop {
            let there = undo::missing(rules, &self.look().await?).there;
            if there.len() == rules.len() || look == LOOKS {
                return Ok(there);
            }
            sleep(pause).await;
            pause *= 2;
            look += 1;
        }
    }

    async fn keep(&self, paper: &Paper<'_>, outcome: ActOutcome, is: &BTreeMap<RuleId, RuleId>) -> io::Result<()> {
        let evidence = self.paper(paper, outcome, is);
        let Some(acts) = self.kept else {
            // Without a place the log is standard output, as it is the function's.
            println!("{}", evidence.document().map_err(io::Error::other)?.trim_end());
            return Ok(());
        };
        let at = (portcullis::now(), Instant::now() + PATIENCE);
        let policy = Arc::new(self.policy.clone());
        match shelf::keep(&acts.shelf, &Unwritten::default(), &evidence, &policy, at).await {
            Ok(_) => Ok(()),
            Err(failure) => {
                println!("{}", failure.document.trim_end());
                let opened = if outcome == ActOutcome::Intended { "nothing was opened" } else { "it is above" };
                Err(io::Error::other(format!("the evidence was not written: {}; {opened}", failure.error)))
            }
        }
    }

    fn paper(&self, paper: &Paper<'_>, outcome: ActOutcome, is: &BTreeMap<RuleId, RuleId>) -> Evidence {
        let guard = Guard {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            account: Some(self.caller.identity.account.clone()),
            region: Some(self.caller.identity.region.clone()),
            mode: Mode::Alert,
            policy: self.policy.hash().to_owned(),
            restores: false,
        };
        let pair = |rule: &Rule| PutBack {
            was: rule.id.clone(),
            is: is.get(&rule.id).cloned(),
            tags_left_out: paper.missing.tags_left_out.get(&rule.id).cloned().unwrap_or_default(),
        };
        let undo = Undone {
            act: self.evidence.id.clone(),
            reason: self.arguments.reason.clone(),
            waiver: paper.waiver.as_ref().map(|(id, _)| id.clone()),
            rules: paper.rules.iter().map(pair).collect(),
        };
        let rules = words::count(paper.rules.len(), "rule");
        let verb = match (self.how, outcome) {
            (How::Anew, ActOutcome::Intended) => "is about to put",
            (How::Anew, _) => "put",
            (How::InPlace, ActOutcome::Intended) => "is about to set",
            (How::InPlace, _) => "set",
        };
        let account = UndoAccount {
            guard,
            change: paper.change,
            waivers: paper.waiver.clone().into_iter().collect(),
            before: paper.facts,
            rules: paper.rules,
            undo,
            outcome,
            reason: format!("{} {verb} {rules} back", self.principal()),
        };
        account.evidence(portcullis::now())
    }

    /// What is there now, and what Terraform must know.
    fn told(&self, rules: &[Rule], is: &BTreeMap<RuleId, RuleId>) {
        let there: Vec<(&Rule, &RuleId)> = rules.iter().filter_map(|rule| Some((rule, is.get(&rule.id)?))).collect();
        if self.how == How::InPlace {
            there.iter().for_each(|(rule, _)| println!("{} is what it was again: {}", rule.id, acts::rule(rule)));
            return;
        }
        for (rule, new) in &there {
            println!("{} is there again, as {new}", rule.id);
        }
        if there.is_empty() {
            return;
        }
        println!("\nWhere Terraform made a rule, it must know the new id, or its next apply fails with Duplicate:");
        for (rule, new) in there {
            let was = &rule.id;
            println!("  terraform import aws_vpc_security_group_ingress_rule.NAME {new}    # it was {was}");
        }
        let in_line = rules.iter().any(|rule| matches!(rule.permission.source, Source::Cidr(_)));
        if in_line {
            println!("Rules within an aws_security_group have no id there, and need nothing.");
        }
    }
}

/// What the evidence of an undo rests on.
struct Paper<'a> {
    change: &'a Change,
    facts: &'a Facts,
    rules: &'a [Rule],
    waiver: Option<Named>,
    missing: &'a Missing,
}
