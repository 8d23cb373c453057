//! The sweep's part in the ends of openings: what its schedule did not end, the next sweep does, in alert mode too.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use portcullis_domain::evidence::EndedBy;
use portcullis_domain::facts::Facts;
use portcullis_domain::ids::GroupId;
use portcullis_domain::memory::{Entries, Listed, openings_of};
use portcullis_domain::opening;
use tokio::time::Instant;

use super::context::Context;
use super::end::{End, Order, PATIENCE, end, named};
use super::task::GroupTask;
use crate::aws::AccountRegion;

/// So many openings of which only descriptions tell are looked into by a sweep of an account and Region. Each costs calls
/// and may cost a message, and anybody may write descriptions.
const MOST_DESCRIBED: usize = 16;

/// Ends every opening of an account and Region whose time has come, for a sweep: those that the list names, and those
/// that a rule's description tells of. The rules that are gone then are taken from what the sweep has seen.
pub(super) fn overdue<'a>(
    context: &'a Context,
    task: &'a GroupTask<'_>,
    groups: &'a mut [Facts],
) -> BoxFuture<'a, Vec<End>> {
    Box::pin(ended(context, task, groups))
}

async fn ended(context: &Context, task: &GroupTask<'_>, groups: &mut [Facts]) -> Vec<End> {
    let (now, store) = (context.now(), &context.settings.memory);
    let AccountRegion { account, region } = task.target;
    let key = openings_of(account, region);
    let until = task.session.until().min(Instant::now() + PATIENCE);
    let listed = match store.read(&context.aws, &key, until).await {
        Ok(entries) => entries,
        Err(error) => {
            if store.is_some() {
                tracing::warn!(key, code = error.code(), "the list of openings was not read");
            }
            Entries::new()
        }
    };
    let listed =
        listed.iter().filter_map(|(id, it)| Some((id.clone(), serde_json::from_value::<Listed>(it.clone()).ok()?)));
    let mut due: BTreeSet<(GroupId, String, bool)> =
        listed.filter(|(_, it)| it.until <= now).map(|(id, it)| (it.group, id, true)).collect();
    let described = groups
        .iter()
        .flat_map(|facts| opening::overdue(facts, now).into_iter().map(|id| (facts.location.group.clone(), id)));
    let described = described.filter(|(group, id)| !due.contains(&(group.clone(), id.clone(), true)));
    let mut described: Vec<(GroupId, String)> = described.collect();
    if described.len() > MOST_DESCRIBED {
        tracing::warn!(
            count = described.len(),
            "more descriptions tell of openings that are over than are looked into"
        );
        described.truncate(MOST_DESCRIBED);
    }
    due.extend(described.into_iter().map(|(group, id)| (group, id, false)));
    let mut ends = Vec::new();
    for (group, waiver, is_listed) in &due {
        let order =
            Order { target: task.target, group, waiver, by: EndedBy::Sweep, actor: None, is_listed: *is_listed };
        let mut end = end(context, task.session, &order).await;
        end.finding = Box::pin(named(context, task.session, task.target, end.finding)).await;
        for facts in groups.iter_mut().filter(|facts| facts.location.group == *group) {
            facts.rules.retain(|rule| !end.taken.contains(&rule.id));
        }
        ends.push(end);
    }
    ends
}
