//! The offline check: records from files, judged by what they hold themselves, without AWS.
//!
//! The same path as the function's, with the record as the only facts: prefix lists and the direction of a Modify are
//! undecided here, and a record of a rule that closes a gap between others' is judged alone.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_delivery::envelope::{self, Payload};
use portcullis_domain::change::{Call, Change, ChangedRules, EventMetadata, Resource};
use portcullis_domain::cloudtrail::{self, Reading};
use portcullis_domain::facts::{Facts, GroupLocation};
use portcullis_domain::finding::{Action, Done, Finding, Outcome, Verdict};
use portcullis_domain::ids::{GroupId, RuleId};
use portcullis_domain::json::Json;
use portcullis_domain::judge::{harmless, judge};
use portcullis_domain::plan::plan;
use portcullis_domain::policy::{Mode, Policy};
use portcullis_domain::rule::Rule;
use portcullis_domain::state::Remediation;

use portcullis::s3_url::S3Url;

use crate::input::InputError;
use crate::when::Window;
use crate::words;

/// What judges: a policy, and the time at which its exemptions hold or do not.
#[derive(Debug)]
pub struct Judge {
    /// The policy.
    pub policy: Policy,
    /// The time.
    pub now: Timestamp,
    /// Which records are judged.
    pub window: Window,
    /// Which findings are kept. Of the others only the verdict is known in the end.
    pub keeps: fn(&Finding) -> bool,
    /// What marks are made with.
    pub marks: Marks,
}

/// Makes the marks of findings.
#[derive(Debug, Default)]
pub struct Marks([RandomState; 2]);

/// Two numbers of 64 bits each, which nobody can know beforehand: findings with the same mark are equal in every word.
pub type Mark = (u64, u64);

impl Marks {
    /// The finding's mark. What has no id has none: it is nothing's copy.
    fn of(&self, finding: &Finding) -> Option<Mark> {
        finding.id.as_ref()?;
        let line = portcullis::sinks::log::line(finding);
        let [one, other] = self.0.each_ref().map(|state| state.hash_one(&line));
        Some((one, other))
    }
}

/// A record that was judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What it came to.
    pub finding: Finding,
    /// The input that it was read from.
    pub input: Arc<str>,
    /// Its mark.
    pub mark: Option<Mark>,
}

/// What one input came to.
#[derive(Debug, Default)]
pub struct Judged {
    /// What was judged and kept, in order.
    pub checked: Vec<Checked>,
    /// The verdicts and marks of what was not kept.
    pub passed: Vec<(Verdict, Option<Mark>)>,
    /// What could not be read.
    pub input_errors: Vec<InputError>,
}

impl Judged {
    /// How much it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.checked.len() + self.passed.len() + self.input_errors.len()
    }

    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Judge {
    /// Judges a payload that was read from the input `name`.
    pub fn add(&self, name: &str, payload: Result<Payload<'_>, InputError>, judged: &mut Judged) {
        let payload = match payload {
            Ok(payload) => payload,
            Err(error) => return judged.input_errors.push(error),
        };
        match judge_payload(payload, &self.policy, self.now) {
            Ok(finding) if self.window.has(finding.time) => {
                let mark = self.marks.of(&finding);
                if !(self.keeps)(&finding) {
                    return judged.passed.push((finding.verdict, mark));
                }
                let last = judged.checked.last().map(|checked| &checked.input);
                let input = last.filter(|input| ***input == *name).map_or_else(|| Arc::from(name), Arc::clone);
                judged.checked.push(Checked { finding, input, mark });
            }
            Ok(_) => {}
            Err(why) => judged.input_errors.push(InputError { place: name.to_owned(), why }),
        }
    }
}

/// Judges everything in a document: a record, an EventBridge event, a log file's `Records`, a queue's messages. An
/// `Err` says why something is none of these.
#[must_use]
pub fn document(document: &Json<'_>, policy: &Policy, now: Timestamp) -> Vec<Result<Finding, String>> {
    let items = envelope::open(document).items;
    items.into_iter().flat_map(|item| item.payloads).map(|payload| judge_payload(payload, policy, now)).collect()
}

fn plain(event: &EventMetadata, verdict: Verdict, why: &str) -> Finding {
    Finding::plain(event, verdict, Outcome::None, Mode::Alert, why.to_owned())
}

fn judge_payload(payload: Payload<'_>, policy: &Policy, now: Timestamp) -> Result<Finding, String> {
    Ok(match intake(payload)? {
        Intake::Finding(finding) => *finding,
        Intake::Change(change) => Finding { group: named(&change.resource), ..judge_change(&change, policy, now) },
    })
}

/// What a payload is, before anything is judged.
enum Intake {
    /// A call that may have opened something.
    Change(Box<Change>),
    /// Something that needs no judging.
    Finding(Box<Finding>),
}

/// # Errors
/// Why the payload holds no record.
fn intake(payload: Payload<'_>) -> Result<Intake, String> {
    let finding = |event: &EventMetadata, verdict, why: &str| Intake::Finding(Box::new(plain(event, verdict, why)));
    let (record, envelope_origin) = match payload {
        Payload::Record { record, envelope_origin, later_look: _ } => (record, envelope_origin),
        Payload::Unrelated(why) | Payload::Control(why) => {
            return Ok(finding(&EventMetadata::default(), Verdict::Irrelevant, &why));
        }
        Payload::Unreadable(why) => return Err(why),
        Payload::LogFile(file) => {
            let place = S3Url { bucket: &file.bucket, key: &file.key };
            return Err(format!("it only names a log file: check {place} itself"));
        }
        Payload::EndRequest(_) => return Err("it is the end of an opening, and holds no record".to_owned()),
        Payload::SweepRequest(_) => return Err("it is a request for a sweep, and holds no record".to_owned()),
    };
    Ok(match cloudtrail::read(&record, &envelope_origin) {
        Reading::Irrelevant { event, why } => finding(&event, Verdict::Irrelevant, &why),
        Reading::Undecided { event, why } => finding(&event, Verdict::Undecided, &why),
        Reading::Change(change) => Intake::Change(change),
    })
}

fn named(resource: &Resource) -> Option<String> {
    match resource {
        Resource::Group(id) => Some(id.to_string()),
        Resource::GroupName(name) => Some(name.clone()),
        Resource::PrefixList(_) | Resource::Region => None,
    }
}

fn judge_change(change: &Change, policy: &Policy, now: Timestamp) -> Finding {
    if let Some(why) = harmless(change, policy) {
        return plain(&change.event, Verdict::Safe, why);
    }
    if let Some(unread) = &change.unread {
        return plain(&change.event, Verdict::Undecided, unread);
    }
    let Some(recorded_rules) = &change.recorded_rules else {
        let why = match change.resource {
            Resource::PrefixList(_) => "the record does not say which rules refer to the prefix list: only EC2 knows",
            Resource::Group(_) | Resource::GroupName(_) | Resource::Region => {
                "the record does not say all that was changed: only EC2 knows"
            }
        };
        return plain(&change.event, Verdict::Undecided, why);
    };
    let rules: Vec<Rule> = recorded_rules
        .iter()
        .zip(1..)
        .map(|((id, permission), n)| {
            let id = id.clone().unwrap_or_else(|| RuleId::unlisted(n));
            Rule::new(id, permission.clone())
        })
        .collect();
    let group = match &change.resource {
        Resource::Group(id) => id.clone(),
        Resource::GroupName(_) | Resource::PrefixList(_) | Resource::Region => GroupId::unlisted(),
    };
    let location = GroupLocation { account: change.account.clone(), region: change.region.clone(), group, vpc: None };
    let facts = Facts::of_rules(location, rules, now);
    // Everything in the record is the change's own, whether it lists rule ids or not.
    let own = Change { changed_rules: ChangedRules::Any, ..change.clone() };
    let judgement = judge(&[&own], &facts, policy, now);
    if policy.exempts_by_vpc() && !judgement.exposures.is_empty() {
        let why = "an exemption of the policy names VPCs, and the record does not say the group's: only EC2 knows";
        return plain(&change.event, Verdict::Undecided, why);
    }
    let judged = |judgement, done| {
        let (past, open) = (Vec::new(), Vec::new());
        Finding::judged(
            change,
            0,
            &Remediation { judgement, own: 1, past, open, done, mode: Mode::Alert, done_at: None },
        )
    };
    if change.call != Call::Authorize {
        // The rules of all other calls may be egress rules.
        return if_ingress(judged(judgement, Done::new()));
    }
    let planned = plan(&judgement, Mode::Alert, usize::MAX).rules().into_iter();
    let done = planned.map(|id| (id, Action::WouldRevoke)).collect();
    judged(judgement, done)
}

/// The finding of a record that does not say whether its rules are ingress rules, judged as if they were. The rule may
/// expose something only if it is one; otherwise it is safe either way.
fn if_ingress(judged: Finding) -> Finding {
    if !matches!(judged.verdict, Verdict::Exposed | Verdict::Undecided) {
        return judged;
    }
    let mut open: Vec<String> = judged.exposures.iter().map(words::exposure).collect();
    open.dedup();
    let why = "the record does not say, only EC2 knows";
    let reason = match open.is_empty() {
        false => format!("{}, if it is an ingress rule: {why}", open.join("; ")),
        true => format!("{}; and whether it is an ingress rule: {why}", judged.reason),
    };
    Finding { verdict: Verdict::Undecided, outcome: Outcome::None, reason, ..judged }
}
