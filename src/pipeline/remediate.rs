//! Look, judge, plan, revoke, and again, until nothing is left to do. No write without a look of the same turn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_domain::exposure::{Attribution, GroupFacts, Judgement, PrefixLists, Rule, judge};
use portcullis_domain::finding::{Action, Done};
use portcullis_domain::ids::{GroupId, RuleId};
use portcullis_domain::plan::plan;
use portcullis_domain::policy::{GroupLocation, Mode};
use portcullis_domain::trail::{Change, ChangedRules, Resource};
use tokio::time::{Instant, timeout_at};

use super::Guard;
use crate::aws::{AccountRegion, AwsError, Effect, FunctionIdentity, KnownLists, Permit};

/// What is to be done, for whom, and until when.
pub(super) struct Job<'a> {
    pub(super) target: &'a AccountRegion,
    pub(super) own: &'a FunctionIdentity,
    pub(super) changes: &'a [&'a Change],
    /// The most that may be done: the function's mode, or the sweep's where the subject is a whole Region.
    pub(super) mode: Mode,
    pub(super) until: Instant,
    /// Until when it may be seen whether a standing exposure stays.
    pub(super) contest_until: Instant,
    /// What the invocation has read of prefix lists.
    pub(super) known: &'a KnownLists,
}

/// A group as a look showed it.
pub(super) struct Look {
    pub(super) group: GroupFacts,
    pub(super) lists: PrefixLists,
    /// When the look began.
    pub(super) at: Instant,
}

/// A write rests on a look that is no older. The look at one group is always younger; that at a whole Region may not be
/// by the time its last group is dealt with.
const FRESH: Duration = Duration::from_secs(1);

/// For so long a standing exposure is looked at again where it may be about to go: a remediation takes less.
const CONTEST: Duration = Duration::from_secs(3);

/// What came of a group.
pub(super) struct Settled {
    pub(super) judgement: Judgement,
    pub(super) done: Done,
    /// When the last of it was done, or when it was clear that there was nothing to do.
    pub(super) done_at: Timestamp,
    pub(super) mode: Mode,
}

/// What is known of a group over all looks, and what was done.
#[derive(Default)]
struct Ledger {
    /// Every rule that any look showed, as it was last.
    event: BTreeMap<RuleId, Rule>,
    lists: PrefixLists,
    done: Done,
    /// Planned and not done.
    pending: BTreeSet<RuleId>,
    /// A call of ours may have taken effect without our hearing of it: what is gone then is our doing.
    unheard: bool,
    error: String,
}

impl Ledger {
    /// Takes in a look: what is pending and not shown any more is gone.
    fn note(&mut self, facts: &GroupFacts, lists: &PrefixLists) {
        self.event.extend(facts.rules.iter().map(|rule| (rule.id.clone(), rule.clone())));
        self.lists.extend(lists.clone());
        let shown: BTreeSet<&RuleId> = facts.rules.iter().map(|rule| &rule.id).collect();
        let gone = if self.unheard { Action::Revoked } else { Action::AlreadyGone };
        let (left, vanished) = std::mem::take(&mut self.pending).into_iter().partition(|id| shown.contains(id));
        self.pending = left;
        self.done.extend(BTreeSet::into_iter(vanished).map(|id| (id, gone.clone())));
    }

    /// Takes in a plan: what was pending and is not planned any more has been closed by a change of the rule itself. Of a
    /// look that could not decide everything nobody can say that.
    fn plan(&mut self, planned: BTreeSet<RuleId>, decided: bool) {
        let action = if decided { Action::AlreadyGone } else { Action::Failed { error: self.error.clone() } };
        let closed = self.pending.difference(&planned).map(|id| (id.clone(), action.clone()));
        self.done.extend(closed.collect::<Vec<_>>());
        self.pending = planned;
    }

    /// Takes in an answer to a revoke of all that is pending. Whether another turn may help.
    fn answer(&mut self, answer: Result<BTreeSet<RuleId>, AwsError>) -> bool {
        match answer {
            Ok(listed) => {
                let (revoked, silent) =
                    std::mem::take(&mut self.pending).into_iter().partition(|id| listed.contains(id));
                self.pending = silent;
                self.done.extend(BTreeSet::into_iter(revoked).map(|id| (id, Action::Revoked)));
                (self.unheard, self.error) = (true, "NotListed".to_owned());
                true
            }
            Err(error) => {
                self.unheard |= error.effect == Effect::Unknown;
                let again = error.effect != Effect::Refused;
                self.error = error.code;
                again
            }
        }
    }

    /// What is left, as the look shows it, of a group whose revoked rules EC2 may still show.
    fn left(&self, facts: &GroupFacts) -> GroupFacts {
        let gone = |rule: &&Rule| !matches!(self.done.get(&rule.id), Some(Action::Revoked));
        GroupFacts { rules: facts.rules.iter().filter(gone).cloned().collect(), ..facts.clone() }
    }

    /// The group with everything in it that any look showed.
    fn whole(&self, facts: &GroupFacts) -> GroupFacts {
        GroupFacts { rules: self.event.values().cloned().collect(), ..facts.clone() }
    }

    /// The group as it is told of: with what had to go and the changes' own rules, whatever has become of them, but
    /// without what others made and took back meanwhile.
    fn told(&self, facts: &GroupFacts, attributed: &BTreeSet<&RuleId>) -> GroupFacts {
        let shown: BTreeSet<&RuleId> = facts.rules.iter().map(|rule| &rule.id).collect();
        let concerns = |id: &RuleId| {
            shown.contains(id) || attributed.contains(id) || self.done.contains_key(id) || self.pending.contains(id)
        };
        let rules = self.event.iter().filter(|(id, _)| concerns(id)).map(|(_, rule)| rule.clone());
        GroupFacts { rules: rules.collect(), ..facts.clone() }
    }
}

impl Guard {
    /// Does what the plan says about a group, at most `most` revocations, looking again until nothing is left to do and
    /// EC2 shows what the records speak of.
    pub(super) async fn roll_back(
        &self,
        job: &Job<'_>,
        look: Look,
        mut pass: Option<Permit<'_>>,
        most: usize,
    ) -> Settled {
        let mut ledger = Ledger::default();
        let contest_until = job.contest_until.min(look.at + CONTEST);
        let (mut look, mut turn, mut done_at) = (look, 0, None);
        let mut mode = self.policy.mode(location(job.target, &look.group), job.mode);
        let unsettled = loop {
            let facts = &look.group;
            ledger.note(facts, &look.lists);
            let left = self.judge(job, &ledger.left(facts), &ledger.lists);
            let plan = plan(&left);
            let is_contested = is_contested(&left, &plan);
            ledger.plan(ids(&left, plan), left.undecided.is_empty());
            if ledger.pending.len() > most {
                mode = Mode::Alert;
            }
            let unsettled = self.young(job.changes, look.at) && !self.settled(job, &ledger, facts);
            let contested = is_contested && Instant::now() < contest_until && mode == Mode::Enforce;
            let mut again = unsettled || contested;
            let mut longest_pause = if contested { CONTEST / 3 } else { Duration::MAX };
            if mode == Mode::Enforce && !ledger.pending.is_empty() {
                let Some(ready) = self.pass(job, pass.take()).await else {
                    "Timeout".clone_into(&mut ledger.error);
                    break unsettled;
                };
                if look.at.elapsed() > FRESH {
                    pass = Some(ready);
                    (again, longest_pause) = (true, Duration::ZERO);
                } else {
                    let revoke = self.aws.revoke(ready, job.own, &facts.group, &ledger.pending);
                    let answer = timeout_at(job.until, revoke)
                        .await
                        .unwrap_or_else(|_| Err(out_of_time("RevokeSecurityGroupIngress")));
                    done_at = answer.is_ok().then(|| (self.clock)()).or(done_at);
                    again = ledger.answer(answer) && (unsettled || contested || !ledger.pending.is_empty());
                }
            }
            if !again {
                break false;
            }
            match self.look_again(job, &look.group.group, longest_pause, &mut turn, &mut ledger.error).await {
                Some(next) => look = next,
                // Without the time for a contest what was seen counts.
                None => break unsettled,
            }
        };
        let mut judgement = self.judge(job, &ledger.whole(&look.group), &ledger.lists);
        let told = ledger.told(&look.group, &attributed(&judgement));
        if told.rules.len() < judgement.rules.len() {
            judgement = self.judge(job, &told, &ledger.lists);
        }
        if unsettled {
            judgement.undecided.push("EC2 does not show yet what the record says".to_owned());
        }
        let rest = match mode {
            Mode::Alert => Action::WouldRevoke,
            Mode::Enforce => Action::Failed { error: ledger.error },
        };
        let mut done = ledger.done;
        done.extend(ledger.pending.into_iter().map(|id| (id, rest.clone())));
        Settled { judgement, done, done_at: done_at.unwrap_or_else(|| (self.clock)()), mode }
    }

    /// The right to make a revoke call, waited for where there is none at hand; nothing when time runs out first.
    pub(super) async fn pass<'a>(&'a self, job: &Job<'_>, at_hand: Option<Permit<'a>>) -> Option<Permit<'a>> {
        match at_hand {
            Some(pass) => Some(pass),
            None => timeout_at(job.until, self.aws.pass(job.target)).await.ok(),
        }
    }

    /// Whether EC2 has shown every rule that the changes claim, as they made it or as another change at hand did. What
    /// was added to a prefix list was waited for before.
    fn settled(&self, job: &Job<'_>, ledger: &Ledger, facts: &GroupFacts) -> bool {
        let judgement = self.judge(job, &ledger.whole(facts), &ledger.lists);
        let attributed = attributed(&judgement);
        let shown = |changed_rules: &Attribution| {
            changed_rules.missing.is_empty() && changed_rules.replaced.iter().all(|id| attributed.contains(id))
        };
        let of_rules = |change: &Change| !matches!(change.changed_rules, ChangedRules::PrefixList { .. });
        judgement
            .attributions
            .iter()
            .zip(job.changes)
            .filter(|(_, change)| of_rules(change))
            .all(|(changed_rules, _)| shown(changed_rules))
    }

    /// Whether some rule of the group would have to go as it is shown.
    pub(super) fn calls_for_action(&self, job: &Job<'_>, facts: &GroupFacts, lists: &PrefixLists) -> bool {
        !plan(&self.judge(job, facts, lists)).is_empty()
    }

    fn judge(&self, job: &Job<'_>, facts: &GroupFacts, lists: &PrefixLists) -> Judgement {
        judge(job.changes, facts, lists, &self.policy, location(job.target, facts), (self.clock)())
    }

    /// The next look that succeeds, after a pause of so long at the most; nothing when time has run out or the look is
    /// refused.
    async fn look_again(
        &self,
        job: &Job<'_>,
        group: &GroupId,
        longest_pause: Duration,
        turn: &mut u32,
        error: &mut String,
    ) -> Option<Look> {
        let mut pause = if longest_pause.is_zero() { Duration::ZERO } else { next_pause(turn).min(longest_pause) };
        loop {
            if job.until.duration_since(Instant::now()) <= pause {
                return None;
            }
            tokio::time::sleep(pause).await;
            match self.look(job, &Resource::Group(group.clone()), None).await {
                Ok(mut facts) => {
                    return facts.groups.pop().map(|group| Look { group, lists: facts.prefix_lists, at: facts.at });
                }
                Err(failure) => {
                    tracing::warn!(%group, code = failure.code, message = failure.message, "a second look failed");
                    *error = failure.code;
                    if failure.effect == Effect::Refused {
                        return None;
                    }
                }
            }
            pause = next_pause(turn);
        }
    }
}

fn next_pause(turn: &mut u32) -> Duration {
    *turn = turn.saturating_add(1);
    backoff(*turn)
}

/// The ids of rules that are given by index.
fn ids(judgement: &Judgement, rules: BTreeSet<usize>) -> BTreeSet<RuleId> {
    rules.into_iter().filter_map(|n| Some(judgement.rules.get(n)?.rule.id.clone())).collect()
}

/// The rules that the changes at hand made.
fn attributed(judgement: &Judgement) -> BTreeSet<&RuleId> {
    judgement.rules.iter().filter(|judged| judged.attributed).map(|judged| &judged.rule.id).collect()
}

/// Whether an exposure that is left as standing has a rule of the changes in it that stays. What makes it standing may
/// be another change, which another delivery is about to take back.
fn is_contested(judgement: &Judgement, plan: &BTreeSet<usize>) -> bool {
    let stays = |rule: &usize| judgement.is_attributed(*rule) && !plan.contains(rule);
    judgement.exposures.iter().any(|exposure| exposure.standing && exposure.rules.iter().any(stays))
}

/// The invocation's time is up: whether the call took effect nobody knows.
pub(super) fn out_of_time(call: &'static str) -> AwsError {
    AwsError {
        call,
        code: "Timeout".to_owned(),
        message: "the invocation ran out of time".to_owned(),
        effect: Effect::Unknown,
    }
}

fn location<'a>(target: &'a AccountRegion, facts: &'a GroupFacts) -> GroupLocation<'a> {
    GroupLocation { account: &target.account, region: &target.region, group: &facts.group, vpc: facts.vpc.as_ref() }
}

/// From 200 ms doubled each turn, at most 4 s; half of it by chance, so that throttled invocations do not stay in step.
pub(super) fn backoff(turn: u32) -> Duration {
    let pause = Duration::from_millis(100).saturating_mul(2u32.saturating_pow(turn)).min(Duration::from_secs(4));
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}
