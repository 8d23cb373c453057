//! A finding as an OCSF event on the topic, beside the message for people: for subscribers that ask for it with a filter
//! policy.

use jiff::Timestamp;
use portcullis_domain::finding::{Finding, ocsf};
use serde_json::{Value, json};

use super::brief;
use super::title::{LONGEST_SUBJECT, title};
use crate::aws::Message;

/// The attribute that such a message has, and no other.
pub const FORMAT: &str = "format";

/// The message, where the finding is an OCSF event. Its attributes are `format`, which is `ocsf`, and OCSF's own `severity` and
/// `status`. It has none of those of the message for people: who filters by those gets no finding twice.
#[must_use]
pub fn of(finding: &Finding, now: Timestamp) -> Option<Message> {
    let event = ocsf::of(&brief(finding), now)?;
    let word = |key: &'static str| Some((key, event.get(key).and_then(Value::as_str)?.to_owned()));
    let words = [word("severity"), word("status")].into_iter().flatten();
    let subject = title(finding, LONGEST_SUBJECT);
    let subject = subject.chars().filter(|c| (' '..='~').contains(c)).take(LONGEST_SUBJECT);
    Some(Message {
        subject: subject.collect(),
        attributes: [(FORMAT, "ocsf".to_owned())].into_iter().chain(words).collect(),
        body: json!({"default": event.to_string()}).to_string(),
    })
}
