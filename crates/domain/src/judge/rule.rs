//! The verdict on one rule: what it admits, who made it, which exemption covers it, and what cannot be decided.

use jiff::Timestamp;

use super::attribution::{Makers, without};
use super::before::{Before, kept, reaches_no_more};
use super::prefilter::may_reach;
use super::{AppliedExemption, JudgedRule};
use crate::change::{Call, Change, ChangedRules};
use crate::facts::{Facts, PrefixLists};
use crate::net::{AddressSet, Cidr, Family, PerFamily};
use crate::opening::marker_of;
use crate::policy::{Candidate, Policy, ProtectedPort};
use crate::rule::{Permission, Reach, Rule, Source};

/// The verdict on one rule.
pub(super) struct RuleVerdict<'a> {
    pub(super) rule: JudgedRule,
    /// The guards for which an exemption covers the rule.
    pub(super) exempt_from: Vec<&'a str>,
    /// Why the rule cannot be decided.
    pub(super) undecided: Option<String>,
    /// Whether a change made the rule, the rule is altered now, and it still counts as that change's.
    pub(super) is_altered: bool,
    /// Whether a record that does not list its rules does not make this one its own.
    pub(super) is_left_to_others: bool,
}

/// A rule with the addresses that its source admits, and everything that the verdict needs.
struct RuleInGroup<'a> {
    rule: &'a Rule,
    sources: Result<PerFamily<AddressSet>, String>,
    counted: PerFamily<AddressSet>,
    facts: &'a Facts,
    policy: &'a Policy,
    now: Timestamp,
}

pub(super) fn judge<'a>(
    rule: &'a Rule,
    makers: &Makers<'_>,
    facts: &'a Facts,
    policy: &'a Policy,
    now: Timestamp,
) -> RuleVerdict<'a> {
    RuleInGroup::of(rule, facts, policy, now).judge(makers)
}

/// Whether a rule exposes a guarded port by itself and no exemption covers it, whoever made it. Nobody can have made
/// such a rule lawfully.
#[must_use]
pub fn is_unlawful_by_itself(rule: &Rule, facts: &Facts, policy: &Policy, now: Timestamp) -> bool {
    RuleInGroup::of(rule, facts, policy, now).is_unlawful_by_itself()
}

/// Whether the record of this change does not make the rule its own.
pub(super) fn is_left_to_others(rule: &Rule, change: &Change, facts: &Facts, policy: &Policy, now: Timestamp) -> bool {
    RuleInGroup::of(rule, facts, policy, now).may_be_anothers(change)
}

impl<'a> RuleInGroup<'a> {
    fn of(rule: &'a Rule, facts: &'a Facts, policy: &'a Policy, now: Timestamp) -> Self {
        let sources = sources(&rule.permission.source, &facts.prefix_lists);
        let counted = sources.as_ref().map_or_else(
            |_| PerFamily::default(),
            |sources| PerFamily::each(|family| sources.get(family).intersection(policy.counted(family))),
        );
        Self { rule, sources, counted, facts, policy, now }
    }

    fn judge(&self, makers: &Makers<'_>) -> RuleVerdict<'a> {
        let is_altered = !makers.altered_by.is_empty() && self.is_unlawful_by_itself();
        let mut made_by = makers.made_by.clone();
        made_by.retain(|change| !self.may_be_anothers(change));
        let is_left_to_others = made_by.len() < makers.made_by.len();
        if is_altered {
            made_by.extend(&makers.altered_by);
        }
        let is_new = made_by.is_empty() && makers.appeared && !self.may_be_exempt_by_principal();
        let new_entries = makers.appeared_entries.filter(|_| !is_new && !self.may_be_exempt_by_principal());
        let before = |family, set: &AddressSet| match new_entries {
            _ if is_new => AddressSet::default(),
            Some(entries) => set.difference(&AddressSet::from_cidrs(family, entries)),
            None => set.clone(),
        };
        let known = if is_new || new_entries.is_some() {
            Before::default()
        } else {
            Before::of(&self.rule.id, &made_by, &makers.altered_by)
        };
        let stood = known.stood.filter(|_| !made_by.is_empty()).and_then(|was| self.stood(&was.permission));
        let unchanged = stood.as_ref().is_some_and(|stood| *stood == self.counted);
        let without_changes = stood.unwrap_or_else(|| without(&self.counted, &made_by));
        let appeared = is_new || made_by.is_empty() && new_entries.is_some();
        let judged = JudgedRule {
            rule: self.rule.clone(),
            attributed: appeared || !made_by.is_empty(),
            appeared,
            without: PerFamily::each(|family| before(family, without_changes.get(family))),
            counted: self.counted.clone(),
            unchanged,
            former: known.last.cloned().map(Box::new),
            undecided: false,
            exempt: None,
        };
        let (exempt_from, undecided) = (Vec::new(), None);
        let mut verdict = RuleVerdict { rule: judged, exempt_from, undecided, is_altered, is_left_to_others };
        let callers: Vec<Vec<String>> = made_by.iter().map(|change| arns(change)).collect();
        for guard in self.reached() {
            let candidate = self.candidate(guard, &callers);
            if let Some(exemption) = self.policy.exemption(candidate, self.now) {
                verdict.exempt_from.push(&guard.name);
                let is_so = verdict.rule.exempt.is_some_and(|other| other.is_by_principal);
                let is_by_principal = exemption.principals.is_some() || is_so;
                let (reason, waiver) = (exemption.reason.clone(), exemption.waiver.clone());
                verdict.rule.exempt = Some(AppliedExemption { reason, is_by_principal, waiver });
                continue;
            }
            // An exempt source is not part of the 'before' measure: only what the changes added made the rule count.
            if verdict.rule.without != verdict.rule.counted {
                let all_before = self.sources.as_ref().ok().map(|sources| {
                    let without_changes = without(sources, &made_by);
                    PerFamily::each(|family| before(family, without_changes.get(family)))
                });
                let before = Candidate { sources: all_before.as_ref(), makers: &[], ..candidate };
                if self.policy.exemption(before, self.now).is_some() {
                    verdict.rule.without = PerFamily::default();
                }
            }
            if let Err(why) = &self.sources {
                verdict.undecided = Some(format!("{}: {why}", self.rule.id));
            } else if self.rule.permission.traffic.reach(guard.transport) == Reach::Unknown {
                verdict.undecided = Some(format!("{}: {}", self.rule.id, unknown_traffic(self.rule)));
            }
        }
        verdict.rule.undecided = verdict.undecided.is_some();
        verdict
    }

    /// What of the counted addresses the rule admitted when it was this, on the ports that it reaches now. Nothing where it
    /// was exempt then: only what the changes added made it count.
    fn stood(&self, was: &Permission) -> Option<PerFamily<AddressSet>> {
        let before = sources(&was.source, &self.facts.prefix_lists).ok()?;
        if !reaches_no_more(&self.rule.permission, was, self.policy) {
            return None;
        }
        let counted = PerFamily::each(|family| before.get(family).intersection(self.policy.counted(family)));
        let is_exempt = |guard: &ProtectedPort| {
            let candidate = Candidate { sources: Some(&before), ..self.candidate(guard, &[]) };
            may_reach(was, guard) && self.policy.exemption(candidate, self.now).is_some()
        };
        let was_exempt = self.policy.guards().iter().any(is_exempt);
        let slack = |family| self.policy.limit(family) >> 16;
        Some(if was_exempt { PerFamily::default() } else { kept(&self.counted, &counted, slack) })
    }

    /// The guards that the rule reaches, or may reach, from addresses that count, or may count.
    fn reached(&self) -> impl Iterator<Item = &'a ProtectedPort> + use<'a, '_> {
        let admits = self.sources.is_err() || Family::BOTH.into_iter().any(|f| !self.counted.get(f).is_empty());
        let guards = self.policy.guards().iter().filter(move |_| admits);
        guards.filter(|guard| may_reach(&self.rule.permission, guard))
    }

    fn candidate<'c>(&'c self, guard: &'c ProtectedPort, makers: &'c [Vec<String>]) -> Candidate<'c> {
        let (at, rule) = (&self.facts.location, &self.rule.id);
        let waiver = marker_of(self.rule).map(|marker| marker.waiver);
        Candidate { at, rule, waiver, guard: &guard.name, sources: self.sources.as_ref().ok(), makers }
    }

    /// Whether the record of a call does not say which rules it made, and somebody may have made this one lawfully whom the
    /// record does not name. A sweep asks for no maker.
    fn may_be_anothers(&self, change: &Change) -> bool {
        let names_none = matches!(change.changed_rules, ChangedRules::Any) && change.call != Call::Sweep;
        let own = [arns(change)];
        let is_others = |guard: &ProtectedPort| {
            self.policy.may_be_exempt_by_principal(self.candidate(guard, &[]), self.now)
                && self.policy.exemption(self.candidate(guard, &own), self.now).is_none()
        };
        names_none && self.reached().any(is_others)
    }

    /// Whether an exemption by principal would cover the rule if the right caller had made it.
    fn may_be_exempt_by_principal(&self) -> bool {
        self.reached().any(|guard| self.policy.may_be_exempt_by_principal(self.candidate(guard, &[]), self.now))
    }

    /// Whether the rule exposes a guarded port by itself and no exemption covers it, whoever made it. Nobody can have
    /// made such a rule lawfully.
    fn is_unlawful_by_itself(&self) -> bool {
        let is_wide = |family| self.counted.get(family).count() >= self.policy.limit(family);
        let reaches = |guard: &ProtectedPort| self.rule.permission.traffic.reach(guard.transport) != Reach::Unknown;
        Family::BOTH.into_iter().any(is_wide)
            && self.reached().any(|guard| {
                let candidate = self.candidate(guard, &[]);
                reaches(guard)
                    && self.policy.exemption(candidate, self.now).is_none()
                    && !self.policy.may_be_exempt_by_principal(candidate, self.now)
            })
    }
}

/// What the record says of its caller.
fn arns(change: &Change) -> Vec<String> {
    change.event.actor.iter().chain(&change.event.issuer).cloned().collect()
}

/// All addresses that a source admits, or why they are not known.
fn sources(source: &Source, prefix_lists: &PrefixLists) -> Result<PerFamily<AddressSet>, String> {
    let of = |cidrs: &[Cidr]| PerFamily::each(|family| AddressSet::from_cidrs(family, cidrs));
    match source {
        Source::Cidr(cidr) => Ok(of(std::slice::from_ref(cidr))),
        Source::Group(_) => Ok(PerFamily::default()),
        Source::PrefixList(id) => match prefix_lists.get(id) {
            Some(Ok(entries)) => Ok(of(entries)),
            Some(Err(why)) => Err(format!("the entries of {id} could not be read: {why}")),
            None => Err(format!("the entries of {id} are not known")),
        },
        Source::Unknown(what) => Err(format!("its source is not known: {what}")),
    }
}

fn unknown_traffic(rule: &Rule) -> String {
    let traffic = &rule.permission.traffic;
    let end = |port: Option<i64>| port.map_or_else(|| "none".to_owned(), |port| port.to_string());
    let ports = format!("ports {} to {}", end(traffic.from_port()), end(traffic.to_port()));
    format!("protocol `{}` with {ports} is nothing that EC2 documents", traffic.protocol())
}
