//! Standing at the gate with a memory: one invocation holds a lease on the group and looks on, the others leave it the
//! field. What the holder revokes it tells at once, so that the others need no look of their own.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_domain::facts::Facts;
use portcullis_domain::ids::RuleId;
use tokio::time::Instant;

use super::context::Context;
use super::describe;
use super::insist::Insistence;
use super::recall::{RENEW, Recall};
use super::remediate::Work;
use super::task::{GroupTask, Snapshot};

/// What the group's memory is to a remediation.
pub(super) struct Stand<'a> {
    /// What is known of the group; nothing where there is no memory, or it did not answer.
    pub(super) recall: &'a mut Option<Recall>,
    /// Whether this invocation holds the lease.
    pub(super) is_holder: bool,
    /// When the lease was last renewed.
    pub(super) renewed_at: Instant,
    /// The rules of which the others were told that they are closed.
    pub(super) told: BTreeSet<RuleId>,
    /// Whether a revoke that EC2 refuses for want of a token is repeated at once.
    pub(super) insistence: Insistence,
    /// Whether this invocation waited beside the holder for rules that its look lacks.
    pub(super) has_rested: bool,
}

impl<'a> Stand<'a> {
    /// That of an invocation that has only come.
    pub(super) fn new(recall: &'a mut Option<Recall>) -> Self {
        let (renewed_at, told) = (Instant::now(), BTreeSet::new());
        Self { recall, is_holder: false, renewed_at, told, insistence: Insistence::default(), has_rested: false }
    }
}

/// The holder closes what the others saw open within this time, or they do it themselves.
const WAIT: Duration = Duration::from_millis(1500);

/// How often the others read what the holder has closed, at the soonest.
const READ_EVERY: Duration = Duration::from_millis(150);

/// How often an invocation that waits beside the holder reads what is closed, at the soonest.
const READ_BESIDE_EVERY: Duration = Duration::from_millis(400);

/// Beside the holder, a rule that only another delivery names is waited for no longer: the holder has looked many times
/// by then, and takes what appears between two looks.
const BEHIND: Duration = Duration::from_secs(2);

impl Work<'_> {
    /// Leaves it to the holder, where there is one, to close what the snapshot shows. What it has not closed in its time is
    /// closed here, after a look of now. Returns whether it was waited for.
    pub(super) async fn leave_to_the_holder(&mut self, snapshot: &Snapshot) -> bool {
        let context = self.context;
        let may_wait = self.task.is_of_events() && !self.stand.is_holder;
        let recall = self.stand.recall.as_mut().filter(|_| may_wait);
        let may_wait = |recall: &&mut Recall| !recall.has_waited && recall.is_held_by_another(context.now());
        let Some(recall) = recall.filter(may_wait) else { return false };
        wait_for_the_holder(context, self.task, recall, &self.state.left(&snapshot.facts)).await;
        self.state.close(recall.memory.closed_lately(context.now()));
        true
    }

    /// Waits beside the holder for rules that the snapshot lacks: its own until they count as gone, those of others for a
    /// moment. Returns whether all of them are closed, so that no other look is needed.
    pub(super) async fn rest_beside_the_holder(&mut self, snapshot: &Snapshot) -> bool {
        let (context, task, began) = (self.context, self.task, Instant::now());
        let until = began + task.until_it_settles(context);
        self.stand.has_rested = true;
        loop {
            let pause = READ_BESIDE_EVERY.mul_f64(1.0 + fastrand::f64());
            if Instant::now() + pause >= until.min(task.session.until()) {
                self.gate.rest(until.saturating_duration_since(Instant::now()));
                return false;
            }
            tokio::time::sleep(pause).await;
            let Some(recall) = self.stand.recall.as_mut() else { return false };
            recall.read_again(context, until).await;
            self.state.close(recall.memory.closed_lately(context.now()));
            let is_held = recall.is_held_by_another(context.now());
            let (is_unsettled, is_behind) = (self.is_unsettled(snapshot), self.is_behind(snapshot));
            if !is_unsettled && !is_behind {
                return true;
            }
            if !is_held || !is_unsettled && began.elapsed() >= BEHIND {
                self.gate.limit_next(Duration::ZERO);
                return false;
            }
        }
    }

    /// Whether this invocation may stay while rules change: without a memory always, with one as the holder of the lease.
    /// Where somebody else holds it, what that one closed is taken in, and only who has nothing left to do may leave: what
    /// EC2 refused to revoke here may be nobody else's. What was revoked here is waited for by nobody.
    pub(super) async fn stay(&mut self, snapshot: &Snapshot) -> bool {
        if self.stand.is_holder {
            return true;
        }
        let (context, until) = (self.context, self.task.session.until());
        let closed: Vec<RuleId> = self.state.revoked().cloned().collect();
        let Some(recall) = self.stand.recall.as_mut() else { return true };
        match recall.hold(context, &closed, until).await {
            Some(true) => {
                self.stand.is_holder = true;
                self.stand.renewed_at = Instant::now();
                self.stand.told.extend(closed);
                self.waived.read_after(snapshot);
                self.gate.hold(recall.gap(context.now()));
                true
            }
            Some(false) => {
                wait_for_the_holder(context, self.task, recall, &self.state.left(&snapshot.facts)).await;
                self.state.close(recall.memory.closed_lately(context.now()));
                !self.state.pending().is_empty()
            }
            // Without an answer it stays for some looks, as without a memory.
            None => true,
        }
    }

    /// The next look. Meanwhile the holder renews its lease and tells the others what it has closed.
    pub(super) async fn look_again(&mut self, snapshot: &Snapshot) -> Option<Snapshot> {
        let (context, task, group) = (self.context, self.task, &snapshot.facts.location.group);
        let until = task.session.until();
        let news: Vec<RuleId> = self.state.revoked().filter(|rule| !self.stand.told.contains(*rule)).cloned().collect();
        let is_due = !news.is_empty() || self.stand.renewed_at.elapsed() >= RENEW;
        let recall = self.stand.recall.as_mut().filter(|_| self.stand.is_holder && is_due);
        let Some(recall) = recall else {
            return describe::again(context, task, group, &mut self.gate, &mut self.state).await;
        };
        let (next, held) = tokio::join!(
            describe::again(context, task, group, &mut self.gate, &mut self.state),
            recall.hold(context, &news, until)
        );
        // Where somebody else took it when it was not renewed in time, both look on until they are done.
        if held.is_some() {
            self.waived.read_after(snapshot);
        }
        if held == Some(true) {
            self.stand.renewed_at = Instant::now();
            self.stand.told.extend(news);
        }
        next
    }
}

/// Waits until the holder has closed what a look shows open, or it is clear that it will not. Whether all is closed.
pub(super) async fn wait_for_the_holder(
    context: &Context,
    task: &GroupTask<'_>,
    recall: &mut Recall,
    facts: &Facts,
) -> bool {
    recall.has_waited = true;
    let until = task.session.until().min(Instant::now() + WAIT);
    loop {
        let closed: BTreeSet<RuleId> = recall.memory.closed_lately(context.now()).into_iter().cloned().collect();
        let left = facts.rules.iter().filter(|rule| !closed.contains(&rule.id)).cloned().collect();
        if task.judge(context, &facts.with_rules(left)).exposures.is_empty() {
            return true;
        }
        let pause = READ_EVERY.mul_f64(1.0 + fastrand::f64());
        if !recall.is_held_by_another(context.now()) || Instant::now() + pause >= until {
            return false;
        }
        tokio::time::sleep(pause).await;
        recall.read_again(context, until).await;
    }
}
