//! What an attempt left behind that claimed a change and came no further: its claim has what it saw, so the act can be
//! judged again, and its evidence completed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Look;
use crate::change::Change;
use crate::facts::{Facts, PrefixLists};
use crate::finding::{Action, ExposureFinding, Finding, Outcome, RuleFinding, Verdict};
use crate::ids::RuleId;
use crate::judge::judge_with_others;
use crate::memory::Claim;
use crate::plan::plan;
use crate::policy::{Mode, Policy};
use crate::rule::Rule;

/// An act that an attempt began, and of which it may have left no evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAct {
    /// What it saw, and what was to be done.
    pub look: Look,
    /// The rules that had to go and that EC2 has not shown since as the attempt saw them. They are gone, or something else now.
    pub gone: BTreeMap<RuleId, Rule>,
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
        let shown: BTreeSet<&RuleId> = seen.rules.iter().map(|rule| &rule.id).chain(&seen.egress).collect();
        let facts = saw(claim, seen, &shown);
        let changes: Vec<&Change> = std::iter::once(&claim.change).chain(others.iter().copied()).collect();
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
        if gone.is_empty() {
            return None;
        }
        let exposures = judgement.exposures.iter().map(|exposure| ExposureFinding::of(exposure, &judgement));
        let through = |exposure: &ExposureFinding| exposure.rules.iter().any(|id| gone.contains_key(id));
        let exposures: Vec<ExposureFinding> = exposures.filter(through).collect();
        // What is gone cannot be given its former value back.
        let look = Look::new(&facts, claim.at, plan).with_given_up(planned);
        Some(Self { look, gone, exposures, left_out: claim.left_out.clone() })
    }

    /// The finding of it, for its evidence.
    #[must_use]
    pub fn finding(&self, change: &Change, mode: Mode) -> Finding {
        let mut finding = Finding::plain(&change.event, Verdict::Safe, Outcome::AlreadyGone, mode, String::new());
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
        if finding.verdict == Verdict::Safe && matches!(finding.outcome, Outcome::AlreadyGone | Outcome::None) {
            (finding.verdict, finding.outcome) = (Verdict::Exposed, Outcome::AlreadyGone);
            finding.exposures.clone_from(&self.exposures);
            finding.reason = self.reason();
        }
    }

    fn reason(&self) -> String {
        let mut parts: Vec<String> = self.exposures.iter().map(ExposureFinding::was_open).collect();
        parts.push(
            "an earlier attempt saw it and came no further; the rules are gone, or are something else now, and whose doing that \
             is cannot be told"
                .to_owned(),
        );
        parts.extend(self.left_out.iter().map(|what| format!("not kept: {what}")));
        parts.join("; ")
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
