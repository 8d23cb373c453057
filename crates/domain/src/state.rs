//! The state of one remediation: what the looks at a group showed, what was done about it, and what is left to do.
//!
//! Pure. The shell brings looks ([`crate::facts::Facts`]), plans and EC2's answers, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::change::{Change, ChangedRules};
use crate::facts::{Facts, PrefixLists};
use crate::finding::{Action, Done, ExposureFinding};
use crate::ids::{PrefixListId, RuleId};
use crate::judge::{Exposure, Judgement};
use crate::net::{AddressSet, Cidr, Family};
use crate::plan::Plan;
use crate::policy::{Mode, Policy};
use crate::rule::{Permission, Reach, Rule, Source, Transport};

/// What is known of a call's effect after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing was done, and asking again will not help.
    Refused,
    /// Nothing was done; ask again later.
    NotYet,
    /// It may have been done: the answer was lost.
    Unknown,
    /// What it was about is not there.
    NotFound,
}

/// EC2's answer to a revoke of all rules that are pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The rules that EC2 listed as revoked.
    Revoked(BTreeSet<RuleId>),
    /// The call failed.
    Failed {
        /// AWS's error code, or what happened instead of an answer.
        code: String,
        /// What is known of its effect.
        effect: Effect,
    },
}

/// What came of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remediation {
    /// The group as it is reported, judged.
    pub judgement: Judgement,
    /// What earlier looks saw open, each as it was when it was widest.
    pub past: Vec<PastExposure>,
    /// For each change, what is open at the end although the change's own rules are gone or something else: the delivery
    /// did not close it.
    pub open: Vec<Vec<ExposureFinding>>,
    /// What became of each planned rule.
    pub done: Done,
    /// The mode that held for the group.
    pub mode: Mode,
    /// When the last of it was done, or when it was clear that there was nothing to do.
    pub done_at: Option<Timestamp>,
}

/// What a look saw open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastExposure {
    /// As a finding lists it.
    pub exposure: ExposureFinding,
    /// The address family.
    pub family: Family,
    /// Some of its rules appeared between two looks.
    pub appeared: bool,
}

/// A guarded port in one family: the guard's name, TCP or UDP, the lowest port.
type PortKey = (String, Transport, u16, Family);

impl PastExposure {
    /// The guard's name, the protocol and the lowest port.
    #[must_use]
    pub const fn key(&self) -> (&String, &String, u16) {
        (&self.exposure.guard, &self.exposure.protocol, self.exposure.port)
    }
}

/// Of what was open once, this many rules are remembered.
const MOST_PAST_RULES: usize = 1000;

/// What is known of a group over all looks of one remediation, and what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemediationState {
    mode: Mode,
    looks: usize,
    appeared: BTreeSet<RuleId>,
    appeared_entries: BTreeMap<PrefixListId, BTreeSet<Cidr>>,
    past: BTreeMap<PortKey, PastExposure>,
    /// Rules that two looks in a row showed unchanged.
    steady: BTreeSet<RuleId>,
    /// A revoke failed because one of its rules was gone.
    is_fleeting: bool,
    /// Every rule that any look showed, as it was last.
    seen: BTreeMap<RuleId, Rule>,
    /// What is known of prefix lists, as it was last.
    prefix_lists: PrefixLists,
    done: Done,
    /// Planned and not done.
    pending: BTreeSet<RuleId>,
    /// Rules that a revoke named whose answer was lost or did not list them. One that disappears later is counted as
    /// revoked by us; one that no such call named was taken back by somebody else.
    unheard: BTreeSet<RuleId>,
    /// Why what is pending was not done.
    error: String,
}

impl RemediationState {
    /// Nothing has been seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            mode: Mode::Enforce,
            looks: 0,
            appeared: BTreeSet::new(),
            appeared_entries: BTreeMap::new(),
            past: BTreeMap::new(),
            steady: BTreeSet::new(),
            is_fleeting: false,
            seen: BTreeMap::new(),
            prefix_lists: PrefixLists::new(),
            done: Done::new(),
            pending: BTreeSet::new(),
            unheard: BTreeSet::new(),
            error: String::new(),
        }
    }

    /// Takes in a look: what is pending and not shown any more is gone, and what an earlier look did not show like this is
    /// new, whoever made it.
    /// Returns whether something is new that the look before did not show.
    pub fn observe(&mut self, facts: &Facts) -> bool {
        let is_as_before =
            |rule: &&Rule| self.seen.get(&rule.id).is_some_and(|seen| seen.permission == rule.permission);
        let (steady, new): (Vec<&Rule>, Vec<&Rule>) = facts.rules.iter().partition(is_as_before);
        self.steady = steady.into_iter().map(|rule| rule.id.clone()).collect();
        let is_new = self.looks > 0 && !new.is_empty();
        if is_new {
            self.appeared.extend(new.into_iter().map(|rule| rule.id.clone()));
        }
        self.appeared.extend(facts.appeared.iter().cloned());
        self.note_entries(facts);
        self.looks += 1;
        self.seen.extend(facts.rules.iter().map(|rule| (rule.id.clone(), rule.clone())));
        self.prefix_lists.extend(facts.prefix_lists.iter().map(|(list, entries)| (list.clone(), entries.clone())));
        let shown: BTreeSet<&RuleId> = facts.rules.iter().map(|rule| &rule.id).collect();
        let (left, vanished) = std::mem::take(&mut self.pending).into_iter().partition(|id| shown.contains(id));
        self.pending = left;
        let gone = |id: &RuleId| if self.unheard.contains(id) { Action::Revoked } else { Action::AlreadyGone };
        self.done.extend(BTreeSet::into_iter(vanished).map(|id| (id.clone(), gone(&id))));
        is_new
    }

    /// Entries of a prefix list that an earlier look at that list did not show are new.
    fn note_entries(&mut self, facts: &Facts) {
        for (list, entries) in &facts.appeared_entries {
            self.appeared_entries.entry(list.clone()).or_default().extend(entries.iter().copied());
        }
        for (list, entries) in facts.prefix_lists.iter() {
            if let (Some(Ok(before)), Ok(entries)) = (self.prefix_lists.get(list), entries) {
                let before: BTreeSet<&Cidr> = before.iter().collect();
                let new: Vec<Cidr> = entries.iter().filter(|cidr| !before.contains(cidr)).copied().collect();
                if !new.is_empty() {
                    self.appeared_entries.entry(list.clone()).or_default().extend(new);
                }
            }
        }
    }

    /// Keeps what a look saw open that is of the changes' making, or open through a rule of theirs that is something else
    /// now. What stands without them is another's, and is reported where it is there at the end.
    pub fn remember(&mut self, judgement: &Judgement) {
        let replaced: BTreeSet<&RuleId> = judgement.attributions.iter().flat_map(|own| &own.replaced).collect();
        let is_replaced = |n: &usize| judgement.rules.get(*n).is_some_and(|judged| replaced.contains(&judged.rule.id));
        let concerns = |exposure: &&Exposure| !exposure.standing || exposure.rules.iter().any(is_replaced);
        for exposure in judgement.exposures.iter().filter(concerns) {
            let key = (exposure.guard.clone(), exposure.transport, exposure.ports.from(), exposure.family);
            let is_new = |n: &usize| judgement.rules.get(*n).is_some_and(|rule| rule.appeared);
            let seen = PastExposure {
                exposure: ExposureFinding::of(exposure, judgement),
                family: exposure.family,
                appeared: exposure.rules.iter().any(is_new),
            };
            let past = self.past.entry(key).or_insert_with(|| seen.clone());
            let known: BTreeSet<RuleId> = past.exposure.rules.iter().cloned().collect();
            let others = seen.exposure.rules.iter().filter(|id| !known.contains(id)).cloned();
            let room = MOST_PAST_RULES.saturating_sub(known.len());
            past.exposure.rules.extend(others.take(room));
            past.appeared |= seen.appeared;
            past.exposure.standing &= seen.exposure.standing;
        }
    }

    /// Takes in the plan for the last look. What was pending and is not planned any more was closed by a change of the
    /// rule itself; after a look that left something undecided nobody can say that. A rule that still exposes a port, and
    /// is not to go because the port is open without it, is kept. A plan in alert mode leaves the remediation in alert
    /// mode.
    pub fn adopt(&mut self, plan: &Plan, judgement: &Judgement) {
        let planned = plan.rules();
        let is_decided = judgement.undecided.is_empty();
        let action = if is_decided { Action::AlreadyGone } else { Action::Failed { error: self.error.clone() } };
        let exposing: BTreeSet<&RuleId> = judgement
            .exposures
            .iter()
            .flat_map(|exposure| exposure.rules.iter().filter_map(|n| Some(&judgement.rules.get(*n)?.rule.id)))
            .collect();
        let dropped = self.pending.difference(&planned).filter(|id| !is_decided || !exposing.contains(id));
        let closed = dropped.map(|id| (id.clone(), action.clone()));
        self.done.extend(closed.collect::<Vec<_>>());
        self.pending = planned;
        self.mode = self.mode.min(plan.mode);
    }

    /// Takes in EC2's answer to a revoke of [`Self::to_revoke`]. Whether another turn may help.
    pub fn answer(&mut self, answer: Answer) -> bool {
        let sent = self.to_revoke();
        match answer {
            Answer::Revoked(listed) => {
                self.unheard.extend(sent.difference(&listed).cloned());
                let (revoked, silent) =
                    std::mem::take(&mut self.pending).into_iter().partition(|id| listed.contains(id));
                self.pending = silent;
                self.done.extend(BTreeSet::into_iter(revoked).map(|id| (id, Action::Revoked)));
                "NotListed".clone_into(&mut self.error);
                true
            }
            Answer::Failed { code, effect } => {
                if effect == Effect::Unknown {
                    self.unheard.extend(sent);
                }
                self.is_fleeting |= effect == Effect::NotFound;
                self.error = code;
                effect != Effect::Refused
            }
        }
    }

    /// Keeps why nothing more could be done.
    pub fn give_up(&mut self, code: &str) {
        code.clone_into(&mut self.error);
    }

    /// The mode that holds for the group.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The rules that are planned to go and have not gone.
    #[must_use]
    pub const fn pending(&self) -> &BTreeSet<RuleId> {
        &self.pending
    }

    /// Whether something became of the rule already.
    #[must_use]
    pub fn is_done(&self, rule: &RuleId) -> bool {
        self.done.contains_key(rule)
    }

    /// How many rules were revoked.
    #[must_use]
    pub fn count_revoked(&self) -> usize {
        self.done.values().filter(|action| **action == Action::Revoked).count()
    }

    /// The rules to revoke in one call. One id that is gone fails a whole call, so once that has happened, rules that two
    /// looks showed unchanged do not share a call with rules that come and go.
    #[must_use]
    pub fn to_revoke(&self) -> BTreeSet<RuleId> {
        let steady: BTreeSet<RuleId> = self.pending.intersection(&self.steady).cloned().collect();
        if self.is_fleeting && !steady.is_empty() { steady } else { self.pending.clone() }
    }

    /// Whether what a look saw open was made while Portcullis looked.
    #[must_use]
    pub fn is_contested(&self) -> bool {
        self.past.values().any(|past| past.appeared)
    }

    /// What is left of the group: without the rules that were revoked, which EC2 may still show.
    #[must_use]
    pub fn left(&self, facts: &Facts) -> Facts {
        let is_left = |rule: &&Rule| !matches!(self.done.get(&rule.id), Some(Action::Revoked));
        self.with(facts, facts.rules.iter().filter(is_left).cloned().collect())
    }

    /// The group with everything in it that any look showed.
    #[must_use]
    pub fn whole(&self, facts: &Facts) -> Facts {
        self.with(facts, self.seen.values().cloned().collect())
    }

    /// The group as it is reported: with what had to go and the changes' own rules, whatever has become of them, but
    /// without what others made and took back meanwhile.
    #[must_use]
    pub fn reported(&self, facts: &Facts, attributed: &BTreeSet<RuleId>) -> Facts {
        let shown: BTreeSet<&RuleId> = facts.rules.iter().map(|rule| &rule.id).collect();
        let concerns = |id: &RuleId| {
            shown.contains(id) || attributed.contains(id) || self.done.contains_key(id) || self.pending.contains(id)
        };
        let rules = self.seen.iter().filter(|(id, _)| concerns(id)).map(|(_, rule)| rule.clone());
        self.with(facts, rules.collect())
    }

    /// What the last look shows open that a change has to answer for: rules of it are gone or something else, and a port
    /// that they reached is open through others. Whoever changes rules faster than events come leaves this behind.
    #[must_use]
    pub fn left_open(&self, change: &Change, n: usize, last: &Judgement, policy: &Policy) -> Vec<ExposureFinding> {
        let concerns = |exposure: &&Exposure| exposure.standing && may_concern(change, exposure, last, policy);
        if !self.has_lost_rules(change, n, last) {
            return Vec::new();
        }
        last.exposures.iter().filter(concerns).map(|exposure| ExposureFinding::of(exposure, last)).collect()
    }

    /// Whether some of the change's rules are gone, and not because they were revoked here, or are something else.
    fn has_lost_rules(&self, change: &Change, n: usize, last: &Judgement) -> bool {
        let is_revoked = |id: &RuleId| matches!(self.done.get(id), Some(Action::Revoked));
        let is_shown = |id: &RuleId| last.rules.iter().any(|judged| judged.rule.id == *id);
        let own = last.attributions.get(n);
        let is_replaced = own.is_some_and(|own| !own.replaced.is_empty());
        let is_lost = match &change.changed_rules {
            ChangedRules::Rules(_) => {
                let missing = own.into_iter().flat_map(|own| own.missing.iter().flatten());
                missing.into_iter().any(|id| !is_revoked(id) && !is_shown(id))
            }
            ChangedRules::Permissions(permissions) => {
                let seen = |permission: &Permission| self.seen.values().find(|rule| rule.permission == *permission);
                permissions
                    .iter()
                    .any(|asked| seen(asked).is_none_or(|rule| !is_revoked(&rule.id) && !is_shown(&rule.id)))
            }
            ChangedRules::PrefixList { .. } => own.is_some_and(|own| !own.missing.is_empty()),
            ChangedRules::Any => false,
        };
        is_replaced || is_lost
    }

    /// What earlier looks saw open.
    #[must_use]
    pub fn past(&self) -> Vec<PastExposure> {
        self.past.values().cloned().collect()
    }

    /// What became of each planned rule. What is still pending would be revoked in alert mode, and failed in enforce
    /// mode.
    #[must_use]
    pub fn finish(self) -> Done {
        let rest = match self.mode {
            Mode::Alert => Action::WouldRevoke,
            Mode::Enforce => Action::Failed { error: self.error },
        };
        let mut done = self.done;
        done.extend(self.pending.into_iter().map(|id| (id, rest.clone())));
        done
    }

    fn with(&self, facts: &Facts, rules: Vec<Rule>) -> Facts {
        Facts {
            prefix_lists: Arc::new(self.prefix_lists.clone()),
            appeared: self.appeared.clone(),
            appeared_entries: self.appeared_entries.clone(),
            ..facts.with_rules(rules)
        }
    }
}

/// Whether the change's rules reached the port of an exposure, from more than next to no addresses, as far as its record
/// says what they were.
fn may_concern(change: &Change, exposure: &Exposure, last: &Judgement, policy: &Policy) -> bool {
    if let ChangedRules::PrefixList { list, .. } = &change.changed_rules {
        let refers = |n: &usize| {
            let source = last.rules.get(*n).map(|judged| &judged.rule.permission.source);
            matches!(source, Some(Source::PrefixList(id)) if id == list)
        };
        return exposure.rules.iter().any(refers);
    }
    let Some(recorded) = &change.recorded_rules else { return true };
    let reaches = |permission: &&Permission| match permission.traffic.reach(exposure.transport) {
        Reach::Ports(ports) => ports.overlaps(exposure.ports),
        Reach::Nothing => false,
        Reach::Unknown => true,
    };
    let mut blocks = Vec::new();
    for permission in recorded.iter().map(|(_, permission)| permission).filter(reaches) {
        match &permission.source {
            Source::Cidr(cidr) => blocks.push(*cidr),
            Source::PrefixList(_) | Source::Unknown(_) => return true,
            Source::Group(_) => {}
        }
    }
    let counted = AddressSet::from_cidrs(exposure.family, &blocks).intersection(policy.counted(exposure.family));
    counted.count() > last.slack(exposure.family)
}

impl Default for RemediationState {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
