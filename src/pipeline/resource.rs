//! One subject, all its changes: one look, then each group of it.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use portcullis_domain::exposure::harmless;
use portcullis_domain::finding::{Action, Finding, Outcome, Verdict};
use portcullis_domain::policy::Mode;
use portcullis_domain::trail::{Call, Change, ChangedRules, Resource};
use tokio::time::timeout_at;

use super::remediate::{Job, Look, Settled, out_of_time};
use super::{Guard, MOST_AT_ONCE, Received, Run, Told, Worked, named};
use crate::aws::AccountRegion;

/// A call whose parameters CloudTrail leaves out has more than 100 KB of them. A rule takes no more than 1 KB there (its
/// description has at most 255 characters), so the group that it was made in has at least so many rules.
const OVERSIZED_CALL: usize = 60;

impl Guard {
    pub(super) async fn resource(
        &self,
        target: &AccountRegion,
        resource: &Resource,
        received: Vec<Received>,
        run: &Run<'_>,
    ) -> Worked {
        let sweeps = received.iter().filter(of_sweep).map(|received| received.origin.place).collect();
        let (told, groups) = self.look_and_act(target, resource, received, run).await;
        Worked { told, groups, sweeps }
    }

    /// What is told of a subject, and how many groups were looked at.
    async fn look_and_act(
        &self,
        target: &AccountRegion,
        resource: &Resource,
        mut received: Vec<Received>,
        run: &Run<'_>,
    ) -> (Vec<Told>, usize) {
        let own = match self.permitted(&target.account, run.invocation.own.as_ref()) {
            Ok(own) => own,
            Err(why) => return (self.alike(&received, resource, Verdict::Undecided, Outcome::None, &why), 0),
        };
        let until = run.until();
        let (known, contest_until) = (&run.lists, run.contest_until);
        let look_only = Job { target, own, changes: &[], mode: Mode::Alert, until, contest_until, known };
        let mut told = self.resolve(&look_only, &mut received).await;
        if received.is_empty() {
            return (told, 0);
        }
        let changes: Vec<&Change> = received.iter().map(|received| &received.change).collect();
        let job = Job { changes: &changes, mode: self.mode, ..look_only };
        let alike = |verdict, outcome, why: &str| self.alike(&received, resource, verdict, outcome, why);
        // A group that is to be written to is looked at when the write can follow at once.
        let one_group = matches!(resource, Resource::Group(_) | Resource::GroupName(_));
        let mut pass = None;
        if one_group && self.mode == Mode::Enforce {
            pass = self.pass(&job, None).await;
            if pass.is_none() {
                let why = format!("not looked at: {}", out_of_time("RevokeSecurityGroupIngress").message);
                told.extend(alike(Verdict::Undecided, Outcome::Failed, &why));
                return (told, 0);
            }
        }
        let facts = match self.first_look(&job, resource).await {
            Ok(facts) => facts,
            Err(error) => {
                told.extend(alike(Verdict::Undecided, Outcome::Failed, &error.to_string()));
                return (told, 0);
            }
        };
        let groups = facts.groups.len();
        let looks =
            facts.groups.into_iter().map(|group| Look { group, lists: facts.prefix_lists.clone(), at: facts.at });
        match resource {
            Resource::Group(_) | Resource::GroupName(_) if groups == 0 => {
                told.extend(alike(Verdict::Safe, Outcome::AlreadyGone, "the group is no longer there"));
            }
            Resource::Group(_) | Resource::GroupName(_) => {
                for look in looks {
                    told.extend(self.group(&job, &received, look, pass.take(), usize::MAX).await.0);
                }
            }
            Resource::PrefixList(_) => {
                let work = looks.map(|look| self.group(&job, &received, look, None, usize::MAX));
                let done: Vec<_> = stream::iter(work).buffered(MOST_AT_ONCE).collect().await;
                let all: Vec<Told> = done.into_iter().flat_map(|(told, _)| told).collect();
                let safe = "no guarded port is open to the internet through the prefix list in this account and Region";
                told.extend(what_matters(all).unwrap_or_else(|| alike(Verdict::Safe, Outcome::None, safe)));
            }
            Resource::Region => {
                let all = self.region(&job, &received, looks).await;
                let safe = format!("no guarded port is open to the internet in the Region: {groups} groups looked at");
                told.extend(what_matters(all).unwrap_or_else(|| alike(Verdict::Safe, Outcome::None, &safe)));
                // Of what it found safe a sweep tells in its summary.
                let swept: BTreeSet<usize> = received.iter().filter(of_sweep).map(|one| one.origin.place).collect();
                told.retain(|told| told.finding.verdict != Verdict::Safe || !swept.contains(&told.origin.place));
            }
        }
        (told, groups)
    }

    /// Every group of a Region, one after the other: the cap on revocations is one for all of them.
    async fn region(&self, job: &Job<'_>, received: &[Received], looks: impl Iterator<Item = Look>) -> Vec<Told> {
        let sweep = self.policy.sweep();
        let mut most = usize::try_from(sweep.max_revocations).unwrap_or(usize::MAX);
        // A record that does not say where it changed something makes every group a candidate, as in a sweep, and the
        // sweep's rules hold; but for the groups that it can have been made in, where it is an event like any other.
        let of_event = job.changes.iter().any(|change| change.call != Call::Sweep);
        let swept = Job { mode: job.mode.min(sweep.mode), ..*job };
        let mut told = Vec::new();
        for look in looks {
            let oversized = of_event && look.group.rules.len() >= OVERSIZED_CALL;
            let (job, cap) = if oversized { (job, usize::MAX) } else { (&swept, most) };
            let (findings, revoked) = self.group(job, received, look, None, cap).await;
            if !oversized {
                most = most.saturating_sub(revoked);
            }
            told.extend(findings);
        }
        told
    }

    /// One group: what became of each change in it, and how many rules were revoked.
    async fn group(
        &self,
        job: &Job<'_>,
        received: &[Received],
        look: Look,
        pass: Option<crate::aws::Permit<'_>>,
        most: usize,
    ) -> (Vec<Told>, usize) {
        let id = look.group.group.clone();
        let Settled { judgement, done, done_at, mode } = self.roll_back(job, look, pass, most).await;
        let finding = |(n, received): (usize, &Received)| {
            let finding = Finding::judged(&received.change, n, &id, &judgement, &done, mode);
            received.told(Finding { done_at: Some(done_at), ..finding })
        };
        let revoked = done.values().filter(|action| **action == Action::Revoked).count();
        (received.iter().enumerate().map(finding).collect(), revoked)
    }

    /// Fills in what only EC2 knows of a change: the entries of a prefix list's restored version. What turns out to be
    /// harmless then is told at once.
    async fn resolve(&self, job: &Job<'_>, received: &mut Vec<Received>) -> Vec<Told> {
        let mut told = Vec::new();
        for mut one in std::mem::take(received) {
            if let ChangedRules::PrefixList { list, added: added @ None, restored: Some(version) } =
                &mut one.change.changed_rules
            {
                let entries = self.aws.prefix_list_version(job.target, job.own, list, *version);
                match timeout_at(job.until, entries).await {
                    Ok(Ok(entries)) => *added = Some(entries),
                    // Then any of the list's entries may be new.
                    Ok(Err(error)) => tracing::warn!(%list, version, %error, "the restored version was not read"),
                    Err(_) => tracing::warn!(%list, version, "the restored version was not read in time"),
                }
                if let Some(why) = harmless(&one.change, &self.policy) {
                    let plain =
                        Finding::plain(&one.change.event, Verdict::Safe, Outcome::None, self.mode, why.to_owned());
                    told.push(one.told(plain));
                    continue;
                }
            }
            received.push(one);
        }
        told
    }

    /// The same finding for every change of a subject.
    fn alike(
        &self,
        received: &[Received],
        resource: &Resource,
        verdict: Verdict,
        outcome: Outcome,
        why: &str,
    ) -> Vec<Told> {
        let finding = |received: &Received| {
            let plain = Finding::plain(&received.change.event, verdict, outcome, self.mode, why.to_owned());
            received.told(Finding { group: named(resource), ..plain })
        };
        received.iter().map(finding).collect()
    }
}

fn of_sweep(received: &&Received) -> bool {
    received.change.call == Call::Sweep
}

/// Of many groups only what is not safe is told. Nothing, if all are.
fn what_matters(mut told: Vec<Told>) -> Option<Vec<Told>> {
    told.retain(|told| told.finding.verdict != Verdict::Safe);
    (!told.is_empty()).then_some(told)
}
