//! Revokes what an end takes, until EC2 has confirmed it or time is over. Each revoke rests on a look of the same turn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portcullis_domain::evidence::{Call, Look, Reply, Taken};
use portcullis_domain::facts::Facts;
use portcullis_domain::finding::Action;
use portcullis_domain::ids::RuleId;
use portcullis_domain::memory::Waiver;
use portcullis_domain::opening;
use portcullis_domain::rule::Rule;
use tokio::time::sleep;

use super::context::Context;
use super::end::{Order, look_at};
use crate::aws::{Code, Effect, REVOKE, Session};

/// So many turns are made at most.
const TURNS: u32 = 8;

/// The pause after the first turn that did not succeed. It doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// What became of the rules.
pub(super) struct Done {
    pub(super) looks: Vec<Look>,
    pub(super) rules: Vec<Taken>,
}

/// One end under way.
pub(super) struct Revoking<'a> {
    context: &'a Context,
    session: Session<'a>,
    order: &'a Order<'a>,
    looks: Vec<Look>,
    /// Every rule that was to go, as the latest look showed it.
    seen: BTreeMap<RuleId, Rule>,
    done: BTreeMap<RuleId, Action>,
    /// Why the rules that are left are there still.
    error: String,
    /// The rules whose revoke had no clear answer.
    asked: BTreeSet<RuleId>,
}

impl<'a> Revoking<'a> {
    pub(super) fn new(context: &'a Context, session: Session<'a>, order: &'a Order<'a>) -> Self {
        Self {
            context,
            session,
            order,
            looks: Vec::new(),
            seen: BTreeMap::new(),
            done: BTreeMap::new(),
            error: Code::Timeout.as_str().to_owned(),
            asked: BTreeSet::new(),
        }
    }

    pub(super) async fn carry_out(mut self, waiver: Option<&Waiver>, first: Facts) -> Done {
        let (mut facts, mut pause) = (first, PAUSE);
        for _ in 0..TURNS {
            let going = self.take_in(waiver, &facts);
            if going.is_empty() || !self.revoke(going).await {
                break;
            }
            sleep(pause).await;
            pause *= 2;
            match look_at(self.context, self.session, self.order).await {
                Ok(next) => facts = next,
                Err(error) => {
                    error.code.as_str().clone_into(&mut self.error);
                    break;
                }
            }
        }
        let Self { looks, seen, done, error, .. } = self;
        let failed = Action::Failed { error };
        let rules = seen.into_iter().map(|(id, rule)| {
            let action = done.get(&id).cloned().unwrap_or_else(|| failed.clone());
            Taken { rule, action }
        });
        Done { looks, rules: rules.collect() }
    }

    /// Takes in a look. Returns the rules that have to go still.
    fn take_in(&mut self, waiver: Option<&Waiver>, facts: &Facts) -> BTreeSet<RuleId> {
        let now = self.context.now();
        let shown: BTreeSet<&RuleId> = facts.rules.iter().map(|rule| &rule.id).collect();
        for id in self.seen.keys().filter(|id| !shown.contains(id)) {
            // A revoke without a clear answer took effect; or somebody else was faster.
            let action = if self.asked.contains(id) { Action::Revoked } else { Action::AlreadyGone };
            self.done.entry(id.clone()).or_insert(action);
        }
        // EC2 may still show what it listed as revoked.
        let left = facts.rules.iter().filter(|rule| !self.done.contains_key(&rule.id)).cloned().collect();
        let left = facts.with_rules(left);
        let plan = opening::plan(self.order.waiver, waiver, &left, now);
        let going = plan.rules();
        let rules = left.rules.iter().filter(|rule| going.contains(&rule.id));
        self.seen.extend(rules.map(|rule| (rule.id.clone(), rule.clone())));
        if !going.is_empty() || self.looks.is_empty() {
            self.looks.push(Look::new(&left, now, plan));
        }
        going
    }

    /// Revokes rules. Returns whether another turn may help.
    async fn revoke(&mut self, going: BTreeSet<RuleId>) -> bool {
        let session = self.session.ending(self.order.group);
        let Some(permit) = session.permit(self.order.target).await else { return false };
        let answer = session.revoke(permit, self.order.group, &going).await;
        let (request, reply, again) = match answer {
            Ok(revoked) => {
                let listed = revoked.rules.iter().filter(|rule| going.contains(rule));
                self.done.extend(listed.map(|rule| (rule.clone(), Action::Revoked)));
                let left: BTreeSet<RuleId> = going.difference(&revoked.rules).cloned().collect();
                let again = !left.is_empty();
                self.asked.extend(left);
                Code::NotListed.as_str().clone_into(&mut self.error);
                (revoked.request, Reply::Revoked(revoked.rules), again)
            }
            Err(error) => {
                if error.effect == Effect::Unknown {
                    self.asked.extend(going.iter().cloned());
                }
                error.code.as_str().clone_into(&mut self.error);
                (None, Reply::Failed(error.code.as_str().to_owned()), error.effect != Effect::Refused)
            }
        };
        let call = Call { name: REVOKE.to_owned(), request, at: self.context.now(), rules: going, reply };
        self.looks.last_mut().into_iter().for_each(|look| look.call = Some(call.clone()));
        again
    }
}
