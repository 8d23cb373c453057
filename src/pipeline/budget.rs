//! How many rules that were there before a call one account and Region may lose to changes of prefix lists. Each delivery
//! has a cap of its own; many deliveries together have this one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_domain::change::{Change, ChangedRules};
use portcullis_domain::facts::GroupLocation;
use portcullis_domain::judge::Judgement;
use portcullis_domain::plan::going;
use portcullis_domain::policy::{BudgetPolicy, Mode};
use tokio::time::Instant;

use super::context::Context;
use super::recall::PATIENCE;
use super::task::GroupTask;
use crate::store::Update;

const PAST_THE_BUDGET: &str = "with these, events would take more old rules of this account and Region than the policy's `budget` allows: not touched";

/// The entry that counts.
const TAKEN: &str = "old_rules";

/// What the budget says about a group.
pub(super) enum Budget {
    /// It is not about the group's rules, or the memory does not answer, which holds nothing back.
    Free,
    /// The group's rules may go, and are counted.
    Counted(Count),
    /// They are not taken, and why.
    Past(&'static str),
}

/// Rules that are counted as taken.
pub(super) struct Count {
    key: String,
    rules: usize,
    ttl: Option<Timestamp>,
}

impl Count {
    /// Counts, and returns how many there are now.
    async fn add(&self, context: &Context, rules: i64, until: Instant) -> Option<i64> {
        let update = Update { add: BTreeMap::from([(TAKEN.to_owned(), rules)]), ttl: self.ttl, ..Update::default() };
        let until = until.min(Instant::now() + PATIENCE);
        let entries = context.settings.memory.update(&context.aws, &self.key, &update, until).await.ok()?;
        entries.get(TAKEN)?.as_i64()
    }

    /// What was not taken does not count: a delivery that fails comes again. Where this is lost, more is counted than was
    /// taken, and what is held back for it is told.
    pub(super) async fn give_back(&self, context: &Context, taken: usize, until: Instant) {
        let left = i64::try_from(self.rules.saturating_sub(taken)).unwrap_or_default();
        if left > 0 && self.add(context, -left, until).await.is_none() {
            tracing::warn!(key = self.key, "what was not taken is still counted");
        }
    }
}

/// Whether the group's rules may be taken. They are counted in the same call.
pub(super) async fn count(context: &Context, task: &GroupTask<'_>, judgement: &Judgement, mode: Mode) -> Budget {
    let is_of_list = |change: &Change| matches!(change.changed_rules, ChangedRules::PrefixList { .. });
    let is_there = context.settings.memory.is_some();
    if mode != Mode::Enforce || !is_there || !task.own_changes().iter().all(|change| is_of_list(change)) {
        return Budget::Free;
    }
    let rules = going(judgement).len();
    let Some(old) = i64::try_from(rules).ok().filter(|old| *old > 0) else { return Budget::Free };
    let (budget, now, until) = (task.policy.budget(), context.now(), task.session.until());
    let ttl = now.checked_add(budget.per().saturating_mul(2)).ok();
    let count = Count { key: key(&judgement.location, budget, now), rules, ttl };
    match count.add(context, old, until).await {
        Some(taken) if taken > i64::from(budget.old_rules()) => {
            count.give_back(context, 0, until).await;
            Budget::Past(PAST_THE_BUDGET)
        }
        Some(_) => Budget::Counted(count),
        None => Budget::Free,
    }
}

/// One count for each span of time.
fn key(location: &GroupLocation, budget: &BudgetPolicy, now: Timestamp) -> String {
    let span = now.as_second().checked_div(budget.per().as_secs()).unwrap_or_default();
    format!("budget#{}/{}/{span}", location.account, location.region)
}
