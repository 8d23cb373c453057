//! Undo: what an act took away is put back, where the policy lets it be.
//!
//! Portcullis itself never opens anything: an operator does, with credentials of their own. What is decided here is which
//! rules are missing, which calls put them back, and whether the policy forbids it.

mod gone;
mod set_back;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::change::{Call, Change, ChangedRules, EventMetadata, Resource};
use crate::evidence::Evidence;
use crate::facts::Facts;
use crate::finding::{Action, ExposureFinding};
use crate::former::{Former, Was};
use crate::ids::RuleId;
use crate::judge::judge;
use crate::net::Cidr;
use crate::policy::Policy;
use crate::rule::{Rule, Source};

pub use gone::{Now, already_gone, now};
pub use set_back::{SetBack, set_back, would_take};

/// Tags that begin so are AWS's own: nobody else can set them (EC2 User Guide, "Tag restrictions").
const AWS: &str = "aws:";

/// What is missing of an act's rules, and what is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// The rules to put back, as they were, without the tags that only AWS can set.
    pub rules: Vec<Rule>,
    /// The rules that are there already: the ids that they had, and the ids that they have.
    pub there: BTreeMap<RuleId, RuleId>,
    /// The keys of the tags that are left out.
    pub tags_left_out: BTreeMap<RuleId, BTreeSet<String>>,
}

/// Rules that one call puts back: the tags of a call are those of all of its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBackCall {
    /// Their tags.
    pub tags: BTreeMap<String, String>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// The rules that an act took away: those that EC2 confirmed as revoked. What was gone when the act came to revoke it is
/// none of them ([`already_gone`]).
#[must_use]
pub fn taken(evidence: &Evidence) -> Vec<Rule> {
    with_action(evidence, &Action::Revoked)
}

fn with_action(evidence: &Evidence, action: &Action) -> Vec<Rule> {
    evidence.rules.iter().filter(|taken| taken.action == *action).map(|taken| taken.rule.clone()).collect()
}

/// The rules that an act took away, each as it was before the change that opened it, with the tags that it had; and why that
/// is not known of the others. Before a run of calls that opened a rule counts as before.
#[must_use]
pub fn former(evidence: &Evidence) -> (Vec<Rule>, BTreeMap<RuleId, String>) {
    former_of(evidence, taken(evidence))
}

/// The same, of these rules.
fn former_of(evidence: &Evidence, rules: Vec<Rule>) -> (Vec<Rule>, BTreeMap<RuleId, String>) {
    fn lawful(former: &Former) -> Result<&Was, String> {
        match former {
            Former::Unknown(why) => Err(why.clone()),
            Former::Was(Was { before: Some(before), .. }) => lawful(before),
            Former::Was(was) => Ok(was),
        }
    }
    let (mut former, mut unknown) = (Vec::new(), BTreeMap::new());
    for rule in rules {
        let known = evidence.change().and_then(|change| change.former.get(&rule.id));
        match known.map(lawful) {
            Some(Ok(Was { permission, description, .. })) => {
                former.push(Rule { permission: permission.clone(), description: description.clone(), ..rule });
            }
            Some(Err(why)) => _ = unknown.insert(rule.id, why),
            None => _ = unknown.insert(rule.id, "no ModifySecurityGroupRules opened it".to_owned()),
        }
    }
    (former, unknown)
}

/// Which of the rules a group lacks. EC2 keeps no two rules with the same permission in a group, so a rule with the same
/// permission is the rule.
#[must_use]
pub fn missing(taken: &[Rule], facts: &Facts) -> Missing {
    let mut missing = Missing::default();
    for rule in taken {
        match facts.rules.iter().find(|shown| shown.permission == rule.permission) {
            Some(shown) => _ = missing.there.insert(rule.id.clone(), shown.id.clone()),
            None => {
                let (own, left_out): (BTreeMap<_, _>, BTreeMap<_, _>) =
                    rule.tags.clone().into_iter().partition(|(key, _)| !key.starts_with(AWS));
                if !left_out.is_empty() {
                    missing.tags_left_out.insert(rule.id.clone(), left_out.into_keys().collect());
                }
                missing.rules.push(Rule { tags: own, ..rule.clone() });
            }
        }
    }
    missing
}

/// The calls that put the rules back: one for each set of tags.
#[must_use]
pub fn calls(rules: &[Rule]) -> Vec<PutBackCall> {
    let mut by_tags: BTreeMap<&BTreeMap<String, String>, Vec<Rule>> = BTreeMap::new();
    for rule in rules {
        by_tags.entry(&rule.tags).or_default().push(rule.clone());
    }
    by_tags.into_iter().map(|(tags, rules)| PutBackCall { tags: tags.clone(), rules }).collect()
}

/// The change that an undo is: these rules, made by this principal.
#[must_use]
pub fn change(rules: &[Rule], facts: &Facts, by: &str, now: Timestamp) -> Change {
    let location = &facts.location;
    let event = EventMetadata {
        time: Some(now),
        account: Some(location.account.to_string()),
        region: Some(location.region.to_string()),
        call: Some("Undo".to_owned()),
        actor: Some(by.to_owned()),
        ..EventMetadata::default()
    };
    Change {
        event,
        account: location.account.clone(),
        region: location.region.clone(),
        call: Call::Authorize,
        resource: Resource::Group(location.group.clone()),
        changed_rules: ChangedRules::Rules(rules.iter().map(|rule| rule.id.clone()).collect()),
        recorded_rules: None,
        unread: None,
        former: Default::default(),
    }
}

/// The group with the rules in it. A rule that is set back is no longer what it is now.
fn with(facts: &Facts, rules: &[Rule]) -> Facts {
    let others = facts.rules.iter().filter(|other| !rules.iter().any(|rule| rule.id == other.id));
    facts.with_rules(others.chain(rules).cloned().collect())
}

/// What forbids that the rules are put back into the group: each port that would be open to the internet through one of
/// them, and what cannot be decided about them. Nothing: they may be put back.
#[must_use]
pub fn forbidden((facts, rules): (&Facts, &[Rule]), change: &Change, policy: &Policy, now: Timestamp) -> Vec<String> {
    let ids: BTreeSet<&RuleId> = rules.iter().map(|rule| &rule.id).collect();
    let judgement = judge(&[change], &with(facts, rules), policy, now);
    let is_put_back = |n: &usize| judgement.rules.get(*n).is_some_and(|judged| ids.contains(&judged.rule.id));
    let exposures = judgement.exposures.iter().filter(|exposure| exposure.rules.iter().any(is_put_back));
    let sentence = |exposure: ExposureFinding| {
        let ExposureFinding { guard, protocol, port, to_port, public_addresses, sources, .. } = exposure;
        let to = to_port.map_or_else(String::new, |to| format!("-{to}"));
        let sources = sources.join(", ");
        format!("{protocol} {port}{to} ({guard}) would be open to {public_addresses} public addresses, from {sources}")
    };
    let mut why: Vec<String> = exposures.map(|exposure| sentence(ExposureFinding::of(exposure, &judgement))).collect();
    why.extend(judgement.undecided.iter().map(|why| format!("it cannot be decided: {why}")));
    why
}

/// The guards and the sources that a waiver for these rules must name.
#[must_use]
pub fn waived(
    (facts, rules): (&Facts, &[Rule]),
    change: &Change,
    policy: &Policy,
    now: Timestamp,
) -> (Vec<String>, Vec<Cidr>) {
    let judgement = judge(&[change], &with(facts, rules), policy, now);
    let guards: BTreeSet<String> = judgement.exposures.iter().map(|exposure| exposure.guard.clone()).collect();
    let mut sources: BTreeSet<Cidr> = BTreeSet::new();
    for rule in rules {
        match &rule.permission.source {
            Source::Cidr(cidr) => _ = sources.insert(*cidr),
            Source::PrefixList(list) => {
                let entries = facts.prefix_lists.get(list).and_then(|entries| entries.as_ref().ok());
                sources.extend(entries.into_iter().flatten().copied());
            }
            Source::Group(_) | Source::Unknown(_) => {}
        }
    }
    (guards.into_iter().collect(), sources.into_iter().collect())
}

#[cfg(test)]
mod tests;
