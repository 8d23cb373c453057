//! Works on the resources of a batch and reports what came of each.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use portcullis_domain::finding::{Finding, SweepFinding};

use super::context::{Context, InvocationScope};
use super::evidence;
use super::intake::{Batch, Tracked};
use super::later_look;
use super::recall::Settlement;
use super::resource::{self, ResourceResult};
use crate::sinks::Reported;
use crate::sinks::metrics::{self, Counts, Trouble};

/// This many resources are worked on at a time: EC2's token buckets hold 50 revokes and 100 describes.
const MOST_AT_ONCE: usize = 8;

/// This many resources are reported at a time. It is more than are worked on, so that a slow topic delays no work.
const MOST_REPORTED_AT_ONCE: usize = 64;

/// This many findings are kept for the answer. The log has them all.
const MOST_ANSWERED: usize = 10_000;

/// What came of the delivery so far.
#[derive(Default)]
pub(super) struct DeliveryResult {
    pub(super) findings: Vec<Tracked<Finding>>,
    pub(super) failed: BTreeSet<String>,
    /// The summaries of the sweeps that are under way, by the index of their payload.
    pub(super) sweeps: BTreeMap<usize, SweepFinding>,
}

/// Works on every resource of a batch. Each is reported as soon as it is done: no resource waits for another that hangs,
/// nor for the topic.
pub(super) async fn work(context: &Context, scope: &InvocationScope<'_>, batch: Batch, result: &mut DeliveryResult) {
    let resources = batch.resources.into_iter();
    let work = resources.map(|((target, resource, held_back), changes)| async move {
        resource::handle(context, scope, (&target, &resource, held_back), changes).await
    });
    let work = stream::iter(work).buffer_unordered(MOST_AT_ONCE);
    let mut reported = stream::iter([ResourceResult {
        findings: batch.findings,
        aftermath: batch.aftermath,
        ..ResourceResult::default()
    }])
    .chain(work)
    .map(|mut done| async move {
        // Here, for every finding comes by.
        let policy = context.policy.now().hash().to_owned();
        for finding in done.findings.iter_mut().filter(|finding| finding.value.policy.is_none()) {
            finding.value.policy = Some(policy.clone());
        }
        let own = done.findings.iter_mut().map(|finding| &mut finding.value);
        evidence::keep_all(context, own, scope.report_until()).await;
        let findings = done.findings.iter().map(|finding| &finding.value);
        let Reported { failures, unnamed } =
            context.sinks_with(scope.session).report(findings, &scope.news, scope.report_until()).await;
        let aftermath = std::mem::take(&mut done.aftermath);
        let unkept: Vec<&Finding> =
            done.findings.iter().map(|it| &it.value).filter(|it| it.is_without_evidence).collect();
        let held_back =
            |settlement: Settlement| unkept.iter().fold(settlement, |it, finding| it.held_back_for(finding));
        let is_lost = unkept.iter().any(|finding| finding.is_of_end());
        let settle = aftermath.settlements.into_iter().filter(|it| !(is_lost && it.ends_an_opening())).map(held_back);
        let unnamed = &unnamed;
        let settle = settle.map(|settlement| async move {
            let notes_an_opening = settlement.notes_an_opening();
            // What was only counted is news the next time.
            let is_told = failures == 0 && !unnamed.iter().any(|finding| settlement.is_about(finding));
            (settlement.write(context, is_told, scope.report_until()).await, notes_an_opening)
        });
        let settled: Vec<(bool, bool)> = stream::iter(settle).buffer_unordered(MOST_AT_ONCE).collect().await;
        let is_told = failures == 0 && unnamed.is_empty();
        if settled.contains(&(false, true)) {
            not_noted(&mut done);
        }
        // What fails comes again anyway.
        let failing = done.findings.iter().filter(|finding| finding.value.needs_retry());
        let failing: BTreeSet<usize> = failing.map(|finding| finding.origin.index).collect();
        let mut looks = std::mem::take(&mut done.later_looks);
        looks.retain(|looks| !failing.contains(&looks.payload));
        let lost = later_look::send(context, looks, is_told, scope.report_until()).await;
        not_sent(&mut done, &lost);
        let trouble = Trouble {
            publish_failures: failures,
            unsettled: settled.into_iter().filter(|(is_settled, _)| !is_settled).count(),
            policy_stale: usize::from(aftermath.is_policy_stale),
        };
        (done, trouble)
    })
    .buffer_unordered(MOST_REPORTED_AT_ONCE);
    let (mut counts, mut trouble) = (Counts::default(), Trouble::default());
    while let Some((done, more)) = reported.next().await {
        trouble.add(more);
        done.findings.iter().for_each(|finding| counts.note(&finding.value, context.now()));
        counts.note_swept(usize::from(done.is_swept));
        result.add(done);
    }
    if let Some(line) = metrics::line(&counts, trouble, context.now()) {
        (context.out)(&line);
    }
}

/// That a rule was made under a waiver could not be noted: the delivery is tried again, or the opening's end would not know
/// of it.
fn not_noted(done: &mut ResourceResult) {
    for finding in done.findings.iter_mut().filter(|finding| finding.value.waiver.is_some()) {
        finding.value.doubtful = true;
        finding.value.reason.push_str("; the memory could not note that the rule was made under the waiver");
    }
}

/// The queue did not take the messages for later looks at these payloads: they are delivered again.
fn not_sent(done: &mut ResourceResult, payloads: &BTreeSet<usize>) {
    for finding in done.findings.iter_mut().filter(|finding| payloads.contains(&finding.origin.index)) {
        finding.value.doubtful = true;
        finding.value.reason.push_str("; the queue did not take it");
    }
}

impl DeliveryResult {
    fn add(&mut self, done: ResourceResult) {
        for index in &done.sweeps {
            if let Some(summary) = self.sweeps.get_mut(index) {
                summary.groups += done.groups;
                summary.note_nearly_open(&done.nearly_open);
            }
        }
        for finding in &done.findings {
            if let Some(summary) = self.sweeps.get_mut(&finding.origin.index) {
                summary.note(&finding.value);
            }
        }
        let failed = done.findings.iter().filter(|finding| finding.value.needs_retry());
        self.failed.extend(failed.map(|finding| finding.origin.item.clone()));
        let room = MOST_ANSWERED.saturating_sub(self.findings.len());
        self.findings.extend(done.findings.into_iter().take(room));
    }
}
