//! The sweep's part in the ends of openings: what its schedule did not end, the next sweep does, in alert mode too.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::BoxFuture;
use portcullis_domain::evidence::EndedBy;
use portcullis_domain::facts::Facts;
use portcullis_domain::ids::GroupId;
use portcullis_domain::memory::{Entries, Listed, openings_of};
use portcullis_domain::opening;
use portcullis_domain::rule::Rule;
use tokio::time::Instant;

use super::context::Context;
use super::end::{End, Order, PATIENCE, end, named};
use super::task::{GroupTask, Snapshot};
use crate::store::StoreError;

/// So many openings of which only descriptions tell are looked into by a sweep of an account and Region. Each costs calls
/// and may cost a message, and anybody may write descriptions.
const MOST_DESCRIBED: usize = 16;

/// What is left to end where the list of openings was not read at once.
pub(super) struct Unread {
    error: StoreError,
    /// The openings that rules' descriptions tell of.
    described: Described,
}

/// Openings whose time has come by what rules' descriptions say, with their groups.
type Described = Vec<(GroupId, String)>;

/// The openings of an account and Region whose time has come, each with its group, and whether the list names it.
#[derive(Default)]
pub(super) struct Due(BTreeSet<(GroupId, String, bool)>);

impl Due {
    /// Whether an opening of the group is to be ended.
    pub(super) fn has(&self, group: &GroupId) -> bool {
        self.0.iter().any(|(due, ..)| due == group)
    }
}

/// Which openings of an account and Region a sweep has to end: those that the list names, and those that a rule's
/// description tells of. What is open does not wait for the list: if it is not read at once, nothing is ended yet.
pub(super) fn due<'a>(
    context: &'a Context,
    task: &'a GroupTask<'_>,
    groups: &'a [Facts],
) -> BoxFuture<'a, Result<Due, Unread>> {
    Box::pin(async move {
        let described = described(context, groups);
        match read(context, &key(task), task.session.until().min(Instant::now() + AT_ONCE)).await {
            Ok(entries) => Ok(Due::of(context, &entries, described)),
            Err(_) if !context.settings.memory.is_some() => Ok(Due::of(context, &Entries::new(), described)),
            Err(error) => Err(Unread { error, described }),
        }
    })
}

/// Ends them. The rules that are gone then are taken from what the sweep has seen of their groups. An end may wait for the
/// memory and for EC2, so it comes when the other groups are done.
pub(super) fn ended<'a>(
    context: &'a Context,
    task: &'a GroupTask<'_>,
    due: Due,
    snapshots: &'a mut [Snapshot],
) -> BoxFuture<'a, Vec<End>> {
    Box::pin(async move {
        let ends = end_all(context, task, due).await;
        let is_taken = |rule: &Rule| ends.iter().any(|end| end.taken.contains(&rule.id));
        snapshots.iter_mut().for_each(|snapshot| snapshot.facts.rules.retain(|rule| !is_taken(rule)));
        ends
    })
}

/// Reads the list again, when what is open was dealt with, and ends what has to be.
pub(super) fn overdue_after_all<'a>(
    context: &'a Context,
    task: &'a GroupTask<'_>,
    unread: Unread,
) -> BoxFuture<'a, Vec<End>> {
    Box::pin(async move {
        let Unread { error, described } = unread;
        let (entries, unlisted) = match read_again(context, &key(task), (task.session.until(), error)).await {
            Ok(entries) => (entries, None),
            // Whether an opening is over cannot be told: somebody has to hear of it, and AWS tries again.
            Err(error) => {
                tracing::warn!(key = key(task), code = error.code(), "the list of openings was not read");
                (Entries::new(), Some(End::unlisted(context, task.target, error.code())))
            }
        };
        let mut ends: Vec<End> = unlisted.into_iter().collect();
        ends.extend(end_all(context, task, Due::of(context, &entries, described)).await);
        ends
    })
}

fn key(task: &GroupTask<'_>) -> String {
    openings_of(&task.target.account, &task.target.region)
}

fn described(context: &Context, groups: &[Facts]) -> Described {
    let now = context.now();
    let of_group = |facts: &Facts| {
        let group = facts.location.group.clone();
        opening::overdue(facts, now).into_iter().map(move |id| (group.clone(), id)).collect::<Described>()
    };
    groups.iter().flat_map(of_group).collect()
}

impl Due {
    fn of(context: &Context, listed: &Entries, mut described: Described) -> Self {
        let now = context.now();
        let listed =
            listed.iter().filter_map(|(id, it)| Some((id.clone(), serde_json::from_value::<Listed>(it.clone()).ok()?)));
        let mut due: BTreeSet<(GroupId, String, bool)> =
            listed.filter(|(_, it)| it.until <= now).map(|(id, it)| (it.group, id, true)).collect();
        described.retain(|(group, id)| !due.contains(&(group.clone(), id.clone(), true)));
        if described.len() > MOST_DESCRIBED {
            tracing::warn!(
                count = described.len(),
                "more descriptions tell of openings that are over than are looked into"
            );
            described.truncate(MOST_DESCRIBED);
        }
        due.extend(described.into_iter().map(|(group, id)| (group, id, false)));
        Self(due)
    }
}

async fn end_all(context: &Context, task: &GroupTask<'_>, Due(due): Due) -> Vec<End> {
    let mut ends = Vec::new();
    for (group, waiver, is_listed) in &due {
        let order =
            Order { target: task.target, group, waiver, by: EndedBy::Sweep, actor: None, is_listed: *is_listed };
        let mut end = end(context, task.session, &order).await;
        end.finding = Box::pin(named(context, task.session, task.target, end.finding)).await;
        ends.push(end);
    }
    ends
}

/// What is open waits for the list no longer than for a claim.
const AT_ONCE: Duration = Duration::from_millis(300);

/// The list is read so often, if the memory does not answer.
const READS: u32 = 3;

/// The pause before it is read again. It doubles.
const PAUSE: Duration = Duration::from_millis(200);

async fn read(context: &Context, key: &str, until: Instant) -> Result<Entries, StoreError> {
    context.settings.memory.read(&context.aws, key, until).await
}

/// The list of openings, which was not read for this reason. One or two errors of the memory are no reason to fail, and
/// nobody waits for it any more.
async fn read_again(
    context: &Context,
    key: &str,
    (until, mut error): (Instant, StoreError),
) -> Result<Entries, StoreError> {
    let mut pause = PAUSE;
    for _ in 1..READS {
        if !matches!(error, StoreError::Table(_) | StoreError::Timeout) {
            break;
        }
        tokio::time::sleep(pause).await;
        match read(context, key, until.min(Instant::now() + PATIENCE)).await {
            Ok(entries) => return Ok(entries),
            Err(again) => error = again,
        }
        pause *= 2;
    }
    Err(error)
}
