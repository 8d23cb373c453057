//! The offline check: records from files, judged by what they hold themselves, without AWS.
//!
//! The same path as the function's, with the record as the only facts: prefix lists and the direction of a Modify are
//! undecided here, and a record of a rule that closes a gap between others' is judged alone.

pub mod input;
pub mod show;

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_domain::exposure::{GroupFacts, PrefixLists, Rule, harmless, judge};
use portcullis_domain::finding::{Action, Done, Finding, Outcome, Verdict};
use portcullis_domain::ids::{GroupId, RuleId};
use portcullis_domain::plan::plan;
use portcullis_domain::policy::{Mode, Policy, Whereabouts};
use portcullis_domain::trail::{self, Call, Change, Reading, Seen, Subject};
use serde_json::Value;

use crate::envelope::{self, Letter};

/// Judges everything in a document: a record, an EventBridge event, a log file's `Records`, a queue's messages. An
/// `Err` names what is none of these.
#[must_use]
pub fn document(document: &Value, policy: &Policy, now: Timestamp) -> Vec<Result<Finding, String>> {
    let items = envelope::open(document).items;
    items.into_iter().flat_map(|item| item.letters).map(|letter| judge_letter(letter, policy, now)).collect()
}

fn plain(seen: &Seen, verdict: Verdict, why: &str) -> Finding {
    Finding::plain(seen, verdict, Outcome::None, Mode::Alert, why.to_owned())
}

fn judge_letter(letter: Letter, policy: &Policy, now: Timestamp) -> Result<Finding, String> {
    let (record, postmark) = match letter {
        Letter::Record { record, postmark } => (record, postmark),
        Letter::Ignored(why) | Letter::Passed(why) => return Ok(plain(&Seen::default(), Verdict::Irrelevant, &why)),
        Letter::Unreadable(why) => return Err(why),
        Letter::LogFile(file) => {
            return Err(format!("it only names a log file: check s3://{}/{} itself", file.bucket, file.key));
        }
        Letter::Sweep(_) => return Err("it is the order for a sweep, and holds no record".to_owned()),
    };
    Ok(match trail::read(&record, &postmark) {
        Reading::Irrelevant { seen, why } => plain(&seen, Verdict::Irrelevant, &why),
        Reading::Undecided { seen, why } => plain(&seen, Verdict::Undecided, &why),
        Reading::Change(change) => {
            let finding = judge_change(&change, policy, now);
            let group = match &change.subject {
                Subject::Group(id) => Some(id.to_string()),
                Subject::GroupName(name) => Some(name.clone()),
                Subject::PrefixList(_) | Subject::Region => None,
            };
            Finding { group, ..finding }
        }
    })
}

fn judge_change(change: &Change, policy: &Policy, now: Timestamp) -> Finding {
    if let Some(why) = harmless(change, policy) {
        return plain(&change.seen, Verdict::Safe, why);
    }
    let Some(says) = &change.says else {
        let why = match change.subject {
            Subject::PrefixList(_) => "the record does not say which rules refer to the prefix list: only EC2 knows",
            Subject::Group(_) | Subject::GroupName(_) | Subject::Region => {
                "the record does not say all that was changed: only EC2 knows"
            }
        };
        return plain(&change.seen, Verdict::Undecided, why);
    };
    if change.call != Call::Authorize {
        let why = "the record does not say whether the rules it modifies are ingress rules: only EC2 knows";
        return plain(&change.seen, Verdict::Undecided, why);
    }
    let rules: Vec<Rule> = says
        .iter()
        .zip(1..)
        .map(|((id, permission), n)| {
            let id = id.clone().unwrap_or_else(|| RuleId::unlisted(n));
            Rule { id, permission: permission.clone() }
        })
        .collect();
    let group = match &change.subject {
        Subject::Group(id) => id.clone(),
        Subject::GroupName(_) | Subject::PrefixList(_) | Subject::Region => GroupId::unlisted(),
    };
    let facts = GroupFacts { group, vpc: None, rules, egress: BTreeSet::new() };
    let (account, region, group) = (&change.account, &change.region, &facts.group);
    let at = Whereabouts { account, region, group, vpc: None };
    // Everything in the record is the change's own, whether it lists rule ids or not.
    let own = Change { claim: trail::Claim::Any, ..change.clone() };
    let judgement = judge(&[&own], &facts, &PrefixLists::new(), policy, at, now);
    if policy.exempts_by_vpc() && !judgement.exposures.is_empty() {
        let why = "an exemption of the policy names VPCs, and the record does not say the group's: only EC2 knows";
        return plain(&change.seen, Verdict::Undecided, why);
    }
    let planned = plan(&judgement).into_iter().filter_map(|n| Some(judgement.rules.get(n)?.rule.id.clone()));
    let done: Done = planned.map(|id| (id, Action::WouldRevoke)).collect();
    Finding::judged(change, 0, group, &judgement, &done, Mode::Alert)
}
