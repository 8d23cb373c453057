//! Gives rules back what they were before the call. EC2 answers only that it took that, so the next look tells.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portcullis_domain::evidence::{Call, Reply};
use portcullis_domain::ids::RuleId;
use portcullis_domain::state::{Effect, Given};

use super::remediate::Work;
use super::task::Snapshot;
use crate::aws::{MODIFY, NewValue, Permit};

impl Work<'_> {
    /// Gives back what is pending and was not just given back. Returns whether another turn may help.
    pub(super) async fn give_back(&mut self, permit: Permit<'_>, snapshot: &Snapshot) -> bool {
        let rules = self.state.to_restore();
        let values: BTreeMap<RuleId, NewValue> =
            rules.iter().map(|(id, given)| (id.clone(), whole(id, given, snapshot))).collect();
        let ids: BTreeSet<RuleId> = rules.keys().cloned().collect();
        let answer = self.task.session.modify(permit, &snapshot.facts.location.group, &values).await;
        let at = self.context.now();
        let (request, reply, again) = match answer {
            Ok(request) => {
                self.revoked_at = Some(at);
                self.state.accepted(rules);
                (request, Reply::Accepted, true)
            }
            Err(error) => {
                if error.effect == Effect::NotFound {
                    self.gate.hurry();
                }
                tracing::warn!(group = %snapshot.facts.location.group, %error, "a rule was not given back");
                let code = error.code.to_string();
                let again = self.state.not_accepted(rules, &code, error.effect);
                (None, Reply::Failed(code), again)
            }
        };
        self.looks.called(Call { name: MODIFY.to_owned(), request, at, rules: ids, reply });
        // What was called shows at once, as a rule; what failed is revoked at once.
        self.gate.limit_next(Duration::ZERO);
        again
    }
}

/// All of the rule: what the call leaves out may be kept or lost.
fn whole(id: &RuleId, given: &Given, snapshot: &Snapshot) -> NewValue {
    let now = snapshot.facts.rules.iter().find(|rule| rule.id == *id);
    let has_one = now.is_some_and(|rule| rule.description.is_some());
    let description = given.description.clone().or_else(|| has_one.then(String::new));
    NewValue { permission: given.permission.clone(), description }
}
