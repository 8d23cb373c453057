//! In which groups something is about to be done, where the record does not name them: of a prefix list, and of a whole
//! Region. An attempt that comes no further leaves its claim in each group's memory. The next attempt does not see from EC2
//! which groups those were: a group that no longer refers to the list is not among the answers, and a closed one is like any
//! other.

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::change::{Change, Resource};
use portcullis_domain::facts::{Facts, GroupLocation};
use portcullis_domain::finding::{Finding, Outcome, Verdict};
use portcullis_domain::ids::GroupId;
use portcullis_domain::memory::{CLAIM_HOLDS, written};
use portcullis_domain::policy::Mode;
use tokio::time::Instant;

use super::context::Context;
use super::intake::Tracked;
use super::recall::{PATIENCE, Recall, Settlement};
use super::region::Aftermath;
use super::task::GroupTask;
use super::{evidence, group};
use crate::aws::AccountRegion;
use crate::store::Update;

/// The beginning of an entry's name: what follows is a group's id.
pub(super) const GROUP: &str = "group#";

/// One update writes and removes at most this many entries.
const MOST_GROUPS: usize = 100;

/// Nobody delivers a record for longer.
const KEPT: SignedDuration = SignedDuration::from_hours(15 * 24);

/// What is noted of a resource.
#[derive(Default)]
pub(super) struct Journal {
    key: String,
    /// The groups that this attempt acts on.
    own: Vec<GroupId>,
    /// The groups that an earlier attempt acted on and did not come to an end with, as EC2 shows them now.
    left: Vec<Facts>,
    /// The groups of which nothing can be left any more.
    over: Vec<GroupId>,
}

impl Journal {
    /// Notes the groups in which something is to go, and reads which ones earlier attempts noted. Nothing where there is no
    /// memory, or it does not answer: closing does not wait for it.
    pub(super) async fn open(context: &Context, task: &GroupTask<'_>, resource: &Resource, groups: &[Facts]) -> Self {
        let name = match resource {
            Resource::PrefixList(list) => list.to_string(),
            Resource::Region => "region".to_owned(),
            Resource::Group(_) | Resource::GroupName(_) => return Self::default(),
        };
        let (memory, now) = (&context.settings.memory, context.now());
        let looks_only = !task.is_of_events() && task.policy.sweep().mode == Mode::Alert;
        if !memory.is_some() || task.mode == Mode::Alert || looks_only {
            return Self::default();
        }
        let AccountRegion { account, region } = task.target;
        let key = format!("acts#{account}/{region}/{name}");
        let has_steps = |facts: &&Facts| task.count_steps(context, facts) > 0;
        let own: Vec<GroupId> =
            groups.iter().filter(has_steps).take(MOST_GROUPS).map(|facts| facts.location.group.clone()).collect();
        let mut update = Update { ttl: now.checked_add(KEPT).ok(), ..Update::default() };
        update.set.extend(own.iter().filter_map(|group| Some((entry(group), written(&now)?))));
        let until = task.session.until().min(Instant::now() + PATIENCE);
        let entries = match own.is_empty() {
            true => memory.read(&context.aws, &key, until).await,
            false => memory.update(&context.aws, &key, &update, until).await,
        };
        let entries = entries.unwrap_or_else(|error| {
            tracing::warn!(key, code = error.code(), "what earlier attempts left is not known");
            update.set
        });
        let noted = entries.iter().filter_map(|(name, at)| {
            let at: Timestamp = serde_json::from_value(at.clone()).ok()?;
            Some((GroupId::parse(name.strip_prefix(GROUP)?).ok()?, now.duration_since(at) > CLAIM_HOLDS))
        });
        let (over, left): (Vec<_>, Vec<_>) =
            noted.filter(|(group, _)| !own.contains(group)).take(MOST_GROUPS).partition(|(_, is_over)| *is_over);
        let shown = |group: GroupId| {
            let known = groups.iter().find(|facts| facts.location.group == group).cloned();
            let location = GroupLocation { account: account.clone(), region: region.clone(), group, vpc: None };
            known.unwrap_or_else(|| Facts::of_rules(location, Vec::new(), now))
        };
        let left = left.into_iter().map(|(group, _)| shown(group)).collect();
        Self { key, own, left, over: over.into_iter().map(|(group, _)| group).collect() }
    }

    /// Tells what earlier attempts left in groups that this one has nothing to do in: a finding for each change that has a
    /// part in it.
    pub(super) async fn close(
        self,
        context: &Context,
        task: &GroupTask<'_>,
        changes: &[Tracked<Change>],
        aftermath: &mut Aftermath,
    ) -> Vec<Tracked<Finding>> {
        let Self { key, own, left, over } = self;
        let (mut told, mut done, now) = (Vec::new(), [own, over].concat(), context.now());
        let policy = context.policy.now();
        for facts in left {
            let location = &facts.location;
            match Box::pin(Recall::of_earlier_attempt(context, task, location)).await {
                Ok(Some(recall)) => {
                    let safe = |change: &&Change| {
                        let (verdict, outcome) = (Verdict::Safe, Outcome::AlreadyGone);
                        let plain = Finding::plain(&change.event, verdict, outcome, task.mode, String::new());
                        Finding { group: Some(location.group.to_string()), ..plain }
                    };
                    let mut findings: Vec<Finding> = task.own_changes().iter().map(safe).collect();
                    evidence::add_left(context, (task, &policy), (&recall, &facts), &mut findings);
                    let findings = group::tracked(changes, findings).into_iter();
                    told.extend(findings.filter(|finding| finding.value.verdict == Verdict::Exposed));
                    aftermath.add(recall.told_what_was_left(now), false);
                    done.push(location.group.clone());
                }
                // It was settled, or is at work still. The note goes when its time is over.
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(group = %location.group, code = error.code(), "what was left is not known")
                }
            }
        }
        if !done.is_empty() {
            let remove = done.iter().map(entry).collect();
            let update = Update { remove, ttl: now.checked_add(KEPT).ok(), ..Update::default() };
            aftermath.add(Some(Settlement::new(key, update)), false);
        }
        told
    }
}

fn entry(group: &GroupId) -> String {
    format!("{GROUP}{group}")
}
