//! The sweep's part in the ends of openings: what its schedule did not end, the next sweep does, in alert mode too.

use std::collections::BTreeSet;
use std::time::Duration;

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
use crate::store::StoreError;

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
    let mut ends = Vec::new();
    let listed = match listed(context, &key, task.session.until()).await {
        Ok(entries) => entries,
        Err(_) if !store.is_some() => Entries::new(),
        // Whether an opening is over cannot be told: somebody has to hear of it, and AWS tries again.
        Err(error) => {
            tracing::warn!(key, code = error.code(), "the list of openings was not read");
            ends.push(End::unlisted(context, task.target, error.code()));
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

/// The list is read so often, if the memory does not answer.
const READS: u32 = 3;

/// The pause before it is read again. It doubles.
const PAUSE: Duration = Duration::from_millis(200);

/// The list of openings. Nobody waits for it: one error of the memory is no reason to fail.
async fn listed(context: &Context, key: &str, until: Instant) -> Result<Entries, StoreError> {
    let (mut pause, mut read) = (PAUSE, 1);
    loop {
        let until = until.min(Instant::now() + PATIENCE);
        match context.settings.memory.read(&context.aws, key, until).await {
            Err(StoreError::Table(_) | StoreError::Timeout) if read < READS => tokio::time::sleep(pause).await,
            answer => return answer,
        }
        (pause, read) = (pause * 2, read + 1);
    }
}
