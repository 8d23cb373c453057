//! The sweep: a look at everything, on a schedule or by hand. It takes the path of an event whose record says nothing but
//! the account and the Region.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use portcullis_domain::finding::{Finding, Outcome, SweepFinding, Verdict};
use portcullis_domain::ids::{AccountId, Region};
use portcullis_domain::trail::{Change, EventMetadata};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{Batch, Guard, Origin, Run, TO_TELL, Tally, Told, Worked};
use crate::aws::{AccountRegion, AwsError, FunctionIdentity};
use crate::config::Accounts;
use crate::envelope::SweepRequest;

/// So many accounts are asked for their Regions at a time.
const MOST_ASKED_AT_ONCE: usize = 16;

/// The summaries of the sweeps at hand, by the place of their order.
pub(super) type Sweeps = BTreeMap<usize, SweepFinding>;

/// What a sweep covers.
#[derive(Debug, Default)]
pub struct Places {
    /// Where it looks.
    pub targets: Vec<AccountRegion>,
    /// Accounts whose Regions could not be had, and why.
    pub unknown: Vec<(AccountId, AwsError)>,
}

/// Takes what came of a subject into the summaries of the sweeps that it is part of.
pub(super) fn note(sweeps: &mut Sweeps, worked: &Worked) {
    for place in &worked.sweeps {
        if let Some(summary) = sweeps.get_mut(place) {
            summary.groups += worked.groups;
        }
    }
    for told in &worked.told {
        if let Some(summary) = sweeps.get_mut(&told.origin.place) {
            summary.note(&told.finding);
        }
    }
}

impl Guard {
    /// Carries out a sweep, or hands it out over the queue, and tells what came of it.
    pub(super) async fn sweep(&self, origin: &Origin, order: SweepRequest, run: &Run<'_>, tally: &mut Tally) {
        let finding = match self.swept(origin, order, run, tally).await {
            Ok(finding) => finding,
            Err((outcome, why)) => self.plain(Verdict::Undecided, outcome, why),
        };
        let told = vec![Told { origin: origin.clone(), finding }];
        self.work(Batch { told, ..Batch::default() }, run, tally).await;
    }

    fn plain(&self, verdict: Verdict, outcome: Outcome, why: String) -> Finding {
        let event =
            EventMetadata { time: Some((self.clock)()), call: Some("Sweep".to_owned()), ..EventMetadata::default() };
        Finding::plain(&event, verdict, outcome, self.mode, why)
    }

    async fn swept(
        &self,
        origin: &Origin,
        order: SweepRequest,
        run: &Run<'_>,
        tally: &mut Tally,
    ) -> Result<Finding, (Outcome, String)> {
        let refused = |why: String| (Outcome::None, why);
        let own = run.invocation.own.as_ref();
        let own =
            own.ok_or_else(|| refused("the function's own account is not known: its ARN names none".to_owned()))?;
        let accounts = self.accounts_of(&order, own, run).await?;
        for account in &accounts {
            self.permitted(account, Some(own)).map_err(refused)?;
        }
        // Where there is a queue, half of the time is for asking: who has not been asked then gets a message all the same.
        let deadline = run.invocation.deadline;
        let half = Instant::now() + deadline.duration_since(Instant::now()) / 2;
        let until = if self.queue.is_some() { half } else { deadline };
        let places = self.places(&accounts, &order.regions, own, until).await;
        if let Some(queue) = self.queue.as_ref().filter(|_| places.targets.len() + places.unknown.len() > 1) {
            return self.hand_out(queue, &places, run).await;
        }
        let summary = SweepFinding {
            accounts: accounts.len(),
            places: places.targets.len(),
            unreachable: places.unknown.iter().map(|(account, why)| format!("{account}: {why}")).collect(),
            ..SweepFinding::default()
        };
        tally.sweeps.insert(origin.place, summary);
        let mut batch = Batch::default();
        let now = (self.clock)();
        for AccountRegion { account, region } in places.targets {
            batch.change(origin.clone(), Change::sweep(None, Some(now), account, region));
        }
        self.work(batch, run, tally).await;
        let summary = tally.sweeps.remove(&origin.place).unwrap_or_default();
        Ok(Finding::swept(now, summary, self.mode.min(self.policy.sweep().mode)))
    }

    /// The accounts of an order; all that the function may act in where it names none.
    async fn accounts_of(
        &self,
        order: &SweepRequest,
        own: &FunctionIdentity,
        run: &Run<'_>,
    ) -> Result<BTreeSet<AccountId>, (Outcome, String)> {
        if !order.accounts.is_empty() {
            return Ok(order.accounts.iter().cloned().collect());
        }
        match &self.accounts {
            Accounts::Own => Ok(BTreeSet::from([own.account.clone()])),
            Accounts::Listed(listed) => Ok(listed.clone()),
            Accounts::Any => {
                let until = run.until();
                let late = || super::remediate::out_of_time("ListAccounts");
                let listed = timeout_at(until, self.aws.accounts()).await.unwrap_or_else(|_| Err(late()));
                let failed = |error: AwsError| (Outcome::Failed, format!("the organisation's accounts: {error}"));
                Ok(listed.map_err(failed)?.into_iter().collect())
            }
        }
    }

    /// The Regions of each account: those of the order, or else all that are enabled there.
    pub async fn places(
        &self,
        accounts: &BTreeSet<AccountId>,
        regions: &[Region],
        own: &FunctionIdentity,
        deadline: Instant,
    ) -> Places {
        let until = deadline.checked_sub(TO_TELL).unwrap_or(deadline);
        let asked = accounts.iter().map(|account| async move {
            if !regions.is_empty() {
                return (account, Ok(regions.to_vec()));
            }
            let late = || super::remediate::out_of_time("DescribeRegions");
            let enabled = timeout_at(until, self.aws.regions(account, own)).await.unwrap_or_else(|_| Err(late()));
            (account, enabled)
        });
        let mut answers = stream::iter(asked).buffered(MOST_ASKED_AT_ONCE);
        let mut places = Places::default();
        while let Some((account, enabled)) = answers.next().await {
            let target = |region| AccountRegion { account: account.clone(), region };
            match enabled {
                Ok(regions) => places.targets.extend(regions.into_iter().map(target)),
                Err(error) => places.unknown.push((account.clone(), error)),
            }
        }
        places
    }

    /// One message for each account and Region. An account whose Regions are not known gets a message of its own, and
    /// with it tries and, if need be, a dead letter of its own.
    async fn hand_out(&self, queue: &str, places: &Places, run: &Run<'_>) -> Result<Finding, (Outcome, String)> {
        let order = |target: &AccountRegion| {
            json!({"sweep": {"accounts": [&target.account], "regions": [&target.region]}}).to_string()
        };
        let mut messages: Vec<String> = places.targets.iter().map(order).collect();
        let later = |(account, _): &(AccountId, AwsError)| json!({"sweep": {"accounts": [account]}}).to_string();
        messages.extend(places.unknown.iter().map(later));
        let until = run.until();
        let Ok(refused) = timeout_at(until, self.aws.enqueue(queue, &messages)).await else {
            let late = "time ran out while the sweep was handed out: order it in parts, by accounts";
            return Err((Outcome::Failed, late.to_owned()));
        };
        if let Some((_, error)) = refused.first() {
            let (failed, all) = (refused.len(), messages.len());
            return Err((Outcome::Failed, format!("{failed} of {all} messages were not handed out: {error}")));
        }
        let mut why = format!("sweep handed out: {} messages, one for each account and Region", messages.len());
        for (account, error) in &places.unknown {
            why.push_str(&format!("; {account} is tried again: {error}"));
        }
        Ok(self.plain(Verdict::Irrelevant, Outcome::None, why))
    }
}
