//! The offline check: records from files, judged by what they hold themselves, without AWS.
//!
//! The same path as the function's, with the record as the only facts: prefix lists and the direction of a Modify are
//! undecided here, and a record of a rule that closes a gap between others' is judged alone.

pub mod input;
pub mod objects;
pub mod show;

use std::cell::RefCell;

use jiff::Timestamp;
use portcullis_delivery::logfile::{self, Content, Found, Scratch};
use portcullis_domain::change::{Call, Change, ChangedRules, EventMetadata, Resource};
use portcullis_domain::cloudtrail::{self, EnvelopeOrigin, Reading};
use portcullis_domain::facts::{Facts, GroupLocation};
use portcullis_domain::finding::{Action, Done, Finding, Outcome, Verdict};
use portcullis_domain::ids::{GroupId, RuleId};
use portcullis_domain::json::Json;
use portcullis_domain::judge::{harmless, judge};
use portcullis_domain::plan::plan;
use portcullis_domain::policy::{Mode, Policy};
use portcullis_domain::rule::Rule;
use portcullis_domain::state::Remediation;

use input::InputError;
use portcullis::s3_url::S3Url;
use portcullis_delivery::envelope::{self, Payload};

/// What judges: a policy, and the time at which its exemptions hold or do not.
#[derive(Debug)]
pub struct Judge {
    /// The policy.
    pub policy: Policy,
    /// The time.
    pub now: Timestamp,
}

/// What was in one input.
#[derive(Debug, Default)]
pub struct Judged {
    /// What was judged, in order.
    pub findings: Vec<Finding>,
    /// What could not be read.
    pub input_errors: Vec<InputError>,
}

impl From<InputError> for Judged {
    fn from(trouble: InputError) -> Self {
        Self { findings: Vec::new(), input_errors: vec![trouble] }
    }
}

thread_local! {
    /// What files are unzipped into: each thread has its own, and keeps it.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Judge {
    /// Judges everything in an input's bytes, plain or gzip: of a CloudTrail log file the records that are calls to be
    /// judged, of anything else every record, event and message.
    #[must_use]
    pub fn bytes(&self, name: &str, bytes: &[u8]) -> Judged {
        let mut judged = Judged::default();
        let tell = |found: Found<'_>| self.found(name, found, &mut judged);
        let others = SCRATCH.with_borrow_mut(|scratch| match logfile::read_log_file(bytes, scratch, tell) {
            Content::LogFile => None,
            Content::Other(text) => Some(self.documents(name, text)),
            Content::Unclear => Some(match input::unzipped(bytes) {
                Ok(text) => self.documents(name, &text),
                Err(why) => InputError { place: name.to_owned(), why }.into(),
            }),
        });
        others.unwrap_or(judged)
    }

    fn found(&self, name: &str, found: Found<'_>, judged: &mut Judged) {
        match found.and_then(|record| record.parse()) {
            Ok(record) => {
                let payload = Payload::Record { record, envelope_origin: EnvelopeOrigin::default() };
                judged.add(name, judge_letter(payload, &self.policy, self.now));
            }
            Err(error) => judged.add(name, Err(error.to_string())),
        }
    }

    fn documents(&self, name: &str, text: &[u8]) -> Judged {
        let mut judged = Judged::default();
        for document in input::documents(name, text) {
            match document {
                Ok(document) => {
                    let found = self::document(&document, &self.policy, self.now);
                    found.into_iter().for_each(|each| judged.add(name, each));
                }
                Err(trouble) => judged.input_errors.push(trouble),
            }
        }
        judged
    }
}

impl Judged {
    fn add(&mut self, name: &str, judged: Result<Finding, String>) {
        match judged {
            Ok(finding) => self.findings.push(finding),
            Err(why) => self.input_errors.push(InputError { place: name.to_owned(), why }),
        }
    }
}

/// A CloudTrail log file that is judged as it arrives.
#[derive(Debug)]
pub struct LogFile<'a> {
    judge: &'a Judge,
    name: &'a str,
    stream: logfile::Stream,
    judged: Judged,
}

impl<'a> LogFile<'a> {
    /// Nothing of it has arrived.
    #[must_use]
    pub fn new(judge: &'a Judge, name: &'a str) -> Self {
        Self { judge, name, stream: logfile::Stream::default(), judged: Judged::default() }
    }

    /// The next bytes, gzip or plain.
    pub fn push(&mut self, chunk: &[u8]) {
        let (judge, name, judged) = (self.judge, self.name, &mut self.judged);
        self.stream.push(chunk, |found| judge.found(name, found, judged));
    }

    /// The end.
    #[must_use]
    pub fn finish(mut self) -> Judged {
        let (judge, name, judged) = (self.judge, self.name, &mut self.judged);
        self.stream.finish(|found| judge.found(name, found, judged));
        self.judged
    }

    /// No more will come.
    #[must_use]
    pub fn broken_off(mut self, why: String) -> Judged {
        self.judged.add(self.name, Err(why));
        self.judged
    }
}

/// Judges everything in a document: a record, an EventBridge event, a log file's `Records`, a queue's messages. An
/// `Err` names what is none of these.
#[must_use]
pub fn document(document: &Json<'_>, policy: &Policy, now: Timestamp) -> Vec<Result<Finding, String>> {
    let items = envelope::open(document).items;
    items.into_iter().flat_map(|item| item.payloads).map(|payload| judge_letter(payload, policy, now)).collect()
}

fn plain(event: &EventMetadata, verdict: Verdict, why: &str) -> Finding {
    Finding::plain(event, verdict, Outcome::None, Mode::Alert, why.to_owned())
}

fn judge_letter(payload: Payload<'_>, policy: &Policy, now: Timestamp) -> Result<Finding, String> {
    let (record, envelope_origin) = match payload {
        Payload::Record { record, envelope_origin } => (record, envelope_origin),
        Payload::Unrelated(why) | Payload::Control(why) => {
            return Ok(plain(&EventMetadata::default(), Verdict::Irrelevant, &why));
        }
        Payload::Unreadable(why) => return Err(why),
        Payload::LogFile(file) => {
            return Err(format!(
                "it only names a log file: check {} itself",
                S3Url { bucket: &file.bucket, key: &file.key }
            ));
        }
        Payload::SweepRequest(_) => return Err("it is the order for a sweep, and holds no record".to_owned()),
    };
    Ok(match cloudtrail::read(&record, &envelope_origin) {
        Reading::Irrelevant { event, why } => plain(&event, Verdict::Irrelevant, &why),
        Reading::Undecided { event, why } => plain(&event, Verdict::Undecided, &why),
        Reading::Change(change) => {
            let finding = judge_change(&change, policy, now);
            let group = match &change.resource {
                Resource::Group(id) => Some(id.to_string()),
                Resource::GroupName(name) => Some(name.clone()),
                Resource::PrefixList(_) | Resource::Region => None,
            };
            Finding { group, ..finding }
        }
    })
}

fn judge_change(change: &Change, policy: &Policy, now: Timestamp) -> Finding {
    if let Some(why) = harmless(change, policy) {
        return plain(&change.event, Verdict::Safe, why);
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
    if change.call != Call::Authorize {
        let why = "the record does not say whether the rules it modifies are ingress rules: only EC2 knows";
        return plain(&change.event, Verdict::Undecided, why);
    }
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
    let planned = plan(&judgement, Mode::Alert, usize::MAX).rules().into_iter();
    let done: Done = planned.map(|id| (id, Action::WouldRevoke)).collect();
    let remediation =
        Remediation { judgement, past: Vec::new(), open: Vec::new(), done, mode: Mode::Alert, done_at: None };
    Finding::judged(change, 0, &remediation)
}
