//! What modified rules were before, asked for beside what is waited for anyway, and only when a call is about to be acted on.

mod known;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::change::{Call, Change, ChangedRules};
use portcullis_domain::facts::Facts;
use portcullis_domain::former::{History, Seen, Source, Value};
use portcullis_domain::ids::RuleId;
use portcullis_domain::judge::opens;
use portcullis_domain::memory::Claim;
use portcullis_domain::policy::Policy;
use portcullis_domain::rule::Rule;
use tokio::time::{Instant, timeout_at};

use super::context::Context;
use super::recall::PATIENCE;
use crate::aws::AccountRegion;
pub(super) use known::KnownValues;
pub(super) use snapshot::Snapshot;
use snapshot::{Header, Look};

/// A call that names more rules than this has none of them looked up.
const MOST_LOOKED_UP: usize = 64;

/// Sweeps come at least this often apart, for what their looks are worth: one by hand makes the last one no older.
const SHORTEST_INTERVAL: SignedDuration = SignedDuration::from_hours(1);

/// What was found out about rules.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// The rules that were asked about.
    asked: BTreeSet<RuleId>,
    seen: BTreeMap<RuleId, Vec<Seen>>,
    /// The last sweep's look; or why there is none.
    sweep: Option<Result<Header, String>>,
    /// Why a call since may be missing.
    doubt: Option<String>,
}

/// The rules that the Modify calls among the changes name.
pub(super) fn named<'a>(changes: impl IntoIterator<Item = &'a Change>) -> BTreeSet<RuleId> {
    let modified = changes.into_iter().filter(|change| change.call == Call::Modify);
    let ids = modified.filter_map(|change| match &change.changed_rules {
        ChangedRules::Rules(ids) => Some(ids),
        ChangedRules::Permissions(_) | ChangedRules::PrefixList { .. } | ChangedRules::Any => None,
    });
    ids.flatten().cloned().collect()
}

/// Asks what is known of rules, for a bounded time.
pub(super) async fn look_up(
    context: &Context,
    target: &AccountRegion,
    rules: BTreeSet<RuleId>,
    until: Instant,
) -> Found {
    let mut found = Found { asked: rules, ..Found::default() };
    if found.asked.is_empty() {
        return found;
    }
    if found.asked.len() > MOST_LOOKED_UP {
        found.sweep = Some(Err(format!("the call names more than {MOST_LOOKED_UP} rules")));
        return found;
    }
    let until = until.min(Instant::now() + PATIENCE);
    let calls = known::read(context, target, &found.asked, until);
    let (sweep, calls) = tokio::join!(last_sweep(context, target, &found.asked, until), Box::pin(calls));
    for rule in &found.asked {
        found.seen.insert(rule.clone(), context.values.of(target, rule));
    }
    match calls {
        Ok(seen) => seen.into_iter().for_each(|(rule, seen)| found.add(rule, seen)),
        Err(why) => found.doubt = Some(why),
    }
    found.sweep = Some(sweep.map(|Look { header, rules }| {
        for (rule, value) in rules {
            let seen = Seen { at: header.looked_at, from: Source::Sweep, value: Some(value), is_new: false };
            found.add(rule, seen);
        }
        header
    }));
    found
}

async fn last_sweep(
    context: &Context,
    target: &AccountRegion,
    rules: &BTreeSet<RuleId>,
    until: Instant,
) -> Result<Look, String> {
    if !context.shelf.is_there() {
        return Err("no sweep's look is kept".to_owned());
    }
    let unread = |why: String| format!("what the last sweep saw cannot be read: {why}");
    let read = async {
        let reading = context.shelf.open(&snapshot::key(target)).await.map_err(|error| unread(error.to_string()))?;
        match reading {
            Some(reading) => snapshot::read(reading, rules).await.map_err(unread),
            None => Err("no sweep has looked yet".to_owned()),
        }
    };
    timeout_at(until, Box::pin(read)).await.unwrap_or_else(|_| Err(unread("no answer in time".to_owned())))
}

impl Found {
    fn add(&mut self, rule: RuleId, seen: Seen) {
        let of_rule = self.seen.entry(rule).or_default();
        if !of_rule.contains(&seen) {
            of_rule.push(seen);
        }
    }

    /// Takes in what other deliveries claim that their calls made.
    pub(super) fn add_claims<'a>(&mut self, claims: impl IntoIterator<Item = &'a Claim>) {
        for change in claims.into_iter().map(|claim| &claim.change) {
            let (Some(at), Call::Authorize | Call::Modify) = (change.event.time, change.call) else { continue };
            for (id, permission) in change.recorded_rules.iter().flatten() {
                let Some(id) = id.as_ref().filter(|id| self.asked.contains(*id)) else { continue };
                let value = Some(Value { permission: permission.clone(), description: None });
                let is_new = change.call == Call::Authorize;
                let is_known = |seen: &Seen| {
                    seen.at == at && seen.value.as_ref().is_some_and(|value| value.permission == *permission)
                };
                // The record itself, where it was read, has the description too.
                if !self.seen.get(id).is_some_and(|seen| seen.iter().any(is_known)) {
                    self.add(id.clone(), Seen { at, from: Source::Event, value, is_new });
                }
            }
        }
    }

    /// The rules of these changes that were not asked about yet.
    pub(super) fn missing<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) -> BTreeSet<RuleId> {
        named(changes).difference(&self.asked).cloned().collect()
    }

    /// Takes in what was found out about further rules.
    pub(super) fn extend(&mut self, more: Self) {
        let Self { asked, seen, sweep, doubt } = more;
        self.asked.extend(asked);
        self.seen.extend(seen);
        // The same look, or the same reason.
        self.sweep = self.sweep.take().or(sweep);
        self.doubt = self.doubt.take().or(doubt);
    }

    /// The change, with what is known of its rules before it.
    pub(super) fn fill(&self, change: &Change, facts: &Facts, (policy, now): (&Policy, Timestamp)) -> Change {
        let mut filled = change.clone();
        for id in named([change]).into_iter().filter(|id| !facts.egress.contains(id) && self.asked.contains(id)) {
            let exposes = |permission: &portcullis_domain::rule::Permission| {
                opens(&Rule::new(id.clone(), permission.clone()), facts, policy, now)
            };
            let former = self.history(&id, change.event.time).before(change.event.time, exposes);
            filled.former.insert(id, former);
        }
        filled
    }

    fn history(&self, rule: &RuleId, time: Option<Timestamp>) -> History {
        let header = self.sweep.as_ref().and_then(|sweep| sweep.as_ref().ok());
        let nothing = match &self.sweep {
            None => "it was not asked for".to_owned(),
            Some(Err(why)) => why.clone(),
            Some(Ok(Header { looked_at, .. })) => {
                let at = looked_at.strftime("%F %H:%M UTC");
                let is_older = time.is_some_and(|time| time.duration_since(*looked_at) >= SignedDuration::from_mins(1));
                match is_older {
                    true => format!("it was made after the sweep of {at}"),
                    false => format!("the last sweep, of {at}, did not look before the call"),
                }
            }
        };
        let sweeps_since = header.zip(time).and_then(|(header, time)| {
            let interval = header.previous.map(|previous| header.looked_at.duration_since(previous));
            let interval = interval.unwrap_or(SHORTEST_INTERVAL).max(SHORTEST_INTERVAL);
            let since = time.checked_sub(interval.saturating_mul(2)).ok()?;
            Some((since, "the sweep is older than two of its intervals".to_owned()))
        });
        let seen = self.seen.get(rule).cloned().unwrap_or_default();
        History { seen, nothing, doubt: self.doubt.clone(), sweeps_since }
    }
}
