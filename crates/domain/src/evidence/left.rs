//! What an attempt left behind that claimed a change and came no further: its claim has what it saw, so the act can be
//! judged again, and its evidence completed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Look;
use crate::change::Change;
use crate::facts::{Facts, PrefixLists};
use crate::finding::{Action, ExposureFinding, Finding, FormerFinding, Outcome, RuleFinding, Verdict};
use crate::ids::RuleId;
use crate::judge::{Judgement, judge_with_others};
use crate::memory::Claim;
use crate::plan::{Plan, Step, plan, restoring};
use crate::policy::{Mode, Policy};
use crate::rule::{Permission, Rule};

/// An act that an attempt began, and of which it may have left no evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAct {
    /// What it saw, and what was to be done.
    pub look: Look,
    /// The rules that had to go and that EC2 has not shown since as the attempt saw them. They are gone, or something else now.
    pub gone: BTreeMap<RuleId, Rule>,
    /// Those of them that are there with the value that was to be given back.
    pub back: BTreeSet<RuleId>,
    /// The change, as it was judged.
    pub change: Change,
    /// What was open through them.
    exposures: Vec<ExposureFinding>,
    /// What of the rules is not known.
    left_out: Option<String>,
}

impl LeftAct {
    /// Judges again what a claim says that was seen, with the changes that were judged together with its own. `seen` is what
    /// EC2 has shown of the group since. Nothing where no rule was to go, or all of them were there still.
    #[must_use]
    pub fn of(claim: &Claim, others: &[&Change], seen: &Facts, (policy, mode): (&Policy, Mode)) -> Option<Self> {
        let again = Again::judged((claim, &claim.change), others, seen, (policy, mode));
        // Rules that are gone are not restored.
        let given_up = again.plan.rules();
        again.left(claim, (claim.change.clone(), BTreeSet::new()), given_up)
    }

    /// The same where modified rules are given their former values back: `change` says what they were. Nothing where no rule
    /// is there with the value that was to be given back.
    #[must_use]
    pub fn given_back(
        (claim, change): (&Claim, &Change),
        others: &[&Change],
        seen: &Facts,
        (policy, mode): (&Policy, Mode),
    ) -> Option<Self> {
        let mut again = Again::judged((claim, change), others, seen, (policy, mode));
        let shows = |rule: &RuleId, former: &Permission| {
            seen.rules.iter().any(|shown| shown.id == *rule && shown.permission == *former)
        };
        let back = |plan: &Plan| -> BTreeSet<RuleId> {
            let restored = plan.steps.iter().filter_map(|step| match step {
                Step::Restore { rule, former, .. } => shows(rule, former).then(|| rule.clone()),
                Step::Revoke(_) => None,
            });
            restored.collect()
        };
        let restoring = |again: &Again, given_up: &BTreeSet<RuleId>| {
            restoring(again.plan.clone(), &again.judgement, &again.facts, given_up, (policy, claim.at))
        };
        let shown = back(&restoring(&again, &BTreeSet::new()));
        let given_up: BTreeSet<RuleId> = again.plan.rules().difference(&shown).cloned().collect();
        again.plan = restoring(&again, &given_up);
        let back = back(&again.plan);
        if back.is_empty() {
            return None;
        }
        again.left(claim, (change.clone(), back), given_up)
    }

    /// The finding of it, for its evidence.
    #[must_use]
    pub fn finding(&self, mode: Mode) -> Finding {
        let mut finding = Finding::plain(&self.change.event, Verdict::Safe, Outcome::AlreadyGone, mode, String::new());
        finding.group = Some(self.look.plan.location.group.to_string());
        self.note(&mut finding);
        finding
    }

    /// Takes it into what a later delivery of the record says. Nobody may call safe what an attempt saw open.
    pub fn note(&self, finding: &mut Finding) {
        finding.rules.retain(|rule| rule.action != Action::AlreadyGone || !self.gone.contains_key(&rule.id));
        let known: BTreeSet<RuleId> = finding.rules.iter().map(|rule| rule.id.clone()).collect();
        let gone = self.gone.values().filter(|rule| !known.contains(&rule.id));
        finding.rules.extend(gone.map(|rule| RuleFinding::of(rule, Action::AlreadyGone)));
        let was = |id: &RuleId| Some((id.clone(), FormerFinding::of(self.change.former.get(id)?)));
        finding.former.extend(self.back.iter().filter_map(was));
        if finding.verdict == Verdict::Safe && matches!(finding.outcome, Outcome::AlreadyGone | Outcome::None) {
            (finding.verdict, finding.outcome) = (Verdict::Exposed, Outcome::AlreadyGone);
            finding.exposures.clone_from(&self.exposures);
            finding.reason = self.reason();
            finding.is_by_nobody_known = true;
        }
    }

    fn reason(&self) -> String {
        let mut parts: Vec<String> = self.exposures.iter().map(ExposureFinding::was_open).collect();
        let is_gone = self.gone.len() > self.back.len();
        parts.push("an earlier attempt saw it and came no further".to_owned());
        if !self.back.is_empty() {
            let back: Vec<&str> = self.back.iter().map(RuleId::as_str).collect();
            parts.push(format!("what it was before the call, it is again: {}", back.join(", ")));
        }
        if is_gone {
            let which = if self.back.is_empty() { "the rules" } else { "the other rules" };
            parts.push(format!("{which} are gone, or are something else now"));
        }
        parts.push("whose doing that is cannot be told".to_owned());
        parts.extend(self.left_out.iter().map(|what| format!("not kept: {what}")));
        parts.join("; ")
    }
}

/// What a claim says that was seen, judged again.
struct Again {
    facts: Facts,
    judgement: Judgement,
    plan: Plan,
    /// The rules that had to go and are not as they were.
    gone: BTreeMap<RuleId, Rule>,
}

impl Again {
    fn judged(
        (claim, change): (&Claim, &Change),
        others: &[&Change],
        seen: &Facts,
        (policy, mode): (&Policy, Mode),
    ) -> Self {
        let shown: BTreeSet<&RuleId> = seen.rules.iter().map(|rule| &rule.id).chain(&seen.egress).collect();
        let facts = saw(claim, seen, &shown);
        let changes: Vec<&Change> = std::iter::once(change).chain(others.iter().copied()).collect();
        let judgement = judge_with_others((&changes, 1), &facts, policy, claim.at);
        let plan = plan(&judgement, policy.mode(&facts.location, mode), usize::MAX);
        let planned = plan.rules();
        let is_as_it_was = |rule: &&Rule| {
            let now = seen.rules.iter().find(|shown| shown.id == rule.id);
            now.map_or(shown.contains(&rule.id), |now| now.permission == rule.permission)
        };
        let is_gone = |rule: &&Rule| planned.contains(&rule.id) && !is_as_it_was(rule);
        let gone: BTreeMap<RuleId, Rule> =
            facts.rules.iter().filter(is_gone).map(|rule| (rule.id.clone(), rule.clone())).collect();
        Self { facts, judgement, plan, gone }
    }

    fn left(
        self,
        claim: &Claim,
        (change, back): (Change, BTreeSet<RuleId>),
        given_up: BTreeSet<RuleId>,
    ) -> Option<LeftAct> {
        let Self { facts, judgement, plan, gone } = self;
        if gone.is_empty() {
            return None;
        }
        let exposures = judgement.exposures.iter().map(|exposure| ExposureFinding::of(exposure, &judgement));
        let through = |exposure: &ExposureFinding| exposure.rules.iter().any(|id| gone.contains_key(id));
        let exposures: Vec<ExposureFinding> = exposures.filter(through).collect();
        let look = Look::new(&facts, claim.at, plan).with_given_up(given_up);
        Some(LeftAct { look, gone, back, change, exposures, left_out: claim.left_out.clone() })
    }
}

/// The group as far as the attempt says that it saw it. A rule that the record lists, and that the attempt did not see yet,
/// may have gone as well.
fn saw(claim: &Claim, seen: &Facts, shown: &BTreeSet<&RuleId>) -> Facts {
    let known: BTreeSet<&RuleId> = claim.saw.iter().map(|rule| &rule.id).collect();
    let recorded = claim.change.recorded_rules.iter().flatten();
    let recorded = recorded.filter_map(|(id, permission)| Some((id.as_ref()?, permission)));
    let unseen = recorded.filter(|(id, _)| !known.contains(id) && !shown.contains(id));
    let unseen = unseen.map(|(id, permission)| Rule::new(id.clone(), permission.clone()));
    let rules = claim.saw.iter().cloned().chain(unseen).collect();
    let mut lists: PrefixLists = PrefixLists::clone(&seen.prefix_lists);
    lists.extend(claim.saw_lists.iter().map(|(list, look)| (list.clone(), look.entries())));
    Facts {
        prefix_lists: Arc::new(lists),
        egress: seen.egress.clone(),
        ..Facts::of_rules(seen.location.clone(), rules, claim.at)
    }
}
