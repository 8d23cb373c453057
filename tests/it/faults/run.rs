//! A scenario with its faults, from the first delivery to the last.

use std::collections::BTreeMap;

use ec2_model::Outcome as CallOutcome;
use portcullis::domain::finding::{Finding, Outcome, Verdict};
use portcullis::pipeline::Answer;
use portcullis::store::Store;
use serde_json::Value;

use super::scenarios::{Case, GroupOf, Scenario, rules};
use crate::harness::{Setup, TABLE, Watch};
use crate::simulation::judge::{Known, Rule, plan};

pub(super) struct Run<'a> {
    scenario: &'a Scenario,
    pub(super) watch: Watch,
    pub(super) case: Case,
    before: BTreeMap<GroupOf, Vec<Rule>>,
    pub(super) what: String,
}

impl<'a> Run<'a> {
    pub(super) async fn start(scenario: &'a Scenario, what: String, has_memory: bool) -> Self {
        fastrand::seed(1);
        let setup = (scenario.setup)();
        // Nothing is given back without a memory.
        let has_memory = has_memory || setup.restores;
        let memory = if has_memory { Store::Table(TABLE.to_owned()) } else { Store::None };
        let watch = Setup { memory, ..setup }.start().await;
        let case = (scenario.arrange)(&watch);
        let before = case.groups().into_iter().map(|group| (group.clone(), rules(&watch, group))).collect();
        Self { scenario, watch, case, before, what }
    }

    /// AWS delivers again after a minute. By then EC2 shows the current state.
    pub(super) fn a_minute_later(&self) {
        self.watch.world.set_now(self.watch.world.now() + 60_000);
    }

    pub(super) fn hits(&self) -> usize {
        let hit = |call: &ec2_model::Call| matches!(call.outcome, CallOutcome::Fault(_));
        self.watch.world.calls().iter().filter(|call| hit(call)).count()
    }

    /// Delivers and checks the answer against the world. Returns whether nothing of the change is left open.
    pub(super) async fn deliver(&self) -> bool {
        let answer = self.watch.deliver(&self.case.payload).await;
        let what = || format!("{}, {}: {answer:#?}", self.scenario.name, self.what);
        let mut done = true;
        for (group, before) in &self.before {
            let after = rules(&self.watch, group);
            let changes = self.case.changes(group);
            let lawful = plan(before, Known { lists: &self.case.lists, break_glass: false }, &changes);
            for rule in before.iter().filter(|rule| !after.contains(rule)) {
                assert!(!self.case.alert && lawful.contains(&rule.id), "{rule:?} was lawful: {}", what());
            }
            let left = plan(&after, Known { lists: &self.case.lists, break_glass: false }, &changes);
            for (item, _, change) in self.case.items.iter().filter(|(_, groups, _)| groups.contains(group)) {
                let open = after.iter().any(|rule| left.contains(&rule.id) && change.made_rule(rule));
                done &= !open;
                let reported = self.reported(&answer, item);
                if open && !self.case.alert {
                    assert!(answer.failed.contains(item), "left open without another delivery: {}", what());
                    assert!(
                        reported.iter().any(|finding| finding.needs_retry()),
                        "left open and not reported: {}",
                        what()
                    );
                }
                if open {
                    let safe = |finding: &&&_| Self::is_of(finding, group) && Self::says_done(finding);
                    assert!(!reported.iter().any(|finding| safe(&finding)), "reported as done, and open: {}", what());
                }
            }
            for finding in answer.findings.iter().filter(|finding| finding.group.as_ref() == Some(&group.1)) {
                for rule in finding.rules.iter().filter(|rule| rule.action.as_str() == "revoked") {
                    assert!(after.iter().all(|there| there.id != rule.id.as_str()), "{} is there: {}", rule.id, what());
                }
                for rule in finding.rules.iter().filter(|rule| rule.action.as_str() == "restored") {
                    let now = after.iter().find(|there| there.id == rule.id.as_str());
                    assert!(
                        now.is_some_and(|rule| rule.shape.ports.0 >= 443),
                        "{} is not as it was: {}",
                        rule.id,
                        what()
                    );
                }
            }
        }
        assert!(!answer.findings.is_empty(), "nothing reported: {}", what());
        let revokes = |call: &ec2_model::Call| call.action == "RevokeSecurityGroupIngress";
        assert!(!self.case.alert || !self.watch.world.calls().iter().any(revokes), "a write in alert mode: {}", what());
        for id in &answer.failed {
            assert!(
                self.reported(&answer, id).iter().any(|finding| finding.needs_retry()),
                "failed for no reason: {}",
                what()
            );
        }
        done && answer.failed.is_empty()
    }

    /// The findings for an item: those of one SQS message by its number, or all.
    fn reported<'f>(&self, answer: &'f Answer, item: &str) -> Vec<&'f Finding> {
        let of_item = |(id, record): (&str, &Value)| {
            let event = record.pointer("/body").and_then(Value::as_str).map(|body| body.parse::<Value>().unwrap());
            (id == item).then(|| event.unwrap()["detail"]["eventID"].as_str().unwrap().to_owned())
        };
        let messages = self.case.payload["Records"].as_array();
        let ids = messages.into_iter().flatten().filter_map(|m| of_item((m["messageId"].as_str().unwrap(), m)));
        let ids: Vec<String> = ids.collect();
        let concerns = |id: &Option<String>| ids.is_empty() || id.as_ref().is_some_and(|id| ids.contains(id));
        answer.findings.iter().filter(|finding| concerns(&finding.id)).collect()
    }

    fn is_of(finding: &Finding, group: &GroupOf) -> bool {
        finding.group.as_ref().is_none_or(|id| *id == group.1)
    }

    fn says_done(finding: &Finding) -> bool {
        finding.verdict == Verdict::Safe || matches!(finding.outcome, Outcome::Reverted | Outcome::AlreadyGone)
    }

    /// Delivers with the faults, and again until nothing is left open. Returns how many deliveries that took.
    pub(super) async fn to_the_end(&self, faults: usize) -> Option<usize> {
        let mut deliveries = 1;
        let mut done = self.deliver().await;
        if self.hits() == 0 {
            return None;
        }
        // A fault that the first delivery did not meet may hit the next delivery.
        while !done || self.hits() < faults {
            let met = self.hits();
            deliveries += 1;
            self.a_minute_later();
            assert!(deliveries <= 2 + faults, "{}, {}: never done", self.scenario.name, self.what);
            done = self.deliver().await;
            if self.hits() == met && met < faults && done {
                break;
            }
            let done_or_hit = done || self.case.alert || self.hits() > met;
            assert!(done_or_hit, "{}, {}: not done without a fault", self.scenario.name, self.what);
            if self.case.alert && self.hits() == met {
                break;
            }
        }
        Some(deliveries)
    }
}
