//! What a delivery knows of a group from other deliveries, and what it tells them: the claim before it acts, the lease
//! while it stays at the gate, and what it settles at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::change::{Call, Change, ChangedRules};
use portcullis_domain::evidence::{ActId, PrefixListLook};
use portcullis_domain::facts::{Facts, GroupLocation};
use portcullis_domain::finding::Finding;
use portcullis_domain::ids::{GroupId, RuleId};
use portcullis_domain::judge::{Exposure, Judgement, attributions};
use portcullis_domain::memory::{
    Claim, ClaimId, DIGEST, Entries, LEASE_HOLDER, LEASE_UNTIL, Lease, MOST_CLAIMS, Memory, OPENINGS, Refused, Saw,
    Waiver, claim_name, closed_name, exemptions, is_claim, is_ended_name, is_opened_name, item_of, written,
};
use portcullis_domain::policy::{Mode, Policy};
use portcullis_domain::rule::{Rule, Source};
use tokio::time::Instant;

use super::context::Context;
use super::intake::outdated;
use super::journal;
use super::task::{GroupTask, SETTLING, Snapshot};
use super::telling::Told;
use crate::store::{Condition, StoreError, Update};

/// A claim is waited for this long before the group is closed without it.
pub(super) const PATIENCE: Duration = Duration::from_millis(300);

/// What is settled may take longer: nobody waits for it.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);

/// An item that nothing was written to for so long goes.
const KEPT: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Whoever opens a group again this soon after it was closed is fighting faster than events come. A slower fight brings an
/// event for each change in time, and nobody needs to stay.
const FIGHT: SignedDuration = SignedDuration::from_secs(30);

/// A lease holds for this long, unless it is renewed. A holder that dies keeps the others away for no longer.
const LEASE: SignedDuration = SignedDuration::from_secs(3);

/// A holder renews its lease this often.
pub(super) const RENEW: Duration = Duration::from_secs(1);

/// One update writes and removes at most this many entries: an expression has at most 4 KB.
const MOST_ENTRIES: usize = 100;

/// What is known of a group.
#[derive(Debug, Clone)]
pub(super) struct Recall {
    key: String,
    /// This invocation's name as the holder of a lease.
    holder: String,
    /// The claims of the delivery's own changes, in their order.
    own: Vec<ClaimId>,
    /// Those of them that an earlier attempt made, which came no further.
    left: BTreeSet<ClaimId>,
    pub(super) memory: Memory,
    /// Whether whoever holds the lease had its time to close what was seen here.
    pub(super) has_waited: bool,
}

impl Recall {
    /// Claims the delivery's own changes, and reads everything else in the same call. A change that was claimed before keeps
    /// its first claim, with what was seen then.
    pub(super) async fn claim(
        context: &Context,
        task: &GroupTask<'_>,
        (facts, judgement): (&Facts, &Judgement),
    ) -> Result<Self, StoreError> {
        let (location, now) = (&facts.location, context.now());
        let mode = task.policy.mode(location, task.mode);
        let key = item_of(&location.account, &location.region, &location.group);
        // An instance that comes no further leaves the claim for the next delivery or sweep. What else is in the item is not
        // known yet.
        let mut update = Update { ttl_if_absent: now.checked_add(KEPT).ok(), ..Update::default() };
        let mut own = Vec::new();
        // A sweep that only looks has nothing to leave behind.
        let claims = |change: &&Change| change.call != Call::Sweep || mode == Mode::Enforce;
        let changes = task.own_changes().iter().enumerate().filter(|(_, change)| claims(change));
        for (n, change) in changes.take(MOST_CLAIMS) {
            let Some(claim) = Claim::new(change, mode, now) else { continue };
            let id = ClaimId::of(change, &location.group);
            let claim = claim.of_act(ActId::of_close(change, location)).with_saw(at_stake((facts, judgement), n));
            update.set_if_absent.extend(written(&claim).map(|claim| (claim_name(&id), claim)));
            own.push(id);
        }
        let until = task.session.until().min(Instant::now() + PATIENCE);
        let store = &context.settings.memory;
        // What is too large for a claim is judged with what others claimed.
        let entries = match update.set_if_absent.is_empty() {
            true => store.read(&context.aws, &key, until).await,
            false => store.update(&context.aws, &key, &update, until).await,
        };
        let holder = format!("{:016x}", fastrand::u64(..));
        entries.map(|entries| {
            let memory = Memory::read(&entries);
            let left = left(&memory, task, &location.group, now);
            let others: Vec<ClaimId> = left.iter().filter(|id| !own.contains(id)).cloned().collect();
            own.extend(others);
            Self { key, holder, own, left, memory, has_waited: false }
        })
    }

    /// Reads what an earlier attempt left of the delivery's own changes. Nothing where it left nothing.
    pub(super) async fn of_earlier_attempt(
        context: &Context,
        task: &GroupTask<'_>,
        location: &GroupLocation,
    ) -> Result<Option<Self>, StoreError> {
        let key = item_of(&location.account, &location.region, &location.group);
        let until = task.session.until().min(Instant::now() + PATIENCE);
        let memory = Memory::read(&context.settings.memory.read(&context.aws, &key, until).await?);
        let left = left(&memory, task, &location.group, context.now());
        let own = left.iter().cloned().collect();
        Ok((!left.is_empty()).then_some(Self { key, holder: String::new(), own, left, memory, has_waited: false }))
    }

    /// What an earlier attempt claimed of a change and came no further with. What alert mode claims takes nothing.
    pub(super) fn left(&self, change: &Change, group: &GroupId) -> impl Iterator<Item = &Claim> {
        let (own, is_sweep) = (ClaimId::of(change, group), change.call == Call::Sweep);
        let is_own = move |id: &ClaimId, claim: &Claim| *id == own || is_sweep && claim.change.call == Call::Sweep;
        let left = self.left.iter().filter_map(|id| Some((id, self.memory.claims.get(id)?)));
        left.filter(move |(id, claim)| is_own(id, claim) && claim.mode == Mode::Enforce).map(|(_, claim)| claim)
    }

    /// Writes down what is about to go, where the first look did not show it yet and the record does not list it.
    pub(super) async fn see(&mut self, context: &Context, task: &GroupTask<'_>, look: (&Facts, &Judgement)) {
        let mut update = Update { ttl: self.ttl(context.now()), ..Update::default() };
        for (n, change) in task.own_changes().iter().enumerate() {
            let id = ClaimId::of(change, &look.0.location.group);
            let claim = self.memory.claims.get(&id).filter(|claim| claim.saw.is_empty() && claim.left_out.is_none());
            let lists_rules = matches!(change.changed_rules, ChangedRules::Rules(_));
            let Some(claim) = claim.filter(|_| !lists_rules && self.own.contains(&id)) else { continue };
            let claim = claim.clone().with_saw(at_stake(look, n));
            if !claim.saw.is_empty() {
                update.set.extend(written(&claim).map(|claim| (claim_name(&id), claim)));
            }
        }
        if update.set.is_empty() {
            return;
        }
        let until = task.session.until().min(Instant::now() + PATIENCE);
        match context.settings.memory.update(&context.aws, &self.key, &update, until).await {
            Ok(entries) => self.memory = Memory::read(&entries),
            Err(error) => tracing::warn!(key = self.key, code = error.code(), "what was seen was not written down"),
        }
    }

    /// Reads again what others have done.
    pub(super) async fn read_again(&mut self, context: &Context, until: Instant) {
        let until = until.min(Instant::now() + PATIENCE);
        if let Ok(entries) = context.settings.memory.read(&context.aws, &self.key, until).await {
            self.memory = Memory::read(&entries);
        }
    }

    /// The changes that other deliveries claimed. A record that is believed for minutes only is not believed for longer
    /// here. A change that makes every rule a candidate is judged by its own delivery, which leaves nothing standing.
    pub(super) fn co_defendants(&self, context: &Context, mode: Mode) -> Vec<Change> {
        let claims = self.memory.co_defendants(&self.own, mode, context.now()).into_iter();
        claims.map(|claim| claim.change.clone()).filter(|change| outdated(context, change).is_none()).collect()
    }

    /// Whether a change that another delivery has just claimed made rules that the look lacks: the look is older than the
    /// change. Nobody else would judge the two together.
    pub(super) fn is_ahead_of(
        &self,
        context: &Context,
        snapshot: &Snapshot,
        is_known: impl Fn(&RuleId) -> bool,
    ) -> bool {
        let now = context.now();
        let is_young = |claim: &&Claim| now.duration_since(claim.at) < SETTLING;
        let claims: Vec<&Change> = self
            .memory
            .co_defendants(&self.own, Mode::Enforce, now)
            .into_iter()
            .filter(is_young)
            .map(|claim| &claim.change)
            .collect();
        let closed = self.memory.closed_lately(now);
        let missing = attributions(&claims, &snapshot.facts).into_iter().flat_map(|own| own.missing);
        missing.into_iter().any(|rule| rule.is_none_or(|rule| !closed.contains(&&rule) && !is_known(&rule)))
    }

    /// The changes of other deliveries that a claim was judged with, as far as they are still known.
    pub(super) fn judged_with(&self, claim: &Claim) -> Vec<&Change> {
        let others = self.memory.co_defendants(&self.own, claim.mode, claim.at).into_iter();
        others.filter(|other| other.at <= claim.at).map(|other| &other.change).collect()
    }

    /// The policy with the waivers that the group has at a time, if there are any.
    pub(super) fn waived(&self, now: Timestamp, at: &GroupLocation, policy: &Policy) -> Option<Policy> {
        let exemptions = exemptions(&self.memory.waivers, (at, policy, now));
        (!exemptions.is_empty()).then(|| policy.with_waivers(exemptions))
    }

    /// Why waivers do not hold. One that is over needs no word.
    pub(super) fn refused(&self, now: Timestamp, at: &GroupLocation, policy: &Policy) -> Vec<String> {
        let why = |(id, waiver): (&String, &Waiver)| match waiver.exemptions(id, at, policy, now) {
            Ok(_) | Err(Refused::NotNow { .. }) => None,
            Err(why) => Some(format!("waiver {id} does not hold: {why}")),
        };
        self.memory.waivers.iter().filter_map(why).collect()
    }

    /// Whether the group was closed a short time ago: who opens it again is fighting.
    pub(super) fn is_fight(&self, now: Timestamp) -> bool {
        self.closes().any(|at| now.duration_since(at) < FIGHT)
    }

    /// The time between the last closes, or since the last one.
    pub(super) fn gap(&self, now: Timestamp) -> Option<Duration> {
        let mut closes: Vec<Timestamp> = self.closes().filter(|at| now.duration_since(*at) < FIGHT).collect();
        closes.sort_unstable();
        closes.dedup();
        let (last, before) = (closes.last()?, closes.iter().rev().nth(1));
        let gap = before.map_or_else(|| now.duration_since(*last), |before| last.duration_since(*before));
        Duration::try_from(gap).ok()
    }

    fn closes(&self) -> impl Iterator<Item = Timestamp> {
        let closes = self.memory.fights.values().filter_map(|fight| fight.times.last());
        closes.chain(self.memory.closed.values()).copied()
    }

    /// Who stands at the gate, if it is somebody else.
    pub(super) fn is_held_by_another(&self, now: Timestamp) -> bool {
        self.memory.lease.as_ref().is_some_and(|lease| lease.holder != self.holder && lease.until > now)
    }

    /// Takes or renews the lease, and tells the others what was closed. Nothing where the memory does not answer.
    pub(super) async fn hold(&mut self, context: &Context, closed: &[RuleId], until: Instant) -> Option<bool> {
        let now = context.now();
        let lease = Lease { holder: self.holder.clone(), until: now.saturating_add(LEASE).ok()? };
        let mut update = Update {
            condition: Some(Condition::LeaseIsFree { holder: self.holder.clone(), now: now.as_millisecond() }),
            ttl: self.ttl(now),
            ..Update::default()
        };
        update.set.extend(Memory { lease: Some(lease), ..Memory::default() }.entries());
        for rule in closed.iter().take(MOST_ENTRIES) {
            update.set.extend(written(&now).map(|now| (closed_name(rule), now)));
        }
        let over = self.memory.over(now).into_iter().take(MOST_ENTRIES);
        update.remove.extend(over.filter(|name| !update.set.contains_key(name)));
        let until = until.min(Instant::now() + PATIENCE);
        match context.settings.memory.update(&context.aws, &self.key, &update, until).await {
            Ok(entries) => {
                self.memory = Memory::read(&entries);
                Some(true)
            }
            Err(StoreError::NotMet(entries)) => {
                self.memory = Memory::read(&entries);
                Some(false)
            }
            Err(error) => {
                tracing::warn!(key = self.key, code = error.code(), "the lease was not taken");
                None
            }
        }
    }

    /// What is written at the end, when everything was told.
    pub(super) fn settlement(
        &self,
        now: Timestamp,
        (gone, stands): (&BTreeSet<RuleId>, bool),
        Told { happened, heard }: Told,
    ) -> Option<Settlement> {
        if self.own.is_empty() && gone.is_empty() && happened.is_empty() && heard.is_empty() {
            return None;
        }
        let mut update = Update { set: happened, ttl: self.ttl(now), ..Update::default() };
        for id in &self.own {
            let name = claim_name(id);
            match self.memory.claims.get(id).filter(|_| stands) {
                Some(claim) => {
                    update.set.extend(written(&claim.standing()).map(|claim| (name, claim)));
                }
                None => update.remove.push(name),
            }
        }
        // All that is gone, whoever took it: a look of before may show it still, and whoever took it may be settled.
        let known = |rule: &&RuleId| !self.memory.closed.contains_key(*rule);
        for rule in gone.iter().filter(known).take(MOST_ENTRIES) {
            update.set.extend(written(&now).map(|now| (closed_name(rule), now)));
        }
        let over = self.memory.over(now).into_iter().take(MOST_ENTRIES);
        let is_set = |name: &String| update.set.contains_key(name) || heard.contains_key(name);
        let over: Vec<String> = over.filter(|name| !is_set(name) && !update.remove.contains(name)).collect();
        update.remove.extend(over);
        Some(Settlement { here: heard.clone(), heard, ..Settlement::new(self.key.clone(), update) })
    }

    /// When nobody needs the item any more: a waiver must outlive its end.
    fn ttl(&self, now: Timestamp) -> Option<Timestamp> {
        now.checked_add(KEPT).ok().map(|usual| self.memory.needed_until(usual))
    }

    /// What is written when nothing was done but to tell what an earlier attempt left.
    pub(super) fn told_what_was_left(&self, now: Timestamp) -> Option<Settlement> {
        self.settlement(now, (&BTreeSet::new(), false), Told::default())
    }

    /// Gives the lease back as well, so that the next one needs not wait for its end.
    pub(super) fn release(&self, settlement: Settlement) -> Settlement {
        Settlement { lease_of: Some(self.holder.clone()), ..settlement }
    }
}

/// The claims that an earlier attempt at a task's own changes made, and came no further. No sweep is like another: what one of
/// them left is any other's.
fn left(memory: &Memory, task: &GroupTask<'_>, group: &GroupId, now: Timestamp) -> BTreeSet<ClaimId> {
    let own: BTreeSet<ClaimId> = task.own_changes().iter().map(|change| ClaimId::of(change, group)).collect();
    let is_sweep = !task.is_of_events();
    let is_own = |id: &ClaimId, claim: &Claim| own.contains(id) || is_sweep && claim.change.call == Call::Sweep;
    let left = memory.claims.iter().filter(|(id, claim)| is_own(id, claim) && claim.is_left(now));
    left.map(|(id, _)| id.clone()).collect()
}

/// The rules of the exposures that a change has a part in, its own and others, as the look showed them: from them alone the
/// act can be judged again.
fn at_stake((facts, judgement): (&Facts, &Judgement), n: usize) -> Saw {
    let Some(own) = judgement.attributions.get(n) else { return Saw::default() };
    let has_part = |exposure: &&Exposure| exposure.rules.iter().any(|n| own.rules.contains(n));
    let at_stake: BTreeSet<usize> =
        judgement.exposures.iter().filter(has_part).flat_map(|exposure| exposure.rules.iter().copied()).collect();
    let rules: Vec<Rule> = at_stake.into_iter().filter_map(|n| Some(judgement.rules.get(n)?.rule.clone())).collect();
    let lists = rules.iter().filter_map(|rule| match &rule.permission.source {
        Source::PrefixList(list) => Some((list.clone(), PrefixListLook::of(facts.prefix_lists.get(list)?))),
        Source::Cidr(_) | Source::Group(_) | Source::Unknown(_) => None,
    });
    let lists = lists.collect();
    (rules, lists)
}

/// The key of what is kept of a finding's group.
fn group_of(finding: &Finding) -> String {
    [&finding.account, &finding.region, &finding.group].map(|part| part.as_deref().unwrap_or_default()).join("/")
}

/// The beginning of the keys of what sweeps keep. What follows says what they cover.
pub(super) const SWEEPS: &str = "sweep#";

/// What is still to be written when everything was told.
#[derive(Debug, Clone)]
pub(super) struct Settlement {
    pub(super) key: String,
    pub(super) update: Update,
    /// That it was told, which is so only when it was published.
    pub(super) heard: Entries,
    /// Entries that waited to be told, and go when they were published.
    pub(super) waited: Vec<String>,
    pub(super) lease_of: Option<String>,
    /// What this instance keeps of what was told, when it was published.
    pub(super) here: Entries,
    /// The memory does not answer, so nothing is written to it.
    pub(super) is_for_here: bool,
}

impl Settlement {
    /// One that is written whether it was told or not.
    pub(super) fn new(key: String, update: Update) -> Self {
        let (heard, here) = (Entries::new(), Entries::new());
        Self { key, update, heard, waited: Vec::new(), lease_of: None, here, is_for_here: false }
    }

    /// What this instance alone keeps, for the memory does not answer: what happened, and that it was told.
    pub(super) fn for_here(key: String, Told { happened, heard }: Told) -> Self {
        let update = Update { set: happened, ..Update::default() };
        Self { here: heard, is_for_here: true, ..Self::new(key, update) }
    }

    /// Whether it takes an opening from the memory. Without evidence of its end it stays, and the next attempt writes that.
    pub(super) fn ends_an_opening(&self) -> bool {
        self.key.starts_with(OPENINGS) || self.update.set.keys().any(|name| is_ended_name(name))
    }

    /// Whether it says which rules were made under a waiver. Where that is lost, nothing would end them.
    pub(super) fn notes_an_opening(&self) -> bool {
        self.update.set.keys().any(|name| is_opened_name(name))
    }

    /// Leaves the claims as they are, where it is about the group of a finding whose evidence is not written: the next
    /// attempt needs what they say.
    pub(super) fn held_back_for(mut self, finding: &Finding) -> Self {
        if self.key == group_of(finding) {
            self.update.remove.retain(|name| !is_claim(name));
            self.update.set.retain(|name, _| !is_claim(name));
        }
        let group = finding.group.as_deref().unwrap_or_default();
        self.update.remove.retain(|name| name.strip_prefix(journal::GROUP) != Some(group));
        self
    }

    /// Whether it says that a finding was told: what is kept of the finding's group, or what a sweep keeps, for a summary.
    pub(super) fn is_about(&self, finding: &Finding) -> bool {
        let is_of_sweep = self.key == DIGEST || self.key.starts_with(SWEEPS);
        self.key == group_of(finding) || finding.sweep.is_some() && is_of_sweep
    }

    /// Writes it. Whether that worked: what is not settled is judged again with the next change, and harms nobody. Where
    /// something was not published, nothing of it counts as told.
    pub(super) async fn write(mut self, context: &Context, is_published: bool, until: Instant) -> bool {
        if self.is_for_here {
            context.told_here.note(&self.key, &self.update.set, context.now());
        }
        if is_published {
            context.told_here.note(&self.key, &self.here, context.now());
            self.update.set.append(&mut self.heard);
            self.update.remove.append(&mut self.waited);
        }
        if self.is_for_here {
            return true;
        }
        let until = until.min(Instant::now() + SETTLE_WITHIN);
        let store = &context.settings.memory;
        let mut written = Err(StoreError::None);
        if let Some(holder) = self.lease_of.take() {
            let mut update = self.update.clone();
            update.remove.extend([LEASE_HOLDER.to_owned(), LEASE_UNTIL.to_owned()]);
            update.condition = Some(Condition::LeaseIs(holder));
            written = store.update(&context.aws, &self.key, &update, until).await;
        }
        // The lease is somebody else's by now, or there was none.
        if matches!(written, Err(StoreError::None | StoreError::NotMet(_))) {
            written = store.update(&context.aws, &self.key, &self.update, until).await;
        }
        if let Err(error) = &written {
            tracing::warn!(key = self.key, code = error.code(), "the memory was not settled");
        }
        written.is_ok()
    }
}
