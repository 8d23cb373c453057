//! What the plan says is done, and looked at again whenever EC2 leaves doubt about what was done.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_domain::exposure::{GroupFacts, Judgement, PrefixLists, judge};
use portcullis_domain::finding::{Action, Done};
use portcullis_domain::ids::{AccountId, RuleId};
use portcullis_domain::plan::plan;
use portcullis_domain::policy::{Mode, Whereabouts};
use portcullis_domain::trail::{Change, Subject};

use super::Guard;
use crate::aws::{Effect, Target};

/// How often a revoke is asked for, with a look between.
const MOST_REVOKES: u32 = 5;

impl Guard {
    /// Judges a group and does what the plan says, looking again whenever EC2 leaves doubt about what was done.
    pub(super) async fn roll_back(
        &self,
        target: &Target,
        own: &AccountId,
        changes: &[&Change],
        facts: &GroupFacts,
        prefix_lists: &PrefixLists,
    ) -> (Judgement, Done, Mode) {
        let mode = self.policy.mode(whereabouts(target, facts), self.mode);
        let assess = |facts: &GroupFacts, lists: &PrefixLists| {
            let judgement = judge(changes, facts, lists, &self.policy, whereabouts(target, facts), (self.clock)());
            let ids = plan(&judgement).into_iter().filter_map(|n| Some(judgement.rules.get(n)?.rule.id.clone()));
            let ids: BTreeSet<RuleId> = ids.collect();
            (judgement, ids)
        };
        let (judgement, mut left) = assess(facts, prefix_lists);
        if mode == Mode::Alert {
            return (judgement, left.into_iter().map(|id| (id, Action::WouldRevoke)).collect(), mode);
        }
        let (mut seen, mut seen_lists) = (facts.clone(), prefix_lists.clone());
        let mut done = Done::new();
        // A call of ours may have taken effect without our hearing of it: what is gone then is our doing.
        let mut unheard = false;
        let mut error = String::new();
        for attempt in 0..MOST_REVOKES {
            if left.is_empty() {
                break;
            }
            if attempt > 0 {
                tokio::time::sleep(backoff(attempt)).await;
            }
            match self.aws.revoke(target, own, &facts.group, &left).await {
                Ok(listed) => {
                    let (revoked, silent) = left.into_iter().partition(|id| listed.contains(id));
                    left = silent;
                    done.extend(BTreeSet::into_iter(revoked).map(|id| (id, Action::Revoked)));
                    (unheard, error) = (true, "NotListed".to_owned());
                }
                Err(failure) => {
                    tracing::warn!(group = %facts.group, code = failure.code, message = failure.message, "revoke failed");
                    error = failure.code;
                    match failure.effect {
                        Effect::Refused => break,
                        Effect::NotYet => continue,
                        Effect::Unknown => unheard = true,
                        Effect::NotFound => {}
                    }
                }
            }
            if left.is_empty() {
                break;
            }
            match self.look(target, own, &Subject::Group(facts.group.clone())).await {
                Ok(second) => {
                    let rules = second.groups.iter().flat_map(|group| &group.rules);
                    let shown: BTreeSet<&RuleId> = rules.map(|rule| &rule.id).collect();
                    let gone = if unheard { Action::Revoked } else { Action::AlreadyGone };
                    done.extend(left.iter().filter(|id| !shown.contains(id)).map(|id| (id.clone(), gone.clone())));
                    // What is left is judged anew: it may have been closed by a change of the rule itself meanwhile.
                    left = second.groups.iter().flat_map(|group| assess(group, &second.prefix_lists).1).collect();
                    let new = second.groups.into_iter().flat_map(|group| group.rules);
                    let new: Vec<_> = new.filter(|rule| seen.rules.iter().all(|old| old.id != rule.id)).collect();
                    seen.rules.extend(new);
                    seen_lists.extend(second.prefix_lists);
                }
                Err(failure) => error = failure.code,
            }
        }
        done.extend(left.into_iter().map(|id| (id, Action::Failed { error: error.clone() })));
        // A rule that only a later look showed must not be missing from what is told.
        let judgement = if seen.rules.len() > facts.rules.len() { assess(&seen, &seen_lists).0 } else { judgement };
        (judgement, done, mode)
    }
}

fn whereabouts<'a>(target: &'a Target, facts: &'a GroupFacts) -> Whereabouts<'a> {
    Whereabouts { account: &target.account, region: &target.region, group: &facts.group, vpc: facts.vpc.as_ref() }
}

/// 200 ms, doubled each time.
fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(100).saturating_mul(2u32.saturating_pow(attempt))
}
