//! What an act in alert mode would have taken is there still. A rule that a Modify changed is set back to what it was, on the
//! rule itself: it keeps its id and its tags.

use std::collections::BTreeMap;
use std::io;

use portcullis::aws::NewValue;
use portcullis::domain::facts::Facts;
use portcullis::domain::ids::RuleId;
use portcullis::domain::rule::Rule;
use portcullis::domain::text::escaped;
use portcullis::domain::undo::{self, Missing};

use super::back::Back;

impl Back<'_> {
    /// Sets back what can be; the exit status.
    pub(super) async fn set_back(&self, facts: &Facts) -> io::Result<u8> {
        let undo::SetBack { rules, there, left_out } = undo::set_back(self.evidence, facts);
        let why: Vec<String> = left_out.iter().map(|(rule, why)| format!("{rule}: {}", escaped(why))).collect();
        if rules.is_empty() && there.is_empty() {
            let why = if why.is_empty() { "it would have taken no rule away".to_owned() } else { why.join("; ") };
            return Err(io::Error::other(format!(
                "{}: nothing was taken away, for it was in alert mode, and nothing can be set back: {why}",
                self.evidence.id
            )));
        }
        why.iter().for_each(|why| eprintln!("portcullis: {why}: it is left alone"));
        there.keys().for_each(|rule| eprintln!("{rule} is what it was already"));
        if rules.is_empty() {
            println!("Nothing to do: what can be set back is what it was.");
            return Ok(0);
        }
        self.put(facts, &Missing { rules, there: BTreeMap::new(), tags_left_out: BTreeMap::new() }).await
    }

    /// Makes the call. Returns why it failed: a look says what is there, whatever the answer.
    pub(super) async fn modify(&self, rules: &[Rule]) -> Option<String> {
        let group = &self.evidence.location.group;
        let Some(permit) = self.session.permit(&self.target).await else {
            return Some("there was no time for another call of EC2".to_owned());
        };
        // What a call leaves out may be kept or lost.
        let value = |rule: &Rule| NewValue {
            permission: rule.permission.clone(),
            description: Some(rule.description.clone().unwrap_or_default()),
        };
        let values: BTreeMap<RuleId, NewValue> = rules.iter().map(|rule| (rule.id.clone(), value(rule))).collect();
        self.session.modify(permit, group, &values).await.err().map(|error| error.to_string())
    }
}
