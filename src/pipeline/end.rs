//! The end of an opening: what was made under its waiver is revoked, whether it exposes anything or not, and in alert mode
//! too. Nothing is ever opened here, and only an end that has come, or an operator who closes, ends anything.
//!
//! The order is: the memory, a look, what is about to go into the memory, the revoke, the evidence, the news, and last the
//! waiver and its place in the list of openings. So a crash leaves something that the next end finds.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{BoxFuture, LocalBoxFuture};
use jiff::{SignedDuration, Timestamp};
use portcullis_domain::change::Resource;
use portcullis_domain::evidence::{EndAccount, EndedBy, Guard, Opening, Taken};
use portcullis_domain::facts::{Facts, GroupLocation};
use portcullis_domain::finding::ended::{Ended, metadata};
use portcullis_domain::finding::{Action, Finding, MemoryState, Outcome, Verdict};
use portcullis_domain::ids::{GroupId, RuleId};
use portcullis_domain::memory::{
    Entries, LARGEST_SAW, Memory, Waiver, closed_name, ended_name, ending_name, item_of, openings_of, written,
};
use portcullis_domain::opening::{self, Standing, TOO_LATE, standing};
use portcullis_domain::rule::Rule;
use tokio::time::Instant;

use super::batch::{self, DeliveryResult};
use super::context::{Context, Invocation, InvocationScope};
use super::intake::{Batch, Origin};
use super::permission;
use super::recall::Settlement;
use super::revoking::Revoking;
use super::task::SETTLING;
use crate::aws::{AccountRegion, AwsError, KnownLists, ListAge, Session, Wanted};
use crate::envelope::EndRequest;
use crate::store::Update;

/// Nobody waits for an end: the memory has time.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// An item that nothing was written to for so long goes.
const KEPT: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Rules that only say that they are part of an opening are told of again after so long.
const TOLD_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// Which opening is ended, and by what.
pub(super) struct Order<'a> {
    pub(super) target: &'a AccountRegion,
    pub(super) group: &'a GroupId,
    pub(super) waiver: &'a str,
    pub(super) by: EndedBy,
    /// The operator, where one closes.
    pub(super) actor: Option<String>,
    /// Whether the list of openings names it.
    pub(super) is_listed: bool,
}

/// What came of an end.
pub(super) struct End {
    pub(super) finding: Finding,
    pub(super) settlements: Vec<Settlement>,
    /// The rules that are gone now.
    pub(super) taken: BTreeSet<RuleId>,
}

/// Ends the opening that a schedule names, and reports it. On the heap from the beginning: an event's futures are deep.
pub(super) fn run<'a>(
    context: &'a Context,
    scope: &'a InvocationScope<'_>,
    asked: (Origin, EndRequest),
    result: &'a mut DeliveryResult,
) -> LocalBoxFuture<'a, ()> {
    Box::pin(report(context, scope, asked, (EndedBy::Schedule, None), result))
}

/// Ends an opening before its time, or at it, for an operator. Returns what was reported.
pub async fn close(context: &Context, request: EndRequest, actor: &str, invocation: &Invocation) -> Vec<Finding> {
    let scope = InvocationScope::new(context, invocation);
    let origin = Origin { index: 0, item: String::new(), record: None, later_look: None };
    let (mut result, by) = (DeliveryResult::default(), (EndedBy::Close, Some(actor.to_owned())));
    report(context, &scope, (origin, request), by, &mut result).await;
    result.findings.into_iter().map(|finding| finding.value).collect()
}

async fn report(
    context: &Context,
    scope: &InvocationScope<'_>,
    (origin, request): (Origin, EndRequest),
    (by, actor): (EndedBy, Option<String>),
    result: &mut DeliveryResult,
) {
    let EndRequest { account, region, group, waiver } = request;
    let target = AccountRegion { account, region };
    let mut batch = Batch::default();
    let permitted = permission::known(scope.session)
        .and_then(|session| permission::check(context, session.identity(), &target.account).map(|()| session));
    let finding = match permitted {
        Ok(session) => {
            let order = Order { target: &target, group: &group, waiver: &waiver, by, actor, is_listed: false };
            let end = end(context, session, &order).await;
            end.settlements.into_iter().for_each(|settlement| batch.aftermath.add(Some(settlement), false));
            Box::pin(named(context, session, &target, end.finding)).await
        }
        Err(why) => {
            let location = location(&target, &group);
            let event = metadata(&location, context.now(), actor);
            let plain = Finding::plain(&event, Verdict::Undecided, Outcome::None, context.settings.mode, why);
            Finding { group: Some(group.to_string()), ..plain }
        }
    };
    batch.add_finding(origin, finding);
    batch::work(context, scope, batch, result).await;
}

fn location(target: &AccountRegion, group: &GroupId) -> GroupLocation {
    let AccountRegion { account, region } = target.clone();
    GroupLocation { account, region, group: group.clone(), vpc: None }
}

/// The finding with the group's name, where people read it.
pub(super) async fn named(
    context: &Context,
    session: Session<'_>,
    target: &AccountRegion,
    finding: Finding,
) -> Finding {
    let group = finding.group.as_deref().and_then(|group| GroupId::parse(group).ok());
    let Some(group) = group.filter(|_| context.names_groups && finding.is_news()) else { return finding };
    let names = session.group_names(target, std::slice::from_ref(&group)).await;
    Finding { group_name: names.ok().and_then(|mut names| names.remove(&group)), ..finding }
}

/// What an end knows.
struct Known<'a> {
    context: &'a Context,
    order: &'a Order<'a>,
    location: GroupLocation,
    memory: Memory,
    /// Why the memory is not known.
    lost: Option<String>,
    now: Timestamp,
}

/// Ends an opening.
pub(super) fn end<'a>(context: &'a Context, session: Session<'a>, order: &'a Order<'_>) -> BoxFuture<'a, End> {
    Box::pin(carried_out(context, session, order))
}

async fn carried_out(context: &Context, session: Session<'_>, order: &Order<'_>) -> End {
    let (store, now) = (&context.settings.memory, context.now());
    let location = location(order.target, order.group);
    let key = item_of(&location.account, &location.region, &location.group);
    let until = session.until().min(Instant::now() + PATIENCE);
    let (memory, lost) = match store.read(&context.aws, &key, until).await {
        Ok(entries) => (Memory::read(&entries), None),
        // Without a memory no opening is known.
        Err(_) if !store.is_some() => (Memory::default(), None),
        Err(error) => (Memory::default(), Some(format!("the memory did not answer ({})", error.code()))),
    };
    let known = Known { context, order, location, memory, lost, now };
    let waiver = match standing(&known.memory, order.waiver, now) {
        Standing::Over(waiver) => Some(waiver),
        Standing::Holds(waiver) if order.by == EndedBy::Close => Some(waiver),
        Standing::Holds(waiver) => {
            let why = format!("the opening {} holds until {}: this end came early", order.waiver, waiver.until);
            let finding = known.nothing(Verdict::Exempt, format!("{why}, and nothing was done"));
            return End::of(Finding { waiver: Some(order.waiver.to_owned()), ..finding });
        }
        Standing::OfUndo(waiver) => {
            let why =
                format!("{} is the waiver of an undo, and no opening: it is over at {}", order.waiver, waiver.until);
            return End::of(known.nothing(Verdict::Irrelevant, format!("{why}, and nothing was done")));
        }
        Standing::Ended(_) | Standing::Unknown => None,
    };
    let waiver = waiver.map(|waiver| known.with_attempted(waiver));
    match known.look(session, waiver.as_ref()).await {
        Ok(facts) => known.carry_out(session, waiver.as_ref(), facts).await,
        Err(why) => End::of(known.failed(waiver.as_ref(), &why)),
    }
}

impl End {
    /// Nobody can tell which openings of an account and Region are over.
    pub(super) fn unlisted(context: &Context, target: &AccountRegion, code: &str) -> Self {
        Self::of(Finding::openings_not_known((&target.account, &target.region), context.now(), code))
    }

    /// One that changed nothing.
    fn of(finding: Finding) -> Self {
        Self { finding, settlements: Vec::new(), taken: BTreeSet::new() }
    }
}

/// The pause before the first further look. It doubles, up to the longest.
const PAUSE: Duration = Duration::from_millis(250);

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Known<'_> {
    /// The waiver with the rules that an earlier attempt was about to revoke. They are the opening's, whatever they are by
    /// now: somebody may have changed them since, and their descriptions with them.
    fn with_attempted(&self, waiver: &Waiver) -> Waiver {
        let attempted = self.memory.ending.get(self.order.waiver).into_iter().flatten().map(|rule| &rule.id);
        let mut rules = waiver.rules.clone();
        rules.extend(attempted.filter(|id| !waiver.rules.contains(id)).cloned());
        Waiver { rules, ..waiver.clone() }
    }

    /// The group as EC2 shows it. Waits until EC2 must show what was made just before.
    async fn look(&self, session: Session<'_>, waiver: Option<&Waiver>) -> Result<Facts, String> {
        let mut pause = PAUSE;
        loop {
            let facts = look_at(self.context, session, self.order).await.map_err(|error| error.to_string())?;
            let may_come = waiver.and_then(|waiver| self.may_come_until(waiver, &facts));
            if may_come.is_none_or(|until| until <= self.context.now()) {
                return Ok(facts);
            }
            if session.until() < Instant::now() + pause {
                return Err("EC2 does not show yet what was opened, and there was no time to wait".to_owned());
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// The time until which EC2 may still show rules of the opening that the look lacks. Nothing where the look has all of them.
    fn may_come_until(&self, waiver: &Waiver, facts: &Facts) -> Option<Timestamp> {
        let is_shown = |id: &RuleId| facts.rules.iter().any(|rule| rule.id == *id);
        let made = if waiver.rules.is_empty() {
            // An operator's command that stopped before it noted the rule may have made it until then.
            let latest = waiver.until.saturating_sub(waiver.until.duration_since(waiver.from) / TOO_LATE).ok()?;
            let is_open = !opening::ending(self.order.waiver, Some(waiver), facts).is_empty();
            (!is_open).then(|| latest.min(self.now).max(waiver.from))
        } else {
            let is_complete = waiver.rules.iter().all(is_shown);
            self.memory.noted.get(self.order.waiver).copied().filter(|_| !is_complete)
        };
        made.and_then(|made| made.checked_add(SETTLING).ok())
    }

    async fn carry_out(&self, session: Session<'_>, waiver: Option<&Waiver>, facts: Facts) -> End {
        let Self { context, order, .. } = self;
        if waiver.is_none() {
            return self.nothing_known(&facts);
        }
        let plan = opening::plan(order.waiver, waiver, &facts);
        if !context.ends_openings {
            return End::of(self.would_end(waiver, &facts, &plan.rules()));
        }
        let going = plan.rules();
        let pre_image: Vec<Rule> = facts.rules.iter().filter(|rule| going.contains(&rule.id)).cloned().collect();
        self.note(&pre_image, session.until()).await;
        let revoking = Revoking::new(context, session, order);
        let done = revoking.carry_out(waiver, facts).await;
        let known = self.memory.ending.get(order.waiver).into_iter().flatten();
        let is_new = |rule: &&Rule| !done.rules.iter().any(|taken| taken.rule.id == rule.id);
        // An earlier attempt came no further than that.
        let gone = known.filter(is_new).map(|rule| Taken { rule: rule.clone(), action: Action::AlreadyGone });
        let rules: Vec<Taken> = done.rules.iter().cloned().chain(gone).collect();
        let mut finding = self.finding(waiver, &rules, self.doubt());
        let is_done = finding.outcome != Outcome::Failed;
        finding.done_at = is_done.then(|| context.now());
        if context.shelf.is_there() {
            let account = EndAccount {
                guard: self.guard(session),
                who: self.event(waiver, &rules),
                memory: self.word().to_owned(),
                waiver,
                opening: self.opening(waiver, &rules),
                looks: done.looks,
                rules: rules.clone(),
                done_at: finding.done_at,
            };
            finding.evidence = vec![account.evidence(&self.location, &finding.reason)];
        }
        let revoked = rules.iter().filter(|taken| taken.action == Action::Revoked);
        let taken: BTreeSet<RuleId> = revoked.map(|taken| taken.rule.id.clone()).collect();
        let settlements = if is_done { self.settlements(&taken) } else { Vec::new() };
        End { finding, settlements, taken }
    }

    fn guard(&self, session: Session<'_>) -> Guard {
        let identity = session.identity();
        Guard {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            account: Some(identity.account.clone()),
            region: Some(identity.region.clone()),
            mode: self.context.settings.mode,
            restores: false,
            policy: self.context.policy.now().hash().to_owned(),
        }
    }

    const fn word(&self) -> &'static str {
        match (&self.lost, self.context.settings.memory.is_some()) {
            (Some(_), _) => "unavailable",
            (None, true) => "ok",
            (None, false) => "none",
        }
    }

    fn doubt(&self) -> Option<String> {
        let lost = self.lost.as_ref()?;
        Some(format!("{lost}, so which rules are part of it cannot be told"))
    }

    /// When the opening was to end.
    fn until(&self, waiver: Option<&Waiver>, rules: &[Taken]) -> Timestamp {
        let marked = || {
            let mut markers = rules.iter().filter_map(|taken| opening::marker_of(&taken.rule));
            markers.find(|marker| marker.waiver == self.order.waiver).map(|marker| marker.until)
        };
        waiver.map(|waiver| waiver.until).or_else(marked).unwrap_or(self.now)
    }

    fn opening(&self, waiver: Option<&Waiver>, rules: &[Taken]) -> Opening {
        Opening {
            waiver: self.order.waiver.to_owned(),
            until: self.until(waiver, rules),
            reason: waiver.map(|waiver| waiver.reason.clone()),
            opens: Vec::new(),
            rules: waiver.iter().flat_map(|waiver| waiver.rules.iter().cloned()).collect(),
            ended_by: Some(self.order.by),
        }
    }

    /// Two ends of one opening are one act, so the time is that of the opening's end; an operator may be earlier.
    fn event(&self, waiver: Option<&Waiver>, rules: &[Taken]) -> portcullis_domain::change::EventMetadata {
        metadata(&self.location, self.until(waiver, rules).min(self.now), self.order.actor.clone())
    }

    fn finding(&self, waiver: Option<&Waiver>, rules: &[Taken], doubt: Option<String>) -> Finding {
        let none = Vec::new();
        let ended = Ended {
            location: &self.location,
            waiver: self.order.waiver,
            until: self.until(waiver, rules),
            opened_for: waiver.map(|waiver| waiver.reason.as_str()),
            by: self.order.by,
            rules,
            // What was not looked at is not said to be gone.
            gone: waiver.filter(|_| doubt.is_none()).map_or(&none, |waiver| &waiver.rules),
            doubt: doubt.as_deref(),
        };
        let mut finding = Finding::ended(&self.event(waiver, rules), &ended, self.context.settings.mode);
        finding.memory = self.lost.as_ref().map(|_| MemoryState::Unavailable);
        finding
    }

    fn failed(&self, waiver: Option<&Waiver>, why: &str) -> Finding {
        self.finding(waiver, &[], Some(why.to_owned()))
    }

    fn nothing(&self, verdict: Verdict, why: String) -> Finding {
        let event = metadata(&self.location, self.now, self.order.actor.clone());
        Finding { mode: self.context.settings.mode, ..Finding::not_ended(&event, (&self.location, verdict), why) }
    }

    /// No waiver is known. Rules that say that they are part of the opening are told of, once a day, and not touched.
    fn nothing_known(&self, facts: &Facts) -> End {
        let id = self.order.waiver;
        if let Some(lost) = self.doubt() {
            return End::of(self.failed(None, &lost));
        }
        // Who closes wants to know of what is to end later, and each time.
        let closes = self.order.by == EndedBy::Close;
        let claiming = opening::claiming(id, facts, if closes { Timestamp::MAX } else { self.now });
        let mut settlements = if self.order.is_listed { vec![self.unlisted(Entries::new())] } else { Vec::new() };
        let ended = self.memory.ended.get(id);
        if claiming.is_empty() {
            let why = match ended {
                Some(at) => format!("the opening {id} was ended at {at}, and nothing of it is left: nothing was done"),
                None => format!(
                    "nothing is known of an opening {id} in this group, and no rule is part of it: nothing was done"
                ),
            };
            return End { finding: self.nothing(Verdict::Irrelevant, why), settlements, taken: BTreeSet::new() };
        }
        let ended = ended.filter(|at| self.now.duration_since(**at) < TOLD_AGAIN);
        let what = match ended {
            Some(at) => format!("the opening {id} was ended, or told of, at {at}"),
            None => format!("the memory knows of no opening {id} in this group that ended in the last day"),
        };
        let rules = claiming.iter().map(RuleId::as_str).collect::<Vec<_>>().join(", ");
        let why = format!(
            "{what}, and these rules say of themselves that they were part of it: {rules}. Nothing was done, because \
             anybody who may write a description can have written that. Revoke them, or describe them otherwise"
        );
        let verdict = if ended.is_some() && !closes { Verdict::Irrelevant } else { Verdict::Undecided };
        if ended.is_none() && self.context.settings.memory.is_some() {
            let told = written(&self.now).map(|now| (ended_name(id), now));
            let update = Update { set: told.into_iter().collect(), ttl: self.ttl(), ..Update::default() };
            let GroupLocation { account, region, group, .. } = &self.location;
            settlements.push(Settlement::new(item_of(account, region, group), update));
        }
        End { finding: self.nothing(verdict, why), settlements, taken: BTreeSet::new() }
    }

    /// What an operator who only looks is told.
    fn would_end(&self, waiver: Option<&Waiver>, facts: &Facts, going: &BTreeSet<RuleId>) -> Finding {
        let rules = facts.rules.iter().filter(|rule| going.contains(&rule.id));
        let rules: Vec<Taken> = rules.map(|rule| Taken { rule: rule.clone(), action: Action::WouldRevoke }).collect();
        self.finding(waiver, &rules, None)
    }

    /// Writes what is about to go, so that an attempt that comes no further leaves it behind. Closing does not wait for it
    /// to succeed.
    async fn note(&self, rules: &[Rule], until: Instant) {
        let fits = serde_json::to_vec(rules).is_ok_and(|text| text.len() <= LARGEST_SAW);
        let store = &self.context.settings.memory;
        if rules.is_empty() || !fits || self.lost.is_some() || !store.is_some() {
            return;
        }
        let entry = written(&rules).map(|rules| (ending_name(self.order.waiver), rules));
        let update = Update { set_if_absent: entry.into_iter().collect(), ttl: self.ttl(), ..Update::default() };
        let key = item_of(&self.location.account, &self.location.region, &self.location.group);
        let until = until.min(Instant::now() + PATIENCE);
        if let Err(error) = store.update(&self.context.aws, &key, &update, until).await {
            tracing::warn!(key, code = error.code(), "what is about to end was not noted");
        }
    }

    fn ttl(&self) -> Option<Timestamp> {
        self.now.checked_add(KEPT).ok().map(|usual| self.memory.needed_until(usual))
    }

    /// What is written when the end was told: the waiver goes, and that it was ended stays for a day.
    fn settlements(&self, revoked: &BTreeSet<RuleId>) -> Vec<Settlement> {
        if !self.context.settings.memory.is_some() {
            return Vec::new();
        }
        let GroupLocation { account, region, group, .. } = &self.location;
        let (id, now) = (self.order.waiver, self.context.now());
        let mut remove = self.memory.entries_of_opening(id);
        if !revoked.is_empty() {
            remove.push(ending_name(id));
        }
        remove.sort_unstable();
        remove.dedup();
        let mut set: Entries = written(&now).map(|now| (ended_name(id), now)).into_iter().collect();
        set.extend(revoked.iter().filter_map(|rule| Some((closed_name(rule), written(&now)?))));
        // Other openings of the group may last for longer.
        let mut left = self.memory.clone();
        left.waivers.remove(id);
        let ttl = now.checked_add(KEPT).ok().map(|usual| left.needed_until(usual));
        let update = Update { set, remove, ttl, ..Update::default() };
        let of_group = Settlement::new(item_of(account, region, group), update);
        // So that whoever closes it again is told.
        let ended = written(&now).map(|now| (ended_name(id), now)).into_iter().collect();
        vec![of_group, self.unlisted(ended)]
    }

    /// Takes the opening from the list, and writes these entries there.
    fn unlisted(&self, set: Entries) -> Settlement {
        let key = openings_of(&self.location.account, &self.location.region);
        Settlement::new(key, Update { set, remove: vec![self.order.waiver.to_owned()], ..Update::default() })
    }
}

/// The group as EC2 shows it. Whether it exposes anything does not matter.
pub(super) async fn look_at(context: &Context, session: Session<'_>, order: &Order<'_>) -> Result<Facts, AwsError> {
    let (lists, nothing) = (KnownLists::default(), |_: &_| false);
    let wanted = Wanted { vpc: false, prefix_list_of: &nothing, lists: (&lists, ListAge::Known), now: context.now() };
    let resource = Resource::Group(order.group.clone());
    let mut groups = session.describe(order.target, &resource, wanted).await?.groups;
    let found = groups.iter().position(|facts| facts.location.group == *order.group).map(|n| groups.swap_remove(n));
    Ok(found.unwrap_or_else(|| Facts::of_rules(location(order.target, order.group), Vec::new(), context.now())))
}
