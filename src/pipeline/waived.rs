//! Waivers that come while a group is handled. Whoever opens writes the waiver first and the rule after it, so that whoever
//! sees the rule can know the waiver: before a rule is revoked that the look before did not show, the memory is read again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use portcullis_domain::memory::{Waiver, exemptions};
use portcullis_domain::opening::marker_of;
use portcullis_domain::plan::going;
use portcullis_domain::policy::{Mode, Policy};
use portcullis_domain::rule::Rule;
use tokio::time::Instant;

use super::recall::{RENEW, Recall};
use super::remediate::Work;
use super::task::{GroupTask, Snapshot};

/// What is known of the group's waivers.
pub(super) struct Waived<'a> {
    /// The policy with those that hold.
    pub(super) policy: Cow<'a, Policy>,
    /// All of them, by their ids.
    pub(super) waivers: BTreeMap<String, Waiver>,
    /// When the memory was read, or did not answer.
    asked_at: Instant,
    /// The rules that the look before that had shown. Their waivers were written before they were made.
    shown: Vec<Rule>,
}

impl<'a> Waived<'a> {
    /// What was known when the task was made.
    pub(super) fn new(task: &'a GroupTask<'a>, recall: Option<&Recall>, first: &Snapshot) -> Self {
        let waivers = recall.map(|recall| recall.memory.waivers.clone()).unwrap_or_default();
        let (policy, shown) = (Cow::Borrowed(task.policy), first.facts.rules.clone());
        Self { policy, waivers, asked_at: first.observed_at, shown }
    }

    /// The memory was read after a look.
    pub(super) fn read_after(&mut self, look: &Snapshot) {
        self.asked_at = Instant::now();
        self.shown.clone_from(&look.facts.rules);
    }
}

impl Work<'_> {
    /// The task, with the waivers that are known by now.
    pub(super) fn task(&self) -> GroupTask<'_> {
        GroupTask { policy: &self.waived.policy, ..*self.task }
    }

    /// Learns of the waivers under which rules of a look may have been made. A read takes no longer than a claim may.
    pub(super) async fn learn_of_waivers(&mut self, snapshot: &Snapshot) {
        let until = self.task.session.until();
        if self.needs_to_ask(snapshot)
            && let Some(recall) = self.stand.recall.as_mut()
        {
            recall.read_again(self.context, until).await;
            self.waived.read_after(snapshot);
        }
        let Some(recall) = self.stand.recall.as_ref() else { return };
        if self.waived.waivers != recall.memory.waivers {
            self.waived.waivers.clone_from(&recall.memory.waivers);
            let Waived { waivers, policy, .. } = &self.waived;
            let exemptions = exemptions(waivers, (&snapshot.facts.location, policy, self.context.now()));
            self.waived.policy = Cow::Owned(policy.with_waivers(exemptions));
        }
    }

    /// Whether a rule is to go that nobody had seen when the memory was read, and that its description, or a second since
    /// then, may make lawful. Whoever stands at the gate reads it each second anyway.
    fn needs_to_ask(&self, snapshot: &Snapshot) -> bool {
        let Waived { waivers, asked_at, shown, .. } = &self.waived;
        let names_another = |rule: &Rule| marker_of(rule).is_some_and(|marker| !waivers.contains_key(marker.waiver));
        let may_be_waived =
            |rule: &&Rule| !shown.contains(rule) && (asked_at.elapsed() >= RENEW || names_another(rule));
        let new: Vec<&Rule> = snapshot.facts.rules.iter().filter(may_be_waived).collect();
        if new.is_empty() || self.stand.recall.is_none() || self.task.mode != Mode::Enforce {
            return false;
        }
        let judgement = self.task().judge(self.context, &self.state.left(&snapshot.facts));
        let going = going(&judgement).into_iter().filter_map(|n| judgement.rules.get(n));
        going.into_iter().any(|judged| new.iter().any(|rule| rule.id == judged.rule.id))
    }
}
