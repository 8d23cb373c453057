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

const PAST_THE_BUDGET: &str =
    "events have taken as many old rules of this account and Region as the policy's `budget` allows: not touched";

/// The entry that counts.
const TAKEN: &str = "old_rules";

/// Why the group's rules are not taken, where the budget is used up. A memory that does not answer holds nothing back.
pub(super) async fn past_the_budget(
    context: &Context,
    task: &GroupTask<'_>,
    judgement: &Judgement,
    mode: Mode,
) -> Option<&'static str> {
    let is_of_list = |change: &Change| matches!(change.changed_rules, ChangedRules::PrefixList { .. });
    let store = &context.settings.memory;
    if mode != Mode::Enforce || !store.is_some() || !task.own_changes().iter().all(|change| is_of_list(change)) {
        return None;
    }
    let old = i64::try_from(going(judgement).len()).ok().filter(|old| *old > 0)?;
    let (budget, now) = (task.policy.budget(), context.now());
    let ttl = now.checked_add(budget.per().saturating_mul(2)).ok();
    let update = Update { add: BTreeMap::from([(TAKEN.to_owned(), old)]), ttl, ..Update::default() };
    let until = task.session.until().min(Instant::now() + PATIENCE);
    let entries = store.update(&context.aws, &key(&judgement.location, budget, now), &update, until).await.ok()?;
    let taken = entries.get(TAKEN).and_then(|taken| taken.as_i64())?;
    (taken > i64::from(budget.old_rules())).then_some(PAST_THE_BUDGET)
}

/// One count for each span of time.
fn key(location: &GroupLocation, budget: &BudgetPolicy, now: Timestamp) -> String {
    let span = now.as_second().checked_div(budget.per().as_secs()).unwrap_or_default();
    format!("budget#{}/{}/{span}", location.account, location.region)
}
